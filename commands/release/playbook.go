package release

import (
	_ "embed"
)

// Playbook is the bundled playbook of the family, as source. A site replaces it by a file of its
// own.
//
//go:embed release.yaml
var Playbook []byte

//go:embed undo.yaml
var undo []byte

//go:embed refresh.yaml
var refresh []byte

//go:embed daily.yaml
var daily []byte

//go:embed promote.yaml
var promote []byte

//go:embed debian.yaml
var debian []byte

//go:embed leftovers.yaml
var leftovers []byte

// Playbooks are all of the family, by name: what a release is, and what follows one.
func Playbooks() map[string][]byte {
	return map[string][]byte{"release": Playbook, "release-undo": undo, "release-refresh": refresh, "release-daily": daily,
		"release-promote": promote, "release-debian": debian, "release-leftovers": leftovers}
}
