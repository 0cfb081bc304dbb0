package talk_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
	"slipway/commands/grammar"
	"slipway/commands/talk"
	"slipway/state/statetest"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", name, d)
	}
}

const releaseYAML = `
playbook: release
doc: A release in small.
name: "release/${project.name}/${inputs.version}"
inputs:
  version: {type: version, help: "a version"}
  urgent: {type: bool, default: false, help: "whether it hurries"}
uses: ["repo/${project.name}"]
steps:
  build: {doc: Build it, do: test.make@1, with: {name: "${inputs.version}"}}
  notes: {ask: requester, prompt: "What is new?", fields: {headline: {type: string, help: "one line"}}}
  go: {doc: Say yes, gate: "2 of maintainer, not requester", binds: ["${steps.build.result}", "${steps.notes.headline}"], needs: [build, notes]}
  ship: {do: test.ship@1, with: {name: "${inputs.version}"}, needs: [go]}
`

type thing struct{}

type thingIn struct {
	Name string `cel:"name" json:"name"`
}
type thingOut struct {
	Result string `cel:"result" json:"result"`
}

func (thing) Probe(context.Context, action.Key, thingIn) (thingOut, bool, error) {
	return thingOut{}, false, nil
}
func (thing) Do(_ context.Context, _ action.Key, in thingIn) (thingOut, error) {
	return thingOut{"made " + in.Name}, nil
}

type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }
func (c *clock) Wake(time.Time) (<-chan struct{}, func()) {
	return make(chan struct{}), func() {}
}

type shelf map[string]*playbook.Playbook

func (s shelf) Current(name string) *playbook.Playbook { return s[name] }
func (s shelf) ByDigest(d string) *playbook.Playbook {
	for _, p := range s {
		if p.Digest == d {
			return p
		}
	}
	return nil
}
func (s shelf) Check(name string, _ []byte) (*playbook.Playbook, error) {
	return nil, fmt.Errorf("the playbook %s names an action that is gone", name)
}

type projects struct{}

func (projects) Project(name string) (engine.Project, bool) {
	return engine.Project{Name: name, Profile: map[string]any{"name": name}, Places: []engine.Place{{Source: "chat", ID: "lava"}}}, name == "lava" || name == "glass"
}
func (projects) Home(engine.Place) string { return "lava" }
func (projects) Names() []string          { return []string{"lava"} }

type staff struct{}

func (staff) People(context.Context) ([]people.Person, []people.Grant, error) {
	var persons []people.Person
	for id, name := range map[string]string{"ada": "Ada", "grace": "Grace", "alan": "Alan", "root": "Root"} {
		persons = append(persons, people.Person{ID: people.PersonID(id), Name: name, Accounts: []people.Account{account(id)}})
	}
	grants, _ := staff{}.Again(context.Background(), "lava", "")
	return persons, grants, nil
}
func (staff) Again(_ context.Context, project, role string) ([]people.Grant, error) {
	var out []people.Grant
	for _, g := range []people.Grant{{ID: "1", Person: "grace", Role: "maintainer", Project: "lava"}, {ID: "2", Person: "alan", Role: "maintainer", Project: "lava"},
		{ID: "3", Person: "root", Role: people.Admin, Project: people.EveryProject}} {
		if role == "" || g.Role == role {
			out = append(out, g)
		}
	}
	return out, nil
}

func account(who string) people.Account { return people.Account{Source: "chat", ID: "U-" + who} }

// room keeps the last answer.
type room struct{ posts []card.Card }

func (r *room) Find(context.Context, string, engine.Ref, time.Time) (engine.Ref, bool, error) {
	return engine.Ref{}, false, nil
}
func (r *room) Post(_ context.Context, _ string, to engine.Ref, c card.Card) (engine.Ref, error) {
	if err := c.Check(); err != nil {
		return engine.Ref{}, err
	}
	r.posts = append(r.posts, c)
	to.Message = fmt.Sprint("m", len(r.posts))
	return to, nil
}
func (r *room) Edit(context.Context, engine.Ref, card.Card) error { return nil }
func (r *room) Reactions(context.Context, engine.Ref) ([]engine.Reaction, error) {
	return nil, nil
}

type wire struct {
	Who, Message, Text, Token string
	Direct                    bool
}

type decoder struct{}

