package stories

import (
	"context"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/bot/run"
	"slipway/integrations/localci"
)

// stuckAtThePush brings 2019.01 to a push that cannot be: the remote has another tag of its name.
func (w *world) stuckAtThePush() {
	w.t.Helper()
	w.Ask("2019.01")
	w.Approve("2019.01")
	w.out.remote.tags["2019.01"] = tag{object: sum("by hand"), commit: w.out.remote.tip()}
	w.Sign()
	w.WantStep("push", run.Stuck, "has the tag 2019.01 already")
}

func TestTwoRunsWantOneLock(t *testing.T) {
	t.Run("the first ends", func(t *testing.T) {
		story(t, func(t *testing.T, w *world) {
			w.stuckAtThePush()
			for _, who := range []string{"requester", "manager"} {
				wants(t, w.Say(who, "mine"), "release/lava/2019.01 push", "is stuck")
			}
			w.Ask("2019.02")
			w.Approve("2019.02")
			w.Sign()
			w.wantStepOf("2019.02", "push", run.Waiting, "repo/lava", "release/lava/2019.01")
			wants(t, w.Why(""), "it holds repo/lava, for which release/lava/2019.02 waits")
			wants(t, w.Say("outsider", "lock list"), "repo/lava is held by release/lava/2019.01", "release/lava/2019.02 waits")
			w.Say("requester", `release abort 2019.01 --reason "its tag is taken"`)
			w.Say("requester", "release undo-confirm 2019.01 none")
			w.wantStepOf("2019.02", "push", run.Done)
		})
	})
	t.Run("it is taken", func(t *testing.T) {
		story(t, func(t *testing.T, w *world) {
			w.stuckAtThePush()
			w.Ask("2019.02")
			w.Approve("2019.02")
			w.Sign()
			w.wantStepOf("2019.02", "push", run.Waiting, "repo/lava")
			wants(t, w.Say("requester", `lock take repo/lava --from 2019.01 --reason "2019.02 goes first"`), "may not take a lock")
			w.wantStepOf("2019.02", "push", run.Waiting, "repo/lava")
			wants(t, w.Say("manager", `lock take repo/lava --from 2019.01 --reason "2019.02 goes first"`), "release/lava/2019.02 goes first")
			w.wantStepOf("2019.02", "push", run.Done)
			if tag, ok := w.out.remote.tagged("2019.02"); !ok || tag.commit != w.out.remote.tip() {
				t.Fatal("2019.02 was not pushed")
			}
		})
	})
	t.Run("not while something is in flight under it", func(t *testing.T) {
		story(t, func(t *testing.T, w *world) {
			w.Ask("2019.01")
			w.Ask("2019.02")
			w.Approve("2019.01")
			w.out.remote.breaks(errs.E("git.push", errs.Unavailable, errAway))
			w.Sign()
			w.WantStep("push", run.Running, "was tried")
			w.Approve("2019.02")
			w.Sign()
			w.wantStepOf("2019.02", "push", run.Waiting, "repo/lava", "release/lava/2019.01")
			wants(t, w.Say("manager", `lock take repo/lava --from 2019.01 --reason "another goes first"`), "in flight")
			w.out.remote.breaks(nil)
			w.Pass(time.Hour)
			w.WantStep("push", run.Done)
			w.wantStepOf("2019.02", "push", run.Stuck, "moved from") // its turn came, and its branch has moved
		})
	})
}

func TestFreezeBeginsInMidRun(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Approve("2019.01")
		wants(t, w.Say("outsider", `freeze add fosdem --from 2019-01-14 --until 2019-01-20 --reason "everybody travels"`), "can't do that")
		wants(t, w.Say("manager", `freeze add fosdem --from 2019-01-14 --until 2019-01-20 --reason "everybody travels"`), "all projects", "--project lava")
		wants(t, w.Say("manager", `freeze add fosdem --from 2019-01-14 --until 2019-01-20 --project lava --reason "everybody travels"`), "frozen from")
		w.Sign()
		w.WantStep("push", run.Waiting, "everybody travels", "2019-01-20")
		w.Pass(4 * 24 * time.Hour)
		w.WantStep("push", run.Waiting, "everybody travels")
		w.Pass(24 * time.Hour)
		w.WantStep("push", run.Done)
	})
}

