package statetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/state"
)

// The tests of one caller at a time.

func absent(t *testing.T, w *world) {
	w.want("runs", "none", nil)
	w.wantScan("runs", "", "", false)
	w.wantScan("runs", "", "", true)
	w.commit(engine.Batch{Deletes: []engine.Key{key("runs", "none")}})
	w.commit(engine.Batch{})
	w.want("runs", "none", nil)
}

func whole(t *testing.T, w *world) {
	w.commit(engine.Batch{Puts: []engine.Record{put("runs", "a", "1"), put("timers", "a", "2"), put("runs", "b", "3")}})
	w.want("runs", "a", []byte("1"))
	w.want("timers", "a", []byte("2"))
	w.want("runs", "b", []byte("3"))
	w.commit(engine.Batch{
		Guards:  []engine.Guard{has("runs", "a", "1"), has("timers", "a", "2"), lacks("effects", "a")},
		Puts:    []engine.Record{put("runs", "a", "4"), put("effects", "a", "5")},
		Deletes: []engine.Key{key("timers", "a"), key("runs", "b")},
	})
	w.wantScan("runs", "", "", false, "a=4")
	w.wantScan("timers", "", "", false)
	w.wantScan("effects", "", "", false, "a=5")
}

func refusedWhole(t *testing.T, w *world) {
	w.commit(engine.Batch{Puts: []engine.Record{put("runs", "a", "1"), put("runs", "z", "1")}})
	w.refuse(errs.Conflict, engine.Batch{
		Guards:  []engine.Guard{has("runs", "z", "1"), has("runs", "a", "other")},
		Puts:    []engine.Record{put("runs", "a", "2"), put("new", "a", "2")},
		Deletes: []engine.Key{key("runs", "z")},
	})
	w.wantScan("runs", "", "", false, "a=1", "z=1")
	w.wantScan("new", "", "", false)
}

func guardKinds(t *testing.T, w *world) {
	empty := engine.Guard{Key: key("runs", "a"), Want: []byte{}}
	w.refuse(errs.Conflict, engine.Batch{Guards: []engine.Guard{empty}})
	w.commit(engine.Batch{Guards: []engine.Guard{lacks("runs", "a")}, Puts: []engine.Record{{Key: key("runs", "a")}}})
	w.want("runs", "a", []byte{})
	w.wantScan("runs", "", "", false, "a=")
	w.refuse(errs.Conflict, engine.Batch{Guards: []engine.Guard{lacks("runs", "a")}})
	w.refuse(errs.Conflict, engine.Batch{Guards: []engine.Guard{has("runs", "a", "x")}})
	w.commit(engine.Batch{Guards: []engine.Guard{empty}, Puts: []engine.Record{put("runs", "a", "x")}})
	w.refuse(errs.Conflict, engine.Batch{Guards: []engine.Guard{empty}})
	w.refuse(errs.Conflict, engine.Batch{Guards: []engine.Guard{has("runs", "a", "xy")}})
	w.refuse(errs.Conflict, engine.Batch{Guards: []engine.Guard{has("nowhere", "a", "x")}})
	w.commit(engine.Batch{Guards: []engine.Guard{has("runs", "a", "x"), lacks("nowhere", "a")}})
	w.commit(engine.Batch{Deletes: []engine.Key{key("runs", "a")}})
	w.commit(engine.Batch{Guards: []engine.Guard{lacks("runs", "a")}})
}

func guardOrder(t *testing.T, w *world) {
	create := engine.Batch{Guards: []engine.Guard{lacks("runs", "a")}, Puts: []engine.Record{put("runs", "a", "1")}}
	w.commit(create)
	w.refuse(errs.Conflict, create)
	w.commit(engine.Batch{Guards: []engine.Guard{has("runs", "a", "1")}, Deletes: []engine.Key{key("runs", "a")}})
	w.commit(create)
	w.want("runs", "a", []byte("1"))
}

