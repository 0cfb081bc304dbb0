// Package fleet is a bot in one process for tests and benchmarks of pages: the engine on a store in
// memory or on disk, the real commands, a room, people, and playbooks of which every kind of step has
// one. Nothing in it reaches the outside, and its clock is driven by hand.
//
// [Fleet.Say] says something as a person does, through the same desk as pages. [Fleet.Fill] makes
// thousands of runs, [Fleet.Big] one run of thousands of steps.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"slipway/bot/action"
	"slipway/bot/calendar"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/commands/grammar"
	"slipway/commands/talk"
	"slipway/integrations/console"
	"slipway/state/statetest"
)

// Options say what a fleet is made of. The zero Options will do.
type Options struct {
	Store engine.Store // nil: in memory
	Blobs engine.Blobs // nil: in memory
	Real  bool         // the clock of the machine, and an engine that works by itself
	More  []string     // sources of further playbooks
	Links func(run string) string
}

// Fleet is a bot with a room and people.
type Fleet struct {
	Engine *engine.Engine
	Room   *console.Room
	Desk   *console.Desk
	Clock  *Clock
	Blobs  engine.Blobs
	Parser talk.Parser

	world *outside
	books *shelf
	stop  func()
	said  int
	mu    sync.Mutex
}

// Channel is where the cards of the project lava go; glass has its own.
const Channel = "lava"

// Bot is the account of the bot.
const Bot = "bot:slipway"

// Clock is driven by hand.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is the time of the fleet.
func (c *Clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

// Pass moves the clock on.
func (c *Clock) Pass(d time.Duration) { c.mu.Lock(); c.now = c.now.Add(d); c.mu.Unlock() }

// Wake never comes: what is due is done by [Fleet.Work].
func (c *Clock) Wake(time.Time) (<-chan struct{}, func()) { return make(chan struct{}), func() {} }

type wall struct{}

func (wall) Now() time.Time { return time.Now() }
func (wall) Wake(t time.Time) (<-chan struct{}, func()) {
	ch := make(chan struct{})
	timer := time.AfterFunc(time.Until(t), func() { close(ch) })
	return ch, func() { timer.Stop() }
}

// New makes a fleet whose room lies in dir. Close ends it.
func New(dir string, o Options) (*Fleet, error) {
	f := &Fleet{Clock: &Clock{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}, world: newOutside()}
	if o.Store == nil {
		o.Store = statetest.NewMemory(engine.LargeSpaces()...)
	}
	if o.Blobs == nil {
		o.Blobs = &statetest.MemoryBlobs{}
	}
	f.Blobs, f.world.blobs = o.Blobs, o.Blobs
	var clock engine.Clock = f.Clock
	now := f.Clock.Now
	if o.Real {
		clock, now = wall{}, time.Now
	}
	var err error
	if f.Room, err = console.Open(filepath.Join(dir, "room.db"), now); err != nil {
		return nil, err
	}
	if err := f.start(o, clock); err != nil {
		return nil, errors.Join(err, f.Room.Close())
	}
	f.Desk = &console.Desk{Room: f.Room, Direct: f.direct, Channels: func() []string { return []string{"glass", Channel} },
		Deliver: func(ctx context.Context, d console.Delivery) error {
			return f.Engine.Deliver(ctx, engine.Delivery{Source: d.Source, ID: d.ID, Account: Account(d.Account), Place: d.Place, Body: d.Body})
		}}
	f.stop = func() {}
	if o.Real {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = f.Engine.Run(ctx) }()
		f.stop = func() { cancel(); <-done }
	}
	return f, nil
}

func (f *Fleet) start(o Options, clock engine.Clock) error {
	bounds, err := f.world.bounds()
	if err != nil {
		return err
	}
	set, err := action.NewSet(bounds...)
	if err != nil {
		return err
	}
	own, err := engine.Contracts()
	if err != nil {
		return err
	}
	if f.books, err = newShelf(append(set.Contracts(), own...), append(sources(), o.More...)); err != nil {
		return err
	}
	families := []grammar.Family{grammar.Release(nil, nil)}
	table, err := grammar.Standard(families...)
	if err != nil {
		return err
	}
	f.Parser = talk.Parser{Table: table, Families: families, Addresses: []string{"slipway"}}
	answers := &talk.Answers{Table: table, Projects: projects{}, Shelf: f.books, Families: families}
	var ids int
	var mu sync.Mutex
	f.Engine, err = engine.New(context.Background(), engine.Config{Store: o.Store, Blobs: o.Blobs, Actions: set, Playbooks: f.books,
		Projects: projects{}, Clock: clock, Parser: f.Parser, Answers: answers, Decoders: map[string]engine.Decoder{console.Source: decoder{}},
		IDs:    func() string { mu.Lock(); defer mu.Unlock(); ids++; return fmt.Sprintf("r%07d", ids) },
		People: staff{}, Posters: map[string]engine.Poster{console.Source: poster{f.Room.Poster(Bot)}}, Cards: talk.Cards{},
		Direct: func(p people.PersonID) []engine.Place {
			return []engine.Place{{Source: console.Source, ID: console.DirectRoom(string(p))}}
		}})
	answers.Engine = f.Engine
	return err
}

