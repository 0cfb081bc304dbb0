package gitlab

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

func (s *Server) mergeRoutes() []route {
	const one = "/projects/:id/merge_requests/:iid"
	return []route{
		{"GET", "/projects/:id/merge_requests", 0, s.listMerges},
		{"POST", "/projects/:id/merge_requests", Developer, s.createMerge},
		{"GET", one, 0, s.onMerge(func(c *call, m *MergeRequest) answer { return ok(s.wholeMergeJSON(m, c.user)) })},
		{"PUT", one, 0, s.onMerge(s.updateMerge)},
		{"PUT", one + "/merge", 0, s.onMerge(s.acceptMerge)},
	}
}

func (s *Server) onMerge(do func(*call, *MergeRequest) answer) func(*call) answer {
	return func(c *call) answer {
		m := s.merge(c.project.ID, c.pathNum("iid"))
		if m == nil {
			return notFound("")
		}
		return do(c, m)
	}
}

var draftTitle = regexp.MustCompile(`(?i)^\s*(draft:|\[draft\]|\(draft\))`)

// Draft says whether the title marks the merge request as one that is not ready.
func (m *MergeRequest) Draft() bool { return draftTitle.MatchString(m.Title) }

// mergeJSON is a merge request as lists show it.
func (s *Server) mergeJSON(m *MergeRequest) map[string]any {
	out := s.itemJSON(&m.Item)
	detailed := s.mergeStatus(m)
	for k, v := range map[string]any{"target_branch": m.TargetBranch, "source_branch": m.SourceBranch, "source_project_id": m.Source, "target_project_id": m.Project,
		"draft": m.Draft(), "work_in_progress": m.Draft(), "merge_when_pipeline_succeeds": false, "reviewers": []any{},
		"merge_status": plainStatus(detailed), "detailed_merge_status": detailed, "sha": m.SHA, "merge_commit_sha": orNil(m.MergeCommit), "squash_commit_sha": nil,
		"merged_by": s.person(m.MergedBy), "merge_user": s.person(m.MergedBy), "merged_at": stamp(m.Merged),
		"should_remove_source_branch": nil, "force_remove_source_branch": m.RemoveSource, "squash": false, "squash_on_merge": false,
		"has_conflicts": m.State == Opened && s.tried(m).conflict, "blocking_discussions_resolved": true, "prepared_at": stamp(m.Created),
		"reference": fmt.Sprintf("!%d", m.IID), "approvals_before_merge": nil} {
		out[k] = v
	}
	return out
}

// wholeMergeJSON is a merge request as it is shown alone.
func (s *Server) wholeMergeJSON(m *MergeRequest, viewer *User) map[string]any {
	out := s.mergeJSON(m)
	head := s.headPipeline(m)
	for k, v := range map[string]any{"subscribed": false, "changes_count": "1", "merge_error": nil, "first_contribution": false, "rebase_in_progress": false,
		"latest_build_started_at": nil, "latest_build_finished_at": nil, "first_deployed_to_production_at": nil,
		"pipeline": head, "head_pipeline": head, "diff_refs": map[string]any{"base_sha": m.Base, "head_sha": m.SHA, "start_sha": m.Base},
		"user": map[string]any{"can_merge": s.mayMerge(s.project(m.Project), viewer, m.TargetBranch)}} {
		out[k] = v
	}
	return out
}

func (s *Server) listMerges(c *call) answer {
	if a := c.among("state", Opened, Closed, Merged, "locked", "all"); a != nil {
		return *a
	}
	found := newestFirst(s.merges, func(m *MergeRequest) bool {
		return m.Project == c.project.ID && s.sought(c, &m.Item) && (!c.given("source_branch") || m.SourceBranch == c.str("source_branch")) &&
			(!c.given("target_branch") || m.TargetBranch == c.str("target_branch")) && (!c.given("source_project_id") || m.Source == c.num("source_project_id"))
	})
	return paged(c, ordered(c, found, func(m *MergeRequest) *Item { return &m.Item }), s.mergeJSON)
}

// createMerge opens a merge request. The project of the call is the one that it comes from.
func (s *Server) createMerge(c *call) answer {
	for _, name := range []string{"source_branch", "target_branch", "title"} {
		if !c.has(name) {
			return missing(name)
		}
	}
	target := c.project
	if c.given("target_project_id") {
		if target = s.project(c.num("target_project_id")); target == nil || !target.visible(c.user) {
			return notFound("Project")
		}
	}
	m := MergeRequest{Item: Item{Project: target.ID, Title: c.str("title"), Description: c.str("description"), Labels: c.list("labels"),
		Assignees: numbers(c.list("assignee_ids"))}, Source: c.project.ID, SourceBranch: c.str("source_branch"), TargetBranch: c.str("target_branch"),
		RemoveSource: c.yes("remove_source_branch")}
	if to := s.milestone(c.num("milestone_id")); to != nil && to.Project == target.ID {
		m.Milestone = to.ID
	}
	made, refused := s.openMerge(c.user, m)
	if refused != nil {
		return *refused
	}
	return created(s.wholeMergeJSON(made, c.user))
}

