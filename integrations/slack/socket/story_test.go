package socket

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"

	"slipway/bot/view"
	"slipway/integrations/slack/hook"
	fake "slipway/test/fakes/slack"
)

// inbox keeps each delivery once.
type inbox struct {
	mu  sync.Mutex
	got []hook.Delivery
}

func (i *inbox) Deliver(_ context.Context, d hook.Delivery) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !slices.ContainsFunc(i.got, func(g hook.Delivery) bool { return g.ID == d.ID }) {
		i.got = append(i.got, d)
	}
	return nil
}

func (i *inbox) kept() []hook.Delivery {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.got)
}

// harbour is a workspace with the doors of Slipway.
type harbour struct {
	t         *testing.T
	slack     *fake.Server
	in        *inbox
	api       *slackgo.Client
	known     hook.Known
	socket    *Socket
	hana, rel string
}

// wall is the wall clock, but for short pauses: they are over at once.
type wall struct{}

func (wall) Now() time.Time { return time.Now() }

func (wall) Wake(t time.Time) (<-chan struct{}, func()) {
	ch := make(chan struct{})
	d := time.Until(t)
	if d <= 4*firstWait {
		d = 0
	}
	timer := time.AfterFunc(d, func() { close(ch) })
	return ch, func() { timer.Stop() }
}

func newHarbour(t *testing.T, overSocket bool) *harbour {
	t.Helper()
	h := &harbour{t: t, slack: fake.Start(t, fake.Options{}), in: &inbox{}}
	app := h.slack.App()
	h.api = slackgo.New(app.Token, slackgo.OptionAPIURL(h.slack.URL), slackgo.OptionAppLevelToken(app.AppToken))
	h.hana = h.slack.AddUser(fake.User{ID: "U0HANA", Name: "hana", RealName: "Hana"}).ID
	h.rel = h.slack.AddChannel(fake.Channel{ID: "C0REL", Name: "releases", Members: []string{app.User, h.hana}}).ID
	h.known = hook.Known{Team: "T0HARBOUR", App: app.ID, Bot: app.User, Direct: func(string) bool { return true }}
	intake := hook.NewIntake(hook.IntakeOptions{Inbox: h.in, Known: func() hook.Known { return h.known }, Forms: h, Opener: h})
	door, err := hook.New(hook.Options{Intake: intake, Signing: []string{app.Secret}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(door)
	t.Cleanup(server.Close)
	h.slack.Serve(server.URL)
	h.slack.Take() // who joined
	if overSocket {
		h.connect(intake)
	}
	return h
}

func (h *harbour) connect(intake *hook.Intake) {
	h.slack.SetApp(func(a *fake.App) { a.Socket = true })
	h.socket = New(Options{App: h.known.App, Taker: intake, Clock: wall{}, Open: func(ctx context.Context) (string, error) {
		_, address, err := h.api.StartSocketModeContext(ctx)
		return address, err
	}})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = h.socket.Run(ctx)
	}()
	h.t.Cleanup(func() { stop(); <-ended })
	h.until(func() bool { return h.socket.Standing().Open })
}

// until waits for what another goroutine does soon.
func (h *harbour) until(done func() bool) {
	h.t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); runtime.Gosched() {
		if time.Now().After(end) {
			h.t.Fatal("it does not happen")
		}
	}
}

// Form and Open make harbour what finds and opens forms.
func (h *harbour) Form(_ context.Context, p hook.Press) (hook.Form, error) {
	return hook.Form{Title: "Notes", Text: "for " + p.Ref, Action: view.Action{Text: "Answer", Command: "answer " + p.Ref, Fields: []view.Field{
		{Name: "summary", Type: "string", Required: true, Help: "one line"}, {Name: "days", Type: "int"}, {Name: "good", Type: "bool", Value: "true", Required: true},
		{Name: "size", Type: "string", Choices: []string{"major", "minor"}}, {Name: "owner", Type: "string", Person: true}, {Name: "reason", Type: "string", Option: true}}}}, nil
}

