package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/gitlab/hook"
)

const (
	harbourPath = "/hooks/gitlab/harbour"
	forkPath    = "/hooks/gitlab/harbour-fork"
)

// TestHooksUnderAttack tries the whole bot over HTTP. What is refused is not kept, and no secret and
// nothing that was sent as one is in the log.
func TestHooksUnderAttack(t *testing.T) {
	w := newHookWorld(t, "19.0.1-ee", nil)
	w.start()
	kept := 0
	want := func(name string, status, got int) {
		t.Helper()
		if got != status {
			t.Errorf("%s: %d, want %d", name, got, status)
		}
		if n := w.kept(); n != kept {
			t.Errorf("%s: %d deliveries are kept, want %d", name, n, kept)
		}
	}
	// Secrets.
	want("no secret", 401, w.post(harbourPath, w.pushed()))
	want("an empty secret", 401, w.post(harbourPath, w.pushed(), "X-Gitlab-Token", ""))
	want("a wrong secret", 401, w.post(harbourPath, w.pushed(), "X-Gitlab-Token", "wrong-secret-0123456789"))
	want("the secret of another path", 401, w.post(harbourPath, w.pushed(), "X-Gitlab-Token", forkToken))
	want("the token of the account", 401, w.post(harbourPath, w.pushed(), "X-Gitlab-Token", w.token))
	want("the secret in the address", 401, w.post(harbourPath+"?token="+hookToken, w.pushed()))
	want("another service", 404, w.post("/hooks/slack/harbour", w.pushed(), "X-Gitlab-Token", hookToken))
	want("a path upwards", 404, w.post("/hooks/gitlab/x/..%2fharbour", w.pushed(), "X-Gitlab-Token", hookToken))
	want("pages of the console", 404, w.post("/login", w.pushed(), "X-Gitlab-Token", hookToken))
	want("a signature alone", 401, w.post(forkPath, pushOf(w.fork), w.signed("s0", time.Now(), pushOf(w.fork))...))
	want("a token alone", 401, w.post(forkPath, pushOf(w.fork), "X-Gitlab-Token", forkToken))

	// Replays.
	kept++
	want("the right secret", 200, w.post(harbourPath, w.pushed(), "X-Gitlab-Token", hookToken, "Idempotency-Key", "k1"))
	want("the same again", 200, w.post(harbourPath, w.pushed(), "X-Gitlab-Token", hookToken, "Idempotency-Key", "k1", "X-Gitlab-Webhook-UUID", "other"))
	want("the same, with the next secret", 200, w.post(harbourPath, w.pushed(), "X-Gitlab-Token", hookNext, "Idempotency-Key", "k1"))
	kept++
	both := func(id string, at time.Time, more ...string) []string {
		return append(append(w.signed(id, at, pushOf(w.fork)), "X-Gitlab-Token", forkToken), more...)
	}
	now := time.Now()
	want("signed", 200, w.post(forkPath, pushOf(w.fork), both("s1", now)...))
	want("signed, again under another key", 200, w.post(forkPath, pushOf(w.fork), both("s1", now, "Idempotency-Key", "x")...))
	want("six minutes old", 401, w.post(forkPath, pushOf(w.fork), both("s2", now.Add(-6*time.Minute))...))
	want("six minutes ahead", 401, w.post(forkPath, pushOf(w.fork), both("s3", now.Add(6*time.Minute))...))
	want("far ahead", 401, w.post(forkPath, pushOf(w.fork), both("s4", time.Unix(99999999999, 0))...))
	want("another body", 401, w.post(forkPath, strings.NewReader("{}"), both("s5", now)...))
	want("another id", 401, w.post(forkPath, pushOf(w.fork), both("s6", now, "Webhook-Id", "s7")...))

	// Sizes.
	large := io.MultiReader(w.pushed(), bytes.NewReader(make([]byte, 26<<20)))
	want("26 MB without a secret", 401, answered(w.post(harbourPath, large), 401))
	large = io.MultiReader(w.pushed(), bytes.NewReader(make([]byte, 26<<20)))
	want("26 MB", 413, answered(w.post(harbourPath, large, "X-Gitlab-Token", hookToken), 413))

	// What is authentic is taken, whatever it says, and what it says of others is ignored.
	kept++
	want("another project", 200, w.post(harbourPath, pushOf(w.fork), "X-Gitlab-Token", hookToken, "Idempotency-Key", "p1"))
	kept++
	want("no JSON", 200, w.post(harbourPath, strings.NewReader("\x00[[[["), "X-Gitlab-Token", hookToken, "Idempotency-Key", "p2"))
	w.secretsKept(w.log.String())
	for _, sent := range []string{"wrong-secret", "token="} {
		if strings.Contains(w.log.String(), sent) {
			t.Errorf("the log has %q:\n%s", sent, w.log.String())
		}
	}
	entries, err := w.b.engine.InboxList(t.Context(), "", 100, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		w.secretsKept(fmt.Sprint(e))
	}
}

