package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/view"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// DecideAsk says something to a gate.
type DecideAsk struct {
	Run      string `in:"path" json:"run" doc:"Id or name of a run; a slash in it is written %2F." example:"2019.01"`
	Gate     string `in:"path" json:"gate" doc:"Path of the gate's step; a slash in it is written %2F." example:"go"`
	Key      string `in:"header" json:"Idempotency-Key" doc:"The client's own id for this: sent again under the same one, it is said once. 1 to 64 letters, digits, dots, dashes and underscores." example:"9f86d081"`
	ID       string `json:"id,omitempty" doc:"The same as the header Idempotency-Key, for clients that cannot set one." max:"64"`
	Manifest string `json:"manifest" need:"yes" doc:"Digest of the manifest that was looked at. Refused if the gate shows something else by now." max:"100" example:"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
	Why      string `json:"why,omitempty" doc:"The reason in words; to reject or to veto one must be given. It is kept and shown." max:"1000"`
	Wait     *int   `json:"wait,omitempty" doc:"For how many seconds to wait for the answer; 20 if left out." min:"0" max:"55"`
}

// ActAsk does one of the actions that a run, or something that it waits for, shows.
type ActAsk struct {
	Run    string            `in:"path" json:"run" doc:"Id or name of a run; a slash in it is written %2F." example:"2019.01"`
	Key    string            `in:"header" json:"Idempotency-Key" doc:"The client's own id for this: sent again under the same one, it is said once. 1 to 64 letters, digits, dots, dashes and underscores." example:"9f86d081"`
	ID     string            `json:"id,omitempty" doc:"The same as the header Idempotency-Key, for clients that cannot set one." max:"64"`
	Action string            `json:"action" need:"yes" doc:"Id of an action that the run shows, among its actions or those of what is awaited." max:"40" example:"hold"`
	Step   string            `json:"step,omitempty" doc:"Path of the step that the action is shown with; none for an action of the run as a whole."`
	Fields map[string]string `json:"fields,omitempty" doc:"Values of the fields that the action shows, as they would be typed."`
	Wait   *int              `json:"wait,omitempty" doc:"For how many seconds to wait for the answer; 20 if left out." min:"0" max:"55"`
}

// decide makes the handler of one decision on a gate. The command is the one that the pages offer,
// said in the thread of the run: the core decides whether it counts.
func (a *API) decide(action string) func(context.Context, login.Viewer, DecideAsk) (Answered, error) {
	return func(ctx context.Context, v login.Viewer, q DecideAsk) (Answered, error) {
		s := saidAction{run: q.Run, step: q.Gate, action: action, manifest: q.Manifest, header: q.Key, body: q.ID, wait: q.Wait}
		if q.Why != "" {
			s.fields = map[string]string{"reason": q.Why}
		}
		if q.Why != "" && action == "approve" || q.Why != "" && action == "withdraw" {
			return Answered{}, invalid("leave it out", "the field why belongs to a rejection")
		}
		return a.act(ctx, v, s)
	}
}

func (a *API) doAction(ctx context.Context, v login.Viewer, q ActAsk) (Answered, error) {
	return a.act(ctx, v, saidAction{run: q.Run, step: q.Step, action: q.Action, fields: q.Fields, header: q.Key, body: q.ID, wait: q.Wait})
}

// saidAction is an action of a page, asked for through the API.
type saidAction struct {
	run, step, action string
	manifest          string // of a gate: what was looked at; "" for what may be said without it
	fields            map[string]string
	header, body      string
	wait              *int
}

func (a *API) act(ctx context.Context, v login.Viewer, s saidAction) (Answered, error) {
	id, err := keyOf(s.header, s.body)
	if err != nil {
		return Answered{}, err
	}
	wait := 20
	if s.wait != nil {
		wait = *s.wait
	}
	r, err := a.o.View.Run(ctx, v.Person, s.run)
	if err != nil {
		return Answered{}, err
	}
	channel, thread := place(r)
	// Said before: what the run shows has moved on with it, and the answer is wanted.
	if was, found, err := a.o.Desk.Said(v.Account, id); err != nil || found {
		if err == nil && (was.Thread != thread || !begins(was.Text, s.action)) {
			err = errs.E("api.act", errs.Exists, fmt.Errorf("the id %q was used for something else", id)).Hint("use a new id for each request")
		}
		if err != nil {
			return Answered{}, err
		}
		m, err := a.o.Desk.Say(ctx, v.Account, console.Saying{ID: id, Channel: channel, Thread: thread, Text: was.Text})
		if err != nil {
			return Answered{}, err
		}
		return a.answered(ctx, v, m, wait)
	}
	found, err := actionOf(r, s)
	if err != nil {
		return Answered{}, err
	}
	line, err := found.Line(s.fields)
	if err != nil {
		return Answered{}, err
	}
	m, err := a.said(ctx, v, channel, thread, line, id, "")
	if err != nil {
		return Answered{}, err
	}
	return a.answered(ctx, v, m, wait)
}

// begins reports whether a line is of an action; the ids of actions are the words of their commands,
// with few exceptions that stand behind them.
func begins(line, action string) bool {
	words := strings.Fields(line)
	return len(words) > 0 && slices.ContainsFunc(words[:min(len(words), 4)], func(w string) bool { return w == action || strings.HasPrefix(w, action+"-") })
}

// place is where one speaks about a run: the thread of its card on the console or, where the
// person may read none, his direct room.
func place(r view.Run) (channel, thread string) {
	for _, t := range r.Threads {
		if t.Source == console.Source {
			return t.Channel, t.Message
		}
	}
	return console.Mine, ""
}

// actionOf finds the action as the run shows it now.
func actionOf(r view.Run, s saidAction) (view.Action, error) {
	list, what := r.Actions, r.Name
	if s.step != "" {
		i := slices.IndexFunc(r.Awaited, func(w view.Awaited) bool { return w.Step == s.step })
		if i < 0 {
			return view.Action{}, notAwaited(r, s.step)
		}
		w := r.Awaited[i]
		if s.manifest != "" && w.Manifest != s.manifest {
			return view.Action{}, errs.E("api.act", errs.Conflict, fmt.Errorf("%s of %s shows another manifest by now: %s", s.step, r.Name, orNone(w.Manifest))).
				Hint("look at what it shows now, and decide again")
		}
		list, what = w.Actions, s.step+" of "+r.Name
	}
	var ids []string
	for _, one := range list {
		if one.ID == s.action {
			return one, nil
		}
		ids = append(ids, one.ID)
	}
	switch {
	case s.action == "approve" && slices.Contains(ids, "withdraw"):
		return view.Action{}, errs.E("api.act", errs.Conflict, fmt.Errorf("you have approved %s already", what)).Hint("nothing is left for you to do there")
	case s.action == "withdraw" && slices.Contains(ids, "approve"):
		return view.Action{}, errs.E("api.act", errs.Conflict, fmt.Errorf("you have not approved %s", what)).Hint("there is nothing to take back")
	case len(ids) == 0:
		return view.Action{}, errs.E("api.act", errs.Conflict, fmt.Errorf("nothing can be said to %s now", what)).Hint("read it again")
	}
	return view.Action{}, errs.E("api.act", errs.Conflict, fmt.Errorf("%s does not offer %s now", what, quoted(s.action))).Hint("it offers %s", strings.Join(ids, ", "))
}

func notAwaited(r view.Run, step string) error {
	var known, gates []string
	for _, st := range r.Steps {
		known = append(known, st.Path)
	}
	for _, w := range r.Awaited {
		if w.Step != "" {
			gates = append(gates, w.Step)
		}
	}
	if !slices.Contains(known, step) && !strings.Contains(step, "[") {
		e := errs.E("api.act", errs.NotFound, fmt.Errorf("%s has no step %s", r.Name, quoted(step)))
		if near := errs.Nearest(step, known); near != "" {
			return e.Hint("did you mean %s?", near)
		}
		return e.Hint("it waits for somebody at %s", orNone(strings.Join(gates, ", ")))
	}
	return errs.E("api.act", errs.Conflict, fmt.Errorf("%s does not wait for anybody at %s now", r.Name, quoted(step))).
		Hint("it waits for somebody at %s", orNone(strings.Join(gates, ", ")))
}

func orNone(s string) string {
	if s == "" {
		return "no step"
	}
	return s
}

func (a *API) gateRoutes() []route {
	kinds := []errs.Kind{errs.NotFound, errs.Conflict, errs.Full}
	const more = "It is said in the thread of the run for the person who asks, and decided by the rule of the gate like everything said there."
	var out []route
	for _, d := range []struct{ id, doc string }{
		{"approve", "Approve exactly the manifest that was looked at."},
		{"reject", "Reject a gate, with a reason."},
		{"withdraw", "Take one's own approval back while the gate is open."},
		{"veto", "Block a gate until the veto is lifted, with a reason."},
	} {
		out = append(out, plain(route{method: "POST", path: "/runs/{run}/gates/{gate}/" + d.id, id: d.id + "Gate", scope: login.Approve,
			doc: d.doc, more: more, kinds: kinds, wait: MaxWait * time.Second}, a.decide(d.id)))
	}
	return append(out, plain(route{method: "POST", path: "/runs/{run}/actions", id: "act", scope: login.Say,
		doc: "Do one of the actions that a run shows.", more: "It stands for the command that is shown with it. " + moreOfScopes, kinds: kinds, wait: MaxWait * time.Second}, a.doAction))
}
