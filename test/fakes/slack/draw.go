package slack

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// plain is a text of Slack without its escapes.
func plain(text string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
}

// reference is what stands in angle brackets as a part of a rich text.
func reference(inner string) map[string]any {
	target, label, _ := strings.Cut(inner, "|")
	switch {
	case strings.HasPrefix(target, "@"):
		return map[string]any{"type": "user", "user_id": target[1:]}
	case strings.HasPrefix(target, "#"):
		return map[string]any{"type": "channel", "channel_id": target[1:]}
	case strings.HasPrefix(target, "!subteam^"):
		return map[string]any{"type": "usergroup", "usergroup_id": strings.TrimPrefix(target, "!subteam^")}
	case strings.HasPrefix(target, "!"):
		return map[string]any{"type": "broadcast", "range": target[1:]}
	}
	out := map[string]any{"type": "link", "url": plain(target)}
	if label != "" {
		out["text"] = plain(label)
	}
	return out
}

// shown is what a person sees of a reference: a name, not an id.
func (s *Server) shown(inner string) string {
	return s.inlineText(reference(inner))
}

// inlineText is what a person sees of a part of a rich text, without its style.
func (s *Server) inlineText(e map[string]any) string {
	text := func(name string) string { t, _ := e[name].(string); return t }
	switch e["type"] {
	case "text":
		return drawn(text("text"))
	case "user":
		if u := s.user(text("user_id")); u != nil {
			return "@" + s.name(u)
		}
		return "@" + text("user_id")
	case "channel":
		if ch := s.channel(text("channel_id")); ch != nil && ch.Name != "" {
			return "#" + ch.Name
		}
		return "#" + text("channel_id")
	case "usergroup":
		if g := s.group(text("usergroup_id")); g != nil {
			return "@" + g.Handle
		}
		return "@" + text("usergroup_id")
	case "broadcast":
		return "@" + text("range")
	case "emoji":
		if p := picture(text("name")); p != "" {
			return p
		}
		return ":" + text("name") + ":"
	case "link":
		if text("text") != "" {
			return drawn(text("text"))
		}
		return text("url")
	case "date":
		if f, has := e["fallback"].(string); has {
			return f
		}
		at, _ := e["timestamp"].(float64)
		return time.Unix(int64(at), 0).UTC().Format("2006-01-02 15:04")
	}
	return ""
}

// name is how people see somebody: the name they chose, else the full one.
func (s *Server) name(u *User) string {
	if u.DisplayName != "" {
		return u.DisplayName
	}
	return u.RealName
}

// author is how people see who wrote a message.
func (s *Server) author(m *Message) (name string, app bool) {
	if u := s.user(m.User); u != nil {
		return s.name(u), u.Bot
	}
	if b := s.bot(m.Bot); b != nil {
		return b.Name, true
	}
	return "somebody", m.Bot != ""
}

// Rendered is what a person sees in a conversation, as text: each message with its author, what its
// blocks show, and who reacted; answers of a thread below its first message. It is as the person
// sees it, and so only as good as a glance: tests of what was posted look at [Server.Messages].
func (s *Server) Rendered(channel string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out strings.Builder
	s.eachShown(channel, func(ch *Channel, m *Message, inThread bool) {
		indent := ""
		if inThread {
			indent = "    "
		}
		for line := range strings.Lines(s.renderedMessage(m)) {
			out.WriteString(indent + line)
		}
	})
	return out.String()
}

// RenderedMessage is what a person sees of one message, as text.
func (s *Server) RenderedMessage(channel, ts string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch := s.channel(channel); ch != nil {
		if m := ch.message(ts); m != nil {
			return s.renderedMessage(m)
		}
	}
	return ""
}

// eachShown goes through a conversation as a person does: threads in their places.
func (s *Server) eachShown(channel string, do func(ch *Channel, m *Message, inThread bool)) {
	ch := s.channel(channel)
	if ch == nil {
		return
	}
	for _, m := range ch.messages {
		if m.Thread != "" && m.Only == "" {
			continue
		}
		do(ch, m, false)
		for _, r := range ch.replies(m.TS) {
			do(ch, r, true)
		}
	}
}

func (s *Server) renderedMessage(m *Message) string {
	var out strings.Builder
	name, app := s.author(m)
	at, _ := micros(m.TS)
	out.WriteString(name)
	if app {
		out.WriteString(" [app]")
	}
	out.WriteString(" " + time.UnixMicro(at).UTC().Format("15:04:05"))
	if m.Only != "" {
		out.WriteString(" (only " + m.Only + " sees this)")
	}
	if m.Edited != "" {
		out.WriteString(" (edited)")
	}
	out.WriteString("\n")
	lines := []string{s.unmarked(m.Text)}
	if len(m.Blocks) > 0 {
		lines = nil
		for _, b := range m.Blocks {
			lines = append(lines, s.blockLines(b)...)
		}
	}
	for _, f := range m.Files {
		if f := s.file(f); f != nil {
			lines = append(lines, fmt.Sprintf("[file %s, %d bytes]", f.Title, len(f.Content)))
		}
	}
	for _, line := range strings.Split(strings.Join(lines, "\n"), "\n") {
		out.WriteString("  " + strings.TrimRight(line, " ") + "\n")
	}
	for _, r := range m.Reactions {
		var who []string
		for _, u := range r.Users {
			who = append(who, s.inlineText(map[string]any{"type": "user", "user_id": u})[1:])
		}
		out.WriteString("  " + drawn(":"+r.Name+":") + " " + strings.Join(who, ", ") + "\n")
	}
	return out.String()
}

