package stories

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/commands/release"
	"slipway/integrations/debian"
	"slipway/integrations/debian/build"
	"slipway/integrations/git"
	"slipway/integrations/localci"
	"slipway/integrations/mail"
	"slipway/integrations/signing"
	"slipway/state/blob"
)

// outside is everything beyond the bot: it outlives each process and keeps what was done to it.
type outside struct {
	remote remote
	ci     pipelines
	post   letters
	forge  *forgery

	imported  []build.ImportIn // releases that the packaging repository has
	forgotten string           // an architecture whose build leaves nothing
}

func newOutside() *outside {
	o := &outside{forge: newForgery()}
	o.remote = remote{branches: map[string]string{}, tags: map[string]tag{}, commits: map[string]commit{}, prepared: map[string]git.PrepareOut{}, changed: map[string]string{}}
	o.ci = pipelines{state: map[string]string{}, verdict: func(string) string { return localci.Success }}
	o.remote.commit("master", "", "Import", "dora@example.org")
	o.remote.tags["2018.11"] = tag{object: sum("tag 2018.11"), commit: o.remote.branches["master"]}
	o.remote.commit("master", o.remote.branches["master"], "Mend the scheduler", "dora@example.org")
	return o
}

func sum(parts ...string) string {
	h := sha1.Sum([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(h[:])
}

// remote is a repository that moves a branch and makes a tag only together, and only from the
// state that the pusher saw.
type remote struct {
	mu        sync.Mutex
	branches  map[string]string
	tags      map[string]tag
	commits   map[string]commit
	prepared  map[string]git.PrepareOut // commits made here, by effect key
	changelog string                    // what debian/changelog holds where no commit made here changed it
	changed   map[string]string         // what it holds in those, by commit
	pushes    int
	down      error
}

type tag struct {
	object, commit string
	content        string // of a tag that is signed
}

type commit struct{ parent, subject, author string }

func (r *remote) commit(branch, parent, subject, author string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := sum("commit", parent, subject, author)
	r.commits[id], r.branches[branch] = commit{parent, subject, author}, id
	return id
}

func (r *remote) tip() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.branches["master"]
}

func (r *remote) tagged(name string) (tag, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.tags[name]
	return t, ok
}

func (r *remote) pushed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pushes
}

// breaks makes every call fail with err until it is given nil.
func (r *remote) breaks(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = err
}

// history lists the commits from id back to a root.
func (r *remote) history(id string) []string {
	var out []string
	for id != "" {
		out, id = append(out, id), r.commits[id].parent
	}
	return out
}

func readState(r *remote) doer[git.StateIn, git.StateOut] {
	return doer[git.StateIn, git.StateOut]{do: func(_ action.Key, in git.StateIn) (git.StateOut, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.down != nil {
			return git.StateOut{}, r.down
		}
		out := git.StateOut{Tip: r.branches[in.Branch], Tags: slices.Sorted(maps.Keys(r.tags)), Merged: []string{}}
		for _, name := range out.Tags {
			if slices.Contains(r.history(out.Tip), r.tags[name].commit) {
				out.LastTag, out.LastCommit = name, r.tags[name].commit
				out.Merged = append(out.Merged, name)
			}
		}
		return out, nil
	}}
}

func readLog(r *remote) doer[git.LogIn, git.LogOut] {
	return doer[git.LogIn, git.LogOut]{do: func(_ action.Key, in git.LogIn) (git.LogOut, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.down != nil {
			return git.LogOut{}, r.down
		}
		out := git.LogOut{Lines: []string{}, Authors: []string{}, AuthorNames: []string{}}
		for _, id := range r.history(in.To) {
			if id == r.tags[in.From].commit {
				break
			}
			c := r.commits[id]
			out.Lines, out.Count = append(out.Lines, id[:9]+" "+c.subject), out.Count+1
			if !slices.Contains(out.Authors, c.author) {
				out.Authors, out.AuthorNames = append(out.Authors, c.author), append(out.AuthorNames, c.author)
			}
		}
		out.Text = strings.Join(out.Lines, "\n")
		return out, nil
	}}
}

func prepare(r *remote) doer[git.PrepareIn, git.PrepareOut] {
	return doer[git.PrepareIn, git.PrepareOut]{
		probe: func(key action.Key, in git.PrepareIn) (git.PrepareOut, bool, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if in.Made != "" {
				out, err := r.described(in.Made)
				return out, err == nil, err
			}
			out, found := r.prepared[key.String()]
			return out, found, nil
		},
		do: func(key action.Key, in git.PrepareIn) (git.PrepareOut, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if in.Made != "" {
				return r.described(in.Made)
			}
			id := sum("commit", in.Commit, in.Message, fmt.Sprint(in.Prepend), fmt.Sprint(in.Files), in.Author, in.Date)
			r.commits[id] = commit{in.Commit, in.Message, "release@example.org"}
			out := git.PrepareOut{Commit: id, Tree: sum("tree", id), Parents: []string{in.Commit}, Authors: []string{"release@example.org"}, Files: []string{"debian/changelog"}}
			r.prepared[key.String()] = out
			for _, text := range in.Prepend {
				r.changed[id] = text + r.changelogAt(in.Commit)
			}
			if text, whole := in.Files["debian/changelog"]; whole {
				r.changed[id] = text
			}
			return out, nil
		},
	}
}

