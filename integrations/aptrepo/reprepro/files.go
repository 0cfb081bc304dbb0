package reprepro

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

func disk(err error) error { return aptrepo.DiskError(op, err) }

// copyTree makes dst, which must not be there, a tree of its own: files of the pool are shared,
// all others are copied with their modes and times.
func copyTree(src, dst string) error {
	if _, err := os.Lstat(filepath.Join(src, "db", "lockfile")); err == nil {
		return errs.E(op, errs.Busy, fmt.Errorf("reprepro is at work on %s", src)).
			Hint("wait until it has ended; if it was killed, remove db/lockfile there")
	}
	return filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dst, rel)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case rel == recordFile || rel == filepath.Join("db", "lockfile"):
			return nil
		case d.IsDir():
			// Mkdir, and never MkdirAll: into a folder that is there a copy would be nested.
			if err := os.Mkdir(to, 0o755); err != nil {
				return err
			}
			return os.Chmod(to, info.Mode().Perm()|0o700)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(target, to)
		case !d.Type().IsRegular():
			return nil // a socket or a pipe of somebody
		case strings.HasPrefix(rel, "pool"+string(filepath.Separator)):
			if err := os.Link(path, to); err == nil {
				return nil
			}
		}
		return copyFile(path, to, info)
	})
}

func copyFile(from, to string, info fs.FileInfo) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(info.Mode().Perm()), out.Close(), os.Chtimes(to, info.ModTime(), info.ModTime()))
}

// syncTree puts a tree on disk. Files of the pool that it shares are there already.
func (p *Place) syncTree(dir string) error {
	if p.hurried {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeType&^fs.ModeDir != 0 {
			return err
		}
		if info, err := d.Info(); err == nil && !d.IsDir() {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Nlink > 1 {
				return nil
			}
		}
		return syncPath(path)
	})
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// replaceFile writes a file that is whole under its name, with the time at unless that is zero.
func replaceFile(path string, text []byte, at time.Time) error {
	temp := filepath.Join(filepath.Dir(path), "."+strings.TrimPrefix(filepath.Base(path), ".")+".tmp")
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	if !at.IsZero() {
		if err := os.Chtimes(temp, at, at); err != nil {
			return err
		}
	}
	return errors.Join(os.Rename(temp, path), syncPath(filepath.Dir(path)))
}

// drop removes a tree: renamed first, since what is half removed must not be taken for a whole one.
func drop(dir string) error {
	if !isDir(dir) {
		return nil
	}
	doomed := strings.TrimSuffix(dir, staged)
	if !strings.HasSuffix(doomed, staging) {
		doomed += staging
		if err := errors.Join(os.RemoveAll(doomed), os.Rename(dir, doomed)); err != nil {
			return err
		}
	}
	return os.RemoveAll(doomed)
}
