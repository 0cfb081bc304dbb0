package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// decodeDue decodes the oldest delivery that waits.
func (e *Engine) decodeDue(ctx context.Context) (bool, time.Time, error) {
	seq := ""
	err := e.cfg.Store.Scan(ctx, spQueue, "", "", false, func(k string, _ []byte) bool {
		seq = k
		return false
	})
	if err != nil || seq == "" {
		return false, time.Time{}, err
	}
	d, r, raw, err := e.delivery(ctx, seq)
	if errs.Is(err, errs.NotFound) || raw != nil && errs.Is(err, errs.Corrupt) {
		// The delivery was removed, or its body is gone from the blob store or damaged. It is kept
		// with the reason, for a replay once the body is restored; those behind it must not wait.
		return true, time.Time{}, e.decoded(ctx, seq, raw, r, nil, err)
	}
	if err != nil {
		return false, time.Time{}, err
	}
	facts, err := e.understand(d)
	if err != nil {
		return true, time.Time{}, e.decoded(ctx, seq, raw, r, nil, err)
	}
	for _, f := range facts {
		err := e.take(ctx, d, r, f)
		if errs.Is(err, errs.Corrupt) && e.failed() == nil {
			// One run's record does not read back. Its delivery is kept with the reason, to be
			// replayed once it is mended; the others need not wait for that.
			return true, time.Time{}, e.decoded(ctx, seq, raw, r, facts, err)
		}
		if err != nil {
			return false, time.Time{}, err
		}
	}
	return true, time.Time{}, e.decoded(ctx, seq, raw, r, facts, nil)
}

// understand runs the decoder of the source. A decoder that panics has a defect, and the
// delivery is kept for its mended version like any other that cannot be understood.
func (e *Engine) understand(d Delivery) (facts []Fact, err error) {
	dec, ok := e.cfg.Decoders[d.Source]
	if !ok {
		return nil, errs.E("engine.decode", errs.NotFound, fmt.Errorf("the source %q is not configured any more", d.Source))
	}
	if err = guarded(e.cfg.Log, "decode."+d.Source, func() (err error) {
		facts, err = dec.Decode(d)
		return err
	}); err != nil {
		return nil, err
	}
	if s, ok := dec.(Secretive); ok {
		withoutCredentials(facts, s.Secrets())
	}
	return facts, nil
}

// decoded marks a delivery as done with. One that could not be understood is kept with the reason.
func (e *Engine) decoded(ctx context.Context, seq string, raw []byte, r inboxRecord, facts []Fact, why error) error {
	b := newBatch()
	b.del(spQueue, seq)
	if raw != nil {
		r.Decoded, r.Error, r.Facts = e.now(), errs.Text(why), nil
		for _, f := range facts {
			r.Facts = append(r.Facts, inShort(f))
		}
		value, err := e.pack(ctx, encode(r))
		if err != nil {
			return err
		}
		b.put(spInbox, seq, value)
	}
	if why != nil {
		e.cfg.Log.Warn("a delivery could not be decoded", "source", r.Source, "delivery", plainSeq(seq), "error", errs.Text(why))
	}
	return e.commit(ctx, "decode", b)
}

// inShort says a fact in a few words, without what was written.
func inShort(f Fact) string {
	switch f := f.(type) {
	case Said:
		return "said in " + f.Place.ID
	case Touched:
		return "reactions of " + f.Message
	case Voted:
		return f.Kind + " by review"
	case Happened:
		return f.Name
	}
	return "something"
}

// take does what follows from one fact. An error means that it could not be tried; refusals are
// answered to the person and are not errors.
func (e *Engine) take(ctx context.Context, d Delivery, r inboxRecord, f Fact) error {
	switch f := f.(type) {
	case Said:
		return e.said(ctx, d, r, f)
	case Touched:
		return e.touched(ctx, Ref{Place: f.Place, Message: f.Message})
	case Voted:
		return e.voted(ctx, f)
	case Happened:
		return e.happened(ctx, d, f)
	}
	return nil
}

// touched asks for the reactions of a message to be read again, if it is a gate message.
func (e *Engine) touched(ctx context.Context, ref Ref) error {
	var m messageRecord
	_, found, err := e.get(ctx, spMessages, ref.String(), &m)
	if err != nil || !found || m.Step == "" {
		return err
	}
	return e.readAgain(ctx, ref, m)
}

