package people

import (
	"fmt"
	"slices"
	"time"

	"slipway/bot/errs"
)

// LinkLife is how long a proposed link may be confirmed.
const LinkLife = time.Hour

// Link is an account on its way to a person. Both sides must confirm: the person, through an
// account that is his already (or an admin, for a person who has none yet), and the account
// itself. Until then it changes nothing.
type Link struct {
	Person    PersonID  `json:"person"`
	Name      string    `json:"name"` // of the person, as it was shown
	Account   Account   `json:"account"`
	ByPerson  PersonID  `json:"by_person,omitempty"` // who confirmed on the person's side
	ByAccount bool      `json:"by_account,omitempty"`
	Began     time.Time `json:"began"`
}

// ProposeLink begins a link. Its kinds of error are [errs.NotFound] for an unknown person,
// [errs.Exists] for an account that is linked, and [errs.Invalid].
func ProposeLink(d Directory, person PersonID, a Account, now time.Time) (Link, error) {
	const op = "people.link"
	if err := checkAccount(op, a); err != nil {
		return Link{}, err
	}
	p, ok := d.Person(person)
	if !ok {
		return Link{}, errs.E(op, errs.NotFound, fmt.Errorf("there is no person %q", person)).Hint("an admin can add one")
	}
	if p.Gone {
		return Link{}, errs.E(op, errs.Invalid, fmt.Errorf("%s has left", person)).Hint("an admin can bring %s back first", person)
	}
	if err := free(op, d, person, a); err != nil {
		return Link{}, err
	}
	return Link{Person: p.ID, Name: p.Name, Account: a, Began: now}, nil
}

func free(op string, d Directory, person PersonID, a Account) error {
	owner, taken := d.ByAccount(a)
	switch {
	case taken && owner.ID == person:
		return errs.E(op, errs.Exists, fmt.Errorf("account %s is linked to %s already", a, person)).
			Hint("nothing needs to be done")
	case taken:
		return errs.E(op, errs.Exists, fmt.Errorf("account %s belongs to %s", a, owner.ID)).
			Hint("%s or an admin can unlink it first", owner.ID)
	}
	return nil
}

func checkAccount(op string, a Account) error {
	if a.Source == "" || a.ID == "" {
		return errs.E(op, errs.Invalid, fmt.Errorf("an account needs a source and an id, found %q", a.String())).
			Hint("use the immutable id that the source gives, not a name")
	}
	return nil
}

// ConfirmAsPerson confirms the person's side. By is the person, or, while the person has no
// account yet, an admin of every project.
func (l Link) ConfirmAsPerson(d Directory, by PersonID, now time.Time) (Link, error) {
	const op = "people.link"
	if err := l.open(op, d, now); err != nil {
		return l, err
	}
	p, _ := d.Person(l.Person)
	first := len(p.Accounts) == 0 && Directory{book: d.book}.IsAdmin(by, EveryProject, now)
	if by == "" || by != l.Person && !first {
		e := errs.E(op, errs.Denied, fmt.Errorf("%s cannot confirm an account of %s", nameOf(by), l.Person))
		if len(p.Accounts) == 0 {
			return l, e.Hint("an admin confirms the first account of a person")
		}
		return l, e.Hint("%s confirms it through an account that is linked already", l.Person)
	}
	l.ByPerson = by
	return l, nil
}

// ConfirmAsAccount confirms the account's side. Speaker is the account that said so.
func (l Link) ConfirmAsAccount(d Directory, speaker Account, now time.Time) (Link, error) {
	const op = "people.link"
	if err := l.open(op, d, now); err != nil {
		return l, err
	}
	if speaker.key() != l.Account.key() {
		return l, errs.E(op, errs.Denied, fmt.Errorf("account %s cannot confirm for account %s", speaker, l.Account)).
			Hint("confirm while logged in as %s", l.Account.Shown())
	}
	l.ByAccount = true
	return l, nil
}

