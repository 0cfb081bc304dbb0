package reprepro

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/bot/errs"
)

// The process ends at any step of staging and publishing: clients read the old tree or the new one,
// whole, and the same calls made again end well.
func TestACrashAnywhereLeavesOldOrNewAndIsRepaired(t *testing.T) {
	const before, after = "main/binary-amd64 hello 1.0", "main/binary-amd64 hello 2.0\nmain/binary-amd64 tool 1"
	var steps []string
	run := func(t *testing.T, stop int) {
		w := newWorld(t, "")
		first := w.published(w.change("bookworm", w.deb("hello", "1.0", "amd64")))
		c := w.change("bookworm", w.deb("hello", "2.0", "amd64"), w.deb("tool", "1", "amd64"))
		n := 0
		w.open(func(name string) {
			if n++; n == stop {
				panic(name)
			}
			if stop == 0 {
				steps = append(steps, name)
			}
		})
		func() {
			defer func() {
				if r := recover(); (r != nil) != (stop > 0) {
					t.Errorf("it stopped with %v", r)
				}
			}()
			if err := w.publish(w.stage(c)); err != nil {
				t.Error(errs.Text(err))
			}
		}()
		w.open(nil)
		now, err := w.place.current()
		if err != nil {
			t.Fatal(err)
		}
		if now == first.ID {
			w.wantOffers("bookworm", before)
		} else {
			w.wantOffers("bookworm", after)
		}
		if _, err := os.Stat(filepath.Join(w.base, "release", "dists", "bookworm", "InRelease")); err != nil {
			t.Errorf("clients find no signatures: %v", err)
		}
		s := w.stage(c)
		if err := w.publish(s); err != nil {
			t.Fatal(errs.Text(err))
		}
		w.wantCurrent(s.ID)
		w.wantOffers("bookworm", after)
		w.wantTreeOffers(filepath.Join(w.base, first.ID), "bookworm", before)
		entries, err := os.ReadDir(w.base)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), staging) || strings.HasSuffix(e.Name(), staged) || strings.HasSuffix(e.Name(), ".tmp") {
				t.Errorf("%s is left", e.Name())
			}
		}
	}
	run(t, 0)
	if len(steps) < 12 {
		t.Fatalf("the steps are %q", steps)
	}
	for i, step := range slices.Clone(steps) {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			run(t, i+1)
		})
	}
}

// Between two suites of one change the second may fail, or the process end: the first is made again.
func TestASecondSuiteThatFailsTakesTheFirstAlong(t *testing.T) {
	w := newWorld(t, "")
	one := w.change("bookworm", w.deb("hello", "1.0", "amd64"), w.deb("tool", "1.0", "arm64"))
	two := one
	two.Suite = "buster"
	w.stage(one)
	_, err := w.place.Stage(context.Background(), two)
	wantError(t, err, errs.Invalid, "it is for arm64, which suite buster does not have")
	all, err := w.place.Generations("bookworm")
	if err != nil || len(all) != 1 {
		t.Errorf("left: %+v, %v", all, err)
	}
	w.published(one)
	w.wantOffers("buster", "")
}
