package console

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"slipway/bot/card"
	"slipway/bot/errs"
)

// ChangeKind says what changed in the room.
type ChangeKind string

// The kinds of change.
const (
	Posted    ChangeKind = "posted"
	Edited    ChangeKind = "edited"
	Delivered ChangeKind = "delivered" // the engine has it
	Reacted   ChangeKind = "reacted"
	Unreacted ChangeKind = "unreacted"
)

// Change is one change of the room. Seq grows by one with each and is kept for good.
type Change struct {
	Seq     uint64     `json:"seq"`
	Kind    ChangeKind `json:"kind"`
	Channel string     `json:"channel"`
	ID      string     `json:"message_id"`
	Account string     `json:"account,omitempty"` // of a reaction
	Emoji   string     `json:"emoji,omitempty"`
	At      time.Time  `json:"at"`
	Message *Message   `json:"message,omitempty"` // as it is when the change is read, maybe newer
}

func change(tx *bbolt.Tx, c Change) (uint64, error) {
	b := tx.Bucket([]byte(inChanges))
	seq, err := b.NextSequence()
	if err != nil {
		return 0, err
	}
	c.Seq, c.Message = seq, nil
	raw, err := json.Marshal(c)
	if err != nil {
		return 0, err
	}
	return seq, b.Put(number(seq), raw)
}

// Edit replaces what a message shows and keeps what it showed before. An edit that changes
// nothing is none.
func (r *Room) Edit(id, text string, c *card.Card) (Message, error) {
	var m Message
	err := r.update(func(tx *bbolt.Tx) (err error) {
		if m, err = load(tx, id); err != nil {
			return err
		}
		if err := (Draft{Channel: m.Channel, Author: m.Author, Text: text, Card: c}).check(); err != nil {
			return err
		}
		if sameContent(m, text, c) {
			return nil
		}
		now := r.clock().UTC()
		k, _ := idKey(id)
		raw, err := json.Marshal(Version{m.Text, m.Card, now})
		if err != nil {
			return err
		}
		h := tx.Bucket([]byte(inHistory))
		if err := h.Put(join(k, number(uint64(m.Edits))), raw); err != nil {
			return err
		}
		if old := m.Edits - MaxHistory; old >= 0 {
			if err := h.Delete(join(k, number(uint64(old)))); err != nil {
				return err
			}
		}
		m.Text, m.Card, m.EditedAt = text, c, now
		m.Edits++
		if err := save(tx, m); err != nil {
			return err
		}
		_, err = change(tx, Change{Kind: Edited, Channel: m.Channel, ID: id, At: now})
		return err
	})
	return m, err
}

func sameContent(m Message, text string, c *card.Card) bool {
	if m.Text != text || (m.Card == nil) != (c == nil) {
		return false
	}
	return c == nil || m.Card.Digest() == c.Digest()
}

// History is what a message showed before, oldest first.
func (r *Room) History(id string) ([]Version, error) {
	var out []Version
	err := r.db.View(func(tx *bbolt.Tx) error {
		if _, err := load(tx, id); err != nil {
			return err
		}
		k, _ := idKey(id)
		prefix := append(k, 0)
		c := tx.Bucket([]byte(inHistory)).Cursor()
		for key, raw := c.Seek(prefix); key != nil && bytes.HasPrefix(key, prefix); key, raw = c.Next() {
			var v Version
			if err := json.Unmarshal(raw, &v); err != nil {
				return err
			}
			out = append(out, v)
		}
		return nil
	})
	return out, stored(err)
}

// Find gives the message posted under key.
func (r *Room) Find(key string) (m Message, found bool, err error) {
	err = r.db.View(func(tx *bbolt.Tx) error {
		id := tx.Bucket([]byte(inKeys)).Get([]byte(key))
		if id == nil {
			return nil
		}
		found = true
		m, err = load(tx, string(id))
		return err
	})
	return m, found && err == nil, stored(err)
}

// Message reads one message with its reactions.
func (r *Room) Message(id string) (m Message, err error) {
	err = r.db.View(func(tx *bbolt.Tx) error {
		m, err = load(tx, id)
		return err
	})
	return m, stored(err)
}

// Messages reads up to limit messages of a channel that are newer than the message since ("" for
// the beginning), oldest first.
func (r *Room) Messages(channel, since string, limit int) ([]Message, error) {
	if err := checkPlace(channel); err != nil {
		return nil, err
	}
	from := []byte{}
	if since != "" {
		k, ok := idKey(since)
		if !ok {
			return nil, noMessage(since)
		}
		from = k
	}
	var out []Message
	err := r.db.View(func(tx *bbolt.Tx) error {
		prefix := append([]byte(channel), 0)
		start := append(slices.Clone(prefix), from...)
		c := tx.Bucket([]byte(inChannels)).Cursor()
		for k, _ := c.Seek(start); k != nil && bytes.HasPrefix(k, prefix) && len(out) < limit; k, _ = c.Next() {
			if bytes.Equal(k, start) {
				continue
			}
			m, err := load(tx, fmt.Sprint(binary.BigEndian.Uint64(k[len(prefix):])))
			if err != nil {
				return err
			}
			out = append(out, m)
		}
		return nil
	})
	return out, stored(err)
}