func ordered(t *testing.T, w *world) {
	ids := []string{"\x00", "\x01a", "0", "10", "2", "A", "a", "a\x00", "a/b", "ab", "é", "\xff", "\xff\xff"}
	shuffled := slices.Clone(ids)
	slices.Reverse(shuffled)
	for _, id := range shuffled {
		w.commit(engine.Batch{Puts: []engine.Record{put("s", id, ""), put("s2", id, "other")}})
	}
	want := make([]string, len(ids))
	for i, id := range ids {
		want[i] = id + "="
	}
	if !slices.IsSorted(ids) {
		t.Fatal("the test's own ids are not in order")
	}
	w.wantScan("s", "", "", false, want...)
	slices.Reverse(want)
	w.wantScan("s", "", "", true, want...)
}

func ranges(t *testing.T, w *world) {
	for _, id := range []string{"b", "d", "f"} {
		w.commit(engine.Batch{Puts: []engine.Record{put("s", id, "")}})
	}
	for _, c := range []struct{ from, to, want string }{
		{"", "", "b d f"}, {"b", "", "b d f"}, {"b", "f", "b d"}, {"a", "g", "b d f"}, {"a", "b", ""},
		{"c", "e", "d"}, {"d", "d", ""}, {"d", "d\x00", "d"}, {"e", "c", ""}, {"g", "", ""}, {"", "b", ""},
		{"", "b\x00", "b"}, {"f", "", "f"}, {"f\x00", "", ""}, {"", "f", "b d"}, {"", "zz", "b d f"},
	} {
		want := strings.Fields(strings.ReplaceAll(c.want, " ", "= ") + "=")
		if c.want == "" {
			want = nil
		}
		w.wantScan("s", c.from, c.to, false, want...)
		slices.Reverse(want)
		w.wantScan("s", c.from, c.to, true, want...)
	}
}

func longScan(t *testing.T, w *world) {
	const n = 3000
	var want []string
	for i := 0; i < n; i += 100 {
		var b engine.Batch
		for j := range 100 {
			id := fmt.Sprintf("%06d", i+j)
			b.Puts = append(b.Puts, put("s", id, id))
			want = append(want, id+"="+id)
		}
		w.commit(b)
	}
	w.wantScan("s", "", "", false, want...)
	w.wantScan("s", "000007", "002991", false, want[7:2991]...)
	slices.Reverse(want)
	w.wantScan("s", "", "", true, want...)
	w.wantScan("s", "000007", "002991", true, want[n-2991:n-7]...)
}

func visiting(t *testing.T, w *world) {
	for i := range 20 {
		w.commit(engine.Batch{Puts: []engine.Record{put("s", fmt.Sprintf("%02d", i), "old")}})
	}
	for _, reverse := range []bool{false, true} {
		visited := 0
		err := w.s.Scan(context.Background(), "s", "", "", reverse, func(id string, _ []byte) bool {
			visited++
			w.commit(engine.Batch{Puts: []engine.Record{put("seen", id, "")}, Deletes: []engine.Key{key("s", id)}})
			w.want("seen", id, []byte{})
			return visited < 5
		})
		if err != nil || visited != 5 {
			t.Fatalf("visited %d records, error %v; want 5 and none", visited, err)
		}
	}
	if left := w.scan("s", "", "", false); len(left) != 10 || left[0] != "05=old" || left[9] != "14=old" {
		t.Fatalf("after visits from both ends %v is left", left)
	}
}

func ownership(t *testing.T, w *world) {
	value := []byte("first")
	b := engine.Batch{Puts: []engine.Record{{Key: key("s", "a"), Value: value}, put("s", "b", "second")}}
	w.commit(b)
	copy(value, "XXXXX")
	got, _ := w.s.Get(context.Background(), key("s", "a"))
	copy(got, "YYYYY")
	var kept [][]byte
	_ = w.s.Scan(context.Background(), "s", "", "", false, func(_ string, v []byte) bool {
		kept = append(kept, v)
		return true
	})
	_ = append(kept[0], "overrun"...)
	w.commit(engine.Batch{Puts: []engine.Record{put("s", "c", "third")}})
	if string(kept[0]) != "first" || string(kept[1]) != "second" {
		t.Fatalf("a scan handed out %q, which changed later", kept)
	}
	copy(kept[1], "ZZZZZZ")
	w.wantScan("s", "", "", false, "a=first", "b=second", "c=third")
}

