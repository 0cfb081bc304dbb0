package ledger

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/job"
)

func yard() (Spec, Work) {
	s := Spec{Name: "packages", States: []string{"wanted", "building", "built", "attempted", "failed"}, Final: []string{"failed"},
		Columns: []action.Field{{Name: "host", Type: action.Type{Kind: action.String}, Optional: true}},
		Moves:   map[string][]string{"wanted": {"building"}, "building": {"built", "attempted", "failed", "wanted"}, "attempted": {"wanted"}}}
	w := Work{From: "wanted", Takes: "building", Back: "wanted", OK: "built", Tries: 3,
		Failed: map[string]string{"build": "attempted", "chroot": "wanted", "any": "failed"}}
	return s, w
}

func offered(t testing.TB, s Spec, now time.Time) (Row, job.Job) {
	t.Helper()
	row, _, err := Add(s, "hello", nil, "", now)
	if err != nil {
		t.Fatal(err)
	}
	j, err := job.Offer(job.Job{ID: "1", Kind: "build", Key: "hello", Digest: action.DigestOf(nil)}, now, 0)
	if err != nil {
		t.Fatal(err)
	}
	return row, j
}

func TestARowIsHeldAndHandedOn(t *testing.T) {
	s, w := yard()
	now := time.Date(2019, 1, 31, 12, 0, 0, 0, time.UTC)
	row, j := offered(t, s, now)
	take := func(holder string) (Step, error) {
		return w.Lease(s, row, j, holder, time.Minute, map[string]any{"host": holder}, now)
	}
	st, err := take("one")
	if err != nil || st.Row.State != "building" || st.Row.Values["host"] != "one" || st.Job.Lease.Fence != 1 {
		t.Fatalf("%+v %v", st, err)
	}
	row, j = st.Row, st.Job
	if again, err := take("one"); err != nil || again.Change.Seq != 0 || again.Job.Lease != j.Lease {
		t.Fatalf("the holder asks again: %+v %v", again, err)
	}
	if _, err := take("two"); !errs.Is(err, errs.Conflict) {
		t.Fatalf("another holder: %v", err)
	}
	// Silence: the row goes back, and the late result counts no more.
	now = now.Add(2 * time.Minute)
	st, ok, err := w.Expire(s, row, j, nil, now)
	if err != nil || !ok || st.Row.State != "wanted" || st.Job.Blame.Lost != 1 {
		t.Fatalf("%+v %v %v", st, ok, err)
	}
	row, j = st.Row, st.Job
	if st, err = take("two"); err != nil {
		t.Fatal(err)
	}
	row, j = st.Row, st.Job
	if _, err := w.Finish(s, row, j, "one", 1, job.Verdict{OK: true}, nil, time.Minute, now); !errs.Is(err, errs.Conflict) {
		t.Fatalf("a late result: %v", err)
	}
	// The builder's own fault is not the package's.
	if st, err = w.Finish(s, row, j, "two", 2, job.Verdict{Class: "chroot"}, nil, time.Minute, now); err != nil || st.Row.State != "wanted" || st.Job.State != job.Pending {
		t.Fatalf("%+v %v", st, err)
	}
	row, j = st.Row, st.Job
	if _, err := take("two"); !errs.Is(err, errs.Busy) {
		t.Fatalf("it is not offered at once to whom it failed: %v", err)
	}
	if st, err = take("three"); err != nil {
		t.Fatal(err)
	}
	// The third lease that comes to nothing ends it.
	st, err = w.GiveBack(s, st.Row, st.Job, "three", 3, "the disk is full", nil, time.Minute, now)
	if err != nil || st.Row.State != "failed" || st.Job.State != job.Failed || st.Job.Verdict.Class != GivenBack {
		t.Fatalf("%+v %v", st, err)
	}
}

func TestVerdictsLeadSomewhere(t *testing.T) {
	s, w := yard()
	now := time.Date(2019, 1, 31, 12, 0, 0, 0, time.UTC)
	for class, want := range map[string]string{"": "built", "build": "attempted", "weather": "failed", "chroot": "wanted"} {
		row, j := offered(t, s, now)
		held, err := w.Lease(s, row, j, "one", time.Minute, nil, now)
		if err != nil {
			t.Fatal(err)
		}
		v := job.Verdict{OK: class == "", Class: class}
		st, err := w.Finish(s, held.Row, held.Job, "one", 1, v, nil, 0, now)
		if err != nil || st.Row.State != want {
			t.Errorf("%q: %+v %v", class, st, err)
		}
		if class == "" || class == "build" {
			if twice, err := w.Finish(s, st.Row, st.Job, "one", 1, v, nil, 0, now); err != nil || twice.Change.Seq != 0 {
				t.Errorf("%q again: %+v %v", class, twice, err)
			}
		}
	}
}

// Whatever happens, a row is in the state of leased ones exactly while its job is leased, fences
// only grow, and no row is tried for ever.
func TestARowIsLeasedAsItsJobIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, w := yard()
		now := time.Date(2019, 1, 31, 12, 0, 0, 0, time.UTC)
		row, _, _ := Add(s, "hello", nil, "", now)
		j, _ := job.Offer(job.Job{ID: "1", Kind: "build", Key: "hello", Digest: action.DigestOf(nil)}, now, 0)
		leases := 0
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			holder := rapid.SampledFrom([]string{"one", "two", "three"}).Draw(t, "holder")
			fence := rapid.Uint64Range(0, j.Fence+1).Draw(t, "fence")
			var st Step
			var err error
			was := j.Fence
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				if st, err = w.Lease(s, row, j, holder, time.Minute, nil, now); err == nil && st.Change.Seq != 0 {
					leases++
				}
			case 1:
				v := job.Verdict{OK: rapid.Bool().Draw(t, "ok")}
				if !v.OK {
					v.Class = rapid.SampledFrom([]string{"build", "chroot", "weather"}).Draw(t, "class")
				}
				st, err = w.Finish(s, row, j, holder, fence, v, nil, time.Minute, now)
			case 2:
				st, err = w.GiveBack(s, row, j, holder, fence, "no", nil, time.Minute, now)
			case 3:
				var ok bool
				if st, ok, err = w.Expire(s, row, j, nil, now); !ok && err == nil {
					continue
				}
			case 4:
				now = now.Add(40 * time.Second)
				continue
			}
			if err != nil {
				continue
			}
			row, j = st.Row, st.Job
			if (row.State == w.Takes) != (j.State == job.Leased) {
				t.Fatalf("the row is %s and its job %s", row.State, j.State)
			}
			if (row.State == w.From) != (j.State == job.Pending) {
				t.Fatalf("the row is %s and its job %s", row.State, j.State)
			}
			if j.Fence < was {
				t.Fatalf("the fence fell from %d to %d", was, j.Fence)
			}
		}
		if leases > w.Tries {
			t.Fatalf("%d leases", leases)
		}
	})
}
