package mail

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/emersion/go-smtp"

	"slipway/bot/errs"
)

// SinkLimits bounds what a [Sink] takes. Zero values mean the defaults in brackets.
type SinkLimits struct {
	Message    int64         // bytes of one message [1 MiB]
	Recipients int           // of one message [100]
	Messages   int           // in the mailbox [10000]
	Idle       time.Duration // before a silent client is cut off [1 minute]
}

// Sink is a small SMTP server that keeps every message in a Maildir: for the demo and for tests.
// A message is on disk before it is acknowledged, so a restart keeps what was accepted. The
// Maildir is at the same time the [Archive] that a probe searches.
type Sink struct {
	dir    string
	limits SinkLimits
	now    func() time.Time
	server *smtp.Server

	mu      sync.Mutex
	kept    int
	stopped bool
	open    []net.Listener
}

// NewSink makes or opens the Maildir in dir.
func NewSink(dir string, limits SinkLimits, now func() time.Time) (*Sink, error) {
	const op = "mail.sink"
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, errs.E(op, errs.Invalid, fmt.Errorf("the mailbox cannot be made: %w", err))
		}
	}
	if limits.Message == 0 {
		limits.Message = maxBody
	}
	if limits.Recipients == 0 {
		limits.Recipients = maxRecipients
	}
	if limits.Messages == 0 {
		limits.Messages = 10000
	}
	if limits.Idle == 0 {
		limits.Idle = time.Minute
	}
	s := &Sink{dir: dir, limits: limits, now: now}
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			return nil, errs.E(op, errs.Invalid, fmt.Errorf("the mailbox cannot be read: %w", err))
		}
		s.kept += len(entries)
	}
	// What a crash left half-written was never acknowledged.
	stale, err := os.ReadDir(filepath.Join(dir, "tmp"))
	if err != nil {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the mailbox cannot be read: %w", err))
	}
	for _, e := range stale {
		_ = os.Remove(filepath.Join(dir, "tmp", e.Name()))
	}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{sink: s}, nil }))
	s.server.Domain = "sink.localhost"
	s.server.MaxMessageBytes = limits.Message
	s.server.MaxRecipients = limits.Recipients
	s.server.ReadTimeout, s.server.WriteTimeout = limits.Idle, limits.Idle
	s.server.ErrorLog = log.New(io.Discard, "", 0)
	return s, nil
}

// Archive is the mailbox as a probe searches it.
func (s *Sink) Archive() Archive { return Maildir{Dir: s.dir} }

// Serve takes mail on l until Shutdown. l must be a loopback listener: the sink asks nobody who
// they are.
func (s *Sink) Serve(l net.Listener) error {
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		return errs.E("mail.sink", errs.Invalid, fmt.Errorf("the mail sink would be open to the network on %s", tcp)).
			Hint("listen on 127.0.0.1")
	}
	// The server only knows a listener once it runs, so a Shutdown just before would miss it.
	s.mu.Lock()
	if s.stopped {
		_ = l.Close()
	}
	s.open = append(s.open, l)
	s.mu.Unlock()
	if err := s.server.Serve(l); err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return errs.E("mail.sink", errs.Unavailable, fmt.Errorf("the mail sink stopped: %w", err))
	}
	return nil
}

// Shutdown lets running conversations end, until ctx does.
func (s *Sink) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	for _, l := range s.open {
		_ = l.Close()
	}
	s.mu.Unlock()
	if err := s.server.Shutdown(ctx); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, smtp.ErrServerClosed) {
		_ = s.server.Close()
		return errs.E("mail.sink", errs.Unavailable, errors.New("the mail sink was stopped with conversations open"))
	}
	return nil
}

// session is one client's conversation.
type session struct {
	sink *Sink
	from string
	to   []string
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error { s.from = from; return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = append(s.to, to); return nil }

func (s *session) Reset() { s.from, s.to = "", nil }

func (s *session) Logout() error { return nil }

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err // too large, or cut off: nothing is kept
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "Return-Path: <%s>\n", noControls(s.from))
	for _, t := range s.to {
		fmt.Fprintf(&b, "Delivered-To: %s\n", noControls(t))
	}
	b.Write(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
	return s.sink.keep(b.Bytes())
}

// keep puts the message on disk: written and synced in tmp, renamed to new, the folder synced.
func (s *Sink) keep(message []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept >= s.limits.Messages {
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "the mailbox is full"}
	}
	failed := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "the message could not be stored"}
	id := make([]byte, 12)
	if _, err := rand.Read(id); err != nil {
		return failed
	}
	name := fmt.Sprintf("%d.%s.slipway", s.now().Unix(), hex.EncodeToString(id))
	tmp := filepath.Join(s.dir, "tmp", name)
	if err := writeSynced(tmp, message); err != nil {
		_ = os.Remove(tmp)
		return failed
	}
	if err := os.Rename(tmp, filepath.Join(s.dir, "new", name)); err != nil {
		return failed
	}
	s.kept++
	if err := syncDir(filepath.Join(s.dir, "new")); err != nil {
		return failed
	}
	return nil
}

func writeSynced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func noControls(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}
