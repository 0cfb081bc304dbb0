package stories

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/git"
	"slipway/integrations/gitlab/forge"
	"slipway/integrations/localci"
)

// forgery is a forge with milestones, a fork, pages of releases and merge requests. Tags and branches
// are those of the remote.
type forgery struct {
	mu       sync.Mutex
	open     map[string][]string // by milestone: what is open in it
	closed   map[string]bool
	fork     map[string]string // branches of the fork
	pages    map[string]string // notes by tag
	proposed []forge.ProposeIn
	lies     string // the object that it shows for every tag; "" the right one
}

const forkRemote = "/srv/git/maria.git"

func newForgery() *forgery {
	return &forgery{open: map[string][]string{}, closed: map[string]bool{}, fork: map[string]string{}, pages: map[string]string{}}
}

// has opens a milestone with these items, or changes what is open in it.
func (f *forgery) has(title string, items ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[title] = items
}

// holds is what is open in a milestone, and whether it is closed.
func (f *forgery) holds(title string) (items []string, closed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open[title], f.closed[title]
}

func (f *forgery) page(tag string) string { f.mu.Lock(); defer f.mu.Unlock(); return f.pages[tag] }

func (f *forgery) shows(object string) { f.mu.Lock(); defer f.mu.Unlock(); f.lies = object }

func (f *forgery) milestone(in forge.MilestoneIn) forge.MilestoneOut {
	items, found := f.open[in.Title]
	out := forge.MilestoneOut{Found: found, State: "active", Open: len(items), Items: append([]string{}, items...)}
	switch {
	case !found:
		out.State, out.Told = "", fmt.Sprintf("there is no milestone %s", in.Title)
	case f.closed[in.Title]:
		out.State, out.Told = "closed", fmt.Sprintf("the milestone %s is closed", in.Title)
	default:
		out.Told = fmt.Sprintf("milestone %s: %d open. %s", in.Title, len(items), strings.Join(items, ", "))
	}
	return out
}

// with runs f under the lock of the forge.
func with[In, Out any](f *forgery, do func(In) (Out, error)) doer[In, Out] {
	return doer[In, Out]{do: func(_ action.Key, in In) (Out, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return do(in)
	}}
}

// actions are those of the forge that releases use, on what stands in for it, and the contracts of the
// others.
func (f *forgery) actions(r *remote, p *pipelines) ([]action.Bound, error) {
	var own []action.Bound
	var failed error
	add := func(b action.Bound, err error) { own, failed = append(own, b), errors.Join(failed, err) }
	add(action.Of(forge.Milestone{}.Contract(), with(f, func(in forge.MilestoneIn) (forge.MilestoneOut, error) { return f.milestone(in), nil })))
	add(action.Of(forge.MoveOpen{}.Contract(), with(f, func(in forge.MoveIn) (forge.MoveOut, error) {
		moved := append([]string{}, f.open[in.From]...)
		f.open[in.To] = append(f.open[in.To], moved...)
		f.open[in.From] = nil
		return forge.MoveOut{Moved: moved}, nil
	})))
	add(action.Of(forge.MoveItems{}.Contract(), with(f, func(in forge.MoveItemsIn) (forge.MoveOut, error) {
		named := func(item string) bool { return slices.Contains(in.Items, item) }
		out := forge.MoveOut{Moved: slices.DeleteFunc(slices.Clone(f.open[in.From]), func(item string) bool { return !named(item) })}
		f.open[in.To], f.open[in.From] = append(f.open[in.To], out.Moved...), slices.DeleteFunc(slices.Clone(f.open[in.From]), named)
		return out, nil
	})))
	add(action.Of(forge.CloseMilestone{}.Contract(), with(f, func(in forge.MilestoneIn) (forge.MilestoneState, error) {
		if items := f.open[in.Title]; len(items) > 0 {
			return forge.MilestoneState{}, errs.E("forge.close_milestone", errs.Conflict, fmt.Errorf("open in the milestone %s: %s", in.Title, strings.Join(items, ", ")))
		}
		f.closed[in.Title] = true
		return forge.MilestoneState{State: "closed"}, nil
	})))
	add(action.Of(forge.Tag{}.Contract(), with(f, func(in forge.TagIn) (forge.TagOut, error) {
		t, found := r.tagged(in.Tag)
		if f.lies != "" {
			t.object = f.lies
		}
		return forge.TagOut{Found: found, Object: t.object, Commit: t.commit}, nil
	})))
	add(action.Of(forge.Branch{}.Contract(), with(f, func(in forge.BranchIn) (forge.BranchOut, error) {
		tip := f.fork[in.Branch]
		return forge.BranchOut{Found: tip != "", Tip: tip}, nil
	})))
	add(action.Of(forge.Release{}.Contract(), with(f, func(in forge.ReleaseIn) (forge.ReleaseOut, error) {
		f.pages[in.Tag] = in.Body
		return forge.ReleaseOut{URL: "https://forge.example.org/" + in.Tag}, nil
	})))
	add(action.Of(forge.Propose{}.Contract(), with(f, func(in forge.ProposeIn) (forge.ProposeOut, error) {
		f.proposed = append(f.proposed, in)
		return forge.ProposeOut{IID: len(f.proposed), Commit: sum("proposed", in.Branch)}, nil
	})))
	add(action.Of(git.PushFork{}.Contract(), with(f, func(in git.PushForkIn) (git.PushBranchOut, error) {
		if f.fork[in.Branch] != in.Expected {
			return git.PushBranchOut{}, errs.E("git.push_fork", errs.Conflict, fmt.Errorf("the branch %s of the fork moved", in.Branch))
		}
		f.fork[in.Branch] = in.Commit
		return git.PushBranchOut{Branch: in.Branch, Commit: in.Commit}, nil
	})))
	add(action.Of(git.PushBranch{}.Contract(), with(f, func(in git.PushBranchIn) (git.PushBranchOut, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		now := r.branches[in.Branch]
		if now != in.Expected && !slices.Contains(r.history(now), in.Commit) {
			return git.PushBranchOut{}, errs.E("git.push_branch", errs.Conflict, fmt.Errorf("the branch %s moved from %s to %s", in.Branch, in.Expected, now))
		}
		if now == in.Expected {
			r.branches[in.Branch] = in.Commit
		}
		return git.PushBranchOut{Branch: in.Branch, Commit: in.Commit}, nil
	})))
	add(action.Of(git.Files{}.Contract(), with(f, func(in git.FilesIn) (git.FilesOut, error) {
		return git.FilesOut{Commit: in.Commit, Files: []git.KeptFile{{Path: in.To + "/qemu.jinja2", Digest: action.DigestOf([]byte(in.Path)), Size: 4}}}, nil
	})))
	add(action.Of(localci.Retry{}.Contract(), doer[localci.RetryIn, localci.RetryOut]{do: func(_ action.Key, in localci.RetryIn) (localci.RetryOut, error) {
		return localci.RetryOut{State: p.again(in.Pipeline, in.Commit)}, nil
	}}))
	rest, err := forge.Bind(nil, nil)
	for _, b := range rest {
		if !slices.ContainsFunc(own, func(o action.Bound) bool { return o.Contract.Ref() == b.Contract.Ref() }) {
			own = append(own, b)
		}
	}
	return own, errors.Join(failed, err)
}
