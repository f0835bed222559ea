// Package bridge holds what the bridged plugins have in common.
package bridge

import (
	"io/fs"
)

// Generated returns a file that write-schema made before this build, or nil while
// write-schema itself is built.
func Generated(files fs.FS, name string) []byte {
	data, err := fs.ReadFile(files, "generated/"+name)
	if err != nil {
		return nil
	}
	return data
}
