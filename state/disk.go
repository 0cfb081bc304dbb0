package state

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"slipway/bot/errs"
)

// IsFull reports whether err says that there is no room: the disk, the user's quota or the
// allowed size of a file. It also reads the text, because bbolt keeps only the text of an error
// that happens while it grows its file.
func IsFull(err error) bool {
	if err == nil {
		return false
	}
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) || strings.HasSuffix(err.Error(), full.Error()) {
			return true
		}
	}
	return false
}

// DiskError tells a person about a failed operation on the file or folder path: [errs.Full],
// [errs.Denied] for missing permission, [errs.NotFound], and [errs.Unavailable] for anything
// else. It must not be used where the operation may have happened all the same.
func DiskError(op, path string, err error) error {
	switch {
	case IsFull(err):
		return errs.E(op, errs.Full, fmt.Errorf("there is no room for %s: %w", path, plain(err))).
			Hint("Make room on that disk; work goes on by itself.")
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS):
		return errs.E(op, errs.Denied, fmt.Errorf("%s may not be used: %w", path, plain(err))).
			Hint("Give it to the user that runs slipway, with permission to read and write.")
	case errors.Is(err, fs.ErrNotExist):
		return errs.E(op, errs.NotFound, fmt.Errorf("%s does not exist", path)).
			Hint("Create the folder, or correct the path in the configuration.")
	}
	return errs.E(op, errs.Unavailable, fmt.Errorf("%s cannot be used: %w", path, plain(err))).
		Hint("Look at the disk and the system log.")
}

// plain drops the operation and path that the os package puts before the reason.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
