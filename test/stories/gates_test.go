package stories

import (
	"strings"
	"testing"
	"time"

	"slipway/bot/run"
)

func TestReleaseFromALineToAnAnnouncement(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Release("2019.01")
		w.WantRun("2019.01", run.RunEnded, "done")
		w.WantStep("go", run.Done, "maintainer-a", "maintainer-b")
		if tag, ok := w.out.remote.tagged("2019.01"); !ok || w.out.remote.tip() != tag.commit || w.out.post.count() != 1 {
			t.Fatalf("tag %v at %s, branch at %s, %d mails", ok, tag.commit, w.out.remote.tip(), w.out.post.count())
		}
	})
}

func TestRequesterCannotPassTheirOwnGate(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Say("maintainer-c", "release 2019.01")
		w.Say("manager", "answer 2019.01 checklist merged=true")
		w.Say("tester", "answer 2019.01 tested good=true")
		w.React("maintainer-c", w.Gate("go"), "✅")
		w.React("maintainer-a", w.Gate("go"), "✅")
		w.WantStep("go", run.Running, `maintainer-c does not count ("not requester")`, "needs 1 more maintainer: maintainer-b")
		w.React("maintainer-b", w.Gate("go"), "✅")
		w.WantStep("go", run.Done, "maintainer-a", "maintainer-b")
	})
}

func TestOneWithoutTheRoleDoesNotCount(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.React("outsider", w.Gate("go"), "✅")
		w.React("maintainer-a", w.Gate("go"), "✅")
		w.WantStep("go", run.Running, "outsider", "maintainer-b", "needs 1 more maintainer")
		wants(t, w.Say("outsider", "approve 2019.01 go"), "does not count")
		w.WantStep("go", run.Running)
	})
}

func TestOnePersonWithTwoAccountsCountsOnce(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.React("maintainer-a", w.Gate("go"), "✅")
		w.React("maintainer-a-phone", w.Gate("go"), "✅")
		w.WantStep("go", run.Running, "needs 1 more maintainer: maintainer-b or maintainer-c")
		w.React("maintainer-b", w.Gate("go"), "✅")
		w.WantStep("go", run.Done)
	})
}

func TestReactionOnAVoidGateMessage(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		old := w.Gate("go")
		w.out.remote.commit("master", w.out.remote.tip(), "One more", "dora@example.org")
		wants(t, w.Say("requester", "release retry 2019.01 --from state"), "retrying state")
		w.renew("2019.01")
		if w.Gate("go") == old {
			t.Fatal("the gate has no new message")
		}
		wants(t, w.message(old), "void")
		w.React("maintainer-a", old, "✅")
		w.React("maintainer-b", old, "✅")
		w.WantStep("go", run.Running, "needs 2 maintainers")
		w.Approve("2019.01")
		w.WantStep("go", run.Done)
	})
}

// renew answers what is asked anew after steps went stale.
func (w *world) renew(version string) {
	w.t.Helper()
	for _, step := range []string{"checklist merged=true", "tested good=true"} {
		name, _, _ := strings.Cut(step, " ")
		if w.stepOf(version, name) != run.Running {
			continue
		}
		who := "manager"
		if name == "tested" {
			who = "tester"
		}
		w.Say(who, "answer "+version+" "+step)
	}
}

func TestReactUnreactReact(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.React("maintainer-a", w.Gate("go"), "✅")
		w.Unreact("maintainer-a", w.Gate("go"), "✅")
		w.React("maintainer-b", w.Gate("go"), "✅")
		w.WantStep("go", run.Running, "needs 1 more maintainer: maintainer-a or maintainer-c")
		w.React("maintainer-a", w.Gate("go"), "✅")
		w.WantStep("go", run.Done, "maintainer-a", "maintainer-b")
	})
}

func TestCommitChangedAfterApproval(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Approve("2019.01")
		w.WantStep("go", run.Done)
		old, commit := w.Gate("go"), w.run("2019.01").Steps["commit"].Output["commit"]
		w.out.remote.commit("master", w.out.remote.tip(), "One more", "dora@example.org")
		wants(t, w.Say("requester", "release retry 2019.01 --from state"), "an effect of sign is under way")
		w.Sign()
		w.WantStep("push", run.Stuck, "moved from")
		wants(t, w.Say("requester", "release retry 2019.01 --from state"), "retrying state")
		w.renew("2019.01")
		if now := w.run("2019.01").Steps["commit"].Output["commit"]; now == commit {
			t.Fatalf("the release commit is still %v", now)
		}
		w.WantStep("go", run.Running, "needs 2 maintainers")
		if w.Gate("go") == old {
			t.Fatal("the gate has no new message")
		}
		w.Approve("2019.01")
		w.Sign()
		w.WantStep("push", run.Done)
		if w.out.remote.pushed() != 1 {
			t.Fatalf("%d pushes", w.out.remote.pushed())
		}
	})
}

