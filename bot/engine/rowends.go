package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/bot/ledger"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// onRowJob does something to the job of a row and the row, in one commit. do gets both as they
// are; list is nil when the run's playbook has no such list any more.
func (e *Engine) onRowJob(ctx context.Context, what, kind, jobID string, do func(tx *rowTx, j *rowJob, row *ledger.Row) error) (out job.Job, err error) {
	runID, path, key := rowOf(jobID)
	gone := errs.E("job."+what, errs.NotFound, errors.New("there is no job "+jobID+" of the kind "+kind))
	_, book, err := e.RunState(ctx, runID)
	if err != nil {
		return job.Job{}, err
	}
	list := book.Step(path)
	if list == nil || list.Each == nil || list.Each.Job == nil || list.Each.Job.Do.Contract.Job != kind {
		return job.Job{}, gone
	}
	call := &rowCall{key: key, work: func(tx *rowTx) (ledger.Row, error) {
		list := tx.list(path)
		if list == nil {
			return ledger.Row{}, gone
		}
		j, found, err := tx.job(list, key)
		if err != nil {
			return ledger.Row{}, err
		}
		row, err := tx.row(key)
		if err != nil {
			return ledger.Row{}, err
		}
		if !found || row == nil {
			return ledger.Row{}, gone
		}
		next := *j
		err = do(tx, &next, row)
		out = next.Job
		return ledger.Row{}, err
	}}
	if _, err := e.callRow(ctx, runID, list.Each.Ledger, call); err != nil {
		return out, err
	}
	e.wake(loopTimers)
	return out, nil
}

// fenced takes the row back when its run does not want it worked now; then the holder is refused.
func (tx *rowTx) fenced(what string, j *rowJob, row *ledger.Row, holder string, fence uint64) error {
	why, yes := tx.live.state.Fenced()
	if !yes || j.Job.State != job.Leased || j.Job.Lease.Fence != fence || j.Job.Lease.Holder != holder {
		tx.b.guard(spRuns, tx.live.id, tx.live.raw)
		return nil
	}
	st, err := run.RowWork(j.list.Each.Job).Fence(specOf(tx.declared), *row, j.Job, tx.e.world.epoch<<32, why, tx.e.now())
	if err == nil {
		err = tx.apply(row, j, st)
	}
	if err != nil {
		return err
	}
	return errs.E("job."+what, errs.Conflict, fmt.Errorf("the row is taken back: %s", why)).Hint("ask for a new lease; what was made does not count")
}

func (e *Engine) renewRow(ctx context.Context, kind, jobID, holder string, fence uint64, ttl time.Duration) (job.Job, error) {
	return e.onRowJob(ctx, "renew", kind, jobID, func(tx *rowTx, j *rowJob, row *ledger.Row) error {
		if err := tx.fenced("renew", j, row, holder, fence); err != nil {
			return err
		}
		next, err := job.Renew(j.Job, e.now(), holder, fence, ttl)
		if err != nil {
			return err
		}
		j.Job = next
		return tx.store(j)
	})
}

func (e *Engine) giveBackRow(ctx context.Context, kind, jobID, holder string, fence uint64, why string) (job.Job, error) {
	return e.onRowJob(ctx, "give-back", kind, jobID, func(tx *rowTx, j *rowJob, row *ledger.Row) error {
		if err := tx.fenced("give-back", j, row, holder, fence); err != nil {
			return err
		}
		part := j.list.Each.Job
		work := run.RowWork(part)
		set, err := tx.ended(j, *row, work.Ends(j.Job, ledger.GivenBack), why)
		if err != nil {
			return err
		}
		st, err := work.GiveBack(specOf(tx.declared), *row, j.Job, holder, fence, why, set, jobPause, e.now())
		if err != nil {
			return err
		}
		return tx.apply(row, j, st)
	})
}

// ended are the columns of a row whose last try came to nothing; class "" tells that it was not
// the last.
func (tx *rowTx) ended(j *rowJob, row ledger.Row, class, why string) (map[string]any, error) {
	if class == "" {
		return nil, nil
	}
	return tx.set(j.list, j.list.Each.Job.Fails("any"), row, run.Lease{Holder: j.Job.Lease.Holder, Class: class, Reason: why, Attempt: j.Job.Attempt})
}

