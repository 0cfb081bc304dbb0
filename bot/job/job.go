// Package job is the leased queue for work that others do: builders and signers pull a job, hold
// it under a lease, and hand back a verdict.
//
// A [Job] is a value and every function here is pure: time comes in, a new Job goes out, and the
// caller stores it. A lease carries a fencing number that only grows. A result counts only under
// the number that was given out last, so a worker that was believed dead and comes back cannot
// overwrite the work of the one that took its place. A holder that asks twice gets the same lease.
//
// When the manifest behind a signing job is voided, the fence is raised ([Void]). A signature
// that still arrives is kept in the state [Unused]; it is never published.
package job

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// State is where a job stands.
type State string

// The states of a job. Done, Failed, Cancelled and Unused are final.
const (
	Pending   State = "pending"   // waits for somebody to lease it
	Leased    State = "leased"    // one holder works on it
	Done      State = "done"      // finished with a result
	Failed    State = "failed"    // finished, and the verdict is failure
	Cancelled State = "cancelled" // voided before a result came
	Unused    State = "unused"    // voided, and a result came all the same; kept, never used
)

// Final reports whether nothing can be leased any more in state s.
func (s State) Final() bool { return s != Pending && s != Leased }

// Format is the version of the stored form of a [Job].
const Format = 1

// MaxPayload is the largest request kept inside a job, in bytes. A larger one lives in the blob
// store under [Job.Digest].
const MaxPayload = 8 << 10

// Lease is one holder's claim. The zero Lease is nobody's.
type Lease struct {
	Holder string    `json:"holder"`
	Fence  uint64    `json:"fence"`
	Until  time.Time `json:"until"` // silent after this instant, it may be taken back
}

// Blame counts what went wrong under this job, so that the caller can decide between a bad
// builder and a bad job (compare it with the same counters of the builder).
type Blame struct {
	Lost      int `json:"lost,omitempty"`       // leases that ran out in silence
	GivenBack int `json:"given_back,omitempty"` // leases that their holder gave back
}

// Refusal keeps a holder that gave a job back from being handed it again at once.
type Refusal struct {
	Holder string    `json:"holder"`
	Until  time.Time `json:"until"`
}

// Verdict is what a holder reports. Result is small (a signature, a digest); larger things are in
// the blob store and named by their digest.
type Verdict struct {
	OK     bool   `json:"ok"`
	Result []byte `json:"result,omitempty"`
	Class  string `json:"class,omitempty"`  // class of a failure, as on_fail names it
	Reason string `json:"reason,omitempty"` // in words, shown to people
}

func (v Verdict) equal(w Verdict) bool {
	return v.OK == w.OK && bytes.Equal(v.Result, w.Result) && v.Class == w.Class && v.Reason == w.Reason
}

// Job is one piece of pulled work.
type Job struct {
	Version int       `json:"v"`
	ID      string    `json:"id"`
	Kind    string    `json:"kind"` // e.g. "sign.tag"
	Run     string    `json:"run"`
	Step    string    `json:"step"`
	Key     string    `json:"key"`               // key of the effect whose outcome this is
	Digest  string    `json:"digest"`            // of the request's bytes
	Payload []byte    `json:"payload,omitempty"` // the request; empty when it is in the blob store
	Created time.Time `json:"created"`

	State   State     `json:"state"`
	Lease   Lease     `json:"lease,omitzero"` // the current claim, or the last one
	Fence   uint64    `json:"fence"`          // the highest number given out or raised to
	Attempt int       `json:"attempt"`        // leases handed out so far
	Blame   Blame     `json:"blame,omitzero"`
	Refused []Refusal `json:"refused,omitempty"`
	Verdict Verdict   `json:"verdict,omitzero"` // of Done, Failed and Unused
	Why     string    `json:"why,omitempty"`    // why it was cancelled or taken back
}

