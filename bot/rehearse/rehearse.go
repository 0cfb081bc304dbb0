package rehearse

import (
	"fmt"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/run"
)

// Report is one way through a playbook.
type Report struct {
	Name    string // of the run
	Outcome string // done, rejected, aborted, failed; "open" when it stopped before an end
	Lines   []Line
	Ends    []End    // of every step that exists, in order
	Trace   []string // what happened, without ids and digests: equal for equal ways
	Reason  string   // why it is open
}

// Line is one thing that happened and what followed.
type Line struct {
	After   time.Duration // since the start
	Choice  Choice
	Follows []string // in words
}

// End is how a step ended.
type End struct {
	Step, Status, Digest string
}

// Rehearse follows one way through the playbook: the good one, or the one that o.Choose picks. An
// error is of kind Invalid (these options cannot be rehearsed).
func Rehearse(o Options) (Report, error) {
	st, err := newStage(o)
	if err != nil {
		return Report{}, err
	}
	n := &node{now: st.begin}
	c := Choice{Kind: Command, What: "start", Person: st.requester, Text: "starts the run", input: st.start}
	limit := o.Limit
	if limit <= 0 {
		limit = 2000
	}
	r := Report{Outcome: "open"}
	for range limit {
		after, d := st.next(n, c)
		if d.Refusal != nil {
			if n.s == nil {
				return Report{}, errs.E("rehearse", errs.Invalid, fmt.Errorf("the run cannot be started: %s", errs.Text(d.Refusal))).
					Hint("%s", errs.HintOf(d.Refusal))
			}
			r.Reason = "refused: " + errs.Text(d.Refusal)
			break
		}
		r.Lines = append(r.Lines, Line{After: after.now.Sub(st.begin), Choice: c, Follows: follows(d.Events)})
		r.Trace = append(append(r.Trace, "> "+c.Key()), trace(d.Events)...)
		n = after
		if n.s.Status == run.RunEnded {
			r.Outcome = n.s.Outcome
			break
		}
		all := st.choices(n)
		if len(all) == 0 {
			r.Reason = "nothing more can happen"
			break
		}
		if o.Unasked {
			all = append(all, st.commands(n)...)
		}
		pick := 0
		if o.Choose != nil {
			pick = min(max(o.Choose(all), 0), len(all)-1)
		}
		c = all[pick]
	}
	if r.Outcome == "open" && r.Reason == "" {
		r.Reason = fmt.Sprintf("it did not end within %d things that happened", limit)
	}
	r.Name = n.s.Name
	for _, path := range st.paths(n.s) {
		end := End{Step: path, Status: string(run.Waiting)}
		if step := n.s.Steps[path]; step != nil {
			end.Status, end.Digest = string(step.Status), step.Digest
			if step.Gate != nil && step.Gate.Digest != "" {
				end.Digest = string(step.Gate.Digest)
			}
		}
		r.Ends = append(r.Ends, end)
	}
	return r, nil
}

// Text is the report for people: the timeline, and how each step ended.
func (r Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Rehearsal of %s, with simulated people and outcomes\n\n", r.Name)
	for _, l := range r.Lines {
		where := l.Choice.Step
		if where != "" {
			where += ": "
		}
		who := ""
		if l.Choice.Person != "" {
			who = string(l.Choice.Person) + " "
		}
		fmt.Fprintf(&b, "%8s  %s%s%s\n", "+"+l.After.String(), where, who, l.Choice.Text)
		for _, f := range l.Follows {
			fmt.Fprintf(&b, "          · %s\n", f)
		}
	}
	b.WriteString("\nSteps\n")
	for _, e := range r.Ends {
		fmt.Fprintf(&b, "  %-24s %-10s %s\n", e.Step, e.Status, short(e.Digest))
	}
	fmt.Fprintf(&b, "\nOutcome: %s", r.Outcome)
	if r.Reason != "" {
		b.WriteString(" (" + r.Reason + ")")
	}
	b.WriteString("\n")
	return b.String()
}

func short(digest string) string {
	_, hex, _ := strings.Cut(digest, ":")
	return hex[:min(len(hex), 12)]
}

