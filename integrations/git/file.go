package git

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// File reads one text file as it is in a commit. Policy: read.
type File struct{ copies Copies }

// NewFile makes git.file@1.
func NewFile(c Copies) File { return File{copies: c} }

// FileIn names a file.
type FileIn struct {
	Remote string `cel:"remote" json:"remote" doc:"address of the repository"`
	Commit string `cel:"commit" json:"commit" doc:"a tag, a branch or a whole commit id"`
	Path   string `cel:"path" json:"path" doc:"path inside the repository: debian/changelog"`
}

// FileOut is the file.
type FileOut struct {
	Found   bool   `cel:"found" json:"found"`
	Content string `cel:"content" json:"content" doc:"empty when it was not found"`
	Digest  string `cel:"digest" json:"digest" kind:"digest" doc:"of the content"`
}

// Contract of git.file@1.
func (File) Contract() action.Contract {
	return action.Contract{ByHand: fileByHand, Name: "git.file", Version: 1, Policy: action.Read, Timeout: 5 * time.Minute,
		Doc: "Reads one text file as it is in a commit.", Shell: "git show COMMIT:PATH"}
}

// Probe has nothing to look for: a read is done anew each time.
func (a File) Probe(context.Context, action.Key, FileIn) (FileOut, bool, error) {
	return FileOut{}, false, nil
}

// Do fetches and reads. A file that is too large (8 MB) or no text is an error of kind Invalid.
func (a File) Do(ctx context.Context, _ action.Key, in FileIn) (out FileOut, err error) {
	if err := checkPath(in.Path); err != nil {
		return out, err
	}
	err = a.copies.With(ctx, in.Remote, func(c *Copy) error {
		if err := c.Fetch(ctx); err != nil {
			return err
		}
		commit, err := c.resolve(ctx, in.Commit)
		if err != nil {
			return err
		}
		at, err := c.lookup(ctx, commit, in.Path)
		if err != nil {
			return err
		}
		if out.Found = at.file(); !out.Found {
			return nil
		}
		out.Content, err = c.exec(ctx, call{args: []string{"cat-file", "blob", at.oid}})
		return err
	})
	if err != nil {
		return FileOut{}, err
	}
	if len(out.Content) > 8<<20 || !utf8.ValidString(out.Content) {
		return FileOut{}, errs.E("git.file", errs.Invalid, fmt.Errorf("%s is larger than 8 MB or not UTF-8 text", quote(in.Path))).
			Hint("Name a text file")
	}
	out.Digest = action.DigestOf([]byte(out.Content))
	return out, nil
}

// treeEntry is what a path is in a commit. The zero treeEntry is nothing.
type treeEntry struct{ mode, kind, oid string }

func (e treeEntry) file() bool { return e.mode == "100644" || e.mode == "100755" }

// lookup finds what path is in a commit. A path that leads through something that is no folder,
// such as a symbolic link, is an error of kind Invalid.
func (c *Copy) lookup(ctx context.Context, commit, path string) (treeEntry, error) {
	parts := strings.Split(path, "/")
	for i := range parts {
		prefix := strings.Join(parts[:i+1], "/")
		out, err := c.exec(ctx, call{args: []string{"ls-tree", "-z", "--full-tree", commit, "--", prefix}})
		if err != nil {
			return treeEntry{}, err
		}
		head, name, found := strings.Cut(strings.TrimSuffix(out, "\x00"), "\t")
		fields := strings.Fields(head)
		if !found || len(fields) != 3 || name != prefix {
			return treeEntry{}, nil
		}
		entry := treeEntry{mode: fields[0], kind: fields[1], oid: fields[2]}
		if i == len(parts)-1 {
			return entry, nil
		}
		if entry.kind != "tree" {
			return treeEntry{}, invalid("Name a path through folders alone", "%s leads through %s, which is not a folder", quote(path), quote(prefix))
		}
	}
	return treeEntry{}, nil
}
