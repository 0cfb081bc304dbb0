package main

import (
	"context"
	_ "embed"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"slipway/bot/action"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
	"slipway/state/blob"
	"slipway/state/bolt"
)

//go:embed gate.yaml
var gateYAML []byte

//go:embed parked.yaml
var parkedYAML []byte

//go:embed ledger.yaml
var ledgerYAML []byte

//go:embed builds.yaml
var buildsYAML []byte

const project = "lava"

// house is an engine on a store on disk, with people and trivial actions around it.
type house struct {
	db    *bolt.DB
	blobs *blob.Store
	e     *engine.Engine
	shelf *shelf
	clock *watched
	begun time.Time
	ids   atomic.Int64
	after func(point string) // what follows a crash point; set before Run
}

// options of a house. The zero value is the store as it is used.
type options struct {
	delay    time.Duration // added to each commit
	workers  int
	set      []action.Bound
	known    playbook.Known
	sources  map[string][]byte // playbooks by file; nil: those of this folder
	profile  map[string]any
	decoders map[string]engine.Decoder
	forget   bool // nothing is known of the playbooks that live runs pinned: they are checked again
}

// open opens the house in dir.
func open(ctx context.Context, dir string, o options) (h *house, err error) {
	if o.set == nil {
		if o.set, err = bounds(); err != nil {
			return nil, err
		}
		o.sources = map[string][]byte{"gate.yaml": gateYAML, "parked.yaml": parkedYAML, "ledger.yaml": ledgerYAML, "builds.yaml": buildsYAML}
		o.known = playbook.Known{Profile: action.Obj(action.Field{Name: "name", Type: action.Type{Kind: action.String}})}
		for _, b := range o.set {
			o.known.Contracts = append(o.known.Contracts, b.Contract)
		}
		o.profile = map[string]any{"name": project}
	}
	set, err := action.NewSet(o.set...)
	if err != nil {
		return nil, err
	}
	h = &house{clock: &watched{}, begun: time.Now(), shelf: &shelf{known: o.known, forget: o.forget, current: map[string]*playbook.Playbook{}}}
	for file, src := range o.sources {
		if err := h.shelf.add(file, src); err != nil {
			return nil, err
		}
	}
	faults := bolt.Faults{}
	if o.delay > 0 {
		faults.AfterCommit = func() error { time.Sleep(o.delay); return nil }
	}
	if h.db, err = bolt.Open(filepath.Join(dir, "slipway.db"), bolt.Options{Large: engine.LargeSpaces(), Faults: faults}); err != nil {
		return nil, err
	}
	if h.blobs, err = blob.Open(filepath.Join(dir, "blobs"), blob.Options{}); err != nil {
		return nil, closed(h.db.Close, err)
	}
	h.e, err = engine.New(ctx, engine.Config{Store: h.db, Blobs: h.blobs, Actions: set, Playbooks: h.shelf, Projects: projects{o.profile},
		Clock: h.clock, IDs: h.id, People: staff{}, Workers: o.workers, Decoders: o.decoders, Point: func(name string) {
			if h.after != nil {
				h.after(name)
			}
		}})
	if err != nil {
		return nil, closed(h.close, err)
	}
	return h, nil
}

func (h *house) close() error { return closed(h.blobs.Close, h.db.Close()) }

// id is opaque and grows with time, as those that slipway gives.
func (h *house) id() string {
	return fmt.Sprintf("%012x%014x", h.begun.UnixMilli(), h.ids.Add(1))
}

func (h *house) start(ctx context.Context, family, id, version string) error {
	_, err := h.e.StartRun(ctx, engine.StartRequest{Family: family, Project: project, Person: "requester", ID: id,
		Inputs: map[string]any{"version": version}})
	return err
}

func (h *house) approve(ctx context.Context, id, step, who string) error {
	d, err := h.e.Submit(ctx, id, run.Vote{Step: step, Vote: gate.Vote{Kind: gate.Approve, Person: people.PersonID(who), Account: account(who), At: time.Now().UTC()}})
	if err == nil && d.Refusal != nil {
		return d.Refusal
	}
	return err
}

