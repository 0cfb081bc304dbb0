package chat

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"slipway/bot/card"
)

// anyText draws words, markup, what acts instead of being seen, and sometimes much of it.
func anyText(long int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		part := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"harbour", "2019.01", "<!channel>", "<!here|here>", "<@U0GRACE>", "<#C0|x>", "<http://evil.example|safe>", "&lt;!channel&gt;", "*bold*", "`", "```",
			"\n", "\r\n", "  ", "> ", "@everyone", ":tada:", "\u202e", "\u200b", "\x1b[2J", "\x00", "\u2028", "👩‍💻", "名前", "e\u0301", "\"\\", "\xff\xfe", "𝔊𝔬", digest, "https://x.example/a?b=1&c=<>"}))
		s := strings.Join(rapid.SliceOfN(part, 0, 6).Draw(t, "parts"), rapid.SampledFrom([]string{"", " "}).Draw(t, "between"))
		if n := rapid.IntRange(0, 9).Draw(t, "long"); n == 9 && len(s) > 0 {
			s = strings.Repeat(s, 1+long/len(s))
		}
		return s
	})
}

func anyCard(most int) *rapid.Generator[card.Card] {
	states := []card.State{"", card.Pending, card.Waiting, card.Running, card.Done, card.Adopted, card.Skipped, card.Failed, card.Stuck, card.Doubtful, card.Held, card.Stale, "<!here>"}
	list := func(t *rapid.T, what string) int {
		if rapid.IntRange(0, 2).Draw(t, what+"?") > 0 {
			return rapid.IntRange(1, 3).Draw(t, what)
		}
		return rapid.IntRange(1, most).Draw(t, what)
	}
	return rapid.Custom(func(t *rapid.T) card.Card {
		text := func(name string) string { return anyText(3500).Draw(t, name) }
		c := card.Card{Key: "k", Title: text("title"), Status: text("status"), State: rapid.SampledFrom(states).Draw(t, "state"),
			Mentions: rapid.SliceOfN(rapid.SampledFrom([]string{"hana", "grace", "alan", "<!channel>", ""}), 0, 5).Draw(t, "mentions")}
		for range rapid.IntRange(0, 6).Draw(t, "blocks") {
			var b card.Block
			if rapid.Bool().Draw(t, "headed") {
				b.Heading = text("heading")
			}
			same := rapid.Bool().Draw(t, "alike") // a long list of drawn texts would take long to draw
			a, z := text("a"), text("z")
			some := func() (string, string) {
				if same {
					return a, z
				}
				return anyText(50).Draw(t, "x"), anyText(50).Draw(t, "y")
			}
			switch rapid.IntRange(0, 5).Draw(t, "kind") {
			case 0:
				b.Text = text("text")
			case 1:
				for range list(t, "fields") {
					x, y := some()
					b.Fields = append(b.Fields, card.Field{Name: x, Value: y})
				}
			case 2:
				for range list(t, "steps") {
					x, y := some()
					b.Steps = append(b.Steps, card.Step{Name: x, Detail: y, State: rapid.SampledFrom(states).Draw(t, "stands")})
				}
			case 3:
				for range list(t, "awaited") {
					x, y := some()
					b.Awaited = append(b.Awaited, card.Awaited{Who: x, What: y})
				}
			case 4:
				for range list(t, "links") {
					x, y := some()
					b.Links = append(b.Links, card.Link{Text: x, URL: rapid.SampledFrom([]string{"https://x.example/", "https://", "javascript:"}).Draw(t, "scheme") + y})
				}
			case 5:
				for range list(t, "buttons") {
					x, y := some()
					b.Buttons = append(b.Buttons, card.Button{ID: rapid.SampledFrom([]string{"approve/x", "y"}).Draw(t, "id"), Text: x, Command: "do " + y, Danger: rapid.Bool().Draw(t, "danger")})
				}
			}
			c.Blocks = append(c.Blocks, b)
		}
		return c
	})
}

func TestWhateverTheCardEveryLimitHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyCard(60).Draw(t, "card")
		text, blocks, rest := Message(c, voice())
		again, same, _ := Message(c, voice())
		if a, _ := blocksJSON(blocks); text != again {
			t.Fatalf("%s differs", a)
		} else if b, _ := blocksJSON(same); string(a) != string(b) {
			t.Fatalf("%s is not %s", b, a)
		}
		first, all, wrong := whole(c, voice())
		for _, w := range wrong {
			t.Errorf("%s", w)
		}
		got := flat(first.plain.String())
		if want := flat(clip(joined(c.Status), 150)); !strings.Contains(got, strings.TrimSuffix(want, "…")) {
			t.Errorf("the status %q is missing in %q", want, got)
		}
		if want := flat(clip(single(c.Title), 140)); !strings.Contains(got, strings.TrimSuffix(want, "…")) && !cutShort(c) {
			t.Errorf("the title %q is missing in %q", want, got)
		}
		n := 0
		for _, b := range c.Blocks {
			for _, a := range b.Awaited {
				if n++; n <= 25 && !strings.Contains(got, strings.TrimSuffix(flat("→ "+clip(single(a.Who), 19)), "…")) {
					t.Errorf("%q of those who are awaited is missing in %q", a.Who, got)
				}
			}
			for _, x := range b.Buttons {
				typed := flat(single(card.Short(x.Command)))
				if !slices.Contains(first.says, string([]rune(x.Command))) && !strings.Contains(flat(all), typed) && len(rest) > 0 {
					t.Errorf("%q cannot be pressed, and nobody is told what to write", x.Command)
				}
			}
		}
		for _, u := range first.users {
			if !slices.Contains([]string{"U0HANA", "U0GRACE"}, u) {
				t.Errorf("%s is notified", u)
			}
		}
	})
}

// flat is a text without its spaces, which may be other ones where a line was cut.
func flat(s string) string { return strings.Join(strings.Fields(s), "") }

func FuzzMessage(f *testing.F) {
	for _, s := range []string{"harbour", "<!channel> <@U1> &amp;", "\u202e\x00\xff", strings.Repeat("\"", 9000), "a  b\n\n c", "…"} {
		f.Add(s, s, 3)
	}
	f.Fuzz(func(t *testing.T, a, b string, n int) {
		n = max(1, min(n, 300))
		c := card.Card{Key: "k", Title: a, Status: b, State: card.State(b), Mentions: []string{"hana", a}}
		c.Blocks = append(c.Blocks, card.Block{Heading: a, Text: b}, card.Block{Steps: slices.Repeat([]card.Step{{Name: a, State: card.Failed, Detail: b}}, n)},
			card.Block{Awaited: slices.Repeat([]card.Awaited{{Who: a, What: b}}, n)}, card.Block{Buttons: slices.Repeat([]card.Button{{ID: b, Text: a, Command: b, Danger: n%2 == 0}}, n)},
			card.Block{Fields: slices.Repeat([]card.Field{{Name: a, Value: b}}, n)}, card.Block{Links: []card.Link{{Text: a, URL: b}, {Text: b, URL: "https://x.example/" + a}}})
		if _, _, wrong := whole(c, voice()); len(wrong) > 0 {
			t.Error(wrong)
		}
	})
}

func TestEmoji(t *testing.T) {
	for want, names := range map[string][]string{
		"✅": {"white_check_mark", ":white_check_mark:", "heavy_check_mark", "WHITE_CHECK_MARK", "✅", "✔️", "white_check_mark::skin-tone-3"},
		"❌": {"x", "negative_squared_cross_mark", ":x:"},
		"👍": {"+1", "thumbsup", "+1::skin-tone-2", "thumbsup::skin-tone-6", "thumbsup:skin-tone-6", "👍🏽"},
		"👎": {"-1", "thumbsdown::skin-tone-1"}, ":ship:": {"ship", ":ship:"}, "::": {"", ":"},
	} {
		for _, n := range names {
			if got := Emoji(n); got != want {
				t.Errorf("Emoji(%q) = %q, want %q", n, got, want)
			}
		}
	}
}
