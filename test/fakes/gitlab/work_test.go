package gitlab

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// crew is a yard with somebody else who may develop, and a commit on master.
func crew(t *testing.T, o Options) (y *yard, bob User, bobs string) {
	y = newYard(t, o)
	bob = y.s.AddUser(User{Username: "bob"})
	y.s.AddMember(y.harbour, bob.ID, Developer)
	y.commit(y.ada.ID, "master", map[string]string{"berth": "one\n"})
	return y, bob, y.s.AddToken(bob.ID)
}

func (y *yard) commit(user int, branch string, files map[string]string) string {
	y.Helper()
	id, err := y.s.CommitFiles(y.harbour, user, branch, "Change "+branch, files)
	y.must(err)
	return id
}

// branch makes a branch at another one, with a commit on it.
func (y *yard) branch(user int, name, from string, files map[string]string) string {
	y.Helper()
	y.must(y.s.SetRef(y.harbour, user, "refs/heads/"+name, y.s.Ref(y.harbour, "refs/heads/"+from)))
	return y.commit(user, name, files)
}

// propose opens a merge request with one file changed.
func (y *yard) propose(user int, branch, file string, more MergeRequest) MergeRequest {
	y.Helper()
	y.branch(user, branch, "master", map[string]string{file: branch + "\n"})
	more.Project, more.SourceBranch = y.harbour, branch
	if more.Title == "" {
		more.Title = "Fix " + branch
	}
	m, err := y.s.OpenMergeRequest(user, more)
	y.must(err)
	return m
}

func TestAMilestoneKnowsWhatIsOpen(t *testing.T) {
	y, bob, bobs := crew(t, Options{})
	m := y.do(201, "POST", y.at("/milestones"), map[string]any{"title": "2026.08"}).object(t)
	y.do(400, "POST", y.at("/milestones"), map[string]any{"title": "2026.08"})
	y.do(400, "POST", y.at("/milestones"), map[string]any{})
	y.do(201, "POST", y.at("/milestones"), map[string]any{"title": "2026.09"})
	id := int(m["id"].(float64))
	mr := y.propose(bob.ID, "crane", "crane", MergeRequest{Item: Item{Milestone: id}})
	y.do(201, "POST", y.at("/issues"), map[string]any{"title": "Paint", "milestone_id": id})
	if l := y.do(200, "GET", y.at("/milestones?title=2026.08&state=active"), nil).list(t); len(l) != 1 || l[0]["id"] != m["id"] {
		t.Errorf("milestones of the title: %v", l)
	}
	if l := y.do(200, "GET", y.at("/milestones/%d/merge_requests", id), nil).list(t); len(l) != 1 || l[0]["iid"] != float64(mr.IID) {
		t.Errorf("merge requests: %v", l)
	}
	if l := y.do(200, "GET", y.at("/milestones/%d/issues", id), nil).list(t); len(l) != 1 || l[0]["title"] != "Paint" {
		t.Errorf("issues: %v", l)
	}
	if l := y.do(200, "GET", y.at("/issues?milestone=2026.08&state=opened"), nil).list(t); len(l) != 1 {
		t.Errorf("issues of the title: %v", l)
	}
	y.must(y.s.SetMilestone(bob.ID, MergePlace(y.harbour, mr.IID), "2026.09"))
	y.do(200, "PUT", y.at("/issues/1"), map[string]any{"state_event": "close"})
	y.do(400, "PUT", y.at("/milestones/%d", id), map[string]any{"state_event": "reopen"})
	y.do(400, "PUT", y.at("/milestones/%d", id), map[string]any{})
	y.do(200, "PUT", y.at("/milestones/%d", id), map[string]any{"state_event": "close"})
	y.do(200, "PUT", y.at("/milestones/%d", id), map[string]any{"state_event": "close"})
	if got := len(y.told("milestone")); got != 3 {
		t.Errorf("the hooks heard %d times, want two creations and one end", got)
	}
	y.must(y.s.ReopenMilestone(y.ada.ID, y.harbour, "2026.08"))
	if m, _ := y.s.Milestone(y.harbour, "2026.08"); m.State != "active" {
		t.Errorf("the milestone is %s", m.State)
	}
	if told := y.told("milestone"); told[3]["action"] != "reopen" || told[3]["user"] != nil {
		t.Errorf("the last event: %v", told[3])
	}
	if a := y.ask(bobs, "DELETE", y.at("/milestones/%d", id), nil); a.status != 204 {
		t.Errorf("a developer deletes a milestone: %d", a.status)
	}
	if i, _ := y.s.Issue(y.harbour, 1); i.Milestone != 0 {
		t.Error("an issue is in a milestone that is gone")
	}
}

