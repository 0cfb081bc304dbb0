package run

import (
	"fmt"
	"strings"
	"time"

	"slipway/bot/playbook"
)

// Away tells of an effect in flight that could not be done so far because the other side does not
// answer, or asks to be left alone. It is tried again by itself.
type Away struct {
	Since time.Time // of the first of the tries that failed
	Tries int       // that failed since then
	Next  time.Time // of the next try
	Why   string    // the last failure, for people, without a hint
	Reads bool      // the effect only reads
}

// away is what keeps an effect in flight from getting through.
func (d *decider) away(key string) (Away, bool) {
	e := d.s.Effects[key]
	a, is := d.w.Away[key]
	return a, is && e != nil && e.Outcome == ""
}

// line says in one line what does not answer, since when, and when it is tried next.
func (a Away) line(e *Effect, now time.Time) string {
	what, _, _ := strings.Cut(e.Action, "@")
	verb := "does not get through"
	if a.Reads {
		verb = "cannot be read"
	}
	next := "next at " + clock(a.Next, now)
	if !a.Next.After(now) {
		next = "being tried now"
	}
	return fmt.Sprintf("%s %s since %s: %s; tried %s, %s", what, verb, clock(a.Since, now), strings.TrimRight(a.Why, ".; "), times(a.Tries), next)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// clock writes a time for people: the hour on the same day, with the date otherwise.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04 UTC")
	}
	return t.Format("2006-01-02 15:04 UTC")
}

// AwayLine is the one line that says what of a run does not get through to the other side, with the
// step that has waited longest; "" when everything does. It goes away by itself.
func AwayLine(s *State, w World) string {
	if len(w.Away) == 0 || s.Status == RunEnded {
		return ""
	}
	first, n := "", 0
	for _, key := range sortedNames(s.Effects) {
		a, away := w.Away[key]
		if !away || s.Effects[key].Outcome != "" {
			continue
		}
		n++
		if first == "" || a.Since.Before(w.Away[first].Since) {
			first = key
		}
	}
	if first == "" {
		return ""
	}
	e := s.Effects[first]
	text := w.Away[first].line(e, w.Now)
	if e.Step != "" {
		text = e.Step + ": " + text
	}
	if n > 1 {
		text += fmt.Sprintf(" (and %d more)", n-1)
	}
	return text
}

// whyAway adds what does not get through to what is said of a step.
func (d *decider) whyAway(path string, add func(string, ...any)) {
	if len(d.w.Away) == 0 {
		return
	}
	for _, key := range sortedNames(d.s.Effects) {
		if e := d.s.Effects[key]; e.Step == path {
			if a, away := d.away(key); away {
				add("%s", a.line(e, d.w.Now))
			}
		}
	}
}

// hurry is what a retry of a step does whose effect does not get through: nothing of the run changes,
// and the next try comes at once.
func (d *decider) hurry(in *inst, st *Step, c Command) bool {
	if st.Status != Running || len(c.Values) > 0 || in.def.Kind == playbook.Wait {
		return false
	}
	for _, key := range sortedNames(d.s.Effects) {
		if e := d.s.Effects[key]; e.Step == in.path {
			if _, away := d.away(key); away {
				d.hurried = append(d.hurried, key)
			}
		}
	}
	return len(d.hurried) > 0
}
