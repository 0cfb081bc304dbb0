package engine

import (
	"slices"
	"sync"

	"slipway/bot/run"
)

func sameClaim(a, b run.Claim) bool { return a.Run == b.Run && a.Scope == b.Scope }

// enqueue puts c behind those that came before it with at least its priority. A claim that
// waits already keeps its place.
func enqueue(queue []run.Claim, c run.Claim) []run.Claim {
	for _, q := range queue {
		if sameClaim(q, c) {
			return queue
		}
	}
	at := len(queue)
	for at > 0 && queue[at-1].Priority < c.Priority {
		at--
	}
	return slices.Insert(slices.Clone(queue), at, c)
}

// lock changes one lock in the table as it will be after this commit.
func (w *writer) lock(name string, change func(l *run.Lock)) {
	if w.locks == nil {
		w.locks, w.lockRaw = map[string]run.Lock{}, map[string][]byte{}
	}
	l, ok := w.locks[name]
	if !ok {
		l = w.view.locks[name]
		l.Name = name
	}
	change(&l)
	w.locks[name] = l
}

// next is the run that a free lock waits for, or "".
func next(l run.Lock) string {
	if l.Holder != (run.Claim{}) || len(l.Queue) == 0 {
		return ""
	}
	return l.Queue[0].Run
}

// wakes are inputs that follow from a commit but belong to other runs. They are kept in memory
// only: at start they are made again from the records.
type wakes struct {
	mu   sync.Mutex
	list []wakeUp
	free []string // names that were freed
	news []string // ledgers (RUN sep LEDGER) that changed since they were looked at

	behind map[string][]string // by run: ledgers of which it does not know the counters as they are
}

type wakeUp struct {
	run string
	in  run.Input
}

func (w *wakes) add(runID string, in run.Input) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l, ok := in.(run.LocksChanged); ok {
		for _, other := range w.list {
			if o, ok := other.in.(run.LocksChanged); ok && other.run == runID && slices.Equal(o.Names, l.Names) {
				return
			}
		}
	}
	w.list = append(w.list, wakeUp{runID, in})
}

func (w *wakes) take() (wakeUp, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.list) == 0 {
		return wakeUp{}, false
	}
	first := w.list[0]
	w.list = w.list[1:]
	return first, true
}

func (w *wakes) freed(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.free = append(w.free, name)
}

func (w *wakes) takeFreed() (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.free) == 0 {
		return "", false
	}
	first := w.free[0]
	w.free = w.free[1:]
	return first, true
}

func (w *wakes) counted(ledger string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	runID := splitID(ledger)[0]
	if w.behind == nil {
		w.behind = map[string][]string{}
	}
	if !slices.Contains(w.behind[runID], ledger) {
		w.behind[runID] = append(w.behind[runID], ledger)
	}
	if !slices.Contains(w.news, ledger) {
		w.news = append(w.news, ledger)
	}
}

// untold lists the ledgers whose counters the run does not know as they are.
func (w *wakes) untold(runID string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.behind[runID])
}

// told takes a ledger from that list; a change that follows puts it there again.
func (w *wakes) told(ledger string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	runID := splitID(ledger)[0]
	left := slices.DeleteFunc(slices.Clone(w.behind[runID]), func(l string) bool { return l == ledger })
	if w.behind[runID] = left; len(left) == 0 {
		delete(w.behind, runID)
	}
}

func (w *wakes) takeCounted() (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.news) == 0 {
		return "", false
	}
	first := w.news[0]
	w.news = w.news[1:]
	return first, true
}
