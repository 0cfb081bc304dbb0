package ledger

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/bot/action"
	"slipway/bot/errs"
)

var noon = time.Date(2019, 1, 31, 12, 0, 0, 0, time.UTC)

// packages is a small archive rebuild.
func packages() Spec {
	return Spec{
		Name:   "packages",
		States: []string{"needs-build", "building", "failed", "dep-wait", "installed", "paused"},
		Moves: map[string][]string{
			"needs-build": {"building", "paused"}, "building": {"needs-build", "failed", "dep-wait", "installed"},
			"failed": {"needs-build"}, "dep-wait": {"needs-build"}, "paused": {"needs-build"},
		},
		Final:   []string{"failed", "installed"},
		Columns: []action.Field{{Name: "version", Type: action.Type{Kind: action.Version}}, {Name: "log", Type: action.Type{Kind: action.String}, Optional: true}, {Name: "tries", Type: action.Type{Kind: action.Int}, Optional: true}},
	}
}

func TestARowsLife(t *testing.T) {
	s := packages()
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	row, ch, err := Add(s, "hello", map[string]any{"version": "2.10-1"}, "", noon)
	if err != nil || row.State != "needs-build" || row.Seq != 1 || ch.From != "" || len(row.Chain) != 64 {
		t.Fatalf("%+v %+v %v", row, ch, err)
	}
	first := row
	row, _, err = Move(s, row, "building", map[string]any{"log": "l1"}, "", noon.Add(time.Minute))
	if err != nil || row.Values["log"] != "l1" || first.Values["log"] != nil {
		t.Fatalf("%+v %v", row, err)
	}
	row, _, err = Act(s, row, "give-back", "maria", noon.Add(2*time.Minute))
	if err != nil || row.State != "needs-build" || row.By != "maria" {
		t.Fatalf("%+v %v", row, err)
	}
	row, _, err = Act(s, row, "pause", "maria", noon)
	if err != nil || row.State != "paused" {
		t.Fatalf("%+v %v", row, err)
	}
	row, _, err = Act(s, row, "resume", "maria", noon)
	if err != nil || row.State != "needs-build" {
		t.Fatalf("%+v %v", row, err)
	}
	if _, _, err := Act(s, row, "retry", "maria", noon); !errs.Is(err, errs.Conflict) || errs.HintOf(err) == "" {
		t.Errorf("retry of a row that has not failed: %v", err)
	}
	row, _, _ = Move(s, row, "building", nil, "", noon)
	row, ch, err = Move(s, row, "failed", map[string]any{"log": nil}, "", noon)
	if err != nil || row.Values["log"] != nil || !slices.Equal(ch.Clear, []string{"log"}) {
		t.Fatalf("%+v %v", ch, err)
	}
	if _, _, err := Set(s, row, map[string]any{"log": "x"}, "", noon); !errs.Is(err, errs.Conflict) {
		t.Errorf("an ended row took a value: %v", err)
	}
	if row, _, err = Act(s, row, "retry", "maria", noon); err != nil || row.State != "needs-build" || row.Seq != 8 {
		t.Errorf("%+v %v", row, err)
	}
}

func TestRefusals(t *testing.T) {
	s := packages()
	row, _, err := Add(s, "hello", map[string]any{"version": "1"}, "", noon)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := json.Marshal(row)
	for _, tc := range []struct {
		to     string
		values map[string]any
		kind   errs.Kind
	}{
		{"installed", nil, errs.Conflict},
		{"nowhere", nil, errs.Invalid},
		{"building", map[string]any{"colour": "red"}, errs.Invalid},
		{"building", map[string]any{"tries": "three"}, errs.Invalid},
		{"building", map[string]any{"version": nil}, errs.Invalid},
	} {
		got, ch, err := Move(s, row, tc.to, tc.values, "", noon)
		after, _ := json.Marshal(row)
		if !errs.Is(err, tc.kind) || errs.Text(err) == "" || !reflect.DeepEqual(got, row) || ch.Seq != 0 || string(before) != string(after) {
			t.Errorf("%s %v: %v", tc.to, tc.values, err)
		}
	}
	for _, key := range []string{"", "a b", "a\nb", "\xff"} {
		if _, _, err := Add(s, key, map[string]any{"version": "1"}, "", noon); !errs.Is(err, errs.Invalid) {
			t.Errorf("key %q: %v", key, err)
		}
	}
	if _, _, err := Add(s, "x", nil, "", noon); !errs.Is(err, errs.Invalid) {
		t.Error("a row without its version was made")
	}
}

