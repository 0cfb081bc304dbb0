package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// books are the playbooks of live runs: they are kept in the store by digest, so that a run goes
// on with the one it began with whatever became of the file.
type books struct {
	mu     sync.Mutex
	known  map[string]*playbook.Playbook // by digest, checked
	misfit map[string]error              // by digest: why runs with it cannot go on
	stored map[string]bool               // digests of playbooks and closures in the store
}

func (b *books) init() {
	b.known, b.misfit, b.stored = map[string]*playbook.Playbook{}, map[string]error{}, map[string]bool{}
}

// book finds the playbook of a run. Its error says why the run cannot go on now.
func (e *Engine) book(ctx context.Context, digest string) (*playbook.Playbook, error) {
	if p := e.cfg.Playbooks.ByDigest(digest); p != nil {
		return p, nil
	}
	e.books.mu.Lock()
	defer e.books.mu.Unlock()
	if p := e.books.known[digest]; p != nil {
		return p, nil
	}
	if err := e.books.misfit[digest]; err != nil {
		return nil, err
	}
	const op = "engine.playbook"
	var r bookRecord
	_, found, err := e.get(ctx, spBooks, digest, &r)
	if err != nil {
		return nil, err
	}
	if !found {
		err := errs.E(op, errs.NotFound, fmt.Errorf("the playbook %s is not kept", digest))
		e.books.misfit[digest] = err
		return nil, err
	}
	p, err := e.cfg.Playbooks.Check(r.Name, []byte(r.Source))
	if err != nil {
		err = errs.E(op, errs.Unavailable, fmt.Errorf("the playbook %s that this run began with does not fit this program any more: %w", r.Name, err)).
			Hint("migrate the run to the present playbook, or abort it")
		e.books.misfit[digest] = err
		return nil, err
	}
	e.books.known[digest] = p
	return p, nil
}

// family is the command family of a playbook, or "" when it is not known.
func (e *Engine) family(digest string) string {
	if p := e.cfg.Playbooks.ByDigest(digest); p != nil {
		return p.Name
	}
	e.books.mu.Lock()
	defer e.books.mu.Unlock()
	if p := e.books.known[digest]; p != nil {
		return p.Name
	}
	return ""
}

// closure gathers every playbook that p can call or offer, by name, and its digest.
func (e *Engine) closure(p *playbook.Playbook) (digest string, members map[string]string, err error) {
	members = map[string]string{}
	var visit func(p *playbook.Playbook) error
	var steps func(list []*playbook.Step) error
	steps = func(list []*playbook.Step) error {
		for _, s := range list {
			var names []string
			switch s.Kind {
			case playbook.Call:
				names = []string{s.Call.Playbook}
			case playbook.Offer:
				for _, o := range s.Offer.Entries {
					names = append(names, o.Playbook)
				}
			case playbook.Each:
				if err := steps(s.Each.Steps); err != nil {
					return err
				}
			}
			for _, n := range names {
				if members[n] != "" {
					continue
				}
				child := e.cfg.Playbooks.Current(n)
				if child == nil {
					return errs.E("engine.start", errs.NotFound, fmt.Errorf("playbook %s starts runs of %s, which does not exist", p.Name, n))
				}
				if err := visit(child); err != nil {
					return err
				}
			}
		}
		return nil
	}
	visit = func(p *playbook.Playbook) error {
		members[p.Name] = p.Digest
		return steps(p.Steps)
	}
	if err := visit(p); err != nil {
		return "", nil, err
	}
	return action.DigestOf(encode(members)), members, nil
}

