package gitlab

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// zero is the id that stands for "no object" in what git and the hooks say.
const zero = "0000000000000000000000000000000000000000"

// guard refuses pushes as GitLab's own does, with everything that came in the same push. What is
// protected is told by the environment: SHUT are branches that this person may not push to unless
// they are OPEN by another rule, KEPT those whose history stays, HELD tags that this person may not
// make unless they are GIVEN by another rule, FIXED tags that stay.
const guard = `#!/bin/sh
set -f
none=` + zero + `
within() { for pattern in $2; do case "$1" in $pattern) return 0;; esac; done; return 1; }
refuse() { echo "GitLab: $1" >&2; exit 1; }
while read -r old new ref; do
	case "$ref" in
	refs/heads/*)
		name=${ref#refs/heads/}
		if [ "$new" = $none ]; then
			[ "$name" != "$DEFAULT" ] || refuse "The default branch of a project cannot be deleted."
			! within "$name" "$PROTECTED" || refuse "You can only delete protected branches using the web interface."
			continue
		fi
		if [ "$old" != $none ] && within "$name" "$KEPT" && ! git merge-base --is-ancestor "$old" "$new"; then
			refuse "You are not allowed to force push code to a protected branch on this project."
		fi
		! within "$name" "$SHUT" || within "$name" "$OPEN" || refuse "You are not allowed to push code to protected branches on this project."
		;;
	refs/tags/*)
		name=${ref#refs/tags/}
		if [ "$old" = $none ]; then
			! within "$name" "$HELD" || within "$name" "$GIVEN" || refuse "You are not allowed to create this tag as it is protected."
		elif within "$name" "$FIXED"; then
			[ "$new" != $none ] || refuse "Protected tags cannot be deleted."
			refuse "Protected tags cannot be updated."
		fi
		;;
	*) refuse "You are not allowed to push to $ref." ;;
	esac
done
`

// environment keeps the settings of this machine out of git.
func (s *Server) environment(more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.root, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"LC_ALL=C", "TZ=UTC"}, more...)
}

// createRepository makes the repository of a new project. It panics where git does not work: then
// nothing does.
func (s *Server) createRepository(p *Project) {
	p.dir = filepath.Join(s.root, strconv.Itoa(p.ID)+".git")
	must := func(err error) {
		if err != nil {
			panic(fmt.Sprintf("the repository of %s cannot be made: %v", p.Path, err))
		}
	}
	_, err := s.run("", nil, nil, "init", "--quiet", "--bare", "--template=", "--initial-branch="+p.Branch, p.dir)
	must(err)
	must(os.MkdirAll(filepath.Join(p.dir, "hooks"), 0o700))
	must(os.WriteFile(filepath.Join(p.dir, "hooks", "pre-receive"), []byte(guard), 0o700))
	settings := "\n[http]\n\treceivepack = true\n[gc]\n\tauto = 0\n[uploadpack]\n\tallowAnySHA1InWant = true\n[receive]\n\tfsckObjects = true\n"
	f, err := os.OpenFile(filepath.Join(p.dir, "config"), os.O_APPEND|os.O_WRONLY, 0o600)
	must(err)
	_, err = f.WriteString(settings)
	must(err)
	must(f.Close())
	if from := s.project(p.ForkOf); from != nil {
		_, err := s.git(p, nil, "fetch", "--quiet", from.dir, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
		must(err)
		p.refs, err = s.readRefs(p)
		must(err)
	}
}

// git runs git in the repository of a project.
func (s *Server) git(p *Project, stdin []byte, args ...string) (string, error) {
	return s.run(p.dir, stdin, nil, args...)
}

func (s *Server) run(dir string, stdin []byte, env []string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, s.environment(env...)
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	var out, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &wrong
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(wrong.String()))
	}
	return out.String(), nil
}

// readRefs reads the branches and tags of a repository, each with the object that it names.
func (s *Server) readRefs(p *Project) (map[string]string, error) {
	out, err := s.git(p, nil, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags")
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for line := range strings.Lines(out) {
		if id, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			refs[name] = id
		}
	}
	return refs, nil
}

