package subscription

import (
	"fmt"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
)

// The roles that may subscribe others in a project. A channel is subscribed by either; a mail
// address that is not one's own only by the first.
const (
	Manager    = "release-manager"
	Maintainer = "maintainer"
)

// May says whether person may make or end s, and confirmed whether the subscriber needs no second
// word: persons and channels, and an address that the directory knows as the person's own. The
// error is of kind [errs.Denied] and says who may.
func May(dir people.Directory, person people.PersonID, s Subscription, now time.Time) (confirmed bool, err error) {
	project := s.Filter.project()
	manages := holds(dir, project, Manager, person, now) || dir.IsAdmin(person, project, now)
	denied := func(what, who string) (bool, error) {
		return false, errs.E("subscription.may", errs.Denied, fmt.Errorf("%s", what)).Hint("ask %s", who)
	}
	where := "of " + project
	if project == EveryProject {
		where = "of every project"
	}
	switch {
	case s.To.Person != "":
		if s.To.Person != person {
			return denied("a person is subscribed by nobody else", string(s.To.Person))
		}
		return true, nil
	case s.To.Mail != "":
		if p, ok := dir.Person(person); ok && p.Mail != "" && SameAddress(p.Mail, s.To.Mail) {
			return true, nil
		}
		if !manages {
			return denied("the address "+s.To.Mail+" is not yours", "a "+Manager+" "+where)
		}
		return false, nil
	}
	if !manages && !holds(dir, project, Maintainer, person, now) {
		return denied("a channel is subscribed by the people of its project", "a "+Manager+" or "+Maintainer+" "+where)
	}
	return true, nil
}

func holds(dir people.Directory, project, role string, person people.PersonID, now time.Time) bool {
	_, ok := dir.Has(project, role, person, now)
	return ok
}

// MaySpeak says whether person may correct what a project told, or settle whether it was sent.
func MaySpeak(dir people.Directory, person people.PersonID, project string, now time.Time) error {
	if holds(dir, project, Manager, person, now) || holds(dir, project, Maintainer, person, now) || dir.IsAdmin(person, project, now) {
		return nil
	}
	return errs.E("subscription.may", errs.Denied, fmt.Errorf("what was told of %s is corrected by its people", project)).
		Hint("ask a %s or %s of it", Manager, Maintainer)
}

// SameAddress compares two mail addresses, with or without a name before them. Domains have no
// case (RFC 5321 §2.4); of the part before them only the domain's own mail server knows.
func SameAddress(a, b string) bool { return bare(a) == bare(b) && bare(a) != "" }

// bare is the address without a name, its domain in small letters.
func bare(s string) string {
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		s = strings.TrimSuffix(strings.TrimSpace(s[i+1:]), ">")
	}
	s = strings.TrimSpace(s)
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return ""
	}
	return s[:at] + strings.ToLower(s[at:])
}

// Masked is an address as it is shown where others read: enough to know one's own again. What is no
// address stays.
func Masked(s string) string {
	at := strings.LastIndexByte(s, '@')
	start := len(s) - len(strings.TrimPrefix(s, "mail:")) // of a subscriber's key
	if at < start {
		return s
	}
	return s[:min(start+2, at)] + "…" + s[at:]
}