func TestAMergeRequestMergesForReal(t *testing.T) {
	y, bob, bobs := crew(t, Options{})
	mr := y.propose(bob.ID, "crane", "crane", MergeRequest{})
	body := map[string]any{"source_branch": "crane", "target_branch": "master", "title": "Again"}
	if a := y.ask(bobs, "POST", y.at("/merge_requests"), body); a.status != 409 {
		t.Errorf("a second merge request: %d %s", a.status, a.raw)
	}
	merge := y.at("/merge_requests/%d/merge", mr.IID)
	if a := y.ask(bobs, "PUT", merge, nil); a.status != 401 {
		t.Errorf("a developer merges into a protected branch: %d", a.status)
	}
	y.must(y.s.Retitle(bob.ID, MergePlace(y.harbour, mr.IID), "Draft: crane"))
	y.do(405, "PUT", merge, nil)
	y.must(y.s.Retitle(bob.ID, MergePlace(y.harbour, mr.IID), "crane"))
	head := y.commit(bob.ID, "crane", map[string]string{"crane": "taller\n"})
	if a := y.do(409, "PUT", merge, map[string]any{"sha": mr.SHA}); !strings.Contains(string(a.raw), head) {
		t.Errorf("the refusal does not name the head: %s", a.raw)
	}
	out := y.do(200, "PUT", merge, map[string]any{"sha": head, "should_remove_source_branch": true}).object(t)
	tip := y.s.Ref(y.harbour, "refs/heads/master")
	if out["state"] != "merged" || out["merge_commit_sha"] != tip || y.s.Ref(y.harbour, "refs/heads/crane") != "" {
		t.Errorf("merged: %v %v, master is at %s", out["state"], out["merge_commit_sha"], tip)
	}
	parents := y.mustGit(y.s.Dir(y.harbour), "log", "-1", "--format=%P %an", tip)
	if !strings.HasSuffix(parents, head+" ada") {
		t.Errorf("the merge commit is of %s", parents)
	}
	y.do(405, "PUT", merge, nil)
	var actions []string
	for _, e := range y.told("merge_request") {
		actions = append(actions, e["object_attributes"].(map[string]any)["action"].(string))
	}
	if got := strings.Join(actions, " "); got != "open update update update merge" {
		t.Errorf("the hooks heard %s", got)
	}
	if e := y.told("merge_request")[3]["object_attributes"].(map[string]any); e["oldrev"] != mr.SHA {
		t.Errorf("the push says oldrev %v, want %s", e["oldrev"], mr.SHA)
	}
}

func TestWhatDoesNotFitIsAConflict(t *testing.T) {
	y, bob, _ := crew(t, Options{})
	mr := y.propose(bob.ID, "crane", "berth", MergeRequest{})
	y.commit(y.ada.ID, "master", map[string]string{"berth": "two\n"})
	one := y.at("/merge_requests/%d", mr.IID)
	got := y.do(200, "GET", one, nil).object(t)
	if got["detailed_merge_status"] != "conflict" || got["has_conflicts"] != true || got["merge_status"] != "cannot_be_merged" {
		t.Errorf("status: %v %v %v", got["detailed_merge_status"], got["has_conflicts"], got["merge_status"])
	}
	y.do(422, "PUT", one+"/merge", nil)
	y.must(y.s.SetRef(y.harbour, bob.ID, "refs/heads/crane", ""))
	if got := y.do(200, "GET", one, nil).object(t); got["detailed_merge_status"] != "broken_status" || got["state"] != "opened" || got["sha"] != mr.SHA {
		t.Errorf("without its branch: %v %v", got["detailed_merge_status"], got["state"])
	}
	y.do(405, "PUT", one+"/merge", nil)
	y.do(400, "POST", y.at("/merge_requests"), map[string]any{"source_branch": "none", "target_branch": "master", "title": "None"})
}

