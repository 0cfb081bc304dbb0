package git

import (
	"context"

	"slipway/bot/action"
)

// PayloadOfTag writes the bytes of an annotated tag that people approve and a signer signs.
// Policy: read; it needs no repository.
type PayloadOfTag struct{}

// NewPayloadOfTag makes git.tag_payload@1.
func NewPayloadOfTag() PayloadOfTag { return PayloadOfTag{} }

// PayloadIn is a tag to be.
type PayloadIn struct {
	Commit  string `cel:"commit" json:"commit" doc:"whole id of the commit"`
	Tag     string `cel:"tag" json:"tag" doc:"name of the tag"`
	Tagger  string `cel:"tagger" json:"tagger" doc:"Name <mail>"`
	Date    string `cel:"date" json:"date" doc:"seconds since 1970, or RFC 3339"`
	Message string `cel:"message" json:"message"`
	Made    string `cel:"made,optional" json:"made,omitempty" doc:"payload of a tag that a person made already: it is checked, and none is written"`
}

// PayloadOut is what a signature will cover.
type PayloadOut struct {
	Payload string `cel:"payload" json:"payload" doc:"the exact bytes; the tag object is these and the armoured signature after them"`
	Digest  string `cel:"digest" json:"digest" kind:"digest" doc:"SHA-256 of the payload"`
}

// Contract of git.tag_payload@1.
func (PayloadOfTag) Contract() action.Contract {
	return action.Contract{ByHand: payloadByHand, Name: "git.tag_payload", Version: 1, Policy: action.Read,
		Doc:   "Writes the bytes of a release tag that a signature covers.",
		Shell: "git tag -s -u KEY -m MESSAGE TAG COMMIT"}
}

// Probe has nothing to look for: the payload follows from the inputs.
func (PayloadOfTag) Probe(context.Context, action.Key, PayloadIn) (PayloadOut, bool, error) {
	return PayloadOut{}, false, nil
}

// Do writes the payload. It returns errors of kind Invalid for a name or message that cannot be
// in a tag.
func (PayloadOfTag) Do(_ context.Context, _ action.Key, in PayloadIn) (PayloadOut, error) {
	if in.Made != "" {
		t, err := ParseTagObject(in.Made)
		switch {
		case err != nil:
			return PayloadOut{}, err
		case t.Tag != in.Tag || t.Object != in.Commit || t.Signature != "":
			return PayloadOut{}, invalid("Give what git.find_release found", "the payload is not that of the tag %s of %s", quote(in.Tag), in.Commit)
		}
		return PayloadOut{Payload: in.Made, Digest: action.DigestOf([]byte(in.Made))}, nil
	}
	at, err := epoch(in.Date)
	if err != nil {
		return PayloadOut{}, err
	}
	payload, err := TagPayload(in.Commit, in.Tag, in.Tagger, at, in.Message)
	if err != nil {
		return PayloadOut{}, err
	}
	return PayloadOut{Payload: payload, Digest: action.DigestOf([]byte(payload))}, nil
}
