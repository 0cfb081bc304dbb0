package slack

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"html"
	"regexp"
	"strings"
	"time"
)

//go:embed testdata/page.css
var pageStyle string

// Page is a page of a conversation that stands for itself, drawn as Slack draws it, for pictures. It
// is served at /page/ and the id of the conversation too. What only one person sees is on it.
func (s *Server) Page(channel string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	title := channel
	if ch := s.channel(channel); ch != nil && ch.Name != "" {
		title = "# " + ch.Name
	}
	var out strings.Builder
	s.eachShown(channel, func(_ *Channel, m *Message, inThread bool) { out.WriteString(s.messageHTML(m, inThread)) })
	return page(title, out.String())
}

// PageOf is a page with one message and its thread.
func (s *Server) PageOf(channel, ts string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out strings.Builder
	title := channel
	s.eachShown(channel, func(ch *Channel, m *Message, inThread bool) {
		if ch.Name != "" {
			title = "# " + ch.Name
		}
		if m.TS == ts || m.Thread == ts {
			out.WriteString(s.messageHTML(m, inThread))
		}
	})
	return page(title, out.String())
}

// ViewPage is a page with one form.
func (s *Server) ViewPage(id string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view(id)
	if v == nil {
		return page(id, "")
	}
	var out strings.Builder
	fmt.Fprintf(&out, `<div class="modal"><h1>%s</h1>`, escape(v.Title))
	for _, b := range v.Blocks {
		out.WriteString(s.blockHTML(b))
		if at, _ := b["block_id"].(string); v.Errors[at] != "" {
			fmt.Fprintf(&out, `<p class="error">%s</p>`, escape(v.Errors[at]))
		}
	}
	if v.Errors[""] != "" {
		fmt.Fprintf(&out, `<p class="error">%s</p>`, escape(v.Errors[""]))
	}
	out.WriteString(`<div class="actions end">`)
	for name, class := range map[string]string{"close": "", "submit": "primary"} {
		if label := s.textOf(v.data[name]); label != "" {
			fmt.Fprintf(&out, `<button class="%s">%s</button>`, class, escape(label))
		}
	}
	out.WriteString("</div></div>")
	return page(v.Title, out.String())
}

func page(title, inner string) []byte {
	return []byte("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>" + escape(title) + "</title><style>\n" + pageStyle +
		"</style></head><body><header>" + escape(title) + "</header><main>" + inner + "</main></body></html>\n")
}

func escape(text string) string { return html.EscapeString(text) }

func (s *Server) messageHTML(m *Message, inThread bool) string {
	var out strings.Builder
	name, app := s.author(m)
	at, _ := micros(m.TS)
	class := "message"
	if inThread {
		class += " reply"
	}
	if m.Only != "" {
		class += " whisper"
	}
	fmt.Fprintf(&out, `<article class="%s" id="m%s">`, class, m.TS)
	if m.Only != "" {
		out.WriteString(`<p class="only">Only visible to you</p>`)
	}
	initial := []rune(strings.ToUpper(name) + "?")[0]
	fmt.Fprintf(&out, `<div class="face">%s</div><div class="said"><div class="who"><b>%s</b>`, escape(string(initial)), escape(name))
	if app {
		out.WriteString(`<span class="app">APP</span>`)
	}
	fmt.Fprintf(&out, `<time>%s</time></div>`, time.UnixMicro(at).UTC().Format("15:04"))
	if len(m.Blocks) > 0 {
		for _, b := range m.Blocks {
			out.WriteString(s.blockHTML(b))
		}
	} else {
		fmt.Fprintf(&out, `<div class="section"><div>%s</div></div>`, s.mrkdwn(m.Text))
	}
	if m.Edited != "" {
		out.WriteString(`<span class="edited">(edited)</span>`)
	}
	for _, id := range m.Files {
		if f := s.file(id); f != nil && strings.HasSuffix(f.Name, ".png") {
			fmt.Fprintf(&out, `<div class="shown"><b>%s</b><img alt="%s" src="data:image/png;base64,%s"></div>`, escape(f.Name), escape(f.AltText),
				base64.StdEncoding.EncodeToString(f.Content))
		} else if f != nil {
			fmt.Fprintf(&out, `<div class="file">%s<small>%d bytes</small></div>`, escape(f.Title), len(f.Content))
		}
	}
	if len(m.Reactions) > 0 {
		out.WriteString(`<div class="reactions">`)
		for _, r := range m.Reactions {
			fmt.Fprintf(&out, `<span>%s %d</span>`, escape(drawn(":"+r.Name+":")), len(r.Users))
		}
		out.WriteString("</div>")
	}
	out.WriteString("</div></article>\n")
	return out.String()
}

