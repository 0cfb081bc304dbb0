package calendar

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/bot/errs"
)

func at(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestNextFree(t *testing.T) {
	c := NewCalendar([]Freeze{
		{ID: "b", Calendar: "x", Why: "b", From: at("2019-01-10 00:00"), Until: at("2019-01-12 00:00")},
		{ID: "a", Calendar: "x", Why: "a", From: at("2019-01-01 00:00"), Until: at("2019-01-10 00:00")},
		{ID: "inside", Calendar: "x", Why: "i", From: at("2019-01-02 00:00"), Until: at("2019-01-03 00:00")},
		{ID: "backwards", Calendar: "x", Why: "-", From: at("2019-01-15 00:00"), Until: at("2019-01-14 00:00")},
		{ID: "open", Calendar: "x", Why: "o", From: at("2019-02-01 00:00")},
		{ID: "other", Calendar: "y", Why: "y", From: at("2019-01-12 00:00")},
	}, map[string]uint64{"x": 7})
	for _, tc := range []struct{ now, frozen, free string }{
		{"2018-12-31 23:59", "", "2018-12-31 23:59"},
		{"2019-01-01 00:00", "a", "2019-01-12 00:00"},
		{"2019-01-02 12:00", "a", "2019-01-12 00:00"},
		{"2019-01-10 00:00", "b", "2019-01-12 00:00"},
		{"2019-01-12 00:00", "", "2019-01-12 00:00"},
		{"2019-01-14 12:00", "", "2019-01-14 12:00"},
		{"2019-02-01 00:00", "open", ""},
	} {
		f, frozen := c.Frozen("x", at(tc.now))
		free, ok := c.NextFree("x", at(tc.now))
		if f.ID != tc.frozen || frozen != (tc.frozen != "") || ok != (tc.free != "") || ok && !free.Equal(at(tc.free)) {
			t.Errorf("%s: frozen by %q, free at %v (%v)", tc.now, f.ID, free, ok)
		}
	}
	if c.Version("x") != 7 || c.Version("y") != 0 || (Calendar{}).Version("x") != 0 {
		t.Error("versions")
	}
	if _, frozen := (Calendar{}).Frozen("x", at("2019-01-01 00:00")); frozen {
		t.Error("the zero calendar freezes")
	}
	if got := c.Upcoming("x", at("2019-01-11 00:00")); len(got) != 2 || got[0].ID != "b" || got[1].ID != "open" {
		t.Errorf("upcoming: %v", got)
	}
}

func TestNextFreeIsFreeAndFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := at("2019-01-01 00:00")
		hour := func(n int) time.Time { return base.Add(time.Duration(n) * time.Hour) }
		var freezes []Freeze
		for i := range rapid.IntRange(0, 6).Draw(t, "n") {
			f := Freeze{ID: fmt.Sprint(i), Calendar: "x", From: hour(rapid.IntRange(0, 30).Draw(t, "from"))}
			if rapid.IntRange(0, 9).Draw(t, "open") > 0 {
				f.Until = hour(rapid.IntRange(0, 30).Draw(t, "until"))
			}
			freezes = append(freezes, f)
		}
		c := NewCalendar(freezes, nil)
		now := rapid.IntRange(0, 30).Draw(t, "now")
		want := -1
		for h := now; h <= 40; h++ {
			if _, frozen := c.Frozen("x", hour(h)); !frozen {
				want = h
				break
			}
		}
		got, ok := c.NextFree("x", hour(now))
		if ok != (want >= 0) || ok && !got.Equal(hour(want)) {
			t.Fatalf("free at %v (%v), want hour %d of %v", got, ok, want, freezes)
		}
	})
}

func TestFreezeCheck(t *testing.T) {
	good := Freeze{ID: "a", Calendar: "x", Why: "w", From: at("2019-01-01 00:00"), Until: at("2019-01-02 00:00")}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*Freeze){func(f *Freeze) { f.ID = "" }, func(f *Freeze) { f.Calendar = "" }, func(f *Freeze) { f.Why = "" }, func(f *Freeze) { f.Until = f.From }} {
		f := good
		change(&f)
		if err := f.Check(); !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

func TestDuration(t *testing.T) {
	for in, want := range map[string]string{"45s": "45s", "10m": "10m", "36h": "1d12h", "3d": "3d", "2w": "2w", "14d": "2w", "1d12h": "1d12h", "4h30m": "4h30m", "1w1d": "8d", "0s": "0s", "90s": "1m30s", "3650d": "3650d"} {
		d, err := ParseDuration(in)
		if err != nil || FormatDuration(d) != want {
			t.Errorf("%s: %s %v", in, FormatDuration(d), err)
		}
	}
	for _, in := range []string{"", "10", "m", "1.5h", "-3d", "10 m", "3D", "1h1d", "1m1m", "01m", "3651d", "99999999999999999999s", "10min", "1h ", "½d", "9999999w"} {
		if d, err := ParseDuration(in); !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
			t.Errorf("%q is %v (%v)", in, d, err)
		}
	}
	if got := FormatDuration(-90 * time.Minute); got != "-1h30m" {
		t.Error(got)
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"10m", "1w2d3h4m5s", "00s", "9223372036854775807s", "3d "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		again, err := ParseDuration(FormatDuration(d))
		if err != nil || again != d || d < 0 || d > MaxDuration {
			t.Fatalf("%q is %v, written as %q", s, d, FormatDuration(d))
		}
	})
}

