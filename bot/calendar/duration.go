package calendar

import (
	"fmt"
	"strings"
	"time"

	"slipway/bot/errs"
)

// MaxDuration is the longest duration that can be written: ten years of 365 days.
const MaxDuration = 10 * 365 * 24 * time.Hour

// unit is one letter of a duration. Days are 24 hours and weeks seven such days, whatever the
// clocks of a place do meanwhile.
type unit struct {
	letter byte
	size   time.Duration
}

func units() [5]unit {
	return [5]unit{{'w', 7 * 24 * time.Hour}, {'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}
}

// ParseDuration reads "10m", "36h", "3d", "2w" or "1d12h": whole numbers with the units w, d, h,
// m and s, the larger first, each at most once. Its errors are of kind [errs.Invalid].
func ParseDuration(text string) (time.Duration, error) {
	bad := func(format string, args ...any) *errs.Error {
		return errs.E("calendar.duration", errs.Invalid, fmt.Errorf("%q is not a duration: %s", clip(text), fmt.Sprintf(format, args...))).
			Hint("write a whole number and a unit: 45s, 10m, 36h, 3d, 2w, or 1d12h")
	}
	if text == "" {
		return 0, bad("it is empty")
	}
	var total time.Duration
	next := 0 // the first unit that may still follow
	for i := 0; i < len(text); {
		start := i
		var n int64
		for i < len(text) && text[i] >= '0' && text[i] <= '9' {
			if n = n*10 + int64(text[i]-'0'); n > int64(MaxDuration/time.Second) {
				return 0, bad("it is longer than ten years")
			}
			i++
		}
		if i == start {
			return 0, bad("%s stands where a number should", char(text[i:]))
		}
		if i-start > 1 && text[start] == '0' {
			return 0, bad("a number begins with 0")
		}
		if i == len(text) {
			return 0, bad("%s has no unit", text[start:])
		}
		found := -1
		for k, u := range units() {
			if u.letter == text[i] {
				found = k
			}
		}
		switch {
		case found < 0:
			return 0, bad("%s is not a unit", char(text[i:]))
		case found < next:
			return 0, bad("the units stand from the largest to the smallest, each once")
		}
		size := units()[found].size
		if n > int64(MaxDuration/size) {
			return 0, bad("it is longer than ten years")
		}
		total += time.Duration(n) * size
		next = found + 1
		i++
	}
	if total > MaxDuration {
		return 0, bad("it is longer than ten years")
	}
	return total, nil
}

// FormatDuration writes d as [ParseDuration] reads it, in the fewest parts: "1d12h". Parts of a
// second are cut off; a negative d has a leading "-".
func FormatDuration(d time.Duration) string {
	if d < 0 {
		return "-" + FormatDuration(-max(d, -1<<62))
	}
	d = d.Truncate(time.Second)
	if d == 0 {
		return "0s"
	}
	if w := 7 * 24 * time.Hour; d%w == 0 {
		return fmt.Sprintf("%dw", d/w)
	}
	var b strings.Builder
	table := units()
	for _, u := range table[1:] {
		if n := d / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%c", n, u.letter)
			d -= n * u.size
		}
	}
	return b.String()
}

func char(s string) string {
	for _, r := range s {
		return fmt.Sprintf("%q", r)
	}
	return "the end"
}

func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}