func (e *Engine) finishRow(ctx context.Context, kind, jobID, holder string, fence uint64, v job.Verdict) (job.Job, error) {
	var r jobRecord
	_, found, err := e.get(ctx, spJobs, id(kind, jobID), &r)
	if err != nil {
		return job.Job{}, err
	}
	if !found {
		return job.Job{}, errs.E("job.finish", errs.NotFound, errors.New("there is no job "+jobID))
	}
	if j, err := job.Finish(r.Job, holder, fence, v); err != nil && !r.Job.State.Final() {
		return j, err
	}
	v, output, err := e.rowVerdict(ctx, r, v)
	if err != nil {
		return r.Job, err
	}
	return e.onRowJob(ctx, "finish", kind, jobID, func(tx *rowTx, j *rowJob, row *ledger.Row) error {
		if err := tx.fenced("finish", j, row, holder, fence); err != nil {
			return err
		}
		part := j.list.Each.Job
		work := run.RowWork(part)
		v, output := v, output
		if v.OK {
			if err := part.Do.Contract.Out.Check("its result", output); err != nil {
				v, output = job.Verdict{Class: "invalid", Reason: err.Error()}, nil
			}
		}
		end := part.OK
		if !v.OK {
			end = part.Fails(v.Class)
			if to := work.Leads(j.Job, v); to != end.To {
				end = part.Fails("any")
			}
		}
		l := run.Lease{Holder: holder, Class: v.Class, Reason: v.Reason, Attempt: j.Job.Attempt, Output: output}
		var set map[string]any
		if !j.Job.State.Final() {
			var err error
			if set, err = tx.set(j.list, end, *row, l); err != nil {
				return err
			}
		}
		st, err := work.Finish(specOf(tx.declared), *row, j.Job, holder, fence, v, set, jobPause, e.now())
		if err != nil {
			return err
		}
		return tx.apply(row, j, st)
	})
}

// rowVerdict has the kind of the job check a good verdict. What is no good result is a failure of
// the class "invalid". An error means: not now, report again later.
func (e *Engine) rowVerdict(ctx context.Context, r jobRecord, v job.Verdict) (job.Verdict, map[string]any, error) {
	if !v.OK {
		return v, nil, nil
	}
	effect, err := e.effect(ctx, r)
	if err != nil {
		return v, nil, err
	}
	inputs := []byte(effect.Inputs)
	if len(inputs) == 0 {
		inputs = r.Job.Payload
		if len(inputs) == 0 {
			if inputs, err = e.cfg.Blobs.Get(ctx, r.Job.Digest); err != nil {
				return v, nil, err
			}
		}
	}
	j := r.Job
	j.State, j.Verdict = job.Done, v
	res, err := e.verdict(ctx, j, &effectRecord{Key: j.Key, Run: j.Run, Step: j.Step, Action: j.Kind, Inputs: string(inputs)})
	if err != nil {
		return v, nil, err
	}
	if res.Outcome != run.OK {
		return job.Verdict{Class: res.Class, Reason: res.Message}, nil, nil
	}
	if len(res.Output) == 0 {
		return v, map[string]any{}, nil
	}
	output, err := action.DecodeValues(res.Output)
	if err != nil {
		return job.Verdict{Class: "invalid", Reason: "its result cannot be read"}, nil, nil
	}
	return v, output, nil
}

// expireRow takes a lease back that ran out; entry is its record among the ends of leases.
func (e *Engine) expireRow(ctx context.Context, entry, kind, jobID string) error {
	now := e.now()
	_, err := e.onRowJob(ctx, "expire", kind, jobID, func(tx *rowTx, j *rowJob, row *ledger.Row) error {
		work := run.RowWork(j.list.Each.Job)
		var st ledger.Step
		var ok bool
		var err error
		if why, yes := tx.live.state.Fenced(); yes && j.Job.State == job.Leased && now.After(j.Job.Lease.Until) {
			st, err = work.Fence(specOf(tx.declared), *row, j.Job, tx.e.world.epoch<<32, why, now)
			ok = err == nil
		} else {
			set, bad := tx.ended(j, *row, work.Ends(j.Job, ledger.Lost), "its holders were silent")
			if bad != nil { // the columns cannot be made; the row must not wait for that
				e.cfg.Log.Warn("the columns of a row cannot be set", "run", logged(tx.live.state), "row", row.Key, "error", errs.Text(bad))
			}
			st, ok, err = work.Expire(specOf(tx.declared), *row, j.Job, set, now)
		}
		if err != nil {
			return err
		}
		if ok {
			return tx.apply(row, j, st)
		}
		if j.Job.State != job.Leased || stamp(j.Job.Lease.Until) != splitID(entry)[0] {
			tx.b.del(spLeases, entry)
		}
		return nil
	})
	if err == nil || stops(err) || ctx.Err() != nil {
		return err
	}
	// Nobody works the list any more, or its row is where no move leads back from: the lease ends
	// all the same, and the row stays for a person.
	e.cfg.Log.Warn("a lease ran out, and its row stays as it is", "job", jobID, "error", errs.Text(err))
	return e.dropLease(ctx, entry, kind, jobID)
}

