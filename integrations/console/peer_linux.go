package console

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"slipway/bot/errs"
)

// peer is the account of the process at the other end, "unix:UID", as the kernel recorded it when
// the connection was made (unix(7), SO_PEERCRED).
func peer(c net.Conn) (string, error) {
	fail := func(err error) (string, error) {
		return "", errs.E("console.peer", errs.Denied, fmt.Errorf("who is connecting cannot be told: %w", err))
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return fail(fmt.Errorf("not a unix socket"))
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return fail(err)
	}
	var cred *unix.Ucred
	var inner error
	if err := raw.Control(func(fd uintptr) { cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return fail(err)
	}
	if inner != nil {
		return fail(inner)
	}
	return fmt.Sprintf("unix:%d", cred.Uid), nil
}
