package engine

import (
	"slices"
	"sync"
	"time"
)

// feedSize is how many changes are remembered for those who follow.
const feedSize = 4096

// feed remembers in memory which runs changed last. Numbers begin at the microsecond at which the
// process began, so that a number of an earlier process is never taken for one of this one, and
// stay below 2^53 for scripts in pages.
type feed struct {
	mu    sync.Mutex
	base  uint64   // number of the change before the first that is remembered
	runs  []string // of the changes base+1 …
	wait  chan struct{}
	heard bool // somebody waits on wait
}

func (f *feed) init(now time.Time) {
	f.base = uint64(max(now.UnixMicro(), 1))
	f.wait = make(chan struct{})
}

// note tells those who follow that a run changed. It costs an append while nobody waits.
func (f *feed) note(runID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.runs = append(f.runs, runID)
	if over := len(f.runs) - 2*feedSize; over >= 0 {
		cut := len(f.runs) - feedSize
		f.base += uint64(cut)
		f.runs = slices.Clone(f.runs[cut:])
	}
	if f.heard {
		close(f.wait)
		f.wait, f.heard = make(chan struct{}), false
	}
}

// Changed says which runs changed after the change with the number since, each once, in the order
// of their last change; now is the number of the newest change, from which to ask again, and wait is
// closed at the next one. A since that is not known any more (0, of an earlier process, more than
// some thousand changes ago) gives nil, which means: anything may have changed, read anew what is
// shown. No change gives an empty list that is not nil. Who is told of a run must be asked of
// [Engine.Sees]: the feed knows every run. It takes no disk and is meant for many followers; one that
// is woken often does well to wait a moment and ask once.
func (e *Engine) Changed(since uint64) (now uint64, runs []string, wait <-chan struct{}) {
	f := &e.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard = true
	now, wait = f.base+uint64(len(f.runs)), f.wait
	if since < f.base || since > now {
		return now, nil, wait
	}
	later := f.runs[since-f.base:]
	runs = make([]string, 0, min(len(later), 16))
	if len(later) == 1 {
		return now, append(runs, later[0]), wait
	}
	seen := make(map[string]bool, min(len(later), 64))
	for _, r := range slices.Backward(later) {
		if !seen[r] {
			seen[r] = true
			runs = append(runs, r)
		}
	}
	slices.Reverse(runs)
	return now, runs, wait
}
