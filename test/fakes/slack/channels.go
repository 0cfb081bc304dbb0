package slack

import (
	"slices"
	"strings"
	"time"
)

// Kinds of conversations.
const (
	Public  = "channel"
	Private = "group"
	Direct  = "im"
	Several = "mpim"
)

// Channel is a conversation.
type Channel struct {
	ID, Team, Name string
	Kind           string // "": Public
	Members        []string
	Archived       bool
	Shared         []string // other workspaces that share it
	Topic          string
	Creator        string
	Created        time.Time

	messages []*Message // by ts
	open     bool       // of direct ones: somebody opened it
}

// AddChannel makes a conversation with its members; the app is in it only when it is one of them.
func (s *Server) AddChannel(ch Channel) Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch.Team == "" {
		ch.Team = s.o.Team
	}
	return copied(s.addChannel(ch))
}

func (s *Server) addChannel(ch Channel) *Channel {
	if ch.Kind == "" {
		ch.Kind = Public
	}
	if ch.ID == "" {
		ch.ID = s.id(map[string]string{Public: "C", Private: "C", Direct: "D", Several: "G"}[ch.Kind])
	}
	if ch.Name == "" && ch.Kind != Direct {
		ch.Name = strings.ToLower(ch.ID)
	}
	ch.Created, ch.Members, ch.messages = s.now(), slices.Clone(ch.Members), nil
	s.channels = append(s.channels, &ch)
	return &ch
}

func copied(ch *Channel) Channel {
	out := *ch
	out.Members, out.Shared, out.messages = slices.Clone(ch.Members), slices.Clone(ch.Shared), nil
	return out
}

// Channel is a conversation as it is now.
func (s *Server) Channel(id string) Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch := s.channel(id); ch != nil {
		return copied(ch)
	}
	return Channel{}
}

// Channels are all conversations, oldest first.
func (s *Server) Channels() (out []Channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ch := range s.channels {
		out = append(out, copied(ch))
	}
	return out
}

// DM is the direct conversation of somebody with the app; it is made when there is none.
func (s *Server) DM(user string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dm(s.o.Team, user, s.app.User).ID
}

func (s *Server) dm(team, a, b string) *Channel {
	for _, ch := range s.channels {
		if ch.Kind == Direct && slices.Contains(ch.Members, a) && slices.Contains(ch.Members, b) && (a != b || len(ch.Members) == 1) {
			return ch
		}
	}
	members := []string{a, b}
	if a == b {
		members = members[:1]
	}
	return s.addChannel(Channel{Team: team, Kind: Direct, Members: members})
}

func (s *Server) channel(id string) *Channel {
	for _, ch := range s.channels {
		if ch.ID == id {
			return ch
		}
	}
	return nil
}

// Invite lets people, or the app, into a channel.
func (s *Server) Invite(channel string, users ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range users {
		if ch := s.channel(channel); ch != nil && !slices.Contains(ch.Members, u) {
			s.join(ch, u)
		}
	}
}

// Remove takes people, or the app, out of a channel.
func (s *Server) Remove(channel string, users ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range users {
		if ch := s.channel(channel); ch != nil && slices.Contains(ch.Members, u) {
			// The one who goes is told too, so the event is made first.
			s.tellIn(ch, "member_left_channel", body{"type": "member_left_channel", "user": u, "channel": ch.ID, "channel_type": letter(ch), "team": ch.Team})
			if u == s.app.User {
				left := "group_left"
				if ch.Kind == Public {
					left = "channel_left"
				}
				s.tellIn(ch, left, body{"type": left, "channel": ch.ID})
			}
			ch.Members = slices.DeleteFunc(ch.Members, func(m string) bool { return m == u })
		}
	}
}

func (s *Server) join(ch *Channel, user string) {
	ch.Members = append(ch.Members, user)
	s.tellIn(ch, "member_joined_channel", body{"type": "member_joined_channel", "user": user, "channel": ch.ID, "channel_type": letter(ch), "team": ch.Team})
}

// letter is how membership events name the kind of a channel.
func letter(ch *Channel) string {
	if ch.Kind == Public {
		return "C"
	}
	return "G"
}

// Archive closes a channel, or opens it again.
func (s *Server) Archive(channel string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.channel(channel)
	if ch == nil || ch.Archived == on {
		return
	}
	ch.Archived = on
	kind := "channel_archive"
	switch {
	case !on:
		kind = "channel_unarchive"
	case ch.Kind != Public:
		kind = "group_archive"
	}
	s.tellIn(ch, kind, body{"type": kind, "channel": ch.ID, "user": ch.Creator})
}

