//go:build prove

package archive

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

// A release is proposed first, and promoted when it has proved itself: the same files, by reference.
func TestPromotionFromProposedToStable(t *testing.T) {
	t.Parallel()
	proposed := stable()
	proposed.Name, proposed.Codename = "proposed", "bookworm-proposed"
	d := newDesk(t, stable(), proposed)
	d.add(d.deb("lava", "2019.01-1", "all"))
	in := aptrepo.StageIn{Kind: "add", Suites: []string{"proposed"}}
	d.do(in, d.deb("lava", "2019.02-1", "all"), d.deb("lava-dispatcher", "2019.02-1", "amd64", "Source: lava"), d.deb("unrelated", "1.0", "all"))
	c := d.client("amd64")
	early := d.client("amd64")
	early.look.Suite = "proposed"
	c.sees("lava", "2019.01-1")
	early.sees("lava", "2019.02-1")

	proposedFiles := poolFiles(t, d.root)
	promote := aptrepo.StageIn{Kind: "promote", From: "proposed", Source: "lava", Version: "2019.02-1"}
	got := d.do(promote)
	d.changes(got, "stable: lava 2019.01-1 → 2019.02-1 (main amd64,arm64)", "stable: lava-dispatcher 2019.02-1 added (main amd64)")
	d.wantView("2019.02-1", "lava")
	c.sees("lava", "2019.02-1")
	c.sees("unrelated", "")
	c.install([]string{"lava", "lava-dispatcher"}, "lava 2019.02-1", "lava-dispatcher 2019.02-1")
	d.client("arm64").install([]string{"lava"}, "lava 2019.02-1")
	if got := poolFiles(t, d.root); !slices.Equal(got, proposedFiles) {
		t.Errorf("the pool has %q after the promotion, had %q before", got, proposedFiles)
	}
	promote.Version = "2019.03-1"
	_, err := d.try(promote)
	refused(t, err, errs.NotFound, "no source lava 2019.03-1")
	c.sees("lava", "2019.02-1")
	d.do(aptrepo.StageIn{Kind: "rollback", Source: "lava", Version: "2019.02-1"})
	d.client("amd64").sees("lava", "2019.01-1")
	early.sees("lava", "2019.02-1") // the suite that it came from keeps it
}

// A snapshot is an address for apt: a suite as it was on a day, with packages that can be installed.
func TestSnapshotsAreSourcesForApt(t *testing.T) {
	t.Parallel()
	s := stable()
	s.Snapshots = 2
	d := newDesk(t, s)
	var days []string
	for _, version := range []string{"1.0", "1.1", "1.2"} {
		out := d.add(d.deb("lava", version, "all"))
		day, _, _ := strings.Cut(out.Generation, "-")
		days = append(days, day)
	}
	at := func(day string) *client {
		c := d.client("amd64")
		c.look.Address = d.front.url + "/snapshots/stable/" + day
		return c
	}
	for n, version := range []string{"1.0", "1.1", "1.2"} {
		c := at(days[n])
		c.sees("lava", version)
		c.install([]string{"lava"}, "lava "+version)
	}
	d.client("amd64").sees("lava", "1.2")
	// Two stay; their packages do too, and what only the first one had goes.
	d.pass(48 * time.Hour)
	clean, _, err := perform[aptrepo.CleanOut](d.office, "archive.clean@1", "clean", aptrepo.CleanIn{Archive: "packages"})
	if err != nil || clean.Files != 1 {
		t.Errorf("cleaned %+v, %v", clean, err)
	}
	if _, err := os.Stat(filepath.Join(d.root, "snapshots/stable", days[0])); !os.IsNotExist(err) {
		t.Errorf("the oldest snapshot stays: %v", err)
	}
	at(days[0]).refuses("lava", "does not have a Release file")
	at(days[1]).install([]string{"lava"}, "lava 1.1")
	d.client("amd64").install([]string{"lava"}, "lava 1.2")
}

// Packages for all go to every architecture, others to their own; several suites share a pool.
func TestSuitesAndArchitectures(t *testing.T) {
	t.Parallel()
	other := stable()
	other.Name, other.Codename, other.Architectures = "embedded", "embedded", []string{"arm64", "armhf"}
	d := newDesk(t, stable(), other)
	both := []string{"stable", "embedded"}
	common := d.deb("common", "1.0", "all")
	d.do(aptrepo.StageIn{Kind: "add", Suites: both}, common, d.deb("native", "1.0", "arm64", "Depends: common (= 1.0)"))
	d.add(d.deb("native", "1.0", "amd64", "Depends: common (= 1.0)"), d.deb("only", "1.0", "amd64"))
	for _, c := range []struct {
		suite, arch string
		only        string
	}{{"stable", "amd64", "1.0"}, {"stable", "arm64", ""}, {"embedded", "arm64", ""}} {
		one := d.client(c.arch)
		one.look.Suite = c.suite
		one.sees("common", "1.0")
		one.sees("native", "1.0")
		one.sees("only", c.only)
	}
	hard := d.client("armhf")
	hard.look.Suite = "embedded"
	hard.sees("common", "1.0")
	hard.sees("native", "")
	// What the view of the actions says of it.
	if out := d.view("1.0", "only"); out.OK || len(out.Problems) != 1 || !strings.Contains(out.Problems[0], "clients of arm64 are offered nothing of only") {
		t.Errorf("the view is %+v", out)
	}
	d.wantView("1.0", "common", "native")
	amd64 := d.client("amd64")
	amd64.install([]string{"native", "only"}, "common 1.0", "native 1.0", "only 1.0")
	if n := len(poolFiles(t, d.root)); n != 4 {
		t.Errorf("the pool has %d files, want 4", n)
	}
	_, err := d.try(aptrepo.StageIn{Kind: "add"}, d.deb("hard", "1.0", "armhf"))
	refused(t, err, errs.Invalid, "is for armhf, which suite stable does not have")

	// A new build of one architecture leaves the others where they are.
	d.add(d.deb("native", "1.0+b1", "amd64", "Source: native (1.0)", "Depends: common (= 1.0)"))
	amd64.upgrade("common 1.0", "native 1.0+b1", "only 1.0")
	d.client("arm64").sees("native", "1.0")
}

// One suite expires sooner than the other: neither is turned when one of them would be refused.
func TestNoSuiteTurnsWhenOneCannot(t *testing.T) {
	t.Parallel()
	short := stable()
	short.Name, short.Codename, short.ValidFor = "daily", "daily", time.Hour
	d := newDesk(t, stable(), short)
	both := []string{"stable", "daily"}
	d.do(aptrepo.StageIn{Kind: "add", Suites: both}, d.deb("lava", "1.0", "all"))
	d.pass(time.Minute)
	in := aptrepo.StageIn{Archive: "packages", Suites: both, Kind: "refresh"}
	staged, _, err := perform[aptrepo.StageOut](d.office, "archive.stage@1", "late", in)
	if err != nil {
		t.Fatal(err)
	}
	d.pass(2 * time.Hour)
	_, err = d.office.publish("late", staged)
	refused(t, err, errs.Conflict, "daily: the Release was valid until")
	for n, suite := range both {
		g, err := d.repo.Check(context.Background(), suite, true)
		if err != nil || g.ID != staged.Current[n].Generation {
			t.Errorf("clients of %s read %s, %v", suite, g.ID, err)
		}
	}
	d.client("amd64").sees("lava", "1.0")
}

func poolFiles(t *testing.T, root string) (all []string) {
	t.Helper()
	if err := filepath.Walk(filepath.Join(root, "pool"), func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			all = append(all, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}
