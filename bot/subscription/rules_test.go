package subscription

import (
	"testing"
	"time"
	_ "time/tzdata" // the zones, on machines that have none

	"pgregory.net/rapid"
)

func load(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func at(t testing.TB, zone *time.Location, text string) time.Time {
	t.Helper()
	when, err := time.ParseInLocation("2006-01-02 15:04:05", text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

// The clocks of Berlin went from 02:00 to 03:00 on 2026-03-29, and from 03:00 back to 02:00 on 2026-10-25.
func TestQuietHoursOverChangesOfTheClocks(t *testing.T) {
	berlin := load(t, "Europe/Berlin")
	for _, c := range []struct {
		name        string
		from, until int
		at, open    string // in UTC
	}{
		{"night", 22 * 60, 7 * 60, "2026-01-15 21:30:00", "2026-01-16 06:00:00"},
		{"its first minute", 22 * 60, 7 * 60, "2026-01-15 21:00:00", "2026-01-16 06:00:00"},
		{"a second before", 22 * 60, 7 * 60, "2026-01-15 20:59:59", "2026-01-15 20:59:59"},
		{"its end", 22 * 60, 7 * 60, "2026-01-16 06:00:00", "2026-01-16 06:00:00"},
		{"at noon", 22 * 60, 7 * 60, "2026-01-16 11:00:00", "2026-01-16 11:00:00"},
		{"of a day", 9 * 60, 17 * 60, "2026-07-01 10:00:00", "2026-07-01 15:00:00"},
		{"a short night", 22 * 60, 7 * 60, "2026-03-28 21:30:00", "2026-03-29 05:00:00"},
		{"a long night", 22 * 60, 7 * 60, "2026-10-24 20:30:00", "2026-10-25 06:00:00"},
		{"ends in the hour that is skipped", 22 * 60, 2*60 + 30, "2026-03-29 00:30:00", "2026-03-29 01:00:00"},
		{"begins in the hour that is skipped", 2*60 + 30, 6 * 60, "2026-03-29 01:00:00", "2026-03-29 04:00:00"},
		{"is skipped whole", 2*60 + 10, 2*60 + 50, "2026-03-29 00:59:59", "2026-03-29 00:59:59"},
		{"ends in the hour that comes twice, before", 22 * 60, 2*60 + 30, "2026-10-25 00:10:00", "2026-10-25 00:30:00"},
		{"ends in the hour that comes twice, the second time", 22 * 60, 2*60 + 30, "2026-10-25 01:10:00", "2026-10-25 01:10:00"},
		{"begins in the hour that comes twice", 2*60 + 30, 6 * 60, "2026-10-25 00:30:00", "2026-10-25 05:00:00"},
	} {
		r := Rules{Quiet: &Quiet{c.from, c.until}, Zone: "Europe/Berlin"}
		if got := r.Open(at(t, time.UTC, c.at), berlin); !got.Equal(at(t, time.UTC, c.open)) {
			t.Errorf("%s: %s is held until %s, not %s", c.name, c.at, got.UTC(), c.open)
		}
	}
}

func TestDayThatIsSkipped(t *testing.T) {
	apia := load(t, "Pacific/Apia") // had no 2011-12-30
	r := Rules{Quiet: &Quiet{22 * 60, 7 * 60}, Zone: "Pacific/Apia"}
	got := r.Open(at(t, apia, "2011-12-29 23:00:00"), apia)
	if want := at(t, apia, "2011-12-31 07:00:00"); !got.Equal(want) {
		t.Errorf("held until %s, not %s", got, want)
	}
}

// TestQuietHoursHold: whatever the zone, the hours and the moment, news are not delivered in quiet
// hours, are held for less than a day and an hour, and not held outside of them.
func TestQuietHoursHold(t *testing.T) {
	zones := map[string]*time.Location{}
	names := []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "Africa/Casablanca", "UTC"}
	for _, name := range names {
		zones[name] = load(t, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(names).Draw(t, "zone")
		zone := zones[name]
		from := rapid.IntRange(0, 1439).Draw(t, "from")
		until := rapid.IntRange(0, 1439).Filter(func(n int) bool { return n != from }).Draw(t, "until")
		now := time.Unix(rapid.Int64Range(1514764800, 1798761600).Draw(t, "now"), 0) // 2018 to 2026
		r := Rules{Quiet: &Quiet{from, until}, Zone: name}
		open := r.Open(now, zone)
		if open.Before(now) || open.Sub(now) > 25*time.Hour {
			t.Fatalf("%s %s at %s: held until %s", name, r.Quiet, now.In(zone), open.In(zone))
		}
		if _, silent := r.silent(open, zone); silent || !r.Open(open, zone).Equal(open) {
			t.Fatalf("%s %s at %s: delivered at %s, which is quiet", name, r.Quiet, now.In(zone), open.In(zone))
		}
		// On days whose clocks do not change, what the clocks show decides.
		if _, a := now.Add(-26 * time.Hour).In(zone).Zone(); a == offset(now.Add(26*time.Hour), zone) && a == offset(now, zone) {
			h, m, _ := now.In(zone).Clock()
			minute := h*60 + m
			inside := minute >= from && minute < until
			if from > until {
				inside = minute >= from || minute < until
			}
			if inside != open.After(now) {
				t.Fatalf("%s %s at %s: inside %v, delivered %s", name, r.Quiet, now.In(zone), inside, open.In(zone))
			}
		}
	})
}

func offset(t time.Time, zone *time.Location) int { _, o := t.In(zone).Zone(); return o }

func TestWhen(t *testing.T) {
	berlin := load(t, "Europe/Berlin")
	now := at(t, berlin, "2026-07-01 23:00:00")
	night := &Quiet{22 * 60, 7 * 60}
	for _, c := range []struct {
		name string
		r    Rules
		s    Severity
		want string
	}{
		{"at once", Rules{Zone: "Europe/Berlin"}, Info, "2026-07-01 23:00:00"},
		{"held", Rules{Quiet: night, Zone: "Europe/Berlin"}, Urgent, "2026-07-02 07:00:00"},
		{"urgent passes", Rules{Quiet: night, Zone: "Europe/Berlin", Urgent: true}, Urgent, "2026-07-01 23:00:00"},
		{"a warning does not", Rules{Quiet: night, Zone: "Europe/Berlin", Urgent: true}, Warning, "2026-07-02 07:00:00"},
		{"daily", Rules{Digest: "daily 08:00", Zone: "Europe/Berlin"}, Info, "2026-07-02 08:00:00"},
		{"weekly", Rules{Digest: "mon 08:00", Zone: "Europe/Berlin"}, Info, "2026-07-06 08:00:00"},
		{"a digest in quiet hours", Rules{Digest: "daily 06:00", Quiet: night, Zone: "Europe/Berlin"}, Info, "2026-07-02 07:00:00"},
		{"urgent does not wait for a digest", Rules{Digest: "daily 08:00", Urgent: true, Zone: "Europe/Berlin"}, Urgent, "2026-07-01 23:00:00"},
	} {
		if got := c.r.When(c.s, now, berlin); !got.Equal(at(t, berlin, c.want)) {
			t.Errorf("%s: %s, not %s", c.name, got.In(berlin), c.want)
		}
	}
}
