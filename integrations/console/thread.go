package console

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
)

// inThreads is the bucket with: head of a thread, id of what answers it → nothing. The entry
// "threaded" of the meta bucket is the newest message that it knows of, so that messages written
// by a program that had no such bucket are found when the room is opened.
const inThreads = "threads"

// Thread is the end of a thread, oldest first, and how many messages answer its head in all.
type Thread struct {
	Messages []Message
	Count    int
}

// Thread reads the newest limit messages that answer head. A message that nobody answered, and
// one that is not there, has an empty thread.
func (r *Room) Thread(head string, limit int) (Thread, error) {
	k, ok := idKey(head)
	if !ok {
		return Thread{}, noMessage(head)
	}
	var t Thread
	err := r.db.View(func(tx *bbolt.Tx) error {
		var ids []string
		c := tx.Bucket([]byte(inThreads)).Cursor()
		for key, _ := c.Seek(k); bytes.HasPrefix(key, k); key, _ = c.Next() {
			ids = append(ids, fmt.Sprint(binary.BigEndian.Uint64(key[8:])))
		}
		t.Count = len(ids)
		for _, id := range ids[max(0, len(ids)-limit):] {
			m, err := load(tx, id)
			if err != nil {
				return err
			}
			t.Messages = append(t.Messages, m)
		}
		return nil
	})
	return t, stored(err)
}

// Newer counts the messages of a channel that are newer than the message since ("" for the
// beginning), and stops at limit.
func (r *Room) Newer(channel, since string, limit int) (n int, err error) {
	if err := checkPlace(channel); err != nil {
		return 0, err
	}
	prefix := append([]byte(channel), 0)
	start := slices.Clone(prefix)
	if since != "" {
		k, ok := idKey(since)
		if !ok {
			return 0, noMessage(since)
		}
		start = append(append(start, k...), 0) // just past it
	}
	err = r.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte(inChannels)).Cursor()
		for k, _ := c.Seek(start); bytes.HasPrefix(k, prefix) && n < limit; k, _ = c.Next() {
			n++
		}
		return nil
	})
	return n, stored(err)
}

// answers notes that m answers the head of its thread.
func answers(tx *bbolt.Tx, m Message) error {
	k, ok := idKey(m.ID)
	if !ok {
		return noMessage(m.ID)
	}
	if m.Thread != "" {
		head, ok := idKey(m.Thread)
		if !ok {
			return noMessage(m.Thread)
		}
		if err := tx.Bucket([]byte(inThreads)).Put(append(head, k...), nil); err != nil {
			return err
		}
	}
	return tx.Bucket([]byte(inMeta)).Put([]byte("threaded"), k)
}

// threadUp brings the threads up to the newest message.
func threadUp(tx *bbolt.Tx) error {
	meta := tx.Bucket([]byte(inMeta))
	last, known := meta.Get([]byte("last")), slices.Clone(meta.Get([]byte("threaded")))
	if bytes.Equal(last, known) {
		return nil
	}
	c := tx.Bucket([]byte(inMessages)).Cursor()
	for k, _ := c.Seek(known); k != nil; k, _ = c.Next() {
		if bytes.Equal(k, known) {
			continue
		}
		m, err := load(tx, fmt.Sprint(binary.BigEndian.Uint64(k)))
		if err != nil {
			return err
		}
		if err := answers(tx, m); err != nil {
			return err
		}
	}
	return nil
}
