package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/run"
)

// outcome is what became of one try. again is set when another try must follow.
type outcome struct {
	result run.Result
	again  time.Time
	asked  time.Time // until when the other side asks to be left alone
	err    error     // of the try, when again is set
	clear  bool      // nothing happened: the mark of once-or-ask goes
	looked bool      // it was only looked whether it happened
}

func okay(out []byte, found bool) outcome {
	return outcome{result: run.Result{Outcome: run.OK, Output: out, Found: found}}
}

// perform tries one row of the outbox. again is when to try it next; zero: it has ended. An
// error is of the engine itself: the row stays as it is.
func (e *Engine) perform(ctx context.Context, row string) (again time.Time, err error) {
	var r effectRecord
	raw, found, err := e.get(ctx, spOutbox, row, &r)
	if err != nil || !found {
		if _, key, ok := strings.Cut(row, sep); ok && err == nil {
			e.awayOver(key)
		}
		return time.Time{}, err
	}
	now := e.now()
	if forced := e.effects.force(row); r.NotBefore.After(now) && (!forced || r.Asked.After(now)) {
		e.awayNow(row, &r)
		return r.NotBefore, nil
	}
	if p := e.world.paused.Load(); p != nil && (!tells(r.Action) || p.Restored && r.Action == actClosing) {
		return now.Add(24 * time.Hour), nil // resuming makes it due
	}
	if r.Run != "" {
		e.stripes.hold(r.Run)() // whoever committed the intent has also made it known here
		if err := e.runnable(ctx, r.Run); err != nil {
			return now.Add(time.Hour), nil // its playbook does not fit; shown by Misfits
		}
	}
	if r.Parcel != "" && !e.wanted(ctx, &r) {
		return e.ended(ctx, row, raw, &r, run.Result{Outcome: run.Skipped, Message: "the subscription has ended"})
	}
	if own(r.Action) {
		return e.performOwn(ctx, row, raw, &r)
	}
	b, err := e.bound(&r)
	if err != nil {
		return e.ended(ctx, row, raw, &r, run.Result{Outcome: run.Fail, Class: "unavailable", Message: errs.Text(err)})
	}
	if b.Contract.Job != "" && !r.ProbeOnly {
		return e.offerJob(ctx, row, raw, &r, b)
	}
	if b.Contract.Policy == action.OnceOrAsk && !r.ProbeOnly && r.Marked == "" {
		marked := r
		marked.Marked = e.boot
		if raw, err = e.rewrite(ctx, "effect/"+r.Action+"/mark", row, raw, &marked); err != nil || raw == nil {
			return time.Time{}, err
		}
	}
	unknown, err := e.unknown(ctx, &r)
	if err != nil {
		return time.Time{}, err
	}
	hints, _ := e.effects.hintsOf(b.Contract.Name, r.Project)
	told := e.effects.causeOf(row, waitOf(&r), now)
	o := e.try(ctx, b, row, &r, unknown)
	if ctx.Err() != nil {
		if o.result.Outcome != run.OK {
			return time.Time{}, ctx.Err() // we are stopping; the next process looks first
		}
		ctx = context.WithoutCancel(ctx)
	}
	if b.Contract.Policy == action.Read {
		o.result.Told = &told
	}
	again, err = e.settle(ctx, row, raw, &r, o)
	if err == nil && o.again.IsZero() && o.result.Outcome == run.OK {
		e.answers(b.Contract.Name, r.Project)
	}
	if n, last := e.effects.hintsOf(b.Contract.Name, r.Project); err == nil && b.Contract.Policy == action.Read && n != hints {
		// What was read may be older than the hint, and the hint older than the next reading.
		e.effects.hintAgain(b.Contract.Name, r.Project, last)
		e.wake(loopEffects)
	}
	return again, err
}

// runnable reports why a run's effects must wait.
func (e *Engine) runnable(ctx context.Context, runID string) error {
	l, err := e.load(ctx, runID)
	if err != nil || l.raw == nil {
		return nil // its results are kept as unused
	}
	if l.state.Status == run.IsAborting || l.state.Status == run.RunEnded {
		return nil // what is in flight must end, whatever became of the playbook
	}
	_, err = e.book(ctx, l.state.Playbook)
	return err
}

// settle commits what a try came to.
func (e *Engine) settle(ctx context.Context, row string, raw []byte, r *effectRecord, o outcome) (time.Time, error) {
	if o.again.IsZero() {
		again, err := e.ended(ctx, row, raw, r, o.result)
		if err == nil {
			e.awayOver(r.Key)
		}
		return again, err
	}
	next := *r
	next.NotBefore, next.Asked = o.again, o.asked
	if o.err != nil { // without one it only waits, and nothing was tried that must settle
		next.LastTry = e.now()
		next.Attempts++
		next.Last = errs.Text(o.err)
		if next.Since.IsZero() {
			next.Since = next.LastTry
		}
		if errs.Is(o.err, errs.Doubtful) {
			next.Doubts++
		}
		// Who asks to be left alone has done nothing: there is nothing to wait for but the time that was named.
		if !o.looked && !(o.clear && errs.Is(o.err, errs.Busy)) {
			next.MayLand = next.LastTry
		}
	}
	if next.Marked = ""; !o.clear {
		next.Marked = e.markOf(ctx, raw)
	}
	if o.clear {
		e.effects.untried(row)
	}
	kept, err := e.rewrite(ctx, "effect/"+r.Action+"/again", row, raw, &next)
	if err != nil || kept == nil {
		return time.Time{}, err
	}
	e.awayNow(row, &next)
	return o.again, nil
}

