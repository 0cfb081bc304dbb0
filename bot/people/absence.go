package people

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
)

// Absence is a time in which a person is not there. It takes no role away: an approval that was
// given before counts, and so does one that is given all the same. But the person is not reminded
// and not mentioned, and whoever waits is told until when.
type Absence struct {
	Person  PersonID  `json:"person"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"` // the moment of being back
	Reason  string    `json:"reason,omitempty"`
	StandIn PersonID  `json:"stand_in,omitempty"` // who was named; roles come by delegation
	By      PersonID  `json:"by,omitempty"`       // who said it
}

// Bounds of an absence.
const (
	MaxAbsence    = 366 * 24 * time.Hour
	maxReasonRune = 200
)

// String says it for people: "away until 2019-02-03: at sea; stand-in ben".
func (a Absence) String() string {
	out := "away until " + day(a.Until)
	if a.Reason != "" {
		out += ": " + a.Reason
	}
	if a.StandIn != "" {
		out += "; stand-in " + string(a.StandIn)
	}
	return out
}

// day is a moment as people write it: midnight of UTC is the day alone.
func day(t time.Time) string {
	if t = t.UTC(); t.Truncate(24 * time.Hour).Equal(t) {
		return t.Format(time.DateOnly)
	}
	return t.Format("2006-01-02 15:04 UTC")
}

// At reports whether now lies in the absence: from From (inclusive) until Until (exclusive).
func (a Absence) At(now time.Time) bool { return !now.Before(a.From) && now.Before(a.Until) }

// WithAbsences is d in which these persons are away at these times.
func (d Directory) WithAbsences(list []Absence) Directory {
	if d.book == nil || len(list) == 0 {
		return d
	}
	b := *d.book
	b.away = slices.Clone(list)
	slices.SortStableFunc(b.away, func(x, y Absence) int {
		if c := x.From.Compare(y.From); c != 0 {
			return c
		}
		return strings.Compare(string(x.Person), string(y.Person))
	})
	d.book = &b
	return d
}

// Absences are all that are known, past and future ones too, by their beginning. The list is not to
// be changed.
func (d Directory) Absences() []Absence {
	if d.book == nil {
		return nil
	}
	return d.book.away
}

// Away reports whether the person is away at now; of several absences, the one that ends last.
func (d Directory) Away(p PersonID, now time.Time) (a Absence, away bool) {
	if d.book == nil {
		return a, false
	}
	for _, x := range d.book.away {
		if x.Person == p && x.At(now) && (!away || x.Until.After(a.Until)) {
			a, away = x, true
		}
	}
	return a, away
}

// Present are those of the list who are not away at now, and Absent the absences of the others.
func (d Directory) Present(list []PersonID, now time.Time) (present []PersonID, absent []Absence) {
	if d.book == nil || len(d.book.away) == 0 {
		return list, nil
	}
	for _, p := range list {
		if a, away := d.Away(p, now); away {
			absent = append(absent, a)
		} else {
			present = append(present, p)
		}
	}
	return present, absent
}

// TheirAbsences says of each who is away: "eva is away until 2019-02-03; stand-in ben".
func TheirAbsences(list []Absence) string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = string(a.Person) + " is " + a.String()
	}
	return strings.Join(out, ", ")
}