func TestSpecCheck(t *testing.T) {
	for i, change := range []func(*Spec){
		func(s *Spec) { s.Name = "" }, func(s *Spec) { s.States = nil }, func(s *Spec) { s.States = append(s.States, "failed") },
		func(s *Spec) { s.Moves["nowhere"] = nil }, func(s *Spec) { s.Moves["failed"] = []string{"nowhere"} }, func(s *Spec) { s.Final = []string{"nowhere"} },
		func(s *Spec) { s.Columns = append(s.Columns, action.Field{Name: "log"}) },
		func(s *Spec) { s.Actions = map[string]map[string]string{"skip": {"failed": "installed"}} },
	} {
		s := packages()
		change(&s)
		if err := s.Check(); !errs.Is(err, errs.Invalid) {
			t.Errorf("change %d: %v", i, err)
		}
	}
	s := packages()
	s.Actions = map[string]map[string]string{"pause": {"building": "needs-build"}}
	if to, err := s.Target("pause", "building"); err != nil || to != "needs-build" {
		t.Errorf("%q %v", to, err)
	}
	if _, err := s.Target("pause", "needs-build"); err == nil {
		t.Error("a declared action falls back to what needs no declaration")
	}
}

// Random histories: counters equal the fold over rows, refused moves change nothing, replaying
// the kept changes gives the same rows, and every change moves the head.
func TestCountersChainsAndReplay(t *testing.T) {
	s := packages()
	rapid.Check(t, func(t *rapid.T) {
		rows, replayed := map[string]Row{}, map[string]Row{}
		head := Head{Ledger: s.Name}
		heads := map[string]bool{"": true}
		delta := Counters{}
		for i := range rapid.IntRange(0, 40).Draw(t, "steps") {
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			before, exists := rows[key]
			old, _ := json.Marshal(before)
			var after Row
			var ch Change
			var err error
			when := noon.Add(time.Duration(i) * time.Second)
			switch {
			case !exists:
				after, ch, err = Add(s, key, map[string]any{"version": "1"}, "", when)
			case rapid.Bool().Draw(t, "act"):
				after, ch, err = Act(s, before, rapid.SampledFrom([]string{"retry", "give-back", "pause", "resume", "explode"}).Draw(t, "action"), "maria", when)
			default:
				to := rapid.SampledFrom(s.States).Draw(t, "to")
				after, ch, err = Move(s, before, to, map[string]any{"tries": int64(i)}, "", when)
				if (err == nil) != slices.Contains(s.Moves[before.State], to) {
					t.Fatalf("%s to %s: %v", before.State, to, err)
				}
			}
			if now, _ := json.Marshal(before); string(now) != string(old) {
				t.Fatalf("the row before was changed: %s, was %s", now, old)
			}
			if err != nil {
				if !reflect.DeepEqual(after, before) {
					t.Fatalf("a refused move changed the row: %+v", after)
				}
				continue
			}
			rows[key] = after
			kept, _ := json.Marshal(ch)
			raw, err := action.Decode(kept) // as stored: numbers come back whole
			if err != nil {
				t.Fatal(err)
			}
			stored := ch
			if set, ok := raw.(map[string]any)["set"].(map[string]any); ok {
				stored.Set = set
			}
			if replayed[key], err = replayed[key].Replay(stored); err != nil {
				t.Fatal(err)
			}
			if _, err := replayed[key].Replay(stored); !errs.Is(err, errs.Corrupt) {
				t.Fatalf("a change was replayed twice: %v", err)
			}
			delta = delta.Plus(Counters{}.With(ch))
			if head, err = head.Advance(ch); err != nil {
				t.Fatal(err)
			}
			if heads[head.Chain] {
				t.Fatal("the head did not move")
			}
			heads[head.Chain] = true
			var all []Row
			for _, r := range rows {
				all = append(all, r)
			}
			if want := Count(all); !reflect.DeepEqual(head.Counts, want) || head.Total != len(all) || want.Total() != len(all) || !reflect.DeepEqual(delta, want) {
				t.Fatalf("%v and %v, want %v", head.Counts, delta, want)
			}
		}
		if fmt.Sprint(rows) != fmt.Sprint(replayed) {
			t.Fatalf("%v\n%v", rows, replayed)
		}
	})
}

