package notes

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slipway/bot/card"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, d)
	}
}

func speaking() Voice {
	return Voice{Address: "@slipway-bot", Mentions: map[string]string{"maria": "maria_s", "chen": "chen"}}
}

func live() card.Card {
	return card.Card{
		Key: "card-1", Title: "release/lava/2019.01", State: card.Waiting, Status: "9 of 14 steps, asked for by edsger", Mentions: []string{"maria", "alan"},
		Blocks: []card.Block{
			{Steps: []card.Step{
				{Name: "ready", State: card.Done}, {Name: "changelog", State: card.Done, Detail: "14 changes since 2018.11"}, {Name: "payload", State: card.Adopted},
				{Name: "go", State: card.Waiting, Detail: "1 of 2: requester does not count (\"not requester\")"},
				{Name: "milestone", State: card.Waiting, Detail: "!12 Fix the berth (ada) and #7 Docs are open\nuntil both are closed"},
				{Name: "images", State: card.Skipped, Detail: "no image changed"}, {Name: "upload", State: card.Doubtful}, {Name: "build[armhf]", State: card.Failed, Detail: "exit status 2"},
				{Name: "tag", State: card.Stale}, {Name: "sign", State: card.Pending},
			}},
			{Heading: "Waits for", Awaited: []card.Awaited{{Who: "maria or alan", What: "approve the gate go"}}},
			{Fields: []card.Field{{Name: "Commit", Value: "4c6d2f10a3b5"}, {Name: "Requested by", Value: "edsger"}, {Name: "名前", Value: "全角の名前"}}},
			{Links: []card.Link{{Text: "The page of this run", URL: "https://slipway.example.org/runs/release/lava/2019.01?with=a&b=(c)_d_*e*"}}},
		},
	}
}

func gateMessage() card.GateMessage {
	return card.GateMessage{
		Key: "gate-1", RunName: "release/lava/2019.01", Gate: "go", State: card.Waiting,
		Manifest: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Rule: "2 of maintainer, not requester",
		Bound:   []card.Field{{Name: "commit", Value: "4c6d2f1e"}, {Name: "tag payload", Value: "sha256:2c26b46b"}, {Name: "notes", Value: "Faster boot.\n\n* one\n* two @all"}},
		Expires: time.Date(2019, 1, 31, 15, 0, 0, 0, time.UTC),
		Verdict: []string{"✓ grace", "✗ edsger: requester does not count", "one more of alan, barbara"},
	}
}

// nasty is a card into which outsiders wrote what they could.
func nasty() card.Card {
	return card.Card{Key: "k", Title: "/close @all #1", State: card.Stuck, Status: "!7 ~bug %1 &2 $3 <img src=x onerror=alert(1)>", Mentions: []string{"maria", "@all", "x](https://evil.example)"},
		Blocks: []card.Block{
			{Heading: "**/merge**", Text: "/approve\n\n/close\n    @root in code?\n```\n@root\n```\n<!-- slipway card-1 seal=00000000000000000000000000000000 -->\n---\n| a | b |\n|---|---|\n| @x | #1 |"},
			{Fields: []card.Field{{Name: "[evil](https://evil.example)", Value: "![](https://evil.example/a.png)\n/close\n> quoted"}, {Name: "", Value: "1. @root"}, {Name: "@root", Value: ""}}},
			{Steps: []card.Step{{Name: "`code` @root", State: card.Failed, Detail: "see https://evil.example or www.evil.example, mail root@evil.example"}}},
			{Awaited: []card.Awaited{{Who: "<b>@root</b>", What: "</details>\n/label ~x"}}},
			{Links: []card.Link{{Text: "](https://evil.example)", URL: "https://good.example/a>)(b`@root\\\n<x"}, {Text: "script", URL: "javascript:alert(1)"}, {Text: "spaces", URL: "https://good.example/a b<c>"},
				{Text: "a user", URL: "https://good.example@evil.example/"}}},
			{Buttons: []card.Button{{ID: "approve/x", Text: "Approve` @root", Command: "approve ``x`` \n/close --reason \"@root\""}}},
		}}
}

func TestMarkdown(t *testing.T) {
	closed := gateMessage()
	closed.State, closed.Closed = card.Done, "approved by grace and alan"
	told := card.Broadcast{Key: "b", Title: "LAVA 2019.01 is out", Text: "Faster boot.\n\nInstall it with apt.", Links: []card.Link{{Text: "Notes", URL: "https://lava.example.org/2019.01"}}}
	answer := card.Card{Key: "r", Title: "I can't do that: release 2019.1 has a one-digit month; write 2019.01", Mentions: []string{"maria"},
		Blocks: []card.Block{{Text: "Steps:\n  ready   done\n  go      waits for alan"}}}
	again := speaking()
	again.Note = Restored
	for name, got := range map[string]string{
		"live":        Markdown(live(), speaking()),
		"gate-open":   Markdown(gateMessage().Card(), speaking()),
		"gate-closed": Markdown(closed.Card(), speaking()),
		"restored":    Markdown(gateMessage().Card(), again),
		"broadcast":   Markdown(told.Card(), speaking()),
		"answer":      Markdown(answer, speaking()),
		"nasty":       Markdown(nasty(), speaking()),
	} {
		golden(t, name+".md", strings.ReplaceAll(got, joiner, "⁀")+"\n") // the joiner is made visible
	}
}

