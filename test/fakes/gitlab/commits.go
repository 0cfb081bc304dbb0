package gitlab

import (
	"encoding/base64"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Commit is a commit of a project's repository.
type Commit struct {
	ID                     string
	Parents                []string
	Author, AuthorEmail    string
	Authored               time.Time
	Committer, CommitEmail string
	Committed              time.Time
	Message                string
}

func (c *Commit) title() string { first, _, _ := strings.Cut(c.Message, "\n"); return first }

// commits lists commits as git log does with args.
func (s *Server) commits(p *Project, args ...string) []*Commit {
	out, err := s.git(p, nil, append([]string{"log", "-z", "--no-show-signature", "--format=%H%n%P%n%an%n%ae%n%aI%n%cn%n%ce%n%cI%n%B"}, args...)...)
	if err != nil {
		return nil
	}
	var list []*Commit
	for entry := range strings.SplitSeq(out, "\x00") {
		f := strings.SplitN(entry, "\n", 9)
		if len(f) < 9 {
			continue
		}
		c := &Commit{ID: f[0], Parents: strings.Fields(f[1]), Author: f[2], AuthorEmail: f[3], Committer: f[5], CommitEmail: f[6], Message: f[8]}
		c.Authored, _ = time.Parse(time.RFC3339, f[4])
		c.Committed, _ = time.Parse(time.RFC3339, f[7])
		list = append(list, c)
	}
	return list
}

// commit finds the commit that a branch, tag or id names; nil when there is none.
func (s *Server) commit(p *Project, name string) *Commit {
	if name == "" || strings.HasPrefix(name, "-") || strings.ContainsAny(name, " :^~?*[\\\n\x00") {
		return nil
	}
	for _, ref := range []string{"refs/tags/" + name, "refs/heads/" + name} { // git prefers tags
		if id := p.refs[ref]; id != "" {
			name = id
			break
		}
	}
	if c := p.known[name]; c != nil {
		return c
	}
	list := s.commits(p, "-1", name, "--")
	if len(list) != 1 {
		return nil
	}
	if len(name) == len(zero) { // an id means the same for ever
		p.known[name] = list[0]
	}
	return list[0]
}

func (s *Server) commitJSON(p *Project, c *Commit) map[string]any {
	if c == nil {
		return nil
	}
	at := func(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z07:00") }
	return map[string]any{"id": c.ID, "short_id": c.ID[:8], "created_at": at(c.Committed), "parent_ids": append([]string{}, c.Parents...),
		"title": c.title(), "message": c.Message, "author_name": c.Author, "author_email": c.AuthorEmail, "authored_date": at(c.Authored),
		"committer_name": c.Committer, "committer_email": c.CommitEmail, "committed_date": at(c.Committed), "trailers": map[string]any{},
		"extended_trailers": map[string]any{}, "web_url": s.web(p) + "/-/commit/" + c.ID}
}

func (s *Server) commitRoutes() []route {
	return []route{
		{"GET", "/projects/:id/repository/commits", 0, s.listCommits},
		{"GET", "/projects/:id/repository/commits/:sha", 0, s.getCommit},
		{"POST", "/projects/:id/repository/commits", Developer, s.createCommit},
		{"GET", "/projects/:id/repository/compare", 0, s.compare},
		{"GET", "/projects/:id/repository/merge_base", 0, s.mergeBase},
		{"GET", "/projects/:id/repository/tree", 0, s.tree},
		{"GET", "/projects/:id/repository/files/:file", 0, s.file},
		{"GET", "/projects/:id/repository/files/:file/raw", 0, s.rawFile},
	}
}

// orBranch is the ref that a call names, or the default branch.
func (c *call) orBranch(name string) string {
	if ref := c.str(name); ref != "" {
		return ref
	}
	return c.project.Branch
}

func (s *Server) listCommits(c *call) answer {
	tip := s.commit(c.project, c.orBranch("ref_name"))
	if tip == nil {
		return paged(c, []*Commit{}, nil)
	}
	args := []string{tip.ID}
	if c.yes("first_parent") {
		args = append(args, "--first-parent")
	}
	if t, given := c.when("since"); given {
		args = append(args, "--since="+t.Format(time.RFC3339))
	}
	if t, given := c.when("until"); given {
		args = append(args, "--until="+t.Format(time.RFC3339))
	}
	if path := c.str("path"); path != "" {
		args = append(args, "--", path)
	}
	a := paged(c, s.commits(c.project, args...), func(x *Commit) map[string]any { return s.commitJSON(c.project, x) })
	a.header.Del("X-Total") // counting commits would cost too much
	a.header.Del("X-Total-Pages")
	return a
}

func (s *Server) getCommit(c *call) answer {
	x := s.commit(c.project, c.path["sha"])
	if x == nil {
		return notFound("Commit")
	}
	out := s.commitJSON(c.project, x)
	out["project_id"], out["status"], out["last_pipeline"] = c.project.ID, nil, nil
	added, deleted := 0, 0
	if n, err := s.git(c.project, nil, "diff-tree", "--root", "--no-commit-id", "--numstat", "-r", x.ID); err == nil {
		for line := range strings.Lines(n) {
			if f := strings.Fields(line); len(f) >= 2 {
				added, deleted = added+number(f[0]), deleted+number(f[1])
			}
		}
	}
	out["stats"] = map[string]any{"additions": added, "deletions": deleted, "total": added + deleted}
	if pl := c.project.lastPipeline(func(pl *Pipeline) bool { return pl.SHA == x.ID }); pl != nil {
		out["status"], out["last_pipeline"] = pl.Status, s.pipelineJSON(c.project, pl)
	}
	return ok(out)
}

func (s *Server) compare(c *call) answer {
	from, to := s.commit(c.project, c.str("from")), s.commit(c.project, c.str("to"))
	switch {
	case c.str("from") == "":
		return missing("from")
	case c.str("to") == "":
		return missing("to")
	case from == nil || to == nil:
		return notFound("Ref")
	}
	list := s.commits(c.project, "--reverse", "^"+from.ID, to.ID)
	out := []map[string]any{}
	for _, x := range list {
		out = append(out, s.commitJSON(c.project, x))
	}
	var last map[string]any
	if len(out) > 0 {
		last = out[len(out)-1]
	}
	return ok(map[string]any{"commit": last, "commits": out, "diffs": []any{}, "compare_timeout": false, "compare_same_ref": from.ID == to.ID,
		"web_url": s.web(c.project) + "/-/compare/" + from.ID + "..." + to.ID})
}

func (s *Server) mergeBase(c *call) answer {
	args := []string{"merge-base"}
	for _, ref := range c.list("refs") {
		x := s.commit(c.project, ref)
		if x == nil {
			return message(http.StatusBadRequest, "Could not find ref: "+ref)
		}
		args = append(args, x.ID)
	}
	if len(args) < 3 {
		return message(http.StatusBadRequest, "Provide exactly 2 refs")
	}
	id, err := s.git(c.project, nil, args...)
	if err != nil {
		return notFound("Merge Base")
	}
	return ok(s.commitJSON(c.project, s.commit(c.project, strings.TrimSpace(id))))
}

func (s *Server) tree(c *call) answer {
	tip := s.commit(c.project, c.orBranch("ref"))
	if tip == nil {
		return notFound("Tree")
	}
	args := []string{"ls-tree", "-z"}
	if c.yes("recursive") {
		args = append(args, "-r", "-t")
	}
	out, err := s.git(c.project, nil, append(args, tip.ID+":"+strings.Trim(c.str("path"), "/"))...)
	if err != nil {
		return notFound("invalid revision or path")
	}
	var entries []map[string]any
	for entry := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		head, name, _ := strings.Cut(entry, "\t")
		if f := strings.Fields(head); len(f) == 3 {
			full := strings.TrimPrefix(strings.Trim(c.str("path"), "/")+"/"+name, "/")
			entries = append(entries, map[string]any{"id": f[2], "name": filepath.Base(name), "type": f[1], "path": full, "mode": f[0]})
		}
	}
	return paged(c, entries, func(e map[string]any) map[string]any { return e })
}

// content reads a file of a commit.
func (s *Server) content(p *Project, commit, file string) (text, blob string, found bool) {
	id, err := s.git(p, nil, "rev-parse", "--verify", "--quiet", commit+":"+file)
	if err != nil {
		return "", "", false
	}
	if text, err = s.git(p, nil, "cat-file", "blob", strings.TrimSpace(id)); err != nil {
		return "", "", false
	}
	return text, strings.TrimSpace(id), true
}

func (s *Server) file(c *call) answer {
	tip := s.commit(c.project, c.orBranch("ref"))
	if tip == nil {
		return notFound("Commit")
	}
	name := c.path["file"]
	raw, blob, found := s.content(c.project, tip.ID, name)
	if !found {
		return notFound("File")
	}
	last := ""
	if list := s.commits(c.project, "-1", tip.ID, "--", name); len(list) == 1 {
		last = list[0].ID
	}
	return ok(map[string]any{"file_name": filepath.Base(name), "file_path": name, "size": len(raw), "encoding": "base64",
		"content": base64.StdEncoding.EncodeToString([]byte(raw)), "content_sha256": sum([]byte(raw)), "ref": c.orBranch("ref"), "blob_id": blob,
		"commit_id": tip.ID, "last_commit_id": last, "execute_filemode": false})
}

// File is a file as a branch, tag or commit has it.
func (s *Server) File(project int, ref, name string) (text string, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.project(project)
	if p == nil {
		return "", false
	}
	tip := s.commit(p, ref)
	if tip == nil {
		return "", false
	}
	text, _, found = s.content(p, tip.ID, name)
	return text, found
}

// Commits are the commits of a branch, tag or commit, newest first.
func (s *Server) Commits(project int, ref string) []Commit {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Commit
	if p := s.project(project); p != nil {
		if tip := s.commit(p, ref); tip != nil {
			for _, c := range s.commits(p, tip.ID) {
				out = append(out, *c)
			}
		}
	}
	return out
}

func (s *Server) rawFile(c *call) answer {
	tip := s.commit(c.project, c.orBranch("ref"))
	if tip == nil {
		return notFound("Commit")
	}
	raw, _, found := s.content(c.project, tip.ID, c.path["file"])
	if !found {
		return notFound("File")
	}
	return answer{status: http.StatusOK, raw: []byte(raw), header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}}
}

// signature names an account as the author of what git makes, at the server's time.
func (s *Server) signature(u *User) []string {
	name, mail := "GitLab", "gitlab@harbour.example"
	if u != nil {
		name, mail = u.Name, u.Email
	}
	at := strconv.FormatInt(s.now().Unix(), 10) + " +0000"
	return []string{"GIT_AUTHOR_NAME=" + name, "GIT_AUTHOR_EMAIL=" + mail, "GIT_COMMITTER_NAME=" + name, "GIT_COMMITTER_EMAIL=" + mail,
		"GIT_AUTHOR_DATE=" + at, "GIT_COMMITTER_DATE=" + at}
}