func TestTamperingShows(t *testing.T) {
	s := packages()
	row, ch, err := Add(s, "hello", map[string]any{"version": "1"}, "maria", noon)
	if err != nil {
		t.Fatal(err)
	}
	for i, change := range []func(*Change){
		func(c *Change) { c.Key = "other" }, func(c *Change) { c.To = "installed" }, func(c *Change) { c.By = "bo" },
		func(c *Change) { c.At = noon.Add(1) }, func(c *Change) { c.Set = map[string]any{"version": "2"} },
	} {
		forged := ch
		change(&forged)
		if got, err := (Row{}).Replay(forged); err == nil && got.Chain == row.Chain {
			t.Errorf("change %d does not show", i)
		}
	}
	if _, err := (Head{Ledger: "other"}).Advance(ch); !errs.Is(err, errs.Corrupt) {
		t.Error(err)
	}
	ch.From = "building"
	if _, err := (Head{Ledger: "packages"}).Advance(ch); !errs.Is(err, errs.Corrupt) {
		t.Error(err)
	}
	if c := (Counters{"a": 2, "b": 1}).Minus(Counters{"a": 1, "b": 1}); !reflect.DeepEqual(c, Counters{"a": 1}) {
		t.Error(c)
	}
}

func TestAnswers(t *testing.T) {
	c := Collection{Questions: []action.Field{{Name: "can", Type: action.Type{Kind: action.Bool}}, {Name: "note", Type: action.Type{Kind: action.String}, Optional: true}}, Deadline: noon}
	yes, no := map[string]any{"can": true}, map[string]any{"can": false}
	a, changed, err := c.Give(nil, "site1", yes, "maria", noon)
	if err != nil || !changed || a.Late {
		t.Fatalf("%+v %v", a, err)
	}
	if _, changed, err := c.Give(&a, "site1", map[string]any{"can": true}, "maria", noon.Add(time.Hour)); changed || err != nil {
		t.Errorf("the same answer again: %v %v", changed, err)
	}
	b, changed, err := c.Give(&a, "site1", no, "maria", noon)
	if err != nil || !changed || b.Change != 1 || a.Values["can"] != true {
		t.Errorf("a change of mind: %+v %v", b, err)
	}
	if _, _, err := c.Give(&b, "site1", yes, "maria", noon.Add(time.Second)); !errs.Is(err, errs.Gone) {
		t.Errorf("late: %v", err)
	}
	used := b.Use("e1").Use("e2")
	if _, _, err := c.Give(&used, "site1", yes, "maria", noon); !errs.Is(err, errs.Conflict) || used.Used != "e1" {
		t.Errorf("used: %v", err)
	}
	for _, bad := range []map[string]any{nil, {"can": "yes"}, {"can": true, "more": "x"}} {
		if _, _, err := c.Give(nil, "site1", bad, "maria", noon); !errs.Is(err, errs.Invalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	c.Late, c.Closed = Accept, true
	if a, _, err := c.Give(&b, "site1", yes, "maria", noon.Add(time.Second)); err != nil || !a.Late {
		t.Errorf("accepted late: %+v %v", a, err)
	}
	got := Stand([]string{"s2", "s1", "s3", "s1"}, map[string]Answer{"s1": a, "gone": a})
	if !reflect.DeepEqual(got, Standing{Answered: []string{"s1"}, Missing: []string{"s2", "s3"}, Strays: []string{"gone"}}) {
		t.Errorf("%+v", got)
	}
}

// Coalescing turns one by one gives the same as looking only before the first and after the last.
func TestCoalesceIsTheWholeStep(t *testing.T) {
	match := func(r Row) (bool, error) { return r.State == "in", nil }
	rapid.Check(t, func(t *rapid.T) {
		start := Row{Key: "k", State: rapid.SampledFrom([]string{"in", "out"}).Draw(t, "start"), Seq: 1}
		row := start
		var deltas []Delta
		for range rapid.IntRange(1, 6).Draw(t, "n") {
			next := row
			next.State, next.Seq = rapid.SampledFrom([]string{"in", "out"}).Draw(t, "state"), row.Seq+1
			next.Values = map[string]any{"n": int64(next.Seq)}
			d, err := TurnOf(row, next, match)
			if err != nil {
				t.Fatal(err)
			}
			deltas, row = append(deltas, d), next
		}
		got := Coalesce(deltas)
		want, _ := TurnOf(start, row, match)
		if want.Turn == Nothing && len(got) != 0 || want.Turn != Nothing && (len(got) != 1 || got[0].Turn != want.Turn || got[0].Row.Seq != row.Seq) {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}
