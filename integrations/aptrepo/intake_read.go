package aptrepo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"slipway/bot/errs"
	"slipway/integrations/debian"
)

// inMemory is the largest package that is read into memory at once, in bytes.
const inMemory = 1 << 20

// take reads one file once. look, when not nil, gets its bytes at random; it runs after hashing,
// when they are in memory.
func (in *intake) take(w want, prefix string, look func(io.ReaderAt, int64) error) (p part, err error) {
	f, err := w.folder.open(w.name)
	if err != nil {
		return p, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return p, err
	}
	if !info.Mode().IsRegular() {
		return p, errs.E("aptrepo.read", errs.Invalid, errors.New("it is not a plain file")).Hint("name the file itself")
	}
	p.size = info.Size()
	copying := w.folder.fsys != nil || !in.canLink(w.folder.path(w.name), info)
	p.from = filepath.Join(in.temp, prefix+w.name)
	if !copying {
		p.from = w.folder.path(w.name)
	}
	h := newHashes(in.algs)
	if p.size <= inMemory {
		data := make([]byte, p.size)
		if _, err := io.ReadFull(f, data); err != nil {
			return p, err
		}
		h.Write(data)
		if copying {
			if err := writePieces(p.from, data); err != nil {
				return p, err
			}
		}
		if look != nil {
			if err := look(bytes.NewReader(data), p.size); err != nil {
				return p, err
			}
		}
	} else if err := in.stream(f, &p, h, look, copying); err != nil {
		return p, err
	}
	in.sync.file(p.from)
	p.sums = h.sums()
	return p, w.matches(p)
}

// canLink reports whether the pool can have the file as a second name: allowed, on the same file
// system, and with permissions with which a web server can read it.
func (in *intake) canLink(path string, info fs.FileInfo) bool {
	if !in.link || info.Mode().Perm()&0o444 != 0o444 {
		return false
	}
	var file, root unix.Stat_t
	return unix.Stat(path, &file) == nil && unix.Stat(in.root, &root) == nil && file.Dev == root.Dev
}

// stream reads a large file, copying it when it cannot be linked.
func (in *intake) stream(f fs.File, p *part, h *hashes, look func(io.ReaderAt, int64) error, copying bool) (err error) {
	to := io.Writer(h)
	var at io.ReaderAt
	if copying {
		out, err := os.OpenFile(p.from, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, out.Close()) }()
		to, at = io.MultiWriter(h, out), out
	} else if file, ok := f.(io.ReaderAt); ok {
		at = file
	} else {
		return fmt.Errorf("%s cannot be read at random", p.from)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{f}, make([]byte, 1<<18))
	if err != nil {
		return err
	}
	if n != p.size {
		return errs.E("aptrepo.read", errs.Conflict, errors.New("it changed while it was read")).Hint("wait until it is whole")
	}
	if look != nil {
		return look(at, n)
	}
	return nil
}

// deb reads a binary package.
func (in *intake) deb(w want, prefix string) (a arrival, err error) {
	var control debian.Paragraph
	p, err := in.take(w, prefix, func(r io.ReaderAt, size int64) error {
		deb, err := debian.ReadDeb(r, size)
		control = deb.Control
		return err
	})
	if err != nil {
		return a, err
	}
	if a.component, err = in.componentFor(w, control.Get("Section")); err != nil {
		return a, err
	}
	a.name, a.version, a.arch = control.Get("Package"), control.Get("Version"), control.Get("Architecture")
	a.source = a.name
	if s, _, _ := strings.Cut(control.Get("Source"), " "); s != "" {
		a.source = s
	}
	if err := debian.CheckPackageName(a.source); err != nil {
		return a, err
	}
	if a.arch != "all" && !slices.Contains(in.suite.Architectures, a.arch) {
		return a, errs.E("aptrepo.read", errs.Invalid, fmt.Errorf("%s is for %s, which suite %s does not have", a.name, a.arch, in.suite.Name)).
			Hint("it has: %s", strings.Join(in.suite.Architectures, ", "))
	}
	v, err := debian.ParseVersion(a.version)
	if err != nil {
		return a, err
	}
	p.name = a.name + "_" + v.NoEpoch() + "_" + a.arch + ".deb"
	a.parts = []part{p}
	a.sum, a.size = p.sums[SHA256], p.size
	a.filename = poolDir(a.component, a.source) + "/" + p.name
	a.text = binaryStanza(control, a.row, p.sums, in.algs)
	return a, nil
}

