package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
)

// Deliver stores a delivery. It returns nil once it is on disk, and nil for a repeat of the same
// id, which changes nothing. Errors: [errs.NotFound] for a source that is not configured,
// [errs.Invalid] without an id, [errs.Full] when the disk is full: the sender must try again.
func (e *Engine) Deliver(ctx context.Context, d Delivery) error {
	_, err := e.deliver(ctx, d, notMissed)
	return err
}

// deliver is Deliver; fresh is false for a repeat. What comes late is as old as d says, and a
// command in it that is too old asks its author.
func (e *Engine) deliver(ctx context.Context, d Delivery, late missed) (fresh bool, err error) {
	const op = "engine.deliver"
	if _, ok := e.cfg.Decoders[d.Source]; !ok {
		return false, errs.E(op, errs.NotFound, fmt.Errorf("deliveries from %q are not taken", d.Source))
	}
	if d.ID == "" {
		return false, errs.E(op, errs.Invalid, errors.New("a delivery needs the id that its transport gave it"))
	}
	seen := id(d.Source, short(d.ID))
	if late != notMissed { // most of what is read back came before
		if raw, err := e.cfg.Store.Get(ctx, Key{spSeen, seen}); err != nil || raw != nil {
			return false, err
		}
	}
	r := inboxRecord{Source: d.Source, ID: d.ID, Account: d.Account, Place: d.Place, Headers: maps.Clone(d.Headers), At: e.now()}
	if late != notMissed {
		r.Replayed, r.Missed = 1, late == missedAway || late == missedAsked && e.comeback.during(d.At)
		if !d.At.IsZero() && d.At.Before(r.At) {
			r.At = d.At.UTC()
		}
	}
	body := []byte(nil)
	if len(d.Body) > inlineValue {
		if r.Blob, err = e.keep(ctx, d.Body); err != nil {
			return false, err
		}
	} else {
		body, r.Size = bytes.Clone(d.Body), len(d.Body)
	}
	seq := seqID(e.inbox.take())
	value, err := e.pack(ctx, r.encode())
	if err != nil {
		return false, err
	}
	b := newBatch()
	b.guard(spSeen, seen, nil)
	b.put(spSeen, seen, []byte(seq))
	b.put(spInbox, seq, value)
	if r.Size > 0 {
		b.put(spBodies, seq, body)
	}
	b.put(spQueue, seq, nil)
	b.put(spTouch, id(d.Source, d.Place), []byte(seq)) // "": it could be from anywhere, which all look at
	if d.Place != "" {
		b.put(spTouch, id(byAccount, d.Account.Source, d.Account.ID), []byte(seq)) // "": it could be anybody
	}
	if r.Blob == "" {
		e.inbox.remember(seq, r, body) // before others can see it there, or one that was decoded would stay
	}
	if err = e.commit(ctx, "inbox", b); err != nil {
		e.inbox.recall(seq)
	}
	if errs.Is(err, errs.Conflict) {
		return false, nil // it came before; to look first would be to wait for the commit that is under way
	}
	if err != nil {
		return false, err
	}
	if e.inbox.awake() {
		e.wake(loopDecode)
	}
	return true, nil
}

// toDecode is delivery for one that was perhaps remembered. stored is false when its record is gone.
func (e *Engine) toDecode(ctx context.Context, seq string) (d Delivery, r inboxRecord, stored bool, err error) {
	if f, ok := e.inbox.recall(seq); ok {
		return f.record.delivery(f.body), f.record, true, nil
	}
	d, r, raw, err := e.delivery(ctx, seq)
	return d, r, raw != nil, err
}

// delivery reads a stored delivery back. When only its body cannot be read, the record is given with
// the error.
func (e *Engine) delivery(ctx context.Context, seq string) (Delivery, inboxRecord, []byte, error) {
	var r inboxRecord
	raw, found, err := e.get(ctx, spInbox, seq, &r)
	if err == nil && !found {
		err = errs.E("engine.inbox", errs.NotFound, fmt.Errorf("there is no delivery %s", plainSeq(seq)))
	}
	if err != nil {
		return Delivery{}, r, nil, err
	}
	r.seq = seq
	body, err := e.bodyOf(ctx, seq, &r)
	if err != nil {
		return Delivery{}, r, raw, err
	}
	return r.delivery(body), r, raw, nil
}

func (e *Engine) bodyOf(ctx context.Context, seq string, r *inboxRecord) ([]byte, error) {
	switch {
	case r.Blob != "":
		return e.cfg.Blobs.Get(ctx, r.Blob)
	case r.Size == 0:
		return r.Body, nil
	}
	body, err := e.cfg.Store.Get(ctx, Key{spBodies, seq})
	if err == nil && len(body) != r.Size {
		err = errs.E("engine.inbox", errs.Corrupt, fmt.Errorf("the body of delivery %s has %d bytes, and %d came", plainSeq(seq), len(body), r.Size)).
			Hint("Restore the store from a backup, and replay the delivery.")
	}
	return body, err
}

func plainSeq(seq string) string {
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return seq
	}
	return strconv.FormatUint(n, 10)
}

