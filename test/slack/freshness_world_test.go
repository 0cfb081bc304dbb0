package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
	"slipway/commands/talk"
	"slipway/integrations/console"
	integration "slipway/integrations/slack"
	"slipway/integrations/slack/chat"
	"slipway/state/statetest"
	fake "slipway/test/fakes/slack"
)

const voyage = `
playbook: voyage
doc: Work in two lanes, a gate, and more work.
name: "voyage/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
steps:
  a1: {do: test.work@1, with: {name: "${inputs.version} a1"}}
  a2: {do: test.work@1, with: {name: "${inputs.version} a2"}, needs: [a1]}
  a3: {do: test.work@1, with: {name: "${inputs.version} a3"}, needs: [a2]}
  a4: {do: test.work@1, with: {name: "${inputs.version} a4"}, needs: [a3]}
  b1: {do: test.work@1, with: {name: "${inputs.version} b1"}}
  b2: {do: test.work@1, with: {name: "${inputs.version} b2"}, needs: [b1]}
  b3: {do: test.work@1, with: {name: "${inputs.version} b3"}, needs: [b2]}
  b4: {do: test.work@1, with: {name: "${inputs.version} b4"}, needs: [b3]}
  go: {gate: "2 of maintainer, not requester", binds: ["${steps.a4.result}", "${steps.b4.result}"], needs: [a4, b4]}
  c1: {do: test.work@1, with: {name: "${inputs.version} c1"}, needs: [go]}
  c2: {do: test.work@1, with: {name: "${inputs.version} c2"}, needs: [c1]}
  c3: {do: test.work@1, with: {name: "${inputs.version} c3"}, needs: [c2]}
  d1: {do: test.work@1, with: {name: "${inputs.version} d1"}, needs: [go]}
  d2: {do: test.work@1, with: {name: "${inputs.version} d2"}, needs: [d1]}
`

// sea is one engine that shows runs in a channel of Slack and in one of the console, in virtual time.
type sea struct {
	t     testing.TB
	slack *fake.Server
	room  string
	users map[string]string
	desk  *console.Room
	e     *engine.Engine
	book  *playbook.Playbook
	rand  *rand.Rand
	shows map[string]string // run → its card
	gates []string          // gate messages
	read  map[string]reading
	seen  map[string]time.Time // run → the latest saying that was looked for in the console

	mu    sync.Mutex
	waits []span              // Slack asked to be left alone
	said  map[string][]saying // run → what its card said, oldest first
	ids   int
	asked int // requests so far
}

// reading is what a card said after so many requests.
type reading struct {
	asked int
	words string
}

// span is a stretch of time.
type span struct{ from, to time.Time }

// saying is what a card said from a moment on.
type saying struct {
	at    time.Time
	words string // as Slack shows them
	card  card.Card
}

