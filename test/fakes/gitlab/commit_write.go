package gitlab

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Change is one file of a commit that is made over the API.
type Change struct {
	Action   string `json:"action"` // create, update, delete, move, chmod
	Path     string `json:"file_path"`
	Previous string `json:"previous_path"` // of move
	Content  string `json:"content"`
	Encoding string `json:"encoding"` // text or base64
	Last     string `json:"last_commit_id"`
	Exec     bool   `json:"execute_filemode"`
}

func (s *Server) createCommit(c *call) answer {
	var changes []Change
	raw, err := json.Marshal(c.in["actions"])
	if err == nil {
		err = json.Unmarshal(raw, &changes)
	}
	branch := c.str("branch")
	switch {
	case branch == "":
		return missing("branch")
	case c.str("commit_message") == "":
		return missing("commit_message")
	case !c.has("actions"):
		return missing("actions")
	case err != nil:
		return invalid("actions")
	case !allowed(c.project.branches, branch, c.level(), false):
		return message(http.StatusForbidden, "You are not allowed to push into this branch")
	}
	refuse := func(format string, args ...any) answer {
		return message(http.StatusBadRequest, fmt.Sprintf(format, args...))
	}
	old := c.project.refs["refs/heads/"+branch]
	parent, start := old, ""
	if start = c.str("start_branch"); start == "" {
		start = c.str("start_sha")
	}
	if start != "" && (old == "" || c.str("start_branch") != branch) {
		if old != "" && !c.yes("force") {
			return refuse("A branch called '%s' already exists. Switch to that branch in order to make changes", branch)
		}
		from := s.commit(c.project, start)
		if from == nil {
			return refuse("Cannot find start branch '%s'", start)
		}
		parent = from.ID
	}
	if parent == "" && len(c.project.refs) > 0 {
		return refuse("You can only create or edit files when you are on a branch")
	}
	who := s.signature(c.user)
	if c.has("author_name") || c.has("author_email") {
		who = append(who, "GIT_AUTHOR_NAME="+c.str("author_name"), "GIT_AUTHOR_EMAIL="+c.str("author_email"))
	}
	id, err := s.build(c.project, parent, c.str("commit_message"), changes, who)
	if err != nil {
		return refuse("%s", err)
	}
	if _, err := s.git(c.project, nil, "update-ref", "refs/heads/"+branch, id, orZero(old)); err != nil {
		return refuse("Could not update refs/heads/%s. Please refresh and try again..", branch)
	}
	s.sync(c.project, c.user)
	x := s.commit(c.project, id)
	return created(s.commitJSON(c.project, x))
}

func orZero(id string) string {
	if id == "" {
		return zero
	}
	return id
}

// build makes a commit with changes on top of a parent ("" for a first one). Errors are GitLab's words.
func (s *Server) build(p *Project, parent, text string, changes []Change, who []string) (string, error) {
	index := filepath.Join(s.root, "index-"+hexes(6))
	defer func() { _ = os.Remove(index) }()
	env := append(slices.Clone(who), "GIT_INDEX_FILE="+index)
	if parent != "" {
		if _, err := s.run(p.dir, nil, env, "read-tree", parent); err != nil {
			return "", err
		}
	}
	for _, x := range changes {
		if err := s.apply(p, parent, x, env); err != nil {
			return "", err
		}
	}
	tree, err := s.run(p.dir, nil, env, "write-tree")
	if err != nil {
		return "", err
	}
	args := []string{"commit-tree", strings.TrimSpace(tree)}
	if parent != "" {
		args = append(args, "-p", parent)
	}
	id, err := s.run(p.dir, []byte(text), env, args...)
	return strings.TrimSpace(id), err
}

// apply does one change in an index.
func (s *Server) apply(p *Project, parent string, x Change, env []string) error {
	git := func(stdin []byte, args ...string) (string, error) { return s.run(p.dir, stdin, env, args...) }
	at := func(path string) (mode, blob string) {
		out, err := git(nil, "ls-files", "--stage", "--", ":(literal)"+path)
		if f := strings.Fields(out); err == nil && len(f) >= 4 && strings.HasSuffix(strings.TrimSpace(out), "\t"+path) {
			return f[0], f[1]
		}
		return "", ""
	}
	if x.Path == "" || strings.HasPrefix(x.Path, "/") || strings.Contains("/"+x.Path+"/", "/../") || strings.Contains("/"+x.Path+"/", "/.git/") {
		return fmt.Errorf("invalid path: '%s'", x.Path)
	}
	source := x.Path
	if x.Action == "move" {
		source = x.Previous
	}
	set := func(mode, blob, path string) error {
		_, err := git([]byte(mode+" "+blob+"\t"+path+"\x00"), "update-index", "-z", "--index-info")
		return err
	}
	mode, blob := at(source)
	switch {
	case x.Action == "create" && mode != "":
		return errText("A file with this name already exists")
	case x.Action != "create" && mode == "":
		return errText("A file with this name doesn't exist")
	}
	if list := s.commits(p, "-1", orZero(parent), "--", source); x.Last != "" && (len(list) != 1 || list[0].ID != x.Last) {
		return errText("The file has changed since you started editing it: " + x.Path)
	}
	switch x.Action {
	case "delete":
		return set("0", zero, x.Path)
	case "chmod":
		mode = "100644"
		if x.Exec {
			mode = "100755"
		}
	case "move":
		if err := set("0", zero, source); err != nil {
			return err
		}
	case "create", "update":
	default:
		return errText("actions[0][action] does not have a valid value")
	}
	if x.Action == "create" || x.Action == "update" || x.Action == "move" && x.Content != "" {
		raw := []byte(x.Content)
		if x.Encoding == "base64" {
			var err error
			if raw, err = base64.StdEncoding.DecodeString(strings.ReplaceAll(x.Content, "\n", "")); err != nil {
				return errText("invalid base64")
			}
		}
		id, err := git(raw, "hash-object", "-w", "--stdin")
		if err != nil {
			return err
		}
		blob = strings.TrimSpace(id)
	}
	if mode == "" {
		mode = "100644"
	}
	return set(mode, blob, x.Path)
}

// errText is an error in GitLab's own words.
type errText string

func (e errText) Error() string { return string(e) }

// CommitFiles makes a commit on a branch as a push by somebody would who may do everything: each
// file gets its new text. The branch is made from the default branch where it is not there.
func (s *Server) CommitFiles(project, user int, branch, text string, files map[string]string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.project(project)
	old := p.refs["refs/heads/"+branch]
	parent := old
	if parent == "" {
		parent = p.refs["refs/heads/"+p.Branch]
	}
	var changes []Change
	for name, content := range files {
		x := Change{Action: "create", Path: name, Content: content}
		if _, _, found := s.content(p, orZero(parent), name); found {
			x.Action = "update"
		}
		changes = append(changes, x)
	}
	id, err := s.build(p, parent, text, changes, s.signature(s.user(user)))
	if err != nil {
		return "", err
	}
	if _, err := s.git(p, nil, "update-ref", "refs/heads/"+branch, id, orZero(old)); err != nil {
		return "", err
	}
	s.sync(p, s.user(user))
	return id, nil
}
