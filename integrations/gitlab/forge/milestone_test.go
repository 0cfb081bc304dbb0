package forge

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
	fake "slipway/test/fakes/gitlab"
)

func TestAMilestoneSaysWhatIsOpen(t *testing.T) {
	w := newWorld(t)
	w.save("master", "README", "harbour")
	in := MilestoneIn{Remote: w.remote, Title: "2026.08"}
	read := func() MilestoneOut {
		t.Helper()
		var out MilestoneOut
		w.fine(w.do("forge.milestone", in, &out))
		return out
	}
	if got := read(); got.Found || got.State != "" || got.Told != "there is no milestone 2026.08; make it in GitLab" || len(got.Items) != 0 {
		t.Errorf("%+v", got)
	}
	m := w.milestone("2026.08")
	w.milestone("2026.08.1") // a title that only begins so
	if got := read(); !got.Found || got.ID != m.ID || got.State != "active" || got.Open != 0 || got.Told != "nothing is open in the milestone 2026.08" || got.URL != m.WebURL {
		t.Errorf("%+v", got)
	}
	one := w.request("berth", "Fix the \x1b[31mberth\u202e", m)
	w.issue("A pier\nis missing", m, false)
	w.issue("The key of the safe is 1234", m, true)
	if want := []string{"!1 Fix the [31mberth (ada)", "#1 A pier is missing (ada)", "#2 a confidential issue (not shown)"}; !slices.Equal(read().Items, want) {
		t.Errorf("%q", read().Items)
	}
	w.want(w.do("forge.close_milestone", in, nil), errs.Conflict, "3 open in the milestone 2026.08: !1 Fix the")
	w.fake.RenameUser(w.ada.ID, "ada-l")
	if got := read(); got.Items[0] != "!1 Fix the [31mberth (ada-l)" {
		t.Errorf("after the author was renamed: %q", got.Items)
	}
	merged := MergeIn{Remote: w.remote, IID: one.IID, SHA: one.SHA}
	w.fine(w.do("forge.merge", merged, nil))
	for iid := range 2 {
		w.fine(w.do("forge.close_issue", CloseIssueIn{Remote: w.remote, IID: iid + 1}, nil))
	}
	w.fine(w.do("forge.close_milestone", in, nil))
	if got := read(); got.State != "closed" || got.Open != 0 || got.Told != "the milestone 2026.08 is closed" {
		t.Errorf("%+v", got)
	}
	// Somebody puts an issue into it after it was closed.
	w.issue("Too late", m, false)
	if got := read(); got.Told != "the milestone 2026.08 is closed, with 1 open in it: #3 Too late (ada-l)" {
		t.Errorf("%q", got.Told)
	}
	w.want(w.do("forge.close_milestone", in, nil), errs.Conflict, "1 open")
	w.want(w.do("forge.milestone", MilestoneIn{Remote: w.remote, Title: "Any"}, nil), errs.Invalid, "does not take")
	w.want(w.do("forge.close_milestone", MilestoneIn{Remote: w.remote, Title: "2026.99"}, nil), errs.NotFound, "no milestone 2026.99")
}

func TestAMilestoneThatIsReopenedIsNoticed(t *testing.T) {
	w := newWorld(t)
	m := w.milestone("2026.08")
	in := MilestoneIn{Remote: w.remote, Title: "2026.08"}
	w.fine(w.do("forge.close_milestone", in, nil))
	if found, err := w.probe("forge.close_milestone", in, nil); !found || err != nil {
		t.Error(found, err)
	}
	again := "activate"
	_, resp, err := w.hand.Milestones.UpdateMilestone(w.harbour, m.ID, stateEvent(again))
	must(w, m, resp, err)
	if found, err := w.probe("forge.close_milestone", in, nil); found || err != nil {
		t.Error("a milestone that Ada reopened is found closed", err)
	}
	var out MilestoneOut
	if w.fine(w.do("forge.milestone", in, &out)); out.State != "active" {
		t.Errorf("%+v", out)
	}
}

