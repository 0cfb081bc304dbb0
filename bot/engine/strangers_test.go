package engine_test

import (
	"testing"
	"time"
)

// In a public project everybody may write to the bot. Whoever is no person of the configuration is told
// so in the thread of the first message of a day, and nothing more that day.
func TestAStrangerIsAnsweredOnceADay(t *testing.T) {
	w := newWorld(t)
	w.open()
	answers := func() (threads []string) {
		for _, p := range w.room.titled("I do not know whose account this is") {
			threads = append(threads, p.ref.Thread)
		}
		return threads
	}
	want := func(when string, n int) []string {
		t.Helper()
		got := answers()
		if len(got) != n {
			t.Fatalf("%s: %d answers, want %d", when, len(got), n)
		}
		return got
	}
	w.say("mallory", "release 2019.01")
	if got := want("the first time", 1); got[0] != "s1" {
		t.Errorf("answered in the thread %q", got[0])
	}
	for range 5 {
		w.say("mallory", "release 2019.01")
		w.say("mallory", "relaese 2019.01")
		w.say("mallory", "abort 2019.01\nhold 2019.01")
	}
	want("whatever is said that day", 1)
	if len(w.room.titled("Did you mean")) != 0 {
		t.Error("a mistake of a stranger is answered")
	}
	w.open() // it is remembered
	w.say("mallory", "release 2019.01")
	want("after a restart", 1)
	w.say("eve", "release 2019.01")
	want("another account", 2)
	w.pass(24 * time.Hour)
	w.say("mallory", "release 2019.01")
	want("the next day", 3)
	if err := w.deliver(wire{Who: "mallory", Place: "lava", Message: "d1", Text: "release 2019.01", Direct: true}, "d1"); err != nil {
		t.Fatal(err)
	}
	w.drain()
	want("alone with the bot", 4)
	w.say("requester", "release 2019.01")
	w.say("requester", "relaese 2019.01")
	if len(w.room.titled("Did you mean")) != 1 || w.run("2019.01").ID == "" {
		t.Error("a person is not heard")
	}
}