var (
	strong = regexp.MustCompile(`(^|[\s(\[{"'>.,;:!?_~-])\*([^\s*](?:[^*\n]*[^\s*])?)\*($|[\s)\]}"'<.,;:!?_~-])`)
	slant  = regexp.MustCompile(`(^|[\s(\[{"'>.,;:!?*~-])_([^\s_](?:[^_\n]*[^\s_])?)_($|[\s)\]}"'<.,;:!?*~-])`)
	struck = regexp.MustCompile(`(^|[\s(\[{"'>.,;:!?_*-])~([^\s~](?:[^~\n]*[^\s~])?)~($|[\s)\]}"'<.,;:!?_*-])`)
)

// unmarked is what a person sees of a text with Slack's markup, without its styles.
func (s *Server) unmarked(text string) string {
	text = marked.ReplaceAllStringFunc(text, func(ref string) string {
		return strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(s.shown(ref[1 : len(ref)-1]))
	})
	for _, style := range []*regexp.Regexp{strong, slant, struck} {
		text = style.ReplaceAllString(text, "$1$2$3")
	}
	return plain(drawn(strings.ReplaceAll(text, "`", "")))
}

// textOf is what a person sees of a text object.
func (s *Server) textOf(v any) string {
	t, _ := v.(map[string]any)
	text, _ := t["text"].(string)
	if t["type"] == "mrkdwn" {
		return s.unmarked(text)
	}
	return drawn(text)
}

// blockLines is what a person sees of a block, as lines.
func (s *Server) blockLines(b map[string]any) (out []string) {
	switch b["type"] {
	case "header":
		return []string{"# " + s.textOf(b["text"])}
	case "divider":
		return []string{"----"}
	case "section":
		if b["text"] != nil {
			out = append(out, s.textOf(b["text"]))
		}
		for pair := range slices.Chunk(listOf(b["fields"]), 2) {
			cells := make([]string, 0, 2)
			for _, f := range pair {
				cells = append(cells, strings.ReplaceAll(s.textOf(f), "\n", ": "))
			}
			out = append(out, strings.Join(cells, " | "))
		}
		for _, e := range listOf(b["accessory"]) {
			out = append(out, s.elementText(e))
		}
	case "context":
		var all []string
		for _, e := range listOf(b["elements"]) {
			if e["type"] == "image" {
				all = append(all, fmt.Sprintf("[image: %v]", e["alt_text"]))
				continue
			}
			all = append(all, s.textOf(e))
		}
		return []string{"· " + strings.Join(all, "  ")}
	case "actions":
		var all []string
		for _, e := range listOf(b["elements"]) {
			all = append(all, s.elementText(e))
		}
		return []string{strings.Join(all, " ")}
	case "image":
		return []string{fmt.Sprintf("[image: %v]", b["alt_text"])}
	case "input":
		e, _ := b["element"].(map[string]any)
		return []string{s.textOf(b["label"]) + ": " + s.elementText(e)}
	case "rich_text":
		for _, e := range listOf(b["elements"]) {
			out = append(out, s.richLines(e, "")...)
		}
	case "markdown":
		text, _ := b["text"].(string)
		return []string{drawn(text)}
	case "table":
		rows, _ := b["rows"].([]any)
		for _, r := range rows {
			var cells []string
			for _, c := range listOf(r) {
				if c["type"] == "raw_text" {
					cells = append(cells, fmt.Sprint(c["text"]))
					continue
				}
				cells = append(cells, strings.Join(s.blockLines(c), " "))
			}
			out = append(out, strings.Join(cells, " | "))
		}
	}
	return out
}

// elementText is what a person sees of something to press or choose with.
func (s *Server) elementText(e map[string]any) string {
	switch e["type"] {
	case "button":
		return "[" + s.textOf(e["text"]) + "]"
	case "image":
		return fmt.Sprintf("[image: %v]", e["alt_text"])
	}
	var all []string
	for _, o := range listOf(e["options"]) {
		all = append(all, s.textOf(o["text"]))
	}
	if first, is := e["initial_value"].(string); is {
		all = append(all, first)
	}
	return "<" + strings.Join(all, "|") + ">"
}

func (s *Server) richLines(e map[string]any, bullet string) (out []string) {
	if e["type"] == "rich_text_list" {
		for i, one := range listOf(e["elements"]) {
			mark := "• "
			if e["style"] == "ordered" {
				mark = fmt.Sprintf("%d. ", i+1)
			}
			depth, _ := e["indent"].(float64)
			out = append(out, s.richLines(one, strings.Repeat("  ", int(depth))+mark)...)
		}
		return out
	}
	var line strings.Builder
	for _, part := range listOf(e["elements"]) {
		line.WriteString(s.inlineText(part))
	}
	if e["type"] == "rich_text_quote" {
		return []string{"> " + strings.ReplaceAll(line.String(), "\n", "\n> ")}
	}
	return []string{bullet + line.String()}
}