// React sets an account's emoji on a message and gives the number of the change that set it.
// Setting it again changes nothing and gives the same number.
func (r *Room) React(account, id, emoji string) (seq uint64, err error) {
	return r.touch(account, id, emoji, true)
}

// Unreact takes an account's emoji away. The number is that of the change that took it away;
// taking away what is not there changes nothing and gives 0 if it never was.
func (r *Room) Unreact(account, id, emoji string) (seq uint64, err error) {
	return r.touch(account, id, emoji, false)
}

func (r *Room) touch(account, id, emoji string, on bool) (seq uint64, err error) {
	if emoji, err = NormalEmoji(emoji); err != nil {
		return 0, err
	}
	if account == "" {
		return 0, errs.E("console.react", errs.Invalid, fmt.Errorf("a reaction needs an account"))
	}
	err = r.update(func(tx *bbolt.Tx) error {
		m, err := load(tx, id)
		if err != nil {
			return err
		}
		k, _ := idKey(id)
		b := tx.Bucket([]byte(inReactions))
		key := join(k, []byte(account), []byte(emoji))
		// The number of the change that took a reaction away is kept, so that a repeated request
		// delivers the same change. No id begins with "off": that would be in the year 250 million.
		off := append([]byte("off\x00"), key...)
		if raw := b.Get(key); raw != nil && on {
			var old Reaction
			if err := json.Unmarshal(raw, &old); err != nil {
				return err
			}
			seq = old.Seq
			return nil
		} else if raw == nil && !on {
			if gone := b.Get(off); len(gone) == 8 {
				seq = binary.BigEndian.Uint64(gone)
			}
			return nil
		}
		now := r.clock().UTC()
		kind := Reacted
		if !on {
			kind = Unreacted
		}
		if seq, err = change(tx, Change{Kind: kind, Channel: m.Channel, ID: id, Account: account, Emoji: emoji, At: now}); err != nil {
			return err
		}
		if !on {
			return errors.Join(b.Delete(key), b.Put(off, number(seq)))
		}
		raw, err := json.Marshal(Reaction{Emoji: emoji, Account: account, At: now, Seq: seq})
		if err != nil {
			return err
		}
		return errors.Join(b.Delete(off), b.Put(key, raw))
	})
	return seq, err
}

// Reactions are those on a message now, oldest first.
func (r *Room) Reactions(id string) ([]Reaction, error) {
	m, err := r.Message(id)
	return m.Reactions, err
}

func sortBySeq(rs []Reaction) {
	slices.SortFunc(rs, func(a, b Reaction) int {
		if a.Seq < b.Seq {
			return -1
		}
		return 1
	})
}

// markDelivered notes that the engine has a message.
func (r *Room) markDelivered(id string) error {
	return r.update(func(tx *bbolt.Tx) error {
		m, err := load(tx, id)
		if err != nil || m.Delivered {
			return err
		}
		m.Delivered = true
		if err := save(tx, m); err != nil {
			return err
		}
		_, err = change(tx, Change{Kind: Delivered, Channel: m.Channel, ID: id, At: r.clock().UTC()})
		return err
	})
}

// Changes reads up to limit changes after the number since, oldest first, each with its message.
func (r *Room) Changes(since uint64, limit int) ([]Change, error) {
	var out []Change
	err := r.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte(inChanges)).Cursor()
		for k, raw := c.Seek(number(since)); k != nil && len(out) < limit; k, raw = c.Next() {
			if binary.BigEndian.Uint64(k) == since {
				continue
			}
			var ch Change
			if err := json.Unmarshal(raw, &ch); err != nil {
				return err
			}
			m, err := load(tx, ch.ID)
			if err != nil {
				return err
			}
			ch.Message = &m
			out = append(out, ch)
		}
		return nil
	})
	return out, stored(err)
}

// Last is the number of the newest change, 0 in an empty room.
func (r *Room) Last() (seq uint64, err error) {
	err = r.db.View(func(tx *bbolt.Tx) error { seq = tx.Bucket([]byte(inChanges)).Sequence(); return nil })
	return seq, stored(err)
}

// Watch sends every change after the number since, then those to come, until ctx ends or the
// room is closed; then it closes the channel. A slow reader misses nothing: it reads from the
// file. One goroutine runs for each Watch.
func (r *Room) Watch(ctx context.Context, since uint64) <-chan Change {
	out := make(chan Change)
	go func() {
		defer close(out)
		for {
			r.mu.Lock()
			wake := r.changed // taken before reading, so that no change falls between
			r.mu.Unlock()
			list, err := r.Changes(since, 100)
			if err != nil {
				return
			}
			for _, c := range list {
				select {
				case out <- c:
					since = c.Seq
				case <-ctx.Done():
					return
				}
			}
			if len(list) > 0 {
				continue
			}
			select {
			case <-wake:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}
