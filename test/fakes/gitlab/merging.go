package gitlab

import (
	"fmt"
	"net/http"
	"strings"
)

// trial is what git says of a merge that nobody has made yet.
type trial struct {
	into, head string // the commits that were tried
	tree       string // what it would give
	conflict   bool
	nothing    bool // the target has it already
}

// tried asks git whether a merge request can be merged. What was tried once is remembered.
func (s *Server) tried(m *MergeRequest) trial {
	p := s.project(m.Project)
	t := trial{into: p.refs["refs/heads/"+m.TargetBranch], head: m.SHA}
	if t.into == "" {
		return t
	}
	key := t.into + t.head
	if known, is := s.trials[key]; is {
		return known
	}
	if _, err := s.git(p, nil, "merge-base", "--is-ancestor", t.head, t.into); err == nil {
		t.nothing = true
	} else if tree, err := s.git(p, nil, "merge-tree", "--write-tree", "--no-messages", t.into, t.head); err != nil {
		t.conflict = true
	} else {
		t.tree = strings.TrimSpace(tree)
	}
	if s.trials == nil {
		s.trials = map[string]trial{}
	}
	s.trials[key] = t
	return t
}

// mergeStatus is the first thing that keeps a merge request from being merged, in the words of
// detailed_merge_status (https://docs.gitlab.com/api/merge_requests/#merge-status).
func (s *Server) mergeStatus(m *MergeRequest) string {
	if m.State != Opened {
		return "not_open"
	}
	source, t := s.project(m.Source), s.tried(m)
	switch {
	case source == nil || source.refs["refs/heads/"+m.SourceBranch] == "" || t.nothing || t.into == "":
		return "broken_status"
	case m.Draft():
		return "draft_status"
	case s.approvalsLeft(m) > 0:
		return "not_approved"
	case t.conflict:
		return "conflict"
	}
	if p := s.project(m.Project); truth(p.Variables["only_allow_merge_if_pipeline_succeeds"]) {
		_, pl := s.head(m)
		switch {
		case pl == nil || finished(pl.Status) && pl.Status != "success":
			return "ci_must_pass"
		case pl.Status != "success":
			return "ci_still_running"
		}
	}
	return "mergeable"
}

// plainStatus is merge_status, the older and rougher word.
func plainStatus(detailed string) string {
	if detailed == "conflict" || detailed == "broken_status" {
		return "cannot_be_merged"
	}
	return "can_be_merged"
}

// head finds the newest pipeline of a merge request's head; it runs in the project that it comes from.
func (s *Server) head(m *MergeRequest) (*Project, *Pipeline) {
	p := s.project(m.Source)
	if p == nil {
		return nil, nil
	}
	return p, p.lastPipeline(func(pl *Pipeline) bool { return pl.SHA == m.SHA && pl.Ref == m.SourceBranch && !pl.Tag })
}

func (s *Server) headPipeline(m *MergeRequest) any {
	if p, pl := s.head(m); pl != nil {
		return s.pipelineFull(p, pl)
	}
	return nil
}

// mayMerge says whether somebody may merge into a branch.
func (s *Server) mayMerge(p *Project, u *User, branch string) bool {
	level := p.level(u)
	return level >= Developer && allowed(p.branches, branch, level, true)
}

// acceptMerge merges. In this order: 401 who may not, 405 what is not ready, 422 conflicts, 409 a
// head that is another one than the caller thinks.
func (s *Server) acceptMerge(c *call, m *MergeRequest) answer {
	if !s.mayMerge(c.project, c.user, m.TargetBranch) {
		return message(http.StatusUnauthorized, "401 Unauthorized")
	}
	switch s.mergeStatus(m) {
	case "mergeable":
	case "conflict":
		return message(http.StatusUnprocessableEntity, "Branch cannot be merged")
	default:
		return message(http.StatusMethodNotAllowed, "405 Method Not Allowed")
	}
	if sha := c.str("sha"); sha != "" && sha != m.SHA {
		return message(http.StatusConflict, "SHA does not match HEAD of source branch: "+m.SHA)
	}
	if c.has("should_remove_source_branch") {
		m.RemoveSource = c.yes("should_remove_source_branch")
	}
	if err := s.mergeNow(c.user, m, c.str("merge_commit_message")); err != nil {
		return message(http.StatusUnprocessableEntity, "Branch cannot be merged")
	}
	return ok(s.wholeMergeJSON(m, c.user))
}

// mergeNow makes the merge commit in the target's repository, as GitLab does: by the person who
// merges, with the target first.
func (s *Server) mergeNow(by *User, m *MergeRequest, text string) error {
	p, source := s.project(m.Project), s.project(m.Source)
	t := s.tried(m)
	if status := s.mergeStatus(m); status != "mergeable" {
		return fmt.Errorf("!%d cannot be merged: %s", m.IID, status)
	}
	if text == "" {
		text = fmt.Sprintf("Merge branch '%s' into '%s'\n\n%s\n\nSee merge request %s!%d", m.SourceBranch, m.TargetBranch, m.Title, p.Path, m.IID)
	}
	made, err := s.run(p.dir, []byte(text), s.signature(by), "commit-tree", "-p", t.into, "-p", t.head, t.tree)
	if err != nil {
		return err
	}
	commit := strings.TrimSpace(made)
	if _, err := s.git(p, nil, "update-ref", "refs/heads/"+m.TargetBranch, commit, t.into); err != nil {
		return err
	}
	m.State, m.MergeCommit, m.MergedBy, m.Merged, m.Updated = Merged, commit, by.ID, s.now(), s.now()
	s.active(m.Project, by, "merged", OnMergeRequest, m.ID, m.IID, m.Title)
	s.tellMerge(by, m, "merge", stateChange(Opened, Merged), nil)
	s.sync(p, by)
	if m.RemoveSource && m.SourceBranch != source.Branch {
		if _, err := s.git(source, nil, "update-ref", "-d", "refs/heads/"+m.SourceBranch); err == nil {
			s.sync(source, by)
		}
	}
	return nil
}
