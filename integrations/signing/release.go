package signing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/job"
)

// ReleaseJob is the kind of the pulled job behind `sign.release@1`.
const ReleaseJob = "sign.release"

// ReleaseVerifier checks what a signer returns for one suite.
//
// VerifyRelease returns when the later signature was made, if inline is one good armored text
// signature and detached one good armored detached signature over release, both by the key with
// that primary fingerprint, and that key is pinned here. Otherwise it returns an error that says
// why, of kind [errs.Denied] or [errs.Invalid].
type ReleaseVerifier interface {
	VerifyRelease(release, inline, detached []byte, fingerprint string, now time.Time) (time.Time, error)
}

// Release is the action `sign.release@1`: a signer makes, with one key, both signatures under the
// Release files of some suites of an archive. Policy: keyed, as for [Tag]. While an archive changes
// its key, one such step each makes the signatures of the old and of the new key, and
// openpgp.AssembleInRelease joins them.
type Release struct {
	verifier ReleaseVerifier
	now      func() time.Time
}

// ReleaseIn is what is to be signed.
type ReleaseIn struct {
	Project     string         `json:"project" cel:"project"`
	Archive     string         `json:"archive" cel:"archive" doc:"the archive as the signer's policy names it, e.g. its public address"`
	Releases    []SuiteRelease `json:"releases" cel:"releases" doc:"the Release files, at most 16"`
	Fingerprint string         `json:"fingerprint" cel:"fingerprint" doc:"primary fingerprint of the archive key"`
	Manifest    string         `json:"manifest" cel:"manifest" doc:"canonical manifest of the gate that approved every digest; may be empty"`
	Rollback    bool           `json:"rollback,omitempty" cel:"rollback,optional" doc:"the archive goes back to an older content, on purpose"`
	Approvals   []Approval     `json:"approvals,omitempty" cel:"approvals,optional" doc:"signed approvals for a signer that checks them itself"`
}

// ReleaseOut is the signatures.
type ReleaseOut struct {
	Fingerprint string             `json:"fingerprint" cel:"fingerprint" doc:"primary fingerprint of the key that signed"`
	SignedAt    string             `json:"signed_at" cel:"signed_at" kind:"time" doc:"when the last of them was made, by the signer's clock"`
	Signatures  []ReleaseSignature `json:"signatures" cel:"signatures" doc:"of each suite, in the order of the input"`
}

// NewRelease makes the action. now is the time against which signatures are checked.
func NewRelease(v ReleaseVerifier, now func() time.Time) *Release {
	return &Release{verifier: v, now: now}
}

// Bind joins the action with its contract, for [action.NewSet].
func (r *Release) Bind() (action.Bound, error) {
	return action.Of(action.Contract{
		Name: "sign.release", Version: 1, Policy: action.Keyed, Job: ReleaseJob,
		Doc:     "A signer signs the Release files of some suites with one key, in the clear for InRelease and detached for Release.gpg. It reads them, decides by its own policy, and returns only the signatures, which are checked against the pinned key.",
		Classes: []string{"refused", "signature"},
		ByHand:  releaseByHand,
		Shell:   "slipway-signer sign-release --config slipway-signer.yaml --archive ARCHIVE Release…",
	}, r)
}

// Probe finds nothing: the queue knows whether the job was done.
func (r *Release) Probe(context.Context, action.Key, ReleaseIn) (ReleaseOut, bool, error) {
	return ReleaseOut{}, false, nil
}

// Do is never the way to a signature.
func (r *Release) Do(context.Context, action.Key, ReleaseIn) (ReleaseOut, error) {
	return ReleaseOut{}, errs.E("sign.release", errs.Internal, errors.New("a Release is signed by a signer, not here"))
}

// Prepare makes the content of the job from the action's inputs. It refuses a Release that does
// not parse, is not that of its suite or has another digest, before anybody is asked.
func (r *Release) Prepare(_ context.Context, inputs []byte) ([]byte, error) {
	in, err := releaseIn(inputs)
	if err != nil {
		return nil, err
	}
	content, err := ReleaseRequest{Kind: AptRelease, Project: in.Project, Archive: in.Archive, Releases: in.Releases,
		KeyFingerprint: in.Fingerprint, Manifest: in.Manifest, Rollback: in.Rollback, Approvals: in.Approvals}.Canonical()
	if err != nil {
		return nil, err
	}
	if _, _, err := ParseReleaseRequest(content); err != nil {
		return nil, err
	}
	return content, nil
}

// Finish checks the result of job j before it counts and makes the action's output of it. An
// answer with a signature that is missing, wrong, by another key, or over other bytes, such as
// those of another suite, is a failed verdict ([errs.Failed]) with the reason.
func (r *Release) Finish(_ context.Context, j job.Job, inputs []byte) ([]byte, error) {
	in, err := releaseIn(inputs)
	if err != nil {
		return nil, err
	}
	out, err := r.FinishRelease(in, j.Verdict.Result)
	if err != nil {
		return nil, err
	}
	return action.Canonical(out)
}

// FinishRelease is [Release.Finish] with its values typed.
func (r *Release) FinishRelease(in ReleaseIn, result []byte) (ReleaseOut, error) {
	const op = "sign.release"
	list, err := ParseReleaseResult(result, in.Releases)
	if err != nil {
		return ReleaseOut{}, errs.E(op, errs.Failed, errors.New(errs.Text(err)))
	}
	var last time.Time
	for i, s := range in.Releases {
		if got := action.DigestOf([]byte(s.Text)); got != s.Digest {
			return ReleaseOut{}, errs.E(op, errs.Failed, fmt.Errorf("the Release of %s has the digest %s, and %s was approved", word(s.Suite), got, word(s.Digest)))
		}
		at, err := r.verifier.VerifyRelease([]byte(s.Text), []byte(list[i].Inline), []byte(list[i].Detached), in.Fingerprint, r.now())
		if err != nil {
			return ReleaseOut{}, errs.E(op, errs.Failed, fmt.Errorf("what the signer returned for %s is refused: %s", word(s.Suite), errs.Text(err))).
				Hint("check the key that the signer uses, then retry the step")
		}
		if at.After(last) {
			last = at
		}
	}
	return ReleaseOut{Fingerprint: in.Fingerprint, SignedAt: last.UTC().Format(time.RFC3339), Signatures: list}, nil
}

func releaseIn(inputs []byte) (ReleaseIn, error) {
	var in ReleaseIn
	dec := json.NewDecoder(bytes.NewReader(inputs))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return ReleaseIn{}, errs.E("sign.release", errs.Invalid, fmt.Errorf("the inputs of sign.release do not fit: %w", err))
	}
	return in, nil
}
