package gitlab

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	mrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const whsec = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// receiver is a program that hooks call.
type receiver struct {
	mu     sync.Mutex
	url    string
	status int
	heads  []http.Header
	bodies []string
}

func listen(t *testing.T) *receiver {
	r := &receiver{status: 200}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.heads, r.bodies = append(r.heads, q.Header), append(r.bodies, string(body))
		w.WriteHeader(r.status)
	}))
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func TestADeliveryIsSealed(t *testing.T) {
	if got := sign(whsec, "f5e5f430-f57b-4e6e-9fac-d9128cd7232f", "1744578123", []byte(`{"object_kind":"push"}`)); got != "v1,Sp6eEtWPfePxY+jOOgrLYjgw2PxaWCPwmS7SqImwe6U=" {
		t.Errorf("the known message is signed as %s", got)
	}
	y, bob, _ := crew(t, Options{})
	r := listen(t)
	made := y.do(201, "POST", y.at("/hooks"), map[string]any{"url": r.url, "token": "secret", "signing_token": whsec, "push_events": false, "milestone_events": true})
	h := made.object(t)
	if h["token"] != nil || h["signing_token"] != nil || h["signing_token_present"] != true || strings.Contains(string(made.raw), "secret\"") {
		t.Errorf("the answer shows %s", made.raw)
	}
	_, err := y.s.AddMilestone(bob.ID, y.harbour, "2026.08")
	y.must(err)
	if sent := y.s.Deliver(); len(sent) != 1 || !sent[0].OK() {
		t.Fatalf("sent: %+v", sent)
	}
	head, body := r.heads[0], r.bodies[0]
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(whsec, "whsec_"))
	m := hmac.New(sha256.New, key)
	m.Write([]byte(head.Get("webhook-id") + "." + head.Get("webhook-timestamp") + "." + body))
	if head.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(m.Sum(nil)) || head.Get("webhook-id") != head.Get("Idempotency-Key") ||
		head.Get("X-Gitlab-Token") != "secret" || head.Get("X-Gitlab-Event") != "Milestone Hook" || head.Get("X-Gitlab-Instance") != y.s.URL {
		t.Errorf("headers: %v", head)
	}
	y.do(422, "POST", y.at("/hooks"), map[string]any{"url": r.url, "signing_token": "short"})
	y.do(422, "POST", y.at("/hooks"), map[string]any{"url": "somewhere"})
	id := int(h["id"].(float64))
	y.do(200, "PUT", y.at("/hooks/%d", id), map[string]any{"url": r.url + "/other"})
	if got := y.s.Hooks(y.harbour)[0]; got.Token != "" || got.URL != r.url+"/other" {
		t.Error("a new address kept the old secret")
	}
	old := newYard(t, Options{Version: "18.2.0-ee"})
	old.s.AddHook(Hook{Project: old.harbour, URL: r.url, SigningToken: whsec})
	_, err = old.s.AddMilestone(old.ada.ID, old.harbour, "2026.08")
	old.must(err)
	if d := old.s.Take(); len(d) != 1 || d[0].Header.Get("Webhook-Id") != "" || d[0].Key() == "" {
		t.Errorf("an old version sends %v", d)
	}
}

