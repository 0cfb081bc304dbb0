package web

import (
	"net/http"

	"slipway/bot/errs"
	"slipway/bot/finding"
	"slipway/bot/view"
	"slipway/integrations/console/login"
)

// minePage is the data of templates/mine.html.
type minePage struct {
	view.Mine
	Viewer login.Viewer
	Items  []mineView
	Offers []mineView
	Rest   int
	First  string
}

// mineView is something that waits for the viewer.
type mineView struct {
	awaitedView
	Run   view.Line
	Again bool      // of the same run as the one before
	Bound *gateView // of a gate
}

// mineMost bounds how much is shown whole.
const mineMost = 40

// mine shows what waits for the viewer, in all runs.
func (s *Site) mine(w http.ResponseWriter, r *http.Request) error {
	v := personOf(r)
	m, err := s.o.Reader.Mine(r.Context(), v.Person)
	if err != nil {
		return err
	}
	p := &minePage{Mine: m, Viewer: v, First: s.first()}
	seen := map[string]bool{}
	for _, x := range m.Waits {
		if x.Kind == "gate" && seen[x.Run.ID+"\x00"+x.Step] {
			continue
		}
		seen[x.Run.ID+"\x00"+x.Step] = x.Kind == "gate"
		if len(p.Items) >= mineMost {
			p.Rest++
			continue
		}
		one := mineView{Run: x.Run, awaitedView: awaitedView{Awaited: x.Awaited, RunID: x.Run.ID, RunName: x.Run.Name, Forms: s.forms(x.Actions, x.Run.ID, "/mine", x.Step)}}
		if x.Kind == "gate" {
			g, err := s.o.Reader.Gate(r.Context(), v.Person, x.Run.ID, x.Step)
			if err != nil && !errs.Is(err, errs.NotFound) {
				return err
			}
			one.Bound = &gateView{Gate: g, RunID: x.Run.ID, Forms: one.Forms, Mine: true, Waits: x.Waits}
		}
		if x.Kind == "offer" {
			p.Offers = append(p.Offers, one)
			continue
		}
		one.Again = len(p.Items) > 0 && p.Items[len(p.Items)-1].Run.ID == one.Run.ID
		p.Items = append(p.Items, one)
	}
	return s.render(w, r, "mine", p)
}

// queuePage is the data of templates/queue.html.
type queuePage struct {
	view.Queue
	Nothing bool
}

// queue shows what is being done and what waits to be done.
func (s *Site) queue(w http.ResponseWriter, r *http.Request) error {
	q, err := s.o.Reader.Queue(r.Context(), personOf(r).Person)
	if err != nil {
		return err
	}
	return s.render(w, r, "queue", queuePage{q, len(q.Effects)+len(q.Jobs)+len(q.Locks)+len(q.Pipelines)+len(q.Starts) == 0})
}

// statusPage is the data of templates/status.html.
type statusPage struct {
	view.Status
	Report  *finding.Report // nil: nobody looks
	About   []view.Value
	Worst   string // error, warning or good
	Waiting int    // checks that were not made yet
}

// status shows how Slipway itself is.
func (s *Site) status(w http.ResponseWriter, r *http.Request) error {
	st, err := s.o.Reader.Status(r.Context(), personOf(r).Person)
	if err != nil {
		return err
	}
	p := &statusPage{Status: st, Worst: "good"}
	if st.Paused != nil || len(st.Misfits) > 0 {
		p.Worst = string(finding.Warning)
	}
	if s.o.Findings != nil {
		report := s.o.Findings(r.Context())
		p.Report, p.Waiting = &report, len(report.Waiting)
		for _, f := range report.Findings {
			if p.Worst != string(finding.Error) {
				p.Worst = string(f.Severity)
			}
		}
	}
	if s.o.About != nil {
		p.About = s.o.About()
	}
	return s.render(w, r, "status", p)
}
