package run

import "testing"

const refusing = `
playbook: p
steps:
  look: {do: t.read@1}
  other: {do: t.read@1}
  make: {do: t.make@1, with: {v: "${steps.look.r}"}, needs: [look, other]}
`

// What is there already ends a run in which nothing was done, once what goes on has ended.
func TestWhatExistsEndsARunThatOnlyLooked(t *testing.T) {
	w := newWorld(t, refusing)
	w.Start(nil)
	w.End("look", ForStep, Result{Outcome: Fail, Class: "exists", Message: "the tag is there"})
	w.Want("look", FailedSt)
	w.OK("other", `{"r":"x","authors":[]}`)
	w.WantOutcome("refused")
}

// Another failure, or one after something was done, is a person's matter.
func TestWhatExistsLaterIsStuck(t *testing.T) {
	w := newWorld(t, refusing)
	w.Start(nil)
	w.End("look", ForStep, Result{Outcome: Fail, Class: "failed", Message: "no"})
	w.Want("look", Stuck)

	w = newWorld(t, refusing)
	w.Start(nil)
	w.OK("look", `{"r":"x","authors":[]}`)
	w.OK("other", `{"r":"x","authors":[]}`)
	w.End("make", ForStep, Result{Outcome: Fail, Class: "exists", Message: "it is there"})
	w.Want("make", Stuck)
}

// What names something that is not there, or makes no sense, can only be begun otherwise.
func TestWhatIsWrongEndsARunThatOnlyLooked(t *testing.T) {
	for _, class := range []string{"not found", "invalid"} {
		w := newWorld(t, refusing)
		w.Start(nil)
		w.End("look", ForStep, Result{Outcome: Fail, Class: class, Message: "there is no such suite"})
		w.OK("other", `{"r":"x","authors":[]}`)
		w.WantOutcome("refused")
	}
}

// Whoever aborts a run is not asked to help what was stuck in it.
func TestWhatIsStuckInAnAbortedRunWaitsForNobody(t *testing.T) {
	w := newWorld(t, refusing)
	w.Start(nil)
	w.OK("look", `{"r":"x","authors":[]}`)
	w.OK("other", `{"r":"x","authors":[]}`)
	w.End("make", ForStep, Result{Outcome: Fail, Class: "failed", Message: "no"})
	w.Want("make", Stuck)
	if who := Who(w.p, w.s, w.World()); len(who) != 1 || who[0].Kind != "stuck" || who[0].Say == "" {
		t.Fatalf("%+v", who)
	}
	w.Say(Command{Verb: AbortVerb, Reason: "r"})
	for _, a := range Who(w.p, w.s, w.World()) {
		if a.Kind == "stuck" {
			t.Fatalf("%+v", a)
		}
	}
}
