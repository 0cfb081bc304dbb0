package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

// signTimeout is how long the key may take, with the time for a PIN.
const signTimeout = 3 * time.Minute

// errNobody is a job that waits for a person, at a signer where none can be asked.
var errNobody = errors.New("a person must say yes to it, and nobody can be asked at this signer")

// Prompt asks a person; [Terminal] is the real one.
type Prompt interface {
	Ask(ctx context.Context, words string) (bool, error)
}

// Worker pulls signing jobs and decides about them, one at a time.
type Worker struct {
	Client  *Client
	Signer  openpgp.Signer
	More    []openpgp.Signer // other keys that are here, e.g. while a key is changed
	Policy  Policy
	Journal *Journal
	Prompt  Prompt // nil: nobody is there to be asked
	Demo    bool   // sign what the policy allows without asking; only with a throw-away key
	Out     io.Writer
	Now     func() time.Time
	Wait    func(ctx context.Context, d time.Duration) error // returns early with ctx's error
	Poll    time.Duration                                    // between two questions for work

	left map[string]bool // jobs that are not for this signer and were spoken of
}

// Run works until ctx ends. The bot may come and go.
func (w *Worker) Run(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		worked, err := w.Once(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			if failures == 0 {
				w.say("%s; trying again", errs.Text(err))
			}
			failures++
		case err == nil && failures > 0:
			w.say("the bot answers again")
			failures = 0
		}
		if !worked || err != nil {
			_ = w.Wait(ctx, w.backoff(failures))
		}
	}
	return nil
}

// backoff doubles the pause with every failure, up to half a minute.
func (w *Worker) backoff(failures int) time.Duration {
	d := w.Poll
	for range min(failures, 10) {
		d *= 2
	}
	return min(d, max(30*time.Second, w.Poll))
}

// Once takes one job, if there is one, and sees it through.
func (w *Worker) Once(ctx context.Context) (worked bool, err error) {
	for _, kind := range w.Policy.kinds() {
		lease, found, err := w.Client.Lease(ctx, kind)
		if err != nil {
			return false, err
		}
		if found {
			return true, w.handle(ctx, lease)
		}
	}
	return false, nil
}

func (w *Worker) handle(ctx context.Context, lease signing.Reply) error {
	content := lease.Request
	if len(content) == 0 {
		var err error
		if content, err = w.Client.Content(ctx, lease); err != nil {
			return err
		}
	}
	if got := action.DigestOf(content); got != lease.Digest {
		return w.refuse(ctx, lease, nil, deny("the request has the digest %s, and the job names %s", got, printable(lease.Digest)))
	}
	now := w.Now()
	what, err := w.Policy.Read(lease.Kind, content, now)
	if other := new(otherKey); errors.As(err, other) {
		if key, found := w.with(other.wanted); found {
			return key.handle(ctx, lease)
		}
		return w.leave(ctx, lease, err)
	}
	if err != nil {
		return w.refuse(ctx, lease, what, err)
	}
	if kept, ok := w.Journal.Kept(what.record(Record{}).Digest, w.Policy.Key); ok {
		return w.again(ctx, lease, what, kept)
	}
	if err := what.forward(w.Journal); err != nil {
		return w.refuse(ctx, lease, what, err)
	}
	by, err := w.decide(ctx, lease, what)
	switch {
	case err == nil:
		return w.sign(ctx, lease, what, by)
	case ctx.Err() != nil:
		// Stopping: somebody else, or this signer after its restart, may take the job at once.
		return w.Client.GiveBack(context.WithoutCancel(ctx), lease, "the signer is being stopped")
	case errors.Is(err, errNobody):
		return w.leave(ctx, lease, fmt.Errorf("%s: %w", what.name(), err))
	case errs.Is(err, errs.Conflict):
		w.say("job withdrawn: %s", errs.Text(err))
		return nil
	case errs.Is(err, errs.Unavailable):
		return errors.Join(err, w.Client.GiveBack(ctx, lease, "nobody can be asked at the signer"))
	}
	return w.refuse(ctx, lease, what, err)
}

