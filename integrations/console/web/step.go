package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/view"
	"slipway/integrations/console/login"
)

// Bounds of the pages of steps and logs.
const (
	stepEvents = 40
	logPiece   = 64 << 10 // bytes of a log on one page
	logTail    = 8 << 10  // on the page of the step
)

// stepPage is the data of templates/step.html.
type stepPage struct {
	view.StepPage
	Path    string // of this page
	RunPath string
	Viewer  login.Viewer
	Gate    *gateView
	Waits   []awaitedView
	Buttons []formView
	Events  []view.Event
	Earlier bool
	Log     *logView
	Talk    *talkView
	Said    string
	Pick    view.Pick
}

// logView is a piece of a log.
type logView struct {
	Text       string
	From, To   int64 // of the piece, in bytes
	Size       int64
	Href       string // the log's own page
	Older      string // addresses of the pieces before and after
	Newer      string
	Tail, Head string
	Whole      bool
}

// File is the address of the whole as a file.
func (l *logView) File() string {
	if strings.Contains(l.Href, "?") {
		return l.Href + "&file=1"
	}
	return l.Href + "?file=1"
}

// step shows one step of a run.
func (s *Site) step(w http.ResponseWriter, r *http.Request) error {
	v, id, path := personOf(r), r.PathValue("id"), r.PathValue("path")
	ask := r.URL.Query()
	from, _ := strconv.Atoi(ask.Get("from"))
	pick := view.Pick{Status: ask.Get("status"), From: max(from, 0), Limit: 50}
	one, err := s.o.Reader.Step(r.Context(), v.Person, id, path, pick)
	if err != nil {
		return err
	}
	p := &stepPage{StepPage: one, Path: stepURL(one.Run.ID, path), RunPath: "/runs/" + url.PathEscape(one.Run.ID), Viewer: v, Said: saidOf(r), Pick: pick}
	for _, a := range one.Awaited {
		if a.Kind == "gate" && one.Gate != nil {
			continue
		}
		p.Waits = append(p.Waits, awaitedView{Awaited: a, RunID: one.Run.ID, RunName: one.Run.Name, Forms: s.forms(a.Actions, one.Run.ID, p.Path, path), Doubt: doubtOf(one.Effects, a)})
	}
	if one.Gate != nil {
		g := gateView{Gate: *one.Gate, RunID: one.Run.ID, Forms: s.forms(one.Gate.Actions, one.Run.ID, p.Path, path)}
		for _, a := range one.Awaited {
			g.Mine, g.Waits = g.Mine || a.Mine, a.Waits
			g.Whom = append(g.Whom, a.Persons...)
		}
		p.Gate = &g
	}
	p.Buttons = s.forms(one.Actions, one.Run.ID, p.Path, path)
	line, err := s.o.Reader.Timeline(r.Context(), v.Person, one.Run.ID, view.About{Step: path, Fine: true, Limit: stepEvents})
	if err != nil {
		return err
	}
	p.Events, p.Earlier = line.Events, line.Before > 0
	if p.Talk, err = s.talk(v, one.Threads); err != nil {
		return err
	}
	if p.Log, err = s.piece(r, one, -1, logTail); err != nil && !errs.Is(err, errs.NotFound) {
		p.Log = &logView{Text: "The log cannot be read now: " + errs.Cause(err)}
	}
	return s.render(w, r, "step", p)
}

