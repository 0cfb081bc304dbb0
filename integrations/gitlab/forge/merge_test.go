package forge

import (
	"net/http"
	"slices"
	"testing"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/errs"
	fake "slipway/test/fakes/gitlab"
)

// approve approves a merge request, as somebody.
func (w *world) approve(u fake.User, iid int) {
	w.Helper()
	_, resp, err := w.as(u).MergeRequestApprovals.ApproveMergeRequest(w.harbour, iid, nil)
	must(w, 0, resp, err)
}

func TestAMergeRequestSaysHowItStands(t *testing.T) {
	w := newWorld(t)
	w.save("master", "README", "harbour")
	w.fake.RequireApprovals(w.harbour, 1)
	bob := w.fake.AddUser(fake.User{Username: "bob"})
	w.fake.AddMember(w.harbour, bob.ID, fake.Developer)
	m := w.request("berth", "Draft: Fix the berth", nil)
	read := func() MergeRequestOut {
		t.Helper()
		var out MergeRequestOut
		w.fine(w.do("forge.merge_request", MergeRequestIn{Remote: w.remote, IID: m.IID}, &out))
		return out
	}
	got := read()
	if got.State != "opened" || got.SHA != m.SHA || got.Approved || got.ApprovalsLeft != 1 || !got.Draft || got.MergeCommit != "" || got.Source != "berth" || got.Target != "master" ||
		!slices.Equal(got.Authors, []string{account(w.ada.ID)}) || got.Told != "!1 Draft: Fix the berth is open: it is a draft, it is not approved" {
		t.Errorf("%+v", got)
	}
	in := MergeIn{Remote: w.remote, IID: m.IID, SHA: m.SHA}
	w.want(w.do("forge.merge", in, nil), errs.Conflict, "GitLab does not merge !1: it is a draft")
	title := "Fix the berth"
	_, resp, err := w.hand.MergeRequests.UpdateMergeRequest(w.harbour, m.IID, &gogitlab.UpdateMergeRequestOptions{Title: &title})
	must(w, m, resp, err)
	w.want(w.do("forge.merge", in, nil), errs.Conflict, "it is not approved")
	w.approve(bob, m.IID)
	w.fake.RenameUser(bob.ID, "robert") // an account is its number
	if got = read(); !got.Approved || !slices.Equal(got.ApprovedBy, []string{account(bob.ID)}) || got.Told != "!1 Fix the berth is open" {
		t.Errorf("%+v", got)
	}
	var out MergeOut
	w.fine(w.do("forge.merge", in, &out))
	if got = read(); got.State != "merged" || got.MergeCommit != out.MergeCommit || out.MergeCommit != w.fake.Ref(w.harbour, "refs/heads/master") {
		t.Errorf("%+v, %+v", got, out)
	}
	w.want(w.do("forge.merge_request", MergeRequestIn{Remote: w.remote, IID: 99}, nil), errs.NotFound, "no merge request !99")
	w.want(w.do("forge.merge_request", MergeRequestIn{Remote: w.remote}, nil), errs.Invalid, "0 is not the number")
}

func TestOnlyWhatWasSeenIsMerged(t *testing.T) {
	w := newWorld(t)
	tip := w.save("master", "README", "harbour")
	m := w.request("berth", "Fix the berth", nil)
	in := MergeIn{Remote: w.remote, IID: m.IID, SHA: m.SHA}
	moved := w.save("berth", "more.txt", "not seen by anybody")
	w.want(w.do("forge.merge", in, nil), errs.Conflict, "the branch of !1 moved from "+m.SHA+" to "+moved)
	_, err := w.probe("forge.merge", in, nil)
	w.want(err, errs.Conflict, "moved from")
	if got := w.fake.Ref(w.harbour, "refs/heads/master"); got != tip {
		t.Errorf("master went to %s", got)
	}
	// Ada merges what nobody approved.
	_, resp, err := w.hand.MergeRequests.AcceptMergeRequest(w.harbour, m.IID, nil)
	must(w, m, resp, err)
	w.want(w.do("forge.merge", in, nil), errs.Conflict, "was merged at the commit "+moved)
	w.want(w.do("forge.withdraw", WithdrawIn{Remote: w.remote, IID: m.IID}, nil), errs.Conflict, "!1 was merged")

	other := w.request("pier", "Mend the pier", nil)
	w.fine(w.do("forge.withdraw", WithdrawIn{Remote: w.remote, IID: other.IID}, nil))
	w.want(w.do("forge.merge", MergeIn{Remote: w.remote, IID: other.IID, SHA: other.SHA}, nil), errs.Conflict, "was closed without being merged")
	third := w.request("quay", "Mend the quay", nil)
	w.fake.AddMember(w.harbour, w.bot.ID, fake.Developer)
	w.want(w.do("forge.merge", MergeIn{Remote: w.remote, IID: third.IID, SHA: third.SHA}, nil), errs.Denied, "does not let the bot merge into")
}

