package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/run"
)

// The actions that the engine performs itself. Those of package run are intended by runs; the
// others by the engine.
const (
	actGate          = run.GateMessage
	actEditGate      = run.EditGateMessage
	actClosing       = run.ClosingRead
	actStart         = run.StartRun
	actTell          = run.TellRun
	actRemind        = run.Remind
	actBroadcast     = "chat.broadcast@1"
	actReply         = "slipway.reply@1"
	actReadReactions = "slipway.read_reactions@1"
	actTellParent    = "slipway.tell_parent@1"
	actNotice        = "slipway.notice@1"
	actSpread        = "slipway.spread@1"    // news to all who subscribed
	actNews          = "slipway.news@1"      // one message to one subscriber in a chat
	actEditNews      = "slipway.edit_news@1" // it says what was corrected
)

// Contracts are the actions of the engine that playbooks may name.
func Contracts() ([]action.Contract, error) {
	in, err := action.TypeOf[BroadcastIn]()
	if err != nil {
		return nil, err
	}
	out, err := action.TypeOf[BroadcastOut]()
	if err != nil {
		return nil, err
	}
	return append(ledgerContracts(), action.Contract{Name: "chat.broadcast", Version: 1, Policy: action.Keyed, In: in, Out: out, Irreversible: true,
		Doc:   "Tells the subscribers of the project once, in their channels. A private run tells nobody.",
		Shell: "Write the text into the project's channels.", ByHand: broadcastByHand}), nil
}

// broadcastByHand says what is to be written where.
func broadcastByHand(h *action.Hand) {
	channels, _ := h.Profile["broadcast"].([]any)
	if len(channels) == 0 {
		channels = []any{h.Profile["channel"]}
	}
	var names []string
	for _, c := range channels {
		if name, ok := c.(string); ok {
			names = append(names, name)
		}
	}
	h.Note("Write this into %s, unless it stands there already:", strings.Join(names, ", "))
	for _, input := range []string{"title", "text", "link"} {
		if text := h.Text(input); text != "" {
			h.Note("  %s", text)
		}
	}
	h.Once = "Everybody would read it twice."
}

// OwnActions lists what the engine performs itself, for the sweep of crash points.
func OwnActions() []string {
	return []string{actGate, actEditGate, actClosing, actStart, actTell, actRemind, actBroadcast, actReply, actReadReactions, actTellParent, actNotice,
		actFill, actLoad, actMove, actSet, actTable, actSpread, actNews, actEditNews}
}

// tells reports whether an action only tells people something; a pause does not stop it.
func tells(ref string) bool {
	switch ref {
	case actGate, actEditGate, actClosing, actRemind, actReply, actReadReactions, actTellParent, actNotice:
		return true
	}
	return false
}

// performOwn does one of the engine's own actions: they are keyed, so a try that may have been
// lost is looked for first.
func (e *Engine) performOwn(ctx context.Context, row string, raw []byte, r *effectRecord) (time.Time, error) {
	if r.Action == actReadReactions {
		return e.readReactions(ctx, row, raw, r)
	}
	if r.Action == actClosing {
		return e.closingRead(ctx, row, raw, r)
	}
	if r.ProbeOnly { // nobody but this program does them, so there is nothing to be found
		return e.settle(ctx, row, raw, r, outcome{result: run.Result{Outcome: run.Skipped, Message: "it was not found done"}})
	}
	_, here := e.effects.tryOf(row)
	unknown, err := e.unknown(ctx, r)
	if err != nil {
		return time.Time{}, err
	}
	lost := here || r.Boot != e.boot || r.Attempts > 0 || !r.First.IsZero() || unknown
	e.effects.trying(row, e.now())
	e.point("effect/" + r.Action + "/before-do")
	out, err := e.doOwn(ctx, r, lost)
	e.point("effect/" + r.Action + "/after-do")
	if err != nil {
		if ctx.Err() != nil {
			return time.Time{}, ctx.Err()
		}
		if stops(err) && !errs.Is(err, errs.Doubtful) {
			return time.Time{}, err
		}
		c := action.Contract{Name: r.Action, Policy: action.Keyed}
		return e.settle(ctx, row, raw, r, e.failure(c, r, err, false))
	}
	data, err := action.Canonical(out)
	if err != nil {
		return time.Time{}, err
	}
	return e.settle(ctx, row, raw, r, okay(data, false))
}

func (e *Engine) doOwn(ctx context.Context, r *effectRecord, lost bool) (action.Values, error) {
	in, err := action.DecodeValues([]byte(r.Inputs))
	if err != nil {
		return nil, errs.E(r.Action, errs.Internal, err)
	}
	switch r.Action {
	case actGate:
		return e.postGate(ctx, r, in, lost)
	case actEditGate:
		return e.editGate(ctx, r, in)
	case actRemind:
		return e.remind(ctx, r, in, lost)
	case actReply:
		return e.reply(ctx, r, lost)
	case actNotice:
		return e.notify(ctx, r, lost)
	case actBroadcast:
		return e.broadcast(ctx, r, in, lost)
	case actSpread:
		return e.spread(ctx, in)
	case actNews:
		return e.sendPost(ctx, r, lost)
	case actEditNews:
		return e.editPost(ctx, r)
	case actStart:
		return e.startChild(ctx, r, in)
	case actTell:
		return e.tellChild(ctx, r, in)
	case actTellParent:
		return e.doTellParent(ctx, r)
	}
	if writesRows(r.Action) {
		return e.doRows(ctx, r, in)
	}
	return nil, errs.E(r.Action, errs.NotFound, fmt.Errorf("there is no action %s", r.Action))
}

