package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
	"slipway/state/statetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is driven by hand.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	waits []wait
}

type wait struct {
	at time.Time
	ch chan struct{}
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) Wake(at time.Time) (<-chan struct{}, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan struct{})
	if !at.After(c.now) {
		close(ch)
		return ch, func() {}
	}
	c.waits = append(c.waits, wait{at, ch})
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i, w := range c.waits {
			if w.ch == ch {
				c.waits = append(c.waits[:i:i], c.waits[i+1:]...)
				return
			}
		}
	}
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	keep := c.waits[:0:0]
	for _, w := range c.waits {
		if w.at.After(c.now) {
			keep = append(keep, w)
			continue
		}
		close(w.ch)
	}
	c.waits = keep
}

// outside is where the effects of the test actions land. It outlives the engine.
type outside struct {
	mu      sync.Mutex
	applied map[string]int // by action and name
	keys    map[string]bool
	fail    func(action, phase string) error // before and after what Do applies, and in a probe
	blind   bool                             // probes cannot tell
	state   string                           // what waits read
}

type doIn struct {
	Name string `cel:"name" json:"name"`
}
type doOut struct {
	Result string `cel:"result" json:"result"`
}

type deed struct {
	name   string
	policy action.Policy
	out    *outside
}

func (d deed) Probe(_ context.Context, key action.Key, in doIn) (doOut, bool, error) {
	d.out.mu.Lock()
	defer d.out.mu.Unlock()
	if d.out.fail != nil {
		if err := d.out.fail(d.name, "probe"); err != nil {
			return doOut{}, false, err
		}
	}
	if d.out.keys[d.name+key.String()] && !d.out.blind {
		return doOut{"made " + in.Name}, true, nil
	}
	return doOut{}, false, nil
}

func (d deed) Do(_ context.Context, key action.Key, in doIn) (doOut, error) {
	d.out.mu.Lock()
	defer d.out.mu.Unlock()
	if d.out.fail != nil {
		if err := d.out.fail(d.name, "before"); err != nil {
			return doOut{}, err
		}
	}
	again := d.out.keys[d.name+key.String()]
	d.out.keys[d.name+key.String()] = true
	if !again || d.policy == action.Lookup || d.policy == action.OnceOrAsk {
		d.out.applied[d.name+" "+in.Name]++
	}
	if d.out.fail != nil {
		if err := d.out.fail(d.name, "after"); err != nil {
			return doOut{}, err
		}
	}
	return doOut{map[bool]string{true: d.out.state, false: "made " + in.Name}[d.policy == action.Read]}, nil
}

// world is an engine on a store in memory, with everything around it.
type world struct {
	t     testing.TB
	e     *engine.Engine
	store *statetest.Memory
	blobs *statetest.MemoryBlobs
	clock *clock
	out   *outside
	room  *room
	books books
	ids   int
	msgs  int
	point func(string)
	cfg   func(*engine.Config)
}

type books map[string]*playbook.Playbook

func (b books) Current(name string) *playbook.Playbook { return b[name] }
func (b books) ByDigest(d string) *playbook.Playbook {
	for _, p := range b {
		if p.Digest == d {
			return p
		}
	}
	return nil
}
func (b books) Check(name string, _ []byte) (*playbook.Playbook, error) {
	return nil, fmt.Errorf("the playbook %s names an action that is gone", name)
}

type projects struct{}

func (projects) Project(name string) (engine.Project, bool) {
	if name != "lava" && name != "glass" {
		return engine.Project{}, false
	}
	return engine.Project{Name: name, Profile: map[string]any{"name": name}, Places: []engine.Place{{Source: "chat", ID: name}}}, true
}
func (projects) Home(p engine.Place) string { return p.ID }
func (projects) Names() []string            { return []string{"glass", "lava"} }

// wire is what the test chat sends.
type wire struct {
	Who, Place, Message, Text, Touched, Thread, Fact string
	Direct, Changed                                  bool
	At                                               time.Time
	Fields                                           map[string]any
}

type decoder struct{}

func (decoder) Decode(d engine.Delivery) ([]engine.Fact, error) {
	var w wire
	if err := json.Unmarshal(d.Body, &w); err != nil {
		return nil, fmt.Errorf("this is not what the chat sends")
	}
	place := engine.Place{Source: "chat", ID: w.Place}
	switch {
	case w.Touched != "":
		return []engine.Fact{engine.Touched{Place: place, Message: w.Touched}}, nil
	case w.Fact != "":
		return []engine.Fact{engine.Happened{Name: w.Fact, Project: w.Place, Fields: w.Fields}}, nil
	}
	return []engine.Fact{engine.Said{Account: account(w.Who), Place: place, Message: w.Message, Thread: w.Thread, Text: w.Text, Addressed: true, Direct: w.Direct, At: w.At, Changed: w.Changed}}, nil
}