func TestMilestonesOfGroupsAreTheirs(t *testing.T) {
	const project = `{"id":4711,"path_with_namespace":"yard/harbour"}`
	group := `{"id":5,"iid":1,"group_id":9,"title":"2026.08","state":"active","web_url":"https://gitlab.example/groups/yard/-/milestones/1"}`
	own := `{"id":6,"iid":1,"project_id":4711,"title":"2026.08","state":"active","web_url":"https://gitlab.example/yard/harbour/-/milestones/1"}`
	milestones, writes := group, 0
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method != "GET":
			writes++
		case r.URL.Path == "/api/v4/projects/4711":
			fmt.Fprint(rw, project)
		case strings.HasSuffix(r.URL.Path, "/milestones") && r.URL.Query().Get("include_ancestors") == "true":
			fmt.Fprintf(rw, "[%s]", milestones)
		case strings.HasSuffix(r.URL.Path, "/issues"):
			fmt.Fprintf(rw, `[{"id":1,"iid":7,"state":"opened","title":"Dredge","milestone":%s},{"id":2,"iid":8,"state":"opened","title":"Another's","milestone":{"id":77,"title":"2026.08"}}]`, group)
		default:
			fmt.Fprint(rw, "[]")
		}
	}))
	t.Cleanup(s.Close)
	c, err := gitlab.New(gitlab.Options{URL: s.URL, Token: "x", Now: time.Now, Projects: []gitlab.Project{{Remote: s.URL + "/yard/harbour.git", ID: 4711}}})
	if err != nil {
		t.Fatal(err)
	}
	in := MilestoneIn{Remote: s.URL + "/yard/harbour.git", Title: "2026.08"}
	out, err := Milestone{c}.Do(t.Context(), action.Key{}, in)
	if want := "1 open in the milestone 2026.08 of the group: #7 Dredge (somebody)"; err != nil || !out.Group || out.Told != want {
		t.Errorf("%+v %v", out, err)
	}
	for _, close := range []func() error{
		func() error { _, err := CloseMilestone{c}.Do(t.Context(), action.Key{}, in); return err },
		func() error { _, _, err := CloseMilestone{c}.Probe(t.Context(), action.Key{}, in); return err },
	} {
		if err := close(); errs.KindOf(err) != errs.Conflict || !strings.Contains(errs.Text(err), "belongs to the group") {
			t.Errorf("%v", err)
		}
	}
	milestones = group + "," + own
	_, err = Milestone{c}.Do(t.Context(), action.Key{}, in)
	if want := "there are 2 milestones with the title 2026.08: https://gitlab.example/groups/yard/-/milestones/1 and https://gitlab.example/yard/harbour/-/milestones/1"; errs.KindOf(err) != errs.Conflict || errs.Cause(err) != want {
		t.Errorf("%v", err)
	}
	if writes > 0 {
		t.Errorf("%d writes", writes)
	}
}

func TestLeftoversMoveAndMoveBack(t *testing.T) {
	w := newWorld(t)
	w.save("master", "README", "harbour")
	old := w.milestone("2026.08")
	in := MoveIn{Remote: w.remote, From: "2026.08", To: "2026.09"}
	w.want(w.do("forge.move_open", in, nil), errs.NotFound, "no milestone 2026.09 to move to")
	next := w.milestone("2026.09")
	w.issue("Dredge", old, false)
	w.request("berth", "Fix the berth", old)
	mine := w.issue("Was there before", next, false)
	var out MoveOut
	w.fine(w.do("forge.move_open", in, &out))
	if want := []string{"!1", "#1"}; !slices.Equal(out.Moved, want) {
		t.Errorf("moved %v", out.Moved)
	}
	// What takes it back moves these and not what was in the next one before.
	back := MoveItemsIn{Remote: w.remote, From: "2026.09", To: "2026.08", Items: out.Moved}
	w.fine(w.do("forge.move_items", back, &out))
	one, _ := w.fake.Issue(w.harbour, 1)
	before, _ := w.fake.Issue(w.harbour, mine)
	if !slices.Equal(out.Moved, back.Items) || one.Milestone != old.ID || before.Milestone != next.ID {
		t.Errorf("moved %v; #1 is in %d, #%d in %d", out.Moved, one.Milestone, mine, before.Milestone)
	}
	if found, err := w.probe("forge.move_items", back, &out); !found || err != nil || !slices.Equal(out.Moved, back.Items) {
		t.Errorf("found %v %v, %v", found, err, out.Moved)
	}
	w.fine(w.do("forge.move_items", MoveItemsIn{Remote: w.remote, From: "2026.09", To: "2026.08", Items: []string{}}, &out))
	if len(out.Moved) != 0 {
		t.Errorf("nothing was named, and %v moved", out.Moved)
	}
	there := MoveItemsIn{Remote: w.remote, From: "2026.08", To: "2026.10", Items: []string{"#1 Dredge (ada)"}}
	w.want(w.do("forge.move_items", there, nil), errs.NotFound, "no milestone 2026.10")
	there.Create = true
	if w.fine(w.do("forge.move_items", there, &out)); !slices.Equal(out.Moved, []string{"#1"}) {
		t.Errorf("moved %v", out.Moved)
	}
	w.want(w.do("forge.move_items", MoveItemsIn{Remote: w.remote, From: "2026.08", To: "2026.09", Items: []string{"12"}}, nil), errs.Invalid, "neither")
	w.want(w.do("forge.move_open", MoveIn{Remote: w.remote, From: "2026.08", To: "2026.08"}, nil), errs.Invalid, "the same")
}

func TestNothingMovesIntoAClosedMilestone(t *testing.T) {
	w := newWorld(t)
	old, next := w.milestone("2026.08"), w.milestone("2026.09")
	w.issue("Dredge", old, false)
	_, resp, err := w.hand.Milestones.UpdateMilestone(w.harbour, next.ID, stateEvent("close"))
	must(w, next, resp, err)
	w.want(w.do("forge.move_open", MoveIn{Remote: w.remote, From: "2026.08", To: "2026.09", Create: true}, nil), errs.Conflict, "the milestone 2026.09 is closed")
	w.fake.AddMember(w.harbour, w.bot.ID, fake.Guest)
	w.want(w.do("forge.move_open", MoveIn{Remote: w.remote, From: "2026.08", To: "2026.10", Create: true}, nil), errs.Denied, "does not let the bot")
}
