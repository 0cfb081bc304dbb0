package stories

import (
	"strings"
	"testing"
	"time"

	"slipway/bot/run"
)

// day is how far apart releases are: an archive has one date a second.
const day = 24 * time.Hour

// twoReleases has 2019.01 and then 2019.02 published.
func (w *world) twoReleases() {
	w.t.Helper()
	w.Publish("2019.01")
	w.Pass(day)
	w.Publish("2019.02")
	w.Pass(day)
}

// A bad version that nobody has installed yet goes, and what was before it is there again.
func TestUndo(t *testing.T) {
	archiveStory(t, func(t *testing.T, w *world) {
		w.twoReleases()
		before := w.release("stable")
		wants(t, w.Say("requester", "release undo 2019.02"), "reason")
		w.Say("requester", `release undo 2019.02 --reason "jobs are lost"`)
		wants(t, w.message(w.gateOf("undo-2019.02", "publish")), "jobs are lost", "2019.02-1", "apt offers 2019.01-1 again")
		w.wantOffers("stable", "2019.02-1")
		w.React("manager", w.gateOf("undo-2019.02", "publish"), "✅")
		asked := w.SignArchive()
		if len(asked) != 1 || !asked[0].Rollback {
			t.Fatalf("the key holder was asked for %+v", asked)
		}
		w.Pass(time.Minute)
		w.WantRun("undo-2019.02", run.RunEnded, "done")
		w.wantOffers("stable", "2019.01-1")
		if after := w.release("stable"); !after.Date.After(before.Date) || !after.ValidUntil.After(before.ValidUntil) {
			t.Fatalf("the date went from %s to %s", before.Date, after.Date)
		}
		wants(t, w.out.post.sent[2].text, "is withdrawn", "allow-downgrades", "lava=3D2019.01-1")
	})
}

// Clients have it installed: the earlier content comes back under a higher version.
func TestUndoForThoseWhoHaveItInstalled(t *testing.T) {
	archiveStory(t, func(t *testing.T, w *world) {
		w.twoReleases()
		good, _ := w.out.remote.tagged("2019.01")
		w.Say("requester", `release undo 2019.02 installed=true --reason "jobs are lost"`)
		gate := w.gateOf("undo-2019.02", "publish")
		wants(t, w.message(gate), "apt offers 2019.02+really2019.01-1", "has the content of 2019.01-1")
		made := w.run("undo-2019.02").Steps["commit"].Output["commit"].(string)
		if w.out.remote.commits[made].parent != good.commit || w.out.remote.pushed() != 2 {
			t.Fatalf("it is built on %s, want %s; %d pushes", w.out.remote.commits[made].parent, good.commit, w.out.remote.pushed())
		}
		w.React("manager", gate, "✅")
		if asked := w.SignArchive(); len(asked) != 1 || asked[0].Rollback {
			t.Fatalf("the key holder was asked for %+v", asked)
		}
		w.Pass(time.Minute)
		w.WantRun("undo-2019.02", run.RunEnded, "done")
		w.wantOffers("stable", "2019.02+really2019.01-1")
		wants(t, w.out.post.sent[2].text, "is withdrawn", "apt-get upgrade")
	})
}

// Several suites get one content back: that of one of them is not given to another that had
// something else, and apt is asked in all of them, also where nothing from before is remembered.
func TestUndoInSeveralSuites(t *testing.T) {
	archiveStory(t, func(t *testing.T, w *world) {
		w.Publish("2019.01")
		w.profile["suites"] = []any{"stable", "proposed"}
		w.Pass(day)
		w.Publish("2019.02")
		w.Pass(day)
		w.Say("requester", `release undo 2019.02 installed=true --reason "jobs are lost"`)
		w.React("manager", w.gateOf("undo-2019.02", "publish"), "✅")
		w.SignArchive()
		w.Pass(time.Minute)
		w.WantRun("undo-2019.02", run.RunEnded, "done")
		looks := 0
		for path := range w.run("undo-2019.02").Steps {
			if strings.HasPrefix(path, "seen") && strings.HasSuffix(path, "look") {
				looks++
			}
		}
		for _, suite := range []string{"stable", "proposed"} {
			w.wantOffers(suite, "2019.02+really2019.01-1")
		}
		if looks != 2 {
			t.Fatalf("%d of 2 suites were looked at", looks)
		}

		w.profile["suites"] = []any{"stable"}
		w.Pass(day)
		w.Publish("2019.03")
		w.profile["suites"] = []any{"stable", "proposed"}
		w.Pass(day)
		w.Publish("2019.04")
		w.Pass(day)
		w.Say("requester", `release undo 2019.04 installed=true --reason "jobs are lost"`)
		wants(t, w.why("undo-2019.04", "really"), "did not offer one version before: 2019.02+really2019.01-1 and 2019.03-1", "suite=NAME")
		w.wantOffers("stable", "2019.04-1")
		w.wantOffers("proposed", "2019.04-1")
	})
}

