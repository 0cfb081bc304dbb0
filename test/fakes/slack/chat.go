package slack

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxText bounds a message's text, in characters. https://docs.slack.dev/reference/methods/chat.postMessage
const maxText = 40000

// maxMetadata bounds a message's metadata, in bytes of JSON. https://docs.slack.dev/messaging/message-metadata
const maxMetadata = 8192

func (s *Server) chatMethods() []method {
	write := []string{"chat:write"}
	return []method{
		{"chat.postMessage", write, special, s.postMessage},
		{"chat.update", write, tier3, s.updateMessage},
		{"chat.delete", write, tier3, s.deleteMessage},
		{"chat.postEphemeral", write, tier4, s.postEphemeral},
		{"chat.getPermalink", nil, special, s.permalink},
	}
}

// target finds where a message goes: an id, a name of a public channel, or a person.
func (c *call) target() (*Channel, *answer) {
	s, to := c.s, c.in["channel"]
	no := func(code string) (*Channel, *answer) { a := fail(code); return nil, &a }
	if u := s.user(to); u != nil {
		if u.Deleted || u.Bot && u.ID != c.token.User || s.stranger(u) {
			return no("channel_not_found")
		}
		return s.dm(c.token.Team, to, c.token.User), nil
	}
	ch := s.channel(to)
	for _, one := range s.channels {
		if ch == nil && one.Kind == Public && one.Name == strings.TrimPrefix(to, "#") {
			ch = one
		}
	}
	switch {
	case ch == nil || !s.sees(c.token, ch):
		return no("channel_not_found")
	case ch.Archived:
		return no("is_archived")
	case !slices.Contains(ch.Members, c.token.User) && !(ch.Kind == Public && c.token.has("chat:write.public")):
		return no("not_in_channel")
	}
	return ch, nil
}

// content reads what a message is made of into m. An update keeps what is not given, except that a
// text alone takes the blocks away (https://docs.slack.dev/reference/methods/chat.update).
func (c *call) content(m *Message, update bool) *answer {
	no := func(code string, more ...string) *answer { a := fail(code, more...); return &a }
	if c.has("markdown_text") && (c.has("text") || c.has("blocks")) {
		return no("markdown_text_conflict")
	}
	text := c.in["text"]
	if c.has("markdown_text") {
		if text = c.in["markdown_text"]; utf8.RuneCountInString(text) > 12000 {
			return no("msg_too_long")
		}
	}
	if utf8.RuneCountInString(text) > maxText {
		return no("msg_too_long")
	}
	var blocks []map[string]any
	if raw := c.in["blocks"]; raw != "" {
		if json.Unmarshal([]byte(raw), &blocks) != nil {
			return no("invalid_blocks_format")
		}
		if wrong := checkBlocks(blocks, message); len(wrong) > 0 {
			a := fail("invalid_blocks", wrong...)
			a.body["errors"] = wrong
			return &a
		}
		if n := weight(blocks); n > maxWeight {
			return no("msg_blocks_too_long", fmt.Sprintf("[ERROR] the blocks have %d characters in all", n))
		}
	}
	if raw := c.in["attachments"]; raw != "" {
		var all []any
		if json.Unmarshal([]byte(raw), &all) != nil {
			return no("invalid_attachments")
		}
		m.attachments = all
	}
	if strings.TrimSpace(text) == "" && len(blocks) == 0 && len(m.attachments) == 0 && !(update && len(m.Files) > 0) {
		return no("no_text")
	}
	if raw := c.in["metadata"]; raw != "" {
		data, code := metadata(raw)
		if code != "" {
			return no(code)
		}
		m.Metadata = data
	}
	if given := c.has("text") || c.has("markdown_text"); given || c.has("blocks") || !update {
		m.Blocks = keptBlocks(blocks)
		if given || !update {
			m.Text = kept(text)
		}
	}
	return nil
}

// metadata reads the metadata of a message; nothing at all takes it away.
func metadata(raw string) (map[string]any, string) {
	var data map[string]any
	if json.Unmarshal([]byte(raw), &data) != nil {
		return nil, "invalid_metadata_format"
	}
	if len(data) == 0 {
		return nil, ""
	}
	kind, _ := data["event_type"].(string)
	payload, is := data["event_payload"].(map[string]any)
	switch {
	case len(raw) > maxMetadata:
		return nil, "metadata_too_large"
	case kind == "" || len(kind) > 255 || !is || len(data) > 2 && data["entities"] == nil:
		return nil, "invalid_metadata_format"
	}
	return map[string]any{"event_type": kind, "event_payload": payload}, ""
}

