package console

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"sync"
	"syscall"
	"time"

	"slipway/bot/errs"
)

// Client talks to a [Server] from the command line. Every call is safe to repeat, so a
// connection that breaks is made again and the request sent again under the same id. It is safe
// for several goroutines; calls take turns. The zero value of each field but Path is useful.
type Client struct {
	Path  string
	As    string                                       // to act as, where the server allows it
	NewID func() string                                // nil means random
	Wait  func(ctx context.Context, attempt int) error // between attempts; nil means 100 ms, doubling
	Tries int                                          // of one call; 0 means 5

	mu    sync.Mutex
	conn  net.Conn
	lines *bufio.Reader
}

// Saying is a message to be said. The same ID is the same message, however often it is sent;
// give one to make a call of Say repeatable by the caller too.
type Saying struct {
	ID      string // "" for a new one
	Channel string
	Thread  string
	Text    string
}

// Say says something and returns when the server has it for good.
func (c *Client) Say(ctx context.Context, s Saying) (Message, error) {
	var m Message
	err := c.call(ctx, Request{ID: s.ID, Do: "say", Channel: s.Channel, Thread: s.Thread, Text: s.Text}, &m)
	return m, err
}

// React sets or takes away an emoji.
func (c *Client) React(ctx context.Context, message, emoji string, on bool) (Message, error) {
	q := Request{Do: "react", Message: message, Emoji: emoji}
	if !on {
		q.Do = "unreact"
	}
	var m Message
	err := c.call(ctx, q, &m)
	return m, err
}

// Show reads a message with its history.
func (c *Client) Show(ctx context.Context, message string) (Shown, error) {
	var s Shown
	err := c.call(ctx, Request{Do: "show", Message: message}, &s)
	return s, err
}

// ShowRun reads a run, as JSON.
func (c *Client) ShowRun(ctx context.Context, run string) (json.RawMessage, error) {
	var raw json.RawMessage
	err := c.call(ctx, Request{Do: "show", Run: run}, &raw)
	return raw, err
}

// Runs lists the runs, as JSON.
func (c *Client) Runs(ctx context.Context) (json.RawMessage, error) {
	var raw json.RawMessage
	err := c.call(ctx, Request{Do: "runs"}, &raw)
	return raw, err
}

// Query asks for something by name, as JSON.
func (c *Client) Query(ctx context.Context, name string, args map[string]string) (json.RawMessage, error) {
	var raw json.RawMessage
	err := c.call(ctx, Request{Do: "query", Query: name, Args: args}, &raw)
	return raw, err
}

// Watch calls each with every change of a channel ("" for all) after the number since (nil for
// from now on), until ctx ends or each returns an error, which it returns. A connection that
// breaks is made again and goes on where it was. It uses a connection of its own.
func (c *Client) Watch(ctx context.Context, channel string, since *uint64, each func(Change) error) error {
	for attempt := 1; ; attempt++ {
		got, err := c.watch(ctx, channel, &since, each)
		if got {
			attempt = 1
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var broken *brokenError
		if !errors.As(err, &broken) {
			return err
		}
		if attempt >= c.tries() {
			return c.unreachable(broken)
		}
		if err := c.wait(ctx, attempt); err != nil {
			return err
		}
	}
}

func (c *Client) watch(ctx context.Context, channel string, since **uint64, each func(Change) error) (got bool, err error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return false, &brokenError{err}
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	lines := bufio.NewReaderSize(conn, 64<<10)
	id := c.id()
	if err := writeRequest(conn, Request{ID: id, Do: "watch", As: c.As, Channel: channel, Since: *since}); err != nil {
		return false, err
	}
	for {
		a, err := readAnswer(lines, id)
		if err != nil {
			return got, err
		}
		if a.Error != nil {
			return got, a.Error.err()
		}
		if a.Change == nil { // the watch began: from here on nothing may be missed
			var began struct {
				Since uint64 `json:"since"`
			}
			if err := json.Unmarshal(a.Value, &began); err != nil {
				return got, &brokenError{err}
			}
			*since = &began.Since
			got = true
			continue
		}
		if err := each(*a.Change); err != nil {
			return got, err
		}
		seq := a.Change.Seq
		*since = &seq
	}
}

// Close closes the connection, if there is one. The client can be used again.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hangUp()
}