func TestFreezeOfOneProject(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Say("manager", `freeze add fosdem --from 2019-01-14 --until 2019-01-20 --project lava --reason "everybody travels"`)
		w.Ask("2019.01")
		w.Approve("2019.01")
		w.Sign()
		w.WantStep("push", run.Waiting, "everybody travels", "2019-01-20")
		w.Say("manager", `freeze end fosdem --reason "it was called off"`)
		w.WantStep("push", run.Done)
	})
}

func TestAGateCannotBeSkipped(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		for _, who := range []string{"requester", "manager", "admin", "maintainer-a"} {
			wants(t, w.Say(who, `release skip 2019.01 go --reason "we are in a hurry"`), "go cannot be skipped", "may_skip")
		}
		w.WantStep("go", run.Running, "needs 2 maintainers")
	})
}

func TestProfileChangedAfterGo(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Approve("2019.01")
		before := w.Gate("go")
		next := map[string]any{}
		for k, v := range w.profile {
			next[k] = v
		}
		next["mail_to"] = []any{"everybody@lists.example.org"}
		w.profile = next
		w.Restart()
		w.Sign()
		w.WantStep("go", run.Done) // the values of the beginning were approved, and are used
		// Moving the run to the new values voids what was approved with the old ones.
		wants(t, w.Say("outsider", `release migrate 2019.01 --reason "the list moved"`), "may not migrate")
		w.WantStep("go", run.Done)
		wants(t, w.Say("requester", `release migrate 2019.01 --reason "the list moved"`), "moved")
		w.WantStep("go", run.Running, "needs 2 maintainers")
		if w.Gate("go") == before {
			t.Fatal("there is no new gate message")
		}
		w.Approve("2019.01")
		w.Sign()
		w.React("manager", w.Gate("publish"), "✅")
		w.WantRun("2019.01", run.RunEnded, "done")
		if to := w.out.post.sent[0].to[0]; to != "everybody@lists.example.org" || w.out.post.count() != 1 {
			t.Fatalf("announced to %s, %d mails", to, w.out.post.count())
		}
	})
}

func TestPinnedProfileIsUsed(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Approve("2019.01")
		next := map[string]any{}
		for k, v := range w.profile {
			next[k] = v
		}
		next["mail_to"], next["remote"] = []any{"everybody@lists.example.org"}, "/srv/git/other.git"
		w.profile = next
		w.Restart()
		w.Sign()
		w.React("manager", w.Gate("publish"), "✅")
		w.WantRun("2019.01", run.RunEnded, "done")
		if to := w.out.post.sent[0].to[0]; to != "announce@lists.example.org" {
			t.Fatalf("announced to %s", to)
		}
	})
}

func TestRename(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.08")
		wants(t, w.Say("requester", "release rename 2019.08 2019.09"), "release/lava/2019.08 is now release/lava/2019.09")
		w.renew("2019.09")
		w.Approve("2019.09")
		w.Sign()
		w.wantStepOf("2019.09", "push", run.Done)
		if _, ok := w.out.remote.tagged("2019.09"); !ok {
			t.Fatal("2019.09 was not pushed")
		}
		wants(t, w.Say("requester", "release rename 2019.09 2019.10"), "push has used the name")
		w.Say("requester", "release 2019.08") // the old name is free, but 2019.09 is out
		if s := w.run("release/lava/2019.08"); s.Outcome != "refused" {
			t.Fatalf("2019.08 is %s %s", s.Status, s.Outcome)
		}
	})
}

