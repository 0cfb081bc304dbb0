package reprepro

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/version"
	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
)

// readRelease reads a Release file, with the digest of its bytes.
func readRelease(file string) (debian.Release, string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return debian.Release{}, "", err
	}
	r, err := debian.ParseRelease(text)
	if err != nil {
		return r, "", errs.E(op, errs.Corrupt, fmt.Errorf("%s: %s", file, errs.Cause(err))).Hint("let reprepro write it again: reprepro export")
	}
	sum := sha256.Sum256(text)
	return r, "sha256:" + hex.EncodeToString(sum[:]), nil
}

// item is one entry of an index.
type item struct {
	component, arch   string // of the index; "source" for Sources
	name, version     string
	source, sourceVer string
	file, sum         string // the .deb or .dsc, from the root of the tree
	section, priority string
}

func (i item) index() string {
	if i.arch == "source" {
		return i.component + "/source"
	}
	return i.component + "/binary-" + i.arch
}

// readItems reads the indexes of a suite in a tree. A suite that is not there has none.
func readItems(dir, code string) (all []item, err error) {
	dist := filepath.Join(dir, "dists", code)
	r, _, err := readRelease(filepath.Join(dist, "Release"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, f := range r.List(r.Strongest()) {
		parts := strings.Split(f.Path, "/")
		if len(parts) != 3 || parts[2] != "Packages" && parts[2] != "Sources" {
			continue
		}
		text, err := readIndex(dist, f)
		if err != nil {
			return nil, err
		}
		for in := debian.NewReader(bytes.NewReader(text)); ; {
			p, err := in.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, errs.E(op, errs.Corrupt, fmt.Errorf("%s of %s: %s", f.Path, code, errs.Cause(err))).Hint("let reprepro write it again: reprepro export")
			}
			all = append(all, newItem(parts[0], strings.TrimPrefix(parts[1], "binary-"), p))
		}
	}
	return all, nil
}

func newItem(component, arch string, p debian.Paragraph) item {
	i := item{component: component, arch: arch, name: p.Get("Package"), version: p.Get("Version"), file: p.Get("Filename"), sum: p.Get("SHA256"),
		section: p.Get("Section"), priority: p.Get("Priority")}
	i.source, i.sourceVer = i.name, i.version
	if arch == "source" {
		for _, l := range p.Lines("Checksums-Sha256") {
			if f := strings.Fields(l); len(f) == 3 && strings.HasSuffix(f[2], ".dsc") {
				i.sum, i.file = f[0], path.Join(p.Get("Directory"), f[2])
			}
		}
		return i
	}
	if s := p.Get("Source"); s != "" {
		name, v, _ := strings.Cut(s, " ")
		i.source = name
		if v = strings.Trim(v, " ()"); v != "" {
			i.sourceVer = v
		}
	}
	return i
}

// readIndex reads a plain index, or its packed form when only that is there.
func readIndex(dist string, f debian.ReleaseFile) ([]byte, error) {
	name := filepath.Join(dist, filepath.FromSlash(f.Path))
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		var packed []byte
		if packed, err = os.ReadFile(name + ".gz"); err == nil {
			var z *gzip.Reader
			if z, err = gzip.NewReader(bytes.NewReader(packed)); err == nil {
				text, err = io.ReadAll(io.LimitReader(z, f.Size+1))
			}
		}
	}
	if err != nil || int64(len(text)) != f.Size {
		return nil, errs.E(op, errs.Corrupt, fmt.Errorf("%s is not what its Release lists", name)).
			Hint("let reprepro write it again, plain or with gz (DebIndices): reprepro export")
	}
	return text, nil
}

// Built are the versions of a source package in a tree, the newest first; "" is the tree that
// clients read.
func (p *Place) Built(suite, generation, source string) ([]aptrepo.Built, error) {
	items, err := p.items(suite, generation)
	if err != nil {
		return nil, err
	}
	var all []aptrepo.Built
	for _, i := range items {
		if i.source != source {
			continue
		}
		at := slices.IndexFunc(all, func(b aptrepo.Built) bool { return b.Version == i.sourceVer })
		if at < 0 {
			at = len(all)
			all = append(all, aptrepo.Built{Version: i.sourceVer})
		}
		if i.arch != "source" && !slices.Contains(all[at].Packages, i.name) {
			all[at].Packages = append(all[at].Packages, i.name)
		}
	}
	for _, b := range all {
		slices.Sort(b.Packages)
	}
	slices.SortFunc(all, func(a, b aptrepo.Built) int { return version.Compare(b.Version, a.Version) })
	return all, nil
}

// moves is what changed from one list to another.
func moves(before, after []item) (all []aptrepo.Move) {
	type at struct{ index, name string }
	old := map[at]item{}
	for _, i := range before {
		old[at{i.index(), i.name}] = i
	}
	add := func(i item, from, to string) {
		m := aptrepo.Move{Component: i.component, Name: i.name, From: from, To: to}
		n := slices.IndexFunc(all, func(o aptrepo.Move) bool {
			return o.Component == m.Component && o.Name == m.Name && o.From == from && o.To == to
		})
		if n < 0 {
			n = len(all)
			all = append(all, m)
		}
		all[n].Architectures = append(all[n].Architectures, i.arch)
	}
	for _, i := range after {
		key := at{i.index(), i.name}
		was, there := old[key]
		delete(old, key)
		if !there || was.version != i.version {
			add(i, was.version, i.version)
		}
	}
	for _, i := range before {
		if _, gone := old[at{i.index(), i.name}]; gone {
			add(i, i.version, "")
		}
	}
	slices.SortStableFunc(all, func(a, b aptrepo.Move) int {
		return strings.Compare(a.Component+" "+a.Name, b.Component+" "+b.Name)
	})
	return all
}

func counts(items []item) map[string]int {
	n := map[string]int{}
	for _, i := range items {
		n[i.index()]++
	}
	return n
}
