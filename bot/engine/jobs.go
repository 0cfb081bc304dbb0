package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/bot/run"
)

// jobPause is how long a holder that gave a job back is not offered it again.
const jobPause = time.Minute

// offerJob makes a pulled job of an effect: the row leaves the outbox as the job comes to be.
func (e *Engine) offerJob(ctx context.Context, row string, raw []byte, r *effectRecord, b action.Bound) (time.Time, error) {
	kind := b.Contract.Job
	payload := []byte(r.Inputs)
	if prepare := e.cfg.Jobs[kind].Prepare; prepare != nil {
		e.point("effect/" + r.Action + "/before-do")
		err := guarded(e.cfg.Log, "job."+kind, func() (err error) {
			payload, err = prepare(ctx, []byte(r.Inputs))
			return err
		})
		e.point("effect/" + r.Action + "/after-do")
		if err != nil {
			return e.settle(ctx, row, raw, r, e.failure(action.Contract{Name: r.Action, Policy: action.Keyed}, r, err, false))
		}
	}
	j := job.Job{ID: r.Key, Kind: kind, Run: r.Run, Step: r.Step, Key: r.Key, Digest: action.DigestOf(payload), Payload: payload}
	if len(payload) > job.MaxPayload {
		if _, err := e.keep(ctx, payload); err != nil {
			return time.Time{}, err
		}
		j.Payload = nil
	}
	var was jobRecord
	before, found, err := e.get(ctx, spJobs, id(kind, j.ID), &was)
	if err != nil {
		return time.Time{}, err
	}
	fence := e.world.epoch << 32
	if found { // taken back by hold --now, or it failed and is tried again: nothing handed out before counts
		if !was.Job.State.Final() {
			return time.Time{}, errs.E("job.offer", errs.Conflict, fmt.Errorf("the job %s is offered already", j.ID))
		}
		fence = max(fence, was.Job.Fence)
	}
	j, err = job.Offer(j, e.now(), fence)
	if err != nil {
		return e.ended(ctx, row, raw, r, run.Result{Outcome: run.Fail, Class: "invalid", Message: errs.Text(err)})
	}
	rec := jobRecord{Job: j, Effect: *r}
	if err := e.shelve(ctx, &rec); err != nil {
		return time.Time{}, err
	}
	value, err := e.pack(ctx, encode(rec))
	if err != nil {
		return time.Time{}, err
	}
	w := newBatch()
	w.guard(spOutbox, row, raw)
	w.guard(spJobs, id(kind, j.ID), before)
	w.del(spOutbox, row)
	w.put(spJobs, id(kind, j.ID), value)
	w.put(spJobQueue, queued(j), nil)
	err = e.commit(ctx, "job/offer", w)
	if errs.Is(err, errs.Conflict) {
		return time.Time{}, nil // voided meanwhile
	}
	return time.Time{}, err
}

// jobRecord is a job with the effect whose outcome it is.
type jobRecord struct {
	Job    job.Job      `json:"job"`
	Effect effectRecord `json:"effect,omitzero"`  // of the job of a row: only its inputs, and those only if they are not the payload
	Inputs string       `json:"inputs,omitempty"` // digest of the effect's inputs when they are long texts; then they are not in Effect
}

// longInputs is how long the inputs of a job may be inside its record, in bytes. The record is
// written anew by every renewal of a lease, and must stay small enough to be no blob each time.
const longInputs = 2 << 10

// shelve moves long inputs to the blob store.
func (e *Engine) shelve(ctx context.Context, r *jobRecord) error {
	r.Inputs = ""
	if len(r.Effect.Inputs) <= longInputs {
		return nil
	}
	digest, err := e.keep(ctx, []byte(r.Effect.Inputs))
	if err != nil {
		return err
	}
	r.Effect.Inputs, r.Inputs = "", digest
	return nil
}