// follows tells events in words, those that people care for.
func follows(events []run.Event) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, e := range events {
		switch b := e.Body.(type) {
		case run.Started:
			add("%s is started", b.Name)
		case run.StepStarted:
			add("%s begins, attempt %d", b.Step, b.Attempt)
		case run.StepDone:
			add("%s is done", b.Step)
		case run.StepFailed:
			add("%s has failed: %s", b.Step, b.Message)
		case run.StepSkipped:
			add("%s is skipped: %s", b.Step, b.Why)
		case run.StepStuck:
			add("%s is stuck: %s", b.Step, b.Why)
		case run.StepWaits:
			if b.On != "" {
				add("%s waits: %s", b.Step, b.Why)
			}
		case run.StepStale:
			add("%s goes back to its beginning: %s", b.Step, b.Because)
		case run.StepWithdrawn:
			add("%s is withdrawn: %s", b.Step, b.Why)
		case run.EffectIntended:
			add("to do: %s%s for %s", b.Action, purpose(b.For), b.Step)
		case run.GateOpened:
			add("%s asks for %s, manifest %s", b.Step, b.Manifest.Rule, short(string(b.Digest)))
			for _, bind := range b.Manifest.Binds {
				add("   %s = %s", bind.Name, clip(bind.Value))
			}
		case run.GateVoided:
			add("the manifest of %s is void: %s", b.Step, b.Why)
		case run.GateClosing:
			add("%s reads roles and reactions again", b.Step)
		case run.GateReopened:
			add("%s stays open: %s", b.Step, b.Why)
		case run.GateClosed:
			word := "rejected"
			if b.Approved {
				word = "approved"
			}
			add("%s closes: %s", b.Step, word)
		case run.LockTaken:
			add("takes the lock %s", b.Lock)
		case run.LockQueued:
			add("queues for the lock %s", b.Lock)
		case run.LockReleased:
			add("gives back the lock %s", b.Lock)
		case run.Relisted:
			if len(b.Set) > 0 {
				add("%s has the new elements %s", b.Step, strings.Join(sortedKeys(b.Set), ", "))
			}
			if len(b.Gone) > 0 {
				add("%s has lost the elements %s", b.Step, strings.Join(b.Gone, ", "))
			}
		case run.Listed:
			add("%s has the elements %s", b.Step, strings.Join(b.Keys, ", "))
		case run.ChildWanted:
			add("%s wants a run", b.Step)
		case run.Aborting:
			add("the run is being aborted: %s", b.Reason)
		case run.UndoPlanned:
			for _, item := range b.Items {
				undo := item.Action
				if undo == "" {
					undo = "cannot be undone"
				}
				add("undo plan: %s of %s: %s", item.Did, item.Step, undo)
			}
		case run.Held:
			add("the run is held")
		case run.Resumed:
			add("the run goes on")
		case run.Finished:
			add("the run has ended: %s", b.Outcome)
		}
	}
	return out
}

func purpose(p run.Purpose) string {
	if p == run.ForStep {
		return ""
	}
	return " (" + string(p) + ")"
}

func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// trace names events without ids, digests and times.
func trace(events []run.Event) []string {
	out := make([]string, 0, len(events))
	for _, e := range events {
		line := e.Kind()
		switch b := e.Body.(type) {
		case run.StepStarted:
			line += " " + b.Step
		case run.StepDone:
			line += " " + b.Step
			if b.Reused {
				line += " again"
			}
		case run.StepFailed:
			line += " " + b.Step + " " + b.Class
			if !b.RetryAt.IsZero() {
				line += " retried"
			}
		case run.StepSkipped:
			line += " " + b.Step
		case run.StepStuck:
			line += " " + b.Step
		case run.StepWaits:
			line += " " + b.Step + " " + b.On
		case run.StepStale:
			line += " " + b.Step
		case run.EffectIntended:
			line += " " + b.Step + " " + b.Action + purpose(b.For)
			line += " " + fieldNames(b.Inputs)
		case run.GateOpened:
			line += " " + b.Step + " " + b.Manifest.Rule
			for _, bind := range b.Manifest.Binds {
				line += " " + bind.Name + "=" + short(action.DigestOf([]byte(bind.Value)))[:6]
			}
			if !b.Manifest.Expires.IsZero() {
				line += " expires"
			}
		case run.GateVoided:
			line += " " + b.Step
		case run.GateClosing:
			line += " " + b.Step
		case run.GateReopened:
			line += " " + b.Step
		case run.GateClosed:
			line += fmt.Sprintf(" %s %v", b.Step, b.Approved)
		case run.TimerSet:
			line += " " + b.ID
		case run.LockTaken:
			line += " " + b.Lock
		case run.LockQueued:
			line += " " + b.Lock
		case run.LockReleased:
			line += " " + b.Lock
		case run.Answered:
			line += " " + b.Step + " " + valueDigest(b.Values)
		case run.EffectEnded:
			line += " " + b.Step + " " + string(b.Outcome) + " " + short(action.DigestOf(b.Output))[:6]
		case run.Relisted:
			line += " " + b.Step + " +" + strings.Join(sortedKeys(b.Set), ",") + " -" + strings.Join(b.Gone, ",")
		case run.Listed:
			line += " " + b.Step + " " + strings.Join(b.Keys, ",")
		case run.ChildWanted:
			line += " " + b.Step + " " + b.Entry
		case run.Finished:
			line += " " + b.Outcome + " " + strings.Join(sortedKeys(b.Output), " ")
		}
		out = append(out, line)
	}
	return out
}

// fieldNames lists the inputs of an effect and a short digest of each value: made-up values are
// the same for the same way, so another value shows.
func fieldNames(inputs []byte) string {
	values, err := action.DecodeValues(inputs)
	if err != nil {
		return ""
	}
	parts := make([]string, 0, len(values))
	for _, name := range sortedKeys(values) {
		switch name { // these name the playbook or the run
		case "manifest", "digest", "run", "name", "child":
			if _, own := values["step"]; own {
				continue
			}
		}
		parts = append(parts, name+"="+valueDigest(values[name]))
	}
	return strings.Join(parts, " ")
}

func valueDigest(v any) string {
	raw, err := action.Canonical(v)
	if err != nil {
		return "?"
	}
	return short(action.DigestOf(raw))[:6]
}