// newSea is to be called before virtual time begins: the server has a socket.
func newSea(t testing.TB, seed uint64) *sea {
	t.Helper()
	w := &sea{t: t, users: map[string]string{}, said: map[string][]saying{}, shows: map[string]string{}, read: map[string]reading{}, seen: map[string]time.Time{}, rand: rand.New(rand.NewPCG(seed, 5))}
	w.slack = fake.Start(t, fake.Options{Team: team, Limits: true})
	members := []string{w.slack.App().User}
	for name, full := range persons() {
		w.users[name] = w.slack.AddUser(fake.User{Name: name, RealName: full}).ID
		members = append(members, w.users[name])
	}
	w.room = w.slack.AddChannel(fake.Channel{Name: "releases", Members: members}).ID
	dir, err := os.MkdirTemp(theSlip(t).work, "f")
	if err != nil {
		t.Fatal(err)
	}
	desk, err := console.Open(filepath.Join(dir, "room.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = desk.Close(); _ = os.RemoveAll(dir) })
	w.desk = desk
	return w
}

// open makes the engine, which edits a card no more often than it is told. It is called in virtual time.
func (w *sea) open(every time.Duration) {
	w.t.Helper()
	app := w.slack.App()
	client, err := integration.New(integration.Options{URL: w.slack.URL, Token: app.Token, Team: team, App: app.ID, Now: time.Now, HTTP: &http.Client{Transport: wire{w}}})
	w.ok(err)
	poster := chat.NewPoster(chat.Options{Client: client, Accounts: func(person string) []string { return []string{team + "/" + w.users[person]} }})
	work := action.Contract{Name: "test.work", Version: 1, Doc: "takes a while", Policy: action.Keyed}
	bound, err := action.Of(work, toil{w})
	w.ok(err)
	set, err := action.NewSet(bound)
	w.ok(err)
	own, err := engine.Contracts()
	w.ok(err)
	p, err := playbook.Parse("voyage.yaml", []byte(voyage))
	w.ok(err)
	book, findings := playbook.Check(p, playbook.Known{Contracts: append(set.Contracts(), own...), Profile: action.Obj(action.Field{Name: "name", Type: action.Type{Kind: action.String}}),
		Playbooks: func(string) *playbook.Playbook { return nil }})
	if book == nil {
		w.t.Fatal(findings)
	}
	w.book = book
	w.e, err = engine.New(w.t.Context(), engine.Config{Store: statetest.NewMemory(engine.LargeSpaces()...), Blobs: &statetest.MemoryBlobs{}, Actions: set, Playbooks: w, Projects: w,
		Clock: virtual{}, IDs: w.id, Parser: w, Decoders: map[string]engine.Decoder{"slack": w}, People: w, Cards: w, Workers: 64, CardEvery: every,
		Posters: map[string]engine.Poster{"slack": slackPort{poster}, console.Source: consolePort{w.desk.Poster("bot:slipway")}}})
	w.ok(err)
}

func (w *sea) ok(err error) {
	if err != nil {
		w.t.Helper()
		w.t.Fatal(err)
	}
}

func (w *sea) id() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	return fmt.Sprintf("id%05d", w.ids)
}

// Current, ByDigest and Check are the shelf.
func (w *sea) Current(string) *playbook.Playbook  { return w.book }
func (w *sea) ByDigest(string) *playbook.Playbook { return w.book }
func (w *sea) Check(string, []byte) (*playbook.Playbook, error) {
	return nil, fmt.Errorf("there is one playbook")
}

func (w *sea) place() engine.Place { return engine.Place{Source: "slack", ID: team + "/" + w.room} }

// Project, Home and Names are the projects.
func (w *sea) Project(name string) (engine.Project, bool) {
	return engine.Project{Name: name, Profile: map[string]any{"name": name}, Places: []engine.Place{{Source: console.Source, ID: channel}, w.place()}}, name == "harbour"
}
func (w *sea) Home(engine.Place) string { return "harbour" }
func (w *sea) Names() []string          { return []string{"harbour"} }

// People and Again are who there is.
func (w *sea) People(context.Context) (all []people.Person, grants []people.Grant, err error) {
	for name, full := range persons() {
		all = append(all, people.Person{ID: people.PersonID(name), Name: full, Accounts: []people.Account{{Source: "slack", ID: team + "/" + w.users[name]}}})
	}
	grants, err = w.Again(context.Background(), "harbour", "maintainer")
	return all, append(grants, people.Grant{ID: "m", Person: "hana", Role: "release-manager", Project: "*"}), err
}

func (w *sea) Again(_ context.Context, project, role string) ([]people.Grant, error) {
	if project != "harbour" || role != "maintainer" {
		return nil, nil
	}
	return []people.Grant{{ID: "b", Person: "ben", Role: role, Project: project}, {ID: "c", Person: "chen", Role: role, Project: project}}, nil
}

// Parse answers whatever is said.
func (w *sea) Parse(text string, _ engine.Spoken) []engine.Asked {
	return []engine.Asked{{Reply: "I do not know what " + text + " means"}}
}

// note is what the test delivers: somebody wrote, or the reactions of a message changed.
type note struct{ Message, Text string }

// Decode reads it.
func (w *sea) Decode(d engine.Delivery) ([]engine.Fact, error) {
	var n note
	if err := json.Unmarshal(d.Body, &n); err != nil {
		return nil, err
	}
	if n.Text == "" {
		return []engine.Fact{engine.Touched{Place: w.place(), Message: n.Message}}, nil
	}
	hana := people.Account{Source: "slack", ID: team + "/" + w.users["hana"]}
	return []engine.Fact{engine.Said{Account: hana, Place: w.place(), Message: n.Message, Text: n.Text, Addressed: true, At: time.Now()}}, nil
}

func (w *sea) deliver(n note) {
	body, err := json.Marshal(n)
	if err == nil {
		err = w.e.Deliver(context.Background(), engine.Delivery{Source: "slack", ID: w.id(), Place: w.place().ID, Body: body})
	}
	if err != nil {
		w.t.Error(err)
	}
}

// Render draws the card as the bot does, and notes what it says.
func (w *sea) Render(p *playbook.Playbook, s *run.State, world run.World) card.Card {
	c := talk.Cards{}.Render(p, s, world)
	w.says(s.ID, c)
	return c
}

// says notes what a card says now.
func (w *sea) says(id string, c card.Card) {
	_, blocks, _ := chat.Message(c, chat.Voice{Mention: func(person string) []string { return []string{w.users[person]} }})
	raw, err := json.Marshal(blocks)
	var m fake.Message
	if err == nil {
		err = json.Unmarshal(raw, &m.Blocks)
	}
	if err != nil {
		w.t.Error(err)
	}
	m.Blocks = fake.Kept(m.Blocks)
	words := wordsOf(m)
	w.mu.Lock()
	defer w.mu.Unlock()
	if all := w.said[id]; len(all) == 0 || all[len(all)-1].words != words {
		w.said[id] = append(all, saying{time.Now(), words, c})
	}
}

// toil takes a while, of which the seed decides.
type toil struct{ w *sea }

type toilIn struct {
	Name string `cel:"name" json:"name"`
}
type toilOut struct {
	Result string `cel:"result" json:"result"`
}

func (toil) Probe(context.Context, action.Key, toilIn) (out toilOut, found bool, err error) {
	return out, false, nil
}

func (x toil) Do(ctx context.Context, _ action.Key, in toilIn) (toilOut, error) {
	x.w.mu.Lock()
	d := time.Duration(50+x.w.rand.IntN(4000)) * time.Millisecond
	x.w.mu.Unlock()
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	return toilOut{"done " + in.Name}, ctx.Err()
}

// virtual is the clock of the bubble.
type virtual struct{}

func (virtual) Now() time.Time { return time.Now() }

func (virtual) Wake(at time.Time) (<-chan struct{}, func()) {
	c := make(chan struct{})
	timer := time.AfterFunc(time.Until(at), func() { close(c) })
	return c, func() { timer.Stop() }
}

// wire carries requests to Slack and notes when it asks to be left alone. A request takes a while.
type wire struct{ w *sea }

func (x wire) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(60 * time.Millisecond)
	resp, err := x.w.slack.Direct().RoundTrip(r)
	x.w.mu.Lock()
	x.w.asked++
	x.w.mu.Unlock()
	time.Sleep(60 * time.Millisecond)
	if err == nil && resp.StatusCode == http.StatusTooManyRequests {
		d, err := time.ParseDuration(resp.Header.Get("Retry-After") + "s")
		if err != nil {
			x.w.t.Error(err)
		}
		x.w.mu.Lock()
		x.w.waits = append(x.w.waits, span{time.Now(), time.Now().Add(d)})
		x.w.mu.Unlock()
	}
	return resp, err
}

