package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/state"
)

// folder keeps several backups: objects/ab/cdef… are their contents, NAME.backup their manifests.
type folder struct {
	dir  string
	lock *os.File
	made []string        // contents that this backup added
	dirs map[string]bool // folders to be synced
}

const manifestEnd = ".backup"

func newFolder(dir string) (*folder, error) {
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	return &folder{dir: dir, lock: lock, dirs: map[string]bool{}}, nil
}

func objectIn(dir, digest string) string {
	sum := strings.TrimPrefix(digest, prefix)
	return filepath.Join(dir, "objects", sum[:2], sum[2:])
}

func (t *folder) has(b Blob) bool {
	info, err := os.Stat(objectIn(t.dir, b.Digest))
	return err == nil && info.Mode().IsRegular() && info.Size() == b.Size
}

func (t *folder) put(digest string, size int64, r io.Reader) (string, error) {
	objects := filepath.Join(t.dir, "objects")
	if err := os.MkdirAll(objects, 0o700); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(objects, ".new-")
	if err != nil {
		return "", err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name()) // once it was renamed there is nothing to remove
	}()
	got, err := copied(f, r, size)
	if err == nil && digest != "" && got != digest {
		return got, nil // the caller says so
	}
	if err == nil && t.has(Blob{got, size}) {
		return got, nil
	}
	path := objectIn(t.dir, got)
	for _, step := range []func() error{f.Sync, f.Close,
		func() error { return os.MkdirAll(filepath.Dir(path), 0o700) },
		func() error { return os.Rename(f.Name(), path) }} {
		if err == nil {
			err = step()
		}
	}
	if err == nil {
		t.made = append(t.made, path)
		t.dirs[filepath.Dir(path)] = true
	}
	return got, err
}

func (t *folder) commit(manifest []byte, taken time.Time, seal string) (string, error) {
	defer t.lock.Close()
	for dir := range t.dirs {
		if err := syncDir(dir); err != nil {
			return "", err
		}
	}
	objects := filepath.Join(t.dir, "objects")
	if err := errors.Join(os.MkdirAll(objects, 0o700), syncDir(objects)); err != nil {
		return "", err
	}
	// In the order of time, and no two alike.
	name := filepath.Join(t.dir, taken.UTC().Format("20060102T150405Z")+"-"+strings.TrimPrefix(seal, prefix)[:8]+manifestEnd)
	f, err := os.CreateTemp(t.dir, ".new-")
	if err != nil {
		return "", err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	_, err = f.Write(manifest)
	for _, step := range []func() error{f.Sync, f.Close, func() error { return os.Rename(f.Name(), name) }, func() error { return syncDir(t.dir) }} {
		if err == nil {
			err = step()
		}
	}
	return name, err
}

func (t *folder) abort() {
	for _, path := range t.made {
		_ = os.Remove(path)
	}
	_ = t.lock.Close()
}

// List names the backups of a folder, the newest last.
func List(dir string) ([]string, error) {
	found, err := os.ReadDir(dir)
	if err != nil {
		return nil, state.DiskError("backup.list", dir, err)
	}
	var out []string
	for _, f := range found {
		if f.Type().IsRegular() && strings.HasSuffix(f.Name(), manifestEnd) {
			out = append(out, filepath.Join(dir, f.Name()))
		}
	}
	slices.Sort(out)
	return out, nil
}

// TakenAt is when the backup with this path in a folder was made, by its name.
func TakenAt(path string) (time.Time, bool) {
	stamp, _, _ := strings.Cut(filepath.Base(path), "-")
	t, err := time.Parse("20060102T150405Z", stamp)
	return t, err == nil
}

// Prune keeps the newest backups of a folder and removes the others, with the contents that only
// they had. A manifest that does not read back keeps everything: nobody knows what it named.
func Prune(ctx context.Context, dir string, keep int) (removed int, err error) {
	const op = "backup.prune"
	if keep < 1 {
		return 0, errs.E(op, errs.Invalid, fmt.Errorf("at least one backup is kept, not %d", keep))
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return 0, err
	}
	defer lock.Close()
	all, err := List(dir)
	if err != nil || len(all) <= keep {
		return 0, err
	}
	used := map[string]bool{}
	for _, path := range all[len(all)-keep:] {
		raw, err := os.ReadFile(path)
		if err != nil {
			return 0, state.DiskError(op, path, err)
		}
		m, err := parse(path, raw)
		if err != nil {
			return 0, err
		}
		m.each(func(b Blob) { used[objectIn(dir, b.Digest)] = true })
	}
	for _, path := range all[:len(all)-keep] {
		if err := os.Remove(path); err != nil {
			return removed, state.DiskError(op, path, err)
		}
		removed++
	}
	if err := syncDir(dir); err != nil {
		return removed, state.DiskError(op, dir, err)
	}
	return removed, filepath.WalkDir(filepath.Join(dir, "objects"), func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || d.IsDir() || used[path] {
			return err
		}
		return os.Remove(path)
	})
}
