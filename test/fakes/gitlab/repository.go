package gitlab

import (
	"net/http"
	"slices"
	"strings"
)

func (s *Server) repositoryRoutes() []route {
	return slices.Concat(s.commitRoutes(), s.protectionRoutes(), []route{
		{"GET", "/projects/:id/repository/branches", 0, s.listBranches},
		{"GET", "/projects/:id/repository/branches/:branch", 0, s.getBranch},
		{"POST", "/projects/:id/repository/branches", Developer, s.createBranch},
		{"DELETE", "/projects/:id/repository/branches/:branch", Developer, s.deleteBranch},
		{"GET", "/projects/:id/repository/tags", 0, s.listTags},
		{"GET", "/projects/:id/repository/tags/:tag", 0, s.getTag},
		{"POST", "/projects/:id/repository/tags", Developer, s.createTag},
		{"DELETE", "/projects/:id/repository/tags/:tag", Developer, s.deleteTag},
	})
}

// names lists what refs there are below a prefix, without it, in order.
func (p *Project) names(prefix, search string) []string {
	var out []string
	for ref := range p.refs {
		if name, is := strings.CutPrefix(ref, prefix); is && searched(name, search) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// searched is GitLab's search in names: a part, or with ^ and $ the beginning or the end.
func searched(name, search string) bool {
	if rest, is := strings.CutPrefix(search, "^"); is {
		return strings.HasPrefix(name, rest)
	}
	if rest, is := strings.CutSuffix(search, "$"); is && rest != "" {
		return strings.HasSuffix(name, rest)
	}
	return strings.Contains(name, search)
}

func (s *Server) listBranches(c *call) answer {
	return paged(c, c.project.names("refs/heads/", c.str("search")), func(name string) map[string]any { return s.branchJSON(c, name) })
}

func (s *Server) getBranch(c *call) answer {
	if c.project.refs["refs/heads/"+c.path["branch"]] == "" {
		return notFound("Branch")
	}
	return ok(s.branchJSON(c, c.path["branch"]))
}

func (s *Server) branchJSON(c *call, name string) map[string]any {
	p := c.project
	tip := s.commit(p, p.refs["refs/heads/"+name])
	return map[string]any{"name": name, "commit": s.commitJSON(p, tip), "merged": false, "protected": guarded(p.branches, name) != nil,
		"developers_can_push": allowed(p.branches, name, Developer, false), "developers_can_merge": allowed(p.branches, name, Developer, true),
		"can_push": c.level() >= Developer && allowed(p.branches, name, c.level(), false), "default": name == p.Branch,
		"web_url": s.web(p) + "/-/tree/" + name}
}

func (s *Server) createBranch(c *call) answer {
	name, from := c.str("branch"), c.str("ref")
	switch {
	case name == "":
		return missing("branch")
	case from == "":
		return missing("ref")
	case c.project.refs["refs/heads/"+name] != "":
		return message(http.StatusBadRequest, "Branch already exists")
	}
	if _, err := s.git(c.project, nil, "check-ref-format", "--branch", name); err != nil {
		return message(http.StatusBadRequest, "Branch name is invalid")
	}
	tip := s.commit(c.project, from)
	if tip == nil {
		return message(http.StatusBadRequest, "Invalid reference name: "+from)
	}
	if !allowed(c.project.branches, name, c.level(), false) {
		return message(http.StatusForbidden, "You are not allowed to create protected branches on this project.")
	}
	if _, err := s.git(c.project, nil, "update-ref", "refs/heads/"+name, tip.ID, zero); err != nil {
		return message(http.StatusBadRequest, "Failed to create branch")
	}
	s.sync(c.project, c.user)
	return created(s.branchJSON(c, name))
}

func (s *Server) deleteBranch(c *call) answer {
	name := c.path["branch"]
	switch {
	case c.project.refs["refs/heads/"+name] == "":
		return notFound("Branch")
	case name == c.project.Branch:
		return message(http.StatusBadRequest, "Cannot remove the default branch")
	case guarded(c.project.branches, name) != nil:
		return message(http.StatusMethodNotAllowed, "Protected branch cannot be removed")
	}
	if _, err := s.git(c.project, nil, "update-ref", "-d", "refs/heads/"+name); err != nil {
		return message(http.StatusBadRequest, "Failed to remove branch")
	}
	s.sync(c.project, c.user)
	return noContent()
}

func (s *Server) listTags(c *call) answer {
	names := c.project.names("refs/tags/", c.str("search"))
	if c.str("sort") != "asc" {
		slices.Reverse(names)
	}
	return paged(c, names, func(name string) map[string]any { return s.tagJSON(c.project, name) })
}

func (s *Server) getTag(c *call) answer {
	if c.project.refs["refs/tags/"+c.path["tag"]] == "" {
		return notFound("Tag")
	}
	return ok(s.tagJSON(c.project, c.path["tag"]))
}

// tagJSON is a tag. The target of an annotated tag is the tag object; commit.id is the commit.
func (s *Server) tagJSON(p *Project, name string) map[string]any {
	id := p.refs["refs/tags/"+name]
	text, annotated := s.tagMessage(p, id)
	out := map[string]any{"name": name, "message": "", "target": id, "commit": s.commitJSON(p, s.commit(p, id)), "release": nil,
		"protected": guarded(p.tags, name) != nil, "created_at": nil}
	if annotated {
		out["message"] = strings.TrimSuffix(text, "\n")
		if at, err := s.git(p, nil, "for-each-ref", "--format=%(taggerdate:format:%Y-%m-%dT%H:%M:%S.000+00:00)", "refs/tags/"+name); err == nil {
			out["created_at"] = strings.TrimSpace(at)
		}
	}
	if r := p.release(name); r != nil {
		out["release"] = map[string]any{"tag_name": r.Tag, "description": r.Description}
	}
	return out
}

// tagMessage is the text of an annotated tag, with its signature.
func (s *Server) tagMessage(p *Project, id string) (text string, annotated bool) {
	if kind, err := s.git(p, nil, "cat-file", "-t", id); err != nil || strings.TrimSpace(kind) != "tag" {
		return "", false
	}
	raw, err := s.git(p, nil, "cat-file", "tag", id)
	if err != nil {
		return "", false
	}
	_, text, _ = strings.Cut(raw, "\n\n")
	return text, true
}

func (s *Server) createTag(c *call) answer {
	name, from := c.str("tag_name"), c.str("ref")
	switch {
	case name == "":
		return missing("tag_name")
	case from == "":
		return missing("ref")
	}
	if a := s.makeTag(c, name, from, c.str("message")); a != nil {
		return *a
	}
	return created(s.tagJSON(c.project, name))
}

// makeTag makes a tag for the caller, annotated where there is a text.
func (s *Server) makeTag(c *call, name, from, text string) *answer {
	refuse := func(status int, what string) *answer { a := message(status, what); return &a }
	p := c.project
	tip := s.commit(p, from)
	switch {
	case p.refs["refs/tags/"+name] != "":
		return refuse(http.StatusBadRequest, "Tag "+name+" already exists")
	case tip == nil:
		return refuse(http.StatusBadRequest, "Target "+from+" is invalid")
	case !allowed(p.tags, name, c.level(), false):
		return refuse(http.StatusForbidden, "You are not allowed to create this tag as it is protected.")
	}
	args := []string{"tag", "--no-sign", name, tip.ID}
	if text != "" {
		args = []string{"tag", "--no-sign", "-a", "-m", text, name, tip.ID}
	}
	if _, err := s.run(p.dir, nil, s.signature(c.user), args...); err != nil {
		return refuse(http.StatusBadRequest, "Tag name invalid")
	}
	s.sync(p, c.user)
	return nil
}

func (s *Server) deleteTag(c *call) answer {
	name := c.path["tag"]
	if c.project.refs["refs/tags/"+name] == "" {
		return notFound("Tag")
	}
	if guarded(c.project.tags, name) != nil && c.level() < Maintainer {
		return message(http.StatusForbidden, "You are not allowed to delete this protected tag.")
	}
	if _, err := s.git(c.project, nil, "update-ref", "-d", "refs/tags/"+name); err != nil {
		return message(http.StatusBadRequest, "Failed to remove tag")
	}
	s.sync(c.project, c.user)
	return noContent()
}

// Ref is what a full ref name ("refs/heads/master") points at; "" when it is not there.
func (s *Server) Ref(project int, name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.project(project); p != nil {
		return p.refs[name]
	}
	return ""
}

// Dir is the bare repository of a project, to look at.
func (s *Server) Dir(project int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.project(project); p != nil {
		return p.dir
	}
	return ""
}

// SetRef moves, makes or (to "") deletes a ref as a push by somebody would who may do everything.
func (s *Server) SetRef(project, user int, name, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.project(project)
	args := []string{"update-ref", name, to}
	if to == "" {
		args = []string{"update-ref", "-d", name}
	}
	if _, err := s.git(p, nil, args...); err != nil {
		return err
	}
	s.sync(p, s.user(user))
	return nil
}
