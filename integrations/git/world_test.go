package git

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"slipway/bot/action"
)

// world is a bare remote with a generated history, somebody's clone of it, and our copies.
type world struct {
	t      *testing.T
	remote string // bare
	clone  string // where other people work
	repos  *Repositories
	clock  int // seconds after the first commit
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, remote: filepath.Join(dir, "project.git"), clone: filepath.Join(dir, "clone")}
	w.git("", "init", "--quiet", "--bare", "--initial-branch=main", w.remote)
	w.git("", "init", "--quiet", "--initial-branch=main", w.clone)
	w.git(w.clone, "remote", "add", "origin", w.remote)
	repos, err := Open(filepath.Join(dir, "state"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.repos = repos
	return w
}

// git runs git as somebody else would, at a moment that moves on with each call.
func (w *world) git(dir string, args ...string) string { return w.gitAs(dir, "Ann", args...) }

func (w *world) gitAs(dir, who string, args ...string) string {
	w.t.Helper()
	w.clock += 60
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	date := fmt.Sprintf("@%d +0000", 1500000000+w.clock)
	mail := strings.ToLower(strings.ReplaceAll(who, " ", ".")) + "@Example.org"
	cmd.Env = append(os.Environ(), "HOME=/nonexistent", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C.UTF-8",
		"GIT_AUTHOR_NAME="+who, "GIT_AUTHOR_EMAIL="+mail, "GIT_COMMITTER_NAME="+who, "GIT_COMMITTER_EMAIL="+mail,
		"GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit makes a commit on the current branch of the clone and gives its id.
func (w *world) commit(who, subject string, files ...string) string {
	w.t.Helper()
	for i := 0; i+1 < len(files); i += 2 {
		p := filepath.Join(w.clone, files[i])
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(files[i+1]), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	w.git(w.clone, "add", "-A")
	w.gitAs(w.clone, who, "commit", "--quiet", "--allow-empty", "-m", subject)
	return w.git(w.clone, "rev-parse", "HEAD")
}

func (w *world) push() {
	w.t.Helper()
	w.git(w.clone, "push", "--quiet", "origin", "--all")
	w.git(w.clone, "push", "--quiet", "origin", "--tags")
}

// at is the object a ref of the remote is, or "".
func (w *world) at(ref string) string {
	return w.git(w.remote, "for-each-ref", "--format=%(objectname)", ref)
}

// history is two releases and what came after them: a merge, a long subject, UTF-8, a subject
// that looks like a trailer, and tags of many forms.
func (w *world) history() (tip string) {
	w.t.Helper()
	w.commit("Ann", "Start", "debian/changelog", "sample (2018.10-1) unstable; urgency=low\n", "README", "hello\n")
	w.git(w.clone, "tag", "-a", "-m", "old", "2018.10")
	w.commit("Bob", "doc: second", "a", "1")
	w.git(w.clone, "tag", "2018.11")
	w.git(w.clone, "tag", "show")
	w.git(w.clone, "tag", "debian/2018.11-1")
	w.git(w.clone, "tag", "2015.9post1", "HEAD~1")
	w.git(w.clone, "checkout", "--quiet", "-b", "topic")
	w.commit("Zoë", "Grüße: ändert die Übersetzung der Prüfungsergebnisse in größter Eile", "b", "1")
	w.git(w.clone, "checkout", "--quiet", "main")
	w.commit("Mallory", " -- Mallory <m@example.org>  Thu, 24 Jan 2019 11:43:27 +0000", "c", "1")
	w.gitAs(w.clone, "Mel", "merge", "--quiet", "--no-ff", "-m", "Merge branch 'topic'", "topic")
	tip = w.commit("bob", "A subject that is very much longer than the seventy-one columns of a changelog line", "d", "1")
	// A release of another branch is newer, but not merged.
	w.git(w.clone, "checkout", "--quiet", "-b", "later")
	w.commit("Ann", "Later")
	w.git(w.clone, "tag", "2019.05")
	w.git(w.clone, "checkout", "--quiet", "main")
	w.push()
	return tip
}

// tags is a stand-in for the version rules of a project: YYYY.MM in the order of the text.
type tags struct{}

var calendarTag = regexp.MustCompile(`^[0-9]{4}\.[0-9]{1,2}$`)

func (tags) IsRelease(_, tag string) bool      { return calendarTag.MatchString(tag) }
func (tags) Compare(_ string, a, b string) int { return strings.Compare(a, b) }

func key(step string) action.Key { return action.Key{Run: "run-1", Step: step, Inputs: "sha256:0"} }

func ctx(t *testing.T) context.Context { return t.Context() }
