//go:build !linux

package console

import (
	"fmt"
	"net"

	"slipway/bot/errs"
)

func peer(net.Conn) (string, error) {
	return "", errs.E("console.peer", errs.Denied, fmt.Errorf("who is connecting can only be told on Linux"))
}
