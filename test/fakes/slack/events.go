package slack

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// tell makes an event about the workspace. s.mu is held.
func (s *Server) tell(subscription string, event body) { s.event(subscription, nil, event) }

// tellIn makes an event about a conversation: only an app that is in it hears of it.
func (s *Server) tellIn(ch *Channel, subscription string, event body) {
	s.event(subscription, ch, event)
}

// hears says whether the app is told of an event: it must be subscribed, have the scope, and be in
// the conversation.
func (s *Server) hears(subscription string, ch *Channel) bool {
	if !slices.Contains(s.app.Events, subscription) {
		return false
	}
	if scope := allEvents()[subscription]; scope != "" && !slices.Contains(s.app.Scopes, scope) {
		return false
	}
	return ch == nil || slices.Contains(ch.Members, s.app.User)
}

// event queues an event in its envelope. https://docs.slack.dev/apis/events-api
func (s *Server) event(subscription string, ch *Channel, event body) {
	if !s.hears(subscription, ch) {
		return
	}
	if event["event_ts"] == nil {
		event["event_ts"] = s.ts()
	}
	id := s.id("Ev")
	context := s.o.Team
	if ch != nil {
		context = ch.Team
	}
	s.queue(Delivery{Kind: Events, ID: id, Type: subscription}, body{
		"token": "old-verification-token", "team_id": s.o.Team, "context_team_id": context, "context_enterprise_id": nil, "api_app_id": s.app.ID,
		"event": event, "type": "event_callback", "event_id": id, "event_time": s.now().Unix(), "is_ext_shared_channel": ch != nil && len(ch.Shared) > 0,
		"authorizations": []any{body{"enterprise_id": nil, "team_id": s.o.Team, "user_id": s.app.User, "is_bot": true, "is_enterprise_install": false}},
		"event_context":  "4-" + id})
}

// spoken is the subscription that messages of a kind of conversation need.
func spoken(ch *Channel) string {
	return map[string]string{Public: "message.channels", Private: "message.groups", Direct: "message.im", Several: "message.mpim"}[ch.Kind]
}

// tellMessage tells of a new message; of one that names the app twice, as Slack does: as a message
// and as a mention, under different ids.
func (s *Server) tellMessage(ch *Channel, m *Message) {
	shown := s.messageJSON(ch, m, true)
	for _, k := range []string{"reply_count", "reply_users", "reply_users_count", "latest_reply", "is_locked", "subscribed"} {
		delete(shown, k)
	}
	shown["channel"], shown["event_ts"], shown["channel_type"] = ch.ID, m.TS, ch.Kind
	if u := s.user(m.User); u != nil && u.Team != ch.Team {
		shown["user_team"], shown["source_team"] = u.Team, u.Team
	}
	s.event(spoken(ch), ch, shown)
	if ch.Kind == Direct || m.Bot == s.app.Bot || !strings.Contains(m.Text, "<@"+s.app.User+">") || m.Subtype != "" && m.Subtype != "thread_broadcast" {
		return
	}
	mention := maps.Clone(shown)
	mention["type"] = "app_mention"
	delete(mention, "channel_type")
	delete(mention, "subtype")
	s.event("app_mention", ch, mention)
}

// tellChanged tells of a message that was edited.
func (s *Server) tellChanged(ch *Channel, m, before *Message) {
	s.event(spoken(ch), ch, body{"type": "message", "subtype": "message_changed", "hidden": true, "channel": ch.ID, "channel_type": ch.Kind, "ts": s.ts(),
		"message": s.messageJSON(ch, m, true), "previous_message": s.messageJSON(ch, before, true)})
}

// tellDeleted tells of a message that is gone.
func (s *Server) tellDeleted(ch *Channel, m *Message) {
	s.event(spoken(ch), ch, body{"type": "message", "subtype": "message_deleted", "hidden": true, "channel": ch.ID, "channel_type": ch.Kind, "ts": s.ts(),
		"deleted_ts": m.TS, "previous_message": s.messageJSON(ch, m, true)})
}

// Overflow makes Slack say that it left events out because there were too many in this minute.
func (s *Server) Overflow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue(Delivery{Kind: Events, Type: "app_rate_limited"}, body{"token": "old-verification-token", "type": "app_rate_limited", "team_id": s.o.Team,
		"minute_rate_limited": s.now().Unix() / 60 * 60, "api_app_id": s.app.ID})
}

// Event queues an event of the test's own making in an envelope as it would come from Slack, whether
// the app is subscribed or not. change may alter the envelope; nil leaves it.
func (s *Server) Event(event map[string]any, change func(envelope map[string]any)) Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.id("Ev")
	envelope := body{"token": "old-verification-token", "team_id": s.o.Team, "api_app_id": s.app.ID, "event": event, "type": "event_callback", "event_id": id,
		"event_time": s.now().Unix(), "is_ext_shared_channel": false, "authorizations": []any{body{"enterprise_id": nil, "team_id": s.o.Team, "user_id": s.app.User, "is_bot": true, "is_enterprise_install": false}}}
	if change != nil {
		change(envelope)
	}
	return s.queue(Delivery{Kind: Events, ID: id, Type: "own"}, envelope)
}

func encoded(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}
