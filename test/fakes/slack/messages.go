package slack

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Message is what stands in a conversation.
type Message struct {
	TS, Channel string
	User, Bot   string // who wrote it; Bot is empty for people
	App         string
	Text        string // as Slack keeps it: &, < and > escaped, mentions as <@U…>, emoji as :name:
	Blocks      []map[string]any
	Metadata    map[string]any
	Thread      string // ts of the first message of its thread
	Broadcast   bool   // of a thread, and shown in the channel too
	Subtype     string
	Edited      string // ts of the last edit that shows; "": none
	EditedBy    string
	Reactions   []Reaction
	Files       []string
	Only        string // the one person who sees it; "": everybody
	Updates     int    // how often it was changed

	client      string
	attachments []any
	subscribed  bool
}

// Reaction is an emoji on a message, with everybody who gave it, first first.
type Reaction struct {
	Name  string // as it was given: thumbsup, wave::skin-tone-3
	Users []string
}

// Key is a text of the message's metadata; "" when it has none of that name.
func (m Message) Key(name string) string {
	payload, _ := m.Metadata["event_payload"].(map[string]any)
	text, _ := payload[name].(string)
	return text
}

func (m *Message) clone() Message {
	out := *m
	out.Reactions = nil
	for _, r := range m.Reactions {
		out.Reactions = append(out.Reactions, Reaction{r.Name, slices.Clone(r.Users)})
	}
	out.Files, out.Metadata = slices.Clone(m.Files), maps.Clone(m.Metadata)
	out.Blocks = nil
	if len(m.Blocks) > 0 {
		out.Blocks = decoded[[]map[string]any](m.Blocks)
	}
	return out
}

