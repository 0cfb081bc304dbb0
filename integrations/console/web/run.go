package web

import (
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/picture"
	"slipway/bot/view"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// Bounds of the run page.
const (
	runEvents   = 25  // of the timeline
	runMessages = 8   // of the thread
	runSteps    = 150 // steps that are listed at once
	runLines    = 12  // of why

	// From so many declared steps on the picture is fetched once the page stands: its hundreds of
	// kilobytes would hold up everything else.
	pictureLater = 150
)

// runPage is the data of templates/run.html.
type runPage struct {
	view.Run
	Path     string // of this page
	Viewer   login.Viewer
	Picture  template.HTML
	Later    bool          // the picture is large and comes after the page
	Gates    []gateView    // open, and then closed ones that the viewer has a word in
	Waits    []awaitedView // what waits for persons, gates aside
	Others   int           // of what waits, not shown
	Events   []view.Event
	Earlier  bool
	Bars     []barView
	Listed   []view.Step // a page of the steps
	From, To int         // of that page
	Talk     *talkView
	Said     string // the message that the viewer has just said
	Heads    []Head
	Evidence bool
	Buttons  []formView
}

// gateView is a gate with its forms.
type gateView struct {
	view.Gate
	RunID string
	Forms []formView
	Mine  bool
	Whom  []view.Person
	Waits int64
}

// awaitedView is something that waits, with its forms.
type awaitedView struct {
	view.Awaited
	RunID, RunName string
	Forms          []formView
	Doubt          *view.Effect // what is known of it
}

// formView is a form that says one command line.
type formView struct {
	view.Action
	RunID  string
	Back   string // the page to come back to
	SayID  string // under which it is said
	Step   string
	Folded bool // its fields are shown when it is opened
}

// newForm is the form of an action.
func newForm(a view.Action, run, back, step, sayID string) formView {
	return formView{Action: a, RunID: run, Back: back, SayID: sayID, Step: step, Folded: len(a.Fields) > 0}
}

// Need reports whether something must be filled in.
func (f formView) Need() bool {
	return slices.ContainsFunc(f.Fields, func(x view.Field) bool { return x.Required })
}

// Quiet reports whether the button stands back: others on the page are what it is about.
func (f formView) Quiet() bool {
	return slices.Contains([]string{"hold", "withdraw", "skip", "unveto", "again"}, f.ID) || f.ID == "retry" && f.Text != "Try again"
}

func (s *Site) forms(actions []view.Action, run, back, step string) []formView {
	var out []formView
	for _, a := range actions {
		f := newForm(a, run, back, step, s.o.NewID())
		f.Folded = f.Folded && a.ID != "answer" && a.ID != "done"
		out = append(out, f)
	}
	return out
}

// talkView is the end of the thread in which people speak about a run.
type talkView struct {
	Href     string
	Name     string
	Messages []messageView
	More     int
}

// run shows one run.
func (s *Site) run(w http.ResponseWriter, r *http.Request) error {
	v := personOf(r)
	one, err := s.o.Reader.Run(r.Context(), v.Person, r.PathValue("id"))
	if err != nil {
		return err
	}
	if one.ID != r.PathValue("id") { // by name: one page has one address
		http.Redirect(w, r, "/runs/"+url.PathEscape(one.ID), http.StatusSeeOther)
		return nil
	}
	p := &runPage{Run: one, Path: "/runs/" + url.PathEscape(one.ID), Viewer: v, Said: saidOf(r), Evidence: s.o.Evidence != nil}
	p.Lines = p.Lines[:min(len(p.Lines), runLines)]
	if err := s.waits(r, p); err != nil {
		return err
	}
	p.Buttons = s.forms(one.Actions, one.ID, p.Path, "")
	p.Later = len(one.Steps) >= pictureLater && r.URL.Query().Get("fragment") == ""
	if wanted(r, "run-picture") && !p.Later {
		svg, err := s.o.Reader.Picture(r.Context(), v.Person, one.ID, picture.Options{Link: func(path string) string { return stepURL(one.ID, path) }})
		switch {
		case err == nil:
			p.Picture = template.HTML(svg) //nolint:gosec // made by package picture, which escapes every text
		case !errs.Is(err, errs.Unavailable):
			return err
		}
	}
	line, err := s.o.Reader.Timeline(r.Context(), v.Person, one.ID, view.About{Limit: runEvents})
	if err != nil {
		return err
	}
	p.Events, p.Earlier = line.Events, line.Before > 0
	p.Bars = bars(one)
	p.From, _ = strconv.Atoi(r.URL.Query().Get("from"))
	p.From = min(max(p.From, 0), len(one.Steps))
	p.To = min(p.From+runSteps, len(one.Steps))
	p.Listed = one.Steps[p.From:p.To]
	if p.Talk, err = s.talk(v, one.Threads); err != nil {
		return err
	}
	if s.o.Evidence != nil && wanted(r, "run-proof") {
		if p.Heads, err = s.o.Evidence.Heads(r.Context(), one.ID); err != nil {
			return err
		}
	}
	return s.render(w, r, "run", p)
}

// saidOf is the message that the viewer has just said, if the address names one.
func saidOf(r *http.Request) string {
	if id := r.URL.Query().Get("said"); validID(id) {
		return id
	}
	return ""
}

// wanted reports whether a part of a page is asked for: each, when it is the whole page.
func wanted(r *http.Request, part string) bool {
	list := r.URL.Query().Get("fragment")
	return list == "" || slices.Contains(strings.Split(list, ","), part)
}

// maxGates bounds the gates that stand whole on the page of a run, and waitMost what else is awaited.
const (
	maxGates = 6
	waitMost = 8
)

// waits takes apart what is awaited: gates are shown with what they bind.
func (s *Site) waits(r *http.Request, p *runPage) error {
	shown := map[string]bool{}
	for _, a := range p.Awaited {
		if a.Kind == "gate" {
			if shown[a.Step] {
				continue
			}
			shown[a.Step] = true
			if len(p.Gates) >= maxGates {
				p.Others++
				continue
			}
			g, err := s.o.Reader.Gate(r.Context(), p.Viewer.Person, p.ID, a.Step)
			if err != nil {
				return err
			}
			one := gateView{Gate: g, RunID: p.ID, Forms: s.forms(g.Actions, p.ID, p.Path, a.Step), Waits: a.Waits}
			for _, b := range p.Awaited {
				if b.Step == a.Step && b.Kind == "gate" {
					one.Mine = one.Mine || b.Mine
					one.Whom = append(one.Whom, b.Persons...)
				}
			}
			slices.SortFunc(one.Whom, func(a, b view.Person) int { return strings.Compare(a.Name, b.Name) })
			one.Whom = slices.Compact(one.Whom)
			p.Gates = append(p.Gates, one)
			continue
		}
		if len(p.Waits) >= waitMost {
			p.Others++
			continue
		}
		p.Waits = append(p.Waits, awaitedView{Awaited: a, RunID: p.ID, RunName: p.Name, Forms: s.forms(a.Actions, p.ID, p.Path, a.Step), Doubt: doubtOf(p.Effects, a)})
	}
	return nil
}

// doubtOf is the effect that a doubt is about.
func doubtOf(list []view.Effect, a view.Awaited) *view.Effect {
	i := slices.IndexFunc(list, func(f view.Effect) bool { return f.State == "doubtful" && f.Step == a.Step })
	if a.Kind != "doubtful" || i < 0 {
		return nil
	}
	return &list[i]
}

// talk is the end of the thread of a run where the viewer may speak: the viewer's own direct room
// goes before a channel, for a private run has no other.
func (s *Site) talk(v login.Viewer, threads []view.Thread) (*talkView, error) {
	t, ok := s.thereTalk(v, threads)
	if !ok {
		return nil, nil
	}
	all, err := s.o.Desk.Room.Thread(t.Message, runMessages)
	if err != nil {
		return nil, err
	}
	name := t.Channel
	if console.IsDirect(name) {
		name = console.Mine
	}
	out := &talkView{Href: "/c/" + name + "/" + t.Message, Name: "#" + t.Channel, More: all.Count - len(all.Messages)}
	if name == console.Mine {
		out.Name = "your own room with Slipway"
	}
	for _, m := range all.Messages {
		one := s.view(v, m)
		if one.Card != nil && one.Card.Kind == "gate" {
			continue // the page shows the gate itself
		}
		out.Messages = append(out.Messages, one)
	}
	return out, nil
}

// thereTalk chooses the thread in which a viewer speaks about a run.
func (s *Site) thereTalk(v login.Viewer, threads []view.Thread) (view.Thread, bool) {
	open := -1
	for i, t := range threads {
		if t.Source != console.Source || !s.o.Desk.Sees(v.Account, t.Channel) {
			continue
		}
		if open < 0 || !console.IsDirect(t.Channel) {
			open = i // where others read too, if the run is shown there
		}
	}
	if open < 0 {
		return view.Thread{}, false
	}
	return threads[open], true
}

// act says the command line that a button or a form stands for, as a message of the viewer in the
// run's thread. The line comes from the page as the viewer saw it: what it may do is decided when it
// is heard, as for any other line.
func (s *Site) act(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v := personOf(r)
	one, err := s.o.Reader.Run(r.Context(), v.Person, r.PathValue("id"))
	if err != nil {
		return err
	}
	a := view.Action{Text: "this", Command: r.PostForm.Get("command")}
	given := map[string]string{}
	for name, list := range r.PostForm { // f.NAME a value, o.NAME an option, j.TYPE.IN.NAME a part of an object
		f, plain := view.Field{}, ""
		switch way, rest, _ := strings.Cut(name, "."); way {
		case "f", "o":
			f.Option, plain = way == "o", rest
		case "j":
			typ, rest, _ := strings.Cut(rest, ".")
			f.Type = typ
			f.In, plain, _ = strings.Cut(rest, ".")
		}
		if plain == "" || len(list) == 0 {
			continue
		}
		f.Name = plain
		a.Fields = append(a.Fields, f)
		given[plain] = strings.Join(list, ",")
	}
	slices.SortFunc(a.Fields, func(x, y view.Field) int { return strings.Compare(x.Name, y.Name) })
	line, err := a.Line(given)
	if err != nil {
		return err
	}
	say := console.Saying{ID: r.PostForm.Get("id"), Text: line}
	if t, ok := s.thereTalk(v, one.Threads); ok {
		say.Channel, say.Thread = t.Channel, t.Message
	} else {
		say.Channel = console.Mine // a run that no card shows yet, or not here
	}
	m, err := s.o.Desk.Say(r.Context(), v.Account, say)
	if err != nil {
		return err
	}
	if wantsJSON(r) {
		writeJSON(w, http.StatusOK, map[string]string{"id": m.ID, "channel": m.Channel, "thread": m.Thread, "text": m.Text})
		return nil
	}
	to := r.PostForm.Get("back")
	at, _, _ := strings.Cut(to, "#")
	if strings.Contains(at, "?") {
		at += "&said=" + m.ID
	} else {
		at += "?said=" + m.ID
	}
	back(w, r, at+"#talk")
	return nil
}

// picture is the picture of a run as a file.
func (s *Site) picture(w http.ResponseWriter, r *http.Request) error {
	svg, err := s.o.Reader.Picture(r.Context(), personOf(r).Person, r.PathValue("id"), picture.Options{Standalone: true})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Cache-Control", "no-store")
	// Its own style sheet is all that it may use, wherever it is opened.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	_, _ = w.Write(svg)
	return nil
}

// evidence is the bundle of a run.
func (s *Site) evidence(w http.ResponseWriter, r *http.Request) error {
	one, err := s.o.Reader.Run(r.Context(), personOf(r).Person, r.PathValue("id"))
	if err != nil {
		return err
	}
	if s.o.Evidence == nil {
		return errs.E("web.evidence", errs.NotFound, fmt.Errorf("there is no evidence to be had here"))
	}
	out := &begun{ResponseWriter: w, name: strings.ReplaceAll(one.Name, "/", "-") + ".evidence.tar"}
	if err := s.o.Evidence.Write(r.Context(), one.ID, out); err != nil {
		if !out.yes {
			return err
		}
		s.o.Log.Error("evidence was cut short", "run", one.ID, "error", errs.Text(err))
		panic(http.ErrAbortHandler) // half a bundle must not look like a whole one
	}
	return nil
}

// begun is an answer that becomes a file with its first byte, so that an error before it is a page.
type begun struct {
	http.ResponseWriter
	name string
	yes  bool
}

func (b *begun) Write(p []byte) (int, error) {
	if !b.yes {
		b.yes = true
		attach(b.ResponseWriter, "application/x-tar", b.name)
	}
	return b.ResponseWriter.Write(p)
}

// attach makes an answer a file that a browser keeps and does not open.
func attach(w http.ResponseWriter, kind, name string) {
	safe := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || strings.ContainsRune(`"\/:*?<>|`, c) {
			return '_'
		}
		return c
	}, name)
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+safe[max(0, len(safe)-120):]+`"`)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
}

