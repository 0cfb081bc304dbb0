// Package finding keeps what is wrong with an installation, in one place for all who tell of it:
// `slipway doctor`, the status page, /healthz, /readyz and the metrics.
//
// A [Check] looks for one thing that can be wrong. Its code never changes and is documented with
// its meaning and its fix, so that people can search for it, silence it and count it. A [Registry]
// knows which checks are due and what each found last; it reads no clock and starts nothing: who
// runs it passes the time. What a check finds stays one [Finding] for as long as it is found, with
// the time of the first.
package finding

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/bot/errs"
)

// Severity says what a finding means.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // the bot cannot do its work, or a release cannot end
	Warning Severity = "warning" // something will be missed, or becomes an error
)

// Symptom is one thing that a check found. What names it: two symptoms with the same What are one,
// and one that is found again with other figures in it is still the same.
type Symptom struct {
	What string // in words, without names of private runs; "": something could not be looked at
	Fix  string // what a person does about it; "" is the fix of the check
}

// Check looks for one thing that can be wrong. Without Look, only a running bot could tell.
type Check struct {
	Code     string // "area.what": small letters, digits and _; never changes
	Severity Severity
	Meaning  string // what it means when this is found, in a sentence
	Fix      string // what is done about it, as a rule
	Good     string // what is said when all is well
	Every    time.Duration
	Timeout  time.Duration // of one look; what takes longer is itself a finding
	Look     func(ctx context.Context) []Symptom
}

// Finding is one thing that is wrong.
type Finding struct {
	Code     string    `json:"code"`
	Severity Severity  `json:"severity"`
	What     string    `json:"what"`
	Fix      string    `json:"fix"`
	Since    time.Time `json:"since" doc:"when it was found first"`
	Checked  time.Time `json:"checked" doc:"when it was found last: it may have been mended after"`
}

// Late is the code of a check that did not come to an end.
const Late = "check.late"

// Report is everything that is known at a moment.
type Report struct {
	Findings []Finding `json:"findings" doc:"errors first"`
	Good     []Healthy `json:"good" doc:"what was looked at and is well"`
	Waiting  []string  `json:"waiting,omitempty" doc:"codes of what was not looked at yet, or could not be"`
}

// Healthy is something that was looked at and is well.
type Healthy struct {
	Code    string    `json:"code"`
	Good    string    `json:"good"`
	Checked time.Time `json:"checked"`
}

// Registry holds checks and what they found. It may be used from several goroutines.
type Registry struct {
	checks []Check

	mu    sync.Mutex
	known map[string]*state
}

type state struct {
	busy    bool
	checked time.Time // zero: never
	next    time.Time
	found   []Finding
}

