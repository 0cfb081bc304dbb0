package slack

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// harbour is a workspace with two people, a channel with the app, and a clock that stands still.
type harbour struct {
	testing.TB
	s         *Server
	ada, bo   string
	quay, pub string // with the app, and without it
	seen      []inbound
	answer    func(r *http.Request, body []byte) (int, string)

	mu    sync.Mutex
	clock time.Time
}

// inbound is what came to the app.
type inbound struct {
	path   string
	header http.Header
	body   []byte
}

func newHarbour(t testing.TB, o Options) *harbour {
	t.Helper()
	h := &harbour{TB: t, clock: time.Date(2026, 6, 2, 9, 0, 0, 0, time.UTC)}
	if o.Now == nil {
		o.Now = h.now
	}
	h.s = Start(t, o)
	h.ada = h.s.AddUser(User{Name: "ada", RealName: "Ada Anchor", Email: "ada@harbour.example"}).ID
	h.bo = h.s.AddUser(User{Name: "bo"}).ID
	h.quay = h.s.AddChannel(Channel{Name: "quay", Members: []string{h.ada, h.bo, h.s.App().User}}).ID
	h.pub = h.s.AddChannel(Channel{Name: "pub", Members: []string{h.ada}}).ID
	h.s.Take() // who joined is no matter here
	app := httptest.NewServer(http.HandlerFunc(h.hear))
	t.Cleanup(app.Close)
	h.s.Serve(app.URL)
	return h
}

func (h *harbour) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock
}

func (h *harbour) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

// hear is the app: it keeps what comes, and answers as it was told to.
func (h *harbour) hear(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		h.Error(err)
	}
	h.mu.Lock()
	h.seen = append(h.seen, inbound{r.URL.Path, r.Header.Clone(), raw})
	answer := h.answer
	h.mu.Unlock()
	if answer == nil {
		return
	}
	status, text := answer(r, raw)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func (h *harbour) inbox() []inbound {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.seen
	h.seen = nil
	return out
}

// post calls a method with a form.
func (h *harbour) post(method string, args ...string) map[string]any {
	h.Helper()
	return h.as(h.s.App().Token, method, args...)
}

func (h *harbour) as(token, method string, args ...string) map[string]any {
	h.Helper()
	_, out := h.raw(token, method, args...)
	return out
}

func (h *harbour) raw(token, method string, args ...string) (*http.Response, map[string]any) {
	h.Helper()
	v := url.Values{"token": {token}}
	for i := 0; i < len(args); i += 2 {
		v.Set(args[i], args[i+1])
	}
	r, err := http.PostForm(h.s.URL+method, v)
	if err != nil {
		h.Fatal(err)
	}
	return r, h.decode(r.Body)
}

func (h *harbour) decode(r io.ReadCloser) (out map[string]any) {
	h.Helper()
	defer r.Close()
	if err := json.NewDecoder(r).Decode(&out); err != nil {
		h.Fatal(err)
	}
	return out
}

// json calls a method with a JSON body.
func (h *harbour) json(method string, in any) map[string]any {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), http.MethodPost, h.s.URL+method, bytes.NewReader(encoded(in)))
	h.must(err)
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("Authorization", "Bearer "+h.s.App().Token)
	a, err := http.DefaultClient.Do(r)
	h.must(err)
	return h.decode(a.Body)
}

// good wants that a call succeeds.
func (h *harbour) good(method string, args ...string) map[string]any {
	h.Helper()
	out := h.post(method, args...)
	if out["ok"] != true {
		h.Fatalf("%s %q: %v", method, args, out)
	}
	return out
}

// refused wants that a call fails with an error.
func (h *harbour) refused(code, method string, args ...string) map[string]any {
	h.Helper()
	out := h.post(method, args...)
	if out["ok"] != false || out["error"] != code {
		h.Errorf("%s %q: %v, want %s", method, args, out, code)
	}
	return out
}

func (h *harbour) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// card posts a message with a button and gives its ts.
func (h *harbour) card(args ...string) string {
	h.Helper()
	blocks := `[{"type":"section","text":{"type":"mrkdwn","text":"*Release*"}},{"type":"actions","block_id":"say","elements":[
		{"type":"button","action_id":"say:1","text":{"type":"plain_text","text":"Approve"},"value":"approve 7","style":"primary"},
		{"type":"button","action_id":"say:2","text":{"type":"plain_text","text":"Stop"},"value":"stop 7","style":"danger"}]}]`
	out := h.good("chat.postMessage", append([]string{"channel", h.quay, "text", "Release", "blocks", blocks,
		"metadata", `{"event_type":"card","event_payload":{"key":"run-7"}}`}, args...)...)
	return out["ts"].(string)
}

