package subscription

import (
	"fmt"
	"time"

	"slipway/bot/calendar"
	"slipway/bot/errs"
)

// Rules say when news are delivered.
type Rules struct {
	Digest string `json:"digest,omitempty"` // schedule without a zone ("daily 08:00", "mon 08:00"); "": at once
	Quiet  *Quiet `json:"quiet,omitempty"`
	Urgent bool   `json:"urgent,omitempty"` // urgent news come at once, whatever the rest says
	Zone   string `json:"zone,omitempty"`   // IANA name; "": UTC
}

// Quiet are hours of each day in which nothing is delivered: from the minute From of the day until
// the minute Until, which may be of the next day. From and Until are 0 to 1439 and differ.
type Quiet struct {
	From  int `json:"from"`
	Until int `json:"until"`
}

// String is "22:00-07:00".
func (q Quiet) String() string { return hm(q.From) + "-" + hm(q.Until) }

func hm(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

// ZoneName is the zone that the other methods need.
func (r Rules) ZoneName() string {
	if r.Zone == "" {
		return "UTC"
	}
	return r.Zone
}

// Check tells what is wrong with the rules. Whether the zone exists is for the caller to find out.
func (r Rules) Check() error {
	if r.Digest != "" {
		if _, err := calendar.ParseSchedule(r.Digest + " " + r.ZoneName()); err != nil {
			return err
		}
	} else if _, err := calendar.ParseSchedule("daily 00:00 " + r.ZoneName()); err != nil {
		return err
	}
	if q := r.Quiet; q != nil && (q.From < 0 || q.From > 1439 || q.Until < 0 || q.Until > 1439 || q.From == q.Until) {
		return errs.E("subscription.quiet", errs.Invalid, fmt.Errorf("the quiet hours %s are no part of a day", q)).Hint("write them like 22:00-07:00")
	}
	return nil
}

// daily is a time of each day, in the zone of the rules.
func (r Rules) daily(minute int) calendar.Schedule {
	s, _ := calendar.ParseSchedule("daily " + hm(minute) + " " + r.ZoneName()) // checked by Check
	return s
}

// silent reports whether t lies in the quiet hours. They begin at the first moment at which the
// clocks show From and end at the first at which they show Until, so an hour that the clocks repeat
// or skip neither opens a hole nor holds for a day: what comes next, the end or the beginning, tells.
func (r Rules) silent(t time.Time, zone *time.Location) (until time.Time, yes bool) {
	if r.Quiet == nil {
		return time.Time{}, false
	}
	ends, begins := r.daily(r.Quiet.Until).Next(t, zone), r.daily(r.Quiet.From).Next(t, zone)
	// Both at once: the clocks jump over the whole of it, or, for hours over midnight, over the
	// time between two of them.
	if ends.Before(begins) || ends.Equal(begins) && r.Quiet.From > r.Quiet.Until {
		return ends, true
	}
	return time.Time{}, false
}

// Open is the first moment, t or later, that is not in quiet hours. Zone is the location of
// [Rules.ZoneName]; nil is UTC.
func (r Rules) Open(t time.Time, zone *time.Location) time.Time {
	for range 8 { // one after another only where whole days are skipped
		until, silent := r.silent(t, zone)
		if !silent {
			break
		}
		t = until
	}
	return t
}

// When is the moment at which news that come at t are delivered: t itself, the next digest, or the
// end of quiet hours.
func (r Rules) When(s Severity, t time.Time, zone *time.Location) time.Time {
	if r.Urgent && s == Urgent {
		return t
	}
	if r.Digest != "" {
		d, err := calendar.ParseSchedule(r.Digest + " " + r.ZoneName())
		if next := d.Next(t, zone); err == nil && !next.IsZero() {
			t = next
		}
	}
	return r.Open(t, zone)
}

// String is the rules in words.
func (r Rules) String() string {
	text := "at once"
	if r.Digest != "" {
		text = "together, " + r.Digest
	}
	if r.Quiet != nil {
		text += ", quiet " + r.Quiet.String()
	}
	if r.Digest != "" || r.Quiet != nil {
		text += " " + r.ZoneName()
		if r.Urgent {
			text += ", urgent at once"
		}
	}
	return text
}
