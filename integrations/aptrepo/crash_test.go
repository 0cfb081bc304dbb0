package aptrepo

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// crash is what a step panics with in place of the end of the process. Files that were written
// stay as they are, as they do when a process is killed.
type crash struct{ step string }

// survive runs f and reports whether it crashed.
func survive(f func()) (crashed bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ours := r.(crash); !ours {
				panic(r)
			}
			crashed = true
		}
	}()
	f()
	return false
}

// The story that is interrupted: a second generation with a new version, a source and a snapshot,
// then a cleanup after the grace.
type crashStory struct {
	*world
	suite  Suite
	first  Staged
	change Change
}

func newCrashStory(t *testing.T) *crashStory {
	s := listed()
	s.Snapshots = 1
	w := newWorld(t, Options{}, s)
	w.publish(w.change(w.deb("hello", "0.9", "amd64"))) // is beyond the history in the end
	first := w.publish(w.change(w.deb("hello", "1.0", "amd64"), w.deb("tool", "1.0", "all")))
	return &crashStory{w, s, first, w.change(w.deb("hello", "1.1", "amd64"), w.source("hello", "1.1"))}
}

// run does the rest of the story, as often as it takes.
func (s *crashStory) run(ctx context.Context) Staged {
	s.t.Helper()
	staged := s.stage(s.change)
	if _, err := s.a.Publish(ctx, s.signed(staged)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.a.Cleanup(ctx, s.change.Date.AddDate(0, 0, 3)); err != nil {
		s.t.Fatal(err)
	}
	return staged
}

// files are all names of the archive with their targets or sizes, but for what locks leave.
func (s *crashStory) files() (all []string) {
	s.t.Helper()
	err := filepath.Walk(s.root, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(s.root, path)
		if err != nil || strings.HasPrefix(rel, "locks") || strings.HasPrefix(rel, "tmp") {
			return err
		}
		target, _ := os.Readlink(path)
		all = append(all, rel+" "+target)
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

func TestACrashAnywhereLeavesAWholeArchiveAndIsRepaired(t *testing.T) {
	ctx := context.Background()
	calm := newCrashStory(t)
	var steps []string
	calm.reopen(Options{Step: func(name string) { steps = append(steps, name) }}, calm.suite)
	done := calm.run(ctx)
	want := calm.files()
	for _, must := range []string{"stage.swept", "stage.content", "stage.pool", "stage.written", "stage.done", "publish.InRelease",
		"publish.renamed", "publish.synced", "publish.switched", "publish.snapshot", "cleanup.renamed"} {
		if !slices.Contains(steps, must) {
			t.Errorf("the step %s did not happen; %v", must, steps)
		}
	}
	for n, step := range steps {
		t.Run(step, func(t *testing.T) {
			s := newCrashStory(t)
			count := 0
			s.reopen(Options{Step: func(name string) {
				if count++; count == n+1 {
					panic(crash{name})
				}
			}}, s.suite)
			if !survive(func() { s.run(ctx) }) {
				t.Fatal("it did not crash")
			}
			s.reopen(Options{}, s.suite)
			g, err := s.a.Check(ctx, "stable", true)
			if err != nil {
				t.Fatalf("after the crash clients read: %v", err)
			}
			switched := slices.Index(steps, "publish.switched")
			if wantNew := n >= switched; (g.ID == done.ID) != wantNew || !wantNew && g.ID != s.first.ID {
				t.Errorf("after the crash clients read %s", g.ID)
			}
			all, err := s.a.Generations("stable")
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range all {
				if one.Published.IsZero() == (one.Current || !one.Date.After(s.first.Date)) {
					t.Errorf("after the crash %s is said to be published at %v, current %v", one.ID, one.Published, one.Current)
				}
			}
			entries, err := os.ReadDir(filepath.Join(s.root, "dists"))
			if err != nil || len(entries) != 1 {
				t.Errorf("dists shows %v, %v", entries, err)
			}
			again := s.run(ctx)
			if again.Digest != done.Digest {
				t.Error("the repeat made another Release")
			}
			s.check("stable", done.ID)
			if got := s.files(); !slices.Equal(got, want) {
				t.Errorf("the archive has %q, want %q", got, want)
			}
		})
	}
}

// A file that is half in the pool's temporary folder, or a staging that is half written, is made
// again; what the machine left of them does not matter.
func TestHalfWrittenFilesAreMadeAgain(t *testing.T) {
	s := newCrashStory(t)
	half := s.a.gen("stable", s.change.id()) + staging
	for _, f := range []string{filepath.Join(half, "main", "binary-amd64", "Packages"), filepath.Join(s.root, "tmp", "stable", "0.hello_1.1_amd64.deb")} {
		if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	done := s.run(context.Background())
	s.check("stable", done.ID)
}
