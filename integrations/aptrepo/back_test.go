package aptrepo

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"slipway/bot/errs"
)

// The way back goes past what was rolled back already.
func TestASecondRollbackGoesFurtherBack(t *testing.T) {
	w := newWorld(t, Options{})
	first := w.publish(w.change(w.deb("hello", "1.0", "amd64")))
	second := w.publish(w.change(w.deb("hello", "1.1", "amd64")))
	w.publish(w.change(w.deb("hello", "1.2", "amd64")))
	back := func(version, want string) {
		t.Helper()
		g, err := before(w.a, "stable", "hello", version)
		if err != nil || g.ID != want {
			t.Fatalf("before %s there was %s (%v), want %s", version, g.ID, err, want)
		}
		c := w.change()
		c.Base, c.Rollback = g.ID, true
		w.publish(c)
	}
	back("1.2", second.ID)
	w.wantOffers(amd64Main, "hello 1.1")
	w.publish(w.change()) // the same again under a new date changes nothing of that
	back("1.1", first.ID)
	w.wantOffers(amd64Main, "hello 1.0")
	for _, version := range []string{"1.0", "1.2"} {
		if g, err := before(w.a, "stable", "hello", version); !errs.Is(err, errs.NotFound) {
			t.Errorf("before %s there was %s, %v", version, g.ID, err)
		}
	}
}

// A publication that stopped just before clients were turned leaves a snapshot; when others came
// first, nobody ever saw what it shows, and it goes.
func TestASnapshotThatNobodySawGoes(t *testing.T) {
	s := stable()
	s.Snapshots = 5
	w := newWorld(t, Options{}, s)
	w.publish(w.change(w.deb("hello", "1.0", "amd64")))
	lost := w.stage(w.change(w.deb("hello", "1.1", "amd64")))
	next := w.stage(w.change(w.deb("hello", "1.2", "amd64")))
	w.reopen(Options{Step: func(name string) {
		if name == "publish.snapshot" {
			panic(crash{name})
		}
	}}, s)
	if !survive(func() { _, _ = w.a.Publish(context.Background(), w.signed(lost)) }) {
		t.Fatal("it did not crash")
	}
	w.reopen(Options{}, s)
	shown := func() int {
		t.Helper()
		all, err := os.ReadDir(filepath.Join(w.root, "snapshots/stable"))
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	if _, err := w.a.Cleanup(context.Background(), w.now); err != nil || shown() != 2 {
		t.Errorf("while it can be finished it stays: %d, %v", shown(), err)
	}
	if _, err := w.a.Publish(context.Background(), w.signed(next)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.a.Cleanup(context.Background(), w.now.Add(time.Minute)); err != nil || shown() != 2 {
		t.Errorf("%d snapshots, %v; want those of the first and the last", shown(), err)
	}
	w.check("stable", next.ID)
}
