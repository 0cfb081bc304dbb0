package signing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/job"
)

// TagJob is the kind of the pulled job behind `sign.tag@1`.
const TagJob = "sign.tag"

// Verifier checks what a signer returns.
//
// VerifyTag returns when the signature over payload was made, if it is one good armored signature
// by the key with that primary fingerprint and that key is pinned here. Otherwise it returns an
// error that says why, of kind [errs.Denied] or [errs.Invalid].
type Verifier interface {
	VerifyTag(payload, signature []byte, fingerprint string, now time.Time) (time.Time, error)
}

// Tag is the action `sign.tag@1`: a signer makes the signature under a git tag's payload.
// Policy: keyed. The job's key is the effect key, and the signer returns the same signature for
// the same payload again.
type Tag struct {
	verifier Verifier
	now      func() time.Time
}

// TagIn is what is to be signed.
type TagIn struct {
	Project     string     `json:"project" cel:"project"`
	Repository  string     `json:"repository" cel:"repository" doc:"the repository as the signer's policy names it"`
	Payload     string     `json:"payload" cel:"payload" doc:"exact bytes of the tag object before its signature"`
	Digest      string     `json:"digest" cel:"digest" kind:"digest" doc:"digest of the payload, as approved"`
	Fingerprint string     `json:"fingerprint" cel:"fingerprint" doc:"primary fingerprint of the release key"`
	Manifest    string     `json:"manifest" cel:"manifest" doc:"canonical manifest of the gate that approved it; may be empty"`
	Approvals   []Approval `json:"approvals,omitempty" cel:"approvals,optional" doc:"signed approvals for a signer that checks them itself"`
	Made        string     `json:"made,omitempty" cel:"made,optional" doc:"content of a signed tag object that a person made already: it is checked, and nothing is signed"`
}

// TagOut is the signed tag.
type TagOut struct {
	Object      string `json:"object" cel:"object" doc:"content of the signed tag object: payload and signature"`
	Signature   string `json:"signature" cel:"signature" doc:"the armored signature"`
	Fingerprint string `json:"fingerprint" cel:"fingerprint" doc:"primary fingerprint of the key that signed"`
	SignedAt    string `json:"signed_at" cel:"signed_at" kind:"time" doc:"when it was signed, by the signer's clock"`
}

// NewTag makes the action. now is the time against which signatures are checked.
func NewTag(v Verifier, now func() time.Time) *Tag { return &Tag{verifier: v, now: now} }

// Bind joins the action with its contract, for [action.NewSet].
func (t *Tag) Bind() (action.Bound, error) {
	return action.Of(action.Contract{
		Name: "sign.tag", Version: 1, Policy: action.Keyed, Job: TagJob,
		Doc:     "A signer signs the payload of a git tag. It reads the payload, decides by its own policy, and returns only the signature, which is checked against the pinned key.",
		Classes: []string{"refused", "signature"},
		ByHand:  tagByHand,
		Shell:   "gpg --armor --detach-sign --local-user FINGERPRINT! < payload > payload.asc",
	}, t)
}

// Probe checks the tag that a person made, if one is given, as it checks what a signer returns.
// Else it finds nothing: the queue knows whether the job was done.
func (t *Tag) Probe(_ context.Context, _ action.Key, in TagIn) (TagOut, bool, error) {
	if in.Made == "" {
		return TagOut{}, false, nil
	}
	signature, ok := strings.CutPrefix(in.Made, in.Payload)
	if !ok {
		return TagOut{}, false, errs.E("sign.tag", errs.Failed, errors.New("the tag that is there does not begin with the payload that is approved")).
			Hint("start the release again with adopt, which reads the tag anew")
	}
	out, err := t.FinishTag(in, []byte(signature))
	return out, err == nil, err
}

// Do is never the way to a signature.
func (t *Tag) Do(context.Context, action.Key, TagIn) (TagOut, error) {
	return TagOut{}, errs.E("sign.tag", errs.Internal, errors.New("a tag is signed by a signer, not here"))
}

// Prepare makes the content of the job from the action's inputs, and refuses inputs whose digest
// is not that of the payload.
func (t *Tag) Prepare(_ context.Context, inputs []byte) ([]byte, error) {
	in, err := tagIn(inputs)
	if err != nil {
		return nil, err
	}
	if in.Made != "" {
		return nil, errs.E("sign.tag", errs.Exists, errors.New("the tag is signed already, by hand, and a second signature would make another tag")).
			Hint("start the release again with adopt, which takes the tag over as it is")
	}
	content, err := Request{Kind: GitTag, Project: in.Project, Repository: in.Repository, Payload: in.Payload,
		PayloadDigest: in.Digest, KeyFingerprint: in.Fingerprint, Manifest: in.Manifest, Approvals: in.Approvals}.Canonical()
	if err != nil {
		return nil, err
	}
	if _, err := ParseRequest(content); err != nil {
		return nil, err
	}
	return content, nil
}

// Finish checks the result of job j before it counts and makes the action's output of it. A
// signature that is wrong, by another key, or over other bytes is a failed verdict
// ([errs.Failed]) with the reason.
func (t *Tag) Finish(_ context.Context, j job.Job, inputs []byte) ([]byte, error) {
	in, err := tagIn(inputs)
	if err != nil {
		return nil, err
	}
	out, err := t.FinishTag(in, j.Verdict.Result)
	if err != nil {
		return nil, err
	}
	return action.Canonical(out)
}

// FinishTag is [Tag.Finish] with its values typed.
func (t *Tag) FinishTag(in TagIn, signature []byte) (TagOut, error) {
	const op = "sign.tag"
	if got := action.DigestOf([]byte(in.Payload)); got != in.Digest {
		return TagOut{}, errs.E(op, errs.Failed, fmt.Errorf("the payload has the digest %s, and %s was approved", got, in.Digest))
	}
	at, err := t.verifier.VerifyTag([]byte(in.Payload), signature, in.Fingerprint, t.now())
	if err != nil {
		return TagOut{}, errs.E(op, errs.Failed, fmt.Errorf("the returned signature is refused: %s", errs.Text(err))).
			Hint("check the key that the signer uses, then retry the step")
	}
	armored := strings.TrimRight(string(signature), "\n") + "\n"
	return TagOut{Object: in.Payload + armored, Signature: armored, Fingerprint: in.Fingerprint,
		SignedAt: at.UTC().Format(time.RFC3339)}, nil
}

func tagIn(inputs []byte) (TagIn, error) {
	var in TagIn
	dec := json.NewDecoder(bytes.NewReader(inputs))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return TagIn{}, errs.E("sign.tag", errs.Invalid, fmt.Errorf("the inputs of sign.tag do not fit: %w", err))
	}
	return in, nil
}
