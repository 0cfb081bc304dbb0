// Package subscription decides who is told what, and when.
//
// A [Subscription] joins a [Subscriber] (a channel, a person, a mail address) with a [Filter] over
// [News] and the [Rules] of delivery: at once or in a digest, and not in quiet hours. The package
// is pure: it is given the time and the zone of the subscriber, and answers with times and texts.
// What was sent, and that it was sent once, is the engine's.
package subscription

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/people"
)

// Severity says how much news matter. They are ordered: info, notice, warning, urgent.
type Severity string

// The severities.
const (
	Info    Severity = "info"    // how work goes on
	Notice  Severity = "notice"  // what most want to know: a release, a freeze, an end
	Warning Severity = "warning" // something needs a person, or came out badly
	Urgent  Severity = "urgent"  // read it now, even at night if you said so
)

// Severities lists them, the least first.
func Severities() []Severity { return []Severity{Info, Notice, Warning, Urgent} }

// AtLeast reports whether s matters as much as o. What is no severity counts as info.
func (s Severity) AtLeast(o Severity) bool {
	return slices.Index(Severities(), s) >= max(0, slices.Index(Severities(), o))
}

// Valid reports whether s is one of them.
func (s Severity) Valid() bool { return slices.Contains(Severities(), s) }

// Kind says what news are about.
type Kind string

// The kinds.
const (
	Started  Kind = "started"  // a run has begun
	Gate     Kind = "gate"     // a gate asks people, or has asked for long
	Stuck    Kind = "stuck"    // a step has come to a dead end
	Doubtful Kind = "doubtful" // nobody can tell whether something happened
	Told     Kind = "told"     // what a playbook tells and gives no other kind
	Released Kind = "released" // something new is there for users
	Undone   Kind = "undone"   // something was taken back
	Ended    Kind = "ended"    // a run is over
	Opened   Kind = "opened"   // a private run is private no more
	Freeze   Kind = "freeze"   // a freeze was set or has ended
)

// Kinds lists them.
func Kinds() []Kind {
	return []Kind{Started, Gate, Stuck, Doubtful, Told, Released, Undone, Ended, Opened, Freeze}
}

// Valid reports whether k is one of them.
func (k Kind) Valid() bool { return slices.Contains(Kinds(), k) }

// EveryProject stands for all projects in filters, and in news that concern all of them.
const EveryProject = people.EveryProject

// News is one thing that people may want to know. It is composed once; the key names it for good.
type News struct {
	Key      string    `json:"key"`
	Project  string    `json:"project"` // [EveryProject]: it concerns all
	Family   string    `json:"family,omitempty"`
	Run      string    `json:"run,omitempty"`  // id; "": of no run
	Name     string    `json:"name,omitempty"` // of the run
	Kind     Kind      `json:"kind"`
	Severity Severity  `json:"severity"`
	Title    string    `json:"title"` // one line
	Text     string    `json:"text,omitempty"`
	Link     string    `json:"link,omitempty"` // a page outside with more
	At       time.Time `json:"at"`
}

// Subscriber is who is told: exactly one of a place in a chat, a person, and a mail address.
type Subscriber struct {
	Source string          `json:"source,omitempty"` // of the chat, with Place
	Place  string          `json:"place,omitempty"`
	Person people.PersonID `json:"person,omitempty"`
	Mail   string          `json:"mail,omitempty"` // bare address
}

// Key is the subscriber in one word: nobody is told the same news twice under one key.
func (s Subscriber) Key() string {
	switch {
	case s.Person != "":
		return "person:" + string(s.Person)
	case s.Mail != "":
		return "mail:" + s.Mail
	}
	return "place:" + s.Source + "/" + s.Place
}

// String is the subscriber in words.
func (s Subscriber) String() string {
	switch {
	case s.Person != "":
		return string(s.Person)
	case s.Mail != "":
		return s.Mail
	}
	return "#" + s.Place
}

// Filter chooses news. Empty fields choose all.
type Filter struct {
	Project string   `json:"project,omitempty"` // "" or [EveryProject]: all
	Family  string   `json:"family,omitempty"`
	Least   Severity `json:"least,omitempty"` // and what matters more; "": all
	Kinds   []Kind   `json:"kinds,omitempty"`
}

// Matches reports whether the filter lets n through. News that concern every project pass for
// each of them, and news of no family for each family.
func (f Filter) Matches(n News) bool {
	switch {
	case f.Project != "" && f.Project != EveryProject && n.Project != EveryProject && f.Project != n.Project:
		return false
	case f.Family != "" && n.Family != "" && f.Family != n.Family:
		return false
	case f.Least != "" && !n.Severity.AtLeast(f.Least):
		return false
	}
	return len(f.Kinds) == 0 || slices.Contains(f.Kinds, n.Kind)
}

// String is the filter in words: "lava, release, warning or worse".
func (f Filter) String() string {
	what := []string{"every project"}
	if f.Project != "" && f.Project != EveryProject {
		what[0] = f.Project
	}
	if f.Family != "" {
		what = append(what, "only "+f.Family)
	}
	switch f.Least {
	case "", Info:
	case Urgent:
		what = append(what, "urgent only")
	default:
		what = append(what, string(f.Least)+" and above")
	}
	if len(f.Kinds) > 0 {
		names := make([]string, len(f.Kinds))
		for i, k := range f.Kinds {
			names[i] = string(k)
		}
		what = append(what, "about "+strings.Join(names, " "))
	}
	return strings.Join(what, ", ")
}

// Subscription is one wish to be told.
type Subscription struct {
	ID        string          `json:"id"`
	To        Subscriber      `json:"to"`
	Filter    Filter          `json:"filter"`
	Rules     Rules           `json:"rules"`
	By        people.PersonID `json:"by,omitempty"` // who asked for it
	Added     time.Time       `json:"added"`
	Confirmed time.Time       `json:"confirmed,omitzero"` // zero: nothing is sent before the addressee agrees
	GivenUp   string          `json:"given_up,omitempty"` // why nothing is sent any more
	Failures  int             `json:"failures,omitempty"` // in a row
}

// Active reports whether anything is sent.
func (s Subscription) Active() bool { return !s.Confirmed.IsZero() && s.GivenUp == "" }

// Wants reports whether s is to be told n: it must have been there when the news came.
func (s Subscription) Wants(n News) bool {
	return s.Active() && !s.Confirmed.After(n.At) && s.Filter.Matches(n)
}

// String is the subscription in one line for people.
func (s Subscription) String() string {
	text := fmt.Sprintf("%s: %s; %s", s.To, s.Filter, s.Rules)
	switch {
	case s.GivenUp != "":
		text += "; given up: " + s.GivenUp
	case s.Confirmed.IsZero():
		text += "; waits for the addressee to confirm"
	}
	return text
}

// Cover reports whether s chooses the same news for the same subscriber as o: then one replaces
// the other.
func (s Subscription) Cover(o Subscription) bool {
	return s.To.Key() == o.To.Key() && s.Filter.project() == o.Filter.project() && s.Filter.Family == o.Filter.Family
}

func (f Filter) project() string {
	if f.Project == "" {
		return EveryProject
	}
	return f.Project
}
