package gitlab

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

func (s *Server) milestoneRoutes() []route {
	const one = "/projects/:id/milestones/:milestone"
	return []route{
		{"GET", "/projects/:id/milestones", 0, s.listMilestones},
		{"POST", "/projects/:id/milestones", Reporter, s.createMilestone},
		{"GET", one, 0, s.onMilestone(func(_ *call, m *Milestone) answer { return ok(s.milestoneJSON(m)) })},
		{"PUT", one, Reporter, s.onMilestone(s.updateMilestone)},
		{"DELETE", one, Reporter, s.onMilestone(s.deleteMilestone)},
		{"GET", one + "/issues", 0, s.onMilestone(func(c *call, m *Milestone) answer {
			return paged(c, newestFirst(s.issues, func(i *Issue) bool { return i.Milestone == m.ID && s.seesIssue(c, i) }), s.issueJSON)
		})},
		{"GET", one + "/merge_requests", 0, s.onMilestone(func(c *call, m *Milestone) answer {
			return paged(c, newestFirst(s.merges, func(r *MergeRequest) bool { return r.Milestone == m.ID }), s.mergeJSON)
		})},
	}
}

// onMilestone finds the milestone of a call by its id.
func (s *Server) onMilestone(do func(*call, *Milestone) answer) func(*call) answer {
	return func(c *call) answer {
		m := s.milestone(c.pathNum("milestone"))
		if m == nil || m.Project != c.project.ID {
			return notFound("")
		}
		return do(c, m)
	}
}

func (s *Server) milestoneJSON(m *Milestone) map[string]any {
	return map[string]any{"id": m.ID, "iid": m.IID, "project_id": m.Project, "title": m.Title, "description": m.Description, "state": m.State,
		"created_at": stamp(m.Created), "updated_at": stamp(m.Updated), "due_date": orNil(m.Due), "start_date": orNil(m.Start),
		"expired": m.Due != "" && m.Due < s.now().Format(time.DateOnly), "web_url": fmt.Sprintf("%s/-/milestones/%d", s.web(s.project(m.Project)), m.IID)}
}

// releaseMilestone is a milestone as releases show it; nil when the project has none of that title.
func (s *Server) releaseMilestone(p *Project, title string) map[string]any {
	m := s.titled(p.ID, title)
	if m == nil {
		return nil
	}
	out := s.milestoneJSON(m)
	total, closed := 0, 0
	for _, i := range s.issues {
		if i.Milestone == m.ID {
			total++
			if i.State == Closed {
				closed++
			}
		}
	}
	out["issue_stats"] = map[string]any{"total": total, "closed": closed}
	return out
}

// orNil is null for an empty text.
func orNil(v string) any {
	if v == "" {
		return nil
	}
	return v
}

func (s *Server) listMilestones(c *call) answer {
	if a := c.among("state", "active", "closed", "all"); a != nil {
		return *a
	}
	var found []*Milestone
	iids := c.list("iids")
	for _, m := range s.milestones {
		if m.Project != c.project.ID || c.has("title") && m.Title != c.str("title") ||
			c.given("search") && !contains(c.str("search"), m.Title, m.Description) ||
			c.given("state") && c.str("state") != "all" && m.State != c.str("state") ||
			len(iids) > 0 && !listed(iids, m.IID) {
			continue
		}
		found = append(found, m)
	}
	return paged(c, found, s.milestoneJSON)
}

// contains says whether one of the texts has the search in it, whatever its case.
func contains(search string, texts ...string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), strings.ToLower(search)) })
}

func listed(numbers []string, n int) bool {
	return slices.ContainsFunc(numbers, func(one string) bool { return number(one) == n })
}

