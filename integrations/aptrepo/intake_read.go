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
func (in *intake) take(w want, prefix string, t *tools, look func(io.ReaderAt, int64) error) (p part, err error) {
	path := w.folder.path(w.name)
	if w.folder.fsys == nil {
		if data, stat, ok := t.readSmall(path); ok {
			return in.whole(w, prefix, data, !in.canLink(&stat), look)
		}
	}
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
	copying := true
	if w.folder.fsys == nil && in.link {
		var stat unix.Stat_t // of the name: a link to it would be a link in the pool
		copying = unix.Lstat(path, &stat) != nil || !in.canLink(&stat)
	}
	if info.Size() <= inMemory {
		data := make([]byte, info.Size())
		if _, err := io.ReadFull(f, data); err != nil {
			return p, err
		}
		return in.whole(w, prefix, data, copying, look)
	}
	p.size, p.from = info.Size(), path
	if copying {
		p.from = filepath.Join(in.temp, prefix+w.name)
	}
	h := newHashes(in.algs)
	if err := in.stream(f, &p, h, look, copying); err != nil {
		return p, err
	}
	in.sync.file(p.from)
	p.sums = h.sums()
	return p, w.matches(p)
}

// whole is take for a file that is in memory. The data is not kept.
func (in *intake) whole(w want, prefix string, data []byte, copying bool, look func(io.ReaderAt, int64) error) (p part, err error) {
	p.size, p.sums = int64(len(data)), sumsOf(data, in.algs)
	if copying {
		p.from = filepath.Join(in.temp, prefix+w.name)
		if err := writePieces(p.from, data); err != nil {
			return p, err
		}
	} else {
		p.from = w.folder.path(w.name)
	}
	if look != nil {
		if err := look(bytes.NewReader(data), p.size); err != nil {
			return p, err
		}
	}
	in.sync.file(p.from)
	return p, w.matches(p)
}

// readSmall reads a file of at most inMemory bytes with as few calls of the system as possible:
// in archives of many small packages they cost more than the rest. What is not ok is for take to
// read and to judge: links, large files, whatever cannot be read. The data is good until the next
// call.
func (t *tools) readSmall(path string) (data []byte, stat unix.Stat_t, ok bool) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, stat, false
	}
	defer unix.Close(fd)
	if unix.Fstat(fd, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG || stat.Size > inMemory {
		return nil, stat, false
	}
	size := int(stat.Size)
	if cap(t.data) < size {
		t.data = make([]byte, size, max(size, 1<<16))
	}
	data = t.data[:size]
	for have := 0; have < size; {
		n, err := unix.Read(fd, data[have:])
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			return nil, stat, false
		}
		have += n
	}
	return data, stat, true
}

// canLink reports whether the pool can have the file as a second name: allowed, on the same file
// system, no link itself, and with permissions with which a web server can read it.
func (in *intake) canLink(file *unix.Stat_t) bool {
	return in.link && file.Mode&unix.S_IFMT == unix.S_IFREG && file.Mode&0o444 == 0o444 && uint64(file.Dev) == in.dev
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
	t, _ := in.tools.Get().(*tools)
	if t == nil {
		t = &tools{}
	}
	defer in.tools.Put(t)
	p, err := in.take(w, prefix, t, func(r io.ReaderAt, size int64) error {
		deb, err := t.deb.Read(r, size)
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
	var t tools
	own, err := in.take(w, prefix, &t, func(r io.ReaderAt, size int64) (err error) {
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
		one, err := in.take(l, prefix, &t, nil)
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