// blockHTML draws a block.
func (s *Server) blockHTML(b map[string]any) string {
	var out strings.Builder
	switch b["type"] {
	case "header":
		fmt.Fprintf(&out, `<h2>%s</h2>`, s.objectHTML(b["text"]))
	case "divider":
		out.WriteString("<hr>")
	case "section":
		out.WriteString(`<div class="section"><div>`)
		if b["text"] != nil {
			out.WriteString(s.objectHTML(b["text"]))
		}
		if fields := listOf(b["fields"]); len(fields) > 0 {
			out.WriteString(`<div class="fields">`)
			for _, f := range fields {
				fmt.Fprintf(&out, `<div>%s</div>`, s.objectHTML(f))
			}
			out.WriteString("</div>")
		}
		out.WriteString("</div>")
		for _, e := range listOf(b["accessory"]) {
			out.WriteString(s.elementHTML(e))
		}
		out.WriteString("</div>")
	case "context":
		out.WriteString(`<div class="context">`)
		for _, e := range listOf(b["elements"]) {
			if e["type"] == "image" {
				fmt.Fprintf(&out, `<i class="image">%s</i>`, escape(fmt.Sprint(e["alt_text"])))
				continue
			}
			fmt.Fprintf(&out, `<span>%s</span>`, s.objectHTML(e))
		}
		out.WriteString("</div>")
	case "actions":
		out.WriteString(`<div class="actions">`)
		for _, e := range listOf(b["elements"]) {
			out.WriteString(s.elementHTML(e))
		}
		out.WriteString("</div>")
	case "input":
		e, _ := b["element"].(map[string]any)
		fmt.Fprintf(&out, `<div class="input"><label>%s</label>%s<small>%s</small></div>`, s.objectHTML(b["label"]), s.elementHTML(e), s.objectHTML(b["hint"]))
	case "rich_text":
		out.WriteString(`<div class="section rich"><div>`)
		for _, e := range listOf(b["elements"]) {
			out.WriteString(s.richHTML(e))
		}
		out.WriteString("</div></div>")
	case "image":
		fmt.Fprintf(&out, `<div class="picture">%s</div>`, escape(fmt.Sprint(b["alt_text"])))
	default:
		fmt.Fprintf(&out, `<pre>%s</pre>`, escape(strings.Join(s.blockLines(b), "\n")))
	}
	return out.String()
}

func (s *Server) objectHTML(v any) string {
	t, _ := v.(map[string]any)
	text, _ := t["text"].(string)
	if t["type"] == "mrkdwn" {
		return s.mrkdwn(text)
	}
	return strings.ReplaceAll(escape(drawn(text)), "\n", "<br>")
}

func (s *Server) elementHTML(e map[string]any) string {
	switch e["type"] {
	case "button":
		style, _ := e["style"].(string)
		return fmt.Sprintf(`<button class="%s">%s</button>`, escape(style), s.objectHTML(e["text"]))
	case "plain_text_input", "email_text_input", "url_text_input", "number_input":
		first, _ := e["initial_value"].(string)
		if e["multiline"] == true {
			return fmt.Sprintf(`<textarea placeholder="%s">%s</textarea>`, escape(wordsOf(e["placeholder"])), escape(first))
		}
		return fmt.Sprintf(`<input placeholder="%s" value="%s">`, escape(wordsOf(e["placeholder"])), escape(first))
	case "checkboxes", "radio_buttons":
		var out strings.Builder
		kind := map[any]string{"checkboxes": "checkbox", "radio_buttons": "radio"}[e["type"]]
		for _, o := range listOf(e["options"]) {
			fmt.Fprintf(&out, `<p class="option"><input type="%s"> %s</p>`, kind, s.objectHTML(o["text"]))
		}
		return out.String()
	}
	label := s.textOf(e["placeholder"])
	for _, o := range listOf(e["initial_option"]) {
		label = s.textOf(o["text"])
	}
	if label == "" {
		label = "Select an option"
	}
	return fmt.Sprintf(`<span class="select">%s ▾</span>`, escape(label))
}

