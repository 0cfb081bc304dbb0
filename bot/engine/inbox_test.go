package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/run"
)

func TestRepeatsChangeNothing(t *testing.T) {
	w := newWorld(t)
	w.open()
	x := wire{Who: "requester", Place: "lava", Message: "s1", Text: "release 2019.01"}
	for i := range 5 {
		// The same delivery again, and the same message under a new transport id, before and
		// after a restart.
		for _, id := range []string{"d1", fmt.Sprint("d1-", i)} {
			if err := w.deliver(x, id); err != nil {
				t.Fatal(err)
			}
			w.open()
			w.drain()
		}
	}
	list, err := w.e.Runs(context.Background(), engine.Filter{})
	if err != nil || len(list) != 1 {
		t.Fatalf("runs: %+v %v", list, err)
	}
	w.wantApplied("test.keyed 2019.01", 1)
	if n := len(w.room.titled("I can't")); n != 0 {
		t.Fatalf("a repeat was answered %d times", n)
	}
}

func TestSecondRunOfANameIsRefused(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	w.say("requester", "release 2019.1")
	if n := len(w.room.titled("release/lava/2019.01 is under way already")); n != 1 {
		t.Fatalf("posts: %+v", w.room.posts)
	}
	w.say("manager", "abort 2019.01")
	w.pass(time.Minute)
	w.say("requester", "release 2019.1")
	if s := w.run("2019.1"); s.Name != "release/lava/2019.1" || s.Status != run.Live {
		t.Fatalf("the new run is %s %s", s.Name, s.Status)
	}
}

func TestUndecodableIsKeptAndReplayed(t *testing.T) {
	w := newWorld(t)
	w.open()
	bad := engine.Delivery{Source: "chat", ID: "d1", Place: "lava", Body: []byte("{")}
	if err := w.e.Deliver(context.Background(), bad); err != nil {
		t.Fatal(err)
	}
	if err := w.e.Deliver(context.Background(), engine.Delivery{Source: "nobody", ID: "d1"}); !errs.Is(err, errs.NotFound) {
		t.Fatalf("a delivery from nobody: %v", err)
	}
	w.drain()
	list, err := w.e.InboxList(context.Background(), "", 10, true)
	if err != nil || len(list) != 1 || list[0].Error == "" {
		t.Fatalf("inbox: %+v %v", list, err)
	}
	w.cfg = func(c *engine.Config) { c.Decoders = map[string]engine.Decoder{"chat": mended{}} }
	w.open()
	if err := w.e.InboxReplay(context.Background(), list[0].Seq); err != nil {
		t.Fatal(err)
	}
	w.drain()
	w.wantStep("7.0", "build", run.Done)
	if list, _ := w.e.InboxList(context.Background(), "", 10, true); len(list) != 0 {
		t.Fatalf("it is still marked: %+v", list)
	}
}

type mended struct{}

func (mended) Decode(engine.Delivery) ([]engine.Fact, error) {
	return []engine.Fact{engine.Said{Account: account("requester"), Place: engine.Place{Source: "chat", ID: "lava"}, Message: "s1", Text: "release 7.0"}}, nil
}

func TestOldReplayedCommandAsks(t *testing.T) {
	w := newWorld(t)
	w.open()
	if err := w.e.Deliver(context.Background(), engine.Delivery{Source: "chat", ID: "d1", Place: "lava", Body: []byte("{")}); err != nil {
		t.Fatal(err)
	}
	w.drain()
	w.pass(2 * time.Hour)
	w.cfg = func(c *engine.Config) { c.Decoders = map[string]engine.Decoder{"chat": mended{}} }
	w.open()
	if err := w.e.InboxReplay(context.Background(), "1"); err != nil {
		t.Fatal(err)
	}
	w.drain()
	if n := len(w.room.titled("say it again")); n != 1 {
		t.Fatalf("posts: %+v", w.room.posts)
	}
	if list, _ := w.e.Runs(context.Background(), engine.Filter{}); len(list) != 0 {
		t.Fatalf("it was started: %+v", list)
	}
}

