package console

import (
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

func TestThreadsAreReadFromTheirEnd(t *testing.T) {
	r := threadRoom(t, filepath.Join(t.TempDir(), "console.db"))
	defer r.Close()
	say := func(channel, thread, text string) string {
		m, _, err := r.Post(Draft{Channel: channel, Thread: thread, Author: "console:hana", Text: text})
		if err != nil {
			t.Fatal(err)
		}
		return m.ID
	}
	head, other := say("general", "", "head"), say("general", "", "other")
	var ids []string
	for _, text := range []string{"a", "b", "c"} {
		ids = append(ids, say("general", head, text))
		say("general", other, "elsewhere")
	}
	got, err := r.Thread(head, 2)
	if err != nil || got.Count != 3 || len(got.Messages) != 2 || got.Messages[0].ID != ids[1] || got.Messages[1].ID != ids[2] {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := r.Thread(ids[0], 10); err != nil || got.Count != 0 || got.Messages != nil {
		t.Errorf("a message that nobody answered: %+v %v", got, err)
	}
	if _, err := r.Thread("x", 1); err == nil {
		t.Error("what is no id is taken for one")
	}
	for since, want := range map[string]int{"": 8, head: 7, ids[2]: 1, "1": 8} {
		if n, err := r.Newer("general", since, 99); err != nil || n != want {
			t.Errorf("newer than %q: %d %v, want %d", since, n, err, want)
		}
	}
	if n, err := r.Newer("general", "", 5); err != nil || n != 5 {
		t.Errorf("%d %v", n, err)
	}
}

// TestThreadsOfAnOlderRoomAreFound opens a room that was written by a program which kept no threads,
// for a while or always.
func TestThreadsOfAnOlderRoomAreFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console.db")
	r := threadRoom(t, path)
	head, _, err := r.Post(Draft{Channel: "general", Author: "a", Text: "head"})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, _, err := r.Post(Draft{Channel: "general", Thread: head.ID, Author: "a", Text: "answer"}); err != nil {
			t.Fatal(err)
		}
	}
	err = r.db.Update(func(tx *bbolt.Tx) error {
		if err := tx.DeleteBucket([]byte(inThreads)); err != nil {
			return err
		}
		return tx.Bucket([]byte(inMeta)).Delete([]byte("threaded"))
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second opening finds nothing to do
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		r = threadRoom(t, path)
		if got, err := r.Thread(head.ID, 10); err != nil || got.Count != 3 {
			t.Errorf("%+v %v", got, err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

func threadRoom(t *testing.T, path string) *Room {
	t.Helper()
	now := time.Date(2019, 1, 31, 14, 0, 0, 0, time.UTC)
	r, err := Open(path, func() time.Time { now = now.Add(time.Second); return now })
	if err != nil {
		t.Fatal(err)
	}
	return r
}
