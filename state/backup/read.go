package backup

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"slipway/bot/errs"
	"slipway/state"
)

// maxManifest bounds a manifest, in bytes: about two million blobs.
const maxManifest = 256 << 20

// Source is a backup that can be read.
type Source struct {
	Path     string
	Manifest Manifest

	f  *os.File            // a tar file, or nil
	at map[string][2]int64 // in it: digest → offset and size
}

// Open reads the manifest of the backup at path: a file, a manifest in a folder, or a folder, whose
// newest is meant. Contents are not looked at: see [Source.Verify]. Errors: [errs.Corrupt] for what
// was cut off or altered, [errs.Invalid] for a newer format, [errs.NotFound].
func Open(path string) (*Source, error) {
	const op = "backup.open"
	info, err := os.Stat(path)
	if err != nil {
		return nil, state.DiskError(op, path, err)
	}
	if info.IsDir() {
		all, err := List(path)
		if err != nil {
			return nil, err
		}
		if len(all) == 0 {
			return nil, errs.E(op, errs.NotFound, fmt.Errorf("there is no backup in %s", path)).Hint("name the folder that slipway backup wrote to")
		}
		path = all[len(all)-1]
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, state.DiskError(op, path, err)
	}
	s := &Source{Path: path}
	if strings.HasSuffix(path, manifestEnd) {
		raw, err := io.ReadAll(io.LimitReader(f, maxManifest))
		_ = f.Close()
		if err != nil {
			return nil, state.DiskError(op, path, err)
		}
		s.Manifest, err = parse(path, raw)
		return s, err
	}
	s.f, s.at = f, map[string][2]int64{}
	if err := s.index(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return s, nil
}

// Close lets go of the file.
func (s *Source) Close() error {
	if s.f == nil {
		return nil
	}
	return s.f.Close()
}

// index finds the contents and the manifest of a tar file.
func (s *Source) index() error {
	torn := func(why string) error {
		return errs.E("backup.open", errs.Corrupt, fmt.Errorf("%s is no whole backup: %s", s.Path, why)).
			Hint("Take another one; a backup that is being made has another name until it is done.")
	}
	info, err := s.f.Stat()
	if err != nil {
		return state.DiskError("backup.open", s.Path, err)
	}
	t := tar.NewReader(s.f)
	for found := false; ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			if !found {
				return torn("it has no manifest")
			}
			if !s.ended(info.Size()) {
				return torn("it does not read to its end")
			}
			return nil
		}
		if err != nil {
			return torn("it does not read to its end")
		}
		at, err := s.f.Seek(0, io.SeekCurrent)
		if err != nil {
			return state.DiskError("backup.open", s.Path, err)
		}
		sum, object := strings.CutPrefix(h.Name, objectName)
		switch {
		case h.Typeflag != tar.TypeReg || at+h.Size > info.Size():
			return torn("it does not read to its end")
		case object && isDigest(prefix+sum):
			s.at[prefix+sum] = [2]int64{at, h.Size}
		case h.Name == manifestName && !found && h.Size <= maxManifest:
			raw, err := io.ReadAll(t)
			if err != nil {
				return torn("it does not read to its end")
			}
			if s.Manifest, err = parse(s.Path, raw); err != nil {
				return err
			}
			found = true
		default:
			return torn(fmt.Sprintf("it holds %q", clip(h.Name)))
		}
	}
}

// ended reports whether the file ends as a tar file does: with two empty blocks.
func (s *Source) ended(size int64) bool {
	var end [1024]byte
	if size%512 != 0 || size < int64(len(end)) {
		return false
	}
	_, err := s.f.ReadAt(end[:], size-int64(len(end)))
	return err == nil && end == [1024]byte{}
}

// content opens one content.
func (s *Source) content(b Blob) (io.ReadCloser, error) {
	missing := errs.E("backup.read", errs.Corrupt, fmt.Errorf("%s lacks the content %s", s.Path, b.Digest)).Hint("Take another backup.")
	if s.f != nil {
		at, ok := s.at[b.Digest]
		if !ok || at[1] != b.Size {
			return nil, missing
		}
		return io.NopCloser(io.NewSectionReader(s.f, at[0], at[1])), nil
	}
	f, err := os.Open(objectIn(filepath.Dir(s.Path), b.Digest))
	if errors.Is(err, os.ErrNotExist) {
		return nil, missing
	}
	if err != nil {
		return nil, state.DiskError("backup.read", s.Path, err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != b.Size {
		_ = f.Close()
		return nil, missing
	}
	return f, nil
}

// Progress is told how many bytes of how many are done.
type Progress func(done, total int64)

// Verify reads every content and compares its digest. Errors: [errs.Corrupt].
func (s *Source) Verify(ctx context.Context, progress Progress) error {
	return s.every(ctx, progress, func(_ string, b Blob) (io.WriteCloser, error) { return discard{}, nil })
}

// Lay writes all members and blobs below dir, which must exist and be empty, and syncs them. Every
// content is compared with its digest on the way; after an error dir is of no use.
func (s *Source) Lay(ctx context.Context, dir string, progress Progress) error {
	if found, err := os.ReadDir(dir); err != nil || len(found) > 0 {
		return errs.E("backup.lay", errs.Exists, fmt.Errorf("%s is not an empty folder", dir)).Hint("name a new one")
	}
	made := map[string]bool{dir: true}
	err := s.every(ctx, progress, func(path string, _ Blob) (io.WriteCloser, error) {
		full := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			return nil, err
		}
		for d := filepath.Dir(full); !made[d]; d = filepath.Dir(d) {
			made[d] = true
		}
		f, err := os.OpenFile(full, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		return syncedFile{f}, err
	})
	for d := range made {
		if err == nil {
			if err = syncDir(d); err != nil {
				err = state.DiskError("backup.lay", d, err)
			}
		}
	}
	return err
}

type syncedFile struct{ *os.File }

func (f syncedFile) Close() error { return errors.Join(f.Sync(), f.File.Close()) }

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }

// every copies each member and blob to where open says.
func (s *Source) every(ctx context.Context, progress Progress, open func(path string, b Blob) (io.WriteCloser, error)) error {
	const op = "backup.read"
	total, done := s.Manifest.Size(), int64(0)
	one := func(path string, b Blob) error {
		if ctx.Err() != nil {
			return errs.E(op, errs.Unavailable, context.Cause(ctx))
		}
		r, err := s.content(b)
		if err != nil {
			return err
		}
		defer r.Close()
		w, err := open(path, b)
		if err != nil {
			return state.DiskError(op, path, err)
		}
		digest, err := copied(w, r, b.Size)
		if closed := w.Close(); err == nil {
			err = closed
		}
		switch {
		case errors.Is(err, errShort) || err == nil && digest != b.Digest:
			return errs.E(op, errs.Corrupt, fmt.Errorf("%s was altered: %s does not have its digest", s.Path, path)).Hint("Take another backup.")
		case err != nil:
			return state.DiskError(op, path, err)
		}
		if done += b.Size; progress != nil {
			progress(done, total)
		}
		return nil
	}
	for _, x := range s.Manifest.Members {
		if err := one(x.Path, x.Blob); err != nil {
			return err
		}
	}
	for _, x := range s.Manifest.Blobs {
		if err := one(BlobPath(x.Digest), x); err != nil {
			return err
		}
	}
	return nil
}
