package console

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"slipway/bot/card"
	"slipway/bot/errs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stopped is a clock that stands still.
func stopped() time.Time { return time.Date(2019, 1, 31, 14, 0, 0, 0, time.UTC) }

func openRoom(t *testing.T, path string) *Room {
	t.Helper()
	r, err := Open(path, stopped)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func room(t *testing.T) *Room {
	t.Helper()
	return openRoom(t, filepath.Join(t.TempDir(), "room.db"))
}

func post(t *testing.T, r *Room, d Draft) Message {
	t.Helper()
	m, _, err := r.Post(d)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func aCard(status string) card.Card {
	return card.Card{Key: "k", Title: "release/lava/2019.01", Status: status}
}

func TestMessagesAreKeptInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "room.db")
	r := openRoom(t, path)
	var want []string
	for i := range 5 {
		want = append(want, post(t, r, Draft{Channel: "releases", Author: "unix:1", Text: fmt.Sprint(i)}).ID)
	}
	post(t, r, Draft{Channel: "releases-2", Author: "unix:1", Text: "elsewhere"})
	post(t, r, Draft{Channel: "release", Author: "unix:1", Text: "elsewhere"})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = openRoom(t, path)
	ids := func(since string, limit int) []string {
		ms, err := r.Messages("releases", since, limit)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, m := range ms {
			out = append(out, m.ID)
		}
		return out
	}
	if d := cmp.Diff(want, ids("", 10)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want[2:4], ids(want[1], 2)); d != "" {
		t.Error(d)
	}
	if want[0] != fmt.Sprint(stopped().UnixMilli()) || want[1] <= want[0] {
		t.Errorf("ids %v", want)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestAKeyIsOneMessage(t *testing.T) {
	ctx := context.Background()
	r := room(t)
	bot := r.Poster("bot:slipway")
	to := Place{Channel: "releases"}
	if _, found, err := bot.Find(ctx, "card/r1", to); found || err != nil {
		t.Fatalf("found %v, %v", found, err)
	}
	first, err := bot.Post(ctx, "card/r1", to, aCard("one"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := bot.Post(ctx, "card/r1", to, aCard("two"))
	if err != nil || again != first {
		t.Fatalf("again %v, %v", again, err)
	}
	if m, _ := r.Message(first.ID); m.Card.Status != "one" || m.Edits != 0 {
		t.Errorf("a repeat changed the message: %+v", m)
	}
	if ref, found, err := bot.Find(ctx, "card/r1", to); ref != first || !found || err != nil {
		t.Errorf("find: %v, %v, %v", ref, found, err)
	}
	if _, err := bot.Post(ctx, "card/r1", Place{Channel: "elsewhere"}, aCard("one")); !errs.Is(err, errs.Exists) {
		t.Errorf("the key in another channel: %v", err)
	}
	if _, err := bot.Post(ctx, "x", Place{"releases", "17"}, aCard("one")); !errs.Is(err, errs.Gone) {
		t.Errorf("a thread under nothing: %v", err)
	}
	thread, err := bot.PostText(ctx, "t", Place{"releases", first.ID}, "an answer")
	if err != nil {
		t.Fatal(err)
	}
	if m, _ := r.Message(thread.ID); m.Thread != first.ID {
		t.Errorf("thread: %+v", m)
	}
}

func TestEditsKeepWhatWasThere(t *testing.T) {
	ctx := context.Background()
	r := room(t)
	bot := r.Poster("bot:slipway")
	ref, err := bot.Post(ctx, "c", Place{Channel: "releases"}, aCard("v0"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= MaxHistory+2; i++ {
		for range 2 { // the second changes nothing
			if err := bot.Edit(ctx, ref, aCard(fmt.Sprint("v", i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	m, err := r.Message(ref.ID)
	if err != nil || m.Card.Status != fmt.Sprint("v", MaxHistory+2) || m.Edits != MaxHistory+2 {
		t.Fatalf("%+v, %v", m, err)
	}
	h, err := r.History(ref.ID)
	if err != nil || len(h) != MaxHistory || h[0].Card.Status != "v2" || h[MaxHistory-1].Card.Status != fmt.Sprint("v", MaxHistory+1) {
		t.Errorf("%d versions, %v", len(h), err)
	}
	for _, bad := range []Ref{{"releases", "1"}, {"elsewhere", ref.ID}, {"releases", "0" + ref.ID}, {"releases", ""}} {
		if err := bot.Edit(ctx, bad, aCard("x")); !errs.Is(err, errs.Gone) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestLookAlikeIsNotRead(t *testing.T) {
	ctx := context.Background()
	r := room(t)
	bot := r.Poster("bot:slipway")
	c := aCard("gate")
	fake := post(t, r, Draft{Channel: "releases", Author: "unix:666", Card: &c})
	if _, err := r.React("unix:1", fake.ID, "✅"); err != nil {
		t.Fatal(err)
	}
	if got, err := bot.Reactions(ctx, Ref{"releases", fake.ID}); !errs.Is(err, errs.Gone) || got != nil {
		t.Errorf("reactions on a look-alike: %v, %v", got, err)
	}
}

func TestReactions(t *testing.T) {
	ctx := context.Background()
	r := room(t)
	bot := r.Poster("bot:slipway")
	ref, err := bot.Post(ctx, "g", Place{Channel: "releases"}, aCard("gate"))
	if err != nil {
		t.Fatal(err)
	}
	do := func(f func(a, m, e string) (uint64, error), account, emoji string) uint64 {
		t.Helper()
		seq, err := f(account, ref.ID, emoji)
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	first := do(r.React, "unix:1", "👍🏽")
	if again := do(r.React, "unix:1", "👍"); again != first {
		t.Errorf("another skin tone is another reaction: %d, %d", first, again)
	}
	do(r.React, "unix:10", "✅")
	do(r.React, "unix:1", ":white_check_mark:")
	off := do(r.Unreact, "unix:1", "👍🏿")
	if again := do(r.Unreact, "unix:1", "👍"); again != off || off <= first {
		t.Errorf("taking away twice: %d, %d", off, again)
	}
	if never := do(r.Unreact, "unix:2", "✅"); never != 0 {
		t.Errorf("taking away what never was: %d", never)
	}
	got, err := bot.Reactions(ctx, ref)
	var words []string
	for _, re := range got {
		words = append(words, re.Account+re.Emoji)
	}
	if d := cmp.Diff([]string{"unix:10✅", "unix:1✅"}, words); d != "" || err != nil {
		t.Errorf("%s %v", d, err)
	}
	if back := do(r.React, "unix:1", "👍"); back <= off {
		t.Errorf("set again: %d after %d", back, off)
	}
}

func TestNormalEmoji(t *testing.T) {
	for in, want := range map[string]string{
		"✅": "✅", "✔️": "✔", "✔︎": "✔", "👍🏿": "👍", ":+1::skin-tone-4:": "👍", "+1": "👍", ":X:": "❌", "❤️‍🔥": "❤‍🔥", "👩🏽‍🚀": "👩‍🚀",
		"": "!", "ok": "!", "🏽": "!", "\u200d": "!", "✅\n": "!", "a✅": "!", "<b>": "!", ":unknown:": "!", "é": "!", strings.Repeat("✅", 13): "!",
	} {
		got, err := NormalEmoji(in)
		if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestRefusedDrafts(t *testing.T) {
	r := room(t)
	for want, d := range map[string]Draft{
		"is not the name of a channel": {Channel: "Release Room", Author: "a", Text: "x"},
		"needs an author":              {Channel: "c", Text: "x"},
		"is a text or a card":          {Channel: "c", Author: "a"},
		"16000 is the limit":           {Channel: "c", Author: "a", Text: strings.Repeat("x", MaxText+1)},
		"not valid UTF-8":              {Channel: "c", Author: "a", Text: "\xff"},
		"needs a key and a title":      {Channel: "c", Author: "a", Card: &card.Card{}},
		"1024 is the limit":            {Channel: "c", Author: "a", Text: "x", Key: strings.Repeat("k", 1025)},
	} {
		if _, _, err := r.Post(d); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if seq, err := r.Last(); seq != 0 || err != nil {
		t.Errorf("a refused draft left change %d, %v", seq, err)
	}
}

func TestWatchMissesNothing(t *testing.T) {
	r := room(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m := post(t, r, Draft{Channel: "releases", Author: "unix:1", Text: "before"})
	seen := r.Watch(ctx, 0)
	if c := <-seen; c.Kind != Posted || c.ID != m.ID || c.Message.Text != "before" {
		t.Errorf("%+v", c)
	}
	go func() {
		for range 60 {
			_, _ = r.React("unix:1", m.ID, "✅")
			_, _ = r.Unreact("unix:1", m.ID, "✅")
		}
	}()
	for i := range 120 {
		if c := <-seen; c.Seq != uint64(i+2) || (c.Kind == Reacted) != (i%2 == 0) {
			t.Fatalf("change %d: %+v", i, c)
		}
	}
	cancel()
	for range seen {
		t.Error("a change after the end")
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "room.db")
	r := openRoom(t, path)
	if _, err := Open(path, stopped); !errs.Is(err, errs.Busy) {
		t.Errorf("twice: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Message("1"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("closed: %v", err)
	}
	junk := filepath.Join(dir, "junk")
	if err := os.WriteFile(junk, []byte(strings.Repeat("not a database ", 2000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(junk, stopped); !errs.Is(err, errs.Corrupt) {
		t.Errorf("junk: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "no", "room.db"), stopped); !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
		t.Errorf("no folder: %v", err)
	}
}

// After a commit that failed nobody can tell what is on disk: the room must not go on as if.
func TestAFailedCommitEndsTheRoom(t *testing.T) {
	r := room(t)
	m := post(t, r, Draft{Channel: "lava", Author: "unix:1", Text: "hello"})
	if _, err := r.React("unix:1", "no such message", "👍"); err == nil || len(r.Fatal()) != 0 {
		t.Fatalf("a refusal: %v", err)
	}
	path, good := r.db.Path(), r.db
	if err := good.Close(); err != nil {
		t.Fatal(err)
	}
	broken, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true}) // every commit fails
	if err != nil {
		t.Fatal(err)
	}
	r.db = broken
	if _, err := r.React("unix:1", m.ID, "👍"); !errs.Is(err, errs.Doubtful) {
		t.Fatalf("a failed commit: %v", err)
	}
	if err := broken.Close(); err != nil {
		t.Fatal(err)
	}
	if r.db, err = bbolt.Open(path, 0o600, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.React("unix:1", m.ID, "👍"); !errs.Is(err, errs.Doubtful) {
		t.Fatalf("the room goes on after it: %v", err)
	}
	if len(r.Fatal()) != 1 {
		t.Fatal("nobody is told that the process must end")
	}
	if got, err := r.Message(m.ID); err != nil || len(got.Reactions) != 0 {
		t.Fatalf("it cannot be read: %+v %v", got, err)
	}
}