func (s *Server) openMerge(by *User, m MergeRequest) (*MergeRequest, *answer) {
	refuse := func(status int, what any) (*MergeRequest, *answer) {
		a := message(status, what)
		return nil, &a
	}
	source, target := s.project(m.Source), s.project(m.Project)
	head, into := source.refs["refs/heads/"+m.SourceBranch], target.refs["refs/heads/"+m.TargetBranch]
	switch {
	case strings.TrimSpace(m.Title) == "":
		return refuse(http.StatusBadRequest, map[string]any{"title": []string{"can't be blank"}})
	case m.Source == m.Project && m.SourceBranch == m.TargetBranch:
		return refuse(http.StatusUnprocessableEntity, []string{"You can't use same project/branch for source and target"})
	case m.Source != m.Project && source.ForkOf != m.Project && target.ForkOf != m.Source:
		return refuse(http.StatusUnprocessableEntity, []string{"Source project is not a fork of the target project"})
	case head == "":
		return refuse(http.StatusBadRequest, map[string]any{"source_branch": []string{"does not exist"}})
	case into == "":
		return refuse(http.StatusBadRequest, map[string]any{"target_branch": []string{"does not exist"}})
	}
	for _, other := range s.merges {
		if other.State == Opened && other.Project == m.Project && other.Source == m.Source && other.SourceBranch == m.SourceBranch && other.TargetBranch == m.TargetBranch {
			return refuse(http.StatusConflict, []string{fmt.Sprintf("Another open merge request already exists for this source branch: !%d", other.IID)})
		}
	}
	m.Kind, m.ID, m.IID, m.State = OnMergeRequest, s.id("merge request"), target.iid("merge request"), Opened
	m.Author, m.Created, m.Updated = by.ID, s.now(), s.now()
	s.merges = append(s.merges, &m)
	s.see(&m, head)
	s.active(m.Project, by, "created", OnMergeRequest, m.ID, m.IID, m.Title)
	s.tellMerge(by, &m, "open", nil, nil)
	return &m, nil
}

// see brings the head of a merge request into the target's repository, where
// refs/merge-requests/IID/head keeps it.
func (s *Server) see(m *MergeRequest, head string) {
	target, source := s.project(m.Project), s.project(m.Source)
	ref := fmt.Sprintf("refs/merge-requests/%d/head", m.IID)
	m.SHA = head
	if _, err := s.git(target, nil, "fetch", "--quiet", "--no-tags", source.dir, "+"+head+":"+ref); err != nil {
		panic(err) // both repositories are the server's own
	}
	if base, err := s.git(target, nil, "merge-base", "refs/heads/"+m.TargetBranch, head); err == nil {
		m.Base = strings.TrimSpace(base)
	}
}

func (s *Server) updateMerge(c *call, m *MergeRequest) answer {
	if c.level() < Developer && m.Author != c.user.ID {
		return forbidden()
	}
	if a := c.oneOf("assignee_id", "assignee_ids", "description", "discussion_locked", "labels", "add_labels", "remove_labels", "milestone_id",
		"remove_source_branch", "reviewer_ids", "squash", "state_event", "target_branch", "title", "allow_collaboration"); a != nil {
		return *a
	}
	if a := c.among("state_event", "close", "reopen"); a != nil {
		return *a
	}
	draft := m.Draft()
	changes, refused := s.change(c, &m.Item)
	if refused != nil {
		return *refused
	}
	if m.Draft() != draft {
		changes["draft"] = changed(draft, m.Draft())
	}
	if to := c.str("target_branch"); to != "" && to != m.TargetBranch {
		if s.project(m.Project).refs["refs/heads/"+to] == "" {
			return message(http.StatusBadRequest, map[string]any{"target_branch": []string{"does not exist"}})
		}
		changes["target_branch"] = changed(m.TargetBranch, to)
		m.TargetBranch = to
	}
	if c.has("remove_source_branch") {
		m.RemoveSource = c.yes("remove_source_branch")
	}
	if event := c.str("state_event"); event == "" || !s.turnMerge(c.user, m, event) {
		s.tellMerge(c.user, m, "update", changes, nil)
	}
	return ok(s.wholeMergeJSON(m, c.user))
}

// turnMerge closes or reopens a merge request, and says whether that changed anything. What is
// merged stays so, and what has no source branch any more stays closed.
func (s *Server) turnMerge(by *User, m *MergeRequest, event string) bool {
	source := s.project(m.Source)
	m.Updated = s.now()
	switch {
	case event == "close" && m.State == Opened:
		m.State, m.Closed, m.ClosedBy = Closed, s.now(), by.ID
		s.active(m.Project, by, "closed", OnMergeRequest, m.ID, m.IID, m.Title)
		s.tellMerge(by, m, "close", stateChange(Opened, Closed), nil)
	case event == "reopen" && m.State == Closed && source != nil && source.refs["refs/heads/"+m.SourceBranch] != "":
		m.State, m.Closed, m.ClosedBy = Opened, time.Time{}, 0
		s.see(m, source.refs["refs/heads/"+m.SourceBranch])
		s.active(m.Project, by, "reopened", OnMergeRequest, m.ID, m.IID, m.Title)
		s.tellMerge(by, m, "reopen", stateChange(Closed, Opened), nil)
	default:
		return false
	}
	return true
}

// branchMoved tells the open merge requests of a branch that somebody pushed to it. Approvals of
// what was there before are gone; a branch that is gone closes nothing.
func (s *Server) branchMoved(p *Project, u *User, branch, before, after string) {
	if u == nil {
		u = s.users[0]
	}
	for _, m := range s.merges {
		if m.Source != p.ID || m.SourceBranch != branch || m.State != Opened || after == zero || after == m.SHA {
			continue
		}
		s.see(m, after)
		m.Updated = s.now()
		s.note(u, &m.Item, Note{System: true, Body: "added commits\n\n[Compare with previous version](" + s.address(&m.Item) + "/diffs)"})
		s.tellMerge(u, m, "update", nil, map[string]any{"oldrev": before})
		if len(m.Approvals) > 0 {
			m.Approvals = nil
			s.tellMerge(u, m, "unapproval", nil, map[string]any{"system": true, "system_action": "approvals_reset_on_push"})
		}
	}
}
