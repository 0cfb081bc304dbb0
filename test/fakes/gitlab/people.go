package gitlab

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Roles of members in a project (https://docs.gitlab.com/api/access_requests/#valid-access-levels).
const (
	Guest      = 10
	Reporter   = 20
	Developer  = 30
	Maintainer = 40
	Owner      = 50
)

// User is an account. Its ID never changes, its Username may.
type User struct {
	ID       int
	Username string
	Name     string // "": as Username
	Email    string
	Bot      bool
	Admin    bool
	Blocked  bool
}

// Token is a personal access token. Without an expiry date it is good for ever.
type Token struct {
	ID      int
	Name    string
	Value   string
	User    int      // id
	Scopes  []string // api, read_api, read_user, read_repository, write_repository …
	Expires time.Time
	Revoked bool
	Made    time.Time
}

// AddUser makes an account; its id is given out when it is 0.
func (s *Server) AddUser(u User) User {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.ID == 0 {
		u.ID = s.id("user")
	}
	if u.Name == "" {
		u.Name = u.Username
	}
	if u.Email == "" {
		u.Email = u.Username + "@harbour.example"
	}
	s.users = append(s.users, &u)
	return u
}

// RenameUser gives an account another name.
func (s *Server) RenameUser(id int, username string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.user(id); u != nil {
		u.Username = username
	}
}

// BlockUser ends everything that an account may do.
func (s *Server) BlockUser(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.user(id); u != nil {
		u.Blocked = true
	}
}

// AddToken gives an account a token with scopes (none: api) and returns its text.
func (s *Server) AddToken(user int, scopes ...string) string {
	if len(scopes) == 0 {
		scopes = []string{"api"}
	}
	return s.IssueToken(Token{User: user, Scopes: scopes}).Value
}

// IssueToken makes a token; what is empty is filled in.
func (s *Server) IssueToken(t Token) Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.ID = s.id("token")
	if t.Value == "" {
		t.Value = "glpat-" + hexes(10)
	}
	if t.Name == "" {
		t.Name = "token " + strconv.Itoa(t.ID)
	}
	t.Made = s.now()
	s.tokens = append(s.tokens, &t)
	return t
}

// SetToken changes a token: its scopes, its expiry date, whether it is revoked.
func (s *Server) SetToken(value string, change func(*Token)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tokens {
		if t.Value == value {
			change(t)
		}
	}
}

// hexes is n random bytes in hexadecimal digits.
func hexes(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // crypto/rand ends the process rather than fail
	return hex.EncodeToString(raw)
}

// user finds an account; s.mu is held.
func (s *Server) user(id int) *User {
	for _, u := range s.users {
		if u.ID == id {
			return u
		}
	}
	return nil
}

func (s *Server) peopleRoutes() []route {
	return []route{
		{"GET", "/user", 0, func(c *call) answer {
			out := s.userJSON(c.user)
			out["email"], out["is_admin"], out["bot"] = c.user.Email, c.user.Admin, c.user.Bot
			return ok(out)
		}},
		{"GET", "/users", 0, func(c *call) answer {
			var found []*User
			for _, u := range s.users {
				if name := c.str("username"); name == "" || strings.EqualFold(name, u.Username) {
					found = append(found, u)
				}
			}
			return paged(c, found, s.userJSON)
		}},
		{"GET", "/users/:user", 0, func(c *call) answer {
			u := s.user(c.pathNum("user"))
			if u == nil {
				return notFound("User")
			}
			out := s.userJSON(u)
			out["bot"] = u.Bot
			return ok(out)
		}},
		{"GET", "/personal_access_tokens/self", 0, func(c *call) answer { return ok(s.tokenJSON(c.token)) }},
		{"GET", "/version", 0, s.version},
		{"GET", "/metadata", 0, s.version},
	}
}

func (s *Server) version(*call) answer {
	return ok(map[string]any{"version": s.o.Version, "revision": "0c2a7ea1b2f", "enterprise": strings.HasSuffix(s.o.Version, "-ee")})
}

