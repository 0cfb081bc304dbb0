package gitlab

import (
	"net/http"
	"slices"
	"strings"
)

// Nobody is the role that a protection asks for when nobody may.
const Nobody = 0

// Protection protects the branches, or tags, that Name matches; "*" in it stands for anything. For
// tags Push is who may make them.
type Protection struct {
	ID          int
	Name        string
	Push, Merge int  // the lowest role that may, or Nobody
	Force       bool // pushes may rewrite history
}

// allows says whether a role reaches what a protection asks for.
func allows(wanted, role int) bool { return wanted != Nobody && role >= wanted }

func (x *Protection) covers(name string) bool {
	parts := strings.Split(x.Name, "*")
	if len(parts) == 1 {
		return x.Name == name
	}
	rest, ok := strings.CutPrefix(name, parts[0])
	for _, part := range parts[1 : len(parts)-1] {
		if _, rest, _ = strings.Cut(rest, part); !strings.Contains(name, part) {
			return false
		}
	}
	return ok && strings.HasSuffix(rest, parts[len(parts)-1])
}

// guarded finds the first protection of a name.
func guarded(list []*Protection, name string) *Protection {
	for _, x := range list {
		if x.covers(name) {
			return x
		}
	}
	return nil
}

// allowed says whether a role may push to a name, or merge into it. Of several protections the
// kindest counts.
func allowed(list []*Protection, name string, role int, merge bool) bool {
	found := false
	for _, x := range list {
		if !x.covers(name) {
			continue
		}
		found = true
		if allows(x.Push, role) || merge && allows(x.Merge, role) {
			return true
		}
	}
	return !found && role >= Developer
}

func (s *Server) refProtected(p *Project, ref string) bool {
	if tag, is := strings.CutPrefix(ref, "refs/tags/"); is {
		return guarded(p.tags, tag) != nil
	}
	return guarded(p.branches, strings.TrimPrefix(ref, "refs/heads/")) != nil
}

// Protect protects branches.
func (s *Server) Protect(project int, x Protection) { s.protect(project, x, false) }

// ProtectTags protects tags.
func (s *Server) ProtectTags(project int, x Protection) { s.protect(project, x, true) }

func (s *Server) protect(project int, x Protection, tags bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.project(project); p != nil {
		x.ID = s.id("protection")
		list := p.protections(tags)
		*list = append(slices.DeleteFunc(*list, func(y *Protection) bool { return y.Name == x.Name }), &x)
	}
}

// Unprotect ends the protection of branches.
func (s *Server) Unprotect(project int, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.project(project); p != nil {
		p.branches = slices.DeleteFunc(p.branches, func(x *Protection) bool { return x.Name == name })
	}
}

func (p *Project) protections(tags bool) *[]*Protection {
	if tags {
		return &p.tags
	}
	return &p.branches
}

func (s *Server) protectionRoutes() []route {
	var out []route
	for at, tags := range map[string]bool{"/projects/:id/protected_branches": false, "/projects/:id/protected_tags": true} {
		out = append(out,
			route{"GET", at, Developer, func(c *call) answer {
				return paged(c, *c.project.protections(tags), func(x *Protection) map[string]any { return x.json(tags) })
			}},
			route{"GET", at + "/:name", Developer, func(c *call) answer {
				if x := named(*c.project.protections(tags), c.path["name"]); x != nil {
					return ok(x.json(tags))
				}
				return notFound("")
			}},
			route{"POST", at, Maintainer, func(c *call) answer { return s.addProtection(c, tags) }},
			route{"PATCH", at + "/:name", Maintainer, func(c *call) answer {
				x := named(*c.project.protections(tags), c.path["name"])
				if x == nil {
					return notFound("")
				}
				x.Force = c.yes("allow_force_push") || !c.has("allow_force_push") && x.Force
				return ok(x.json(tags))
			}},
			route{"DELETE", at + "/:name", Maintainer, func(c *call) answer {
				list := c.project.protections(tags)
				x := named(*list, c.path["name"])
				if x == nil {
					return notFound("")
				}
				*list = slices.DeleteFunc(*list, func(y *Protection) bool { return x == y })
				return noContent()
			}})
	}
	return out
}

func named(list []*Protection, name string) *Protection {
	for _, x := range list {
		if x.Name == name {
			return x
		}
	}
	return nil
}

func (s *Server) addProtection(c *call, tags bool) answer {
	list, name := c.project.protections(tags), c.str("name")
	switch {
	case name == "":
		return missing("name")
	case named(*list, name) != nil && tags:
		return message(http.StatusUnprocessableEntity, []string{"Name has already been taken"})
	case named(*list, name) != nil:
		return message(http.StatusConflict, "Protected branch '"+name+"' already exists")
	}
	role := func(of string) int {
		if c.has(of) {
			return c.num(of)
		}
		return Maintainer
	}
	x := &Protection{ID: s.id("protection"), Name: name, Push: role("push_access_level"), Merge: role("merge_access_level"), Force: c.yes("allow_force_push")}
	if tags {
		x.Push = role("create_access_level")
	}
	*list = append(*list, x)
	return created(x.json(tags))
}

func (x *Protection) json(tags bool) map[string]any {
	level := func(role int) []map[string]any {
		words := map[int]string{Nobody: "No one", Developer: "Developers + Maintainers", Maintainer: "Maintainers", 60: "Instance admins"}
		return []map[string]any{{"id": x.ID, "access_level": role, "access_level_description": words[role], "user_id": nil, "group_id": nil}}
	}
	if tags {
		return map[string]any{"name": x.Name, "create_access_levels": level(x.Push)}
	}
	return map[string]any{"id": x.ID, "name": x.Name, "push_access_levels": level(x.Push), "merge_access_levels": level(x.Merge),
		"allow_force_push": x.Force, "unprotect_access_levels": []any{}, "code_owner_approval_required": false, "inherited": false}
}
