package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
)

// shutRoom is a chat in one place of which the bot is no member.
type shutRoom struct {
	*room
	shut string
	away *error // what a post in another place comes to
}

func (r shutRoom) Post(ctx context.Context, key string, to engine.Ref, c card.Card) (engine.Ref, error) {
	if to.Place.ID == r.shut {
		return engine.Ref{}, errs.E("room", errs.Gone, fmt.Errorf("the bot is not in %s", r.shut))
	}
	if *r.away != nil {
		return engine.Ref{}, *r.away
	}
	return r.room.Post(ctx, key, to, c)
}

// openRoom is one that can also open a place alone with an account.
type openRoom struct {
	shutRoom
	opened *[]string // accounts
	fails  *error
}

func (r openRoom) Alone(_ context.Context, a people.Account) (engine.Place, error) {
	*r.opened = append(*r.opened, a.Source+":"+a.ID)
	if *r.fails != nil {
		return engine.Place{}, *r.fails
	}
	return engine.Place{Source: "chat", ID: "@@" + a.ID}, nil
}

// Where the chat can open a place alone with an account, it is opened when none of that chat is known:
// also for a stranger, who is answered once a day.
func TestAPlaceAloneIsOpenedForAnAnswer(t *testing.T) {
	w := newWorld(t)
	var away, fails error
	var opened []string
	w.cfg = func(c *engine.Config) {
		other := room{}
		c.Posters = map[string]engine.Poster{"chat": openRoom{shutRoom{w.room, "closed", &away}, &opened, &fails}, "other": &other}
		c.Direct = func(p people.PersonID) []engine.Place {
			if p == "manager" {
				return []engine.Place{{Source: "chat", ID: "@" + string(p)}}
			}
			return []engine.Place{{Source: "other", ID: "@" + string(p)}}
		}
	}
	w.open()
	in := func(who string) {
		w.msgs++
		m := fmt.Sprint("c", w.msgs)
		if err := w.deliver(wire{Who: who, Place: "closed", Message: m, Text: "relaese 1.0"}, m); err != nil {
			t.Fatal(err)
		}
		w.drain()
	}
	want := func(when, place string, n int) {
		t.Helper()
		got := w.posted(place, "")
		for _, p := range got {
			if !strings.Contains(p.c.Blocks[len(p.c.Blocks)-1].Text, "where I cannot write") {
				t.Errorf("%s: %+v", when, p)
			}
		}
		if len(got) != n {
			t.Errorf("%s: %d answers in %s, want %d", when, len(got), place, n)
		}
	}
	for _, kind := range []errs.Kind{errs.Busy, errs.Unavailable} {
		fails = errs.E("room", kind, fmt.Errorf("the chat does not open it now"))
		in("requester")
	}
	want("while it cannot be opened", "@@U-requester", 0)
	fails = nil
	w.pass(time.Hour)
	want("when it can be", "@@U-requester", 2)
	in("mallory")
	in("mallory")
	want("a stranger", "@@U-mallory", 1)
	for _, kind := range []errs.Kind{errs.Gone, errs.Denied} {
		fails = errs.E("room", kind, fmt.Errorf("nobody is there"))
		in("requester")
	}
	n := len(opened)
	fails = nil
	w.pass(time.Hour)
	in("manager")
	want("where one is known", "@manager", 1)
	want("where there is none", "@@U-requester", 2)
	if len(opened) != n || opened[n-1] != "chat:U-requester" {
		t.Errorf("opened: %q", opened)
	}
	w.wantSound()
}

// What a person says where the bot cannot write is done, and answered where the person is alone with it,
// once; of a stranger there is no such place in a chat that cannot open one.
func TestWhatIsSaidWhereTheBotCannotWriteIsAnsweredAlone(t *testing.T) {
	w := newWorld(t)
	var away error
	w.cfg = func(c *engine.Config) {
		c.Posters = map[string]engine.Poster{"chat": shutRoom{w.room, "closed", &away}}
		c.Direct = func(p people.PersonID) []engine.Place {
			return []engine.Place{{Source: "chat", ID: "@" + string(p)}, {Source: "chat", ID: "desk of " + string(p)}}
		}
	}
	w.open()
	in := func(who, place, text string) {
		w.msgs++
		m := fmt.Sprint("c", w.msgs)
		if err := w.deliver(wire{Who: who, Place: place, Message: m, Text: text, Direct: strings.HasPrefix(place, "@")}, m); err != nil {
			t.Fatal(err)
		}
		w.drain()
	}
	away = errs.E("room", errs.Unavailable, fmt.Errorf("the chat does not answer"))
	in("requester", "closed", "relaese 1.0")
	away = nil
	w.open()
	w.pass(time.Minute)
	in("requester", "closed", "hold 7.7")
	in("mallory", "closed", "hold 7.7")
	for _, place := range []string{"@requester", "desk of requester"} {
		for _, said := range []string{"Did you mean release?", "I can't do that: "} {
			told := w.posted(place, said)
			if len(told) != 1 || !strings.Contains(told[0].c.Blocks[len(told[0].c.Blocks)-1].Text, "You said that on chat, in closed, where I cannot write.") {
				t.Errorf("in %s was said: %+v", place, told)
			}
		}
	}
	if n := len(w.room.titled("")); n != 4 {
		t.Errorf("%d messages", n)
	}
	in("requester", "@requester", "relaese 1.0") // where one is alone with it, it is answered there
	if n := len(w.posted("@requester", "Did you mean")); n != 2 {
		t.Errorf("answered %d times", n)
	}
	w.wantSound()
}