// slackPort and consolePort are the engine's ways to the chats.
type slackPort struct{ p *chat.Poster }

func asked(r engine.Ref) chat.Ref {
	return chat.Ref{Place: r.Place.ID, Message: r.Message, Thread: r.Thread}
}

func got(r chat.Ref) engine.Ref {
	return engine.Ref{Place: engine.Place{Source: "slack", ID: r.Place}, Message: r.Message, Thread: r.Thread}
}

func (x slackPort) Find(ctx context.Context, key string, to engine.Ref, since time.Time) (engine.Ref, bool, error) {
	ref, found, err := x.p.Find(ctx, key, asked(to), since)
	return got(ref), found, err
}

func (x slackPort) Post(ctx context.Context, key string, to engine.Ref, c card.Card) (engine.Ref, error) {
	ref, err := x.p.Post(ctx, key, asked(to), c)
	return got(ref), err
}

func (x slackPort) Edit(ctx context.Context, ref engine.Ref, c card.Card) error {
	return x.p.Edit(ctx, asked(ref), c)
}

func (x slackPort) Reactions(ctx context.Context, ref engine.Ref) (out []engine.Reaction, err error) {
	all, err := x.p.Reactions(ctx, asked(ref))
	for _, r := range all {
		out = append(out, engine.Reaction{Account: people.Account{Source: "slack", ID: r.Account}, Emoji: r.Emoji})
	}
	return out, err
}

type consolePort struct{ p console.Poster }

func (x consolePort) Find(ctx context.Context, key string, to engine.Ref, _ time.Time) (engine.Ref, bool, error) {
	ref, found, err := x.p.Find(ctx, key, console.Place{Channel: to.Place.ID, Thread: to.Thread})
	return engine.Ref{Place: to.Place, Message: ref.ID, Thread: to.Thread}, found, err
}

func (x consolePort) Post(ctx context.Context, key string, to engine.Ref, c card.Card) (engine.Ref, error) {
	ref, err := x.p.Post(ctx, key, console.Place{Channel: to.Place.ID, Thread: to.Thread}, c)
	return engine.Ref{Place: to.Place, Message: ref.ID, Thread: to.Thread}, err
}

func (x consolePort) Edit(ctx context.Context, ref engine.Ref, c card.Card) error {
	return x.p.Edit(ctx, console.Ref{Channel: ref.Place.ID, ID: ref.Message}, c)
}

func (x consolePort) Reactions(context.Context, engine.Ref) ([]engine.Reaction, error) {
	return nil, nil
}
