package slack

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"slipway/bot/view"
	fake "slipway/test/fakes/slack"
)

// hostile is what people write where the bot shows it again: in reasons and in mistyped lines. It calls a
// whole channel, names a program that would obey, and is a link that says another address.
const hostile = `<!channel> <!here|x> <@U0ROBOT> @everyone ><http://evil.example|the notes> *x* ~y~`

// TestAttackThroughText: whatever people write, the bot calls nobody but those who must act, draws no
// link but its own, and has Slack fetch nothing. What Slack entrusts to it with a delivery is kept nowhere,
// and no address in a delivery is ever called.
func TestAttackThroughText(t *testing.T) {
	t.Parallel()
	var called atomic.Int32
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	defer trap.Close()
	w := newWorld(t, shape{})
	w.begins()
	w.until("the run is there", func() bool { _, err := w.look(); return err == nil })
	w.says("tessa", "@slipway relase "+hostile)
	w.says("hana", "@slipway release hold "+version+` --reason "`+typedAs(hostile)+`"`)
	w.until("the reason is shown", func() bool { return strings.Contains(wordsOf(w.card()), "evil.example") })
	w.says("hana", "@slipway release resume "+version)
	w.drive(func(r view.Run) bool { _, ok := awaited(r, "tested"); return ok })
	w.says("tessa", "@slipway answer "+version+` tested good=true how="`+typedAs(hostile)+`"`)
	w.until("tessa has answered", func() bool { return strings.Contains(w.timeline(), "Tessa Tide answered tested") })
	w.drive(func(r view.Run) bool { _, ok := awaited(r, "go"); return ok })
	_, err := w.slack.Command(w.users["hana"], w.room, "/slipway release who "+version) // with a trigger and an address
	w.must(err)
	w.until("the gate is shown", func() bool { _, ok := w.gateMessage("go"); return ok })
	m, _ := w.gateMessage("go")
	_, err = w.slack.Press(w.users["ben"], w.room, m.TS, "Approve")
	w.must(err)
	w.traps(trap.URL, m)
	w.heard("ben")
	w.until("the line of the trap is answered", func() bool { return len(w.ours(w.room, "You are Tessa Tide")) == 1 })
	_, err = w.bot.end()
	w.must(err)

	shown := 0
	for _, q := range w.slack.Requests() {
		if !strings.HasPrefix(q.Method, "chat.") {
			if strings.HasPrefix(q.Method, "/") && !strings.Contains(q.Method, "upload") {
				t.Errorf("the bot called %s", q.Method)
			}
			continue
		}
		if strings.Contains(q.Args["text"]+q.Args["blocks"], "evil.example") {
			shown++
		}
		w.callsNobody(q)
	}
	if shown < 2 { // the mistyped line and the reason
		t.Errorf("what was written is shown %d times: the story shows nothing", shown)
	}
	if n := called.Load(); n > 0 {
		t.Errorf("an address out of a delivery was called %d times", n)
	}
	w.keepsNoCredential(trap.URL)
}

