package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// What a person's act is answered through: five times within half an hour
// (https://docs.slack.dev/interactivity/handling-user-interaction).
const (
	answerTimes = 5
	answerFor   = 30 * time.Minute
	triggerFor  = 3 * time.Second // for opening a view
)

// answerURL is a response_url.
type answerURL struct {
	path          string
	user, channel string
	message       string // ts of the message that was pressed; "": of a command
	at            time.Time
	used          int
}

// trigger is a trigger_id.
type trigger struct {
	id, user string
	at       time.Time
	used     bool
}

func (s *Server) newTrigger(user string) string {
	t := &trigger{id: fmt.Sprintf("%d.%s.%s", s.now().UnixMilli(), strings.TrimLeft(s.o.Team, "T0"), strings.ToLower(s.id("X"))), user: user, at: s.now()}
	s.triggers = append(s.triggers, t)
	return t.id
}

func (s *Server) newAnswerURL(kind, user, channel, message string) string {
	a := &answerURL{path: kind + "/" + s.o.Team + "/" + strings.ToLower(s.id("Q")), user: user, channel: channel, message: message, at: s.now()}
	s.answers = append(s.answers, a)
	return s.base + "/respond/" + a.path
}

func (s *Server) slash(name string) *Slash {
	for i := range s.app.Commands {
		if s.app.Commands[i].Name == name {
			return &s.app.Commands[i]
		}
	}
	return nil
}

func (s *Server) commandURL(name string) string {
	if c := s.slash(name); c != nil && c.URL != "" {
		return c.URL
	}
	return s.app.CommandsURL
}

// Command lets a person type a slash command; a text that does not begin with a slash is given to
// the app's first command. Commands work wherever the person is, whether the app is there or not.
func (s *Server) Command(user, channel, text string) (Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.member(user, channel)
	if err != nil {
		return Delivery{}, err
	}
	if len(s.app.Commands) == 0 {
		return Delivery{}, errors.New("the app has no commands")
	}
	name := s.app.Commands[0].Name
	if strings.HasPrefix(text, "/") {
		name, text, _ = strings.Cut(text, " ")
	}
	cmd := s.slash(name)
	if cmd == nil || !slices.Contains(s.app.Scopes, "commands") {
		return Delivery{}, fmt.Errorf("%s is not a valid command", name)
	}
	text = strings.TrimSpace(text)
	if cmd.Escape {
		text = s.escaped(text)
	} else {
		text = marked.ReplaceAllStringFunc(text, func(ref string) string { return s.shown(ref[1 : len(ref)-1]) })
	}
	u := s.user(user)
	channelName := map[string]string{Public: ch.Name, Private: "privategroup", Direct: "directmessage", Several: "mpdm"}[ch.Kind]
	return s.queue(Delivery{Kind: Commands, Type: name, user: user, channel: channel}, body{"token": "old-verification-token", "team_id": u.Team,
		"team_domain": s.team(u.Team).Domain, "channel_id": ch.ID, "channel_name": channelName, "user_id": u.ID, "user_name": u.Name, "command": name,
		"text": text, "api_app_id": s.app.ID, "is_enterprise_install": "false", "response_url": s.newAnswerURL("commands", user, channel, ""),
		"trigger_id": s.newTrigger(user)}), nil
}

// escaped is the text of a command that wants references escaped: <@U1|name>.
func (s *Server) escaped(text string) string {
	return marked.ReplaceAllStringFunc(text, func(ref string) string {
		inner, _, labelled := strings.Cut(ref[1:len(ref)-1], "|")
		if u := s.user(strings.TrimPrefix(inner, "@")); u != nil && !labelled {
			return "<@" + u.ID + "|" + u.Name + ">"
		}
		if ch := s.channel(strings.TrimPrefix(inner, "#")); ch != nil && !labelled {
			return "<#" + ch.ID + "|" + ch.Name + ">"
		}
		return ref
	})
}

// Press lets a person press a button. what is its action_id, its value or the words on it; where
// several buttons fit, the first is pressed. A question that comes before it is answered with yes.
func (s *Server) Press(user, channel, ts, what string) (Delivery, error) {
	var out Delivery
	err := s.act(user, channel, ts, func(ch *Channel, m *Message) error {
		for _, by := range []func(map[string]any) any{
			func(e map[string]any) any { return e["action_id"] },
			func(e map[string]any) any { return e["value"] },
			func(e map[string]any) any { return wordsOf(e["text"]) },
		} {
			for _, b := range m.Blocks {
				for _, e := range append(listOf(b["elements"]), listOf(b["accessory"])...) {
					if e["type"] != "button" || by(e) != what {
						continue
					}
					out = s.pressed(ch, m, user, b, e, nil)
					return nil
				}
			}
		}
		return fmt.Errorf("there is no button %q on %s", what, ts)
	})
	return out, err
}

// Choose lets a person choose an option, by its value or its words, of the select with an action_id.
func (s *Server) Choose(user, channel, ts, actionID, option string) (Delivery, error) {
	var out Delivery
	err := s.act(user, channel, ts, func(ch *Channel, m *Message) error {
		for _, b := range m.Blocks {
			for _, e := range append(listOf(b["elements"]), listOf(b["accessory"])...) {
				if e["action_id"] != actionID {
					continue
				}
				for _, o := range listOf(e["options"]) {
					if o["value"] == option || wordsOf(o["text"]) == option {
						out = s.pressed(ch, m, user, b, e, o)
						return nil
					}
				}
			}
		}
		return fmt.Errorf("there is no %q to choose %q with on %s", actionID, option, ts)
	})
	return out, err
}

