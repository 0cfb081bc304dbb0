package gate

import (
	"fmt"
	"slices"
	"strings"

	"slipway/bot/people"
)

// Evaluate says how the votes given stand against the rule.
//
// Only a vote for exactly q.Manifest counts, through an account that belongs to its person. A
// person has one word, the latest through any account; of words given at the same moment a no
// goes before a yes. Whoever stands in for another by delegation counts as that other: the two
// together are one, and a delegate of the requester is excluded with the requester. A reject by
// a holder of one of the rule's roles who is not excluded is final. A veto by a holder of one of
// the rule's roles, with a reason, blocks while it stands; the requester and the authors may lay
// one too, since an exclusion keeps a yes from counting, not a warning. A role whose source
// cannot be reached is held by nobody until it can. An account that was linked after the manifest was
// put to people gives nobody a voice or a role in it. The order of given does not matter.
func Evaluate(q Question, given []Vote) Verdict {
	q.Directory = q.Directory.AskedAt(q.Opened)
	e := evaluation{q: q}
	if q.Rule.IsZero() {
		for _, v := range given {
			e.refuse(v, noRule)
		}
		e.out.Needs = []Need{{Why: noRule}}
		return e.out
	}
	e.listen(given)
	e.weigh()
	v := &e.out
	best := e.best()
	v.Passes = best.missing == 0 && !v.Rejected && !v.Vetoed
	e.record(v, best)
	v.Absent = e.absent(v)
	slices.SortStableFunc(v.Refused, func(a, b Refusal) int { return byTime(&a.Vote, &b.Vote) })
	return e.out
}

const noRule = "the gate has no rule, so nobody can pass it"

type evaluation struct {
	q      Question
	words  []word      // one a person, by the time of the vote that stands
	spoken []Vote      // approvals that are eligible, same indexes as approvers
	yes    []candidate // approvers
	out    Verdict
}

// word is what one person says now.
type word struct {
	person people.PersonID
	vote   Vote
	repeat []Vote // the same said again
}

// strength orders words given at the same moment, so that a no comes last and stands.
func strength(k VoteKind) int {
	switch k {
	case Approve:
		return 0
	case Reject:
		return 1
	}
	return 2
}

// byTime puts votes into the order in which they were given, whatever order they arrive in.
func byTime(a, b *Vote) int {
	if c := a.At.Compare(b.At); c != 0 {
		return c
	}
	if c := strength(a.Kind) - strength(b.Kind); c != 0 {
		return c
	}
	if c := strings.Compare(string(a.Person), string(b.Person)); c != 0 {
		return c
	}
	if c := strings.Compare(a.Account.Source, b.Account.Source); c != 0 {
		return c
	}
	if c := strings.Compare(a.Account.ID, b.Account.ID); c != 0 {
		return c
	}
	if c := strings.Compare(a.Message, b.Message); c != 0 {
		return c
	}
	// A veto with a reason stands, so it goes before one without.
	return strings.Compare(b.Reason, a.Reason)
}

func (e *evaluation) refuse(v Vote, why string) {
	e.out.Refused = append(e.out.Refused, Refusal{Vote: v, Why: why})
}

// listen finds the word of each person.
func (e *evaluation) listen(given []Vote) {
	var buf [16]*Vote
	order := buf[:0]
	for i := range given {
		order = append(order, &given[i])
	}
	slices.SortStableFunc(order, byTime)
	e.words = make([]word, 0, len(order))
	for _, v := range order {
		if why := e.deaf(v); why != "" {
			e.refuse(*v, why)
			continue
		}
		i := slices.IndexFunc(e.words, func(w word) bool { return w.person == v.Person })
		if i < 0 {
			e.words = append(e.words, word{person: v.Person, vote: *v})
			continue
		}
		w := &e.words[i]
		if w.vote.Kind == v.Kind && (v.Kind != Veto || w.vote.Reason != "" || v.Reason == "") {
			w.repeat = append(w.repeat, *v)
			continue
		}
		for _, old := range append([]Vote{w.vote}, w.repeat...) {
			e.refuse(old, fmt.Sprintf("%s said %s later, through %s", v.Person, v.Kind, v.Account))
		}
		e.words = append(append(e.words[:i:i], e.words[i+1:]...), word{person: v.Person, vote: *v})
	}
}

// deaf says why v is nobody's word on this manifest, or "".
func (e *evaluation) deaf(v *Vote) string {
	switch v.Kind {
	case Approve, Reject, Veto:
	default:
		return fmt.Sprintf("%q is neither an approval, nor a reject, nor a veto", v.Kind)
	}
	if v.Account.ID == "" {
		return "the vote names no account"
	}
	if v.Person == "" {
		return fmt.Sprintf("account %s is not linked to a person", v.Account)
	}
	owner, ok := e.q.Directory.ByAccount(v.Account)
	switch {
	case !ok:
		return fmt.Sprintf("account %s is not linked to a person", v.Account)
	case owner.ID != v.Person:
		return fmt.Sprintf("account %s belongs to %s, not to %s", v.Account, owner.ID, v.Person)
	case owner.Bot:
		return fmt.Sprintf("%s is a bot", owner.ID)
	case owner.Gone:
		return fmt.Sprintf("%s has left", owner.ID)
	case v.Manifest != e.q.Manifest:
		return fmt.Sprintf("%s %s an older manifest", owner.ID, past(v.Kind))
	}
	if why := e.q.Directory.Barred(v.Account); why != "" {
		return fmt.Sprintf("account %s does not count: %s", v.Account, why)
	}
	if at := owner.LinkedAt(v.Account); !at.IsZero() && !at.Before(e.q.Opened) {
		return fmt.Sprintf("account %s was linked to %s on %s, after this manifest was posted: it counts from the next one on", v.Account, owner.ID, at.UTC().Format("2006-01-02 15:04 UTC"))
	}
	return ""
}

