package debian

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"slipway/bot/errs"
)

// Bounds of binary packages.
const (
	maxControlFile = 4 << 20  // the control file
	maxControlTar  = 64 << 20 // control.tar: md5sums and symbols of large packages take megabytes
	maxDataTar     = 64 << 30 // data.tar, read only by Contents
	maxEntries     = 2 << 20  // paths in a tar
)

// Deb is what the head of a binary package says (deb(5)).
type Deb struct {
	Format       string    // of debian-binary: "2.0"
	Control      Paragraph // the file control of control.tar, checked by [CheckBinary]
	ControlFiles []string  // names of all files of control.tar: "control", "md5sums", "postinst"
	Members      []Member  // of the ar archive, in their order
}

// ReadDeb reads the head of a binary package of the given size, and nothing of its data. It
// accepts what dpkg-deb builds: debian-binary of format 2, control.tar, data.tar, the tars
// plain or compressed with gzip, xz or zstd, and members whose names begin with an underscore.
// Errors are of kind Invalid unless r fails.
func ReadDeb(r io.ReaderAt, size int64) (Deb, error) {
	var d DebReader
	return d.Read(r, size)
}

// DebReader reads many packages, one after the other, as [ReadDeb] does. It uses the memory for
// decompressing again, which costs more than all else in small packages. The zero value is ready.
type DebReader struct {
	unpacker unpacker
	in       *bufio.Reader
}

// Read is [ReadDeb]. What it returns stays as it is when the next package is read.
func (dr *DebReader) Read(r io.ReaderAt, size int64) (Deb, error) {
	bad := func(format string, args ...any) (Deb, error) {
		return Deb{}, invalid("deb", "Build the package again with dpkg-deb", "the package "+format, args...)
	}
	members, err := readAr(r, size)
	if err != nil {
		return Deb{}, err
	}
	d := Deb{Members: members}
	if len(members) == 0 || members[0].Name != "debian-binary" || members[0].Size > 100 {
		return bad("does not begin with debian-binary")
	}
	version := make([]byte, members[0].Size)
	if err := readAt(r, version, members[0].Offset); err != nil {
		return Deb{}, err
	}
	first, _, ended := strings.Cut(string(version), "\n")
	minor, two := strings.CutPrefix(first, "2.")
	if !ended || !two || minor == "" || len(minor) > 3 || strings.Trim(minor, "0123456789") != "" {
		return bad("is of a format that is not 2.x")
	}
	d.Format = first
	want := []string{"control.tar", "data.tar"}
	for _, m := range members[1:] {
		switch {
		case m.Name[0] == '_': // deb(5) leaves these names to everybody
		case len(want) > 0 && strings.HasPrefix(m.Name, want[0]):
			switch m.Name[len(want[0]):] {
			case "", ".gz", ".xz", ".zst":
			default:
				return bad("has the member %s; only gzip, xz and zstd are known", m.Name)
			}
			want = want[1:]
		case len(want) > 0:
			return bad("has the member %s where %s should be", m.Name, want[0])
		default:
			return bad("has the unknown member %s", m.Name)
		}
	}
	if len(want) > 0 {
		return bad("has no %s", want[0])
	}
	if err := d.readControl(dr, r); err != nil {
		return Deb{}, err
	}
	return d, nil
}

func (d Deb) member(base string) Member {
	for _, m := range d.Members {
		if strings.HasPrefix(m.Name, base) {
			return m
		}
	}
	return Member{}
}

func (d *Deb) readControl(dr *DebReader, r io.ReaderAt) error {
	bad := func(format string, args ...any) error {
		return invalid("deb", "Build the package again with dpkg-deb", format, args...)
	}
	z, err := unpack(r, d.member("control.tar"), "control.tar", maxControlTar, &dr.unpacker)
	if err != nil {
		return err
	}
	if dr.in == nil {
		dr.in = bufio.NewReaderSize(z, 16<<10)
	} else {
		dr.in.Reset(z)
	}
	seen := map[string]bool{}
	var control []byte
	err = eachEntry(dr.in, "control.tar", func(h *tar.Header, body io.Reader) error {
		if h.Typeflag == tar.TypeDir {
			if h.Name != "" {
				return bad("control.tar of the package has the directory %q", shorten(h.Name))
			}
			return nil
		}
		if h.Typeflag != tar.TypeReg || strings.Contains(h.Name, "/") {
			return bad("control.tar of the package has %q, which is no plain file", shorten(h.Name))
		}
		if seen[h.Name] {
			return bad("control.tar of the package has the file %q twice", shorten(h.Name))
		}
		seen[h.Name] = true
		d.ControlFiles = append(d.ControlFiles, h.Name)
		if h.Name != "control" {
			return nil
		}
		if h.Size > maxControlFile {
			return bad("the control file of the package is larger than %d bytes", maxControlFile)
		}
		control = make([]byte, h.Size)
		_, err := io.ReadFull(body, control)
		return err
	})
	if err != nil {
		return err
	}
	if control == nil {
		return bad("control.tar of the package has no file control")
	}
	if d.Control, err = ParseParagraph("the control file of the package", control); err != nil {
		return err
	}
	return CheckBinary(d.Control)
}

// eachEntry reads a tar to its very end, so that the checksums of the compression count too.
// Names come without "./" before and "/" after them; those that climb out are refused.
func eachEntry(in *bufio.Reader, what string, each func(h *tar.Header, body io.Reader) error) error {
	t := tar.NewReader(in)
	for n := 0; ; n++ {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return tarError(what, err)
		}
		if n == maxEntries {
			return invalid("deb", "Check where the package comes from", "%s of the package has more than %d entries", what, maxEntries)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(h.Name, "./"), "/")
		if name == "." {
			name = ""
		}
		if name == "" && h.Typeflag != tar.TypeDir || name != "" && path.Clean("/"+name) != "/"+name || strings.ContainsAny(name, "\x00\n\r") {
			return invalid("deb", "Check where the package comes from", "%s of the package has the path %q", what, shorten(h.Name))
		}
		h.Name = name
		if err := each(h, t); err != nil {
			return tarError(what, err)
		}
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return tarError(what, err)
	}
	return nil
}

func tarError(what string, err error) error {
	var own *errs.Error
	if errors.As(err, &own) {
		return err
	}
	return errs.E("debian.deb", errs.Invalid, fmt.Errorf("%s of the package cannot be read: %w", what, err)).
		Hint("Check that the package is whole")
}

// Contents calls each with the path of everything in the package that is no directory, as a
// Contents index lists it: "usr/bin/hello". It reads the whole data.tar as a stream.
func (d Deb) Contents(r io.ReaderAt, each func(path string) error) error {
	z, err := unpack(r, d.member("data.tar"), "data.tar", maxDataTar, new(unpacker))
	if err != nil {
		return err
	}
	return eachEntry(bufio.NewReaderSize(z, 16<<10), "data.tar", func(h *tar.Header, _ io.Reader) error {
		if h.Typeflag == tar.TypeDir {
			return nil
		}
		return each(h.Name)
	})
}