func (c *Client) hangUp() error {
	if c.conn == nil {
		return nil
	}
	err := c.conn.Close()
	c.conn, c.lines = nil, nil
	return err
}

// brokenError is a connection that failed: the request may or may not have arrived.
type brokenError struct{ cause error }

func (b *brokenError) Error() string { return b.cause.Error() }
func (b *brokenError) Unwrap() error { return b.cause }

func (c *Client) call(ctx context.Context, q Request, into any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if q.ID == "" {
		q.ID = c.id()
	}
	q.As = c.As
	for attempt := 1; ; attempt++ {
		a, err := c.once(ctx, q)
		if err == nil {
			if a.Error == nil {
				if err := json.Unmarshal(a.Value, into); err != nil {
					return errs.E("console.client", errs.Corrupt, fmt.Errorf("the answer to %s cannot be read", q.Do)).Hint("Use a client of the same version as the server.")
				}
				return nil
			}
			if err = a.Error.err(); !errs.Is(err, errs.Busy) || attempt >= c.tries() {
				return err
			}
			_ = c.hangUp() // a server that is full hangs up too
		} else {
			_ = c.hangUp()
			var broken *brokenError
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case !errors.As(err, &broken):
				return err
			case attempt >= c.tries():
				return c.unreachable(broken)
			}
		}
		if err := c.wait(ctx, attempt); err != nil {
			return err
		}
	}
}

func (c *Client) once(ctx context.Context, q Request) (Answer, error) {
	if c.conn == nil {
		conn, err := c.dial(ctx)
		if err != nil {
			return Answer{}, &brokenError{err}
		}
		c.conn, c.lines = conn, bufio.NewReaderSize(conn, 64<<10)
	}
	conn := c.conn
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := writeRequest(conn, q); err != nil {
		return Answer{}, err
	}
	return readAnswer(c.lines, q.ID)
}

func writeRequest(conn net.Conn, q Request) error {
	raw, err := json.Marshal(q)
	if err != nil {
		return err
	}
	if len(raw) >= MaxRequest {
		return errs.E("console.client", errs.Invalid, fmt.Errorf("the request has %d bytes, and %d is the limit", len(raw), MaxRequest)).Hint("Send the text in parts.")
	}
	if _, err := conn.Write(append(raw, '\n')); err != nil {
		return &brokenError{err}
	}
	return nil
}

// readAnswer reads the next answer to id. An answer without id is a refusal of the whole
// connection.
func readAnswer(lines *bufio.Reader, id string) (Answer, error) {
	for {
		var whole []byte
		for {
			part, err := lines.ReadSlice('\n')
			whole = append(whole, part...)
			if err == nil {
				break
			}
			if !errors.Is(err, bufio.ErrBufferFull) || len(whole) > MaxAnswer {
				return Answer{}, &brokenError{err}
			}
		}
		var a Answer
		if err := json.Unmarshal(bytes.TrimSpace(whole), &a); err != nil {
			return Answer{}, &brokenError{fmt.Errorf("the answer is not JSON")}
		}
		if a.ID == id || a.ID == "" && a.Error != nil {
			return a, nil
		}
	}
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", c.Path)
}

func (c *Client) unreachable(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED):
		return errs.E("console.client", errs.Unavailable, errors.New("the bot is not running: nothing listens on "+c.Path)).
			Hint("start it with slipway serve, or name the socket of a running one with --socket")
	case errors.Is(err, fs.ErrPermission):
		return errs.E("console.client", errs.Denied, fmt.Errorf("you may not use the socket %s", c.Path)).
			Hint("ask whoever runs the bot to let your account use it")
	}
	return errs.E("console.client", errs.Unavailable, fmt.Errorf("slipway does not answer on %s: %w", c.Path, err)).
		Hint("Is it running, and may you use its socket?")
}

func (c *Client) tries() int {
	if c.Tries == 0 {
		return 5
	}
	return c.Tries
}

func (c *Client) id() string {
	if c.NewID != nil {
		return c.NewID()
	}
	return rand.Text()
}

func (c *Client) wait(ctx context.Context, attempt int) error {
	if c.Wait != nil {
		return c.Wait(ctx, attempt)
	}
	t := time.NewTimer(100 * time.Millisecond << min(attempt-1, 5))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
