// Package console is the chat that needs no account: a durable room of channels, messages,
// threads and reactions in one file, and what people do in it. The packages below it are the ways
// in: pages (web), an API (api) with a client for it, and the door before both (login).
//
// [Room] is the chat itself. It promises what a good chat platform would: a message posted under
// a key exists once; ids grow with time and are never used twice; an edit keeps what was there
// before; reactions belong to accounts. [Poster] is the bot's way in, [Desk] the people's.
//
// What a person says or reacts is first stored in the room, then handed to the engine's Deliver,
// and only when that has stored it too does the person see it accepted. A message that the engine
// never took stays in the room without [Message.Delivered], and is delivered only if its sender
// repeats it: nothing that was refused runs later by surprise. What the bot posts is never
// delivered, so it cannot obey itself. [Decode] says what a delivery means; it is pure.
package console

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"slipway/bot/card"
	"slipway/bot/errs"
)

// Bounds of the room.
const (
	MaxText    = 16_000 // bytes of a message's text
	MaxHistory = 100    // earlier versions kept of one message; the oldest go first
	formatNow  = "1"
)

// Message is one message. ID is the number of milliseconds since 1970 at which it was posted,
// moved forward where two would share one.
type Message struct {
	ID        string     `json:"id"`
	Channel   string     `json:"channel"`
	Thread    string     `json:"thread,omitempty"` // id of the message that it answers
	Author    string     `json:"author"`           // account: "unix:1000", "console:grace", "bot:slipway"
	Text      string     `json:"text,omitempty"`
	Card      *card.Card `json:"card,omitempty"` // instead of a text
	Key       string     `json:"key,omitempty"`
	At        time.Time  `json:"at"`
	Edits     int        `json:"edits,omitempty"` // how often it was edited
	EditedAt  time.Time  `json:"edited_at,omitzero"`
	Delivered bool       `json:"delivered,omitempty"` // the engine has it; always false for the bot's own
	Reactions []Reaction `json:"reactions,omitempty"` // filled when read, oldest first
}

// Reaction is one account's emoji on a message. Seq is the number of the change that set it.
type Reaction struct {
	Emoji   string    `json:"emoji"`
	Account string    `json:"account"`
	At      time.Time `json:"at"`
	Seq     uint64    `json:"seq"`
}

// Version is what a message showed before an edit.
type Version struct {
	Text  string     `json:"text,omitempty"`
	Card  *card.Card `json:"card,omitempty"`
	Until time.Time  `json:"until"`
}

// Draft is a message to be posted: a text or a card.
type Draft struct {
	Key     string // create-only; "" for none
	Channel string
	Thread  string
	Author  string
	Text    string
	Card    *card.Card
}

// Room is a chat room in a file. It is safe for use by several goroutines.
type Room struct {
	db    *bbolt.DB
	clock func() time.Time

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every change
	dead    error         // why nothing is written any more
	fatal   chan error
}

// The buckets of the file.
const (
	inMeta      = "meta"      // format; last: the newest id
	inMessages  = "messages"  // id → Message without reactions
	inChannels  = "channels"  // channel \0 id → nothing
	inKeys      = "keys"      // key → id
	inReactions = "reactions" // id \0 account \0 emoji → Reaction; "off" \0 and the same → number of the change that took it away
	inHistory   = "history"   // id \0 number → Version
	inChanges   = "changes"   // number → Change without the message
)

// Open opens or makes the room in the file at path, which only its owner can read. clock is
// time.Now outside tests. The error is of kind [errs.Busy] when another process has the file
// open, and [errs.Corrupt] when it is not a room.
func Open(path string, clock func() time.Time) (*Room, error) {
	const op = "console.open"
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, errs.E(op, errs.Busy, fmt.Errorf("the room %s is in use by another process", path)).Hint("Stop the other slipway first.")
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, errs.E(op, errs.Corrupt, fmt.Errorf("%s is not a chat room", path)).Hint("Restore it from a backup, or move it away to begin an empty room.")
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the room %s cannot be opened: %w", path, err)).Hint("Make its folder and give it to the user that runs slipway.")
	case err != nil:
		return nil, errs.E(op, errs.Unavailable, fmt.Errorf("opening the room %s: %w", path, err))
	}
	r := &Room{db: db, clock: clock, changed: make(chan struct{}), fatal: make(chan error, 1)}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, b := range []string{inMeta, inMessages, inChannels, inKeys, inReactions, inHistory, inChanges, inThreads} {
			if _, err := tx.CreateBucketIfNotExists([]byte(b)); err != nil {
				return err
			}
		}
		meta := tx.Bucket([]byte(inMeta))
		switch f := string(meta.Get([]byte("format"))); f {
		case "":
			return meta.Put([]byte("format"), []byte(formatNow))
		case formatNow:
			return threadUp(tx)
		default:
			return errs.E(op, errs.Corrupt, fmt.Errorf("the room %s has format %s, and this slipway reads format %s", path, f, formatNow)).Hint("Use the slipway that wrote it, or a newer one.")
		}
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return r, nil
}