func TestVetoAndItsLifting(t *testing.T) {
	t.Run("by who laid it", func(t *testing.T) {
		story(t, func(t *testing.T, w *world) {
			w.vetoed()
			wants(t, w.Say("maintainer-c", "lift 2019.01 go"), "lifted")
			w.WantStep("go", run.Done)
		})
	})
	t.Run("by another holder of the role", func(t *testing.T) {
		const rule = "    gate: \"2 of maintainer, not requester\"\n"
		storyWith(t, rule, rule+"    lifts: release-manager\n", func(t *testing.T, w *world) {
			w.vetoed()
			wants(t, w.Say("maintainer-a", "lift 2019.01 go"), "did not lay the veto", "a release-manager")
			wants(t, w.Say("manager", "unveto 2019.01 go"), "lifted")
			w.WantStep("go", run.Done, "maintainer-a and maintainer-b")
		})
	})
	t.Run("not by another maintainer, where the gate names nobody", func(t *testing.T) {
		story(t, func(t *testing.T, w *world) {
			w.vetoed()
			wants(t, w.Say("maintainer-a", "lift 2019.01 go"), "did not lay the veto", "maintainer-c can lift it")
			w.WantStep("go", run.Running, "maintainer-c vetoed it: wait for the security fix")
		})
	})
	t.Run("not by the requester", func(t *testing.T) {
		story(t, func(t *testing.T, w *world) {
			w.vetoed()
			wants(t, w.Say("requester", "lift 2019.01 go"), "did not lay the veto")
			w.WantStep("go", run.Running, "maintainer-c vetoed it: wait for the security fix")
		})
	})
}

func (w *world) vetoed() {
	w.t.Helper()
	w.Ask("2019.01")
	w.React("maintainer-a", w.Gate("go"), "✅")
	wants(w.t, w.Say("maintainer-c", `veto 2019.01 go`), "reason")
	w.Say("maintainer-c", `veto 2019.01 go --reason "wait for the security fix"`)
	w.React("maintainer-b", w.Gate("go"), "✅")
	w.WantStep("go", run.Running, "wait for the security fix")
}

func TestRejectEndsTheRun(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Say("maintainer-a", `reject 2019.01 go --reason "the changelog is wrong"`)
		w.WantRun("2019.01", run.RunEnded, "rejected")
		w.WantStep("go", run.FailedSt, "rejected by maintainer-a", "the changelog is wrong")
		wants(t, w.message(w.Gate("go")), "rejected")
		w.Say("requester", "release 2019.01") // the name is free
		if s := w.run("release/lava/2019.01"); s.Status != run.Live {
			t.Fatalf("the second release is %s", s.Status)
		}
	})
}

func TestRejectLeadsElsewhere(t *testing.T) {
	const last = "    needs: [payload, trial_passed, trial_packages, tested]\n"
	storyWith(t, last, last+`    on_reject: sorry

  sorry:
    ask: release-manager
    prompt: "what must change?"
    fields: {what: {type: string}}
`, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Say("maintainer-a", `reject 2019.01 go --reason "the changelog is wrong"`)
		w.WantStep("go", run.FailedSt, "rejected by maintainer-a")
		w.WantStep("sorry", run.Running, "what must change?")
		w.Say("manager", `answer 2019.01 sorry what="the changelog"`)
		w.WantRun("2019.01", run.RunEnded, "failed")
		if _, _, found := w.take(); found || w.out.remote.pushed() > 0 || w.out.post.count() > 0 {
			t.Fatal("what was rejected was done")
		}
	})
}

func TestRejectByOneWithoutTheRole(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Say("outsider", `reject 2019.01 go --reason "no"`)
		w.Approve("2019.01")
		w.WantStep("go", run.Done)
	})
}

func TestCommandAndReactionAreOneApproval(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.React("maintainer-a", w.Gate("go"), "✅")
		w.Say("maintainer-a", "approve 2019.01 go")
		w.Say("maintainer-a", "approve 2019.01 go")
		w.WantStep("go", run.Running, "needs 1 more maintainer: maintainer-b or maintainer-c")
		w.Say("maintainer-b", "approve 2019.01 go")
		w.WantStep("go", run.Done, "maintainer-a", "maintainer-b")
	})
}

func TestTheGateNeedNotBeNamedWhenOneIsOpen(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Say("maintainer-a", "approve 2019.01")
		w.Say("maintainer-b", "approve 2019.01")
		w.WantStep("go", run.Done, "maintainer-a", "maintainer-b")
	})
}

