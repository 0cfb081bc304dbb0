// Package hook is the door for what Slack tells: events, slash commands, and presses of buttons with the
// forms that they open.
//
// A [Handler] takes them over HTTP at three paths, with one or two signing secrets: nothing of a body is
// read as anything but bytes before the signature agrees with it. An [Intake] does with an authentic
// payload what is to be done, whether it came over HTTP or a websocket: credentials are taken out, it is
// stored, and only then Slack is answered, within its 3 seconds. What a stored body means is found out
// later, by [Decode], which is pure. All that is authentic gets a 2xx, whatever it says, since Slack
// switches the events of an app off whose answers fail too often; 503 says that it could not be stored.
package hook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"slipway/bot/errs"
)

// Path is what the three paths begin with; the [Kind] follows.
const Path = "/hooks/slack/"

// Kind is how Slack sends something.
type Kind string

// The kinds, each with a path of its own.
const (
	Events      Kind = "events"
	Commands    Kind = "commands"
	Interactive Kind = "interactive"
)

// Options of a [Handler].
type Options struct {
	Intake  *Intake
	Signing []string         // signing secrets of the app, one or two: the one that Slack has, and its successor
	Now     func() time.Time // default: the wall clock
	Log     *slog.Logger     // default: none

	// BodyTime bounds how long a body may take to come; default 2 s, as Slack gives up after 3.
	BodyTime time.Duration
}

// Handler answers the three paths.
type Handler struct {
	o       Options
	signing []string
	large   chan struct{} // one for each large body that is being read

	mu    sync.Mutex
	stand map[Kind]*Standing
	told  time.Time // when a refusal was logged last
}

// Bounds of what a request may cost before it is known to be authentic.
const (
	maxBody     = 2 << 20  // bytes; a press comes with the message that it is on, which as a form is three times its size at worst
	largeBody   = 64 << 10 // larger ones are read a few at a time
	largeAtOnce = 8
)

// answerTime is by when there is an answer, however long the body took and storing takes: Slack gives up
// after 3 s, and sends it again.
const answerTime = 2800 * time.Millisecond

// Standing is what is known of a path since the process began.
type Standing struct {
	Last    time.Time // when something authentic came last, challenges not counted; zero: nothing yet
	Refused time.Time // when something was refused last; zero: nothing yet
	Why     string    // the reason
}

// New makes the handler. It refuses secrets that are none.
func New(o Options) (*Handler, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.BodyTime <= 0 {
		o.BodyTime = 2 * time.Second
	}
	h := &Handler{o: o, large: make(chan struct{}, largeAtOnce), stand: map[Kind]*Standing{Events: {}, Commands: {}, Interactive: {}}}
	if n := len(o.Signing); n == 0 || n > 2 {
		return nil, errs.E("slack.hooks", errs.Invalid, fmt.Errorf("there are %d signing secrets of the Slack app", n)).
			Hint("give the one that Slack shows under Basic Information, and while it is changed its successor")
	}
	for i, secret := range o.Signing {
		if err := CheckSigning(secret); err != nil {
			return nil, err
		}
		if i > 0 && secret == o.Signing[0] {
			return nil, errs.E("slack.hooks", errs.Invalid, errors.New("the two signing secrets of the Slack app are one")).Hint("leave one out")
		}
		h.signing = append(h.signing, secret)
	}
	return h, nil
}

// Standing tells what this process has seen of a path.
func (h *Handler) Standing(k Kind) Standing {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.stand[k]; s != nil {
		return *s
	}
	return Standing{}
}

// ServeHTTP takes one request. A refusal is answered with one fixed line, which says nothing of what was
// expected or sent.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	kind := Kind("")
	if len(r.URL.Path) > len(Path) && r.URL.Path[:len(Path)] == Path {
		kind = Kind(r.URL.Path[len(Path):])
	}
	if h.stand[kind] == nil {
		refuse(w, &refusal{http.StatusNotFound, "there is no hook here"})
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, &refusal{http.StatusMethodNotAllowed, "hooks are sent by POST"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	body, no := h.take(w, r)
	if no != nil {
		h.refused(kind, no)
		refuse(w, no)
		return
	}
	retry := Retry{r.Header.Get("X-Slack-Retry-Num"), r.Header.Get("X-Slack-Retry-Reason")}
	a, err := h.o.Intake.Take(ctx, kind, body, retry)
	if err != nil {
		w.Header().Set("Retry-After", "5")
		refuse(w, &refusal{http.StatusServiceUnavailable, "it could not be stored; send it again"})
		return
	}
	if !a.Challenge {
		h.took(kind)
	}
	if len(a.Body) > 0 {
		w.Header().Set("Content-Type", a.Type)
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(a.Body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(a.Body)
	if a.Then != nil {
		_ = http.NewResponseController(w).Flush() // Slack has its answer now
		a.Then(context.WithoutCancel(r.Context()))
	}
}

// refusal is an answer that is no. Its text is fixed: nothing of the request or the secrets is in it.
type refusal struct {
	status int
	text   string
}

// refuse ends a request that was not taken; the connection is not used again, since a body may be on its
// way still.
func refuse(w http.ResponseWriter, no *refusal) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Connection", "close")
	w.WriteHeader(no.status)
	_, _ = fmt.Fprintln(w, no.text)
}

func (h *Handler) took(k Kind) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stand[k].Last = h.o.Now()
}

// refusedEvery bounds how often refusals are logged, whoever causes them.
const refusedEvery = time.Minute

func (h *Handler) refused(k Kind, no *refusal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.o.Now()
	h.stand[k].Refused, h.stand[k].Why = now, no.text
	if !h.told.IsZero() && now.Sub(h.told) < refusedEvery {
		return
	}
	h.told = now
	h.o.Log.Warn("a request to the hooks of Slack was refused", "path", Path+string(k), "why", no.text)
}
