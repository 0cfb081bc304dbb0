package stories

import (
	"strings"
	"testing"
	"time"

	"slipway/bot/run"
)

// A release is aborted and begun again at once: the undo plan of the first waits beside the second,
// which is shown what the first did.
func TestAbortAndBeginAgain(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Say("requester", `release abort 2019.01 --reason "the wrong commit"`)
		old := w.run("2019.01")
		w.WantRun("2019.01", run.IsAborting, "")
		wants(t, w.Say("requester", "mine"), "release/lava/2019.01", "undo-confirm "+old.ID)
		w.Say("requester", "release 2019.01")
		next := w.run("2019.01")
		if next.ID == old.ID || next.Status != run.Live {
			t.Fatalf("the name has %s: %s", next.ID, next.Status)
		}
		w.Pass(time.Minute)
		told := w.channelText()
		wants(t, told, "what an earlier run of this name did", "ci.start@1 of trial", old.ID)
		wants(t, w.Say("requester", "release list"), "release/lava/2019.01: live", "release/lava/2019.01: aborting")
		wants(t, w.Say("requester", "release undo-confirm "+old.ID), "undoing")
		w.Pass(time.Minute)
		s, _, err := w.e.RunState(t.Context(), old.ID)
		if err != nil || s.Outcome != "aborted" {
			t.Fatalf("the first is %s %s %v", s.Status, s.Outcome, err)
		}
		w.WantRun("2019.01", run.Live, "")
	})
}

// A stuck step pings those who may help, in a message of its own that says when it is over.
func TestAStuckStepCallsForHelp(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.stuckAtThePush()
		w.Pass(time.Minute)
		wants(t, w.channelText(), "release/lava/2019.01: push is stuck")
		wants(t, w.Say("manager", `release hold 2019.01 --reason "look first"`), "held")
		wants(t, w.Say("manager", "mine"), "you hold it")
		w.Say("manager", "release resume 2019.01")
		delete(w.out.remote.tags, "2019.01")
		w.Say("manager", "release retry 2019.01 push")
		w.Pass(time.Minute)
		wants(t, w.channelText(), "It is settled: push is")
	})
}

// channelText is all that stands in the channel and its threads.
func (w *world) channelText() string {
	w.t.Helper()
	var b strings.Builder
	for _, m := range w.messages(channel) {
		b.WriteString(w.message(m.ID) + "\n")
	}
	return b.String()
}