var codeForm = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$`)

// New makes a registry of checks. Errors: [errs.Internal], for a code that is badly made or there
// twice, and a check that does not say what it means.
func New(checks ...Check) (*Registry, error) {
	r := &Registry{known: map[string]*state{}}
	for _, c := range append(slices.Clone(checks), late()) {
		switch {
		case !codeForm.MatchString(c.Code):
			return nil, bad("the code %q is not made like area.what", c.Code)
		case r.known[c.Code] != nil:
			return nil, bad("the code %s is there twice", c.Code)
		case c.Meaning == "" || c.Fix == "" || c.Good == "":
			return nil, bad("%s does not say what it means, what to do and what is well without it", c.Code)
		case c.Severity != Error && c.Severity != Warning:
			return nil, bad("%s has no severity", c.Code)
		case c.Look != nil && (c.Every <= 0 || c.Timeout <= 0):
			return nil, bad("%s has no period or no time-out", c.Code)
		}
		r.known[c.Code] = &state{}
		r.checks = append(r.checks, c)
	}
	return r, nil
}

func bad(format string, args ...any) error {
	return errs.E("finding.new", errs.Internal, fmt.Errorf(format, args...))
}

func late() Check {
	return Check{Code: Late, Severity: Warning, Meaning: "A check did not come to an end in its time, so nobody knows what it would have found.",
		Fix: "Look at what it asks: a disk, a server or a network that hangs.", Good: "every check comes to an end"}
}

// Checks are all of them, in the order in which they were given.
func (r *Registry) Checks() []Check { return slices.Clone(r.checks) }

// Due are the checks whose time has come, and the time at which the next one is due. A check that
// is under way is not due; each one returned is under way until [Registry.Found] or
// [Registry.TooLate] ends it.
func (r *Registry) Due(now time.Time) (due []Check, next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.checks {
		s := r.known[c.Code]
		if c.Look == nil || s.busy {
			continue
		}
		if !s.next.After(now) {
			s.busy = true
			due = append(due, c)
			continue
		}
		if next.IsZero() || s.next.Before(next) {
			next = s.next
		}
	}
	return due, next
}

// All makes every check due, for somebody who asks how things are now.
func (r *Registry) All() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.known {
		s.next = time.Time{}
	}
}

// Found keeps what a check found. Errors: [errs.Invalid] for a code that is not registered.
func (r *Registry) Found(code string, all []Symptom, at time.Time) error {
	return r.end(code, at, func(c Check, s *state) {
		since, before := continued(s.found, all), s.found
		s.checked, s.found = at, nil
		for _, y := range all {
			if y.What == "" { // what was found before may still be so, and nothing is well
				s.checked = time.Time{}
				continue
			}
			since, before := since[y.What]
			if !before {
				since = at
			}
			if slices.ContainsFunc(s.found, func(f Finding) bool { return f.What == y.What }) {
				continue
			}
			s.found = append(s.found, Finding{c.Code, c.Severity, y.What, cmp.Or(y.Fix, c.Fix), since, at})
		}
		for _, f := range before {
			if s.checked.IsZero() && !slices.ContainsFunc(s.found, func(x Finding) bool { return x.What == f.What }) {
				s.found = append(s.found, f)
			}
		}
		r.drop(Late, lateText(c))
	})
}

var figures = regexp.MustCompile(`[0-9]+`)

// continued says since when those of all are known that were found before. One whose figures alone
// have changed ("5 MB left", "4 MB left") is the same.
func continued(before []Finding, all []Symptom) map[string]time.Time {
	since := map[string]time.Time{}
	alike := map[string][]Finding{}
	for _, f := range before {
		if slices.ContainsFunc(all, func(y Symptom) bool { return y.What == f.What }) {
			since[f.What] = f.Since
			continue
		}
		form := figures.ReplaceAllString(f.What, "#")
		alike[form] = append(alike[form], f)
	}
	for _, y := range all {
		form := figures.ReplaceAllString(y.What, "#")
		if _, known := since[y.What]; !known && len(alike[form]) > 0 {
			since[y.What] = alike[form][0].Since
			alike[form] = alike[form][1:]
		}
	}
	return since
}

// TooLate notes that a check did not come to an end in its time. What it found before stays.
func (r *Registry) TooLate(code string, at time.Time) error {
	return r.end(code, at, func(c Check, s *state) {
		l := r.known[Late]
		what := lateText(c)
		if i := slices.IndexFunc(l.found, func(f Finding) bool { return f.What == what }); i >= 0 {
			l.found[i].Checked = at
		} else {
			l.found = append(l.found, Finding{Late, Warning, what, late().Fix, at, at})
		}
	})
}

func lateText(c Check) string {
	return fmt.Sprintf("the check %s did not come to an end in %s", c.Code, c.Timeout)
}

func (r *Registry) end(code string, at time.Time, keep func(Check, *state)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.checks, func(c Check) bool { return c.Code == code })
	if i < 0 {
		return errs.E("finding.found", errs.Invalid, errors.New("there is no check with the code "+code))
	}
	s := r.known[code]
	keep(r.checks[i], s)
	s.busy, s.next = false, at.Add(r.checks[i].Every)
	return nil
}

// drop removes one finding; the caller holds mu.
func (r *Registry) drop(code, what string) {
	s := r.known[code]
	s.found = slices.DeleteFunc(s.found, func(f Finding) bool { return f.What == what })
}

// Report is what is known now.
func (r *Registry) Report() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := Report{Findings: []Finding{}, Good: []Healthy{}}
	order := map[string]int{}
	for i, c := range r.checks {
		order[c.Code] = i
		s := r.known[c.Code]
		out.Findings = append(out.Findings, s.found...)
		switch {
		case c.Look == nil:
		case s.checked.IsZero():
			out.Waiting = append(out.Waiting, c.Code)
		case len(s.found) == 0:
			out.Good = append(out.Good, Healthy{c.Code, c.Good, s.checked})
		}
	}
	slices.SortStableFunc(out.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank(a.Severity), rank(b.Severity)), cmp.Compare(order[a.Code], order[b.Code]), strings.Compare(a.What, b.What))
	})
	return out
}

func rank(s Severity) int {
	if s == Error {
		return 0
	}
	return 1
}

// Count is how many findings of a severity a report has.
func (r Report) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// Has reports whether a finding with one of the codes is there.
func (r Report) Has(codes ...string) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return slices.Contains(codes, f.Code) })
}
