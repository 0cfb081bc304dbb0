package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/finding"
	"slipway/integrations/slack/hook"
	"slipway/integrations/slack/setup"
	fake "slipway/test/fakes/slack"
)

// slackReport looks at everything of Slack once.
func slackReport(t *testing.T, r *finding.Registry) finding.Report {
	t.Helper()
	r.All()
	lookAll(t.Context(), r, time.Now)
	return r.Report()
}

// TestTheRunningBotLooksAgain: doctor in a running bot tells how things are, not how they were; and what it
// cannot look at is not well.
func TestTheRunningBotLooksAgain(t *testing.T) {
	w := newSlackWorld(t)
	client, err := slackClient(w.conf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Me(t.Context()); err != nil { // as the bot does at its start
		t.Fatal(err)
	}
	p := &patient{conf: w.conf, bot: &bot{conf: w.conf, slack: &slackSide{client: client, chat: newSlackChat(t.TempDir())}}}
	checks := slices.DeleteFunc(p.checks(), func(c finding.Check) bool { return !strings.HasPrefix(c.Code, "slack.") })
	r, err := finding.New(checks...)
	if err != nil {
		t.Fatal(err)
	}
	if got := slackReport(t, r); len(got.Findings)+len(got.Waiting) != 0 {
		t.Errorf("at first: %+v", got)
	}
	w.lab.Remove(w.releases, w.lab.App().User)
	w.lab.SetApp(func(a *fake.App) {
		a.Scopes = slices.DeleteFunc(a.Scopes, func(s string) bool { return s == "reactions:read" })
	})
	if got := slackReport(t, r); len(got.Findings) != 2 || !got.Has("slack.scope_missing") || !got.Has("slack.channel_missing") {
		t.Errorf("with a scope and a channel less: %+v", got.Findings)
	}
	w.lab.SetApp(func(a *fake.App) { a.Scopes = scopesOf(t) })
	w.lab.Fault(fake.Fault{Method: "conversations.info", Do: fake.Refuse, Times: -1})
	got := slackReport(t, r)
	if len(got.Findings) != 1 || !got.Has("slack.channel_missing") || fmt.Sprint(got.Waiting) != "[slack.channel_missing slack.channel_shared]" {
		t.Errorf("with the scope, and channels that cannot be looked at: %+v, waiting %v", got.Findings, got.Waiting)
	}
	w.lab.ClearFaults()
	w.lab.Invite(w.releases, w.lab.App().User)
	if got := slackReport(t, r); len(got.Findings)+len(got.Waiting) != 0 {
		t.Errorf("all is well again: %+v", got)
	}
	w.lab.BadGateways(true)
	got = slackReport(t, r)
	if len(got.Findings) != 1 || !got.Has("slack.unreachable") || !slices.Contains(got.Waiting, "slack.token_bad") || !slices.Contains(got.Waiting, "slack.clock_off") {
		t.Errorf("while Slack is away: %+v, waiting %v", got.Findings, got.Waiting)
	}
	for _, g := range got.Good { // what does not ask Slack
		if !slices.Contains([]string{"slack.hooks_unreachable", "slack.socket_bad", "slack.signature_bad", "slack.socket_down", "slack.silent"}, g.Code) {
			t.Errorf("while Slack is away it is well: %s", g.Good)
		}
	}
	w.lab.BadGateways(false)
	w.lab.Revoke(w.lab.App().Token)
	if got := slackReport(t, r); len(got.Findings) != 1 || !got.Has("slack.token_bad") {
		t.Errorf("with a token that is revoked: %+v", got.Findings)
	}
}

// TestDoctorsProbeHidesNoRefusal: what the probe leaves behind is not taken for a delivery of Slack.
func TestDoctorsProbeHidesNoRefusal(t *testing.T) {
	w := newSlackWorld(t)
	h, err := hook.New(hook.Options{Intake: hook.NewIntake(hook.IntakeOptions{Inbox: nowhere{}}), Signing: w.conf.Slack.Signing})
	if err != nil {
		t.Fatal(err)
	}
	w.door.Config.Handler = h
	p := &patient{conf: w.conf, bot: &bot{conf: w.conf, slack: &slackSide{hooks: h}}}
	answer, err := http.Post(w.door.URL+setup.EventsPath, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if found := unreachableSlackHooks(t.Context(), p); len(found) != 0 {
		t.Errorf("the probe: %+v", found)
	}
	expectSymptom(t, refusedSlack(t.Context(), p), "was refused", "")
}

// TestSlackIsSilentNoMore: messages of which nothing was told are counted once, when Slack had its time, and
// forgotten when it tells of something.
func TestSlackIsSilentNoMore(t *testing.T) {
	w := newEarWorld(t)
	w.start()
	w.b.slack.chat.reading.Lock() // nobody else reads
	defer w.b.slack.chat.reading.Unlock()
	hear := func(at time.Time) []symptom {
		if err := w.b.hearMessages(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		return w.b.slack.chat.silent()
	}
	say := func(n int) {
		for i := range n {
			w.behind.Store(-int64(2 * time.Second)) // after the start, which Slack counts in parts of a second
			w.lab.Say(w.chen, w.releases, fmt.Sprint("@slipway help ", i), "")
		}
	}
	say(lateMost)
	expectSymptom(t, hear(time.Now().Add(10*time.Second)), "", "") // these may be on their way
	say(lateMost - 1)
	expectSymptom(t, hear(time.Now().Add(time.Minute)), "", "")
	expectSymptom(t, hear(time.Now().Add(time.Minute)), "", "") // no message counts twice
	say(1)
	expectSymptom(t, hear(time.Now().Add(time.Minute)), w.releases, "")
	inbox := slackInbox{w.b.engine, w.b.slack}
	if err := inbox.Deliver(t.Context(), hook.Delivery{ID: "Ev1", Headers: map[string]string{hook.HeaderKind: string(hook.Events)}, Body: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	expectSymptom(t, w.b.slack.chat.silent(), "", "")
}
