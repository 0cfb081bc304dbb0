package chat

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/slack"
	fake "slipway/test/fakes/slack"
)

// yard is a workspace with a channel, two people and the bot.
type yard struct {
	*testing.T
	fake    *fake.Server
	client  *slack.Client
	poster  *Poster
	channel string
	hana    fake.User
	grace   fake.User

	mu  sync.Mutex
	now time.Time
}

func newYard(t *testing.T, change ...func(*fake.Options)) *yard {
	t.Helper()
	y := &yard{T: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	o := fake.Options{Now: y.Now}
	for _, f := range change {
		f(&o)
	}
	y.fake = fake.Start(t, o)
	y.hana, y.grace = y.fake.AddUser(fake.User{Name: "hana", RealName: "Hana"}), y.fake.AddUser(fake.User{Name: "grace", RealName: "Grace"})
	app := y.fake.App()
	y.channel = y.fake.AddChannel(fake.Channel{Name: "releases", Members: []string{y.hana.ID, y.grace.ID, app.User}}).ID
	client, err := slack.New(slack.Options{URL: y.fake.URL, Token: app.Token, Team: "T0HARBOUR", App: app.ID, Now: y.Now, Wait: y.wait})
	y.ok(err)
	y.client = client
	y.poster = NewPoster(Options{Client: client, Accounts: func(person string) []string {
		return map[string][]string{"hana": {"T0HARBOUR/" + y.hana.ID}, "grace": {"T0HARBOUR/" + y.grace.ID, "T0OTHER/U0GRACE"}}[person]
	}})
	return y
}

func (y *yard) Now() time.Time {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.now
}

// wait passes time at once.
func (y *yard) wait(_ context.Context, d time.Duration) error {
	y.later(d)
	return nil
}

func (y *yard) later(d time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.now = y.now.Add(d)
}

func (y *yard) ok(err error) {
	y.Helper()
	if err != nil {
		y.Fatalf("%s (%v)", errs.Text(err), errs.KindOf(err))
	}
}

func (y *yard) want(kind errs.Kind, err error, words ...string) {
	y.Helper()
	if errs.KindOf(err) != kind || err == nil {
		y.Fatalf("got %v (%v), want %v", err, errs.KindOf(err), kind)
	}
	for _, w := range words {
		if !strings.Contains(errs.Text(err), w) {
			y.Errorf("%q is missing in %q", w, errs.Text(err))
		}
	}
	if strings.Contains(fmt.Sprint(err), "xoxb-") {
		y.Errorf("the token is in %v", err)
	}
}

func (y *yard) room() Ref { return Ref{Place: "T0HARBOUR/" + y.channel} }

func (y *yard) post(key string, to Ref, c card.Card) Ref {
	y.Helper()
	ref, err := y.poster.Post(y.Context(), key, to, c)
	y.ok(err)
	return ref
}

// gate posts a card and a gate message in its thread.
func (y *yard) gate() (top, gate Ref) {
	y.Helper()
	top = y.post("card-1", y.room(), live())
	in := y.room()
	in.Thread = top.Message
	return top, y.post("gate-1", in, gateMessage().Card())
}

func (y *yard) react(u fake.User, ref Ref, emoji string) {
	y.Helper()
	y.ok(y.fake.React(u.ID, y.channel, ref.Message, emoji))
}

// votes are the reactions of a message: "hana✅ grace❌".
func (y *yard) votes(ref Ref) string {
	y.Helper()
	all, err := y.poster.Reactions(y.Context(), ref)
	y.ok(err)
	var out []string
	for _, r := range all {
		out = append(out, r.Name+r.Emoji)
	}
	return strings.Join(out, " ")
}

func (y *yard) message(ref Ref) fake.Message {
	y.Helper()
	m, found := y.fake.Message(y.channel, ref.Message)
	if !found {
		y.Fatalf("there is no message %s", ref.Message)
	}
	return m
}

// says are the words of a message.
func (y *yard) says(ref Ref) string { return fmt.Sprint(y.message(ref).Blocks) }

// below are the words of the messages in the thread of a message that go on where it ends.
func (y *yard) below(ref Ref) string {
	out := ""
	for _, m := range y.fake.Ours(y.channel) {
		if strings.HasPrefix(m.Key("key"), y.message(ref).Key("key")+"/") {
			out += fmt.Sprint(m.Blocks)
		}
	}
	return out
}

// heard are the texts that the past tells from a moment on.
func heard(t *testing.T, p *Past, from time.Time) []string {
	t.Helper()
	var out []string
	err := p.Since(t.Context(), from, func(w Written) error {
		_, text, _ := strings.Cut(string(w.Body), `"text":"`)
		text, _, _ = strings.Cut(text, `"`)
		out = append(out, w.Account[strings.Index(w.Account, "/")+1:]+" "+text)
		return nil
	})
	if err != nil {
		t.Fatal(errs.Text(err))
	}
	return out
}

func has(list []string, s string) bool { return slices.Contains(list, s) }