func TestAProposalIsItsContent(t *testing.T) {
	w := newWorld(t)
	w.save("master", "README", "harbour")
	in := ProposeIn{Remote: w.remote, Base: "master", Branch: "types", Message: "Types\n", Title: "Types", Body: "", Files: []ProposeFile{{Path: "README", Digest: w.depot.put("harbour")}}}
	var out ProposeOut
	w.fine(w.do("forge.propose", in, &out))
	if out.IID != 0 || out.URL != "" || out.Commit != w.fake.Ref(w.harbour, "refs/heads/master") || len(w.fake.MergeRequests(w.harbour)) > 0 {
		t.Errorf("there was nothing to propose: %+v", out)
	}
	var state ItemState
	if w.fine(w.do("forge.withdraw", WithdrawIn{Remote: w.remote, IID: out.IID}, &state)); state.State != "closed" {
		t.Errorf("%+v", state)
	}
	in.Files = append(in.Files, ProposeFile{Path: "types/a/b.jinja2", Digest: w.depot.put("b")})
	w.branch("types", "master")
	w.want(w.do("forge.propose", in, nil), errs.Exists, "a branch types already")
	if _, err := w.hand.Branches.DeleteBranch(w.harbour, "types"); err != nil {
		t.Fatal(err)
	}
	w.fine(w.do("forge.propose", in, &out))
	w.key.Generation++
	w.want(w.do("forge.propose", in, nil), errs.Exists, "has an open merge request already, !1")
	w.fine(w.do("forge.withdraw", WithdrawIn{Remote: w.remote, IID: out.IID}, nil))
	var again ProposeOut
	w.fine(w.do("forge.propose", in, &again))
	if again.IID == out.IID || again.Commit != out.Commit {
		t.Errorf("proposed again after it was withdrawn: %+v, before %+v", again, out)
	}
	in.Branch, in.Base = "more", "gone"
	w.want(w.do("forge.propose", in, nil), errs.NotFound, "no branch gone")
	in.Base, in.Files = "master", []ProposeFile{{Path: "README/x", Digest: w.depot.put("x")}}
	w.want(w.do("forge.propose", in, nil), errs.Exists, "is a file in the repository")
	for _, path := range []string{"", "/etc/passwd", "a/../b", ".git/config", "a/.GIT/x", "a//b", "a\nb", `a\b`} {
		in.Files = []ProposeFile{{Path: path, Digest: w.depot.put("x")}}
		w.want(w.do("forge.propose", in, nil), errs.Invalid, "may not be written")
	}
	if _, resp, err := w.hand.Branches.GetBranch(w.harbour, "more"); err == nil || resp.StatusCode != http.StatusNotFound {
		t.Error("a proposal that was refused made its branch")
	}
}

func TestAMarkOfSomebodyElseIsNone(t *testing.T) {
	w := newWorld(t)
	in := IssueIn{Remote: w.remote, Title: "Berth", Body: "It leaks."}
	body := "A copy.\n\n<!-- slipway " + w.key.String() + " -->"
	i, resp, err := w.hand.Issues.CreateIssue(w.harbour, &gogitlab.CreateIssueOptions{Title: &in.Title, Description: &body})
	must(w, i, resp, err)
	if found, err := w.probe("forge.issue", in, nil); found || err != nil {
		t.Error("an issue of Ada's is taken for the bot's", err)
	}
	var out IssueOut
	w.fine(w.do("forge.issue", in, &out))
	var seen IssueOut
	if found, err := w.probe("forge.issue", in, &seen); !found || err != nil || seen != out {
		t.Errorf("%v %v, %+v and %+v", found, err, seen, out)
	}
}
