package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"slipway/bot/errs"
	"slipway/bot/run"
)

// startReads is the reading of the reactions of open gates at the start of a process: of each chat a few at
// a time, so that one that lets itself be asked only so often, or does not answer, keeps nothing else waiting.
type startReads struct {
	listed bool
	runs   []string         // with steps that wait for people, which are still to be looked at
	refs   map[string][]Ref // source → messages of open gates that are still to be read

	mu   sync.Mutex
	rows map[string]startRead // readings that have not ended
}

// startRead is one reading.
type startRead struct {
	source string
	since  time.Time
}

const (
	startReadsMost = 3           // at a time in a chat: of two that hang there are fewer than workers
	startRunsMost  = 32          // that are looked at before other timers have their turn
	startReadsWait = time.Minute // how long the next ones wait for those that do not end
)

// ended reports whether a row of the outbox was one of the readings.
func (s *startReads) ended(row string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, was := s.rows[row]
	delete(s.rows, row)
	return was
}

func (s *startReads) begun(row, source string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows == nil {
		s.rows = map[string]startRead{}
	}
	s.rows[row] = startRead{source, now}
}

// open counts the readings in a chat that have not ended. Those that take too long are left to the outbox,
// and do not count any more.
func (s *startReads) open(source string, now time.Time) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for row, r := range s.rows {
		if !now.Before(r.since.Add(startReadsWait)) {
			delete(s.rows, row)
		} else if r.source == source {
			n++
		}
	}
	return n
}

// readGatesAtStart has the reactions of open gates read, once in a process. all reports that those of
// every gate are being read, or were; next is when to come again.
func (e *Engine) readGatesAtStart(ctx context.Context) (did bool, next time.Time, all bool, err error) {
	s, now := &e.comeback.gates, e.now()
	if !s.listed {
		seen := map[string]bool{}
		err := e.cfg.Store.Scan(ctx, spAwaits, "", "", false, func(k string, _ []byte) bool {
			if parts := splitID(k); len(parts) >= 4 && !seen[parts[2]] {
				seen[parts[2]] = true
				s.runs = append(s.runs, parts[2])
			}
			return ctx.Err() == nil
		})
		if err = errors.Join(err, ctx.Err()); err != nil {
			s.runs = nil
			return false, time.Time{}, false, err
		}
		s.listed, s.refs = true, map[string][]Ref{}
	}
	for n := 0; n < startRunsMost && len(s.runs) > 0; n++ {
		if err := e.listGatesOf(ctx, s.runs[0]); err != nil {
			return did, time.Time{}, false, err
		}
		s.runs, did = s.runs[1:], true
	}
	for source, refs := range s.refs {
		for len(refs) > 0 && s.open(source, now) < startReadsMost {
			row := readRow(refs[0])
			s.begun(row, source, now)
			if err := e.touched(ctx, refs[0], true); err != nil {
				return did, time.Time{}, false, err
			}
			refs, did = refs[1:], true
			s.refs[source] = refs
		}
		if len(refs) == 0 {
			delete(s.refs, source)
		} else {
			next = now.Add(time.Second)
		}
	}
	return did, next, len(s.runs) == 0 && len(s.refs) == 0, nil
}

// listGatesOf lists the messages of the open gates of a run.
func (e *Engine) listGatesOf(ctx context.Context, runID string) error {
	s := &e.comeback.gates
	l, err := e.load(ctx, runID)
	if errs.Is(err, errs.Corrupt) && e.failed() == nil {
		return nil // it is shown as what it is
	}
	if err != nil || l.raw == nil {
		return err
	}
	for path, st := range l.state.Steps {
		if st.Gate == nil || st.Gate.Digest == "" || st.Gate.Verdict != nil || st.Status != run.Running {
			continue
		}
		refs, err := e.gateRefs(ctx, string(st.Gate.Digest), runID, path)
		if err != nil {
			return err
		}
		for _, ref := range refs {
			if !slices.Contains(s.refs[ref.Place.Source], ref) { // what is listed again after an error
				s.refs[ref.Place.Source] = append(s.refs[ref.Place.Source], ref)
			}
		}
	}
	return nil
}