func TestApprovalsCountAndEndWithAPush(t *testing.T) {
	y, bob, bobs := crew(t, Options{})
	y.s.RequireApprovals(y.harbour, 1)
	mr := y.propose(bob.ID, "crane", "crane", MergeRequest{})
	one := y.at("/merge_requests/%d", mr.IID)
	y.do(405, "PUT", one+"/merge", nil)
	if a := y.ask(bobs, "POST", one+"/approve", nil); a.status != 401 {
		t.Errorf("the author approves: %d", a.status)
	}
	y.do(409, "POST", one+"/approve", map[string]any{"sha": zero})
	if got := y.do(201, "POST", one+"/approve", nil).object(t); got["approved"] != true || got["approvals_left"] != 0.0 {
		t.Errorf("approved: %v, left %v", got["approved"], got["approvals_left"])
	}
	y.do(401, "POST", one+"/approve", nil)
	y.commit(bob.ID, "crane", map[string]string{"crane": "taller\n"})
	if got := y.do(200, "GET", one+"/approvals", nil).object(t); got["approved"] != false || got["approvals_left"] != 1.0 {
		t.Errorf("after a push: %v, left %v", got["approved"], got["approvals_left"])
	}
	y.do(404, "POST", one+"/unapprove", nil)
	y.must(y.s.Approve(y.ada.ID, y.harbour, mr.IID))
	rules := y.do(200, "GET", one+"/approval_state", nil).object(t)["rules"].([]any)
	if rules[0].(map[string]any)["approved"] != true {
		t.Errorf("rules: %v", rules)
	}
	if _, err := y.s.Merge(y.ada.ID, y.harbour, mr.IID); err != nil {
		t.Error(err)
	}
	free := newYard(t, Options{Version: "19.0.2"})
	free.do(404, "GET", free.at("/merge_requests/1/approval_state"), nil)
}

func TestAForkProposes(t *testing.T) {
	y, bob, bobs := crew(t, Options{})
	y.s.ChangeProject(y.harbour, func(p *Project) { p.Public = true })
	fork := y.s.AddProject(Project{Path: "bob/harbour", ForkOf: y.harbour, Open: true})
	y.s.AddMember(fork, bob.ID, Owner)
	_, err := y.s.CommitFiles(fork, bob.ID, "master", "Change", map[string]string{"crane": "tall\n"})
	y.must(err)
	a := y.ask(bobs, "POST", fmt.Sprintf("/projects/%d/merge_requests", fork),
		map[string]any{"source_branch": "master", "target_branch": "master", "title": "Crane", "target_project_id": y.harbour})
	if a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	if _, err := y.s.Merge(y.ada.ID, y.harbour, 1); err != nil {
		t.Fatal(err)
	}
	if got := y.mustGit(y.s.Dir(y.harbour), "show", "master:crane"); got != "tall" {
		t.Errorf("crane is %q", got)
	}
}

func TestActivityLeavesOutTheDayItIsAskedFrom(t *testing.T) {
	y, bob, _ := crew(t, Options{})
	i, err := y.s.OpenIssue(bob.ID, Issue{Item{Project: y.harbour, Title: "Paint"}})
	y.must(err)
	at := IssuePlace(y.harbour, i.IID)
	for range 2 {
		_, err := y.s.Comment(bob.ID, at, "on "+y.now.Format(time.DateOnly))
		y.must(err)
		y.now = y.now.AddDate(0, 0, 1)
	}
	if l := y.do(200, "GET", y.at("/events?action=commented"), nil).list(t); len(l) != 2 || l[0]["action_name"] != "commented on" {
		t.Errorf("all: %v", l)
	}
	l := y.do(200, "GET", y.at("/events?action=commented&after=2026-08-03"), nil).list(t)
	if len(l) != 1 || l[0]["note"].(map[string]any)["body"] != "on 2026-08-04" {
		t.Errorf("after the first day: %v", l)
	}
	if l := y.do(200, "GET", y.at("/events?action=commented&before=2026-08-04"), nil).list(t); len(l) != 1 {
		t.Errorf("before the second day: %v", l)
	}
}
