package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"slipway/bot/errs"
)

// visit is one request on its way through the guard.
type visit struct {
	way     string // names the session or token, for limits; "" without one
	session string // public name of the session, if that is the way
	client  netip.Addr
	secure  bool
}

type visitKey struct{}

func visitOf(r *http.Request) visit {
	v, _ := r.Context().Value(visitKey{}).(visit)
	return v
}

// Guard is h behind the door, on TCP. The door's own pages are at /login, /logout and /account.
func (d *Door) Guard(h http.Handler) http.Handler {
	own := d.pages()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := &tracked{ResponseWriter: w, conn: http.NewResponseController(w)}
		defer d.recover(t, r)
		client, forwarded := d.client(r)
		v := visit{client: client, secure: d.secure(r)}
		headers(t.Header(), v.secure)
		if err := d.admit(r, v, forwarded); err != nil {
			d.refuse(t, r, err)
			return
		}
		if r.ContentLength > d.o.Limits.Body {
			d.refuse(t, r, &refusal{status: http.StatusRequestEntityTooLarge, title: "That is too much", cause: fmt.Errorf("what was sent has %d bytes, and %d is the limit", r.ContentLength, d.o.Limits.Body), hint: "send less at a time"})
			return
		}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &timedBody{http.MaxBytesReader(w, r.Body, d.o.Limits.Body), t.conn}
		} else {
			_ = t.conn.SetReadDeadline(time.Time{})
		}
		r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
		d.serve(t, r, v, h, own)
	})
}

// serve finds out who it is, and lets the request through to where it may go.
func (d *Door) serve(w *tracked, r *http.Request, v visit, h, own http.Handler) {
	who, v, known, err := d.identify(w, r, v)
	now := d.o.Clock()
	switch {
	case err != nil && ownPath(r.URL.Path) && r.URL.Path != "/account" && r.Header.Get("Authorization") == "":
		// Whoever is not let in may still log out, or log in as somebody else.
	case err != nil:
		d.refuse(w, r, err)
		return
	case known:
		if err := d.allowed(r, who, v.way, now); err != nil {
			d.refuse(w, r, err)
			return
		}
		ctx := With(context.WithValue(r.Context(), visitKey{}, v), who)
		r = r.WithContext(ctx)
	}
	switch {
	case ownPath(r.URL.Path):
		own.ServeHTTP(w, r)
	case !known && !d.open(r.URL.Path):
		d.strangers(w, r)
	case known && who.Person == "" && !d.open(r.URL.Path):
		d.refuse(w, r, unlinkedPage(who))
	case isStream(r):
		d.stream(w, r, v, h)
	default:
		h.ServeHTTP(w, r)
	}
}

// admit turns away what no page of ours would send, before anything is read of it.
func (d *Door) admit(r *http.Request, v visit, forwarded bool) error {
	now := d.o.Clock()
	if l := d.o.Limits; !d.rates.allow("address/"+place(v.client), l.AddressPerSecond, int(4*l.AddressPerSecond), now) {
		return tooFast()
	}
	if ok, _ := d.host(r, forwarded); !ok {
		return &refusal{status: http.StatusMisdirectedRequest, title: "Not here", cause: fmt.Errorf("nothing is served under the name %q", clip(r.Host, 80)), hint: d.where()}
	}
	if err := d.cross.Check(r); err != nil {
		return foreign()
	}
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	// Another site may link to us, and no more: not embed, not fetch, not listen (Fetch Metadata,
	// https://www.w3.org/TR/fetch-metadata/).
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		link := r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
		if !link && !d.open(r.URL.Path) {
			return foreign()
		}
	}
	if len(r.Header.Values("Upgrade")) > 0 && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return &refusal{status: http.StatusBadRequest, title: "Not here", cause: errors.New("there are no web sockets here"), hint: "listen at /events"}
	}
	if !safe && r.ContentLength != 0 {
		// Forms of another site can send text/plain and call it anything; we read two types alone.
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || kind != "application/x-www-form-urlencoded" && kind != "application/json" && kind != "multipart/form-data" {
			return &refusal{status: http.StatusUnsupportedMediaType, title: "Not readable", cause: fmt.Errorf("a body of type %q is not read", clip(r.Header.Get("Content-Type"), 60)), hint: "send a form, or application/json"}
		}
	}
	return nil
}

// identify says who sends the request. A token goes before everything else; known is false when
// the request shows nothing that is good.
func (d *Door) identify(w *tracked, r *http.Request, v visit) (who Viewer, _ visit, known bool, err error) {
	if given := r.Header.Values("Authorization"); len(given) > 0 {
		who, v.way, err = d.bearer(r, given, v)
		return who, v, err == nil, err
	}
	if _, many := d.host(r, false); many != "" {
		v.way = "many/" + many
		who, err = d.viewer("console:"+many, many)
		return who, v, err == nil, err
	}
	secret, ok := sessionCookie(r, v.secure)
	if !ok {
		return Viewer{}, v, false, nil
	}
	s, found := d.session(secret)
	if !found {
		return Viewer{}, v, false, nil
	}
	who, err = d.viewer(s.Account, s.Handle)
	if err == nil && s.Person != "" && who.Person != s.Person {
		// The account went to somebody else, or to nobody: who logged in is not who this is now.
		_, err = d.end(s.Account, func(o session) bool { return o.key == s.key })
		return Viewer{}, v, false, err
	}
	v.way, v.session = "session/"+s.name(), s.name()
	return who, v, err == nil, err
}