// wordsOf is the text of a text object.
func wordsOf(v any) string {
	t, _ := v.(map[string]any)
	text, _ := t["text"].(string)
	return text
}

// pressed queues block_actions. https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
func (s *Server) pressed(ch *Channel, m *Message, user string, b, e, option map[string]any) Delivery {
	action := body{"action_id": e["action_id"], "block_id": b["block_id"], "type": e["type"], "action_ts": s.ts()}
	for _, k := range []string{"text", "value", "style", "url"} {
		if e[k] != nil {
			action[k] = e[k]
		}
	}
	if option != nil {
		action["selected_option"] = option
	}
	container := body{"type": "message", "message_ts": m.TS, "channel_id": ch.ID, "is_ephemeral": m.Only != ""}
	if m.Thread != "" {
		container["thread_ts"] = m.Thread
	}
	name := map[string]string{Public: ch.Name, Private: "privategroup", Direct: "directmessage", Several: "mpdm"}[ch.Kind]
	shown := s.messageJSON(ch, m, true)
	delete(shown, "reactions")
	payload := s.interaction("block_actions", user)
	more := body{"container": container, "channel": body{"id": ch.ID, "name": name}, "message": shown, "state": body{"values": body{}},
		"response_url": s.newAnswerURL("actions", user, ch.ID, m.TS), "actions": []any{action}}
	maps.Copy(payload, more)
	return s.queue(Delivery{Kind: Interactive, Type: "block_actions", user: user, channel: ch.ID}, payload)
}

// interaction is what all interactive payloads have.
func (s *Server) interaction(kind, user string) body {
	u := s.user(user)
	return body{"type": kind, "user": body{"id": u.ID, "username": u.Name, "name": u.Name, "team_id": u.Team}, "api_app_id": s.app.ID, "token": "old-verification-token",
		"trigger_id": s.newTrigger(user), "team": body{"id": s.o.Team, "domain": s.team(s.o.Team).Domain}, "enterprise": nil, "is_enterprise_install": false}
}

// whisper shows a text to one person.
func (s *Server) whisper(by *Bot, user, channel string, text string, blocks []map[string]any) {
	ch := s.channel(channel)
	if ch == nil {
		return
	}
	m := &Message{User: slackbot, Text: kept(text), Blocks: keptBlocks(blocks), Only: user}
	if by != nil {
		m.User, m.Bot, m.App = by.User, by.ID, by.App
	}
	s.add(ch, m)
}

// commandAnswered shows what the app answered at once, or that it did not.
func (s *Server) commandAnswered(sent Sent) {
	said := strings.TrimSpace(sent.Answer)
	switch {
	case !sent.OK() && sent.Answer == timedOut:
		s.whisper(nil, sent.user, sent.channel, sent.Type+" failed with the error \"operation_timeout\"", nil)
	case !sent.OK():
		s.whisper(nil, sent.user, sent.channel, sent.Type+" failed with the error \"dispatch_failed\"", nil)
	case said == "", said == "{}":
	case strings.HasPrefix(said, "{"):
		var in reply
		if json.Unmarshal([]byte(said), &in) != nil || in.bad() {
			s.wrong("the answer to %s is no message that Slack takes: %s", sent.Type, said)
			s.whisper(nil, sent.user, sent.channel, sent.Type+" failed with the error \"invalid_command_response\"", nil)
			return
		}
		s.replied(in, sent.user, sent.channel)
	default:
		s.whisper(s.bot(s.app.Bot), sent.user, sent.channel, said, nil)
	}
}

// reply is a message as an answer.
type reply struct {
	Type    string           `json:"response_type"`
	Text    string           `json:"text"`
	Blocks  []map[string]any `json:"blocks"`
	Replace bool             `json:"replace_original"`
	Delete  bool             `json:"delete_original"`
	Thread  string           `json:"thread_ts"`
}

func (in reply) bad() bool {
	return !in.Delete && in.Text == "" && len(in.Blocks) == 0 || len(checkBlocks(in.Blocks, message)) > 0
}

func (s *Server) replied(in reply, user, channel string) {
	b := s.bot(s.app.Bot)
	if in.Type == "in_channel" {
		s.add(s.channel(channel), &Message{User: b.User, Bot: b.ID, App: b.App, Text: kept(in.Text), Blocks: keptBlocks(in.Blocks), Thread: in.Thread})
		return
	}
	s.whisper(b, user, channel, in.Text, in.Blocks)
}

// respond takes what is sent to a response_url.
func (s *Server) respond(w http.ResponseWriter, _ *http.Request, path string, raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.answers, func(a *answerURL) bool { return a.path == path })
	if at < 0 {
		http.NotFound(w, nil)
		return
	}
	a := s.answers[at]
	var in reply
	switch {
	case s.now().Sub(a.at) > answerFor || a.used >= answerTimes:
		answer{status: http.StatusNotFound, body: body{"ok": false, "error": "used_url"}}.write(w)
		return
	case json.Unmarshal(raw, &in) != nil || in.bad():
		answer{status: http.StatusBadRequest, body: body{"ok": false, "error": "invalid_payload"}}.write(w)
		return
	}
	a.used++
	ch := s.channel(a.channel)
	m := ch.message(a.message)
	switch {
	case m != nil && in.Delete:
		s.drop(ch, m.TS)
	case m != nil && in.Replace:
		before := m.clone()
		m.Text, m.Blocks = kept(in.Text), keptBlocks(in.Blocks)
		m.Updates++
		if m.Only == "" {
			s.tellChanged(ch, m, &before)
		}
	default:
		s.replied(in, a.user, a.channel)
	}
	_, _ = w.Write([]byte("ok"))
}
