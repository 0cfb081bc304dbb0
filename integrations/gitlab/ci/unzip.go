package ci

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"slipway/bot/errs"
)

// maxDirectory bounds the list of an archive, in bytes that are read to open it: with names of usual
// length, room for some 50,000 entries.
const maxDirectory = 4 << 20

// plainName is a name that is the same file in every folder, URL and archive.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~:-]{0,199}$`)

// metered counts what is read, up to a bound that is lifted once the list was read.
type metered struct {
	r    io.ReaderAt
	left int64
	free bool
}

func (m *metered) ReadAt(p []byte, off int64) (int, error) {
	if m.free {
		return m.r.ReadAt(p, off)
	}
	if m.left -= int64(len(p)); m.left < 0 {
		return 0, errDirectory
	}
	return m.r.ReadAt(p, off)
}

var errDirectory = errors.New("its list of files is too long")

// unpack keeps the files of an archive, without their folders. Nothing of an archive decides where
// anything is written: a name is only a name here.
func (s *shelf) unpack(ctx context.Context, f io.ReaderAt, size int64, from string) error {
	bad := func(hint, format string, args ...any) error {
		return s.p.fail(errs.Invalid, hint, "the archive of %s %s", from, fmt.Sprintf(format, args...))
	}
	m := &metered{r: f, left: maxDirectory}
	z, err := zip.NewReader(m, size)
	if err != nil {
		if errors.Is(err, errDirectory) {
			return bad("let it keep less", "lists too many files")
		}
		return bad("run the job again", "is no zip that can be read")
	}
	m.free = true
	for _, e := range z.File {
		if strings.HasSuffix(e.Name, "/") && e.Mode().IsDir() {
			continue
		}
		shown := quote(e.Name)
		name := e.Name[strings.LastIndexByte(e.Name, '/')+1:]
		switch {
		case !e.Mode().IsRegular():
			return bad("let the job keep files only", "has %s, which is no plain file", shown)
		case e.Flags&1 != 0:
			return bad("let the job keep it as it is", "has %s, which is encrypted", shown)
		case climbs(e.Name):
			return bad("find out who made it", "has %s, which leads out of its folder", shown)
		case !plainName.MatchString(name):
			return bad("use letters, digits and . _ + ~ : - in names, or name the jobs whose files are wanted", "has %s, a name that not every server can hold", shown)
		case e.UncompressedSize64 > maxFile || e.UncompressedSize64 > uint64(maxBytes-s.bytes):
			return bad("let the job keep less", "is too large with %s: one file may have %d GB, all of them %d GB", shown, maxFile>>30, maxBytes>>30)
		}
		if _, had := s.files[name]; !had && len(s.files) == maxFiles {
			return bad("name the jobs whose files are wanted", "has more files than the %d that are taken", maxFiles)
		}
		if err := s.entry(ctx, e, name, from); err != nil {
			switch {
			case ctx.Err() != nil:
				return s.p.fail(errs.Unavailable, "it is fetched again", "the time was over while the archive of %s was read", from)
			case errs.KindOf(err) == errs.Other: // neither the depot's nor ours: the archive cannot be read
				return bad("run the job again", "is damaged at %s", shown)
			}
			return err
		}
	}
	return nil
}

func (s *shelf) entry(ctx context.Context, e *zip.File, name, from string) error {
	r, err := e.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	err = s.put(ctx, name, from, r)
	var own *errs.Error
	if err == nil || errs.KindOf(err) == errs.Other || errors.As(err, &own) && own.Op == s.p.op {
		return err
	}
	return errs.E(s.p.op, errs.KindOf(err), fmt.Errorf("keeping %s: %w", name, err))
}

// climbs reports whether a path is absolute or leads upwards, on any system.
func climbs(path string) bool {
	if strings.HasPrefix(path, "/") || strings.Contains(path, `\`) || len(path) > 1 && path[1] == ':' {
		return true
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}