func TestFullDiskRefusesAndGoesOn(t *testing.T) {
	w := newWorld(t)
	full := true
	w.open()
	w.store.Before = func(*engine.Batch) error {
		if full {
			return errs.E("store", errs.Full, errors.New("there is no room"))
		}
		return nil
	}
	x := wire{Who: "requester", Place: "lava", Message: "s1", Text: "release 2019.01"}
	if err := w.deliver(x, "d1"); !errs.Is(err, errs.Full) {
		t.Fatalf("a delivery on a full disk: %v", err)
	}
	full = false
	if err := w.deliver(x, "d1"); err != nil {
		t.Fatal(err)
	}
	w.drain()
	w.wantStep("2019.01", "go", run.Running)
}

func TestDoubtfulCommitStopsTheEngine(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.store.After = func(*engine.Batch) error { return errs.E("store", errs.Doubtful, errors.New("fsync failed")) }
	x := wire{Who: "requester", Place: "lava", Message: "s1", Text: "release 2019.01"}
	if err := w.deliver(x, "d1"); !errs.Is(err, errs.Doubtful) {
		t.Fatalf("deliver: %v", err)
	}
	w.store.After = nil
	if err := w.deliver(x, "d2"); !errs.Is(err, errs.Doubtful) {
		t.Fatalf("the engine goes on: %v", err)
	}
	w.open()
	w.drain()
	w.wantStep("2019.01", "go", run.Running)
}

func TestSweepKeepsWhatIsYoungOrWaits(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	w.pass(31 * 24 * time.Hour)
	w.say("requester", "relaese 2019.02")
	n, err := w.e.SweepInbox(context.Background())
	if err != nil || n != 1 {
		t.Fatalf("swept %d %v", n, err)
	}
	list, _ := w.e.InboxList(context.Background(), "", 10, false)
	if len(list) != 1 || !strings.HasPrefix(list[0].Facts[0], "said") {
		t.Fatalf("left: %+v", list)
	}
	if len(w.room.titled("Did you mean")) != 1 {
		t.Fatal("the mistyped command was not answered")
	}
}

// brokenBlobs fails for some bodies as a disk would.
type brokenBlobs struct {
	engine.Blobs
	get, put error
}

func (b *brokenBlobs) Get(ctx context.Context, digest string) ([]byte, error) {
	if b.get != nil {
		return nil, b.get
	}
	return b.Blobs.Get(ctx, digest)
}

func (b *brokenBlobs) Put(ctx context.Context, content []byte) (string, error) {
	if b.put != nil {
		return "", b.put
	}
	return b.Blobs.Put(ctx, content)
}

// A body that is gone or rotten is shown as such, can be replayed once it is restored, and keeps
// nobody else waiting.
func TestLostBodyIsKeptWithItsReason(t *testing.T) {
	for _, kind := range []errs.Kind{errs.NotFound, errs.Corrupt} {
		w := newWorld(t)
		blobs := &brokenBlobs{Blobs: w.blobs}
		w.cfg = func(c *engine.Config) { c.Blobs = blobs }
		w.open()
		if err := w.deliver(wire{Who: "requester", Place: "lava", Message: "s1", Text: "release 7.0" + strings.Repeat(" ", 20_000)}, "d1"); err != nil {
			t.Fatal(err)
		}
		blobs.get = errs.E("blob.get", kind, errors.New("the body cannot be read"))
		w.drain()
		list, err := w.e.InboxList(context.Background(), "", 10, true)
		if err != nil || len(list) != 1 || list[0].Error == "" {
			t.Fatalf("%s: inbox: %+v %v", kind, list, err)
		}
		blobs.get = nil
		if err := w.e.InboxReplay(context.Background(), list[0].Seq); err != nil {
			t.Fatal(err)
		}
		w.drain()
		w.wantStep("7.0", "build", run.Done)
	}
}

func TestDoubtfulBodyEndsTheEngine(t *testing.T) {
	w := newWorld(t)
	blobs := &brokenBlobs{Blobs: w.blobs, put: errs.E("blob.put", errs.Doubtful, errors.New("the disk failed"))}
	w.cfg = func(c *engine.Config) { c.Blobs = blobs }
	w.open()
	big := wire{Who: "requester", Place: "lava", Message: "s1", Text: strings.Repeat("x", 20_000)}
	if err := w.deliver(big, "d1"); !errs.Is(err, errs.Doubtful) {
		t.Fatalf("it was taken: %v", err)
	}
	blobs.put = nil
	if err := w.deliver(big, "d2"); !errs.Is(err, errs.Doubtful) {
		t.Fatalf("the engine goes on: %v", err)
	}
}