// Offer checks a new job and makes it pending. fence is a number below every number it will ever
// hand out; a caller with restore epochs passes epoch<<32, others 0. Errors: [errs.Invalid].
func Offer(j Job, created time.Time, fence uint64) (Job, error) {
	const op = "job.offer"
	for _, f := range []struct{ name, value string }{
		{"id", j.ID}, {"kind", j.Kind}, {"effect key", j.Key}, {"request digest", j.Digest},
	} {
		if f.value == "" {
			return Job{}, errs.E(op, errs.Invalid, fmt.Errorf("a job without %s cannot be offered", f.name))
		}
	}
	if len(j.Payload) > MaxPayload {
		return Job{}, errs.E(op, errs.Invalid, fmt.Errorf("the request of job %s has %d bytes", j.ID, len(j.Payload))).
			Hint("keep requests over %d bytes in the blob store and leave the payload empty", MaxPayload)
	}
	if len(j.Payload) > 0 && action.DigestOf(j.Payload) != j.Digest {
		return Job{}, errs.E(op, errs.Invalid, fmt.Errorf("the request of job %s does not have the digest %s", j.ID, j.Digest))
	}
	return Job{Version: Format, ID: j.ID, Kind: j.Kind, Run: j.Run, Step: j.Step, Key: j.Key, Digest: j.Digest,
		Payload: bytes.Clone(j.Payload), Created: created.UTC(), State: Pending, Fence: fence}, nil
}

// Take leases j to holder for ttl. Asking again while the lease lasts returns it unchanged. A
// lease that ran out is taken back first, as by [Expire]. Errors: [errs.Conflict] when another
// holds it or it is finished, [errs.Busy] when the holder gave it back a moment ago,
// [errs.Invalid] for a missing holder or ttl.
func Take(j Job, now time.Time, holder string, ttl time.Duration) (Job, error) {
	const op = "job.lease"
	if holder == "" || ttl <= 0 {
		return j, errs.E(op, errs.Invalid, fmt.Errorf("a lease of job %s needs a holder and a length above zero", j.ID))
	}
	j, _ = Expire(j, now)
	switch {
	case j.State == Leased && j.Lease.Holder == holder:
		return j, nil
	case j.State == Leased:
		return j, errs.E(op, errs.Conflict, fmt.Errorf("job %s is leased to %s until %s", j.ID, j.Lease.Holder, stamp(j.Lease.Until)))
	case j.State.Final():
		return j, errs.E(op, errs.Conflict, fmt.Errorf("job %s is %s", j.ID, j.State))
	}
	var refused []Refusal
	for _, r := range j.Refused {
		if !r.Until.After(now) {
			continue
		}
		if r.Holder == holder {
			return j, errs.E(op, errs.Busy, fmt.Errorf("%s gave job %s back; it is offered to others until %s", holder, j.ID, stamp(r.Until)))
		}
		refused = append(refused, r)
	}
	j.Refused = refused
	j.Fence++
	j.Attempt++
	j.State, j.Why = Leased, ""
	j.Lease = Lease{Holder: holder, Fence: j.Fence, Until: now.Add(ttl).UTC()}
	return j, nil
}

// Renew moves the end of holder's lease to now+ttl, never backwards. It is refused with
// [errs.Conflict] when the lease ran out, even if nobody else took the job: silence has ended it.
func Renew(j Job, now time.Time, holder string, fence uint64, ttl time.Duration) (Job, error) {
	const op = "job.renew"
	if err := held(op, j, holder, fence); err != nil {
		return j, err
	}
	if ttl <= 0 {
		return j, errs.E(op, errs.Invalid, fmt.Errorf("a lease of job %s needs a length above zero", j.ID))
	}
	if now.After(j.Lease.Until) {
		return j, errs.E(op, errs.Conflict, fmt.Errorf("the lease of job %s ran out at %s", j.ID, stamp(j.Lease.Until))).
			Hint("ask for a new lease")
	}
	if until := now.Add(ttl).UTC(); until.After(j.Lease.Until) {
		j.Lease.Until = until
	}
	return j, nil
}

