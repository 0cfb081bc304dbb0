package calendar

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"slipway/bot/errs"
)

// MaxMissed bounds the answer of [Schedule.Missed].
const MaxMissed = 1000

// Schedule is a repeated time: every so often, or at a time of day on some days of the week.
// Make one with [ParseSchedule]; the zero Schedule never comes.
type Schedule struct {
	every  time.Duration // when not zero, the rest is not used
	days   [7]bool       // by time.Weekday; none with date
	date   int           // of the month, 1 to 28; 0: by the days of the week
	hour   int
	minute int
	zone   string
}

// ParseSchedule reads one of
//
//	hourly                          at the full hour
//	10m, 36h, 2w                    so often, counted from 1970-01-01 00:00 UTC
//	daily 03:00 UTC
//	weekdays 08:00 UTC              from Monday to Friday
//	monthly 1 06:00 UTC             on that day of each month, 1 to 28
//	mon,thu 09:00 Europe/London     days of the week, in English
//
// A time of day needs a zone, "UTC" or a name of the IANA time zone database. Whether the zone
// exists is for the caller to find out, who loads it. Errors are of kind [errs.Invalid].
func ParseSchedule(text string) (Schedule, error) {
	bad := func(hint, format string, args ...any) (Schedule, error) {
		return Schedule{}, errs.E("calendar.schedule", errs.Invalid, fmt.Errorf("%q is not a schedule: %s", clip(text), fmt.Sprintf(format, args...))).
			Hint("%s", hint)
	}
	const example = `write "hourly", "6h", "daily 03:00 UTC" or "mon,thu 09:00 Europe/London"`
	words := strings.Fields(text)
	var s Schedule
	switch {
	case len(words) == 0:
		return bad(example, "it is empty")
	case len(words) == 1 && words[0] == "hourly":
		return Schedule{every: time.Hour}, nil
	case len(words) == 1 && words[0] != "" && words[0][0] >= '0' && words[0][0] <= '9':
		d, err := ParseDuration(words[0])
		if err != nil {
			return Schedule{}, err
		}
		if d < time.Minute {
			return bad("write 1m or longer", "it comes more often than once a minute")
		}
		return Schedule{every: d}, nil
	case words[0] == "monthly":
		if len(words) != 4 {
			return bad("write it like monthly 1 06:00 UTC", "monthly has a day, a time of day and a zone")
		}
		if n, err := strconv.Atoi(words[1]); err == nil && n >= 1 && n <= 28 {
			s.date = n
		} else {
			return bad("every month has the days 1 to 28", "%q is not such a day", clip(words[1]))
		}
		words = append(words[:1:1], words[2:]...)
	case len(words) == 2:
		return bad(fmt.Sprintf("write %q", strings.Join(words, " ")+" UTC")+", or another zone", "it names no time zone")
	case len(words) != 3:
		return bad(example, "it has %d words", len(words))
	}
	switch words[0] {
	case "monthly":
	case "daily":
		s.days = [7]bool{true, true, true, true, true, true, true}
	case "weekdays":
		s.days = [7]bool{false, true, true, true, true, true, false}
	default:
		for _, name := range strings.Split(words[0], ",") {
			day, ok := weekday(name)
			if !ok {
				return bad("the days are mon, tue, wed, thu, fri, sat, sun, joined by commas without spaces; or daily", "%q is not a day of the week", clip(name))
			}
			if s.days[day] {
				return bad("name each day once", "%s is named twice", name)
			}
			s.days[day] = true
		}
	}
	var ok bool
	if s.hour, s.minute, ok = clock(words[1]); !ok {
		return bad("write hours and minutes as 03:00 or 17:30", "%q is not a time of day", clip(words[1]))
	}
	if s.zone = words[2]; !zoneName(s.zone) {
		return bad(`write UTC, or a name such as Europe/London`, "%q is not the name of a time zone", clip(s.zone))
	}
	return s, nil
}

func weekday(name string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if name == strings.ToLower(d.String()[:3]) {
			return d, true
		}
	}
	return 0, false
}

// clock reads "HH:MM".
func clock(s string) (hour, minute int, ok bool) {
	if len(s) != 5 || s[2] != ':' {
		return 0, 0, false
	}
	for _, i := range [4]int{0, 1, 3, 4} {
		if s[i] < '0' || s[i] > '9' {
			return 0, 0, false
		}
	}
	hour, minute = int(s[0]-'0')*10+int(s[1]-'0'), int(s[3]-'0')*10+int(s[4]-'0')
	return hour, minute, hour < 24 && minute < 60
}

// zoneName accepts the form of IANA names. "Local" is refused: it would mean another time on
// another machine.
func zoneName(s string) bool {
	if s == "" || s == "Local" || len(s) > 64 || s[0] < 'A' || s[0] > 'Z' || strings.Contains(s, "..") || strings.Contains(s, "//") {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("/_+-", rune(c)) {
			return false
		}
	}
	return s[len(s)-1] != '/'
}

