package gitlab

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// Release is a release: a tag with words and links.
type Release struct {
	ID          int
	Tag, Name   string
	Description string
	Milestones  []string // titles
	Author      int
	Created     time.Time
	Released    time.Time
	Links       []Link
}

// Link is an asset of a release that lies somewhere.
type Link struct {
	ID        int
	Name, URL string
	Type      string // other, runbook, image, package
	File      string // the path below the release's own address, where it has one
}

// Releases are the releases of a project, oldest first.
func (s *Server) Releases(project int) []Release {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Release
	if p := s.project(project); p != nil {
		for _, r := range p.releases {
			one := *r
			one.Milestones, one.Links = slices.Clone(r.Milestones), slices.Clone(r.Links)
			out = append(out, one)
		}
	}
	return out
}

func (p *Project) release(tag string) *Release {
	for _, r := range p.releases {
		if r.Tag == tag {
			return r
		}
	}
	return nil
}

func (s *Server) releaseRoutes() []route {
	const links = "/projects/:id/releases/:tag/assets/links"
	return []route{
		{"GET", "/projects/:id/releases", 0, func(c *call) answer {
			all := slices.Clone(c.project.releases)
			slices.SortStableFunc(all, func(a, b *Release) int { return b.Released.Compare(a.Released) })
			return paged(c, all, func(r *Release) map[string]any { return s.releaseJSON(c.project, r) })
		}},
		{"POST", "/projects/:id/releases", Developer, s.createRelease},
		{"GET", "/projects/:id/releases/:tag", 0, s.withRelease(func(c *call, r *Release) answer { return ok(s.releaseJSON(c.project, r)) })},
		{"PUT", "/projects/:id/releases/:tag", Developer, s.withRelease(s.updateRelease)},
		{"DELETE", "/projects/:id/releases/:tag", Developer, s.withRelease(func(c *call, r *Release) answer {
			c.project.releases = slices.DeleteFunc(c.project.releases, func(x *Release) bool { return x == r })
			s.tellRelease(c.project, r, "delete")
			return ok(s.releaseJSON(c.project, r))
		})},
		{"GET", links, 0, s.withRelease(func(c *call, r *Release) answer {
			return paged(c, r.Links, func(l Link) map[string]any { return s.linkJSON(c.project, r, l) })
		})},
		{"POST", links, Developer, s.withRelease(s.addLink)},
		{"GET", links + "/:link", 0, s.withLink(func(c *call, r *Release, at int) answer { return ok(s.linkJSON(c.project, r, r.Links[at])) })},
		{"PUT", links + "/:link", Developer, s.withLink(s.updateLink)},
		{"DELETE", links + "/:link", Developer, s.withLink(func(c *call, r *Release, at int) answer {
			gone := r.Links[at]
			r.Links = slices.Delete(r.Links, at, at+1)
			return ok(s.linkJSON(c.project, r, gone))
		})},
	}
}

func (s *Server) withRelease(do func(*call, *Release) answer) func(*call) answer {
	return func(c *call) answer {
		if r := c.project.release(c.path["tag"]); r != nil {
			return do(c, r)
		}
		return notFound("")
	}
}

func (s *Server) withLink(do func(*call, *Release, int) answer) func(*call) answer {
	return s.withRelease(func(c *call, r *Release) answer {
		if at := slices.IndexFunc(r.Links, func(l Link) bool { return l.ID == c.pathNum("link") }); at >= 0 {
			return do(c, r, at)
		}
		return notFound("")
	})
}