// decoded is a deep copy of JSON.
func decoded[T any](v any) (out T) {
	raw, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

// Messages are what stands in a conversation, threads included, by time. What only one person sees
// is not among them.
func (s *Server) Messages(channel string) []Message {
	return s.messagesWhere(channel, func(m *Message) bool { return m.Only == "" })
}

// Ours are the messages in a conversation that the app wrote.
func (s *Server) Ours(channel string) []Message {
	return s.messagesWhere(channel, func(m *Message) bool { return m.Only == "" && m.Bot == s.app.Bot })
}

// Whispers are the messages in a conversation that only one person sees.
func (s *Server) Whispers(channel, user string) []Message {
	return s.messagesWhere(channel, func(m *Message) bool { return m.Only == user })
}

func (s *Server) messagesWhere(channel string, want func(*Message) bool) (out []Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch := s.channel(channel); ch != nil {
		for _, m := range ch.messages {
			if want(m) {
				out = append(out, m.clone())
			}
		}
	}
	return out
}

// Message is one message as it is now; found is false when it is gone.
func (s *Server) Message(channel, ts string) (m Message, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch := s.channel(channel); ch != nil {
		if m := ch.message(ts); m != nil {
			return m.clone(), true
		}
	}
	return Message{}, false
}

func (ch *Channel) message(ts string) *Message {
	for _, m := range ch.messages {
		if m.TS == ts {
			return m
		}
	}
	return nil
}

// replies are the answers in a thread, by time.
func (ch *Channel) replies(ts string) (out []*Message) {
	for _, m := range ch.messages {
		if m.Thread == ts && m.TS != ts && m.Only == "" {
			out = append(out, m)
		}
	}
	return out
}

// add puts a message into its conversation and tells of it.
func (s *Server) add(ch *Channel, m *Message) *Message {
	m.TS, m.Channel = s.ts(), ch.ID
	if m.Broadcast && m.Thread != "" {
		m.Subtype = "thread_broadcast"
	}
	ch.messages = append(ch.messages, m)
	if m.Only == "" {
		s.tellMessage(ch, m)
	}
	return m
}

// What Slack leaves as it is in a text: entities that are escaped, and references in angle brackets.
// https://docs.slack.dev/messaging/formatting-message-text
var (
	marked = regexp.MustCompile(`<(?:@[UW][A-Z0-9]+(?:\|[^<>]*)?|#[CG][A-Z0-9]+(?:\|[^<>]*)?|![a-z]+(?:\^[^<>|]*)*(?:\|[^<>]*)?|(?:https?|mailto):[^<>\s|]+(?:\|[^<>]*)?)>`)
	entity = regexp.MustCompile(`&(?:amp|lt|gt);`)
	link   = regexp.MustCompile(`https?://[^\s<>|*_~` + "`" + `]*[^\s<>|.,;:!?*_~` + "`" + `()\]]`)
)

// kept is a text as Slack keeps it: what could be markup is escaped unless it is a reference, links
// are bracketed, and emoji are named.
func kept(text string) string {
	var out strings.Builder
	rest := func(part string) {
		for part != "" {
			at := entity.FindStringIndex(part)
			end := len(part)
			if at != nil {
				end = at[0]
			}
			plain := part[:end]
			plain = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(plain)
			out.WriteString(link.ReplaceAllString(plain, "<$0>"))
			part = part[end:]
			if at != nil {
				out.WriteString(part[:at[1]-at[0]])
				part = part[at[1]-at[0]:]
			}
		}
	}
	for {
		at := marked.FindStringIndex(text)
		if at == nil {
			break
		}
		rest(text[:at[0]])
		out.WriteString(text[at[0]:at[1]])
		text = text[at[1]:]
	}
	rest(text)
	return named(out.String())
}

// messageJSON is a message as methods and events show it.
func (s *Server) messageJSON(ch *Channel, m *Message, metadata bool) body {
	out := body{"type": "message", "user": m.User, "ts": m.TS, "text": m.Text}
	if u := s.user(m.User); u != nil {
		out["team"] = u.Team
	}
	if m.client != "" {
		out["client_msg_id"] = m.client
	}
	if m.Subtype != "" {
		out["subtype"] = m.Subtype
	}
	if b := s.bot(m.Bot); b != nil {
		out["bot_id"], out["app_id"] = b.ID, b.App
		out["bot_profile"] = body{"id": b.ID, "deleted": false, "name": b.Name, "updated": ch.Created.Unix(), "app_id": b.App, "user_id": b.User, "team_id": ch.Team,
			"icons": body{"image_36": s.base + "/avatar/bot-36.png", "image_48": s.base + "/avatar/bot-48.png", "image_72": s.base + "/avatar/bot-72.png"}}
	}
	if len(m.Blocks) > 0 {
		out["blocks"] = m.Blocks
	}
	if len(m.attachments) > 0 {
		out["attachments"] = m.attachments
	}
	if m.Edited != "" {
		out["edited"] = body{"user": m.EditedBy, "ts": m.Edited}
	}
	if metadata && m.Metadata != nil {
		out["metadata"] = m.Metadata
	}
	if len(m.Files) > 0 {
		files := []any{}
		for _, id := range m.Files {
			if f := s.file(id); f != nil {
				files = append(files, s.fileJSON(f))
			}
		}
		out["files"], out["upload"], out["display_as_bot"] = files, false, false
	}
	if len(m.Reactions) > 0 {
		out["reactions"] = reactionsJSON(m, false)
	}
	s.threadJSON(ch, m, out)
	return out
}

func (s *Server) threadJSON(ch *Channel, m *Message, out body) {
	if m.Thread != "" && m.Thread != m.TS {
		out["thread_ts"] = m.Thread
		if first := ch.message(m.Thread); first != nil {
			out["parent_user_id"] = first.User
			if m.Broadcast {
				out["root"] = s.messageJSON(ch, first, false)
			}
		}
		return
	}
	replies := ch.replies(m.TS)
	if len(replies) == 0 {
		return
	}
	var users []string
	for _, r := range replies {
		if !slices.Contains(users, r.User) {
			users = append(users, r.User)
		}
	}
	maps.Copy(out, body{"thread_ts": m.TS, "reply_count": len(replies), "reply_users_count": len(users), "latest_reply": replies[len(replies)-1].TS,
		"reply_users": users[:min(5, len(users))], "is_locked": false, "subscribed": m.subscribed})
}