// work runs the engine's loops while f does its part.
func (h *house) work(ctx context.Context, f func() error) error {
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	var ran error
	all.Go(func() { ran = h.e.Run(ctx) })
	err := f()
	stop()
	all.Wait()
	if err == nil {
		err = ran
	}
	return err
}

// shelf holds checked playbooks.
type shelf struct {
	known   playbook.Known
	current map[string]*playbook.Playbook
	forget  bool
}

func (s *shelf) add(file string, src []byte) error {
	p, err := s.check(file, src)
	if err == nil {
		s.current[p.Name] = p
	}
	return err
}

func (s *shelf) check(file string, src []byte) (*playbook.Playbook, error) {
	parsed, err := playbook.Parse(file, src)
	if err != nil {
		return nil, err
	}
	p, findings := playbook.Check(parsed, s.known)
	if p == nil {
		return nil, playbook.Errors(findings)
	}
	return p, nil
}

func (s *shelf) Current(name string) *playbook.Playbook { return s.current[name] }

func (s *shelf) ByDigest(digest string) *playbook.Playbook {
	for _, p := range s.current {
		if p.Digest == digest && !s.forget {
			return p
		}
	}
	return nil
}

func (s *shelf) Check(name string, src []byte) (*playbook.Playbook, error) { return s.check(name, src) }

// projects knows one project. It has no chat, so gate messages are committed and shown nowhere.
type projects struct{ profile map[string]any }

func (p projects) Project(name string) (engine.Project, bool) {
	return engine.Project{Name: project, Profile: p.profile}, name == project
}
func (projects) Home(engine.Place) string { return project }
func (projects) Names() []string          { return []string{project} }

func account(who string) people.Account { return people.Account{Source: "chat", ID: "U-" + who} }

type staff struct{}

func (s staff) People(ctx context.Context) ([]people.Person, []people.Grant, error) {
	var persons []people.Person
	var grants []people.Grant
	for _, p := range []string{"requester", "maintainer-a", "maintainer-b", "tester", "release-manager"} {
		persons = append(persons, people.Person{ID: people.PersonID(p), Name: p, Accounts: []people.Account{account(p)}})
	}
	for _, role := range []string{"maintainer", "tester", "release-manager"} {
		g, _ := s.Again(ctx, project, role)
		grants = append(grants, g...)
	}
	return persons, grants, nil
}

func (staff) Again(_ context.Context, in, role string) ([]people.Grant, error) {
	holders := map[string][]people.PersonID{"maintainer": {"maintainer-a", "maintainer-b"}, "tester": {"tester"}, "release-manager": {"release-manager"}}
	var out []people.Grant
	for _, p := range holders[role] {
		if in == project {
			out = append(out, people.Grant{ID: role + "-" + string(p), Person: p, Role: role, Project: in})
		}
	}
	return out, nil
}

// watched is the wall clock; it tells when a loop has armed its next wake.
type watched struct {
	armed atomic.Pointer[func(at time.Time)]
}

func (*watched) Now() time.Time { return time.Now() }

func (w *watched) Wake(at time.Time) (<-chan struct{}, func()) {
	if f := w.armed.Load(); f != nil {
		(*f)(at)
	}
	due := make(chan struct{})
	t := time.AfterFunc(time.Until(at), func() { close(due) })
	return due, func() { t.Stop() }
}

// deed is a trivial keyed action.
type deed struct{}

type deedIn struct {
	Name string `cel:"name" json:"name"`
}
type deedOut struct {
	Result string `cel:"result" json:"result"`
}

func (deed) Probe(context.Context, action.Key, deedIn) (deedOut, bool, error) {
	return deedOut{}, false, nil
}

func (deed) Do(_ context.Context, _ action.Key, in deedIn) (deedOut, error) {
	return deedOut{in.Name}, nil
}

func bounds() ([]action.Bound, error) {
	var out []action.Bound
	for _, name := range []string{"bench.first", "bench.second", "bench.third", "bench.build"} {
		c := action.Contract{Name: name, Version: 1, Policy: action.Keyed, Doc: "for measuring"}
		if name == "bench.build" {
			c.Job = buildKind
		}
		b, err := action.Of(c, deed{})
		if err != nil {
			return nil, errs.E("bench", errs.Internal, err)
		}
		out = append(out, b)
	}
	return out, nil
}
