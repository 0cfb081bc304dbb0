package picture_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/picture"
	"slipway/bot/playbook"
)

var update = flag.Bool("update", false, "write the golden files anew")

func read(t testing.TB, file string) *playbook.Playbook {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := playbook.Parse(filepath.Base(file), src)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func parse(t testing.TB, src string) *playbook.Playbook {
	t.Helper()
	p, err := playbook.Parse("test.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; look at the picture, then run go test ./bot/picture -update", file)
	}
}

// books are the bundled playbooks and the drafts.
func books(t testing.TB) map[string]*playbook.Playbook {
	t.Helper()
	out := map[string]*playbook.Playbook{}
	for _, pattern := range []string{"../../commands/release/*.yaml", "../../test/playbooks/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no playbooks at %s: %v", pattern, err)
		}
		for _, file := range files {
			p := read(t, file)
			out[p.Name] = p
		}
	}
	return out
}

func TestPicturesOfThePlaybooks(t *testing.T) {
	for name, p := range books(t) {
		if !strings.HasPrefix(name, "release") && name != "rollout" && name != "pilot" {
			continue
		}
		golden(t, name+".svg", picture.Playbook(p, picture.Options{Standalone: true}))
	}
}

// halfway is a release on its way, with one of nearly everything.
func halfway() map[string]picture.Step {
	at := time.Date(2019, 1, 31, 14, 0, 0, 0, time.UTC)
	steps := map[string]picture.Step{
		"state": {State: card.Done, Since: at, Attempt: 2}, "found": {State: card.Adopted, Since: at},
		"trial": {State: card.Running, Since: at, Attempt: 3, Detail: "pipeline 17 is running"}, "trial_passed": {State: card.Waiting, Detail: "pending, looked at every 10s"},
		"tested": {State: card.Waiting, Since: at, Detail: "asked of the testers", Awaited: true}, "payload": {State: card.Failed, Attempt: 1, Detail: "the tagger has no address"},
		"trial_build": {State: card.Doubtful, Detail: "nobody can tell whether it began"}, "trial_built": {State: card.Stuck}, "notes": {State: card.Stale}, "sent": {State: card.Skipped},
		"go": {State: card.Waiting, Since: at, Awaited: true, Detail: "1 of 2 of maintainer"}, "sign": {State: card.Held}, "push": {State: card.Undone}, "builds": {State: card.Aborted},
		"signatures":      {State: card.Running, Counts: map[card.State]int{card.Done: 12, card.Failed: 1, card.Running: 3}},
		"signatures/sign": {State: card.Running, Counts: map[card.State]int{card.Done: 1212, card.Failed: 1, card.Stuck: 2, card.Running: 3, card.Pending: 700}},
	}
	for _, path := range []string{"stamp", "version", "log", "before", "checklist", "changelog", "commit"} {
		steps[path] = picture.Step{State: card.Done, Since: at}
	}
	return steps
}

func TestPictureOfARun(t *testing.T) {
	p := read(t, "../../commands/release/release.yaml")
	o := picture.Options{Title: "release/lava/2019.01", Standalone: true}
	golden(t, "run.svg", picture.Run(p, halfway(), o))
	golden(t, "run-inline.svg", picture.Run(p, halfway(), picture.Options{Title: "release/lava/2019.01"}))
}
