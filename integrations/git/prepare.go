package git

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// Prepare makes the commit of a release in the working copy; nothing leaves the machine.
// Policy: keyed. The same inputs make the same commit, byte for byte.
type Prepare struct{ copies Copies }

// NewPrepare makes git.prepare@1.
func NewPrepare(c Copies) Prepare { return Prepare{copies: c} }

// PrepareIn is a commit to be made.
type PrepareIn struct {
	Remote    string            `cel:"remote" json:"remote" doc:"address of the repository"`
	Commit    string            `cel:"commit" json:"commit" doc:"the parent: a whole commit id"`
	Files     map[string]string `cel:"files,optional" json:"files,omitempty" doc:"path → new content; a file that exists keeps its mode"`
	Prepend   map[string]string `cel:"prepend,optional" json:"prepend,omitempty" doc:"path → text to put before a file that exists; a path that does not exist is left out"`
	Otherwise map[string]string `cel:"otherwise,optional" json:"otherwise,omitempty" doc:"path → content, written when no path of prepend exists"`
	Message   string            `cel:"message" json:"message"`
	Author    string            `cel:"author" json:"author" doc:"Name <mail>"`
	Committer string            `cel:"committer,optional" json:"committer,omitempty" doc:"Name <mail>; empty means the author"`
	Date      string            `cel:"date" json:"date" doc:"seconds since 1970, or RFC 3339"`
	Made      string            `cel:"made,optional" json:"made,omitempty" doc:"a release commit that a person made already: it is described as it is, and none is made"`
}

// PrepareOut is the commit that was made.
type PrepareOut struct {
	Commit  string   `cel:"commit" json:"commit"`
	Tree    string   `cel:"tree" json:"tree"`
	Parents []string `cel:"parents" json:"parents"`
	Authors []string `cel:"authors" json:"authors" doc:"mail address of the author"`
	Files   []string `cel:"files" json:"files" doc:"the paths that changed"`
}

// Contract of git.prepare@1.
func (Prepare) Contract() action.Contract {
	return action.Contract{ByHand: prepareByHand, Name: "git.prepare", Version: 1, Policy: action.Keyed, Timeout: 5 * time.Minute, Authors: "authors",
		Doc:   "Makes the commit of a release, here and not yet at the remote.",
		Shell: "edit the files, then: git commit -a"}
}

// Probe finds the commit that was made under this key, or by a person.
func (a Prepare) Probe(ctx context.Context, key action.Key, in PrepareIn) (out PrepareOut, found bool, err error) {
	if in.Made != "" {
		out, err = a.byHand(ctx, in)
		return out, err == nil, err
	}
	err = a.copies.With(ctx, in.Remote, func(c *Copy) error {
		commit, err := c.line(ctx, "for-each-ref", "--format=%(objectname)", preparedAt+key.String())
		if err != nil || commit == "" {
			return err
		}
		found = true
		out, err = c.prepared(ctx, commit, in)
		return err
	})
	return out, found && err == nil, err
}

// Do makes the commit. It returns errors of kind Invalid for a path that leads out of the
// repository, through a symbolic link or to something that is no file, and for changes that
// change nothing.
func (a Prepare) Do(ctx context.Context, key action.Key, in PrepareIn) (out PrepareOut, err error) {
	if in.Made != "" {
		return a.byHand(ctx, in)
	}
	who, err := in.identity()
	if err != nil {
		return out, err
	}
	text, err := message(in.Message)
	if err != nil {
		return out, err
	}
	if err := in.check(); err != nil {
		return out, err
	}
	err = a.copies.With(ctx, in.Remote, func(c *Copy) error {
		if !c.has(ctx, in.Commit) {
			if err := c.Fetch(ctx); err != nil {
				return err
			}
		}
		if _, err := c.resolve(ctx, in.Commit); err != nil {
			return err
		}
		files, err := c.contents(ctx, in)
		if err != nil {
			return err
		}
		tree, err := c.writeTree(ctx, in.Commit, files)
		if err != nil {
			return err
		}
		made, err := c.exec(ctx, call{args: []string{"commit-tree", "-p", in.Commit, "-F", "-", tree}, stdin: text, env: who})
		if err != nil {
			return err
		}
		commit := strings.TrimSpace(made)
		// The ref keeps the commit from being collected, and tells Probe that it was made.
		if _, err := c.line(ctx, "update-ref", preparedAt+key.String(), commit); err != nil {
			return err
		}
		out, err = c.prepared(ctx, commit, in)
		return err
	})
	return out, err
}

