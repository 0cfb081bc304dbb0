package aptrepo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"slipway/bot/errs"
)

// lock holds a file in ROOT/locks until the process ends or it is released (flock(2)).
type lock struct{ f *os.File }

// lockFile takes the lock called name. Errors: Busy, naming the process that has it.
func (a *Archive) lockFile(name string, shared bool) (*lock, error) {
	dir := filepath.Join(a.root, "locks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, disk("aptrepo.lock", err)
	}
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, disk("aptrepo.lock", err)
	}
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, disk("aptrepo.lock", fmt.Errorf("%s cannot be locked: %w", path, err))
		}
		holder := "another process"
		text, _ := os.ReadFile(path)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			holder = fmt.Sprintf("process %d", pid)
		}
		return nil, errs.E("aptrepo.lock", errs.Busy, fmt.Errorf("%s is at work on %s of the archive", holder, name)).
			Hint("wait until it has ended; the lock ends with the process")
	}
	if !shared {
		if err := errors.Join(f.Truncate(0), writeAt(f, strconv.Itoa(os.Getpid())+"\n")); err != nil {
			return nil, errors.Join(disk("aptrepo.lock", err), f.Close())
		}
	}
	return &lock{f}, nil
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// release gives the lock back. Closing the file is not enough: a program that another goroutine is
// just starting has a copy of it until it runs.
func (l *lock) release() {
	_ = unix.Flock(int(l.f.Fd()), unix.LOCK_UN)
	l.f.Close()
}

// lockSuite takes the lock of a suite, and a share in the pool: a cleanup must not remove files
// that a generation under way has just put there.
func (a *Archive) lockSuite(suite string) (release func(), err error) {
	one, err := a.lockFile("suite."+suite, false)
	if err != nil {
		return nil, err
	}
	pool, err := a.lockFile("pool", true)
	if err != nil {
		one.release()
		return nil, err
	}
	return func() { pool.release(); one.release() }, nil
}