// binaryStanza is the control data with what clients need to fetch the package.
func binaryStanza(control debian.Paragraph, r row, s sums, algs []Algorithm) []byte {
	out := debian.Paragraph{{Name: "Package", Value: r.name}}
	for _, f := range control {
		switch strings.ToLower(f.Name) {
		case "package", "filename", "size", "md5sum", "sha1", "sha256", "sha512":
		case "version", "architecture", "source": // searched for by their usual spelling
			out = append(out, debian.Field{Name: strings.ToUpper(f.Name[:1]) + strings.ToLower(f.Name[1:]), Value: strings.TrimSpace(f.Value)})
		default:
			out = append(out, f)
		}
	}
	out = append(out, debian.Field{Name: "Filename", Value: r.filename}, debian.Field{Name: "Size", Value: strconv.FormatInt(r.size, 10)})
	for a := range algorithms {
		if slices.Contains(algs, a) {
			out = append(out, debian.Field{Name: a.stanzaField(), Value: s[a]})
		}
	}
	return append(out.AppendTo(make([]byte, 0, 1024)), '\n')
}

// dsc reads a source package with all files that it lists.
func (in *intake) dsc(w want, prefix string) (a arrival, err error) {
	var p debian.Paragraph
	own, err := in.take(w, prefix, func(r io.ReaderAt, size int64) (err error) {
		p, err = description(w.name, io.NewSectionReader(r, 0, size))
		return err
	})
	if err != nil {
		return a, err
	}
	a.name, a.version, a.arch = p.Get("Source"), p.Get("Version"), sourceArch
	a.source = a.name
	if err := debian.CheckPackageName(a.name); err != nil {
		return a, err
	}
	v, err := debian.ParseVersion(a.version)
	if err != nil {
		return a, err
	}
	if a.component, err = in.componentFor(w, p.Get("Section")); err != nil {
		return a, err
	}
	own.name = a.name + "_" + v.NoEpoch() + ".dsc"
	a.parts = []part{own}
	listed, err := checksums(p)
	if err != nil {
		return a, err
	}
	for _, l := range listed {
		l.folder = w.folder
		one, err := in.take(l, prefix, nil)
		if err != nil {
			return a, about(l.name, err)
		}
		one.name = l.name
		a.parts = append(a.parts, one)
	}
	a.filename, a.sum, a.size = own.name, own.sums[SHA256], own.size
	a.text = sourceStanza(p, a, in.algs)
	return a, nil
}

// sourceStanza is the .dsc with Package for Source, its folder, and itself among its files.
func sourceStanza(dsc debian.Paragraph, a arrival, algs []Algorithm) []byte {
	out := debian.Paragraph{{Name: "Package", Value: a.name}}
	for _, f := range dsc {
		switch strings.ToLower(f.Name) {
		case "source", "package", "directory", "files", "checksums-sha1", "checksums-sha256", "checksums-sha512":
		case "version":
			out = append(out, debian.Field{Name: "Version", Value: a.version})
		default:
			out = append(out, f)
		}
	}
	out = append(out, debian.Field{Name: "Directory", Value: poolDir(a.component, a.name)})
	for alg := range algorithms {
		if !slices.Contains(algs, alg) {
			continue
		}
		var list strings.Builder
		for _, p := range a.parts {
			fmt.Fprintf(&list, "\n%s %d %s", p.sums[alg], p.size, p.name)
		}
		out = append(out, debian.Field{Name: alg.checksumField(), Value: list.String()})
	}
	return append(out.AppendTo(nil), '\n')
}

func (in *intake) componentFor(w want, section string) (string, error) {
	if w.component != "" {
		return w.component, nil
	}
	area, _, _ := strings.Cut(section, "/")
	if slices.Contains(in.suite.Components, area) {
		return area, nil
	}
	return in.suite.Components[0], nil
}

// poolDir is the folder of a source package in the pool, as Debian's archive has them.
func poolDir(component, source string) string {
	prefix := source[:1]
	if strings.HasPrefix(source, "lib") && len(source) > 3 {
		prefix = source[:4]
	}
	return "pool/" + component + "/" + prefix + "/" + source
}