// piece reads a piece of the log of a step: at an offset, or with -1 its end.
func (s *Site) piece(r *http.Request, st view.StepPage, at int64, n int64) (*logView, error) {
	if s.o.Logs == nil {
		return nil, errs.E("web.log", errs.NotFound, errors.New("logs are not served here"))
	}
	f, size, err := s.o.Logs.Open(r.Context(), st)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if at < 0 || at > size {
		at = max(size-n, 0)
	}
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return nil, errs.E("web.log", errs.Unavailable, err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, n))
	if err != nil {
		return nil, errs.E("web.log", errs.Unavailable, err)
	}
	v := &logView{From: at, Size: size, Href: strings.Replace(stepURL(st.Run.ID, st.Path), "/steps/", "/log/", 1)}
	if at > 0 { // a piece begins with a line
		if i := bytes.IndexByte(raw, '\n'); i >= 0 && i < len(raw)-1 {
			raw, v.From = raw[i+1:], at+int64(i)+1
		}
	}
	if end := v.From + int64(len(raw)); end < size {
		if i := bytes.LastIndexByte(raw, '\n'); i > 0 {
			raw = raw[:i+1]
		}
	}
	v.To = v.From + int64(len(raw))
	v.Text, v.Whole = plain(string(raw)), v.From == 0 && v.To == size
	link := func(from int64) string { return fmt.Sprintf("%s?from=%d", v.Href, from) }
	if v.From > 0 {
		v.Older, v.Head = fmt.Sprintf("%s&to=%d", link(max(v.From-logPiece, 0)), v.From), link(0)
	}
	if v.To < size {
		v.Newer, v.Tail = link(v.To), v.Href
	}
	return v, nil
}

// logPage is the data of templates/log.html.
type logPage struct {
	Title, Note string
	Back        string
	BackName    string
	Log         *logView
}

// log shows the log of a step, page by page from its end, or gives it whole as a file.
func (s *Site) log(w http.ResponseWriter, r *http.Request) error {
	v, id, path := personOf(r), r.PathValue("id"), r.PathValue("path")
	one, err := s.o.Reader.Step(r.Context(), v.Person, id, path, view.Pick{Limit: 1})
	if err != nil {
		return err
	}
	if r.URL.Query().Has("file") && s.o.Logs != nil {
		f, size, err := s.o.Logs.Open(r.Context(), one)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		attach(w, "text/plain; charset=utf-8", lastPart(one.Run.Name)+"-"+path+".log")
		_, _ = io.CopyN(w, f, size)
		return nil
	}
	from := int64(-1)
	if text := r.URL.Query().Get("from"); text != "" {
		if from, err = strconv.ParseInt(text, 10, 64); err != nil || from < 0 {
			return errs.E("web.log", errs.Invalid, fmt.Errorf("%q is not a place in a log", clip(text)))
		}
	}
	size := int64(logPiece)
	if to, err := strconv.ParseInt(r.URL.Query().Get("to"), 10, 64); err == nil && from >= 0 && to > from {
		size = min(size, to-from) // the piece before another one ends where that begins
	}
	l, err := s.piece(r, one, from, size)
	if err != nil {
		return err
	}
	return s.render(w, r, "log", logPage{Title: "Log of " + path, Note: one.Run.Name, Back: stepURL(one.Run.ID, path), BackName: path, Log: l})
}

// output shows one output or input of a step whole.
func (s *Site) output(w http.ResponseWriter, r *http.Request) error {
	v, id, path := personOf(r), r.PathValue("id"), r.PathValue("path")
	one, err := s.o.Reader.Step(r.Context(), v.Person, id, path, view.Pick{Limit: 1})
	if err != nil {
		return err
	}
	name := r.URL.Query().Get("name")
	text, err := s.o.Reader.Text(r.Context(), v.Person, id, path, name)
	if err != nil {
		return err
	}
	if r.URL.Query().Has("file") {
		attach(w, "text/plain; charset=utf-8", path+"."+name+".txt")
		_, _ = io.WriteString(w, text)
		return nil
	}
	const most = 1 << 20
	l := &logView{Text: plain(text[:min(len(text), most)]), Size: int64(len(text)), To: int64(min(len(text), most)), Whole: len(text) <= most}
	l.Href = strings.Replace(stepURL(one.Run.ID, path), "/steps/", "/output/", 1) + "?name=" + url.QueryEscape(name)
	return s.render(w, r, "log", logPage{Title: path + "." + name, Note: one.Run.Name, Back: stepURL(one.Run.ID, path), BackName: path, Log: l})
}

