package signing

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/job"
)

// Queue is the leased queue behind the door.
//
// Renew, Finish and GiveBack return an error of kind [errs.Conflict] for an old fence or another
// holder's job and [errs.NotFound] for a job that does not exist. What Finish accepted is on disk
// when it returns.
type Queue interface {
	Leaser
	Renew(ctx context.Context, kind, id, holder string, fence uint64, ttl time.Duration) (job.Job, error)
	Finish(ctx context.Context, kind, id, holder string, fence uint64, v job.Verdict) (job.Job, error)
	GiveBack(ctx context.Context, kind, id, holder string, fence uint64, why string) (job.Job, error)
}

// Leaser hands out jobs.
//
// Lease hands out the oldest job of kinds that holder may take, or the one it already holds; found
// is false when there is none. LeaseOne hands out precisely that job; it returns an error of kind
// [errs.Conflict] when another holds it or it is finished, [errs.Busy] when holder gave it back a
// moment ago, and [errs.NotFound] when it does not exist.
type Leaser interface {
	Lease(ctx context.Context, holder string, kinds []string, ttl time.Duration) (j job.Job, found bool, err error)
	LeaseOne(ctx context.Context, kind, id, holder string, ttl time.Duration) (job.Job, error)
}

// Contents reads the requests that are too large to travel inside a job, by digest.
type Contents interface {
	Get(ctx context.Context, digest string) ([]byte, error)
}

// Client is one signer (or builder) that may come through the door.
type Client struct {
	Name  string   // holder of its leases; unique
	Token string   // bearer token, its own, at least [MinToken] characters
	Kinds []string // kinds of job it may take
}

// MinToken is the shortest bearer token, in characters.
const MinToken = 20

// maxAsk bounds the body of a POST, in bytes, before anything is parsed: the two signatures of
// [MaxSuites] suites by a key of 8192 bits, and what base64 adds.
const maxAsk = 192 << 10

// Server answers POST /jobs/v1/{lease,renew,finish,give-back} and GET /jobs/v1/blob/{digest}.
type Server struct {
	queue    Queue
	contents Contents
	clients  []client
	ttl      time.Duration
	mux      *http.ServeMux
}

type client struct {
	name  string
	hash  [sha256.Size]byte
	kinds []string
}

// NewServer checks the clients: an empty, short, shared or well-known token refuses to start
// ([errs.Invalid]; the token is not named). ttl is how long a lease lasts
// without being renewed, at least 3 seconds; holders are told to renew after a third of it.
func NewServer(q Queue, c Contents, ttl time.Duration, clients ...Client) (*Server, error) {
	const op = "signing.server"
	s := &Server{queue: q, contents: c, ttl: ttl, mux: http.NewServeMux()}
	if ttl < 3*time.Second {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("a lease of %s is too short", ttl)).Hint("use a minute or more")
	}
	for _, c := range clients {
		if c.Name == "" || len(c.Kinds) == 0 {
			return nil, errs.E(op, errs.Invalid, fmt.Errorf("the signer %q needs a name and the kinds of job it may take", c.Name))
		}
		if err := CheckToken(c.Token); err != nil {
			return nil, errs.E(op, errs.Invalid, fmt.Errorf("the token of %s cannot be used: %w", c.Name, err))
		}
		hash := sha256.Sum256([]byte(c.Token))
		for _, other := range s.clients {
			if other.name == c.Name || other.hash == hash {
				return nil, errs.E(op, errs.Invalid, fmt.Errorf("%s has the name or the token of another client", c.Name)).
					Hint("give each its own")
			}
		}
		s.clients = append(s.clients, client{name: c.Name, hash: hash, kinds: slices.Clone(c.Kinds)})
	}
	s.mux.HandleFunc("POST /jobs/v1/lease", s.lease)
	s.mux.HandleFunc("POST /jobs/v1/renew", s.about(func(ctx context.Context, who string, a Ask) (job.Job, error) {
		return s.queue.Renew(ctx, a.Kind, a.ID, who, a.Fence, s.ttl)
	}))
	s.mux.HandleFunc("POST /jobs/v1/finish", s.about(func(ctx context.Context, who string, a Ask) (job.Job, error) {
		return s.queue.Finish(ctx, a.Kind, a.ID, who, a.Fence, job.Verdict{OK: a.OK, Result: a.Result, Class: a.Class, Reason: a.Reason})
	}))
	s.mux.HandleFunc("POST /jobs/v1/give-back", s.about(func(ctx context.Context, who string, a Ask) (job.Job, error) {
		return s.queue.GiveBack(ctx, a.Kind, a.ID, who, a.Fence, a.Reason)
	}))
	s.mux.HandleFunc("GET /jobs/v1/blob/{digest}", s.blob)
	return s, nil
}

