package stories

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/run"
	"slipway/commands/release"
)

// onForge is what the profile of a project on a forge has instead, and more of it.
func onForge(more map[string]any) map[string]any {
	p := map[string]any{"forge": "gitlab", "milestones": true, "trial": "", "order": "branch-first"}
	for field, value := range more {
		p[field] = value
	}
	return p
}

// forked is the project as in 2019: a fork tries the commit, and another project gets files.
func forked() map[string]any {
	return onForge(map[string]any{"order": "together", "fork": forkRemote, "fork_branch": "master", "trial": forkRemote,
		"handover": "/srv/git/lab.git", "handover_branch": "master", "handover_from": "tests/device-types", "handover_to": "shared/device-types"})
}

func forgeStory(t *testing.T, profile map[string]any, f func(t *testing.T, w *world)) {
	t.Helper()
	for _, mode := range []string{"plain", "restarting"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(t, mode == "restarting", string(release.Playbook), profile)
			w.out.forge.has("2019.01")
			f(t, w)
		})
	}
}

// Tested starts a release whose forge answers the checklist, up to the gate go.
func (w *world) Tested(version string) {
	w.t.Helper()
	w.Say("requester", "release "+version)
	w.Say("tester", "answer "+version+" tested good=true")
	if st := w.stepOf(version, "go"); st != run.Running {
		w.t.Fatalf("the gate go of %s is %s\n%s", version, st, w.why(version, ""))
	}
}

func TestAReleaseWaitsForItsMilestone(t *testing.T) {
	forgeStory(t, onForge(nil), func(t *testing.T, w *world) {
		w.out.forge.has("2019.01", "!12 Fix the berth (ada)", "!15 Mend the crane (ben)")
		w.Say("requester", "release 2019.01")
		w.WantStep("ready", run.Running, "milestone 2019.01: 2 open", "!12 Fix the berth (ada)", "!15 Mend the crane (ben)")
		wants(t, w.channelText(), "!12 Fix the berth (ada)")
		w.out.forge.has("2019.01", "!15 Mend the crane (ben)")
		w.Pass(5 * time.Minute)
		w.WantStep("ready", run.Running, "1 open", "!15 Mend the crane (ben)")
		// What is merged meanwhile is in the release: nothing was read before.
		w.out.remote.commit("master", w.out.remote.tip(), "Mend the crane", "ben@example.org")
		w.out.forge.has("2019.01")
		w.Pass(5 * time.Minute)
		w.WantStep("ready", run.Done)
		w.WantStep("checklist", run.SkippedSt)
		w.Say("tester", "answer 2019.01 tested good=true")
		wants(t, w.message(w.Gate("go")), "2 commits since")
	})
}

func TestThereIsNoMilestone(t *testing.T) {
	forgeStory(t, onForge(nil), func(t *testing.T, w *world) {
		w.Say("requester", "release 2019.02")
		w.wantStepOf("2019.02", "ready", run.Running, "there is no milestone 2019.02")
		w.out.forge.has("2019.02")
		w.Pass(5 * time.Minute)
		w.wantStepOf("2019.02", "ready", run.Done)
	})
}

func TestTheBranchGoesFirst(t *testing.T) {
	forgeStory(t, onForge(map[string]any{"version_file": "lava_common/VERSION", "commit_message": "LAVA Software {version} release", "sign_off": true}), func(t *testing.T, w *world) {
		w.Tested("2019.01")
		before := w.out.remote.tip()
		w.Approve("2019.01")
		w.WantStep("branch_built", run.Done)
		tip := w.out.remote.tip()
		if _, tagged := w.out.remote.tagged("2019.01"); tagged || tip == before || w.out.remote.pushed() != 0 {
			t.Fatalf("the branch is at %s, tagged %v", tip, tagged)
		}
		if got := w.out.remote.commits[tip].subject; got != "LAVA Software 2019.01 release\n\nSigned-off-by: Release Team <release@example.org>" {
			t.Errorf("the commit says %q", got)
		}
		// Others go on: the tag is that of the release all the same.
		w.out.remote.commit("master", tip, "Begin the next one", "ada@example.org")
		w.Sign()
		if made, _ := w.out.remote.tagged("2019.01"); made.commit != tip {
			t.Errorf("the tag is of %s, want %s", made.commit, tip)
		}
		w.React("manager", w.Gate("publish"), "✅")
		w.WantRun("2019.01", run.RunEnded, "done")
		if _, closed := w.out.forge.holds("2019.01"); !closed || !strings.Contains(w.out.forge.page("2019.01"), "Mend the scheduler") || w.out.post.count() != 1 {
			t.Errorf("closed %v, notes %q, %d mails", closed, w.out.forge.page("2019.01"), w.out.post.count())
		}
	})
}