func TestApprovalOfAnOlderManifestIsRefused(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		old := string(w.run("2019.01").Steps["go"].Gate.Digest)
		w.out.remote.commit("master", w.out.remote.tip(), "One more", "dora@example.org")
		w.Say("requester", "release retry 2019.01 --from state")
		w.renew("2019.01")
		now := string(w.run("2019.01").Steps["go"].Gate.Digest)
		wants(t, w.Say("maintainer-a", "approve 2019.01 go --manifest "+old), "does not show "+old, now)
		w.Say("maintainer-a", "approve 2019.01 go --manifest "+now)
		w.Say("maintainer-b", "approve 2019.01 go --manifest "+now[:len("sha256:")+16])
		w.WantStep("go", run.Done, "maintainer-a", "maintainer-b")
	})
}

func TestManifestExpires(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		old := w.Gate("go")
		w.React("maintainer-a", old, "✅")
		w.Pass(14*24*time.Hour + time.Minute)
		if w.Gate("go") == old {
			t.Fatal("there is no new gate message")
		}
		wants(t, w.message(old), "expired")
		w.React("maintainer-b", old, "✅")
		w.WantStep("go", run.Running, "needs 2 maintainers")
		w.Approve("2019.01")
		w.WantStep("go", run.Done)
	})
}

func TestWithdraw(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Say("maintainer-a", "approve 2019.01 go")
		wants(t, w.Say("maintainer-a", "withdraw 2019.01 go"), "taken back")
		w.React("maintainer-b", w.Gate("go"), "✅")
		wants(t, w.Say("maintainer-b", "withdraw 2019.01 go"), "take the reaction away")
		w.WantStep("go", run.Running, "needs 1 more maintainer")
		w.Say("maintainer-a", "approve 2019.01 go")
		w.WantStep("go", run.Done)
		wants(t, w.Say("maintainer-a", "withdraw 2019.01 go"), "closed already", "hold or abort")
		w.Unreact("maintainer-b", w.Gate("go"), "✅")
		w.WantStep("go", run.Done, "maintainer-a", "maintainer-b")
	})
}

func TestRoleRemovedWhileClosing(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.React("maintainer-a", w.Gate("go"), "✅")
		w.staff.drops("maintainer-b", "maintainer")
		w.React("maintainer-b", w.Gate("go"), "✅")
		w.WantStep("go", run.Running, "maintainer-b", "needs 1 more maintainer: maintainer-c")
		w.React("maintainer-c", w.Gate("go"), "✅")
		w.WantStep("go", run.Done, "maintainer-a", "maintainer-c")
	})
}

func TestUnreachableRoleSource(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.staff.breaks(errAway)
		w.Approve("2019.01")
		w.WantStep("go", run.Running, "cannot be read now", "the directory does not answer")
		w.staff.breaks(nil)
		w.Pass(2 * time.Minute)
		w.WantStep("go", run.Done, "maintainer-a", "maintainer-b")
	})
}

func TestHandOver(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Say("maintainer-c", "release 2019.01")
		w.Say("manager", "answer 2019.01 checklist merged=true")
		w.Say("tester", "answer 2019.01 tested good=true")
		wants(t, w.Say("outsider", "hand-over 2019.01 outsider"), "may not hand-over")
		wants(t, w.Say("maintainer-c", "hand-over 2019.01 maintainer-b"), "handed over to maintainer-b")
		w.React("maintainer-b", w.Gate("go"), "✅")
		w.React("maintainer-c", w.Gate("go"), "✅")
		w.React("maintainer-a", w.Gate("go"), "✅")
		w.WantStep("go", run.Running, `maintainer-b does not count ("not requester")`, "maintainer-c was the requester before the hand-over", "needs 1 more maintainer")
	})
}

func TestDelegateAndDelegatorCountOnce(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Say("maintainer-a", "delegate deputy maintainer lava --from 2019-01-01 --until 2019-02-01")
		w.React("deputy", w.Gate("go"), "✅")
		w.React("maintainer-a", w.Gate("go"), "✅")
		w.WantStep("go", run.Running, "needs 1 more maintainer", "deputy")
		w.React("maintainer-b", w.Gate("go"), "✅")
		w.WantStep("go", run.Done)
	})
}

func TestADelegateMayTakeTheDelegatorsPlace(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Say("maintainer-a", "delegate deputy maintainer lava --from 2019-01-01 --until 2019-02-01")
		w.React("deputy", w.Gate("go"), "✅")
		w.React("maintainer-b", w.Gate("go"), "✅")
		w.WantStep("go", run.Done, "deputy and maintainer-b")
	})
}
