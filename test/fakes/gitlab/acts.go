package gitlab

import (
	"errors"
	"fmt"
	"slices"
)

// What follows lets a test act as a person does in the browser. State and hooks change as with the
// API; what GitLab would refuse is an error.

// act finds who acts and where, and holds s.mu meanwhile.
func (s *Server) act(user int, at Place, do func(*User, *Item) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, i := s.user(user), s.item(at)
	switch {
	case u == nil || u.Blocked:
		return fmt.Errorf("there is no account %d", user)
	case i == nil:
		return fmt.Errorf("there is nothing at %s", at)
	case !s.project(i.Project).visible(u):
		return fmt.Errorf("%s does not see %s", u.Username, at)
	}
	return do(u, i)
}

func refusal(a *answer) error {
	if a == nil {
		return nil
	}
	return fmt.Errorf("%d: %v", a.status, a.body)
}

// AddMilestone makes a milestone of a title.
func (s *Server) AddMilestone(user, project int, title string) (Milestone, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.project(project) == nil {
		return Milestone{}, fmt.Errorf("there is no project %d", project)
	}
	if why := s.wrongTitle(project, 0, title); why != "" {
		return Milestone{}, errors.New(why)
	}
	return *s.addMilestone(s.user(user), Milestone{Project: project, Title: title}), nil
}

// CloseMilestone closes a milestone; one that is closed stays so.
func (s *Server) CloseMilestone(user, project int, title string) error {
	return s.turn(user, project, title, "close")
}

// ReopenMilestone makes a milestone active again.
func (s *Server) ReopenMilestone(user, project int, title string) error {
	return s.turn(user, project, title, "activate")
}

func (s *Server) turn(user, project int, title, event string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.titled(project, title)
	if m == nil || s.project(project) == nil {
		return fmt.Errorf("there is no milestone %q", title)
	}
	s.turnMilestone(s.user(user), m, event)
	return nil
}

// OpenIssue makes an issue in i.Project of what i says.
func (s *Server) OpenIssue(user int, i Issue) (Issue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.project(i.Project) == nil || s.user(user) == nil {
		return Issue{}, fmt.Errorf("there is no project %d or no account %d", i.Project, user)
	}
	return *s.addIssue(s.user(user), i), nil
}

// OpenMergeRequest makes a merge request into m.Project of what m says; without a Source it comes
// from the same project, without a TargetBranch it goes to the default branch.
func (s *Server) OpenMergeRequest(user int, m MergeRequest) (MergeRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.project(m.Project)
	if p == nil || s.user(user) == nil {
		return MergeRequest{}, fmt.Errorf("there is no project %d or no account %d", m.Project, user)
	}
	if m.Source == 0 {
		m.Source = m.Project
	}
	if m.TargetBranch == "" {
		m.TargetBranch = p.Branch
	}
	made, refused := s.openMerge(s.user(user), m)
	if refused != nil {
		return MergeRequest{}, refusal(refused)
	}
	return *made, nil
}

// CloseItem closes an issue or a merge request.
func (s *Server) CloseItem(user int, at Place) error { return s.turnItem(user, at, "close") }

// ReopenItem opens it again.
func (s *Server) ReopenItem(user int, at Place) error { return s.turnItem(user, at, "reopen") }

func (s *Server) turnItem(user int, at Place, event string) error {
	return s.act(user, at, func(u *User, i *Item) error {
		done := false
		if i.Kind == OnIssue {
			done = s.turnIssue(u, s.issue(i.Project, i.IID), event)
		} else {
			done = s.turnMerge(u, s.merge(i.Project, i.IID), event)
		}
		if !done {
			return fmt.Errorf("%s is %s and does not %s", at, i.State, event)
		}
		return nil
	})
}

// SetMilestone puts an issue or a merge request into a milestone; "" takes it out.
func (s *Server) SetMilestone(user int, at Place, title string) error {
	return s.update(user, at, func(c *call, i *Item) error {
		m := s.titled(i.Project, title)
		if m == nil && title != "" {
			return fmt.Errorf("there is no milestone %q", title)
		}
		c.in["milestone_id"] = "0"
		if m != nil {
			c.in["milestone_id"] = text(float64(m.ID))
		}
		return nil
	})
}

// Retitle gives an issue or a merge request another title; one with "Draft:" marks it as a draft.
func (s *Server) Retitle(user int, at Place, title string) error {
	return s.update(user, at, func(c *call, _ *Item) error { c.in["title"] = title; return nil })
}

// update makes the change that ask writes into a call.
func (s *Server) update(user int, at Place, ask func(*call, *Item) error) error {
	return s.act(user, at, func(u *User, i *Item) error {
		c := &call{s: s, user: u, project: s.project(i.Project), in: map[string]any{}}
		if err := ask(c, i); err != nil {
			return err
		}
		a := answer{}
		if i.Kind == OnIssue {
			a = s.updateIssue(c, s.issue(i.Project, i.IID))
		} else {
			a = s.updateMerge(c, s.merge(i.Project, i.IID))
		}
		if a.status >= 400 {
			return refusal(&a)
		}
		return nil
	})
}