// bearer is the viewer of a token (RFC 6750, section 2.1).
func (d *Door) bearer(r *http.Request, given []string, v visit) (who Viewer, way string, err error) {
	bad := &refusal{status: http.StatusUnauthorized, title: "Not let in", cause: errors.New("the token is not known, or no longer good"), hint: "slipway token list shows those that you have"}
	scheme, secret, _ := strings.Cut(given[0], " ")
	if len(given) != 1 || !strings.EqualFold(scheme, "Bearer") {
		bad.cause, bad.hint = errors.New("the header Authorization holds no token"), "send: Authorization: Bearer TOKEN"
		return Viewer{}, "", bad
	}
	if !strings.HasPrefix(r.URL.Path, "/api/") && r.URL.Path != "/metrics" {
		bad.cause, bad.hint = errors.New("a token opens the API, and no page"), "use /api/v1, or log in with a browser"
		return Viewer{}, "", bad
	}
	t, ok := d.token(strings.TrimSpace(secret))
	if !ok {
		if l := d.o.Limits; !d.rates.allow("login/"+place(v.client), l.LoginsPerMinute/60, int(l.LoginsPerMinute), d.o.Clock()) {
			return Viewer{}, "", tooFast()
		}
		return Viewer{}, "", bad
	}
	who, err = d.viewer(t.Account, "")
	if err != nil {
		return Viewer{}, "", err
	}
	if who.Person != t.Person {
		return Viewer{}, "", bad
	}
	who.Scopes, who.Token = t.Scopes, t.ID
	return who, "token/" + t.ID, nil
}

// allowed checks the rates and the scopes of a viewer. A handler asks [Viewer.May] for more.
func (d *Door) allowed(r *http.Request, who Viewer, way string, now time.Time) error {
	l := d.o.Limits
	if !d.rates.allow(way, l.ViewerPerSecond, int(4*l.ViewerPerSecond), now) {
		return tooFast()
	}
	need := Read
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions {
		if !d.rates.allow("write/"+way, l.WritesPerSecond, int(6*l.WritesPerSecond), now) {
			return tooFast()
		}
		if who.May(Say) || who.May(Approve) || who.May(Operate) {
			return nil
		}
		need = Say
	}
	if !who.May(need) {
		return &refusal{status: http.StatusForbidden, title: "Not allowed", cause: fmt.Errorf("this token does not have the scope %s", need), hint: "make one with: slipway token new NAME --scopes " + string(need)}
	}
	return nil
}

func isStream(r *http.Request) bool {
	return r.Method == http.MethodGet && (strings.HasSuffix(r.URL.Path, "/events") || strings.Contains(r.Header.Get("Accept"), "text/event-stream"))
}

// stream lets an event stream live longer than other answers, and not for ever. It ends when its
// session or token does.
func (d *Door) stream(w *tracked, r *http.Request, v visit, h http.Handler) {
	way := v.way
	if way == "" {
		way = "address/" + place(v.client)
	}
	ctx, done, ok := d.streams.add(r.Context(), way)
	if !ok {
		d.refuse(w, r, &refusal{status: http.StatusTooManyRequests, title: "Too many pages", cause: errors.New("too many pages listen at a time"), hint: "close some", wait: 30 * time.Second})
		return
	}
	defer done()
	w.live = true
	h.ServeHTTP(w, r.WithContext(ctx))
}

// recover answers a panic with a page that says nothing of it. The process lives.
func (d *Door) recover(w *tracked, r *http.Request) {
	what := recover()
	if what == nil {
		return
	}
	if err, ok := what.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(what)
	}
	// What was panicked with may hold anything; of a defect of ours the kind and place are enough.
	text := fmt.Sprintf("%T", what)
	if err, ok := what.(runtime.Error); ok {
		text = err.Error()
	}
	d.o.Log.Error("a page failed", "method", r.Method, "path", clip(r.URL.Path, 200), "panic", text, "stack", string(debug.Stack()))
	if w.wrote {
		panic(http.ErrAbortHandler) // half a page must not look like a whole one
	}
	d.refuse(w, r, errs.E("login", errs.Internal, errors.New("panic")))
}

// timedBody takes the time-out of reading away once the body was read: what a handler does then
// may take longer.
type timedBody struct {
	io.ReadCloser
	conn *http.ResponseController
}

// Read reads on.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}

// tracked knows whether an answer has begun, and gives every piece of it time of its own: a large
// file may take long, a reader that takes nothing is cut.
type tracked struct {
	http.ResponseWriter
	wrote bool
	live  bool                     // an event stream
	conn  *http.ResponseController // nil on the unix socket, whose server bounds time itself
}

// pieceTime is how long a reader may take for one piece of an answer.
const pieceTime = 30 * time.Second

func (t *tracked) WriteHeader(status int) {
	t.wrote = t.wrote || status >= 200
	t.ResponseWriter.WriteHeader(status)
}

func (t *tracked) Write(b []byte) (int, error) {
	t.wrote = true
	t.more()
	return t.ResponseWriter.Write(b)
}

// more gives the reader time for what comes now.
func (t *tracked) more() {
	if t.conn != nil {
		_ = t.conn.SetWriteDeadline(time.Now().Add(pieceTime))
	}
}

// Flush sends what was written so far.
func (t *tracked) Flush() { _ = t.FlushError() }

// FlushError is Flush for [http.ResponseController].
func (t *tracked) FlushError() error {
	t.more()
	err := http.NewResponseController(t.ResponseWriter).Flush()
	if t.conn != nil && t.live && err == nil {
		_ = t.conn.SetWriteDeadline(time.Time{}) // between two events nothing is late
	}
	return err
}

// Unwrap is for [http.ResponseController].
func (t *tracked) Unwrap() http.ResponseWriter { return t.ResponseWriter }
