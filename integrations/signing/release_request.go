package signing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/debian"
	"slipway/integrations/openpgp"
)

// AptRelease is the kind of a [ReleaseRequest].
const AptRelease = "apt-release"

// MaxSuites is how many Release files one request may hold: the suites of one sitting. With it
// the signatures of the longest keys fit into one answer.
const MaxSuites = 16

// SuiteRelease is the Release file of one suite.
type SuiteRelease struct {
	Suite  string `json:"suite" cel:"suite" doc:"the suite or codename, as clients name it"`
	Text   string `json:"text" cel:"text" doc:"exact bytes of the Release file"`
	Digest string `json:"digest" cel:"digest" kind:"digest" doc:"digest of the text, as approved"`
}

// Read checks s against itself and reads its text: the digest is that of the text, both kinds of
// signature can cover precisely these bytes, and the text is the Release of this suite, by its
// Suite or its Codename as apt compares them. Errors: [errs.Invalid].
func (s SuiteRelease) Read() (debian.Release, error) {
	bad := func(format string, args ...any) (debian.Release, error) {
		return debian.Release{}, errs.E("signing.release", errs.Invalid, fmt.Errorf("the Release of "+word(s.Suite)+" "+format, args...))
	}
	if !suiteName(s.Suite) {
		return debian.Release{}, errs.E("signing.release", errs.Invalid, fmt.Errorf("%q is not the name of a suite", word(s.Suite)))
	}
	if got := action.DigestOf([]byte(s.Text)); got != s.Digest {
		return bad("has the digest %s, and the request names %s", got, word(s.Digest))
	}
	if err := openpgp.CheckRelease([]byte(s.Text)); err != nil {
		return bad("cannot be signed: %s", errs.Text(err))
	}
	r, err := debian.ParseRelease([]byte(s.Text))
	if err != nil {
		return bad("cannot be read: %s", errs.Text(err))
	}
	if r.Suite != s.Suite && r.Codename != s.Suite {
		return bad("is that of another suite: Suite is %q and Codename is %q", r.Suite, r.Codename)
	}
	return r, nil
}

// suiteName accepts what stands in sources.list: a path of plain words. It is the name of a folder
// in commands too, where a shell must not take it for an option or somebody's home.
func suiteName(s string) bool {
	if s == "" || len(s) > 100 {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || strings.ContainsRune(".-~", rune(part[0])) {
			return false
		}
		for _, r := range part {
			if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._+~", r) {
				return false
			}
		}
	}
	return true
}

// ReleaseRequest asks for both signatures of the Release files of some suites of one archive, by
// one key. Its canonical JSON is the content of the job.
type ReleaseRequest struct {
	Kind           string         `json:"kind"`
	Project        string         `json:"project"`
	Archive        string         `json:"archive"` // as the signer's policy names it
	Releases       []SuiteRelease `json:"releases"`
	KeyFingerprint string         `json:"key_fingerprint"` // primary fingerprint of the key wanted
	Manifest       string         `json:"manifest"`        // canonical text of the manifest of the gate that approved it; may be ""
	Rollback       bool           `json:"rollback"`        // the archive goes back to an older content, on purpose
	Approvals      []Approval     `json:"approvals"`       // signed approvals that the signer can check itself
}

// ParseReleaseRequest reads the content of a signing job strictly and checks it against itself,
// each Release with [SuiteRelease.Read]. Errors: [errs.Invalid].
func ParseReleaseRequest(data []byte) (ReleaseRequest, []debian.Release, error) {
	bad := func(format string, args ...any) (ReleaseRequest, []debian.Release, error) {
		return ReleaseRequest{}, nil, errs.E("signing.request", errs.Invalid, fmt.Errorf("the signing request "+format, args...))
	}
	if len(data) > MaxRequest {
		return bad("has %d bytes, at most %d are read", len(data), MaxRequest)
	}
	var r ReleaseRequest
	if err := readCanonical(data, &r, func() ([]byte, error) { return r.Canonical() }); err != nil {
		return bad("%w", err)
	}
	switch {
	case r.Kind != AptRelease:
		return bad("is of the kind %q, want %q", word(r.Kind), AptRelease)
	case r.Project == "" || r.Archive == "" || r.KeyFingerprint == "":
		return bad("lacks its project, archive or key fingerprint")
	case strings.ContainsAny(r.Archive, " \n\r\t"):
		return bad("names the archive %q, with a blank in it", word(r.Archive))
	case len(r.Releases) == 0 || len(r.Releases) > MaxSuites:
		return bad("holds %d Release files, want 1 to %d", len(r.Releases), MaxSuites)
	}
	read := make([]debian.Release, len(r.Releases))
	for i, s := range r.Releases {
		for _, other := range r.Releases[:i] {
			if other.Suite == s.Suite {
				return bad("holds the suite %s twice", word(s.Suite))
			}
		}
		one, err := s.Read()
		if err != nil {
			return ReleaseRequest{}, nil, err
		}
		read[i] = one
	}
	return r, read, nil
}