// zone loads a location for a test; the package itself never does.
func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestScheduleNext(t *testing.T) {
	for _, tc := range []struct{ schedule, after, want string }{
		{"hourly", "2019-01-01 10:00", "2019-01-01 11:00Z,2019-01-01 12:00Z"},
		{"6h", "2019-01-01 10:30", "2019-01-01 12:00Z,2019-01-01 18:00Z"},
		{"daily 03:00 UTC", "2019-01-01 03:00", "2019-01-02 03:00Z,2019-01-03 03:00Z"},
		{"weekdays 08:00 UTC", "2019-01-04 08:00", "2019-01-07 08:00Z,2019-01-08 08:00Z"},
		{"monthly 1 06:00 UTC", "2019-01-01 06:00", "2019-02-01 06:00Z,2019-03-01 06:00Z"},
		{"monthly 28 23:30 Europe/London", "2019-02-28 23:00", "2019-02-28 23:30Z,2019-03-28 23:30Z"},
		{"monthly 1 00:30 Pacific/Apia", "2018-12-30 12:00", "2018-12-31 10:30Z,2019-01-31 10:30Z"},
		{"mon,thu 09:00 Europe/London", "2019-01-01 00:00", "2019-01-03 09:00Z,2019-01-07 09:00Z"},
		// 31 March 2019: London skips 01:00 to 02:00. The run comes once, at the jump.
		{"daily 01:30 Europe/London", "2019-03-30 12:00", "2019-03-31 01:00Z,2019-04-01 00:30Z"},
		// 27 October 2019: London repeats 01:00 to 02:00. The run comes once, the first time.
		{"daily 01:30 Europe/London", "2019-10-26 12:00", "2019-10-27 00:30Z,2019-10-28 01:30Z"},
		{"daily 01:30 Europe/London", "2019-10-27 00:30", "2019-10-28 01:30Z"},
		{"daily 01:30 Europe/London", "2019-10-27 01:10", "2019-10-28 01:30Z"},
		{"daily 02:00 Europe/London", "2019-03-30 12:00", "2019-03-31 01:00Z"},
		{"daily 01:00 Europe/London", "2019-10-26 12:00", "2019-10-27 00:00Z,2019-10-28 01:00Z"},
		// New York, west of Greenwich, both changes of 2019.
		{"daily 02:30 America/New_York", "2019-03-09 12:00", "2019-03-10 07:00Z,2019-03-11 06:30Z"},
		{"sun 01:30 America/New_York", "2019-11-02 12:00", "2019-11-03 05:30Z,2019-11-10 06:30Z"},
		// Lord Howe changes by half an hour.
		{"daily 02:15 Australia/Lord_Howe", "2019-10-05 00:00", "2019-10-05 15:30Z,2019-10-06 15:15Z"},
		// Samoa had no 30 December 2011: its run comes at the jump.
		{"daily 09:00 Pacific/Apia", "2011-12-29 18:00", "2011-12-29 19:00Z,2011-12-30 10:00Z,2011-12-30 19:00Z"},
	} {
		s, err := ParseSchedule(tc.schedule)
		if err != nil {
			t.Fatal(err)
		}
		now, loc := at(tc.after), zone(t, s.Zone())
		for _, want := range strings.Split(tc.want, ",") {
			now = s.Next(now, loc)
			if got := now.UTC().Format("2006-01-02 15:04Z"); got != want {
				t.Errorf("%s after %s: %s, want %s", tc.schedule, tc.after, got, want)
			}
		}
	}
	if !(Schedule{}).Next(at("2019-01-01 00:00"), nil).IsZero() {
		t.Error("the zero schedule comes")
	}
}

// In every zone and year: one run a day, none twice, none lost.
func TestDailyComesOnceADay(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Cairo", "Asia/Kathmandu"} {
		loc := zone(t, name)
		for _, clock := range []string{"00:00", "00:30", "01:30", "02:15", "02:30", "23:59"} {
			s, err := ParseSchedule("daily " + clock + " " + name)
			if err != nil {
				t.Fatal(err)
			}
			from, to := time.Date(2017, 1, 1, 12, 0, 0, 0, loc), time.Date(2019, 1, 1, 12, 0, 0, 0, loc)
			times := s.Missed(from, to, loc)
			if len(times) != 730 {
				t.Errorf("%s %s: %d runs in 730 days", name, clock, len(times))
			}
			for i := 1; i < len(times); i++ {
				if gap := times[i].Sub(times[i-1]); gap < 22*time.Hour || gap > 26*time.Hour {
					t.Errorf("%s %s: %v and %v", name, clock, times[i-1], times[i])
				}
			}
		}
	}
}

