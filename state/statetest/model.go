package statetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"slipway/bot/engine"
	"slipway/bot/errs"
)

// model plays random histories on the store and on a map, and compares all that can be seen.
// All histories use one store, each with spaces of its own.
func model(t *testing.T, w *world) {
	history := 0
	rapid.Check(t, func(rt *rapid.T) {
		history++
		w.t = rt
		m := &modelled{world: w, records: map[engine.Key]string{}}
		for i := range 3 {
			m.spaces = append(m.spaces, fmt.Sprintf("h%d.%d", history, i))
		}
		rt.Repeat(map[string]func(*rapid.T){
			"commit": m.commitRandom,
			"scan":   m.scanRandom,
			"open again": func(rt *rapid.T) {
				if rapid.IntRange(0, 4).Draw(rt, "dice") == 0 { // it is slow
					w.reopen()
				}
			},
			"": m.compare,
		})
		w.reopen()
		m.compare(rt)
	})
	w.t = t
}

type modelled struct {
	*world
	spaces  []string
	records map[engine.Key]string
}

func (m *modelled) id(rt *rapid.T, label string) string {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"a", "b", "c", "a/1", "a/2", "a/10"}),
		rapid.StringOfN(rapid.RuneFrom([]rune{0, 'a', 'z', 'é', 0xffff}), 1, 3, -1),
	).Draw(rt, label)
}

func (m *modelled) key(rt *rapid.T, label string) engine.Key {
	return key(rapid.SampledFrom(m.spaces).Draw(rt, "space of "+label), m.id(rt, label))
}

func (m *modelled) value(rt *rapid.T) string {
	size := rapid.SampledFrom([]int{0, 1, 2, 100, 5000, engine.MaxValue}).Draw(rt, "size")
	return fmt.Sprintf("%.*s", size, fmt.Sprintf("%-*d", size, rapid.IntRange(0, 9).Draw(rt, "value")))
}

func (m *modelled) commitRandom(rt *rapid.T) {
	var b engine.Batch
	holds := true
	for range rapid.IntRange(0, 2).Draw(rt, "guards") {
		g := engine.Guard{Key: m.key(rt, "guard")}
		have, exists := m.records[g.Key]
		if rapid.IntRange(0, 3).Draw(rt, "right") > 0 {
			if exists {
				g.Want = []byte(have)
			}
		} else {
			want := rapid.SampledFrom([]string{"", "1", have}).Draw(rt, "want")
			g.Want = []byte(want)
			holds = holds && exists && want == have
		}
		b.Guards = append(b.Guards, g)
	}
	after := map[engine.Key]string{}
	for k, v := range m.records {
		after[k] = v
	}
	written := map[engine.Key]bool{}
	for range rapid.IntRange(0, 6).Draw(rt, "writes") {
		k := m.key(rt, "write")
		if written[k] {
			continue
		}
		written[k] = true
		if rapid.IntRange(0, 2).Draw(rt, "delete") == 0 {
			b.Deletes = append(b.Deletes, k)
			delete(after, k)
		} else {
			v := m.value(rt)
			b.Puts = append(b.Puts, engine.Record{Key: k, Value: []byte(v)})
			after[k] = v
		}
	}
	if !holds {
		m.refuse(errs.Conflict, b)
		return
	}
	m.commit(b)
	m.records = after
}

func (m *modelled) scanRandom(rt *rapid.T) {
	space := rapid.SampledFrom(m.spaces).Draw(rt, "space")
	from := rapid.OneOf(rapid.Just(""), rapid.Custom(func(rt *rapid.T) string { return m.id(rt, "id") })).Draw(rt, "from")
	to := rapid.OneOf(rapid.Just(""), rapid.Custom(func(rt *rapid.T) string { return m.id(rt, "id") })).Draw(rt, "to")
	reverse := rapid.Bool().Draw(rt, "reverse")
	m.wantScan(space, from, to, reverse, m.expected(space, from, to, reverse)...)
}

func (m *modelled) expected(space, from, to string, reverse bool) []string {
	var ids, want []string
	for k := range m.records {
		if k.Space == space && k.ID >= from && (to == "" || k.ID < to) {
			ids = append(ids, k.ID)
		}
	}
	slices.Sort(ids)
	if reverse {
		slices.Reverse(ids)
	}
	for _, id := range ids {
		want = append(want, id+"="+m.records[key(space, id)])
	}
	return want
}

func (m *modelled) compare(rt *rapid.T) {
	got := map[engine.Key]string{}
	for _, space := range m.spaces {
		err := m.s.Scan(context.Background(), space, "", "", false, func(id string, value []byte) bool {
			got[key(space, id)] = string(value)
			return true
		})
		if err != nil {
			rt.Fatalf("scan: %v", err)
		}
	}
	if diff := cmp.Diff(m.records, got); diff != "" {
		rt.Fatalf("the store differs from the model (-model +store):\n%s", diff)
	}
}
