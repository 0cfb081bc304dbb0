package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/bot/run"
)

// A job whose inputs and result are long, as the Release files of an archive are, is kept like
// any other: what does not fit into a record moves to the blob store.
func TestJobWithLongInputsAndALongResult(t *testing.T) {
	ctx := context.Background()
	long := strings.Repeat("0123456789abcdef", 4<<10) // 64 kB
	w := newWorld(t, strings.Replace(effectYAML("signed", "test.sign@1", ""), `{name: "${`, `{name: "`+long+`${`, 1))
	w.open()
	w.say("requester", "signed 1.0")
	j, found, err := w.e.Lease(ctx, "signer-a", []string{"sign"}, time.Hour)
	if err != nil || !found {
		t.Fatalf("lease: %v %v", found, err)
	}
	if _, err := w.e.Finish(ctx, "sign", j.ID, "signer-a", j.Lease.Fence, job.Verdict{OK: true, Result: []byte(`{"result":"` + long + `"}`)}); err != nil {
		t.Fatal(err)
	}
	w.drain()
	w.wantStep("1.0", "it", run.Done)
	w.open() // and after a restart
	if k, found, err := w.e.Job(ctx, "sign", j.ID); err != nil || !found || len(k.Verdict.Result) < len(long) {
		t.Fatalf("the job after a restart: %v %v", found, err)
	}
	if err := w.e.FsckFull(ctx, func(p string) { t.Error(p) }); err != nil {
		t.Fatal(err)
	}
}

// counting counts how often a body is put.
type counting struct {
	engine.Blobs
	puts int
}

func (c *counting) Put(ctx context.Context, content []byte) (string, error) {
	c.puts++
	return c.Blobs.Put(ctx, content)
}

// A renewal of such a job writes its small record and no body: a holder renews for as long as a
// person thinks.
func TestRenewingAJobWithLongInputsWritesNoBody(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, strings.Replace(effectYAML("signed", "test.sign@1", ""), `{name: "${`, `{name: "`+strings.Repeat("0123456789abcdef", 4<<10)+`${`, 1))
	blobs := &counting{Blobs: w.blobs}
	w.cfg = func(c *engine.Config) { c.Blobs = blobs }
	w.open()
	w.say("requester", "signed 1.0")
	j, found, err := w.e.Lease(ctx, "signer-a", []string{"sign"}, time.Minute)
	if err != nil || !found {
		t.Fatalf("lease: %v %v", found, err)
	}
	live := func() int {
		n := map[string]bool{}
		if err := w.e.LiveBlobs(ctx, func(d string) { n[d] = true }); err != nil {
			t.Fatal(err)
		}
		return len(n)
	}
	before, bodies := live(), blobs.puts
	for range 3 {
		w.clock.pass(30 * time.Second)
		if _, err := w.e.Renew(ctx, "sign", j.ID, "signer-a", j.Lease.Fence, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if live() != before || blobs.puts != bodies {
		t.Fatalf("%d bodies before, %d after", bodies, blobs.puts)
	}
	// The same job can be leased again by its id, by its holder alone.
	again, err := w.e.LeaseOne(ctx, "sign", j.ID, "signer-a", time.Minute)
	if err != nil || again.Lease.Fence != j.Lease.Fence {
		t.Fatalf("%+v %v", again.Lease, err)
	}
	if _, err := w.e.LeaseOne(ctx, "sign", j.ID, "signer-b", time.Minute); !errs.Is(err, errs.Conflict) {
		t.Fatal(err)
	}
	if _, err := w.e.LeaseOne(ctx, "sign", "nothing", "signer-b", time.Minute); !errs.Is(err, errs.NotFound) {
		t.Fatal(err)
	}
	w.clock.pass(2 * time.Minute)
	taken, err := w.e.LeaseOne(ctx, "sign", j.ID, "signer-b", time.Minute)
	if err != nil || taken.Lease.Fence <= j.Lease.Fence {
		t.Fatalf("%+v %v", taken.Lease, err)
	}
	if _, err := w.e.Finish(ctx, "sign", j.ID, "signer-b", taken.Lease.Fence, job.Verdict{OK: true, Result: []byte(`{"result":"x"}`)}); err != nil {
		t.Fatal(err)
	}
	w.drain()
	w.wantStep("1.0", "it", run.Done)
}

// The same holds for the job of a row.
func TestRenewingARowWithLongInputsWritesNoBody(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, strings.Replace(buildsYAML, `{name: "${row.key} `, `{name: "`+strings.Repeat("0123456789abcdef", 4<<10)+`${row.key} `, 1))
	blobs := &counting{Blobs: w.blobs}
	w.cfg = func(c *engine.Config) { c.Blobs = blobs }
	w.open()
	w.say("requester", "quick 1.0")
	b := &builds{w, w.run("1.0").ID}
	for _, site := range []string{"a", "b", "c"} {
		b.change(site, engine.RowChange{Add: true, Values: map[string]any{"site": site}})
	}
	j := b.lease("builder-a")
	if len(j.Payload) > 0 || j.Digest == "" {
		t.Fatalf("%d bytes travel in the job", len(j.Payload))
	}
	bodies := blobs.puts
	for range 3 {
		w.clock.pass(30 * time.Second)
		if _, err := w.e.Renew(ctx, "sign", j.ID, "builder-a", j.Lease.Fence, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if blobs.puts != bodies {
		t.Fatalf("%d bodies before, %d after", bodies, blobs.puts)
	}
	if _, err := w.e.Finish(ctx, "sign", j.ID, "builder-a", j.Lease.Fence, job.Verdict{OK: true, Result: []byte(`{"result":"x"}`)}); err != nil {
		t.Fatal(err)
	}
	if err := w.e.LiveBlobs(ctx, func(string) {}); err != nil { // every body that a record names is there
		t.Fatal(err)
	}
}
