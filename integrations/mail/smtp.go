package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"time"
	"unicode"

	"github.com/wneessen/go-mail/smtp"

	"slipway/bot/errs"
)

// TLS says how the connection to the mail server is protected.
type TLS string

const (
	StartTLS TLS = "starttls" // TLS after the greeting, required
	Implicit TLS = "implicit" // TLS from the first byte (port 465)
	NoTLS    TLS = "none"     // to a server on this machine only
)

// ServerConfig is a mail server that takes messages from us.
type ServerConfig struct {
	Address  string         // host:port
	TLS      TLS            // "" means starttls
	User     string         // "" means no login
	Password string         // read from a file or the environment by the caller
	Hello    string         // our name in EHLO; "" means localhost
	Timeout  time.Duration  // of one step of the conversation; 0 means 2 minutes
	Roots    *x509.CertPool // nil means the system's
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
}

// Server is a [Sender] that speaks SMTP to one mail server.
type Server struct {
	cfg  ServerConfig
	host string
}

// NewServer checks cfg. A connection or a password in the clear leaves this machine in no case.
func NewServer(cfg ServerConfig) (*Server, error) {
	const op = "mail.server"
	host, _, err := net.SplitHostPort(cfg.Address)
	if err != nil || host == "" {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("%q is not the address of a mail server", cfg.Address)).
			Hint("write host:port, e.g. mail.example.org:587")
	}
	if cfg.TLS == "" {
		cfg.TLS = StartTLS
	}
	ip := net.ParseIP(host)
	switch cfg.TLS {
	case StartTLS, Implicit:
	case NoTLS:
		if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, errs.E(op, errs.Invalid, fmt.Errorf("mail would travel in the clear to %s", host)).
				Hint("use starttls; none is for a server on this machine only")
		}
		if cfg.User != "" {
			return nil, errs.E(op, errs.Invalid, errors.New("a password would travel in the clear")).Hint("use starttls")
		}
	default:
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("%q is not a kind of TLS", cfg.TLS)).Hint("use starttls, implicit or none")
	}
	if (cfg.User == "") != (cfg.Password == "") {
		return nil, errs.E(op, errs.Invalid, errors.New("the user and the password of the mail server belong together"))
	}
	if cfg.Hello == "" {
		cfg.Hello = "localhost"
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Minute
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	}
	return &Server{cfg: cfg, host: host}, nil
}

// Send implements [Sender]. All recipients are accepted before the text is sent, or none gets it.
// The only doubtful moment is between the final dot and the server's answer to it.
func (s *Server) Send(ctx context.Context, from string, to []string, message []byte) error {
	conn, err := s.cfg.Dial(ctx, "tcp", s.cfg.Address)
	if err != nil {
		return errs.E("mail.send", errs.Unavailable, fmt.Errorf("the mail server %s cannot be reached", s.cfg.Address))
	}
	defer conn.Close()
	// A stopped context ends whatever step we are in.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	step := &steps{Conn: conn, timeout: s.cfg.Timeout}

	c, err := s.open(step)
	if err != nil {
		return err
	}
	if err := c.Mail("<" + from + ">"); err != nil {
		return outcome("the sender "+from, err)
	}
	for _, t := range to {
		if err := c.Rcpt("<" + t + ">"); err != nil {
			return outcome("the recipient "+t, err)
		}
	}
	w, err := c.Data()
	if err != nil {
		return outcome("the message", err)
	}
	if _, err := w.Write(message); err != nil {
		// The final dot was not sent, so the server cannot have accepted anything.
		return outcome("the text", err)
	}
	if err := w.Close(); err != nil { // sends the dot and reads the answer
		var answer *textproto.Error
		if errors.As(err, &answer) && answer.Code/100 == 2 {
			return nil
		}
		if errors.As(err, &answer) && (answer.Code/100 == 4 || answer.Code/100 == 5) {
			return outcome("the message", err)
		}
		return errs.E("mail.send", errs.Doubtful, fmt.Errorf("the connection to %s broke after the whole message was sent and before the answer", s.cfg.Address)).
			Hint("look in the list's archive, or ask the operators of the mail server, whether it arrived")
	}
	_ = c.Quit() // the message is accepted, whatever comes now
	return nil
}

// open greets, protects the connection and logs in.
func (s *Server) open(conn net.Conn) (*smtp.Client, error) {
	settings := &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12, RootCAs: s.cfg.Roots}
	if s.cfg.TLS == Implicit {
		conn = tls.Client(conn, settings)
	}
	c, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return nil, outcome("the connection", err)
	}
	if err := c.Hello(s.cfg.Hello); err != nil {
		return nil, outcome("the greeting", err)
	}
	if s.cfg.TLS == StartTLS {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return nil, errs.E("mail.send", errs.Failed, fmt.Errorf("the mail server %s offers no TLS", s.cfg.Address)).
				Hint("ask its operators; Slipway does not send in the clear")
		}
		if err := c.StartTLS(settings); err != nil {
			return nil, outcome("TLS", err)
		}
	}
	if s.cfg.User != "" {
		if err := c.Auth(smtp.PlainAuth("", s.cfg.User, s.cfg.Password, s.host, false)); err != nil {
			var answer *textproto.Error
			if errors.As(err, &answer) {
				// Some servers repeat what was sent to them; that must not be shown.
				return nil, errs.E("mail.send", refusal(answer.Code), fmt.Errorf("the mail server refuses the login of %s (%d)", s.cfg.User, answer.Code)).
					Hint("check the user and the password of the mail server")
			}
			return nil, outcome("the login", errors.New("no answer"))
		}
	}
	return c, nil
}

// outcome is err at a step at which nothing has happened yet.
func outcome(what string, err error) error {
	var answer *textproto.Error
	if !errors.As(err, &answer) {
		return errs.E("mail.send", errs.Unavailable, errors.New("the connection to the mail server broke before the message was complete"))
	}
	return errs.E("mail.send", refusal(answer.Code), fmt.Errorf("the mail server refuses %s: %d %s", what, answer.Code, clean(answer.Msg)))
}

// refusal is the kind of a reply: RFC 5321 §4.2.1, 4yz may be tried again, 5yz may not.
func refusal(code int) errs.Kind {
	switch code / 100 {
	case 4:
		return errs.Busy
	case 5:
		return errs.Failed
	}
	return errs.Unavailable // an answer that has no sense here; nothing was accepted
}

// clean is a server's text on one short line.
func clean(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }), " ")
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}

// steps gives every read and write its own deadline.
type steps struct {
	net.Conn
	timeout time.Duration
}

func (s *steps) Read(p []byte) (int, error) {
	if err := s.SetReadDeadline(time.Now().Add(s.timeout)); err != nil {
		return 0, err
	}
	return s.Conn.Read(p)
}

func (s *steps) Write(p []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
		return 0, err
	}
	return s.Conn.Write(p)
}
