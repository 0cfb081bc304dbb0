package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	slackgo "github.com/slack-go/slack"

	"slipway/bot/errs"
	"slipway/integrations/slack"
)

// TestTheManifestIsOneOfSlack reads the manifest with the types of the library, strictly, and holds it to
// the bounds of Slack's reference.
func TestTheManifestIsOneOfSlack(t *testing.T) {
	for _, site := range []Site{
		{URL: "https://hooks.harbour.example"},
		{URL: "https://hooks.harbour.example", Socket: true, Groups: true},
		{Socket: true, Name: "Harbour Häfen", Command: "/harbour"},
	} {
		m, err := For(site)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := m.JSON()
		if err != nil {
			t.Fatal(err)
		}
		var read slackgo.Manifest
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&read); err != nil {
			t.Fatalf("%v in\n%s", err, raw)
		}
		text, err := m.YAML()
		if err != nil {
			t.Fatal(err)
		}
		var again Manifest
		if err := yaml.UnmarshalWithOptions(text, &again, yaml.DisallowUnknownField()); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if same, err := again.JSON(); err != nil || !bytes.Equal(same, raw) {
			t.Errorf("the YAML says something else:\n%s\n%s", text, raw)
		}
		if n := utf8.RuneCountInString(read.Display.LongDescription); n < 174 || n > 4000 {
			t.Errorf("the long description has %d characters", n)
		}
		if n := utf8.RuneCountInString(read.Display.Description); n > 140 {
			t.Errorf("the description has %d characters", n)
		}
		overHTTP := !site.Socket
		command, events, buttons := read.Features.SlashCommands[0], read.Settings.EventSubscriptions, read.Settings.Interactivity
		if overHTTP != (command.Url != "") || overHTTP != (events.RequestUrl != "") || overHTTP != (buttons.RequestUrl != "") || read.Settings.SocketModeEnabled == overHTTP {
			t.Errorf("the addresses are %q %q %q with Socket Mode %v", command.Url, events.RequestUrl, buttons.RequestUrl, read.Settings.SocketModeEnabled)
		}
		if overHTTP && (events.RequestUrl != site.URL+EventsPath || command.Url != site.URL+CommandsPath || buttons.RequestUrl != site.URL+InteractivePath) {
			t.Errorf("the addresses are %q %q %q", command.Url, events.RequestUrl, buttons.RequestUrl)
		}
		if !bytes.Contains(raw, []byte(`"messages_tab_read_only_enabled": false`)) || !read.Features.AppHome.MessagesTabEnabled {
			t.Error("people cannot write to the bot alone")
		}
		if got := slices.Contains(read.OAuthConfig.Scopes.Bot, "usergroups:read"); got != site.Groups {
			t.Errorf("the scope for user groups is asked for: %v", got)
		}
	}
}

func TestEveryScopeIsForSomething(t *testing.T) {
	last := ""
	for _, s := range Scopes() {
		if s.Name <= last {
			t.Errorf("%s is not behind %s", s.Name, last)
		}
		last = s.Name
		if s.Why == "" || len(s.Methods)+len(s.Events) == 0 && s.Name != "commands" {
			t.Errorf("nothing says what %s is for", s.Name)
		}
	}
	if got := events(wanted(false)); !slices.Equal(got, strings.Fields("app_mention app_uninstalled channel_archive channel_deleted channel_left group_archive group_deleted group_left message.channels message.groups message.im reaction_added reaction_removed tokens_revoked")) {
		t.Errorf("the events are %v", got)
	}
}

func TestMissingAndNeedlessScopes(t *testing.T) {
	var all []string
	for _, s := range wanted(false) {
		all = append(all, s.Name)
	}
	if got := Missing(all, false); len(got) != 0 {
		t.Errorf("missing: %v", got)
	}
	if got := Missing(all, true); len(got) != 1 || got[0].Name != "usergroups:read" {
		t.Errorf("with groups, missing: %v", got)
	}
	if got := Missing(all[1:], false); len(got) != 1 || got[0].Name != all[0] {
		t.Errorf("missing: %v", got)
	}
	if got := Needless(append([]string{"users:write", "admin"}, all...)); !slices.Equal(got, []string{"admin", "users:write"}) {
		t.Errorf("needless: %v", got)
	}
}

