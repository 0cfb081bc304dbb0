package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slipway/bot/finding"
	"slipway/bot/people"
)

func probe(h http.HandlerFunc) (int, string) {
	w := httptest.NewRecorder()
	h(w, httptest.NewRequest(http.MethodGet, "/", nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}

// TestMachinesAreToldHowItIs asks a whole bot on its port, as a monitoring system does.
func TestMachinesAreToldHowItIs(t *testing.T) {
	w := newDoorWorld(t, asOne)
	h := w.b.health
	b := w.browser("")
	b.get("/healthz").want(t, http.StatusOK, "ok")
	b.get("/readyz").want(t, http.StatusOK, "ok")
	if a := b.get("/metrics"); a.StatusCode == http.StatusOK {
		t.Error("the metrics are told without a login")
	}
	b.enter()
	b.say("release 2019.01").want(t, http.StatusSeeOther)
	text := b.get("/metrics").want(t, http.StatusOK, "slipway_inbox_waiting", "slipway_commits_total", `slipway_effects{state="due"}`, "slipway_event_streams 0",
		"slipway_effects_paused 0", `slipway_loop_age_seconds{loop="decode"}`, "go_goroutines", "process_open_fds").text
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "2019.01") || strings.Contains(line, "hana") {
			t.Errorf("the metrics name a run or a person: %s", line)
		}
	}

	// What is found is told everywhere.
	for code, what := range map[string]string{"disk.full": "the disk of the state folder has 1 MB left", "run.stuck": "build of harbour is stuck"} {
		if err := h.registry.Found(code, []finding.Symptom{{What: what}}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	b.get("/readyz").want(t, http.StatusServiceUnavailable, "disk.full")
	b.get("/healthz").want(t, http.StatusOK, "ok")
	b.get("/metrics").want(t, http.StatusOK, `slipway_findings{code="disk.full",severity="error"} 1`, `slipway_findings{code="run.stuck",severity="warning"} 1`)
	b.get("/api/v1/findings").want(t, http.StatusOK, `"code":"disk.full"`, `"waiting"`)
	if err := h.registry.Found("disk.full", nil, time.Now()); err != nil {
		t.Fatal(err)
	}
	b.get("/readyz").want(t, http.StatusOK, "ok")

	// effects.paused is there while they are, and gone after.
	paused := func() []symptom { return pausedEffects(t.Context(), &patient{bot: w.b}) }
	expectSymptom(t, paused(), "", "")
	if err := w.b.engine.PauseEffects(t.Context(), people.PersonID("hana"), "the mirror moves"); err != nil {
		t.Fatal(err)
	}
	expectSymptom(t, paused(), "by hana: the mirror moves", "")
	b.get("/metrics").want(t, http.StatusOK, "slipway_effects_paused 1")
	if err := w.b.engine.ResumeEffects(t.Context()); err != nil {
		t.Fatal(err)
	}

	// Everything is looked at when somebody asks, by two who ask at once together, and a little later again.
	first := h.report(t.Context(), true)
	if len(first.Waiting) > 0 || !first.Has("smtp.unreachable") {
		t.Errorf("after a look at everything: %+v", first)
	}
	if err := h.registry.Found("run.stuck", []finding.Symptom{{What: "x"}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if again := h.report(gone, true); !again.Has("run.stuck") {
		t.Error("everything was looked at again at once")
	}
	h.began = time.Now().Add(time.Hour) // after whoever asks now
	if again := h.report(t.Context(), true); !again.Has("run.stuck") {
		t.Error("a look that began after somebody asked was not enough")
	}
	h.began, h.fresh = time.Now(), time.Now().Add(300*time.Millisecond-freshMost)
	if again := h.report(t.Context(), true); again.Has("run.stuck") {
		t.Error("who asks a little later is told how it was before")
	}
	if h.disk.last() <= 0 {
		t.Error("the disk was not measured")
	}
	b.get("/metrics").want(t, http.StatusOK, "slipway_fsync_seconds")

	h.serves(false)
	if status, text := probe(h.readyz); status != http.StatusServiceUnavailable || text != "starting or stopping" {
		t.Errorf("a bot that stops is ready: %d %s", status, text)
	}
}

// TestChecksThatHangAreLeftBehind: one that does not end is a finding, and keeps no other waiting.
func TestChecksThatHangAreLeftBehind(t *testing.T) {
	doc := func(code string, look func(context.Context) []finding.Symptom) finding.Check {
		return finding.Check{Code: code, Severity: finding.Warning, Meaning: "m", Fix: "f", Good: "g", Every: time.Hour, Timeout: 10 * time.Millisecond, Look: look}
	}
	held := make(chan struct{})
	defer close(held)
	slow := doc("a.hangs", func(context.Context) []finding.Symptom { <-held; return nil })
	broken := doc("a.broken", func(context.Context) []finding.Symptom { panic("a mistake") })
	good := doc("a.good", func(context.Context) []finding.Symptom { return nil })
	broken.Timeout, good.Timeout = time.Minute, time.Minute
	r, err := finding.New(slow, broken, good)
	if err != nil {
		t.Fatal(err)
	}
	lookAll(t.Context(), r, time.Now)
	got := r.Report()
	if len(got.Findings) != 2 || got.Findings[0].Code != "a.broken" || got.Findings[1].Code != finding.Late || len(got.Good) != 1 {
		t.Errorf("found %+v", got)
	}
}

func TestAFindingSaysHowOldItIs(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, c := range []struct {
		since, checked time.Time
		want           string
	}{
		{ago(0), ago(0), ""},
		{ago(50 * time.Second), ago(50 * time.Second), ""},
		{ago(time.Hour), ago(10 * time.Second), " (since 2026-11-21 11:00 UTC)"},
		{ago(time.Hour), ago(4 * time.Minute), " (since 2026-11-21 11:00 UTC, checked 4 minutes ago)"},
		{ago(time.Hour), time.Time{}, " (since 2026-11-21 11:00 UTC)"},
	} {
		if got := age(finding.Finding{Since: c.since, Checked: c.checked}, now); got != c.want {
			t.Errorf("%v, %v: %q, want %q", c.since, c.checked, got, c.want)
		}
	}
}
