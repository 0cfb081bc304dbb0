package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	fake "slipway/test/fakes/slack"
)

// earWorld is a bot in two channels of a workspace of which nothing is delivered: it must read.
type earWorld struct {
	*doorWorld
	lab                  *fake.Server
	bot, ben, hana, chen string       // users
	releases, rooms      string       // channels: that of the project, and one more
	behind               atomic.Int64 // of Slack's clock
	marks                string       // file
}

func newEarWorld(t *testing.T) *earWorld {
	t.Helper()
	dir, err := os.MkdirTemp("", "ear-") // short, since a socket lives in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := makeWorld(t, dir); err != nil {
		t.Fatal(err)
	}
	w := &earWorld{doorWorld: &doorWorld{t: t, dir: dir, log: &lockedBuffer{}}, marks: filepath.Join(dir, "state", "slack-read.json")}
	w.lab = fake.Start(t, fake.Options{Now: func() time.Time { return time.Now().Add(-time.Duration(w.behind.Load())) }})
	app := w.lab.App()
	w.bot = app.User
	people := map[string]*string{"ben": &w.ben, "chen": &w.chen, "hana": &w.hana}
	path := filepath.Join(dir, "slipway.yaml")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	swap := func(old, with string) {
		if !strings.Contains(text, old) {
			t.Fatalf("the configuration has no %s:\n%s", old, text)
		}
		text = strings.Replace(text, old, with, 1)
	}
	for _, name := range []string{"ben", "chen", "hana"} {
		*people[name] = w.lab.AddUser(fake.User{Name: name}).ID
		swap(`"console:`+name+`"`, fmt.Sprintf(`"console:%s", "slack:T0HARBOUR/%s"`, name, *people[name]))
	}
	all := []string{w.bot, w.ben, w.chen, w.hana}
	w.releases = w.lab.AddChannel(fake.Channel{Name: "releases", Members: all}).ID
	w.rooms = w.lab.AddChannel(fake.Channel{Name: "yard", Members: all}).ID
	remote := fmt.Sprintf("remote: %q", filepath.Join(dir, "remote.git"))
	swap(remote, remote+fmt.Sprintf("\n    slack: {channel: %s, rooms: [%s]}", w.releases, w.rooms))
	text += fmt.Sprintf("\nslack: {team: T0HARBOUR, app: %s, url: %q, token_file: slack-token, app_token_file: slack-app, read_every: 1h}\n", app.ID, w.lab.URL)
	for name, secret := range map[string]string{"slack-token": app.Token, "slack-app": app.AppToken, "slipway.yaml": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.lab.Take()
	return w
}

// hear reads once.
func (w *earWorld) hear() error {
	w.t.Helper()
	return w.b.hearSlack(w.t.Context(), time.Now())
}

// answers are the messages of the bot that hold a text.
func (w *earWorld) answers(channel, holds string) (n int) {
	for _, m := range w.lab.Ours(channel) {
		if strings.Contains(w.lab.RenderedMessage(channel, m.TS), holds) {
			n++
		}
	}
	return n
}

// read are the places that were asked for, from a line of the log of requests on.
func (w *earWorld) read(from int) (out []string) {
	for _, r := range w.lab.Requests()[from:] {
		if r.Method == "conversations.history" {
			out = append(out, r.Args["channel"])
		}
	}
	return slices.Compact(out)
}

// kept are the marks of the next process.
func (w *earWorld) kept() (out map[string]time.Time) {
	w.t.Helper()
	raw, err := os.ReadFile(w.marks)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *earWorld) place(channel string) string { return "T0HARBOUR/" + channel }

