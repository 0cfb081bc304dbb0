package web

import (
	"context"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/finding"
	"slipway/bot/manifest"
	"slipway/bot/picture"
	"slipway/bot/view"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// Views are the options of the pages of runs. Without a Reader there are none; what else is nil is
// left out of them.
type Views struct {
	Reader   *view.Reader
	Commits  Commits
	Bodies   Bodies
	Logs     Logs
	Evidence Evidence
	Findings func(ctx context.Context) finding.Report
	About    func() []view.Value // versions and whatever else an operator wants to see at a glance
}

// Commits shows what is in a commit of a project, for those who must approve it. profile are the
// values that the run has pinned of its project. Since finds the release before it. Errors:
// [errs.NotFound] for a commit that is not there, [errs.Unavailable] when it cannot be told now. It
// need not bound what it reads to the page's size, but in time and memory.
type Commits interface {
	Commit(ctx context.Context, project string, profile map[string]any, commit string) (Commit, error)
}

// Commit is a commit with what is new since the release before it.
type Commit struct {
	ID, Author, Subject, Body string
	At                        time.Time
	Since                     string   // the release before it, or "" for the beginning
	Log                       []string // a line for each commit since then, newest first
	More                      int      // commits that are not in Log
	Files                     []FileChange
	Diff                      string // of the commit itself, against its first parent
	Cut                       bool   // the difference is longer
}

// FileChange is one file of a difference.
type FileChange struct {
	Path           string
	Added, Removed int
}

// Bodies opens bodies by digest. Who may read one is decided before. The error is [errs.NotFound]
// for one that is not kept.
type Bodies interface {
	Open(ctx context.Context, digest string) (body io.ReadSeekCloser, size int64, err error)
}

// Logs opens the log of what a step started or waits for, given what it was started with and what it
// gave. The error is [errs.NotFound] for a step that has none.
type Logs interface {
	Open(ctx context.Context, step view.StepPage) (log io.ReadSeekCloser, size int64, err error)
}

// Evidence writes the bundle of a run, and tells which heads of its log were signed.
type Evidence interface {
	Write(ctx context.Context, run string, w io.Writer) error
	Heads(ctx context.Context, run string) ([]Head, error)
}

// Head is a head of a run's log that was signed.
type Head struct {
	Seq   uint64
	Chain string
	At    time.Time
	Key   string // fingerprint of the log key
	What  string // why then: the gate, or the end
}

// viewRoutes are the pages of runs: rows of the table of [Site.routes].
func (s *Site) viewRoutes() []route {
	if s.o.Reader == nil {
		return nil
	}
	look := []login.Scope{login.Read}
	return []route{
		{"GET /runs", look, s.runs},
		{"GET /runs/{id}", look, s.run},
		{"POST /runs/{id}/say", login.Scopes(), s.act},
		{"GET /runs/{id}/picture.svg", look, s.picture},
		{"GET /runs/{id}/timeline", look, s.timeline},
		{"GET /runs/{id}/steps/{path...}", look, s.step},
		{"GET /runs/{id}/log/{path...}", look, s.log},
		{"GET /runs/{id}/output/{path...}", look, s.output},
		{"GET /runs/{id}/body/{digest}", look, s.body},
		{"GET /runs/{id}/commits/{commit}", look, s.commit},
		{"GET /runs/{id}/evidence", look, s.evidence},
		{"GET /mine", look, s.mine},
		{"GET /calendar", look, s.calendar},
		{"GET /queue", look, s.queue},
		{"GET /status", look, s.status},
	}
}

// viewPages are the names of their templates: templates/NAME.html.
func viewPages() []string {
	return []string{"run", "runs", "step", "timeline", "log", "commit", "mine", "calendar", "queue", "status"}
}

// viewLinks are their places in the navigation.
func (s *Site) viewLinks() []navLink {
	if s.o.Reader == nil {
		return nil
	}
	return []navLink{
		{Name: "Runs", URL: "/runs", Icon: "run"},
		{Name: "Mine", URL: "/mine", Icon: "mine"},
		{Name: "Calendar", URL: "/calendar", Icon: "calendar"},
		{Name: "Queue", URL: "/queue", Icon: "queue"},
		{Name: "Status", URL: "/status", Icon: "status"},
	}
}

// viewFuncs are what the templates of these pages may use besides the others.
func viewFuncs() template.FuncMap {
	return template.FuncMap{
		"took":    func(sec int64) string { return view.Took(time.Duration(sec) * time.Second) },
		"stepURL": stepURL,
		"runURL":  func(id string) string { return "/runs/" + url.PathEscape(id) },
		"lower":   strings.ToLower,
		"last":    lastPart,
		"form":    newForm,
		"percent": func(a, b int) int { return 100 * a / max(b, 1) },
		"bytes":   bytesWords,
		"steps":   stepStates,
		"kind":    kindWords,
		"trail":   trail,

		"bindName":   manifest.Label,
		"gateState":  gateState,
		"messageURL": messageURL,
		"outputURL": func(run, path, name string) string {
			return strings.Replace(stepURL(run, path), "/steps/", "/output/", 1) + "?name=" + url.QueryEscape(name)
		},
		"eventClass": func(kind string) string { return strings.NewReplacer(".", "-", "_", "-").Replace(kind) },
		"anchor":     picture.Anchor,
		"clip":       clip,
		"barsHeight": barsHeight,
		"add":        func(a, b int) int { return a + b },
		"int":        func(n int64) int { return int(n) },
		"words":      func(list ...string) []string { return list },
	}
}

// stepURL is the page of a step. Its path may hold any character.
func stepURL(run, path string) string {
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return "/runs/" + url.PathEscape(run) + "/steps/" + strings.Join(parts, "/")
}

// lastPart is the last part of a name, the version of most.
func lastPart(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// trail is what stands before it, with the stroke.
func trail(name string) string { return name[:strings.LastIndexByte(name, '/')+1] }

func personOf(r *http.Request) login.Viewer {
	v, _ := login.From(r.Context())
	return v
}

// gateState is the class of a gate by how it stands.
func gateState(state string) string {
	switch state {
	case "open", "closing":
		return stateClass(card.Waiting)
	case "approved":
		return stateClass(card.Done)
	case "rejected":
		return stateClass(card.Failed)
	case "void":
		return stateClass(card.Stale)
	}
	return stateClass(card.Pending)
}

// messageURL is a message of the console in its channel.
func messageURL(m view.Message) string {
	place := m.Channel
	if console.IsDirect(place) {
		place = console.Mine
	}
	return "/c/" + url.PathEscape(place) + "/" + url.PathEscape(m.ID) + "#m-" + url.PathEscape(m.ID)
}
