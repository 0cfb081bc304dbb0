package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/integrations/slack/hook"
	"slipway/integrations/slack/setup"
	"slipway/integrations/slack/socket"
	fake "slipway/test/fakes/slack"
)

// slackWorld is a workspace, and a configuration that uses it.
type slackWorld struct {
	t        *testing.T
	lab      *fake.Server
	conf     *config
	releases string
	hana     string
	door     *httptest.Server
	refuse   bool // the door refuses what is signed with the secret
}

// scopesOf are those of the manifest.
func scopesOf(t *testing.T) (out []string) {
	t.Helper()
	m, err := setup.For(setup.Site{Socket: true})
	if err != nil {
		t.Fatal(err)
	}
	return m.OAuth.Scopes.Bot
}

func newSlackWorld(t *testing.T) *slackWorld {
	t.Helper()
	w := &slackWorld{t: t}
	w.lab = fake.Start(t, fake.Options{})
	w.hana = w.lab.AddUser(fake.User{Name: "hana"}).ID
	w.releases = w.lab.AddChannel(fake.Channel{Name: "releases", Members: []string{w.hana, w.lab.App().User}}).ID
	w.lab.SetApp(func(a *fake.App) { a.Scopes, a.Socket = scopesOf(t), true })
	app := w.lab.App()
	intake := hook.NewIntake(hook.IntakeOptions{Inbox: nowhere{}})
	w.door = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		secret := app.Secret
		if w.refuse {
			secret = slackNext
		}
		h, err := hook.New(hook.Options{Intake: intake, Signing: []string{secret}})
		if err != nil {
			t.Error(err)
			return
		}
		h.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.door.Close)
	w.conf = &config{Slack: slackConfig{Team: "T0HARBOUR", App: app.ID, URL: w.lab.URL, Token: app.Token, AppToken: app.AppToken, Signing: []string{app.Secret},
		Command: defaultCommand, Every: time.Minute, Projects: map[string]slackProject{"harbour": {Channel: w.releases, Tell: []string{w.releases}}}},
		Webhooks: webhooksConfig{URL: w.door.URL}, Persons: []people.Person{{ID: "hana", Accounts: []people.Account{{Source: slackSource, ID: "T0HARBOUR/" + w.hana}}}}}
	return w
}

// nowhere keeps nothing.
type nowhere struct{}

func (nowhere) Deliver(context.Context, hook.Delivery) error { return nil }

