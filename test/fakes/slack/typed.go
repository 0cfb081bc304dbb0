package slack

import (
	"regexp"
	"strings"
)

var styled = regexp.MustCompile("`([^`\n]+)`" + `|\*([^\s*](?:[^*\n]*[^\s*])?)\*|_([^\s_](?:[^_\n]*[^\s_])?)_|~([^\s~](?:[^~\n]*[^\s~])?)~`)

// typed is the rich text that Slack's client makes of what is typed: paragraphs, quotations, code,
// styles, mentions.
func typed(text string) map[string]any {
	var parts []any
	section := func(kind string, inner []any) {
		if len(inner) > 0 {
			parts = append(parts, map[string]any{"type": kind, "elements": inner})
		}
	}
	for i, chunk := range strings.Split(text, "```") {
		if i%2 == 1 {
			section("rich_text_preformatted", said(strings.Trim(chunk, "\n"), ""))
			continue
		}
		var now, quote []string
		flush := func() {
			if len(now) > 0 {
				section("rich_text_section", paragraph(strings.Join(now, "\n")))
			}
			if len(quote) > 0 {
				section("rich_text_quote", paragraph(strings.Join(quote, "\n")))
			}
			now, quote = nil, nil
		}
		for _, line := range strings.Split(strings.Trim(chunk, "\n"), "\n") {
			if rest, is := strings.CutPrefix(line, "&gt;"); is {
				if len(now) > 0 {
					flush()
				}
				quote = append(quote, strings.TrimPrefix(rest, " "))
				continue
			}
			if len(quote) > 0 {
				flush()
			}
			now = append(now, line)
		}
		flush()
	}
	return map[string]any{"type": "rich_text", "block_id": "typed", "elements": parts}
}

// paragraph is a text with styles and mentions as parts of a rich text.
func paragraph(text string) (out []any) {
	for text != "" {
		ref, style := marked.FindStringIndex(text), styled.FindStringSubmatchIndex(text)
		switch {
		case ref != nil && (style == nil || ref[0] < style[0]):
			out = append(out, said(text[:ref[0]], "")...)
			out = append(out, reference(text[ref[0]+1:ref[1]-1]))
			text = text[ref[1]:]
		case style != nil && !alone(text, style[0], style[1]):
			out = append(out, said(text[:style[0]+1], "")...)
			text = text[style[0]+1:]
		case style != nil:
			out = append(out, said(text[:style[0]], "")...)
			for i, name := range []string{"code", "bold", "italic", "strike"} {
				if from := style[2+2*i]; from >= 0 {
					out = append(out, said(text[from:style[3+2*i]], name)...)
				}
			}
			text = text[style[1]:]
		default:
			out = append(out, said(text, "")...)
			text = ""
		}
	}
	return out
}

// alone says whether a mark stands free of the words around it, as it must to be one.
func alone(text string, from, to int) bool {
	word := func(b byte) bool { return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }
	return (from == 0 || !word(text[from-1])) && (to == len(text) || !word(text[to]))
}

// said is a text as a part of a rich text; nothing for none.
func said(text, style string) []any {
	if text == "" {
		return nil
	}
	part := map[string]any{"type": "text", "text": plain(text)}
	if style != "" {
		part["style"] = map[string]any{style: true}
	}
	return []any{part}
}
