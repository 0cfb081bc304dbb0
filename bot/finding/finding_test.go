package finding_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slipway/bot/finding"
)

func at(minute int) time.Time { return time.Date(2019, 1, 31, 14, minute, 0, 0, time.UTC) }

func check(code string, severity finding.Severity, every time.Duration) finding.Check {
	return finding.Check{Code: code, Severity: severity, Meaning: "It is ill.", Fix: "mend it", Good: "it is well", Every: every, Timeout: time.Second,
		Look: func(context.Context) []finding.Symptom { return nil }}
}

func registry(t *testing.T, checks ...finding.Check) *finding.Registry {
	t.Helper()
	r, err := finding.New(checks...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func codes(due []finding.Check) string {
	var out []string
	for _, c := range due {
		out = append(out, c.Code)
	}
	return strings.Join(out, " ")
}

func found(t *testing.T, r *finding.Registry, code string, minute int, what ...string) {
	t.Helper()
	var all []finding.Symptom
	for _, w := range what {
		all = append(all, finding.Symptom{What: w})
	}
	if err := r.Found(code, all, at(minute)); err != nil {
		t.Fatal(err)
	}
}

func TestChecksComeWithTheirPeriods(t *testing.T) {
	alone := check("run.stuck", finding.Warning, time.Minute)
	alone.Look = nil
	r := registry(t, check("disk.slow", finding.Warning, 5*time.Minute), check("git.missing", finding.Error, time.Hour), alone)
	due, next := r.Due(at(0))
	if codes(due) != "disk.slow git.missing" || !next.IsZero() {
		t.Fatalf("at first %s are due, next at %v", codes(due), next)
	}
	if again, _ := r.Due(at(1)); len(again) > 0 {
		t.Errorf("%s are due while they are under way", codes(again))
	}
	found(t, r, "disk.slow", 0)
	found(t, r, "git.missing", 0)
	if due, next = r.Due(at(1)); len(due) > 0 || !next.Equal(at(5)) {
		t.Errorf("after a minute %s are due, next at %v", codes(due), next)
	}
	if due, _ = r.Due(at(5)); codes(due) != "disk.slow" {
		t.Errorf("after five minutes %q are due", codes(due))
	}
	found(t, r, "disk.slow", 5)
	r.All()
	if due, _ = r.Due(at(6)); codes(due) != "disk.slow git.missing" {
		t.Errorf("%q are due when all are asked for", codes(due))
	}
}

func TestAFindingKeepsItsTimeWhileItLasts(t *testing.T) {
	r := registry(t, check("remote.unreachable", finding.Warning, time.Minute), check("disk.full", finding.Error, time.Minute))
	if got := r.Report().Waiting; !cmp.Equal(got, []string{"remote.unreachable", "disk.full"}) {
		t.Errorf("before any look, %v wait", got)
	}
	found(t, r, "remote.unreachable", 0, "a is away", "b is away")
	found(t, r, "disk.full", 1, "no room")
	found(t, r, "remote.unreachable", 2, "b is away", "c is away", "c is away")
	want := []finding.Finding{
		{Code: "disk.full", Severity: finding.Error, What: "no room", Fix: "mend it", Since: at(1), Checked: at(1)},
		{Code: "remote.unreachable", Severity: finding.Warning, What: "b is away", Fix: "mend it", Since: at(0), Checked: at(2)},
		{Code: "remote.unreachable", Severity: finding.Warning, What: "c is away", Fix: "mend it", Since: at(2), Checked: at(2)},
	}
	got := r.Report()
	if d := cmp.Diff(want, got.Findings); d != "" {
		t.Error(d)
	}
	if got.Count(finding.Error) != 1 || got.Count(finding.Warning) != 2 || !got.Has("x.y", "disk.full") || got.Has("x.y") {
		t.Errorf("the report is counted wrongly: %+v", got)
	}
	found(t, r, "remote.unreachable", 3)
	found(t, r, "disk.full", 3)
	got = r.Report()
	if len(got.Findings) != 0 || len(got.Good) != 2 || !got.Good[0].Checked.Equal(at(3)) {
		t.Errorf("after all is mended: %+v", got)
	}
	found(t, r, "remote.unreachable", 4, "b is away")
	if since := r.Report().Findings[0].Since; !since.Equal(at(4)) {
		t.Errorf("what came back is said to be there since %v", since)
	}
}

func TestOtherFiguresAreTheSameFinding(t *testing.T) {
	r := registry(t, check("disk.low", finding.Warning, time.Minute))
	found(t, r, "disk.low", 0, "a has 90 MB left")
	found(t, r, "disk.low", 1, "a has 80 MB left", "b has 80 MB left")
	got := r.Report().Findings
	if len(got) != 2 || !got[0].Since.Equal(at(0)) || !got[1].Since.Equal(at(1)) {
		t.Errorf("found %+v", got)
	}
	found(t, r, "disk.low", 2, "run 2019.01 waits", "run 2019.02 waits")
	found(t, r, "disk.low", 3, "run 2019.02 waits", "run 2019.03 waits")
	if got = r.Report().Findings; !got[0].Since.Equal(at(2)) || !got[1].Since.Equal(at(2)) {
		t.Errorf("found %+v", got)
	}
}

func TestACheckThatHangsIsAFinding(t *testing.T) {
	r := registry(t, check("smtp.unreachable", finding.Error, time.Minute))
	found(t, r, "smtp.unreachable", 0, "it is away")
	for _, minute := range []int{1, 2} {
		if err := r.TooLate("smtp.unreachable", at(minute)); err != nil {
			t.Fatal(err)
		}
	}
	got := r.Report()
	if len(got.Findings) != 2 || got.Findings[1].Code != finding.Late || !got.Findings[1].Since.Equal(at(1)) || !got.Findings[1].Checked.Equal(at(2)) ||
		!got.Findings[0].Checked.Equal(at(0)) { // what was found before stays, and is as old as it is
		t.Errorf("a check that hangs: %+v", got.Findings)
	}
	found(t, r, "smtp.unreachable", 3)
	if got := r.Report(); len(got.Findings) != 0 {
		t.Errorf("once it answers: %+v", got.Findings)
	}
	if err := r.Found("no.such", nil, at(0)); err == nil {
		t.Error("a code that nobody registered was taken")
	}
}

func TestEveryCheckIsDocumented(t *testing.T) {
	good := check("a.b", finding.Error, time.Minute)
	for name, change := range map[string]func(*finding.Check){
		"bad code":    func(c *finding.Check) { c.Code = "A b" },
		"no meaning":  func(c *finding.Check) { c.Meaning = "" },
		"no fix":      func(c *finding.Check) { c.Fix = "" },
		"no good":     func(c *finding.Check) { c.Good = "" },
		"no severity": func(c *finding.Check) { c.Severity = "" },
		"no period":   func(c *finding.Check) { c.Every = 0 },
		"no time-out": func(c *finding.Check) { c.Timeout = 0 },
	} {
		c := good
		change(&c)
		if _, err := finding.New(c); err == nil {
			t.Errorf("a check with %s was taken", name)
		}
	}
	if _, err := finding.New(good, good); err == nil {
		t.Error("a code was taken twice")
	}
}

// TestWhatCannotBeLookedAt: it is not well, and what was found before may still be so.
func TestWhatCannotBeLookedAt(t *testing.T) {
	r := registry(t, check("remote.unreachable", finding.Error, time.Hour))
	found(t, r, "remote.unreachable", 0)
	found(t, r, "remote.unreachable", 1, "one", "two")
	found(t, r, "remote.unreachable", 2, "two", "", "three")
	got := r.Report()
	if len(got.Findings) != 3 || len(got.Good) != 0 || !cmp.Equal(got.Waiting, []string{"remote.unreachable"}) || got.Findings[0].What != "one" || !got.Findings[0].Checked.Equal(at(1)) {
		t.Errorf("found %+v", got)
	}
	found(t, r, "remote.unreachable", 3)
	if got := r.Report(); len(got.Findings)+len(got.Waiting) != 0 {
		t.Errorf("all is well again: %+v", got)
	}
	found(t, r, "remote.unreachable", 4, "")
	if got := r.Report(); len(got.Findings) != 0 || len(got.Waiting) != 1 {
		t.Errorf("found %+v", got)
	}
}