// CheckToken refuses tokens that somebody could guess. The error does not repeat the token.
func CheckToken(token string) error {
	known := []string{"changeme", "change-me", "development", "secret", "password", "token", "test", "example", "default", "slipway"}
	low := strings.ToLower(token)
	for _, k := range known {
		// "changemechangeme…" is no better than "changeme".
		if low == k || strings.Trim(strings.ReplaceAll(low, k, ""), "-_0123456789") == "" {
			return errs.E("signing.token", errs.Invalid, errors.New("it is empty or well known")).
				Hint("make one with: openssl rand -hex 32")
		}
	}
	if len(token) < MinToken || strings.Count(token, token[:1]) == len(token) {
		return errs.E("signing.token", errs.Invalid, fmt.Errorf("it is too easy to guess; it needs at least %d characters", MinToken)).
			Hint("make one with: openssl rand -hex 32")
	}
	for _, r := range token {
		if r <= ' ' || r > '~' {
			return errs.E("signing.token", errs.Invalid, errors.New("it holds a space or a character outside ASCII"))
		}
	}
	return nil
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	s.mux.ServeHTTP(w, r)
}

// caller says who sends r. Every client is compared, so that time tells nothing.
func (s *Server) caller(r *http.Request) (client, bool) {
	var found client
	given := r.Header.Values("Authorization")
	if len(given) != 1 {
		return client{}, false
	}
	token, ok := strings.CutPrefix(given[0], "Bearer ")
	if !ok {
		return client{}, false
	}
	hash, hit := sha256.Sum256([]byte(token)), 0
	for _, c := range s.clients {
		if subtle.ConstantTimeCompare(hash[:], c.hash[:]) == 1 {
			found, hit = c, 1
		}
	}
	return found, hit == 1
}

// read proves the sender, then reads the body within its bound.
func (s *Server) read(w http.ResponseWriter, r *http.Request) (client, Ask, bool) {
	c, ok := s.caller(r)
	if !ok {
		unknown(w)
		return c, Ask{}, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAsk))
	if err != nil {
		answer(w, http.StatusRequestEntityTooLarge, Problem{Kind: errs.Invalid.String(), Text: fmt.Sprintf("the body is over %d bytes or was cut off", maxAsk)})
		return c, Ask{}, false
	}
	var a Ask
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	err = dec.Decode(&a)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.New("there is more after the value")
		}
	}
	if err != nil {
		fail(w, errs.E("signing.read", errs.Invalid, errors.New("the body is not the JSON that is wanted here")))
		return c, Ask{}, false
	}
	if err := c.may(a.Kind); err != nil {
		fail(w, err)
		return c, a, false
	}
	return c, a, true
}

// may refuses kinds of job that are not this client's.
func (c client) may(kind string) error {
	if slices.Contains(c.kinds, kind) {
		return nil
	}
	return errs.E("signing.server", errs.Denied, fmt.Errorf("%s may not take jobs of the kind %q", c.name, kind))
}

