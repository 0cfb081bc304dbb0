package slack

import (
	"fmt"
	"slices"
	"strings"
)

// Team is a workspace.
type Team struct{ ID, Name, Domain string }

// User is a person or a bot in a workspace.
type User struct {
	ID, Team        string
	Name            string // handle; people change it
	RealName        string
	DisplayName     string // people change it
	Email, TZ       string
	Bot             bool
	BotID, App      string // of bots
	Deleted         bool
	Restricted      bool // guest of several channels
	UltraRestricted bool // guest of one channel
	Admin, Owner    bool
	Updated         int64
}

// Bot is what an app writes as.
type Bot struct{ ID, App, User, Name string }

// Group is a user group.
type Group struct {
	ID, Team, Name, Handle string
	Users                  []string
	Disabled               bool
}

const slackbot = "USLACKBOT"

// AddTeam makes another workspace, with which channels can be shared.
func (s *Server) AddTeam(t Team) Team {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.ID == "" {
		t.ID = s.id("T")
	}
	s.teams = append(s.teams, &t)
	return t
}

// AddUser lets somebody join; an empty Team is the server's own, an empty ID is made.
func (s *Server) AddUser(u User) User {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := *s.addUser(u)
	if out.Team == s.o.Team {
		s.tell("team_join", map[string]any{"type": "team_join", "user": s.userJSON(&out, false)})
	}
	return out
}

func (s *Server) addUser(u User) *User {
	if u.Team == "" {
		u.Team = s.o.Team
	}
	if u.ID == "" {
		u.ID = s.id("U")
	}
	if u.Name == "" {
		u.Name = strings.ToLower(u.ID)
	}
	if u.RealName == "" {
		u.RealName = strings.ToUpper(u.Name[:1]) + u.Name[1:]
	}
	if u.TZ == "" {
		u.TZ = "Etc/UTC"
	}
	u.Updated = s.now().Unix()
	if u.Bot && u.BotID == "" {
		u.BotID = s.id("B")
	}
	if u.Bot {
		s.bots = append(s.bots, &Bot{ID: u.BotID, App: u.App, User: u.ID, Name: u.Name})
	}
	s.users = append(s.users, &u)
	return &u
}

// SetUser changes somebody: their names, their standing. The app is told as of a changed profile.
func (s *Server) SetUser(id string, change func(*User)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(id)
	if u == nil {
		return
	}
	change(u)
	u.ID, u.Updated = id, s.now().Unix()
	s.tell("user_change", map[string]any{"type": "user_change", "user": s.userJSON(u, false), "cache_ts": u.Updated, "event_ts": s.ts()})
}

// User is somebody as they are now.
func (s *Server) User(id string) User {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.user(id); u != nil {
		return *u
	}
	return User{}
}

func (s *Server) user(id string) *User {
	for _, u := range s.users {
		if u.ID == id {
			return u
		}
	}
	return nil
}

func (s *Server) bot(id string) *Bot {
	for _, b := range s.bots {
		if b.ID == id {
			return b
		}
	}
	return nil
}

