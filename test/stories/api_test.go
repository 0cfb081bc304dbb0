package stories

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/bot/people"
	"slipway/bot/run"
	"slipway/bot/view"
	"slipway/integrations/console"
	"slipway/integrations/console/api"
	"slipway/integrations/console/login"
	"slipway/test/openapi"
)

// caller uses the API as anybody, and holds every request and answer against the document.
type caller struct {
	*world
	check *openapi.Checker
	h     http.Handler
	n     int
}

func (w *world) caller() *caller {
	w.t.Helper()
	check, err := openapi.New(api.Document(), func(what string) { w.t.Error(what) })
	w.must(err)
	door, err := login.New(login.Options{File: filepath.Join(w.dir, "sessions.db"), Many: true,
		Who: func(a string) (people.Person, bool) { return w.e.World().Directory.ByAccount(account(a)) }})
	w.must(err)
	w.t.Cleanup(func() { w.must(door.Close()) })
	a, err := api.New(api.Options{Desk: &console.Desk{Room: w.room, Deliver: w.deliver, Direct: func(string) string { return "" }}, View: view.New(w.e), Bot: bot,
		Log: slog.New(slog.DiscardHandler), Tokens: door, Logins: door, Bodies: w.blobs, Clock: w.clock.Now,
		Complete: func(_ login.Viewer, _, text string) []string { return []string{text + "se"} },
		Evidence: func(_ context.Context, _ string, _ bool, to io.Writer) error {
			_, err := io.WriteString(to, "bundle")
			return err
		},
		Needs: func(text string) login.Scope {
			if strings.HasPrefix(text, "approve") {
				return login.Approve
			}
			return login.Say
		}})
	w.must(err)
	return &caller{world: w, check: check, h: w.anybody(check.Handler(a))}
}

// call sends one request as a person, with a key of its own if it has a body.
func (c *caller) call(person, method, path string, body any, header ...string) *httptest.ResponseRecorder {
	c.t.Helper()
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		c.must(err)
		in = bytes.NewReader(raw)
	}
	r := httptest.NewRequest(method, "http://slipway"+api.Prefix+path, in)
	if body != nil {
		c.n++
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", fmt.Sprintf("key-%d", c.n))
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r.Header.Set(login.AsHeader, person)
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, r)
	return w
}

