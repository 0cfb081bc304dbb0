package slack

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const manifestHTTP = `_metadata: {major_version: 2, minor_version: 1}
display_information: {name: Release Bot, description: Releases}
features:
  bot_user: {display_name: relbot, always_online: true}
  slash_commands:
    - {command: /release, description: Release control, url: "https://bot.example/commands", usage_hint: "start 1.2", should_escape: true}
oauth_config:
  scopes: {bot: [commands, "chat:write", "reactions:read", "channels:history"]}
settings:
  event_subscriptions: {request_url: "https://bot.example/events", bot_events: [reaction_added, message.channels]}
  interactivity: {is_enabled: true, request_url: "https://bot.example/interactive"}
  org_deploy_enabled: false
  socket_mode_enabled: false
  token_rotation_enabled: false
`

func TestAnAppIsMadeOfItsManifest(t *testing.T) {
	h := newHarbour(t, Options{})
	old := h.s.App()
	app, err := h.s.Install([]byte(manifestHTTP))
	h.must(err)
	if app.Token == old.Token || app.Secret == old.Secret || app.EventsURL != "https://bot.example/events" || app.Commands[0] != (Slash{"/release", "https://bot.example/commands", true}) {
		t.Errorf("app: %+v", app)
	}
	if out := h.as(old.Token, "auth.test"); out["error"] != "invalid_auth" {
		t.Errorf("the old token: %v", out)
	}
	if out := h.post("users.info", "user", h.ada); out["error"] != "missing_scope" {
		t.Errorf("what it did not ask for: %v", out)
	}
	if !slices.Equal(app.Events, []string{"reaction_added", "message.channels"}) || h.s.User(app.User).DisplayName != "relbot" {
		t.Errorf("events %v, name %q", app.Events, h.s.User(app.User).DisplayName)
	}
}

func TestAManifestCanBeWrong(t *testing.T) {
	h := newHarbour(t, Options{})
	for change, want := range map[string]string{
		"name: Release Bot, => name: " + strings.Repeat("x", 36) + ",":   "1 to 35 are allowed",
		"reactions:read => reactions:reed":                               `there is no scope "reactions:reed"`,
		`"reactions:read",  => `:                                         "reaction_added needs the scope reactions:read",
		"[commands,  => [":                                               "slash commands need the scope commands",
		"message.channels] => message.everywhere]":                       `there is no event "message.everywhere"`,
		"https://bot.example/events => http://bot.example/events":        "must be an https address",
		"command: /release => command: release":                          "begins with a slash",
		"org_deploy_enabled: false => deploy_org: false":                 "cannot be read",
		"bot_user: {display_name: relbot, always_online: true} => x: {}": "cannot be read",
	} {
		from, to, _ := strings.Cut(change, " => ")
		if !strings.Contains(manifestHTTP, strings.TrimSpace(from)) {
			t.Errorf("%q is not in the manifest", from)
		}
		if _, err := h.s.Install([]byte(strings.Replace(manifestHTTP, strings.TrimSpace(from), strings.TrimSpace(to), 1))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", change, err, want)
		}
	}
	socket := strings.NewReplacer(`request_url: "https://bot.example/events", `, "", `, request_url: "https://bot.example/interactive"`, "",
		`url: "https://bot.example/commands", `, "", "socket_mode_enabled: false", "socket_mode_enabled: true").Replace(manifestHTTP)
	if app, err := h.s.Install([]byte(socket)); err != nil || !app.Socket {
		t.Errorf("Socket Mode needs no addresses: %v", err)
	}
}

func TestAnAddressMustAnswerTheChallenge(t *testing.T) {
	h := newHarbour(t, Options{})
	if err := h.s.Verify(); err == nil {
		t.Error("an empty answer is taken")
	}
	app := http.NewServeMux()
	app.HandleFunc("/hooks/slack/events", func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		h.must(err)
		var in struct{ Challenge string }
		h.must(json.Unmarshal(raw, &in))
		if r.Header.Get("X-Slack-Signature") != Sign(h.s.App().Secret, r.Header.Get("X-Slack-Request-Timestamp"), raw) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, in.Challenge)
	})
	h.serve(app)
	h.must(h.s.Verify())
}