// Merge merges a merge request and gives the merge commit.
func (s *Server) Merge(user, project, iid int) (commit string, err error) {
	err = s.act(user, MergePlace(project, iid), func(u *User, _ *Item) error {
		m := s.merge(project, iid)
		if !s.mayMerge(s.project(project), u, m.TargetBranch) {
			return fmt.Errorf("%s may not merge into %s", u.Username, m.TargetBranch)
		}
		if err := s.mergeNow(u, m, ""); err != nil {
			return err
		}
		commit = m.MergeCommit
		return nil
	})
	return commit, err
}

// Approve approves a merge request.
func (s *Server) Approve(user, project, iid int) error {
	return s.act(user, MergePlace(project, iid), func(u *User, _ *Item) error {
		m := s.merge(project, iid)
		if !s.mayApprove(m, u) {
			return fmt.Errorf("%s may not approve !%d", u.Username, iid)
		}
		s.giveApproval(u, m)
		return nil
	})
}

// Unapprove takes an approval back.
func (s *Server) Unapprove(user, project, iid int) error {
	return s.act(user, MergePlace(project, iid), func(u *User, _ *Item) error {
		m := s.merge(project, iid)
		if !hasApproved(m, u) {
			return fmt.Errorf("%s has not approved !%d", u.Username, iid)
		}
		s.takeApproval(u, m)
		return nil
	})
}

// Comment writes an individual comment.
func (s *Server) Comment(user int, at Place, text string) (Note, error) {
	return s.write(user, at, Note{Body: text})
}

// CommentInternally writes a comment that only members see.
func (s *Server) CommentInternally(user int, at Place, text string) (Note, error) {
	return s.write(user, at, Note{Body: text, Internal: true})
}

// Discuss begins a thread.
func (s *Server) Discuss(user int, at Place, text string) (Note, error) {
	return s.write(user, at, Note{Body: text, Type: "DiscussionNote"})
}

func (s *Server) write(user int, at Place, n Note) (out Note, err error) {
	err = s.act(user, at, func(u *User, i *Item) error {
		out = *s.note(u, i, n)
		return nil
	})
	return out, err
}

// Reply writes into the thread of a discussion.
func (s *Server) Reply(user int, at Place, discussion, text string) (out Note, err error) {
	err = s.act(user, at, func(u *User, i *Item) error {
		for _, n := range s.notesOf(i) {
			if n.Discussion == discussion && !n.System {
				out = *s.answerIn(u, i, n, text)
				return nil
			}
		}
		return fmt.Errorf("%s has no discussion %s", at, discussion)
	})
	return out, err
}

// onNoteOf finds a note and who acts on it.
func (s *Server) onNoteOf(user, note int, do func(*User, *Note) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, n := s.user(user), s.noteByID(note)
	if u == nil || n == nil || s.project(s.itemOf(n).Project) == nil {
		return fmt.Errorf("there is no account %d or no note %d", user, note)
	}
	return do(u, n)
}

// EditComment gives a comment another text.
func (s *Server) EditComment(user, note int, text string) error {
	return s.onNoteOf(user, note, func(u *User, n *Note) error {
		c := &call{s: s, user: u, project: s.project(s.itemOf(n).Project)}
		if !c.mayEdit(n) {
			return fmt.Errorf("%s may not change note %d", u.Username, note)
		}
		s.rewrite(u, n, text)
		return nil
	})
}

// DeleteComment takes a comment away.
func (s *Server) DeleteComment(user, note int) error {
	return s.onNoteOf(user, note, func(u *User, n *Note) error {
		c := &call{s: s, user: u, project: s.project(s.itemOf(n).Project)}
		if !c.mayEdit(n) {
			return fmt.Errorf("%s may not delete note %d", u.Username, note)
		}
		s.removeNote(n)
		return nil
	})
}

// Award gives a note an emoji: thumbsup.
func (s *Server) Award(user, note int, name string) (out Award, err error) {
	err = s.onNoteOf(user, note, func(u *User, _ *Note) error {
		a, why := s.give(u, awardable{"Note", note}, name)
		if why != "" {
			return errors.New(why)
		}
		out = *a
		return nil
	})
	return out, err
}

// Revoke takes an emoji back from a note.
func (s *Server) Revoke(user, note int, name string) error {
	return s.onNoteOf(user, note, func(u *User, _ *Note) error {
		all := s.awardsOn(awardable{"Note", note})
		at := slices.IndexFunc(all, func(a *Award) bool { return a.User == user && a.Name == proper(name) })
		if at < 0 {
			return fmt.Errorf("%s gave no %s", u.Username, name)
		}
		s.takeBack(u, all[at])
		return nil
	})
}

// AwardItem gives an issue or a merge request itself an emoji.
func (s *Server) AwardItem(user int, at Place, name string) error {
	return s.act(user, at, func(u *User, i *Item) error {
		if _, why := s.give(u, awardable{i.Kind, i.ID}, name); why != "" {
			return errors.New(why)
		}
		return nil
	})
}

// Notes are the notes of a place, oldest first, with what GitLab wrote itself.
func (s *Server) Notes(at Place) []Note {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Note{}
	if i := s.item(at); i != nil {
		for _, n := range s.notesOf(i) {
			out = append(out, *n)
		}
	}
	return out
}

// Awards are the emoji on a note, oldest first.
func (s *Server) Awards(note int) []Award {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Award{}
	for _, a := range s.awardsOn(awardable{"Note", note}) {
		out = append(out, *a)
	}
	return out
}
