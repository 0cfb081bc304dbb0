package gitlab

import (
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// Project is a project with a repository. Its ID never changes, its Path may.
type Project struct {
	ID          int
	Path        string // with its namespace: yard/harbour
	Name        string // "": the last part of Path
	Description string
	Branch      string // the default branch; "": master
	Public      bool   // whoever likes may read; otherwise only members
	Open        bool   // the default branch is not protected
	Archived    bool
	ForkOf      int            // id of another project whose repository this one begins with; 0: empty
	Members     map[int]int    // user → role
	Variables   map[string]any // merge_method, only_allow_merge_if_pipeline_succeeds …: settings that are only shown

	made, active time.Time
	dir          string             // of the repository
	refs         map[string]string  // the refs that hooks have heard of
	known        map[string]*Commit // commits that were read, by the id of the commit or of the tag
	branches     []*Protection
	tags         []*Protection
	pipelines    []*Pipeline
	releases     []*Release
	iids         map[string]int
	old          []string // paths of before
}

// AddProject makes a project with an empty repository, or with that of ForkOf, and returns its id.
// Nobody but administrators is a member; see [Server.AddMember].
func (s *Server) AddProject(p Project) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.ID == 0 {
		p.ID = s.id("project")
	}
	if p.Name == "" {
		p.Name = path.Base(p.Path)
	}
	if p.Branch == "" {
		p.Branch = "master"
	}
	members := map[int]int{}
	for k, v := range p.Members {
		members[k] = v
	}
	p.Members, p.refs, p.iids, p.known = members, map[string]string{}, map[string]int{}, map[string]*Commit{}
	p.made, p.active = s.now(), s.now()
	s.createRepository(&p)
	if !p.Open {
		p.branches = append(p.branches, &Protection{ID: s.id("protection"), Name: p.Branch, Push: Maintainer, Merge: Maintainer})
	}
	s.projects = append(s.projects, &p)
	return p.ID
}

// AddMember gives an account a role in a project; 0 takes it away.
func (s *Server) AddMember(project, user, role int) {
	s.ChangeProject(project, func(p *Project) {
		if role == 0 {
			delete(p.Members, user)
			return
		}
		p.Members[user] = role
	})
}

// ChangeProject changes what Project shows of a project, except for its Path: see [Server.RenameProject].
func (s *Server) ChangeProject(id int, change func(*Project)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.project(id); p != nil {
		change(p)
	}
}

// RenameProject gives a project another path, as a rename or a move does. GETs at the old path are
// redirected to the numeric id, until another project has that path.
func (s *Server) RenameProject(id int, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.project(id); p != nil {
		p.old = append(p.old, p.Path)
		if p.Name == path.Base(p.Path) {
			p.Name = path.Base(to)
		}
		p.Path = to
	}
}

// DeleteProject takes a project away; its repository is not reachable any more.
func (s *Server) DeleteProject(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range s.projects {
		if p.ID == id {
			s.projects = append(s.projects[:i:i], s.projects[i+1:]...)
			return
		}
	}
}