// The pipeline of the branch fails, and somebody mends it on top of what was pushed. The release goes on
// from there, and has one entry in the changelog.
func TestABranchThatFailsIsMended(t *testing.T) {
	forgeStory(t, onForge(nil), func(t *testing.T, w *world) {
		w.Tested("2019.01")
		w.out.ci.judge("failed")
		w.Approve("2019.01")
		w.Pass(5 * time.Minute)
		w.WantStep("branch_built", run.Stuck)
		pushed := w.out.remote.tip()
		mended := w.out.remote.commit("master", pushed, "Mend the pipeline", "ada@example.org")
		w.out.ci.judge("success")
		wants(t, w.Say("requester", "release retry 2019.01 --from state"), "retrying")
		w.WantStep("changelog", run.Done)
		w.Say("tester", "answer 2019.01 tested good=true")
		wants(t, w.message(w.Gate("go")), "3 commits since") // with the first release commit
		w.Approve("2019.01")
		w.WantStep("branch_built", run.Done)
		tip := w.out.remote.tip()
		if parent := w.out.remote.commits[tip].parent; parent != mended {
			t.Fatalf("the release commit is on %s, not on %s", parent, mended)
		}
		text := w.out.remote.changelogOf(tip)
		if strings.Count(text, "lava (2019.01-1)") != 1 || !strings.Contains(text, "Mend the pipeline") || !strings.HasSuffix(text, w.out.remote.changelogOf(w.out.remote.commits[pushed].parent)) {
			t.Errorf("the changelog is\n%s", text)
		}
		w.Sign()
		if made, _ := w.out.remote.tagged("2019.01"); made.commit != tip {
			t.Errorf("the tag is of %s, want %s", made.commit, tip)
		}
		w.React("manager", w.Gate("publish"), "✅")
		w.WantRun("2019.01", run.RunEnded, "done")
	})
}

func TestTheReleaseOf2019(t *testing.T) {
	forgeStory(t, forked(), func(t *testing.T, w *world) {
		before := w.out.remote.tip()
		w.Tested("2019.01")
		tried := w.out.forge.fork["master"]
		if tried == "" || w.out.remote.tip() != before {
			t.Fatalf("the fork is at %q, the project at %s", tried, w.out.remote.tip())
		}
		w.WantStep("branch", run.Waiting)
		w.Approve("2019.01")
		w.Sign()
		if w.out.remote.tip() != tried || w.out.remote.pushed() != 1 {
			t.Errorf("the branch is at %s, what was tried is %s", w.out.remote.tip(), tried)
		}
		// The milestone gets something again before it is closed.
		w.out.forge.has("2019.01", "#9 Late again (ben)")
		w.React("manager", w.Gate("publish"), "✅")
		w.WantStep("late", run.Running, "#9 Late again (ben)", "To which milestone does it go?")
		if w.out.post.count() != 0 {
			t.Error("it is announced before the milestone is closed")
		}
		w.Say("manager", "answer 2019.01 late to=2019.02")
		w.WantRun("2019.01", run.RunEnded, "done")
		items, _ := w.out.forge.holds("2019.02")
		if _, closed := w.out.forge.holds("2019.01"); !closed || len(items) != 1 {
			t.Errorf("closed %v, the next one has %v", closed, items)
		}
		if got := w.out.forge.proposed; len(got) != 1 || got[0].Remote != "/srv/git/lab.git" || got[0].Branch != "lava-2019.01" || got[0].Files[0].Path != "shared/device-types/qemu.jinja2" {
			t.Errorf("proposed: %+v", got)
		}
	})
}

func TestATagThatOthersSeeOtherwise(t *testing.T) {
	forgeStory(t, onForge(nil), func(t *testing.T, w *world) {
		w.Tested("2019.01")
		w.Approve("2019.01")
		w.out.forge.shows(sum("another tag"))
		starts := w.out.ci.starts
		w.Sign()
		w.WantStep("tag_same", run.Stuck, "the tag 2019.01 is the object "+sum("another tag"), "which was signed and pushed")
		if w.out.ci.starts != starts || w.out.forge.page("2019.01") != "" {
			t.Error("something was built or published of it")
		}
		w.out.forge.shows("")
		wants(t, w.Say("requester", "release retry 2019.01 --from tag_seen"), "retrying")
		w.React("manager", w.Gate("publish"), "✅")
		w.WantRun("2019.01", run.RunEnded, "done")
	})
}

