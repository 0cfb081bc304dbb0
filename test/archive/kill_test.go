//go:build prove

package archive

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/integrations/aptrepo"
)

// killWorld has two versions published in two suites, and a publication of the next to be sent.
// Worlds that begin at one time with one key are the same.
func killWorld(t *testing.T, c *clock, k key) (*desk, errand) {
	t.Helper()
	at := *c
	d := deskOf(worldOf(t, &at, k, two()...))
	both := []string{"stable", "testing"}
	d.do(aptrepo.StageIn{Kind: "add", Suites: both}, d.deb("hello", "0.9", "all"))
	d.do(aptrepo.StageIn{Kind: "add", Suites: both}, d.deb("hello", "1.0", "all"), d.deb("tool", "1.0", "amd64"))
	a, err := d.artifact(d.deb("hello", "1.1", "all"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.artifact(d.deb("extra", "1.1", "amd64", "Depends: hello (= 1.1)"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.blobs.Close(); err != nil { // the other process opens them
		t.Fatal(err)
	}
	return d, errand{Root: d.root, Address: d.front.url, Key: k.private, Now: d.pass(5 * time.Minute),
		Files: []aptrepo.Artifact{a, b}, Dir: t.TempDir()}
}

// Staging, publishing, dropping and cleaning are killed at each of their steps. After each kill
// clients find the old or the new archive, whole, and can install all that it lists; killed again
// somewhere in the repeat, too. What is made again in the end is what nobody disturbed.
func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	c := newClock()
	k := newKey(t, "Archive", 0, c)
	calm, e := killWorld(t, c, k)
	e.run(t)
	for _, suite := range []string{"stable", "testing"} {
		calm.whole(suite, "1.1")
	}
	steps := e.steps(t)
	want := calm.files()

	var mu sync.Mutex
	killed := map[string]int{}
	t.Run("points", func(t *testing.T) {
		for n, step := range steps {
			t.Run(fmt.Sprintf("%02d %s", n+1, step), func(t *testing.T) {
				t.Parallel()
				d, e := killWorld(t, c, k)
				killAt(t, d, e, n+1, steps)
				if got := d.files(); !slices.Equal(got, want) {
					t.Errorf("in the end there is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				mu.Lock()
				defer mu.Unlock()
				killed[step]++
			})
		}
	})
	for _, name := range slices.Sorted(maps.Keys(killed)) {
		t.Logf("%-24s killed %d times", name, killed[name])
	}
	for _, name := range namesOfSteps(t) {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(killed)), func(k string) bool { return k == name || strings.HasSuffix(name, ".") && strings.HasPrefix(k, name) }) {
			t.Errorf("the step %s is not among those where it is killed", name)
		}
	}
}

// killAt kills at the step with that number, looks as clients do, and has it made again.
func killAt(t *testing.T, d *desk, e errand, n int, steps []string) {
	old := d.client("amd64") // has 1.0
	old.everything("hello 1.0", "tool 1.0")
	e.KillAt = n
	e.dies(t)
	if got := e.steps(t); !slices.Equal(got, steps[:n]) {
		t.Fatalf("it passed %q, want %q", got, steps[:n])
	}
	// What is new for clients is decided by the turn of each link and by nothing else.
	turned := 0
	for _, s := range steps[:n] {
		if s == "publish.switched" {
			turned++
		}
	}
	before, after := []string{"hello 1.0", "tool 1.0"}, []string{"extra 1.1", "hello 1.1", "tool 1.0"}
	now := map[string][]string{"stable": before, "testing": before}
	if turned > 0 {
		now["stable"] = after
	}
	if turned > 1 {
		now["testing"] = after
	}
	for suite, packages := range now {
		d.whole(suite, strings.Fields(packages[len(packages)-2])[1])
	}
	old.everything(now["stable"]...)
	fresh := d.client("amd64")
	fresh.look.Suite = "testing"
	fresh.everything(now["testing"]...)

	// It is killed a second time, at a moment that nobody chose.
	e.Now = e.Now.Add(20 * time.Minute) // it takes a while until somebody starts it again
	e.hunted(t, 1+n%5)
	for i, suite := range []string{"stable", "testing"} {
		built, err := d.repo.Built(suite, "", "hello")
		if err != nil || len(built) != 1 {
			t.Fatalf("%s has hello %v, %v", suite, built, err)
		}
		d.whole(suite, built[0].Version)
		if n%2 == i {
			c := d.client("arm64")
			c.look.Suite = suite
			c.sees("hello", built[0].Version)
		}
	}

	e.run(t)
	for _, suite := range []string{"stable", "testing"} {
		d.whole(suite, "1.1")
	}
	old.everything(after...)
	fresh.everything(after...)
}

// whole wants a suite that passes every check, with that version of hello.
func (d *desk) whole(suite, version string) {
	d.t.Helper()
	if _, err := d.repo.Check(context.Background(), suite, true); err != nil {
		d.t.Errorf("%s is not whole: %v", suite, err)
	}
	built, err := d.repo.Built(suite, "", "hello")
	if err != nil || len(built) != 1 || built[0].Version != version {
		d.t.Errorf("%s has hello %v (%v), want %s", suite, built, err, version)
	}
}

// files are the names below the archive with what they hold. What differs from one run to the next
// is left out: dates, and what bears a date.
func (d *desk) files() (all []string) {
	d.t.Helper()
	stamp := regexp.MustCompile(`\d{8}T\d{6}Z`) // what follows it in the name of a generation says which change it is
	err := filepath.Walk(d.root, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(d.root, path)
		if err != nil || strings.HasPrefix(rel, "locks") {
			return err
		}
		line := rel
		switch name := info.Name(); {
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " → " + target
		case info.Mode().IsRegular() && !strings.Contains(name, "Release") && !strings.HasSuffix(name, ".json"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += " " + sum(text)
		}
		all = append(all, stamp.ReplaceAllString(line, "DATE"))
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// namesOfSteps are those in the source; one that ends with a dot has the name of a file behind it.
func namesOfSteps(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../integrations/aptrepo/*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("the source of the steps is not there: %v", err)
	}
	form := regexp.MustCompile(`\bstep\("([a-z]+\.[A-Za-z-]*)"`)
	any := regexp.MustCompile(`\.step\(`)
	names := map[string]bool{}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		found := form.FindAllStringSubmatch(string(text), -1)
		if all := any.FindAllString(string(text), -1); len(all) != len(found) {
			t.Errorf("%s has %d steps, of which %d have a name that can be read", f, len(all), len(found))
		}
		for _, m := range found {
			names[m[1]] = true
		}
	}
	if len(names) < 15 {
		t.Fatalf("found only %v", names)
	}
	return slices.Sorted(maps.Keys(names))
}