func (s *Server) richHTML(e map[string]any) string {
	var out strings.Builder
	switch e["type"] {
	case "rich_text_list":
		tag := "ul"
		if e["style"] == "ordered" {
			tag = "ol"
		}
		depth, _ := e["indent"].(float64)
		fmt.Fprintf(&out, `<%s style="margin-left:%dpx">`, tag, int(depth)*24)
		for _, one := range listOf(e["elements"]) {
			out.WriteString("<li>" + s.richHTML(one) + "</li>")
		}
		out.WriteString("</" + tag + ">")
		return out.String()
	case "rich_text_preformatted":
		out.WriteString("<pre>")
	}
	for _, part := range listOf(e["elements"]) {
		text := escape(s.inlineText(part))
		switch part["type"] {
		case "user", "usergroup", "broadcast", "channel":
			text = `<span class="mention">` + text + "</span>"
		case "link":
			text = `<a href="#">` + text + "</a>"
		}
		style, _ := part["style"].(map[string]any)
		for name, tag := range map[string]string{"bold": "b", "italic": "i", "strike": "s", "code": "code"} {
			if style[name] == true {
				text = "<" + tag + ">" + text + "</" + tag + ">"
			}
		}
		out.WriteString(text)
	}
	switch e["type"] {
	case "rich_text_preformatted":
		return out.String() + "</pre>"
	case "rich_text_quote":
		return "<blockquote>" + strings.ReplaceAll(out.String(), "\n", "<br>") + "</blockquote>"
	}
	return "<div>" + strings.ReplaceAll(out.String(), "\n", "<br>") + "</div>"
}

var (
	fence  = regexp.MustCompile("(?s)```(.+?)```")
	inline = regexp.MustCompile("`([^`\n]+)`")
	quoted = regexp.MustCompile(`(?m)^&gt; ?(.*)$`)
)

// mrkdwn draws a text with Slack's markup. The text is kept escaped, so that what is left of it is
// good HTML but for its references.
func (s *Server) mrkdwn(text string) string {
	var kept []string
	aside := func(made string) string {
		kept = append(kept, made)
		return fmt.Sprintf("\x00%d\x00", len(kept)-1)
	}
	text = fence.ReplaceAllStringFunc(text, func(c string) string {
		return aside("<pre>" + escape(plain(strings.TrimPrefix(c[3:len(c)-3], "\n"))) + "</pre>")
	})
	text = inline.ReplaceAllStringFunc(text, func(c string) string { return aside("<code>" + escape(plain(c[1:len(c)-1])) + "</code>") })
	text = marked.ReplaceAllStringFunc(text, func(ref string) string {
		seen := escape(s.shown(ref[1 : len(ref)-1]))
		if strings.HasPrefix(ref, "<http") || strings.HasPrefix(ref, "<mailto") {
			return aside(`<a href="#">` + seen + "</a>")
		}
		return aside(`<span class="mention">` + seen + "</span>")
	})
	text = escape(plain(drawn(text)))
	text = quoted.ReplaceAllString(text, "<blockquote>$1</blockquote>")
	text = strong.ReplaceAllString(text, "$1<b>$2</b>$3")
	text = slant.ReplaceAllString(text, "$1<i>$2</i>$3")
	text = struck.ReplaceAllString(text, "$1<s>$2</s>$3")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "</blockquote>\n", "</blockquote>"), "\n", "<br>")
	for i, made := range kept {
		text = strings.ReplaceAll(text, fmt.Sprintf("\x00%d\x00", i), made)
	}
	return text
}