func past(k VoteKind) string {
	switch k {
	case Approve:
		return "approved"
	case Reject:
		return "rejected"
	}
	return "vetoed"
}

// weigh sorts the words into approvals, noes, and what does not count.
func (e *evaluation) weigh() {
	e.yes = make([]candidate, 0, len(e.words))
	for i := range e.words {
		w := &e.words[i]
		c, no := e.candidate(w.person, w.vote.Kind != Veto)
		if no.why == "" && w.vote.Kind == Veto && strings.TrimSpace(w.vote.Reason) == "" {
			no.why = fmt.Sprintf("a veto needs a reason, and %s gave none", w.person)
		}
		if no.why != "" {
			e.out.Refused = append(e.out.Refused, Refusal{w.vote, no.why, no.rule})
			for _, r := range w.repeat {
				e.out.Refused = append(e.out.Refused, Refusal{r, no.why, no.rule})
			}
			continue
		}
		for _, r := range w.repeat {
			e.refuse(r, fmt.Sprintf("%s counted already through %s", w.person, w.vote.Account))
		}
		switch w.vote.Kind {
		case Approve:
			e.yes = append(e.yes, c)
			e.spoken = append(e.spoken, w.vote)
		case Reject:
			e.out.Rejected = true
			e.out.Against = append(e.out.Against, w.vote)
		case Veto:
			e.out.Vetoed = true
			e.out.Against = append(e.out.Against, w.vote)
		}
	}
}

// candidate is a person who may fill a term, as himself or in the place of another.
type candidate struct {
	person people.PersonID
	as     []standing // own first; more than one only with delegations
}

// standing is one identity of a candidate: whose place he takes, and in which roles.
type standing struct {
	who   people.PersonID
	roles uint64 // bit i: the rule's role number i
}

// objection is why a person does not count; rule is the exclusion that says so.
type objection struct{ why, rule string }

// candidate finds in what standing p could count. With excluding, the rule's exclusions apply.
func (e *evaluation) candidate(p people.PersonID, excluding bool) (candidate, objection) {
	c := candidate{person: p}
	q := &e.q
	if excluding {
		if what, rule := e.excluded(p); what != "" {
			return c, objection{fmt.Sprintf("%s is %s", p, what), rule}
		}
	}
	var barred objection
	var down, lapsed string
	for i, role := range q.Rule.roles {
		if why := q.Directory.Unavailable(q.Project, role); why != "" {
			down = fmt.Sprintf("who holds %s in %s cannot be read now: %s", role, q.Project, why)
			continue
		}
		g, ok := q.Directory.Has(q.Project, role, p, q.Now)
		switch {
		case !ok:
			if g, why := q.Directory.Lapsed(q.Project, role, p, q.Now); why != "" {
				lapsed = fmt.Sprintf("%s holds %s by account %s, %s", p, role, g.Account, why)
			}
		case g.For == "":
			c.stand(p, i)
		default:
			for _, g := range q.Directory.Delegations(q.Project, role, p, q.Now) {
				if what, rule := e.excluded(g.For); excluding && what != "" {
					barred = objection{fmt.Sprintf("%s stands in for %s, %s", p, g.For, what), rule}
					continue
				}
				c.stand(g.For, i)
			}
		}
	}
	switch {
	case len(c.as) > 0:
		return c, objection{}
	case barred.why != "":
		return c, barred
	case down != "":
		return c, objection{why: down}
	case lapsed != "":
		return c, objection{why: lapsed}
	case len(q.Rule.roles) == 1:
		return c, objection{why: fmt.Sprintf("%s holds no role %s in %s", p, q.Rule.roles[0], q.Project)}
	}
	return c, objection{why: fmt.Sprintf("%s holds none of the roles %s in %s", p, strings.Join(q.Rule.roles, ", "), q.Project)}
}

func (c *candidate) stand(who people.PersonID, role int) {
	for i := range c.as {
		if c.as[i].who == who {
			c.as[i].roles |= 1 << role
			return
		}
	}
	s := standing{who, 1 << role}
	if who == c.person {
		c.as = slices.Insert(c.as, 0, s)
	} else {
		c.as = append(c.as, s)
	}
}

// excluded says as what p may not count, and by which exclusion, or "".
func (e *evaluation) excluded(p people.PersonID) (what, rule string) {
	if e.q.Rule.notRequester && p == e.q.Requester {
		return "the requester", "not requester"
	}
	if e.q.Rule.notAuthor && len(e.q.Authors) > 0 {
		person, _ := e.q.Directory.Person(p)
		for _, a := range e.q.Authors {
			if wrote(person, p, a) {
				return "an author of what is approved", "not author"
			}
		}
	}
	return "", ""
}

// wrote reports whether author, an id, an account ("gitlab:12"), a mail address or "Name <mail>", means the person. The
// case of an address is not looked at: nobody is to pass by writing his own name in capitals.
func wrote(person people.Person, id people.PersonID, author string) bool {
	author = strings.TrimSpace(author)
	if author == string(id) || slices.ContainsFunc(person.Accounts, func(a people.Account) bool { return author == a.String() }) {
		return true
	}
	if i := strings.LastIndexByte(author, '<'); i >= 0 {
		author = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(author[i+1:]), ">"))
	}
	return person.Mail != "" && strings.EqualFold(author, strings.TrimSpace(person.Mail))
}
