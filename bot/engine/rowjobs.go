package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/bot/ledger"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// A job of a row has no effect and no event: the row, the counters, the job and the indexes change
// in one commit, and the run hears of it by its counters alone. Its id names the row.
const rowJobs = "row/"

// rowTries bounds how many ready rows are looked at for one lease: those in front may have been
// given back by the same holder a moment ago, or be leased in the same commit.
const rowTries = 256

func isRowJob(jobID string) bool { return strings.HasPrefix(jobID, rowJobs) }

func rowJobID(runID, path, key string) string { return rowJobs + runID + "/" + path + "/" + key }

// rowOf is the row that a job's id names.
func rowOf(jobID string) (runID, path, key string) {
	parts := strings.SplitN(strings.TrimPrefix(jobID, rowJobs), "/", 3)
	if len(parts) != 3 {
		return "", "", ""
	}
	return parts[0], parts[1], parts[2]
}

// rowJob is the record of a row's job as it is read and written within one commit.
type rowJob struct {
	jobRecord
	list *playbook.Step
	was  job.Job // as the indexes have it
}

func (tx *rowTx) job(list *playbook.Step, key string) (*rowJob, bool, error) {
	kind, jobID := list.Each.Job.Do.Contract.Job, rowJobID(tx.live.id, list.Path, key)
	at := id(kind, jobID)
	if j, known := tx.jobs[at]; known {
		return j, j.Job.ID != "", nil
	}
	j := &rowJob{list: list}
	raw, found, err := tx.e.get(tx.ctx, spJobs, at, &j.jobRecord)
	if err != nil {
		return nil, false, err
	}
	tx.b.guard(spJobs, at, raw)
	j.was = j.Job
	tx.jobs[at] = j
	return j, found, nil
}

// store writes a job with its indexes: who holds it, and when its lease ends.
func (tx *rowTx) store(j *rowJob) error {
	was, now := j.was, j.Job
	value, err := tx.e.pack(tx.ctx, encode(j.jobRecord))
	if err != nil {
		return err
	}
	tx.jobs[id(now.Kind, now.ID)] = j
	tx.b.put(spJobs, id(now.Kind, now.ID), value)
	wasHeld, isHeld := was.State == job.Leased, now.State == job.Leased
	if wasHeld && (!isHeld || !was.Lease.Until.Equal(now.Lease.Until)) {
		tx.b.del(spLeases, id(stamp(was.Lease.Until), was.Kind, was.ID))
	}
	if isHeld {
		tx.b.put(spLeases, id(stamp(now.Lease.Until), now.Kind, now.ID), nil)
	}
	if wasHeld && (!isHeld || was.Lease.Holder != now.Lease.Holder) {
		tx.holds(was.Kind, was.Lease.Holder, "")
	}
	if isHeld {
		tx.holds(now.Kind, now.Lease.Holder, now.ID)
	}
	j.was = now
	return nil
}

func (tx *rowTx) holds(kind, holder, jobID string) {
	at := id(kind, holder)
	tx.held[at] = jobID
	if jobID == "" {
		tx.b.del(spHeld, at)
		return
	}
	tx.b.put(spHeld, at, []byte(jobID))
}

// apply writes what became of a row and its job.
func (tx *rowTx) apply(was *ledger.Row, j *rowJob, st ledger.Step) error {
	if st.Change.Seq != 0 {
		if err := tx.put(was, st.Row, st.Change); err != nil {
			return err
		}
	}
	j.Job = st.Job
	return tx.store(j)
}

// leaves refuses a change that leads a row to where only a lease may, and gives the job to be
// fenced of one that leads it away from its holder.
func (tx *rowTx) leaves(was *ledger.Row, row ledger.Row) (*rowJob, error) {
	for _, list := range tx.lists {
		takes := list.Each.Job.Takes.To
		from := ""
		if was != nil {
			from = was.State
		}
		switch {
		case from == row.State:
		case row.State == takes:
			return nil, errs.E("engine.row", errs.Conflict, fmt.Errorf("a row of %s becomes %s only when a builder leases it", tx.declared.Name, takes)).
				Hint("move it to %s; then builders may take it", list.Each.Job.From)
		case from == takes:
			j, found, err := tx.job(list, row.Key)
			if err != nil || !found {
				return nil, err
			}
			j.Job = job.Raise(j.Job, 0, "the row was moved to "+row.State)
			j.Job.Blame = job.Blame{}
			return j, nil
		}
	}
	return nil, nil
}

