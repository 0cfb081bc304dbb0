package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/people"
)

const noteYAML = `
playbook: note
doc: A run that waits for a word, or ends at once.
name: "note/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}, live: {type: bool, default: false}}
steps:
  it: {ask: requester, prompt: "well?", fields: {good: {type: bool}}, when: "inputs.live"}
`

func (w *world) note(who, project, version string, live bool, circle ...people.PersonID) string {
	w.t.Helper()
	s, err := w.e.StartRun(context.Background(), engine.StartRequest{Family: "note", Project: project, Person: people.PersonID(who),
		Inputs: map[string]any{"version": version, "live": live}, Private: len(circle) > 0, Circle: circle})
	if err != nil {
		w.t.Fatal(err)
	}
	w.clock.pass(time.Second)
	return s.Run
}

func (w *world) list(q engine.Query) []string {
	w.t.Helper()
	var out []string
	for n := 0; ; n++ {
		p, err := w.e.List(context.Background(), q)
		if err != nil || n > 1000 {
			w.t.Fatal(n, err)
		}
		for _, r := range p.Runs {
			out = append(out, strings.TrimPrefix(r.Name, "note/"))
		}
		if p.Next == "" {
			return out
		}
		q.After = p.Next
	}
}

func TestListsAreTheSameBeforeAndAfterARestart(t *testing.T) {
	w := newWorld(t, noteYAML)
	w.open()
	w.note("requester", "lava", "2026.01", false)
	w.note("maintainer-a", "glass", "2026.02", false)
	w.note("maintainer-a", "lava", "2026.02", true)
	w.note("requester", "lava", "2026.03", true, "requester", "maintainer-b")
	w.note("maintainer-b", "glass", "2027.01", true)
	for _, restarted := range []bool{false, true} {
		if restarted {
			w.open()
		}
		for _, c := range []struct {
			q    engine.Query
			want string
		}{
			{engine.Query{}, "glass/2027.01 lava/2026.02 glass/2026.02 lava/2026.01"},
			{engine.Query{Person: "maintainer-b"}, "glass/2027.01 lava/2026.03 lava/2026.02 glass/2026.02 lava/2026.01"},
			{engine.Query{Person: "maintainer-a"}, "glass/2027.01 lava/2026.02 glass/2026.02 lava/2026.01"},
			{engine.Query{Order: engine.ByName}, "glass/2026.02 glass/2027.01 lava/2026.01 lava/2026.02"},
			{engine.Query{Project: "lava"}, "lava/2026.02 lava/2026.01"},
			{engine.Query{Which: engine.LiveRuns}, "glass/2027.01 lava/2026.02"},
			{engine.Query{Which: engine.PastRuns, Project: "glass"}, "glass/2026.02"},
			{engine.Query{Status: "done"}, "glass/2026.02 lava/2026.01"},
			{engine.Query{Status: "live", Requester: "maintainer-a"}, "lava/2026.02"},
			{engine.Query{Family: "release"}, ""},
			{engine.Query{Text: "2026"}, "lava/2026.02 glass/2026.02 lava/2026.01"},
			{engine.Query{Text: "2026.2"}, "lava/2026.02 glass/2026.02"}, // as versions are compared
			{engine.Query{Text: "LAVA .02"}, "lava/2026.02"},
			{engine.Query{Text: "maintainer-a"}, "lava/2026.02 glass/2026.02"},
			{engine.Query{Text: "2026.03"}, ""}, // private
			{engine.Query{Text: "2026.03", Person: "requester"}, "lava/2026.03"},
			{engine.Query{Text: "nothing like it"}, ""},
		} {
			for _, limit := range []int{1, 2, 50} {
				c.q.Limit = limit
				if got := strings.Join(w.list(c.q), " "); got != c.want {
					t.Errorf("restarted %v, %+v:\n got %s\nwant %s", restarted, c.q, got, c.want)
				}
			}
		}
	}
	for _, q := range []engine.Query{{After: "x"}, {After: "x", Order: engine.ByName}, {Order: "luck"}} {
		if _, err := w.e.List(context.Background(), q); err == nil {
			t.Errorf("%+v is accepted", q)
		}
	}
}