func (decoder) Secrets() []string { return []string{"Token"} }
func (decoder) Decode(d engine.Delivery) ([]engine.Fact, error) {
	var w wire
	err := json.Unmarshal(d.Body, &w)
	return []engine.Fact{engine.Said{Account: account(w.Who), Place: engine.Place{Source: "chat", ID: "lava"}, Message: w.Message, Text: w.Text, Addressed: true, Direct: w.Direct}}, err
}

// world is the whole conversation on an engine in memory.
type world struct {
	t     *testing.T
	e     *engine.Engine
	room  *room
	clock *clock
	books shelf
	table *grammar.Table
	n     int
}

func check(t *testing.T, src string, contracts []action.Contract) *playbook.Playbook {
	t.Helper()
	p, err := playbook.Parse("release.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	checked, findings := playbook.Check(p, playbook.Known{Contracts: contracts, Profile: action.Obj(action.Field{Name: "name", Type: action.Type{Kind: action.String}})})
	if checked == nil {
		t.Fatal(findings)
	}
	return checked
}

func contracts(t *testing.T) (out []action.Bound, list []action.Contract) {
	t.Helper()
	for _, c := range []action.Contract{{Name: "test.make", Policy: action.Keyed}, {Name: "test.ship", Policy: action.Lookup, Irreversible: true}} {
		c.Version, c.Doc = 1, "for tests"
		b, err := action.Of(c, thing{})
		if err != nil {
			t.Fatal(err)
		}
		out, list = append(out, b), append(list, b.Contract)
	}
	return out, list
}

func newWorld(t *testing.T) *world { t.Helper(); return newWorldWith(t, func(*engine.Config) {}) }

// newWorldWith is a world whose engine is made a little otherwise.
func newWorldWith(t *testing.T, change func(*engine.Config)) *world {
	t.Helper()
	w := &world{t: t, room: &room{}, clock: &clock{time.Date(2019, 1, 10, 12, 0, 0, 0, time.UTC)}, books: shelf{}}
	bounds, list := contracts(t)
	set, err := action.NewSet(bounds...)
	if err != nil {
		t.Fatal(err)
	}
	w.books["release"] = check(t, releaseYAML, list)
	families := []grammar.Family{grammar.Release(func(v string) error {
		if v[0] < '0' || v[0] > '9' {
			return fmt.Errorf("%q does not begin with a year", v)
		}
		return nil
	}, nil)}
	if w.table, err = grammar.Standard(families...); err != nil {
		t.Fatal(err)
	}
	answers := &talk.Answers{Table: w.table, Projects: projects{}, Shelf: w.books, Books: []string{"release"}, Families: families}
	ids := 0
	c := engine.Config{Store: statetest.NewMemory(engine.LargeSpaces()...), Blobs: &statetest.MemoryBlobs{}, Actions: set,
		Playbooks: w.books, Projects: projects{}, Clock: w.clock, IDs: func() string { ids++; return fmt.Sprintf("id%04d", ids) },
		Parser: talk.Parser{Table: w.table, Families: families}, Answers: answers, Decoders: map[string]engine.Decoder{"chat": decoder{}}, People: staff{},
		Posters: map[string]engine.Poster{"chat": w.room}, Cards: talk.Cards{}}
	change(&c)
	if w.e, err = engine.New(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	answers.Engine = w.e
	return w
}

// say types a line and gives the answer as text.
func (w *world) say(who, text string) string { return w.tell(wire{Who: who, Text: text}) }

func (w *world) tell(x wire) string {
	w.t.Helper()
	w.n++
	x.Message = fmt.Sprint("s", w.n)
	before := len(w.room.posts)
	body, err := json.Marshal(x)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.e.Deliver(context.Background(), engine.Delivery{Source: "chat", ID: x.Message, Place: "lava", Account: account(x.Who), Body: body}); err != nil {
		w.t.Fatal(err)
	}
	w.clock.now = w.clock.now.Add(time.Minute)
	if err := w.e.Drain(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, c := range w.room.posts[before:] {
		if len(c.Mentions) == 1 && c.Mentions[0] == x.Who && c.State == "" || c.State == "" && len(c.Mentions) == 0 {
			text := c.Title
			for _, b := range c.Blocks {
				text += "\n" + b.Text
			}
			out = append(out, text)
		}
	}
	return strings.Join(out, "\n----\n")
}

func (w *world) state(name string) *run.State {
	w.t.Helper()
	id, err := w.e.Resolve(context.Background(), name, "ada")
	if err != nil {
		w.t.Fatal(err)
	}
	s, _, err := w.e.RunState(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}