// Close closes the file after the transactions that run.
func (r *Room) Close() error { return r.db.Close() }

// Fatal delivers the reason once, when a commit failed in a way after which nobody can tell what
// is on disk: nothing is written any more, and the process must exit and recover from disk.
func (r *Room) Fatal() <-chan error { return r.fatal }

// update runs f in one transaction and wakes the watchers when it was committed.
func (r *Room) update(f func(tx *bbolt.Tx) error) error {
	r.mu.Lock()
	dead := r.dead
	r.mu.Unlock()
	if dead != nil {
		return dead
	}
	var refused error
	err := stored(r.db.Update(func(tx *bbolt.Tx) error { refused = f(tx); return refused }))
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		close(r.changed)
		r.changed = make(chan struct{})
	case refused == nil && errs.Is(err, errs.Doubtful) && r.dead == nil:
		// A second fsync would succeed without writing what the first could not.
		r.dead = err
		r.fatal <- err
	}
	return err
}

// stored gives an error of the file a kind; ours have one. After a commit that failed otherwise
// nobody can tell what is on disk.
func stored(err error) error {
	var e *errs.Error
	switch {
	case err == nil || errors.As(err, &e):
		return err
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return errs.E("console.store", errs.Unavailable, fmt.Errorf("the chat room is closed")).Hint("Try again when slipway runs.")
	case errors.Is(err, syscall.ENOSPC):
		return errs.E("console.store", errs.Full, fmt.Errorf("the disk of the chat room is full")).Hint("Free some space and try again.")
	}
	return errs.E("console.store", errs.Doubtful, fmt.Errorf("the chat room's file could not be written: %w", err))
}

func idKey(id string) ([]byte, bool) {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != id {
		return nil, false
	}
	return number(n), true
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func join(parts ...[]byte) []byte {
	var out []byte
	for i, p := range parts {
		if i > 0 {
			out = append(out, 0)
		}
		out = append(out, p...)
	}
	return out
}

func noMessage(id string) error {
	return errs.E("console.message", errs.NotFound, fmt.Errorf("there is no message %q", clip(id))).Hint("Take the id of a message from watch.")
}

func load(tx *bbolt.Tx, id string) (Message, error) {
	k, ok := idKey(id)
	if !ok {
		return Message{}, noMessage(id)
	}
	raw := tx.Bucket([]byte(inMessages)).Get(k)
	if raw == nil {
		return Message{}, noMessage(id)
	}
	var m Message
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, errs.E("console.message", errs.Corrupt, fmt.Errorf("message %s does not read back", id)).Hint("Restore the room's file from a backup.")
	}
	c := tx.Bucket([]byte(inReactions)).Cursor()
	prefix := append(k, 0)
	for key, v := c.Seek(prefix); key != nil && len(key) > len(prefix) && string(key[:len(prefix)]) == string(prefix); key, v = c.Next() {
		var re Reaction
		if err := json.Unmarshal(v, &re); err != nil {
			return m, errs.E("console.message", errs.Corrupt, fmt.Errorf("a reaction on message %s does not read back", id))
		}
		m.Reactions = append(m.Reactions, re)
	}
	sortBySeq(m.Reactions)
	return m, nil
}

func save(tx *bbolt.Tx, m Message) error {
	k, ok := idKey(m.ID)
	if !ok {
		return noMessage(m.ID)
	}
	m.Reactions = nil
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return tx.Bucket([]byte(inMessages)).Put(k, raw)
}