func (h *harbour) Open(ctx context.Context, trigger string, modal slackgo.ModalViewRequest) error {
	_, err := h.api.OpenViewContext(ctx, trigger, modal)
	if err != nil {
		h.t.Errorf("the form does not open: %v", err)
	}
	return err
}

// sent delivers what waits, and fails when Slack does not hear a yes.
func (h *harbour) sent() {
	h.t.Helper()
	for _, s := range h.slack.Deliver() {
		if !s.OK() {
			h.t.Errorf("%s: %d %s", s.Type, s.Status, s.Answer)
		}
	}
}

// said is what was heard by now, without what differs from one time to the next.
func (h *harbour) said() (out []string) {
	h.t.Helper()
	for _, d := range h.in.kept() {
		facts, _, err := hook.Decode(hook.HeaderOf(d.Headers), d.Body, h.known)
		if err != nil {
			h.t.Errorf("%s: %v", d.Body, err)
		}
		for _, f := range facts {
			switch f := f.(type) {
			case hook.Said:
				out = append(out, fmt.Sprintf("%s at %s: %s (%t %t)", f.Account, f.Place, f.Text, f.Addressed, f.Direct))
			case hook.Touched:
				out = append(out, "touched at "+f.Place)
			}
		}
	}
	return out
}

// buttons posts a message of the bot's with a button that says and one that opens a form.
func (h *harbour) buttons() (ts string) {
	h.t.Helper()
	button := func(id, value, text string) slackgo.BlockElement {
		return slackgo.NewButtonBlockElement(id, value, slackgo.NewTextBlockObject(slackgo.PlainTextType, text, false, false))
	}
	_, ts, err := h.api.PostMessage(h.rel, slackgo.MsgOptionText("release 2019.01", false), slackgo.MsgOptionBlocks(slackgo.NewActionBlock("b",
		button(hook.ActionSay, "approve 2019.01 go --manifest abc", "Approve"), button(hook.ActionForm+"answer", "2019.01 notes", "Answer…"))))
	if err != nil {
		h.t.Fatal(err)
	}
	return ts
}