// timelinePage is the data of templates/timeline.html.
type timelinePage struct {
	Run     view.Line
	Path    string
	RunPath string
	Events  []view.Event
	About   view.About
	Older   string
	Newest  string
	Other   string // the same with or without the details
}

// timeline tells everything that happened in a run, page by page.
func (s *Site) timeline(w http.ResponseWriter, r *http.Request) error {
	v, id := personOf(r), r.PathValue("id")
	ask := r.URL.Query()
	about := view.About{Step: ask.Get("step"), Fine: ask.Get("fine") != "", Limit: 100}
	about.Before, _ = strconv.ParseUint(ask.Get("before"), 10, 64)
	list, err := s.o.Reader.Timeline(r.Context(), v.Person, id, about)
	if err != nil {
		return err
	}
	l, err := s.o.Reader.Line(r.Context(), v.Person, id)
	if err != nil {
		return err
	}
	p := &timelinePage{Run: l, RunPath: "/runs/" + url.PathEscape(l.ID), Events: list.Events, About: about}
	p.Path = p.RunPath + "/timeline"
	link := func(before uint64, fine bool) string {
		q := url.Values{}
		if about.Step != "" {
			q.Set("step", about.Step)
		}
		if fine {
			q.Set("fine", "1")
		}
		if before > 0 {
			q.Set("before", strconv.FormatUint(before, 10))
		}
		if len(q) == 0 {
			return p.Path
		}
		return p.Path + "?" + q.Encode()
	}
	if list.Before > 0 {
		p.Older = link(list.Before, about.Fine)
	}
	if about.Before > 0 {
		p.Newest = link(0, about.Fine)
	}
	p.Other = link(about.Before, !about.Fine)
	return s.render(w, r, "timeline", p)
}

// commitPage is the data of templates/commit.html.
type commitPage struct {
	Run     view.Line
	RunPath string
	Commit  Commit
	Lines   []diffLine
}

// diffLine is a line of a difference with what it is: add, del, at, file or "".
type diffLine struct{ Kind, Text string }

// commit shows what is in a commit of a run: the log since the last release, and the difference.
func (s *Site) commit(w http.ResponseWriter, r *http.Request) error {
	v, id := personOf(r), r.PathValue("id")
	project, profile, err := s.o.Reader.Commit(r.Context(), v.Person, id, r.PathValue("commit"))
	if err != nil {
		return err
	}
	if s.o.Commits == nil {
		return errs.E("web.commit", errs.NotFound, errors.New("commits are not shown here"))
	}
	c, err := s.o.Commits.Commit(r.Context(), project, profile, r.PathValue("commit"))
	if err != nil {
		return err
	}
	l, err := s.o.Reader.Line(r.Context(), v.Person, id)
	if err != nil {
		return err
	}
	return s.render(w, r, "commit", commitPage{Run: l, RunPath: "/runs/" + url.PathEscape(l.ID), Commit: c, Lines: diffLines(c.Diff)})
}

// diffLines takes a unified difference apart for its colours.
func diffLines(diff string) []diffLine {
	var out []diffLine
	for _, text := range strings.Split(strings.TrimSuffix(diff, "\n"), "\n") {
		kind := ""
		switch {
		case strings.HasPrefix(text, "diff "), strings.HasPrefix(text, "index "), strings.HasPrefix(text, "--- "), strings.HasPrefix(text, "+++ "),
			strings.HasPrefix(text, "new file"), strings.HasPrefix(text, "deleted file"), strings.HasPrefix(text, "rename "), strings.HasPrefix(text, "similarity "):
			kind = "file"
		case strings.HasPrefix(text, "@@"):
			kind = "at"
		case strings.HasPrefix(text, "+"):
			kind = "add"
		case strings.HasPrefix(text, "-"):
			kind = "del"
		}
		out = append(out, diffLine{kind, plain(text)})
	}
	if diff == "" {
		return nil
	}
	return out
}