func (s *Server) team(id string) *Team {
	for _, t := range s.teams {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// AddGroup makes a user group.
func (s *Server) AddGroup(g Group) Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.ID == "" {
		g.ID = s.id("S")
	}
	if g.Team == "" {
		g.Team = s.o.Team
	}
	g.Users = slices.Clone(g.Users)
	s.groups = append(s.groups, &g)
	return g
}

// SetGroup changes who is in a user group.
func (s *Server) SetGroup(id string, users ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.group(id); g != nil {
		g.Users = slices.Clone(users)
	}
}

// DisableGroup turns a user group off, or on again.
func (s *Server) DisableGroup(id string, off bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.group(id); g != nil {
		g.Disabled = off
	}
}

func (s *Server) group(id string) *Group {
	for _, g := range s.groups {
		if g.ID == id {
			return g
		}
	}
	return nil
}

// stranger says whether somebody is of another workspace and shares no channel with the app.
func (s *Server) stranger(u *User) bool {
	if u.Team == s.o.Team {
		return false
	}
	for _, ch := range s.channels {
		if slices.Contains(ch.Members, u.ID) && slices.Contains(ch.Members, s.app.User) {
			return false
		}
	}
	return true
}

func (s *Server) userJSON(u *User, email bool) map[string]any {
	hash := fmt.Sprintf("%012x", 0xface00+len(u.ID))
	profile := map[string]any{"title": "", "phone": "", "skype": "", "real_name": u.RealName, "real_name_normalized": u.RealName, "display_name": u.DisplayName,
		"display_name_normalized": u.DisplayName, "fields": nil, "status_text": "", "status_emoji": "", "status_emoji_display_info": []any{}, "status_expiration": 0,
		"avatar_hash": hash, "team": u.Team, "status_text_canonical": ""}
	for _, size := range []string{"24", "32", "48", "72", "192", "512"} {
		profile["image_"+size] = s.base + "/avatar/" + hash + "-" + size + ".png"
	}
	if u.Bot {
		profile["api_app_id"], profile["bot_id"], profile["always_active"] = u.App, u.BotID, true
	} else if email && u.Email != "" {
		profile["email"] = u.Email
	}
	out := map[string]any{"id": u.ID, "team_id": u.Team, "name": u.Name, "deleted": u.Deleted, "profile": profile, "is_bot": u.Bot, "is_app_user": false, "updated": u.Updated}
	if u.Deleted {
		return out // nothing else is said of who has left
	}
	for k, v := range map[string]any{"color": "9f69e7", "real_name": u.RealName, "tz": u.TZ, "tz_label": "Coordinated Universal Time", "tz_offset": 0,
		"is_admin": u.Admin, "is_owner": u.Owner, "is_primary_owner": false, "is_restricted": u.Restricted, "is_ultra_restricted": u.UltraRestricted,
		"is_email_confirmed": true, "who_can_share_contact_card": "EVERYONE"} {
		out[k] = v
	}
	if u.Team != s.o.Team {
		out["is_stranger"] = s.stranger(u)
	}
	return out
}

func (s *Server) peopleMethods() []method {
	return []method{
		{"auth.test", nil, special, s.authTest},
		{"users.info", []string{"users:read"}, tier4, s.usersInfo},
		{"users.list", []string{"users:read"}, tier2, s.usersList},
		{"users.lookupByEmail", []string{"users:read.email"}, tier3, s.lookupByEmail},
		{"bots.info", []string{"users:read"}, tier3, s.botsInfo},
		{"team.info", []string{"team:read"}, tier3, s.teamInfo},
		{"usergroups.list", []string{"usergroups:read"}, tier2, s.groupsList},
		{"usergroups.users.list", []string{"usergroups:read"}, tier2, s.groupUsers},
	}
}

func (s *Server) authTest(c *call) answer {
	t := s.team(c.token.Team)
	out := body{"url": "https://" + t.Domain + ".slack.com/", "team": t.Name, "team_id": t.ID, "is_enterprise_install": false}
	if c.token.appLevel() {
		out["app_id"], out["app_name"] = s.app.ID, s.app.Name
		return ok(out)
	}
	out["user"], out["user_id"] = s.user(c.token.User).Name, c.token.User
	if c.token.Bot != "" {
		out["bot_id"] = c.token.Bot
	}
	return ok(out)
}

func (s *Server) usersInfo(c *call) answer {
	u := s.user(c.in["user"])
	if u == nil {
		return fail("user_not_found")
	}
	if s.stranger(u) && u.Team != c.token.Team && c.token.Team == s.o.Team {
		return fail("user_not_visible")
	}
	return ok(body{"user": s.userJSON(u, c.token.has("users:read.email"))})
}

func (s *Server) usersList(c *call) answer {
	var all []any
	for _, u := range s.users {
		if u.Team == c.token.Team || !s.stranger(u) {
			all = append(all, s.userJSON(u, c.token.has("users:read.email")))
		}
	}
	return c.paged("members", all, len(all), 1000, body{"cache_ts": s.now().Unix()})
}

func (s *Server) lookupByEmail(c *call) answer {
	for _, u := range s.users {
		if u.Team == c.token.Team && u.Email != "" && strings.EqualFold(u.Email, c.in["email"]) && !u.Deleted {
			return ok(body{"user": s.userJSON(u, true)})
		}
	}
	return fail("users_not_found")
}

func (s *Server) botsInfo(c *call) answer {
	b := s.bot(c.in["bot"])
	if b == nil {
		return fail("bot_not_found")
	}
	return ok(body{"bot": body{"id": b.ID, "deleted": false, "name": b.Name, "updated": s.now().Unix(), "app_id": b.App, "user_id": b.User,
		"icons": body{"image_36": s.base + "/avatar/bot-36.png", "image_48": s.base + "/avatar/bot-48.png", "image_72": s.base + "/avatar/bot-72.png"}}})
}

func (s *Server) teamInfo(c *call) answer {
	t := s.team(c.token.Team)
	return ok(body{"team": body{"id": t.ID, "name": t.Name, "domain": t.Domain, "email_domain": "", "icon": body{"image_default": true}}})
}

func (s *Server) groupJSON(g *Group, users bool) body {
	out := body{"id": g.ID, "team_id": g.Team, "is_usergroup": true, "is_subteam": true, "name": g.Name, "description": "", "handle": g.Handle, "is_external": false,
		"date_create": s.now().Unix(), "date_update": s.now().Unix(), "date_delete": 0, "auto_type": nil, "auto_provision": false, "enterprise_subteam_id": "",
		"created_by": slackbot, "updated_by": slackbot, "deleted_by": nil, "prefs": body{"channels": []any{}, "groups": []any{}}, "user_count": len(g.Users)}
	if g.Disabled {
		out["date_delete"], out["deleted_by"] = s.now().Unix(), slackbot
	}
	if users {
		out["users"] = append([]string{}, g.Users...)
	}
	return out
}

func (s *Server) groupsList(c *call) answer {
	all := []any{}
	for _, g := range s.groups {
		if g.Team == c.token.Team && (!g.Disabled || c.yes("include_disabled")) {
			all = append(all, s.groupJSON(g, c.yes("include_users")))
		}
	}
	return ok(body{"usergroups": all})
}

func (s *Server) groupUsers(c *call) answer {
	g := s.group(c.in["usergroup"])
	switch {
	case g == nil || g.Team != c.token.Team:
		return fail("no_such_subteam")
	case g.Disabled && !c.yes("include_disabled"):
		return fail("subteam_disabled")
	}
	return ok(body{"users": append([]string{}, g.Users...)})
}