// push is what `git push --atomic` with leases does: both refs or none.
func push(r *remote) doer[git.PushIn, git.PushOut] {
	wanted := func(in git.PushIn) (git.PushOut, error) {
		t, err := git.ParseTagObject(in.Object)
		switch {
		case err != nil:
			return git.PushOut{}, err
		case t.Tag != in.Tag || t.Object != in.Commit || t.Signature == "":
			return git.PushOut{}, errs.E("git.push_release", errs.Invalid, errors.New("the tag object is not that of this release"))
		}
		return git.PushOut{TagObject: git.ObjectID(in.Object, in.Commit), Commit: in.Commit, Tag: in.Tag}, nil
	}
	look := func(in git.PushIn, out git.PushOut) (bool, error) {
		now, has := r.tags[in.Tag]
		switch branch := r.branches[in.Branch]; {
		case r.down != nil:
			return false, r.down
		case has && now.object != out.TagObject:
			return false, errs.E("git.push_release", errs.Exists, fmt.Errorf("the remote has the tag %s already, as object %s", in.Tag, now.object)).Hint("adopt it, or choose another version")
		case has && slices.Contains(r.history(branch), in.Commit):
			return true, nil
		case branch != in.Expected && in.Expected == in.Commit && slices.Contains(r.history(branch), in.Commit):
			return false, nil
		case branch != in.Expected:
			return false, errs.E("git.push_release", errs.Conflict, fmt.Errorf("the branch %s moved from %s to %s", in.Branch, in.Expected, branch)).Hint("make the release anew on top of it and have it approved")
		}
		return false, nil
	}
	return doer[git.PushIn, git.PushOut]{
		probe: func(_ action.Key, in git.PushIn) (git.PushOut, bool, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			out, err := wanted(in)
			if err != nil {
				return out, false, err
			}
			found, err := look(in, out)
			return out, found, err
		},
		do: func(_ action.Key, in git.PushIn) (git.PushOut, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			out, err := wanted(in)
			if err != nil {
				return out, err
			}
			if done, err := look(in, out); done || err != nil {
				return out, err
			}
			if r.tags[in.Tag] = (tag{out.TagObject, in.Commit, in.Object}); in.Expected != in.Commit {
				r.branches[in.Branch] = in.Commit
			}
			r.pushes++
			return out, nil
		},
	}
}

// pipelines run nowhere: each ends at once as verdict says of its commit, and can be run again.
type pipelines struct {
	mu      sync.Mutex
	state   map[string]string // by id
	verdict func(commit string) string
	refused string // program of the pipelines that fail whatever their commit
	starts  int
	retries int
}

// refuse makes every pipeline of a program fail.
func (p *pipelines) refuse(program string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = program
}

func (p *pipelines) judge(verdict string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.verdict = func(string) string { return verdict }
}

// rerun ends every red pipeline as green, as when somebody has its failed jobs run again.
func (p *pipelines) rerun() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, state := range p.state {
		if state == localci.Failed {
			p.state[id] = localci.Success
		}
	}
}

// again runs a pipeline once more: it ends as the verdict is now.
func (p *pipelines) again(id, commit string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state[id] == localci.Failed && p.refused == "" {
		p.state[id] = p.verdict(commit)
	}
	p.retries++
	return p.state[id]
}

func startPipeline(p *pipelines) doer[localci.StartIn, localci.StartOut] {
	out := func(key action.Key) localci.StartOut {
		return localci.StartOut{Pipeline: key.String(), URL: "https://ci.example.org/" + key.String()[:8]}
	}
	return doer[localci.StartIn, localci.StartOut]{
		probe: func(key action.Key, _ localci.StartIn) (localci.StartOut, bool, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			return out(key), p.state[key.String()] != "", nil
		},
		do: func(key action.Key, in localci.StartIn) (localci.StartOut, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.state[key.String()] == "" {
				p.state[key.String()] = p.verdict(in.Commit)
				if len(in.Command) > 0 && in.Command[0] == p.refused {
					p.state[key.String()] = localci.Failed
				}
				p.starts++
			}
			return out(key), nil
		},
	}
}