// decide returns who or what said yes. Signed approvals are enough; without them the demo policy
// or the person at the prompt decides. The lease is kept alive while the person thinks, and the
// question is withdrawn when the lease is lost.
func (w *Worker) decide(ctx context.Context, lease signing.Reply, what wish) (string, error) {
	approved, err := w.Policy.Approvers.Check(what.asks(), w.Now())
	if what.person() {
		if w.Prompt == nil {
			return "", deny("a rollback is signed only when a person at the signer says yes, and nobody can be asked here")
		}
	} else {
		if err == nil {
			w.say("%s: signed approvals by %s", what.name(), strings.Join(approved, ", "))
			return "approvals " + strings.Join(approved, " "), nil
		}
		if by := what.unattended(w.Journal); by != "" {
			w.say("%s: %s, nobody is asked", what.name(), by)
			return by, nil
		}
		if w.Demo {
			w.say("demo policy: signing %s without asking", what.name())
			return "demo policy", nil
		}
		if w.Prompt == nil && w.Policy.Approvers.Need == 0 {
			return "", errs.E("signer.policy", errs.Denied, errNobody)
		}
		if w.Prompt == nil {
			return "", err
		}
	}
	words := what.words(called(w.Signer, len(w.More)+1), w.Journal)
	if w.Policy.Approvers.Need > 0 && err != nil {
		words += errs.Text(err) + "\n"
	}
	asking, withdraw := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		for w.Wait(asking, w.renewal(lease)) == nil {
			if err := w.Client.Renew(asking, lease); errs.Is(err, errs.Conflict) || errs.Is(err, errs.NotFound) {
				withdraw()
			}
		}
	})
	yes, err := w.Prompt.Ask(asking, words)
	withdraw()
	renewing.Wait()
	switch {
	case err != nil:
		return "", err
	case !yes:
		return "", deny("the person at the signer said no")
	}
	return "prompt", nil
}

func (w *Worker) renewal(lease signing.Reply) time.Duration {
	return max(time.Duration(lease.Renew)*time.Second, time.Second)
}

// sign writes the intent, renews the lease, uses the key, writes the result, and hands it in. It
// is not stopped half-way: a signature that was made is in the log.
func (w *Worker) sign(ctx context.Context, lease signing.Reply, what wish, by string) error {
	ctx = context.WithoutCancel(ctx)
	rec := w.record(lease, what)
	rec.Type, rec.By = intent, by
	if _, err := w.Journal.Append(rec); err != nil {
		return err
	}
	not := func(why error) error {
		rec.Type, rec.Note = unsigned, errs.Text(why)
		_, err := w.Journal.Append(rec)
		return err
	}
	var stopped, outdated error
	made, err := what.sign(ctx, w.Signer, w.Now, func() error {
		// The last question before the key: is this still wanted? A voided manifest has raised the
		// fence, and a bot that does not answer has not said yes.
		if stopped = w.renew(ctx, lease); stopped != nil {
			return stopped
		}
		// The person may have thought for long: what has a date is looked at again.
		outdated = what.current(w.Now())
		return outdated
	})
	switch {
	case stopped != nil:
		w.say("%s is not signed: %s", what.name(), errs.Text(stopped))
		return errors.Join(not(stopped), keep(stopped))
	case outdated != nil:
		return errors.Join(not(outdated), w.refuse(ctx, lease, what, outdated))
	case err != nil:
		if e := not(err); e != nil {
			return e
		}
		if errs.Is(err, errs.Unavailable) {
			return errors.Join(err, w.Client.GiveBack(ctx, lease, "the key cannot be reached"))
		}
		_, err = w.deliver(ctx, lease, signing.Ask{Class: "signature", Reason: errs.Text(err)})
		return err
	}
	if err := w.Journal.Result(rec, made, what.texts()); err != nil {
		return err // without its record the signature does not leave
	}
	return w.handIn(ctx, lease, what, made)
}

