package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
)

// room is a chat that keeps what was posted.
type room struct {
	mu        sync.Mutex
	posts     []post
	reactions map[string][]engine.Reaction
	reads     func()               // called while reactions are read
	read      func(message string) // called with each message that is read
	down      error
	blind     error // nothing is found
	looked    []search
}

// search is one look for what was posted.
type search struct {
	key   string
	since time.Time
}

type post struct {
	key string
	ref engine.Ref
	c   card.Card
	n   int // edits
}

func (r *room) Find(_ context.Context, key string, _ engine.Ref, since time.Time) (engine.Ref, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looked = append(r.looked, search{key, since})
	if r.blind != nil {
		return engine.Ref{}, false, r.blind
	}
	for _, p := range r.posts {
		if p.key == key {
			return p.ref, true, nil
		}
	}
	return engine.Ref{}, false, nil
}

func (r *room) Post(_ context.Context, key string, to engine.Ref, c card.Card) (engine.Ref, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down != nil {
		return engine.Ref{}, r.down
	}
	if err := c.Check(); err != nil {
		return engine.Ref{}, err
	}
	to.Message = fmt.Sprint("m", len(r.posts)+1)
	r.posts = append(r.posts, post{key: key, ref: to, c: c})
	return to, nil
}

func (r *room) Edit(_ context.Context, ref engine.Ref, c card.Card) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.posts {
		if r.posts[i].ref.Message == ref.Message {
			r.posts[i].c, r.posts[i].n = c, r.posts[i].n+1
			return nil
		}
	}
	return errs.E("room.edit", errs.Gone, fmt.Errorf("there is no message %s", ref.Message))
}

func (r *room) Reactions(_ context.Context, ref engine.Ref) ([]engine.Reaction, error) {
	r.mu.Lock()
	list, hook, down := r.reactions[ref.Message], r.reads, r.down
	if r.read != nil {
		r.read(ref.Message)
	}
	r.mu.Unlock()
	if hook != nil {
		hook()
	}
	return list, down
}

// titled are the posts whose title has the text, newest last.
func (r *room) titled(text string) []post {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []post
	for _, p := range r.posts {
		if strings.Contains(p.c.Title, text) {
			out = append(out, p)
		}
	}
	return out
}
