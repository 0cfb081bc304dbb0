package debian

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// File is one file of a package that [WriteDeb] builds.
type File struct {
	Path string // "usr/bin/hello"; in control.tar a plain name such as "postinst"
	Mode int64  // permissions; 0 means 0644, for scripts 0755
	Body []byte
}

// Compression is how the tars of a package are compressed.
type Compression string

const (
	Gzip Compression = ".gz" // the default of [WriteDeb]
	XZ   Compression = ".xz"
	Zstd Compression = ".zst"
	None Compression = "none"
)

// Build is what [WriteDeb] makes a package of.
type Build struct {
	Control  Paragraph   // must pass [CheckBinary]
	Scripts  []File      // further files of control.tar
	Files    []File      // of data.tar, in any order; directories are made as needed
	Time     time.Time   // of every member and entry, in whole seconds, as SOURCE_DATE_EPOCH sets it
	Compress Compression // "" means Gzip
}

// WriteDeb writes a binary package that dpkg accepts: owned by root, entries sorted, no times but
// the one given. The same Build gives the same bytes. It is meant for packages of files alone,
// such as keyrings and those that demonstrations and tests need; anything that is compiled is
// the work of dpkg-buildpackage. Everything is in memory; errors are of kind Invalid unless w
// fails.
func WriteDeb(w io.Writer, b Build) error {
	if err := b.Control.Check(); err != nil {
		return err
	}
	if err := CheckBinary(b.Control); err != nil {
		return err
	}
	if y := b.Time.Year(); y < 1970 || y > 2200 {
		return invalid("deb", "Give the time of the release", "the package has no usable time")
	}
	scripts := []File{{Path: "control", Mode: 0o644, Body: append([]byte(nil), b.Control.AppendTo(nil)...)}}
	for _, f := range b.Scripts {
		if f.Mode == 0 {
			f.Mode = 0o755
		}
		if strings.Contains(f.Path, "/") {
			return invalid("deb", "Give a plain name such as postinst", "%q is no name in control.tar", shorten(f.Path))
		}
		scripts = append(scripts, f)
	}
	control, err := b.tar(scripts)
	if err != nil {
		return err
	}
	data, err := b.tar(b.Files)
	if err != nil {
		return err
	}
	ext := string(b.Compress)
	switch b.Compress {
	case "":
		ext = string(Gzip)
	case None:
		ext = ""
	}
	var out bytes.Buffer
	out.WriteString(arMagic)
	b.member(&out, "debian-binary", []byte("2.0\n"))
	b.member(&out, "control.tar"+ext, control)
	b.member(&out, "data.tar"+ext, data)
	_, err = w.Write(out.Bytes())
	return err
}

func (b Build) member(out *bytes.Buffer, name string, body []byte) {
	fmt.Fprintf(out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, b.Time.Unix(), 0, 0, "100644", len(body))
	out.Write(body)
	if len(body)%2 == 1 {
		out.WriteByte('\n')
	}
}

// tar writes files and the directories above them, sorted, compressed.
func (b Build) tar(files []File) ([]byte, error) {
	entries := map[string]*File{"": nil} // nil is a directory
	for i, f := range files {
		if f.Path == "" || path.Clean("/"+f.Path) != "/"+f.Path || strings.ContainsAny(f.Path, "\x00\n\r") {
			return nil, invalid("deb", "Give a relative path such as usr/bin/hello", "%q is no path in a package", shorten(f.Path))
		}
		if _, found := entries[f.Path]; found {
			return nil, invalid("deb", "Keep one of them", "the path %q stands twice in the package", shorten(f.Path))
		}
		entries[f.Path] = &files[i]
	}
	for _, f := range files {
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			if file, found := entries[dir]; found && file != nil {
				return nil, invalid("deb", "Rename one of them", "the path %q is a file and a directory", shorten(dir))
			}
			entries[dir] = nil
		}
	}
	names := make([]string, 0, len(entries))
	for name := range entries {
		names = append(names, name)
	}
	slices.Sort(names)
	var out bytes.Buffer
	z, err := b.compressor(&out)
	if err != nil {
		return nil, err
	}
	t := tar.NewWriter(z)
	for _, name := range names {
		h := &tar.Header{Name: "./" + name, ModTime: b.Time.Truncate(time.Second), Uname: "root", Gname: "root", Format: tar.FormatGNU}
		f := entries[name]
		if f == nil {
			h.Typeflag, h.Mode, h.Name = tar.TypeDir, 0o755, strings.TrimSuffix(h.Name, "/")+"/"
		} else {
			h.Typeflag, h.Mode, h.Size = tar.TypeReg, f.Mode, int64(len(f.Body))
			if h.Mode == 0 {
				h.Mode = 0o644
			}
		}
		if err := t.WriteHeader(h); err != nil {
			return nil, tarError("the tar", err)
		}
		if f != nil {
			if _, err := t.Write(f.Body); err != nil {
				return nil, tarError("the tar", err)
			}
		}
	}
	if err := t.Close(); err != nil {
		return nil, tarError("the tar", err)
	}
	if err := z.Close(); err != nil {
		return nil, tarError("the tar", err)
	}
	return out.Bytes(), nil
}

type uncompressed struct{ io.Writer }

func (uncompressed) Close() error { return nil }

// compressor leaves no time and no name in what it writes.
func (b Build) compressor(out io.Writer) (io.WriteCloser, error) {
	switch b.Compress {
	case "", Gzip:
		return gzip.NewWriterLevel(out, gzip.BestCompression)
	case XZ:
		return xz.WriterConfig{DictCap: 1 << 20}.NewWriter(out)
	case Zstd:
		return zstd.NewWriter(out, zstd.WithEncoderConcurrency(1))
	case None:
		return uncompressed{out}, nil
	}
	return nil, invalid("deb", "Use .gz, .xz, .zst or none", "%q is no compression of packages", string(b.Compress))
}