// renew asks a few times, because a bot that restarts at this moment has not said no.
func (w *Worker) renew(ctx context.Context, lease signing.Reply) (err error) {
	for try := range 4 {
		if err = w.Client.Renew(ctx, lease); !errs.Is(err, errs.Unavailable) || w.Wait(ctx, w.backoff(try)) != nil {
			return err
		}
	}
	return err
}

// again hands the kept signature out, so that a lost answer never leads to two signatures.
func (w *Worker) again(ctx context.Context, lease signing.Reply, what wish, kept Record) error {
	rec := w.record(lease, what)
	rec.Type, rec.Note = repeated, fmt.Sprintf("the signature of line %d", kept.Seq)
	if _, err := w.Journal.Append(rec); err != nil {
		return err
	}
	return w.handIn(ctx, lease, what, []byte(kept.Signature))
}

func (w *Worker) handIn(ctx context.Context, lease signing.Reply, what wish, signature []byte) error {
	state, err := w.deliver(ctx, lease, signing.Ask{OK: true, Result: signature})
	if err != nil {
		w.say("the signature for %s was not taken: %s", what.name(), errs.Text(err))
		return keep(err)
	}
	w.say("signed %s (%s)", what.name(), printable(state))
	return nil
}

// with is w with another of its keys. Its memory is the same: what one key signed, the other signs
// too, and neither goes behind the other.
func (w *Worker) with(fingerprint string) (*Worker, bool) {
	for i, s := range w.More {
		if s.Fingerprint() == fingerprint {
			if w.left == nil {
				w.left = map[string]bool{}
			}
			key := *w
			key.Signer, key.Policy.Key, key.More = s, fingerprint, append([]openpgp.Signer{w.Signer}, slices.Delete(slices.Clone(w.More), i, i+1)...)
			return &key, true
		}
	}
	return nil, false
}

// leave gives a job back that is for the holder of another key, or for a person where none is. It
// comes again after a pause, and is spoken of once.
func (w *Worker) leave(ctx context.Context, lease signing.Reply, why error) error {
	if w.left == nil {
		w.left = map[string]bool{}
	}
	if !w.left[lease.ID] {
		w.left[lease.ID] = true
		w.say("left alone: %s", errs.Text(why))
	}
	return keep(w.Client.GiveBack(ctx, lease, errs.Text(why)))
}

// refuse tells the bot why there will be no signature, and writes it down.
func (w *Worker) refuse(ctx context.Context, lease signing.Reply, what wish, why error) error {
	text := errs.Text(why)
	w.say("refused: %s", text)
	rec := w.record(lease, what)
	rec.Type, rec.Note = refused, text
	if _, err := w.Journal.Append(rec); err != nil {
		return err
	}
	_, err := w.deliver(ctx, lease, signing.Ask{Class: "refused", Reason: text})
	return keep(err)
}

// deliver reports a verdict, a few times if the bot does not answer. When it never does, the job
// comes again after its lease, and the kept signature is handed in then.
func (w *Worker) deliver(ctx context.Context, lease signing.Reply, a signing.Ask) (state string, err error) {
	for try := range 4 {
		state, err = w.Client.Finish(ctx, lease, a)
		if err == nil || !errs.Is(err, errs.Unavailable) {
			return state, err
		}
		if w.Wait(ctx, w.backoff(try)) != nil {
			return "", err
		}
	}
	return "", err
}

func (w *Worker) record(lease signing.Reply, what wish) Record {
	r := Record{Job: printable(lease.ID), Fence: lease.Fence, Fingerprint: w.Policy.Key}
	if what == nil {
		return r
	}
	return what.record(r)
}

func (w *Worker) say(format string, args ...any) {
	fmt.Fprintf(w.Out, "%s "+format+"\n", append([]any{w.Now().UTC().Format("15:04:05")}, args...)...)
}

// keep drops the errors after which there is nothing left to do about the job.
func keep(err error) error {
	if errs.Is(err, errs.Conflict) || errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}
