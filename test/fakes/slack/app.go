package slack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// App is the app under test, as its pages at Slack say.
type App struct {
	ID, Name       string
	User, Bot      string // ids of its bot user
	Token          string // xoxb-
	AppToken       string // xapp-, with connections:write
	Secret         string // signs what is sent
	Scopes         []string
	Events         []string // what it is subscribed to
	Commands       []Slash
	EventsURL      string
	CommandsURL    string // for commands that have no address of their own
	InteractiveURL string
	Interactive    bool
	Socket         bool // everything comes over Socket Mode, nothing to the addresses
}

// Slash is a slash command of the app.
type Slash struct {
	Name   string // with its slash
	URL    string
	Escape bool // channels, users and links come escaped
}

// Token is what a client authenticates with.
type Token struct {
	Value, Team, User, Bot string
	Scopes                 []string
	Revoked                bool
}

func (t *Token) appLevel() bool { return strings.HasPrefix(t.Value, "xapp-") }

func (t *Token) has(scope string) bool { return slices.Contains(t.Scopes, scope) }

// hasAny says whether the token has one of the scopes; of none there is nothing to have.
func (t *Token) hasAny(scopes []string) bool {
	return len(scopes) == 0 || slices.ContainsFunc(scopes, t.has)
}

// allEvents are the events that the server knows, with the scope that each needs.
// https://docs.slack.dev/reference/events lists both.
func allEvents() map[string]string {
	return map[string]string{
		"app_mention": "app_mentions:read", "message.channels": "channels:history", "message.groups": "groups:history",
		"message.im": "im:history", "message.mpim": "mpim:history", "reaction_added": "reactions:read", "reaction_removed": "reactions:read",
		"member_joined_channel": "channels:read", "member_left_channel": "channels:read", "channel_rename": "channels:read",
		"channel_left": "channels:read", "channel_deleted": "channels:read", "group_left": "groups:read", "group_archive": "groups:read", "group_deleted": "groups:read",
		"channel_archive": "channels:read", "channel_unarchive": "channels:read", "user_change": "users:read", "team_join": "users:read",
		"subteam_members_changed": "usergroups:read", "app_home_opened": "", "app_uninstalled": "", "tokens_revoked": "",
	}
}

// usualScopes are those of the app to begin with: all that the server knows, except for writing where
// the app is not and under other names.
func usualScopes() []string {
	return strings.Fields(`app_mentions:read channels:history channels:join channels:read channels:manage chat:write commands files:read files:write groups:history groups:read groups:write im:history im:read im:write mpim:history
		mpim:read mpim:write reactions:read reactions:write team:read usergroups:read users:read users:read.email users.profile:read`)
}

// settle makes the workspace, Slackbot and the app.
func (s *Server) settle() {
	s.teams = append(s.teams, &Team{ID: s.o.Team, Name: "Harbour", Domain: "harbour"})
	s.addUser(User{ID: slackbot, Name: "slackbot", RealName: "Slackbot", DisplayName: "Slackbot"})
	s.app = App{ID: "A0SLIPWAY1", Name: "Slipway", User: "U0SLIPWAY1", Bot: "B0SLIPWAY1", Secret: "8a1f0c5de4b94d7fa36c02e1b7d95f48",
		Token: "xoxb-0harbour-0slipway-token", AppToken: "xapp-1-A0SLIPWAY1-0-token", Scopes: usualScopes(),
		Events: slices.Sorted(maps.Keys(allEvents())), Commands: []Slash{{Name: "/slipway", Escape: true}}, Interactive: true}
	s.addUser(User{ID: s.app.User, Name: "slipway", RealName: "Slipway", Bot: true, BotID: s.app.Bot, App: s.app.ID})
	s.tokens = append(s.tokens, &Token{Value: s.app.Token, Team: s.o.Team, User: s.app.User, Bot: s.app.Bot, Scopes: s.app.Scopes},
		&Token{Value: s.app.AppToken, Team: s.o.Team, Scopes: []string{"connections:write"}})
}