func (s *Server) postMessage(c *call) answer {
	ch, refused := c.target()
	if refused != nil {
		return *refused
	}
	if (c.has("username") || c.has("icon_url") || c.has("icon_emoji")) && !c.token.has("chat:write.customize") {
		return missing(c, []string{"chat:write.customize"})
	}
	m := &Message{User: c.token.User, Bot: c.token.Bot, App: s.app.ID}
	if refused := c.content(m, false); refused != nil {
		return *refused
	}
	if ts := c.in["thread_ts"]; ts != "" {
		first := ch.message(ts)
		switch {
		case first == nil || first.Only != "":
			return fail("thread_not_found")
		case first.Thread != "":
			s.wrong("%s: thread_ts %s is of a reply; it must be of the first message of the thread", c.name, ts)
			return fail("cannot_reply_to_message")
		}
		m.Thread, m.Broadcast = ts, c.yes("reply_broadcast")
	}
	s.add(ch, m)
	return ok(body{"channel": ch.ID, "ts": m.TS, "message": s.messageJSON(ch, m, true)})
}

func (s *Server) updateMessage(c *call) answer {
	ch, refused := c.own("cant_update_message")
	if refused != nil {
		return *refused
	}
	m := ch.message(c.in["ts"])
	before := m.clone()
	before.attachments, before.client = m.attachments, m.client
	next := *m
	if refused := c.content(&next, true); refused != nil {
		return *refused
	}
	*m = next
	m.Updates++
	if len(m.Blocks) == 0 {
		m.Edited, m.EditedBy = s.ts(), c.token.User // blocks show no mark of an edit
	}
	if c.yes("reply_broadcast") && m.Thread != "" {
		m.Broadcast, m.Subtype = true, "thread_broadcast"
	}
	s.tellChanged(ch, m, &before)
	return ok(body{"channel": ch.ID, "ts": m.TS, "text": m.Text, "message": s.messageJSON(ch, m, true)})
}

// own finds the message that a call is about and refuses when it is somebody else's.
func (c *call) own(refusal string) (*Channel, *answer) {
	no := func(code string) (*Channel, *answer) { a := fail(code); return nil, &a }
	ch := c.s.channel(c.in["channel"])
	if ch == nil || !c.s.sees(c.token, ch) {
		return no("channel_not_found")
	}
	m := ch.message(c.in["ts"])
	switch {
	case m == nil || m.Only != "":
		return no("message_not_found")
	case m.User != c.token.User:
		return no(refusal)
	case ch.Archived:
		return no("is_archived")
	}
	return ch, nil
}

func (s *Server) deleteMessage(c *call) answer {
	ch, refused := c.own("cant_delete_message")
	if refused != nil {
		return *refused
	}
	s.drop(ch, c.in["ts"])
	return ok(body{"channel": ch.ID, "ts": c.in["ts"]})
}

func (s *Server) drop(ch *Channel, ts string) {
	m := ch.message(ts)
	if m == nil {
		return
	}
	ch.messages = slices.DeleteFunc(ch.messages, func(one *Message) bool { return one == m })
	s.tellDeleted(ch, m)
}

func (s *Server) postEphemeral(c *call) answer {
	ch, refused := c.target()
	if refused != nil {
		return *refused
	}
	if !slices.Contains(ch.Members, c.in["user"]) {
		return fail("user_not_in_channel")
	}
	m := &Message{User: c.token.User, Bot: c.token.Bot, App: s.app.ID, Only: c.in["user"], Thread: c.in["thread_ts"]}
	if refused := c.content(m, false); refused != nil {
		return *refused
	}
	s.add(ch, m)
	return ok(body{"message_ts": m.TS})
}

func (s *Server) permalink(c *call) answer {
	ch := s.channel(c.in["channel"])
	if ch == nil || !s.sees(c.token, ch) {
		return fail("channel_not_found")
	}
	m := ch.message(c.in["message_ts"])
	if m == nil {
		return fail("message_not_found")
	}
	at := "https://" + s.team(ch.Team).Domain + ".slack.com/archives/" + ch.ID + "/p" + strings.Replace(m.TS, ".", "", 1)
	if m.Thread != "" {
		at += "?" + url.Values{"thread_ts": {m.Thread}, "cid": {ch.ID}}.Encode()
	}
	return ok(body{"channel": ch.ID, "permalink": at})
}
