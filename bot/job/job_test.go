package job

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"slipway/bot/action"
	"slipway/bot/errs"
)

func at(sec int) time.Time { return time.Unix(1_800_000_000+int64(sec), 0).UTC() }

func offered(t interface{ Fatal(...any) }) Job {
	j, err := Offer(Job{ID: "j1", Kind: "sign.tag", Run: "r1", Step: "sign", Key: "k1",
		Digest: action.DigestOf([]byte("request")), Payload: []byte("request")}, at(0), 0)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func must(t *testing.T) func(Job, error) Job {
	return func(j Job, err error) Job {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
}

func wantKind(t *testing.T, err error, k errs.Kind) {
	t.Helper()
	if !errs.Is(err, k) {
		t.Fatalf("got %v (kind %v), want kind %v", err, errs.KindOf(err), k)
	}
}

func wantState(t *testing.T, j Job, s State) {
	t.Helper()
	if j.State != s {
		t.Fatalf("job is %s (%s), want %s", j.State, j.Why, s)
	}
}

func TestOfferRefusesWhatIsNotWhole(t *testing.T) {
	good := offered(t)
	for name, change := range map[string]func(*Job){
		"no id": func(j *Job) { j.ID = "" }, "no kind": func(j *Job) { j.Kind = "" },
		"no key": func(j *Job) { j.Key = "" }, "no digest": func(j *Job) { j.Digest = "" },
		"another digest": func(j *Job) { j.Payload = []byte("other") },
		"too large":      func(j *Job) { j.Payload = make([]byte, MaxPayload+1) },
	} {
		j := good
		change(&j)
		_, err := Offer(j, at(0), 0)
		t.Run(name, func(t *testing.T) { wantKind(t, err, errs.Invalid) })
	}
}

func TestSameHolderGetsTheSameLease(t *testing.T) {
	ok := must(t)
	j := ok(Take(offered(t), at(1), "signer", time.Minute))
	again := ok(Take(j, at(30), "signer", time.Minute))
	if diff := cmp.Diff(j, again); diff != "" {
		t.Fatalf("asking twice changed the lease:\n%s", diff)
	}
	_, err := Take(j, at(30), "other", time.Minute)
	wantKind(t, err, errs.Conflict)
}

func TestSilentLeaseIsTakenBackAndRenewalIsRefused(t *testing.T) {
	ok := must(t)
	j := ok(Take(offered(t), at(0), "a", time.Minute))
	j = ok(Renew(j, at(50), "a", 1, time.Minute))
	if _, expired := Expire(j, at(110)); expired {
		t.Fatal("expired while the lease lasts")
	}
	_, err := Renew(j, at(111), "a", 1, time.Minute)
	wantKind(t, err, errs.Conflict)
	j = ok(Take(j, at(111), "b", time.Minute))
	if j.Lease.Fence != 2 || j.Blame.Lost != 1 || j.Attempt != 2 {
		t.Fatalf("after the second lease: %+v", j)
	}
}

// Attack case 40: late, duplicated or foreign result.
func TestAttack40LateDuplicatedOrForeignResult(t *testing.T) {
	ok := must(t)
	j := ok(Take(offered(t), at(0), "a", time.Minute))
	j = ok(Take(j, at(100), "b", time.Minute))
	late := Verdict{OK: true, Result: []byte("late")}
	_, err := Finish(j, "a", 1, late)
	wantKind(t, err, errs.Conflict)
	_, err = Finish(j, "a", 2, late) // a guesses b's number
	wantKind(t, err, errs.Conflict)
	_, err = Finish(offered(t), "a", 0, late) // no lease at all
	wantKind(t, err, errs.Conflict)

	good := Verdict{OK: true, Result: []byte("good")}
	j = ok(Finish(j, "b", 2, good))
	wantState(t, j, Done)
	j = ok(Finish(j, "b", 2, good)) // told twice, same words
	_, err = Finish(j, "b", 2, late)
	wantKind(t, err, errs.Conflict)
	if string(j.Verdict.Result) != "good" {
		t.Fatalf("result is %q", j.Verdict.Result)
	}
}

func TestSignatureAfterVoidIsKeptUnused(t *testing.T) {
	ok := must(t)
	j := ok(Take(offered(t), at(0), "signer", time.Minute))
	j = Void(j, "the manifest changed")
	wantState(t, j, Cancelled)
	_, err := Renew(j, at(1), "signer", 1, time.Minute)
	wantKind(t, err, errs.Conflict)
	j = ok(Finish(j, "signer", 1, Verdict{OK: true, Result: []byte("sig")}))
	wantState(t, j, Unused)
	if string(j.Verdict.Result) != "sig" {
		t.Fatal("the unused signature was not kept")
	}
	_, err = Take(j, at(2), "signer", time.Minute)
	wantKind(t, err, errs.Conflict)
}

func TestVoidOfADoneJobMakesItUnused(t *testing.T) {
	ok := must(t)
	j := ok(Take(offered(t), at(0), "s", time.Minute))
	j = ok(Finish(j, "s", 1, Verdict{OK: true, Result: []byte("sig")}))
	wantState(t, Void(j, "voided"), Unused)
}

func TestRaiseTakesBackAndFences(t *testing.T) {
	ok := must(t)
	j := Raise(ok(Take(offered(t), at(0), "s", time.Minute)), 7<<32, "held")
	wantState(t, j, Pending)
	_, err := Finish(j, "s", 1, Verdict{OK: true})
	wantKind(t, err, errs.Conflict)
	j = ok(Take(j, at(1), "s", time.Minute))
	if j.Lease.Fence != 7<<32+1 {
		t.Fatalf("fence is %d", j.Lease.Fence)
	}
}

func TestGiveBackOffersTheJobToOthersFirst(t *testing.T) {
	ok := must(t)
	j := ok(Take(offered(t), at(0), "a", time.Minute))
	j = ok(GiveBack(j, at(1), "a", 1, "no space", time.Minute))
	_, err := Take(j, at(2), "a", time.Minute)
	wantKind(t, err, errs.Busy)
	b := ok(Take(j, at(2), "b", time.Minute))
	if b.Lease.Fence != 2 || b.Blame.GivenBack != 1 {
		t.Fatalf("%+v", b)
	}
	ok(Take(j, at(62), "a", time.Minute))
}

func TestStoredFormReadsBack(t *testing.T) {
	ok := must(t)
	j := ok(Take(offered(t), at(0), "a", time.Minute))
	data, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(j, back); diff != "" {
		t.Fatal(diff)
	}
	_, err = Parse([]byte(`{"v":2,"id":"x"}`))
	wantKind(t, err, errs.Corrupt)
}

// Whatever happens in whatever order: numbers only grow, one fence has one holder, a final state
// is never left except for unused, and only the current lease decides.
func TestLeasesHoldUnderAnyOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		j := offered(r)
		now := 0
		owner := map[uint64]string{}
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			before := j
			now += rapid.IntRange(0, 50).Draw(r, "passes")
			who := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "who")
			fence := uint64(rapid.IntRange(0, int(j.Fence)+1).Draw(r, "fence"))
			var err error
			finish := false
			switch rapid.IntRange(0, 6).Draw(r, "what") {
			case 0:
				j, err = Take(j, at(now), who, time.Minute)
			case 1:
				j, err = Renew(j, at(now), who, fence, time.Minute)
			case 2:
				finish = true
				j, err = Finish(j, who, fence, Verdict{OK: true, Result: []byte(who)})
			case 3:
				j, err = GiveBack(j, at(now), who, fence, "w", 0)
			case 4:
				j, _ = Expire(j, at(now))
			case 5:
				j = Raise(j, 0, "raised")
			case 6:
				j = Void(j, "void")
			}
			if j.Fence < before.Fence {
				r.Fatalf("fence fell from %d to %d", before.Fence, j.Fence)
			}
			if j.State == Leased {
				if o, seen := owner[j.Lease.Fence]; seen && o != j.Lease.Holder {
					r.Fatalf("fence %d belongs to %s and %s", j.Lease.Fence, o, j.Lease.Holder)
				}
				owner[j.Lease.Fence] = j.Lease.Holder
			}
			if before.State.Final() && j.State != before.State && j.State != Unused {
				r.Fatalf("left %s for %s", before.State, j.State)
			}
			if finish && err == nil && (owner[fence] != who || j.Verdict.OK && string(j.Verdict.Result) != who) {
				r.Fatalf("%s finished under fence %d of %s", who, fence, owner[fence])
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	j := offered(f)
	data, _ := json.Marshal(j)
	f.Add(data)
	f.Add([]byte(`{"v":1}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := Parse(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(j)
		if err != nil {
			return // a time outside the years 0 to 9999
		}
		if _, err := Parse(again); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
	})
}
