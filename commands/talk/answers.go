package talk

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
	"slipway/commands/grammar"
)

// Shelf knows the playbooks by name, for those who ask.
type Shelf interface {
	Current(name string) *playbook.Playbook
}

// Answers carries out what is neither a start nor an input of a run: questions, lists, and
// changes to people, freezes and the inbox. Engine is set after the engine is made.
type Answers struct {
	Engine   *engine.Engine
	Table    *grammar.Table
	Projects engine.Projects
	Shelf    Shelf
	Books    []string // names of the playbooks, sorted
	Families []grammar.Family
	Rules    people.Rules
}

// columns is how wide cards are drawn in an answer.
const columns = 88

// Answer carries out one question.
func (a *Answers) Answer(ctx context.Context, s engine.Spoken, other any, once engine.Once) (string, error) {
	q, ok := other.(Question)
	if !ok {
		return "", errs.E("talk.answer", errs.Internal, fmt.Errorf("this question is not known"))
	}
	c := q.Command
	if c.Family != "" {
		return a.family(ctx, s, c, once)
	}
	if tells(c.Path) {
		return a.telling(ctx, s, c, once)
	}
	if text, handled, err := a.absence(ctx, s, c, once); handled {
		return text, err
	}
	if text, handled, err := a.linking(ctx, s, c, once); handled {
		return text, err
	}
	switch c.Path {
	case "help":
		return a.Table.Help(strings.Join(c.Rest, " ")), nil
	case "whoami":
		return a.whoami(s), nil
	case "mine":
		return a.mine(ctx, s)
	case "playbook list":
		return strings.Join(a.Books, "\n"), nil
	case "playbook show":
		return a.playbook(c.Args["playbook"])
	case "lock list", "lock show":
		return a.locks(c.Args["lock"]), nil
	}
	return a.operate(ctx, s, c, once)
}

// family answers questions about the runs of one family.
func (a *Answers) family(ctx context.Context, s engine.Spoken, c grammar.Command, once engine.Once) (string, error) {
	switch c.Verb {
	case "list":
		return a.list(ctx, s, c)
	case "adopt":
		return a.adopt(ctx, s, c, once)
	}
	id, err := a.Engine.ResolveHere(ctx, s, a.named(c, s))
	if err != nil {
		return "", err
	}
	state, p, err := a.Engine.RunState(ctx, id)
	if state == nil {
		return "", err
	}
	if state.Private && !s.Direct {
		return "", errs.E("talk.answer", errs.Denied, fmt.Errorf("that is not spoken of where others read")).
			Hint("ask in a direct message, or with slipway on the command line")
	}
	if c.Verb == "migrate" {
		return a.migration(ctx, id)
	}
	if err != nil {
		return "", err
	}
	w := a.Engine.World()
	if at := c.Options["as-of"]; at != "" {
		if state, w.Now, err = a.asOf(ctx, id, at, w.Now); err != nil {
			return "", err
		}
		w.Away = nil // what is known of the present only
	}
	switch c.Verb {
	case "show":
		if step := c.Args["step"]; step != "" {
			return showStep(p, state, w, step)
		}
		return card.Text(Cards{}.Render(p, state, w), columns), nil
	case "why":
		return a.why(ctx, id, p, state, w, c.Args["step"])
	case "who":
		return Who(slices.DeleteFunc(run.Who(p, state, w), func(x run.Awaited) bool {
			return c.Args["step"] != "" && x.Step != c.Args["step"]
		}), w), nil
	case "history":
		return a.history(ctx, id, c.Options["from"])
	case "graph":
		return "", a.graph(ctx, s, once, id, p, state, w)
	case "runbook":
		return runbookOf(p, state, w, c.Family, c.Options["from"]), nil
	case "undo-plan":
		return undoPlan(state), nil
	}
	return "", errs.E("talk.answer", errs.Invalid, fmt.Errorf("%s cannot be asked here", c.Path)).Hint("say help %s", c.Family)
}

