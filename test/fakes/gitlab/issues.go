package gitlab

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (s *Server) issueRoutes() []route {
	const one = "/projects/:id/issues/:iid"
	return []route{
		{"GET", "/projects/:id/issues", 0, s.listIssues},
		{"POST", "/projects/:id/issues", Guest, s.createIssue},
		{"GET", one, 0, s.onIssue(func(_ *call, i *Issue) answer { return ok(s.issueJSON(i)) })},
		{"PUT", one, 0, s.onIssue(s.updateIssue)},
	}
}

// seesIssue says whether somebody may see an issue: confidential ones are for members and authors.
func (s *Server) seesIssue(c *call, i *Issue) bool {
	return !i.Confidential || c.level() >= Reporter || i.Author == idOf(c.user)
}

func (s *Server) onIssue(do func(*call, *Issue) answer) func(*call) answer {
	return func(c *call) answer {
		i := s.issue(c.project.ID, c.pathNum("iid"))
		if i == nil || !s.seesIssue(c, i) {
			return notFound("")
		}
		return do(c, i)
	}
}

// itemJSON is what the API shows of issues and merge requests alike.
func (s *Server) itemJSON(i *Item) map[string]any {
	up, down := s.votes(i.Kind, i.ID)
	notes := 0
	for _, n := range s.notesOf(i) {
		if !n.System {
			notes++
		}
	}
	var milestone any
	if m := s.milestone(i.Milestone); m != nil {
		milestone = s.milestoneJSON(m)
	}
	assignees, assignee := []any{}, any(nil)
	for _, id := range i.Assignees {
		assignees = append(assignees, s.userJSON(s.user(id)))
		assignee = assignees[0]
	}
	short := map[string]string{OnIssue: "#", OnMergeRequest: "!"}[i.Kind] + strconv.Itoa(i.IID)
	return map[string]any{"id": i.ID, "iid": i.IID, "project_id": i.Project, "title": i.Title, "description": orNil(i.Description), "state": i.State,
		"created_at": stamp(i.Created), "updated_at": stamp(i.Updated), "closed_at": stamp(i.Closed), "closed_by": s.person(i.ClosedBy),
		"labels": append([]string{}, i.Labels...), "milestone": milestone, "author": s.person(i.Author),
		"assignees": assignees, "assignee": assignee, "user_notes_count": notes, "upvotes": up, "downvotes": down, "web_url": s.address(i),
		"discussion_locked": nil, "imported": false, "task_completion_status": map[string]any{"count": 0, "completed_count": 0},
		"time_stats": map[string]any{"time_estimate": 0, "total_time_spent": 0, "human_time_estimate": nil, "human_total_time_spent": nil},
		"references": map[string]any{"short": short, "relative": short, "full": s.project(i.Project).Path + short}}
}

// person is an account by its id; null for nobody.
func (s *Server) person(id int) any {
	if u := s.user(id); u != nil {
		return s.userJSON(u)
	}
	return nil
}

func (s *Server) issueJSON(i *Issue) map[string]any {
	out := s.itemJSON(&i.Item)
	out["type"], out["issue_type"], out["severity"], out["due_date"], out["confidential"] = "ISSUE", "issue", "UNKNOWN", nil, i.Confidential
	out["has_tasks"], out["moved_to_id"], out["merge_requests_count"] = false, nil, 0
	return out
}

// sought says whether an item passes the filters that lists of issues and of merge requests share.
func (s *Server) sought(c *call, i *Item) bool {
	if state := c.str("state"); state != "" && state != "all" && state != i.State {
		return false
	}
	if iids := c.list("iids"); len(iids) > 0 && !listed(iids, i.IID) {
		return false
	}
	if title := c.str("milestone"); title != "" {
		m := s.milestone(i.Milestone)
		if title == "None" && m != nil || title != "None" && m == nil || title != "None" && title != "Any" && m.Title != title {
			return false
		}
	}
	for _, l := range c.list("labels") {
		if !slices.Contains(i.Labels, l) {
			return false
		}
	}
	if c.given("search") {
		texts := []string{i.Title, i.Description}
		switch c.str("in") {
		case "title":
			texts = texts[:1]
		case "description":
			texts = texts[1:]
		}
		if !contains(c.str("search"), texts...) {
			return false
		}
	}
	if by := c.num("author_id"); by != 0 && by != i.Author {
		return false
	}
	updated, isUpdated := c.when("updated_after")
	made, isMade := c.when("created_after")
	return (!isUpdated || !i.Updated.Before(updated)) && (!isMade || !i.Created.Before(made))
}

// ordered puts a list that is newest first into the order that is asked for.
func ordered[T any](c *call, all []T, of func(T) *Item) []T {
	if c.str("order_by") == "updated_at" {
		slices.SortStableFunc(all, func(a, b T) int { return of(b).Updated.Compare(of(a).Updated) })
	}
	if c.str("sort") == "asc" {
		slices.Reverse(all)
	}
	return all
}

func (s *Server) listIssues(c *call) answer {
	if a := c.among("state", Opened, Closed, "all"); a != nil {
		return *a
	}
	found := newestFirst(s.issues, func(i *Issue) bool {
		return i.Project == c.project.ID && s.seesIssue(c, i) && s.sought(c, &i.Item)
	})
	return paged(c, ordered(c, found, func(i *Issue) *Item { return &i.Item }), s.issueJSON)
}

