package calendar

import (
	"fmt"
	"slices"
	"time"

	"slipway/bot/errs"
)

// Business knows which days people work on. The zero Business has Monday to Friday and no
// holidays. All its days are dates in the location of the times it is given.
type Business struct {
	off      [7]bool // by weekday; all false means Saturday and Sunday
	holidays []string
}

// NewBusiness makes a Business from days off in the week (nil: Saturday and Sunday) and holidays
// as "2006-01-02". A week without a working day, and a date that does not exist, are refused.
func NewBusiness(off []time.Weekday, holidays []string) (Business, error) {
	const op = "calendar.business"
	var b Business
	for _, d := range off {
		if d < time.Sunday || d > time.Saturday {
			return Business{}, errs.E(op, errs.Invalid, fmt.Errorf("%d is not a day of the week", int(d)))
		}
		b.off[d] = true
	}
	if b.off == [7]bool{true, true, true, true, true, true, true} {
		return Business{}, errs.E(op, errs.Invalid, fmt.Errorf("no day of the week is a working day")).
			Hint("leave at least one day out of the days off")
	}
	for _, h := range holidays {
		if _, err := time.Parse(time.DateOnly, h); err != nil {
			return Business{}, errs.E(op, errs.Invalid, fmt.Errorf("%q is not a date", clip(h))).
				Hint("write year, month and day as 2019-12-25")
		}
	}
	b.holidays = slices.Clone(holidays)
	slices.Sort(b.holidays)
	return b, nil
}

// Works reports whether the day of t is a working day.
func (b Business) Works(t time.Time) bool {
	off := b.off
	if off == [7]bool{} {
		off[time.Saturday], off[time.Sunday] = true, true
	}
	if off[t.Weekday()] {
		return false
	}
	_, holiday := slices.BinarySearch(b.holidays, t.Format(time.DateOnly))
	return !holiday
}

// Next is t when its day is a working day, else the beginning of the next one.
func (b Business) Next(t time.Time) time.Time {
	// Holidays are finite and each week has a working day, so this ends.
	for !b.Works(t) {
		y, m, d := t.Date()
		t = startOf(y, m, d+1, t.Location())
	}
	return t
}

// Add is the same time of day n working days later; n is at least 0. From a day off it counts
// from the beginning of the next working day. With n = 0 it is [Business.Next].
func (b Business) Add(t time.Time, n int) time.Time {
	t = b.Next(t)
	hour, minute, second := t.Clock()
	y, m, d := t.Date()
	for n > 0 {
		d++
		if b.Works(time.Date(y, m, d, 12, 0, 0, 0, t.Location())) {
			n--
		}
	}
	return time.Date(y, m, d, hour, minute, second, t.Nanosecond(), t.Location())
}

// Between counts the working days after the day of from, up to and with the day of to.
func (b Business) Between(from, to time.Time) int {
	n := 0
	to = to.In(from.Location())
	y, m, d := from.Date()
	for {
		d++
		noon := time.Date(y, m, d, 12, 0, 0, 0, from.Location())
		if ty, tm, td := to.Date(); noon.After(time.Date(ty, tm, td, 12, 0, 0, 0, from.Location())) {
			return n
		}
		if b.Works(noon) {
			n++
		}
	}
}

// startOf is the first moment of a day, which is not midnight where the clocks jump over it.
func startOf(y int, m time.Month, d int, loc *time.Location) time.Time {
	return wall(y, m, d, 0, 0, loc)
}