// named is how a run was named, with the family of the command before a bare version.
func (a *Answers) named(c grammar.Command, s engine.Spoken) string {
	name := c.Args["run"]
	if name != "" && !strings.Contains(name, "/") && s.Project != "" {
		full := c.Family + "/" + s.Project + "/" + name
		if _, err := a.Engine.Resolve(context.Background(), full, s.Person); err == nil {
			return full
		}
	}
	return name
}

// adopt begins a run that first looks for what is already done.
func (a *Answers) adopt(ctx context.Context, s engine.Spoken, c grammar.Command, once engine.Once) (string, error) {
	f, _ := a.find(c.Family)
	r := start(f, c, s)
	r.Adopt = true
	started, err := a.Engine.StartRunOnce(ctx, *r, once)
	if err != nil {
		return "", err
	}
	return started.Name + " looks for what is already done", nil
}

func (a *Answers) find(family string) (grammar.Family, bool) {
	for _, f := range a.Families {
		if f.Name == family {
			return f, true
		}
	}
	return grammar.Family{}, false
}

func (a *Answers) list(ctx context.Context, s engine.Spoken, c grammar.Command) (string, error) {
	family, _ := a.find(c.Family)
	f := engine.Filter{Family: c.Family, Books: family.Playbooks(), Project: c.Args["project"], Person: s.Viewer()}
	runs, err := a.Engine.Runs(ctx, f)
	if err != nil {
		return "", err
	}
	if c.Options["all"] != "" {
		f.Past = true
		past, err := a.Engine.Runs(ctx, f)
		if err != nil {
			return "", err
		}
		runs = append(runs, past...)
	}
	if len(runs) == 0 && c.Options["all"] == "" {
		return "there are none under way; with --all also those that have ended", nil
	} else if len(runs) == 0 {
		return "there are none", nil
	}
	slices.SortStableFunc(runs, func(x, y engine.Listed) int { return y.Began.Compare(x.Began) })
	var b strings.Builder
	for _, r := range runs {
		status := r.Status
		if r.Outcome != "" {
			status = r.Outcome
		}
		by := "begun by itself"
		if r.Requester != "" {
			by = "asked for by " + string(r.Requester)
		}
		fmt.Fprintf(&b, "%s: %s, %s on %s\n", r.Name, status, by, card.Moment(r.Began))
	}
	return b.String(), nil
}

func (a *Answers) why(ctx context.Context, id string, p *playbook.Playbook, s *run.State, w run.World, step string) (string, error) {
	e := run.Why(p, s, w, step)
	if e.Status == "" {
		return "", errs.E("talk.why", errs.NotFound, fmt.Errorf("%s has no step %q", s.Name, step)).Hint("%s", strings.Join(e.Lines, " "))
	}
	text := Why(e, w) + bound(s, step)
	pending, err := a.Engine.Effects(ctx, id, 100)
	if err != nil {
		return "", err
	}
	for _, f := range pending {
		if _, said := w.Away[f.Key]; f.Last != "" && !said && (step == "" || f.Step == step) {
			text += fmt.Sprintf("\n• %s was tried %d times: %s", f.Action, f.Attempts, f.Last)
		}
	}
	if by, reason, paused := a.Engine.Paused(); paused && by == "" {
		text += "\n• effects are paused: " + reason
	} else if paused {
		text += fmt.Sprintf("\n• effects are paused by %s: %s", by, reason)
	}
	unused, err := a.Engine.Unused(ctx, id)
	if err != nil {
		return "", err
	}
	for _, line := range unused {
		text += "\n• " + line
	}
	return text, nil
}

// Why is an explanation in lines for people.
func Why(e run.Explanation, w run.World) string {
	var b strings.Builder
	name := e.Step
	if name == "" {
		name = e.Title
	}
	fmt.Fprintf(&b, "%s is %s", name, e.Status)
	if !e.Since.IsZero() {
		fmt.Fprintf(&b, " since %s", card.Moment(e.Since))
	}
	for _, line := range e.Lines {
		b.WriteString("\n• " + line)
	}
	if len(e.Awaited) > 0 {
		b.WriteString("\nWaits for:\n" + Who(e.Awaited, w))
	}
	return b.String()
}

