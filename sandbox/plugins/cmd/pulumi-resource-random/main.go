// Command pulumi-resource-random serves HashiCorp's random provider to the Pulumi engine.
package main

import (
	"context"

	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"

	"plex-on-nixos/sandbox/plugins/bridge/random"
)

func main() {
	pf.Main(context.Background(), "random", random.Provider(),
		pf.ProviderMetadata{PackageSchema: random.Schema})
}