// TestNothingKeepsSlackFromBeingHeard: reactions, one of two channels and the opening of direct messages
// hang for as long as they are given; the other channel is heard all the same, and the one that was not
// read is the first of the next reading.
func TestNothingKeepsSlackFromBeingHeard(t *testing.T) {
	w := newEarWorld(t)
	w.lab.Fault(fake.Fault{Method: "conversations.open", Do: fake.Refuse, Times: -1})
	w.start()
	w.until("the bot has looked once", func() bool { return w.lab.Asked("conversations.open") > 0 })
	w.b.slack.chat.reading.Lock()
	w.lab.ClearFaults()
	w.lab.Fault(fake.Fault{Method: "conversations.open", Do: fake.Hang, Times: -1})
	w.b.slack.chat.times = hearTimes{200 * time.Millisecond, 1500 * time.Millisecond, 100 * time.Millisecond}
	w.b.slack.chat.reading.Unlock()
	asks := card.Card{Key: "gate-1", Title: "gate go", Blocks: []card.Block{{Text: "go?", Buttons: []card.Button{{ID: "approve/go", Text: "Approve", Command: "approve 2019.01 go"}}}}}
	poster := slackPoster{w.b.slack.chat.poster, w.b.log}
	gate, err := poster.Post(t.Context(), asks.Key, engine.Ref{Place: engine.Place{Source: slackSource, ID: w.place(w.releases)}}, asks)
	if err == nil {
		_, err = poster.Reactions(t.Context(), gate) // from then on it is watched
	}
	if err != nil {
		t.Fatal(err)
	}
	first, second := min(w.releases, w.rooms), max(w.releases, w.rooms)
	w.lab.Fault(fake.Fault{Method: "reactions.get", Do: fake.Hang, Times: -1})
	w.lab.Fault(fake.Fault{Method: "conversations.history", Channel: first, Do: fake.Hang, Times: -1})
	w.lab.Say(w.ben, first, "@slipway whoami", "")
	w.lab.Say(w.chen, second, "@slipway whoami", "")
	at := time.Now().Add(-time.Minute) // as the marks are those of the start
	for _, place := range []string{first, second} {
		w.b.slack.chat.since[w.place(place)] = at
	}
	if err := w.hear(); err == nil {
		t.Error("nothing says that something could not be read")
	}
	w.until("who spoke in the other channel is answered", func() bool { return w.answers(second, "You are Chen") == 1 })
	if got := w.kept(); !got[w.place(first)].Equal(at) || !got[w.place(second)].After(at) || w.answers(first, "You are") != 0 {
		t.Errorf("read up to %v", got)
	}
	w.lab.ClearFaults()
	from := len(w.lab.Requests())
	if err := w.hear(); err != nil {
		t.Error(err)
	}
	w.until("ben is answered", func() bool { return w.answers(first, "You are Ben") == 1 })
	if got := w.read(from); len(got) < 2 || got[0] != first {
		t.Errorf("read are %v, and %s could not be before", got, first)
	}
	if w.lab.Asked("reactions.get") < 2 {
		t.Error("the reactions were not asked for again")
	}
	for _, user := range []string{w.ben, w.chen, w.hana} {
		if w.b.slack.chat.room("T0HARBOUR/"+user) == "" {
			t.Errorf("the direct message with %s is not open", user)
		}
	}
}

