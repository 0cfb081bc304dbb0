// Package api is the console for programs: JSON over HTTP, for scripts, other services and the
// command line of Slipway itself.
//
// One table of routes (see table.go) makes both the multiplexer and the OpenAPI document, so that
// what is described is what is done. The rules are those of the pages: who sends a request is in
// its context, put there by the guard of package login; what a person may see is decided by the
// readers that are asked; and nothing is changed but by a message or a reaction of that person in
// a channel, where the core decides as in any chat.
//
// Requests are read strictly: an unknown field or parameter is refused and the nearest right name
// given. Refusals have one form, [console.Problem].
package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/finding"
	"slipway/bot/people"
	"slipway/bot/view"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// Options are what the API uses. Desk, View, Bot and Log must be set; a group of routes whose part is
// nil answers that it is not there.
type Options struct {
	Desk   *console.Desk
	Bot    string // account of the bot, whose replies answer commands
	Log    *slog.Logger
	View   *view.Reader // what people are shown of runs
	Tokens Tokens
	Logins Logins

	// Needs is the scope without which an account may not say a text: what approves or operates by
	// a command must not come in by a way that may only say. nil means [login.Say] for everything.
	Needs func(text string) login.Scope

	// Complete lists what may stand in place of the last word of a command that is being typed.
	Complete func(v login.Viewer, channel, text string) []string

	Bodies Bodies // files by digest

	// Evidence writes the bundle of a run, whoever asks; with files the released files are in it.
	Evidence func(ctx context.Context, runID string, files bool, w io.Writer) error

	// Findings tells what is wrong with the installation; with fresh it looks anew. nil: not told.
	Findings func(ctx context.Context, fresh bool) finding.Report

	// Backup begins a backup to a path, or with "" tells how backups stand. It decides who may.
	Backup func(account, to string) (Backup, error)

	Clock func() time.Time // nil means time.Now

	// Beat is the time between two signs of life on a stream without events; 0 means 15 s.
	Beat time.Duration

	// WriteTimeout is how long a client may take to read a piece of a stream; 0 means 10 s.
	WriteTimeout time.Duration
}

// Tokens is where persons make tokens for their programs.
type Tokens interface {
	NewToken(v login.Viewer, name string, scopes []login.Scope, life time.Duration) (secret string, t login.Token, err error)
	Tokens(p people.PersonID) ([]login.Token, error)
	RevokeToken(p people.PersonID, which string) (login.Token, error)
}

// Logins is where the sessions of browsers are.
type Logins interface {
	Code(account string) (string, error)
	Sessions(account string) ([]login.Session, error)
	EndSessions(account string) (int, error)
}

// API answers below [Prefix], and at [DocumentPath]. Who calls must have passed the guard of
// package login.
type API struct {
	o   Options
	mux *http.ServeMux
}

// New makes the API.
func New(o Options) (*API, error) {
	switch {
	case o.Desk == nil, o.View == nil, o.Bot == "", o.Log == nil:
		return nil, errs.E("api.new", errs.Internal, errors.New("the API needs a desk, a reader of runs, the account of the bot and a log"))
	}
	if o.Beat == 0 {
		o.Beat = 15 * time.Second
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 10 * time.Second
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Needs == nil {
		o.Needs = func(string) login.Scope { return login.Say }
	}
	a := &API{o: o, mux: http.NewServeMux()}
	methods := map[string][]string{}
	for _, r := range a.routes() {
		a.mux.HandleFunc(r.method+" "+Prefix+r.path, a.handler(r))
		methods[r.path] = append(methods[r.path], r.method)
	}
	for path, allowed := range methods {
		a.mux.HandleFunc(Prefix+path, func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Allow", strings.Join(slices.Sorted(slices.Values(allowed)), ", "))
			a.refuse(w, req, console.WithStatus(http.StatusMethodNotAllowed, errs.E("api.request", errs.Invalid, fmt.Errorf("%s is not done to %s", quoted(req.Method), quoted(req.URL.Path))).
				Hint("use %s", strings.Join(slices.Sorted(slices.Values(allowed)), " or "))))
		})
	}
	document := Document()
	a.mux.HandleFunc("GET "+DocumentPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=300")
		_, _ = w.Write(document)
	})
	a.mux.HandleFunc("/api/", func(w http.ResponseWriter, req *http.Request) {
		a.refuse(w, req, errs.E("api.request", errs.NotFound, fmt.Errorf("there is nothing at %s", quoted(req.URL.Path))).Hint("%s describes what there is", DocumentPath))
	})
	return a, nil
}

// ServeHTTP answers one request. The viewer is in its context.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// handler is what stands before every route: somebody must be there, who came in by a way that
// allows it.
func (a *API) handler(r route) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		v, ok := login.From(req.Context())
		if !ok {
			w.Header().Set("WWW-Authenticate", `Bearer realm="slipway"`)
			a.refuse(w, req, console.WithStatus(http.StatusUnauthorized, errs.E("api.request", errs.Denied, errors.New("who is asking is not known")).
				Hint("send a token, Authorization: Bearer …, which slipway token new makes")))
			return
		}
		if err := may(v, r.scope); err != nil {
			a.refuse(w, req, err)
			return
		}
		if r.wait > 0 { // longer than other answers may take
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(r.wait + a.o.WriteTimeout))
		}
		if err := r.serve(w, req, v); err != nil {
			a.refuse(w, req, err)
		}
	}
}

// may refuses what the way in does not allow.
func may(v login.Viewer, s login.Scope) error {
	if s == "" || v.May(s) {
		return nil
	}
	return errs.E("api.scope", errs.Denied, fmt.Errorf("this way in may not %s: it lacks the scope %s", s, s)).Hint("use a token with that scope, or log in")
}

func notHere(what string) error {
	return errs.E("api.request", errs.Unavailable, fmt.Errorf("there is no %s in this Slipway", what)).Hint("it is not configured, or this program does without it")
}
