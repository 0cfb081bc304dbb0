package evidence

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// Claim is what a bundle says of its run. All of it follows from the log and from what was relied
// on; the check makes it again and compares.
type Claim struct {
	Format    int             `json:"format"` // 1
	Run       string          `json:"run"`
	Name      string          `json:"name"`
	Project   string          `json:"project"`
	Playbook  string          `json:"playbook"`
	Closure   string          `json:"closure"`
	Requester people.PersonID `json:"requester"`
	Owner     string          `json:"owner"` // role that owns a run without a requester
	Parent    string          `json:"parent"`
	Private   bool            `json:"private"`
	Adopts    bool            `json:"adopts"`
	Began     time.Time       `json:"began"`
	Ended     time.Time       `json:"ended,omitzero"`
	Status    string          `json:"status"`
	Outcome   string          `json:"outcome"`
	Commits   int             `json:"commits"`
	Chain     string          `json:"chain"` // of the last commit
	Inputs    action.Values   `json:"inputs"`
	Profile   action.Values   `json:"profile"` // values of the project, pinned
	Output    action.Values   `json:"output"`
	Gates     []Gate          `json:"gates"`   // every manifest that was put to people, oldest first
	Adopted   []string        `json:"adopted"` // steps that were found done by others
	Children  []Child         `json:"children"`
	Released  []Subject       `json:"released"`
	Artifacts []Artifact      `json:"artifacts"`
	Signed    []Signed        `json:"signed"`
}

// Child is a run that this one started; its evidence is a bundle of its own.
type Child struct {
	Run     string `json:"run"`
	Step    string `json:"step"`
	Outcome string `json:"outcome"`
}

// Signed is a signed text in signatures/.
type Signed struct {
	File string `json:"file"`
	What string `json:"what"`
	By   string `json:"by"` // fingerprint of the key
}

// Gate is one manifest of a gate, and how it ended.
type Gate struct {
	Step     string          `json:"step"`
	Number   int             `json:"number"`
	Manifest string          `json:"manifest"` // digest of what was put to people
	File     string          `json:"file"`     // with the text of it
	Rule     string          `json:"rule"`
	Expires  time.Time       `json:"expires,omitzero"`
	Binds    []manifest.Bind `json:"binds"`
	Opened   time.Time       `json:"opened"`
	Closed   time.Time       `json:"closed,omitzero"`
	Commit   int             `json:"commit"` // that closed it
	Ended    string          `json:"ended"`  // approved, rejected, open, or "void: WHY"
	By       []Approval      `json:"by"`     // who counts, oldest first; of a rejected gate, who said no
	Refused  []string        `json:"refused"`
	Shown    []Shown         `json:"shown"`

	Unchecked bool `json:"unchecked"` // who held which role was not recorded, so the rule could not be asked again
}

// Approval is one vote that counted, and why it did.
type Approval struct {
	Person  people.PersonID `json:"person"`
	Name    string          `json:"name"`
	Kind    gate.VoteKind   `json:"kind"`
	Account people.Account  `json:"account"`
	Message string          `json:"message"` // through which it was given
	Reason  string          `json:"reason"`
	At      time.Time       `json:"at"`
	Roles   []string        `json:"roles"`           // places of the rule that it fills
	Grants  []people.Grant  `json:"grants"`          // that were relied on; a delegation names for whom
	Linked  time.Time       `json:"linked,omitzero"` // when the account was linked to the person in a chat
}

// Approved reports whether people let it pass.
func (g Gate) Approved() bool { return g.Ended == "approved" }

