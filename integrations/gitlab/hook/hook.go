// Package hook is the door for GitLab's webhooks: it takes what is authentic, has it stored, and
// says what it means in Slipway's words.
//
// Every hook has a path of its own, /hooks/gitlab/NAME, and secrets of its own. Nothing of a body is
// read as anything but bytes before the secrets of its path agree with it ([Handler]). What is
// authentic gets a 2xx, whatever it says, since GitLab pauses a hook after four failures in a row
// and ends it after forty; 503 says that it could not be stored. What a stored body means is found
// out later, by [Decode], which is pure.
package hook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"sync"
	"time"

	"slipway/bot/errs"
)

// Source is the name of GitLab's deliveries, places and accounts.
const Source = "gitlab"

// Path is what the path of every hook begins with; its name follows.
const Path = "/hooks/gitlab/"

// Inbox keeps deliveries. Deliver returns nil once the delivery is on disk, and nil for a repeat of
// the same id, which changes nothing. With any error the delivery is not kept.
type Inbox interface {
	Deliver(ctx context.Context, d Delivery) error
}

// Delivery is one authentic request. Its headers are those of an allow-list: what GitLab says of the
// event, and the name of the hook; never a secret.
type Delivery struct {
	ID      string // NAME/ID: the same id is the same delivery
	Headers map[string]string
	Body    []byte
}

// The headers of a [Delivery].
const (
	HeaderEvent    = "X-Gitlab-Event"
	HeaderInstance = "X-Gitlab-Instance"
	HeaderHook     = "Slipway-Hook" // ours: the name of the hook
)

// Hook is one path with its secrets. What is configured is demanded: a hook with tokens and signing
// secrets takes only what agrees with one of each. Of both there may be two, for the time in which
// GitLab still has the older one.
type Hook struct {
	Name    string
	Tokens  []string // of the header X-Gitlab-Token
	Signing []string // signing tokens, whsec_BASE64, as Standard Webhooks has them
}

// Options of a [Handler].
type Options struct {
	Hooks []Hook
	Inbox Inbox
	Now   func() time.Time // default: the wall clock
	Log   *slog.Logger     // default: none

	// MaxBody bounds a body in bytes; default 25 MB, above which GitLab sends nothing itself
	// (docs.gitlab.com, "Webhooks", limits).
	MaxBody int64
	// BodyTime bounds how long a body may take to come; default 10 s, which is when GitLab gives up
	// by itself.
	BodyTime time.Duration
}

// Handler answers the paths of all hooks.
type Handler struct {
	o     Options
	paths map[string]*hook
	large chan struct{} // one for each large body that is being read
}

// Bounds of what a request may cost before it is known to be authentic.
const (
	largeBody   = 256 << 10 // bytes; larger ones are read a few at a time
	largeAtOnce = 8
)

// hook is a Hook with its secrets as they are compared.
type hook struct {
	name    string
	tokens  [][32]byte // SHA-256, so that comparing takes as long for every input
	signing [][]byte   // keys of the HMAC

	mu    sync.Mutex
	stand Standing
	told  time.Time // when a refusal was logged last
}

// Standing is what is known of a hook since the process began.
type Standing struct {
	Name    string
	Last    time.Time // when something authentic was stored last; zero: nothing yet
	Refused time.Time // when something was refused last; zero: nothing yet
	Why     string    // the reason

	// Those whose secret or signature is missing or wrong are counted until an authentic one comes.
	Unproven int
	From     time.Time // when the first of these came
	Doubt    string    // the reason of the last of these
}

// hookName is what the names of hooks are made of: they stand in paths.
var hookName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// New makes the handler. It refuses a hook without secrets, and secrets that are none.
func New(o Options) (*Handler, error) {
	const op = "gitlab.hooks"
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 25 << 20
	}
	if o.BodyTime <= 0 {
		o.BodyTime = 10 * time.Second
	}
	h := &Handler{o: o, paths: map[string]*hook{}, large: make(chan struct{}, largeAtOnce)}
	for _, given := range o.Hooks {
		bad := func(cause error, hint string) error {
			return errs.E(op, errs.Invalid, fmt.Errorf("the hook %s: %w", given.Name, cause)).Hint("%s", hint)
		}
		one := &hook{name: given.Name, stand: Standing{Name: given.Name}}
		switch {
		case !hookName.MatchString(given.Name):
			return nil, bad(errors.New("this is no name"), "use lower-case letters, digits, dots, _ and -")
		case h.paths[Path+given.Name] != nil:
			return nil, bad(errors.New("it is there twice"), "give each hook a name of its own")
		case len(given.Tokens)+len(given.Signing) == 0:
			return nil, bad(errors.New("it has no secret"), "give it a token, a signing token, or both")
		case len(given.Tokens) > 2 || len(given.Signing) > 2:
			return nil, bad(errors.New("it has more than two secrets of a kind"), "keep the one that GitLab has, and its successor")
		}
		for _, t := range given.Tokens {
			sum, err := tokenDigest(t)
			if err != nil {
				return nil, bad(errors.New(errs.Cause(err)), errs.HintOf(err))
			}
			one.tokens = append(one.tokens, sum)
		}
		for _, s := range given.Signing {
			key, err := signingKey(s)
			if err != nil {
				return nil, bad(errors.New(errs.Cause(err)), errs.HintOf(err))
			}
			one.signing = append(one.signing, key)
		}
		h.paths[Path+given.Name] = one
	}
	return h, nil
}

// Standing tells of a hook what this process has seen of it; ok is false for a name that is not
// configured.
func (h *Handler) Standing(name string) (s Standing, ok bool) {
	one := h.paths[Path+name]
	if one == nil {
		return Standing{}, false
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.stand, true
}

// ServeHTTP takes one delivery. Answers have no body but one fixed line, which says nothing of
// what was expected or sent.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	one := h.paths[r.URL.Path]
	if one == nil {
		answer(w, http.StatusNotFound, "there is no hook here")
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, "hooks are sent by POST")
		return
	}
	d, no := h.take(w, r, one)
	if no != nil {
		one.refused(h.o.Log, h.o.Now(), no)
		answer(w, no.status, no.text)
		return
	}
	if err := h.o.Inbox.Deliver(r.Context(), d); err != nil {
		h.o.Log.Error("a delivery of GitLab was not stored", "hook", one.name, "error", errs.Text(err))
		w.Header().Set("Retry-After", "60")
		answer(w, http.StatusServiceUnavailable, "it could not be stored; send it again")
		return
	}
	one.took(h.o.Now())
	w.WriteHeader(http.StatusOK)
}

// refusal is an answer that is no. Its text is fixed: nothing of the request or the secrets is in it.
type refusal struct {
	status int
	text   string
}

// answer ends a request that was not taken; the connection is not used again, since a body may be
// on its way still.
func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Connection", "close")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}

func (one *hook) took(now time.Time) {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.stand.Last, one.stand.Unproven, one.stand.From = now, 0, time.Time{}
}

// refusedEvery bounds how often the refusals of one hook are logged, whoever causes them.
const refusedEvery = time.Minute

func (one *hook) refused(log *slog.Logger, now time.Time, no *refusal) {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.stand.Refused, one.stand.Why = now, no.text
	if no.status == http.StatusUnauthorized {
		one.stand.Doubt = no.text
		if one.stand.Unproven++; one.stand.Unproven == 1 {
			one.stand.From = now
		}
	}
	if now.Sub(one.told) < refusedEvery {
		return
	}
	one.told = now
	log.Warn("a delivery to a hook of GitLab was refused", "hook", one.name, "why", no.text)
}