func TestLeftoversAreMoved(t *testing.T) {
	forgeStory(t, onForge(nil), func(t *testing.T, w *world) {
		w.out.forge.has("2019.01", "!12 Fix the berth (ada)", "#7 Paint it (ben)")
		w.Say("requester", "release 2019.01")
		w.WantStep("ready", run.Running)
		w.Say("requester", "release leftovers 2019.01 to=2019.02")
		gate := w.Gate("yes")
		wants(t, w.message(gate), "!12 Fix the berth (ada)", "#7 Paint it (ben)", "2019.02")
		w.React("maintainer-a", gate, "✅")
		if items, _ := w.out.forge.holds("2019.02"); len(items) != 0 {
			t.Fatal("it was moved on the word of a maintainer")
		}
		// What was done before the word came is not moved, and what came in after the question is nobody's word.
		w.out.forge.has("2019.01", "#7 Paint it (ben)", "#9 Dredge (cleo)")
		w.React("manager", gate, "✅")
		if items, _ := w.out.forge.holds("2019.02"); !slices.Equal(items, []string{"#7 Paint it (ben)"}) {
			t.Fatalf("moved: %v", items)
		}
		w.Pass(5 * time.Minute)
		w.WantStep("ready", run.Running, "#9 Dredge (cleo)")
		w.out.forge.has("2019.01")
		w.Pass(5 * time.Minute)
		w.WantStep("ready", run.Done)
	})
}

// before is the release playbook as it was before releases on a forge.
func before(t *testing.T) string {
	t.Helper()
	src, err := os.ReadFile("../../commands/release/testdata/release-before-forge.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// begunBefore is a town whose release began with that playbook; then the bot is brought up to date.
func begunBefore(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	for _, mode := range []string{"plain", "restarting"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(t, mode == "restarting", before(t), nil)
			w.Ask("2019.01")
			w.down()
			w.books.sources["release"], w.books.checked = release.Playbook, nil
			w.profile["forge"], w.profile["order"] = "gitlab", "branch-first"
			w.out.forge.has("2019.01")
			w.up()
			f(t, w)
		})
	}
}

// A release that began before goes on as its people approved it: nothing of a forge is done.
func TestAReleaseBegunBeforeGoesOnWithItsOwnPlaybook(t *testing.T) {
	begunBefore(t, func(t *testing.T, w *world) {
		w.Approve("2019.01")
		w.Sign()
		w.React("manager", w.Gate("publish"), "✅")
		w.WantRun("2019.01", run.RunEnded, "done")
		if w.run("2019.01").Steps["tag_seen"] != nil || w.out.forge.page("2019.01") != "" || w.out.remote.pushed() != 1 || w.out.post.count() != 1 {
			t.Errorf("pushed %d times, %d mails, notes %q", w.out.remote.pushed(), w.out.post.count(), w.out.forge.page("2019.01"))
		}
	})
}

// One that is moved shows first what changes, asks its gate anew, and goes the new way from there.
func TestAReleaseBegunBeforeIsMoved(t *testing.T) {
	begunBefore(t, func(t *testing.T, w *world) {
		commit, _ := w.run("2019.01").Steps["commit"].Output["commit"].(string)
		plan := w.Say("requester", "release migrate 2019.01 --plan")
		wants(t, plan, "branch", "tag_seen", "page", "project.order", "branch-first")
		gate := w.Gate("go")
		w.React("maintainer-a", gate, "✅") // which counts for what was shown, and no more
		wants(t, w.Say("requester", `release migrate 2019.01 --reason "the forge is used from now on"`), "moved")
		w.WantStep("go", run.Running, "needs 2 maintainers")
		if w.Gate("go") == gate {
			t.Fatal("there is no new gate message")
		}
		if got, _ := w.run("2019.01").Steps["commit"].Output["commit"].(string); got != commit {
			t.Errorf("the release commit is %s now, it was %s", got, commit)
		}
		w.Approve("2019.01")
		w.WantStep("branch_built", run.Done)
		if w.out.remote.tip() != commit {
			t.Errorf("the branch is at %s, want %s", w.out.remote.tip(), commit)
		}
		w.Sign()
		w.WantStep("tag_same", run.Done)
		w.React("manager", w.Gate("publish"), "✅")
		w.WantRun("2019.01", run.RunEnded, "done")
		if w.out.forge.page("2019.01") == "" || w.out.post.count() != 1 {
			t.Errorf("notes %q, %d mails", w.out.forge.page("2019.01"), w.out.post.count())
		}
	})
}
