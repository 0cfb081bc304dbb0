package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
)

// TestDemoTakesAReleaseBack plays what a person may do in the demo after the first release: commit,
// release again, find it bad and take it out of the archive. The proofs hold at the end.
func TestDemoTakesAReleaseBack(t *testing.T) {
	s := newSlip(t)
	packages, err := buildHere()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	y, err := newYard(ctx, yardOptions{Dir: filepath.Join(s.work, "demo"), Version: sampleVersion, Signer: s.signer, Archive: true,
		Publish: true, Build: packages, Arch: "amd64", Apt: httpClient{}})
	if err != nil {
		t.Fatal(errs.Text(err))
	}
	defer y.close()
	var names []string
	err = withBot(ctx, y, func(ctx context.Context, c *config) error {
		people := newTerminal(c.Socket, y.project, y.version, t.Output(), false)
		if _, err := people.look(ctx); !errors.Is(err, errNotYet) {
			return fmt.Errorf("before anything begins, it is looked at as %v", err)
		}
		if _, err := drive(ctx, c.Socket, sampleVersion, func(string) {}); err != nil {
			return err
		}
		first := newDriver(c.Socket, "undo-2019.01", func(string) {})
		if err := first.say(ctx, demoManager, "first", `release undo 2019.01 --reason "it was the first"`); err != nil {
			return err
		}
		if w, err := first.play(ctx); w.Outcome != "refused" || !strings.Contains(errs.Text(err), "nothing to go back to") {
			return fmt.Errorf("the first release is taken back: %+v, %v", w, err)
		}
		work := &sampleRepo{ctx: ctx, dir: filepath.Join(s.dir, "sample-of-a-person"), when: time.Now()}
		if _, err := output(ctx, s.dir, "git", "clone", "--quiet", y.remote, work.dir); err != nil {
			return err
		}
		work.write("lamps", "no lamp\n")
		work.commit("Lose the lamps")
		work.git("push", "--quiet", "origin", "master")
		if work.err != nil {
			return work.err
		}
		if _, err := drive(ctx, c.Socket, "2019.02", func(string) {}); err != nil {
			return err
		}
		undo := newDriver(c.Socket, "undo-2019.02", func(string) {})
		if err := undo.say(ctx, demoManager, "bad", `release undo 2019.02 --reason "the lamps are lost"`); err != nil {
			return err
		}
		if _, err := undo.play(ctx); err != nil {
			return err
		}
		w, err := people.look(ctx)
		if err == nil && !strings.Contains(people.hint(w), "undo-2019.02 is done.") {
			err = fmt.Errorf("the people are told %q", people.hint(w))
		}
		names = append(names, w.Name)
		return err
	})
	if err != nil {
		t.Fatal(errs.Text(err))
	}
	if want := []string{"release/harbour/undo-2019.02"}; !slices.Equal(names, want) {
		t.Errorf("the newest runs were %v; want %v", names, want)
	}
	h, err := y.history(ctx)
	if err != nil || !slices.Equal(h.released, []string{"2019.01", "2019.02"}) || !slices.Equal(h.withdrawn, []string{"2019.02-1"}) || h.more != 1 {
		t.Errorf("the history is %+v %v", h, err)
	}
	if want, err := y.published(h); err != nil || want != "2019.01-1" {
		t.Errorf("there is to be %q %v", want, err)
	}
	offered := func(ctx context.Context, y *yard, add func(what, how string, err error)) {
		c, err := loadConfig(y.config)
		if err == nil {
			err = y.offered(ctx, c.Archives["yard"], "2019.01-1")
		}
		add("clients are offered the version before", y.archive.address, err)
	}
	for _, p := range y.proofs(ctx, conf{verify: y.verifyOwn, archive: offered}) {
		if p.err != nil {
			t.Errorf("%s [%s]: %s", p.what, p.how, errs.Text(p.err))
		}
	}
	if y.alone(h) == nil {
		t.Error("that nothing else was done is said to be true")
	}
}

func TestDemoTellsWhatWasDone(t *testing.T) {
	run := func(name, status, outcome string) engine.Listed {
		return engine.Listed{Name: name, Status: status, Outcome: outcome}
	}
	h := historyOf("harbour", []engine.Listed{
		run("release/harbour/2019.01", "ended", "done"),
		run("release/harbour/2019.02", "ended", "aborted"),
		run("release/harbour/2019.02", "ended", "done"),
		run("release/harbour/undo-2019.02", "ended", "done"),
		run("release/harbour/undo-2019.02-1", "ended", "failed"),
		run("release/harbour/promote-2019.02", "ended", "done"),
		run("release/harbour/2019.03", "running", ""),
	})
	if fmt.Sprintf("%+v", h) != "{released:[2019.01 2019.02] withdrawn:[2019.02-1] more:4}" {
		t.Errorf("the history is %+v", h)
	}
	if want := "release 2019.01, release 2019.02, undo 2019.02-1, 4 that did not end so, which nothing is proved of"; h.text() != want {
		t.Errorf("it is told as %q", h.text())
	}
}
