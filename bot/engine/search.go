package engine

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// lists is the index of runs in memory. It is made from the lines of live and past runs in the
// background after a start, and follows every commit that changes such a line. What is searched or
// filtered walks the shortest list that holds all that is asked for: of a project, a family, a
// status, a person, the children of a run, or of all runs with three letters of a word in their text.
// A start or an end costs the commit one entry of a map; the rest is done beside it.
type lists struct {
	mu    sync.Mutex
	byRun map[string]*entry
	facet map[facet][]*entry // oldest first
	grams map[gram][]*entry  // oldest first
	named []*entry           // by name; nil: to be made again
	news  chan struct{}      // something is late

	noting sync.Mutex // held for no longer than a commit can wait, and after mu
	late   map[string]*nameRecord

	build sync.Mutex
	ready bool
}

// entry is one run. Who reads rec and text holds the lock of the index.
type entry struct {
	began time.Time
	id    string
	rec   *nameRecord // replaced, never changed
	text  string      // what is searched, in small letters
}

// facet is something that runs have in common, gram three bytes of their text.
type facet struct{ what, value string }
type gram [3]byte

func (l *lists) init() {
	l.byRun, l.facet, l.grams = map[string]*entry{}, map[facet][]*entry{}, map[gram][]*entry{}
	l.late, l.news = map[string]*nameRecord{}, make(chan struct{}, 1)
}

// older is the order of the lists: by when runs began.
func older(a, b *entry) int { return cmp.Or(a.began.Compare(b.began), strings.Compare(a.id, b.id)) }

// facetsOf are the lists that a run is in.
func facetsOf(r *nameRecord) []facet {
	out := []facet{{"all", ""}, {"project", r.Project}, {"family", r.Family}, {"requester", string(r.Requester)}, {"status", r.Status}}
	if r.Outcome != "" {
		out = append(out, facet{"status", r.Outcome})
	}
	if r.Parent != "" {
		out = append(out, facet{"parent", r.Parent})
	}
	if r.Ended.IsZero() {
		return append(out, facet{"which", LiveRuns})
	}
	return append(out, facet{"which", PastRuns})
}

func gramsOf(text string) []gram {
	var out []gram
	for i := 0; i+3 <= len(text); i++ {
		out = append(out, gram{text[i], text[i+1], text[i+2]})
	}
	slices.SortFunc(out, func(a, b gram) int { return strings.Compare(string(a[:]), string(b[:])) })
	return slices.Compact(out)
}

// searched is the text of a run: its name as it is and as it is compared, and what the name leaves out.
func searched(r *nameRecord) string {
	text := r.Name
	for _, more := range []string{nameKey(r.Name), r.Project, r.Family, string(r.Requester)} {
		if !strings.Contains(text, more) {
			text += "\n" + more
		}
	}
	return strings.ToLower(text)
}

// changed notes the line of a run after a commit; the index follows a little later.
func (l *lists) changed(was, now *nameRecord) {
	if was != nil && was.same(now) {
		return
	}
	l.noting.Lock()
	l.late[now.ID] = now
	l.noting.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// catchUp puts what is late into the index. The caller holds mu.
func (l *lists) catchUp() {
	l.noting.Lock()
	late := l.late
	if len(late) == 0 {
		l.noting.Unlock()
		return
	}
	l.late = map[string]*nameRecord{}
	l.noting.Unlock()
	for _, r := range late {
		l.put(r)
	}
}

// put adds a run, or brings its entry up to date. The caller holds mu.
func (l *lists) put(r *nameRecord) {
	text := searched(r)
	en := l.byRun[r.ID]
	if en == nil {
		en = &entry{began: r.Began, id: r.ID, rec: r, text: text}
		l.byRun[r.ID], l.named = en, nil
		for _, f := range facetsOf(r) {
			l.facet[f] = added(l.facet[f], en)
		}
		for _, g := range gramsOf(text) {
			l.grams[g] = added(l.grams[g], en)
		}
		return
	}
	had, has := facetsOf(en.rec), facetsOf(r)
	for _, f := range had {
		if !slices.Contains(has, f) {
			l.facet[f] = removed(l.facet[f], en)
		}
	}
	for _, f := range has {
		if !slices.Contains(had, f) {
			l.facet[f] = added(l.facet[f], en)
		}
	}
	if text != en.text {
		for _, g := range gramsOf(en.text) {
			l.grams[g] = removed(l.grams[g], en)
		}
		for _, g := range gramsOf(text) {
			l.grams[g] = added(l.grams[g], en)
		}
		l.named = nil
	}
	en.rec, en.text = r, text
}

func added(list []*entry, en *entry) []*entry {
	at := len(list)
	if at > 0 && older(list[at-1], en) > 0 {
		at, _ = slices.BinarySearchFunc(list, en, older)
	}
	return slices.Insert(list, at, en)
}

func removed(list []*entry, en *entry) []*entry {
	if i, found := slices.BinarySearchFunc(list, en, older); found {
		return slices.Delete(list, i, i+1)
	}
	return list
}

// byName are all runs by name. The caller holds mu.
func (l *lists) byName() []*entry {
	if l.named == nil {
		l.named = slices.SortedFunc(maps.Values(l.byRun), func(a, b *entry) int {
			return cmp.Or(strings.Compare(a.rec.Name, b.rec.Name), strings.Compare(a.id, b.id))
		})
	}
	return l.named
}

// shortest is the list with the fewest runs that holds all that q can find. The caller holds mu.
func (l *lists) shortest(q Query, words []string) []*entry {
	best := l.facet[facet{"all", ""}]
	for _, f := range []facet{{"project", q.Project}, {"family", q.Family}, {"requester", string(q.Requester)}, {"status", q.Status},
		{"parent", q.Parent}, {"which", q.Which}} {
		if list := l.facet[f]; f.value != "" && len(list) < len(best) {
			best = list
		}
	}
	for _, word := range words {
		if en := l.byRun[word]; en != nil { // an id
			return []*entry{en}
		}
		for _, g := range gramsOf(word) {
			if list := l.grams[g]; len(list) < len(best) {
				best = list
			}
		}
	}
	return best
}

// readyLists makes the index once. What commits noted meanwhile is newer than what is read.
func (e *Engine) readyLists(ctx context.Context) error {
	l := &e.lists
	l.build.Lock()
	defer l.build.Unlock()
	if l.ready {
		return nil
	}
	for _, space := range []string{spNames, spPast} { // a run that ends meanwhile is in the second
		for from, n := "", 512; n == 512; {
			var lines []*nameRecord
			var bad error
			err := e.cfg.Store.Scan(ctx, space, from, "", false, func(k string, value []byte) bool {
				r := &nameRecord{}
				if bad = decode(space+"/"+k, value, r); bad == nil {
					lines, from = append(lines, r), k+"\x00"
				}
				return bad == nil && len(lines) < 512
			})
			if err = errors.Join(err, bad); err != nil {
				return err
			}
			n = len(lines)
			l.mu.Lock()
			for _, r := range lines {
				l.put(r)
			}
			l.mu.Unlock()
		}
	}
	l.ready = true
	return nil
}

// keepLists makes the index after a start and follows what commits note, until ctx ends.
func (e *Engine) keepLists(ctx context.Context) {
	for ctx.Err() == nil {
		if err := e.readyLists(ctx); err != nil {
			return // whoever asks for a list is told
		}
		select {
		case <-ctx.Done():
		case <-e.lists.news:
			e.lists.mu.Lock()
			e.lists.catchUp()
			e.lists.mu.Unlock()
		}
	}
}