func TestRenameToATakenName(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Say("requester", "release 2019.08")
		w.Say("requester", "release 2019.09")
		wants(t, w.Say("requester", "release rename 2019.08 2019.9"), "can't")
		if n := w.run("release/lava/2019.08").Name; n != "release/lava/2019.08" {
			t.Fatal(n)
		}
	})
}

func TestAbortAfterThePush(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Approve("2019.01")
		w.out.remote.breaks(errs.E("git.push", errs.Unavailable, errAway))
		w.Sign()
		w.Say("requester", `release abort 2019.01 --reason "the archive is broken"`)
		w.WantRun("2019.01", run.IsAborting, "")
		wants(t, w.Why(""), "the archive is broken", "push")
		wants(t, w.Say("requester", "release 2019.01"), "under way already")
		w.out.remote.breaks(nil)
		w.Pass(time.Hour)
		if w.out.remote.pushed() != 1 {
			t.Fatal("the outcome in flight was not awaited")
		}
		plan := w.Say("requester", "release undo-plan 2019.01")
		wants(t, plan, "push did git.push_release@1: nothing undoes it", "trial did ci.start@1: undone by ci.cancel@1")
		wants(t, w.Say("outsider", "release undo-confirm 2019.01"), "may not undo")
		wants(t, w.Say("requester", "release undo-confirm 2019.01"), "undoing")
		w.WantRun("2019.01", run.RunEnded, "aborted")
		w.Say("requester", "release 2019.01") // its tag is out: it can only be gone on with
		w.WantRun("2019.01", run.RunEnded, "aborted")
		w.Say("requester", "release adopt 2019.01")
		w.WantStep("push", run.Adopted)
		if s := w.run("release/lava/2019.01"); s.Status != run.Live {
			t.Fatalf("the name is not free: %s", s.Status)
		}
	})
}

func TestAbortVoidsTheGate(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		msg := w.Gate("go")
		w.Say("requester", `release abort 2019.01 --reason "not today"`)
		wants(t, w.message(msg), "void", "not today")
		w.React("maintainer-a", msg, "✅")
		w.React("maintainer-b", msg, "✅")
		if _, _, found := w.take(); found || w.Step("sign") != run.Waiting {
			t.Fatal("something is to be signed")
		}
	})
}

// redAgain waits until a red pipeline has had its failed jobs run once more, in vain.
func (w *world) redAgain(step string) {
	w.t.Helper()
	w.WantStep(step, run.Waiting, "attempt 2 follows")
	w.Pass(time.Minute)
	w.WantStep(step, run.Stuck)
	if w.out.ci.retries != 1 {
		w.t.Fatalf("its failed jobs were run again %d times", w.out.ci.retries)
	}
}

func TestRedPipeline(t *testing.T) {
	t.Run("green the second time", func(t *testing.T) {
		story(t, func(t *testing.T, w *world) {
			w.out.ci.judge(localci.Failed)
			w.Say("requester", "release 2019.01")
			w.Say("manager", "answer 2019.01 checklist merged=true")
			w.WantStep("trial_passed", run.Waiting, "attempt 2 follows")
			w.out.ci.judge(localci.Success)
			w.Pass(time.Minute)
			w.WantStep("trial_passed", run.Done)
			if w.out.ci.starts != 1 {
				t.Fatalf("%d pipelines were started", w.out.ci.starts)
			}
		})
	})
	t.Run("run again outside", func(t *testing.T) {
		story(t, func(t *testing.T, w *world) {
			w.out.ci.judge(localci.Failed)
			w.Say("requester", "release 2019.01")
			w.Say("manager", "answer 2019.01 checklist merged=true")
			w.redAgain("trial_passed")
			w.out.ci.rerun()
			wants(t, w.Say("requester", "release retry 2019.01 trial_passed"), "retrying")
			w.WantStep("trial_passed", run.Done)
		})
	})
	t.Run("started again", func(t *testing.T) {
		story(t, func(t *testing.T, w *world) {
			w.out.ci.judge(localci.Failed)
			w.Say("requester", "release 2019.01")
			w.Say("manager", "answer 2019.01 checklist merged=true")
			w.redAgain("trial_passed")
			w.out.ci.judge(localci.Success)
			shown := w.Say("requester", `release again 2019.01 trial --reason "the builder was full"`)
			wants(t, shown, "was done at", "seen=")
			_, key, _ := strings.Cut(shown, "seen=")
			key = strings.Fields(key)[0]
			wants(t, w.Say("requester", `release again 2019.01 trial --reason "the builder was full" seen=`+key), "done again")
			w.WantStep("trial_passed", run.Done)
			if w.out.ci.starts != 2 {
				t.Fatalf("%d pipelines were started", w.out.ci.starts)
			}
		})
	})
}

