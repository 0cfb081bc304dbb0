// Package manifest makes the canonical bytes of what people approve.
//
// A [Manifest] names the run, the gate, the digests of the playbook and the profile, when the
// approval expires, and every value that is approved. The same manifest has the same bytes; a
// changed value is another manifest, and approvals of the old one are void. Signed approvals sign
// this text, so it is made to be read by people.
package manifest

import "time"

// Digest is "sha256:" and 64 hexadecimal digits of the canonical bytes.
type Digest string

// Manifest is what one gate message asks people to approve.
type Manifest struct {
	Run      string    `json:"run"`      // opaque id
	Name     string    `json:"name"`     // release/lava/2019.01
	Gate     string    `json:"gate"`     // path of the gate's step
	Number   int       `json:"number"`   // counts the manifests of this gate, from 1
	Playbook string    `json:"playbook"` // digest of the closure of playbooks
	Profile  string    `json:"profile"`  // digest of the profile values that the steps use
	Rule     string    `json:"rule"`     // the gate's rule, canonical
	Expires  time.Time `json:"expires,omitzero"`
	Binds    []Bind    `json:"binds"` // in the playbook's order
}

// Bind is one approved value. Value is canonical JSON, and "" for no value at all, e.g. of a step
// that was skipped. A value longer than [LongValue] stands in the canonical text by its digest
// and size, and is kept beside the manifest.
type Bind struct {
	Name   string `json:"name"` // the expression, e.g. steps.payload.digest
	Value  string `json:"value"`
	Digest string `json:"digest,omitempty"` // of a long value that is not here; Value is "" then
	Size   int    `json:"size,omitempty"`   // of that value, in bytes
}