// serveGit is git's own server for repositories (git-http-backend(1)), for those who may.
func (s *Server) serveGit(w http.ResponseWriter, r *http.Request) (user int) {
	name, service, what := gitPath(r)
	refuse := func(status int, text string) {
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="GitLab"`)
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text + "\n"))
	}
	const unseen = "The project you were looking for could not be found or you don't have permission to view it."
	if what == "" {
		refuse(http.StatusNotFound, unseen)
		return 0
	}
	s.mu.Lock()
	u, t, why := s.gitUser(r)
	p, moved := s.projectByPath(name)
	var env []string
	status, text := http.StatusOK, ""
	switch writes := service == "git-receive-pack"; {
	case why != "":
		status, text = http.StatusUnauthorized, "HTTP Basic: Access denied. If a password was provided for Git authentication, the password was incorrect or you're required to use a token instead of a password."
	case u == nil && (writes || p == nil || !p.Public):
		status, text = http.StatusUnauthorized, "HTTP Basic: Access denied."
	case p == nil || !p.visible(u):
		status, text = http.StatusNotFound, unseen
	case writes && (p.level(u) < Developer || !t.may("api", "write_repository")):
		status, text = http.StatusForbidden, "You are not allowed to push code to this project."
	case t != nil && !t.may("api", "read_api", "read_repository", "write_repository"):
		status, text = http.StatusForbidden, "You are not allowed to download code from this project."
	case writes && p.Archived:
		status, text = http.StatusForbidden, "You can't push code to a read-only project."
	case moved && what == "info/refs":
		w.Header().Set("Location", s.web(p)+".git/info/refs?"+r.URL.RawQuery)
		status, text = http.StatusMovedPermanently, "moved"
	default:
		env = s.protections(p, u)
	}
	s.mu.Unlock()
	if status != http.StatusOK {
		refuse(status, text)
		return idOf(u)
	}
	inner := r.Clone(r.Context())
	inner.URL.Path = "/" + filepath.Base(p.dir) + "/" + what
	inner.Header.Del("Authorization")
	who := "nobody"
	if u != nil {
		who = u.Username
	}
	env = append(env, "GIT_PROJECT_ROOT="+s.root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER="+who, "GIT_PROTOCOL="+r.Header.Get("Git-Protocol"))
	h := cgi.Handler{Path: s.gitProgram(), Args: []string{"http-backend"}, Dir: s.root, Env: s.environment(env...), Stderr: &bytes.Buffer{}}
	h.ServeHTTP(w, inner)
	if what == "git-receive-pack" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sync(p, u)
	}
	return idOf(u)
}

func (s *Server) gitProgram() string {
	if p, err := exec.LookPath("git"); err == nil {
		return p
	}
	return "/usr/bin/git"
}

// gitPath splits the path of a request of git's: the project, the service and what is asked of it.
func gitPath(r *http.Request) (project, service, what string) {
	for _, what := range []string{"info/refs", "git-upload-pack", "git-receive-pack"} {
		name, ok := strings.CutSuffix(r.URL.Path, "/"+what)
		if !ok {
			continue
		}
		service = what
		if what == "info/refs" {
			service = r.URL.Query().Get("service")
		}
		if service != "git-upload-pack" && service != "git-receive-pack" {
			return "", "", "" // the dumb protocol
		}
		return strings.TrimSuffix(strings.TrimPrefix(name, "/"), ".git"), service, what
	}
	return "", "", ""
}

// gitUser finds who comes with git: a token is the password, with any name.
func (s *Server) gitUser(r *http.Request) (*User, *Token, string) {
	raw, basic := strings.CutPrefix(r.Header.Get("Authorization"), "Basic ")
	if !basic {
		return nil, nil, ""
	}
	plain, err := base64.StdEncoding.DecodeString(raw)
	name, password, _ := strings.Cut(string(plain), ":")
	if err != nil || name == "" {
		return nil, nil, "no name"
	}
	return s.redeem(password)
}

// protections is the environment of the guard for one person.
func (s *Server) protections(p *Project, u *User) []string {
	var all, shut, open, kept, held, given, fixed []string
	for _, b := range p.branches {
		all = append(all, b.Name)
		if allows(b.Push, p.level(u)) {
			open = append(open, b.Name)
		} else {
			shut = append(shut, b.Name)
		}
		if !b.Force {
			kept = append(kept, b.Name)
		}
	}
	for _, t := range p.tags {
		fixed = append(fixed, t.Name)
		if allows(t.Push, p.level(u)) {
			given = append(given, t.Name)
		} else {
			held = append(held, t.Name)
		}
	}
	env := []string{"DEFAULT=" + p.Branch}
	for name, list := range map[string][]string{"PROTECTED": all, "SHUT": shut, "OPEN": open, "GIVEN": given, "KEPT": kept, "HELD": held, "FIXED": fixed} {
		env = append(env, name+"="+strings.Join(list, " "))
	}
	return env
}

// sync looks what became of the refs since the last time, and tells of it as of a push by u. s.mu is held.
func (s *Server) sync(p *Project, u *User) {
	refs, err := s.readRefs(p)
	if err != nil {
		return
	}
	known := p.refs
	p.refs, p.active = refs, s.now()
	var heads, tags []string
	for name := range refs {
		if refs[name] != known[name] {
			heads, tags = sorted(heads, tags, name)
		}
	}
	for name := range known {
		if _, there := refs[name]; !there {
			heads, tags = sorted(heads, tags, name)
		}
	}
	slices.Sort(heads)
	slices.Sort(tags)
	// A push that changes more than three branches, or tags, tells no hook of them
	// (push_event_hooks_limit), and makes four pipelines at most.
	pipelines := 4
	for _, names := range [][]string{heads, tags} {
		for _, name := range names {
			before, after := cmp.Or(known[name], zero), cmp.Or(refs[name], zero)
			if len(names) <= 3 {
				s.tellPush(p, u, name, before, after)
			}
			if strings.HasPrefix(name, "refs/heads/") {
				s.branchMoved(p, u, strings.TrimPrefix(name, "refs/heads/"), before, after)
			}
			if after != zero && pipelines > 0 {
				pipelines--
				s.pushPipeline(p, u, name, before)
			}
		}
	}
}

func sorted(heads, tags []string, name string) ([]string, []string) {
	if strings.HasPrefix(name, "refs/tags/") {
		return heads, append(tags, name)
	}
	return append(heads, name), tags
}

// maxCommits is how many commits a push hook lists, the newest.
const maxCommits = 20

// tellPush tells the hooks of one ref that changed.
func (s *Server) tellPush(p *Project, u *User, ref, before, after string) {
	kind := "push"
	if strings.HasPrefix(ref, "refs/tags/") {
		kind = "tag_push"
	}
	out := map[string]any{"object_kind": kind, "event_name": kind, "before": before, "after": after, "ref": ref,
		"ref_protected": s.refProtected(p, ref), "checkout_sha": nil, "message": nil, "project_id": p.ID, "project": s.hookProject(p),
		"repository": s.hookRepository(p), "commits": []any{}, "total_commits_count": 0, "push_options": map[string]any{}}
	if u != nil {
		out["user_id"], out["user_name"], out["user_username"], out["user_email"], out["user_avatar"] = u.ID, u.Name, u.Username, "", nil
	}
	if after != zero {
		if tip := s.commit(p, after); tip != nil {
			out["checkout_sha"] = tip.ID
			list, total := s.pushed(p, kind, before, tip)
			out["commits"], out["total_commits_count"] = list, total
		}
		if kind == "tag_push" {
			if text, annotated := s.tagMessage(p, after); annotated {
				out["message"] = text
			}
		}
	}
	s.emit(p, kind, out)
}

// pushed lists the commits of a push, oldest first, and counts them.
func (s *Server) pushed(p *Project, kind, before string, tip *Commit) ([]any, int) {
	what := []string{tip.ID, "^" + before}
	switch {
	case kind == "tag_push":
		what = []string{"-1", tip.ID}
	case before == zero:
		what = []string{tip.ID, "--not", "--exclude=refs/heads/*", "--all"}
		if base := p.refs["refs/heads/"+p.Branch]; base != "" && base != tip.ID {
			what = []string{tip.ID, "^" + base}
		}
	}
	all := s.commits(p, what...)
	list := []any{}
	for i := min(len(all), maxCommits) - 1; i >= 0; i-- {
		list = append(list, s.hookCommit(p, all[i], true))
	}
	return list, len(all)
}

// hookCommit is a commit as hooks show it.
func (s *Server) hookCommit(p *Project, c *Commit, files bool) map[string]any {
	out := map[string]any{"id": c.ID, "message": c.Message, "title": c.title(), "timestamp": c.Authored.Format(time.RFC3339),
		"url": s.web(p) + "/-/commit/" + c.ID, "author": map[string]any{"name": c.Author, "email": c.AuthorEmail}}
	if !files {
		return out
	}
	lists := map[byte][]string{'A': {}, 'M': {}, 'D': {}}
	changes, err := s.git(p, nil, "diff-tree", "-r", "--root", "--no-commit-id", "--name-status", "--no-renames", "-z", c.ID)
	if err == nil {
		parts := strings.Split(changes, "\x00")
		for i := 0; i+1 < len(parts); i += 2 {
			kind := parts[i][0]
			if lists[kind] == nil {
				kind = 'M'
			}
			lists[kind] = append(lists[kind], parts[i+1])
		}
	}
	out["added"], out["modified"], out["removed"] = lists['A'], lists['M'], lists['D']
	return out
}
