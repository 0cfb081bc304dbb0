package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// Bounds of what git.files gives.
const (
	filesMost  = 5000
	filesBytes = 32 << 20 // of all of them together
)

// Depot keeps the content of files, named by its digest. PutFrom returns errors of kind Full and
// Unavailable for the disk, and Invalid for more than limit bytes; what it returned is durable.
type Depot interface {
	PutFrom(ctx context.Context, r io.Reader, limit int64) (digest string, size int64, err error)
}

// Files is git.files@1: the files below a folder, as they are in a commit. Policy: read. Their content
// goes into the depot.
type Files struct {
	copies Copies
	depot  Depot
}

// NewFiles makes git.files@1.
func NewFiles(c Copies, d Depot) Files { return Files{copies: c, depot: d} }

// FilesIn names a folder.
type FilesIn struct {
	Remote string `cel:"remote" json:"remote" doc:"address of the repository"`
	Commit string `cel:"commit" json:"commit" doc:"a tag, a branch or a whole commit id"`
	Path   string `cel:"path" json:"path" doc:"a folder inside the repository: etc/devices. A file gives that file alone"`
	To     string `cel:"to,optional" json:"to,omitempty" doc:"folder that takes the place of path in the paths that are given; empty means none"`
}

// KeptFile is a file whose content is in the depot.
type KeptFile struct {
	Path   string `cel:"path" json:"path"`
	Digest string `cel:"digest" json:"digest" kind:"digest" doc:"of its content"`
	Size   int    `cel:"size" json:"size" doc:"in bytes"`
}

// FilesOut are the files, in the order of their paths.
type FilesOut struct {
	Commit string     `cel:"commit" json:"commit" doc:"whole id of the commit they are of"`
	Files  []KeptFile `cel:"files" json:"files"`
}

// Contract of git.files@1.
func (Files) Contract() action.Contract {
	return action.Contract{ByHand: filesByHand, Name: "git.files", Version: 1, Policy: action.Read, Timeout: 10 * time.Minute,
		Doc: "Fetches the files below a folder as they are in a commit.", Shell: "git archive COMMIT PATH | tar -x"}
}

// Probe has nothing to look for: a read is done anew each time.
func (a Files) Probe(context.Context, action.Key, FilesIn) (FilesOut, bool, error) {
	return FilesOut{}, false, nil
}

// Do fetches and keeps. A folder that is not there is an error of kind NotFound. One with something
// that is no plain file, such as a link, and one that is too large (5000 files, 32 MB) are of kind
// Invalid.
func (a Files) Do(ctx context.Context, _ action.Key, in FilesIn) (out FilesOut, err error) {
	if err := checkPath(in.Path); err != nil {
		return out, err
	}
	if in.To != "" {
		if err := checkPath(strings.TrimSuffix(in.To, "/")); err != nil {
			return out, err
		}
	}
	err = a.copies.With(ctx, in.Remote, func(c *Copy) error {
		if err := c.Fetch(ctx); err != nil {
			return err
		}
		if out.Commit, err = c.resolve(ctx, in.Commit); err != nil {
			return err
		}
		list, err := c.below(ctx, out.Commit, in)
		if err != nil {
			return err
		}
		out.Files, err = a.keep(ctx, c, list)
		return err
	})
	if err != nil {
		return FilesOut{}, err
	}
	return out, nil
}

// listed is a file as a commit lists it.
type listed struct {
	path, oid string
	size      int64
}

// below lists the files below a folder, under the paths that they are given with.
func (c *Copy) below(ctx context.Context, commit string, in FilesIn) ([]listed, error) {
	at, err := c.lookup(ctx, commit, in.Path)
	if err != nil {
		return nil, err
	}
	if at.kind != "tree" && !at.file() {
		return nil, errs.E("git.files", errs.NotFound, fmt.Errorf("there is no folder %s in %s", quote(in.Path), commit)).Hint("Name a folder of the repository")
	}
	tree, err := c.exec(ctx, call{args: []string{"ls-tree", "-r", "-z", "--long", "--full-tree", commit, "--", in.Path}})
	if err != nil {
		return nil, err
	}
	var list []listed
	total := int64(0)
	for entry := range strings.SplitSeq(strings.TrimSuffix(tree, "\x00"), "\x00") {
		head, path, found := strings.Cut(entry, "\t")
		f := strings.Fields(head)
		if !found || len(f) != 4 {
			return nil, errs.E("git.files", errs.Corrupt, errors.New("what git lists cannot be read")).Hint("Run git fsck in the repository")
		}
		if kind := (treeEntry{mode: f[0], kind: f[1], oid: f[2]}); !kind.file() {
			return nil, invalid("Take it out of the folder, or name a folder without it", "%s is no plain file in %s", quote(path), commit)
		}
		if err := checkPath(path); err != nil {
			return nil, err
		}
		size, err := strconv.ParseInt(f[3], 10, 64)
		if err != nil {
			return nil, errs.E("git.files", errs.Corrupt, fmt.Errorf("the size of %s cannot be read", quote(path))).Hint("Run git fsck in the repository")
		}
		if total += size; len(list) == filesMost || total > filesBytes {
			return nil, invalid("Name a smaller folder", "%s has more than %d files or %d MB", quote(in.Path), filesMost, filesBytes>>20)
		}
		list = append(list, listed{in.placed(path), f[2], size})
	}
	return list, nil
}

// placed is where a file of the folder goes.
func (in FilesIn) placed(path string) string {
	rest := strings.TrimPrefix(strings.TrimPrefix(path, in.Path), "/")
	switch {
	case rest == "": // path is a file
		rest = path[strings.LastIndexByte(path, '/')+1:]
		fallthrough
	case in.To != "":
		return strings.TrimPrefix(strings.TrimSuffix(in.To, "/")+"/"+rest, "/")
	}
	return rest
}

// keep reads the files with one git, and puts each into the depot.
func (a Files) keep(ctx context.Context, c *Copy, list []listed) ([]KeptFile, error) {
	files := make([]KeptFile, 0, len(list))
	var names strings.Builder
	for _, f := range list {
		names.WriteString(f.oid + "\n")
	}
	rest, err := c.exec(ctx, call{args: []string{"cat-file", "--batch"}, stdin: names.String()})
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		head, after, _ := strings.Cut(rest, "\n")
		if head != fmt.Sprintf("%s blob %d", f.oid, f.size) || int64(len(after)) < f.size+1 || after[f.size] != '\n' {
			return nil, errs.E("git.files", errs.Corrupt, fmt.Errorf("%s cannot be read", quote(f.path))).Hint("Run git fsck in the repository")
		}
		content := after[:f.size]
		rest = after[f.size+1:]
		digest, size, err := a.depot.PutFrom(ctx, strings.NewReader(content), filesBytes)
		if err != nil {
			return nil, errs.E("git.files", errs.KindOf(err), fmt.Errorf("keeping %s: %w", quote(f.path), err))
		}
		files = append(files, KeptFile{Path: f.path, Digest: digest, Size: int(size)})
	}
	return files, nil
}
