package api

import (
	"context"
	"io"
	"mime"
	"net/http"
	"os"
	"path"
	"time"

	"slipway/bot/errs"
	"slipway/bot/view"
	"slipway/integrations/console/login"
)

// RunsAsk chooses runs.
type RunsAsk struct {
	Text      string `in:"query" json:"q" doc:"Words, each of which must be in the name, project, family, requester or id." max:"200" example:"lava 2019"`
	Project   string `in:"query" json:"project" doc:"Name of a project."`
	Family    string `in:"query" json:"family" doc:"Name of the playbook."`
	Status    string `in:"query" json:"status" doc:"How they stand, or how they ended." enum:"live,held,aborting,ended,done,rejected,aborted,failed,replaced,refused"`
	Requester string `in:"query" json:"requester" doc:"Id of the person who asked for it."`
	Which     string `in:"query" json:"which" doc:"Those under way or those that have ended; both if left out." enum:"live,past"`
	Order     string `in:"query" json:"order" doc:"newest if left out." enum:"newest,name"`
	After     string `in:"query" json:"after" doc:"next of the page before."`
	Limit     int    `in:"query" json:"limit" doc:"Most runs on a page; 50 if left out." min:"1" max:"500"`
}

func (a *API) runs(ctx context.Context, v login.Viewer, q RunsAsk) (view.RunList, error) {
	return a.o.View.Runs(ctx, v.Person, view.Query{Text: q.Text, Project: q.Project, Family: q.Family, Status: q.Status,
		Requester: q.Requester, Which: q.Which, Order: q.Order, After: q.After, Limit: q.Limit})
}

// RunAsk names a run.
type RunAsk struct {
	Run string `in:"path" json:"run" doc:"Id or name of a run; a slash in it is written %2F." example:"2019.01"`
}

func (a *API) run(ctx context.Context, v login.Viewer, q RunAsk) (view.Run, error) {
	return a.o.View.Run(ctx, v.Person, q.Run)
}

// Who is for whom a run waits.
type Who struct {
	Run     view.Ref       `json:"run"`
	Awaited []view.Awaited `json:"awaited" doc:"What waits for the person who asks first, then what waits longest."`
}

func (a *API) who(ctx context.Context, v login.Viewer, q RunAsk) (Who, error) {
	r, err := a.o.View.Run(ctx, v.Person, q.Run)
	return Who{refOf(r.Line), r.Awaited}, err
}

func refOf(r view.Line) view.Ref { return view.Ref{ID: r.ID, Name: r.Name, Outcome: r.Outcome} }

// WhyAsk names a run, or a step of it.
type WhyAsk struct {
	Run  string `in:"path" json:"run" doc:"Id or name of a run; a slash in it is written %2F." example:"2019.01"`
	Step string `in:"query" json:"step" doc:"Path of a step; the run as a whole if left out." example:"go"`
}

// Why explains how something stands.
type Why struct {
	Run      view.Ref       `json:"run"`
	Step     string         `json:"step,omitempty"`
	Words    string         `json:"words" doc:"How it stands, in short."`
	Lines    []string       `json:"lines" doc:"Why, most important first: the words that the core decides by."`
	Blockers []view.Blocker `json:"blockers,omitempty" doc:"What keeps the step from starting."`
	Awaited  []view.Awaited `json:"awaited" doc:"For whom it waits."`
}

func (a *API) why(ctx context.Context, v login.Viewer, q WhyAsk) (Why, error) {
	if q.Step == "" {
		r, err := a.o.View.Run(ctx, v.Person, q.Run)
		return Why{Run: refOf(r.Line), Words: r.Words, Lines: r.Lines, Awaited: r.Awaited}, err
	}
	s, err := a.o.View.Step(ctx, v.Person, q.Run, q.Step, view.Pick{})
	return Why{Run: refOf(s.Run), Step: s.Path, Words: string(s.State), Lines: s.Lines, Blockers: s.Blockers, Awaited: s.Awaited}, err
}

// TimelineAsk chooses what happened in a run.
type TimelineAsk struct {
	Run    string `in:"path" json:"run" doc:"Id or name of a run; a slash in it is written %2F." example:"2019.01"`
	Step   string `in:"query" json:"step" doc:"Only what happened to this step."`
	Fine   bool   `in:"query" json:"fine" doc:"Also timers, locks and the effects behind the steps."`
	Before uint64 `in:"query" json:"before" doc:"before of the page that came last; the newest if left out."`
	Limit  int    `in:"query" json:"limit" doc:"Most events on a page; 50 if left out." min:"1" max:"500"`
}

