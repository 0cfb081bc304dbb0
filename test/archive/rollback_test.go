//go:build prove

package archive

import (
	"maps"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/commands/release"
	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
)

// Clients that have only refreshed their lists take the earlier version after a rollback. Those
// that have installed the bad one keep it: they need a higher version with the earlier content.
func TestBothRollbacks(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.add(d.deb("lava", "2019.01-1", "all"), d.deb("other", "1.0", "all"))
	// One will only refresh its lists, one install the bad version, two never see it: one of them
	// knows the archive, the other comes later.
	refreshed, installed, away := d.client("amd64"), d.client("amd64"), d.client("amd64")
	refreshed.install([]string{"lava"}, "lava 2019.01-1")
	installed.install([]string{"lava"}, "lava 2019.01-1")
	away.install([]string{"lava"}, "lava 2019.01-1")

	bad := d.add(d.deb("lava", "2019.02-1", "all"))
	d.changes(bad, "stable: lava 2019.01-1 → 2019.02-1 (main amd64,arm64)")
	d.wantView("2019.02-1", "lava")
	refreshed.sees("lava", "2019.02-1")
	installed.upgrade("lava 2019.02-1")

	// Somebody turns the link by hand: neither of them sees anything.
	before := bad.Current[0].Generation
	d.turn(before)
	refreshed.sees("lava", "2019.02-1")
	installed.sees("lava", "2019.02-1")
	d.turn(bad.Generation)

	history, _, err := perform[aptrepo.HistoryOut](d.office, "archive.history@1", "history",
		aptrepo.HistoryIn{Archive: "packages", Suites: []string{"stable"}, Source: "lava", Version: "2019.02-1"})
	if err != nil || history.Previous != "2019.01-1" || len(history.Packages) != 1 {
		t.Errorf("before 2019.02-1 there was %+v, %v", history, err)
	}
	back := d.do(aptrepo.StageIn{Kind: "rollback", Source: "lava", Version: "2019.02-1"})
	d.changes(back, "stable: lava 2019.02-1 → 2019.01-1 (main amd64,arm64)")
	d.wantView("2019.01-1", "lava")
	asked := len(d.front.requests())
	refreshed.sees("lava", "2019.01-1")
	if r := d.front.requests()[asked]; r.path != "dists/stable/InRelease" || r.status != 200 {
		t.Errorf("a client that has the bad lists asked for %s and got %d", r.path, r.status)
	}
	refreshed.upgrade("lava 2019.01-1")
	away.upgrade("lava 2019.01-1")
	d.client("amd64").install([]string{"lava", "other"}, "lava 2019.01-1", "other 1.0")
	installed.upgrade("lava 2019.02-1") // it stays
	installed.sees("lava", "2019.02-1") // its own is the candidate

	// The earlier content under a higher version reaches both.
	bad02, err := debian.ParseVersion("2019.02-1")
	if err != nil {
		t.Fatal(err)
	}
	good, err := debian.ParseVersion("2019.01-1")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := release.Really(bad02, good); err != nil || v.String() != "2019.02+really2019.01-1" {
		t.Errorf("the version that replaces it is %s, %v", v, err)
	}
	really := d.add(d.deb("lava", "2019.02+really2019.01-1", "all"))
	d.changes(really, "stable: lava 2019.01-1 → 2019.02+really2019.01-1 (main amd64,arm64)")
	d.wantView("2019.02+really2019.01-1", "lava")
	installed.upgrade("lava 2019.02+really2019.01-1")
	refreshed.upgrade("lava 2019.02+really2019.01-1")
	away.upgrade("lava 2019.02+really2019.01-1")
	d.client("amd64").install([]string{"lava"}, "lava 2019.02+really2019.01-1")

	// The next release follows it.
	d.add(d.deb("lava", "2019.03-1", "all"))
	for _, c := range []*client{refreshed, installed, away} {
		c.upgrade("lava 2019.03-1")
	}
	// A lower one is not published by mistake.
	_, err = d.try(aptrepo.StageIn{Kind: "add"}, d.deb("lava", "2019.02-2", "all"))
	refused(t, err, errs.Conflict, "would go back")
}

