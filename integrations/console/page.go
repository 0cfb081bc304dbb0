package console

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"slipway/bot/errs"
)

// MaxPage is the most messages that one page has.
const MaxPage = 200

// PageQuery says which messages of a channel to read. Without Before and After it is the newest.
type PageQuery struct {
	Before string // id of a message: only older ones, the newest of them
	After  string // id of a message: only newer ones, the oldest of them
	Limit  int    // 1 to MaxPage; 0 means 50
	Thread string // id of a message: only it and what answers it
	Heads  bool   // only messages that answer none
}

// Page is a piece of a channel, oldest message first. Older and Newer tell whether there is more
// in the channel on either side.
type Page struct {
	Messages []Message
	Older    bool
	Newer    bool
}

// Page reads messages of a channel in either direction. An id need not be that of a message that
// exists; it is a point in time.
func (r *Room) Page(channel string, q PageQuery) (Page, error) {
	if err := checkPlace(channel); err != nil {
		return Page{}, err
	}
	switch {
	case q.Limit < 0 || q.Limit > MaxPage:
		return Page{}, errs.E("console.page", errs.Invalid, fmt.Errorf("a page of %d messages", q.Limit)).Hint("Ask for 1 to %d.", MaxPage)
	case q.Before != "" && q.After != "":
		return Page{}, errs.E("console.page", errs.Invalid, fmt.Errorf("both before and after are given")).Hint("Leave out one of them.")
	case q.Limit == 0:
		q.Limit = 50
	}
	from := q.Before + q.After
	at, ok := []byte(nil), true
	if from != "" {
		if at, ok = idKey(from); !ok {
			return Page{}, noMessage(from)
		}
	}
	var head []byte
	if q.Thread != "" {
		if head, ok = idKey(q.Thread); !ok {
			return Page{}, noMessage(q.Thread)
		}
	}
	var p Page
	err := r.db.View(func(tx *bbolt.Tx) error {
		prefix := append([]byte(channel), 0)
		c := tx.Bucket([]byte(inChannels)).Cursor()
		in := func(k []byte) bool { return bytes.HasPrefix(k, prefix) && len(k) == len(prefix)+8 }
		read := func(k []byte) error {
			m, err := load(tx, fmt.Sprint(binary.BigEndian.Uint64(k[len(prefix):])))
			if err == nil && (q.Thread == "" || m.ID == q.Thread || m.Thread == q.Thread) && (!q.Heads || m.Thread == "") {
				p.Messages = append(p.Messages, m)
			}
			return err
		}
		if q.After != "" {
			start := append(slices.Clone(prefix), at...)
			k, _ := c.Seek(start)
			if bytes.Equal(k, start) {
				k, _ = c.Next()
			}
			for ; in(k); k, _ = c.Next() {
				if len(p.Messages) == q.Limit {
					p.Newer = true
					break
				}
				if err := read(k); err != nil {
					return err
				}
			}
			p.Older = true
			return nil
		}
		if at == nil {
			at = bytes.Repeat([]byte{0xff}, 8)
		}
		k, _ := c.Seek(append(slices.Clone(prefix), at...))
		if k == nil { // nothing follows in the whole bucket
			k, _ = c.Last()
		} else {
			k, _ = c.Prev()
		}
		for ; in(k); k, _ = c.Prev() {
			if len(p.Messages) == q.Limit {
				p.Older = true
				break
			}
			if head != nil && bytes.Compare(k[len(prefix):], head) < 0 {
				break // a thread has nothing before its head
			}
			if err := read(k); err != nil {
				return err
			}
		}
		slices.Reverse(p.Messages)
		p.Newer = q.Before != ""
		return nil
	})
	return p, stored(err)
}

// Channels lists the channels and direct rooms in which something was said, by name.
func (r *Room) Channels() ([]string, error) {
	var out []string
	err := r.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte(inChannels)).Cursor()
		for k, _ := c.First(); k != nil; {
			name, _, _ := bytes.Cut(k, []byte{0})
			out = append(out, string(name))
			k, _ = c.Seek(append(slices.Clone(name), 1)) // past every message of it
		}
		return nil
	})
	return out, stored(err)
}

// sortedOnce are the names that keep accepts, each once, direct rooms first.
func sortedOnce(names []string, keep func(string) bool) []string {
	names = slices.DeleteFunc(names, func(n string) bool { return !keep(n) })
	slices.SortFunc(names, func(a, b string) int {
		if IsDirect(a) != IsDirect(b) {
			if IsDirect(a) {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(names)
}
