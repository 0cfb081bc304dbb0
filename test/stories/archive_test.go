package stories

import (
	"strings"
	"testing"
	"time"

	"slipway/bot/run"
)

// staged brings a release to its gate publish, with packages that wait in the archive.
func (w *world) staged(version string) {
	w.t.Helper()
	w.Ask(version)
	w.Approve(version)
	w.Sign()
	w.wantStepOf(version, "publish", run.Running)
}

// Publish brings a release to its end, with packages that apt offers.
func (w *world) Publish(version string) {
	w.t.Helper()
	w.staged(version)
	w.React("manager", w.gateOf(version, "publish"), "✅")
	if n := len(w.SignArchive()); n != 1 {
		w.t.Fatalf("the archive was signed %d times\n%s", n, w.why(version, ""))
	}
	w.Pass(time.Minute)
	w.WantRun(version, run.RunEnded, "done")
	w.wantOffers("stable", version+"-1")
}

// A release goes from the typed line to what apt offers.
func TestReleaseIntoTheArchive(t *testing.T) {
	archiveStory(t, func(t *testing.T, w *world) {
		w.staged("2019.01")
		wants(t, w.message(w.Gate("publish")), "stable: lava 2019.01-1 added")
		if w.offers("stable") != "" {
			t.Fatal("clients see what nobody approved")
		}
		if _, _, found := w.takeArchive(); found {
			t.Fatal("something is to be signed before anybody approved it")
		}
		w.React("manager", w.Gate("publish"), "✅")
		w.WantStep("switch", run.Waiting)
		asked := w.SignArchive()
		if len(asked) != 1 || asked[0].Archive != "https://apt.example.org" || asked[0].Rollback || !strings.Contains(asked[0].Manifest, asked[0].Releases[0].Digest) {
			t.Fatalf("the key holder was asked for %+v", asked)
		}
		w.Pass(time.Minute)
		w.WantRun("2019.01", run.RunEnded, "done")
		w.wantOffers("stable", "2019.01-1")
		if w.yard.looks == 0 && !w.restarting || w.out.post.count() != 1 || w.out.ci.starts != 4 {
			t.Fatalf("%d looks, %d mails, %d pipelines", w.yard.looks, w.out.post.count(), w.out.ci.starts)
		}
	})
}

// The trial build is red: nobody is asked to approve.
func TestRedTrialBuild(t *testing.T) {
	archiveStory(t, func(t *testing.T, w *world) {
		w.out.ci.refuse("slipway")
		w.Say("requester", "release 2019.01")
		w.Say("manager", "answer 2019.01 checklist merged=true")
		w.Say("tester", "answer 2019.01 tested good=true")
		w.WantStep("trial_passed", run.Done)
		w.WantStep("trial_built", run.Stuck)
		w.WantStep("go", run.Waiting, "trial_packages")
	})
}

// The trial build is green, and what it left is not what the archive wants: nobody is asked, and
// nothing is tagged.
func TestPackagesOfTheTrialAreRefused(t *testing.T) {
	archiveStory(t, func(t *testing.T, w *world) {
		w.out.forgotten = "arm64"
		w.Say("requester", "release 2019.01")
		w.Say("manager", "answer 2019.01 checklist merged=true")
		w.Say("tester", "answer 2019.01 tested good=true")
		w.WantStep("trial_built", run.Done)
		w.WantStep("trial_packages", run.Stuck, "arm64 is missing")
		w.WantStep("go", run.Waiting, "trial_packages")
		if _, _, found := w.take(); found || w.out.remote.pushed() > 0 {
			t.Fatal("a tag whose packages are refused was made")
		}
		w.out.forgotten = ""
		w.out.remote.commit("master", w.out.remote.tip(), "Build arm64 too", "dora@example.org")
		w.Say("requester", "release retry 2019.01 --from state")
		w.renew("2019.01")
		w.WantStep("go", run.Running)
	})
}

