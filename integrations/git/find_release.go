package git

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// FindRelease looks whether a release was tagged already. Policy: read.
//
// A tag that is there ends a release that would make it. A release that goes on with what people
// did by hand is given the tag, if it is what this project would have made: an annotated tag of a
// commit on the branch, signed by the pinned key. Nothing else is taken over.
type FindRelease struct {
	copies Copies
	gpg    string
}

// NewFindRelease makes git.find_release@1. The program gpg is found in PATH when gpg is ""; it is
// needed only where a tag is taken over.
func NewFindRelease(c Copies, gpg string) FindRelease { return FindRelease{copies: c, gpg: gpg} }

// FindIn names the tag of a release.
type FindIn struct {
	Remote      string `cel:"remote" json:"remote" doc:"address of the repository"`
	Branch      string `cel:"branch" json:"branch" doc:"the branch that must contain the commit of the tag"`
	Tag         string `cel:"tag" json:"tag"`
	Adopt       bool   `cel:"adopt,optional" json:"adopt,omitempty" doc:"go on with a tag that is there; otherwise one that is there is an error"`
	Earlier     bool   `cel:"earlier,optional" json:"earlier,omitempty" doc:"the tag is that of a release made before, which is looked up and not made; it may be in use since long"`
	Key         string `cel:"key" json:"key" doc:"armoured public key"`
	Fingerprint string `cel:"fingerprint" json:"fingerprint" doc:"fingerprint of the primary key, 40 hexadecimal digits"`
}

// FindOut is the tag that is there. All fields are empty when there is none.
type FindOut struct {
	TagObject   string `cel:"tag_object" json:"tag_object" doc:"id of the tag object"`
	Commit      string `cel:"commit" json:"commit" doc:"commit of the tag"`
	Object      string `cel:"object" json:"object" doc:"the whole tag object: payload and armoured signature"`
	Payload     string `cel:"payload" json:"payload" doc:"what the signature covers"`
	Fingerprint string `cel:"fingerprint" json:"fingerprint" doc:"of the key that signed it"`
	Told        string `cel:"told" json:"told" doc:"one sentence about it, with a blank before it, for those who approve"`
}

// Contract of git.find_release@1.
func (FindRelease) Contract() action.Contract {
	return action.Contract{ByHand: findByHand, Name: "git.find_release", Version: 1, Policy: action.Read, Timeout: 5 * time.Minute,
		Doc:     "Looks whether the tag of a release is there already, and checks one that is taken over.",
		Classes: []string{"exists"},
		Shell:   "git ls-remote --tags REMOTE TAG; if it is there: git verify-tag TAG && git merge-base --is-ancestor TAG^{} BRANCH"}
}

// Probe has nothing to look for: a read is done anew each time.
func (a FindRelease) Probe(context.Context, action.Key, FindIn) (FindOut, bool, error) {
	return FindOut{}, false, nil
}

// Do fetches and looks. A tag that is there and may not be gone on with is an error of kind
// Exists: when nobody asked to adopt it, and when it is not what the project would have made.
func (a FindRelease) Do(ctx context.Context, _ action.Key, in FindIn) (out FindOut, err error) {
	if err := CheckTag(in.Tag); err != nil {
		return out, err
	}
	err = a.copies.With(ctx, in.Remote, func(c *Copy) error {
		if err := c.Fetch(ctx); err != nil {
			return err
		}
		there, err := c.line(ctx, "for-each-ref", "--format=%(objectname)", tagsAt+in.Tag)
		if err != nil || there == "" {
			return err
		}
		if !in.Adopt {
			return Released(in.Tag, there)
		}
		out, err = c.adopted(ctx, a.gpg, in)
		return err
	})
	if err != nil {
		return FindOut{}, err
	}
	return out, nil
}

// Released is the error for a release whose tag is there already.
func Released(tag, object string) error {
	return errs.E("git.find_release", errs.Exists, fmt.Errorf("%s is released already: the tag %s exists, as object %s", tag, tag, object)).
		Hint("Choose another version; to go on with what was done by hand, say `release adopt VERSION` in place of starting it anew")
}

// NotOurs is the error for a tag that stands in the way of a new release and cannot be gone on with.
func NotOurs(tag, why string) error {
	return errs.E("git.find_release", errs.Exists, fmt.Errorf("the tag %s exists, and cannot be adopted: %s", tag, why)).
		Hint("Find out who made it. If nobody uses it yet, take it away with git push --delete REMOTE %s and start the release again; else choose another version", tag)
}

// NotUsable is the error for the tag of an earlier release that this project would not make so today:
// it was signed by a key that was pinned then, or made on another branch. Whoever uses the release
// has that tag, so nobody is told to take it away.
func NotUsable(in FindIn, why string) error {
	return errs.E("git.find_release", errs.Exists, fmt.Errorf("the tag %s of an earlier release cannot be relied on here: %s", in.Tag, why)).
		Hint("Look who signed it with git verify-tag --raw %s, and compare: the project pins release_key %s, the certificate is in public_key, and its branch is %s. If a key that the project had then signed it, or it lies on a branch that the project had then, let the release team confirm that, and do this by hand. Leave the tag as it is",
			in.Tag, in.Fingerprint, in.Branch)
}

// adopted checks the tag that is there.
func (c *Copy) adopted(ctx context.Context, gpg string, in FindIn) (FindOut, error) {
	if gpg == "" {
		gpg = "gpg"
	}
	refused := func(why string) error {
		if in.Earlier {
			return NotUsable(in, why)
		}
		return NotOurs(in.Tag, why)
	}
	v, tag, err := c.verifyTag(ctx, gpg, VerifyIn{Tag: in.Tag, Key: in.Key, Fingerprint: in.Fingerprint})
	if err != nil {
		// What is wrong with the tag itself, not with the means to look at it.
		if e := (*errs.Error)(nil); errors.As(err, &e) && (e.Op == "git.verify_tag" && e.Kind == errs.Failed || e.Op == "git.tag_object") {
			return FindOut{}, refused(errs.Cause(err))
		}
		return FindOut{}, err
	}
	tip, err := c.tip(ctx, in.Branch)
	if err != nil {
		return FindOut{}, err
	}
	on, err := c.contains(ctx, tip, tag.Object)
	if err != nil {
		return FindOut{}, err
	}
	if !on {
		return FindOut{}, refused(fmt.Sprintf("its commit %s is not on the branch %s, which is at %s", tag.Object, in.Branch, tip))
	}
	tagger, _, _ := strings.Cut(tag.Tagger, ">")
	return FindOut{TagObject: v.TagObject, Commit: tag.Object, Object: tag.Payload + tag.Signature, Payload: tag.Payload, Fingerprint: v.Fingerprint,
		Told: fmt.Sprintf(" It was tagged by hand already: %s, object %s, of commit %s, by %s>, signed at %s by the release key.", in.Tag, v.TagObject, tag.Object, tagger, v.SignedAt)}, nil
}