// TestDoctorOfSlack makes every finding of Slack appear, and not appear.
func TestDoctorOfSlack(t *testing.T) {
	w := newSlackWorld(t)
	app := w.lab.App()
	scopes := func(change func([]string) []string) func() {
		return func() { w.lab.SetApp(func(a *fake.App) { a.Scopes = change(slices.Clone(scopesOf(t))) }) }
	}
	all := scopes(func(s []string) []string { return s })
	other := w.lab.AddTeam(fake.Team{Name: "Quay"})
	shared := w.lab.AddChannel(fake.Channel{Name: "shared", Members: []string{app.User}, Shared: []string{other.ID}}).ID
	elsewhere := w.lab.AddToken(fake.Token{Team: other.ID})
	person := func(id string) func() {
		return func() { w.conf.Persons[0].Accounts[0].ID = "T0HARBOUR/" + id }
	}
	for _, c := range []struct {
		code, name   string
		change, back func()
		what, fix    string // what is found; "" is nothing
	}{
		{"slack.unreachable", "it is away", w.lab.Away, func() {
			if err := w.lab.Back(); err != nil {
				t.Error(err)
			}
		}, "cannot be reached", ""},
		{"slack.unreachable", "it fails", func() { w.lab.BadGateways(true) }, func() { w.lab.BadGateways(false) }, "502", ""},
		{"slack.unreachable", "the token is another", func() { w.conf.Slack.Token = elsewhere.Value }, func() { w.conf.Slack.Token = app.Token }, "", ""},
		{"slack.token_bad", "it is of another workspace", func() { w.conf.Slack.Token = elsewhere.Value }, func() { w.conf.Slack.Token = app.Token }, other.ID, "install the app"},
		{"slack.token_bad", "it is none", func() { w.conf.Slack.Token = "xoxb-nothing-that-is-there" }, func() { w.conf.Slack.Token = app.Token }, "does not accept the bot's token", ""},
		{"slack.token_bad", "it is of another app", func() { w.conf.Slack.App = "A0OTHER" }, func() { w.conf.Slack.App = app.ID }, "A0OTHER", ""},
		{"slack.token_bad", "Slack is away", func() { w.lab.BadGateways(true) }, func() { w.lab.BadGateways(false) }, "", ""},
		{"slack.scope_missing", "one", scopes(func(s []string) []string {
			return slices.DeleteFunc(s, func(x string) bool { return x == "reactions:read" })
		}), all, "reactions:read, which is there to read the approvals", ""},
		{"slack.scope_missing", "of groups", func() { w.conf.Groups = []slackGroup{{"harbour", "maintainer", "S0123"}} }, func() { w.conf.Groups = nil }, "usergroups:read", ""},
		{"slack.scope_needless", "one", scopes(func(s []string) []string { return append(s, "channels:manage") }), all, "channels:manage", ""},
		{"slack.channel_missing", "the bot is not in it", func() { w.lab.Remove(w.releases, app.User) }, func() { w.lab.Invite(w.releases, app.User) }, "the bot is not in the channel #releases", "/invite @slipway"},
		{"slack.channel_missing", "it is archived", func() { w.lab.Archive(w.releases, true) }, func() { w.lab.Archive(w.releases, false) }, "is archived", "write another one"},
		{"slack.channel_missing", "it never was", func() { w.conf.Slack.Projects["quay"] = slackProject{Channel: "C0NOWHERE"} }, func() { delete(w.conf.Slack.Projects, "quay") }, "the channel C0NOWHERE of quay is not there", ""},
		{"slack.channel_shared", "with the quay", func() { w.conf.Slack.Projects["quay"] = slackProject{Channel: shared} }, func() { delete(w.conf.Slack.Projects, "quay") }, "is shared with other workspaces", ""},
		{"slack.hooks_unreachable", "another secret", func() { w.refuse = true }, func() { w.refuse = false }, "refuses what is signed", "restart it"},
		{"slack.hooks_unreachable", "nobody", func() { w.conf.Webhooks.URL = "http://127.0.0.1:1" }, func() { w.conf.Webhooks.URL = w.door.URL }, "is not reached", ""},
		{"slack.socket_bad", "it is off", func() { w.lab.SetApp(func(a *fake.App) { a.Socket = false }) }, func() { w.lab.SetApp(func(a *fake.App) { a.Socket = true }) }, "no connection of Socket Mode is opened", "Socket Mode"},
		{"slack.person_bot", "hana is the bot", person(app.User), person(w.hana), "of hana is the bot's own", ""},
	} {
		t.Run(c.code+"/"+c.name, func(t *testing.T) {
			list := slackAilments()
			a := list[slices.IndexFunc(list, func(a ailment) bool { return a.code == c.code })]
			look := func() []symptom { // by one that has asked nothing yet
				return slices.DeleteFunc(a.look(t.Context(), &patient{conf: w.conf}), func(s symptom) bool { return s.what == "" })
			}
			if got := look(); len(got) != 0 {
				t.Fatalf("before: %+v", got)
			}
			c.change()
			got := look()
			c.back()
			switch {
			case c.what == "" && len(got) != 0:
				t.Errorf("found %+v", got)
			case c.what != "" && (len(got) != 1 || !strings.Contains(got[0].what, c.what) || !strings.Contains(got[0].fix, c.fix)):
				t.Errorf("found %+v", got)
			}
			for _, s := range got {
				for _, secret := range []string{app.Token[5:], app.AppToken[5:], app.Secret} {
					if strings.Contains(s.what+s.fix, secret) {
						t.Error("a secret is told")
					}
				}
			}
		})
	}
	if got := slackClock(7 * time.Minute); len(got) != 1 || !strings.Contains(got[0].what, "7m0s ahead of") {
		t.Errorf("slack.clock_off: %+v", got)
	}
	if got := slackClock(-20 * time.Second); len(got) != 0 {
		t.Errorf("slack.clock_off: %+v", got)
	}
	now := time.Now()
	if got := slackRefusals(hook.Events, hook.Standing{Refused: now.Add(-time.Minute), Why: "the signature does not fit"}, now); len(got) != 1 || !strings.Contains(got[0].what, "/hooks/slack/events was refused") {
		t.Errorf("slack.signature_bad: %+v", got)
	}
	if got := slackRefusals(hook.Events, hook.Standing{Refused: now.Add(-time.Minute), Last: now}, now); len(got) != 0 {
		t.Errorf("refusals that are over: %+v", got)
	}
	late := &slackChat{late: map[string]int{"T0HARBOUR/C0123": lateMost, "T0HARBOUR/C0456": 1}}
	if got := late.silent(); len(got) != 1 || !strings.Contains(got[0].what, "C0123") {
		t.Errorf("slack.silent: %+v", got)
	}
	never := &slackSocket{socket: socket.New(socket.Options{Clock: systemClock{}}), began: now.Add(-time.Hour)}
	if got := never.down(now); len(got) != 1 || !strings.Contains(got[0].what, "there is no connection of Socket Mode since") {
		t.Errorf("slack.socket_down: %+v", got)
	}
	never.began = now
	if got := never.down(now); len(got) != 0 {
		t.Errorf("slack.socket_down at the start: %+v", got)
	}
	w.lab.SetApp(func(a *fake.App) { a.Socket = false })
	asked := w.lab.Asked("apps.connections.open")
	if got := badSlackSocket(t.Context(), &patient{conf: w.conf, bot: &bot{conf: w.conf, slack: &slackSide{socket: never}}}); len(got) != 0 || w.lab.Asked("apps.connections.open") != asked {
		t.Errorf("a running bot is kept from connecting: %+v", got)
	}
	codes := slackDocs()
	for _, a := range append(slackAilments(), liveSlackAilments()...) {
		if d, ok := codes[a.code]; !ok || d.meaning == "" || d.fix == "" {
			t.Errorf("nothing says what %s means", a.code)
		}
		delete(codes, a.code)
	}
	if len(codes) > 0 {
		t.Errorf("codes of nothing: %v", sortedKeys(codes))
	}
}

