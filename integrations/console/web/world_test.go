package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// world is a site over a real room. Who asks is said by the header Test-As, where a test would
// otherwise log in; what the engine was given is in delivered.
type world struct {
	t    *testing.T
	path string
	room *console.Room
	site *Site
	url  string
	feed *feed

	mu        sync.Mutex
	now       time.Time
	ids       int
	delivered []console.Delivery
	down      bool // the engine takes nothing
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "console.db"), now: time.Date(2019, 1, 31, 14, 0, 0, 0, time.UTC), feed: newFeed()}
	w.start()
	t.Cleanup(w.stop)
	return w
}

func (w *world) start() {
	w.t.Helper()
	var err error
	if w.room, err = console.Open(w.path, w.clock); err != nil {
		w.t.Fatal(err)
	}
	desk := &console.Desk{Room: w.room, Deliver: w.deliver,
		Channels: func() []string { return []string{"general", "secret"} },
		Visible:  func(account, channel string) bool { return channel != "secret" || account == "console:hana" },
		Direct: func(account string) string {
			if _, name, ok := strings.Cut(account, "console:"); ok {
				return console.DirectRoom(name)
			}
			return ""
		}}
	w.site, err = New(Options{Desk: desk, Clock: w.clock, NewID: w.id, Feed: w.feed, First: "release 2019.01", Home: "general",
		Who: func(account string) Author {
			if account == "bot:slipway" {
				return Author{Name: "Slipway", Nick: "slipway", Bot: true}
			}
			_, nick, _ := strings.Cut(account, ":")
			return Author{Name: strings.ToUpper(nick[:1]) + nick[1:] + " Harbour", Nick: nick}
		},
		SeesRun: func(v login.Viewer, run string) bool { return run != "private" || v.Person == "hana" },
		Complete: func(_ context.Context, _ login.Viewer, _, line string) []Suggestion {
			if strings.HasPrefix("release", line) {
				return []Suggestion{{"release", "begin a release"}}
			}
			return nil
		}})
	if err != nil {
		w.t.Fatal(err)
	}
	door := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if as := r.Header.Get("Test-As"); as != "" {
			v := login.Viewer{Account: "console:" + as, Person: people.PersonID(as), Name: strings.ToUpper(as[:1]) + as[1:], Scopes: login.Scopes()}
			if r.Header.Get("Test-Scopes") == "read" {
				v.Scopes = []login.Scope{login.Read}
			}
			r = r.WithContext(login.With(r.Context(), v))
		}
		w.site.ServeHTTP(rw, r)
	}))
	door.Start()
	w.url = door.URL
	w.t.Cleanup(func() {
		door.CloseClientConnections()
		door.Close()
	})
}

func (w *world) stop() {
	w.site.Close()
	_ = w.room.Close()
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Second)
	return w.now
}

func (w *world) id() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	return fmt.Sprintf("id-%d", w.ids)
}

func (w *world) deliver(_ context.Context, d console.Delivery) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return errs.E("engine", errs.Unavailable, errors.New("the engine is not there"))
	}
	for _, old := range w.delivered {
		if old.ID == d.ID {
			return nil
		}
	}
	w.delivered = append(w.delivered, d)
	return nil
}

// posts has the bot post a card or, in a thread, an answer.
func (w *world) posts(key, channel, thread string, c card.Card) string {
	w.t.Helper()
	if c.Key == "" {
		c.Key = key
	}
	ref, err := w.room.Poster("bot:slipway").Post(w.t.Context(), key, console.Place{Channel: channel, Thread: thread}, c)
	if err != nil {
		w.t.Fatal(err)
	}
	return ref.ID
}

// says has a person say something through the page's form, and gives the message's id.
func (w *world) says(as, to, id, text string) string {
	w.t.Helper()
	a := w.send(as, "POST", to, url.Values{"id": {id}, "text": {text}}, "application/json")
	if a.status != http.StatusOK {
		w.t.Fatalf("%s says %q: %d %s", as, text, a.status, a.body)
	}
	_, rest, _ := strings.Cut(a.body, `"id":"`)
	out, _, _ := strings.Cut(rest, `"`)
	return out
}

type answer struct {
	status int
	body   string
	header http.Header
}

// send makes one request and follows no redirect.
func (w *world) send(as, method, to string, form url.Values, accept string, headers ...string) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+to, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Test-As", as)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	a, err := client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{a.StatusCode, string(body), a.Header}
}

// page gets a page that must be there.
func (w *world) page(as, path string) string {
	w.t.Helper()
	a := w.send(as, "GET", path, nil, "")
	if a.status != http.StatusOK {
		w.t.Fatalf("GET %s as %s: %d %s", path, as, a.status, a.body)
	}
	return a.body
}

// feed is a list of runs that changed.
type feed struct {
	mu   sync.Mutex
	runs []string
	wait chan struct{}
}

func newFeed() *feed { return &feed{wait: make(chan struct{})} }

func (f *feed) Changed(since uint64) (uint64, []string, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return uint64(len(f.runs)), append([]string{}, f.runs[min(since, uint64(len(f.runs))):]...), f.wait
}

func (f *feed) change(run string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.runs = append(f.runs, run)
	close(f.wait)
	f.wait = make(chan struct{})
}

// openGate is a gate message that asks.
func openGate(key string) card.Card {
	g := card.GateMessage{Key: key, RunName: "release/harbour/2019.01", RunRef: "2019.01", Gate: "go", State: card.Waiting, Rule: "2 of maintainer, not requester",
		Manifest: "sha256:" + strings.Repeat("0123456789abcdef", 4), Expires: time.Date(2019, 2, 1, 14, 0, 0, 0, time.UTC),
		Bound:   []card.Field{{Name: "changelog.commit", Value: strings.Repeat("c0ffee1234", 4)}, {Name: "payload.tag", Value: "2019.01"}},
		Verdict: []string{"2 more of maintainer needed: ben, chen can give it"}}
	return g.Card()
}

// runCard is the live card of a run under way.
func runCard(state card.State) card.Card {
	step := func(name string, s card.State, detail string) card.Step {
		return card.Step{Name: name, State: s, Detail: detail}
	}
	return card.Card{Key: "run-card", Title: "release/harbour/2019.01", State: state, Status: "6 of 14 steps, asked for by hana", Mentions: []string{"ben", "chen"},
		Blocks: []card.Block{
			{Steps: []card.Step{step("checklist", card.Done, ""), step("changelog", card.Done, ""), step("notes", card.Skipped, ""), step("commit", card.Done, "at the second attempt"),
				step("build", card.Running, "a trial build of the packages"), step("go", card.Waiting, ""), step("sign", card.Pending, ""), step("push", card.Pending, ""),
				step("packages", card.Pending, ""), step("stage", card.Pending, ""), step("publish", card.Pending, ""), step("view", card.Pending, ""),
				step("mail", card.Pending, ""), step("tested", card.Pending, "")}},
			{Heading: "Waits for", Awaited: []card.Awaited{{Who: "ben or chen", What: "go: approve it"}}},
			{Links: []card.Link{{Text: "The run's page", URL: "https://slipway.example/runs/1"}}},
		}}
}

func viewerOf(name string) login.Viewer {
	return login.Viewer{Account: "console:" + name, Person: people.PersonID(name), Name: name, Scopes: login.Scopes()}
}

func messageOf(c card.Card) console.Message {
	return console.Message{ID: "1548943200000", Channel: "general", Author: "bot:slipway", Card: &c, At: time.Date(2019, 1, 31, 14, 0, 0, 0, time.UTC)}
}