// Zone is the time zone that [Schedule.Next] needs, or "UTC" when it makes no difference.
func (s Schedule) Zone() string {
	if s.zone == "" {
		return "UTC"
	}
	return s.zone
}

// IsZero reports whether s is the zero Schedule.
func (s Schedule) IsZero() bool { return s == Schedule{} }

// String is the schedule in its canonical form: days in the order of the week.
func (s Schedule) String() string {
	switch {
	case s.IsZero():
		return ""
	case s.every == time.Hour:
		return "hourly"
	case s.every > 0:
		return FormatDuration(s.every)
	}
	if s.date > 0 {
		return fmt.Sprintf("monthly %d %02d:%02d %s", s.date, s.hour, s.minute, s.zone)
	}
	names := make([]string, 0, 7)
	for i := range 7 {
		if d := time.Weekday((i + 1) % 7); s.days[d] {
			names = append(names, strings.ToLower(d.String()[:3]))
		}
	}
	days := strings.Join(names, ",")
	switch days {
	case "mon,tue,wed,thu,fri,sat,sun":
		days = "daily"
	case "mon,tue,wed,thu,fri":
		days = "weekdays"
	}
	return fmt.Sprintf("%s %02d:%02d %s", days, s.hour, s.minute, s.zone)
}

// Next is the first time of the schedule after the given one. Loc is the location of
// [Schedule.Zone]; nil is UTC. A time of day that the clocks skip comes once, at the moment they
// jump; one that they repeat comes once, the first time. The zero Schedule has no next time, nor
// has the end of the calendar: that is the zero time.
func (s Schedule) Next(after time.Time, loc *time.Location) time.Time {
	if s.IsZero() {
		return time.Time{}
	}
	if loc == nil {
		loc = time.UTC
	}
	if s.every > 0 {
		return nextMultiple(after, s.every).In(loc)
	}
	y, m, d := after.In(loc).Date()
	for i := -1; s.date > 0 && i <= 2; i++ {
		if t := wall(y, m+time.Month(i), s.date, s.hour, s.minute, loc); t.After(after) {
			return t
		}
	}
	for i := -1; i <= 8; i++ { // a day back: a skipped day may lie just behind
		// The weekday is that of the date, also where the date itself was skipped.
		if !s.days[time.Date(y, m, d+i, 0, 0, 0, 0, time.UTC).Weekday()] {
			continue
		}
		if t := wall(y, m, d+i, s.hour, s.minute, loc); t.After(after) {
			return t
		}
	}
	return time.Time{}
}

// nextMultiple is the first multiple of d since 1970 that is after t.
func nextMultiple(t time.Time, d time.Duration) time.Time {
	step := int64(d / time.Second)
	sec := t.Unix()
	n := sec / step
	if sec%step < 0 {
		n--
	}
	return time.Unix((n+1)*step, 0)
}

// wall is the moment at which the clocks of loc first show the time, or jump over it.
func wall(year int, month time.Month, day, hour, minute int, loc *time.Location) time.Time {
	// What time.Date gives for a skipped or repeated time lies on one side of the change or on
	// the other; the bounds of the zone in force there lead to the right one.
	t := time.Date(year, month, day, hour, minute, 0, 0, loc)
	want := time.Date(year, month, day, hour, minute, 0, 0, time.UTC)
	_, offset := t.Zone()
	shows := time.Unix(t.Unix()+int64(offset), 0).UTC()
	start, end := t.ZoneBounds()
	switch {
	case shows.After(want) && !start.IsZero():
		return start
	case shows.Before(want) && !end.IsZero():
		return end
	}
	if !start.IsZero() {
		_, before := start.Add(-time.Second).Zone()
		if first := time.Unix(want.Unix()-int64(before), 0); first.Before(start) {
			return first.In(loc)
		}
	}
	return t
}

// Missed lists the times of the schedule after since and until now, oldest first: what should
// have come while nobody was there. Of more than [MaxMissed] it gives the latest.
func (s Schedule) Missed(since, now time.Time, loc *time.Location) []time.Time {
	if s.IsZero() || !since.Before(now) {
		return nil
	}
	// No schedule leaves more than a month between two times, or more than its own interval, so
	// going back further than this cannot be needed.
	gap := 32 * 24 * time.Hour
	if s.every > 0 {
		gap = s.every
	}
	if span := time.Duration(MaxMissed+1) * gap; span/gap == MaxMissed+1 && now.Sub(since) > span {
		since = now.Add(-span)
	}
	var out []time.Time
	for t := s.Next(since, loc); !t.IsZero() && !t.After(now); t = s.Next(t, loc) {
		out = append(out, t)
	}
	if len(out) > MaxMissed {
		out = out[len(out)-MaxMissed:]
	}
	return out
}
