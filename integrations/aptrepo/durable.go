package aptrepo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"

	"slipway/bot/errs"
)

// fsyncEach is how many files and folders are synced one by one; for more, one sync of the whole
// file system is cheaper, though it also waits for what others wrote.
const fsyncEach = 96

func workers() int { return max(2, runtime.GOMAXPROCS(0)) }

// inParallel calls f with every number below n, some at once, until one call fails or ctx ends.
func inParallel(ctx context.Context, n int, f func(i int) error) error {
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(n, workers()) {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := f(i); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// pending is what must reach the disk before the next step counts.
type pending struct {
	mu    sync.Mutex
	files []string
	dirs  map[string]bool
}

func (p *pending) file(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files = append(p.files, path)
}

func (p *pending) dir(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dirs == nil {
		p.dirs = map[string]bool{}
	}
	p.dirs[path] = true
}

// flush puts everything on disk, on the file system of root and elsewhere, files first.
func (p *pending) flush(root string) error {
	defer func() { p.files, p.dirs = nil, nil }()
	if len(p.files)+len(p.dirs) > fsyncEach {
		done, err := syncFileSystem(root)
		if err != nil || done {
			return err
		}
	}
	var g errgroup.Group
	g.SetLimit(8) // commits of the journal are shared by those who wait
	for _, f := range p.files {
		g.Go(func() error { return syncPath(f) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for d := range p.dirs {
		g.Go(func() error { return syncPath(d) })
	}
	return g.Wait()
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// writePieces makes a new file of pieces; it is not synced.
func writePieces(path string, pieces ...[]byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	to := io.Writer(f)
	flush := func() error { return nil }
	if len(pieces) > 8 { // a new index has a piece for each package
		b := bufio.NewWriterSize(f, 1<<18)
		to, flush = b, b.Flush
	}
	for _, p := range pieces {
		if _, err := to.Write(p); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(flush(), f.Close())
}

// mkdirs makes a folder and its parents up to the root, and notes the parents that changed.
func mkdirs(root, dir string, p *pending) error {
	if dir == root || len(dir) < len(root) {
		return nil
	}
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrNotExist) {
		if err := mkdirs(root, filepath.Dir(dir), p); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o755)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	p.dir(filepath.Dir(dir))
	p.dir(dir)
	return nil
}

// switchLink points the link at target in one step: readers find the old or the new target.
// The link is made at temp, on the same file system, since a name in the folder of the link could
// be seen.
func switchLink(temp, link, target string) error {
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, temp); err != nil {
		return err
	}
	if err := os.Rename(temp, link); err != nil {
		return err
	}
	return syncPath(filepath.Dir(link))
}

// sameContent compares a file with a size and a SHA256.
func sameContent(path string, size int64, sha256 string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() != size {
		return false, err
	}
	h := newHashes([]Algorithm{SHA256})
	if _, err := io.Copy(h, f); err != nil {
		return false, err
	}
	return h.sums()[SHA256] == sha256, nil
}

// DiskError makes an error of the file system one for people, unless it is one already. op is what
// was being done.
func DiskError(op string, err error) error { return disk(op, err) }

func disk(op string, err error) error {
	var ours *errs.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ours):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return errs.E(op, errs.Full, fmt.Errorf("the disk of the archive is full: %w", err)).
			Hint("make room, run cleanup, and do it again; what clients read did not change")
	case errors.Is(err, fs.ErrPermission):
		return errs.E(op, errs.Denied, fmt.Errorf("the archive may not be changed: %w", err)).
			Hint("give the folder of the archive to the user that publishes")
	}
	return errs.E(op, errs.Failed, err).Hint("what clients read did not change; mend the cause and do it again")
}
