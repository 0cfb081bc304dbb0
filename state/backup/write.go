package backup

import (
	"archive/tar"
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"crypto/rand"

	"slipway/bot/errs"
	"slipway/state"
)

// Writer makes one backup. Its methods are for one goroutine. Either Commit or Abort ends it.
type Writer struct {
	scratch string // folder for what is only passing through
	target  target
	m       Manifest
	has     map[string]bool
	Written int64 // bytes of contents that were new
}

// target is where contents go: a tar file or a folder.
type target interface {
	put(digest string, size int64, r io.Reader) (string, error) // digest "": not known yet
	has(b Blob) bool
	commit(manifest []byte, taken time.Time, seal string) (string, error)
	abort()
}

// Create begins a backup at path: a folder that exists, or a name that ends in a slash, gets it
// beside those that it has; anything else is the name of a file, which must not exist. Errors:
// [errs.Exists], [errs.Busy] when another backup is being made there, and those of the disk.
func Create(path string) (w *Writer, err error) {
	const op = "backup.create"
	info, statErr := os.Stat(path)
	folder := strings.HasSuffix(path, "/") || statErr == nil && info.IsDir()
	path = filepath.Clean(path)
	w = &Writer{has: map[string]bool{}}
	home := path
	if folder {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, state.DiskError(op, path, err)
		}
		w.target, err = newFolder(path)
	} else {
		if statErr == nil {
			return nil, errs.E(op, errs.Exists, fmt.Errorf("%s exists already", path)).Hint("Name another file, or a folder that keeps several.")
		}
		home = filepath.Dir(path)
		w.target, err = newFile(path)
	}
	if err != nil {
		return nil, err
	}
	if w.scratch, err = os.MkdirTemp(home, ".slipway-backup-"); err != nil {
		w.target.abort()
		return nil, state.DiskError(op, home, err)
	}
	return w, nil
}

// Scratch is a folder on the disk of the backup that goes with the end of the writer.
func (w *Writer) Scratch() string { return w.scratch }

// Add keeps the file f as it is now under a path below the state folder.
func (w *Writer) Add(path string, f *os.File) error {
	const op = "backup.add"
	info, err := f.Stat()
	if err == nil && !safe(path) {
		err = fmt.Errorf("%q is no member of a backup", path)
	}
	if err != nil {
		return errs.E(op, errs.Internal, err)
	}
	b := Blob{Size: info.Size()}
	if b.Digest, err = w.target.put("", b.Size, f); err != nil {
		return state.DiskError(op, "the backup", fmt.Errorf("%s: %w", path, err))
	}
	w.counted(b)
	w.m.Members = append(w.m.Members, Member{path, b})
	return nil
}

// AddBlob keeps a content that has a digest; open is called when the backup does not have it yet.
// Errors: [errs.Corrupt] when what open gives has another digest.
func (w *Writer) AddBlob(digest string, size int64, open func() (io.ReadCloser, error)) error {
	const op = "backup.add"
	b := Blob{digest, size}
	if !w.has[digest] && !w.target.has(b) {
		r, err := open()
		if err != nil {
			return err
		}
		got, err := w.target.put(digest, size, r)
		_ = r.Close()
		switch {
		case errors.Is(err, errShort) || err == nil && got != digest:
			return errs.E(op, errs.Corrupt, fmt.Errorf("the blob %s no longer has the content it is named by", digest)).
				Hint("restore that file from an earlier backup; slipway fsck finds what else is damaged")
		case err != nil:
			return state.DiskError(op, "the backup", err)
		}
		w.counted(b)
	}
	w.m.Blobs = append(w.m.Blobs, b)
	return nil
}

func (w *Writer) counted(b Blob) {
	if !w.has[b.Digest] {
		w.has[b.Digest] = true
		w.Written += b.Size
	}
}

// Done is a backup that was made.
type Done struct {
	Path     string // of the file, or of the manifest in its folder
	Manifest Manifest
	Written  int64 // bytes that were new
}

