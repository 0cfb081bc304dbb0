package console

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"slipway/bot/errs"
)

// maxPath is the longest path of a unix socket, with room for ".new" (unix(7): 108 bytes with the
// final zero).
const maxPath = 103

// Listen makes the unix socket at path: only its owner can use it, or, with a group, that group
// too. A socket left behind is removed, but only if nobody listens on it. The socket gets its
// mode under another name before it appears under its own, so that it is never open to others.
func Listen(path, group string) (net.Listener, error) {
	const op = "console.listen"
	fail := func(k errs.Kind, hint, format string, args ...any) (net.Listener, error) {
		return nil, errs.E(op, k, fmt.Errorf(format, args...)).Hint("%s", hint)
	}
	if len(path) > maxPath {
		return fail(errs.Invalid, "Choose a shorter one, e.g. under /run.", "the path of the socket has %d bytes, and %d is the limit", len(path), maxPath)
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fail(errs.Invalid, "Check the folder's owner and mode.", "the socket %s cannot be made: %w", path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return fail(errs.Exists, "Move it away or choose another path.", "%s exists and is not a socket", path)
	default:
		c, err := net.Dial("unix", path)
		if err == nil {
			_ = c.Close()
			return fail(errs.Exists, "Stop it first.", "another slipway listens on %s", path)
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return fail(errs.Exists, "Find out whose it is.", "%s exists and cannot be tried: %w", path, err)
		}
	}
	mode, gid := fs.FileMode(0o600), -1
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return fail(errs.Invalid, "Make it with groupadd, or correct the name.", "there is no group %q", group)
		}
		if gid, err = strconv.Atoi(g.Gid); err != nil {
			return fail(errs.Invalid, "Use another group.", "the group %q has no number", group)
		}
		mode = 0o660
	}
	fresh := path + ".new"
	if info, err := os.Lstat(fresh); err == nil && info.Mode().Type() == fs.ModeSocket {
		_ = os.Remove(fresh)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return fail(errs.Invalid, "Make its folder and give it to the user that runs slipway.", "the socket %s cannot be made: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	err = os.Chmod(fresh, mode)
	if err == nil && gid >= 0 {
		err = os.Chown(fresh, -1, gid)
	}
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		_ = l.Close()
		_ = os.Remove(fresh)
		return fail(errs.Invalid, "Run slipway as a user in that group.", "the socket %s cannot be given its mode: %w", path, err)
	}
	return &socket{l, path}, nil
}

// socket removes its file when it is closed.
type socket struct {
	*net.UnixListener
	path string
}

func (s *socket) Close() error {
	_ = os.Remove(s.path)
	return s.UnixListener.Close()
}
