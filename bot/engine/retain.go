package engine

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"slipway/bot/run"
)

// saidAt is the record of a semantic key: when, and the run it was said to.
func saidAt(now time.Time, runID string) []byte { return []byte(id(stamp(now), runID)) }

// SweepEnded removes what is only needed while a run lives: its semantic keys, the indexes of its
// gate messages, and what was left in other indexes. Each is kept for [Config.KeepInbox] after the
// run has ended; a key of no run, for that long after it was used. The log of a run, its card and
// its state are kept. It reads the indexes once and reports how many records went.
func (e *Engine) SweepEnded(ctx context.Context) (int, error) {
	old := e.now().Add(-e.cfg.KeepInbox)
	s := sweeper{e: e, ctx: ctx, old: old, over: map[string]bool{}}
	total := 0
	for _, part := range []struct {
		space string
		run   func(key string, value []byte) (runID string, fits bool)
	}{
		{spSaid, func(_ string, value []byte) (string, bool) {
			parts := splitID(string(value))
			if !stampTime(parts[0]).Before(old) {
				return "", false
			}
			return parts[len(parts)-1], true
		}},
		{spMessages, func(k string, value []byte) (string, bool) {
			var m messageRecord
			if decode("messages/"+k, value, &m) != nil || m.Run == "" {
				return "", false
			}
			return m.Run, true
		}},
		{spGates, func(k string, _ []byte) (string, bool) { return splitID(k)[1], true }},
		{spAwaits, func(k string, _ []byte) (string, bool) { return splitID(k)[2], true }},
		{spCalls, func(k string, _ []byte) (string, bool) { return splitID(k)[0], true }},
		{spStale, func(k string, _ []byte) (string, bool) { return splitID(k)[0], true }}, // of a place that is configured no more
		{spAsked, func(k string, _ []byte) (string, bool) { return splitID(k)[0], true }},
		{spOffers, func(k string, _ []byte) (string, bool) { return splitID(k)[len(splitID(k))-3], true }},
	} {
		n, err := s.sweep(part.space, part.run)
		total += n
		if err != nil {
			return total, err
		}
	}
	n, err := e.sweepCodes(ctx)
	if total += n; err != nil {
		return total, err
	}
	n, err = e.sweepNews(ctx)
	return total + n, err
}

type sweeper struct {
	e    *Engine
	ctx  context.Context
	old  time.Time
	over map[string]bool // runs that ended before old
}

// sweep removes the records of one space whose run ended long ago, a few at a time.
func (s *sweeper) sweep(space string, runOf func(string, []byte) (string, bool)) (int, error) {
	total, from := 0, ""
	for {
		type row struct {
			key   string
			value []byte
		}
		var rows []row
		read := 0
		err := s.e.cfg.Store.Scan(s.ctx, space, from, "", false, func(k string, value []byte) bool {
			rows = append(rows, row{k, slices.Clone(value)})
			from = k + "\x00"
			read++
			return read < sweepBatch
		})
		if err != nil {
			return total, err
		}
		b := newBatch()
		n := 0
		for _, r := range rows {
			runID, fits := runOf(r.key, r.value)
			if !fits {
				continue
			}
			gone, err := s.ended(runID)
			if err != nil {
				return total, err
			}
			if gone {
				b.del(space, r.key)
				n++
			}
		}
		if n > 0 {
			if err := s.e.commit(s.ctx, "sweep", b); err != nil {
				return total, err
			}
			total += n
		}
		if read < sweepBatch {
			return total, nil
		}
	}
}

// ended reports whether a run ended before the time of the sweep. The value of a semantic key of
// no run is a time, which is the id of no run either: it is over.
func (s *sweeper) ended(runID string) (bool, error) {
	if over, known := s.over[runID]; known {
		return over, nil
	}
	var r runRecord
	_, found, err := s.e.get(s.ctx, spRuns, runID, &r)
	if err != nil {
		return false, err
	}
	over := !found
	if found {
		head, err := run.DecodeHead(r.Head)
		if err != nil {
			return false, err
		}
		over = head.Status == run.RunEnded && head.EndedAt.Before(s.old)
	}
	if !found { // a start may wait for its name under this id
		waits := false
		err := s.e.cfg.Store.Scan(s.ctx, spStarts, "", "", false, func(k string, _ []byte) bool {
			parts := splitID(k)
			waits = parts[len(parts)-1] == runID
			return !waits
		})
		if err != nil {
			return false, err
		}
		over = !waits
	}
	s.over[runID] = over
	return over, nil
}

// LiveBlobs tells the digest of every blob that a record refers to, some of them more than once.
// It is careful: whatever looks like a digest in a record, or in a value that moved to the blob
// store, counts. Blobs put since it began may be missed; spare those by their age.
func (e *Engine) LiveBlobs(ctx context.Context, live func(digest string)) error {
	return BlobsOf(ctx, e.cfg.Store, e.cfg.Blobs, live)
}

// BlobsOf is [Engine.LiveBlobs] of a store that no engine works on, such as the snapshot of a backup.
func BlobsOf(ctx context.Context, store Store, blobs Blobs, live func(digest string)) error {
	seen := map[string]bool{}
	read := func(digest string) (body []byte, err error) {
		if !seen[digest] {
			seen[digest] = true
			body, err = blobs.Get(ctx, digest)
			eachDigest(string(body), live)
		}
		return body, err
	}
	for _, space := range spaces() {
		var moved, inputs []string
		err := store.Scan(ctx, space, "", "", false, func(k string, value []byte) bool {
			eachDigest(k, live)
			eachDigest(string(value), live)
			if len(value) > 0 && value[0] == '@' && space != spBodies {
				moved = append(moved, string(value[1:]))
			} else if space == spJobs {
				inputs = append(inputs, shelved(value)...)
			}
			return ctx.Err() == nil
		})
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		for _, digest := range moved {
			body, err := read(digest)
			if err != nil {
				return err
			}
			if space == spJobs {
				inputs = append(inputs, shelved(body)...)
			}
		}
		for _, digest := range inputs {
			if _, err := read(digest); err != nil {
				return err
			}
		}
	}
	return nil
}

// shelved is the digest of the inputs that a job's record keeps outside: they may name others.
func shelved(body []byte) []string {
	var r jobRecord
	if json.Unmarshal(body, &r) != nil || r.Inputs == "" {
		return nil // what cannot be read is for fsck to tell
	}
	return []string{r.Inputs}
}

// eachDigest finds "sha256:" and 64 hexadecimal digits in text.
func eachDigest(text string, found func(string)) {
	const prefix, digits = "sha256:", 64
	for i := 0; i+len(prefix)+digits <= len(text); i++ {
		if text[i] != 's' || text[i:i+len(prefix)] != prefix {
			continue
		}
		n := 0
		for n < digits && isHexDigit(text[i+len(prefix)+n]) {
			n++
		}
		if n == digits {
			found(text[i : i+len(prefix)+digits])
		}
	}
}

func isHexDigit(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }
