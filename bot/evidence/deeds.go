package evidence

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/run"
)

// Deed is an effect of a step that ended well and was not taken back: what the run did, or found
// done.
type Deed struct {
	Step   string
	Action string // reference: "git.push_release@1"
	At     time.Time
	Inputs action.Values
	Output action.Values
	Found  bool // a probe found it done already
}

// Name is the action without its version.
func (d Deed) Name() string {
	name, _, _ := strings.Cut(d.Action, "@")
	return name
}

// Decode reads the output into a struct or slice, by its json names. What does not fit is left as
// it is.
func (d Deed) Decode(output any) { decodeInto(d.Output, output) }

// DecodeInputs is Decode for the inputs.
func (d Deed) DecodeInputs(inputs any) { decodeInto(d.Inputs, inputs) }

func decodeInto(v action.Values, to any) {
	if data, err := action.Canonical(v); err == nil {
		_ = json.Unmarshal(data, to)
	}
}

// Telling says what the deeds of a run have released. It is pure, and knows the actions of one
// trade; the bundle and its check call the same one.
type Telling func(deeds []Deed) Released

// Released is what came out of a run.
type Released struct {
	Subjects  []Subject  // what is out in the world now
	Materials []Subject  // what it was made from
	Texts     []Text     // signed texts and signatures
	Artifacts []Artifact // bodies that may be in the bundle
}

// Subject is something that is released, by its digests: an in-toto resource descriptor.
type Subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"` // by the names of in-toto's DigestSet: sha256, gitTag, gitCommit
}

// Text is a file in signatures/ of the bundle.
type Text struct {
	Name    string // without a folder
	Content string
	What    string // for readers: "the signed tag v1.2"
	By      string // fingerprint of the key that signed, as the run verified it; "" for what is no signature
}

// Artifact is a file that was released.
type Artifact struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// deeds lists what the events did, in the order in which it ended.
func deeds(events [][]run.Event) []Deed {
	intended := map[string]run.EffectIntended{}
	type done struct {
		key string
		Deed
	}
	var list []done
	for _, commit := range events {
		for _, ev := range commit {
			switch b := ev.Body.(type) {
			case run.EffectIntended:
				intended[b.Key] = b
			case run.EffectEnded:
				in, known := intended[b.Key]
				if b.Outcome != run.OK || !known || !telling(in.For) {
					continue
				}
				inputs, err1 := action.DecodeValues(in.Inputs)
				output, err2 := action.DecodeValues(b.Output)
				if err1 != nil || err2 != nil {
					continue
				}
				list = slices.DeleteFunc(list, func(d done) bool { return d.key == b.Key })
				list = append(list, done{b.Key, Deed{in.Step, in.Action, ev.At, inputs, output, b.Found}})
			case run.Undone:
				list = slices.DeleteFunc(list, func(d done) bool { return d.key == b.Key })
			}
		}
	}
	// A step that was done again with other inputs stands for its last time.
	out := []Deed{}
	for i, d := range list {
		if !slices.ContainsFunc(list[i+1:], func(later done) bool { return later.Step == d.Step && later.Action == d.Action }) {
			out = append(out, d.Deed)
		}
	}
	return out
}

// telling reports whether effects of that purpose are deeds of the run, and not talk about it.
func telling(p run.Purpose) bool {
	switch p {
	case run.ForStep, run.ForAdopt, run.ForConfirm, run.ForUndo, run.ForBack:
		return true
	}
	return false
}
