package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

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
