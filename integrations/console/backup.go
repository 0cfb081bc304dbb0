package console

import (
	"context"
	"encoding/binary"
	"io"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
)

// Snapshot writes a consistent copy of the room, a file that [Open] opens, while people go on
// talking. It returns the error of w.
func (r *Room) Snapshot(w io.Writer) error {
	return r.db.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(w)
		return err
	})
}

// lostChanges is how far the numbers of changes jump in a room that was restored: further than a
// room comes between a backup and a restore, so that no number means two things to whoever watched
// the room of before.
const lostChanges = 1 << 32

// Restored is called once on a room that was restored from a backup, before anybody uses it.
func (r *Room) Restored() error {
	return r.update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(inChanges))
		return b.SetSequence(b.Sequence() + lostChanges)
	})
}

// Since gives again, oldest first, what people said since a moment and the engine took then. What it
// never took is not given: nothing that was refused runs later by surprise. Reactions are not given
// either: they are read where they stand.
func (r *Room) Since(ctx context.Context, from time.Time, deliver func(Delivery, time.Time) error) error {
	after := uint64(max(from.UnixMilli(), 0))
	for {
		var list []Message
		err := r.db.View(func(tx *bbolt.Tx) error {
			c := tx.Bucket([]byte(inMessages)).Cursor()
			for k, _ := c.Seek(number(after)); k != nil && len(list) < 100; k, _ = c.Next() {
				n := binary.BigEndian.Uint64(k)
				m, err := load(tx, strconv.FormatUint(n, 10))
				if err != nil {
					return err
				}
				list, after = append(list, m), n+1
			}
			return nil
		})
		if err != nil || len(list) == 0 {
			return stored(err)
		}
		for _, m := range list {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !m.Delivered || m.Text == "" {
				continue
			}
			if err := deliver(saidDelivery(m), m.At); err != nil {
				return err
			}
		}
	}
}
