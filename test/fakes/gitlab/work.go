package gitlab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// work is what people work on in projects.
type work struct {
	milestones []*Milestone
	issues     []*Issue
	merges     []*MergeRequest
	notes      []*Note
	awards     []*Award
	events     []*Event
	required   map[int]int      // approvals that a merge request needs, by project
	trials     map[string]trial // what git said of merges, by the two commits
	hooks      hooks
}

func (s *Server) workRoutes() []route {
	return slices.Concat(s.milestoneRoutes(), s.issueRoutes(), s.mergeRoutes(), s.approvalRoutes(), s.noteRoutes(), s.awardRoutes(), s.eventRoutes(), s.hookRoutes())
}

// Milestone is a milestone of a project. The API names it by ID, people by IID.
type Milestone struct {
	ID, IID, Project   int
	Title, Description string
	State              string // active or closed
	Start, Due         string // dates
	Created, Updated   time.Time
}

// States of issues and merge requests.
const (
	Opened = "opened"
	Closed = "closed"
	Merged = "merged"
)

// What has comments.
const (
	OnIssue        = "Issue"
	OnMergeRequest = "MergeRequest"
)

// Item is what issues and merge requests have in common.
type Item struct {
	Kind               string // OnIssue or OnMergeRequest
	ID, IID, Project   int
	Title, Description string
	State              string
	Author             int // id
	Assignees          []int
	Labels             []string
	Milestone          int // id; 0: none
	Created, Updated   time.Time
	Closed             time.Time
	ClosedBy           int
	Confidential       bool // issues only
}

// Issue is an issue.
type Issue struct{ Item }

// MergeRequest is a merge request; Project is the project that it goes into.
type MergeRequest struct {
	Item
	Source                     int // id of the project that it comes from
	SourceBranch, TargetBranch string
	SHA                        string // the head of the source branch when it was last seen
	Base                       string // the merge base then
	MergeCommit                string
	MergedBy                   int
	Merged                     time.Time
	Approvals                  []Approval
	RemoveSource               bool
}

// Approval is somebody's approval of a merge request.
type Approval struct {
	User int
	At   time.Time
}

// Place names an issue or a merge request: 4711/issues/12 or 4711/merge_requests/3.
type Place string

// IssuePlace names an issue by project and iid.
func IssuePlace(project, iid int) Place { return Place(fmt.Sprintf("%d/issues/%d", project, iid)) }

// MergePlace names a merge request by project and iid.
func MergePlace(project, iid int) Place {
	return Place(fmt.Sprintf("%d/merge_requests/%d", project, iid))
}

// item finds what a place names; s.mu is held.
func (s *Server) item(at Place) *Item {
	parts := strings.Split(string(at), "/")
	if len(parts) != 3 {
		return nil
	}
	project, _ := strconv.Atoi(parts[0])
	iid, _ := strconv.Atoi(parts[2])
	if s.project(project) == nil {
		return nil // it was deleted
	}
	switch parts[1] {
	case "issues":
		if i := s.issue(project, iid); i != nil {
			return &i.Item
		}
	case "merge_requests":
		if m := s.merge(project, iid); m != nil {
			return &m.Item
		}
	}
	return nil
}

func (s *Server) issue(project, iid int) *Issue {
	for _, i := range s.issues {
		if i.Project == project && i.IID == iid {
			return i
		}
	}
	return nil
}

func (s *Server) merge(project, iid int) *MergeRequest {
	for _, m := range s.merges {
		if m.Project == project && m.IID == iid {
			return m
		}
	}
	return nil
}

func (s *Server) milestone(id int) *Milestone {
	for _, m := range s.milestones {
		if m.ID == id {
			return m
		}
	}
	return nil
}

// Issue is an issue as it is now.
func (s *Server) Issue(project, iid int) (Issue, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.issue(project, iid); i != nil {
		return *i, true
	}
	return Issue{}, false
}

// Issues are a project's issues as they are now.
func (s *Server) Issues(project int) []Issue {
	s.mu.Lock()
	defer s.mu.Unlock()
	return mine(s.issues, func(i *Issue) bool { return i.Project == project })
}

// MergeRequest is a merge request as it is now.
func (s *Server) MergeRequest(project, iid int) (MergeRequest, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.merge(project, iid); m != nil {
		return *m, true
	}
	return MergeRequest{}, false
}

// MergeRequests are the merge requests into a project as they are now.
func (s *Server) MergeRequests(project int) []MergeRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return mine(s.merges, func(m *MergeRequest) bool { return m.Project == project })
}

// Milestone finds a project's milestone by its title.
func (s *Server) Milestone(project int, title string) (Milestone, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.titled(project, title); m != nil {
		return *m, true
	}
	return Milestone{}, false
}

func (s *Server) titled(project int, title string) *Milestone {
	for _, m := range s.milestones {
		if m.Project == project && m.Title == title {
			return m
		}
	}
	return nil
}

// mine copies those of a list that belong to what is asked for.
func mine[T any](all []*T, belongs func(*T) bool) []T {
	out := []T{}
	for _, one := range all {
		if belongs(one) {
			out = append(out, *one)
		}
	}
	return out
}

// newestFirst is a list's order where nothing else is asked for.
func newestFirst[T any](all []*T, belongs func(*T) bool) []*T {
	var out []*T
	for _, one := range slices.Backward(all) {
		if belongs(one) {
			out = append(out, one)
		}
	}
	return out
}

// segment is how the kind of an item is written in addresses.
func segment(kind string) string {
	if kind == OnIssue {
		return "issues"
	}
	return "merge_requests"
}

// address is the page of an item.
func (s *Server) address(i *Item) string {
	return fmt.Sprintf("%s/-/%s/%d", s.web(s.project(i.Project)), segment(i.Kind), i.IID)
}

// given says whether a parameter is there and says something.
func (c *call) given(name string) bool { return c.str(name) != "" }

// oneOf refuses an update that says nothing.
func (c *call) oneOf(names ...string) *answer {
	if slices.ContainsFunc(names, c.has) {
		return nil
	}
	a := wrong(400, "%s are missing, at least one parameter must be provided", strings.Join(names, ", "))
	return &a
}

// among refuses a parameter that is given and not one of the values.
func (c *call) among(name string, values ...string) *answer {
	if !c.has(name) || slices.Contains(values, c.str(name)) {
		return nil
	}
	a := wrong(400, "%s does not have a valid value", name)
	return &a
}