// Post adds a message. A key that exists already gives the message posted under it, as it is
// now, and created is false; [errs.Exists] if that one is another author's or in another place.
func (r *Room) Post(d Draft) (m Message, created bool, err error) {
	if err := d.check(); err != nil {
		return Message{}, false, err
	}
	err = r.update(func(tx *bbolt.Tx) error {
		if d.Key != "" {
			if id := tx.Bucket([]byte(inKeys)).Get([]byte(d.Key)); id != nil {
				m, err = load(tx, string(id))
				if err != nil {
					return err
				}
				if m.Channel != d.Channel || m.Thread != d.Thread || m.Author != d.Author {
					return errs.E("console.post", errs.Exists, fmt.Errorf("the key %q belongs to another message, in %s", d.Key, m.Channel)).Hint("Use a key of its own for each message.")
				}
				return nil
			}
		}
		if d.Thread != "" {
			head, err := load(tx, d.Thread)
			if err != nil {
				return err
			}
			if head.Channel != d.Channel {
				return noMessage(d.Thread)
			}
		}
		now := r.clock().UTC()
		id, err := nextID(tx, now)
		if err != nil {
			return err
		}
		m = Message{ID: id, Channel: d.Channel, Thread: d.Thread, Author: d.Author, Text: d.Text, Card: d.Card, Key: d.Key, At: now}
		created = true
		if err := save(tx, m); err != nil {
			return err
		}
		k, _ := idKey(id)
		if err := tx.Bucket([]byte(inChannels)).Put(join([]byte(d.Channel), k), nil); err != nil {
			return err
		}
		if err := answers(tx, m); err != nil {
			return err
		}
		if d.Key != "" {
			if err := tx.Bucket([]byte(inKeys)).Put([]byte(d.Key), []byte(id)); err != nil {
				return err
			}
		}
		_, err = change(tx, Change{Kind: Posted, Channel: m.Channel, ID: id, At: now})
		return err
	})
	if err != nil {
		return Message{}, false, err
	}
	return m, created, nil
}

func nextID(tx *bbolt.Tx, now time.Time) (string, error) {
	meta := tx.Bucket([]byte(inMeta))
	n := uint64(max(now.UnixMilli(), 1))
	if raw := meta.Get([]byte("last")); len(raw) == 8 {
		n = max(n, binary.BigEndian.Uint64(raw)+1)
	}
	return strconv.FormatUint(n, 10), meta.Put([]byte("last"), number(n))
}

func (d Draft) check() error {
	const op = "console.post"
	if err := checkPlace(d.Channel); err != nil {
		return err
	}
	switch {
	case d.Author == "":
		return errs.E(op, errs.Invalid, fmt.Errorf("a message needs an author"))
	case len(d.Key) > 1024:
		return errs.E(op, errs.Invalid, fmt.Errorf("the key has %d bytes, and 1024 is the limit", len(d.Key)))
	case (d.Card == nil) == (d.Text == ""):
		return errs.E(op, errs.Invalid, fmt.Errorf("a message is a text or a card")).Hint("Say something.")
	case d.Card != nil:
		return d.Card.Check()
	}
	return checkText(op, d.Text)
}

func checkText(op string, s string) error {
	if len(s) > MaxText {
		return errs.E(op, errs.Invalid, fmt.Errorf("the text has %d bytes, and %d is the limit", len(s), MaxText)).Hint("Send it in parts.")
	}
	if !utf8.ValidString(s) {
		return errs.E(op, errs.Invalid, fmt.Errorf("the text is not valid UTF-8"))
	}
	return nil
}

// CheckChannel tells whether name can be a channel: small letters, digits, "-", "_" and ".", up
// to 80 characters, not beginning with one of the last three.
func CheckChannel(name string) error {
	ok := name != "" && len(name) <= 80
	for i, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		ok = ok && (letter || i > 0 && (c == '-' || c == '_' || c == '.'))
	}
	if !ok {
		return errs.E("console.channel", errs.Invalid, fmt.Errorf("%q is not the name of a channel", clip(name))).Hint("Write small letters, digits and -, e.g. releases.")
	}
	return nil
}

// Mine names the direct room of whoever says it, in requests.
const Mine = "@me"

// DirectRoom is the channel that only the bot and the person read. Ids of persons have the letters
// of channels.
func DirectRoom(person string) string { return "@" + person }

// IsDirect reports whether a channel is the direct room of a person.
func IsDirect(channel string) bool { return strings.HasPrefix(channel, "@") }

// checkPlace tells whether name can be a channel or a direct room.
func checkPlace(name string) error {
	if person, direct := strings.CutPrefix(name, "@"); direct && CheckChannel(person) == nil {
		return nil
	}
	return CheckChannel(name)
}

func clip(s string) string {
	if rs := []rune(s); len(rs) > 60 {
		return string(rs[:60]) + "…"
	}
	return s
}