// sweepBatch bounds what one sweep of old deliveries removes.
const sweepBatch = 128

// SweepInbox removes deliveries older than [Config.KeepInbox] with their transport ids, but
// never one that is not decoded. It reports how many went; call it again while it is above zero.
func (e *Engine) SweepInbox(ctx context.Context) (int, error) {
	old := e.now().Add(-e.cfg.KeepInbox)
	b := newBatch()
	n := 0
	var bad error
	err := e.cfg.Store.Scan(ctx, spInbox, "", "", false, func(seq string, value []byte) bool {
		var r inboxRecord
		if value, bad = e.unpack(ctx, value); bad != nil {
			return false
		}
		if bad = decode("inbox/"+seq, value, &r); bad != nil || r.At.After(old) || n == sweepBatch {
			return false
		}
		if !r.Decoded.IsZero() {
			b.del(spInbox, seq)
			b.del(spBodies, seq)
			b.del(spSeen, id(r.Source, short(r.ID)))
			n++
		}
		return true
	})
	if err = errors.Join(err, bad); err != nil || n == 0 {
		return 0, err
	}
	return n, e.commit(ctx, "inbox/sweep", b)
}

// Entry is a delivery as the inbox shows it.
type Entry struct {
	Seq      string
	Source   string
	ID       string
	Place    string
	At       time.Time
	Decoded  time.Time // zero: it waits
	Facts    []string
	Error    string
	Replayed int
	Size     int
	Body     []byte // of InboxShow only, without what the source calls a secret
	Headers  map[string]string
}

// InboxList lists deliveries, the newest first, older than the one named before ("" for all), at
// most n. With failed, only those that could not be decoded.
func (e *Engine) InboxList(ctx context.Context, before string, n int, failed bool) ([]Entry, error) {
	to := ""
	if before != "" {
		seq, err := strconv.ParseUint(before, 10, 64)
		if err != nil {
			return nil, errs.E("engine.inbox", errs.Invalid, fmt.Errorf("%q is not the number of a delivery", before))
		}
		to = seqID(seq)
	}
	var out []Entry
	var bad error
	err := e.cfg.Store.Scan(ctx, spInbox, "", to, true, func(seq string, value []byte) bool {
		var r inboxRecord
		if value, bad = e.unpack(ctx, value); bad != nil {
			return false
		}
		if bad = decode("inbox/"+seq, value, &r); bad != nil {
			return false
		}
		if !failed || r.Error != "" {
			out = append(out, entryOf(seq, r))
		}
		return len(out) < n
	})
	return out, errors.Join(err, bad)
}

func entryOf(seq string, r inboxRecord) Entry {
	return Entry{Seq: plainSeq(seq), Source: r.Source, ID: r.ID, Place: r.Place, At: r.At, Decoded: r.Decoded, Facts: r.Facts,
		Error: r.Error, Replayed: r.Replayed, Size: r.Size + len(r.Body), Headers: r.Headers}
}

// InboxShow is one delivery with its body, as people may see it: see [Secretive].
func (e *Engine) InboxShow(ctx context.Context, seq string) (Entry, error) {
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return Entry{}, errs.E("engine.inbox", errs.Invalid, fmt.Errorf("%q is not the number of a delivery", seq))
	}
	d, r, _, err := e.delivery(ctx, seqID(n))
	if err != nil {
		return Entry{}, err
	}
	out := entryOf(seqID(n), r)
	out.Body, out.Size = d.Body, len(d.Body)
	if s, ok := e.cfg.Decoders[d.Source].(Secretive); ok {
		secrets := s.Secrets()
		out.Body, out.Headers = redact(d.Body, secrets), redactHeaders(r.Headers, secrets)
	}
	return out, nil
}

// InboxShowTo is InboxShow for one person: what was said in the direct room of another is not shown.
func (e *Engine) InboxShowTo(ctx context.Context, seq string, viewer people.PersonID) (Entry, error) {
	out, err := e.InboxShow(ctx, seq)
	if err == nil && e.othersRoom(Place{out.Source, out.Place}, viewer) {
		out.Body, out.Headers = []byte("it was said in a direct room, and is shown to nobody else"), nil
	}
	return out, err
}

// InboxReplay decodes a delivery again, as after a mended decoder. What it says that was done
// already is a repeat; a command older than [Config.StaleAfter] asks its author.
func (e *Engine) InboxReplay(ctx context.Context, seq string) error {
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return errs.E("engine.inbox", errs.Invalid, fmt.Errorf("%q is not the number of a delivery", seq))
	}
	key := seqID(n)
	_, r, raw, err := e.delivery(ctx, key)
	if err != nil {
		return err
	}
	e.inbox.recall(key) // what is remembered does not know that it is asked for again
	r.Replayed++
	value, err := e.pack(ctx, r.encode())
	if err != nil {
		return err
	}
	b := newBatch()
	b.guard(spInbox, key, raw)
	b.put(spInbox, key, value)
	b.put(spQueue, key, nil)
	if err := e.commit(ctx, "inbox/replay", b); err != nil {
		return err
	}
	e.wake(loopDecode)
	return nil
}
