package run

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Relisted says what changed in a list that lives on a ledger, and no more: a list of thousands of
// rows is never written anew because of one. The elements are in the order of their keys.
type Relisted struct {
	Step string         `json:"step"`
	Set  map[string]any `json:"set,omitempty"`  // elements that came, or have other values now
	Gone []string       `json:"gone,omitempty"` // keys of those that left
}

func (Relisted) kind() string { return "each.relisted" }

func (f *fold) relisted(b Relisted) {
	st := f.step(b.Step)
	items := maps.Clone(st.Items)
	if items == nil {
		items = make(map[string]any, len(b.Set))
	}
	keys := make([]string, 0, len(st.Keys)+len(b.Set))
	for _, key := range st.Keys {
		if !slices.Contains(b.Gone, key) {
			keys = append(keys, key)
		}
	}
	for _, key := range b.Gone {
		delete(items, key)
	}
	added := false
	for key, item := range b.Set {
		if _, had := items[key]; !had && !slices.Contains(st.Keys, key) {
			keys = append(keys, key)
			added = true
		}
		items[key] = item
	}
	if added {
		slices.Sort(keys)
	}
	st.Keys, st.Items, st.Living = keys, items, true
}

// relistLiving records what changed of a list that lives on a ledger. changed are the keys of
// elements that stayed with other values; something says whether anything was recorded.
func (d *decider) relistLiving(path string, keys []string, items map[string]any) (changed []string, something bool) {
	st := d.at(path)
	b := Relisted{Step: path}
	for _, key := range st.Keys {
		if _, stays := items[key]; !stays {
			b.Gone = append(b.Gone, key)
		}
	}
	for _, key := range keys {
		was, had := st.Items[key]
		if had && sameValue(items[key], was) {
			continue
		}
		if b.Set == nil {
			b.Set = map[string]any{}
		}
		b.Set[key] = items[key]
		if had {
			changed = append(changed, key)
		}
	}
	if len(b.Set)+len(b.Gone) == 0 && (st.Living || st.Keys != nil) {
		return nil, false
	}
	d.emit(b)
	return changed, true
}

// Element is one element of a list that lives on a ledger, as a store keeps it: by itself, and
// not in the record of its step.
type Element struct {
	Key  string `json:"key"`
	Item any    `json:"item"`
}

// EncodeElement and DecodeElement write and read the record of one element.
func EncodeElement(e Element) ([]byte, error) { return json.Marshal(e) }

func DecodeElement(data []byte) (Element, error) {
	var e Element
	err := decodeRecord(data, &e)
	e.Item = plain(e.Item)
	return e, err
}

// ElementsOf says which elements of the list at path a store has to write, and which to remove,
// when events lead from before to after. Before may be nil, as may after.
func ElementsOf(path string, before, after *Step, events []Event) (put []Element, gone []string) {
	if after == nil || !after.Living {
		if before != nil && before.Living {
			gone = slices.Clone(before.Keys)
		}
		return nil, gone
	}
	touched := map[string]bool{}
	if before == nil || !before.Living { // it was kept in the record of its step until now
		for _, key := range after.Keys {
			touched[key] = true
		}
	}
	for _, e := range events {
		if b, ok := e.Body.(Relisted); ok && b.Step == path {
			for key := range b.Set {
				touched[key] = true
			}
			for _, key := range b.Gone {
				touched[key] = true
			}
		}
	}
	for _, key := range sortedNames(touched) {
		if item, is := after.Items[key]; is {
			put = append(put, Element{Key: key, Item: item})
		} else {
			gone = append(gone, key)
		}
	}
	return put, gone
}

// With gives a step that was read without its elements those that a store kept by themselves.
func (st *Step) With(elements []Element) {
	slices.SortFunc(elements, func(a, b Element) int { return strings.Compare(a.Key, b.Key) })
	st.Keys, st.Items = make([]string, 0, len(elements)), make(map[string]any, len(elements))
	for _, e := range elements {
		st.Keys = append(st.Keys, e.Key)
		st.Items[e.Key] = e.Item
	}
}

// bare is the step without what is kept elsewhere.
func (st *Step) bare() *Step {
	if !st.Living {
		return st
	}
	next := *st
	next.Keys, next.Items = nil, nil
	return &next
}