// at walks into JSON: names of fields and, as numbers, of elements.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func TestTokensSayWhoAsks(t *testing.T) {
	h := newHarbour(t, Options{})
	app := h.s.App()
	out := h.good("auth.test")
	if out["team_id"] != "T0HARBOUR" || out["user_id"] != app.User || out["bot_id"] != app.Bot {
		t.Errorf("auth.test: %v", out)
	}
	if out := h.json("auth.test", map[string]any{}); out["user_id"] != app.User {
		t.Errorf("with a header: %v", out)
	}
	north := h.s.AddTeam(Team{Name: "North", Domain: "north"})
	other := h.s.AddToken(Token{Team: north.ID, Scopes: app.Scopes})
	if out := h.as(other.Value, "auth.test"); out["team_id"] != north.ID || out["user_id"] == app.User {
		t.Errorf("auth.test in another workspace: %v", out)
	}
	if out := h.as(other.Value, "conversations.info", "channel", h.quay); out["error"] != "channel_not_found" {
		t.Errorf("another workspace sees the channel: %v", out)
	}
	poor := h.s.AddToken(Token{Scopes: []string{"chat:write"}})
	if out := h.as(poor.Value, "users.info", "user", h.ada); out["error"] != "missing_scope" || out["needed"] != "users:read" || out["provided"] != "chat:write" {
		t.Errorf("without the scope: %v", out)
	}
	for token, want := range map[string]string{"": "not_authed", "xoxb-wrong": "invalid_auth", app.AppToken: "not_allowed_token_type"} {
		if out := h.as(token, "chat.postMessage", "channel", h.quay, "text", "x"); out["error"] != want {
			t.Errorf("token %q: %v, want %s", token, out, want)
		}
	}
	h.s.Revoke(app.Token)
	h.refused("token_revoked", "auth.test")
}

func TestWhatIsPostedIsKept(t *testing.T) {
	h := newHarbour(t, Options{})
	a, b := h.card(), h.card("thread_ts", "")
	if a >= b {
		t.Errorf("two messages at one time: %s, %s", a, b)
	}
	reply := h.good("chat.postMessage", "channel", h.quay, "text", "a < b & ✅ <@"+h.ada+"> http://x.example/y.", "thread_ts", a)
	m, _ := h.s.Message(h.quay, reply["ts"].(string))
	if want := "a &lt; b &amp; :white_check_mark: <@" + h.ada + "> <http://x.example/y>."; m.Text != want || m.Thread != a {
		t.Errorf("kept %q in %s, want %q", m.Text, m.Thread, want)
	}
	history := h.good("conversations.history", "channel", h.quay, "include_all_metadata", "1")["messages"].([]any)
	if len(history) != 2 || at(history[1], "reply_count") != 1.0 || at(history[0], "metadata", "event_payload", "key") != "run-7" {
		t.Errorf("history: %v", history)
	}
	if out := h.good("conversations.history", "channel", h.quay); at(out, "messages", 0, "metadata") != nil {
		t.Error("metadata is shown to who did not ask for it")
	}
	if out := h.good("conversations.replies", "channel", h.quay, "ts", a); len(out["messages"].([]any)) != 2 {
		t.Errorf("replies: %v", out)
	}
	h.good("chat.update", "channel", h.quay, "ts", a, "text", "bare")
	if m, _ := h.s.Message(h.quay, a); len(m.Blocks) != 0 || m.Edited == "" || m.Key("key") != "run-7" {
		t.Errorf("a text alone leaves %+v", m)
	}
	h.good("chat.update", "channel", h.quay, "ts", b, "text", "both", "blocks", `[{"type":"divider"}]`)
	if m, _ := h.s.Message(h.quay, b); len(m.Blocks) != 1 || m.Edited != "" || m.Updates != 1 {
		t.Errorf("text and blocks leave %+v", m)
	}
	said := h.s.Say(h.ada, h.quay, "hello", "")
	h.refused("cant_update_message", "chat.update", "channel", h.quay, "ts", said, "text", "x")
	h.refused("cant_delete_message", "chat.delete", "channel", h.quay, "ts", said)
	h.refused("message_not_found", "chat.update", "channel", h.quay, "ts", "1.000001", "text", "x")
	h.good("chat.delete", "channel", h.quay, "ts", b)
	if _, found := h.s.Message(h.quay, b); found {
		t.Error("a deleted message is there")
	}
	h.refused("not_in_channel", "chat.postMessage", "channel", h.pub, "text", "x")
	h.refused("channel_not_found", "chat.postMessage", "channel", "C0NOWHERE", "text", "x")
	h.refused("no_text", "chat.postMessage", "channel", h.quay)
	h.refused("thread_not_found", "chat.postMessage", "channel", h.quay, "text", "x", "thread_ts", "1700000000.000100")
	h.refused("msg_too_long", "chat.postMessage", "channel", h.quay, "text", strings.Repeat("x", 40001))
	h.s.Archive(h.quay, true)
	h.refused("is_archived", "chat.postMessage", "channel", h.quay, "text", "x")
}

