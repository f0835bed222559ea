// Command pulumi-resource-command is a Pulumi plugin that runs commands over SSH. It stands in
// for the official plugin of the same name and version.
package main

import (
	"context"
	"fmt"
	"os"
	"sync"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"plex-on-nixos/sandbox/plugins/remote"
)

const version = "1.2.1"

func main() {
	if err := provider().Run(context.Background(), "command", version); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-command:", err)
		os.Exit(1)
	}
}

func provider() p.Provider {
	cancelled := make(chan struct{})
	command := &remote.Command{Cancelled: cancelled}
	inferred := infer.Provider(infer.Options{
		Resources: []infer.InferredResource{infer.Resource(command)},
	})

	var once sync.Once
	inner := inferred.Cancel
	inferred.Cancel = func(ctx context.Context) error {
		once.Do(func() { close(cancelled) })
		return inner(ctx)
	}
	return inferred
}
