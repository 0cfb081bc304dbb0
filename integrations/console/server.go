package console

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"slipway/bot/errs"
)

// Server lets the people of this machine use a room. Fill the fields before Serve.
type Server struct {
	Room *Room

	// Deliver stores a delivery for good and returns nil only then; a repeat of an ID that it
	// has is nil too. Only after nil does a person see that something was accepted.
	Deliver func(context.Context, Delivery) error

	// Query answers questions that change nothing: "runs", "show" with the argument run, and
	// whatever a client asks by name. It checks what the account may see.
	Query func(ctx context.Context, account, name string, args map[string]string) (any, error)

	// Visible says whether an account may see a channel; nil means that all may see all. To
	// others a channel's messages do not exist.
	Visible func(account, channel string) bool

	// Direct is the direct room of an account, "" if it has none; nil means that nobody has one.
	// [Mine] stands for it. A direct room does not exist for anybody else.
	Direct func(account string) string

	// ManyPeople lets a request say "as": NAME and be the account console:NAME. It is for
	// demonstrations: whoever can open the socket can be anybody.
	ManyPeople bool

	WriteTimeout time.Duration // a client that takes longer to read a line is cut; 0 means 10 s
	MaxClients   int           // connections at a time; 0 means 64
}

// Serve answers on l until ctx ends, then closes l and all connections, and returns nil when
// their goroutines have ended. It returns early only if l fails.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	limit := s.MaxClients
	if limit == 0 {
		limit = 64
	}
	slots := make(chan struct{}, limit)
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			_ = l.Close()
			return errs.E("console.serve", errs.Unavailable, fmt.Errorf("the console's socket failed: %w", err))
		}
		conn := s.newConn(c)
		select {
		case slots <- struct{}{}:
		default:
			_ = conn.send(refusal("", errs.E("console.serve", errs.Busy, fmt.Errorf("%d clients are connected, and that is the limit", limit)).Hint("Try again later.")))
			_ = c.Close()
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			conn.serve(ctx)
		})
	}
}

type conn struct {
	s  *Server
	c  net.Conn
	mu sync.Mutex // one line at a time
}

func (s *Server) newConn(c net.Conn) *conn { return &conn{s: s, c: c} }

// send writes one line, or cuts the connection if the client does not take it in time.
func (c *conn) send(a Answer) error {
	raw, err := json.Marshal(a)
	if err == nil && len(raw) >= MaxAnswer {
		raw, err = json.Marshal(refusal(a.ID, errs.E("console.answer", errs.Failed, fmt.Errorf("the answer has more than %d bytes", MaxAnswer)).Hint("Ask for less.")))
	}
	if err != nil {
		return err
	}
	timeout := c.s.WriteTimeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.c.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := c.c.Write(append(raw, '\n')); err != nil {
		_ = c.c.Close() // half a line cannot be mended
		return err
	}
	return nil
}

func (c *conn) serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.c.Close() })
	defer stop()
	defer c.c.Close()

	account, err := peer(c.c)
	if err != nil {
		_ = c.send(refusal("", err))
		return
	}
	watching := false
	lines := bufio.NewReaderSize(c.c, MaxRequest)
	for {
		raw, err := readLine(lines)
		if errs.Is(err, errs.Invalid) {
			if c.send(refusal("", err)) != nil {
				return
			}
			continue
		}
		if err != nil {
			return
		}
		q, err := parse(raw)
		if err == nil {
			account, err := c.s.actor(account, q.As)
			switch {
			case err != nil:
				err = c.send(refusal(q.ID, err))
			case q.Do == "watch" && watching:
				err = c.send(refusal(q.ID, errs.E("console.watch", errs.Conflict, fmt.Errorf("this connection watches already")).Hint("Open another connection.")))
			case q.Do == "watch":
				watching, err = c.watch(ctx, &watch, cancel, account, q)
			default:
				err = c.answer(ctx, account, q)
			}
			if err != nil {
				return
			}
			continue
		}
		if c.send(refusal(q.ID, err)) != nil {
			return
		}
	}
}

// readLine reads a line of at most MaxRequest bytes. A longer one is read to its end, up to a
// megabyte, and is an error of kind [errs.Invalid]; other errors end the connection.
func readLine(r *bufio.Reader) ([]byte, error) {
	raw, err := r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return raw, err
	}
	for n := len(raw); errors.Is(err, bufio.ErrBufferFull); n += len(raw) {
		if n > 1<<20 {
			return nil, io.ErrShortBuffer
		}
		raw, err = r.ReadSlice('\n')
	}
	if err != nil {
		return nil, err
	}
	return nil, errs.E("console.request", errs.Invalid, fmt.Errorf("the request is longer than %d bytes", MaxRequest)).Hint("Send less in one line.")
}

// actor is the account that a request acts as.
func (s *Server) actor(account, as string) (string, error) {
	switch {
	case as == "":
		return account, nil
	case !s.ManyPeople:
		return "", errs.E("console.as", errs.Denied, fmt.Errorf("acting as %q is not allowed here", clip(as))).Hint("Leave out as; only a demonstration has several people on one socket.")
	case !nameRE.MatchString(as):
		return "", errs.E("console.as", errs.Invalid, fmt.Errorf("%q is not a name to act as", clip(as))).Hint("Use small letters, digits and -, e.g. grace.")
	}
	return "console:" + as, nil
}

