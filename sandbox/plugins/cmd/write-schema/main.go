// Command write-schema writes the schema and the metadata that a bridged plugin embeds:
// write-schema hcloud|random DIRECTORY.
package main

import (
	"fmt"
	"os"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfgen"

	"plex-on-nixos/sandbox/plugins/bridge/hcloud"
	"plex-on-nixos/sandbox/plugins/bridge/random"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: write-schema hcloud|random DIRECTORY")
		os.Exit(2)
	}
	name, directory := os.Args[1], os.Args[2]
	// The generator reads its own command line.
	os.Args = []string{"pulumi-tfgen-" + name, "schema", "--out", directory}
	switch name {
	case "hcloud":
		tfgen.MainWithMuxer(name, hcloud.Provider())
	case "random":
		tfgen.Main(name, random.Provider())
	default:
		fmt.Fprintf(os.Stderr, "write-schema: no provider named %q\n", name)
		os.Exit(2)
	}
}
