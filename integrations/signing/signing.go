// Package signing is the bot's side of the signer: what is asked to be signed, the HTTP door
// through which signers pull it, and the check of what comes back.
//
// The key is never here. A signer leases a job, re-hashes and reads the [Request] or the
// [ReleaseRequest], decides by its own policy, and returns signatures. [Tag.Finish] and
// [Release.Finish] verify them against the pinned fingerprint; only then do they become the outcome
// of `sign.tag@1` or `sign.release@1`. The program slipway-signer is the other side; both use the
// types of this package.
package signing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// GitTag is the kind of a [Request] that asks for a signature under a git tag's payload.
const GitTag = "git-tag"

// MaxRequest is the largest request of any kind, in bytes: [MaxSuites] Release files of some
// 200 kB, which is what large distributions have, a manifest and some approvals.
const MaxRequest = 4 << 20

// maxTagRequest is the largest [Request], in bytes: a tag payload, a manifest and some approvals.
const maxTagRequest = 512 << 10

// Request is what a signer is asked to sign, with what speaks for it. Its canonical JSON is the
// content of the job, and the job's digest is over that.
type Request struct {
	Kind           string     `json:"kind"`
	Project        string     `json:"project"`
	Repository     string     `json:"repository"`
	Payload        string     `json:"payload"`         // the exact bytes to sign
	PayloadDigest  string     `json:"payload_digest"`  // "sha256:…" of Payload
	KeyFingerprint string     `json:"key_fingerprint"` // primary fingerprint of the key wanted
	Manifest       string     `json:"manifest"`        // canonical text of the manifest of the gate that approved it; may be ""
	Approvals      []Approval `json:"approvals"`       // signed approvals that the signer can check itself
}

// Approval is one person's signed yes: an OpenPGP detached signature over [ApprovalText].
type Approval struct {
	Expires   string `json:"expires" cel:"expires" kind:"time" doc:"when this approval ends, RFC 3339 in UTC"`
	Signature string `json:"signature" cel:"signature" doc:"armored detached signature over the approval text"`
}

// ApprovalText is the text that an approver signs. Its first line names its purpose, so that a
// signature made for anything else can never be taken for an approval, and an approval for
// nothing else. It is a function of its inputs: the signer builds it again and never parses it.
func ApprovalText(kind, payloadDigest, expires, manifest string) []byte {
	return fmt.Appendf(nil, "slipway approval 1: %s\nsigns: %s\nexpires: %s\n\n%s", kind, payloadDigest, expires, manifest)
}

// readCanonical reads one JSON value strictly into v: no member that v has not, nothing behind it,
// and the very bytes that canonical gives for v then.
func readCanonical(data []byte, v any, canonical func() ([]byte, error)) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("is followed by something else")
	}
	if again, err := canonical(); err != nil || !bytes.Equal(again, data) {
		// Also catches a key that is there twice: two readers could take different values.
		return errors.New("is not in the canonical form")
	}
	return nil
}

// ParseRequest reads the content of a signing job strictly and checks it against itself: the
// digest is recomputed, and the bytes must be the canonical ones. Errors: [errs.Invalid].
func ParseRequest(data []byte) (Request, error) {
	bad := func(format string, args ...any) (Request, error) {
		return Request{}, errs.E("signing.request", errs.Invalid, fmt.Errorf("the signing request "+format, args...))
	}
	if len(data) > maxTagRequest {
		return bad("has %d bytes, at most %d are read", len(data), maxTagRequest)
	}
	var r Request
	if err := readCanonical(data, &r, func() ([]byte, error) { return r.Canonical() }); err != nil {
		return bad("%w", err)
	}
	if r.Kind != GitTag {
		return bad("is of the kind %q, want %q", r.Kind, GitTag)
	}
	if r.Project == "" || r.Repository == "" || r.Payload == "" || r.KeyFingerprint == "" {
		return bad("lacks its project, repository, payload or key fingerprint")
	}
	if got := action.DigestOf([]byte(r.Payload)); got != r.PayloadDigest {
		return bad("names the digest %s, and its payload has %s", r.PayloadDigest, got)
	}
	return r, nil
}

// Canonical is the request's one encoding.
func (r Request) Canonical() ([]byte, error) {
	if r.Approvals == nil {
		r.Approvals = []Approval{}
	}
	if strings.ContainsRune(r.Payload, '\uFFFD') {
		// JSON would write broken UTF-8 as this character: such a payload cannot travel unchanged.
		return nil, errs.E("signing.request", errs.Invalid, errors.New("the payload holds a character that is not valid text"))
	}
	return action.Canonical(r)
}

// Reply is a leased job on the wire. Request is empty when it must be fetched by its digest.
type Reply struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Run     string    `json:"run"`
	Step    string    `json:"step"`
	Digest  string    `json:"digest"`
	Request []byte    `json:"request,omitempty"`
	Fence   uint64    `json:"fence"`
	Attempt int       `json:"attempt"`
	Until   time.Time `json:"until"`
	Renew   int       `json:"renew_seconds"` // renew at least this often
	State   string    `json:"state"`
}

// Ask is the body of every POST: lease wants Kind, and ID where one job alone will do; the others
// want Kind, ID and Fence.
type Ask struct {
	Kind   string `json:"kind"`
	ID     string `json:"id,omitempty"`
	Fence  uint64 `json:"fence,omitempty"`
	OK     bool   `json:"ok,omitempty"`     // finish
	Result []byte `json:"result,omitempty"` // finish: the armored signature, or the list of them
	Class  string `json:"class,omitempty"`  // finish, when not ok
	Reason string `json:"reason,omitempty"` // finish when not ok, give-back
}

// Problem is the body of every answer that is not 2xx.
type Problem struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}