// get reads something that is there.
func get[A any](c *caller, person, path string) A {
	c.t.Helper()
	w := c.call(person, "GET", path, nil)
	if w.Code != http.StatusOK {
		c.t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	var a A
	c.must(json.Unmarshal(w.Body.Bytes(), &a))
	return a
}

// refusedWith demands a status and words in the problem.
func (c *caller) refusedWith(w *httptest.ResponseRecorder, status int, words ...string) {
	c.t.Helper()
	var p console.Problem
	if w.Code != status || json.Unmarshal(w.Body.Bytes(), &p) != nil || p.Status != status {
		c.t.Errorf("want %d, got %d %s", status, w.Code, w.Body)
		return
	}
	for _, word := range words {
		if !strings.Contains(p.Detail+"; "+p.Hint, word) {
			c.t.Errorf("want %q in %s; %s", word, p.Detail, p.Hint)
		}
	}
}

// said sends what waits for an answer, lets the bot work, and sends it again.
func (c *caller) said(person, path string, body map[string]any) api.Answered {
	c.t.Helper()
	c.n++
	key := fmt.Sprintf("said-%d", c.n)
	body["wait"] = 0
	var first, second api.Answered
	for _, a := range []*api.Answered{&first, &second} {
		w := c.call(person, "POST", path, body, "Idempotency-Key", key)
		if w.Code != http.StatusOK {
			c.t.Fatalf("POST %s: %d %s", path, w.Code, w.Body)
		}
		c.must(json.Unmarshal(w.Body.Bytes(), a))
		c.drain()
	}
	if first.Answered || !second.Answered || first.Message.ID != second.Message.ID {
		c.t.Errorf("POST %s: %+v, then %+v", path, first, second)
	}
	return second
}

// TestAReleaseThroughTheAPI takes a release to its gate and through it, and uses every route.
func TestAReleaseThroughTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	c := w.caller()
	if a := c.said("requester", "/commands", map[string]any{"channel": channel, "text": "release 2019.01"}); a.Refused || a.Reply == nil {
		t.Errorf("%+v", a)
	}
	c.said("manager", "/commands", map[string]any{"channel": channel, "text": "answer 2019.01 checklist merged=true"})
	tested := get[api.Who](c, "tester", "/runs/2019.01/who")
	if len(tested.Awaited) == 0 || !tested.Awaited[0].Mine || tested.Awaited[0].Step != "tested" {
		t.Fatalf("%+v", tested)
	}
	if a := c.said("tester", "/runs/2019.01/actions", map[string]any{"action": "answer", "step": "tested", "fields": map[string]string{"good": "yes"}}); a.Refused {
		t.Errorf("%+v", a)
	}
	name := "/runs/release%2Flava%2F2019.01"
	r := get[view.Run](c, "maintainer-a", name)
	gate := get[view.Gate](c, "maintainer-a", name+"/gates/go")
	if r.Name != "release/lava/2019.01" || gate.State != "open" || gate.Digest == "" {
		t.Fatalf("%+v\n%+v", r, gate)
	}

	// What is approved is exactly what was looked at, by whom the rule counts.
	go1 := name + "/gates/go/"
	yes := map[string]any{"manifest": gate.Digest}
	c.refusedWith(c.call("maintainer-a", "POST", go1+"approve", map[string]any{"manifest": "sha256:" + strings.Repeat("0", 64)}), 409, "another manifest by now", gate.Digest)
	c.refusedWith(c.call("maintainer-a", "POST", go1+"approve", map[string]any{"manifest": gate.Digest, "why": "x"}), 400, "leave it out")
	c.refusedWith(c.call("maintainer-a", "POST", go1+"approve", yes, "Idempotency-Key", ""), 400, "Idempotency-Key")
	c.refusedWith(c.call("maintainer-a", "POST", name+"/gates/goo/approve", yes), 404, "did you mean go?")
	c.refusedWith(c.call("maintainer-a", "POST", name+"/gates/publish/approve", yes), 409, "does not wait for anybody")
	c.refusedWith(c.call("maintainer-a", "POST", go1+"withdraw", yes), 409, "you have not approved")
	c.refusedWith(c.call("maintainer-a", "POST", go1+"reject", yes), 400, "needs reason")
	c.refusedWith(c.call("maintainer-a", "POST", name+"/actions", map[string]any{"action": "launch"}), 409, "it offers hold")
	if a := c.said("maintainer-a", go1+"approve", yes); a.Text != "recorded" || a.Message.Thread == "" {
		t.Errorf("%+v", a)
	}
	c.refusedWith(c.call("maintainer-a", "POST", go1+"approve", yes), 409, "you have approved")
	if a := c.said("maintainer-a", go1+"withdraw", yes); a.Refused {
		t.Errorf("%+v", a)
	}
	if a := c.said("maintainer-a", go1+"approve", yes); a.Refused {
		t.Errorf("%+v", a)
	}
	if a := c.said("outsider", go1+"approve", yes); !strings.Contains(a.Text, "does not count") {
		t.Errorf("%+v", a)
	}
	c.said("maintainer-c", go1+"veto", map[string]any{"manifest": gate.Digest, "why": `wait for "the fix"`})
	c.said("maintainer-c", name+"/actions", map[string]any{"action": "unveto", "step": "go"})
	key := "one-key"
	c.call("maintainer-b", "POST", go1+"approve", yes, "Idempotency-Key", key)
	c.refusedWith(c.call("maintainer-b", "POST", go1+"reject", map[string]any{"manifest": gate.Digest, "why": "no"}, "Idempotency-Key", key), 409, "used for something else")
	w.drain()
	w.WantStep("go", run.Done)
	w.Sign()

	c.readsAll(name)
	for op, statuses := range operations(t) {
		if !slices.ContainsFunc(statuses, func(s int) bool { return c.check.Seen()[op][s] }) {
			t.Errorf("%s was never answered with success: %v", op, c.check.Seen()[op])
		}
	}
}