// readAgain puts a reading of reactions into the outbox; one that waits already is told to read
// once more, so that no touch is lost while it reads.
func (e *Engine) readAgain(ctx context.Context, ref Ref, m messageRecord) error {
	key := "read-" + short(ref.String())
	row := id(stamp(time.Time{}), key) // one row a message, whenever it was touched
	for range decideTries {
		var r effectRecord
		raw, found, err := e.get(ctx, spOutbox, row, &r)
		if err != nil {
			return err
		}
		now := e.now()
		if !found {
			r = effectRecord{Key: key, Action: actReadReactions, Inputs: string(encode(ref)), After: now}
		}
		r.Turn++
		r.Boot, r.NotBefore = e.boot, time.Time{}
		b := newBatch()
		b.guard(spOutbox, row, raw)
		b.put(spOutbox, row, encode(r))
		err = e.commit(ctx, "touch", b)
		if errs.Is(err, errs.Conflict) {
			continue
		}
		if err == nil {
			e.effects.soon(row, now)
			e.wake(loopEffects)
		}
		return err
	}
	return errs.E("engine.touch", errs.Conflict, errors.New("the reactions of a message change faster than they can be noted"))
}

// voted finds the open gate of the manifest among the runs and gives it the vote.
func (e *Engine) voted(ctx context.Context, f Voted) error {
	prefix := f.Manifest + sep
	var runID, step string
	err := e.cfg.Store.Scan(ctx, spGates, prefix, after(prefix), false, func(k string, _ []byte) bool {
		parts := splitID(k)
		runID, step = parts[1], parts[2]
		return false
	})
	if err != nil || runID == "" {
		return err
	}
	at := f.At
	if at.IsZero() {
		at = e.now()
	}
	who, _ := e.World().Directory.ByAccount(f.Account)
	_, err = e.Submit(ctx, runID, run.Vote{Step: step, Withdraw: f.Withdraw, Vote: gate.Vote{Kind: gate.VoteKind(f.Kind), Person: who.ID,
		Account: f.Account, Manifest: manifest.Digest(f.Manifest), Message: f.Message, At: at}})
	if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Unavailable) {
		return nil
	}
	return err
}

// happened makes waits that poll what the fact is about look at once, and starts what it triggers.
// It is a hint: a wait that misses it polls all the same.
func (e *Engine) happened(ctx context.Context, d Delivery, f Happened) error {
	e.effects.hinted(f.Name)
	if err := e.hint(ctx, f.Name, f.Project); err != nil {
		return err
	}
	if err := e.offeredBy(ctx, d, f); err != nil {
		return err
	}
	names := []string{f.Project}
	if f.Project == "" {
		names = e.cfg.Projects.Names()
	}
	for _, name := range names {
		project, _ := e.cfg.Projects.Project(name)
		for _, family := range project.Triggers {
			p := e.cfg.Playbooks.Current(family)
			if p == nil || p.Trigger == nil || p.Trigger.Fact != f.Name {
				continue
			}
			if err := e.triggerBy(ctx, d, f, project, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// triggerBy starts a run because of a fact.
func (e *Engine) triggerBy(ctx context.Context, d Delivery, f Happened, project Project, p *playbook.Playbook) error {
	key := short("trigger\x00" + p.Name + "\x00" + project.Name + "\x00" + d.Source + "\x00" + d.ID)
	fields := f.Fields
	if fields == nil {
		fields = map[string]any{}
	}
	in, yes, err := triggerInputs(p, project, fields, d.At)
	if err == nil && !yes {
		return nil
	}
	if err == nil {
		_, err = e.startRun(ctx, StartRequest{Family: p.Name, Project: project.Name, Inputs: in, Owner: p.Trigger.Owner, Via: d.Source + "/" + d.ID},
			also{once: Once{key}})
	}
	if err == nil || err == errRepeat || stops(err) || ctx.Err() != nil {
		if err == errRepeat {
			err = nil
		}
		return err
	}
	b := newBatch()
	b.guard(spSaid, key+"-told", nil)
	b.put(spSaid, key+"-told", []byte(stamp(e.now())))
	if err := e.putNotice(ctx, b, "failed\x00"+key, noticeIn{Places: project.Places,
		Title: fmt.Sprintf("%s was not started by %s", p.Name, f.Name), Text: errs.Text(err)}); err != nil {
		return err
	}
	if err := e.commit(ctx, "trigger", b); err != nil && !errs.Is(err, errs.Conflict) {
		return err
	}
	return nil
}

// hintScan bounds how many polls a fact may bring forward.
const hintScan = 4096

// hint makes the polls of a contract due now: those that wait for the project the fact is of.
func (e *Engine) hint(ctx context.Context, name, project string) error {
	now, n := e.now(), 0
	err := e.cfg.Store.Scan(ctx, spOutbox, stamp(now), "", false, func(row string, value []byte) bool {
		var r effectRecord
		if value[0] != '@' && decode("outbox", value, &r) == nil && strings.HasPrefix(r.Action, name+"@") &&
			(project == "" || r.Project == project) {
			e.effects.soon(row, now)
		}
		n++
		return n < hintScan
	})
	e.wake(loopEffects)
	return err
}

// stops tells an error that must stop the loop from one that is an answer.
func stops(err error) bool {
	switch errs.KindOf(err) {
	case errs.Full, errs.Doubtful, errs.Corrupt:
		return true
	}
	return false
}
