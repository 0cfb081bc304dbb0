package slack

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
)

// Direct carries requests to the server without a network, so that a test may run in virtual time
// (testing/synctest), where nobody may wait for a socket. [Hang] and [HangAfter] cannot be told apart from
// time that stands still there.
func (s *Server) Direct() http.RoundTripper { return direct{s} }

type direct struct{ s *Server }

var errLost = errors.New("the connection was lost")

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &written{header: http.Header{}}
	q := r.Clone(r.Context())
	if q.Body == nil {
		q.Body = http.NoBody
	}
	w.serve(d.s, q)
	if w.lost {
		return nil, errLost
	}
	var body io.Reader = &w.body
	if w.cut {
		body = io.MultiReader(body, broken{})
	}
	return &http.Response{Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(body), ContentLength: -1, Request: r}, nil
}

// broken is the rest of an answer that was cut.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// written is what a handler answers.
type written struct {
	header http.Header
	status int
	body   bytes.Buffer
	lost   bool // the connection was taken and closed
	cut    bool // in the middle of the body
}

func (w *written) serve(h http.Handler, r *http.Request) {
	defer func() {
		switch gone := recover(); gone {
		case nil:
		case http.ErrAbortHandler:
			w.cut = true
		default:
			panic(gone)
		}
	}()
	h.ServeHTTP(w, r)
	if w.status == 0 {
		w.status = http.StatusOK
	}
}

func (w *written) Header() http.Header { return w.header }
func (w *written) Flush()              {}

func (w *written) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *written) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Hijack takes the connection: nothing is answered.
func (w *written) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.lost = true
	here, there := net.Pipe()
	_ = there.Close()
	return here, bufio.NewReadWriter(bufio.NewReader(here), bufio.NewWriter(here)), nil
}

// Kept are blocks as the server keeps them, to be compared with those of a message.
func Kept(blocks []map[string]any) []map[string]any { return keptBlocks(blocks) }