func text(in action.Values, names ...string) string {
	for _, n := range names {
		if s, ok := in[n].(string); ok && s != "" {
			return s
		}
	}
	return ""
}

// startChild begins a child run with the id that its parent gave it. A child that exists was
// begun by an earlier try.
func (e *Engine) startChild(ctx context.Context, r *effectRecord, in action.Values) (action.Values, error) {
	parent, err := e.load(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	child := text(in, "child", "id")
	if child == "" {
		child = short("child\x00" + r.Run + "\x00" + r.Key)
	}
	l, err := e.load(ctx, child)
	if err != nil {
		return nil, err
	}
	if l.raw == nil {
		p := parent.state
		given, _ := in["inputs"].(map[string]any)
		if given == nil {
			given, _ = in["with"].(map[string]any)
		}
		req := StartRequest{ID: child, Family: text(in, "playbook", "family"), Project: p.Project, Inputs: given, Person: p.Requester,
			Owner: p.Owner, Private: p.Private, Circle: p.Circle, Parent: r.Run, Via: p.Via, Closure: p.Closure}
		if n, ok := in["priority"].(int64); ok {
			req.Priority = int(n)
		}
		req.Inherited = filledRoles(in["filled"])
		if who := text(in, "person", "requester"); who != "" {
			req.Person = people.PersonID(who)
		}
		if project := text(in, "project"); project != "" {
			req.Project = project
		}
		started, err := e.startRun(ctx, req, also{})
		if err != nil && err != errRepeat {
			if errs.Is(err, errs.Busy) || errs.Is(err, errs.Conflict) {
				return nil, errs.E(r.Action, errs.Busy, err)
			}
			return nil, err
		}
		return action.Values{"child": child, "name": started.Name}, nil
	}
	return action.Values{"child": child, "name": l.state.Name}, nil
}

// filledRoles reads the roles that a parent hands down.
func filledRoles(v any) map[string][]people.PersonID {
	given, _ := v.(map[string]any)
	out := make(map[string][]people.PersonID, len(given))
	for role, held := range given {
		list, _ := held.([]any)
		for _, p := range list {
			if id, ok := p.(string); ok {
				out[role] = append(out[role], people.PersonID(id))
			}
		}
	}
	return out
}

// tellChild hands a hold, resume or abort down to a child.
func (e *Engine) tellChild(ctx context.Context, r *effectRecord, in action.Values) (action.Values, error) {
	parent, err := e.load(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	now, _ := in["now"].(bool)
	c := run.Command{Verb: run.Verb(text(in, "verb", "what")), Person: people.PersonID(text(in, "person", "by")),
		Reason: text(in, "reason", "why"), Now: now}
	if c.Person == "" {
		c.Person = parent.state.Requester
	}
	var told run.Input = c
	if c.Person == "" && c.Verb == run.AbortVerb { // nobody's word: the parent was replaced
		told = run.Replaced{Why: c.Reason}
	}
	d, err := e.Submit(ctx, text(in, "child"), told)
	if errs.Is(err, errs.NotFound) {
		return action.Values{}, nil // it never began
	}
	if err != nil {
		return nil, err
	}
	if d.Refusal != nil && !errs.Is(d.Refusal, errs.Conflict) { // Conflict: it is so already, or it has ended
		return nil, d.Refusal
	}
	return action.Values{}, nil
}

// parentIn is the inputs of telling a parent how its child ended.
type parentIn struct {
	Parent  string         `json:"parent"`
	Child   string         `json:"child"`
	Outcome string         `json:"outcome"`
	Output  map[string]any `json:"output,omitempty"`
}

// tellParent puts the news of the end of a child into the commit of that end. A repeat is nothing to
// the parent.
func (w *writer) tellParent(outcome string) error {
	s := w.d.After
	now := w.e.now()
	r := effectRecord{Key: "ended-" + s.ID, Action: actTellParent, After: now, Boot: w.e.boot, Epoch: w.e.world.epoch,
		Inputs: string(encode(parentIn{Parent: s.Parent, Child: s.ID, Outcome: outcome, Output: s.Output}))}
	value, err := w.e.pack(w.ctx, encode(r))
	if err != nil {
		return err
	}
	row := id(stamp(now), r.Key)
	w.b.intend(row, value)
	return nil
}

func (e *Engine) doTellParent(ctx context.Context, r *effectRecord) (action.Values, error) {
	var in parentIn
	if err := decode("outbox", []byte(r.Inputs), &in); err != nil {
		return nil, err
	}
	output, err := action.Canonical(in.Output)
	if err != nil {
		return nil, err
	}
	if in.Output == nil {
		output = nil
	}
	_, err = e.Submit(ctx, in.Parent, run.Ended{Child: in.Child, Outcome: in.Outcome, Output: output})
	if errs.Is(err, errs.NotFound) {
		err = nil
	}
	return action.Values{}, err
}
