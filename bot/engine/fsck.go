package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/evidence"
	"slipway/bot/run"
)

// fsckSample is how many runs the cheap check looks at.
const fsckSample = 64

// Fsck looks for damage without reading everything: indexes without their runs, and the folds of
// a sample of live runs. Each problem is told in words. It is fit to run at every start.
func (e *Engine) Fsck(ctx context.Context, problem func(string)) error {
	for _, space := range []string{spOutbox, spTimers} {
		n := 0
		var runs []string
		err := e.cfg.Store.Scan(ctx, space, "", "", false, func(k string, value []byte) bool {
			if space == spTimers {
				runs = append(runs, splitID(k)[1])
			} else if body, err := e.unpack(ctx, value); err == nil {
				var r effectRecord
				if decode(space, body, &r) == nil && r.Run != "" {
					runs = append(runs, r.Run)
				}
			}
			n++
			return n < fsckSample
		})
		if err != nil {
			return err
		}
		for _, r := range runs {
			if !e.exists(ctx, r) {
				problem(fmt.Sprintf("%s holds a record of the run %s, which does not exist", space, r))
			}
		}
	}
	return e.fsckRuns(ctx, fsckSample, problem)
}

// FsckFull checks that every run is the fold of its events, that the chain of its log is intact,
// and that the outbox, timers, names and locks are what the runs say. It reads the whole store.
func (e *Engine) FsckFull(ctx context.Context, problem func(string)) error {
	if err := e.fsckRuns(ctx, 0, problem); err != nil {
		return err
	}
	if err := e.fsckIndexes(ctx, problem); err != nil {
		return err
	}
	if err := e.fsckInbox(ctx, problem); err != nil {
		return err
	}
	if err := e.fsckLinks(ctx, problem); err != nil {
		return err
	}
	return e.fsckNews(ctx, problem)
}

func (e *Engine) fsckRuns(ctx context.Context, max int, problem func(string)) error {
	var ids []string
	err := e.cfg.Store.Scan(ctx, spRuns, "", "", false, func(k string, _ []byte) bool {
		ids = append(ids, k)
		return max == 0 || len(ids) < max
	})
	if err != nil {
		return err
	}
	for _, runID := range ids {
		if err := e.fsckRun(ctx, runID, problem); err != nil {
			return err
		}
	}
	return nil
}

// fsckRun folds the events of one run and compares.
func (e *Engine) fsckRun(ctx context.Context, runID string, problem func(string)) error {
	l, err := e.read(ctx, runID)
	if err != nil {
		if errs.Is(err, errs.Corrupt) {
			problem(errs.Text(err))
			return nil
		}
		return err
	}
	commits, err := e.History(ctx, runID, 0, 0)
	if err != nil {
		if errs.Is(err, errs.Corrupt) {
			problem(errs.Text(err))
			return nil
		}
		return err
	}
	s, sum := &run.State{}, ""
	for i, c := range commits {
		raw := make([]json.RawMessage, len(c.Raw))
		for j := range c.Raw {
			raw[j] = c.Raw[j]
		}
		if sum, err = evidence.Link(sum, c.At, raw); err != nil {
			return err
		}
		if sum != c.Chain || c.Seq != uint64(i+1) {
			problem(fmt.Sprintf("the log of %s is broken at commit %d", l.state.Name, c.Seq))
			return nil
		}
		for _, ev := range c.Events {
			s = s.Apply(ev)
		}
	}
	if sum != l.rec.Chain || l.rec.Seq != uint64(len(commits)) {
		problem(fmt.Sprintf("the log of %s ends at commit %d, and its head says %d", l.state.Name, len(commits), l.rec.Seq))
		return nil
	}
	if want, have := flat(s), flat(l.state); !bytes.Equal(want, have) {
		problem(fmt.Sprintf("the snapshot of %s is not what its events say", l.state.Name))
	}
	return e.fsckHeads(ctx, l, commits, problem)
}

// flat is a state in bytes, for comparison.
func flat(s *run.State) []byte {
	head, err := run.EncodeHead(s.Head)
	if err != nil {
		return []byte(err.Error())
	}
	out := slices.Clone(head)
	var paths []string
	for p := range s.Steps {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, name := range slices.Sorted(maps.Keys(s.Ledgers)) {
		if rows := s.Ledgers[name].Rows; len(rows) > 0 {
			out = append(append(out, '\n'), encode(rows)...)
		}
	}
	for _, p := range paths {
		st, err := run.EncodeStep(s.Steps[p])
		if err != nil {
			return []byte(err.Error())
		}
		out = append(append(out, '\n'), st...)
		elements, _ := run.ElementsOf(p, nil, s.Steps[p], nil)
		for _, el := range elements {
			out = append(append(out, '\n'), encode(el)...)
		}
	}
	return out
}

// fsckIndexes compares the indexes with the runs, both ways.
func (e *Engine) fsckIndexes(ctx context.Context, problem func(string)) error {
	want := map[Key]bool{}
	var bad error
	locks := map[string]string{}
	err := e.cfg.Store.Scan(ctx, spRuns, "", "", false, func(k string, value []byte) bool {
		var rec runRecord
		if bad = decode("runs/"+k, value, &rec); bad != nil {
			return false
		}
		head, err := run.DecodeHead(rec.Head)
		if err != nil {
			bad = err
			return false
		}
		for _, row := range rec.Pending {
			want[Key{spOutbox, row}] = true
		}
		want[Key{spEndings, id(ending(head.Name), k)}] = true
		if head.Status == run.RunEnded {
			want[Key{spPast, id(head.Name, stamp(head.EndedAt), k)}] = true
			return true
		}
		want[Key{spNames, nameRow(&head, head.Name)}] = true
		for name, due := range head.Timers {
			want[Key{spTimers, timerID(due, k, name)}] = true
		}
		for name := range head.Locks {
			locks[name] = k
		}
		return true
	})
	if err = errors.Join(err, bad); err != nil {
		return err
	}
	for _, space := range []string{spOutbox, spNames, spEndings, spPast, spTimers} {
		have := map[string]bool{}
		err := e.cfg.Store.Scan(ctx, space, "", "", false, func(k string, value []byte) bool {
			have[k] = true
			body, err := e.unpack(ctx, value)
			ours := space == spOutbox && err == nil && !strings.Contains(string(body), `"run":`)
			if !want[Key{space, k}] && !ours {
				problem(fmt.Sprintf("the record %s/%s belongs to no run", space, k))
			}
			return true
		})
		if err != nil {
			return err
		}
		for k := range want {
			// An effect that became a job has left the outbox.
			if k.Space == space && !have[k.ID] && space != spOutbox {
				problem(fmt.Sprintf("the record %s/%s is missing", space, k.ID))
			}
		}
	}
	for name, l := range e.world.view.Load().locks {
		if l.Holder.Run != "" && locks[name] != l.Holder.Run {
			problem(fmt.Sprintf("the lock %s is held by a run that does not know it", name))
		}
		delete(locks, name)
	}
	for name, r := range locks {
		problem(fmt.Sprintf("the run %s holds the lock %s, which is not in the table", r, name))
	}
	return nil
}