func account(who string) people.Account { return people.Account{Source: "chat", ID: "U-" + who} }

type parser struct{}

func (parser) Parse(text string, s engine.Spoken) []engine.Asked {
	f := strings.Fields(text)
	switch {
	case len(f) == 2 && (f[0] == "release" || f[0] == "quick" || f[0] == "locked" || f[0] == "timed" || f[0] == "signed" || f[0] == "made"):
		return []engine.Asked{{Start: &engine.StartRequest{Family: f[0], Inputs: map[string]any{"version": f[1]}}}}
	case len(f) >= 2 && (f[0] == "hold" || f[0] == "abort" || f[0] == "resume"):
		return []engine.Asked{{Run: f[1], Input: run.Command{Verb: run.Verb(f[0]), Reason: "said so", Now: len(f) > 2}}}
	case len(f) >= 2 && (f[0] == "migrate" || f[0] == "open" || f[0] == "withdraw"):
		if f[0] == "withdraw" {
			return []engine.Asked{{Run: f[1], Input: run.Vote{Step: f[2], Withdraw: true, Vote: gate.Vote{Kind: gate.Approve}}}}
		}
		return []engine.Asked{{Run: f[1], Input: run.Command{Verb: run.Verb(f[0]), Reason: "said so"}}}
	case len(f) >= 2 && f[0] == "undo":
		return []engine.Asked{{Run: f[1], Input: run.Command{Verb: run.UndoVerb, Items: f[2:]}}}
	case len(f) == 2 && f[0] == "secret":
		return []engine.Asked{{Start: &engine.StartRequest{Family: "release", Inputs: map[string]any{"version": f[1]}, Private: true,
			Circle: []people.PersonID{"requester", "maintainer-a"}}}}
	case len(f) == 4 && f[0] == "take":
		return []engine.Asked{{Run: f[2], Input: run.Command{Verb: run.YieldVerb, Lock: f[1], First: f[3], Reason: "a security fix"}}}
	case len(f) == 4 && f[0] == "approve":
		return []engine.Asked{{Run: f[1], Input: run.Vote{Step: f[2], Vote: gate.Vote{Kind: gate.Approve, Manifest: manifest.Digest(f[3])}}}}
	case len(f) >= 3 && f[0] == "reject":
		v := run.Vote{Step: f[2], Vote: gate.Vote{Kind: gate.Reject, Reason: "no"}}
		if len(f) == 4 {
			v.Vote.Manifest = manifest.Digest(f[3])
		}
		return []engine.Asked{{Run: f[1], Input: v}}
	case len(f) == 3 && f[0] == "approve":
		return []engine.Asked{{Run: f[1], Input: run.Vote{Step: f[2], Vote: gate.Vote{Kind: gate.Approve}}}}
	case len(f) == 4 && f[0] == "doubt":
		return []engine.Asked{{Run: f[1], Input: run.Command{Verb: run.DoubtVerb, Step: f[2], Values: map[string]any{"answer": f[3]}}}}
	case len(f) > 0 && f[0] == "relaese":
		return []engine.Asked{{Reply: "Did you mean release?"}}
	}
	return nil
}

type staff struct {
	mu   sync.Mutex
	gone map[string]bool
	down error
}

func (s *staff) People(context.Context) ([]people.Person, []people.Grant, error) {
	var persons []people.Person
	for _, p := range []string{"requester", "maintainer-a", "maintainer-b", "manager"} {
		persons = append(persons, people.Person{ID: people.PersonID(p), Name: p, Accounts: []people.Account{account(p)}})
	}
	g, err := s.Again(context.Background(), "lava", "maintainer")
	g = append(g, people.Grant{ID: "m", Person: "manager", Role: "release-manager", Project: "*"})
	return persons, g, err
}

func (s *staff) Again(_ context.Context, project, role string) ([]people.Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, s.down
	}
	var out []people.Grant
	for _, p := range []string{"maintainer-a", "maintainer-b"} {
		if !s.gone[p] && role == "maintainer" && project == "lava" {
			out = append(out, people.Grant{ID: "g-" + p, Person: people.PersonID(p), Role: role, Project: project})
		}
	}
	return out, nil
}

type cards struct{}

func (cards) Render(_ *playbook.Playbook, s *run.State, _ run.World) card.Card {
	c := card.Card{Key: "card", Title: "card of " + s.Name, Status: string(s.Status) + " " + s.Outcome}
	done := 0
	for _, st := range s.Steps {
		if st.Status == run.Done {
			done++
		}
	}
	c.Blocks = []card.Block{{Text: fmt.Sprint(done, " done")}}
	return c
}