// A changelog with an epoch keeps it for ever, from the entry to what apt offers.
func TestReleaseWithAnEpochIntoTheArchive(t *testing.T) {
	archiveStory(t, func(t *testing.T, w *world) {
		w.out.remote.changelog = "lava (1:2018.11-1) unstable; urgency=medium\n\n  * New.\n\n -- Dora <dora@example.org>  Thu, 24 Jan 2019 11:43:27 +0000\n"
		w.staged("2019.01")
		wants(t, w.message(w.Gate("publish")), "stable: lava 1:2019.01-1 added")
		w.React("manager", w.Gate("publish"), "✅")
		w.SignArchive()
		w.Pass(time.Minute)
		w.WantRun("2019.01", run.RunEnded, "done")
		w.wantOffers("stable", "1:2019.01-1")
		// So do daily builds; one that is offered already is not built again.
		w.out.remote.commit("master", w.out.remote.tip(), "Mend the scheduler again", "dora@example.org")
		w.triggers = []string{"release-daily"}
		w.Restart()
		w.Pass(24 * time.Hour)
		w.SignArchive()
		w.Pass(time.Minute)
		w.WantRun("release/lava/daily", run.RunEnded, "done")
		w.wantOffers("daily", "1:2019.01+1-1")
		starts := w.out.ci.starts
		w.Pass(24 * time.Hour)
		w.WantRun("release/lava/daily", run.RunEnded, "done")
		if w.out.ci.starts != starts {
			t.Fatal("what is offered already was built again")
		}
	})
}

// Somebody else publishes meanwhile: what was approved and signed cannot follow that any more. It is
// staged again, which voids the approval with it, and the new state is approved and signed anew.
func TestANewStageVoidsTheGate(t *testing.T) {
	archiveStory(t, func(t *testing.T, w *world) {
		w.Publish("2019.01")
		w.Pass(24 * time.Hour)
		w.staged("2019.02")
		w.publishedByHand("stable")
		before := w.gateOf("2019.02", "publish")
		w.React("manager", before, "✅")
		old := w.SignArchive()
		w.wantStepOf("2019.02", "switch", run.Stuck, "again STEP")
		key := w.seen(w.Say("requester", `release again 2019.02 stage --reason "the archive moved on"`))
		w.clock.pass(2 * time.Hour)
		wants(t, w.Say("requester", `release again 2019.02 stage --reason "the archive moved on" seen=`+key), "done again")
		w.wantStepOf("2019.02", "publish", run.Running, "0 of 1 release-manager")
		if w.gateOf("2019.02", "publish") == before {
			t.Fatal("there is no new gate message")
		}
		w.React("manager", before, "👍")
		w.wantStepOf("2019.02", "publish", run.Running, "0 of 1 release-manager")
		w.React("manager", w.gateOf("2019.02", "publish"), "✅")
		asked := w.SignArchive()
		if len(asked) != 1 || asked[0].Releases[0].Digest == old[0].Releases[0].Digest {
			t.Fatalf("the key holder was asked for %+v", asked)
		}
		w.Pass(time.Minute)
		w.WantRun("2019.02", run.RunEnded, "done")
		w.wantOffers("stable", "2019.02-1")
	})
}

// A freeze that begins after the push holds the archive still.
func TestAFreezeBeforeThePublication(t *testing.T) {
	archiveStory(t, func(t *testing.T, w *world) {
		w.staged("2019.01")
		w.Say("manager", `freeze add fosdem --from 2019-01-14 --until 2019-01-20 --project lava --reason "everybody travels"`)
		w.React("manager", w.Gate("publish"), "✅")
		w.SignArchive()
		w.WantStep("switch", run.Waiting, "everybody travels", "2019-01-20")
		w.wantOffers("stable", "")
		w.Say("manager", `freeze end fosdem --reason "it was called off"`)
		w.Pass(time.Minute)
		w.WantRun("2019.01", run.RunEnded, "done")
		w.wantOffers("stable", "2019.01-1")
	})
}
