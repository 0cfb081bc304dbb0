package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// send sends n requests over so many connections that stay open, each as soon as the one before it
// was answered. Every answer must be a 2xx.
func send(address string, connections, n int, request func(i int64) ([]byte, error)) (t taken, err error) {
	type line struct {
		conn net.Conn
		in   *bufio.Reader
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
		data, err := request(i)
		if err != nil {
			return err
		}
		if _, err := l.conn.Write(data); err != nil {
			return err
		}
		answer, err := http.ReadResponse(l.in, nil)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			return err
		}
		if answer.StatusCode/100 != 2 {
			return fmt.Errorf("a delivery was answered with %s", answer.Status)
		}
		return nil
	})
}
