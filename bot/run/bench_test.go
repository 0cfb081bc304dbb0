package run

import (
	"fmt"
	"testing"
	"time"
)

const benched = `
playbook: release
name: "release/${project.name}/${inputs.version}"
inputs: {version: string}
steps:
  payload: {do: t.read@1, with: {v: "${inputs.version}"}}
  go: {gate: "1 of maintainer, not requester", binds: ["${steps.payload.r}"], needs: [payload]}
  sign: {do: t.make@1, with: {v: "${steps.payload.r}"}, needs: [go]}
  push: {do: t.push@1, with: {v: "${steps.sign.r}"}, needs: [sign]}
`

func benchWorld(b *testing.B) *world {
	w := newWorld(b, benched)
	w.Start(map[string]any{"version": "1"})
	w.End("payload", ForStep, Result{Outcome: OK, Output: []byte(`{"r":"x","authors":[]}`)})
	return w
}

func BenchmarkStart(b *testing.B) {
	w := benchWorld(b)
	in, world := Start{ID: "r", Project: "lava", Requester: "requester", Inputs: map[string]any{"version": "1"}, Profile: map[string]any{"name": "lava", "tag": "1"}}, w.World()
	b.ReportAllocs()
	for b.Loop() {
		if d := Decide(w.p, nil, in, world); d.Refusal != nil {
			b.Fatal(d.Refusal)
		}
	}
}

func BenchmarkApprove(b *testing.B) {
	w := benchWorld(b)
	in, world := Vote{Step: "go", Vote: w.vote("maintainer-a", "go", "approve", "")}, w.World()
	b.ReportAllocs()
	for b.Loop() {
		if d := Decide(w.p, w.s, in, world); d.Refusal != nil {
			b.Fatal(d.Refusal)
		}
	}
}

func BenchmarkClose(b *testing.B) {
	w := benchWorld(b)
	w.React("go", "maintainer-a")
	g := w.s.Steps["go"].Gate
	in, world := Closing{Step: "go", Number: 1, Clean: true, Messages: []string{"msg-1"}, Votes: g.Votes}, w.World()
	b.ReportAllocs()
	for b.Loop() {
		if d := Decide(w.p, w.s, in, world); len(d.Events) == 0 {
			b.Fatal("nothing")
		}
	}
}

// BenchmarkManySteps is one result in a run of 2,000 steps.
func BenchmarkManySteps(b *testing.B) {
	w := newWorld(b, fmt.Sprintf(deploys, "parallel 8", "doc: s"))
	w.s = &State{}
	w.now = time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)
	in := Start{ID: "r", Project: "lava", Requester: "requester", Inputs: map[string]any{"sites": []any{}}, Profile: map[string]any{"name": "l", "tag": "1"}}
	names := ""
	for i := range 1000 {
		names += fmt.Sprintf(`,"s%d"`, i)
	}
	w.s = Decide(w.p, w.s, in, w.World()).After
	w.s = Decide(w.p, w.s, Result{Key: w.effect("list", ForStep), Outcome: OK, Output: []byte(`{"names":[` + names[1:] + `]}`)}, w.World()).After
	for i := range 500 {
		for _, step := range []string{"make", "check"} {
			w.s = Decide(w.p, w.s, Result{Key: w.effect(fmt.Sprintf("sites[s%d]/%s", i, step), ForStep), Outcome: OK, Output: []byte(r1)}, w.World()).After
		}
	}
	r, world := Result{Key: w.effect("sites[s500]/make", ForStep), Outcome: OK, Output: []byte(r1)}, w.World()
	b.ReportAllocs()
	for b.Loop() {
		if d := Decide(w.p, w.s, r, world); len(d.Events) == 0 {
			b.Fatal("nothing")
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	w := benchWorld(b)
	e := Event{At: w.now, Body: StepStarted{Step: "s", Attempt: 1, Inputs: map[string]any{"v": "x"}, Digest: "sha256:1"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := EncodeEvent(e); err != nil {
			b.Fatal(err)
		}
	}
}
