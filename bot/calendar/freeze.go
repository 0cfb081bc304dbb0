package calendar

import (
	"fmt"
	"slices"
	"time"

	"slipway/bot/errs"
)

// Calendar is all freezes as of one moment of reading. It is immutable and cheap to copy; the
// zero Calendar has none.
type Calendar struct{ book *book }

type book struct {
	freezes  map[string][]Freeze // by calendar, sorted by From
	versions map[string]uint64
}

// NewCalendar makes a calendar. Versions are those of each calendar's record. The arguments are
// copied. A freeze that ends before it begins never holds; [Freeze.Check] refuses it.
func NewCalendar(freezes []Freeze, versions map[string]uint64) Calendar {
	b := &book{freezes: make(map[string][]Freeze), versions: make(map[string]uint64, len(versions))}
	for _, f := range freezes {
		b.freezes[f.Calendar] = append(b.freezes[f.Calendar], f)
	}
	for _, list := range b.freezes {
		slices.SortStableFunc(list, func(x, y Freeze) int { return x.From.Compare(y.From) })
	}
	for name, v := range versions {
		b.versions[name] = v
	}
	return Calendar{b}
}

// Holds reports whether now lies in the window: From is inclusive, Until exclusive.
func (f Freeze) Holds(now time.Time) bool {
	return !now.Before(f.From) && (f.Until.IsZero() || now.Before(f.Until))
}

// Check refuses a freeze that can never hold, or that nobody could name or explain.
func (f Freeze) Check() error {
	bad := func(format string, args ...any) *errs.Error {
		return errs.E("calendar.freeze", errs.Invalid, fmt.Errorf(format, args...))
	}
	switch {
	case f.ID == "":
		return bad("a freeze has no id").Hint("give each freeze an id, so that it can be ended by name")
	case f.Calendar == "":
		return bad("the freeze %s names no calendar", f.ID).Hint("write calendar: NAME, the name that frozen_by uses")
	case f.Why == "":
		return bad("the freeze %s has no reason", f.ID).Hint("say why, since people who wait for it will ask")
	case !f.Until.IsZero() && !f.From.Before(f.Until):
		return bad("the freeze %s ends at %s, before it begins at %s", f.ID,
			f.Until.Format(time.RFC3339), f.From.Format(time.RFC3339)).Hint("exchange from and until, or leave until out")
	}
	return nil
}

// Frozen finds the freeze that holds now: of several, the one that ends last.
func (c Calendar) Frozen(calendar string, now time.Time) (Freeze, bool) {
	var last Freeze
	found := false
	for _, f := range c.list(calendar) {
		if !f.Holds(now) {
			continue
		}
		if !found || f.Until.IsZero() || !last.Until.IsZero() && f.Until.After(last.Until) {
			last, found = f, true
		}
		if last.Until.IsZero() {
			break
		}
	}
	return last, found
}

// NextFree is the first moment from now on at which no freeze holds: now itself when none does.
// It is false when a freeze without an end stands in the way.
func (c Calendar) NextFree(calendar string, now time.Time) (time.Time, bool) {
	// One pass is enough: windows are sorted by their start, so one that was passed over
	// either ended already or has not begun, and then neither have those after it.
	for _, f := range c.list(calendar) {
		if !f.Holds(now) {
			continue
		}
		if f.Until.IsZero() {
			return time.Time{}, false
		}
		now = f.Until
	}
	return now, true
}

// Upcoming lists the freezes of a calendar that hold now or begin later, by their start.
func (c Calendar) Upcoming(calendar string, now time.Time) []Freeze {
	var out []Freeze
	for _, f := range c.list(calendar) {
		if f.Until.IsZero() || f.Until.After(now) && f.From.Before(f.Until) {
			out = append(out, f)
		}
	}
	return out
}

// Version is the version of the calendar's record.
func (c Calendar) Version(calendar string) uint64 {
	if c.book == nil {
		return 0
	}
	return c.book.versions[calendar]
}

func (c Calendar) list(calendar string) []Freeze {
	if c.book == nil {
		return nil
	}
	return c.book.freezes[calendar]
}