// identity is the environment that makes a commit depend on nothing but the inputs.
func (in PrepareIn) identity() ([]string, error) {
	at, err := epoch(in.Date)
	if err != nil {
		return nil, err
	}
	date := fmt.Sprintf("@%d +0000", at)
	name, mail, err := person("author", in.Author)
	if err != nil {
		return nil, err
	}
	env := []string{"GIT_AUTHOR_NAME=" + name, "GIT_AUTHOR_EMAIL=" + mail, "GIT_AUTHOR_DATE=" + date}
	if in.Committer != "" {
		if name, mail, err = person("committer", in.Committer); err != nil {
			return nil, err
		}
	}
	return append(env, "GIT_COMMITTER_NAME="+name, "GIT_COMMITTER_EMAIL="+mail, "GIT_COMMITTER_DATE="+date), nil
}

func (in PrepareIn) check() error {
	if err := CheckCommit(in.Commit); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, group := range []map[string]string{in.Files, in.Prepend, in.Otherwise} {
		for _, p := range slices.Sorted(maps.Keys(group)) {
			if err := checkPath(p); err != nil {
				return err
			}
			// Otherwise counts only where nothing could be prepended, so it may name the same file.
			if _, before := in.Prepend[p]; seen[p] && !(before && in.Otherwise[p] != "") {
				return invalid("Name every path once", "the path %s is given twice", quote(p))
			}
			seen[p] = true
			if !utf8.ValidString(group[p]) || len(group[p]) > 8<<20 {
				return invalid("Give text", "the content of %s is not UTF-8 or larger than 8 MB", quote(p))
			}
		}
	}
	for p := range seen {
		for i, r := range p {
			if r == '/' && seen[p[:i]] {
				return invalid("Name files, not folders", "the path %s is given as a file and as a folder", quote(p[:i]))
			}
		}
	}
	if len(seen) == 0 {
		return invalid("Give the files of the release commit, for example debian/changelog", "the release commit changes no file")
	}
	return nil
}

// change is a file to be written.
type change struct{ path, mode, content string }

