package run

import "testing"

// A run that is started to adopt does nothing before it has looked; what only reads is read,
// since what comes after it can be looked for only then.
func TestStartedToAdopt(t *testing.T) {
	w := newWorld(t, `
playbook: ad
steps:
  look: {do: t.read@1}
  tag: {do: t.push@1, with: {v: "${steps.look.r}"}, needs: [look]}
`)
	w.s = &State{}
	d := w.Do(Start{ID: "run1", Project: "lava", Playbook: "sha256:p", Closure: "sha256:c", Requester: "requester", Adopt: true,
		Profile: map[string]any{"name": "lava", "tag": "2018.12"}})
	if d.Refusal != nil || !w.s.Adopting {
		t.Fatalf("it does not look first: %v", d.Refusal)
	}
	if e := w.s.Effects[w.effect("look", ForAdopt)]; e.ProbeOnly {
		t.Fatal("a read is only probed, so nothing behind it can be found")
	}
	w.End("look", ForAdopt, Result{Outcome: OK, Output: []byte(`{"authors":[],"r":"sha256:1"}`)})
	w.Want("look", Done)
	if e := w.s.Effects[w.effect("tag", ForAdopt)]; !e.ProbeOnly {
		t.Fatal("the tag would be pushed while the run only looks")
	}
	w.End("tag", ForAdopt, Result{Outcome: OK, Found: true, Output: []byte(`{"r":"t"}`)})
	w.Want("tag", Adopted)
	w.WantOutcome("done")
}