// body is a body of a run as a file: only what belongs to that run.
func (s *Site) body(w http.ResponseWriter, r *http.Request) error {
	digest := r.PathValue("digest")
	name, err := s.o.Reader.Holds(r.Context(), personOf(r).Person, r.PathValue("id"), digest)
	if err != nil {
		return err
	}
	if s.o.Bodies == nil {
		return errs.E("web.body", errs.NotFound, fmt.Errorf("bodies are not served here"))
	}
	file, size, err := s.o.Bodies.Open(r.Context(), digest)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	attach(w, "application/octet-stream", name)
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	_, _ = io.Copy(w, file)
	return nil
}

// stepStates counts the states of the steps of a run, for its bar: in order of declaration while they
// are few.
func stepStates(list []view.Step) []card.State {
	var out []card.State
	for _, st := range list {
		out = append(out, st.State)
	}
	if len(out) > 120 {
		short := make([]card.State, 0, 120)
		for i := range 120 {
			short = append(short, out[i*len(out)/120])
		}
		return short
	}
	return out
}

// kindWords says what a kind of step is.
func kindWords(kind string) string {
	switch kind {
	case "do":
		return "action"
	case "by_hand":
		return "by hand"
	case "ask":
		return "question"
	case "wait":
		return "wait"
	case "each":
		return "list"
	case "call":
		return "child run"
	case "collect":
		return "answers"
	}
	return kind
}

// bytesWords writes a size for people.
func bytesWords(n int) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1_000_000)
}
