// Package web is the console in a browser: the channels with their live cards and gates, and the
// pages of runs.
//
// Every page is made on the server and is whole without a script: links lead, forms say and
// react. The script makes the same pages live. A page names what it shows in data-live; the
// stream at /events says only which channels and runs changed; the script then asks the page's
// own address for the parts that did (?fragment=NAME,NAME) and puts each in the place of the
// element with that id, while focus, scroll and typed text stay as they are.
//
// What people do goes one way only: through [console.Desk], as a message or a reaction of theirs.
// The id of each message is made by the client, so that a line that was sent twice is said once.
//
// Who asks is found by package login before any handler of ours runs. What a viewer may not see
// is "not found" here, in the same words as what is not there.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// Author is who an account is, for showing.
type Author struct {
	Name string // "Hana Harbour"
	Nick string // the short word for the person, as commands name it: "hana"
	Bot  bool
}

// Suggestion is one way to go on with a line: a whole word in place of its last one, and what it
// means in a few words, or "".
type Suggestion struct {
	Word string `json:"word"`
	Help string `json:"help,omitempty"`
}

// Feed says which runs changed since the number since, the number to ask with next time, and a
// channel that is closed at the next change. runs is nil when since is too old to tell: then any
// run may have changed.
type Feed interface {
	Changed(since uint64) (now uint64, runs []string, wait <-chan struct{})
}

// Options are what a site is made of. Desk is needed; what is nil or zero is left out of the pages.
type Options struct {
	Desk *console.Desk

	Who      func(account string) Author                                                          // nil shows accounts as they are
	Complete func(ctx context.Context, v login.Viewer, channel, line string) (words []Suggestion) // nil: no completion
	Feed     Feed                                                                                 // of runs; nil: pages of runs are not live
	SeesRun  func(v login.Viewer, run string) bool                                                // nil: all
	Log      *slog.Logger                                                                         // nil: none
	Clock    func() time.Time                                                                     // nil: time.Now
	NewID    func() string                                                                        // of what a form says; nil: random

	Base    string   // address under which links to these pages are written, e.g. https://slipway.example; "" for none
	Home    string   // channel of a first visit; "" is the first by name
	First   string   // what a newcomer types first, e.g. "release 2019.01"; "" is help
	Example []Person // of a demonstration: who there is, each with an address of its own

	Views    // of runs
	Tellings // of who is told what
}

// Person is somebody whom a visitor of a demonstration can be.
type Person struct {
	Name string // "Hana Harbour"
	Nick string // "hana"
	What string // "asks for releases"
	URL  string // where a browser is this person
}

// Site is the handler of every page. [login.Door.Guard] stands before it. Close ends what it runs.
type Site struct {
	o     Options
	mux   *http.ServeMux
	pages *pages
	files *assets
	hub   *hub
}

// route is one row of the table of pages.
type route struct {
	pattern string // of http.ServeMux
	scopes  []login.Scope
	do      func(http.ResponseWriter, *http.Request) error
}

// routes are all pages. An error that a page returns is shown by [Site.fail].
func (s *Site) routes() []route {
	look := []login.Scope{login.Read}
	// What is typed may be any command; a browser's session has every scope.
	act := login.Scopes()
	chat := []route{
		{"GET /{$}", look, s.home},
		{"GET /c/{channel}", look, s.channel},
		{"GET /c/{channel}/{thread}", look, s.channel},
		{"POST /c/{channel}", act, s.say},
		{"POST /c/{channel}/{thread}", act, s.say},
		{"POST /react", act, s.react},
		{"POST /press", act, s.press},
		{"GET /complete", look, s.complete},
		{"GET /events", look, s.events},
		{"POST /theme", look, s.theme},
		{"GET /help", look, s.help},
	}
	return append(append(chat, s.viewRoutes()...), s.tellRoutes()...)
}

// New builds the site and starts the one goroutine that watches for all open streams.
func New(o Options) (*Site, error) {
	const op = "web.new"
	if o.Desk == nil || o.Desk.Room == nil {
		return nil, errs.E(op, errs.Internal, errors.New("the site has no room to show"))
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.NewID == nil {
		o.NewID = randomID
	}
	s := &Site{o: o, mux: http.NewServeMux()}
	var err error
	if s.files, err = loadAssets(); err != nil {
		return nil, errs.E(op, errs.Internal, err)
	}
	if s.pages, err = loadPages(s); err != nil {
		return nil, errs.E(op, errs.Internal, err)
	}
	if s.hub, err = newHub(o); err != nil {
		return nil, err
	}
	s.mux.Handle("GET /static/{digest}/{file}", s.files)
	for _, r := range s.routes() {
		s.mux.HandleFunc(r.pattern, s.page(r))
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, errs.E("web", errs.NotFound, fmt.Errorf("there is no page %s", clip(r.URL.Path))).Hint("the channels and pages are on the left"))
	})
	return s, nil
}

// ServeHTTP answers one request. The viewer is in its context.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close ends all open streams; browsers come back to the process that follows.
func (s *Site) Close() { s.hub.close() }

// page is the handler of a row: it lets in whom the row allows, and shows what went wrong.
func (s *Site) page(r route) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		v, ok := login.From(q.Context())
		if !ok {
			s.fail(w, q, errs.E("web", errs.Denied, errors.New("you are not logged in")).Hint("log in first"))
			return
		}
		for _, scope := range r.scopes {
			if !v.May(scope) {
				s.fail(w, q, errs.E("web", errs.Denied, fmt.Errorf("your way in does not allow %q", scope)).Hint("log in with a browser, or use a token with that scope and the API"))
				return
			}
		}
		// What changes from now on is told to the page that is made from what is read from now on.
		q = q.WithContext(context.WithValue(q.Context(), positionKey{}, s.hub.position()))
		if err := r.do(w, q); err != nil {
			s.fail(w, q, err)
		}
	}
}

type positionKey struct{}

func (s *Site) positionOf(r *http.Request) string {
	if p, ok := r.Context().Value(positionKey{}).(string); ok {
		return p
	}
	return s.hub.position()
}
