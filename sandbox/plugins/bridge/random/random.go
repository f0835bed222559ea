// Package random describes HashiCorp's random provider to Pulumi's bridge, with the tokens of
// the PyPI package pulumi-random.
package random

import (
	"embed"

	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/terraform-providers/terraform-provider-random/shim"

	"plex-on-nixos/sandbox/plugins/bridge"
)

// Version is the version of the official plugin that this one stands in for.
const Version = "4.21.4"

//go:embed all:generated
var generated embed.FS

// Schema is the Pulumi schema, empty while it is being written.
var Schema = bridge.Generated(generated, "schema.json")

// Provider maps the resources that have had an official plugin for long; the rest is ignored.
func Provider() tfbridge.ProviderInfo {
	named := map[string]string{
		"random_bytes":    "RandomBytes",
		"random_id":       "RandomId",
		"random_integer":  "RandomInteger",
		"random_password": "RandomPassword",
		"random_pet":      "RandomPet",
		"random_shuffle":  "RandomShuffle",
		"random_string":   "RandomString",
		"random_uuid":     "RandomUuid",
	}
	resources := make(map[string]*tfbridge.ResourceInfo, len(named))
	for name, token := range named {
		resources[name] = &tfbridge.ResourceInfo{Tok: tfbridge.MakeResource("random", "index", token)}
	}
	return tfbridge.ProviderInfo{
		P:              pf.ShimProvider(shim.New()),
		Name:           "random",
		Version:        Version,
		MetadataInfo:   tfbridge.NewProviderMetadata(bridge.Generated(generated, "bridge-metadata.json")),
		IgnoreMappings: []string{"random_uuid4", "random_uuid7"},
		Resources:      resources,
	}
}
