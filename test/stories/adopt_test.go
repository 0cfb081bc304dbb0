package stories

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"slipway/bot/run"
	"slipway/integrations/git"
)

// adopted has the release 2019.01, which was tagged by hand, adopted and asked for approval.
func (w *world) adopted() {
	w.t.Helper()
	wants(w.t, w.Say("requester", "release adopt 2019.01"), "looks for what is already done")
	w.Say("manager", "answer 2019.01 checklist merged=true")
	w.Say("tester", "answer 2019.01 tested good=true")
	w.WantStep("go", run.Running, "0 of 2 maintainer")
	for _, step := range []string{"commit", "sign", "push"} {
		if got := w.Step(step); got != run.Adopted {
			w.t.Fatalf("%s is %s, want adopted\n%s", step, got, w.Why(""))
		}
	}
}

// A person committed, tagged with the release key and pushed; the bot goes on from there.
func TestAdoptATagMadeByHand(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		commit := w.out.byHand("2019.01", "master", w.key)
		w.adopted()
		made, _ := w.out.remote.tagged("2019.01")
		gate := w.message(w.Gate("go"))
		wants(t, gate, "tagged by hand")
		text := fmt.Sprintf("%+v", w.run("2019.01").Steps["go"].Gate.Manifest)
		wants(t, text, commit, made.object, "push", "sign")

		// Nothing goes on before go, whatever people say.
		w.Say("requester", "approve 2019.01 go")
		w.Say("manager", "answer 2019.01 sent mail=true")
		w.Say("requester", "release retry 2019.01 builds")
		w.Say("requester", "release skip 2019.01 go --reason x")
		w.WantStep("go", run.Running, "0 of 2 maintainer")
		w.WantStep("builds", run.Waiting)
		if w.out.ci.starts != 1 || w.out.post.count() != 0 { // the trial of the commit
			t.Fatalf("%d pipelines, %d mails", w.out.ci.starts, w.out.post.count())
		}
		w.Approve("2019.01")
		w.WantStep("publish", run.Running)
		w.WantStep("announce", run.Waiting)
		w.React("manager", w.Gate("publish"), "✅")
		w.WantRun("2019.01", run.RunEnded, "done")
		if _, _, found := w.take(); found || w.out.remote.pushed() != 0 || w.out.post.count() != 1 || w.out.ci.starts != 2 {
			t.Fatalf("%d pushes, %d mails, %d pipelines", w.out.remote.pushed(), w.out.post.count(), w.out.ci.starts)
		}
		if now, _ := w.out.remote.tagged("2019.01"); now != made {
			t.Fatal("the tag is another one")
		}
		if out := w.run("2019.01").Output; out["tag"] != made.object || out["commit"] != commit {
			t.Fatalf("the release gives %v", out)
		}
	})
}

// The announcement was mailed by hand: a person says so, and nothing is mailed again.
func TestAdoptWithAMailByHand(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.out.byHand("2019.01", "master", w.key)
		w.adopted()
		w.Approve("2019.01")
		w.WantStep("publish", run.Waiting, "sent")
		w.Say("manager", "answer 2019.01 sent mail=false where=https://lists.example.org/1")
		w.React("manager", w.Gate("publish"), "✅")
		w.WantStep("announce", run.SkippedSt)
		w.WantRun("2019.01", run.RunEnded, "done")
		if w.out.post.count() != 0 {
			t.Fatal("it was mailed again")
		}
	})
}

// A bot mailed it, under the Message-ID that follows from the release: it is found in the archive.
func TestAdoptWithAMailInTheArchive(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.out.byHand("2019.01", "master", w.key)
		w.out.post.kept = []string{}
		w.Restart() // with an archive
		w.adopted()
		if w.Step("announce") != run.Waiting {
			t.Fatal("a mail was found that nobody sent")
		}
		w.out.post.mu.Lock()
		w.out.post.kept = append(w.out.post.kept, w.run("2019.01").Steps["notes"].Output["message_id"].(string))
		w.out.post.mu.Unlock()
		w.Say("requester", "release abort 2019.01 --reason again")
		w.adopted()
		w.WantStep("announce", run.Adopted)
		w.Say("manager", "answer 2019.01 sent mail=true")
		w.Approve("2019.01")
		w.WantStep("publish", run.Running)
		wants(t, w.message(w.Gate("publish")), "announce")
		w.WantStep("tell", run.Waiting)
		w.React("manager", w.Gate("publish"), "✅")
		w.WantRun("2019.01", run.RunEnded, "done")
		if w.out.post.count() != 0 {
			t.Fatal("it was mailed again")
		}
	})
}

