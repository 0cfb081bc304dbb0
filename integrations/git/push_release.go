package git

import (
	"context"
	"fmt"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// PushRelease moves the branch to the release commit and creates the signed tag, both in one
// atomic push. Policy: conditional: the branch must still be where it was when people approved,
// and the tag must not exist. Where the branch was expected to be at the release commit already, since
// it was pushed before the tag, the tag alone is pushed, and the branch may have gone on meanwhile.
type PushRelease struct{ copies Copies }

// NewPushRelease makes git.push_release@1.
func NewPushRelease(c Copies) PushRelease { return PushRelease{copies: c} }

// PushIn is a release to be pushed.
type PushIn struct {
	Remote   string `cel:"remote" json:"remote" doc:"address of the repository"`
	Branch   string `cel:"branch" json:"branch"`
	Expected string `cel:"expected" json:"expected" doc:"commit the branch must be at before the push; the release commit itself when the branch was pushed before"`
	Commit   string `cel:"commit" json:"commit" doc:"the release commit; the branch moves to it"`
	Tag      string `cel:"tag" json:"tag"`
	Object   string `cel:"object" json:"object" doc:"the whole tag object: approved payload and armoured signature"`
}

// PushOut is what the remote has now.
type PushOut struct {
	TagObject string `cel:"tag_object" json:"tag_object" doc:"id of the tag object"`
	Commit    string `cel:"commit" json:"commit"`
	Tag       string `cel:"tag" json:"tag"`
}

// Contract of git.push_release@1.
func (PushRelease) Contract() action.Contract {
	return action.Contract{ByHand: pushByHand, Name: "git.push_release", Version: 1, Policy: action.Conditional, Irreversible: true, Timeout: 10 * time.Minute,
		Doc:     "Pushes the release commit and its signed tag together, if nobody else has pushed meanwhile.",
		Classes: []string{"conflict", "exists"},
		Shell:   "git push --atomic --force-with-lease=refs/heads/BRANCH:EXPECTED --force-with-lease=refs/tags/TAG: REMOTE COMMIT:refs/heads/BRANCH TAG:refs/tags/TAG"}
}

func (in PushIn) check() (TagObject, error) {
	if err := CheckBranch(in.Branch); err != nil {
		return TagObject{}, err
	}
	if err := CheckTag(in.Tag); err != nil {
		return TagObject{}, err
	}
	for _, oid := range []string{in.Expected, in.Commit} {
		if err := CheckCommit(oid); err != nil {
			return TagObject{}, err
		}
	}
	t, err := ParseTagObject(in.Object)
	switch {
	case err != nil:
		return t, err
	// A good signature could be replayed under another name or for another commit.
	case t.Tag != in.Tag:
		return t, invalid("Sign the payload of this release", "the tag object is of %s, not of %s", quote(t.Tag), quote(in.Tag))
	case t.Object != in.Commit:
		return t, invalid("Sign the payload of this release", "the tag object is of the commit %s, not of %s", t.Object, in.Commit)
	case t.Signature == "":
		return t, invalid("Put the armoured signature after the payload", "the tag %s is not signed", quote(in.Tag))
	}
	return t, nil
}

// remoteState is what a remote says about the refs of a release, just now.
type remoteState struct{ branch, tag, target string } // object ids, target of an annotated tag; "" = there is none

// remoteState asks the remote. Without a tag only the branch is asked for.
func (c *Copy) remoteState(ctx context.Context, branch, tag string) (remoteState, error) {
	head, ref := "refs/heads/"+branch, "refs/tags/"+tag
	names := []string{head}
	if tag != "" {
		names = append(names, ref, ref+"^{}")
	}
	out, err := c.exec(ctx, call{args: append([]string{"ls-remote", "--quiet", "--", remoteName}, names...), remote: true})
	var s remoteState
	for line := range strings.Lines(out) {
		oid, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		switch name { // git matches the ends of names: others may be listed too
		case head:
			s.branch = oid
		case ref:
			s.tag = oid
		case ref + "^{}":
			s.target = oid
		}
	}
	return s, err
}

// Probe asks the remote. It returns an error of kind Exists when the tag is another object, and
// Conflict when the branch is neither where it was nor contains the release.
func (a PushRelease) Probe(ctx context.Context, _ action.Key, in PushIn) (out PushOut, found bool, err error) {
	if _, err := in.check(); err != nil {
		return out, false, err
	}
	err = a.copies.With(ctx, in.Remote, func(c *Copy) error {
		found, err = c.released(ctx, in)
		return err
	})
	if !found || err != nil {
		return PushOut{}, false, err
	}
	return in.out(), true, nil
}

func (in PushIn) out() PushOut {
	return PushOut{TagObject: ObjectID(in.Object, in.Commit), Commit: in.Commit, Tag: in.Tag}
}

// released reports whether the remote has the release already.
func (c *Copy) released(ctx context.Context, in PushIn) (bool, error) {
	const op = "git.push_release"
	now, err := c.remoteState(ctx, in.Branch, in.Tag)
	if err != nil {
		return false, err
	}
	want := ObjectID(in.Object, in.Commit)
	switch {
	case now.tag != "" && now.tag != want:
		target := now.target
		if target == "" {
			target = now.tag
		}
		return false, errs.E(op, errs.Exists, fmt.Errorf("%s has the tag %s already, of the commit %s, as object %s; this release's is of %s, as object %s",
			Redact(c.remote), in.Tag, target, now.tag, in.Commit, want)).
			Hint("Look at the tag with git show %s; if it is the release, adopt it, else choose another version", in.Tag)
	case now.tag == want && now.branch == in.Commit:
		return true, nil
	case now.tag == want:
		// The branch has gone on since: it must still contain the release.
		if err := c.Fetch(ctx); err != nil {
			return false, err
		}
		tip, err := c.tip(ctx, in.Branch)
		if err == nil {
			ok, err := c.contains(ctx, tip, in.Commit)
			if ok || err != nil {
				return ok, err
			}
			return false, errs.E(op, errs.Conflict, fmt.Errorf("%s has the tag %s, but its branch %s, now at %s, does not contain the release commit %s", Redact(c.remote), in.Tag, in.Branch, tip, in.Commit)).
				Hint("Merge the tag into the branch by hand")
		}
		return false, err
	case now.branch == "":
		return false, errs.E(op, errs.Conflict, fmt.Errorf("%s has no branch %s any more; it was at %s", Redact(c.remote), in.Branch, in.Expected)).
			Hint("Find out who removed the branch")
	case now.branch != in.Expected && in.pushedBefore():
		return false, c.stillHas(ctx, in)
	case now.branch != in.Expected:
		return false, errs.E(op, errs.Conflict, fmt.Errorf("the branch %s of %s moved from %s to %s", in.Branch, Redact(c.remote), in.Expected, now.branch)).
			Hint("Make the release anew on top of %s and have it approved", now.branch)
	}
	return false, nil
}

// still reports that the repository is another one than the configuration means: see [Options].
func (c *Copy) still(ctx context.Context) error {
	if c.repos.opts.Still == nil {
		return nil
	}
	return c.repos.opts.Still(ctx, c.remote)
}

// pushedBefore reports whether the branch had the release commit before the tag is pushed.
func (in PushIn) pushedBefore() bool { return in.Expected == in.Commit }

// stillHas checks that the branch, which went on since the release commit was pushed, contains it.
func (c *Copy) stillHas(ctx context.Context, in PushIn) error {
	if err := c.Fetch(ctx); err != nil {
		return err
	}
	tip, err := c.tip(ctx, in.Branch)
	if err != nil {
		return err
	}
	if _, err := c.resolve(ctx, in.Commit); err != nil {
		return err
	}
	ok, err := c.contains(ctx, tip, in.Commit)
	if ok || err != nil {
		return err
	}
	return errs.E("git.push_release", errs.Conflict, fmt.Errorf("the branch %s of %s had the release commit %s; it was moved to %s, which does not contain it", in.Branch, Redact(c.remote), in.Commit, tip)).
		Hint("Find out who moved the branch; nothing was tagged")
}

// Do pushes. Whatever git says, the remote is asked again afterwards: a push whose answer was
// lost is done, and one that was beaten by another says by what.
func (a PushRelease) Do(ctx context.Context, _ action.Key, in PushIn) (PushOut, error) {
	if _, err := in.check(); err != nil {
		return PushOut{}, err
	}
	err := a.copies.With(ctx, in.Remote, func(c *Copy) error {
		if err := c.ready(ctx, in); err != nil {
			return err
		}
		object, err := c.exec(ctx, call{args: []string{"hash-object", "-t", "tag", "-w", "--stdin"}, stdin: in.Object})
		if err != nil {
			return invalid("Sign the payload that git.tag_payload gives", "git does not accept the tag object: %s", err)
		}
		if object = strings.TrimSpace(object); object != in.out().TagObject {
			return errs.E("git.push_release", errs.Internal, fmt.Errorf("git stored the tag as %s, not as %s", object, in.out().TagObject))
		}
		head, ref := "refs/heads/"+in.Branch, "refs/tags/"+in.Tag
		args := []string{"push", "--atomic", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no", "--force-with-lease=" + ref + ":"}
		refs := []string{"--", remoteName, object + ":" + ref}
		if in.pushedBefore() {
			// Nothing is left to do for the branch, which may be further on: it is only looked at.
			if _, err := c.released(ctx, in); err != nil {
				return err
			}
		} else {
			args, refs = append(args, "--force-with-lease="+head+":"+in.Expected), append(refs, in.Commit+":"+head)
		}
		if err := c.still(ctx); err != nil {
			return err
		}
		_, pushed := c.exec(ctx, call{remote: true, args: append(args, refs...)})
		if pushed == nil && !in.pushedBefore() {
			return nil
		}
		// A tag that was pushed alone is looked at too: the branch may have been moved in that moment.
		done, err := c.released(ctx, in)
		switch {
		case done && err == nil:
			return nil
		case errs.Is(err, errs.Exists), errs.Is(err, errs.Conflict), pushed == nil && err != nil:
			return err
		case pushed == nil:
			return errs.E("git.push_release", errs.Conflict, fmt.Errorf("the tag %s was pushed to %s, and is gone", in.Tag, Redact(c.remote))).
				Hint("Find out who removed the tag")
		}
		return pushed
	})
	if err != nil {
		return PushOut{}, err
	}
	return in.out(), nil
}

// ready checks that the release commit is here and follows the commit that the branch is at: a
// push may never take commits of others away.
func (c *Copy) ready(ctx context.Context, in PushIn) error {
	if !c.has(ctx, in.Commit) || !c.has(ctx, in.Expected) {
		if err := c.Fetch(ctx); err != nil {
			return err
		}
	}
	for _, oid := range []string{in.Commit, in.Expected} {
		if _, err := c.resolve(ctx, oid); err != nil {
			return err
		}
	}
	follows, err := c.contains(ctx, in.Commit, in.Expected)
	if err != nil || follows {
		return err
	}
	return invalid("Make the release commit on top of the branch", "the release commit %s does not follow %s, where %s is", in.Commit, in.Expected, in.Branch)
}
