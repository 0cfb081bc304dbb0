package run

import (
	"testing"
	"time"
)

// TestGoldenHistoryOfWaits is a log in which waits say what made them look, beside one of before, which
// does not.
func TestGoldenHistoryOfWaits(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	v := map[string]any{"state": "success"}
	var events []Event
	for i, b := range []Body{
		StepStarted{Step: "built", Attempt: 1, Digest: "sha256:d"}, StepFailed{Step: "built", Class: "failed", Message: "m", RetryAt: at, Told: &Told{By: ToldByPoll}},
		StepStarted{Step: "built", Attempt: 2, Digest: "sha256:d"}, StepDone{Step: "built", Output: v, Told: &Told{ToldByHook, "gitlab", "17"}},
		StepStarted{Step: "red", Attempt: 1, Digest: "sha256:d"}, StepFailed{Step: "red", Class: "failed", Message: "m", Told: &Told{By: ToldByStart}}, StepStuck{Step: "red", Why: "m"},
		StepStarted{Step: "old", Attempt: 1, Digest: "sha256:d"}, StepDone{Step: "old", Output: v},
	} {
		events = append(events, Event{At: at.Add(time.Duration(i) * time.Second), Body: b})
	}
	goldenHistory(t, "history-3", events)
	s := (*State)(nil).Replay(events)
	for step, want := range map[string]string{"built": "told by gitlab (delivery #17)", "red": "found when Slipway started again", "old": ""} {
		if got := s.Steps[step].ToldWords(); got != want {
			t.Errorf("%s says %q, not %q", step, got, want)
		}
	}
	if got := (&Step{Told: &Told{By: ToldByPoll}}).ToldWords(); got != "found by polling" {
		t.Errorf("it says %q", got)
	}
}
