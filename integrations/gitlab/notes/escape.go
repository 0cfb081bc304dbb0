package notes

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"slipway/bot/card"
)

// joiner is an invisible character of no width (U+2060, WORD JOINER). GitLab's filters for
// mentions, references and addresses run on the text that Markdown yields; a backslash reaches only
// some of them, and none before GitLab 14, while none of their patterns reaches over this character.
const joiner = "\u2060"

// special are the characters of Markdown, of HTML and of GitLab's references, which always get a
// backslash. (CommonMark 0.31, section 2.4, lets a backslash stand before any ASCII punctuation.)
const special = "\\`*_{}[]<>#!@&|~$%^"

// sigils begin a reference, a mention, a wiki link, an inline difference or mathematics, and get a
// joiner before whatever follows them without a space, be it of another text.
const sigils = "@#!~%&$^[{*"

var (
	numbered = regexp.MustCompile(`^[0-9]+[.)]`)
	webName  = regexp.MustCompile(`(?i)www\.`)
)

// Escape is one line of outside text as it reads in a comment of GitLab, and nothing but text: no
// markup, HTML, quick action, mention, reference, emoji name, link or address comes out of it, at the
// start of a line or within one. Line breaks become spaces, and characters that nobody sees or that
// reorder others become "�".
func Escape(s string) string {
	s = visible(s)
	var b strings.Builder
	list := 0
	if m := numbered.FindString(s); m != "" {
		list = len(m) - 1
	}
	cut := map[int]bool{} // no address begins with "www." that has something between
	for _, at := range webName.FindAllStringIndex(s, -1) {
		cut[at[1]-1] = true
	}
	for i, r := range s {
		next, _ := utf8.DecodeRuneInString(s[i+utf8.RuneLen(r):])
		if cut[i] {
			b.WriteString(joiner)
		}
		if strings.ContainsRune(special, r) || i == 0 && r < utf8.RuneSelf && (unicode.IsPunct(r) || unicode.IsSymbol(r)) || list > 0 && i == list {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
		if strings.ContainsRune(sigils, r) && next != ' ' || r == ':' && (unicode.IsLetter(next) || strings.ContainsRune("/+-_", next)) {
			b.WriteString(joiner)
		}
	}
	return b.String()
}

// Code is outside text as code: it is shown as it is, for people to copy.
func Code(s string) string {
	s = visible(s)
	if s == "" {
		return ""
	}
	longest, n := 0, 0
	for _, r := range s {
		if n++; r != '`' {
			n = 0
		}
		longest = max(longest, n)
	}
	fence := strings.Repeat("`", longest+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " " // one space on each side is no part of the code
	}
	return fence + s + fence
}

// visible makes s one line without characters that act instead of being seen.
func visible(s string) string {
	var b strings.Builder
	space := false
	last := rune(0)
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = true
			continue
		case card.Acts(r, last):
			r = unicode.ReplacementChar
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
		last = r
	}
	return b.String()
}
