package stories

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/git"
	"slipway/integrations/mail"
)

// byHand commits the changelog of a version on branch, tags the commit with k, and pushes both,
// as a person would without the bot. object changes the tag before it is pushed.
func (o *outside) byHand(version, branch string, k key) (commit string) {
	commit = o.remote.commit(branch, o.remote.tip(), "lava "+version+" release", "dora@example.org")
	payload, err := git.TagPayload(commit, version, "Dora <dora@example.org>", 1547546400, "lava "+version)
	if err != nil {
		panic(err)
	}
	content := payload + k.sign(payload)
	o.remote.mu.Lock()
	defer o.remote.mu.Unlock()
	o.remote.tags[version] = tag{git.ObjectID(content, commit), commit, content}
	return commit
}

func (r *remote) described(id string) (git.PrepareOut, error) {
	c, ok := r.commits[id]
	if !ok {
		return git.PrepareOut{}, errs.E("git.resolve", errs.NotFound, fmt.Errorf("the commit %s is not there", id))
	}
	return git.PrepareOut{Commit: id, Tree: sum("tree", id), Parents: []string{c.parent}, Authors: []string{c.author}, Files: []string{"debian/changelog"}}, nil
}

// findRelease refuses what git and gpg would make git.find_release@1 refuse.
func findRelease(r *remote, k key) doer[git.FindIn, git.FindOut] {
	return doer[git.FindIn, git.FindOut]{do: func(_ action.Key, in git.FindIn) (git.FindOut, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		now, has := r.tags[in.Tag]
		refused := git.NotOurs
		if in.Earlier {
			refused = func(_, why string) error { return git.NotUsable(in, why) }
		}
		switch {
		case r.down != nil:
			return git.FindOut{}, r.down
		case !has:
			return git.FindOut{}, nil
		case !in.Adopt:
			return git.FindOut{}, git.Released(in.Tag, now.object)
		case now.content == "":
			return git.FindOut{}, refused(in.Tag, "it is a lightweight tag")
		}
		t, err := git.ParseTagObject(now.content)
		if err != nil {
			return git.FindOut{}, err
		}
		switch {
		case t.Signature != k.sign(t.Payload) || in.Fingerprint != k.fingerprint:
			return git.FindOut{}, refused(in.Tag, "it is signed by another key")
		case !slices.Contains(r.history(r.branches[in.Branch]), t.Object):
			return git.FindOut{}, refused(in.Tag, "its commit "+t.Object+" is not on the branch "+in.Branch)
		}
		return git.FindOut{TagObject: now.object, Commit: t.Object, Object: now.content, Payload: t.Payload, Fingerprint: in.Fingerprint,
			Told: " It was tagged by hand already: object " + now.object + "."}, nil
	}}
}

// changelogAt is the changelog in a commit.
func (r *remote) changelogAt(commit string) string {
	for _, id := range r.history(commit) {
		if text, found := r.changed[id]; found {
			return text
		}
	}
	return r.changelog
}

func (r *remote) changelogOf(commit string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changelogAt(commit)
}

// readFile knows one file, the changelog.
func readFile(r *remote) doer[git.FileIn, git.FileOut] {
	return doer[git.FileIn, git.FileOut]{do: func(_ action.Key, in git.FileIn) (git.FileOut, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		text := r.changelogAt(in.Commit)
		return git.FileOut{Found: text != "", Content: text, Digest: action.DigestOf([]byte(text))}, nil
	}}
}

// archive is that of the list, if it has one.
func (l *letters) archive() mail.Archive {
	if l.kept == nil {
		return nil
	}
	return kept{l}
}

type kept struct{ *letters }

func (k kept) Find(_ context.Context, id string) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if id == "" {
		return false, errs.E("mail.find", errs.Invalid, errors.New("no message was named"))
	}
	return slices.Contains(k.kept, id), nil
}