func TestMissed(t *testing.T) {
	s, err := ParseSchedule("daily 03:00 UTC")
	if err != nil {
		t.Fatal(err)
	}
	got := s.Missed(at("2019-01-01 03:00"), at("2019-01-03 03:00"), nil)
	if len(got) != 2 || !got[0].Equal(at("2019-01-02 03:00")) || !got[1].Equal(at("2019-01-03 03:00")) {
		t.Errorf("%v", got)
	}
	if got := s.Missed(at("2019-01-03 03:00"), at("2019-01-01 03:00"), nil); got != nil {
		t.Errorf("clocks that go back: %v", got)
	}
	for _, text := range []string{"1m", "hourly", "daily 03:00 UTC", "mon 03:00 UTC"} {
		s, err := ParseSchedule(text)
		if err != nil {
			t.Fatal(err)
		}
		now := at("2019-01-01 00:00")
		got := s.Missed(at("1970-01-01 00:00"), now, nil)
		if len(got) != MaxMissed || s.Next(got[MaxMissed-1], nil).Before(now) {
			t.Errorf("%s: %d, the last at %v", text, len(got), got[len(got)-1])
		}
	}
}

func TestParseSchedule(t *testing.T) {
	for in, want := range map[string]string{
		"hourly": "hourly", "60m": "hourly", "90m": "1h30m", " daily  03:00  UTC ": "daily 03:00 UTC", "sun,mon 09:05 Europe/London": "mon,sun 09:05 Europe/London",
		"mon,tue,wed,thu,fri,sat,sun 00:00 UTC": "daily 00:00 UTC", "fri 23:59 Etc/GMT+5": "fri 23:59 Etc/GMT+5",
		"mon,tue,wed,thu,fri 08:00 UTC": "weekdays 08:00 UTC", "monthly 7 08:00 UTC": "monthly 7 08:00 UTC",
	} {
		s, err := ParseSchedule(in)
		if err != nil || s.String() != want {
			t.Errorf("%q: %q %v", in, s, err)
		}
	}
	for _, in := range []string{"", "weekly", "daily", "daily 03:00", "daily 3:00 UTC", "daily 24:00 UTC", "daily 03:60 UTC", "daily 03:00 Local", "daily 03:00 ../etc/passwd",
		"daily 03:00 Europe/..", "Monday 03:00 UTC", "mon,,tue 03:00 UTC", "mon,mon 03:00 UTC", "mon, tue 03:00 UTC", "30s", "0m", "daily 03:00 UTC x"} {
		if s, err := ParseSchedule(in); !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
			t.Errorf("%q: %q %v", in, s, err)
		}
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"hourly", "daily 03:00 UTC", "mon,thu 09:00 Europe/London", "3d", "sun 1\xff:00 UTC"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSchedule(text)
		if err != nil {
			return
		}
		again, err := ParseSchedule(s.String())
		if err != nil || again != s {
			t.Fatalf("%q is written as %q: %v", text, s, err)
		}
		now := at("2019-03-30 12:00")
		if next := s.Next(now, nil); !next.After(now) {
			t.Fatalf("%q comes at %v", text, next)
		}
	})
}

func TestBusiness(t *testing.T) {
	b, err := NewBusiness(nil, []string{"2019-12-25", "2019-12-26"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		from string
		n    int
		want string
	}{
		{"2019-12-24 15:00", 0, "2019-12-24 15:00"},
		{"2019-12-24 15:00", 1, "2019-12-27 15:00"},
		{"2019-12-24 15:00", 2, "2019-12-30 15:00"},
		{"2019-12-25 15:00", 0, "2019-12-27 00:00"},
		{"2019-12-28 15:00", 1, "2019-12-31 00:00"},
	} {
		if got := b.Add(at(tc.from), tc.n); !got.Equal(at(tc.want)) {
			t.Errorf("%s and %d: %v", tc.from, tc.n, got)
		}
	}
	if n := b.Between(at("2019-12-24 15:00"), at("2019-12-30 09:00")); n != 2 {
		t.Errorf("%d days between", n)
	}
	if (Business{}).Works(at("2019-12-28 00:00")) || !(Business{}).Works(at("2019-12-25 00:00")) {
		t.Error("the zero Business")
	}
	if _, err := NewBusiness([]time.Weekday{0, 1, 2, 3, 4, 5, 6}, nil); !errs.Is(err, errs.Invalid) {
		t.Error(err)
	}
	if _, err := NewBusiness(nil, []string{"2019-02-30"}); !errs.Is(err, errs.Invalid) {
		t.Error(err)
	}
}
