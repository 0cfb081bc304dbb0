package hook

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "",
		"slipway mine":         "slipway mine",
		"a &amp; b &lt;c&gt;":  "a & b <c>",
		"&amp;lt; &amp;amp;":   "&lt; &amp;", // once, not twice
		"appoint <@U0EVE> x":   "appoint @U0EVE x",
		"<@U0EVE|eve>, hello":  "@U0EVE, hello",
		"<@U0HANA|mallory> x":  "@hana x", // the id counts, never the name beside it
		"<@U0BOT> mine":        "@slipway mine",
		"<@U0BOT|anything>: x": "@slipway: x",
		"<@U0BOT>mine":         "@slipway mine",
		"<@U0BOT><@U0BOT>":     "@slipway@slipway",
		"in <#C0REL|releases>": "in #releases",
		"in <#C0REL>":          "in #C0REL",
		"see <https://harbour.example/a?b=1&amp;c=2>":           "see https://harbour.example/a?b=1&c=2",
		"see <https://harbour.example|the notes>":               "see https://harbour.example",
		"<mailto:h@harbour.example|h@harbour.example>":          "h@harbour.example",
		"<http://harbour.example|harbour.example>":              "http://harbour.example",
		"<!here> <!channel> <!everyone>":                        "@here @channel @everyone",
		"<!subteam^S0REL|@releasers> <!subteam^S0REL>":          "@S0REL @S0REL",
		"<!date^1392734382^{date}|18 Feb 2014>":                 "18 Feb 2014",
		"a \u00a0b\u202fc\u2007d":                               "a  b c d",
		"--reason “it is ready”":                                "--reason \"it is ready\"",
		"--reason ‘it is ready’":                                "--reason 'it is ready'",
		"--reason \"a “quoted” word\"":                          "--reason \"a “quoted” word\"",
		"don’t\n\"x\" ’y’":                                      "don't\n\"x\" ’y’",
		"–reason —reason":                                       "–reason —reason",
		"&gt; slipway mine":                                     "> slipway mine",
		"&gt;&gt;&gt; slipway mine\nmore":                       ">>> slipway mine\nmore",
		"```\nslipway mine\n```":                                "```\nslipway mine\n```",
		"`slipway mine`":                                        "`slipway mine`",
		"a\r\nb\rc":                                             "a\nb\nc",
		"< @U0BOT > <> <|x> <@> a<b":                            "< @U0BOT > <> <|x> @ a<b",
		"<@U0BOT\n> mine":                                       "<@U0BOT\n> mine",
		"<https://a|b\nslipway abort>":                          "<https://a|b\nslipway abort>",
		"<@U0HANA&gt; x> y":                                     "@U0HANA> x y",
		"&lt;@U0BOT&gt; mine":                                   "<@U0BOT> mine", // typed, no mention
		"&lt;!channel&gt; &lt;https://harbour.example|x&gt;":    "<!channel> <https://harbour.example|x>",
		"answer 2019.01 notes text=&quot;x&quot; &#10; &nbsp; ": "answer 2019.01 notes text=&quot;x&quot; &#10; &nbsp; ",
	} {
		if got := plain(in, "U0BOT", ours().Person); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	if got := plain("<@U0BOT> hand-over x <@U0HANA>", "", nil); got != "@U0BOT hand-over x @U0HANA" {
		t.Errorf("nobody is known: %q", got)
	}
}

// TestQuotedTextIsNotSaid: what quotes, shows code, or is typed to look like a mention keeps the marks by
// which a line is left out.
func TestQuotedTextIsNotSaid(t *testing.T) {
	const order = "<@U0BOT> abort 2019.01 --reason x"
	for name, in := range map[string]string{
		"a quotation": "&gt; " + order, "a quotation in a quotation": "&gt; &gt; " + order, "a quotation without a space": "&gt;" + order, "the rest of a message": "&gt;&gt;&gt;\n" + order,
		"a block": "```\n" + order + "\n```", "a block in one line": "```" + order + "```", "code": "`" + order + "`", "a long list": "    " + order, "with unusual spaces": "\u00a0\u00a0\u00a0\u00a0" + order,
	} {
		f, why := heard(t, Events, event("Ev1", wrote(in, "")))
		s, ok := f.(Said)
		if !ok {
			t.Fatal(name, why)
		}
		for i, l := range strings.Split(s.Text, "\n") {
			trimmed := strings.TrimSpace(l)
			marked := strings.HasPrefix(trimmed, ">") || strings.HasPrefix(trimmed, "`") || strings.HasPrefix(l, "    ") || i > 0 && (strings.HasPrefix(s.Text, "```") || strings.HasPrefix(s.Text, ">>>"))
			if !marked {
				t.Errorf("%s: %q reads like a command", name, l)
			}
		}
	}
}

// FuzzPlain: whatever Slack sends, no line appears or is lost, marks of quotations and code stay, nothing
// becomes an address of the bot that was no mention, and the text has an end.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{"<@U0BOT> mine", "&gt; x\n```y```", "<!date^1^{date}|x> “y” ’z’", "<<@U1>>", "&amp;amp;lt;", "<https://a|`> `", "a\u00a0b\r\n<#C1|x>", strings.Repeat("<", 500)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if len(in) > 1<<16 {
			return
		}
		out := plain(in, "U0BOT", ours().Person)
		lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(in, "\r\n", "\n"), "\r", "\n"), "\n")
		got := strings.Split(out, "\n")
		if len(got) != len(lines) || utf8.ValidString(in) && !utf8.ValidString(out) || len(out) > 3*len(in)+16 {
			t.Fatalf("%q becomes %q", in, out)
		}
		for i, l := range lines {
			if (strings.HasPrefix(l, "&gt;") || strings.HasPrefix(l, ">")) && !strings.HasPrefix(got[i], ">") || strings.HasPrefix(l, "`") && !strings.HasPrefix(got[i], "`") {
				t.Fatalf("%q loses its mark: %q", l, got[i])
			}
			if strings.HasPrefix(got[i], Address) && !strings.HasPrefix(l, Address) && !strings.HasPrefix(l, "<") {
				t.Fatalf("%q becomes an order: %q", l, got[i])
			}
		}
		if !strings.ContainsAny(in, "<>&\r“”„‟‘’‚\u00a0\u2007\u202f") && utf8.ValidString(in) && out != in {
			t.Fatalf("%q becomes %q", in, out)
		}
	})
}