// Rename gives a channel another name; its id stays.
func (s *Server) Rename(channel, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch := s.channel(channel); ch != nil {
		ch.Name = name
		s.tellIn(ch, "channel_rename", body{"type": "channel_rename", "channel": body{"id": ch.ID, "name": name, "created": ch.Created.Unix()}})
	}
}

// kindScope is the scope of one kind of conversation: channels:history.
func kindScope(ch *Channel, what string) string {
	return map[string]string{Public: "channels:", Private: "groups:", Direct: "im:", Several: "mpim:"}[ch.Kind] + what
}

// sees says whether a token's user may know of a conversation.
func (s *Server) sees(t *Token, ch *Channel) bool {
	home := ch.Team == t.Team || slices.Contains(ch.Shared, t.Team)
	return home && (ch.Kind == Public || slices.Contains(ch.Members, t.User))
}

// locate finds the conversation of a call and asks for the scope of its kind.
func (c *call) locate(what string) (*Channel, *answer) {
	ch := c.s.channel(c.in["channel"])
	if ch == nil || !c.s.sees(c.token, ch) {
		a := fail("channel_not_found")
		return nil, &a
	}
	if scope := kindScope(ch, what); what != "" && !c.token.has(scope) {
		a := missing(c, []string{scope})
		return nil, &a
	}
	return ch, nil
}

func (s *Server) channelJSON(c *call, ch *Channel) body {
	in := slices.Contains(ch.Members, c.token.User)
	if ch.Kind == Direct {
		other := c.token.User
		for _, m := range ch.Members {
			if m != c.token.User {
				other = m
			}
		}
		gone := s.user(other) != nil && s.user(other).Deleted
		return body{"id": ch.ID, "created": ch.Created.Unix(), "is_archived": ch.Archived, "is_im": true, "is_org_shared": false, "context_team_id": ch.Team,
			"updated": ch.Created.UnixMilli(), "user": other, "is_user_deleted": gone, "priority": 0, "is_open": ch.open}
	}
	return body{"id": ch.ID, "name": ch.Name, "is_channel": ch.Kind == Public, "is_group": ch.Kind == Private, "is_im": false, "is_mpim": ch.Kind == Several,
		"is_private": ch.Kind != Public, "created": ch.Created.Unix(), "is_archived": ch.Archived, "is_general": false, "unlinked": 0, "name_normalized": ch.Name,
		"is_shared": len(ch.Shared) > 0, "is_org_shared": false, "is_pending_ext_shared": false, "pending_shared": []any{}, "context_team_id": ch.Team,
		"updated": ch.Created.UnixMilli(), "parent_conversation": nil, "creator": ch.Creator, "is_ext_shared": len(ch.Shared) > 0,
		"shared_team_ids": append([]string{ch.Team}, ch.Shared...), "pending_connected_team_ids": []any{}, "is_member": in,
		"topic": body{"value": ch.Topic, "creator": "", "last_set": 0}, "purpose": body{"value": "", "creator": "", "last_set": 0}, "previous_names": []any{}}
}

func (s *Server) channelMethods() []method {
	reading := []string{"channels:read", "groups:read", "im:read", "mpim:read"}
	writing := []string{"channels:manage", "groups:write", "im:write", "mpim:write"}
	return []method{
		{"conversations.info", reading, tier3, s.conversationInfo},
		{"conversations.members", reading, tier4, s.conversationMembers},
		{"conversations.list", reading, tier2, s.conversationsList},
		{"users.conversations", reading, tier3, s.usersConversations},
		{"conversations.open", writing, tier3, s.conversationOpen},
		{"conversations.join", []string{"channels:join"}, tier3, s.conversationJoin},
		{"conversations.leave", append(writing, "channels:join"), tier3, s.conversationLeave},
	}
}

func (s *Server) conversationInfo(c *call) answer {
	ch, refused := c.locate("read")
	if refused != nil {
		return *refused
	}
	out := s.channelJSON(c, ch)
	if c.yes("include_num_members") && ch.Kind != Direct {
		out["num_members"] = len(ch.Members)
	}
	return ok(body{"channel": out})
}

func (s *Server) conversationMembers(c *call) answer {
	ch, refused := c.locate("read")
	if refused != nil {
		return *refused
	}
	all := []any{}
	for _, m := range ch.Members {
		all = append(all, m)
	}
	return c.paged("members", all, 100, 1000, nil)
}

