package gitlab

import "strconv"

// tellIssue hands an event of an issue to the hooks.
func (s *Server) tellIssue(by *User, i *Issue, action string, changes map[string]any) {
	s.emit(s.project(i.Project), "issue", s.issueEvent(by, i, action, changes))
}

func (s *Server) issueEvent(by *User, i *Issue, action string, changes map[string]any) map[string]any {
	kind := "issue"
	if i.Confidential {
		kind = "confidential_issue"
	}
	return s.itemEvent(by, &i.Item, "issue", kind, s.hookIssue(i), action, changes)
}

// tellMerge hands an event of a merge request to the hooks. more goes into the attributes.
func (s *Server) tellMerge(by *User, m *MergeRequest, action string, changes, more map[string]any) {
	s.emit(s.project(m.Project), "merge_request", s.mergeEvent(by, m, action, changes, more))
}

func (s *Server) mergeEvent(by *User, m *MergeRequest, action string, changes, more map[string]any) map[string]any {
	attributes := s.hookMerge(m)
	attributes["system"] = false
	for k, v := range more {
		attributes[k] = v
	}
	out := s.itemEvent(by, &m.Item, "merge_request", "merge_request", attributes, action, changes)
	out["reviewers"] = []any{}
	return out
}

func (s *Server) itemEvent(by *User, i *Item, kind, event string, attributes map[string]any, action string, changes map[string]any) map[string]any {
	p := s.project(i.Project)
	if action != "" { // samples have none
		attributes["action"] = action
	}
	if changes == nil {
		changes = map[string]any{}
	}
	return map[string]any{"object_kind": kind, "event_type": event, "user": s.hookUser(by), "project": s.hookProject(p),
		"repository": s.hookRepository(p), "object_attributes": attributes, "labels": s.hookLabels(p.ID, i.Labels), "changes": changes,
		"assignees": s.hookUsers(i.Assignees)}
}

// hookItem is what hooks show of issues and merge requests alike.
func (s *Server) hookItem(i *Item) map[string]any {
	var assignee any
	if len(i.Assignees) > 0 {
		assignee = i.Assignees[0]
	}
	return map[string]any{"id": i.ID, "iid": i.IID, "title": i.Title, "description": i.Description, "state": i.State,
		"state_id": stateID(i.State), "author_id": i.Author, "assignee_ids": append([]int{}, i.Assignees...),
		"assignee_id": assignee, "created_at": hookStamp(i.Created), "updated_at": hookStamp(i.Updated), "milestone_id": idOrNil(i.Milestone),
		"last_edited_at": nil, "last_edited_by_id": nil, "updated_by_id": nil, "time_estimate": 0, "total_time_spent": 0, "time_change": 0,
		"human_total_time_spent": nil, "human_time_change": nil, "human_time_estimate": nil, "labels": s.hookLabels(i.Project, i.Labels), "url": s.address(i)}
}

func (s *Server) hookIssue(i *Issue) map[string]any {
	out := s.hookItem(&i.Item)
	for k, v := range map[string]any{"project_id": i.Project, "closed_at": hookStamp(i.Closed), "confidential": i.Confidential, "discussion_locked": nil,
		"due_date": nil, "moved_to_id": nil, "duplicated_to_id": nil, "relative_position": 513 * i.IID, "weight": nil, "health_status": nil,
		"type": "Issue", "severity": "unknown"} {
		out[k] = v
	}
	return out
}

func (s *Server) hookMerge(m *MergeRequest) map[string]any {
	target, source := s.project(m.Project), s.project(m.Source)
	detailed := s.mergeStatus(m)
	out := s.hookItem(&m.Item)
	for k, v := range map[string]any{"source_branch": m.SourceBranch, "target_branch": m.TargetBranch, "source_project_id": m.Source, "target_project_id": m.Project,
		"merge_status": plainStatus(detailed), "detailed_merge_status": detailed, "merge_commit_sha": orNil(m.MergeCommit), "merge_error": nil,
		"merge_params": map[string]any{}, "merge_user_id": idOrNil(m.MergedBy), "merge_when_pipeline_succeeds": false, "head_pipeline_id": nil,
		"draft": m.Draft(), "work_in_progress": m.Draft(), "blocking_discussions_resolved": true, "first_contribution": false, "reviewer_ids": []int{},
		"prepared_at": hookStamp(m.Created), "target": s.hookProject(target), "last_commit": nil, "source": nil} {
		out[k] = v
	}
	if source != nil {
		out["source"] = s.hookProject(source)
	}
	if head := s.commit(target, m.SHA); head != nil {
		out["last_commit"] = s.hookCommit(target, head, false)
	}
	return out
}