func TestAHookThatFailsRestsAndEnds(t *testing.T) {
	y, bob, _ := crew(t, Options{})
	r := listen(t)
	r.answer(500)
	h := y.s.AddHook(Hook{Project: y.harbour, URL: r.url, Events: map[string]bool{"issues_events": true}})
	fail := func(n int) {
		for range n {
			_, err := y.s.OpenIssue(bob.ID, Issue{Item{Project: y.harbour, Title: "Paint"}})
			y.must(err)
			y.s.Deliver()
		}
	}
	fail(3)
	one := y.at("/hooks/%d", h.ID)
	if got := y.do(200, "GET", one, nil).object(t); got["alert_status"] != Executable {
		t.Errorf("after three failures: %v", got["alert_status"])
	}
	fail(3)
	got := y.do(200, "GET", one, nil).object(t)
	if got["alert_status"] != Resting || got["disabled_until"] != "2026-08-03T09:01:00.000Z" || len(y.s.Sent(h.ID)) != 4 {
		t.Errorf("after the fourth: %v until %v, %d sent", got["alert_status"], got["disabled_until"], len(y.s.Sent(h.ID)))
	}
	y.now = y.now.Add(61 * time.Second)
	fail(1)
	if got := y.s.Hooks(y.harbour)[0]; got.Until != y.now.Add(2*time.Minute) {
		t.Errorf("the fifth makes it rest until %v", got.Until)
	}
	for range 35 {
		y.now = y.now.Add(25 * time.Hour)
		fail(1)
	}
	y.now = y.now.AddDate(0, 1, 0)
	if got := y.do(200, "GET", one, nil).object(t); got["alert_status"] != Off {
		t.Errorf("after the fortieth: %v", got["alert_status"])
	}
	if a := y.do(422, "POST", one+"/test/issues_events", nil); !strings.Contains(string(a.raw), "message") {
		t.Errorf("a test that fails: %s", a.raw)
	}
	r.answer(200)
	y.do(201, "POST", one+"/test/issues_events", nil)
	if got := y.do(200, "GET", one, nil).object(t); got["alert_status"] != Executable {
		t.Errorf("after a test that succeeded: %v", got["alert_status"])
	}
}

func TestEveryTriggerHasASampleOrSaysWhatIsMissing(t *testing.T) {
	y, bob, _ := crew(t, Options{})
	r := listen(t)
	h := y.s.AddHook(Hook{Project: y.harbour, URL: r.url})
	test := y.at("/hooks/%d/test/", h.ID)
	for _, name := range []string{"issues_events", "merge_requests_events", "note_events", "milestone_events"} {
		if a := y.do(422, "POST", test+name, nil); !strings.Contains(string(a.raw), "Ensure the project has ") {
			t.Errorf("%s: %s", name, a.raw)
		}
	}
	y.do(400, "POST", test+"nonsense_events", nil)
	y.do(201, "POST", test+"push_events", nil)
	if a := y.do(429, "POST", test+"push_events", nil); a.head.Get("Retry-After") == "" {
		t.Errorf("the sixth test within a minute: %v", a.head)
	}
	y.commit(y.ada.ID, "master", map[string]string{ciFile: "make: {script: [make]}\n"})
	_, err := y.s.AddMilestone(bob.ID, y.harbour, "2026.08")
	y.must(err)
	mr := y.propose(bob.ID, "crane", "crane", MergeRequest{})
	_, err = y.s.OpenIssue(bob.ID, Issue{Item{Project: y.harbour, Title: "Paint"}})
	y.must(err)
	_, err = y.s.Comment(bob.ID, MergePlace(y.harbour, mr.IID), "Ready.")
	y.must(err)
	y.do(201, "POST", y.at("/repository/tags"), map[string]any{"tag_name": "v1", "ref": "master"})
	y.do(201, "POST", y.at("/releases"), map[string]any{"tag_name": "v1", "name": "One"})
	y.s.Take()
	r.heads, r.bodies = nil, nil
	want := map[string]string{"push_events": "push", "tag_push_events": "push", "issues_events": "issue", "note_events": "note", "merge_requests_events": "merge_request",
		"job_events": "build", "pipeline_events": "pipeline", "releases_events": "release", "milestone_events": "milestone", "emoji_events": "emoji"}
	for name, kind := range want {
		y.now = y.now.Add(time.Minute)
		y.do(201, "POST", test+name, nil)
		var body map[string]any
		y.must(json.Unmarshal([]byte(r.bodies[len(r.bodies)-1]), &body))
		if body["object_kind"] != kind {
			t.Errorf("%s sends a %v, want %s", name, body["object_kind"], kind)
		}
	}
	if got := y.do(200, "GET", y.at("/hooks/%d/events", h.ID), nil).list(t); len(got) != len(want)+1 || got[0]["response_status"] != "200" {
		t.Errorf("events: %d", len(got))
	}
	if left := y.s.Take(); len(left) != 0 {
		t.Errorf("samples were queued too: %d", len(left))
	}
}

