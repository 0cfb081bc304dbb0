package gitlab

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const shipCI = `
stages: [build, test]
compile: {stage: build, script: [make]}
style: {stage: build, script: [make lint], allow_failure: true}
check: {stage: test, script: [make check]}
package:
  stage: test
  script: [make package]
  rules: [{if: $CI_COMMIT_TAG}]
`

// clone makes a clone of the project with a token.
func (y *yard) clone(token string) string {
	y.Helper()
	dir := filepath.Join(y.TempDir(), "clone")
	if out, err := y.git("", "clone", "--quiet", y.remote(token), dir); err != nil {
		y.Fatalf("%v: %s", err, out)
	}
	return dir
}

func (y *yard) remote(token string) string {
	u, err := url.Parse(y.s.Remote(y.harbour))
	if err != nil {
		y.Fatal(err)
	}
	u.User = url.UserPassword("anything", token)
	return u.String()
}

func (y *yard) git(dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(y.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(y.s.environment("GIT_TERMINAL_PROMPT=0"), y.s.signature(&y.ada)...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// mustGit runs git and wants that it works.
func (y *yard) mustGit(dir string, args ...string) string {
	y.Helper()
	out, err := y.git(dir, args...)
	if err != nil {
		y.Fatalf("git %v: %v: %s", args, err, out)
	}
	return out
}

// save writes a file and commits it.
func (y *yard) save(dir, name, text, words string) string {
	y.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		y.Fatal(err)
	}
	y.mustGit(dir, "add", name)
	y.mustGit(dir, "commit", "--quiet", "-m", words)
	return y.mustGit(dir, "rev-parse", "HEAD")
}

// told lists the events of a kind that hooks may hear of.
func (y *yard) told(kind string) []map[string]any {
	y.s.mu.Lock()
	defer y.s.mu.Unlock()
	var out []map[string]any
	for _, h := range y.s.happened {
		if h.kind == kind {
			var one map[string]any
			if err := json.Unmarshal(h.body, &one); err != nil {
				y.Fatal(err)
			}
			out = append(out, one)
		}
	}
	return out
}

func TestPushesGoThroughRealGit(t *testing.T) {
	y := newYard(t, Options{})
	dir := y.clone(y.token)
	tip := y.save(dir, ".gitlab-ci.yml", shipCI, "Lay the keel")
	y.mustGit(dir, "push", "--quiet", "origin", "HEAD:master")
	y.mustGit(dir, "tag", "-a", "-m", "The first one", "v1")
	y.mustGit(dir, "push", "--quiet", "origin", "v1")
	object := y.mustGit(dir, "rev-parse", "v1")
	if got := y.s.Ref(y.harbour, "refs/heads/master"); got != tip {
		t.Errorf("master is %s, want %s", got, tip)
	}
	tag := y.do(200, "GET", y.at("/repository/tags/v1"), nil).object(t)
	if commit := tag["commit"].(map[string]any); tag["target"] != object || commit["id"] != tip || tag["message"] != "The first one" {
		t.Errorf("the tag is shown with target %v, commit %v and the text %q", tag["target"], commit["id"], tag["message"])
	}
	pushes, tags := y.told("push"), y.told("tag_push")
	if len(pushes) != 1 || pushes[0]["before"] != zero || pushes[0]["after"] != tip || pushes[0]["user_id"] != float64(y.ada.ID) {
		t.Errorf("pushes told: %v", pushes)
	}
	if len(tags) != 1 || tags[0]["after"] != object || tags[0]["checkout_sha"] != tip || tags[0]["ref"] != "refs/tags/v1" {
		t.Errorf("tags told: %v", tags)
	}
	all := y.s.Pipelines(y.harbour)
	if len(all) != 2 || all[0].Ref != "master" || all[1].Ref != "v1" || !all[1].Tag || all[1].SHA != tip {
		t.Fatalf("pipelines: %+v", all)
	}
	if n, m := len(y.s.Jobs(all[0].ID)), len(y.s.Jobs(all[1].ID)); n != 3 || m != 4 {
		t.Errorf("%d jobs of the branch and %d of the tag, want 3 and 4", n, m)
	}
	y.mustGit(dir, "push", "--quiet", "origin", ":refs/tags/v1")
	if tags = y.told("tag_push"); len(tags) != 2 || tags[1]["after"] != zero || tags[1]["checkout_sha"] != nil {
		t.Errorf("tags told: %v", tags)
	}
}

func TestGitIsRefusedToThoseWhoMayNot(t *testing.T) {
	y := newYard(t, Options{})
	first, err := y.s.CommitFiles(y.harbour, y.ada.ID, "master", "Lay the keel", map[string]string{"README": "a ship\n"})
	if err != nil {
		t.Fatal(err)
	}
	dev := y.s.AddUser(User{Username: "dev"})
	y.s.AddMember(y.harbour, dev.ID, Developer)
	guest := y.s.AddUser(User{Username: "guest"})
	y.s.AddMember(y.harbour, guest.ID, Guest)
	y.s.ProtectTags(y.harbour, Protection{Name: "v*", Push: Maintainer})
	y.s.Protect(y.harbour, Protection{Name: "maintain/*", Push: Nobody, Merge: Maintainer})
	y.s.Protect(y.harbour, Protection{Name: "maintain/own-*", Push: Developer})
	dir := y.clone(y.token)
	second := y.save(dir, "README", "a big ship\n", "Grow")
	y.mustGit(dir, "tag", "v2")
	for _, c := range []struct {
		what, token, refspec, says string
	}{
		{"a wrong token", "glpat-wrong", "HEAD:grow", "HTTP Basic: Access denied"},
		{"a token that only reads", y.s.AddToken(y.ada.ID, "read_api"), "HEAD:grow", "403"},
		{"a guest", y.s.AddToken(guest.ID), "HEAD:grow", "403"},
		{"a developer on the protected branch", y.s.AddToken(dev.ID), "HEAD:master", "not allowed to push code to protected branches"},
		{"a developer with a protected tag", y.s.AddToken(dev.ID), "v2", "not allowed to create this tag as it is protected"},
		{"a maintainer where nobody may", y.token, "HEAD:maintain/1.x", "not allowed to push code to protected branches"},
		{"nobody deletes the default branch", y.token, ":master", "default branch of a project cannot be deleted"},
	} {
		if out, err := y.git(dir, "push", y.remote(c.token), c.refspec); err == nil || !strings.Contains(out, c.says) {
			t.Errorf("%s: %v %s, want %q", c.what, err, out, c.says)
		}
	}
	y.mustGit(dir, "push", "--quiet", y.remote(y.s.AddToken(dev.ID)), "HEAD:maintain/own-1.x")
	y.mustGit(dir, "push", "--quiet", "origin", "HEAD:master", "v2")
	y.mustGit(dir, "commit", "--quiet", "--amend", "-m", "Grow again")
	if out, err := y.git(dir, "push", "--force", "origin", "HEAD:master"); err == nil || !strings.Contains(out, "not allowed to force push") {
		t.Errorf("a forced push: %v %s", err, out)
	}
	y.mustGit(dir, "tag", "-f", "v2", first)
	if out, err := y.git(dir, "push", "--force", "origin", "v2"); err == nil || !strings.Contains(out, "Protected tags cannot be updated") {
		t.Errorf("a moved tag: %v %s", err, out)
	}
	if master, tag := y.s.Ref(y.harbour, "refs/heads/master"), y.s.Ref(y.harbour, "refs/tags/v2"); master != second || tag != second {
		t.Errorf("master is %s and v2 %s, want %s", master, tag, second)
	}
	y.s.Unprotect(y.harbour, "master")
	y.mustGit(dir, "push", "--quiet", "--force", "origin", "HEAD:master")
	if last := y.told("push"); last[len(last)-1]["before"] != second {
		t.Errorf("the forced push is told with before %v", last[len(last)-1]["before"])
	}
}

func TestCommitsOverTheAPIAreRealOnes(t *testing.T) {
	y := newYard(t, Options{})
	commit := func(status int, in map[string]any) map[string]any {
		t.Helper()
		in["commit_message"] = "Change"
		return y.do(status, "POST", y.at("/repository/commits"), in).object(t)
	}
	act := func(action, file, content string) map[string]any {
		return map[string]any{"action": action, "file_path": file, "content": content}
	}
	first := commit(201, map[string]any{"branch": "master", "actions": []any{act("create", "a/b.txt", "one\n"), act("create", "c", "two\n")}})
	commit(400, map[string]any{"branch": "master", "actions": []any{act("create", "c", "again")}})
	commit(400, map[string]any{"branch": "master", "actions": []any{act("update", "d", "never")}})
	commit(400, map[string]any{"branch": "new", "actions": []any{act("update", "c", "three")}})
	second := commit(201, map[string]any{"branch": "new", "start_branch": "master", "actions": []any{act("update", "c", "three\n"), act("delete", "a/b.txt", "")}})
	if parents := second["parent_ids"].([]any); len(parents) != 1 || parents[0] != first["id"] || y.s.Ref(y.harbour, "refs/heads/new") != second["id"] {
		t.Errorf("new is %s with the parents %v", y.s.Ref(y.harbour, "refs/heads/new"), parents)
	}
	if raw := y.do(200, "GET", y.at("/repository/files/c/raw?ref=new"), nil).raw; string(raw) != "three\n" {
		t.Errorf("c is %q", raw)
	}
	if files := y.do(200, "GET", y.at("/repository/tree?recursive=true&ref=new"), nil).list(t); len(files) != 1 || files[0]["path"] != "c" {
		t.Errorf("the tree is %v", files)
	}
	commit(400, map[string]any{"branch": "new", "start_branch": "master", "actions": []any{act("create", "e", "")}})
	if pushes := y.told("push"); len(pushes) != 2 {
		t.Errorf("%d pushes told, want 2", len(pushes))
	}
	list := y.do(200, "GET", y.at("/repository/compare?from=master&to=new"), nil).object(t)["commits"].([]any)
	if len(list) != 1 {
		t.Errorf("%d commits between master and new, want 1", len(list))
	}
}