// lease gives the first ready row of the list to the holder. found is false when there is none.
func (tx *rowTx) lease(list *playbook.Step, holder string, ttl time.Duration) (out job.Job, found bool, err error) {
	kind := list.Each.Job.Do.Contract.Job
	if _, ok := tx.live.state.Works(list.Path); !ok {
		return job.Job{}, false, nil
	}
	at := id(kind, holder)
	if jobID, known := tx.held[at]; known && jobID != "" {
		return job.Job{}, false, errTwice
	} else if !known {
		raw, err := tx.e.cfg.Store.Get(tx.ctx, Key{spHeld, at})
		if err != nil {
			return job.Job{}, false, err
		}
		if raw != nil {
			return job.Job{}, false, errTwice
		}
		tx.b.guard(spHeld, at, nil)
	}
	tx.b.guard(spRuns, tx.live.id, tx.live.raw)
	var keys []string
	prefix := readyMark(tx.live.id, list) + sep
	err = tx.e.cfg.Store.Scan(tx.ctx, spReady, prefix, after(prefix), false, func(k string, _ []byte) bool {
		key := k[strings.LastIndex(k, sep)+1:]
		if row, known := tx.rows[key]; !known || row != nil && row.State == list.Each.Job.From {
			keys = append(keys, key)
		}
		return len(keys) < rowTries
	})
	if err != nil {
		return job.Job{}, false, err
	}
	for _, key := range keys {
		st, j, was, err := tx.leaseOne(list, key, holder, ttl)
		if errs.Is(err, errs.Conflict) || errs.Is(err, errs.Busy) {
			continue
		}
		if err == nil {
			err = tx.apply(was, j, st)
		}
		return st.Job, err == nil, err
	}
	return job.Job{}, false, nil
}

// errTwice: the holder got a row while it asked again.
var errTwice = errs.E("job.lease", errs.Exists, errors.New("the holder has a row already"))

func (tx *rowTx) leaseOne(list *playbook.Step, key, holder string, ttl time.Duration) (ledger.Step, *rowJob, *ledger.Row, error) {
	now := tx.e.now()
	part := list.Each.Job
	was, err := tx.row(key)
	if err != nil {
		return ledger.Step{}, nil, nil, err
	}
	if was == nil {
		return ledger.Step{}, nil, nil, errs.E("job.lease", errs.Conflict, errors.New("the row is gone"))
	}
	j, found, err := tx.job(list, key)
	if err != nil {
		return ledger.Step{}, nil, nil, err
	}
	inputs, payload, err := tx.request(list, *was)
	if err != nil {
		return ledger.Step{}, nil, nil, err
	}
	jobID := rowJobID(tx.live.id, list.Path, key)
	offer := job.Job{ID: jobID, Kind: part.Do.Contract.Job, Run: tx.live.id, Step: list.Path, Key: jobID, Digest: action.DigestOf(payload), Payload: payload}
	if len(payload) > job.MaxPayload {
		if _, err := tx.e.keep(tx.ctx, payload); err != nil {
			return ledger.Step{}, nil, nil, err
		}
		offer.Payload = nil
	}
	next := *j
	if next.Effect = (effectRecord{}); string(inputs) != string(payload) {
		next.Effect.Inputs = string(inputs)
	}
	if err := tx.e.shelve(tx.ctx, &next.jobRecord); err != nil {
		return ledger.Step{}, nil, nil, err
	}
	if !found || j.Job.State.Final() {
		if next.Job, err = job.Offer(offer, was.Since, max(j.Job.Fence, tx.e.world.epoch<<32)); err != nil {
			return ledger.Step{}, nil, nil, err
		}
	} else { // it was given back or lost: its row may have other values since
		next.Job.Payload, next.Job.Digest = offer.Payload, offer.Digest
		next.Job.Fence = max(next.Job.Fence, tx.e.world.epoch<<32)
	}
	set, err := tx.set(list, part.Takes, *was, run.Lease{Holder: holder, Attempt: next.Job.Attempt + 1})
	if err != nil {
		return ledger.Step{}, nil, nil, err
	}
	st, err := run.RowWork(part).Lease(specOf(tx.declared), *was, next.Job, holder, ttl, set, now)
	return st, &next, was, err
}

