// Command pulumi-resource-hcloud serves Hetzner's own Terraform provider to the Pulumi engine.
package main

import (
	"context"

	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"

	"plex-on-nixos/sandbox/plugins/bridge/hcloud"
)

func main() {
	pf.MainWithMuxer(context.Background(), "hcloud", hcloud.Provider(), hcloud.Schema)
}