// Commit writes the manifest with what m says of the store, and makes the backup appear under its
// name. After an error there is none.
func (w *Writer) Commit(m Manifest) (Done, error) {
	const op = "backup.commit"
	defer func() { _ = os.RemoveAll(w.scratch) }()
	m.Format, m.Members, m.Blobs = Format, w.m.Members, w.m.Blobs
	slices.SortFunc(m.Members, func(a, b Member) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(m.Blobs, func(a, b Blob) int { return strings.Compare(a.Digest, b.Digest) })
	m.Blobs = slices.Compact(m.Blobs)
	m, raw, err := sealed(m)
	if err == nil {
		var path string
		if path, err = w.target.commit(raw, m.Taken, m.Seal); err == nil {
			return Done{path, m, w.Written}, nil
		}
	}
	w.target.abort()
	return Done{}, state.DiskError(op, "the backup", err)
}

// Abort removes everything that was written.
func (w *Writer) Abort() {
	w.target.abort()
	_ = os.RemoveAll(w.scratch)
}

// file is a backup as one tar file.
type file struct {
	path string
	f    *os.File
	buf  *bufio.Writer
	tar  *tar.Writer
}

const (
	objectName   = "objects/"
	manifestName = "manifest.json"
)

func newFile(path string) (*file, error) {
	f, err := os.OpenFile(path+".part-"+random(), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, state.DiskError("backup.create", path, err)
	}
	buf := bufio.NewWriterSize(f, 1<<20)
	return &file{path, f, buf, tar.NewWriter(buf)}, nil
}

func random() string {
	var r [6]byte
	_, _ = rand.Read(r[:]) // crypto/rand documents that it never fails
	return hex.EncodeToString(r[:])
}

func (*file) has(Blob) bool { return false }

// put writes the content under its digest. Where that is not known, the content is read twice.
func (t *file) put(digest string, size int64, r io.Reader) (string, error) {
	if digest == "" {
		seek, ok := r.(io.ReadSeeker)
		if !ok {
			return "", errors.New("a content without a digest must be a file")
		}
		var err error
		if digest, err = copied(io.Discard, seek, size); err != nil {
			return "", err
		}
		if _, err := seek.Seek(0, io.SeekStart); err != nil {
			return "", err
		}
	}
	if err := t.tar.WriteHeader(&tar.Header{Name: objectName + strings.TrimPrefix(digest, prefix), Mode: 0o600, Size: size, Format: tar.FormatPAX}); err != nil {
		return "", err
	}
	got, err := copied(t.tar, r, size)
	if err == nil && got != digest {
		return got, errShort // it changed between the two readings
	}
	return got, err
}

func (t *file) commit(manifest []byte, _ time.Time, _ string) (string, error) {
	err := t.tar.WriteHeader(&tar.Header{Name: manifestName, Mode: 0o600, Size: int64(len(manifest)), Format: tar.FormatPAX})
	if err == nil {
		_, err = t.tar.Write(manifest)
	}
	for _, step := range []func() error{t.tar.Close, t.buf.Flush, t.f.Sync, t.f.Close} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		return "", err
	}
	// A link fails where a rename would replace what somebody put there meanwhile.
	if err = os.Link(t.f.Name(), t.path); errors.Is(err, fs.ErrExist) {
		return "", err
	} else if err != nil {
		err = os.Rename(t.f.Name(), t.path)
	} else {
		err = os.Remove(t.f.Name())
	}
	if err == nil {
		err = syncDir(filepath.Dir(t.path))
	}
	return t.path, err
}

func (t *file) abort() {
	_ = t.f.Close()
	_ = os.Remove(t.f.Name())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// lockFolder takes the one lock of a folder of backups.
func lockFolder(dir string) (*os.File, error) {
	const op = "backup.lock"
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, state.DiskError(op, dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, errs.E(op, errs.Busy, fmt.Errorf("another backup is being made in %s", dir)).Hint("Wait until it is done.")
	}
	return f, nil
}
