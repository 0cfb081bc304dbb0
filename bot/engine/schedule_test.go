package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/run"
)

// yard is the projects with what a test sets.
type yard struct {
	projects
	triggers []string
	tell     []engine.Place
}

func (y yard) Project(name string) (engine.Project, bool) {
	p, ok := y.projects.Project(name)
	if name == "lava" {
		p.Triggers, p.Tell = y.triggers, y.tell
	}
	return p, ok
}

func zones(name string) (*time.Location, error) {
	if name != "Europe/Minsk" {
		return nil, errors.New("unknown")
	}
	return time.FixedZone(name, 3*3600), nil
}

func dailyYAML(every, missed string) string {
	return `
playbook: quick
doc: A daily build.
name: "quick/${project.name}/${inputs.version}"
inputs: {version: {type: string, help: "a day"}}
trigger: {every: "` + every + `", missed: ` + missed + `, owner: maintainer, with: {version: "${project.name + '-' + string(now)}"}}
steps:
  it: {do: test.keyed@1, with: {name: "${inputs.version}"}}
`
}

func (w *world) past(t *testing.T) []string {
	t.Helper()
	list, err := w.e.Runs(context.Background(), engine.Filter{Past: true, Person: "manager"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range list {
		names = append(names, r.Name)
	}
	return names
}

func TestScheduleStartsOnceAtItsTime(t *testing.T) {
	w := newWorld(t, dailyYAML("daily 15:00 Europe/Minsk", "run-once")) // 12:00 UTC
	w.cfg = func(c *engine.Config) { c.Projects, c.Zone = yard{triggers: []string{"quick"}}, zones }
	w.open()
	w.drain()
	w.pass(3*time.Hour - time.Second)
	if got := w.past(t); len(got) != 0 {
		t.Fatalf("too early: %v", got)
	}
	w.open() // the next time is kept on disk
	w.pass(time.Second)
	w.drain()
	want := "quick/lava/lava-2026-03-01T12:00:00Z"
	if got := w.past(t); len(got) != 1 || got[0] != want {
		t.Fatalf("started %v, want %s", got, want)
	}
	w.open()
	w.drain()
	w.pass(24 * time.Hour)
	if got := w.past(t); len(got) != 2 {
		t.Fatalf("after a day: %v", got)
	}
	if n := len(w.room.titled("missed")); n != 0 {
		t.Fatalf("%d notices of missed starts", n)
	}
}

func TestMissedStartsFollowThePolicy(t *testing.T) {
	for policy, want := range map[string]struct{ started, told int }{"run-once": {1, 1}, "run-all": {3, 0}, "skip": {0, 1}} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t, dailyYAML("daily 12:00 UTC", policy))
			w.cfg = func(c *engine.Config) { c.Projects = yard{triggers: []string{"quick"}} }
			w.open()
			w.drain()
			w.clock.pass(3 * 24 * time.Hour) // nobody is there
			w.open()
			w.drain()
			if got := w.past(t); len(got) != want.started {
				t.Errorf("started %v", got)
			}
			if got := w.room.titled("missed"); len(got) != want.told {
				t.Errorf("told: %+v", got)
			}
			w.open()
			w.drain()
			w.pass(3 * time.Hour) // 12:00 of the next day
			if got := w.past(t); len(got) != want.started+1 {
				t.Errorf("then started %v", got)
			}
		})
	}
}

func TestScheduleThatCannotStartIsTold(t *testing.T) {
	same := strings.Replace(dailyYAML("12h", "run-once"), "${project.name + '-' + string(now)}", "same", 1)
	w := newWorld(t, strings.Replace(same, "do: test.keyed@1, with: {name: \"${inputs.version}\"}", "gate: \"1 of maintainer\", binds: [\"${inputs.version}\"]", 1))
	w.cfg = func(c *engine.Config) { c.Projects = yard{triggers: []string{"quick"}} }
	w.open()
	w.drain()
	w.pass(3 * time.Hour)
	w.wantStep("quick/lava/same", "it", run.Running)
	w.pass(12 * time.Hour) // its name is taken
	if got := w.room.titled("quick was not started at 2026-03-02 00:00 UTC"); len(got) != 1 || !strings.Contains(got[0].c.Blocks[0].Text, "under way already") {
		t.Fatalf("told: %+v", w.room.posts)
	}
	w.pass(time.Hour)
	if got := w.room.titled("quick was not started at"); len(got) != 1 {
		t.Fatalf("told again: %+v", got)
	}
}

