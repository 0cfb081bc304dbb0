package login

import (
	"context"
	"errors"
	"slices"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/people"
)

// Scope is one thing that a way in allows. A scope never adds to what the person may do: the
// roles of the core hold for everybody, whatever the scopes.
type Scope string

// The scopes. A browser's session has all of them; a token has those it was made with.
const (
	Read    Scope = "read"    // look at what the person may see
	Say     Scope = "say"     // say something in a channel: commands that neither approve nor operate
	Approve Scope = "approve" // approve, reject and veto, by command, button or reaction
	Operate Scope = "operate" // steer: hold, abort, retry, answer what is doubtful, grant roles
)

// Scopes are all scopes, from the least to the most.
func Scopes() []Scope { return []Scope{Read, Say, Approve, Operate} }

// Viewer is who sends a request, as proven by the door.
type Viewer struct {
	Account string          // as in messages of the console: "unix:1000", "console:grace", "oidc:ISSUER#SUBJECT"
	Person  people.PersonID // "" while the account is linked to nobody
	Name    string          // of the person, or of the account; for showing
	Scopes  []Scope
	Token   string // id of the token of a program that asks; "" when the person does
	Many    bool   // the demo in which one browser may be several people
}

// May reports whether the viewer came in by a way that allows s.
func (v Viewer) May(s Scope) bool { return slices.Contains(v.Scopes, s) }

// InPerson refuses programs, [errs.Denied]: what opens further ways in is done by the person, so
// that a token that leaked cannot make itself another one.
func (v Viewer) InPerson() error {
	if v.Token == "" {
		return nil
	}
	return errs.E("login", errs.Denied, errors.New("a token cannot make, show or end ways in")).Hint("log in with a browser, or use slipway on its machine")
}

// scopeNames are scopes in a list for people.
func scopeNames(list []Scope) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}

type viewerKey struct{}

// With is ctx with a viewer. Only the door and tests call it.
func With(ctx context.Context, v Viewer) context.Context {
	return context.WithValue(ctx, viewerKey{}, v)
}

// From is the viewer of a request. Without one the request came in by an open path, such as the
// public page: show nothing that is not for everybody.
func From(ctx context.Context) (Viewer, bool) {
	v, ok := ctx.Value(viewerKey{}).(Viewer)
	return v, ok
}
