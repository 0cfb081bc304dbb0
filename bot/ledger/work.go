package ledger

import (
	"fmt"
	"time"

	"slipway/bot/errs"
	"slipway/bot/job"
)

// Work says how builders move the rows of a list by leasing them: a row that waits in From goes
// to Takes with its lease, and from there to where the verdict leads.
//
// A row and its [job.Job] change together: each function returns both, with the row's [Change],
// and changes neither when it refuses. So the state of a row says at every time whether somebody
// holds it, and no event of a run does.
type Work struct {
	From   string
	Takes  string
	Back   string // where a row goes whose lease is lost or given back
	OK     string
	Failed map[string]string // class of a failure → state; "any" is for all others
	Tries  int               // leases that may be lost or given back before the row goes where "any" leads
}

// The classes of a job whose leases were lost or given back too often.
const (
	Lost      = "lost"
	GivenBack = "given_back"
)

// Step is what became of a row and its job.
type Step struct {
	Row    Row
	Change Change // Seq is 0 when the row did not change
	Job    job.Job
}

// fails is where a failure of the class leads.
func (w Work) fails(class string) string {
	if to, ok := w.Failed[class]; ok {
		return to
	}
	return w.Failed["any"]
}

// Ends is the class as which a job ends whose lease is lost or given back now; "" when its row is
// offered again. Blame is counted without that lease.
func (w Work) Ends(j job.Job, class string) string {
	if j.Blame.Lost+j.Blame.GivenBack+1 < w.Tries {
		return ""
	}
	return class
}

// Leads is the state that a verdict takes a leased row to. A class that leads back to where rows
// wait lays the blame on the builder, as giving back does; the last such try counts as "any".
func (w Work) Leads(j job.Job, v job.Verdict) string {
	if v.OK {
		return w.OK
	}
	to := w.fails(v.Class)
	if to == w.From && w.Ends(j, v.Class) != "" {
		to = w.Failed["any"]
	}
	return to
}

// Lease gives the row to a holder: j is its job, free or new. A holder that asks again gets what
// it holds. Errors: [errs.Conflict] for a row that does not wait, and those of [job.Take].
func (w Work) Lease(s Spec, row Row, j job.Job, holder string, ttl time.Duration, set map[string]any, now time.Time) (Step, error) {
	if j.State == job.Leased && j.Lease.Holder == holder && row.State == w.Takes && !now.After(j.Lease.Until) {
		return Step{Row: row, Job: j}, nil
	}
	if row.State != w.From {
		return Step{}, errs.E("ledger.lease", errs.Conflict, fmt.Errorf("%s is %s, and only rows that are %s are leased", row.Key, row.State, w.From))
	}
	j, err := job.Take(j, now, holder, ttl)
	if err != nil {
		return Step{}, err
	}
	return w.move(s, row, j, w.Takes, set, now)
}

// Finish takes the verdict of the holder under its fence. The same verdict again changes nothing.
// set are the columns that go with it. Errors: [errs.Conflict] for an old fence or a verdict that
// differs, as [job.Finish] has them.
func (w Work) Finish(s Spec, row Row, j job.Job, holder string, fence uint64, v job.Verdict, set map[string]any, pause time.Duration, now time.Time) (Step, error) {
	to := w.Leads(j, v)
	if !v.OK && to == w.From && j.State == job.Leased {
		next, err := job.GiveBack(j, now, holder, fence, v.Reason, pause)
		if err != nil {
			return Step{}, err
		}
		return w.move(s, row, next, to, set, now)
	}
	next, err := job.Finish(j, holder, fence, v)
	if err != nil {
		return Step{}, err
	}
	if j.State.Final() {
		return Step{Row: row, Job: next}, nil
	}
	return w.move(s, row, next, to, set, now)
}

// GiveBack ends the lease without a verdict: others may take the row at once, the holder after
// pause. The last try that is given back is a failure of the class [GivenBack].
func (w Work) GiveBack(s Spec, row Row, j job.Job, holder string, fence uint64, why string, set map[string]any, pause time.Duration, now time.Time) (Step, error) {
	ends := w.Ends(j, GivenBack)
	next, err := job.GiveBack(j, now, holder, fence, why, pause)
	if err != nil {
		return Step{}, err
	}
	return w.back(s, row, next, ends, why, set, now)
}

// Expire takes a lease back that ran out before now; ok is false when it did not. The last try
// that is lost is a failure of the class [Lost].
func (w Work) Expire(s Spec, row Row, j job.Job, set map[string]any, now time.Time) (st Step, ok bool, err error) {
	ends := w.Ends(j, Lost)
	next, ok := job.Expire(j, now)
	if !ok {
		return Step{Row: row, Job: j}, false, nil
	}
	st, err = w.back(s, row, next, ends, next.Why, set, now)
	return st, err == nil, err
}

// Fence takes the row back from its holder without blame, because its run does not want it worked
// now. least bounds the fence from below, as for [job.Raise].
func (w Work) Fence(s Spec, row Row, j job.Job, least uint64, why string, now time.Time) (Step, error) {
	return w.move(s, row, job.Raise(j, least, why), w.Back, nil, now)
}

func (w Work) back(s Spec, row Row, j job.Job, ends, why string, set map[string]any, now time.Time) (Step, error) {
	if ends == "" {
		return w.move(s, row, j, w.Back, set, now)
	}
	j.State, j.Verdict = job.Failed, job.Verdict{Class: ends, Reason: why}
	return w.move(s, row, j, w.Failed["any"], set, now)
}

// move takes the row along. One that somebody moved away meanwhile stays where it is: the job's
// fence was raised then, so that no holder comes this far.
func (w Work) move(s Spec, row Row, j job.Job, to string, set map[string]any, now time.Time) (Step, error) {
	next, ch, err := Move(s, row, to, set, "", now)
	if err != nil {
		return Step{}, err
	}
	return Step{Row: next, Change: ch, Job: j}, nil
}
