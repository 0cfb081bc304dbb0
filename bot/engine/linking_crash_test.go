package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
)

// A link is whole or not there, wherever the process dies, and it is told once.
func TestCrashAtEveryPointOfALink(t *testing.T) {
	ctx := context.Background()
	seen := map[string]bool{}
	for n := 1; ; n++ {
		w := linkedWorld(t)
		story := func() {
			step := func(who, key string, f func(engine.Spoken, engine.Once) error) {
				s, once := w.alone(account(who), key)
				if err := f(s, once); err != nil && !errs.Is(err, errs.Exists) { // Exists: it was done before
					t.Fatalf("%s: %v", key, err)
				}
				w.drain()
			}
			step("maintainer-a", "ask", func(s engine.Spoken, o engine.Once) error { return w.e.LinkBegin(ctx, s, s.Person, "chat", o) })
			told := w.posted("@maintainer-a", "The code is ")
			code := strings.Fields(told[len(told)-1].c.Title)[3][:9]
			step("phone", "type", func(s engine.Spoken, o engine.Once) error { return w.e.LinkTyped(ctx, s, code, o) })
			step("phone", "yes", func(s engine.Spoken, o engine.Once) error { return w.e.LinkConfirm(ctx, s, code, o) })
			step("maintainer-a", "yes too", func(s engine.Spoken, o engine.Once) error { return w.e.LinkConfirm(ctx, s, code, o) })
		}
		at := w.crashing(n, story)
		seen[at] = true
		w.open()
		story()
		if p, _ := w.e.World().Directory.ByAccount(account("phone")); p.ID != "maintainer-a" {
			t.Fatalf("after a crash at %s (hit %d) the account is that of %q", at, n, p.ID)
		}
		for place, title := range map[string]string{"lava": "is an account of maintainer-a now", "@maintainer-a": "asks to be linked", "@phone": "Link the account"} {
			if n := len(w.posted(place, title)); n != 1 {
				t.Errorf("after a crash at %s, %q was said %d times in %s", at, title, n, place)
			}
		}
		w.wantSound()
		if at == "" {
			break
		}
	}
	for _, want := range []string{"link/before-commit", "people/before-commit", "people/after-commit"} {
		if !seen[want] {
			t.Errorf("the sweep did not hit %s", want)
		}
	}
}

// coded is a chat in which everything that is said is a code.
type coded struct{ w *world }

func (coded) Parse(text string, _ engine.Spoken) []engine.Asked {
	return []engine.Asked{{Other: text, Stranger: true}}
}

func (c coded) Answer(ctx context.Context, s engine.Spoken, other any, once engine.Once) (string, error) {
	err := c.w.e.LinkTyped(ctx, s, other.(string), once)
	c.w.clock.pass(time.Second) // what is answered later is another answer
	return "", err
}

// A refusal that changed something is answered once, wherever the process dies: also to a stranger where
// others read, who is answered once a day.
func TestCrashAtEveryPointOfARefusedCode(t *testing.T) {
	for place, want := range map[string]string{"@eve": "there is no such code", "lava": "a code is never said where others read"} {
		for n := 1; ; n++ {
			w := linkedWorld(t)
			code := w.code("maintainer-a")
			if place != "lava" {
				code = "AAAA-AAAA"
			}
			before := w.cfg
			w.cfg = func(c *engine.Config) { before(c); c.Parser, c.Answers = coded{w}, coded{w} }
			story := func() {
				if err := w.deliver(wire{Who: "eve", Place: place, Message: "m1", Text: code, Direct: place != "lava"}, "m1"); err != nil {
					t.Fatal(err)
				}
				w.drain()
			}
			at := w.crashing(n, story)
			w.open()
			story()
			if said := w.posted(place, want); len(said) != 1 {
				t.Errorf("after a crash at %s (hit %d) %q was said %d times in %s", at, n, want, len(said), place)
			}
			w.wantSound()
			if at == "" {
				if n < 6 {
					t.Errorf("the sweep of %s had %d points", place, n-1)
				}
				break
			}
		}
	}
}

func TestFsckFindsLinksThatDoNotFit(t *testing.T) {
	ctx := context.Background()
	links := func(w *world, space string) (out []engine.Key) {
		for k := range w.store.Records() {
			if k.Space == space {
				out = append(out, k)
			}
		}
		return out
	}
	for what, c := range map[string]struct {
		damage func(w *world) *engine.Batch
		want   string
	}{
		"a link is gone": {func(w *world) *engine.Batch { return &engine.Batch{Deletes: links(w, "links")} }, "there is no link"},
		"a link that nobody made": {func(w *world) *engine.Batch {
			return &engine.Batch{Puts: []engine.Record{{Key: engine.Key{Space: "links", ID: "chat\x1fU-eve"}, Value: []byte(`{"person":"maintainer-b","account":{"source":"chat","id":"U-eve"},"at":"2026-03-01T09:00:00Z"}`)}}}
		}, "the log does not tell that chat:U-eve was linked to maintainer-b"},
		"a link in another's place": {func(w *world) *engine.Batch {
			return &engine.Batch{Puts: []engine.Record{{Key: links(w, "links")[0], Value: []byte(`{"person":"maintainer-b","account":{"source":"chat","id":"U-eve"}}`)}}}
		}, "says something else than where it stands"},
		"a code": {func(w *world) *engine.Batch {
			return &engine.Batch{Puts: []engine.Record{{Key: engine.Key{Space: "linkcodes", ID: "code\x1fx"}, Value: []byte(`{}`)}}}
		}, "a code for linking does not read back"},
	} {
		w := linkedWorld(t)
		w.linked("maintainer-a", account("phone"))
		w.wantSound()
		if err := w.store.Commit(ctx, c.damage(w)); err != nil {
			t.Fatal(err)
		}
		found := ""
		if err := w.e.FsckFull(ctx, func(p string) { found += p }); err != nil || !strings.Contains(found, c.want) {
			t.Errorf("%s: fsck says %q %v", what, found, err)
		}
	}
}