// TestAllThatCanBeSaid: over HTTP and over Socket Mode the same is heard, forms open in time, are given back
// with what is wrong, and taken when it is right.
func TestAllThatCanBeSaid(t *testing.T) {
	want := []string{
		"T0HARBOUR/U0HANA at T0HARBOUR/C0REL: @slipway release 2019.01 --reason \"it is > ready\" (false false)",
		"T0HARBOUR/U0HANA at T0HARBOUR/C0REL: @slipway release 2019.01 --reason \"it is > ready\" (false false)", // message and app_mention: one name
		"touched at T0HARBOUR/C0REL",
		"touched at T0HARBOUR/C0REL",
		"T0HARBOUR/U0HANA at T0HARBOUR/DIRECT: mine (true true)",
		"T0HARBOUR/U0HANA at T0HARBOUR/C0REL: appoint @U0HANA (true false)",
		"T0HARBOUR/U0HANA at T0HARBOUR/C0REL: approve 2019.01 go --manifest abc (true false)",
		`T0HARBOUR/U0HANA at T0HARBOUR/C0REL: answer 2019.01 notes summary="say \"no\" <now>" days=7 good=true size=minor owner=@U0HANA (true false)`,
	}
	for _, overSocket := range []bool{false, true} {
		h := newHarbour(t, overSocket)
		ok := func(_ fake.Delivery, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			h.sent()
		}
		ts := h.slack.Say(h.hana, h.rel, "<@"+h.known.Bot+"> release 2019.01 --reason “it is > ready”", "")
		ok(fake.Delivery{}, h.slack.React(h.hana, h.rel, ts, "👍🏽"))
		ok(fake.Delivery{}, h.slack.Unreact(h.hana, h.rel, ts, "👍🏽"))
		direct := h.slack.DM(h.hana)
		h.slack.Say(h.hana, direct, "mine", "")
		ok(h.slack.Command(h.hana, h.rel, "appoint <@U0HANA>"))
		card := h.buttons()
		h.slack.Take() // the bot's own message
		ok(h.slack.Press(h.hana, h.rel, card, "Approve"))
		ok(h.slack.Press(h.hana, h.rel, card, "Answer…"))
		h.until(func() bool { return len(h.slack.Views(h.hana)) == 1 })
		form := h.slack.Views(h.hana)[0].ID
		ok(h.slack.Submit(h.hana, form, map[string]string{"f:summary": "x", "f:days": "seven"}))
		if v := h.slack.View(form); !v.Open || len(v.Errors) != 1 || !strings.Contains(v.Errors["f:days"], "whole number") {
			t.Errorf("socket %t: the form has %v", overSocket, v.Errors)
		}
		ok(h.slack.Submit(h.hana, form, map[string]string{"f:summary": `say "no" <now>`, "f:days": "7", "f:size": "minor", "f:owner": "U0HANA"}))
		if h.slack.View(form).Open {
			t.Errorf("socket %t: the form stays open", overSocket)
		}
		got := h.said()
		for i := range got {
			got[i] = strings.ReplaceAll(got[i], direct, "DIRECT")
		}
		if !slices.Equal(got, want) {
			t.Errorf("socket %t: heard\n%s", overSocket, strings.Join(got, "\n"))
		}
		for _, d := range h.in.kept() {
			if text := string(d.Body); strings.Contains(text, "/respond/") || strings.Contains(text, "old-verification-token") {
				t.Errorf("socket %t: a credential is kept: %s", overSocket, text)
			}
		}
	}
}

// TestTheStormOverBothWays: everything 1 to 11 times, shuffled, under old and new ids, over HTTP and the
// websocket: as if it came once.
func TestTheStormOverBothWays(t *testing.T) {
	h := newHarbour(t, true)
	ts := h.slack.Say(h.hana, h.rel, "<@"+h.known.Bot+"> release 2019.01", "")
	h.slack.Say(h.hana, h.rel, "slipway why", ts)
	if err := h.slack.React(h.hana, h.rel, ts, "✅"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.slack.Command(h.hana, h.rel, "mine"); err != nil {
		t.Fatal(err)
	}
	all := h.slack.Take()
	rng := rand.New(rand.NewPCG(7, 11))
	for i, d := range h.slack.Storm(rng, all) {
		send := h.slack.SendSocket
		if i%2 == 0 {
			send = h.slack.SendHTTP
		}
		if s := send(d); !s.OK() {
			t.Fatalf("%s: %d %s", s.Type, s.Status, s.Answer)
		}
	}
	names := map[string]bool{}
	for _, d := range h.in.kept() {
		facts, _, err := hook.Decode(hook.HeaderOf(d.Headers), d.Body, h.known)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range facts {
			names[fmt.Sprintf("%+v", f)] = true
		}
	}
	if len(names) != 4 || len(h.in.kept()) <= len(all) {
		t.Errorf("%d deliveries say %d things: %v", len(h.in.kept()), len(names), names)
	}
}

// TestConnectionsEnd: whatever ends a connection, the next delivery is heard.
func TestConnectionsEnd(t *testing.T) {
	h := newHarbour(t, true)
	heard := func() {
		t.Helper()
		h.slack.Say(h.hana, h.rel, "slipway mine", "")
		h.sent()
	}
	heard()
	h.slack.Disconnect("warning")
	h.until(func() bool { return h.slack.Links() == 2 })
	heard()
	heard()
	h.slack.HangUp()
	h.until(func() bool { return h.slack.Links() == 1 && h.socket.Standing().Open })
	heard()
	if n := len(h.said()); n != 4 {
		t.Errorf("%d are heard", n)
	}
}
