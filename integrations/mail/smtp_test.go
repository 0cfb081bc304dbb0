package mail

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"slipway/bot/errs"
)

// backend is a mail server in memory whose answers a test decides.
type backend struct {
	mu     sync.Mutex
	stored int
	at     map[string]func(c *smtp.Conn) error // stage → what happens there
	pass   string
}

func (b *backend) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &talk{b: b, c: c}, b.stage("greeting", c)
}

func (b *backend) stage(name string, c *smtp.Conn) error {
	if f := b.at[name]; f != nil {
		return f(c)
	}
	return nil
}

type talk struct {
	b *backend
	c *smtp.Conn
}

func (s *talk) Mail(string, *smtp.MailOptions) error { return s.b.stage("mail", s.c) }
func (s *talk) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.b.stage("rcpt", s.c); err != nil {
		return err
	}
	return s.b.stage("rcpt "+to, s.c)
}
func (s *talk) Reset()                   {}
func (s *talk) Logout() error            { return nil }
func (s *talk) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *talk) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, pass string) error {
		if pass != s.b.pass {
			return &smtp.SMTPError{Code: 535, Message: "no such password: " + pass}
		}
		return nil
	}), nil
}

func (s *talk) Data(r io.Reader) error {
	if err := s.b.stage("data", s.c); err != nil {
		return err
	}
	if _, err := io.ReadAll(r); err != nil {
		return err
	}
	if err := s.b.stage("dot", s.c); err != nil {
		return err
	}
	s.b.mu.Lock()
	s.b.stored++
	s.b.mu.Unlock()
	return s.b.stage("stored", s.c)
}

func (b *backend) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stored
}

// serve starts b and returns its address and a function that waits for its conversations to end.
func serve(t *testing.T, b *backend, conf *tls.Config, wrap func(net.Conn) net.Conn) (string, func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(b)
	s.Domain, s.TLSConfig, s.ErrorLog = "mail.test", conf, log.New(io.Discard, "", 0)
	s.ReadTimeout = 10 * time.Second
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(&wrapped{l, wrap}) }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			l.Close() // the server does not know it yet when it has not begun to serve
			if err := s.Shutdown(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Errorf("conversations did not end: %v", err)
			}
			<-served
		})
	}
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

type wrapped struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

func (w *wrapped) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err == nil && w.wrap != nil {
		c = w.wrap(c)
	}
	return c, err
}

// cut breaks a connection after so many written bytes.
type cut struct {
	net.Conn
	mu   sync.Mutex
	left int
}

func (c *cut) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p) <= c.left {
		c.left -= len(p)
		return c.Conn.Write(p)
	}
	n, _ := c.Conn.Write(p[:c.left])
	c.left = 0
	c.Conn.Close()
	return n, errors.New("cut")
}

func send(t *testing.T, cfg ServerConfig) error {
	t.Helper()
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s.Send(t.Context(), "release@example.org", []string{"a@example.org", "b@example.org"}, []byte("Subject: x\r\n\r\nbody\r\n.dot\r\n"))
}

func hangUp(c *smtp.Conn) error {
	c.Conn().Close()
	return errors.New("gone")
}

func answers(code int) func(*smtp.Conn) error {
	return func(*smtp.Conn) error { return &smtp.SMTPError{Code: code, Message: "because"} }
}

func TestWhatFollowsFromEachStage(t *testing.T) {
	for _, c := range []struct {
		name, stage string
		does        func(*smtp.Conn) error
		want        errs.Kind
		stored      int
	}{
		{"accepted", "", nil, errs.Other, 1},
		{"lost at the greeting", "greeting", hangUp, errs.Unavailable, 0},
		{"lost at MAIL", "mail", hangUp, errs.Unavailable, 0},
		{"lost at RCPT", "rcpt", hangUp, errs.Unavailable, 0},
		{"lost after the dot, not stored", "dot", hangUp, errs.Doubtful, 0},
		{"lost after the dot, stored", "stored", hangUp, errs.Doubtful, 1},
		{"busy at the greeting", "greeting", answers(421), errs.Busy, 0},
		{"greylisted", "rcpt", answers(451), errs.Busy, 0},
		{"one of two greylisted", "rcpt b@example.org", answers(451), errs.Busy, 0},
		{"sender refused", "mail", answers(550), errs.Failed, 0},
		{"one of two refused", "rcpt b@example.org", answers(550), errs.Failed, 0},
		{"too busy for the text", "dot", answers(452), errs.Busy, 0},
		{"text refused", "dot", answers(554), errs.Failed, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &backend{at: map[string]func(*smtp.Conn) error{c.stage: c.does}}
			address, stop := serve(t, b, nil, nil)
			err := send(t, ServerConfig{Address: address, TLS: NoTLS})
			stop()
			if errs.KindOf(err) != c.want || (err == nil) != (c.want == errs.Other) || b.count() != c.stored {
				t.Fatalf("%v (kind %v), stored %d", err, errs.KindOf(err), b.count())
			}
			if c.want == errs.Failed && !strings.Contains(err.Error(), "because") {
				t.Fatalf("the server's reason is not told: %v", err)
			}
		})
	}
}