// A rollback takes away what the bad release brought, and keeps what others published before it and
// since; a second one goes back further.
func TestRollbackOfOneReleaseAmongOthers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.add(d.deb("lava", "1.0", "all", "Source: lava"), d.deb("tool", "1.0", "all"))
	d.add(d.deb("lava", "1.1", "all"), d.deb("lava-extra", "1.1", "all", "Source: lava"))
	d.add(d.deb("lava", "1.2", "all"), d.deb("lava-extra", "1.2", "all", "Source: lava"))
	c := d.client("arm64")
	c.sees("lava-extra", "1.2")
	d.add(d.deb("tool", "2.0", "all"))
	back := d.do(aptrepo.StageIn{Kind: "rollback", Source: "lava", Version: "1.2"})
	d.changes(back, "stable: lava 1.2 → 1.1 (main amd64,arm64)", "stable: lava-extra 1.2 → 1.1 (main amd64,arm64)")
	c.sees("lava", "1.1")
	c.sees("tool", "2.0")
	d.do(aptrepo.StageIn{Kind: "rollback", Source: "lava", Version: "1.1"})
	c.sees("lava", "1.0")
	c.sees("lava-extra", "")
	c.sees("tool", "2.0")
	d.do(aptrepo.StageIn{Kind: "rollback", Source: "tool", Version: "2.0"})
	c.sees("tool", "1.0")
	_, err := d.try(aptrepo.StageIn{Kind: "rollback", Source: "lava", Version: "1.0"})
	refused(t, err, errs.NotFound, "remembers nothing from before")
	c.sees("lava", "1.0")
}

// An archive that was left alone expires; a refresh is the same content under a new date. What
// waited too long for its approval is not published, and is made again when the step is tried again.
func TestRefreshMendsAnExpiredArchive(t *testing.T) {
	t.Parallel()
	s := stable()
	s.ValidFor = 3 * time.Hour
	d := newDesk(t, s)
	d.add(d.deb("lava", "1.0", "all"))
	a, err := d.artifact(d.deb("lava", "1.1", "all"))
	if err != nil {
		t.Fatal(err)
	}
	d.pass(time.Minute)
	in := aptrepo.StageIn{Archive: "packages", Suites: []string{"stable"}, Kind: "add", Files: []aptrepo.Artifact{a}}
	late, _, err := perform[aptrepo.StageOut](d.office, "archive.stage@1", "late", in)
	if err != nil {
		t.Fatal(err)
	}
	d.pass(4 * time.Hour)
	_, err = d.office.publish("late", late)
	refused(t, err, errs.Conflict, "has expired")
	again, _, err := perform[aptrepo.StageOut](d.office, "archive.stage@1", "late", in)
	if err != nil || again.Generation == late.Generation || again.Digest == late.Digest {
		t.Fatalf("staged again is %s, %v; the late one was %s", again.Generation, err, late.Generation)
	}
	if _, err := d.office.publish("late", again); err != nil {
		t.Fatal(err)
	}

	known := d.client("amd64")
	known.refuses("lava", "is expired")
	if out := d.view("1.1", "lava"); out.OK || len(out.Problems) == 0 {
		t.Errorf("the view of an expired archive is %+v", out)
	}
	indexes := func() map[string]string {
		all := map[string]string{}
		for path, name := range pathsByHash(string(d.served("stable", "Release")), "SHA256") {
			all[name] = path + " " + sum(d.served("stable", name))
		}
		return all
	}
	before := indexes()
	d.pass(7 * time.Hour)
	got := d.do(aptrepo.StageIn{Kind: "refresh"})
	d.changes(got)
	if after := indexes(); len(before) < 4 || !maps.Equal(before, after) {
		t.Errorf("the indexes were %v and are %v", before, after)
	}
	known.sees("lava", "1.1")
	known.install([]string{"lava"}, "lava 1.1")
	d.client("arm64").sees("lava", "1.1")
	d.wantView("1.1", "lava")
}