// Close ends the fleet.
func (f *Fleet) Close() error {
	f.stop()
	return f.Room.Close()
}

// Work does everything that is due, and what follows from it.
func (f *Fleet) Work(ctx context.Context) error { return f.Engine.Drain(ctx) }

// Say says a line as a person, in the project's channel or in a thread of it, and does what follows.
func (f *Fleet) Say(ctx context.Context, person, channel, thread, text string) (console.Message, error) {
	f.mu.Lock()
	f.said++
	id := fmt.Sprintf("said-%d", f.said)
	f.mu.Unlock()
	m, err := f.Desk.Say(ctx, "console:"+person, console.Saying{ID: id, Channel: channel, Thread: thread, Text: text})
	if err != nil {
		return m, err
	}
	return m, f.Work(ctx)
}

// Run is the id of a run by its name.
func (f *Fleet) Run(ctx context.Context, person, name string) (string, error) {
	return f.Engine.Resolve(ctx, name, people.PersonID(person))
}

// Break makes an action fail before it does anything, or, with after, once it has done it, so that
// nobody can tell; a nil err mends it.
func (f *Fleet) Break(action string, after bool, err error) { f.world.fail(action, after, err) }

// Freeze adds a freeze.
func (f *Fleet) Freeze(ctx context.Context, fr calendar.Freeze) error {
	return f.Engine.Freeze(ctx, fr, engine.Once{})
}

func (f *Fleet) direct(who string) string {
	p, ok := f.Engine.World().Directory.ByAccount(Account(who))
	if !ok {
		return ""
	}
	return console.DirectRoom(string(p.ID))
}

// Persons are those of the fleet: grace asks for releases and manages them, alan and hana maintain
// lava, oskar has no role at all.
func Persons() []people.Person {
	var out []people.Person
	for id, name := range map[people.PersonID]string{"grace": "Grace Harbour", "alan": "Alan Anchor", "hana": "Hana Helm", "oskar": "Oskar Outside"} {
		out = append(out, people.Person{ID: id, Name: name, Accounts: []people.Account{{Source: "console", ID: string(id)}}})
	}
	return out
}

type staff struct{}

func (staff) People(context.Context) ([]people.Person, []people.Grant, error) {
	return Persons(), grants(), nil
}

func (staff) Again(_ context.Context, project, role string) ([]people.Grant, error) {
	var out []people.Grant
	for _, g := range grants() {
		if g.Project == project && g.Role == role {
			out = append(out, g)
		}
	}
	return out, nil
}

func grants() []people.Grant {
	return []people.Grant{
		{ID: "g1", Person: "grace", Role: "release-manager", Project: "*"}, {ID: "g0", Person: "grace", Role: "admin", Project: "*"},
		{ID: "g2", Person: "alan", Role: "maintainer", Project: "lava"}, {ID: "g3", Person: "hana", Role: "maintainer", Project: "lava"},
		{ID: "g4", Person: "grace", Role: "maintainer", Project: "lava"},
		{ID: "g5", Person: "alan", Role: "maintainer", Project: "glass"}, {ID: "g6", Person: "hana", Role: "maintainer", Project: "glass"},
	}
}

type projects struct{}

func (projects) Project(name string) (engine.Project, bool) {
	if name != "lava" && name != "glass" {
		return engine.Project{}, false
	}
	return engine.Project{Name: name, Profile: map[string]any{"name": name}, Triggers: []string{"nightly"},
		Places: []engine.Place{{Source: console.Source, ID: name}}}, true
}
func (projects) Home(p engine.Place) string {
	if console.IsDirect(p.ID) {
		return "lava"
	}
	return p.ID
}
func (projects) Names() []string { return []string{"glass", "lava"} }

// shelf are the playbooks.
type shelf struct{ books map[string]*playbook.Playbook }

func newShelf(contracts []action.Contract, sources []string) (*shelf, error) {
	s := &shelf{books: map[string]*playbook.Playbook{}}
	profile := action.Obj(action.Field{Name: "name", Type: action.Type{Kind: action.String}})
	for _, src := range sources {
		p, err := playbook.Parse("fleet.yaml", []byte(src))
		if err != nil {
			return nil, err
		}
		checked, findings := playbook.Check(p, playbook.Known{Contracts: contracts, Profile: profile, Playbooks: s.Current})
		if checked == nil {
			return nil, errs.E("fleet", errs.Invalid, playbook.Errors(findings))
		}
		s.books[checked.Name] = checked
	}
	return s, nil
}

// Current is a playbook by name, or nil.
func (s *shelf) Current(name string) *playbook.Playbook { return s.books[name] }

// ByDigest is a playbook by its digest, or nil.
func (s *shelf) ByDigest(d string) *playbook.Playbook {
	for _, p := range s.books {
		if p.Digest == d {
			return p
		}
	}
	return nil
}

// Check refuses what is not on the shelf.
func (s *shelf) Check(name string, _ []byte) (*playbook.Playbook, error) {
	return nil, fmt.Errorf("the playbook %s is not on the shelf", name)
}
