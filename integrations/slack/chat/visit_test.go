package chat

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	fake "slipway/test/fakes/slack"
)

// past reads everything in the yard's channel, and in others.
func (y *yard) past(others ...string) *Past {
	return NewPast(PastOptions{Client: y.client, Places: func() []string { return append([]string{y.room().Place}, others...) }})
}

// texts are the words that a reading tells; it may end with an error.
func (y *yard) texts(read func(func(Written) error) error) (out []string, err error) {
	err = read(func(w Written) error {
		_, text, _ := strings.Cut(string(w.Body), `"text":"`)
		text, _, _ = strings.Cut(text, `"`)
		out = append(out, text)
		return nil
	})
	return out, err
}

// asked are the channels or threads that a method was asked for, from a line of the log of requests on.
func (y *yard) asked(from int, method, arg string) (out []string) {
	for _, r := range y.fake.Requests()[from:] {
		if r.Method == method {
			out = append(out, r.Args[arg])
		}
	}
	return out
}

// What was read after an absence is not read again because something else could not be.
func TestWhatWasReadIsLeftAlone(t *testing.T) {
	y := newYard(t)
	from := y.Now()
	shut := y.fake.AddChannel(fake.Channel{Name: "shut", Members: []string{y.hana.ID, y.fake.App().User}}).ID
	y.fake.Say(y.hana.ID, y.channel, "one", "")
	y.fake.Say(y.hana.ID, shut, "two", "")
	y.fake.Fault(fake.Fault{Method: "conversations.history", Channel: shut, Do: fake.Refuse, Error: "access_denied", Times: -1})
	p := y.past("T0HARBOUR/" + shut)
	since := func(deliver func(Written) error) error { return p.Since(y.Context(), from, deliver) }
	got, err := y.texts(since)
	y.want(errs.Unavailable, err)
	if !slices.Equal(got, []string{"one"}) {
		t.Errorf("got %q", got)
	}
	at := len(y.fake.Requests())
	if got, err := y.texts(since); err == nil || len(got) != 0 {
		t.Errorf("got %q, %v", got, err)
	}
	if got := y.asked(at, "conversations.history", "channel"); !slices.Equal(got, []string{shut}) {
		t.Errorf("read are %v", got)
	}
	// What is missed later is another absence.
	y.later(time.Hour)
	y.fake.Say(y.hana.ID, y.channel, "three", "")
	if got, err := y.texts(func(deliver func(Written) error) error {
		return p.Since(y.Context(), y.Now().Add(-time.Minute), deliver)
	}); err == nil || !slices.Equal(got, []string{"three"}) {
		t.Errorf("got %q, %v", got, err)
	}
	y.fake.ClearFaults()
	got, err = y.texts(since)
	y.ok(err)
	if !slices.Equal(got, []string{"two"}) {
		t.Errorf("got %q", got)
	}
}

// Nobody is told what nobody may remember to have heard.
func TestThePastHasAnEnd(t *testing.T) {
	y := newYard(t)
	from := y.Now()
	y.fake.Say(y.hana.ID, y.channel, "long ago", "")
	y.later(backMost + time.Hour)
	y.fake.Say(y.hana.ID, y.channel, "now", "")
	if got := heard(t, y.past(), from); !slices.Equal(got, []string{y.hana.ID + " now"}) {
		t.Errorf("got %q", got)
	}
}

// In a channel with more messages than are gone through at once the threads are read all the same, and what
// is not reached the first time is reached the next.
func TestABusyPast(t *testing.T) {
	y := newYard(t)
	begin := y.Now()
	const most = 3
	past := func() *Past {
		p := y.past()
		p.most = most
		return p
	}
	y.fake.Say(y.hana.ID, y.channel, "the first", "")
	for i := range onePage*most + 300 {
		y.fake.Say(y.grace.ID, y.channel, fmt.Sprint("talk ", i), "")
	}
	top := y.fake.Say(y.grace.ID, y.channel, "a thread", "")
	y.later(time.Hour)
	from := y.Now()
	y.fake.Say(y.hana.ID, y.channel, "late", top)

	if got := heard(t, past(), from); !slices.Equal(got, []string{y.hana.ID + " late"}) {
		t.Errorf("of what is newer than an absence got %d: %.100q", len(got), got)
	}
	p := past()
	read := func(deliver func(Written) error) error { return p.SinceIn(y.Context(), y.room().Place, begin, deliver) }
	got, err := y.texts(read)
	y.want(errs.Unavailable, err, "read the next times")
	if len(got) != onePage*most+1 || got[len(got)-1] != "late" {
		t.Errorf("at first got %d, last %q", len(got), got[len(got)-1])
	}
	for i := range onePage + 50 { // meanwhile
		y.fake.Say(y.grace.ID, y.channel, fmt.Sprint("more ", i), "")
	}
	at := len(y.fake.Requests())
	rest, err := y.texts(read)
	y.ok(err)
	if len(rest) != 302+onePage+50 || rest[0] != "the first" {
		t.Errorf("then got %d: %.100q", len(rest), rest)
	}
	if n := len(y.asked(at, "conversations.history", "channel")); n > 4 {
		t.Errorf("%d pages were read for it", n)
	}
}

// A channel with more threads than there is time for is read to its end: the newest first, none twice, and
// those for which there was no time before come before all others.
func TestManyThreads(t *testing.T) {
	y := newYard(t)
	from := y.Now()
	const most, all = 10, 35
	var tops []string
	for range all {
		tops = append(tops, y.fake.Say(y.grace.ID, y.channel, "a thread", ""))
	}
	for i, top := range tops {
		y.later(time.Second)
		y.fake.Say(y.hana.ID, y.channel, fmt.Sprint("reply ", i), top)
	}
	p := y.past()
	// round reads as many threads as there is time for.
	round := func() (threads, replies []string, err error) {
		y.fake.ClearFaults()
		y.fake.Fault(fake.Fault{Method: "conversations.replies", Do: fake.Refuse, Error: "internal_error", Skip: most, Times: -1})
		at := len(y.fake.Requests())
		got, err := y.texts(func(deliver func(Written) error) error { return p.SinceIn(y.Context(), y.room().Place, from, deliver) })
		threads = y.asked(at, "conversations.replies", "ts")
		return threads[:min(most, len(threads))], slices.DeleteFunc(got, func(s string) bool { return s == "a thread" }), err
	}
	seen := map[string]int{}
	for n := 0; ; n++ {
		threads, replies, err := round()
		for _, ts := range threads {
			seen[ts]++
		}
		if n == 0 && (len(replies) != most || replies[most-1] != fmt.Sprint("reply ", all-1)) {
			t.Errorf("at first got %q", replies)
		}
		if n == 0 { // somebody goes on in one that was read
			y.later(time.Second)
			y.fake.Say(y.hana.ID, y.channel, "again", tops[all-1])
		}
		if n == 1 && slices.Contains(replies, "again") {
			t.Error("a thread came before those that had waited")
		}
		if err == nil {
			break
		}
		if n == 4 {
			t.Fatalf("the channel is never read to its end: %d of %d threads", len(seen), all)
		}
	}
	for i, top := range tops {
		want := 1
		if i == all-1 {
			want = 2
		}
		if seen[top] != want {
			t.Errorf("thread %d was read %d times", i, seen[top])
		}
	}
	y.later(time.Second)
	y.fake.Say(y.hana.ID, y.channel, "last", tops[3])
	threads, replies, err := round()
	y.ok(err)
	if !slices.Equal(threads, tops[3:4]) || !slices.Equal(replies, []string{"last"}) {
		t.Errorf("read are %v, %q", threads, replies)
	}
}