func TestHistoryComesInPages(t *testing.T) {
	h := newHarbour(t, Options{})
	var all []string
	for range 7 {
		all = append(all, h.s.Say(h.ada, h.quay, "x", ""))
		h.pass(time.Second)
	}
	var got []string
	cursor := ""
	for page := 0; page == 0 || cursor != ""; page++ {
		out := h.good("conversations.history", "channel", h.quay, "limit", "3", "cursor", cursor, "oldest", all[0])
		for _, m := range out["messages"].([]any) {
			got = append([]string{m.(map[string]any)["ts"].(string)}, got...)
		}
		cursor, _ = at(out, "response_metadata", "next_cursor").(string)
		if out["has_more"] != (cursor != "") {
			t.Errorf("has_more is %v with the cursor %q", out["has_more"], cursor)
		}
	}
	if strings.Join(got, " ") != strings.Join(all[1:], " ") {
		t.Errorf("got %v, want %v", got, all[1:])
	}
	if out := h.good("conversations.history", "channel", h.quay, "oldest", all[2], "latest", all[4], "inclusive", "true"); len(out["messages"].([]any)) != 3 {
		t.Errorf("with both ends: %v", out)
	}
	h.refused("invalid_cursor", "conversations.history", "channel", h.quay, "cursor", "nonsense")
	h.refused("invalid_limit", "conversations.history", "channel", h.quay, "limit", "5000")
	h.refused("not_in_channel", "conversations.history", "channel", h.pub)
	first := all[0]
	for range 4 {
		h.s.Say(h.bo, h.quay, "y", first)
	}
	out := h.good("conversations.replies", "channel", h.quay, "ts", first, "limit", "3")
	next, _ := at(out, "response_metadata", "next_cursor").(string)
	rest := h.good("conversations.replies", "channel", h.quay, "ts", first, "limit", "3", "cursor", next)
	if len(out["messages"].([]any)) != 4 || len(rest["messages"].([]any)) != 2 {
		t.Errorf("pages of a thread: %v, then %v", out, rest)
	}
}

func TestReactionsAreEachOnesOwn(t *testing.T) {
	h := newHarbour(t, Options{})
	ts := h.card()
	h.good("reactions.add", "channel", h.quay, "timestamp", ts, "name", "white_check_mark")
	h.refused("already_reacted", "reactions.add", "channel", h.quay, "timestamp", ts, "name", "white_check_mark")
	h.refused("invalid_name", "reactions.add", "channel", h.quay, "timestamp", ts, "name", ":x:")
	h.refused("no_reaction", "reactions.remove", "channel", h.quay, "timestamp", ts, "name", "x")
	h.refused("message_not_found", "reactions.add", "channel", h.quay, "timestamp", "1.000001", "name", "x")
	h.must(h.s.React(h.ada, h.quay, ts, "✅"))
	h.must(h.s.React(h.bo, h.quay, ts, "👍🏽"))
	out := h.good("reactions.get", "channel", h.quay, "timestamp", ts, "full", "true")
	if at(out, "message", "reactions", 0, "count") != 2.0 || at(out, "message", "reactions", 1, "name") != "+1::skin-tone-4" {
		t.Errorf("reactions: %v", at(out, "message", "reactions"))
	}
	for range 40 {
		u := h.s.AddUser(User{}).ID
		h.s.Invite(h.quay, u)
		h.must(h.s.React(u, h.quay, ts, "eyes"))
	}
	short, full := h.good("reactions.get", "channel", h.quay, "timestamp", ts), h.good("reactions.get", "channel", h.quay, "timestamp", ts, "full", "true")
	if n := len(at(short, "message", "reactions", 2, "users").([]any)); n == 40 || at(short, "message", "reactions", 2, "count") != 40.0 {
		t.Errorf("unless asked for all, %d are listed", n)
	}
	if n := len(at(full, "message", "reactions", 2, "users").([]any)); n != 40 {
		t.Errorf("of all, %d are listed", n)
	}
	h.must(h.s.Unreact(h.bo, h.quay, ts, "+1::skin-tone-4"))
	if m, _ := h.s.Message(h.quay, ts); len(m.Reactions) != 2 {
		t.Errorf("reactions left: %v", m.Reactions)
	}
	if err := h.s.React(h.bo, h.pub, ts, "✅"); err == nil {
		t.Error("somebody reacts where they are not")
	}
}

// serve is an app of the test's own.
func (h *harbour) serve(app http.Handler) {
	own := httptest.NewServer(app)
	h.Cleanup(own.Close)
	h.s.Serve(own.URL)
}
