package talk_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/people"
)

// called is what the chat says of accounts: their names.
type called map[string]string

func (c called) Standing(_ context.Context, a people.Account) (engine.Stands, error) {
	return engine.Stands{Counts: true, Shown: c[a.ID]}, nil
}

// A conversation in which accounts are linked, as people read it.
func TestLinkingGolden(t *testing.T) {
	codes := byte(0)
	w := newWorldWith(t, func(c *engine.Config) {
		c.Standings = map[string]engine.Standing{"chat": called{"U-phone": "Grace on the road, @gracephone"}}
		c.Linking = engine.Linking{Sources: []string{"chat"}, Random: func() []byte { codes++; return bytes.Repeat([]byte{codes}, 64) }}
	})
	var b strings.Builder
	ask := func(who, text string) {
		got := w.say(who, text)
		if got == "" { // it speaks to the person, whose account it is by now
			got = w.room.posts[len(w.room.posts)-1].Title + "\n" + w.room.posts[len(w.room.posts)-1].Blocks[0].Text
		}
		fmt.Fprintf(&b, "%s> %s\n%s\n\n", who, text, got)
	}
	alone := func(who, text string) {
		fmt.Fprintf(&b, "%s, alone> %s\n%s\n\n", who, text, w.tell(wire{Who: who, Text: text, Direct: true}))
	}
	ask("phone", "whoami")
	ask("tablet", "link")
	ask("grace", "link")
	alone("grace", "link gitlab")
	alone("grace", "link chat")
	alone("phone", "link BBBB-BBBC")
	ask("laptop", "link BBBB-BBBB")
	alone("phone", "link BBBB-BBBB")
	alone("grace", "link")
	alone("phone", "link confirm CCCC-CCCC")
	alone("phone", "link cccccccc")
	alone("alan", "link confirm CCCC-CCCC")
	alone("phone", "link confirm CCCC-CCCC")
	alone("grace", "link confirm CCCC-CCCC")
	ask("phone", "whoami")
	ask("alan", "link list grace")
	ask("alan", "people")
	ask("alan", "link list --log")
	ask("alan", "unlink chat:U-phone")
	ask("grace", "unlink chat:U-grace")
	ask("root", "unlink chat:U-phone")
	ask("grace", "link list")
	ask("root", "link list --log")
	ask("root", "link list nobody")
	alone("grace", "link chat ada")
	golden(t, "linking.txt", b.String())
}

// Where nobody can be alone with the bot, accounts are the operator's.
func TestNobodyLinksWhereItIsNotSetUp(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{"link", "link chat", "link BBBB-BBBB", "link confirm BBBB-BBBB"} {
		for _, who := range []string{"grace", "stranger"} {
			got := w.tell(wire{Who: who, Text: text, Direct: true})
			if strings.Contains(got, "The code is") || got == "" {
				t.Errorf("%s says %s: %s", who, text, got)
			}
		}
	}
}

// Attack: strangers make the bot write as much as they like, by what anybody may say. Where others read they
// are answered once a day, and a code that is said there is void all the same.
func TestStrangersWhoSayCodesAreAnsweredOnceADay(t *testing.T) {
	codes := byte(0)
	w := newWorldWith(t, func(c *engine.Config) {
		c.Linking = engine.Linking{Sources: []string{"chat"}, Random: func() []byte { codes++; return bytes.Repeat([]byte{codes}, 64) }}
	})
	w.tell(wire{Who: "grace", Text: "link chat", Direct: true})
	has(t, w.say("phone", "link AAAA-AAAA"), "a code is never said where others read")
	for _, text := range []string{"link AAAA-AAAB", "link", "link chat", "link confirm AAAA-AAAA", "link x y z", "whoami"} {
		if got := w.say("phone", text); got != "" {
			t.Errorf("%s is answered: %s", text, got)
		}
	}
	if got := w.say("phone", "link BBBB-BBBB"); !strings.HasPrefix(got, "Your code for linking is void: it was said where others read") || strings.Contains(got, "I can't") {
		t.Errorf("grace alone should be told, and nobody else: %s", got)
	}
	has(t, w.tell(wire{Who: "phone", Text: "link BBBB-BBBB", Direct: true}), "there is no such code")
	has(t, w.say("mallory", "link"), "nobody knows whose account chat:U-mallory is")
	w.clock.now = w.clock.now.Add(24 * time.Hour)
	has(t, w.say("phone", "link AAAA-AAAA"), "a code is never said where others read")
}