func TestDoubtfulMail(t *testing.T) {
	t.Run("it arrived", func(t *testing.T) {
		story(t, func(t *testing.T, w *world) {
			w.out.post.loses = true
			w.Release("2019.01")
			w.WantStep("announce", run.InDoubt, "say whether announce happened", "requester")
			wants(t, w.Say("outsider", "doubt 2019.01 announce redo"), "may not doubt")
			wants(t, w.Say("requester", "release retry 2019.01 announce"), "nobody can tell")
			wants(t, w.Say("requester", "doubt 2019.01 announce happened"), "it happened")
			w.WantRun("2019.01", run.RunEnded, "done")
			if w.out.post.count() != 1 {
				t.Fatalf("%d mails", w.out.post.count())
			}
		})
	})
	t.Run("it did not", func(t *testing.T) {
		story(t, func(t *testing.T, w *world) {
			w.out.post.loses = true
			w.Release("2019.01")
			w.WantStep("announce", run.InDoubt)
			w.out.post.loses = false
			wants(t, w.Say("manager", `doubt 2019.01 announce redo --reason "it is not in the list's archive"`), "tried again")
			w.WantRun("2019.01", run.RunEnded, "done")
			if w.out.post.count() != 2 {
				t.Fatalf("%d mails", w.out.post.count())
			}
		})
	})
}

func TestHoldNowTakesTheSigningJobBack(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Approve("2019.01")
		j, r, found := w.take()
		if !found {
			t.Fatal("nothing is to be signed")
		}
		wants(t, w.Say("requester", `release hold 2019.01 --now --reason "wrong branch"`), "held")
		w.WantStep("sign", run.Waiting, "held by requester", "wrong branch")
		signature := job.Verdict{OK: true, Result: []byte(w.key.sign(r.Payload))}
		if _, err := w.e.Renew(context.Background(), j.Kind, j.ID, "signer", j.Lease.Fence, time.Minute); !errs.Is(err, errs.Conflict) {
			t.Fatalf("the lease was renewed: %v", err)
		}
		_, err := w.e.Finish(context.Background(), j.Kind, j.ID, "signer", j.Lease.Fence, signature)
		w.must(err) // kept, not used
		w.Say("requester", "release resume 2019.01")
		if w.Step("sign") == run.Done {
			t.Fatal("a signature under an old lease was used")
		}
		if n := w.Sign(); n != 1 {
			t.Fatalf("%d tags were signed after the hold", n)
		}
		w.WantStep("push", run.Done)
	})
}

func TestRefusedSignatureIsAskedForAgain(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Approve("2019.01")
		j, _, found := w.take()
		if !found {
			t.Fatal("nothing is to be signed")
		}
		_, err := w.e.Finish(context.Background(), j.Kind, j.ID, "signer", j.Lease.Fence, job.Verdict{Class: "refused", Reason: "the key holder wants another name"})
		w.must(err)
		w.line()
		w.WantStep("sign", run.Stuck, "the key holder wants another name")
		w.Say("requester", "release retry 2019.01 sign")
		if n := w.Sign(); n != 1 {
			t.Fatalf("%d tags were signed after the retry", n)
		}
		w.WantStep("push", run.Done)
	})
}