func (s *Server) releaseJSON(p *Project, r *Release) map[string]any {
	tip := s.commit(p, p.refs["refs/tags/"+r.Tag])
	milestones := []any{}
	for _, title := range r.Milestones {
		if m := s.releaseMilestone(p, title); m != nil {
			milestones = append(milestones, m)
		}
	}
	links := []any{}
	for _, l := range r.Links {
		links = append(links, s.linkJSON(p, r, l))
	}
	escaped := url.PathEscape(r.Tag)
	out := map[string]any{"tag_name": r.Tag, "name": r.Name, "description": nil, "description_html": "", "created_at": stamp(r.Created),
		"released_at": stamp(r.Released), "upcoming_release": r.Released.After(s.now()), "author": s.userJSON(s.user(r.Author)),
		"commit": s.commitJSON(p, tip), "commit_path": nil, "tag_path": "/" + p.Path + "/-/tags/" + escaped,
		"assets":    map[string]any{"count": 4 + len(links), "sources": s.sources(p, r), "links": links},
		"evidences": []any{}, "_links": map[string]any{"self": s.releaseURL(p, r), "edit_url": s.releaseURL(p, r) + "/edit"}}
	if r.Description != "" {
		out["description"] = r.Description
	}
	if r.Name == "" {
		out["name"] = r.Tag
	}
	if tip != nil {
		out["commit_path"] = "/" + p.Path + "/-/commit/" + tip.ID
	}
	if len(milestones) > 0 {
		out["milestones"] = milestones
	}
	return out
}

func (s *Server) releaseURL(p *Project, r *Release) string {
	return s.web(p) + "/-/releases/" + url.PathEscape(r.Tag)
}

func (s *Server) sources(p *Project, r *Release) []any {
	out := []any{}
	for _, format := range []string{"zip", "tar.gz", "tar.bz2", "tar"} {
		out = append(out, map[string]any{"format": format, "url": s.web(p) + "/-/archive/" + r.Tag + "/" + path.Base(p.Path) + "-" + r.Tag + "." + format})
	}
	return out
}

func (s *Server) linkJSON(p *Project, r *Release, l Link) map[string]any {
	direct := l.URL
	if l.File != "" {
		direct = s.releaseURL(p, r) + "/downloads" + l.File
	}
	return map[string]any{"id": l.ID, "name": l.Name, "url": l.URL, "direct_asset_url": direct, "link_type": l.Type, "external": true}
}

// milestones reads the titles that a call names, and refuses those that are not there.
func (s *Server) milestoneTitles(c *call) ([]string, *answer) {
	var titles, unknown []string
	for _, title := range c.list("milestones") {
		if titles = append(titles, title); s.releaseMilestone(c.project, title) == nil {
			unknown = append(unknown, title)
		}
	}
	if len(unknown) > 0 {
		a := message(http.StatusBadRequest, "Milestone(s) not found: "+strings.Join(unknown, ", "))
		return nil, &a
	}
	return titles, nil
}

func (s *Server) createRelease(c *call) answer {
	tag, p := c.str("tag_name"), c.project
	if tag == "" {
		return missing("tag_name")
	}
	if guarded(p.tags, tag) != nil && !allowed(p.tags, tag, c.level(), false) {
		return message(http.StatusForbidden, "Access Denied")
	}
	if p.release(tag) != nil {
		return message(http.StatusConflict, "Release already exists")
	}
	titles, refused := s.milestoneTitles(c)
	if refused != nil {
		return *refused
	}
	r := &Release{Tag: tag, Name: c.str("name"), Description: c.str("description"), Milestones: titles, Author: c.user.ID, Created: s.now(), Released: s.now()}
	if c.str("released_at") != "" {
		at, good := c.when("released_at")
		if !good {
			return invalid("released_at")
		}
		r.Released = at
	}
	assets, _ := c.in["assets"].(map[string]any)
	list, _ := assets["links"].([]any)
	for _, one := range list {
		fields, _ := one.(map[string]any)
		l, problem := s.readLink(r, Link{}, fields)
		if problem != "" {
			return message(http.StatusBadRequest, "Links "+problem)
		}
		r.Links = append(r.Links, l)
	}
	if p.refs["refs/tags/"+tag] == "" {
		if c.str("ref") == "" {
			return message(http.StatusUnprocessableEntity, "Ref is not specified")
		}
		if a := s.makeTag(c, tag, c.str("ref"), c.str("tag_message")); a != nil {
			return *a
		}
	}
	r.ID = s.id("release")
	p.releases = append(p.releases, r)
	s.tellRelease(p, r, "create")
	return created(s.releaseJSON(p, r))
}