func (s *Server) createMilestone(c *call) answer {
	if !c.has("title") {
		return missing("title")
	}
	if wrong := s.wrongTitle(c.project.ID, 0, c.str("title")); wrong != "" {
		return message(http.StatusBadRequest, "Failed to create milestone "+wrong)
	}
	m := s.addMilestone(c.user, Milestone{Project: c.project.ID, Title: c.str("title"), Description: c.str("description"), Start: c.str("start_date"), Due: c.str("due_date")})
	return created(s.milestoneJSON(m))
}

// wrongTitle is what GitLab says of a title that is empty or taken.
func (s *Server) wrongTitle(project, own int, title string) string {
	switch m := s.titled(project, title); {
	case strings.TrimSpace(title) == "":
		return `{:title=>["can't be blank"]}`
	case m != nil && m.ID != own:
		return `{:title=>["has already been taken"]}`
	}
	return ""
}

func (s *Server) addMilestone(by *User, m Milestone) *Milestone {
	m.ID, m.IID, m.State, m.Created, m.Updated = s.id("milestone"), s.project(m.Project).iid("milestone"), "active", s.now(), s.now()
	s.milestones = append(s.milestones, &m)
	s.active(m.Project, by, "created", "Milestone", m.ID, m.IID, m.Title)
	s.tellMilestone(&m, "create")
	return &m
}

func (s *Server) updateMilestone(c *call, m *Milestone) answer {
	if a := c.oneOf("title", "description", "start_date", "due_date", "state_event"); a != nil {
		return *a
	}
	if a := c.among("state_event", "close", "activate"); a != nil {
		return *a
	}
	if c.has("title") {
		if wrong := s.wrongTitle(m.Project, m.ID, c.str("title")); wrong != "" {
			return message(http.StatusBadRequest, "Failed to update milestone "+wrong)
		}
	}
	for name, into := range map[string]*string{"title": &m.Title, "description": &m.Description, "start_date": &m.Start, "due_date": &m.Due} {
		if c.has(name) {
			*into = c.str(name)
		}
	}
	m.Updated = s.now()
	s.turnMilestone(c.user, m, c.str("state_event"))
	return ok(s.milestoneJSON(m))
}

// turnMilestone closes or reopens a milestone. Where nothing changes nobody is told.
func (s *Server) turnMilestone(by *User, m *Milestone, event string) {
	switch {
	case event == "close" && m.State == "active":
		m.State, m.Updated = "closed", s.now()
		s.active(m.Project, by, "closed", "Milestone", m.ID, m.IID, m.Title)
		s.tellMilestone(m, "close")
	case event == "activate" && m.State == "closed":
		m.State, m.Updated = "active", s.now()
		s.active(m.Project, by, "reopened", "Milestone", m.ID, m.IID, m.Title)
		s.tellMilestone(m, "reopen")
	}
}

func (s *Server) deleteMilestone(_ *call, m *Milestone) answer {
	s.milestones = slices.DeleteFunc(s.milestones, func(one *Milestone) bool { return one == m })
	for _, i := range s.issues {
		if i.Milestone == m.ID {
			i.Milestone = 0
		}
	}
	for _, r := range s.merges {
		if r.Milestone == m.ID {
			r.Milestone = 0
		}
	}
	s.tellMilestone(m, "delete")
	return noContent()
}

// tellMilestone hands an event of a milestone to the hooks. It has no user: nobody can tell from it
// who closed a milestone.
func (s *Server) tellMilestone(m *Milestone, action string) {
	s.emit(s.project(m.Project), "milestone", s.milestoneEvent(m, action))
}

func (s *Server) milestoneEvent(m *Milestone, action string) map[string]any {
	p := s.project(m.Project)
	return map[string]any{"object_kind": "milestone", "event_type": "milestone", "project": s.hookProject(p), "action": action,
		"object_attributes": map[string]any{"id": m.ID, "iid": m.IID, "title": m.Title, "description": m.Description, "state": m.State,
			"created_at": hookStamp(m.Created), "updated_at": hookStamp(m.Updated), "due_date": orNil(m.Due), "start_date": orNil(m.Start),
			"group_id": nil, "project_id": m.Project}}
}
