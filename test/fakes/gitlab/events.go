package gitlab

import (
	"slices"
	"time"
)

// Event is a line of a project's activity.
type Event struct {
	ID, Project   int
	Action        string // as the filter of the API names it: created, closed, reopened, merged, commented, approved
	User          int
	Target        string // Issue, MergeRequest, Milestone, Note, DiscussionNote
	TargetID, IID int
	Title         string
	Note          int // id of the note, for commented
	At            time.Time
}

// active writes a line of a project's activity.
func (s *Server) active(project int, by *User, action, target string, id, iid int, title string) *Event {
	e := &Event{ID: s.id("event"), Project: project, Action: action, User: idOf(by), Target: target, TargetID: id, IID: iid, Title: title, At: s.now()}
	s.events = append(s.events, e)
	return e
}

func (s *Server) eventRoutes() []route {
	return []route{{"GET", "/projects/:id/events", 0, s.listEvents}}
}

// listEvents shows a project's activity, newest first. after and before are dates, and neither
// includes the day that it names (https://docs.gitlab.com/api/events/).
func (s *Server) listEvents(c *call) answer {
	if a := c.among("sort", "asc", "desc"); a != nil {
		return *a
	}
	day := func(name string) (time.Time, bool) {
		t, is := c.when(name)
		return t.UTC().Truncate(24 * time.Hour), is
	}
	after, hasAfter := day("after")
	before, hasBefore := day("before")
	switch {
	case c.has("after") && !hasAfter:
		return invalid("after")
	case c.has("before") && !hasBefore:
		return invalid("before")
	}
	found := newestFirst(s.events, func(e *Event) bool {
		if e.Project != c.project.ID || c.given("action") && e.Action != c.str("action") || !targets(c.str("target_type"), e) {
			return false
		}
		if n := s.noteByID(e.Note); e.Note != 0 && (n == nil || !s.seesNote(c, n) || s.hidden(n) && c.level() < Reporter) {
			return false
		}
		return (!hasAfter || !e.At.Before(after.AddDate(0, 0, 1))) && (!hasBefore || e.At.Before(before))
	})
	if c.str("sort") == "asc" {
		slices.Reverse(found)
	}
	return paged(c, found, s.eventJSON)
}

// targets says whether target_type lets an event through; values that are not known are not heeded.
func targets(kind string, e *Event) bool {
	switch kind {
	case "issue":
		return e.Target == OnIssue
	case "merge_request":
		return e.Target == OnMergeRequest
	case "milestone":
		return e.Target == "Milestone"
	case "note":
		return e.Note != 0
	}
	return true
}

// eventName is how the API shows an action that it filters by another word.
func eventName(e *Event) string {
	switch {
	case e.Action == "created" && e.Target != "Milestone", e.Action == "reopened":
		return "opened"
	case e.Action == "commented":
		return "commented on"
	case e.Action == "merged":
		return "accepted"
	}
	return e.Action
}

func (s *Server) eventJSON(e *Event) map[string]any {
	name := any(nil)
	if u := s.user(e.User); u != nil {
		name = u.Username
	}
	out := map[string]any{"id": e.ID, "project_id": e.Project, "action_name": eventName(e), "target_id": e.TargetID, "target_iid": e.IID, "target_type": e.Target,
		"author_id": e.User, "target_title": e.Title, "created_at": stamp(e.At), "author": s.person(e.User), "author_username": name, "imported": false}
	if n := s.noteByID(e.Note); n != nil {
		out["note"] = s.noteJSON(n)
	}
	return out
}
