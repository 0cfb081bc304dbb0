package hook

import (
	"regexp"
	"strings"
)

// Address is what a mention of the bot becomes: how people call it everywhere.
const Address = "@slipway"

// bracketed is one reference: <@U1>, <@U1|name>, <#C1|name>, <!here>, <!subteam^S1|@name>, <https://x|label>.
var bracketed = regexp.MustCompile(`<([@#!]?)([^<>|\s][^<>|\r\n]*)(?:\|([^<>\r\n]*))?>`)

// plain is the text of a message as its author typed it. Slack writes what was a mention, a channel or an
// address in angle brackets, and & < > as entities (docs.slack.dev, "Formatting message text"). A mention of
// bot is [Address], one of a person is their name of ours, and of anybody else @USERID; smart quotes, which
// phones and Slack's editor make of straight ones, are straight again, unless the line has straight ones
// too; unusual spaces are spaces. What quotes or shows code keeps its marks, and no line is added or lost,
// so that what reads commands can leave out what is not said.
func plain(text, bot string, person func(user string) string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	var b strings.Builder
	at := 0
	for _, m := range bracketed.FindAllStringSubmatchIndex(text, -1) {
		b.WriteString(unescaped(text[at:m[0]]))
		sigil, what, label := text[m[2]:m[3]], text[m[4]:m[5]], ""
		if m[6] >= 0 {
			label = text[m[6]:m[7]]
		}
		b.WriteString(unescaped(reference(sigil, what, label, bot, person)))
		at = m[1]
		if sigil == "@" && at < len(text) && word(text[at]) {
			b.WriteByte(' ') // a name ends where the mention did
		}
	}
	b.WriteString(unescaped(text[at:]))
	lines := strings.Split(b.String(), "\n")
	for i, l := range lines {
		lines[i] = straight(l)
	}
	return strings.Join(lines, "\n")
}

func word(c byte) bool {
	return c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= 0x80
}

// reference is what stands for one reference.
func reference(sigil, what, label, bot string, person func(string) string) string {
	switch sigil {
	case "@":
		if what == bot {
			return Address
		}
		if person != nil && idShape.MatchString(what) {
			if name := person(what); name != "" {
				return "@" + name
			}
		}
		return "@" + what
	case "#":
		if label != "" {
			return "#" + label
		}
		return "#" + what
	case "!":
		kind, rest, _ := strings.Cut(what, "^")
		switch {
		case kind == "subteam":
			return "@" + rest
		case kind == "date" && label != "":
			return label
		}
		return "@" + what
	}
	return strings.TrimPrefix(what, "mailto:")
}

// unescaped gives the three characters back that Slack escapes, each once.
func unescaped(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)
}

// straight makes the quotes and spaces of one line plain.
func straight(l string) string {
	l = strings.Map(func(r rune) rune {
		switch r {
		case '\u00a0', '\u2007', '\u202f':
			return ' '
		}
		return r
	}, l)
	if strings.ContainsAny(l, `"'`) {
		return l // both kinds: the curly ones may be what is quoted
	}
	return strings.NewReplacer("“", `"`, "”", `"`, "„", `"`, "‟", `"`, "‘", "'", "’", "'", "‚", "'").Replace(l)
}
