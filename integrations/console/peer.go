package console

import "net"

// Peer is the account of the process at the other end of a unix socket, "unix:UID", as the kernel
// recorded it when the connection was made. The error is of kind [errs.Denied].
func Peer(c net.Conn) (account string, err error) { return peer(c) }