// updateRelease changes what is given; null empties it.
func (s *Server) updateRelease(c *call, r *Release) answer {
	if !c.has("name") && !c.has("description") && !c.has("milestones") && !c.has("released_at") {
		return wrong(http.StatusBadRequest, "name, description, released_at, milestones, milestone_ids are missing, at least one parameter must be provided")
	}
	at := r.Released
	if c.str("released_at") != "" {
		var good bool
		if at, good = c.when("released_at"); !good {
			return invalid("released_at")
		}
	}
	if c.has("milestones") {
		titles, refused := s.milestoneTitles(c)
		if refused != nil {
			return *refused
		}
		r.Milestones = titles
	}
	if r.Released = at; c.has("name") {
		r.Name = c.str("name")
	}
	if c.has("description") {
		r.Description = c.str("description")
	}
	s.tellRelease(c.project, r, "update")
	return ok(s.releaseJSON(c.project, r))
}

// readLink takes a link out of parameters, over what it was; problem is in GitLab's words.
func (s *Server) readLink(r *Release, was Link, in map[string]any) (l Link, problem string) {
	l = was
	for name, into := range map[string]*string{"name": &l.Name, "url": &l.URL, "link_type": &l.Type, "filepath": &l.File, "direct_asset_path": &l.File} {
		if v := text(in[name]); v != "" {
			*into = v
		}
	}
	if l.Type == "" {
		l.Type = "other"
	}
	u, err := url.Parse(l.URL)
	switch {
	case l.Name == "":
		return l, "name can't be blank"
	case err != nil || !slices.Contains([]string{"http", "https", "ftp"}, u.Scheme) || u.Host == "":
		return l, "url is blocked: Only allowed schemes are http, https, ftp"
	case l.File != "" && !strings.HasPrefix(l.File, "/"):
		return l, "filepath is in an invalid format"
	}
	for _, other := range r.Links {
		switch {
		case other.ID == was.ID && was.ID != 0:
		case other.Name == l.Name:
			return l, "name has already been taken"
		case other.URL == l.URL:
			return l, "url has already been taken"
		case l.File != "" && other.File == l.File:
			return l, "filepath has already been taken"
		}
	}
	if l.ID == 0 {
		l.ID = s.id("link")
	}
	return l, ""
}

func (s *Server) addLink(c *call, r *Release) answer {
	for _, name := range []string{"name", "url"} {
		if c.str(name) == "" {
			return missing(name)
		}
	}
	l, problem := s.readLink(r, Link{}, c.in)
	if problem != "" {
		field, rest, _ := strings.Cut(problem, " ")
		return message(http.StatusBadRequest, map[string]any{field: []string{rest}})
	}
	r.Links = append(r.Links, l)
	return created(s.linkJSON(c.project, r, l))
}

func (s *Server) updateLink(c *call, r *Release, at int) answer {
	l, problem := s.readLink(r, r.Links[at], c.in)
	if problem != "" {
		field, rest, _ := strings.Cut(problem, " ")
		return message(http.StatusBadRequest, map[string]any{field: []string{rest}})
	}
	r.Links[at] = l
	return ok(s.linkJSON(c.project, r, l))
}

// tellRelease tells the hooks of a release.
func (s *Server) tellRelease(p *Project, r *Release, action string) {
	links := []any{}
	for _, l := range r.Links {
		links = append(links, map[string]any{"id": l.ID, "external": true, "link_type": l.Type, "name": l.Name, "url": l.URL})
	}
	name := r.Name
	if name == "" {
		name = r.Tag
	}
	out := map[string]any{"id": r.ID, "created_at": hookStamp(r.Created), "description": r.Description, "name": name, "released_at": hookStamp(r.Released),
		"tag": r.Tag, "object_kind": "release", "project": s.hookProject(p), "url": s.releaseURL(p, r), "action": action,
		"assets": map[string]any{"count": 4 + len(links), "links": links, "sources": s.sources(p, r)}}
	if tip := s.commit(p, p.refs["refs/tags/"+r.Tag]); tip != nil {
		out["commit"] = s.hookCommit(p, tip, false)
	}
	s.emit(p, "release", out)
}