// Canonical is the request's one encoding. Errors: [errs.Invalid] when it does not fit.
func (r ReleaseRequest) Canonical() ([]byte, error) {
	const op = "signing.request"
	if r.Approvals == nil {
		r.Approvals = []Approval{}
	}
	if r.Releases == nil {
		r.Releases = []SuiteRelease{}
	}
	for _, s := range r.Releases {
		if strings.ContainsRune(s.Text, '\uFFFD') {
			// JSON would write broken UTF-8 as this character: such a text cannot travel unchanged.
			return nil, errs.E(op, errs.Invalid, fmt.Errorf("the Release of %s holds a character that is not valid text", word(s.Suite)))
		}
	}
	data, err := action.Canonical(r)
	if err == nil && len(data) > MaxRequest {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the request has %d bytes, at most %d are signed at once", len(data), MaxRequest)).
			Hint("sign the suites in two steps")
	}
	return data, err
}

// Digest stands for everything that the request wants signed: the archive, and each suite with
// its digest, in order.
func (r ReleaseRequest) Digest() string {
	return action.DigestOf(ReleaseApprovalText(r, "", ""))
}

// ReleaseApprovalText is the text that an approver of r signs: the archive, each suite with its
// digest, and whether it is a rollback. It reads no approval of r. See [ApprovalText].
func ReleaseApprovalText(r ReleaseRequest, expires, manifest string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "slipway approval 1: %s\narchive: %s\n", AptRelease, r.Archive)
	for _, s := range r.Releases {
		fmt.Fprintf(&b, "signs: %s %s\n", s.Suite, s.Digest)
	}
	back := "no"
	if r.Rollback {
		back = "yes"
	}
	fmt.Fprintf(&b, "rollback: %s\nexpires: %s\n\n%s", back, expires, manifest)
	return b.Bytes()
}

// ReleaseSignature is both signatures under the Release of one suite.
type ReleaseSignature struct {
	Suite    string `json:"suite" cel:"suite"`
	Digest   string `json:"digest" cel:"digest" kind:"digest" doc:"digest of the Release that is signed"`
	Inline   string `json:"inline" cel:"inline" doc:"armored text signature, for the InRelease"`
	Detached string `json:"detached" cel:"detached" doc:"armored detached signature, for the Release.gpg"`
}

// EncodeReleaseResult is what a signer hands in for a [ReleaseRequest].
func EncodeReleaseResult(list []ReleaseSignature) ([]byte, error) { return action.Canonical(list) }

// ParseReleaseResult reads it strictly and checks that it answers the releases that were asked for,
// each once and in their order. The signatures are not verified here. Errors: [errs.Invalid].
func ParseReleaseResult(data []byte, asked []SuiteRelease) ([]ReleaseSignature, error) {
	bad := func(why error) ([]ReleaseSignature, error) {
		return nil, errs.E("signing.result", errs.Invalid, fmt.Errorf("the signer's answer %w", why))
	}
	var list []ReleaseSignature
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if len(data) > maxAsk || dec.Decode(&list) != nil {
		return bad(errors.New("is not the list of signatures that is wanted"))
	}
	if canonical, err := EncodeReleaseResult(list); err != nil || !bytes.Equal(canonical, data) {
		return bad(errors.New("is not in the canonical form"))
	}
	if len(list) != len(asked) {
		return bad(fmt.Errorf("holds %d signatures, want %d", len(list), len(asked)))
	}
	for i, s := range asked {
		if list[i].Suite != s.Suite || list[i].Digest != s.Digest {
			return bad(fmt.Errorf("signs %s %s where %s %s was asked for", word(list[i].Suite), word(list[i].Digest), s.Suite, s.Digest))
		}
	}
	return list, nil
}

// word makes text from outside short and printable.
func word(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
