package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// decodeAtOnce bounds how many deliveries are marked as decoded in one commit. What follows from each is
// committed before the mark; whoever is interrupted decodes it again, and finds that it is done.
const decodeAtOnce = 128

// decodeDue decodes the oldest deliveries that wait, in their order.
func (e *Engine) decodeDue(ctx context.Context) (bool, time.Time, error) {
	var waiting []string
	err := e.cfg.Store.Scan(ctx, spQueue, "", "", false, func(k string, _ []byte) bool {
		waiting = append(waiting, k)
		return len(waiting) < decodeAtOnce
	})
	if err != nil || len(waiting) == 0 {
		return false, time.Time{}, err
	}
	b := newBatch()
	for _, seq := range waiting {
		if err = e.decodeOne(ctx, b, seq); err != nil {
			break
		}
	}
	if !b.empty() {
		if bad := e.commit(ctx, "decode", b); bad != nil {
			return false, time.Time{}, errors.Join(bad, err)
		}
	}
	return !b.empty(), time.Time{}, err
}

// Bounds of a rest between two rounds of decoding.
const (
	restTimes = 9                      // as long as the round took
	restMost  = 250 * time.Millisecond // and no longer
)

// decodePaced is decodeDue for the loop: while deliveries come faster than they are decoded, it leaves
// most of the disk and the processors to them, since a sender waits only until they are stored.
func (e *Engine) decodePaced(ctx context.Context) (bool, time.Time, error) {
	begin := e.now()
	if begin.Before(e.inbox.rest) {
		return false, e.inbox.rest, nil
	}
	e.inbox.rests(false)
	before := e.inbox.newest()
	did, next, err := e.decodeDue(ctx)
	now := e.now()
	if rest := min(restTimes*now.Sub(begin), restMost); did && err == nil && rest > 0 && e.inbox.newest() > before {
		e.inbox.rest = now.Add(rest)
		e.inbox.rests(true)
		return false, e.inbox.rest, nil
	}
	return did, next, err
}

// decodeOne decodes a delivery, does what follows, and marks it in b. An error means that it could
// not be tried, and b has nothing of it.
func (e *Engine) decodeOne(ctx context.Context, b *batch, seq string) error {
	d, r, stored, err := e.toDecode(ctx, seq)
	if errs.Is(err, errs.NotFound) || stored && errs.Is(err, errs.Corrupt) {
		// The delivery was removed, or its body is gone from the blob store or damaged. It is kept
		// with the reason, for a replay once the body is restored; those behind it must not wait.
		return e.decoded(ctx, b, seq, stored, r, nil, err)
	}
	if err != nil {
		return err
	}
	facts, err := e.understand(d)
	if err != nil {
		return e.decoded(ctx, b, seq, stored, r, nil, err)
	}
	var heard []foundRecord
	for _, f := range facts {
		one, err := e.take(ctx, d, r, f)
		if r.Missed {
			heard = append(heard, one)
		}
		if errs.Is(err, errs.Corrupt) && e.failed() == nil {
			// One run's record does not read back. Its delivery is kept with the reason, to be
			// replayed once it is mended; the others need not wait for that.
			return e.decoded(ctx, b, seq, stored, r, facts, err)
		}
		if err != nil {
			return err
		}
	}
	return e.decoded(ctx, b, seq, stored, r, facts, nil, heard...)
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

// decoded marks a delivery in b as done with. One that could not be understood is kept with the reason.
// heard is what it said that nobody had heard because the engine was away.
func (e *Engine) decoded(ctx context.Context, b *batch, seq string, stored bool, r inboxRecord, facts []Fact, why error, heard ...foundRecord) error {
	if len(heard) > 0 {
		r.Missed = false // hearing it again is no news
	}
	if stored {
		r.Decoded, r.Error, r.Facts = e.now(), errs.Text(why), nil
		for _, f := range facts {
			r.Facts = append(r.Facts, inShort(f))
		}
		value, err := e.pack(ctx, r.encode())
		if err != nil {
			return err
		}
		b.put(spInbox, seq, value)
	}
	if why != nil {
		e.cfg.Log.Warn("a delivery could not be decoded", "source", r.Source, "delivery", plainSeq(seq), "error", errs.Text(why))
	}
	for i, one := range heard {
		e.found(b, id(seq, seqID(uint64(i))), one.Project, one.What)
	}
	b.del(spQueue, seq)
	return nil
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
	case Ignored:
		return "ignored: " + f.Why
	}
	return "something"
}

// take does what follows from one fact, and says it in short for those who were not told of it. An
// error means that it could not be tried; refusals are answered to the person and are not errors.
func (e *Engine) take(ctx context.Context, d Delivery, r inboxRecord, f Fact) (heard foundRecord, err error) {
	switch f := f.(type) {
	case Said:
		asked, err := e.said(ctx, d, r, f)
		if asked && !f.Direct {
			heard = foundRecord{Project: e.cfg.Projects.Home(f.Place), What: "a command"}
		}
		return heard, err
	case Touched: // what comes of it is told by the reading
		missed := e.comeback.during(d.At) || f.Found && e.comeback.away() != nil
		return heard, e.touched(ctx, Ref{Place: f.Place, Message: f.Message}, missed)
	case Voted:
		return foundRecord{What: "a review"}, e.voted(ctx, f)
	case Happened:
		return foundRecord{Project: f.Project, What: f.Name}, e.happened(ctx, d, r, f)
	}
	return heard, nil
}

// touched asks for the reactions of a message to be read again, if it is a gate message. What was missed
// while the engine was away is told as found.
func (e *Engine) touched(ctx context.Context, ref Ref, missed bool) error {
	var m messageRecord
	_, found, err := e.get(ctx, spMessages, ref.String(), &m)
	if err != nil || !found || m.Step == "" {
		return err
	}
	if missed {
		e.effects.touchedAtStart(readRow(ref)) // first, or the row may have ended by then
	}
	return e.readAgain(ctx, ref, m)
}

// readAgain puts a reading of reactions into the outbox; one that waits already is told to read
// once more, so that no touch is lost while it reads.
func (e *Engine) readAgain(ctx context.Context, ref Ref, m messageRecord) error {
	key, row := readKey(ref), readRow(ref)
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

func readKey(ref Ref) string { return "read-" + short(ref.String()) }

// readRow is the one row of a message in the outbox, whenever it was touched.
func readRow(ref Ref) string { return id(stamp(time.Time{}), readKey(ref)) }

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
func (e *Engine) happened(ctx context.Context, d Delivery, r inboxRecord, f Happened) error {
	e.effects.hinted(f.Name, f.Project, run.Told{By: run.ToldByHook, Source: d.Source, Delivery: plainSeq(r.seq)})
	e.answers(f.Name, f.Project)
	e.wake(loopEffects)
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

// stops tells an error that must stop the loop from one that is an answer.
func stops(err error) bool {
	switch errs.KindOf(err) {
	case errs.Full, errs.Doubtful, errs.Corrupt:
		return true
	}
	return false
}
