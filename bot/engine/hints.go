package engine

import (
	"context"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/run"
)

// hintEvery is the least time between two readings of one wait that hints bring about: the first
// comes at once, and however many hints follow, one reading after that time takes them all.
const hintEvery = time.Second

// hintScan bounds how many polls a fact may bring forward.
const hintScan = 4096

// hintKey is what a hint is about; Project "" means every project.
type hintKey struct{ contract, project string }

// hint is the last hint about something, and how many there were.
type hint struct {
	count, order uint64
	told         run.Told
}

// hints are what deliveries said that polls have not taken up yet. They are lost with the process; the
// next one polls at once.
type hints struct {
	order   uint64
	all     map[hintKey]hint
	pending map[hintKey]run.Told
	looked  map[string]time.Time // wait → its last reading that a hint brought about
	begun   bool                 // the polls of an earlier process were brought forward
}

// hinted notes that something happened which a contract reads.
func (f *effects) hinted(contract, project string, told run.Told) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := &f.hints
	key := hintKey{contract, project}
	one := h.all[key]
	h.order++
	one.count, one.order, one.told = one.count+1, h.order, told
	h.all[key], h.pending[key] = one, told
}

// hintsOf is how often that was, so that a reading can tell whether it may have come too early, and
// what told of it last.
func (f *effects) hintsOf(contract, project string) (count uint64, last run.Told) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one, every := f.hints.all[hintKey{contract, project}], f.hints.all[hintKey{contract: contract}]
	if project == "" {
		return every.count, every.told
	}
	if every.order > one.order {
		return one.count + every.count, every.told
	}
	return one.count + every.count, one.told
}

// hintAgain puts a hint back: a reading under way may have been older than it.
func (f *effects) hintAgain(contract, project string, told run.Told) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hints.pending[hintKey{contract, project}] = told
}

// pendingHints takes the hints that were not taken up: the map is the caller's. first is true once in a
// process.
func (f *effects) pendingHints(now time.Time) (pending map[hintKey]run.Told, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := &f.hints
	first = !h.begun
	h.begun = true
	if len(h.pending) > 0 {
		pending, h.pending = h.pending, map[hintKey]run.Told{}
		for wait, at := range h.looked {
			if now.Sub(at) > hintEvery {
				delete(h.looked, wait)
			}
		}
	}
	return pending, first
}

// bring makes a poll due, because of told; one that a hint brought about a moment ago waits a little.
func (f *effects) bring(row, wait string, now time.Time, told run.Told) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy[row] {
		return // whoever reads looks for hints when it has read
	}
	at := now
	if last, ok := f.hints.looked[wait]; ok && last.Add(hintEvery).After(at) {
		at = last.Add(hintEvery)
	}
	if old, ok := f.hand[row]; !ok || at.Before(old) {
		f.hand[row] = at
	}
	f.causes[row] = told
}

// causeOf is what brought a reading about.
func (f *effects) causeOf(row, wait string, now time.Time) run.Told {
	f.mu.Lock()
	defer f.mu.Unlock()
	told, ok := f.causes[row]
	if !ok {
		return run.Told{By: run.ToldByPoll}
	}
	if told.By == run.ToldByHook {
		f.hints.looked[wait] = now
	}
	return told
}

// recovering reports whether something is still read because the process was away.
func (f *effects) recovering() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.hints.begun {
		return true
	}
	for _, told := range f.causes {
		if told.By == run.ToldByStart {
			return true
		}
	}
	return false
}

// touchedAtStart notes that reactions are read because the process was away.
func (f *effects) touchedAtStart(row string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.causes[row] = run.Told{By: run.ToldByStart}
}

func waitOf(r *effectRecord) string { return id(r.Run, r.Step) }

// takeHints makes the polls due that hints are about: those of the project, or of all. At the start
// every poll is: what an earlier process was told may have been lost with it.
func (e *Engine) takeHints(ctx context.Context) error {
	f, now := &e.effects, e.now()
	pending, first := f.pendingHints(now)
	if len(pending) == 0 && !first {
		return nil
	}
	from, n := stamp(now), 0
	if first {
		from = ""
	}
	start := run.Told{By: run.ToldByStart}
	err := e.cfg.Store.Scan(ctx, spOutbox, from, "", false, func(row string, value []byte) bool {
		var r effectRecord
		if n++; value[0] == '@' || decode("outbox", value, &r) != nil {
			return first || n < hintScan
		}
		if first && r.Boot != e.boot && (r.Action == actReadReactions || e.isPoll(&r)) {
			f.bring(row, waitOf(&r), now, start)
		}
		if told, ok := hintFor(pending, &r); ok && row > stamp(now) {
			f.bring(row, waitOf(&r), now, told)
		}
		return first || n < hintScan
	})
	if err != nil {
		for key, told := range pending {
			f.hintAgain(key.contract, key.project, told)
		}
		if first {
			f.mu.Lock()
			f.hints.begun = false
			f.mu.Unlock()
		}
	}
	return err
}

// hintFor finds the hint that is about what an effect reads.
func hintFor(pending map[hintKey]run.Told, r *effectRecord) (run.Told, bool) {
	name, _, _ := strings.Cut(r.Action, "@")
	if told, ok := pending[hintKey{name, r.Project}]; ok {
		return told, true
	}
	told, ok := pending[hintKey{contract: name}]
	return told, ok
}

// isPoll reports whether an effect of a run only reads.
func (e *Engine) isPoll(r *effectRecord) bool {
	if r.Run == "" || own(r.Action) {
		return false
	}
	b, err := e.bound(r)
	return err == nil && b.Contract.Policy == action.Read
}