// The connection breaks after every possible byte, in both directions. Whatever happens: what was
// stored is never called "nothing happened", and what is called accepted is stored.
func TestBreakAtEveryByte(t *testing.T) {
	for _, side := range []string{"client", "server"} {
		t.Run(side, func(t *testing.T) {
			kinds := map[errs.Kind]int{}
			for n := 0; ; n++ {
				b := &backend{}
				cfg := ServerConfig{TLS: NoTLS}
				breaks := func(c net.Conn) net.Conn { return &cut{Conn: c, left: n} }
				var stop func()
				if side == "client" {
					cfg.Address, stop = serve(t, b, nil, nil)
					cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
						c, err := (&net.Dialer{}).DialContext(ctx, network, address)
						if err != nil {
							return nil, err
						}
						return breaks(c), nil
					}
				} else {
					cfg.Address, stop = serve(t, b, nil, breaks)
				}
				err := send(t, cfg)
				stop()
				kind := errs.KindOf(err)
				kinds[kind]++
				switch {
				case err == nil && b.count() != 1:
					t.Fatalf("cut after %d bytes: accepted, and stored %d times", n, b.count())
				case err != nil && kind != errs.Unavailable && kind != errs.Doubtful:
					t.Fatalf("cut after %d bytes: %v (kind %v)", n, err, kind)
				case kind == errs.Unavailable && b.count() != 0:
					t.Fatalf("cut after %d bytes: stored, and called nothing", n)
				}
				if err == nil {
					break
				}
			}
			if kinds[errs.Unavailable] < 50 || kinds[errs.Doubtful] == 0 {
				t.Fatalf("the cuts came to %v", kinds)
			}
		})
	}
}

func TestServerThatIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	wantKind(t, send(t, ServerConfig{Address: l.Addr().String(), TLS: NoTLS}), errs.Unavailable, "cannot be reached")
}

func TestStoppedContextAfterTheDotIsDoubtful(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	b := &backend{at: map[string]func(*smtp.Conn) error{"stored": func(*smtp.Conn) error { cancel(); <-gone; return nil }}}
	address, _ := serve(t, b, nil, nil)
	s, err := NewServer(ServerConfig{Address: address, TLS: NoTLS})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Send(ctx, "a@example.org", []string{"b@example.org"}, []byte("Subject: x\r\n\r\nbody\r\n"))
	close(gone)
	wantKind(t, err, errs.Doubtful, "before the answer")
}

func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

func TestTLSAndLogin(t *testing.T) {
	conf, pool := certificate(t)
	b := &backend{pass: "open sesame"}
	address, _ := serve(t, b, conf, nil)
	cfg := ServerConfig{Address: address, User: "bot", Password: "open sesame", Roots: pool}
	if err := send(t, cfg); err != nil || b.count() != 1 {
		t.Fatal(err, b.count())
	}
	cfg.Password = "wrong word"
	err := send(t, cfg)
	wantKind(t, err, errs.Failed, "login")
	if strings.Contains(errs.Text(err), "wrong word") {
		t.Fatalf("the password is in the error: %v", err)
	}
	cfg.Roots = x509.NewCertPool()
	wantKind(t, send(t, cfg), errs.Unavailable, "")
	plain, _ := serve(t, b, nil, nil)
	wantKind(t, send(t, ServerConfig{Address: plain, Roots: pool}), errs.Failed, "offers no TLS")
	if b.count() != 1 {
		t.Fatal("something went out in the clear")
	}

	over, _ := serve(t, b, nil, func(c net.Conn) net.Conn { return tls.Server(c, conf) })
	if err := send(t, ServerConfig{Address: over, TLS: Implicit, Roots: pool}); err != nil || b.count() != 2 {
		t.Fatal(err, b.count())
	}
}

func TestConfigurationsThatWouldTalkInTheClear(t *testing.T) {
	for _, c := range []ServerConfig{
		{Address: "mail.example.org:25", TLS: NoTLS}, {Address: "127.0.0.1:25", TLS: NoTLS, User: "a", Password: "b"},
		{Address: "mail.example.org"}, {Address: ":25"}, {Address: "mail.example.org:25", TLS: "maybe"}, {Address: "mail.example.org:25", User: "a"},
	} {
		_, err := NewServer(c)
		wantKind(t, err, errs.Invalid, "")
	}
}
