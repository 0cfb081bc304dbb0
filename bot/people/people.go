// Package people knows persons, their accounts, and what they may do in which project.
//
// A person is a human with many accounts; quorums count persons, never accounts. An account is
// matched by its immutable id, never by a name that its owner can change. The package is pure: a
// [Directory] is a value that says how things stand, with the versions of what it says.
package people

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// PersonID names a person for ever, e.g. "maria". It is given by an admin, never by a platform.
type PersonID string

// Account is one account of a person on one source ("slack:T024BE7LD", "gitlab:git.example",
// "unix", "console"). ID is immutable on that source; Handle is only for showing.
type Account struct {
	Source string `json:"source"`
	ID     string `json:"id"`
	Handle string `json:"handle,omitempty"`
}

func (a Account) String() string { return a.Source + ":" + a.ID }

// maxHandle is how much of a handle is shown, in runes.
const maxHandle = 100

// Shown is the account for people: what its owner calls it, in quotation marks, and who it is. Anybody
// can call himself what others are called, so the name never stands alone, cannot end its quotation marks,
// and has nothing in it that hides or turns text.
func (a Account) Shown() string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range a.Handle {
		switch {
		case unicode.IsSpace(r):
			space = n > 0
			continue
		case r == utf8.RuneError || !unicode.IsPrint(r):
			continue
		case unicode.In(r, unicode.Pi, unicode.Pf) || strings.ContainsRune("\"„‟″〝〞＂", r):
			r = '\''
		}
		if n >= maxHandle || space && n == maxHandle-1 {
			b.WriteRune('…')
			break
		}
		if space {
			b.WriteByte(' ')
			n, space = n+1, false
		}
		b.WriteRune(r)
		n++
	}
	if name := b.String(); name != "" && a.Handle != a.ID && a.Handle != a.String() {
		return "“" + name + "” (" + a.String() + ")"
	}
	return a.String()
}

// Person is one human.
type Person struct {
	ID       PersonID  `json:"id"`
	Name     string    `json:"name"`
	Mail     string    `json:"mail,omitempty"`
	Zone     string    `json:"zone,omitempty"` // IANA name of the time zone; "": not known
	Accounts []Account `json:"accounts,omitempty"`
	Bot      bool      `json:"bot,omitempty"`  // never counts and never commands
	Gone     bool      `json:"gone,omitempty"` // left: keeps the history, has no role any more

	// Linked is when accounts were linked in a chat, by [Account.String]. One that is not in it was
	// always the person's.
	Linked map[string]time.Time `json:"linked,omitempty"`
}

// Grant gives a person a role in a project from From until Until (zero: without end).
// Project "*" is every project. By is who granted it; For is set on a delegation: the person
// whose role this one stands in for, so that the two of them count as one.
type Grant struct {
	ID      string    `json:"id"`
	Person  PersonID  `json:"person"`
	Role    string    `json:"role"`
	Project string    `json:"project"`
	From    time.Time `json:"from,omitzero"`
	Until   time.Time `json:"until,omitzero"`
	By      PersonID  `json:"by,omitempty"`
	For     PersonID  `json:"for,omitempty"`

	// Account is set where the role is held as a member of a group elsewhere: Person is whoever the
	// account belongs to, and Linked since when, if it was linked in a chat.
	Account Account   `json:"account,omitzero"`
	Linked  time.Time `json:"linked,omitzero"`
}

// Admin is the role that may grant every other role.
const Admin = "admin"