// Who lists who is awaited, and for what.
func Who(list []run.Awaited, w run.World) string {
	if len(list) == 0 {
		return "it waits for nobody"
	}
	lines := make([]string, len(list))
	for i, a := range list {
		lines[i] = fmt.Sprintf("• %s: %s", whom(a, w), a.What)
		if a.Step != "" {
			lines[i] = fmt.Sprintf("• %s: %s (%s)", whom(a, w), a.What, a.Step)
		}
		if a.Say != "" {
			lines[i] += "; say: " + a.Say
		}
	}
	return strings.Join(lines, "\n")
}

func (a *Answers) mine(ctx context.Context, s engine.Spoken) (string, error) {
	waits, err := a.Engine.Mine(ctx, s.Person)
	if err != nil {
		return "", err
	}
	waits = slices.DeleteFunc(waits, func(w engine.Wait) bool { return w.Private && !s.Direct })
	if len(waits) == 0 {
		return "nothing waits for you", nil
	}
	lines := make([]string, len(waits))
	for i, w := range waits {
		lines[i] = "• " + w.Name
		switch {
		case w.Kind == "hold":
			lines[i] += fmt.Sprintf(": you hold it; `%s resume %s` when it may go on", familyOf(w.Name), w.Name)
		case w.Kind == "undo":
			lines[i] += fmt.Sprintf(" %s: %s (`%s undo-confirm %s`)", w.Step, w.What, familyOf(w.Name), w.Run)
		default:
			lines[i] += " " + w.Step + ": " + w.What
		}
		if !w.Since.IsZero() {
			lines[i] += ", since " + card.Moment(w.Since)
		}
		if w.Say != "" {
			lines[i] += "; say: " + w.Say
		}
	}
	return strings.Join(lines, "\n"), nil
}

// familyOf is the first word of the commands about a run.
func familyOf(name string) string {
	family, _, _ := strings.Cut(name, "/")
	return family
}

// migration says what moving a run to the present playbook would change.
func (a *Answers) migration(ctx context.Context, id string) (string, error) {
	m, err := a.Engine.MigratePlan(ctx, id)
	if err != nil {
		return "", err
	}
	if len(m.Lines) == 0 && m.From == m.To {
		return m.Name + " uses the present playbook and configuration already", nil
	}
	text := fmt.Sprintf("%s would move from %s to %s:", m.Name, short(m.From), short(m.To))
	for _, line := range m.Lines {
		text += "\n• " + line
	}
	if len(m.Lost) > 0 {
		return text + "\nIt cannot: these steps have begun and would be gone: " + strings.Join(m.Lost, ", "), nil
	}
	return text + "\nWhat is unchanged keeps its result; open and closed gates are asked anew.", nil
}

// asOf is a run as it was at a moment.
func (a *Answers) asOf(ctx context.Context, id, text string, now time.Time) (*run.State, time.Time, error) {
	at, err := moment(text)
	if err != nil {
		return nil, now, err
	}
	if len(text) == len(time.DateOnly) {
		at = at.Add(24*time.Hour - time.Nanosecond) // the whole day
	}
	if at.After(now) {
		at = now
	}
	commits, err := a.Engine.History(ctx, id, 0, 0)
	if err != nil {
		return nil, now, err
	}
	s := &run.State{}
	for _, c := range commits {
		for _, ev := range c.Events {
			if !ev.At.After(at) {
				s = s.Apply(ev)
			}
		}
	}
	if s.ID == "" {
		return nil, now, errs.E("talk.why", errs.NotFound, fmt.Errorf("it had not begun at %s", card.Moment(at)))
	}
	return s, at, nil
}

