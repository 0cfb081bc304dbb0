package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
)

// line is a connection that stays open.
type line struct {
	conn net.Conn
	in   *bufio.Reader
}

// send sends n requests over so many connections that stay open, each as soon as the one before it
// was answered. Every answer must be a 2xx. The requests are written before the time is taken: the
// senders share the processors with what is measured.
func send(address string, connections, n int, request func(i int64) ([]byte, error)) (t taken, err error) {
	requests := make([][]byte, n)
	for i := range requests {
		if requests[i], err = request(int64(i)); err != nil {
			return t, err
		}
	}
	free := make(chan line, connections)
	defer func() {
		for len(free) > 0 {
			l := <-free
			err = errors.Join(err, l.conn.Close())
		}
	}()
	for range connections {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return t, err
		}
		free <- line{conn, bufio.NewReader(conn)}
	}
	return calls(connections, n, func(i int64) error {
		l := <-free
		defer func() { free <- l }()
		if _, err := l.conn.Write(requests[i]); err != nil {
			return err
		}
		return l.answered()
	})
}

// answered reads one answer, whole, however it says its length. It reads of the head no more than it
// needs.
func (l line) answered() error {
	status, err := l.in.ReadString('\n')
	if err != nil {
		return err
	}
	length, chunked := int64(-1), false
	for {
		head, err := l.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(head) <= len("\r\n") {
			break
		}
		name, value, _ := bytes.Cut(head, []byte(":"))
		switch value = bytes.TrimSpace(value); {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
	switch {
	case chunked:
		if _, err := io.Copy(io.Discard, httputil.NewChunkedReader(l.in)); err != nil {
			return err
		}
		if end, err := l.in.ReadString('\n'); err != nil || strings.TrimSpace(end) != "" {
			return errors.Join(err, errors.New("an answer in chunks has more behind its last one"))
		}
	case length >= 0:
		if _, err := io.CopyN(io.Discard, l.in, length); err != nil {
			return err
		}
	case !strings.HasPrefix(status, "HTTP/1.1 "+strconv.Itoa(http.StatusNoContent)):
		return errors.New("an answer does not say how long it is")
	}
	if !strings.HasPrefix(status, "HTTP/1.1 2") {
		return fmt.Errorf("a delivery was answered with %s", strings.TrimSpace(status))
	}
	return nil
}