func readPipeline(p *pipelines) doer[localci.PipelineIn, localci.PipelineOut] {
	return doer[localci.PipelineIn, localci.PipelineOut]{do: func(_ action.Key, in localci.PipelineIn) (localci.PipelineOut, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return localci.PipelineOut{State: p.state[in.Pipeline]}, nil
	}}
}

func cancelPipeline(p *pipelines) doer[localci.CancelIn, localci.CancelOut] {
	return doer[localci.CancelIn, localci.CancelOut]{do: func(_ action.Key, in localci.CancelIn) (localci.CancelOut, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if s := p.state[in.Pipeline]; s == localci.Pending || s == localci.Running {
			p.state[in.Pipeline] = localci.Canceled
		}
		return localci.CancelOut{State: p.state[in.Pipeline]}, nil
	}}
}

// letters is a mail server. It may lose its answer after it has taken a message.
type letters struct {
	kept  []string // Message-IDs in the archive of the list; nil: there is no archive
	mu    sync.Mutex
	sent  []letter
	loses bool
}

type letter struct {
	to   []string
	text string
}

func (l *letters) Send(_ context.Context, _ string, to []string, message []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, letter{to, string(message)})
	if l.loses {
		return errs.E("mail.send", errs.Doubtful, errors.New("the connection broke after the text was sent"))
	}
	return nil
}

func (l *letters) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sent)
}

// key stands for the release key: its signature names the bytes that it covers, and no key but
// this one can be named.
type key struct{ fingerprint string }

func (k key) sign(payload string) string {
	return "-----BEGIN PGP SIGNATURE-----\n\n" + sum(k.fingerprint, payload) + "\n-----END PGP SIGNATURE-----\n"
}

func (k key) VerifyTag(payload, signature []byte, fingerprint string, now time.Time) (time.Time, error) {
	if fingerprint != k.fingerprint || string(signature) != k.sign(string(payload)) {
		return time.Time{}, errs.E("sign.verify", errs.Denied, errors.New("the signature is not by the pinned key"))
	}
	return now, nil
}

// doer is an action made of two functions.
type doer[In, Out any] struct {
	probe func(action.Key, In) (Out, bool, error)
	do    func(action.Key, In) (Out, error)
}

func (d doer[In, Out]) Probe(_ context.Context, k action.Key, in In) (out Out, found bool, err error) {
	if d.probe == nil {
		return out, false, nil
	}
	return d.probe(k, in)
}

func (d doer[In, Out]) Do(_ context.Context, k action.Key, in In) (Out, error) { return d.do(k, in) }

// bounds joins the contracts of the real integrations with what stands in for the outside. The
// archive is real; blobs keep what is built.
func (o *outside) bounds(now func() time.Time, k key, y *yard, blobs *blob.Store) ([]action.Bound, *signing.Tag, *signing.Release, error) {
	var all []action.Bound
	var failed error
	add := func(b action.Bound, err error) { all, failed = append(all, b), errors.Join(failed, err) }
	own, err := release.Bind(now)
	all, failed = append(all, own...), err
	add(action.Of(git.State{}.Contract(), readState(&o.remote)))
	add(action.Of(git.Log{}.Contract(), readLog(&o.remote)))
	add(action.Of(git.Prepare{}.Contract(), prepare(&o.remote)))
	add(action.Of(git.FindRelease{}.Contract(), findRelease(&o.remote, k)))
	add(action.Of(git.File{}.Contract(), readFile(&o.remote)))
	add(action.Of(git.NewPayloadOfTag().Contract(), git.NewPayloadOfTag()))
	add(action.Of(git.PushRelease{}.Contract(), push(&o.remote)))
	add(action.Of(localci.Start{}.Contract(), startPipeline(&o.ci)))
	add(action.Of(localci.Pipeline{}.Contract(), readPipeline(&o.ci)))
	add(action.Of(localci.Cancel{}.Contract(), cancelPipeline(&o.ci)))
	add(mail.NewAnnounce(&o.post, o.post.archive(), 0).Bind())
	add(action.Of(localci.Artifacts{}.Contract(), fetch(o, blobs)))
	add(action.Of(build.ImportOrig{}.Contract(), importOrig(o)))
	tag, files := signing.NewTag(k, now), signing.NewRelease(y.key, now)
	add(tag.Bind())
	add(files.Bind())
	for _, bind := range []func() ([]action.Bound, error){
		y.actions(blobs).Bind,
		func() ([]action.Bound, error) { return o.forge.actions(&o.remote, &o.ci) },
		func() ([]action.Bound, error) { return debian.Bind(blobs) },
	} {
		more, err := bind()
		all, failed = append(all, more...), errors.Join(failed, err)
	}
	return all, tag, files, failed
}
