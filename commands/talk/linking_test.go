package talk_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"slipway/bot/engine"
)

// A conversation in which accounts are linked, as people read it.
func TestLinkingGolden(t *testing.T) {
	codes := byte(0)
	w := newWorldWith(t, func(c *engine.Config) {
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
	ask("phone", "link")
	ask("grace", "link")
	alone("grace", "link gitlab")
	alone("grace", "link chat")
	alone("phone", "link BBBB-BBBC")
	ask("phone", "link BBBB-BBBB")
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