func (a *API) timeline(ctx context.Context, v login.Viewer, q TimelineAsk) (view.Timeline, error) {
	return a.o.View.Timeline(ctx, v.Person, q.Run, view.About{Step: q.Step, Fine: q.Fine, Before: q.Before, Limit: q.Limit})
}

// Steps are those of a run, in short.
type Steps struct {
	Run   view.Ref    `json:"run"`
	Steps []view.Step `json:"steps" doc:"In the order of the playbook; the elements of a list are counted, not listed."`
}

func (a *API) steps(ctx context.Context, v login.Viewer, q RunAsk) (Steps, error) {
	r, err := a.o.View.Run(ctx, v.Person, q.Run)
	return Steps{refOf(r.Line), r.Steps}, err
}

// StepAsk names a step.
type StepAsk struct {
	Run    string `in:"path" json:"run" doc:"Id or name of a run; a slash in it is written %2F." example:"2019.01"`
	Step   string `in:"path" json:"step" doc:"Path of a step; a slash in it is written %2F." example:"go"`
	Status string `in:"query" json:"status" doc:"Of a list: only elements that stand so."`
	From   int    `in:"query" json:"from" doc:"Of a list: how many elements to leave out before." min:"0" max:"1000000"`
	Limit  int    `in:"query" json:"limit" doc:"Of a list: most elements on a page; 50 if left out." min:"1" max:"200"`
}

func (a *API) step(ctx context.Context, v login.Viewer, q StepAsk) (view.StepPage, error) {
	return a.o.View.Step(ctx, v.Person, q.Run, q.Step, view.Pick{Status: q.Status, From: q.From, Limit: q.Limit})
}

// OutputAsk names an output of a step.
type OutputAsk struct {
	Run    string `in:"path" json:"run" doc:"Id or name of a run; a slash in it is written %2F." example:"2019.01"`
	Step   string `in:"path" json:"step" doc:"Path of a step; a slash in it is written %2F." example:"built"`
	Output string `in:"path" json:"output" doc:"Name of one of its outputs." example:"log"`
}

func (a *API) output(w http.ResponseWriter, r *http.Request, v login.Viewer, q OutputAsk) error {
	text, err := a.o.View.Text(r.Context(), v.Person, q.Run, q.Step, q.Output)
	if err != nil {
		return err
	}
	inert(w.Header(), "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text)
	return nil
}

// inert is the header of content that others made: no browser runs it.
func inert(h http.Header, media string) {
	h.Set("Content-Type", media)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "no-store")
}

// GateAsk names a gate.
type GateAsk struct {
	Run  string `in:"path" json:"run" doc:"Id or name of a run; a slash in it is written %2F." example:"2019.01"`
	Gate string `in:"path" json:"gate" doc:"Path of the gate's step; a slash in it is written %2F." example:"go"`
}

func (a *API) gate(ctx context.Context, v login.Viewer, q GateAsk) (view.Gate, error) {
	return a.o.View.Gate(ctx, v.Person, q.Run, q.Gate)
}

// BodyAsk names something that a run keeps by its digest.
type BodyAsk struct {
	Run    string `in:"path" json:"run" doc:"Id or name of a run; a slash in it is written %2F." example:"2019.01"`
	Digest string `in:"path" json:"digest" doc:"sha256: and 64 digits, as a value of the run shows it." max:"71"`
}

func (a *API) body(w http.ResponseWriter, r *http.Request, v login.Viewer, q BodyAsk) error {
	if a.o.Bodies == nil {
		return notHere("store of files")
	}
	name, err := a.o.View.Holds(r.Context(), v.Person, q.Run, q.Digest)
	if err != nil {
		return err
	}
	f, _, err := a.o.Bodies.Open(r.Context(), q.Digest)
	if err != nil {
		return err
	}
	defer f.Close()
	inert(w.Header(), bodyMedia)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base("/" + name)}))
	w.Header().Set("ETag", `"`+q.Digest+`"`)
	http.ServeContent(&patient{ResponseWriter: w, timeout: a.o.WriteTimeout}, r, "", time.Time{}, f)
	return nil
}

// patient gives the reader of a large answer a time for each piece, and not for the whole.
type patient struct {
	http.ResponseWriter
	timeout time.Duration
	wrote   bool
}

func (p *patient) Write(b []byte) (int, error) {
	p.wrote = true
	_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(p.timeout))
	return p.ResponseWriter.Write(b)
}

// Bodies is where files are kept by digest.
type Bodies interface {
	Open(ctx context.Context, digest string) (f *os.File, size int64, err error)
}

