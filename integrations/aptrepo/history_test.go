package aptrepo

import (
	"context"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
)

// cleaned runs a cleanup and gives the ids that are left, the oldest first.
func (w *world) cleaned(now time.Time) (ids []string, done Removed) {
	w.t.Helper()
	done, err := w.a.Cleanup(context.Background(), now)
	if err != nil {
		w.t.Fatal(err)
	}
	all, err := w.a.Generations("stable")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, g := range all {
		ids = append(ids, g.ID)
	}
	return ids, done
}

func TestCleanupKeepsWhatAPublicationCanBeTakenBackTo(t *testing.T) {
	w := newWorld(t, Options{})
	w.publish(w.change(w.deb("hello", "0.9", "amd64")))
	previous := w.publish(w.change(w.deb("hello", "1.0", "amd64")))
	w.publish(w.change(w.deb("hello", "1.1", "amd64")))
	w.publish(w.change()) // the same under a new date
	current := w.publish(w.change())
	left, _ := w.cleaned(w.now.AddDate(1, 0, 0))
	if want := []string{previous.ID, current.ID}; !slices.Equal(left, want) {
		t.Fatalf("left are %q, want %q", left, want)
	}
	w.now = w.now.AddDate(1, 0, 0)
	c := w.change()
	c.Base, c.Rollback = previous.ID, true
	back := w.publish(c)
	w.wantOffers(amd64Main, "hello 1.0")
	if left, _ := w.cleaned(w.now.AddDate(1, 0, 0)); !slices.Equal(left, []string{current.ID, back.ID}) {
		t.Errorf("after the way back left are %q", left)
	}
}

func TestTheHistoryIsAsLongAsConfigured(t *testing.T) {
	s := stable()
	s.History = 4
	w := newWorld(t, Options{}, s)
	for _, v := range []string{"1.0", "1.1", "1.2", "1.3", "1.4"} {
		w.publish(w.change(w.deb("hello", v, "amd64")))
	}
	before := w.files()
	plan, err := w.a.PlanCleanup(context.Background(), w.now.AddDate(1, 0, 0))
	if want := []string{"stable: generation 20190107T130000Z-", "pool/main/h/hello/hello_1.0_amd64.deb"}; err != nil || plan.Generations != 1 || plan.Files != 1 ||
		len(plan.What) != 2 || !strings.HasPrefix(plan.What[0], want[0]) || plan.What[1] != want[1] {
		t.Errorf("the plan is %+v, %v", plan, err)
	}
	if after := w.files(); !slices.Equal(before, after) {
		t.Errorf("a plan changed the archive: before\n%q\nafter\n%q", before, after)
	}
	if left, done := w.cleaned(w.now.AddDate(1, 0, 0)); len(left) != 4 || done.Generations != 1 || done.Files != 1 {
		t.Errorf("left are %q, gone %+v", left, done)
	}
	s.History = 1
	if _, err := Open(w.root, Options{}, s); !errs.Is(err, errs.Invalid) {
		t.Errorf("a history with which nothing can be taken back: %v", err)
	}
}

// files are all files of the archive but its locks.
func (w *world) files() (all []string) {
	w.t.Helper()
	if err := filepath.WalkDir(w.root, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && d.Name() == "locks" {
			return fs.SkipDir
		}
		all = append(all, path)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return all
}

func TestWhatWasNeverSignedGoesAfterItsTime(t *testing.T) {
	s := stable()
	s.StagedFor = 10 * 24 * time.Hour
	w := newWorld(t, Options{}, s)
	w.publish(w.change(w.deb("hello", "1.0", "amd64")))
	waits := w.stage(w.change(w.deb("hello", "1.1", "amd64")))
	if left, done := w.cleaned(waits.Date.Add(s.StagedFor - time.Second)); len(left) != 2 || done.Staged != 0 {
		t.Errorf("within its time it went: %q, %+v", left, done)
	}
	left, done := w.cleaned(waits.Date.Add(s.StagedFor))
	if len(left) != 1 || done.Staged != 1 || done.Generations != 0 || done.Files != 1 {
		t.Errorf("left are %q, gone %+v", left, done)
	}
	if _, err := w.a.Publish(context.Background(), w.signed(waits)); !errs.Is(err, errs.NotFound) {
		t.Errorf("it was published all the same: %v", err)
	}
}

// A publication that was interrupted behind its signatures may be seen elsewhere already: a cleanup
// leaves it until the suite moves on.
func TestAnInterruptedPublicationIsNotCleanedUp(t *testing.T) {
	w := newWorld(t, Options{})
	w.publish(w.change(w.deb("hello", "1.0", "amd64")))
	s := w.stage(w.change(w.deb("hello", "1.1", "amd64")))
	w.reopen(Options{Step: func(name string) {
		if name == "publish.marked" {
			panic(crash{name})
		}
	}}, stable())
	if !survive(func() { _, _ = w.a.Publish(context.Background(), w.signed(s)) }) {
		t.Fatal("it did not crash")
	}
	w.reopen(Options{}, stable())
	if left, _ := w.cleaned(w.now.AddDate(1, 0, 0)); len(left) != 2 {
		t.Errorf("left are %q", left)
	}
	if _, err := w.a.Publish(context.Background(), w.signed(s)); err != nil {
		t.Fatal(err)
	}
	w.check("stable", s.ID)
}
