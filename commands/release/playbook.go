package release

import (
	_ "embed"
)

// Playbook is the bundled playbook of the family, as source. A site replaces it by a file of its
// own.
//
//go:embed release.yaml
var Playbook []byte