// readsAll reads and says everything else that the API has.
func (c *caller) readsAll(name string) {
	c.t.Helper()
	t := c.t
	m := get[api.Messages](c, "outsider", "/channels/"+channel+"/messages?limit=2&heads=true")
	if len(m.Messages) != 2 || !m.Older {
		t.Errorf("%+v", m)
	}
	id := m.Messages[0].ID
	get[console.Shown](c, "outsider", "/messages/"+id)
	for _, method := range []string{"PUT", "PUT", "DELETE"} {
		if w := c.call("outsider", method, "/messages/"+id+"/reactions/%F0%9F%91%80", nil); w.Code != 200 {
			t.Errorf("%s: %d %s", method, w.Code, w.Body)
		}
	}
	if w := c.call("outsider", "POST", "/channels/"+channel+"/messages", map[string]any{"text": "hello 世界"}); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got := get[api.Me](c, "manager", "/me"); got.Person != "manager" {
		t.Errorf("%+v", got)
	}
	get[api.Channels](c, "manager", "/channels")
	if got := get[api.Completion](c, "manager", "/completions?channel="+channel+"&text=relea"); got.Words[0] != "release" {
		t.Errorf("%+v", got)
	}
	if got := get[view.RunList](c, "outsider", "/runs?q=LAVA+2019&which=live&status=live&project=lava&requester=requester&order=name&limit=1"); len(got.Runs) != 1 {
		t.Errorf("%+v", got)
	}
	if got := get[api.Why](c, "outsider", name+"/why?step=push"); got.Step != "push" || len(got.Lines) == 0 {
		t.Errorf("%+v", got)
	}
	get[api.Why](c, "outsider", name+"/why")
	line := get[view.Timeline](c, "outsider", name+"/timeline?limit=3&fine=true")
	if len(line.Events) < 3 || line.Before == 0 {
		t.Errorf("%+v", line)
	}
	get[view.Timeline](c, "outsider", fmt.Sprintf("%s/timeline?step=go&before=%d", name, line.Before))
	steps := get[api.Steps](c, "outsider", name+"/steps")
	bodies := map[string]string{} // digest → text, of what a step gave beside its digest
	for _, s := range steps.Steps {
		page := get[view.StepPage](c, "outsider", name+"/steps/"+s.Path)
		for _, o := range page.Outputs {
			if w := c.call("outsider", "GET", name+"/steps/"+s.Path+"/outputs/"+o.Name, nil); w.Code != 200 || !strings.HasPrefix(w.Body.String(), o.Text) {
				t.Errorf("%s of %s: %d", o.Name, s.Path, w.Code)
			}
			digest, err := c.blobs.Put(context.Background(), []byte(o.Text))
			c.must(err)
			if s.Kind == "do" && len(o.Text) > 4 && slices.ContainsFunc(page.Outputs, func(other view.Value) bool { return other.Body == digest }) {
				bodies[digest] = o.Text
			}
		}
	}
	if len(bodies) == 0 {
		t.Error("no step gives a text and its digest")
	}
	for digest, text := range bodies {
		path := name + "/bodies/" + digest
		if w := c.call("outsider", "GET", path, nil); w.Code != 200 || w.Body.String() != text || !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: %d %q %v", path, w.Code, w.Body, w.Header())
		}
		if w := c.call("outsider", "GET", path, nil, "Range", "bytes=1-3"); w.Code != 206 || w.Body.String() != text[1:4] {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
		if w := c.call("outsider", "GET", path, nil, "If-None-Match", `"`+digest+`"`); w.Code != 304 {
			t.Errorf("%s: %d", path, w.Code)
		}
		c.refusedWith(c.call("outsider", "GET", "/runs/2019.02/bodies/"+digest, nil), 404)
	}
	for _, odd := range []string{"sha256:" + strings.Repeat("0", 64), "..%2F..%2Fetc%2Fpasswd", "x"} {
		c.refusedWith(c.call("outsider", "GET", name+"/bodies/"+odd, nil), 404)
	}
	for _, odd := range []string{"2018.01", "release%2Flava%2F2019.01%2Fgo", "%2e%2e%2f", "%3Cscript%3E", "２０１９.01", "'%20OR%201=1"} {
		c.refusedWith(c.call("outsider", "GET", "/runs/"+odd, nil), 404)
		c.refusedWith(c.call("outsider", "GET", name+"/steps/"+odd, nil), 404)
	}
	c.refusedWith(c.call("outsider", "GET", "/runs?after=nowhere", nil), 400, "first page")
	c.refusedWith(c.call("outsider", "GET", "/calendar?from=2019-02-01T00:00:00Z&until=2019-01-01T00:00:00Z", nil), 400, "later until")
	get[view.Mine](c, "manager", "/mine")
	get[view.Calendar](c, "manager", "/calendar?from=2019-01-01T00:00:00Z&until=2019-02-01T00:00:00Z")
	get[view.Calendar](c, "manager", "/calendar")
	get[view.Queue](c, "manager", "/queue")
	if w := c.call("manager", "GET", name+"/evidence?files=true", nil); w.Body.String() != "bundle" || !strings.Contains(w.Header().Get("Content-Disposition"), "2019.01.evidence.tar") {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if w := c.call("manager", "POST", "/codes", nil); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	get[api.Sessions](c, "manager", "/sessions")
	c.call("manager", "DELETE", "/sessions", nil)
	if w := c.call("manager", "POST", "/tokens", map[string]any{"name": "nightly", "scopes": []string{"read"}, "days": 30}); w.Code != 201 || !strings.Contains(w.Body.String(), "slw_") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	get[api.TokenList](c, "manager", "/tokens")
	c.call("manager", "DELETE", "/tokens/nightly", nil)
}

// operations are those of the document with their statuses of success. What needs a stream, the
// machine's own socket or files in the store is shown elsewhere.
func operations(t *testing.T) map[string][]int {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string         `json:"operationId"`
			Responses   map[string]any `json:"responses"`
		}
	}
	if err := json.Unmarshal(api.Document(), &doc); err != nil {
		t.Fatal(err)
	}
	out := map[string][]int{}
	for _, methods := range doc.Paths {
		for _, op := range methods {
			for status := range op.Responses {
				var n int
				if _, err := fmt.Sscan(status, &n); err == nil && n < 300 {
					out[op.OperationID] = append(out[op.OperationID], n)
				}
			}
		}
	}
	for _, elsewhere := range []string{"events", "backup", "backups", "rejectGate", "findings"} {
		delete(out, elsewhere)
	}
	return out
}