// EvidenceAsk names a run.
type EvidenceAsk struct {
	Run   string `in:"path" json:"run" doc:"Id or name of a run; a slash in it is written %2F." example:"2019.01"`
	Files bool   `in:"query" json:"files" doc:"Put the released files themselves in, not only their digests."`
}

func (a *API) evidence(w http.ResponseWriter, r *http.Request, v login.Viewer, q EvidenceAsk) error {
	if a.o.Evidence == nil {
		return notHere("key for evidence")
	}
	run, err := a.o.View.Run(r.Context(), v.Person, q.Run)
	if err != nil {
		return err
	}
	inert(w.Header(), EvidenceMedia)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base("/"+run.Name) + ".evidence.tar"}))
	slow := &patient{ResponseWriter: w, timeout: a.o.WriteTimeout}
	if err := a.o.Evidence(r.Context(), run.ID, q.Files, slow); err != nil {
		if slow.wrote {
			panic(http.ErrAbortHandler) // half a bundle must not look like a whole one
		}
		for _, h := range []string{"Content-Disposition", "Content-Security-Policy"} {
			w.Header().Del(h)
		}
		return err
	}
	return nil
}

// bodyMedia is the media type of what a run keeps: no browser shows it.
const bodyMedia = "application/octet-stream"

// EvidenceMedia is the media type of a bundle.
const EvidenceMedia = "application/x-tar"

func (a *API) mine(ctx context.Context, v login.Viewer, _ Nothing) (view.Mine, error) {
	return a.o.View.Mine(ctx, v.Person)
}

// CalendarAsk chooses a window of time.
type CalendarAsk struct {
	From  time.Time `in:"query" json:"from" doc:"Its beginning; now if left out."`
	Until time.Time `in:"query" json:"until" doc:"Its end; 30 days later if left out, at most 400."`
}

func (a *API) calendar(ctx context.Context, v login.Viewer, q CalendarAsk) (view.Calendar, error) {
	if q.From.IsZero() {
		q.From = a.o.Clock()
	}
	if q.Until.IsZero() {
		q.Until = q.From.AddDate(0, 0, 30)
	}
	if !q.Until.After(q.From) {
		return view.Calendar{}, invalid("give a later until", "the window ends before it begins")
	}
	return a.o.View.Calendar(ctx, v.Person, q.From, q.Until)
}

func (a *API) queue(ctx context.Context, v login.Viewer, _ Nothing) (view.Queue, error) {
	return a.o.View.Queue(ctx, v.Person)
}

func (a *API) runRoutes() []route {
	none := []errs.Kind{errs.NotFound}
	read := func(path, id, doc string, kinds []errs.Kind) route {
		return route{method: "GET", path: path, id: id, scope: login.Read, doc: doc, kinds: kinds}
	}
	return []route{
		plain(read("/runs", "listRuns", "Runs that the person may see, page by page.", nil), a.runs),
		plain(read("/runs/{run}", "getRun", "One run with its steps and what it waits for.", none), a.run),
		plain(read("/runs/{run}/why", "why", "Why a run, or a step of it, stands as it does.", none), a.why),
		plain(read("/runs/{run}/who", "who", "For whom a run waits, for what and since when.", none), a.who),
		plain(read("/runs/{run}/timeline", "timeline", "What happened in a run, in words, newest first.", none), a.timeline),
		plain(read("/runs/{run}/steps", "listSteps", "The steps of a run, in short.", none), a.steps),
		plain(read("/runs/{run}/steps/{step}", "getStep", "One step of a run: why, attempts, values, elements.", none), a.step),
		raw(read("/runs/{run}/steps/{step}/outputs/{output}", "getOutput", "One output of a step whole, such as a log.", none), "text/plain", a.output),
		plain(read("/runs/{run}/gates/{gate}", "getGate", "A gate: what is approved, who did, who is missing, what changed.", none), a.gate),
		raw(read("/runs/{run}/bodies/{digest}", "getBody", "A file or long value that a run keeps by its digest. Ranges may be asked for.", none), bodyMedia, a.body),
		raw(read("/runs/{run}/evidence", "getEvidence", "The evidence of a run: a bundle that slipway verify checks offline.", none), EvidenceMedia, a.evidence),
		plain(read("/mine", "mine", "What waits for the person, and what the person asked for.", nil), a.mine),
		plain(read("/calendar", "calendar", "Freezes, schedules and what is due in a window of time.", nil), a.calendar),
		plain(read("/queue", "queue", "What is being done and what waits to be done.", nil), a.queue),
	}
}
