package main

import (
	"bufio"
	"strings"
	"testing"
)

// Two answers on one connection: the second is found only where the first really ends.
func TestAnswersAreReadWhole(t *testing.T) {
	const next = "HTTP/1.1 204 No Content\r\n\r\n"
	for _, c := range []struct {
		answer string
		bad    string
	}{
		{"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nDate: now\r\n\r\nok\n", ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
		{"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nok\n\r\n1\r\n!\r\n0\r\n\r\n", ""},
		{next, ""},
		{"HTTP/1.1 200 OK\r\n\r\n", "does not say how long"},
		{"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nlater", "503 Service Unavailable"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nshort", "EOF"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nok", "EOF"},
	} {
		l := line{in: bufio.NewReader(strings.NewReader(c.answer + next))}
		if strings.Contains(c.bad, "EOF") {
			l.in = bufio.NewReader(strings.NewReader(c.answer))
		}
		err := l.answered()
		if c.bad != "" {
			if err == nil || !strings.Contains(err.Error(), c.bad) {
				t.Errorf("%q: %v", c.answer, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.answer, err)
		}
		if err := l.answered(); err != nil || l.in.Buffered() > 0 {
			t.Errorf("after %q: %v, %d bytes left", c.answer, err, l.in.Buffered())
		}
	}
}