func (s *Server) hookLabels(project int, labels []string) []any {
	out := []any{}
	for _, l := range labels {
		id := 0
		for _, r := range l {
			id = (id*31 + int(r)) % 100000
		}
		out = append(out, map[string]any{"id": id, "title": l, "color": "#6699cc", "project_id": project, "template": false, "description": nil,
			"created_at": "2024-01-01 00:00:00 UTC", "updated_at": "2024-01-01 00:00:00 UTC", "type": "ProjectLabel", "group_id": nil})
	}
	return out
}

func (s *Server) hookUsers(ids []int) []any {
	out := []any{}
	for _, id := range ids {
		if u := s.user(id); u != nil {
			out = append(out, s.hookUser(u))
		}
	}
	return out
}

// noteEvent is a comment as hooks show it.
func (s *Server) noteEvent(by *User, n *Note, action string) map[string]any {
	i := s.itemOf(n)
	p := s.project(i.Project)
	attributes := s.hookNote(n)
	attributes["action"] = action
	kind := "note"
	if s.hidden(n) {
		kind = "confidential_note"
	}
	out := map[string]any{"object_kind": "note", "event_type": kind, "user": s.hookUser(by), "project_id": p.ID, "project": s.hookProject(p),
		"repository": s.hookRepository(p), "object_attributes": attributes}
	s.withItem(out, i)
	return out
}

// withItem adds the item that a comment or an emoji is on.
func (s *Server) withItem(out map[string]any, i *Item) {
	if i.Kind == OnIssue {
		out["issue"] = s.hookIssue(s.issue(i.Project, i.IID))
	} else {
		out["merge_request"] = s.hookMerge(s.merge(i.Project, i.IID))
	}
}

func (s *Server) hookNote(n *Note) map[string]any {
	i := s.itemOf(n)
	return map[string]any{"id": n.ID, "note": n.Body, "description": n.Body, "noteable_type": n.On, "noteable_id": n.Item, "author_id": n.Author,
		"created_at": hookStamp(n.Created), "updated_at": hookStamp(n.Updated), "project_id": i.Project, "attachment": nil, "line_code": nil,
		"commit_id": nil, "discussion_id": n.Discussion, "system": n.System, "internal": n.Internal, "st_diff": nil, "position": nil,
		"original_position": nil, "change_position": nil, "resolved_at": nil, "resolved_by_id": nil, "resolved_by_push": nil,
		"type": orNil(n.Type), "updated_by_id": nil, "url": s.address(i) + "#note_" + strconv.Itoa(n.ID)}
}

// emojiEvent is an award as hooks show it; action is award or revoke.
func (s *Server) emojiEvent(by *User, a *Award, action string) map[string]any {
	out := map[string]any{"object_kind": "emoji", "event_type": action, "user": s.hookUser(by)}
	i, page := s.itemByID(a.On, a.OnID), ""
	if n := s.noteByID(a.OnID); a.On == "Note" && n != nil {
		i = s.itemOf(n)
		out["note"] = s.hookNote(n)
		page = "#note_" + strconv.Itoa(n.ID)
	}
	p := s.project(i.Project)
	out["project_id"], out["project"] = p.ID, s.hookProject(p)
	s.withItem(out, i)
	out["object_attributes"] = map[string]any{"user_id": a.User, "created_at": hookStamp(a.Created), "id": a.ID, "name": a.Name, "awardable_type": a.On,
		"awardable_id": a.OnID, "updated_at": hookStamp(a.Created), "action": action, "awarded_on_url": s.address(i) + page}
	return out
}