// effect is r's effect with its inputs, wherever they are.
func (e *Engine) effect(ctx context.Context, r jobRecord) (effectRecord, error) {
	if r.Inputs == "" {
		return r.Effect, nil
	}
	inputs, err := e.cfg.Blobs.Get(ctx, r.Inputs)
	r.Effect.Inputs = string(inputs)
	return r.Effect, err
}

func queued(j job.Job) string { return id(j.Kind, stamp(j.Created), j.ID) }

// changeJob changes one job by a pure step, in a guarded commit.
func (e *Engine) changeJob(ctx context.Context, what, kind, jobID string, change func(j job.Job) (job.Job, error)) (job.Job, error) {
	for range decideTries {
		var r jobRecord
		key := id(kind, jobID)
		raw, found, err := e.get(ctx, spJobs, key, &r)
		if err != nil {
			return job.Job{}, err
		}
		if !found {
			return job.Job{}, errs.E("job."+what, errs.NotFound, errors.New("there is no job "+jobID+" of the kind "+kind))
		}
		was := r.Job
		j, err := change(was)
		if err != nil {
			return j, err
		}
		r.Job = j
		value, err := e.pack(ctx, encode(r))
		if err != nil {
			return j, err
		}
		if string(value) == string(raw) {
			return j, nil
		}
		b := newBatch()
		b.guard(spJobs, key, raw)
		b.put(spJobs, key, value)
		e.leaseEnd(b, was, j)
		if err = e.commit(ctx, "job/"+what, b); err == nil {
			e.wake(loopTimers)
			return j, nil
		}
		if !errs.Is(err, errs.Conflict) {
			return j, err
		}
	}
	return job.Job{}, errs.E("job."+what, errs.Conflict, errors.New("the job changes faster than it can be written"))
}

// leaseEnd keeps the index of the ends of leases, and the queue.
func (e *Engine) leaseEnd(b *batch, was, now job.Job) {
	if was.State == job.Leased && (now.State != job.Leased || !was.Lease.Until.Equal(now.Lease.Until)) {
		b.del(spLeases, id(stamp(was.Lease.Until), was.Kind, was.ID))
	}
	if now.State == job.Leased {
		b.put(spLeases, id(stamp(now.Lease.Until), now.Kind, now.ID), nil)
	}
	if now.State.Final() && !was.State.Final() {
		b.del(spJobQueue, queued(now))
	}
}

// Lease gives the oldest free job of one of the kinds to holder for ttl; found is false when
// there is none. A holder that asks again gets the job that it holds. Jobs of rows come after all
// others of their kind, those of the oldest run first, and there in the order of the list.
func (e *Engine) Lease(ctx context.Context, holder string, kinds []string, ttl time.Duration) (j job.Job, found bool, err error) {
	if p := e.world.paused.Load(); p != nil && p.Restored {
		return job.Job{}, false, nil
	}
	for _, kind := range slices.Sorted(slices.Values(kinds)) {
		var ids []string
		prefix := kind + sep
		err := e.cfg.Store.Scan(ctx, spJobQueue, prefix, after(prefix), false, func(k string, _ []byte) bool {
			ids = append(ids, k[strings.LastIndex(k, sep)+1:])
			return len(ids) < 1000
		})
		if err != nil {
			return job.Job{}, false, err
		}
		for _, jobID := range ids {
			j, err := e.changeJob(ctx, "lease", kind, jobID, func(j job.Job) (job.Job, error) { return job.Take(j, e.now(), holder, ttl) })
			switch {
			case err == nil:
				return j, true, nil
			case !errs.Is(err, errs.Conflict) && !errs.Is(err, errs.Busy):
				return job.Job{}, false, err
			}
		}
		if j, found, err := e.leaseRow(ctx, holder, kind, ttl); found || err != nil {
			return j, found, err
		}
	}
	return job.Job{}, false, nil
}