func TestDeliveriesAreLostRepeatedAndShuffled(t *testing.T) {
	y, bob, _ := crew(t, Options{})
	r := listen(t)
	h := y.s.AddHook(Hook{Project: y.harbour, URL: r.url, SigningToken: whsec, Events: map[string]bool{"issues_events": true, "push_events": true}})
	for range 5 {
		_, err := y.s.OpenIssue(bob.ID, Issue{Item{Project: y.harbour, Title: "Paint"}})
		y.must(err)
	}
	taken := y.s.Take()
	all := y.s.Scramble(mrand.New(mrand.NewPCG(1, 2)), taken, 1, 11)
	keys, attempts := map[string]bool{}, map[string]bool{}
	for _, d := range all {
		y.s.Send(d)
		keys[d.Key()], attempts[d.Header.Get("X-Gitlab-Webhook-UUID")] = true, true
	}
	if len(taken) != 5 || len(all) < 10 || len(keys) <= 5 || len(attempts) != len(all) || len(r.bodies) != len(all) {
		t.Errorf("%d events became %d deliveries with %d keys, %d arrived", len(taken), len(all), len(keys), len(r.bodies))
	}
	sent := y.s.Sent(h.ID)
	again := y.do(201, "POST", y.at("/hooks/%d/events/%d/resend", h.ID, sent[0].ID), nil).object(t)
	last := y.s.Sent(h.ID)[len(sent)]
	if again["response_status"] != 200.0 || last.Key() != sent[0].Key() || string(last.Body) != string(sent[0].Body) {
		t.Errorf("sent again: %v", again)
	}
	var tapped []Delivery
	y.s.Tap(func(d Delivery) { tapped = append(tapped, d) })
	y.commit(bob.ID, "one", map[string]string{"a": "b"})
	if out := y.s.Deliver(); len(out) != 0 || len(tapped) != 1 || tapped[0].Event() != "Push Hook" {
		t.Errorf("tapped: %v, sent: %v", tapped, out)
	}
}

func TestAReceiverThatDoesNotAnswerHasFailed(t *testing.T) {
	y, bob, _ := crew(t, Options{})
	stuck := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stuck }))
	defer s.Close()
	defer close(stuck)
	y.s.AddHook(Hook{Project: y.harbour, URL: s.URL})
	y.s.HookTimeout(20 * time.Millisecond)
	_, err := y.s.AddMilestone(bob.ID, y.harbour, "2026.08")
	y.must(err)
	if sent := y.s.Deliver(); len(sent) != 1 || sent[0].OK() || sent[0].Status != 0 {
		t.Errorf("sent: %+v", sent)
	}
}

func TestAPushOfManyRefsIsNotTold(t *testing.T) {
	y, _, _ := crew(t, Options{})
	y.s.AddHook(Hook{Project: y.harbour, URL: "http://127.0.0.1:1/", Branches: "release/*", Events: map[string]bool{"push_events": true, "tag_push_events": true}})
	dir := y.clone(y.token)
	y.mustGit(dir, "push", "--quiet", "origin", "HEAD:refs/heads/a", "HEAD:refs/heads/release/1", "HEAD:refs/tags/1")
	events := func() string {
		var out []string
		for _, d := range y.s.Take() {
			out = append(out, d.Event())
		}
		return strings.Join(out, ", ")
	}
	if got := events(); got != "Push Hook, Tag Push Hook" {
		t.Errorf("a small push of which one branch is wanted told %s", got)
	}
	y.mustGit(dir, "push", "--quiet", "origin", "HEAD:refs/tags/2", "HEAD:refs/tags/3", "HEAD:refs/tags/4", "HEAD:refs/tags/5")
	if got := events(); got != "" {
		t.Errorf("a push of four tags told %s", got)
	}
}

func TestAPumpDeliversAtOnce(t *testing.T) {
	y, bob, _ := crew(t, Options{})
	came := make(chan string)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) { came <- q.Header.Get("X-Gitlab-Event") }))
	defer s.Close()
	y.s.AddHook(Hook{Project: y.harbour, URL: s.URL})
	stop := y.s.Pump()
	defer stop()
	for range 3 {
		_, err := y.s.OpenIssue(bob.ID, Issue{Item{Project: y.harbour, Title: "Paint"}})
		y.must(err)
		if got := <-came; got != "Issue Hook" {
			t.Errorf("%s came", got)
		}
	}
	y.s.DeleteProject(y.harbour)
	if _, err := y.s.Comment(bob.ID, IssuePlace(y.harbour, 1), "Hello?"); err == nil {
		t.Error("a comment in a project that is gone")
	}
}
