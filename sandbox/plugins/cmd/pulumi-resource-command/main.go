// Command pulumi-resource-command is a Pulumi plugin that runs commands over SSH. It stands in
// for the official plugin of the same name and version.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/pulumi/pulumi-go-provider/infer"

	"plex-on-nixos/sandbox/plugins/remote"
)

const version = "1.2.1"

func main() {
	provider := infer.Provider(infer.Options{
		Resources: []infer.InferredResource{infer.Resource(&remote.Command{})},
	})
	if err := provider.Run(context.Background(), "command", version); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-command:", err)
		os.Exit(1)
	}
}
