package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"

	"slipway/bot/errs"
)

// Terminal asks a person. Lines are read by one goroutine for the life of the process, and those
// that come while no question is open are dropped.
type Terminal struct {
	out    io.Writer
	closed chan struct{}

	mu     sync.Mutex
	answer chan string // of the question that is open; nil while none is
}

// NewTerminal reads answers from in and writes questions to out.
func NewTerminal(in io.Reader, out io.Writer) *Terminal {
	t := &Terminal{out: out, closed: make(chan struct{})}
	go func() {
		defer close(t.closed)
		s := bufio.NewScanner(in)
		for s.Scan() {
			t.mu.Lock()
			if t.answer != nil {
				t.answer <- s.Text() // has room for this one line
				t.answer = nil
			}
			t.mu.Unlock()
		}
	}()
	return t
}

// Ask shows words and waits for a line. Only "yes" is a yes. What was typed before the question
// was shown does not count, however many lines it was. It returns an error of kind
// [errs.Conflict] when ctx ends first and [errs.Unavailable] when nobody can answer any more.
func (t *Terminal) Ask(ctx context.Context, words string) (bool, error) {
	over := errs.E("signer.prompt", errs.Unavailable, errors.New("the terminal is closed"))
	select {
	case <-t.closed:
		return false, over
	default:
	}
	answer := make(chan string, 1)
	t.mu.Lock() // no line is taken for the answer before the question is written
	fmt.Fprintf(t.out, "%s\nType yes to sign, anything else to refuse: ", words)
	t.answer = answer
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.answer = nil
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(t.out, "\nThe question is withdrawn; do not answer it.")
		return false, errs.E("signer.prompt", errs.Conflict, errors.New("the question was withdrawn before it was answered"))
	case line := <-answer:
		return line == "yes", nil
	case <-t.closed:
		select {
		case line := <-answer: // the last line, and then the end
			return line == "yes", nil
		default:
			return false, over
		}
	}
}

// printable replaces what could move a terminal's cursor or turn its text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}