func (s *Server) conversationsList(c *call) answer {
	return s.listed(c, func(ch *Channel) bool { return s.sees(c.token, ch) })
}

func (s *Server) usersConversations(c *call) answer {
	user := c.token.User
	if c.in["user"] != "" {
		user = c.in["user"]
	}
	return s.listed(c, func(ch *Channel) bool { return s.sees(c.token, ch) && slices.Contains(ch.Members, user) })
}

func (s *Server) listed(c *call, want func(*Channel) bool) answer {
	kinds := map[string]string{"public_channel": Public, "private_channel": Private, "im": Direct, "mpim": Several}
	types := c.in["types"]
	if types == "" {
		types = "public_channel"
	}
	asked := map[string]bool{}
	for one := range strings.SplitSeq(types, ",") {
		kind := kinds[strings.TrimSpace(one)]
		if kind == "" {
			return fail("invalid_types")
		}
		if scope := kindScope(&Channel{Kind: kind}, "read"); !c.token.has(scope) {
			return missing(c, []string{scope})
		}
		asked[kind] = true
	}
	all := []any{}
	for _, ch := range s.channels {
		if asked[ch.Kind] && want(ch) && !(ch.Archived && c.yes("exclude_archived")) {
			all = append(all, s.channelJSON(c, ch))
		}
	}
	return c.paged("channels", all, 100, 1000, nil)
}

func (s *Server) conversationOpen(c *call) answer {
	if c.in["channel"] != "" {
		ch, refused := c.locate("write")
		if refused != nil {
			return *refused
		}
		return s.opened(c, ch)
	}
	var users []string
	for u := range strings.SplitSeq(c.in["users"], ",") {
		if u = strings.TrimSpace(u); u != "" && u != c.token.User && !slices.Contains(users, u) {
			users = append(users, u)
		}
	}
	if len(users) == 0 {
		return fail("users_list_not_supplied")
	}
	for _, id := range users {
		u := s.user(id)
		switch {
		case u == nil || s.stranger(u):
			return fail("user_not_found")
		case u.Deleted:
			return fail("user_disabled")
		case id == slackbot, u.Bot:
			return fail("cannot_dm_bot")
		}
	}
	if len(users) == 1 {
		if !c.token.has("im:write") {
			return missing(c, []string{"im:write"})
		}
		return s.opened(c, s.dm(c.token.Team, users[0], c.token.User))
	}
	if !c.token.has("mpim:write") {
		return missing(c, []string{"mpim:write"})
	}
	if len(users) > 8 {
		return fail("too_many_users")
	}
	all := slices.Sorted(slices.Values(append(users, c.token.User)))
	for _, ch := range s.channels {
		if ch.Kind == Several && slices.Equal(slices.Sorted(slices.Values(ch.Members)), all) {
			return s.opened(c, ch)
		}
	}
	return s.opened(c, s.addChannel(Channel{Team: c.token.Team, Kind: Several, Members: all}))
}

func (s *Server) opened(c *call, ch *Channel) answer {
	out := body{}
	if ch.open {
		out["no_op"], out["already_open"] = true, true
	}
	ch.open = true
	out["channel"] = body{"id": ch.ID}
	if c.yes("return_im") {
		out["channel"] = s.channelJSON(c, ch)
	}
	return ok(out)
}

func (s *Server) conversationJoin(c *call) answer {
	ch, refused := c.locate("")
	if refused != nil {
		return *refused
	}
	switch {
	case ch.Kind != Public:
		return fail("method_not_supported_for_channel_type")
	case ch.Archived:
		return fail("is_archived")
	case slices.Contains(ch.Members, c.token.User):
		a := ok(body{"channel": s.channelJSON(c, ch), "warning": "already_in_channel"})
		a.body["response_metadata"] = body{"warnings": []string{"already_in_channel"}}
		return a
	}
	s.join(ch, c.token.User)
	return ok(body{"channel": s.channelJSON(c, ch)})
}

func (s *Server) conversationLeave(c *call) answer {
	ch, refused := c.locate("")
	if refused != nil {
		return *refused
	}
	if !slices.Contains(ch.Members, c.token.User) {
		return ok(body{"not_in_channel": true})
	}
	ch.Members = slices.DeleteFunc(ch.Members, func(m string) bool { return m == c.token.User })
	return ok(nil)
}