// A run that changes its line moves between the lists, whatever was asked before.
func TestListsFollowARun(t *testing.T) {
	w := newWorld(t, noteYAML)
	w.open()
	id := w.note("requester", "lava", "2026.01", true, "requester", "maintainer-a")
	if got := w.list(engine.Query{Which: engine.LiveRuns}); got != nil {
		t.Fatalf("an outsider sees %v", got)
	}
	w.say("requester", "open "+id)
	w.say("requester", "hold "+id)
	if got := w.list(engine.Query{Status: "held"}); !slices.Equal(got, []string{"lava/2026.01"}) {
		t.Errorf("held: %v", got)
	}
	w.say("requester", "resume "+id)
	w.say("requester", "abort "+id)
	if got := w.list(engine.Query{Status: "held"}); got != nil {
		t.Errorf("still held: %v", got)
	}
	if got := w.list(engine.Query{Which: engine.PastRuns, Status: "aborted"}); !slices.Equal(got, []string{"lava/2026.01"}) {
		t.Errorf("aborted: %v", got)
	}
	if got := w.list(engine.Query{Which: engine.LiveRuns}); got != nil {
		t.Errorf("live: %v", got)
	}
}

func TestSeesIsOnlyForTheCircle(t *testing.T) {
	w := newWorld(t, noteYAML)
	w.open()
	id := w.note("requester", "lava", "2026.01", true, "requester", "maintainer-a")
	for _, c := range []struct {
		p    people.PersonID
		want bool
	}{{"requester", true}, {"maintainer-a", true}, {"maintainer-b", false}, {"manager", false}, {"", false}} {
		if got, err := w.e.Sees(context.Background(), c.p, id); err != nil || got != c.want {
			t.Errorf("%q: %v %v", c.p, got, err)
		}
	}
	if got, err := w.e.Sees(context.Background(), "requester", "no-such-run"); err != nil || got {
		t.Errorf("a run that is not there is seen: %v", err)
	}
}

func TestTheFeedTellsEachRunOnceAndWakes(t *testing.T) {
	w := newWorld(t, noteYAML)
	w.open()
	start, runs, wait := w.e.Changed(0)
	if runs != nil {
		t.Fatalf("0 is known: %v", runs)
	}
	if now, runs, _ := w.e.Changed(start); now != start || runs == nil || len(runs) != 0 {
		t.Fatalf("nothing happened, and it tells %d %v", now, runs)
	}
	a, b := w.note("requester", "lava", "1.1", true), w.note("requester", "lava", "1.2", true)
	select {
	case <-wait:
	default:
		t.Fatal("nobody was woken")
	}
	w.say("requester", "hold "+a)
	now, runs, wait := w.e.Changed(start)
	if !slices.Equal(runs, []string{b, a}) {
		t.Errorf("it tells %v, and %s changed before %s", runs, b, a)
	}
	if _, runs, _ := w.e.Changed(now); len(runs) != 0 || runs == nil {
		t.Errorf("told twice: %v", runs)
	}
	select {
	case <-wait:
		t.Error("woken without a change")
	default:
	}
	if _, runs, _ := w.e.Changed(now + 1); runs != nil {
		t.Errorf("a number of the future is known: %v", runs)
	}
	for range 10_000 {
		w.e.NoteForTest(a)
	}
	last, runs, _ := w.e.Changed(start)
	if runs != nil {
		t.Errorf("a number of long ago is known: %v", runs)
	}
	if _, runs, _ := w.e.Changed(last - 4000); !slices.Equal(runs, []string{a}) {
		t.Errorf("the last four thousand: %v", runs)
	}
	w.clock.pass(time.Hour)
	if now, _, _ := w.open().Changed(0); now <= last {
		t.Errorf("the next process counts from %d, and %d was given out", now, last)
	}
}

// Many runs and a search that fits few of them: what is looked at is what can fit.
func TestASearchLooksAtWhatCanFit(t *testing.T) {
	w := newWorld(t, noteYAML)
	w.open()
	for i := range 400 {
		w.note("requester", "lava", fmt.Sprintf("1.%d", i), false)
	}
	w.note("maintainer-a", "glass", "77.7", false)
	for _, q := range []engine.Query{{Text: "77.7"}, {Text: "glass 77"}, {Project: "glass"}, {Requester: "maintainer-a"}} {
		if got := w.e.LookedAtForTest(q); got > 5 {
			t.Errorf("%+v looks at %d runs", q, got)
		}
	}
}