// What the project would not have made itself is not taken over: the run ends at once, and says
// what is wrong.
func TestAttackAdoptOfATagThatIsNotOurs(t *testing.T) {
	for name, c := range map[string]struct {
		makes func(w *world)
		says  string
	}{
		"a foreign key":  {func(w *world) { w.out.byHand("2019.01", "master", key{strings.Repeat("F", 40)}) }, "signed by another key"},
		"off the branch": {func(w *world) { w.out.byHand("2019.01", "side", w.key) }, "is not on the branch master"},
		"lightweight": {func(w *world) {
			w.out.byHand("2019.01", "master", w.key)
			was := w.out.remote.tags["2019.01"]
			w.out.remote.tags["2019.01"] = tag{object: was.commit, commit: was.commit}
		}, "lightweight"},
		"a signature of another tag": {func(w *world) {
			w.out.byHand("2019.01", "master", w.key)
			was := w.out.remote.tags["2019.01"]
			was.content = strings.Replace(was.content, "lava 2019.01\n", "lava 2019.01 (again)\n", 1)
			was.object = git.ObjectID(was.content, was.commit)
			w.out.remote.tags["2019.01"] = was
		}, "signed by another key"},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, w *world) {
				c.makes(w)
				w.Say("requester", "release adopt 2019.01")
				w.WantRun("2019.01", run.RunEnded, "refused")
				wants(t, w.Why("found"), "cannot be adopted", c.says, "push --delete")
				if len(w.gateMessages("go")) > 0 || w.out.ci.starts > 0 || w.out.remote.pushed() > 0 {
					t.Fatal("it went on")
				}
				// The name is free: once the tag is gone, the release is made as any other.
				w.out.remote.mu.Lock()
				delete(w.out.remote.tags, "2019.01")
				w.out.remote.mu.Unlock()
				w.Ask("2019.01")
			})
		})
	}
}

// Nobody makes a release twice: not when a run of it was done, and not when its tag is there.
func TestASecondReleaseOfAVersion(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Release("2019.01")
		w.WantRun("2019.01", run.RunEnded, "done")
		first := w.run("2019.01").ID
		for _, text := range []string{"release 2019.01", "release 2019.1"} {
			if answer := w.Say("requester", text); !strings.Contains(answer, "I can't do that") {
				t.Fatalf("%s is answered: %s", text, answer)
			}
		}
		wants(t, w.Say("requester", "release 2019.01"), "release/lava/2019.01 was done on", "release show 2019.01", "release adopt 2019.01")
		if id, err := w.e.Resolve(context.Background(), "2019.01", "manager"); err != nil || id != first {
			t.Fatalf("2019.01 is %s %v, want %s", id, err, first)
		}
	})
}

func TestAReleaseWhoseTagIsThere(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.out.byHand("2019.01", "master", w.key)
		w.Say("requester", "release 2019.01")
		w.WantRun("2019.01", run.RunEnded, "refused")
		wants(t, w.Why("found"), "2019.01 is released already: the tag 2019.01 exists", "adopt")
		// The name is free: the same person may adopt it now.
		w.adopted()
	})
}

// The changelog of the repository has the last word on what its newest version is.
func TestAChangelogThatIsNewer(t *testing.T) {
	for name, c := range map[string]struct{ changelog, says string }{
		"newer":           {"lava (2019.05-1) unstable; urgency=medium\n\n  * New.\n\n -- Dora <dora@example.org>  Thu, 24 Jan 2019 11:43:27 +0000\n", "2019.01-1 sorts below 2019.05-1"},
		"another package": {"lama (2018.11-1) unstable; urgency=medium\n\n  * New.\n\n -- Dora <dora@example.org>  Thu, 24 Jan 2019 11:43:27 +0000\n", "the changelog is of lama"},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, w *world) {
				w.out.remote.changelog = c.changelog
				w.Say("requester", "release 2019.01")
				w.Say("manager", "answer 2019.01 checklist merged=true")
				w.WantStep("changelog", run.Stuck, c.says)
				w.WantStep("commit", run.Waiting)
			})
		})
	}
}