// answered is want for a connection that was cut before the whole body was sent: the sender may see
// the answer, or the cut.
func answered(status, want int) int {
	if status == 0 {
		return want
	}
	return status
}

// signed are the headers of a signature.
func (w *hookWorld) signed(id string, at time.Time, body io.Reader) []string {
	w.t.Helper()
	raw, err := io.ReadAll(body)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := hook.Sign(hookSigning, id, at, raw)
	if err != nil {
		w.t.Fatal(err)
	}
	return []string{"Webhook-Id", id, "Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10), "Webhook-Signature", text}
}

// TestHooksAfterARestart: what was kept before it is known after it.
func TestHooksAfterARestart(t *testing.T) {
	w := newHookWorld(t, "19.0.1-ee", nil)
	stop := w.startOnce()
	if got := w.post(harbourPath, w.pushed(), "X-Gitlab-Token", hookToken, "Idempotency-Key", "k1"); got != 200 || w.kept() != 1 {
		t.Fatalf("%d, %d kept", got, w.kept())
	}
	stop()
	w.start()
	if got := w.post(harbourPath, w.pushed(), "X-Gitlab-Token", hookToken, "Idempotency-Key", "k1"); got != 200 || w.kept() != 1 {
		t.Errorf("after a restart: %d, %d kept", got, w.kept())
	}
}

// TestSlowHooks: who sends slowly is cut, and others are served meanwhile.
func TestSlowHooks(t *testing.T) {
	w := newHookWorld(t, "19.0.1-ee", nil)
	w.limits = func(c *config) { c.Webhooks.BodyTime = 100 * time.Millisecond }
	w.start()
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			c, err := net.Dial("tcp", strings.TrimPrefix(w.hooks, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: hooks\r\nX-Gitlab-Token: %s\r\nContent-Length: 1000000\r\n\r\n{", harbourPath, hookToken)
			_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
			said, _ := io.ReadAll(c)
			if !bytes.Contains(said, []byte(" 408 ")) && !bytes.Contains(said, []byte(" 503 ")) {
				t.Errorf("a slow sender hears %q", said)
			}
		})
	}
	if got := w.post(harbourPath, w.pushed(), "X-Gitlab-Token", hookToken); got != 200 {
		t.Errorf("beside slow senders: %d", got)
	}
	all.Wait()
	if n := w.kept(); n != 1 {
		t.Errorf("%d deliveries are kept", n)
	}
}

// TestManyHooksAtOnce: of a burst with many repeats, each delivery is kept once, and GitLab never
// hears a no.
func TestManyHooksAtOnce(t *testing.T) {
	w := newHookWorld(t, "19.0.1-ee", nil)
	w.start()
	const each, repeats = 50, 4
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	var all sync.WaitGroup
	slots := make(chan struct{}, 64)
	for i := range each * repeats {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			r, err := http.NewRequest(http.MethodPost, w.hooks+harbourPath, w.pushed())
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("X-Gitlab-Token", hookToken)
			r.Header.Set("X-Gitlab-Event", "Push Hook")
			r.Header.Set("Idempotency-Key", strconv.Itoa(i%each))
			a, err := client.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer a.Body.Close()
			if _, err := io.Copy(io.Discard, a.Body); err != nil || a.StatusCode != 200 {
				t.Errorf("delivery %d: %d, %v", i, a.StatusCode, err)
			}
		})
	}
	all.Wait()
	client.CloseIdleConnections()
	if n := w.kept(); n != each {
		t.Errorf("%d deliveries are kept, want %d", n, each)
	}
}

// TestNobodySpeaksAsSeveralOnGitLab: many_people is for what does not leave this machine.
func TestNobodySpeaksAsSeveralOnGitLab(t *testing.T) {
	w := newHookWorld(t, "19.0.1-ee", func(text string) string { return text })
	if !w.config().Many {
		t.Fatal("the demo does not let one user speak as several")
	}
	for name, edit := range map[string]func(string) string{
		"GitLab elsewhere": func(s string) string { return strings.ReplaceAll(s, w.lab.URL, "https://gitlab.harbour.example") },
		"hooks from outside": func(s string) string {
			return strings.ReplaceAll(s, fmt.Sprintf("url: %q", w.hooks), "url: https://hooks.harbour.example")
		},
	} {
		text := edit(w.text())
		if _, err := parseConfig(w.dir+"/slipway.yaml", []byte(text)); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "many_people is true") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