// TestManifestOfSlack prints the manifest from flags alone, from a configuration that is not complete yet,
// and from a whole one.
func TestManifestOfSlack(t *testing.T) {
	text, _ := exampleFolder(t)
	for name, c := range map[string]struct {
		conf string
		cmd  manifestSlackCmd
		says []string
		not  string
		err  string
	}{
		"flags alone":     {"", manifestSlackCmd{Hooks: "https://hooks.harbour.example"}, []string{`"https://hooks.harbour.example/hooks/slack/events"`, `"/slipway"`}, "usergroups:read", ""},
		"nothing":         {"", manifestSlackCmd{}, nil, "", "--socket-mode"},
		"a listener":      {"webhooks: {listen: 127.0.0.1:7656, url: https://hooks.harbour.example}\n", manifestSlackCmd{}, []string{"/hooks/slack/commands"}, "", ""},
		"a group":         {"webhooks: {url: https://hooks.harbour.example}\nroles: {harbour: {maintainer: {slack_group: S0123ABCD}}}\n", manifestSlackCmd{}, []string{"usergroups:read"}, "", ""},
		"a socket":        {"slack: {app_token_file: nowhere, command: /harbour}\n", manifestSlackCmd{}, []string{`"socket_mode_enabled": true`, `"/harbour"`}, "/hooks/", ""},
		"the example":     {text, manifestSlackCmd{Name: "Harbour Bot"}, []string{`"harbour-bot"`, "https://hooks.harbour.example/hooks/slack/interactive"}, "", ""},
		"no way in":       {"state: here\n", manifestSlackCmd{}, nil, "", "--hooks"},
		"YAML":            {"", manifestSlackCmd{Sockets: true, YAML: true}, []string{"socket_mode_enabled: true"}, "{", ""},
		"a bad address":   {"", manifestSlackCmd{Hooks: "http://hooks.harbour.example"}, nil, "", "https://"},
		"an unknown word": {"slak: {}\n", manifestSlackCmd{Sockets: true}, nil, "", "slack"},
	} {
		path := filepath.Join(t.TempDir(), "slipway.yaml")
		if c.conf != "" {
			if err := os.WriteFile(path, []byte(c.conf), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var out, notes bytes.Buffer
		err := c.cmd.print(path, &out, &notes)
		if c.err != "" {
			if err == nil || !strings.Contains(errs.Text(err), c.err) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, word := range c.says {
			if !strings.Contains(out.String(), word) {
				t.Errorf("%s: it does not say %s:\n%s", name, word, out.String())
			}
		}
		if c.not != "" && strings.Contains(out.String(), c.not) {
			t.Errorf("%s: it says %s", name, c.not)
		}
		if !c.cmd.YAML && !json.Valid(out.Bytes()) {
			t.Errorf("%s: it is no JSON", name)
		}
		if !strings.Contains(notes.String(), "chat:write") {
			t.Errorf("%s: nothing says why", name)
		}
	}
}

// TestPlacesOnSlack: which project is meant where, and where a project is shown.
func TestPlacesOnSlack(t *testing.T) {
	c := &config{Slack: slackConfig{Team: "T1ABC", Projects: map[string]slackProject{
		"harbour": {Channel: "C1ABC", Rooms: []string{"C3ABC"}, Tell: []string{"C9ABC"}}, "quay": {Channel: "C2ABC", Rooms: []string{"C3ABC"}, Tell: []string{"C2ABC"}}}},
		Projects: map[string]project{"harbour": {Profile: map[string]any{}}, "quay": {Profile: map[string]any{}}}}
	for id, want := range map[string]string{"T1ABC/C1ABC": "harbour", "T1ABC/C2ABC": "quay", "T1ABC/C3ABC": "", "T1ABC/C9ABC": "", "T2ABC/C1ABC": "", "T1ABC/D1ABC": "", "C1ABC": ""} {
		if got := (configured{c}).Home(engine.Place{Source: slackSource, ID: id}); got != want {
			t.Errorf("at %s %q is meant, not %q", id, got, want)
		}
	}
	delete(c.Projects, "quay")
	if got := c.slackHome(c.slackPlace("D1ABC")); got != "harbour" {
		t.Errorf("alone %q is meant", got)
	}
	p, ok := configured{c}.Project("harbour")
	if got := fmt.Sprint(p.Places[1:], p.Tell); !ok || got != "[{slack T1ABC/C1ABC} {slack T1ABC/C3ABC}] [{slack T1ABC/C9ABC}]" {
		t.Errorf("the places are %s", got)
	}
	if what := (&config{Slack: c.Slack}).outside(); !strings.Contains(what, "Slack") {
		t.Errorf("one user may speak as many persons beside Slack: %q", what)
	}
	ids, whose := c.slackChannels()
	if !slices.Equal(ids, []string{"C1ABC", "C3ABC", "C9ABC", "C2ABC"}) || whose["C3ABC"] != "harbour, quay" {
		t.Errorf("the channels are %v of %v", ids, whose)
	}
}