const releaseYAML = `
playbook: release
doc: A release in small.
name: "release/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
steps:
  build: {do: test.keyed@1, with: {name: "${inputs.version}"}}
  go: {gate: "1 of maintainer, not requester", binds: ["${steps.build.result}"], needs: [build]}
  ship: {do: test.lookup@1, with: {name: "${inputs.version}"}, needs: [go]}
`

func effectYAML(name, ref, more string) string {
	return fmt.Sprintf(`
playbook: %s
doc: One effect.
name: "%s/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
steps:
  it: {do: %s, with: {name: "${inputs.version}"}%s}
`, name, name, ref, more)
}

func (w *world) bounds() []action.Bound {
	var out []action.Bound
	for _, c := range []action.Contract{
		{Name: "test.keyed", Policy: action.Keyed}, {Name: "test.lookup", Policy: action.Lookup, Settle: time.Minute},
		{Name: "test.once", Policy: action.OnceOrAsk}, {Name: "test.conditional", Policy: action.Conditional},
		{Name: "test.made", Policy: action.Keyed, Undo: "test.unmade@1", UndoIn: map[string]string{"name": "in.name"}}, {Name: "test.unmade", Policy: action.Keyed},
		{Name: "test.sign", Policy: action.Keyed, Job: "sign"}, {Name: "test.state", Policy: action.Read, Watched: true},
	} {
		c.Version, c.Doc = 1, "for tests"
		b, err := action.Of(c, deed{c.Name, c.Policy, w.out})
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

func newWorld(t testing.TB, sources ...string) *world {
	t.Helper()
	w := &world{t: t, store: statetest.NewMemory(engine.LargeSpaces()...), blobs: &statetest.MemoryBlobs{},
		clock: &clock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)},
		out:   &outside{applied: map[string]int{}, keys: map[string]bool{}}, room: &room{reactions: map[string][]engine.Reaction{}}, books: books{}}
	contracts, err := engine.Contracts()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range w.bounds() {
		contracts = append(contracts, b.Contract)
	}
	for _, src := range append([]string{releaseYAML}, sources...) {
		p, err := playbook.Parse("test.yaml", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		checked, findings := playbook.Check(p, playbook.Known{Contracts: contracts, Profile: action.Obj(action.Field{Name: "name", Type: action.Type{Kind: action.String}}),
			Playbooks: func(name string) *playbook.Playbook { return w.books[name] }})
		if checked == nil {
			t.Fatal(findings)
		}
		w.books[checked.Name] = checked
	}
	return w
}

// open starts a process on what the store holds.
func (w *world) open() *engine.Engine {
	w.t.Helper()
	e, err := engine.New(context.Background(), w.config())
	if err != nil {
		w.t.Fatal(err)
	}
	w.e = e
	return e
}

func (w *world) config() engine.Config {
	w.t.Helper()
	set, err := action.NewSet(w.bounds()...)
	if err != nil {
		w.t.Fatal(err)
	}
	c := engine.Config{Store: w.store, Blobs: w.blobs, Actions: set, Playbooks: w.books, Projects: projects{}, Clock: w.clock,
		IDs: func() string { w.ids++; return fmt.Sprintf("id%04d", w.ids) }, Parser: parser{}, Decoders: map[string]engine.Decoder{"chat": decoder{}},
		People: &staff{gone: map[string]bool{}}, Posters: map[string]engine.Poster{"chat": w.room}, Cards: cards{}, Point: w.point}
	if w.cfg != nil {
		w.cfg(&c)
	}
	return c
}

func (w *world) deliver(x wire, id string) error {
	body, err := json.Marshal(x)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.e.Deliver(context.Background(), engine.Delivery{Source: "chat", ID: id, Place: x.Place, Body: body})
}

func (w *world) say(who, text string) {
	w.t.Helper()
	w.msgs++
	m := fmt.Sprint("s", w.msgs)
	if err := w.deliver(wire{Who: who, Place: "lava", Message: m, Text: text}, m); err != nil {
		w.t.Fatal(err)
	}
	w.drain()
}

func (w *world) react(who string) { w.t.Helper(); w.reactWith("✅", who) }

func (w *world) reactWith(emoji, who string) {
	w.t.Helper()
	msgs := w.room.titled(": gate go")
	if len(msgs) == 0 {
		w.t.Fatal("there is no gate message")
	}
	m := msgs[len(msgs)-1].ref.Message
	w.room.mu.Lock()
	w.room.reactions[m] = append(w.room.reactions[m], engine.Reaction{Account: account(who), Emoji: emoji})
	w.room.mu.Unlock()
	w.msgs++
	if err := w.deliver(wire{Place: "lava", Touched: m}, fmt.Sprint("t", w.msgs)); err != nil {
		w.t.Fatal(err)
	}
	w.drain()
}

func (w *world) drain() {
	w.t.Helper()
	if err := w.e.Drain(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// pass lets time go by and does what becomes due.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.clock.pass(d)
	w.drain()
}
