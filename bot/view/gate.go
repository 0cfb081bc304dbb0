package view

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// Gate is a gate with what it asks people to approve.
type Gate struct {
	Step     string    `json:"step"`
	Title    string    `json:"title"`
	Say      string    `json:"say,omitempty" doc:"what the gate says above the values"`
	State    string    `json:"state" doc:"not open, open, closing, approved, rejected or void"`
	Rule     string    `json:"rule" doc:"who must approve, e.g. 2 of maintainer, not requester"`
	Digest   string    `json:"digest,omitempty" doc:"of the manifest: what an approval covers"`
	Number   int       `json:"number,omitempty" doc:"counts the manifests of this gate"`
	Expires  time.Time `json:"expires,omitzero"`
	Closed   time.Time `json:"closed,omitzero"`
	Playbook string    `json:"playbook,omitempty" doc:"digest of the playbooks that the approval covers"`
	Profile  string    `json:"profile,omitempty" doc:"digest of the project's values that the steps use"`
	Lines    []string  `json:"lines" doc:"who counts, who does not and why, what is missing: the same words as the answer to why"`
	Votes    []Vote    `json:"votes"`
	Bound    []Bound   `json:"bound" doc:"every value that is approved"`
	Text     string    `json:"text,omitempty" doc:"the manifest's canonical text, whose digest it is"`
	Changed  *Change   `json:"changed,omitempty" doc:"what is not as it was when the viewer approved an earlier manifest of this gate"`
	Yes      bool      `json:"yes,omitempty" doc:"the viewer approves what it shows"`
	Messages []Message `json:"messages,omitempty" doc:"on which people react"`
	Actions  []Action  `json:"actions"`
}

// Vote is one person's word on a gate.
type Vote struct {
	Person  Person    `json:"person"`
	Kind    string    `json:"kind" doc:"approve, reject or veto"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason,omitempty"`
	Counts  bool      `json:"counts" doc:"it fills the rule, or stands against it"`
	Why     string    `json:"why,omitempty" doc:"why it does not count"`
	Old     bool      `json:"old,omitempty" doc:"it is about an earlier manifest"`
	Message *Message  `json:"message,omitempty"`
}

// Bound is one value that is approved.
type Bound struct {
	Name   string  `json:"name" doc:"the expression, e.g. steps.payload.digest"`
	Kind   string  `json:"kind" doc:"commit, digest, or the type of the value"`
	Text   string  `json:"text"`
	Size   int     `json:"size"`
	Cut    bool    `json:"cut,omitempty"`
	Behind []Value `json:"behind,omitempty" doc:"of a digest: what of this run has it: a text, or a file with its name"`
}

// Change is how two manifests of a gate differ.
type Change struct {
	Number   int          `json:"number" doc:"of the manifest that the viewer approved"`
	Digest   string       `json:"digest"`
	Approved time.Time    `json:"approved"`
	Lines    []Difference `json:"lines" doc:"empty: only its number or expiry is another"`
	Same     int          `json:"same" doc:"values that are as they were"`
}

// Difference is one value that is another now.
type Difference struct {
	Name string `json:"name"`
	Kind string `json:"kind" doc:"changed, added or gone"`
	Was  string `json:"was,omitempty"`
	Now  string `json:"now,omitempty"`
}

// Gate shows a gate of a run.
func (r *Reader) Gate(ctx context.Context, p people.PersonID, id, path string) (Gate, error) {
	v, err := r.open(ctx, p, id)
	if err != nil {
		return Gate{}, err
	}
	def := v.def(path)
	if def == nil || def.Kind != playbook.GateK {
		return Gate{}, noStep(v.state.Name, path)
	}
	return r.gate(ctx, p, v, def, path)
}

func (r *Reader) gate(ctx context.Context, p people.PersonID, v seen, def *playbook.Step, path string) (Gate, error) {
	out := Gate{Step: path, Title: def.Title(), Rule: def.Gate.Rule.String(), State: "not open", Lines: []string{}, Votes: []Vote{}, Bound: []Bound{}, Actions: []Action{}}
	st := v.state.Steps[path]
	if st == nil || st.Gate == nil || st.Gate.Digest == "" {
		return out, nil
	}
	g := st.Gate
	out.Digest, out.Number, out.Expires, out.Closed = string(g.Digest), g.Manifest.Number, g.Manifest.Expires, g.At
	out.Playbook, out.Profile, out.Text = g.Manifest.Playbook, g.Manifest.Profile, string(g.Manifest.Canonical())
	out.Say, _ = st.Inputs["say"].(string)
	out.Lines = append(out.Lines, run.GateLines(v.book, v.state, v.world, path)...)
	switch {
	case g.Verdict != nil && g.Approved:
		out.State = "approved"
	case g.Verdict != nil:
		out.State = "rejected"
	case st.Status != run.Running || v.state.Status == run.RunEnded || v.state.Status == run.IsAborting:
		out.State = "void"
	case g.Closing > 0:
		out.State = "closing"
	default:
		out.State = "open"
	}
	reads := r.reads(p, v)
	out.Votes = r.votes(v, st, reads)
	for _, vote := range g.Votes {
		out.Yes = out.Yes || p != "" && vote.Person == p && vote.Kind == gate.Approve && vote.Manifest == g.Digest
	}
	if out.State == "open" || out.State == "closing" {
		out.Actions = gateActions(v, p, st, v.called()+" "+quoted(path))
	}
	var err error
	if out.Bound, err = r.bound(ctx, v, g.Manifest.Binds); err != nil {
		return Gate{}, err
	}
	seq, _, err := r.e.Log(ctx, v.id)
	if err != nil {
		return Gate{}, err
	}
	log, err := r.log(ctx, v.id, seq)
	if err != nil {
		return Gate{}, err
	}
	if p != "" {
		if was, at, ok := log.before(path, p, g.Digest); ok && !out.Yes {
			out.Changed = difference(was, g.Manifest, at)
		}
	}
	refs, err := r.e.GateMessages(ctx, out.Digest, v.id, path)
	if err != nil {
		return Gate{}, err
	}
	for _, ref := range refs {
		if reads(ref.Place) {
			out.Messages = append(out.Messages, Message{ref.Place.Source, ref.Place.ID, ref.Message})
		}
	}
	return out, nil
}