func TestSitesThatCannotBe(t *testing.T) {
	for name, s := range map[string]Site{
		"no way in":         {},
		"without TLS":       {URL: "http://hooks.harbour.example"},
		"with a path":       {URL: "https://hooks.harbour.example/slack"},
		"with a user":       {URL: "https://a:b@hooks.harbour.example"},
		"no address":        {URL: "hooks.harbour.example"},
		"a command":         {Socket: true, Command: "slipway"},
		"a long name":       {Socket: true, Name: strings.Repeat("n", MaxName+1)},
		"a name of 2 lines": {Socket: true, Name: "a\nb"},
	} {
		if _, err := For(s); !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const secret = "8f742231b10e8888abcd99e1f2a385a5"

// TestProbe has each kind of answer.
func TestProbe(t *testing.T) {
	now := time.Now() // the library checks with the clock of the machine
	challenge := func(r *http.Request) string {
		raw, _ := io.ReadAll(r.Body)
		sv, err := slackgo.NewSecretsVerifier(r.Header, secret)
		if err == nil {
			_, _ = sv.Write(raw)
			err = sv.Ensure()
		}
		if err != nil {
			t.Error(err)
		}
		var said struct{ Type, Challenge string }
		if err := json.Unmarshal(raw, &said); err != nil || said.Type != "url_verification" || len(said.Challenge) != 32 {
			t.Errorf("%s %v", raw, err)
		}
		return said.Challenge
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		says   string // "": all is well
	}{
		{"as text", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, challenge(r)) }, ""},
		{"as JSON", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"challenge":"`+challenge(r)+`"}`)
		}, ""},
		{"another page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Welcome to nginx!") }, "something else"},
		{"another secret", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, "refuses"},
		{"not there", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, "404"},
		{"broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, "status 502"},
		{"moved", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(302)
		}, "leads elsewhere"},
	} {
		s := httptest.NewServer(c.answer)
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		err := Probe(t.Context(), client, s.URL+EventsPath, secret, now)
		s.Close()
		if c.says == "" && err != nil || c.says != "" && (!errs.Is(err, errs.Failed) || !strings.Contains(errs.Text(err), c.says) || errs.HintOf(err) == "") {
			t.Errorf("%s: %v", c.name, err)
		}
		if strings.Contains(errs.Text(err), secret) {
			t.Error("the secret is told")
		}
	}
	if err := Probe(t.Context(), http.DefaultClient, "http://127.0.0.1:1", secret, now); !errs.Is(err, errs.Failed) {
		t.Errorf("nobody there: %v", err)
	}
}

// workspace answers methods of the Web API with what a test says.
func workspace(t *testing.T, now func() time.Time, answers map[string]string) *Setup {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Unix(1700000000, 0).UTC().Format(http.TimeFormat))
		_, _ = io.WriteString(w, answers[strings.TrimPrefix(r.URL.Path, "/api/")])
	}))
	t.Cleanup(s.Close)
	c, err := slack.New(slack.Options{URL: s.URL + "/api/", Token: "xoxb-1", AppToken: "xapp-1", Team: "T0123ABCD", Now: now, Wait: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	return New(c)
}

func TestLooking(t *testing.T) {
	at := time.Unix(1700000000, 0)
	s := workspace(t, func() time.Time { return at }, map[string]string{
		"auth.test":          `{"ok":true,"team_id":"T0123ABCD","user_id":"U1"}`,
		"conversations.info": `{"ok":true,"channel":{"id":"C0123ABCD","name":"releases","is_channel":true,"is_member":true,"is_ext_shared":true}}`,
	})
	if c, err := s.Channel(t.Context(), "C0123ABCD"); err != nil || !c.Member || !c.Shared || c.Archived || c.Name != "releases" {
		t.Errorf("%+v %v", c, err)
	}
	if c, err := s.Channel(t.Context(), "C0999ABCD"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("another channel: %+v %v", c, err)
	}
	at = at.Add(7 * time.Minute)
	if ahead, err := s.Clock(t.Context()); err != nil || ahead.Round(time.Second) != 7*time.Minute && ahead.Round(time.Minute) != 7*time.Minute {
		t.Errorf("%v %v", ahead, err)
	}
}
