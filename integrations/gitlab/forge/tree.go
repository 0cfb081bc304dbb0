package forge

import (
	"context"
	"crypto/sha1" // git's own name for content
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"path"
	"strings"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// blobID is the id that git gives to content, in a repository whose ids are as long as like.
func blobID(data []byte, like string) string {
	var h hash.Hash = sha1.New()
	if len(like) == 64 {
		h = sha256.New()
	}
	fmt.Fprintf(h, "blob %d\x00", len(data))
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil))
}

// changes are what must be done to the commit at so that it has the files; none when it has them. A
// link or a folder in the place of a file is an error of kind Exists.
func (p project) changes(ctx context.Context, at string, files []content) ([]*gogitlab.CommitActionOptions, error) {
	folder := common(files)
	entries, err := p.tree(ctx, at, folder)
	if err == nil && len(entries) == 0 {
		err = p.free(ctx, at, folder)
	}
	if err != nil {
		return nil, err
	}
	var out []*gogitlab.CommitActionOptions
	for _, f := range files {
		for dir := path.Dir(f.path); dir != "."; dir = path.Dir(dir) {
			if e, there := entries[dir]; there && e.Type != "tree" {
				return nil, p.bad(errs.Exists, "%s is a file in the repository, and %s would lie below it", quote(dir), quote(f.path)).Hint("choose another path")
			}
		}
		do := gogitlab.FileCreate
		if e, there := entries[f.path]; there {
			switch {
			case e.Type != "blob" || e.Mode == "120000":
				return nil, p.bad(errs.Exists, "%s is a folder or a link in the repository", quote(f.path)).Hint("choose another path")
			case e.ID == blobID(f.data, at):
				continue
			}
			do = gogitlab.FileUpdate
		}
		name, encoding, text := f.path, "base64", base64.StdEncoding.EncodeToString(f.data)
		out = append(out, &gogitlab.CommitActionOptions{Action: &do, FilePath: &name, Content: &text, Encoding: &encoding})
	}
	return out, nil
}

// free reports whether a folder that is not there can be made: nothing on the way to it is a file.
func (p project) free(ctx context.Context, at, folder string) error {
	for dir := folder; dir != "" && dir != "."; dir = path.Dir(dir) {
		_, resp, err := p.api.RepositoryFiles.GetFileMetaData(p.pid, dir, &gogitlab.GetFileMetaDataOptions{Ref: &at}, gogitlab.WithContext(ctx))
		switch {
		case err == nil:
			return p.bad(errs.Exists, "%s is a file in the repository, and the proposed files would lie below it", quote(dir)).Hint("choose another path")
		case !gone(resp, err):
			return p.read(resp, err)
		}
	}
	return nil
}

// common is the folder that all files are in; "" is the top.
func common(files []content) string {
	dir := ""
	for i, f := range files {
		d := path.Dir(f.path)
		if i == 0 {
			dir = d
		}
		for dir != "." && d != dir && !strings.HasPrefix(d, dir+"/") {
			dir = path.Dir(dir)
		}
	}
	if dir == "." {
		return ""
	}
	return dir
}

// tree lists a folder of a commit with all below it; nothing when there is no such folder.
func (p project) tree(ctx context.Context, at, folder string) (map[string]*gogitlab.TreeNode, error) {
	entries := map[string]*gogitlab.TreeNode{}
	deep := true
	var missing bool
	err := gitlab.Each(ctx, p.op, maxTree, func(page gogitlab.ListOptions, with gogitlab.RequestOptionFunc) ([]*gogitlab.TreeNode, *gogitlab.Response, error) {
		opt := &gogitlab.ListTreeOptions{ListOptions: page, Ref: &at, Recursive: &deep}
		if folder != "" {
			opt.Path = &folder
		}
		list, resp, err := p.api.Repositories.ListTree(p.pid, opt, with)
		missing = gone(resp, err)
		return list, resp, err
	}, func(e *gogitlab.TreeNode) bool {
		if e != nil {
			entries[e.Path] = e
		}
		return true
	})
	if missing && folder != "" {
		return map[string]*gogitlab.TreeNode{}, nil
	}
	return entries, err
}