// keepBooks writes the playbooks of a closure and the closure itself where they are not kept yet.
// It is a commit of its own before the start: what it writes is named by its content.
func (e *Engine) keepBooks(ctx context.Context, digest string, members map[string]string, root *playbook.Playbook) error {
	e.books.mu.Lock()
	kept := e.books.stored[digest]
	e.books.mu.Unlock()
	if kept {
		return nil
	}
	b := newBatch()
	b.put(spClosures, digest, encode(members))
	for _, name := range slices.Sorted(maps.Keys(members)) {
		p := root
		if name != root.Name {
			if p = e.cfg.Playbooks.ByDigest(members[name]); p == nil {
				p = e.cfg.Playbooks.Current(name)
			}
		}
		if p == nil || p.Digest != members[name] {
			return errs.E("engine.start", errs.Conflict, fmt.Errorf("playbook %s changed meanwhile", name)).Hint("Try again.")
		}
		value, err := e.pack(ctx, encode(bookRecord{Name: p.Name, Source: string(p.Source)}))
		if err != nil {
			return err
		}
		b.put(spBooks, p.Digest, value)
	}
	if err := e.commit(ctx, "playbook", b); err != nil {
		return err
	}
	e.books.mu.Lock()
	defer e.books.mu.Unlock()
	e.books.stored[digest] = true
	return nil
}

// pinned finds the playbook that the closure names so.
func (e *Engine) pinned(ctx context.Context, closure, name string) (*playbook.Playbook, error) {
	members := map[string]string{}
	_, found, err := e.get(ctx, spClosures, closure, &members)
	if err != nil {
		return nil, err
	}
	if !found || members[name] == "" {
		return nil, errs.E("engine.playbook", errs.NotFound, fmt.Errorf("the run did not begin with a playbook %s", name))
	}
	return e.book(ctx, members[name])
}

// Misfits are the playbooks of live runs that this program cannot go on with: digest to reason.
func (e *Engine) Misfits() map[string]string {
	e.books.mu.Lock()
	defer e.books.mu.Unlock()
	out := map[string]string{}
	for digest, err := range e.books.misfit {
		out[digest] = errs.Text(err)
	}
	return out
}

// awaits are the entries of a step in the index of who is waited for. A person is "@id".
func awaits(p *playbook.Playbook, s *run.State, st *run.Step) []string {
	if st == nil || s.Status == run.RunEnded {
		return nil
	}
	var who []string
	def := p.Step(run.DeclaredPath(st.Path))
	switch {
	case st.Status == run.Stuck || st.Status == run.InDoubt:
		who = []string{"@" + string(s.Requester), orNobody(s.Owner), run.ReleaseManager}
	case st.Status == run.Waiting && st.On != "":
		if len(st.On) >= 6 && st.On[:6] == "freeze" {
			who = []string{frozen}
		}
	case st.Status != run.Running || def == nil:
	case def.Kind == playbook.GateK:
		who = append(def.Gate.Rule.Roles(), orNobody(def.Gate.Lifts))
	case def.Kind == playbook.Ask:
		who = []string{def.Ask.Of}
		if def.Ask.Person != nil {
			who = asked(st)
		}
	case def.Kind == playbook.ByHand:
		who = []string{def.ByHand.Of}
		if def.ByHand.Person != nil {
			who = asked(st)
		}
	case def.Kind == playbook.Offer:
		who = []string{orNobody(def.Offer.Closes)}
		for _, o := range def.Offer.Entries {
			who = append(who, o.By...)
		}
	case def.Kind == playbook.Collect:
		who = []string{collecting}
	}
	for _, role := range slices.Clone(who) {
		for _, person := range s.Filled[role] { // a role of the run, which no grant names
			who = append(who, "@"+string(person))
		}
	}
	var out []string
	for _, w := range who {
		if w == "requester" || w == "" {
			w = "@" + string(s.Requester)
		}
		if w == "@" {
			continue
		}
		if entry := id(w, s.Project, s.ID, st.Path); !slices.Contains(out, entry) {
			out = append(out, entry)
		}
	}
	return out
}

// Entries of the awaits index that are nobody's role.
const (
	frozen     = "~frozen"
	collecting = "~collect"
)

// orNobody is a role, or the entry of nobody when there is none.
func orNobody(role string) string {
	if role == "" {
		return "@"
	}
	return role
}

// asked is the one person of a step that asks a person and not a role; release managers may
// answer on behalf.
func asked(st *run.Step) []string {
	person, _ := st.Inputs["person"].(string)
	return []string{"@" + person, run.ReleaseManager}
}
