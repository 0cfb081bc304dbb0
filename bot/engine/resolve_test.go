package engine_test

import (
	"context"
	"strings"
	"testing"

	"slipway/bot/engine"
)

// A bare version finds its run without a walk over all names, live or ended.
func TestResolveByVersionReadsOnlyItsIndex(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	counted := &scans{Store: w.store}
	w.cfg = func(c *engine.Config) { c.Store = counted }
	w.open()
	for _, version := range []string{"2019.01", "2019.02", "2019.10"} {
		w.say("requester", "release "+version)
	}
	w.say("requester", "abort 2019.02")
	counted.spaces = nil
	for name, want := range map[string]string{"2019.1": "release/lava/2019.01", "lava/2019.02": "release/lava/2019.02", "release/lava/2019.10": "release/lava/2019.10"} {
		id, err := w.e.Resolve(ctx, name, "manager")
		if err != nil {
			t.Fatal(err)
		}
		s, _, err := w.e.RunState(ctx, id)
		if err != nil || s.Name != want {
			t.Fatalf("%s is %s %v, want %s", name, s.Name, err, want)
		}
	}
	for _, space := range counted.spaces {
		if space == "names" || space == "past" {
			t.Errorf("the space %s was walked", space)
		}
	}
	w.wantSound()
	key := engine.Key{Space: "endings", ID: "2019.1\x1f" + w.run("2019.01").ID}
	if err := w.store.Commit(ctx, &engine.Batch{Deletes: []engine.Key{key}}); err != nil {
		t.Fatal(err)
	}
	found := ""
	if err := w.e.FsckFull(ctx, func(p string) { found += p }); err != nil || !strings.Contains(found, "endings/2019.1") {
		t.Fatalf("fsck says %q %v", found, err)
	}
}

func (w *world) wantSound() {
	w.t.Helper()
	if err := w.e.FsckFull(context.Background(), func(p string) { w.t.Error(p) }); err != nil {
		w.t.Fatal(err)
	}
}

// scans notes which spaces are walked.
type scans struct {
	engine.Store
	spaces []string
}

func (s *scans) Scan(ctx context.Context, space, from, to string, reverse bool, visit func(string, []byte) bool) error {
	s.spaces = append(s.spaces, space)
	return s.Store.Scan(ctx, space, from, to, reverse, visit)
}
