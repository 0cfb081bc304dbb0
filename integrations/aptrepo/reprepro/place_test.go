package reprepro

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

func TestCleanupKeepsWhatIsReadOrCanBeGoneBackTo(t *testing.T) {
	w := newWorld(t, "")
	first := w.published(w.change("bookworm", w.deb("hello", "1.0", "amd64")))
	w.published(w.change("bookworm", w.deb("hello", "2.0", "amd64")))
	refreshed := w.published(w.change("bookworm"))
	last := w.published(w.change("bookworm", w.deb("hello", "3.0", "amd64")))
	waiting := w.stage(w.change("bookworm", w.deb("hello", "4.0", "amd64")))
	foreign := filepath.Join(w.base, "incoming", "a")
	w.write(foreign, "theirs")
	clean := func(later time.Duration) aptrepo.Removed {
		t.Helper()
		got, err := w.place.Cleanup(context.Background(), w.now.Add(later))
		if err != nil {
			t.Fatal(errs.Text(err))
		}
		return got
	}
	if got := clean(time.Minute); got.Generations != 0 || got.Staged != 0 {
		t.Errorf("too early: %+v", got)
	}
	// The last and the newest with 2.0 stay; what was there before Slipway, 1.0 and the older 2.0 go.
	if got := clean(2 * time.Hour); got.Generations != 3 || got.Staged != 0 || got.Files != 1 || got.Bytes == 0 {
		t.Errorf("removed %+v", got)
	}
	if got := clean(31 * 24 * time.Hour); got.Generations != 0 || got.Staged != 1 {
		t.Errorf("removed %+v", got)
	}
	var left []string
	entries, err := os.ReadDir(w.base)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if got := strings.Join(left, " "); got != ".slipway.lock "+refreshed.ID+" "+last.ID+" incoming release" {
		t.Errorf("left are %s; %s and %s went", got, first.ID, waiting.ID)
	}
	w.wantOffers("bookworm", "main/binary-amd64 hello 3.0")
}

func TestWhatIsStagedCanBeDropped(t *testing.T) {
	w := newWorld(t, "")
	c := w.change("bookworm", w.deb("hello", "1.0", "amd64"))
	s := w.stage(c)
	for range 2 {
		if err := w.place.Drop("bookworm", s.ID); err != nil {
			t.Fatal(errs.Text(err))
		}
	}
	wantError(t, w.publish(s), errs.NotFound, "there is no tree")
	s = w.published(c)
	wantError(t, w.place.Drop("bookworm", s.ID), errs.Conflict, "was published")
	wantError(t, w.place.Drop("bookworm", "../repository"), errs.Invalid, "no generation")
	wantError(t, w.place.Drop("nowhere", s.ID), errs.NotFound, "no suite")
}

func TestAPublicationIsCheckedBeforeClientsAreTurned(t *testing.T) {
	w := newWorld(t, "")
	s := w.stage(w.change("bookworm", w.deb("hello", "1.0", "amd64")))
	for _, c := range []struct {
		name   string
		change func(p *aptrepo.Publication)
		kind   errs.Kind
		words  string
	}{
		{"another Release", func(p *aptrepo.Publication) { p.Digest = "sha256:00" }, errs.Conflict, "another Release"},
		{"another text", func(p *aptrepo.Publication) {
			p.InRelease = []byte(strings.Replace(string(p.InRelease), "Example", "Examples", 1))
		}, errs.Invalid, "is not the Release"},
		{"another tree before", func(p *aptrepo.Publication) { p.Expect = "old-release" }, errs.Conflict, "clients read current-release"},
		{"a suite without a change", func(p *aptrepo.Publication) { p.Suite = "buster" }, errs.Conflict, "changes nothing in buster"},
		{"no armor", func(p *aptrepo.Publication) { p.ReleaseGPG = []byte{0x88} }, errs.Invalid, "armor"},
		{"a date that is to come", func(p *aptrepo.Publication) { p.Now = p.Now.Add(-time.Hour) }, errs.Conflict, "in the future"},
		{"no tree", func(p *aptrepo.Publication) { p.Generation = "20190101T000000Z-00" }, errs.NotFound, "there is no tree"},
		{"a way out", func(p *aptrepo.Publication) { p.Generation = "../x" }, errs.Invalid, "needs a generation"},
	} {
		p := w.signed(s)
		c.change(&p)
		_, err := w.place.Publish(context.Background(), p)
		if wantError(t, err, c.kind, c.words); t.Failed() {
			t.Fatal(c.name)
		}
		w.wantCurrent("current-release")
	}
	if err := w.publish(s); err != nil {
		t.Fatal(errs.Text(err))
	}
}

func TestATreeThatCannotBeDrivenIsRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		cause func(w *world)
		kind  errs.Kind
		words string
	}{
		{"it signs", func(w *world) { w.conf("distributions", "SignWith: yes\n"+distributions) }, errs.Conflict, "signs by itself"},
		{"it lacks a suite", func(w *world) { w.conf("distributions", strings.Replace(distributions, "buster", "sid", 1)) }, errs.Conflict, "no Codename buster"},
		{"no conf", func(w *world) { w.rename("conf", "config") }, errs.Conflict, "no conf/distributions"},
		{"a database elsewhere", func(w *world) { w.conf("options", "verbose\ndbdir /var/lib/reprepro\n") }, errs.Conflict, "sets dbdir /var/lib/reprepro"},
		{"a hook", func(w *world) { w.conf("options", "endhook sync.sh\n") }, errs.Conflict, "sets endhook"},
		{"no link", func(w *world) { w.must(os.Remove(filepath.Join(w.base, "release"))) }, errs.Conflict, "is not a link"},
		{"a link that leads away", func(w *world) {
			w.must(os.Remove(filepath.Join(w.base, "release")))
			w.must(os.Symlink("/srv/archive", filepath.Join(w.base, "release")))
		}, errs.Conflict, "not a folder beside it"},
		{"a pool elsewhere", func(w *world) {
			w.must(os.Symlink("/srv/pool", filepath.Join(w.current(), "pool")))
		}, errs.Conflict, "is a link"},
		{"a component of the pool elsewhere", func(w *world) {
			w.must(os.Mkdir(filepath.Join(w.current(), "pool"), 0o755))
			w.must(os.Symlink("/srv/pool/main", filepath.Join(w.current(), "pool", "main")))
		}, errs.Conflict, "pool/main of"},
		{"indexes elsewhere", func(w *world) {
			w.must(os.Rename(filepath.Join(w.current(), "dists", "buster"), filepath.Join(w.base, "buster")))
			w.must(os.Symlink("../../buster", filepath.Join(w.current(), "dists", "buster")))
		}, errs.Conflict, "is a link"},
		{"at work", func(w *world) { w.write(filepath.Join(w.current(), "db", "lockfile"), "") }, errs.Busy, "reprepro is at work"},
		{"no reprepro", func(w *world) { w.program = "no-such-reprepro"; w.open(nil) }, errs.Unavailable, "apt-get install reprepro"},
		{"no names for clients", func(w *world) {
			s := suites()
			s[0].Name, s[0].Codename = "stable", "bookworm"
			w.place.suites = s
		}, errs.Conflict, "createsymlinks"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "")
			c.cause(w)
			_, err := w.place.Stage(context.Background(), w.change(w.place.suites[0].Name, w.deb("hello", "1.0", "amd64")))
			wantError(t, err, c.kind, c.words)
			if found := w.place.Reach(context.Background()); c.name != "at work" && c.name != "no reprepro" {
				wantError(t, found, c.kind, c.words)
			} else if found != nil {
				t.Errorf("doctor finds %v", found)
			}
		})
	}
	w := newWorld(t, "")
	w.conf("options", "verbose\nbasedir /srv/repository\noutdir +b\n")
	if err := w.place.Reach(context.Background()); err != nil {
		t.Error(errs.Text(err))
	}
	w.must(os.Symlink("bookworm", filepath.Join(w.current(), "dists", "stable")))
	s := suites()
	s[0].Name, s[0].Codename = "stable", "bookworm"
	w.place.suites = s
	w.published(w.change("stable", w.deb("hello", "1.0", "amd64")))
	w.wantOffers("stable", "main/binary-amd64 hello 1.0")
}

func (w *world) conf(name, text string) { w.write(filepath.Join(w.current(), "conf", name), text) }

func (w *world) rename(from, to string) {
	w.must(os.Rename(filepath.Join(w.current(), from), filepath.Join(w.current(), to)))
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestSuitesThatARepreproCannotKeepAreRefused(t *testing.T) {
	for _, s := range []aptrepo.Suite{
		{Name: "stable", Architectures: []string{"amd64"}, Versions: 2}, {Name: "stable", Architectures: []string{"amd64"}, Snapshots: 1},
		{Name: "stable"},
	} {
		_, err := Open(t.TempDir(), Options{}, s)
		wantError(t, err, errs.Invalid, "stable")
	}
	_, err := Open("", Options{})
	wantError(t, err, errs.Invalid, "no folder")
}

// A key stands for one change, and files must be what their lists say.
func TestAChangeIsRefusedWithItsReason(t *testing.T) {
	w := newWorld(t, "")
	c := w.change("bookworm", w.deb("hello", "1.0", "amd64"))
	w.stage(c)
	c.Add = []aptrepo.File{w.deb("other", "1.0", "amd64")}
	_, err := w.place.Stage(context.Background(), c)
	wantError(t, err, errs.Conflict, "was used for another change")
	refused := func(kind errs.Kind, words string, files ...aptrepo.File) {
		t.Helper()
		_, err := w.place.Stage(context.Background(), w.change("bookworm", files...))
		wantError(t, err, kind, words)
		if _, err := os.Stat(filepath.Join(w.base, ".incoming")); err == nil {
			t.Error("something is left")
		}
	}
	dsc := w.dsc("tool", "1.0")
	w.write(filepath.Join(w.in, "tool_1.0.tar.gz"), "changed")
	refused(errs.Invalid, "tool_1.0.dsc", dsc)
	w.must(os.Remove(filepath.Join(w.in, "tool_1.0.tar.gz")))
	refused(errs.NotFound, "tool_1.0.tar.gz is not there", dsc)
	w.write(filepath.Join(w.in, "notes.txt"), "hello")
	refused(errs.Invalid, "not a .deb, .dsc or .changes", aptrepo.File{Path: filepath.Join(w.in, "notes.txt")})
	refused(errs.Invalid, `component "non-free"`, aptrepo.File{Path: w.deb("hello", "1.0", "amd64").Path, Component: "non-free"})
	refused(errs.Invalid, "it is for riscv64", w.deb("hello", "1.0", "riscv64"))
}
