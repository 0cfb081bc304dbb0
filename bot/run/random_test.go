package run

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/bot/gate"
	"slipway/bot/people"
)

const everything = `
playbook: all
name: "all/${inputs.version}"
inputs: {version: string, note: {type: string, default: n}}
roles: {lead: {}}
uses: ["run/${project.name}"]
guards:
  repo: {watch: t.state@1, value: "state.status", from: sign, to: push}
steps:
  payload: {do: t.read@1, with: {v: "${inputs.version}"}, on_fail: {retry: {any: {times: 1, after: 1m}}}}
  who: {ask: maintainer, prompt: "Who?", fields: {person: {type: person}}, fills: lead, deadline: {after: 3h, then: stuck}}
  ci: {wait: t.state@1, as: ci, until: "ci.status == 'ok'", fail: "ci.status == 'red'", poll: 10m, needs: [payload], on_fail: {retry: {any: {times: 1}}, ask_again: {do: t.again@1}}}
  builds:
    each: "['x', 'y']"
    as: b
    in: parallel 2
    needs: [ci]
    steps:
      make: {do: t.make@1, with: {v: "${b} ${inputs.note}"}, uses: ["builder/${b}"]}
      test: {do: t.job@1, with: {v: "${steps.make.r}"}, needs: [make], may_skip: {by: [release-manager]}, on_fail: {undo: [make]}}
  go: {gate: "1 of maintainer, not requester", binds: ["${steps.payload.r}"], needs: [builds, who], expires: 1d, remind: 4h}
  sign: {do: t.make@1, with: {v: "${steps.payload.r}"}, needs: [go], frozen_by: debian}
  push: {do: t.push@1, with: {v: "${steps.sign.r}"}, needs: [sign], on_fail: {undo: [sign], goto: tell}}
  tell: {do: t.mail@1}
never:
  - {do: t.push, without: go}
`

// TestRandomStories drives a run with whatever can happen, in any order. The driver checks each
// decision against its log; here is checked what must hold in every story.
func TestRandomStories(t *testing.T) {
	p := testPlaybook(t, everything)
	rapid.Check(t, func(t *rapid.T) {
		w := newWorldOf(t, p)
		w.Start(map[string]any{"version": "1"})
		persons := []people.PersonID{"requester", "maintainer-a", "maintainer-b", "manager", "stranger", "", "ghost"}
		steps := []string{"payload", "who", "ci", "builds", "builds[x]/make", "builds[y]/test", "go", "sign", "push", "tell", "nope", ""}
		outputs := []string{`{"r":"x","authors":[]}`, `{"r":"y","authors":[]}`, `{"r":"x"}`, `{"r":"y"}`, `{"status":"ok"}`, `{"status":"red"}`, `{}`}
		for range rapid.IntRange(5, 90).Draw(t, "length") {
			if w.s.Status == RunEnded {
				break
			}
			step := rapid.SampledFrom(steps).Draw(t, "step")
			person := rapid.SampledFrom(persons).Draw(t, "person")
			switch rapid.IntRange(0, 15).Draw(t, "kind") {
			default: // an effect ends, mostly well and with what it should give
				keys := sortedNames(w.s.Effects)
				if len(keys) == 0 {
					continue
				}
				key := rapid.SampledFrom(keys).Draw(t, "effect")
				e := w.s.Effects[key]
				out := rapid.SampledFrom(outputs).Draw(t, "output")
				switch {
				case e.Action == "t.read@1":
					out = outputs[rapid.IntRange(0, 1).Draw(t, "read")]
				case e.Action == "t.state@1":
					out = `{"status":"ok"}`
				case e.For == ForStep && e.Action != "t.mail@1":
					out = r1
				}
				outcome := rapid.SampledFrom([]Outcome{OK, OK, OK, OK, OK, OK, OK, OK, OK, OK, OK, OK, Fail, Doubtful, Skipped}).Draw(t, "outcome")
				w.Do(Result{Key: key, Outcome: outcome, Output: []byte(out)})
			case 10:
				w.Pass(rapid.SampledFrom([]time.Duration{time.Minute, time.Hour, 25 * time.Hour}).Draw(t, "time"))
			case 11, 12:
				if st := w.s.Steps["go"]; st != nil && st.Gate != nil {
					if st.Gate.Closing > 0 {
						w.Do(Closing{Step: "go", Number: st.Gate.Closing, Clean: rapid.IntRange(0, 3).Draw(t, "clean") > 0})
						continue
					}
					person = rapid.SampledFrom(append([]people.PersonID{person}, persons[:4]...)).Draw(t, "voter")
					kind := rapid.SampledFrom([]gate.VoteKind{gate.Approve, gate.Approve, gate.Approve, gate.Approve, gate.Approve, gate.Approve, gate.Veto}).Draw(t, "vote")
					v := w.vote(person, "go", kind, "")
					v.Reason = "because"
					w.Do(Vote{Step: "go", Vote: v, Lift: rapid.IntRange(0, 3).Draw(t, "lift") == 0})
				}
			case 13, 14:
				w.Do(Answer{Step: "who", Person: rapid.SampledFrom(persons[:4]).Draw(t, "who"), Values: map[string]any{"person": "manager"}})
			case 15:
				verb := rapid.SampledFrom([]Verb{HoldVerb, ResumeVerb, ResumeVerb, ResumeVerb, RetryVerb, RetryVerb, RetryVerb, SkipVerb, AbortVerb, UndoVerb, RenameVerb, AppointVerb,
					HandOverVerb, AdoptVerb, AgainVerb, DoubtVerb, DoubtVerb, YieldVerb, MigrateVerb, OpenVerb}).Draw(t, "verb")
				c := Command{Verb: verb, Person: person, Step: step, Reason: "because", Role: "lead", To: "maintainer-a", Lock: "run/lava", Now: rapid.Bool().Draw(t, "now")}
				switch verb {
				case DoubtVerb:
					c.Values = map[string]any{"answer": rapid.SampledFrom([]string{"happened", "redo", "failed"}).Draw(t, "answer"), "output": map[string]any{"r": "x"}}
				case RenameVerb:
					c.Values = map[string]any{"version": "2"}
				case MigrateVerb:
					c.Values = map[string]any{"profile": map[string]any{"name": "lava", "tag": "t2"}}
				}
				d := w.Do(c)
				if d.Refusal == nil && len(d.Events) == 0 && d.Reply == "" {
					t.Fatalf("%s %s by %s got no answer", verb, step, person)
				}
			}
			for _, e := range w.last.Events {
				if in, ok := e.Body.(EffectIntended); ok && in.Action == "t.push@1" && in.For == ForStep && !approvedBefore(w, e) {
					t.Fatalf("push was intended without an approved gate; log ends with %+v", w.log[max(0, len(w.log)-6):])
				}
			}
			if w.s.Status == RunEnded {
				for key, e := range w.s.Effects {
					if !onlyLooks(e.For) {
						t.Fatalf("the run ended with %s of %s in flight: %s", e.Action, e.Step, key)
					}
				}
				w.WantOutcome(w.s.Outcome)
			}
		}
	})
}

// approvedBefore reports whether the gate's last word before e was an approval.
func approvedBefore(w *world, e Event) bool {
	approved := false
	for _, old := range w.log {
		switch b := old.Body.(type) {
		case GateClosed:
			approved = b.Approved
		case GateOpened:
			approved = false
		case EffectIntended:
			if want, ok := e.Body.(EffectIntended); ok && b.Key == want.Key && b.For == want.For && old.At.Equal(e.At) && slices.Contains([]string{"t.push@1"}, b.Action) {
				return approved
			}
		}
	}
	return approved
}
