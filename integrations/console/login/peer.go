package login

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"regexp"

	"slipway/bot/errs"
	"slipway/integrations/console"
)

type peerKey struct{}

type peer struct {
	account string
	err     error
}

// PeerContext remembers who connected to the unix socket, as the kernel says. Give it to
// http.Server.ConnContext of the server on that socket.
func PeerContext(ctx context.Context, c net.Conn) context.Context {
	account, err := console.Peer(c)
	return context.WithValue(ctx, peerKey{}, peer{account, err})
}

// AsHeader names the person as whom a request over the unix socket acts, in the demo alone.
const AsHeader = "Slipway-As"

var asName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// Peer stands before the handlers on the unix socket: the viewer is the account of the process at
// the other end ([PeerContext]), whatever else the request says. An account that belongs to
// nobody comes through with an empty [Viewer.Person].
func (d *Door) Peer(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := &tracked{ResponseWriter: w}
		defer d.recover(t, r)
		v, err := d.peer(r)
		if err != nil {
			refuseJSON(t, err)
			return
		}
		r.Body = http.MaxBytesReader(t, r.Body, d.o.Limits.Body)
		h.ServeHTTP(t, r.WithContext(With(r.Context(), v)))
	})
}

func (d *Door) peer(r *http.Request) (Viewer, error) {
	p, ok := r.Context().Value(peerKey{}).(peer)
	if !ok {
		return Viewer{}, errs.E("login.peer", errs.Internal, fmt.Errorf("a request came in beside the socket"))
	}
	if p.err != nil {
		return Viewer{}, p.err
	}
	as := r.Header.Values(AsHeader)
	switch {
	case len(as) == 0:
		return d.viewer(p.account, "")
	case !d.o.Many:
		return Viewer{}, errs.E("login.peer", errs.Denied, fmt.Errorf("acting as %q is not allowed here", clip(as[0], 60))).
			Hint("leave out as; only a demonstration has several people on one socket")
	case len(as) != 1 || !asName.MatchString(as[0]):
		return Viewer{}, errs.E("login.peer", errs.Invalid, fmt.Errorf("%q is not a name to act as", clip(as[0], 60))).
			Hint("use small letters, digits and -, e.g. grace")
	}
	return d.viewer("console:"+as[0], as[0])
}
