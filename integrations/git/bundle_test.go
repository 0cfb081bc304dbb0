package git

import (
	"os"
	"path/filepath"
	"testing"
)

// A backup keeps what was prepared and not pushed. On another machine the working copy is made anew
// from the remote, and the commit is there to be pushed.
func TestBundlesCarryWhatNoRemoteHas(t *testing.T) {
	w := newWorld(t)
	in := w.release(w.history())
	kept := t.TempDir()
	names, err := w.repos.Bundles(ctx(t), kept)
	if err != nil || len(names) != 1 {
		t.Fatalf("bundles: %v %v", names, err)
	}
	state := filepath.Join(t.TempDir(), "git")
	other, err := Open(state, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(kept, names[0]), filepath.Join(state, names[0])); err != nil {
		t.Fatal(err)
	}
	if _, err := NewPushRelease(other).Do(ctx(t), key("push"), in); err != nil {
		t.Fatal(err)
	}
	if got := w.at("refs/heads/main"); got != in.Commit {
		t.Fatalf("the branch is at %s, not at %s", got, in.Commit)
	}
	if left, _ := filepath.Glob(filepath.Join(state, "*.bundle")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	// Once the remote has it, there is nothing to be kept.
	if err := w.repos.With(ctx(t), w.remote, func(c *Copy) error { return c.Fetch(ctx(t)) }); err != nil {
		t.Fatal(err)
	}
	if names, err := w.repos.Bundles(ctx(t), t.TempDir()); err != nil || len(names) != 0 {
		t.Fatalf("after the push: %v %v", names, err)
	}
}
