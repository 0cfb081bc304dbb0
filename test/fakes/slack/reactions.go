package slack

import (
	"fmt"
	"slices"
)

// Limits of reactions on one message: kinds, and kinds by one person.
// https://docs.slack.dev/reference/methods/reactions.add
const (
	maxEmoji     = 50
	maxReactions = 23
	// shownUsers is how many of those who gave a reaction are listed unless all are asked for: "the
	// users array may not always contain all users" (https://docs.slack.dev/reference/events/message).
	shownUsers = 25
)

func reactionsJSON(m *Message, full bool) []any {
	out := []any{}
	for _, r := range m.Reactions {
		users := r.Users
		if !full {
			users = users[:min(shownUsers, len(users))]
		}
		out = append(out, body{"name": r.Name, "users": slices.Clone(users), "count": len(r.Users)})
	}
	return out
}

func (s *Server) reactionMethods() []method {
	return []method{
		{"reactions.add", []string{"reactions:write"}, tier3, func(c *call) answer { return s.touch(c, true) }},
		{"reactions.remove", []string{"reactions:write"}, tier2, func(c *call) answer { return s.touch(c, false) }},
		{"reactions.get", []string{"reactions:read"}, tier3, s.reactionsGet},
	}
}

// reactedTo finds the message that a call about reactions names.
func (c *call) reactedTo() (*Channel, *Message, string) {
	s := c.s
	if c.in["channel"] == "" || c.in["timestamp"] == "" {
		return nil, nil, "no_item_specified"
	}
	if _, good := micros(c.in["timestamp"]); !good {
		return nil, nil, "bad_timestamp"
	}
	ch := s.channel(c.in["channel"])
	if ch == nil || !s.sees(c.token, ch) {
		return nil, nil, "channel_not_found"
	}
	m := ch.message(c.in["timestamp"])
	if m == nil || m.Only != "" {
		return nil, nil, "message_not_found"
	}
	return ch, m, ""
}

func (s *Server) touch(c *call, add bool) answer {
	ch, m, bad := c.reactedTo()
	switch {
	case bad != "":
		return fail(bad)
	case !slices.Contains(ch.Members, c.token.User):
		return fail("not_in_channel")
	case ch.Archived:
		return fail("is_archived")
	}
	if bad = s.react(ch, m, c.token.User, c.in["name"], add); bad != "" {
		return fail(bad)
	}
	return ok(nil)
}

// react gives or takes back a reaction and tells of it. An alias is another name of the same emoji
// on the page, and still another reaction for the API.
func (s *Server) react(ch *Channel, m *Message, user, name string, add bool) string {
	if !knownEmoji(name) {
		return "invalid_name"
	}
	at := slices.IndexFunc(m.Reactions, func(r Reaction) bool { return r.Name == name })
	has := at >= 0 && slices.Contains(m.Reactions[at].Users, user)
	kind := "reaction_added"
	switch {
	case add && has:
		return "already_reacted"
	case !add && !has:
		return "no_reaction"
	case add:
		mine := 0
		for _, r := range m.Reactions {
			if slices.Contains(r.Users, user) {
				mine++
			}
		}
		if mine >= maxReactions {
			return "too_many_reactions"
		}
		if at < 0 && len(m.Reactions) >= maxEmoji {
			return "too_many_emoji"
		}
		if at < 0 {
			m.Reactions, at = append(m.Reactions, Reaction{Name: name}), len(m.Reactions)
		}
		m.Reactions[at].Users = append(m.Reactions[at].Users, user)
	default:
		kind = "reaction_removed"
		r := &m.Reactions[at]
		r.Users = slices.DeleteFunc(r.Users, func(u string) bool { return u == user })
		if len(r.Users) == 0 {
			m.Reactions = slices.Delete(m.Reactions, at, at+1)
		}
	}
	s.tellIn(ch, kind, body{"type": kind, "user": user, "reaction": name, "item_user": m.User,
		"item": body{"type": "message", "channel": ch.ID, "ts": m.TS}})
	return ""
}

func (s *Server) reactionsGet(c *call) answer {
	ch, m, bad := c.reactedTo()
	if bad != "" {
		return fail(bad)
	}
	shown := s.messageJSON(ch, m, false)
	if len(m.Reactions) > 0 {
		shown["reactions"] = reactionsJSON(m, c.yes("full"))
	}
	shown["permalink"] = fmt.Sprintf("https://%s.slack.com/archives/%s/p%s", s.team(ch.Team).Domain, ch.ID, m.TS[:10]+m.TS[11:])
	return ok(body{"type": "message", "channel": ch.ID, "message": shown})
}
