package grammar

import (
	"regexp"
	"strings"
)

// shown reports of each line whether Markdown, as GitLab has it, shows or hides it rather than says it:
// it is in a fenced block, code, a quotation with the lines that lazily belong to it, a formula, an HTML
// comment, or any HTML block, such as one that can be folded. (CommonMark 0.31, sections 4.5, 4.6, 5.1
// and 6.1.) What begins and does not end reaches to the end: in doubt a line is shown, not said.
func shown(lines []string) []bool {
	out := make([]bool, len(lines))
	m := markdown{}
	for i, l := range lines {
		out[i] = m.block(l)
	}
	spans(lines, out)
	return out
}

// markdown is what a line stands in.
type markdown struct {
	fence   string // what closes it, at least
	inside  string // what stands before the fence that opened it
	formula bool
	comment bool
	tags    []string // HTML elements that fold, quote or show, open now
	html    bool     // until an empty line
	quote   bool     // until an empty line
}

var (
	openFence = regexp.MustCompile("^([ \t>*+0-9.)-]*)(`{3,}|~{3,})")
	quoteLine = regexp.MustCompile(`^[ \t]*(?:(?:[*+-]|[0-9]+[.)])[ \t]+)*>`)
	htmlLine  = regexp.MustCompile(`^[ \t]*<[A-Za-z/?!]`)
	element   = regexp.MustCompile(`(?i)<(/?)(details|summary|blockquote|pre|code|samp|kbd|script|style|template|textarea|del|s|q|noscript|title|xmp|iframe|noembed|noframes|math|svg)(?:[ \t/>]|$)`)
)

// block takes the next line and reports whether it is in a block that is shown.
func (m *markdown) block(l string) bool {
	trimmed := strings.TrimSpace(l)
	if m.fence != "" {
		if bare := strings.TrimLeft(l, " \t>"); strings.HasPrefix(bare, m.fence) && strings.Trim(strings.TrimSpace(bare), m.fence[:1]) == "" &&
			closes(m.inside, l[:len(l)-len(bare)]) {
			m.fence = ""
		}
		return true
	}
	if m.comment {
		_, rest, ends := cutLast(l, "-->")
		m.comment = !ends || strings.Contains(rest, "<!--")
		return true
	}
	if m.formula {
		m.formula = !strings.Contains(l, "$$")
		return true
	}
	if trimmed == "" {
		m.html, m.quote = false, false
		return true // nothing is said in it
	}
	if f := openFence.FindStringSubmatch(l); f != nil && (f[2][0] == '~' || !strings.Contains(l[len(f[0]):], "`")) {
		m.inside, m.fence = f[1], f[2]
		return true
	}
	if strings.HasPrefix(trimmed, "$$") {
		m.formula = strings.Count(l, "$$")%2 == 1
		return true
	}
	in := len(m.tags) > 0 || m.html || m.quote
	if before, rest, found := strings.Cut(l, "<!--"); found {
		_, tail, ends := cutLast(rest, "-->")
		m.comment = !ends || strings.Contains(tail, "<!--")
		m.html = m.html || strings.TrimSpace(before) == ""
		in = true
	}
	for _, e := range element.FindAllStringSubmatch(l, -1) {
		in = true
		name := strings.ToLower(e[2])
		if e[1] == "" {
			m.tags = append(m.tags, name)
		} else if at := lastIndex(m.tags, name); at >= 0 {
			m.tags = m.tags[:at]
		}
	}
	if htmlLine.MatchString(l) && !strings.HasPrefix(trimmed, "<http") && !strings.HasPrefix(trimmed, "<@") {
		m.html, in = true, true
	}
	if quoteLine.MatchString(l) {
		m.quote, in = true, true
	}
	return in
}

// closes reports whether a fence that stands after before closes the one that was opened after inside: in
// as many quotations, in its list item, and not as indented code, which is more of what the block shows.
// (CommonMark 0.31, sections 4.4, 4.5 and 5.2.)
func closes(inside, before string) bool {
	if strings.Count(inside, ">") != strings.Count(before, ">") {
		return false
	}
	indent := func(s string) int {
		s = s[strings.LastIndexByte(s, '>')+1:]
		return len(s) + 3*strings.Count(s, "\t")
	}
	listed := strings.Trim(inside, " \t>") != ""
	return indent(before) <= 3 && !listed || listed && indent(before) > 0 && indent(before) <= indent(inside)+3
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func lastIndex(all []string, one string) int {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i] == one {
			return i
		}
	}
	return -1
}

// spans marks the lines that begin within code of any number of backticks.
func spans(lines []string, shown []bool) {
	for from := 0; from < len(lines); {
		if shown[from] {
			from++
			continue
		}
		to := from
		for to < len(lines) && !shown[to] {
			to++
		}
		inCode(lines[from:to], shown[from:to])
		from = to
	}
}

func inCode(lines []string, shown []bool) {
	text := strings.Join(lines, "\n")
	code := make([]bool, len(text)) // by byte
	for i := 0; i < len(text); {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i += 2
		case text[i] == '`':
			n := run(text[i:])
			end := sameRun(text, i+n, n)
			if end < 0 {
				i += n
				continue
			}
			for j := i + 1; j < end; j++ {
				code[j] = true
			}
			i = end
		default:
			i++
		}
	}
	at := 0
	for i, l := range lines {
		shown[i] = at < len(code) && code[at]
		at += len(l) + 1
	}
}

// run is how many backticks s begins with.
func run(s string) int { return len(s) - len(strings.TrimLeft(s, "`")) }

// sameRun finds the end of the next run of exactly n backticks, from i on.
func sameRun(s string, i, n int) int {
	for i < len(s) {
		if s[i] != '`' {
			i++
			continue
		}
		k := run(s[i:])
		if i += k; k == n {
			return i
		}
	}
	return -1
}