func TestScheduleAtEveryCrash(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t, dailyYAML("daily 12:00 UTC", "run-all"))
		w.cfg = func(c *engine.Config) { c.Projects = yard{triggers: []string{"quick"}} }
		w.open()
		w.drain()
		w.clock.pass(2 * 24 * time.Hour)
		at := w.crashing(n, w.drain)
		w.open()
		w.pass(time.Minute)
		if got := w.past(t); len(got) != 2 {
			t.Fatalf("after a crash at %s: %v", at, got)
		}
		if at == "" {
			return
		}
	}
}

const offerYAML = `
playbook: timed
doc: A pilot.
name: "timed/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
steps:
  updates:
    offer:
      nightly: {playbook: quick, every: "daily 12:00 UTC", with: {version: "1.0"}}
      pushed: {playbook: quick, fact: git.pushed, with: {version: "${fact.version}"}}
    closes: maintainer
`

func TestFactStartsARunOnce(t *testing.T) {
	w := newWorld(t, strings.Replace(strings.Replace(dailyYAML("12h", "skip"), `every: "12h"`, `fact: git.pushed, when: "fact.branch == 'main'"`, 1),
		"${project.name + '-' + string(now)}", "${fact.commit}", 1))
	w.cfg = func(c *engine.Config) { c.Projects = yard{triggers: []string{"quick"}} }
	w.open()
	for _, branch := range []string{"main", "side", "main"} {
		if err := w.deliver(wire{Place: "lava", Fact: "git.pushed", Fields: map[string]any{"branch": branch, "commit": "abc"}}, "push-"+branch); err != nil {
			t.Fatal(err)
		}
		w.drain()
	}
	if got := w.past(t); len(got) != 1 || got[0] != "quick/lava/abc" {
		t.Fatalf("started %v", got)
	}
}

func TestOfferStartsOnScheduleAndFact(t *testing.T) {
	w := newWorld(t, effectYAML("quick", "test.keyed@1", ""), offerYAML)
	w.open()
	w.say("requester", "timed 7.0")
	w.pass(3*time.Hour - time.Second)
	if got := w.past(t); len(got) != 0 {
		t.Fatalf("too early: %v", got)
	}
	w.open()
	w.pass(time.Second)
	if got := w.past(t); len(got) != 1 || got[0] != "quick/lava/1.0" {
		t.Fatalf("the schedule started %v", got)
	}
	for range 2 { // the same delivery again
		if err := w.deliver(wire{Place: "lava", Fact: "git.pushed", Fields: map[string]any{"version": "2.0", "commit": "abc"}}, "push"); err != nil {
			t.Fatal(err)
		}
		w.drain()
	}
	if got := w.past(t); len(got) != 2 || got[1] != "quick/lava/2.0" {
		t.Fatalf("the fact started %v", got)
	}
	w.clock.pass(5 * 24 * time.Hour)
	w.open()
	w.drain()
	if got := w.past(t); len(got) != 3 {
		t.Fatalf("after days away: %v", got)
	}
	d, err := w.e.Submit(context.Background(), w.run("timed/lava/7.0").ID, run.Command{Verb: run.CloseVerb, Person: "maintainer-a", Step: "updates"})
	if err != nil || d.Refusal != nil {
		t.Fatal(err, d.Refusal)
	}
	w.pass(48 * time.Hour)
	if got := w.past(t); len(got) != 4 { // with the pilot itself
		t.Fatalf("after the end: %v", got)
	}
	if err := w.e.FsckFull(context.Background(), func(p string) { t.Error(p) }); err != nil {
		t.Fatal(err)
	}
}