// What no suite offers cannot be undone: the run ends at once, and its name is free.
func TestUndoOfWhatIsNotThere(t *testing.T) {
	archiveStory(t, func(t *testing.T, w *world) {
		w.Publish("2019.01")
		w.Say("requester", `release undo 2019.02 --reason "jobs are lost"`)
		w.WantRun("undo-2019.02", run.RunEnded, "refused")
		wants(t, w.why("undo-2019.02", "notice"), "no suite offers lava 2019.02-1")
		// Nor is a suite that is not there looked at, and nothing else is begun under the name.
		w.Say("requester", `release undo 2019.01 --reason "jobs are lost" suite=nowhere`)
		w.WantRun("undo-2019.01", run.RunEnded, "refused")
		wants(t, w.why("undo-2019.01", "history"), `no suite "nowhere"`)
		for _, wrong := range []struct{ from, why string }{{"nowhere", `no suite "nowhere"`}, {"stable", "cannot come from there"}, {"proposed", "proposed has no"}} {
			w.Say("requester", "release promote 2019.01 from="+wrong.from)
			w.WantRun("promote-2019.01", run.RunEnded, "refused")
			wants(t, w.why("promote-2019.01", "there"), wrong.why)
		}
	})
}

// A release goes to proposed first, and the very same files to stable when they were tried.
func TestPromote(t *testing.T) {
	archiveStory(t, func(t *testing.T, w *world) {
		w.profile["suites"] = []any{"proposed"}
		w.staged("2019.01")
		w.React("manager", w.Gate("publish"), "✅")
		w.SignArchive()
		w.Pass(time.Minute)
		w.WantRun("2019.01", run.RunEnded, "done")
		w.wantOffers("proposed", "2019.01-1")
		w.wantOffers("stable", "")
		w.profile["suites"] = []any{"stable"}
		w.Pass(day)
		built := w.out.ci.starts
		w.Say("requester", "release promote 2019.01")
		gate := w.gateOf("promote-2019.01", "publish")
		wants(t, w.message(gate), "from proposed to stable", "stable: lava 2019.01-1 added")
		w.React("maintainer-a", gate, "✅")
		w.wantStepOf("promote-2019.01", "publish", run.Running)
		w.React("maintainer-b", gate, "✅")
		w.SignArchive()
		w.Pass(time.Minute)
		w.WantRun("promote-2019.01", run.RunEnded, "done")
		w.wantOffers("stable", "2019.01-1")
		if w.out.ci.starts != built {
			t.Fatal("it was built again")
		}
	})
}

// The date of the archive is refreshed by a schedule, when more than half of its time is used up.
func TestRefresh(t *testing.T) {
	archiveStory(t, func(t *testing.T, w *world) {
		w.Publish("2019.01")
		published := w.release("stable")
		w.triggers = []string{"release-refresh"}
		w.Restart()
		for range 14 { // in the first half of 30 days
			w.Pass(day)
		}
		if _, _, found := w.takeArchive(); found || w.release("stable").Date != published.Date {
			t.Fatal("the date is refreshed before that is due")
		}
		w.WantRun("release/lava/refresh", run.RunEnded, "done")
		for range 2 {
			w.Pass(day)
		}
		w.WantRun("release/lava/refresh", run.Live, "")
		asked := w.SignArchive()
		if len(asked) != 1 || asked[0].Manifest != "" || asked[0].Rollback {
			t.Fatalf("the key holder was asked for %+v\n%s", asked, w.why("release/lava/refresh", ""))
		}
		w.Pass(time.Minute)
		w.WantRun("release/lava/refresh", run.RunEnded, "done")
		if now := w.release("stable"); now.ValidUntil.Sub(published.ValidUntil) < 14*day {
			t.Fatalf("it is valid until %s, and was until %s", now.ValidUntil, published.ValidUntil)
		}
		w.wantOffers("stable", "2019.01-1")
	})
}