// claims replays the log: what follows from it, or why it cannot be so.
func (r *replay) claims(log []Commit, events [][]run.Event, tell Telling) (Claim, Released, error) {
	*r = replay{relied: r.relied, books: r.books, s: &run.State{}, open: map[string]int{}}
	c := &r.claim
	*c = Claim{Format: 1, Gates: []Gate{}, Adopted: []string{}, Children: []Child{}, Released: []Subject{}, Artifacts: []Artifact{}, Signed: []Signed{}}
	for i, list := range events {
		for _, ev := range list {
			if err := r.event(i+1, ev); err != nil {
				return Claim{}, Released{}, err
			}
		}
	}
	s := r.s
	if s.ID == "" || len(log) == 0 {
		return Claim{}, Released{}, errs.E("evidence.log", errs.Corrupt, fmt.Errorf("the log does not begin with the start of a run"))
	}
	c.Run, c.Name, c.Project, c.Playbook, c.Closure, c.Requester = s.ID, s.Name, s.Project, s.Playbook, s.Closure, s.Requester
	c.Owner, c.Parent, c.Private, c.Adopts, c.Began, c.Ended = s.Owner, s.Parent, s.Private, s.Adopt, s.Began, s.EndedAt
	c.Status, c.Outcome, c.Commits, c.Chain = string(s.Status), s.Outcome, len(log), log[len(log)-1].Chain
	c.Inputs, c.Profile, c.Output = values(s.Inputs), values(s.Profile), values(s.Output)
	for path, st := range s.Steps {
		if st.Status == run.Adopted {
			c.Adopted = append(c.Adopted, path)
		}
	}
	slices.Sort(c.Adopted)
	for id, child := range s.Children {
		c.Children = append(c.Children, Child{id, child.Step, child.Outcome})
	}
	slices.SortFunc(c.Children, func(a, b Child) int { return strings.Compare(a.Run, b.Run) })
	var out Released
	if tell != nil {
		out = tell(deeds(events))
		c.Released = append(c.Released, out.Subjects...)
		c.Artifacts = append(c.Artifacts, out.Artifacts...)
		for _, t := range out.Texts {
			c.Signed = append(c.Signed, Signed{"signatures/" + t.Name, t.What, t.By})
		}
	}
	return *c, out, nil
}

func values(m map[string]any) action.Values {
	if m == nil {
		return action.Values{}
	}
	return m
}

// replay follows a log event by event.
type replay struct {
	relied map[int]Relied                // what commits relied on, by their number
	books  map[string]*playbook.Playbook // pinned ones by digest; nil: the log is not held against them
	unread bool                          // a gate is of a playbook that is not in books
	s      *run.State
	claim  Claim
	open   map[string]int // gate → index in Gates of the manifest that is open
}

// event looks at one event and applies it. What no run would do is an error.
func (r *replay) event(commit int, ev run.Event) error {
	bad := func(format string, args ...any) error {
		return errs.E("evidence.replay", errs.Corrupt, fmt.Errorf("commit %d: %s", commit, fmt.Sprintf(format, args...))).
			Hint("the log cannot have come about so")
	}
	if _, started := ev.Body.(run.Started); started == (r.s.ID != "") {
		return bad("a run begins once, and before anything else")
	}
	if r.books != nil {
		if err := r.promises(ev, bad); err != nil {
			return err
		}
	}
	c := &r.claim
	switch b := ev.Body.(type) {
	case run.GateOpened:
		m := b.Manifest
		if m.Digest() != b.Digest || m.Gate != b.Step || m.Run != r.s.ID {
			return bad("the manifest of the gate %s is not what its digest says", b.Step)
		}
		if want := action.DigestOf(canonical(r.s.Profile)); m.Profile != want {
			return bad("the manifest of the gate %s is of other values of the project than were pinned", b.Step)
		}
		if m.Playbook != r.s.Closure && m.Playbook != r.s.Playbook {
			return bad("the manifest of the gate %s is of another playbook than was pinned", b.Step)
		}
		if !b.Opened.IsZero() && !b.Opened.Equal(ev.At) {
			return bad("the gate %s says another time of its opening", b.Step)
		}
		r.open[b.Step] = len(c.Gates)
		c.Gates = append(c.Gates, Gate{Step: b.Step, Number: m.Number, Manifest: string(b.Digest), Rule: m.Rule, Expires: m.Expires, Binds: m.Binds,
			File: manifestFile(commit, len(c.Gates)+1), Opened: ev.At, Ended: "open", By: []Approval{}, Refused: []string{}, Shown: []Shown{}})
	case run.GateVoided:
		if i, ok := r.open[b.Step]; ok && c.Gates[i].Manifest == string(b.Digest) {
			c.Gates[i].Ended, c.Gates[i].Closed, c.Gates[i].Commit = "void: "+b.Why, ev.At, commit
			delete(r.open, b.Step)
		}
	case run.GateClosed:
		if err := r.closed(commit, ev.At, b, bad); err != nil {
			return err
		}
	}
	r.s = r.s.Apply(ev)
	return nil
}