func (a *Answers) history(ctx context.Context, id, from string) (string, error) {
	commits, err := a.Engine.History(ctx, id, 0, 0)
	if err != nil {
		return "", err
	}
	var lines []string
	for _, c := range commits {
		for _, ev := range c.Events {
			line := fmt.Sprintf("%s %s", ev.At.UTC().Format("2006-01-02 15:04:05"), ev.Kind())
			if ev.By != "" {
				line += " by " + string(ev.By)
			}
			if steps := run.Touched([]run.Event{ev}); len(steps) > 0 {
				line += ": " + strings.Join(steps, ", ")
			}
			line += said(ev.Body)
			lines = append(lines, line)
		}
	}
	const most = 60
	if from != "" {
		n, _ := strconv.Atoi(from) // the grammar takes nothing else
		if n = max(n, 1); n > len(lines) {
			return fmt.Sprintf("it has %d events", len(lines)), nil
		}
		if lines = lines[n-1:]; len(lines) > most {
			lines = append(lines[:most], fmt.Sprintf("… %d later ones", len(lines)-most))
		}
	} else if n := len(lines); n > most {
		lines = append([]string{fmt.Sprintf("… %d earlier ones; --from 1 begins with the first", n-most)}, lines[n-most:]...)
	}
	return strings.Join(lines, "\n"), nil
}

func undoPlan(s *run.State) string {
	if len(s.Undo) == 0 {
		return "there is nothing to undo"
	}
	var b strings.Builder
	for _, item := range s.Undo {
		way := "nothing undoes it; a person must"
		if item.Action != "" {
			way = "undone by " + item.Action
		}
		fmt.Fprintf(&b, "• %s did %s: %s\n", item.Step, item.Did, way)
	}
	return b.String() + fmt.Sprintf("Confirm with `%s undo-confirm %s`, whole or with the names of steps.", familyOf(s.Name), s.ID)
}

func showStep(p *playbook.Playbook, s *run.State, w run.World, step string) (string, error) {
	st := s.Steps[step]
	if st == nil {
		return "", errs.E("talk.show", errs.NotFound, fmt.Errorf("%s has no step %q that has begun", s.Name, step)).
			Hint("see `show %s` for its steps", s.Name)
	}
	var b strings.Builder
	b.WriteString(Why(run.Why(p, s, w, step), w) + bound(s, step))
	if st.Attempt > 0 {
		fmt.Fprintf(&b, "\nattempt %d", st.Attempt)
	}
	for _, name := range sorted(st.Output) {
		fmt.Fprintf(&b, "\n%s = %s", name, clip(fmt.Sprint(st.Output[name]), 400))
	}
	return b.String(), nil
}

// bound lists what a gate asks approval for, with the digests whole; gate messages shorten them.
func bound(s *run.State, step string) string {
	st := s.Steps[step]
	if st == nil || st.Gate == nil || st.Gate.Digest == "" {
		return ""
	}
	text := "\nmanifest = " + string(st.Gate.Digest)
	for _, b := range st.Gate.Manifest.Binds {
		value := b.Value
		if v, err := action.Decode([]byte(b.Value)); err == nil {
			if t, ok := v.(string); ok {
				value = t
			}
		}
		if b.Digest != "" {
			value = fmt.Sprintf("%s, %d bytes", b.Digest, b.Size)
		}
		text += fmt.Sprintf("\n%s = %s", b.Name, clip(value, 400))
	}
	return text
}

func (a *Answers) locks(name string) string {
	var b strings.Builder
	for _, l := range a.Engine.Locks() {
		if name != "" && l.Name != name {
			continue
		}
		if l.Holder.Run != "" {
			fmt.Fprintf(&b, "%s is held by %s since %s", l.Name, l.Holder.Name, card.Moment(l.Holder.Since))
		} else {
			fmt.Fprintf(&b, "%s is free", l.Name)
		}
		for _, q := range l.Queue {
			fmt.Fprintf(&b, "; %s waits", q.Name)
		}
		b.WriteString("\n")
	}
	if b.Len() == 0 {
		return "no lock is held or waited for"
	}
	return b.String()
}