func (s *Server) createIssue(c *call) answer {
	switch {
	case !c.has("title"):
		return missing("title")
	case strings.TrimSpace(c.str("title")) == "":
		return message(http.StatusBadRequest, map[string]any{"title": []string{"can't be blank"}})
	case len([]rune(c.str("title"))) > 255:
		return message(http.StatusBadRequest, map[string]any{"title": []string{"is too long (maximum is 255 characters)"}})
	}
	i := Issue{Item{Project: c.project.ID, Title: c.str("title"), Description: c.str("description"), Confidential: c.yes("confidential")}}
	if c.level() >= Reporter { // others' labels, milestones and assignees are left out without a word
		i.Labels, i.Assignees = c.list("labels"), numbers(c.list("assignee_ids"))
		if m := s.milestone(c.num("milestone_id")); m != nil && m.Project == c.project.ID {
			i.Milestone = m.ID
		}
	}
	return created(s.issueJSON(s.addIssue(c.user, i)))
}

func numbers(texts []string) []int {
	out := []int{}
	for _, t := range texts {
		if n := number(t); n > 0 {
			out = append(out, n)
		}
	}
	return out
}

func (s *Server) addIssue(by *User, i Issue) *Issue {
	i.Kind, i.ID, i.IID, i.State = OnIssue, s.id("issue"), s.project(i.Project).iid("issue"), Opened
	i.Author, i.Created, i.Updated = by.ID, s.now(), s.now()
	s.issues = append(s.issues, &i)
	s.active(i.Project, by, "created", OnIssue, i.ID, i.IID, i.Title)
	s.tellIssue(by, &i, "open", nil)
	return &i
}

func (s *Server) updateIssue(c *call, i *Issue) answer {
	if c.level() < Reporter && i.Author != c.user.ID {
		return forbidden()
	}
	if a := c.oneOf("assignee_id", "assignee_ids", "confidential", "created_at", "description", "discussion_locked", "due_date", "labels",
		"add_labels", "remove_labels", "milestone_id", "state_event", "title", "issue_type", "weight"); a != nil {
		return *a
	}
	if a := c.among("state_event", "close", "reopen"); a != nil {
		return *a
	}
	changes, refused := s.change(c, &i.Item)
	if refused != nil {
		return *refused
	}
	if c.has("confidential") && c.yes("confidential") != i.Confidential {
		changes["confidential"] = changed(i.Confidential, c.yes("confidential"))
		i.Confidential = c.yes("confidential")
	}
	if event := c.str("state_event"); event == "" || !s.turnIssue(c.user, i, event) {
		s.tellIssue(c.user, i, "update", changes)
	}
	return ok(s.issueJSON(i))
}

// changed is one line of what a hook says of an update.
func changed(previous, current any) map[string]any {
	return map[string]any{"previous": previous, "current": current}
}

// stateID is the number that hooks show of a state.
func stateID(state string) int { return map[string]int{Opened: 1, Closed: 2, Merged: 3}[state] }

func stateChange(from, to string) map[string]any {
	return map[string]any{"state_id": changed(stateID(from), stateID(to))}
}

// change makes the changes that issues and merge requests share, and says what they were.
func (s *Server) change(c *call, i *Item) (map[string]any, *answer) {
	changes := map[string]any{}
	if c.has("title") && c.str("title") != i.Title {
		if strings.TrimSpace(c.str("title")) == "" {
			a := message(http.StatusBadRequest, map[string]any{"title": []string{"can't be blank"}})
			return nil, &a
		}
		changes["title"] = changed(i.Title, c.str("title"))
		s.note(c.user, i, Note{System: true, Body: fmt.Sprintf("changed title from **%s** to **%s**", i.Title, c.str("title"))})
		i.Title = c.str("title")
	}
	if c.has("description") && c.str("description") != i.Description {
		changes["description"] = changed(i.Description, c.str("description"))
		i.Description = c.str("description")
	}
	if c.has("milestone_id") {
		to := 0
		if m := s.milestone(c.num("milestone_id")); m != nil && m.Project == i.Project {
			to = m.ID // one of another project is left out without a word
		}
		if to != i.Milestone {
			changes["milestone_id"] = changed(idOrNil(i.Milestone), idOrNil(to))
			i.Milestone = to
		}
	}
	labels := i.Labels
	if c.has("labels") {
		labels = c.list("labels")
	}
	for _, l := range c.list("add_labels") {
		if !slices.Contains(labels, l) {
			labels = append(slices.Clone(labels), l)
		}
	}
	labels = slices.DeleteFunc(slices.Clone(labels), func(l string) bool { return slices.Contains(c.list("remove_labels"), l) })
	if !slices.Equal(labels, i.Labels) {
		changes["labels"] = changed(s.hookLabels(i.Project, i.Labels), s.hookLabels(i.Project, labels))
		i.Labels = labels
	}
	if c.has("assignee_ids") {
		i.Assignees = numbers(c.list("assignee_ids"))
	}
	changes["updated_at"] = changed(hookStamp(i.Updated), hookStamp(s.now()))
	i.Updated = s.now()
	return changes, nil
}

func idOrNil(id int) any {
	if id == 0 {
		return nil
	}
	return id
}

// turnIssue closes or reopens an issue, and says whether that changed anything.
func (s *Server) turnIssue(by *User, i *Issue, event string) bool {
	i.Updated = s.now()
	switch {
	case event == "close" && i.State == Opened:
		i.State, i.Closed, i.ClosedBy = Closed, s.now(), by.ID
		s.active(i.Project, by, "closed", OnIssue, i.ID, i.IID, i.Title)
		s.tellIssue(by, i, "close", stateChange(Opened, Closed))
	case event == "reopen" && i.State == Closed:
		i.State, i.Closed, i.ClosedBy = Opened, time.Time{}, 0
		s.active(i.Project, by, "reopened", OnIssue, i.ID, i.IID, i.Title)
		s.tellIssue(by, i, "reopen", stateChange(Closed, Opened))
	default:
		return false
	}
	return true
}