// votes are the words of persons on a gate, with whether each counts.
func (r *Reader) votes(v seen, st *run.Step, reads func(engine.Place) bool) []Vote {
	verdict := run.GateVerdict(v.book, v.state, v.world, st.Path)
	out := []Vote{}
	for _, vote := range st.Gate.Votes {
		one := Vote{Person: r.person(v.world, vote.Person), Kind: string(vote.Kind), At: vote.At, Reason: vote.Reason,
			Old: vote.Manifest != st.Gate.Digest, Message: messageOf(vote.Message, reads)}
		if vote.Person == "" {
			one.Person.Name = vote.Account.String()
		}
		same := func(o gate.Vote) bool {
			return o.Person == vote.Person && o.Kind == vote.Kind && o.Message == vote.Message
		}
		one.Counts = slices.ContainsFunc(verdict.Counted, same) || slices.ContainsFunc(verdict.Against, same) || slices.ContainsFunc(verdict.Spare, same)
		for _, refused := range verdict.Refused {
			if same(refused.Vote) {
				one.Why = refused.Why
			}
		}
		if one.Old && one.Why == "" {
			one.Counts, one.Why = false, "it is about an earlier manifest"
		}
		out = append(out, one)
	}
	return out
}

var (
	hexID    = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	digestRE = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// bound shows the values of a manifest, with what is behind their digests.
func (r *Reader) bound(ctx context.Context, v seen, binds []manifest.Bind) ([]Bound, error) {
	out := make([]Bound, 0, len(binds))
	var digests []string
	for _, b := range binds {
		one := Bound{Name: b.Name, Kind: "string"}
		value := b.Value
		if b.Digest != "" {
			body, err := r.e.Read(ctx, b.Digest)
			if err != nil && !errs.Is(err, errs.NotFound) {
				return nil, err
			}
			value = string(body)
		}
		decoded, err := action.Decode([]byte(value))
		if err == nil {
			shown := valueOf(b.Name, decoded, action.Type{}, "")
			one.Kind, one.Text, one.Size, one.Cut = orElse(shown.Type, "string"), shown.Text, shown.Size, shown.Cut
		} else {
			one.Text, one.Size = clip(value, MaxText), len(value)
			one.Cut = len(one.Text) < one.Size
		}
		if b.Digest != "" {
			one.Size = b.Size
		}
		switch {
		case digestRE.MatchString(one.Text):
			one.Kind = "digest"
			digests = append(digests, one.Text)
		case hexID.MatchString(one.Text) && strings.Contains(b.Name, "commit"):
			one.Kind = "commit"
		}
		out = append(out, one)
	}
	if len(digests) > 0 {
		behind := v.behind(digests)
		for i := range out {
			out[i].Behind = behind[out[i].Text]
		}
	}
	return out, nil
}

// difference compares two manifests of a gate value by value.
func difference(was, now manifest.Manifest, at time.Time) *Change {
	out := &Change{Number: was.Number, Digest: string(was.Digest()), Approved: at, Lines: []Difference{}}
	line := func(name, a, b string) {
		if a == b {
			out.Same++
			return
		}
		out.Lines = append(out.Lines, Difference{Name: name, Kind: "changed", Was: a, Now: b})
	}
	before := map[string]manifest.Bind{}
	for _, b := range was.Binds {
		before[b.Name] = b
	}
	for _, b := range now.Binds {
		old, had := before[b.Name]
		delete(before, b.Name)
		if !had {
			out.Lines = append(out.Lines, Difference{Name: b.Name, Kind: "added", Now: bindText(b)})
			continue
		}
		line(b.Name, bindText(old), bindText(b))
	}
	for _, b := range was.Binds {
		if _, gone := before[b.Name]; gone {
			out.Lines = append(out.Lines, Difference{Name: b.Name, Kind: "gone", Was: bindText(b)})
		}
	}
	line("the rule", was.Rule, now.Rule)
	line("the name of the run", was.Name, now.Name)
	line("the playbook", was.Playbook, now.Playbook)
	line("the project's values", was.Profile, now.Profile)
	return out
}

func bindText(b manifest.Bind) string {
	if b.Digest != "" {
		return b.Digest
	}
	if v, err := action.Decode([]byte(b.Value)); err == nil {
		if s, ok := v.(string); ok {
			return clip(s, MaxText)
		}
	}
	return clip(b.Value, MaxText)
}

// reads tells in which places a person reads of a run: in those of its project, and in rooms of the
// person's own.
func (r *Reader) reads(p people.PersonID, v seen) func(engine.Place) bool {
	own := r.e.Direct(p)
	project, _ := r.e.Project(v.state.Project)
	return func(at engine.Place) bool { return slices.Contains(own, at) || slices.Contains(project.Places, at) }
}

// errNoBody is the cause for a digest that is nothing of the run.
var errNoBody = errors.New("nothing of this run has that digest")
