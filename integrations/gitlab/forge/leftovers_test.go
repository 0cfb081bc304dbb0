package forge

import (
	"slices"
	"testing"

	"slipway/bot/errs"
	fake "slipway/test/fakes/gitlab"
)

// Between the word of people and the move, one is merged and one is closed: they were done for the old
// milestone, and stay in it.
func TestWhatWasDoneMeanwhileIsNotMoved(t *testing.T) {
	w := newWorld(t)
	w.save("master", "README", "harbour")
	old, next := w.milestone("2026.08"), w.milestone("2026.09")
	merged, closed, open := w.request("berth", "Fix the berth", old), w.issue("Dredge", old, false), w.issue("Paint", old, false)
	in := MoveItemsIn{Remote: w.remote, From: "2026.08", To: "2026.09", Items: []string{"!1 Fix the berth (ada)", "#1 Dredge (ada)", "#2 Paint (ada)"}}
	w.fine(w.do("forge.merge", MergeIn{Remote: w.remote, IID: merged.IID, SHA: merged.SHA}, nil))
	w.fine(w.do("forge.close_issue", CloseIssueIn{Remote: w.remote, IID: closed}, nil))
	if found, err := w.probe("forge.move_items", in, nil); found || err != nil {
		t.Error("found before it was done", err)
	}
	var out MoveOut
	if w.fine(w.do("forge.move_items", in, &out)); !slices.Equal(out.Moved, []string{"#2"}) {
		t.Errorf("moved %v", out.Moved)
	}
	request, _ := w.fake.MergeRequest(w.harbour, merged.IID)
	one, _ := w.fake.Issue(w.harbour, closed)
	two, _ := w.fake.Issue(w.harbour, open)
	if request.Milestone != old.ID || one.Milestone != old.ID || one.State != fake.Closed || two.Milestone != next.ID {
		t.Errorf("!1 is in %d, #1 in %d, #2 in %d; the milestones are %d and %d", request.Milestone, one.Milestone, two.Milestone, old.ID, next.ID)
	}
	if found, err := w.probe("forge.move_items", in, &out); !found || err != nil || !slices.Equal(out.Moved, []string{"#2"}) {
		t.Errorf("found %v %v, %v", found, err, out.Moved)
	}
	in.Items = []string{"#77"}
	w.want(w.do("forge.move_items", in, nil), errs.NotFound, "GitLab has no #77 in "+w.fake.URL+"/yard/harbour")
}

// A folder whose name begins with a dot is a folder like others.
func TestProposalsForHiddenFoldersSeeWhatIsThere(t *testing.T) {
	w := newWorld(t)
	tip := w.save("master", ".gitlab/types/qemu", "one")
	in := ProposeIn{Remote: w.remote, Base: "master", Branch: "types", Message: "Types", Title: "Types",
		Files: []ProposeFile{{Path: ".gitlab/types/qemu", Digest: w.depot.put("one")}}}
	var out ProposeOut
	if w.fine(w.do("forge.propose", in, &out)); out.IID != 0 || out.Commit != tip {
		t.Errorf("there was nothing to propose: %+v", out)
	}
	in.Files[0].Digest = w.depot.put("two")
	if w.fine(w.do("forge.propose", in, &out)); out.IID == 0 {
		t.Errorf("a change was not proposed: %+v", out)
	}
}