// project finds a project by id; s.mu is held.
func (s *Server) project(id int) *Project {
	for _, p := range s.projects {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// projectByPath finds a project by its path, or by one of before: moved.
func (s *Server) projectByPath(name string) (p *Project, moved bool) {
	for _, p := range s.projects {
		if strings.EqualFold(p.Path, name) {
			return p, false
		}
	}
	for _, p := range s.projects {
		for _, old := range p.old {
			if strings.EqualFold(old, name) {
				return p, true
			}
		}
	}
	return nil, false
}

// level is somebody's role; administrators have the highest.
func (p *Project) level(u *User) int {
	switch {
	case u == nil || u.Blocked:
		return 0
	case u.Admin:
		return Owner
	}
	return p.Members[u.ID]
}

// visible says whether somebody may read the project.
func (p *Project) visible(u *User) bool { return p.Public || p.level(u) > 0 }

// iid gives the next number of a kind within the project.
func (p *Project) iid(kind string) int { p.iids[kind]++; return p.iids[kind] }

func (s *Server) web(p *Project) string { return s.URL + "/" + p.Path }

// Remote is the address of a project's repository as it is now.
func (s *Server) Remote(project int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.project(project); p != nil {
		return s.web(p) + ".git"
	}
	return ""
}

func (s *Server) projectRoutes() []route {
	return []route{
		{"GET", "/projects", 0, s.listProjects},
		{"GET", "/projects/:id", 0, func(c *call) answer { return ok(s.projectJSON(c.project, c.user)) }},
		{"GET", "/projects/:id/members/all/:user", 0, s.member},
		{"GET", "/projects/:id/members/:user", 0, s.member},
		{"GET", "/projects/:id/members/all", 0, s.members},
		{"GET", "/projects/:id/members", 0, s.members},
	}
}

func (s *Server) listProjects(c *call) answer {
	var found []*Project
	for _, p := range s.projects {
		if p.visible(c.user) && (!c.yes("membership") || p.Members[idOf(c.user)] > 0) && strings.Contains(p.Path, c.str("search")) {
			found = append(found, p)
		}
	}
	return paged(c, found, func(p *Project) map[string]any { return s.projectJSON(p, c.user) })
}

func idOf(u *User) int {
	if u == nil {
		return 0
	}
	return u.ID
}

func (s *Server) memberJSON(p *Project, u *User) map[string]any {
	out := s.userJSON(u)
	out["access_level"], out["expires_at"], out["created_at"] = p.Members[u.ID], nil, stamp(p.made)
	return out
}

func (s *Server) member(c *call) answer {
	u := s.user(c.pathNum("user"))
	if u == nil || c.project.Members[u.ID] == 0 {
		return notFound("")
	}
	return ok(s.memberJSON(c.project, u))
}

func (s *Server) members(c *call) answer {
	var found []*User
	for _, u := range s.users {
		if c.project.Members[u.ID] > 0 {
			found = append(found, u)
		}
	}
	return paged(c, found, func(u *User) map[string]any { return s.memberJSON(c.project, u) })
}

// projectJSON is a project as the API shows it to somebody.
func (s *Server) projectJSON(p *Project, viewer *User) map[string]any {
	visibility, ns := "private", path.Dir(p.Path)
	if p.Public {
		visibility = "public"
	}
	var access any
	if n := p.Members[idOf(viewer)]; n > 0 {
		access = map[string]any{"access_level": n, "notification_level": 3}
	}
	out := map[string]any{
		"id": p.ID, "description": p.Description, "name": p.Name, "name_with_namespace": ns + " / " + p.Name, "path": path.Base(p.Path),
		"path_with_namespace": p.Path, "created_at": stamp(p.made), "default_branch": p.Branch, "tag_list": []string{}, "topics": []string{},
		"ssh_url_to_repo": "git@" + s.addr + ":" + p.Path + ".git", "http_url_to_repo": s.web(p) + ".git", "web_url": s.web(p),
		"readme_url": nil, "avatar_url": nil, "forks_count": 0, "star_count": 0, "last_activity_at": stamp(p.active), "visibility": visibility,
		"archived": p.Archived, "empty_repo": len(p.refs) == 0, "issues_enabled": true, "merge_requests_enabled": true, "jobs_enabled": true,
		"namespace":   map[string]any{"id": p.ID + 1, "name": ns, "path": path.Base(ns), "kind": "group", "full_path": ns, "parent_id": nil, "web_url": s.URL + "/groups/" + ns},
		"permissions": map[string]any{"project_access": access, "group_access": nil},
	}
	for k, v := range p.Variables {
		out[k] = v
	}
	if from := s.project(p.ForkOf); from != nil {
		out["forked_from_project"] = map[string]any{"id": from.ID, "name": from.Name, "path_with_namespace": from.Path, "web_url": s.web(from)}
	}
	return out
}

// hookProject is a project as hooks show it.
func (s *Server) hookProject(p *Project) map[string]any {
	level := 0
	if p.Public {
		level = 20
	}
	ssh, web := "git@"+s.addr+":"+p.Path+".git", s.web(p)
	return map[string]any{"id": p.ID, "name": p.Name, "description": p.Description, "web_url": web, "avatar_url": nil, "git_ssh_url": ssh,
		"git_http_url": web + ".git", "namespace": path.Dir(p.Path), "visibility_level": level, "path_with_namespace": p.Path,
		"default_branch": p.Branch, "ci_config_path": "", "homepage": web, "url": ssh, "ssh_url": ssh, "http_url": web + ".git"}
}

// hookRepository is a project's repository as hooks show it.
func (s *Server) hookRepository(p *Project) map[string]any {
	h := s.hookProject(p)
	out := map[string]any{}
	for _, k := range []string{"name", "url", "description", "homepage", "git_http_url", "git_ssh_url", "visibility_level"} {
		out[k] = h[k]
	}
	return out
}

// locate finds the project of a call, by id or by path, and refuses those who may not see it.
func (c *call) locate(name string) *answer {
	refuse := func(a answer) *answer { return &a }
	var moved bool
	if id, err := strconv.Atoi(name); err == nil {
		c.project = c.s.project(id)
	} else {
		c.project, moved = c.s.projectByPath(name)
	}
	switch {
	case c.project == nil || !c.project.visible(c.user):
		if c.user == nil {
			return refuse(message(http.StatusUnauthorized, "401 Unauthorized"))
		}
		return refuse(notFound("Project"))
	case moved && (c.r.Method == http.MethodGet || c.r.Method == http.MethodHead):
		parts := strings.SplitN(c.r.URL.EscapedPath(), "/", 6) // "", api, v4, projects, the name, the rest
		parts[4] = strconv.Itoa(c.project.ID)
		to := c.s.URL + strings.Join(parts, "/")
		if c.r.URL.RawQuery != "" {
			to += "?" + c.r.URL.RawQuery
		}
		a := message(http.StatusMovedPermanently, "This resource has been moved permanently to "+to)
		a.header = http.Header{"Location": {to}}
		return refuse(a)
	}
	return nil
}