// LeaseOne gives precisely that job to holder, as [Engine.Lease] gives the oldest. Rows are leased
// in the order of their list only. Errors: [errs.NotFound] when there is no such job,
// [errs.Conflict] when another holds it or it is finished, [errs.Busy] when the holder gave it
// back a moment ago.
func (e *Engine) LeaseOne(ctx context.Context, kind, jobID, holder string, ttl time.Duration) (job.Job, error) {
	if p := e.world.paused.Load(); p != nil && p.Restored {
		return job.Job{}, errs.E("job.lease", errs.Busy, errors.New("nothing is handed out: "+p.Why)).Hint("an operator says resume effects")
	}
	if isRowJob(jobID) {
		return job.Job{}, errs.E("job.lease", errs.Invalid, errors.New("a row of a list is leased in the order of the list only"))
	}
	return e.changeJob(ctx, "lease", kind, jobID, func(j job.Job) (job.Job, error) { return job.Take(j, e.now(), holder, ttl) })
}

// Renew, Finish and GiveBack are the holder's word on a job that it leased under a fence. The
// errors are those of package job: [errs.Conflict] means that what was made does not count.
func (e *Engine) Renew(ctx context.Context, kind, jobID, holder string, fence uint64, ttl time.Duration) (job.Job, error) {
	if isRowJob(jobID) {
		return e.renewRow(ctx, kind, jobID, holder, fence, ttl)
	}
	return e.changeJob(ctx, "renew", kind, jobID, func(j job.Job) (job.Job, error) { return job.Renew(j, e.now(), holder, fence, ttl) })
}

// GiveBack ends the lease without a verdict. See [Engine.Renew].
func (e *Engine) GiveBack(ctx context.Context, kind, jobID, holder string, fence uint64, why string) (job.Job, error) {
	if isRowJob(jobID) {
		return e.giveBackRow(ctx, kind, jobID, holder, fence, why)
	}
	return e.changeJob(ctx, "give-back", kind, jobID, func(j job.Job) (job.Job, error) {
		return job.GiveBack(j, e.now(), holder, fence, why, jobPause)
	})
}

// Finish takes the verdict: it is checked by the kind's Finish and becomes the result of the
// effect, in one commit with the job. See [Engine.Renew].
func (e *Engine) Finish(ctx context.Context, kind, jobID, holder string, fence uint64, v job.Verdict) (job.Job, error) {
	if isRowJob(jobID) {
		return e.finishRow(ctx, kind, jobID, holder, fence, v)
	}
	key := id(kind, jobID)
	for range decideTries {
		var r jobRecord
		raw, found, err := e.get(ctx, spJobs, key, &r)
		if err != nil {
			return job.Job{}, err
		}
		if !found {
			return job.Job{}, errs.E("job.finish", errs.NotFound, errors.New("there is no job "+jobID))
		}
		was := r.Job
		j, err := job.Finish(was, holder, fence, v)
		if err != nil {
			return j, err
		}
		r.Job = j
		value, err := e.pack(ctx, encode(r))
		if err != nil {
			return j, err
		}
		if string(value) == string(raw) {
			return j, nil
		}
		write := func(b *batch, _ *live, d run.Decision) {
			b.put(spJobs, key, value)
			e.leaseEnd(b, was, j)
		}
		guard := Guard{Key{spJobs, key}, raw}
		if j.State == job.Unused {
			b := newBatch()
			b.guard(spJobs, key, raw)
			write(b, nil, run.Decision{})
			e.unused(b, &r.Effect, run.Result{Outcome: run.OK, Output: v.Result, Message: j.Why})
			err = e.commit(ctx, "job/finish", b)
		} else {
			var res run.Result
			effect, failed := e.effect(ctx, r)
			if failed != nil {
				return j, failed
			}
			if res, err = e.verdict(ctx, j, &effect); err != nil {
				return j, err
			}
			_, err = e.submit(ctx, j.Run, res, also{guards: []Guard{guard}, then: func(b *batch, l *live, d run.Decision) {
				write(b, l, d)
				if d.Refusal != nil || len(d.Events) == 0 {
					e.unused(b, &r.Effect, res)
				}
			}})
		}
		if !errs.Is(err, errs.Conflict) {
			return j, err
		}
	}
	return job.Job{}, errs.E("job.finish", errs.Conflict, errors.New("the job changes faster than it can be written"))
}

