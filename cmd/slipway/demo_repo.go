package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// sampleVersion is what the demo releases when no version is given.
const sampleVersion = "2019.01"

// sampleCommits is the history after the last release of the sample: the cases that a changelog
// must survive are in it (merges, long subjects, other alphabets, a line like a trailer).
func sampleCommits() []string {
	return []string{
		"Add the lamp on the harbour wall",
		"Measure the tide every ten minutes and keep a whole year of it so that the table can be checked later",
		"Küstenwache: Umlaute im Logbuch richtig schreiben",
		"灯台の説明を追加",
		"-- a subject that looks like the end of an entry",
		"Fix the fog horn: it answered itself",
		"Écrire les marées en heures locales, aussi quand l'heure d'été commence au milieu d'une marée montante",
		"Read the wind from the second mast when the first one is silent",
	}
}

// sampleRules builds the package of the sample with nothing but what dpkg-dev brings.
const sampleRules = `#!/usr/bin/make -f
# One package with one script in it, which says the version of the package.
include /usr/share/dpkg/pkg-info.mk
root = debian/harbour

build build-arch build-indep:
clean:
	rm -rf $(root) debian/files debian/substvars
binary-arch:
binary binary-indep:
	install -d $(root)/DEBIAN $(root)/usr/bin $(root)/usr/share/doc/harbour
	printf '#!/bin/sh\necho harbour %s\n' '$(DEB_VERSION_UPSTREAM)' > $(root)/usr/bin/harbour
	chmod 755 $(root)/usr/bin/harbour
	install -m 644 README $(root)/usr/share/doc/harbour/README
	gzip -9n < debian/changelog > $(root)/usr/share/doc/harbour/changelog.Debian.gz
	dpkg-gencontrol -pharbour -P$(root)
	dpkg-deb --root-owner-group --build $(root) ..

.PHONY: build build-arch build-indep clean binary binary-arch binary-indep
`

// makeSample makes a bare repository at remote with a small history: two releases with tags, and
// the commits since. The dates are fixed, and no month of them is the clock's.
func makeSample(ctx context.Context, remote, work string) error {
	g := sampleRepo{ctx: ctx, dir: work, when: time.Date(2018, 10, 2, 9, 0, 0, 0, time.UTC)}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	g.git("init", "--quiet", "--initial-branch=master")
	g.write("README", "The harbour keeps its lamps, its tides and its log book here.\n")
	g.write("check.sh", "#!/bin/sh\n# The pipeline: what must hold before anything is released.\nset -e\ntest -s README\ntest -s debian/changelog\nhead -n 1 debian/changelog\necho all good\n")
	g.write("debian/control", "Source: harbour\nSection: misc\nPriority: optional\nMaintainer: Hana Harbour <hana@harbour.example>\nStandards-Version: 4.6.2\nRules-Requires-Root: no\n\nPackage: harbour\nArchitecture: all\nDescription: keeps the lamps and the tides of a harbour\n It knows when the water comes, and who lit which lamp.\n")
	g.write("debian/rules", sampleRules)
	g.write("debian/source/format", "3.0 (quilt)\n")
	g.write("debian/changelog", "harbour (2018.10-1) unstable; urgency=medium\n\n  * First release.\n\n -- Hana Harbour <hana@harbour.example>  Tue, 02 Oct 2018 09:00:00 +0000\n")
	g.commit("Begin the harbour")
	g.git("tag", "--annotate", "--message=2018.10", "2018.10")
	g.write("lamps", "two lamps\n")
	g.commit("Light two lamps")
	g.when = g.when.AddDate(0, 1, 20)
	g.git("tag", "--annotate", "--message=2018.11", "2018.11")
	for i, subject := range sampleCommits() {
		if i == 3 { // on a branch of its own, so that there is a merge
			g.git("checkout", "--quiet", "-b", "lighthouse")
		}
		g.write(fmt.Sprintf("log/%02d", i), subject+"\n")
		g.commit(subject)
		if i == 4 {
			g.git("checkout", "--quiet", "master")
			g.git("merge", "--quiet", "--no-ff", "--message=Merge branch 'lighthouse'", "lighthouse")
		}
	}
	g.git("clone", "--quiet", "--bare", "--no-local", ".", remote)
	return g.err
}

// sampleRepo makes commits with fixed names and dates; the first failure stops it.
type sampleRepo struct {
	ctx  context.Context
	dir  string
	when time.Time
	err  error
}

func (g *sampleRepo) git(args ...string) {
	if g.err != nil {
		return
	}
	g.when = g.when.Add(time.Hour)
	cmd := exec.CommandContext(g.ctx, "git", args...)
	cmd.Dir = g.dir
	date := g.when.Format(time.RFC3339)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Hana Harbour", "GIT_AUTHOR_EMAIL=hana@harbour.example", "GIT_AUTHOR_DATE="+date,
		"GIT_COMMITTER_NAME=Hana Harbour", "GIT_COMMITTER_EMAIL=hana@harbour.example", "GIT_COMMITTER_DATE="+date)
	if out, err := cmd.CombinedOutput(); err != nil {
		g.err = fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
}

func (g *sampleRepo) write(path, content string) {
	if g.err != nil {
		return
	}
	full := filepath.Join(g.dir, path)
	if g.err = os.MkdirAll(filepath.Dir(full), 0o755); g.err == nil {
		g.err = os.WriteFile(full, []byte(content), 0o755)
	}
}

func (g *sampleRepo) commit(subject string) {
	g.git("add", "--all")
	g.git("commit", "--quiet", "--cleanup=verbatim", "--message="+subject)
}
