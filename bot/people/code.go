package people

import (
	"fmt"
	"strings"
	"time"

	"slipway/bot/errs"
)

// A link begins with a one-time code. The person asks for it where he is known and types it to the
// bot alone through the other account, which is so proven to be in the same hands; both sides are
// then shown both names and confirm.

const (
	// CodeLife is how long a code may be typed; after that [LinkLife] is for confirming.
	CodeLife = 10 * time.Minute
	// MaxTries is how many wrong codes an account may type in TriesLife before it is not heard any
	// more for the rest of it, and how many codes a person may ask for in that time.
	MaxTries = 5
	// TriesLife is for how long tries are remembered, from the first.
	TriesLife = time.Hour

	// codeLetters have no look-alikes: no 0 O, 1 I L, no U beside V.
	codeLetters = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
	codeLength  = 8
)

// Code makes a code of random bytes, as it is shown: "K7QM-X2PD". About one byte in sixteen cannot be
// used; ok is false when there are too few. It has 39 bits.
func Code(random []byte) (code string, ok bool) {
	var b strings.Builder
	for _, x := range random {
		if int(x) >= 256/len(codeLetters)*len(codeLetters) { // so that every letter is as likely
			continue
		}
		if b.Len() == codeLength/2 {
			b.WriteByte('-')
		}
		b.WriteByte(codeLetters[int(x)%len(codeLetters)])
		if b.Len() == codeLength+1 {
			return b.String(), true
		}
	}
	return "", false
}

// ReadCode is a code as a person typed it, as it was shown; ok is false for what cannot be one.
func ReadCode(typed string) (code string, ok bool) {
	plain := strings.ReplaceAll(strings.ToUpper(strings.TrimSpace(typed)), "-", "")
	if len(plain) != codeLength {
		return "", false
	}
	for i := range len(plain) {
		if strings.IndexByte(codeLetters, plain[i]) < 0 {
			return "", false
		}
	}
	return plain[:codeLength/2] + "-" + plain[codeLength/2:], true
}

// Offer is a code that waits to be typed.
type Offer struct {
	Person PersonID  `json:"person"`           // whose account it will be
	By     PersonID  `json:"by"`               // who asked: the person, or an admin for the first account
	Source string    `json:"source,omitempty"` // of the account; "": any
	Began  time.Time `json:"began"`
}

// OfferLink checks whether by may begin to link an account of source to the person: the person may,
// and an admin of every project while the person has no account. Errors: [errs.NotFound],
// [errs.Invalid], [errs.Denied].
func OfferLink(d Directory, by, person PersonID, source string, now time.Time) (Offer, error) {
	const op = "people.link"
	d = Directory{book: d.book}
	if err := d.checkPerson(op, person); err != nil {
		return Offer{}, err
	}
	p, _ := d.Person(person)
	first := len(p.Accounts) == 0 && d.IsAdmin(by, EveryProject, now)
	if by == "" || by != person && !first {
		e := errs.E(op, errs.Denied, fmt.Errorf("%s may not link an account to %s", nameOf(by), person))
		if len(p.Accounts) == 0 {
			return Offer{}, e.Hint("an admin of every project links the first account of a person")
		}
		return Offer{}, e.Hint("%s does, where an account is linked already", person)
	}
	return Offer{Person: person, By: by, Source: source, Began: now}, nil
}

// Typed is what follows when an account types the code: the link that both sides must confirm.
// Errors: [errs.Gone] for a code that is too old, [errs.Invalid] for an account of another source,
// and those of [ProposeLink].
func (o Offer) Typed(d Directory, a Account, now time.Time) (Link, error) {
	const op = "people.link"
	switch {
	case !now.Before(o.Began.Add(CodeLife)):
		return Link{}, errs.E(op, errs.Gone, fmt.Errorf("the code was not typed in time")).Hint("ask for a new one")
	case o.Source != "" && o.Source != a.Source:
		return Link{}, errs.E(op, errs.Invalid, fmt.Errorf("the code is for an account of %s", o.Source)).Hint("type it there, or ask for another one")
	}
	return ProposeLink(d, o.Person, a, now)
}

// Tries counts what must not be done often.
type Tries struct {
	Since time.Time `json:"since"`
	N     int       `json:"n"`
}

// Again is t with one try more.
func (t Tries) Again(now time.Time) Tries {
	if t.Over(now) {
		return Tries{now, 1}
	}
	t.N++
	return t
}

// Over reports whether t is forgotten.
func (t Tries) Over(now time.Time) bool { return !now.Before(t.Since.Add(TriesLife)) }

// Spent reports whether no further try is allowed, and until when.
func (t Tries) Spent(now time.Time) (until time.Time, yes bool) {
	return t.Since.Add(TriesLife), !t.Over(now) && t.N >= MaxTries
}