// next reads events of a stream until one with the name, and gives its data.
func next(t *testing.T, r *bufio.Reader, name string) string {
	t.Helper()
	for event := ""; ; {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("waiting for %s: %v", name, err)
		}
		if after, ok := strings.CutPrefix(line, "event: "); ok {
			event = strings.TrimSpace(after)
		}
		if after, ok := strings.CutPrefix(line, "data: "); ok && event == name {
			return strings.TrimSpace(after)
		}
	}
}

// TestAStreamTellsOfRuns follows runs as two people: a private run is told to its circle alone.
func TestAStreamTellsOfRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	c := w.caller()
	server := httptest.NewServer(c.h)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	defer func() { server.CloseClientConnections(); server.Close() }()
	follow := func(person string) *bufio.Reader {
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+api.Prefix+"/events?runs=true", nil)
		w.must(err)
		r.Header.Set("Accept", api.EventsMedia)
		r.Header.Set(login.AsHeader, person)
		a, err := http.DefaultClient.Do(r)
		w.must(err)
		t.Cleanup(func() { _ = a.Body.Close() })
		lines := bufio.NewReader(a.Body)
		next(t, lines, "hello")
		if all := next(t, lines, "runs"); all != `{"runs":[],"all":true}` {
			t.Errorf("a stream begins with %s", all)
		}
		return lines
	}
	requester, outsider := follow("requester"), follow("outsider")
	w.Say("requester", "release 2019.01 --private")
	secret := get[view.Run](c, "requester", "/runs/2019.01")
	if !secret.Private {
		t.Fatalf("%+v", secret.Line)
	}
	if told := next(t, requester, "runs"); !strings.Contains(told, secret.ID) {
		t.Errorf("the requester is told %s", told)
	}
	w.Say("requester", "release 2019.02")
	open := get[view.Run](c, "outsider", "/runs/2019.02")
	for {
		told := next(t, outsider, "runs")
		if strings.Contains(told, secret.ID) {
			t.Errorf("an outsider is told %s", told)
		}
		if strings.Contains(told, open.ID) {
			break
		}
	}
	// To an outsider the private run is like one that never was, whatever is asked.
	gone := "/runs/" + secret.ID
	for _, path := range []string{"", "/why", "/why?step=go", "/who", "/timeline", "/steps", "/steps/go", "/steps/go/outputs/x", "/gates/go", "/bodies/x", "/evidence"} {
		c.refusedWith(c.call("outsider", "GET", gone+path, nil), 404)
	}
	for _, path := range []string{"/gates/go/approve", "/gates/go/reject", "/gates/go/withdraw", "/gates/go/veto"} {
		c.refusedWith(c.call("outsider", "POST", gone+path, map[string]any{"manifest": "sha256:0"}), 404)
	}
	c.refusedWith(c.call("outsider", "POST", gone+"/actions", map[string]any{"action": "abort", "fields": map[string]string{"reason": "x"}}), 404)
	if list := get[view.RunList](c, "outsider", "/runs"); len(list.Runs) != 1 {
		t.Errorf("an outsider sees %+v", list.Runs)
	}
}