// place is the channel that a request names, if the account may see it.
func (s *Server) place(account, channel string) (string, error) {
	gone := func() (string, error) {
		return "", errs.E("console.channel", errs.NotFound, fmt.Errorf("there is no channel %s", clip(channel)))
	}
	if channel == Mine {
		if s.Direct == nil || s.Direct(account) == "" {
			return gone()
		}
		return s.Direct(account), nil
	}
	if err := checkPlace(channel); err != nil {
		return "", err
	}
	if !s.sees(account, channel) {
		return gone()
	}
	return channel, nil
}

func (s *Server) sees(account, channel string) bool {
	if IsDirect(channel) {
		return s.Direct != nil && s.Direct(account) == channel
	}
	return s.Visible == nil || s.Visible(account, channel)
}

// answer carries out one request. Its error ends the connection.
func (c *conn) answer(ctx context.Context, account string, q Request) error {
	value, err := c.s.do(ctx, account, q)
	if err != nil {
		return c.send(refusal(q.ID, err))
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return c.send(refusal(q.ID, errs.E("console.answer", errs.Internal, err)))
	}
	return c.send(Answer{ID: q.ID, OK: true, Value: raw})
}

func (s *Server) do(ctx context.Context, account string, q Request) (any, error) {
	switch q.Do {
	case "say":
		return s.say(ctx, account, q)
	case "react", "unreact":
		return s.react(ctx, account, q)
	case "show":
		if q.Run != "" {
			return s.Query(ctx, account, "show", map[string]string{"run": q.Run})
		}
		return s.show(account, q.Message)
	case "runs":
		return s.Query(ctx, account, "runs", nil)
	}
	return s.Query(ctx, account, q.Query, q.Args)
}

func (s *Server) say(ctx context.Context, account string, q Request) (Message, error) {
	channel, err := s.place(account, q.Channel)
	if err != nil {
		return Message{}, err
	}
	m, created, err := s.Room.Post(Draft{Key: "say/" + account + "/" + q.ID, Channel: channel, Thread: q.Thread, Author: account, Text: q.Text})
	if err != nil {
		return Message{}, err
	}
	if !created && m.Text != q.Text {
		return Message{}, errs.E("console.say", errs.Exists, fmt.Errorf("the id %q was used for another message", q.ID)).Hint("Use a new id for each message.")
	}
	if m.Delivered {
		return m, nil
	}
	if err := s.Deliver(ctx, saidDelivery(m)); err != nil {
		return Message{}, err
	}
	// The engine has it; a mark that is lost only means that a repeat is delivered once more.
	if s.Room.markDelivered(m.ID) == nil {
		m.Delivered = true
	}
	return m, nil
}

func (s *Server) react(ctx context.Context, account string, q Request) (Message, error) {
	m, err := s.visible(account, q.Message)
	if err != nil {
		return Message{}, err
	}
	set := s.Room.React
	if q.Do == "unreact" {
		set = s.Room.Unreact
	}
	seq, err := set(account, q.Message, q.Emoji)
	if err != nil {
		return Message{}, err
	}
	if seq > 0 {
		if err := s.Deliver(ctx, touchedDelivery(m, account, seq)); err != nil {
			return Message{}, err
		}
	}
	return s.Room.Message(q.Message)
}

func (s *Server) visible(account, id string) (Message, error) {
	m, err := s.Room.Message(id)
	if err == nil && !s.sees(account, m.Channel) {
		return Message{}, noMessage(id)
	}
	return m, err
}

// Shown is the answer to show: a message and up to ten of its earlier versions, oldest first.
type Shown struct {
	Message Message   `json:"message"`
	History []Version `json:"history,omitempty"`
}

func (s *Server) show(account, id string) (Shown, error) {
	m, err := s.visible(account, id)
	if err != nil {
		return Shown{}, err
	}
	h, err := s.Room.History(id)
	return Shown{m, h[max(0, len(h)-10):]}, err
}

// watch begins to stream. The client is cut when it does not read.
func (c *conn) watch(ctx context.Context, wg *sync.WaitGroup, cut func(), account string, q Request) (began bool, err error) {
	if q.Channel != "" {
		if q.Channel, err = c.s.place(account, q.Channel); err != nil {
			return false, c.send(refusal(q.ID, err))
		}
	}
	var since uint64
	if q.Since != nil {
		since = *q.Since
	} else if since, err = c.s.Room.Last(); err != nil {
		return false, c.send(refusal(q.ID, err))
	}
	if err := c.send(Answer{ID: q.ID, OK: true, Value: json.RawMessage(fmt.Sprintf(`{"since":%d}`, since))}); err != nil {
		return false, err
	}
	wg.Go(func() {
		defer cut()
		for ch := range c.s.Room.Watch(ctx, since) {
			if q.Channel != "" && ch.Channel != q.Channel || !c.s.sees(account, ch.Channel) {
				continue
			}
			if c.send(Answer{ID: q.ID, Change: &ch}) != nil {
				return
			}
		}
	})
	return true, nil
}