var (
	codeSpan = regexp.MustCompile("(?:^|[^\\\\`])((`+)[^`].*?)$")
	mention  = regexp.MustCompile(`@(?:maria_s|chen)\b`)
	ownLink  = regexp.MustCompile(`\]\(<https?://[^<>\s]*>\)`)
	ownStart = regexp.MustCompile(`^(?:#### |[-*] |  |\*\*|For |\x{a0}+)*`)
)

// tame checks the text of a whole message: apart from our own markup each line is harmless.
func tame(t *testing.T, text string) {
	t.Helper()
	for i, l := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimLeft(l, " \t"), "/") {
			t.Fatalf("line %d is a quick action: %q", i+1, l)
		}
		if strings.HasPrefix(l, "    ") || strings.HasPrefix(l, "\t") || strings.ContainsAny(l, "\r\v\f") {
			t.Fatalf("line %d is indented or broken: %q", i+1, l)
		}
		rest := ownStart.ReplaceAllString(l, "")
		if n := len(rest) - len(strings.TrimRight(rest, "\\")); n%2 == 1 { // a hard line break
			rest = rest[:len(rest)-1]
		}
		for { // code spans, in which nothing acts
			m := codeSpan.FindStringSubmatchIndex(rest)
			if m == nil {
				break
			}
			fence := rest[m[4]:m[5]]
			end := closing(rest[m[5]:], fence)
			if end < 0 {
				t.Fatalf("line %d has code without an end: %q", i+1, l)
			}
			rest = rest[:m[2]] + "C" + rest[m[5]+end+len(fence):]
		}
		rest = ownLink.ReplaceAllString(rest, "\\]")
		rest = regexp.MustCompile(`^\[`).ReplaceAllString(rest, "\\["+joiner)
		rest = strings.ReplaceAll(rest, "**", "")
		rest = mention.ReplaceAllString(rest, "M")
		seen := []rune(rest)
		var plain strings.Builder
		for j := 0; j < len(seen); j++ {
			if seen[j] == '\\' {
				if j++; j == len(seen) {
					t.Fatalf("line %d ends in a backslash: %q", i+1, l)
				}
			} else if strings.ContainsRune("`*_{}[]<>#!@&|~$%^", seen[j]) {
				t.Fatalf("line %d: %q stands free in %q", i+1, seen[j], l)
			}
			plain.WriteRune(seen[j])
		}
		if m := reaches.FindString(plain.String()); m != "" && !strings.HasPrefix(m, "!") {
			t.Fatalf("line %d: %q reaches further in %q", i+1, m, l)
		}
	}
}

// closing finds a run of exactly these backticks.
func closing(s, fence string) int {
	for i := 0; i < len(s); {
		if s[i] != '`' {
			i++
			continue
		}
		n := len(s[i:]) - len(strings.TrimLeft(s[i:], "`"))
		if n == len(fence) {
			return i
		}
		i += n
	}
	return -1
}

func TestHostileTextInCardsStaysText(t *testing.T) {
	tame(t, Markdown(live(), speaking()))
	tame(t, Markdown(nasty(), speaking()))
	for _, s := range hostile() {
		tame(t, Markdown(everywhere(s), speaking()))
	}
}

// everywhere is a card that says s wherever a card says anything.
func everywhere(s string) card.Card {
	return card.Card{Key: "k", Title: s, Status: s, State: card.Waiting, Mentions: []string{s, "maria"}, Blocks: []card.Block{
		{Heading: s, Text: s + "\n" + s + "\n\n" + s}, {Fields: []card.Field{{Name: s, Value: s}}}, {Steps: []card.Step{{Name: s, State: card.Stale, Detail: s}}},
		{Awaited: []card.Awaited{{Who: s, What: s}}}, {Links: []card.Link{{Text: s, URL: "https://good.example/" + s}, {Text: s, URL: s}}},
		{Buttons: []card.Button{{ID: "approve/" + s, Text: s, Command: s}}}}}
}

func FuzzMarkdown(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 2000 {
			return
		}
		text := Markdown(everywhere(s), speaking())
		tame(t, text)
		body := marker{key: "k"}.sealed(sealSecret, room, text)
		if m, whole := unseal(sealSecret, room, 1, body); !whole || m.key != "k" {
			t.Fatalf("%q is not found again", s)
		}
	})
}

func TestTheLargestCardFits(t *testing.T) {
	c := card.Card{Key: "k", Title: strings.Repeat("[", card.MaxTitle)}
	for range 12 {
		c.Blocks = append(c.Blocks, card.Block{Text: strings.Repeat("@[", card.MaxText/2)})
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	text := Markdown(c, speaking())
	if len(text) > maxText || strings.Contains(text, "too long") || strings.Count(text, "@") != 12*card.MaxText/2 {
		t.Errorf("%d bytes", len(text))
	}
	for range 60 {
		c.Blocks = append(c.Blocks, card.Block{Text: strings.Repeat("@[", card.MaxText/2)})
	}
	if text = Markdown(c, speaking()); len(text) > maxText+100 || !strings.HasSuffix(text, "too long for a comment.") {
		t.Errorf("%d bytes of a card without bounds", len(text))
	}
}

func TestNobodyIsMentionedByAnyOtherName(t *testing.T) {
	v := Voice{Mentions: map[string]string{"a": "all", "b": "x y", "c": "", "d": "root\n/close", "e": "../x", "f": "ok"}}
	got := whom([]string{"a", "b", "c", "d", "e", "f", "g"}, v)
	if got != "a, b, c, d, e, @ok, g" {
		t.Errorf("got %s", got)
	}
}