// open checks that the link can still be confirmed.
func (l Link) open(op string, d Directory, now time.Time) error {
	if !now.Before(l.Began.Add(LinkLife)) {
		return errs.E(op, errs.Gone, fmt.Errorf("the link of %s to %s was not confirmed in time", l.Account, l.Person)).
			Hint("begin it again")
	}
	if p, ok := d.Person(l.Person); !ok || p.Gone {
		return errs.E(op, errs.Gone, fmt.Errorf("%s is not here any more", l.Person)).
			Hint("an admin can bring %s back, then begin the link again", l.Person)
	}
	return free(op, d, l.Person, l.Account)
}

// Done reports whether both sides have confirmed, so that the account may be added.
func (l Link) Done() bool { return l.ByPerson != "" && l.ByAccount }

// Question is what both sides are shown before they confirm, with both names.
func (l Link) Question() string {
	name := string(l.Person)
	if l.Name != "" {
		name = fmt.Sprintf("%s (%s)", l.Name, l.Person)
	}
	return fmt.Sprintf("Link the account %s to the person %s? From then on its reactions and commands are those of %s.",
		l.Account.Shown(), name, l.Person)
}

// Unlink checks whether by may take the account a away from p, and returns p without it. The
// person may, and an admin of every project.
func Unlink(d Directory, by, person PersonID, a Account, now time.Time) (Person, error) {
	const op = "people.unlink"
	d = Directory{book: d.book}
	p, ok := d.Person(person)
	if owner, linked := d.ByAccount(a); !ok || !linked || owner.ID != person {
		return Person{}, errs.E(op, errs.NotFound, fmt.Errorf("account %s is not linked to %s", a, nameOf(person))).
			Hint("only an account that is linked can be unlinked")
	}
	if by == "" || by != person && !d.IsAdmin(by, EveryProject, now) {
		return Person{}, errs.E(op, errs.Denied, fmt.Errorf("%s may not unlink an account of %s", nameOf(by), person)).
			Hint("%s can, or an admin", person)
	}
	p.Accounts = slices.DeleteFunc(slices.Clone(p.Accounts), func(o Account) bool { return o.key() == a.key() })
	if len(p.Accounts) == 0 {
		// Without an account an admin cannot act, so the last one keeps it.
		if err := d.keepAdmin(op, now, true, func(g Grant) bool { return g.Person == person }); err != nil {
			return Person{}, err
		}
	}
	return p, nil
}

// Validate refuses a list of persons that would make it unclear who is who: an empty or doubled
// id, an account without source or id, an account of two persons.
func Validate(persons []Person) error {
	const op = "people.validate"
	ids := make(map[PersonID]bool, len(persons))
	owners := map[Account]PersonID{}
	for i, p := range persons {
		if !validID(p.ID) {
			return errs.E(op, errs.Invalid, fmt.Errorf("person number %d has the id %q", i+1, p.ID)).
				Hint("an id begins with a letter or digit and has letters, digits, - _ and . only")
		}
		if ids[p.ID] {
			return errs.E(op, errs.Invalid, fmt.Errorf("two persons have the id %q", p.ID)).Hint("give one of them another id")
		}
		ids[p.ID] = true
		for _, a := range p.Accounts {
			if err := checkAccount(op, a); err != nil {
				return errs.E(op, errs.Invalid, fmt.Errorf("an account of %s: %w", p.ID, err))
			}
			owner, taken := owners[a.key()]
			switch {
			case taken && owner == p.ID:
				return errs.E(op, errs.Invalid, fmt.Errorf("%s has account %s twice", p.ID, a)).Hint("leave one out")
			case taken:
				return errs.E(op, errs.Invalid, fmt.Errorf("account %s belongs to %s and to %s", a, owner, p.ID)).
					Hint("an account belongs to one person: leave one out")
			}
			owners[a.key()] = p.ID
		}
	}
	return nil
}

func validID(id PersonID) bool {
	for i := 0; i < len(id); i++ {
		c := id[i]
		if !letter(c) && (c < '0' || c > '9') && (i == 0 || c != '-' && c != '_' && c != '.') {
			return false
		}
	}
	return id != "" && len(id) <= 64
}