// Every day the branch is built for those who try it; a day without commits builds nothing.
func TestDaily(t *testing.T) {
	archiveStory(t, func(t *testing.T, w *world) {
		w.Publish("2019.01")
		w.triggers = []string{"release-daily"}
		w.Restart()
		starts := w.out.ci.starts
		w.Pass(day)
		w.WantRun("release/lava/daily", run.RunEnded, "refused")
		if wants(t, w.why("release/lava/daily", ""), "nothing was committed since 2019.01"); w.out.ci.starts != starts {
			t.Fatal("the release itself was built as a daily build")
		}
		w.out.remote.commit("master", w.out.remote.tip(), "Light the lamps", "dora@example.org")
		tip, built := w.out.remote.tip(), w.out.ci.starts
		w.Pass(day)
		if n := len(w.SignArchive()); n != 1 {
			t.Fatalf("the archive was signed %d times\n%s", n, w.why("release/lava/daily", ""))
		}
		w.Pass(time.Minute)
		w.WantRun("release/lava/daily", run.RunEnded, "done")
		first := w.offers("daily")
		if !strings.HasPrefix(first, "2019.01+") || w.offers("stable") != "2019.01-1" || w.out.remote.tip() != tip {
			t.Fatalf("daily offers %q, stable %q, and the branch is at %s", first, w.offers("stable"), w.out.remote.tip())
		}
		for range 2 {
			w.Pass(day)
		}
		w.WantRun("release/lava/daily", run.RunEnded, "done")
		w.wantOffers("daily", first)
		if n := w.out.ci.starts - built; n != 1 {
			t.Fatalf("%d pipelines in three days with one commit", n)
		}
		w.out.remote.commit("master", w.out.remote.tip(), "Light more of them", "dora@example.org")
		w.Pass(day)
		w.SignArchive()
		w.Pass(time.Minute)
		if second := w.offers("daily"); second == first || w.out.ci.starts != built+2 {
			t.Fatalf("daily offers %q after another commit; %d pipelines", second, w.out.ci.starts-built)
		}
	})
}

// A Debian developer prepares, approves, signs and sends the upload. The packaging has branches of
// its own, which get the tarball of the tag once the upload is wanted.
func TestUploadToDebian(t *testing.T) {
	archiveStory(t, func(t *testing.T, w *world) {
		w.profile["packaging"], w.profile["packaging_branch"], w.profile["packaging_upstream"] = "/srv/git/packaging.git", "debian/latest", "upstream/latest"
		w.Publish("2019.01")
		w.Say("requester", "release debian 2019.01")
		name, made := "debian-2019.01", w.run("2019.01").Output["commit"]
		wanted := w.gateOf(name, "wanted")
		wants(t, w.message(wanted), "2019.01-1", "in: stable", "freeze")
		if len(w.out.imported) > 0 {
			t.Fatal("it was imported before anybody wanted it")
		}
		w.React("manager", wanted, "✅")
		if n := len(w.out.imported); n != 1 || w.out.imported[0].Commit != made || w.out.imported[0].Remote != "/srv/git/packaging.git" {
			t.Fatalf("imported is %+v", w.out.imported)
		}
		w.Say("manager", "answer "+name+" source changes=sha256:"+strings.Repeat("b", 64))
		w.wantStepOf(name, "source", run.Running, "dget", "debian/latest")
		w.Say("uploader", "answer "+name+" source changes=sha256:"+strings.Repeat("a", 64)+" lintian=clean")
		gate := w.gateOf(name, "upload")
		wants(t, w.message(gate), "2019.01-1", "unstable", "clean")
		w.React("manager", gate, "✅")
		w.wantStepOf(name, "upload", run.Running)
		w.React("uploader", gate, "✅")
		w.Say("uploader", "answer "+name+" send accepted=https://tracker.example.org/lava")
		wants(t, w.why(name, "packaging_tag"), "git push origin debian/2019.01-1")
		w.Say("uploader", "answer "+name+" packaging_tag tag=debian/2019.01-1")
		w.WantRun(name, run.RunEnded, "done")
	})
}

// What is not tagged does not go to Debian.
func TestUploadOfWhatIsNotReleased(t *testing.T) {
	archiveStory(t, func(t *testing.T, w *world) {
		w.Say("requester", "release debian 2019.01")
		w.WantRun("debian-2019.01", run.RunEnded, "refused")
		wants(t, w.why("debian-2019.01", "version"), "no tag is that of 2019.01-1")
	})
}
