package run

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/people"
)

const promised = `
playbook: promised
name: "promised/${inputs.version}"
inputs: {version: string, note: {type: string, default: n}}
steps:
  payload: {do: t.read@1, with: {v: "${inputs.version} ${inputs.note}"}}
  make: {do: t.make@1, with: {v: "${inputs.note}"}, needs: [payload]}
  go: {gate: "1 of maintainer", binds: ["${steps.payload.r}", "${steps.make.r}", "${inputs.note}"], needs: [make, payload], expires: 1d}
  parts:
    each: "['x', 'y']"
    as: part
    in: order
    needs: [go]
    on_fail: {undo: [make], retry: {any: {times: 1, after: 1m}}}
    steps:
      push: {do: t.push@1, with: {v: "${part}"}, on_fail: {retry: {any: {times: 1}}}}
  push: {do: t.push@1, with: {v: "${steps.make.r}"}, needs: [go, make], frozen_by: debian}
  late: {do: t.push@1, with: {v: "late"}, needs: [parts, push]}
never:
  - {do: t.push, without: go}
`

// TestNeverHoldsInEveryStory: whatever people say (adopt, retry --from with other inputs, rename,
// migrate, again, doubts), the promised action is intended only while its gate is closed with an
// approval of exactly the values that it would bind now. A look whether it was done by others
// performs nothing.
func TestNeverHoldsInEveryStory(t *testing.T) {
	p := testPlaybook(t, promised)
	moved := testPlaybook(t, strings.Replace(promised, "expires: 1d", "expires: 2d", 1))
	pushes := 0
	rapid.Check(t, func(t *rapid.T) {
		w := newWorldOf(t, p)
		w.Start(map[string]any{"version": "1"})
		steps := []string{"payload", "make", "go", "parts", "parts[x]/push", "parts[y]/push", "push", "late"}
		persons := []people.PersonID{"requester", "requester", "manager", "stranger"}
		for range rapid.IntRange(5, 80).Draw(t, "length") {
			if w.s.Status == RunEnded {
				break
			}
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			default:
				keys := sortedNames(w.s.Effects)
				if len(keys) == 0 {
					continue
				}
				key := rapid.SampledFrom(keys).Draw(t, "effect")
				out := fmt.Sprintf(`{"r":%q}`, rapid.SampledFrom([]string{"x", "x", "y"}).Draw(t, "r"))
				if w.s.Effects[key].Action == "t.read@1" {
					out = strings.TrimSuffix(out, "}") + `,"authors":[]}`
				}
				outcome := rapid.SampledFrom([]Outcome{OK, OK, OK, OK, OK, OK, OK, Fail, Doubtful}).Draw(t, "outcome")
				w.Do(Result{Key: key, Outcome: outcome, Output: []byte(out), Found: rapid.Bool().Draw(t, "found")})
			case 5:
				w.Pass(rapid.SampledFrom([]time.Duration{time.Minute, time.Hour, 25 * time.Hour}).Draw(t, "time"))
			case 6, 7:
				st := w.s.Steps["go"]
				if st == nil || st.Gate == nil {
					continue
				}
				if st.Gate.Closing > 0 {
					w.Do(Closing{Step: "go", Number: st.Gate.Closing, Clean: true})
					continue
				}
				w.Do(Vote{Step: "go", Vote: w.vote("maintainer-a", "go", gate.Approve, "")})
			case 8, 9:
				verb := rapid.SampledFrom([]Verb{RetryVerb, RetryVerb, RetryVerb, AdoptVerb, RenameVerb, MigrateVerb, AgainVerb, DoubtVerb, HoldVerb, ResumeVerb, ResumeVerb, SkipVerb}).Draw(t, "verb")
				c := Command{Verb: verb, Person: rapid.SampledFrom(persons).Draw(t, "person"), Step: rapid.SampledFrom(steps).Draw(t, "step"), Reason: "because"}
				switch verb {
				case RetryVerb:
					if rapid.Bool().Draw(t, "changed") {
						c.Values = map[string]any{"note": rapid.SampledFrom([]string{"n", "m"}).Draw(t, "note")}
					}
				case RenameVerb:
					c.Values = map[string]any{"version": rapid.SampledFrom([]string{"1", "2"}).Draw(t, "version")}
				case MigrateVerb:
					c.Values = map[string]any{"profile": map[string]any{"name": "lava", "tag": rapid.SampledFrom([]string{"t1", "t2"}).Draw(t, "tag")}}
					if rapid.Bool().Draw(t, "book") {
						next := moved
						if w.p == moved {
							next = p
						}
						was := w.p
						w.p, c.Playbook, c.Closure = next, next.Digest, next.Digest
						if d := w.Do(c); d.Refusal != nil {
							w.p = was
						}
						pushes += promisedPushes(t, w)
						continue
					}
				case AgainVerb:
					if st := w.s.Steps[c.Step]; st != nil {
						c.Values = map[string]any{"seen": keyOf(w, c.Step)}
					}
				case DoubtVerb:
					c.Values = map[string]any{"answer": rapid.SampledFrom([]string{"happened", "redo", "failed"}).Draw(t, "answer"), "output": map[string]any{"r": "x"}}
				}
				w.Do(c)
			}
			pushes += promisedPushes(t, w)
		}
	})
	if pushes == 0 {
		t.Error("no story came to the promised action")
	}
}

func keyOf(w *world, step string) string {
	d := newDecider(w.p, w.s, w.World())
	key, _ := d.key(step, w.s.Steps[step].Digest)
	return key
}

// promisedPushes checks the last decision, and counts the promised actions in it.
func promisedPushes(t *rapid.T, w *world) int {
	n := 0
	for i, e := range w.last.Events {
		in, ok := e.Body.(EffectIntended)
		if !ok || in.Action != "t.push@1" || in.ProbeOnly {
			continue
		}
		n++
		s := (*State)(nil).Replay(w.log[:len(w.log)-len(w.last.Events)+i])
		st := s.Steps["go"]
		if st == nil || st.Status != Done || st.Gate == nil || st.Gate.Verdict == nil || !st.Gate.Approved {
			t.Fatalf("%s is intended and the gate is %+v", in.Step, st)
		}
		d := newDecider(w.p, s, w.World())
		now, err := d.manifest(d.find("go"), st)
		approved := st.Gate.Manifest
		for _, b := range approved.Binds { // what was found and is now done by the run itself was approved all the same
			if strings.HasPrefix(b.Name, "found done by others: ") && !slices.Contains(now.Binds, b) {
				now.Binds = append(now.Binds, b)
			}
		}
		sort := func(a, b manifest.Bind) int { return strings.Compare(a.Name, b.Name) }
		slices.SortFunc(now.Binds, sort)
		approved.Binds = slices.Clone(approved.Binds)
		slices.SortFunc(approved.Binds, sort)
		if err != nil || !manifest.Same(now, approved) {
			t.Fatalf("%s is intended on other values than were approved (%v):\nnow      %s\napproved %s", in.Step, err, now.Canonical(), st.Gate.Manifest.Canonical())
		}
	}
	return n
}