// jobID reports whether id can be a job's: a word, so that it cannot reach into other records.
func jobID(id string) bool {
	return id != "" && len(id) <= 200 && strings.IndexFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

func (s *Server) lease(w http.ResponseWriter, r *http.Request) {
	c, a, ok := s.read(w, r)
	if !ok {
		return
	}
	var j job.Job
	found, err := true, error(nil)
	switch {
	case a.ID == "":
		j, found, err = s.queue.Lease(r.Context(), c.name, []string{a.Kind}, s.ttl)
	case !jobID(a.ID):
		err = errs.E("signing.read", errs.Invalid, errors.New("that is not the id of a job"))
	default:
		j, err = s.queue.LeaseOne(r.Context(), a.Kind, a.ID, c.name, s.ttl)
	}
	switch {
	case err != nil:
		fail(w, err)
	case !found:
		w.WriteHeader(http.StatusNoContent)
	default:
		answer(w, http.StatusOK, s.reply(j))
	}
}

func (s *Server) about(do func(ctx context.Context, who string, a Ask) (job.Job, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, a, ok := s.read(w, r)
		if !ok {
			return
		}
		if !jobID(a.ID) || a.Fence == 0 {
			fail(w, errs.E("signing.read", errs.Invalid, errors.New("the id and the fence of the job are needed")))
			return
		}
		j, err := do(r.Context(), c.name, a)
		if err != nil {
			fail(w, err)
			return
		}
		re := s.reply(j)
		re.Request = nil
		answer(w, http.StatusOK, re)
	}
}

// blob hands out the request of a job to the one who holds it, and nothing else: renewing the
// lease is the proof.
func (s *Server) blob(w http.ResponseWriter, r *http.Request) {
	c, ok := s.caller(r)
	if !ok {
		unknown(w)
		return
	}
	q := r.URL.Query()
	fence, err := strconv.ParseUint(q.Get("fence"), 10, 64)
	if err != nil || fence == 0 || !jobID(q.Get("job")) {
		fail(w, errs.E("signing.blob", errs.Invalid, errors.New("the id and the fence of the job are needed")))
		return
	}
	if err := c.may(q.Get("kind")); err != nil {
		fail(w, err)
		return
	}
	j, err := s.queue.Renew(r.Context(), q.Get("kind"), q.Get("job"), c.name, fence, s.ttl)
	if err != nil {
		fail(w, err)
		return
	}
	digest := r.PathValue("digest")
	if digest != j.Digest {
		fail(w, errs.E("signing.blob", errs.Denied, errors.New("that content does not belong to the job")))
		return
	}
	content := j.Payload
	if len(content) == 0 {
		if content, err = s.contents.Get(r.Context(), digest); err != nil {
			fail(w, err)
			return
		}
	}
	if action.DigestOf(content) != digest {
		fail(w, errs.E("signing.blob", errs.Corrupt, fmt.Errorf("the stored request does not have the digest %s", digest)))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content)
}

func (s *Server) reply(j job.Job) Reply {
	return Reply{ID: j.ID, Kind: j.Kind, Run: j.Run, Step: j.Step, Digest: j.Digest, Request: j.Payload,
		Fence: j.Lease.Fence, Attempt: j.Attempt, Until: j.Lease.Until, Renew: int(s.ttl / 3 / time.Second), State: string(j.State)}
}

// unknown says the same to everybody who is not known: nothing of what was sent comes back.
func unknown(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	answer(w, http.StatusUnauthorized, Problem{Kind: errs.Denied.String(), Text: "the token is missing or unknown"})
}

func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch errs.KindOf(err) {
	case errs.Invalid:
		status = http.StatusBadRequest
	case errs.NotFound, errs.Gone:
		status = http.StatusNotFound
	case errs.Denied:
		status = http.StatusForbidden
	case errs.Conflict, errs.Exists:
		status = http.StatusConflict
	case errs.Busy, errs.Unavailable, errs.Full:
		status = http.StatusServiceUnavailable
	}
	p := Problem{Kind: errs.KindOf(err).String(), Text: errs.Text(err)}
	if status == http.StatusInternalServerError {
		// What broke inside is for the log of the bot, not for the wire.
		p.Text = "the bot could not do that; its log says why"
	}
	answer(w, status, p)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
