package grammar

import (
	"strings"
)

// line is one line of a message that could be a command: not quoted and not code.
type line struct {
	number int // from 1, counted over the whole message
	text   string
}

// plainLines drops what a person shows rather than says: quotations (">", and ">>>" to the end
// of the message), fenced blocks (``` and ~~~, wherever the fence opens; one that is never
// closed reaches to the end), indented code, and code in single backticks over several lines of
// one paragraph. Where text is Markdown it drops more, see [shown]. In doubt a line is dropped: what
// is not run can be said again.
func plainLines(text string, markdown bool) []line {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	all := strings.Split(text, "\n")
	hidden := make([]bool, len(all))
	if markdown {
		hidden = shown(all)
	}
	var out []line
	fence := ""
	for i := 0; i < len(all); i++ {
		l := all[i]
		trimmed := strings.TrimSpace(l)
		if fence != "" {
			if strings.Contains(l, fence) && strings.Count(l, fence)%2 == 1 {
				fence = ""
			}
			continue
		}
		if f, has := opens(l); has {
			fence = f
			continue
		}
		switch {
		case trimmed == "":
			continue
		case strings.HasPrefix(trimmed, ">>>"), strings.HasPrefix(trimmed, "&gt;&gt;&gt;"):
			return out
		case strings.HasPrefix(trimmed, ">"), strings.HasPrefix(trimmed, "&gt;"), strings.HasPrefix(trimmed, "＞"):
			continue
		case strings.HasPrefix(l, "    "), strings.HasPrefix(l, "\t"), indented(l):
			continue
		case strings.HasPrefix(trimmed, "`"):
			if end, ok := closedLater(all, i); ok {
				i = end
			}
			continue
		}
		if end, ok := closedLater(all, i); ok {
			i = end
			continue
		}
		if !hidden[i] {
			out = append(out, line{i + 1, trimmed})
		}
	}
	return out
}

// opens reports a fence in l. Even a fence that is closed on its own line takes the whole line
// away; the returned fence is then empty.
func opens(l string) (fence string, has bool) {
	if strings.HasPrefix(strings.TrimSpace(l), "~~~") {
		return "~~~", true
	}
	switch n := strings.Count(l, "```"); {
	case n == 0:
		return "", false
	case n%2 == 0:
		return "", true
	}
	return "```", true
}

// indented: four columns of leading space, where a tab reaches to the next multiple of four.
func indented(l string) bool {
	col := 0
	for _, r := range l {
		switch r {
		case ' ', '\u00a0':
			col++
		case '\t':
			col += 4 - col%4
		default:
			return col >= 4
		}
	}
	return false
}

// closedLater finds the line that closes a backtick left open in line i, within its paragraph.
func closedLater(all []string, i int) (end int, ok bool) {
	if strings.Count(all[i], "`")%2 == 0 {
		return 0, false
	}
	for j := i + 1; j < len(all) && strings.TrimSpace(all[j]) != ""; j++ {
		if strings.Count(all[j], "`")%2 == 1 {
			return j, true
		}
	}
	return 0, false
}