// verdict makes the effect's result of a job's. An error means: not now, report again later.
func (e *Engine) verdict(ctx context.Context, j job.Job, r *effectRecord) (run.Result, error) {
	res := run.Result{Key: j.Key, Outcome: run.Fail, Class: j.Verdict.Class, Message: j.Verdict.Reason}
	if j.State != job.Done {
		return res, nil
	}
	res.Outcome, res.Output = run.OK, j.Verdict.Result
	if finish := e.cfg.Jobs[j.Kind].Finish; finish != nil {
		e.point("effect/" + r.Action + "/before-verify")
		var out []byte
		err := guarded(e.cfg.Log, "job."+j.Kind, func() (err error) {
			out, err = finish(ctx, j, []byte(r.Inputs))
			return err
		})
		e.point("effect/" + r.Action + "/after-verify")
		switch errs.KindOf(err) {
		case errs.Unavailable, errs.Busy, errs.Full:
			return res, err
		}
		if err != nil {
			return run.Result{Key: j.Key, Outcome: run.Fail, Class: classOf(err), Message: errs.Text(err)}, nil
		}
		res.Output = out
	}
	return res, nil
}

// Job reads one job.
func (e *Engine) Job(ctx context.Context, kind, jobID string) (job.Job, bool, error) {
	var r jobRecord
	_, found, err := e.get(ctx, spJobs, id(kind, jobID), &r)
	return r.Job, found, err
}

// voidJob raises the fence of the job of a voided effect, in the same commit.
func (w *writer) voidJob(ev run.EffectVoided) error {
	ef := w.was.state.Effects[ev.Key]
	if ef == nil {
		return nil
	}
	b, err := w.e.bound(&effectRecord{Action: ef.Action, Project: w.d.After.Project})
	if err != nil || b.Contract.Job == "" {
		return nil
	}
	key := id(b.Contract.Job, ev.Key)
	var r jobRecord
	raw, found, err := w.e.get(w.ctx, spJobs, key, &r)
	if err != nil {
		return err
	}
	w.b.guard(spJobs, key, raw)
	if found {
		was := r.Job
		r.Job = job.Void(was, ev.Why)
		value, err := w.e.pack(w.ctx, encode(r))
		if err != nil {
			return err
		}
		w.b.put(spJobs, key, value)
		w.e.leaseEnd(w.b, was, r.Job)
	}
	return nil
}

// leasesDue takes back leases that ran out.
func (e *Engine) leasesDue(ctx context.Context) (bool, time.Time, error) {
	var due []string
	next, now := time.Time{}, e.now()
	err := e.cfg.Store.Scan(ctx, spLeases, "", "", false, func(k string, _ []byte) bool {
		if at := stampTime(k); !now.After(at) {
			next = at.Add(1)
			return false
		}
		due = append(due, k)
		return len(due) < 64
	})
	if err != nil {
		return false, next, err
	}
	for _, k := range due {
		parts := splitID(k)
		if isRowJob(parts[2]) {
			if err := e.expireRow(ctx, k, parts[1], parts[2]); err != nil {
				return false, next, err
			}
			continue
		}
		_, err := e.changeJob(ctx, "expire", parts[1], parts[2], func(j job.Job) (job.Job, error) {
			j, _ = job.Expire(j, now)
			return j, nil
		})
		if errs.Is(err, errs.NotFound) {
			b := newBatch()
			b.del(spLeases, k)
			err = e.commit(ctx, "job/expire", b)
		}
		if err != nil {
			return false, next, err
		}
	}
	return len(due) > 0, next, nil
}