// TestTheNextProcessReadsOn: what was said in a channel that could not be read is found by the next process,
// however short the time between the two was, and answered once.
func TestTheNextProcessReadsOn(t *testing.T) {
	w := newEarWorld(t)
	old := time.Now().Add(-10 * time.Minute).UTC().Truncate(time.Second)
	raw, err := json.Marshal(map[string]time.Time{w.place(w.releases): old, w.place(w.rooms): time.Now().Add(time.Hour), "T0HARBOUR/C0GONE": old})
	if err == nil {
		err = os.MkdirAll(filepath.Dir(w.marks), 0o700)
	}
	if err == nil {
		err = os.WriteFile(w.marks, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.behind.Store(int64(5 * time.Minute))
	w.lab.Say(w.chen, w.releases, "@slipway whoami", "")
	w.behind.Store(0)
	w.lab.Fault(fake.Fault{Method: "conversations.history", Channel: w.releases, Do: fake.Refuse, Times: -1})
	stop := w.startOnce()
	if err := w.hear(); err == nil {
		t.Error("nothing says that the channel could not be read")
	}
	kept := w.kept()
	if mark := kept[w.place(w.rooms)]; !kept[w.place(w.releases)].Equal(old) || mark.After(time.Now()) || len(kept) < 2 || !kept["T0HARBOUR/C0GONE"].IsZero() {
		t.Errorf("kept is %v", kept)
	}
	stop()
	w.lab.ClearFaults()
	w.start()
	for range 2 {
		if err := w.hear(); err != nil {
			t.Fatal(err)
		}
	}
	w.until("chen is answered", func() bool { return w.answers(w.releases, "You are Chen") > 0 })
	if n := w.answers(w.releases, "You are Chen"); n != 1 {
		t.Errorf("chen is answered %d times", n)
	}
	if mark := w.kept()[w.place(w.releases)]; !mark.After(old) {
		t.Errorf("the mark stays at %v", mark)
	}
}

// TestWhatIsReadFirst: the place whose mark is the oldest; and of many direct messages all come round.
func TestWhatIsReadFirst(t *testing.T) {
	now := time.Unix(1700000000, 0).UTC()
	c := newSlackChat(t.TempDir())
	c.channels = []string{"T1/C1", "T1/C2", "T1/C3"}
	for i, place := range c.channels {
		c.since[place] = now.Add(-time.Duration(i) * time.Minute)
	}
	c.since["T1/C1"] = now.Add(time.Hour) // the clock was set back
	if got := c.due(now); !slices.Equal(got, []string{"T1/C3", "T1/C2", "T1/C1"}) {
		t.Errorf("due are %v", got)
	}
	if at := c.since["T1/C1"]; !at.Equal(now) {
		t.Errorf("a mark lies ahead: %v", at)
	}
	for i := range 2*roomsAtOnce + 5 {
		c.rooms[fmt.Sprint("T1/U", i)] = fmt.Sprintf("T1/D%02d", i)
	}
	seen := map[string]int{}
	for range 3 {
		now = now.Add(time.Minute)
		got := c.due(now) // nothing can be read: no mark moves
		if len(got) != 3+roomsAtOnce || !slices.Equal(got[:3], []string{"T1/C3", "T1/C2", "T1/C1"}) {
			t.Errorf("due are %v", got)
		}
		for _, place := range got {
			seen[place]++
		}
	}
	if len(seen) != 3+len(c.rooms) {
		t.Errorf("of %d direct messages %d came round", len(c.rooms), len(seen)-3)
	}
}

// TestDirectMessagesAreOpened: one that cannot be opened keeps nobody else's from it, and one that will
// never be is not asked for each time.
func TestDirectMessagesAreOpened(t *testing.T) {
	w := newEarWorld(t)
	w.lab.SetUser(w.chen, func(u *fake.User) { u.Deleted = true })
	w.lab.Fault(fake.Fault{Method: "conversations.open", Do: fake.Refuse})
	w.start()
	w.until("there is one", func() bool { return w.lab.Asked("conversations.open") >= 3 })
	c := w.b.slack.chat
	asked := func() (n int) {
		for _, r := range w.lab.Requests() {
			if r.Method == "conversations.open" && r.Args["users"] == w.chen {
				n++
			}
		}
		return n
	}
	open := func(at time.Time) error {
		c.reading.Lock()
		defer c.reading.Unlock()
		return w.b.openRooms(t.Context(), at)
	}
	if err := open(time.Now()); err != nil {
		t.Error(err)
	}
	if c.room("T0HARBOUR/"+w.ben) == "" || c.room("T0HARBOUR/"+w.hana) == "" || c.room("T0HARBOUR/"+w.chen) != "" {
		t.Errorf("open are %v", c.rooms)
	}
	n := asked()
	if err := open(time.Now()); err != nil || asked() != n {
		t.Errorf("a closed account was asked for %d times, %v", asked(), err)
	}
	if err := open(time.Now().Add(closedFor + time.Minute)); err != nil || asked() != n+1 {
		t.Errorf("later it was asked for %d times, %v", asked(), err)
	}
}