func canonical(v any) []byte {
	data, err := action.Canonical(v)
	if err != nil {
		return nil
	}
	return data
}

// closed decides again over a gate that was closed, by the votes in the log and by who held which
// role then.
func (r *replay) closed(commit int, at time.Time, ev run.GateClosed, bad func(string, ...any) error) error {
	i, ok := r.open[ev.Step]
	st := r.s.Steps[ev.Step]
	if !ok || st == nil || st.Gate == nil || string(st.Gate.Digest) != r.claim.Gates[i].Manifest {
		return bad("the gate %s was closed, and was not open", ev.Step)
	}
	delete(r.open, ev.Step)
	g := &r.claim.Gates[i]
	g.Closed, g.Commit, g.Ended = at, commit, "approved"
	counted := ev.Verdict.Counted
	if !ev.Approved {
		g.Ended, counted = "rejected", ev.Verdict.Against
	}
	if ev.Approved && !g.Expires.IsZero() && !at.Before(g.Expires) {
		return bad("the gate %s was approved after its manifest had expired", ev.Step)
	}
	for _, v := range counted {
		if v.Manifest != st.Gate.Digest || !slices.ContainsFunc(st.Gate.Votes, func(o gate.Vote) bool { return sameVote(o, v) }) {
			return bad("the gate %s counts a vote of %s that was not given on its manifest", ev.Step, v.Person)
		}
	}
	for _, no := range ev.Verdict.Refused {
		g.Refused = append(g.Refused, fmt.Sprintf("%s: %s", no.Vote.Person, no.Why))
	}
	rule, err := gate.ParseRule(g.Rule)
	if err != nil {
		return bad("the rule of the gate %s cannot be read", ev.Step)
	}
	closing, ok := r.closing(commit, ev.Step)
	if !ok {
		g.Unchecked = true
		for _, v := range counted {
			g.By = append(g.By, approval(v, ev.Verdict.Terms, nil))
		}
		return nil
	}
	if closing.Manifest != g.Manifest {
		return bad("what the closing of the gate %s relied on is of another manifest", ev.Step)
	}
	g.Shown = append(g.Shown, closing.Shown...)
	votes := slices.DeleteFunc(slices.Clone(st.Gate.Votes), func(v gate.Vote) bool {
		return v.Kind == gate.Approve && r.s.KeptOut(rule, v.Person) != ""
	})
	v := closing.decision(rule, r.s.Project, r.s.Requester, st.Asked(), at, votes)
	if v.Passes != ev.Approved || v.Rejected == ev.Approved || ev.Approved && !slices.EqualFunc(v.Counted, counted, sameVote) {
		return bad("the gate %s cannot have been %s by its rule %q: %s", ev.Step, g.Ended, g.Rule, strings.Join(v.Explain(), "; "))
	}
	for _, vote := range counted {
		g.By = append(g.By, approval(vote, ev.Verdict.Terms, &closing))
	}
	return nil
}

func sameVote(a, b gate.Vote) bool {
	a.At, b.At = a.At.UTC().Round(0), b.At.UTC().Round(0)
	return a == b
}

// closing finds what the closing of a gate relied on.
func (r *replay) closing(commit int, step string) (Closing, bool) {
	for _, c := range r.relied[commit].Gates {
		if c.Step == step {
			return c, true
		}
	}
	return Closing{}, false
}

// approval says by which grants a vote counted.
func approval(v gate.Vote, terms []gate.Term, c *Closing) Approval {
	a := Approval{Person: v.Person, Kind: v.Kind, Account: v.Account, Message: v.Message, Reason: v.Reason, At: v.At, Roles: []string{}, Grants: []people.Grant{}}
	for _, t := range terms {
		if slices.Contains(t.By, v.Person) && !slices.Contains(a.Roles, t.Role) {
			a.Roles = append(a.Roles, t.Role)
		}
	}
	if c == nil {
		return a
	}
	for _, p := range c.Persons {
		if p.ID == v.Person {
			a.Name, a.Linked = p.Name, p.LinkedAt(v.Account)
		}
	}
	for _, g := range c.Grants {
		if g.Person == v.Person && (len(a.Roles) == 0 || slices.Contains(a.Roles, g.Role)) {
			a.Grants = append(a.Grants, g)
		}
	}
	return a
}