// contents works out what each file will hold.
func (c *Copy) contents(ctx context.Context, in PrepareIn) ([]change, error) {
	var files []change
	put := func(path, content string, prepend bool) error {
		at, err := c.lookup(ctx, in.Commit, path)
		if err != nil {
			return err
		}
		f := change{path: path, mode: "100644", content: content}
		switch {
		case at.kind == "" && prepend:
			return nil
		case at.kind == "":
		case !at.file():
			return invalid("Name a plain file", "%s is not a plain file in %s", quote(path), in.Commit)
		default:
			f.mode = at.mode
			if prepend {
				old, err := c.exec(ctx, call{args: []string{"cat-file", "blob", at.oid}})
				if err != nil {
					return err
				}
				f.content += old
			}
		}
		files = append(files, f)
		return nil
	}
	for _, p := range slices.Sorted(maps.Keys(in.Prepend)) {
		if err := put(p, in.Prepend[p], true); err != nil {
			return nil, err
		}
	}
	groups := []map[string]string{in.Files}
	if len(files) == 0 {
		groups = append(groups, in.Otherwise)
	}
	for _, group := range groups {
		for _, p := range slices.Sorted(maps.Keys(group)) {
			if err := put(p, group[p], false); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// writeTree makes the tree of commit with the files changed, through an index of its own.
func (c *Copy) writeTree(ctx context.Context, commit string, files []change) (string, error) {
	dir, err := os.MkdirTemp(c.repos.root, "index-")
	if err != nil {
		return "", errs.E("git.prepare", errs.Full, fmt.Errorf("no temporary folder can be made: %w", err)).Hint("Make room on the disk")
	}
	defer os.RemoveAll(dir)
	index := []string{"GIT_INDEX_FILE=" + filepath.Join(dir, "index")}
	if _, err := c.exec(ctx, call{args: []string{"read-tree", commit}, env: index}); err != nil {
		return "", err
	}
	var list strings.Builder
	for _, f := range files {
		oid, err := c.exec(ctx, call{args: []string{"hash-object", "-w", "--stdin", "--no-filters"}, stdin: f.content})
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&list, "%s %s\t%s\x00", f.mode, strings.TrimSpace(oid), f.path)
	}
	if _, err := c.exec(ctx, call{args: []string{"update-index", "-z", "--index-info"}, stdin: list.String(), env: index}); err != nil {
		return "", err
	}
	tree, err := c.exec(ctx, call{args: []string{"write-tree"}, env: index})
	if err != nil {
		return "", err
	}
	tree = strings.TrimSpace(tree)
	old, err := c.line(ctx, "rev-parse", "--verify", "--end-of-options", commit+"^{tree}")
	if err == nil && old == tree {
		return "", invalid("Check whether the release commit was made already; then tag that one", "the files of the release commit are in %s already", commit)
	}
	return tree, err
}

// prepared describes a commit that was made.
func (c *Copy) prepared(ctx context.Context, commit string, in PrepareIn) (PrepareOut, error) {
	out := PrepareOut{Commit: commit, Parents: []string{in.Commit}, Files: []string{}}
	_, mail, err := person("author", in.Author)
	if err != nil {
		return out, err
	}
	out.Authors = []string{strings.ToLower(mail)}
	if out.Tree, err = c.line(ctx, "rev-parse", "--verify", "--end-of-options", commit+"^{tree}"); err != nil {
		return out, err
	}
	names, err := c.exec(ctx, call{args: []string{"diff-tree", "-r", "-z", "--no-commit-id", "--name-only", "--no-renames", in.Commit, commit, "--"}})
	for name := range strings.SplitSeq(names, "\x00") {
		if name != "" {
			out.Files = append(out.Files, name)
		}
	}
	return out, err
}

// byHand describes the commit that a person made.
func (a Prepare) byHand(ctx context.Context, in PrepareIn) (out PrepareOut, err error) {
	if err := CheckCommit(in.Made); err != nil {
		return out, err
	}
	err = a.copies.With(ctx, in.Remote, func(c *Copy) error {
		if !c.has(ctx, in.Made) {
			if err := c.Fetch(ctx); err != nil {
				return err
			}
		}
		out, err = c.described(ctx, in.Made)
		return err
	})
	return out, err
}

// described tells what a commit is: its files are those that differ from its first parent.
func (c *Copy) described(ctx context.Context, commit string) (PrepareOut, error) {
	out := PrepareOut{Commit: commit, Parents: []string{}, Files: []string{}, Authors: []string{}}
	if _, err := c.resolve(ctx, commit); err != nil {
		return out, err
	}
	text, err := c.line(ctx, "show", "--no-patch", "--no-show-signature", "--format=%T%n%P%n%ae", "--end-of-options", commit, "--")
	lines := strings.Split(text, "\n")
	if err != nil || len(lines) != 3 {
		return out, err
	}
	out.Tree, out.Parents = lines[0], strings.Fields(lines[1])
	out.Authors = append(out.Authors, strings.ToLower(lines[2]))
	args := []string{"diff-tree", "-r", "-z", "--no-commit-id", "--name-only", "--no-renames", "--root"}
	if len(out.Parents) > 0 {
		args = append(args, out.Parents[0])
	}
	names, err := c.exec(ctx, call{args: append(args, commit, "--")})
	for name := range strings.SplitSeq(names, "\x00") {
		if name != "" {
			out.Files = append(out.Files, name)
		}
	}
	return out, err
}