// typedAs is a text as Slack sends what somebody typed.
func typedAs(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// traps sends, signed, a command, a press and a message that name an address of somebody else wherever
// Slack names its own.
func (w *world) traps(address string, gate fake.Message) {
	w.t.Helper()
	app := w.slack.App().ID
	send := func(kind, what string, payload map[string]any) {
		raw, err := json.Marshal(payload)
		w.must(err)
		w.slack.Send(w.slack.Again(fake.Delivery{Kind: kind, Type: what, Payload: raw}, false))
	}
	send(fake.Commands, "/slipway", map[string]any{"token": "x", "team_id": team, "api_app_id": app, "channel_id": w.room, "user_id": w.users["tessa"], "user_name": "tessa",
		"command": "/slipway", "text": "whoami", "trigger_id": "1.2.trap", "response_url": address + "/command"})
	send(fake.Interactive, "block_actions", map[string]any{"type": "block_actions", "team": map[string]any{"id": team}, "user": map[string]any{"id": w.users["tessa"], "team_id": team},
		"api_app_id": app, "container": map[string]any{"type": "message", "message_ts": gate.TS, "thread_ts": gate.Thread, "channel_id": w.room}, "channel": map[string]any{"id": w.room}, "trigger_id": "1.3.trap",
		"response_url": address + "/press", "response_urls": []any{map[string]any{"response_url": address + "/form"}},
		"actions": []any{map[string]any{"action_id": "say", "type": "button", "value": "nonsense", "action_ts": "1700000005.000300"}}})
	w.slack.Event(map[string]any{"type": "message", "user": w.users["tessa"], "channel": w.room, "channel_type": "channel", "ts": "1700000000.000100", "event_ts": "1700000000.000100",
		"text": "slipway mine <" + address + "/text|here>", "files": []any{map[string]any{"id": "F1", "url_private": address + "/file"}},
		"attachments": []any{map[string]any{"image_url": address + "/image", "from_url": address}}, "icons": map[string]any{"image_48": address}}, nil)
}

// callsNobody looks at one message as it was sent: what it has Slack do is only what the bot means.
func (w *world) callsNobody(q fake.Request) {
	w.t.Helper()
	ours := func(user string) bool {
		for _, id := range w.users {
			if id == user {
				return true
			}
		}
		return false
	}
	for _, tag := range regexp.MustCompile(`<[^>]*>?`).FindAllString(q.Args["text"], -1) {
		if user, ok := strings.CutPrefix(strings.TrimSuffix(tag, ">"), "<@"); !ok || !ours(user) {
			w.t.Errorf("%s has %s in its text: %s", q.Method, tag, q.Args["text"])
		}
	}
	if q.Method == "chat.postMessage" && (q.Args["unfurl_links"] != "false" || q.Args["unfurl_media"] != "false") {
		w.t.Errorf("%s has Slack fetch what it names: %v", q.Method, q.Args)
	}
	for _, name := range []string{"link_names", "parse", "username", "as_user", "icon_url"} {
		if v := q.Args[name]; v != "" && v != "none" && v != "0" && v != "false" {
			w.t.Errorf("%s says %s=%s", q.Method, name, v)
		}
	}
	var blocks any
	if q.Args["blocks"] != "" {
		w.must(json.Unmarshal([]byte(q.Args["blocks"]), &blocks))
	}
	var look func(v any)
	look = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, one := range v {
				look(one)
			}
		case map[string]any:
			kind, _ := v["type"].(string)
			user, _ := v["user_id"].(string)
			address, _ := v["url"].(string)
			words, _ := v["text"].(string)
			if slices.Contains([]string{"broadcast", "usergroup", "channel", "image"}, kind) || kind == "user" && !ours(user) || strings.Contains(address, "evil") ||
				kind == "mrkdwn" && strings.ContainsAny(words, "<>") {
				w.t.Errorf("%s draws %v", q.Method, v)
			}
			for _, one := range v {
				look(one)
			}
		}
	}
	look(blocks)
}

// keepsNoCredential looks through all that the bot wrote, on disk and into its log.
func (w *world) keepsNoCredential(trap string) {
	w.t.Helper()
	app := w.slack.App()
	secrets := []string{app.Token, app.AppToken, app.Secret, "old-verification-token", "1.2.trap", "1.3.trap", trap + "/command", trap + "/press"}
	find := regexp.MustCompile(`"(?:trigger_id|response_url)":\s*"([^"]+)"`)
	known := ""
	for _, sent := range w.slack.Sent() {
		for _, one := range find.FindAllSubmatch(sent.Payload, -1) {
			secrets = append(secrets, string(one[1]))
		}
		if sent.Kind == fake.Events && sent.OK() {
			known = sent.ID
		}
	}
	if len(secrets) < 12 || known == "" {
		w.t.Fatalf("Slack entrusted only %d secrets to the bot", len(secrets))
	}
	seen, files := false, []string{filepath.Join(w.dir, "bot.out")}
	w.must(filepath.WalkDir(filepath.Join(w.dir, "state"), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	}))
	for _, path := range files {
		raw, err := os.ReadFile(path)
		w.must(err)
		seen = seen || strings.Contains(string(raw), known)
		for _, secret := range secrets {
			if secret != "" && strings.Contains(string(raw), secret) {
				w.t.Errorf("%s holds %q", strings.TrimPrefix(path, w.dir), secret)
			}
		}
	}
	if !seen {
		w.t.Errorf("nothing of what came in is found in %v: the search sees nothing", files)
	}
}
