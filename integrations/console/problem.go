package console

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"slipway/bot/errs"
)

// Problem is how every refusal is told over HTTP, in the form of RFC 9457 with the media type
// application/problem+json: the kind and the hint are members of our own.
type Problem struct {
	Type   string `json:"type" doc:"Always about:blank: kind says more."`
	Title  string `json:"title" doc:"The meaning of the HTTP status."`
	Status int    `json:"status" doc:"The HTTP status."`
	Detail string `json:"detail" doc:"What went wrong, in words for people."`
	Kind   string `json:"kind" doc:"What can be done about it, in one word or two."`
	Hint   string `json:"hint,omitempty" doc:"How to mend it, as the end of the sentence that detail begins."`
}

// ProblemType is the media type of a [Problem].
const ProblemType = "application/problem+json"

// WithStatus gives an error the HTTP status under which it is told, where its kind alone does not
// decide it: 401, 405, 413, 415.
func WithStatus(status int, err error) error { return &statusError{status, err} }

type statusError struct {
	status int
	error
}

func (s *statusError) Unwrap() error { return s.error }

// StatusOf is the HTTP status under which an error is told: the one table for pages and API.
func StatusOf(err error) int {
	var own *statusError
	if errors.As(err, &own) {
		return own.status
	}
	return StatusOfKind(errs.KindOf(err))
}

// StatusOfKind is the HTTP status of a kind of error.
func StatusOfKind(k errs.Kind) int {
	switch k {
	case errs.Invalid:
		return http.StatusBadRequest
	case errs.Denied:
		return http.StatusForbidden
	case errs.NotFound:
		return http.StatusNotFound
	case errs.Gone:
		return http.StatusGone
	case errs.Exists, errs.Conflict:
		return http.StatusConflict
	case errs.Failed:
		return http.StatusUnprocessableEntity
	case errs.Busy:
		return http.StatusTooManyRequests
	case errs.Unavailable, errs.Doubtful:
		return http.StatusServiceUnavailable
	case errs.Full:
		return http.StatusInsufficientStorage
	}
	return http.StatusInternalServerError
}

// ProblemOf is an error as it is told. What a defect of ours says stays in the log.
func ProblemOf(err error) Problem {
	kind, status := errs.KindOf(err), StatusOf(err)
	p := Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: errs.Cause(err), Kind: kind.String(), Hint: errs.HintOf(err)}
	if kind == errs.Other || kind == errs.Internal {
		p.Detail, p.Hint = "something went wrong inside slipway", "the log says more"
	}
	return p
}

// Err turns a problem back into an error of the same kind.
func (p Problem) Err() error {
	out := errs.E("console", kindNamed(p.Kind), errors.New(p.Detail))
	if p.Hint != "" {
		return out.Hint("%s", p.Hint)
	}
	return out
}

func kindNamed(name string) errs.Kind {
	for k := errs.Other; k <= errs.Internal; k++ {
		if k.String() == name {
			return k
		}
	}
	return errs.Other
}

// WriteProblem answers a request with an error. A client that must slow down is told for how many
// seconds, at least one.
func WriteProblem(w http.ResponseWriter, err error) {
	p := ProblemOf(err)
	raw, _ := json.Marshal(p) // strings and a number always have a form
	h := w.Header()
	h.Set("Content-Type", ProblemType)
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusTooManyRequests && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "1")
	}
	h.Set("Content-Length", strconv.Itoa(len(raw)+1))
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(raw, '\n'))
}