func refusedForEver(t *testing.T, w *world) {
	big := strings.Repeat("x", engine.MaxValue+1)
	long := strings.Repeat("i", state.MaxID+1)
	for _, b := range []engine.Batch{
		{Puts: []engine.Record{put("s", "a", "1"), put("s", "b", big)}},
		{Puts: []engine.Record{put(LargeSpace, "a", strings.Repeat("x", engine.MaxSnapshot+1))}},
		{Puts: []engine.Record{put("", "a", "")}},
		{Puts: []engine.Record{put("s", "", "")}},
		{Puts: []engine.Record{put("s", long, "")}},
		{Puts: []engine.Record{put(strings.Repeat("s", state.MaxSpace+1), "a", "")}},
		{Puts: []engine.Record{put("s", "a", "1"), put("s", "a", "2")}},
		{Puts: []engine.Record{put("s", "a", "1")}, Deletes: []engine.Key{key("s", "a")}},
		{Deletes: []engine.Key{key("", "a")}},
		{Guards: []engine.Guard{lacks("s", "")}, Puts: []engine.Record{put("s", "a", "1")}},
	} {
		w.refuse(errs.Invalid, b)
	}
	many := engine.Batch{}
	for i := range 40 {
		many.Puts = append(many.Puts, put("s", fmt.Sprint(i%39), ""))
	}
	w.refuse(errs.Invalid, many)
	heavy := engine.Batch{}
	for i := range 9 {
		heavy.Puts = append(heavy.Puts, put(LargeSpace, fmt.Sprint(i), strings.Repeat("x", engine.MaxSnapshot)))
	}
	w.refuse(errs.Invalid, heavy)
	if err := w.s.Commit(context.Background(), nil); !errs.Is(err, errs.Invalid) {
		t.Fatalf("no batch at all gave %v", err)
	}
	if _, err := w.s.Get(context.Background(), engine.Key{Space: "s"}); !errs.Is(err, errs.Invalid) {
		t.Fatalf("reading a key without id gave %v", err)
	}
	if err := w.s.Scan(context.Background(), "", "", "", false, nil); !errs.Is(err, errs.Invalid) {
		t.Fatalf("scanning without a space gave %v", err)
	}
	w.wantScan("s", "", "", false)
	w.wantScan(LargeSpace, "", "", false)
}

func largest(t *testing.T, w *world) {
	value := strings.Repeat("v", engine.MaxValue)
	snapshot := strings.Repeat("s", engine.MaxSnapshot)
	id := strings.Repeat("i", state.MaxID)
	w.commit(engine.Batch{Puts: []engine.Record{put("s", id, value), put(LargeSpace, id, snapshot)}})
	w.reopen()
	w.want("s", id, []byte(value))
	w.want(LargeSpace, id, []byte(snapshot))
	w.commit(engine.Batch{Guards: []engine.Guard{has(LargeSpace, id, snapshot)}, Deletes: []engine.Key{key(LargeSpace, id)}})
	w.wantScan(LargeSpace, "", "", true)
}

func endedContext(t *testing.T, w *world) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b := engine.Batch{Puts: []engine.Record{put("s", "a", "1")}}
	if err := w.s.Commit(ctx, &b); !errs.Is(err, errs.Unavailable) {
		t.Fatalf("commit gave %v", err)
	}
	if _, err := w.s.Get(ctx, key("s", "a")); !errs.Is(err, errs.Unavailable) {
		t.Fatalf("get gave %v", err)
	}
	if err := w.s.Scan(ctx, "s", "", "", false, nil); !errs.Is(err, errs.Unavailable) {
		t.Fatalf("scan gave %v", err)
	}
	w.want("s", "a", nil)
}
