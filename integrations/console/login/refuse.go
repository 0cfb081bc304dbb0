package login

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console"
)

// refusal is an answer that is no.
type refusal struct {
	status int
	title  string
	cause  error
	hint   string
	wait   time.Duration // after which it may be tried again; 0: not said
}

func (r *refusal) Error() string { return r.cause.Error() }

func tooFast() error {
	return &refusal{status: http.StatusTooManyRequests, title: "Slower, please", cause: errors.New("too much was asked at once"), hint: "wait a few seconds and try again", wait: 5 * time.Second}
}

func foreign() error {
	return &refusal{status: http.StatusForbidden, title: "Not from here", cause: errors.New("another site's page caused this request"), hint: "open the console itself and do it there"}
}

func unlinkedPage(v Viewer) error {
	err := unlinked(v.Account)
	return &refusal{status: http.StatusForbidden, title: "You are logged in, and not yet known", cause: errors.New(errs.Cause(err)), hint: errs.HintOf(err)}
}

// where says under which address the console is to be opened.
func (d *Door) where() string {
	if d.o.URL != nil {
		return "open " + d.o.URL.String()
	}
	return "open the console by the address that slipway console prints"
}

// asRefusal is any error as an answer. What is inside of Slipway is not shown.
func asRefusal(err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return &refusal{status: http.StatusRequestEntityTooLarge, title: "That is too much", cause: fmt.Errorf("more than %d bytes were sent", big.Limit), hint: "send less at a time"}
	}
	r = &refusal{status: console.StatusOf(err), title: "That did not work", cause: errors.New(errs.Cause(err)), hint: errs.HintOf(err)}
	if r.status == http.StatusInternalServerError {
		r.title, r.cause, r.hint = "Something went wrong", errors.New("something went wrong inside slipway"), "the log says more"
	}
	return r
}

// wantsPage reports whether the request is a person's, for a page.
func wantsPage(r *http.Request) bool {
	return !strings.HasPrefix(r.URL.Path, "/api/") && !isStream(r) && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// refuse answers with a page for people, and with JSON for programs.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, err error) {
	no := asRefusal(err)
	if no.wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(no.wait/time.Second)))
	}
	if no.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="slipway"`)
	}
	if !wantsPage(r) {
		writeRefusal(w, no)
		return
	}
	_, in := From(r.Context())
	d.page(w, r, no.status, no.title, "refused", map[string]any{"Cause": sentence(no.cause.Error()), "Hint": sentence(no.hint), "In": in})
}

// strangers answers whoever shows nothing that lets him in.
func (d *Door) strangers(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && wantsPage(r) {
		to := "/login"
		if next := local(r.URL.RequestURI()); next != "/" {
			to += "?next=" + queryEscape(next)
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	d.refuse(w, r, &refusal{status: http.StatusUnauthorized, title: "Not logged in", cause: errors.New("you are not logged in"), hint: "log in at /login, or send: Authorization: Bearer TOKEN"})
}

func refuseJSON(w http.ResponseWriter, err error) { writeRefusal(w, asRefusal(err)) }

// writeRefusal tells a program, in the form of the API.
func writeRefusal(w http.ResponseWriter, no *refusal) {
	e := errs.E("login", kindOf(no.status), no.cause)
	if no.hint != "" {
		e = e.Hint("%s", no.hint)
	}
	console.WriteProblem(w, console.WithStatus(no.status, e))
}

// kindOf is the kind of error that a status tells.
func kindOf(status int) errs.Kind {
	switch status {
	case http.StatusNotFound:
		return errs.NotFound
	case http.StatusGone:
		return errs.Gone
	case http.StatusForbidden, http.StatusUnauthorized, http.StatusMisdirectedRequest:
		return errs.Denied
	case http.StatusConflict:
		return errs.Conflict
	case http.StatusTooManyRequests:
		return errs.Busy
	case http.StatusServiceUnavailable:
		return errs.Unavailable
	case http.StatusInternalServerError:
		return errs.Internal
	}
	return errs.Invalid
}

// sentence is text with a capital and a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	first, size := text[:1], 1
	if first >= "a" && first <= "z" {
		first = strings.ToUpper(first)
	}
	return first + strings.TrimSuffix(text[size:], ".") + "."
}