// request is what the job of a row is to do, and the bytes that its holder gets.
func (tx *rowTx) request(list *playbook.Step, row ledger.Row) (inputs, payload []byte, err error) {
	inputs, err = run.RowInputs(tx.book, tx.live.state, tx.e.World(), list.Path, runRow(row))
	if err != nil {
		return nil, nil, err
	}
	payload = inputs
	if prepare := tx.e.cfg.Jobs[list.Each.Job.Do.Contract.Job].Prepare; prepare != nil {
		err = guarded(tx.e.cfg.Log, "job."+list.Each.Job.Do.Contract.Job, func() (err error) {
			payload, err = prepare(tx.ctx, inputs)
			return err
		})
	}
	return inputs, payload, err
}

func (tx *rowTx) set(list *playbook.Step, end playbook.RowEnd, row ledger.Row, l run.Lease) (map[string]any, error) {
	return run.RowSet(tx.book, tx.live.state, tx.e.World(), list.Path, end, runRow(row), l)
}

// leaseRow looks for a row in the lists that are open for the kind, those of the oldest run first.
func (e *Engine) leaseRow(ctx context.Context, holder, kind string, ttl time.Duration) (job.Job, bool, error) {
	for range decideTries {
		raw, err := e.cfg.Store.Get(ctx, Key{spHeld, id(kind, holder)})
		if err != nil {
			return job.Job{}, false, err
		}
		if raw != nil {
			var r jobRecord
			if _, _, err := e.get(ctx, spJobs, id(kind, string(raw)), &r); err != nil {
				return job.Job{}, false, err
			}
			if !e.now().After(r.Job.Lease.Until) {
				return r.Job, true, nil
			}
			if err := e.expireRow(ctx, id(stamp(r.Job.Lease.Until), kind, r.Job.ID), kind, r.Job.ID); err != nil {
				return job.Job{}, false, err
			}
		}
		j, found, err := e.leaseFrom(ctx, holder, kind, ttl)
		if err != errTwice {
			return j, found, err
		}
	}
	return job.Job{}, false, errTwice
}

func (e *Engine) leaseFrom(ctx context.Context, holder, kind string, ttl time.Duration) (out job.Job, found bool, err error) {
	var lists []string
	prefix := kind + sep
	err = e.cfg.Store.Scan(ctx, spWork, prefix, after(prefix), false, func(k string, _ []byte) bool {
		lists = append(lists, k)
		return len(lists) < 1000
	})
	for i := 0; i < len(lists) && !found && err == nil; i++ {
		parts := splitID(lists[i])
		var list *playbook.Step
		if list, err = e.openList(ctx, parts[2], parts[3]); err != nil || list == nil {
			continue
		}
		call := &rowCall{work: func(tx *rowTx) (ledger.Row, error) {
			list := tx.list(parts[3])
			if list == nil {
				return ledger.Row{}, nil
			}
			var err error
			out, found, err = tx.lease(list, holder, ttl)
			return ledger.Row{}, err
		}}
		_, err = e.callRow(ctx, parts[2], list.Each.Ledger, call)
	}
	if err != nil {
		return job.Job{}, false, err
	}
	if found {
		e.wake(loopTimers)
	}
	return out, found, nil
}

// openList is a list of which rows may be leased now, with a complete index; nil when it is not
// open.
func (e *Engine) openList(ctx context.Context, runID, path string) (*playbook.Step, error) {
	l, err := e.load(ctx, runID)
	if err != nil || l.raw == nil {
		return nil, err
	}
	if _, ok := l.state.Works(path); !ok {
		return nil, nil
	}
	book, err := e.book(ctx, l.state.Playbook)
	if err != nil {
		return nil, err
	}
	list := book.Step(path)
	if list == nil || list.Each == nil || list.Each.Job == nil {
		return nil, nil
	}
	mark, err := e.cfg.Store.Get(ctx, Key{spReady, readyMark(runID, list)})
	if err != nil {
		return nil, err
	}
	if mark == nil {
		return list, e.indexRows(ctx, runID, list)
	}
	return list, nil
}

func (tx *rowTx) list(path string) *playbook.Step {
	for _, list := range tx.lists {
		if list.Path == path {
			return list
		}
	}
	return nil
}