// markOf is the mark in a row as it is stored.
func (e *Engine) markOf(ctx context.Context, raw []byte) string {
	var r effectRecord
	body, err := e.unpack(ctx, raw)
	if err != nil || decode("outbox", body, &r) != nil {
		return e.boot // in doubt it was marked
	}
	return r.Marked
}

// rewrite replaces a row that is as it was read. nil without an error: it was voided meanwhile.
func (e *Engine) rewrite(ctx context.Context, what, row string, raw []byte, r *effectRecord) ([]byte, error) {
	value, err := e.pack(ctx, encode(r))
	if err != nil {
		return nil, err
	}
	b := newBatch()
	b.guard(spOutbox, row, raw)
	b.put(spOutbox, row, value)
	if err := e.commit(ctx, what, b); err != nil {
		if errs.Is(err, errs.Conflict) {
			return nil, nil
		}
		return nil, err
	}
	return value, nil
}

// try probes and does, as the policy says. unknown: it may have been done in the time that a restore
// lost.
func (e *Engine) try(ctx context.Context, b action.Bound, row string, r *effectRecord, unknown bool) outcome {
	c := b.Contract
	limit := c.Timeout
	if limit <= 0 {
		limit = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	key, in := r.keyOf(), []byte(r.Inputs)

	// A try may have been lost when the intent is of another process, when one failed, or when it was
	// intended before under the same key.
	tried, here := e.effects.tryOf(row)
	lost := r.Boot != e.boot || r.Attempts > 0 || here || !r.First.IsZero() || unknown
	if c.Policy == action.OnceOrAsk {
		// The mark is of an earlier process, or of a try that is in doubt. What was intended
		// before a restore may have been done after the backup.
		lost = r.Marked != "" || here || r.Epoch < e.world.epoch || unknown
	}
	if r.ProbeOnly || lost && c.Policy != action.Read {
		if c.Policy == action.Lookup && !r.ProbeOnly {
			if until := e.lastTry(r, tried, unknown).Add(c.Settle); until.After(e.now()) {
				return outcome{again: until}
			}
		}
		e.point("effect/" + r.Action + "/before-probe")
		out, found, err := e.probe(ctx, b, key, in)
		err = outOfTime(ctx, c, err, limit)
		e.point("effect/" + r.Action + "/after-probe")
		switch {
		case err == nil && found:
			return okay(out, true)
		case err != nil:
			o := e.failure(c, r, err, true)
			o.looked = true
			if o.again.IsZero() && !r.ProbeOnly && (here || unknown || r.Boot != e.boot) && couldRepeat(c.Policy) && !settles(err) {
				// A failure would let the step be retried, and the effect happen twice.
				o.result.Outcome = run.Doubtful
			}
			return o
		case r.ProbeOnly:
			return outcome{result: run.Result{Outcome: run.Skipped, Message: "it was not found done"}}
		case c.Policy == action.OnceOrAsk:
			return outcome{result: run.Result{Outcome: run.Doubtful, Message: e.noTrace(unknown)}}
		}
	}
	e.effects.trying(row, e.now())
	e.point("effect/" + r.Action + "/before-do")
	out, err := e.do(ctx, b, key, in)
	e.point("effect/" + r.Action + "/after-do")
	if err == nil {
		return okay(out, false)
	}
	if c.Policy == action.Read {
		err = outOfTime(ctx, c, err, limit)
	} else if ctx.Err() != nil && !errs.Is(err, errs.Unavailable) && !errs.Is(err, errs.Busy) {
		err = errs.E(c.Name, errs.Doubtful, fmt.Errorf("there was no answer within %s", limit))
	}
	o := e.failure(c, r, err, false)
	if broke(err) && couldRepeat(c.Policy) {
		o.result.Outcome = run.Doubtful // it broke somewhere in the middle
	}
	return o
}

// outOfTime is the error of a look that ran out of time: nothing can have happened.
func outOfTime(ctx context.Context, c action.Contract, err error, limit time.Duration) error {
	if err == nil || ctx.Err() == nil || errs.Is(err, errs.Busy) || errs.Is(err, errs.Unavailable) && !errors.Is(err, ctx.Err()) {
		return err
	}
	return errs.E(c.Name, errs.Unavailable, fmt.Errorf("there was no answer within %s", limit))
}

// couldRepeat reports whether doing twice does harm: the other side does not notice a repeat.
func couldRepeat(p action.Policy) bool { return p == action.Lookup || p == action.OnceOrAsk }

// settles reports whether the error of a probe tells that the effect did not happen, in place of
// that nobody could look.
func settles(err error) bool {
	switch errs.KindOf(err) {
	case errs.Invalid, errs.Exists, errs.Conflict, errs.Failed:
		return true
	}
	return false
}

// lastTry is the latest moment at which a lost try can have been made.
func (e *Engine) lastTry(r *effectRecord, here time.Time, unknown bool) time.Time {
	if rec := e.world.restored.Load(); unknown && rec != nil && rec.At.After(here) {
		here = rec.At
	}
	if here.After(r.MayLand) {
		return here
	}
	if r.Boot != e.boot && r.MayLand.Before(e.effects.booted) {
		return e.effects.booted
	}
	return r.MayLand
}

// failure says what follows from an error of a try.
func (e *Engine) failure(c action.Contract, r *effectRecord, err error, probing bool) outcome {
	result := run.Result{Outcome: run.Fail, Class: classOf(err), Message: errs.Text(err)}
	switch kind := errs.KindOf(err); kind {
	case errs.Busy, errs.Unavailable:
		result.Class = "unavailable"
		if c.Policy == action.OnceOrAsk && probing {
			result.Outcome = run.Doubtful
		}
		return e.tryLater(c, r, err, !probing, result)
	case errs.Doubtful:
		if c.Policy == action.Read { // nothing can have happened
			result.Class = "unavailable"
			return e.tryLater(c, r, err, true, result)
		}
		result.Outcome = run.Doubtful
		switch {
		case c.Policy == action.OnceOrAsk && !probing:
			// One look, where looking can tell, before a person is asked.
			return outcome{again: e.now().Add(c.Settle), err: err}
		case c.Policy == action.OnceOrAsk:
			return outcome{result: result}
		case !probing && !couldRepeat(c.Policy):
			// The probe comes first, and where it finds nothing a repeat does no harm.
			return e.tryLater(c, r, err, false, result)
		case r.Doubts+1 >= e.cfg.Tries:
			return outcome{result: result} // nobody could tell, however often it was looked
		}
		return e.tryLater(c, r, err, false, result)
	}
	return outcome{result: result}
}

// classOf is the class of a failure: what the action says, or the kind of the error.
func classOf(err error) string {
	var c interface{ Class() string }
	if errors.As(err, &c) && c.Class() != "" {
		return c.Class()
	}
	return errs.KindOf(err).String()
}

func (e *Engine) backoff(attempts int) time.Duration {
	d := e.cfg.Backoff
	for range min(attempts, 30) {
		if d *= 2; d >= e.cfg.BackoffCap {
			d = e.cfg.BackoffCap
			break
		}
	}
	return d/2 + time.Duration(e.cfg.Jitter()*float64(d)/2)
}

// ended feeds a result back to its run and clears the row, in one commit. A result that the run
// has no use for is kept beside it.
func (e *Engine) ended(ctx context.Context, row string, raw []byte, r *effectRecord, res run.Result) (time.Time, error) {
	res.Key = r.Key
	e.point("effect/" + r.Action + "/before-result")
	defer e.point("effect/" + r.Action + "/after-result")
	if r.Parcel != "" {
		return time.Time{}, e.parcelEnded(ctx, row, raw, r, res)
	}
	if r.Run == "" {
		b := newBatch()
		b.guard(spOutbox, row, raw)
		b.del(spOutbox, row)
		if err := e.commit(ctx, "effect/"+r.Action+"/end", b); err != nil && !errs.Is(err, errs.Conflict) {
			return time.Time{}, err
		}
		return time.Time{}, nil
	}
	_, err := e.submit(ctx, r.Run, res, also{
		then: func(b *batch, l *live, d run.Decision) {
			b.del(spOutbox, row)
			if res.Outcome == run.Doubtful {
				e.asks(b, r)
			}
			e.foundBy(b, r, r.Step, l.state, res.Told, d.Events)
			if d.Refusal != nil || len(d.Events) == 0 {
				e.unused(b, r, res)
			}
		},
	})
	if errs.Is(err, errs.NotFound) {
		b := newBatch()
		b.del(spOutbox, row)
		e.unused(b, r, res)
		err = e.commit(ctx, "effect/"+r.Action+"/end", b)
	}
	return time.Time{}, err
}

// unused keeps a result that nothing may use any more.
func (e *Engine) unused(b *batch, r *effectRecord, res run.Result) {
	if own(r.Action) {
		return
	}
	u := unusedRecord{At: e.now(), Action: r.Action, Outcome: string(res.Outcome), Output: string(res.Output), Message: res.Message}
	if len(u.Output) > inlineValue/2 {
		u.Output = "" // the output named what it made by digest; the digest of it is enough
		u.Message = "output " + action.DigestOf(res.Output) + " " + res.Message
	}
	b.put(spUnused, id(r.Run, r.Key, stamp(u.At)), encode(u))
}