// Finish records the verdict. A holder may report the same verdict again. A result under an old
// fence, or from somebody else, is refused with [errs.Conflict]. Under the fence that was current
// when the job was voided a good result makes it [Unused].
func Finish(j Job, holder string, fence uint64, v Verdict) (Job, error) {
	const op = "job.finish"
	mine := fence != 0 && j.Lease.Fence == fence && j.Lease.Holder == holder
	switch {
	case mine && (j.State == Done || j.State == Failed || j.State == Unused):
		if j.Verdict.equal(v) {
			return j, nil
		}
		return j, errs.E(op, errs.Conflict, fmt.Errorf("job %s already has another verdict", j.ID))
	case mine && j.State == Cancelled:
		if v.OK {
			j.State = Unused
			j.Verdict = clone(v)
		}
		return j, nil
	}
	if err := held(op, j, holder, fence); err != nil {
		return j, err
	}
	j.State = Failed
	if v.OK {
		j.State = Done
	}
	j.Verdict = clone(v)
	return j, nil
}

// GiveBack ends holder's lease without a verdict; others may take the job at once, the holder
// itself after pause. Errors: [errs.Conflict] as for [Finish].
func GiveBack(j Job, now time.Time, holder string, fence uint64, why string, pause time.Duration) (Job, error) {
	if err := held("job.give-back", j, holder, fence); err != nil {
		return j, err
	}
	j.State, j.Why = Pending, why
	j.Blame.GivenBack++
	if pause > 0 {
		j.Refused = append(append([]Refusal(nil), j.Refused...), Refusal{Holder: holder, Until: now.Add(pause).UTC()})
	}
	return j, nil
}

// Expire takes a lease back that ran out before now, and reports whether it did. The fence stays:
// the next lease gets a higher number.
func Expire(j Job, now time.Time) (Job, bool) {
	if j.State != Leased || !now.After(j.Lease.Until) {
		return j, false
	}
	j.State = Pending
	j.Why = fmt.Sprintf("%s was silent until %s", j.Lease.Holder, stamp(j.Lease.Until))
	j.Blame.Lost++
	return j, true
}

// Raise takes the job back from whoever holds it and raises the fence to at least least, so that
// nothing handed out before counts: for `hold --now`, and for a restore (least = epoch<<32).
// A finished job is returned unchanged.
func Raise(j Job, least uint64, why string) Job {
	if j.State.Final() {
		return j
	}
	j.Fence = max(j.Fence+1, least)
	j.State, j.Why = Pending, why
	return j
}

// Void ends the job because what it was for is no longer approved. The fence is raised, so a
// signer that renews its lease before using the key is refused. A result that was already there
// becomes [Unused]; a failed or cancelled job stays as it is.
func Void(j Job, why string) Job {
	switch j.State {
	case Done:
		j.State = Unused
	case Pending, Leased:
		j.State = Cancelled
	default:
		return j
	}
	j.Fence++
	j.Why = why
	return j
}

// Parse reads a stored job. Errors: [errs.Corrupt] for what is not a job, or a newer format.
func Parse(data []byte) (Job, error) {
	var j Job
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return Job{}, errs.E("job.parse", errs.Corrupt, fmt.Errorf("a stored job does not read back: %w", err))
	}
	if j.Version != Format {
		return Job{}, errs.E("job.parse", errs.Corrupt, fmt.Errorf("job %q has format %d, this program reads %d", j.ID, j.Version, Format)).
			Hint("use the version of Slipway that wrote it, or a newer one")
	}
	return j, nil
}

func held(op string, j Job, holder string, fence uint64) error {
	switch {
	case j.State.Final():
		return errs.E(op, errs.Conflict, fmt.Errorf("job %s is %s%s", j.ID, j.State, because(j.Why)))
	case fence == 0 || j.State != Leased || j.Lease.Fence != fence || j.Fence != fence:
		return errs.E(op, errs.Conflict, fmt.Errorf("the lease %d of job %s is over%s", fence, j.ID, because(j.Why))).
			Hint("ask for a new lease; what was made under the old one does not count")
	case j.Lease.Holder != holder:
		return errs.E(op, errs.Conflict, fmt.Errorf("job %s is leased to somebody else", j.ID))
	}
	return nil
}

func clone(v Verdict) Verdict {
	v.Result = bytes.Clone(v.Result)
	return v
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
