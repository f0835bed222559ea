// Package shim hands out the random provider, which its own module keeps in an internal
// package: only a module whose path begins with the provider's may import it.
package shim

import (
	"github.com/hashicorp/terraform-plugin-framework/provider"
	random "github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// New returns the vendor's provider.
func New() provider.Provider {
	return random.New()
}