// userJSON is an account as others see it; null for nobody.
func (s *Server) userJSON(u *User) map[string]any {
	if u == nil {
		return nil
	}
	state := "active"
	if u.Blocked {
		state = "blocked"
	}
	return map[string]any{"id": u.ID, "username": u.Username, "name": u.Name, "state": state, "locked": false,
		"avatar_url": nil, "web_url": s.URL + "/" + u.Username}
}

// hookUser is an account as hooks show it.
func (s *Server) hookUser(u *User) map[string]any {
	if u == nil {
		return nil
	}
	return map[string]any{"id": u.ID, "name": u.Name, "username": u.Username, "avatar_url": nil, "email": "[REDACTED]"}
}

func (s *Server) tokenJSON(t *Token) map[string]any {
	out := map[string]any{"id": t.ID, "name": t.Name, "revoked": t.Revoked, "created_at": stamp(t.Made), "scopes": t.Scopes,
		"user_id": t.User, "last_used_at": stamp(s.now()), "active": !t.Revoked && !t.over(s.now()), "expires_at": nil}
	if !t.Expires.IsZero() {
		out["expires_at"] = t.Expires.UTC().Format(time.DateOnly)
	}
	return out
}

// over says whether the token's last day has begun: it ends at midnight UTC of its date.
func (t *Token) over(now time.Time) bool {
	return !t.Expires.IsZero() && !now.Before(t.Expires.UTC().Truncate(24*time.Hour))
}

func (t *Token) may(scopes ...string) bool {
	return slices.ContainsFunc(t.Scopes, func(s string) bool { return slices.Contains(scopes, s) })
}

// authenticate finds who calls. No token at all is nobody, and no refusal yet.
func (s *Server) authenticate(r *http.Request) (*User, *Token, *answer) {
	given := r.Header.Get("PRIVATE-TOKEN")
	if bearer, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); given == "" && is {
		given = bearer
	}
	if given == "" {
		given = r.URL.Query().Get("private_token")
	}
	if given == "" {
		return nil, nil, nil
	}
	u, t, why := s.redeem(given)
	if why == "" {
		return u, t, nil
	}
	a := message(http.StatusUnauthorized, "401 Unauthorized")
	if t != nil {
		a.body = map[string]any{"error": "invalid_token", "error_description": why}
		a.header = http.Header{"Www-Authenticate": {`Bearer realm="Protected by OAuth 2.0", error="invalid_token", error_description="` + why + `"`}}
	}
	return nil, nil, &a
}

// redeem finds the account of a token, or why there is none.
func (s *Server) redeem(value string) (u *User, t *Token, why string) {
	for _, t := range s.tokens {
		if t.Value != value {
			continue
		}
		u := s.user(t.User)
		switch {
		case t.Revoked:
			return nil, t, "Token was revoked. You have to re-authorize from the user."
		case t.over(s.now()):
			return nil, t, "Token is expired. You can either do re-authorization or token refresh."
		case u == nil || u.Blocked:
			return nil, nil, "401 Unauthorized"
		}
		return u, t, ""
	}
	return nil, nil, "401 Unauthorized"
}

// scope refuses what the token's scopes do not reach.
func scope(t *Token, r route) *answer {
	wanted := []string{"api"}
	switch {
	case r.pattern == "/personal_access_tokens/self":
		return nil // every token may look at itself
	case r.pattern == "/user" || r.pattern == "/version" || r.pattern == "/metadata" || strings.HasPrefix(r.pattern, "/users"):
		wanted = append(wanted, "read_api", "read_user")
	case r.method == http.MethodGet:
		wanted = append(wanted, "read_api")
		if strings.Contains(r.pattern, "/repository/files/") {
			wanted = append(wanted, "read_repository")
		}
	}
	if t.may(wanted...) {
		return nil
	}
	const why = "The request requires higher privileges than provided by the access token."
	scopes := strings.Join(wanted, " ")
	a := answer{status: http.StatusForbidden, body: map[string]any{"error": "insufficient_scope", "error_description": why, "scope": scopes},
		header: http.Header{"Www-Authenticate": {`Bearer realm="Protected by OAuth 2.0", error="insufficient_scope", error_description="` + why + `", scope="` + scopes + `"`}}}
	return &a
}
