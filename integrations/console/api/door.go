package api

import (
	"context"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console/login"
)

// Code opens a browser's session once.
type Code struct {
	Code    string `json:"code" doc:"Good once, for /login?code=…"`
	Seconds int    `json:"seconds" doc:"For how long."`
}

// Sessions are those of the person's account.
type Sessions struct {
	Sessions []Session `json:"sessions" doc:"The one used last first."`
}

// Session is a browser that is logged in.
type Session struct {
	ID    string    `json:"id" doc:"Names it, opens nothing."`
	Way   string    `json:"way" doc:"How it was opened." enum:"code,oidc,pick"`
	Agent string    `json:"agent,omitempty" doc:"What the browser says of itself."`
	Made  time.Time `json:"made"`
	Seen  time.Time `json:"seen" doc:"Last use, within five minutes."`
}

// Ended says how many sessions were ended.
type Ended struct {
	Ended int `json:"ended"`
}

// TokenList are the tokens of the person.
type TokenList struct {
	Tokens []login.Token `json:"tokens" doc:"Newest first; expired ones stay for a month."`
}

// TokenAsk makes a token.
type TokenAsk struct {
	Name   string        `json:"name" need:"yes" doc:"What it is for: small letters, digits, dots and dashes." max:"63" example:"nightly-status"`
	Scopes []login.Scope `json:"scopes" need:"yes" doc:"What it allows, at most what this way in allows; read is always in it." example:"[\"read\"]"`
	Days   int           `json:"days" need:"yes" doc:"For how many days it is good." min:"1" max:"366" example:"90"`
}

// NewToken is a token with its secret.
type NewToken struct {
	Secret string      `json:"secret" doc:"For the header Authorization: Bearer SECRET. It is shown this once and not kept."`
	Token  login.Token `json:"token"`
}

// WhichToken names a token.
type WhichToken struct {
	Token string `in:"path" json:"token" doc:"Id or name of a token." example:"nightly-status"`
}

func (a *API) code(_ context.Context, v login.Viewer, _ Nothing) (Code, error) {
	if err := v.InPerson(); err != nil {
		return Code{}, err
	}
	if a.o.Logins == nil {
		return Code{}, notHere("web console")
	}
	code, err := a.o.Logins.Code(v.Account)
	return Code{code, int(login.CodeLife / time.Second)}, err
}

func (a *API) sessions(_ context.Context, v login.Viewer, _ Nothing) (Sessions, error) {
	if err := v.InPerson(); err != nil {
		return Sessions{}, err
	}
	if a.o.Logins == nil {
		return Sessions{}, notHere("web console")
	}
	found, err := a.o.Logins.Sessions(v.Account)
	var out Sessions
	for _, s := range found {
		out.Sessions = append(out.Sessions, Session{s.ID, s.Way, s.Agent, s.Made, s.Seen})
	}
	return out, err
}

func (a *API) endSessions(_ context.Context, v login.Viewer, _ Nothing) (Ended, error) {
	if err := v.InPerson(); err != nil {
		return Ended{}, err
	}
	if a.o.Logins == nil {
		return Ended{}, notHere("web console")
	}
	n, err := a.o.Logins.EndSessions(v.Account)
	return Ended{n}, err
}

func (a *API) tokens(_ context.Context, v login.Viewer, _ Nothing) (TokenList, error) {
	if err := v.InPerson(); err != nil {
		return TokenList{}, err
	}
	if a.o.Tokens == nil {
		return TokenList{}, notHere("tokens")
	}
	found, err := a.o.Tokens.Tokens(v.Person)
	return TokenList{found}, err
}

func (a *API) newToken(_ context.Context, v login.Viewer, q TokenAsk) (NewToken, error) {
	if a.o.Tokens == nil {
		return NewToken{}, notHere("tokens")
	}
	secret, t, err := a.o.Tokens.NewToken(v, q.Name, q.Scopes, time.Duration(q.Days)*24*time.Hour)
	return NewToken{secret, t}, err
}

func (a *API) revokeToken(_ context.Context, v login.Viewer, q WhichToken) (login.Token, error) {
	if err := v.InPerson(); err != nil {
		return login.Token{}, err
	}
	if a.o.Tokens == nil {
		return login.Token{}, notHere("tokens")
	}
	return a.o.Tokens.RevokeToken(v.Person, q.Token)
}

// noToken is said of what opens or closes ways in.
const noToken = "Not with a token: the person must have come in by a browser or the socket."

func (a *API) doorRoutes() []route {
	return []route{
		plain(route{method: "POST", path: "/codes", id: "newCode", scope: login.Operate, doc: "A code that logs a browser in, once.",
			more: "It gives every scope, so that it needs the greatest. " + noToken, kinds: []errs.Kind{errs.Full}}, a.code),
		plain(route{method: "GET", path: "/sessions", id: "listSessions", scope: login.Read, doc: "The browsers that are logged in with the same account.", more: noToken}, a.sessions),
		plain(route{method: "DELETE", path: "/sessions", id: "endSessions", scope: login.Say, doc: "Log every browser out that is logged in with the same account.", more: noToken}, a.endSessions),
		plain(route{method: "GET", path: "/tokens", id: "listTokens", scope: login.Read, doc: "The person's tokens, without their secrets.", more: noToken}, a.tokens),
		plain(route{method: "POST", path: "/tokens", id: "newToken", scope: login.Say, doc: "Make a token for a program.", status: 201, more: noToken,
			kinds: []errs.Kind{errs.Exists, errs.Full}}, a.newToken),
		plain(route{method: "DELETE", path: "/tokens/{token}", id: "revokeToken", scope: login.Say, doc: "End a token. Its open streams end too.", more: noToken,
			kinds: []errs.Kind{errs.NotFound}}, a.revokeToken),
	}
}
