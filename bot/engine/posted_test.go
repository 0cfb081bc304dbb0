package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/run"
)

// deaf is a room in which one message is not seen, and the answer to its post is lost, while err is set.
type deaf struct {
	*room
	err   error
	title string
}

func (d *deaf) Find(ctx context.Context, key string, to engine.Ref, since time.Time) (engine.Ref, bool, error) {
	ref, found, err := d.room.Find(ctx, key, to, since)
	if d.err != nil && len(d.titled(d.title)) > 0 && key == d.titled(d.title)[0].key {
		return engine.Ref{}, false, err
	}
	return ref, found, err
}

func (d *deaf) Post(ctx context.Context, key string, to engine.Ref, c card.Card) (engine.Ref, error) {
	if d.err == nil || c.Title != d.title {
		return d.room.Post(ctx, key, to, c)
	}
	if len(d.titled(d.title)) == 0 {
		if _, err := d.room.Post(ctx, key, to, c); err != nil {
			return engine.Ref{}, err
		}
	}
	return engine.Ref{}, d.err
}

// from are the times from which on messages of a key were looked for.
func (r *room) from(key string) []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []time.Time
	for _, s := range r.looked {
		if s.key == key {
			out = append(out, s.since)
		}
	}
	return out
}

// What may have been posted is looked for from when it was intended first, however late it is tried and
// by whichever process.
func TestAMessageIsLookedForFromItsIntentOn(t *testing.T) {
	w := newWorld(t)
	w.room.down = errs.E("room", errs.Doubtful, errors.New("the line was cut"))
	w.open()
	intended := w.clock.Now()
	w.say("requester", "release 1.0")
	w.pass(2 * time.Hour)
	w.open()
	w.pass(2 * time.Hour)
	w.room.down = nil
	w.pass(2 * time.Hour)
	if n := len(w.room.titled(": gate go")); n != 1 {
		t.Fatalf("%d gate messages", n)
	}
	for _, post := range append(w.room.titled(": gate go"), w.room.titled("card of release")...) {
		looks := w.room.from(post.key)
		for _, since := range looks {
			if want := intended.Add(-5 * time.Minute); !since.Equal(want) {
				t.Errorf("%s is looked for from %s on, want %s", post.c.Title, since, want)
			}
		}
		if len(looks) == 0 {
			t.Errorf("%s was not looked for", post.c.Title)
		}
	}
}

const tellYAML = `
playbook: quick
doc: It tells.
name: "quick/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
steps:
  tell: {do: chat.broadcast@1, with: {title: "hear, hear"}}
`

// What a person has done again after a doubt may stand there of the first time.
func TestWhatIsRedoneIsLookedForFromItsFirstIntentOn(t *testing.T) {
	w := newWorld(t, tellYAML)
	mute := &deaf{room: w.room, err: errs.E("room", errs.Doubtful, errors.New("the line was cut")), title: "hear, hear"}
	w.cfg = func(c *engine.Config) { c.Posters = map[string]engine.Poster{"chat": mute} }
	w.open()
	intended := w.clock.Now()
	w.say("requester", "quick 1.0")
	for range 80 {
		w.pass(time.Hour)
	}
	w.wantStep("1.0", "tell", run.InDoubt)
	mute.err = nil
	w.say("requester", "doubt 1.0 tell redo")
	w.pass(time.Minute)
	w.wantStep("1.0", "tell", run.Done)
	told := w.room.titled("hear, hear")
	if len(told) != 1 {
		t.Fatalf("told %d times", len(told))
	}
	looks := w.room.from(told[0].key)
	if last := looks[len(looks)-1]; last.After(intended.Add(-5*time.Minute)) || last.IsZero() {
		t.Errorf("it is looked for from %s on, intended at %s", last, intended)
	}
}

// What was posted in the time that a restore lost is older than the intent that is known.
func TestAfterARestoreMessagesAreLookedForAnywhere(t *testing.T) {
	w := newWorld(t)
	var b backup
	w.point = func(name string) {
		if name == "start/after-commit" && b == nil {
			b = w.backup()
		}
	}
	w.open()
	w.say("requester", "release 1.0")
	w.pass(time.Hour)
	w.point = nil
	w.room.looked = nil
	w.restore(b)
	w.resume()
	for _, post := range append(w.room.titled(": gate go"), w.room.titled("card of release")...) {
		looks := w.room.from(post.key)
		if len(looks) == 0 {
			t.Errorf("%s is not looked for", post.c.Title)
		}
		for _, since := range looks {
			if !since.IsZero() {
				t.Errorf("%s is looked for from %s on", post.c.Title, since)
			}
		}
	}
}

// A person says that it is done again, and it had happened: it is found, and not done twice.
func TestWhatIsRedoneIsLookedForFirst(t *testing.T) {
	w := newWorld(t, effectYAML("quick", "test.lookup@1", ""))
	w.out.fail, w.out.blind = doubtful("after"), true
	w.open()
	w.say("requester", "quick 1.0")
	for range 80 {
		w.pass(time.Hour)
	}
	w.wantStep("1.0", "it", run.InDoubt)
	done := w.out.applied["test.lookup 1.0"]
	w.out.fail, w.out.blind = nil, false
	w.say("requester", "doubt 1.0 it redo")
	w.pass(5 * time.Minute)
	w.wantStep("1.0", "it", run.Done)
	w.wantApplied("test.lookup 1.0", done)
}
