package gitlab

import (
	"net/http"
	"slices"
	"strings"
)

func (s *Server) approvalRoutes() []route {
	const one = "/projects/:id/merge_requests/:iid"
	return []route{
		{"GET", one + "/approvals", 0, s.onMerge(func(c *call, m *MergeRequest) answer { return ok(s.approvalsJSON(m, c.user)) })},
		{"GET", one + "/approval_state", 0, s.onMerge(s.approvalState)},
		{"POST", one + "/approve", 0, s.onMerge(s.approve)},
		{"POST", one + "/unapprove", 0, s.onMerge(s.unapprove)},
	}
}

// RequireApprovals says how many approvals a project's merge requests need. Only an Enterprise
// Edition knows such rules.
func (s *Server) RequireApprovals(project, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.required == nil {
		s.required = map[int]int{}
	}
	s.required[project] = n
}

func (s *Server) enterprise() bool { return strings.HasSuffix(s.o.Version, "-ee") }

func (s *Server) approvalsRequired(m *MergeRequest) int {
	if !s.enterprise() {
		return 0
	}
	return s.required[m.Project]
}

func (s *Server) approvalsLeft(m *MergeRequest) int {
	return max(0, s.approvalsRequired(m)-len(m.Approvals))
}

// approved is true without a single approval where an Enterprise Edition requires none; a Community
// Edition wants one at least.
func (s *Server) approved(m *MergeRequest) bool {
	if s.enterprise() {
		return s.approvalsLeft(m) == 0
	}
	return len(m.Approvals) > 0
}

func hasApproved(m *MergeRequest, u *User) bool {
	return slices.ContainsFunc(m.Approvals, func(a Approval) bool { return a.User == idOf(u) })
}

// mayApprove says whether somebody may approve: a developer who is not the author and has not yet.
func (s *Server) mayApprove(m *MergeRequest, u *User) bool {
	return s.project(m.Project).level(u) >= Developer && u.ID != m.Author && !hasApproved(m, u) && m.State == Opened
}

func (s *Server) approvalsJSON(m *MergeRequest, viewer *User) map[string]any {
	by := []any{}
	for _, a := range m.Approvals {
		by = append(by, map[string]any{"user": s.person(a.User), "approved_at": stamp(a.At)})
	}
	out := map[string]any{"user_has_approved": hasApproved(m, viewer), "user_can_approve": s.mayApprove(m, viewer), "approved": s.approved(m), "approved_by": by}
	if !s.enterprise() {
		return out
	}
	for k, v := range map[string]any{"id": m.ID, "iid": m.IID, "project_id": m.Project, "title": m.Title, "description": orNil(m.Description), "state": m.State,
		"created_at": stamp(m.Created), "updated_at": stamp(m.Updated), "merge_status": plainStatus(s.mergeStatus(m)),
		"approvals_required": s.approvalsRequired(m), "approvals_left": s.approvalsLeft(m), "require_password_to_approve": false,
		"suggested_approvers": []any{}, "approvers": []any{}, "approver_groups": []any{}, "approval_rules_left": []any{}, "has_approval_rules": s.approvalsRequired(m) > 0,
		"merge_request_approvers_available": true, "multiple_approval_rules_available": true, "invalid_approvers_rules": []any{}} {
		out[k] = v
	}
	return out
}

// approvalState is the same by rules; a Community Edition does not have it.
func (s *Server) approvalState(_ *call, m *MergeRequest) answer {
	if !s.enterprise() {
		return wrong(http.StatusNotFound, "404 Not Found")
	}
	by := []any{}
	for _, a := range m.Approvals {
		by = append(by, s.person(a.User))
	}
	return ok(map[string]any{"approval_rules_overwritten": false, "rules": []any{map[string]any{"id": m.Project, "name": "All Members", "rule_type": "any_approver",
		"eligible_approvers": []any{}, "approvals_required": s.approvalsRequired(m), "users": []any{}, "groups": []any{}, "contains_hidden_groups": false,
		"section": nil, "source_rule": nil, "overridden": false, "code_owner": false, "approved_by": by, "approved": s.approved(m)}}})
}

func (s *Server) approve(c *call, m *MergeRequest) answer {
	if sha := c.str("sha"); sha != "" && sha != m.SHA {
		return message(http.StatusConflict, "SHA does not match HEAD of source branch: "+m.SHA)
	}
	if !s.mayApprove(m, c.user) {
		return message(http.StatusUnauthorized, "401 Unauthorized")
	}
	s.giveApproval(c.user, m)
	return created(s.approvalsJSON(m, c.user))
}

func (s *Server) giveApproval(by *User, m *MergeRequest) {
	m.Approvals, m.Updated = append(slices.Clone(m.Approvals), Approval{User: by.ID, At: s.now()}), s.now()
	s.active(m.Project, by, "approved", OnMergeRequest, m.ID, m.IID, m.Title)
	s.note(by, &m.Item, Note{System: true, Body: "approved this merge request"})
	action := "approval"
	if s.approved(m) {
		action = "approved"
	}
	s.tellMerge(by, m, action, nil, nil)
}

func (s *Server) unapprove(c *call, m *MergeRequest) answer {
	if !hasApproved(m, c.user) {
		return notFound("")
	}
	s.takeApproval(c.user, m)
	return created(s.approvalsJSON(m, c.user))
}

func (s *Server) takeApproval(by *User, m *MergeRequest) {
	was := s.approved(m)
	m.Approvals = slices.DeleteFunc(slices.Clone(m.Approvals), func(a Approval) bool { return a.User == by.ID })
	m.Updated = s.now()
	s.note(by, &m.Item, Note{System: true, Body: "unapproved this merge request"})
	action := "unapproval"
	if was && !s.approved(m) {
		action = "unapproved"
	}
	s.tellMerge(by, m, action, nil, nil)
}
