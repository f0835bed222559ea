// Package hcloud describes Hetzner's Terraform provider to Pulumi's bridge, with the tokens
// of the PyPI package pulumi-hcloud.
package hcloud

import (
	"context"
	"embed"

	upstream "github.com/hetznercloud/terraform-provider-hcloud/hcloud"
	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	sdkv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"

	"plex-on-nixos/sandbox/plugins/bridge"
)

// Version is the version of the official plugin that this one stands in for.
const Version = "1.43.3"

//go:embed all:generated
var generated embed.FS

// Schema is the Pulumi schema, empty while it is being written.
var Schema = bridge.Generated(generated, "schema.json")

// numbered describes a resource whose ID is a number at the vendor's: Pulumi's are strings.
func numbered() *tfbridge.ResourceInfo {
	return &tfbridge.ResourceInfo{Fields: map[string]*tfbridge.SchemaInfo{"id": {Type: "string"}}}
}

// Provider maps every resource of the provider that the bridge can map.
func Provider() tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P: pf.MuxShimWithPF(
			context.Background(),
			sdkv2.NewProvider(upstream.Provider()),
			upstream.NewPluginProvider(),
		),
		Name:         "hcloud",
		Version:      Version,
		MetadataInfo: tfbridge.NewProviderMetadata(bridge.Generated(generated, "bridge-metadata.json")),
		// Storage boxes have write-only attributes, which need a newer bridge.
		IgnoreMappings: []string{
			"hcloud_storage_box", "hcloud_storage_box_snapshot", "hcloud_storage_box_subaccount",
		},
		Resources: map[string]*tfbridge.ResourceInfo{
			"hcloud_primary_ip": numbered(),
			"hcloud_zone":       numbered(),
		},
	}
	info.MustComputeTokens(tokens.SingleModule("hcloud_", "index", tokens.MakeStandard("hcloud")))
	// As the official plugin does: a resource without a name gets one of Pulumi's.
	info.SetAutonaming(255, "-")
	return info
}