func (e *Engine) dropLease(ctx context.Context, entry, kind, jobID string) error {
	b := newBatch()
	b.del(spLeases, entry)
	var r jobRecord
	raw, found, err := e.get(ctx, spJobs, id(kind, jobID), &r)
	if err != nil {
		return err
	}
	if found {
		b.guard(spJobs, id(kind, jobID), raw)
		if r.Job.State == job.Leased {
			b.del(spHeld, id(kind, r.Job.Lease.Holder))
		}
		r.Job = job.Void(r.Job, "its list is gone")
		value, err := e.pack(ctx, encode(r))
		if err != nil {
			return err
		}
		b.put(spJobs, id(kind, jobID), value)
	}
	if err := e.commit(ctx, "job/expire", b); err != nil && !errs.Is(err, errs.Conflict) {
		return err
	}
	return nil
}

// indexRows makes the index of a list's ready rows, page by page, for rows that were there before
// the list was: of a run that moved to another playbook. Changes of rows keep it meanwhile.
func (e *Engine) indexRows(ctx context.Context, runID string, list *playbook.Step) error {
	declared, err := e.ledgerOf(ctx, runID, list.Each.Ledger)
	if err != nil {
		return err
	}
	mark := readyMark(runID, list)
	prefix := id(runID, list.Each.Ledger) + sep
	from, done := prefix, false
	for !done {
		var keys []string
		err := e.cfg.Store.Scan(ctx, spRows, from, after(prefix), false, func(k string, _ []byte) bool {
			keys = append(keys, k[len(prefix):])
			return len(keys) < newsBatch
		})
		if err != nil {
			return err
		}
		if done = len(keys) < newsBatch; !done {
			from = prefix + keys[len(keys)-1] + "\x00"
		}
		call := &rowCall{work: func(tx *rowTx) (ledger.Row, error) {
			for _, key := range keys {
				row, err := tx.row(key)
				if err != nil || row == nil {
					return ledger.Row{}, err
				}
				at, err := tx.ready(list, *row)
				if err != nil {
					return ledger.Row{}, err
				}
				if at != "" {
					tx.b.put(spReady, at, nil)
				}
			}
			if done {
				tx.b.put(spReady, mark, nil)
			}
			return ledger.Row{}, nil
		}}
		if _, err := e.callRow(ctx, runID, declared.Name, call); err != nil {
			return err
		}
	}
	return nil
}

// openWork is the record by which builders find a list, or "" when it is not open.
func openWork(p *playbook.Playbook, s *run.State, st *run.Step) string {
	if p == nil || st == nil || st.Status != run.Running || st.Closed || s.Status == run.RunEnded {
		return ""
	}
	def := p.Step(st.Path)
	if def == nil || def.Each == nil || def.Each.Job == nil {
		return ""
	}
	return id(def.Each.Job.Do.Contract.Job, stamp(s.Began), s.ID, st.Path)
}

// works keeps the index of the lists whose rows may be leased.
func (w *writer) works(had, now *run.Step) {
	before, then := openWork(w.oldBook, w.was.state, had), openWork(w.book, w.d.After, now)
	if before == then {
		return
	}
	if before != "" {
		w.b.del(spWork, before)
	}
	if then != "" {
		w.b.put(spWork, then, nil)
	}
}

// worksEnd closes what is open when the run ends.
func (w *writer) worksEnd() {
	for _, def := range w.book.Steps {
		if def.Each != nil && def.Each.Job != nil {
			w.b.del(spWork, id(def.Each.Job.Do.Contract.Job, stamp(w.d.After.Began), w.d.After.ID, def.Path))
		}
	}
}