// App is the app under test as it is now.
func (s *Server) App() App {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app
	a.Scopes, a.Events, a.Commands = slices.Clone(a.Scopes), slices.Clone(a.Events), slices.Clone(a.Commands)
	return a
}

// SetApp changes the app on its pages: addresses, secret, subscriptions. Scopes and tokens that
// change hold for its tokens at once, as after an installation.
func (s *Server) SetApp(change func(*App)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.app
	change(&s.app)
	for _, t := range s.tokens {
		switch t.Value {
		case old.Token:
			t.Value, t.Scopes = s.app.Token, slices.Clone(s.app.Scopes)
		case old.AppToken:
			t.Value = s.app.AppToken
		}
	}
	if old.Socket && !s.app.Socket {
		s.bye("link_disabled")
	}
}

// Serve tells the app's pages where the program under test listens: base and the three paths that
// it serves below /hooks/slack.
func (s *Server) Serve(base string) {
	base = strings.TrimSuffix(base, "/") + "/hooks/slack/"
	s.SetApp(func(a *App) {
		a.EventsURL, a.CommandsURL, a.InteractiveURL = base+"events", base+"commands", base+"interactive"
	})
}

// AddToken makes another token: of another workspace, or with fewer scopes. Without a user it is of
// the app's bot; in another workspace that is a bot of its own.
func (s *Server) AddToken(t Token) Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.Team == "" {
		t.Team = s.o.Team
	}
	if t.Value == "" {
		t.Value = "xoxb-" + strings.ToLower(s.id("K"))
	}
	if t.User == "" && !strings.HasPrefix(t.Value, "xapp-") {
		t.User, t.Bot = s.app.User, s.app.Bot
		if t.Team != s.o.Team {
			u := s.addUser(User{Team: t.Team, Name: "slipway", Bot: true, App: s.app.ID})
			t.User, t.Bot = u.ID, u.BotID
		}
	}
	t.Scopes = slices.Clone(t.Scopes)
	s.tokens = append(s.tokens, &t)
	return t
}

// Revoke ends a token; the app is told.
func (s *Server) Revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tokens {
		if t.Value == token {
			t.Revoked = true
			s.tell("tokens_revoked", body{"type": "tokens_revoked", "tokens": body{"oauth": []any{}, "bot": []any{t.User}}})
		}
	}
}

// authenticate finds the token of a call: in the header, or among the arguments of a form. Apps made
// since February 2021 may not send it in the query (https://docs.slack.dev/changelog/2020-11-no-more-tokens-in-querystrings-for-newly-created-apps/).
func (s *Server) authenticate(c *call) (*Token, string) {
	value, bearer := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		value = ""
		if c.form == "form" || c.form == "multipart" {
			value = c.in["token"]
		}
	}
	if c.r.URL.Query().Has("token") {
		s.wrong("%s: the token is in the query, where logs keep it", c.name)
		return nil, "not_allowed_token_type"
	}
	delete(c.in, "token")
	if value == "" {
		return nil, "not_authed"
	}
	for _, t := range s.tokens {
		if t.Value != value {
			continue
		}
		if t.Revoked {
			return nil, "token_revoked"
		}
		if u := s.user(t.User); u != nil && u.Deleted {
			return nil, "account_inactive"
		}
		return t, ""
	}
	return nil, "invalid_auth"
}

// missing refuses for want of a scope.
func missing(c *call, scopes []string) answer {
	a := fail("missing_scope")
	a.body["needed"], a.body["provided"] = strings.Join(scopes, ","), strings.Join(c.token.Scopes, ",")
	return a
}

// who says in a problem who asked.
func (t *Token) who() string {
	if t == nil {
		return "nobody"
	}
	return fmt.Sprintf("%s of %s", t.User, t.Team)
}
