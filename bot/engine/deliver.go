package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
)

// inbox numbers the deliveries, and remembers the newest until they are decoded, so that they need
// not be read back for that.
type inbox struct {
	mu     sync.Mutex
	last   uint64
	fresh  map[string]inboxRecord // by key
	weight int                    // of their bodies

	rest time.Time // until then the loop that decodes rests; its own, like seen
	seen uint64    // the newest number at its last round
}

func (i *inbox) newest() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.last
}

// freshBytes bounds what the inbox remembers.
const freshBytes = 8 << 20

// remember keeps a delivery that is about to be stored, if there is room.
func (i *inbox) remember(seq string, r inboxRecord) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.weight+len(r.Body) > freshBytes || len(i.fresh) >= freshBytes/1024 {
		return
	}
	if i.fresh == nil {
		i.fresh = map[string]inboxRecord{}
	}
	r.seq = seq
	i.fresh[seq], i.weight = r, i.weight+len(r.Body)
}

// recall gives a delivery that was remembered, once.
func (i *inbox) recall(seq string) (inboxRecord, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	r, ok := i.fresh[seq]
	if ok {
		delete(i.fresh, seq)
		i.weight -= len(r.Body)
	}
	return r, ok
}

func (i *inbox) take() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last++
	return i.last
}

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
	if raw, err := e.cfg.Store.Get(ctx, Key{spSeen, seen}); err != nil || raw != nil {
		return false, err
	}
	r := inboxRecord{Source: d.Source, ID: d.ID, Account: d.Account, Place: d.Place, Headers: maps.Clone(d.Headers), At: e.now()}
	if late != notMissed {
		r.Replayed, r.Missed = 1, late == missedAway || late == missedAsked && e.comeback.during(d.At)
		if !d.At.IsZero() && d.At.Before(r.At) {
			r.At = d.At.UTC()
		}
	}
	if len(d.Body) > inlineValue/2 {
		digest, err := e.keep(ctx, d.Body)
		if err != nil {
			return false, err
		}
		r.Blob = digest
	} else {
		r.Body = bytes.Clone(d.Body)
	}
	seq := seqID(e.inbox.take())
	value, err := e.pack(ctx, encode(r))
	if err != nil {
		return false, err
	}
	b := newBatch()
	b.guard(spSeen, seen, nil)
	b.put(spSeen, seen, []byte(seq))
	b.put(spInbox, seq, value)
	b.put(spQueue, seq, nil)
	b.put(spTouch, id(d.Source, d.Place), []byte(seq))
	b.put(spTouch, id(byAccount, d.Account.Source, d.Account.ID), []byte(seq)) // "": it could be anybody
	if r.Blob == "" {
		e.inbox.remember(seq, r) // before others can see it there, or one that was decoded would stay
	}
	if err = e.commit(ctx, "inbox", b); err != nil {
		e.inbox.recall(seq)
	}
	if errs.Is(err, errs.Conflict) {
		return false, nil // the same delivery came twice at once
	}
	if err != nil {
		return false, err
	}
	e.wake(loopDecode)
	return true, nil
}

// toDecode is delivery for one that was perhaps remembered. stored is false when its record is gone.
func (e *Engine) toDecode(ctx context.Context, seq string) (d Delivery, r inboxRecord, stored bool, err error) {
	if r, ok := e.inbox.recall(seq); ok {
		return r.delivery(r.Body), r, true, nil
	}
	d, r, raw, err := e.delivery(ctx, seq)
	return d, r, raw != nil, err
}

func (r inboxRecord) delivery(body []byte) Delivery {
	return Delivery{Source: r.Source, ID: r.ID, Account: r.Account, Place: r.Place, Headers: r.Headers, Body: body, At: r.At}
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
	body := r.Body
	if r.Blob != "" {
		if body, err = e.cfg.Blobs.Get(ctx, r.Blob); err != nil {
			return Delivery{}, r, raw, err
		}
	}
	return r.delivery(body), r, raw, nil
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
		Error: r.Error, Replayed: r.Replayed, Size: len(r.Body), Headers: r.Headers}
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
	value, err := e.pack(ctx, encode(r))
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
