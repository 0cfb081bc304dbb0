package bolt_test

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/state/bolt"
)

// gate lets a test hold commits at a durable step.
type gate struct {
	arrived chan struct{}
	pass    chan error
}

func newGate() *gate { return &gate{make(chan struct{}, 64), make(chan error)} }

func (g *gate) wait() error {
	g.arrived <- struct{}{}
	return <-g.pass
}

func TestGroupsShareOneCommit(t *testing.T) {
	g := newGate()
	db := open(t, filepath.Join(t.TempDir(), "slipway.db"), bolt.Options{Faults: bolt.Faults{BeforeCommit: g.wait}})
	outcome := make(chan error, 32)
	commit := func(b *engine.Batch) { outcome <- db.Commit(background, b) }
	go commit(putOf("first", "1"))
	<-g.arrived
	// These queue while the first is held. A caller whose context ends now takes its batch back.
	ctx, cancel := context.WithCancel(background)
	withdrawn := make(chan error, 1)
	go func() { withdrawn <- db.Commit(ctx, putOf("withdrawn", "1")) }()
	for i := range 20 {
		b := putOf(fmt.Sprint(i), "1")
		if i%2 == 1 {
			b.Guards = []engine.Guard{{Key: engine.Key{Space: "s", ID: "first"}}}
		}
		go commit(b)
	}
	db.AwaitQueue(21)
	cancel()
	wantKind(t, <-withdrawn, errs.Unavailable)
	g.pass <- nil
	<-g.arrived
	g.pass <- nil
	refused := 0
	for range 21 {
		if err := <-outcome; errs.Is(err, errs.Conflict) {
			refused++
		} else if err != nil {
			t.Error(err)
		}
	}
	want(t, db, "withdrawn", "")
	s, err := db.Stats(background)
	if err != nil {
		t.Fatal(err)
	}
	if refused != 10 || s.Refused != 10 || s.Commits != 2 || s.Batches != 11 || s.MaxGroup != 10 || s.Spaces != 2 || s.File == 0 {
		t.Errorf("refused %d, stats %+v", refused, s)
	}
	go g.release()
}

// A later batch of a group sees what an earlier one wrote, also where that is empty or deleted.
func TestGuardsSeeTheGroup(t *testing.T) {
	g := newGate()
	db := open(t, filepath.Join(t.TempDir(), "slipway.db"), bolt.Options{Faults: bolt.Faults{BeforeCommit: g.wait}})
	key := engine.Key{Space: "s", ID: "a"}
	first := make(chan error, 1)
	go func() { first <- db.Commit(background, putOf("first", "1")) }()
	<-g.arrived
	group := []struct {
		batch engine.Batch
		kind  errs.Kind
	}{
		{engine.Batch{Guards: []engine.Guard{{Key: key}}, Puts: []engine.Record{{Key: key}}}, errs.Other},
		{engine.Batch{Guards: []engine.Guard{{Key: key}}, Puts: []engine.Record{{Key: key, Value: []byte("lost")}}}, errs.Conflict},
		{engine.Batch{Guards: []engine.Guard{{Key: key, Want: []byte{}}}, Deletes: []engine.Key{key}}, errs.Other},
		{engine.Batch{Guards: []engine.Guard{{Key: key}}, Puts: []engine.Record{{Key: key, Value: []byte("kept")}}}, errs.Other},
		{engine.Batch{Guards: []engine.Guard{{Key: key, Want: []byte{}}}, Deletes: []engine.Key{key}}, errs.Conflict},
	}
	outcomes := make([]chan error, len(group))
	for i := range group {
		outcomes[i] = make(chan error, 1)
		go func() { outcomes[i] <- db.Commit(background, &group[i].batch) }()
		db.AwaitQueue(i + 1)
	}
	g.pass <- nil
	<-g.arrived
	g.pass <- nil
	for i := range group {
		if err := <-outcomes[i]; errs.KindOf(err) != group[i].kind {
			t.Errorf("batch %d gave %v, want kind %s", i, err, group[i].kind)
		}
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
	want(t, db, "a", "kept")
}

// A batch that is refused because of one beside it that then cannot be written is not told that the
// record exists: whoever takes that for an answer would rest on nothing.
func TestRefusalRestsOnWhatIsWritten(t *testing.T) {
	g := newGate()
	db := open(t, filepath.Join(t.TempDir(), "slipway.db"), bolt.Options{Faults: bolt.Faults{BeforeCommit: g.wait}})
	first := make(chan error, 1)
	go func() { first <- db.Commit(background, putOf("first", "1")) }()
	<-g.arrived
	create := func() *engine.Batch {
		b := putOf("a", "1")
		b.Guards = []engine.Guard{{Key: b.Puts[0].Key}}
		return b
	}
	same := make(chan error, 2)
	for i := range 2 {
		go func() { same <- db.Commit(background, create()) }()
		db.AwaitQueue(i + 1)
	}
	g.pass <- nil
	<-g.arrived
	g.pass <- syscall.ENOSPC
	for range 2 {
		wantKind(t, <-same, errs.Full)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
	want(t, db, "a", "")
	go g.release()
	if err := db.Commit(background, create()); err != nil {
		t.Error(err)
	}
	wantKind(t, db.Commit(background, create()), errs.Conflict)
}

// release lets everything pass from now on.
func (g *gate) release() {
	for range g.arrived {
		g.pass <- nil
	}
}

func TestReadsWaitForTheDisk(t *testing.T) {
	g := newGate()
	db := open(t, filepath.Join(t.TempDir(), "slipway.db"), bolt.Options{Faults: bolt.Faults{AfterCommit: g.wait}})
	committed := make(chan error, 1)
	go func() { committed <- db.Commit(background, putOf("a", "1")) }()
	<-g.arrived
	// bbolt shows the record already; it is not known to be on disk, so nobody may read it.
	ended, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	_, err := db.Get(ended, engine.Key{Space: "s", ID: "a"})
	wantKind(t, err, errs.Unavailable)
	read := make(chan []byte, 1)
	go func() {
		v, _ := db.Get(background, engine.Key{Space: "s", ID: "a"})
		read <- v
	}()
	db.AwaitReaders()
	g.pass <- nil
	if v := <-read; string(v) != "1" {
		t.Errorf("the reader that waited got %q", v)
	}
	if err := <-committed; err != nil {
		t.Error(err)
	}
}

func TestCloseWritesWhatIsQueued(t *testing.T) {
	g := newGate()
	path := filepath.Join(t.TempDir(), "slipway.db")
	db := open(t, path, bolt.Options{GroupBatches: 3, Faults: bolt.Faults{BeforeCommit: g.wait}})
	outcome := make(chan error, 20)
	commit := func(i int) { outcome <- db.Commit(background, putOf(fmt.Sprint(i), "1")) }
	go commit(0)
	<-g.arrived // the committer has the first alone, and the others queue up behind it
	for i := range 19 {
		go commit(i + 1)
	}
	db.AwaitQueue(19)
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	g.pass <- nil
	go g.release()
	for range 20 {
		if err := <-outcome; err != nil {
			t.Error(err)
		}
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	wantKind(t, db.Commit(background, putOf("late", "1")), errs.Unavailable, "closed")
	_, err := db.Get(background, engine.Key{Space: "s", ID: "1"})
	wantKind(t, err, errs.Unavailable, "closed")
	db = open(t, path, bolt.Options{})
	for i := range 20 {
		want(t, db, fmt.Sprint(i), "1")
	}
}
