package mail

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"slipway/bot/errs"
)

// maxHead is how much of a stored message is read to find its headers, in bytes.
const maxHead = 64 << 10

// Maildir is an [Archive] in a Maildir, e.g. of an address of ours that is subscribed to the list.
type Maildir struct{ Dir string }

// Find implements [Archive].
func (m Maildir) Find(ctx context.Context, id string) (bool, error) {
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(m.Dir, sub))
		if err != nil {
			return false, errs.E("mail.archive", errs.Unavailable, fmt.Errorf("the mailbox %s cannot be read: %w", m.Dir, err))
		}
		for _, e := range entries {
			if ctx.Err() != nil {
				return false, errs.E("mail.archive", errs.Unavailable, errors.New("the search was stopped"))
			}
			head, err := readHead(filepath.Join(m.Dir, sub, e.Name()))
			if errors.Is(err, os.ErrNotExist) {
				// A mail reader moved it meanwhile from new to cur, or changed its flags.
				return false, errs.E("mail.archive", errs.Unavailable, errors.New("the mailbox changed during the search"))
			}
			if err != nil {
				return false, errs.E("mail.archive", errs.Unavailable, fmt.Errorf("a message in %s cannot be read: %w", m.Dir, err))
			}
			if hasID(head, id) {
				return true, nil
			}
		}
	}
	return false, nil
}

func readHead(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxHead))
}

// hasID reports whether the message that begins with head has that Message-ID. What cannot be
// read as a message has none.
func hasID(head []byte, id string) bool {
	m, err := mail.ReadMessage(bytes.NewReader(head))
	if err != nil {
		return false
	}
	got := strings.TrimSpace(m.Header.Get("Message-Id"))
	return got == "<"+id+">"
}

// Mbox is an [Archive] in one file of the mbox form (RFC 4155).
type Mbox struct{ Path string }

// Find implements [Archive].
func (m Mbox) Find(ctx context.Context, id string) (bool, error) {
	f, err := os.Open(m.Path)
	if err != nil {
		return false, errs.E("mail.archive", errs.Unavailable, fmt.Errorf("the mailbox %s cannot be read: %w", m.Path, err))
	}
	defer f.Close()
	found, err := findInMbox(ctx, f, id)
	if err != nil {
		return false, errs.E("mail.archive", errs.Unavailable, fmt.Errorf("the mailbox %s cannot be read: %w", m.Path, err))
	}
	return found, nil
}

func findInMbox(ctx context.Context, f io.Reader, id string) (bool, error) {
	in := bufio.NewReader(f)
	var head bytes.Buffer
	inHead, blank := false, true // a message begins with "From " at the start or after an empty line
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return false, errors.New("the search was stopped")
		}
		l, err := in.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			l = append(bytes.Clone(l), '\n') // only the beginning of a long line matters
			for err == bufio.ErrBufferFull {
				_, err = in.ReadSlice('\n')
			}
		}
		if err != nil && err != io.EOF {
			return false, err
		}
		empty := len(bytes.TrimRight(l, "\r\n")) == 0
		switch {
		case blank && bytes.HasPrefix(l, []byte("From ")):
			head.Reset()
			inHead = true
		case inHead && empty:
			if hasID(append(head.Bytes(), '\n'), id) {
				return true, nil
			}
			inHead = false
		case inHead && head.Len() < maxHead:
			head.Write(l)
		}
		blank = empty
		if err == io.EOF {
			return inHead && hasID(append(head.Bytes(), "\n\n"...), id), nil
		}
	}
}

// idMark stands for the message id in the address of an archive.
const idMark = "{message_id}"

// WebArchive is an [Archive] that is asked over HTTP: 200 means that the message is there, 404
// or 410 that it is not. A page that answers 200 for everything is not an archive of this kind.
type WebArchive struct {
	address string
	client  *http.Client
}

// NewWebArchive checks the address, which holds "{message_id}" once.
func NewWebArchive(address string) (*WebArchive, error) {
	u, err := url.Parse(strings.Replace(address, idMark, "message-id-here", 1))
	if err != nil || strings.Count(address, idMark) != 1 || u.Host == "" || u.User != nil || strings.Contains(u.Host, "message-id-here") {
		return nil, errs.E("mail.archive", errs.Invalid, fmt.Errorf("%q is not the address of a list archive", address)).
			Hint("write it with {message_id} in its path, e.g. https://lists.example.org/msgid/{message_id}")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())) {
		return nil, errs.E("mail.archive", errs.Invalid, fmt.Errorf("the archive %q is not asked over https", address)).
			Hint("an answer that somebody changed on the way could hide an announcement")
	}
	return &WebArchive{address: address, client: &http.Client{
		Timeout: 30 * time.Second,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 5 || r.URL.Host != via[0].URL.Host || r.URL.Scheme != via[0].URL.Scheme {
				return errors.New("the archive points elsewhere")
			}
			return nil
		},
	}}, nil
}

// Find implements [Archive].
func (a *WebArchive) Find(ctx context.Context, id string) (bool, error) {
	const op = "mail.archive"
	escaped := url.PathEscape(id)
	if q := strings.IndexByte(a.address, '?'); q >= 0 && q < strings.Index(a.address, idMark) {
		escaped = url.QueryEscape(id)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.Replace(a.address, idMark, escaped, 1), nil)
	if err != nil {
		return false, errs.E(op, errs.Internal, err)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return false, errs.E(op, errs.Unavailable, fmt.Errorf("the list archive at %s does not answer", req.URL.Host))
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxHead))
	switch resp.StatusCode {
	case http.StatusOK:
		return true, nil
	case http.StatusNotFound, http.StatusGone:
		return false, nil
	}
	return false, errs.E(op, errs.Unavailable, fmt.Errorf("the list archive at %s answers %d", req.URL.Host, resp.StatusCode))
}