// GoAway checks whether by may say the absence a, and returns it with By filled in. Everybody may for
// themselves; for others it takes the role lead, in any project, or an admin. A stand-in gets roles, so
// it is named by whoever has them, or by an admin. Errors: [errs.Denied], [errs.Invalid],
// [errs.NotFound].
func GoAway(d Directory, by PersonID, a Absence, lead string, now time.Time) (Absence, error) {
	const op = "people.away"
	d = Directory{book: d.book}
	if err := d.checkPerson(op, a.Person); err != nil {
		return a, err
	}
	if err := d.maySpeakFor(op, by, a.Person, lead, now); err != nil {
		return a, err
	}
	if a.From.IsZero() || a.From.Before(now) {
		a.From = now.UTC()
	}
	switch {
	case !a.Until.After(a.From):
		return a, errs.E(op, errs.Invalid, fmt.Errorf("the absence would end on %s, before it begins", day(a.Until))).Hint("give the day on which %s is back", a.Person)
	case a.Until.Sub(a.From) > MaxAbsence:
		return a, errs.E(op, errs.Invalid, fmt.Errorf("an absence until %s is longer than a year", day(a.Until))).Hint("an admin marks those who have left")
	case len([]rune(a.Reason)) > maxReasonRune:
		return a, errs.E(op, errs.Invalid, fmt.Errorf("the reason has more than %d characters", maxReasonRune)).Hint("everybody reads it: say it shortly")
	}
	if a.StandIn != "" {
		if err := d.checkPerson(op, a.StandIn); err != nil {
			return a, err
		}
		if by != a.Person && !d.IsAdmin(by, EveryProject, now) {
			return a, errs.E(op, errs.Denied, fmt.Errorf("%s may not lend the roles of %s", nameOf(by), a.Person)).
				Hint("%s names a stand-in, or an admin; say it without one", a.Person)
		}
		if a.StandIn == a.Person {
			return a, errs.E(op, errs.Invalid, fmt.Errorf("%s cannot stand in for himself", a.Person)).Hint("name another person")
		}
		if other, away := d.Away(a.StandIn, a.From); away {
			return a, errs.E(op, errs.Conflict, fmt.Errorf("%s is %s", a.StandIn, other)).Hint("name somebody who is there")
		}
	}
	a.By = by
	return a, nil
}

// ComeBack checks whether by may say that the person is back.
func ComeBack(d Directory, by, person PersonID, lead string, now time.Time) error {
	const op = "people.back"
	d = Directory{book: d.book}
	if err := d.maySpeakFor(op, by, person, lead, now); err != nil {
		return err
	}
	for _, a := range d.Absences() {
		if a.Person == person && now.Before(a.Until) {
			return nil
		}
	}
	return errs.E(op, errs.NotFound, fmt.Errorf("%s is not away", person)).Hint("nothing needs to be done")
}

func (d Directory) maySpeakFor(op string, by, person PersonID, lead string, now time.Time) error {
	if by != "" && by == person && d.acts(by) || d.IsAdmin(by, EveryProject, now) {
		return nil
	}
	if d.book != nil && d.acts(by) {
		for k := range d.book.grants {
			if k.role != lead && k.role != Admin {
				continue
			}
			if _, ok := d.own(k.project, k.role, by, now); ok {
				return nil
			}
		}
	}
	return errs.E(op, errs.Denied, fmt.Errorf("%s may not say of %s who is there", nameOf(by), nameOf(person))).
		Hint("%s can, a %s, or an admin", person, lead)
}

// StandIns are the delegations that let a.StandIn act for the absent person while the absence lasts,
// one for each role that a.By may delegate. Their ids begin with [StandInID].
func StandIns(d Directory, a Absence, now time.Time) []Grant {
	if a.StandIn == "" || d.book == nil {
		return nil
	}
	var out []Grant
	for k, list := range d.book.grants {
		for _, own := range list {
			if own.Person != a.Person || own.For != "" || k.role == Admin {
				continue
			}
			g := Grant{ID: StandInID(a.Person) + k.project + "/" + k.role, Person: a.StandIn, Role: k.role, Project: k.project, From: a.From, Until: a.Until, For: a.Person}
			if g, err := Delegate(d, a.By, g, now); err == nil && !slices.ContainsFunc(out, func(o Grant) bool { return o.ID == g.ID }) {
				out = append(out, g)
			}
		}
	}
	slices.SortFunc(out, func(x, y Grant) int { return strings.Compare(x.ID, y.ID) })
	return out
}

// StandInID begins the ids of the delegations that an absence of the person made.
func StandInID(p PersonID) string { return "away/" + string(p) + "/" }
