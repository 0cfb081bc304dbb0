package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"slipway/bot/errs"
)

// Bounds of the socket's lines, newline included.
const (
	MaxRequest = 64 << 10
	MaxAnswer  = 1 << 20
)

// Request is one line of a client. Which fields are used depends on Do.
type Request struct {
	ID      string            `json:"id"` // chosen by the client; a repeat of say with one id is one message
	Do      string            `json:"do"` // say, react, unreact, show, watch, runs, query
	As      string            `json:"as,omitempty"`
	Channel string            `json:"channel,omitempty"`
	Thread  string            `json:"thread,omitempty"`
	Text    string            `json:"text,omitempty"`
	Message string            `json:"message,omitempty"`
	Emoji   string            `json:"emoji,omitempty"`
	Run     string            `json:"run,omitempty"`
	Since   *uint64           `json:"since,omitempty"` // of watch: number of the last change seen; absent means from now on
	Query   string            `json:"query,omitempty"`
	Args    map[string]string `json:"args,omitempty"`
}

// Answer is one line of the server: the end of a request, or a change that a watch saw.
type Answer struct {
	ID     string          `json:"id"`
	OK     bool            `json:"ok,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"`
	Change *Change         `json:"change,omitempty"`
	Error  *WireError      `json:"error,omitempty"`
}

// WireError is a refusal in words.
type WireError struct {
	Kind string `json:"kind"` // as in [errs.Kind]
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

var (
	idRE   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	nameRE = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
)

// fields lists what each request takes besides id, do and as; "!" marks what it cannot do without.
func fields() map[string][]string {
	return map[string][]string{
		"say":     {"channel!", "text!", "thread"},
		"react":   {"message!", "emoji!"},
		"unreact": {"message!", "emoji!"},
		"show":    {"message", "run"},
		"watch":   {"channel", "since"},
		"runs":    {},
		"query":   {"query!", "args"},
	}
}

func (q Request) given() map[string]bool {
	return map[string]bool{
		"channel": q.Channel != "", "thread": q.Thread != "", "text": q.Text != "", "message": q.Message != "",
		"emoji": q.Emoji != "", "run": q.Run != "", "since": q.Since != nil, "query": q.Query != "", "args": len(q.Args) > 0,
	}
}

// parse reads a request strictly. The request it returns with an error carries the id, if it
// could be read, so that the refusal can be matched.
func parse(raw []byte) (Request, error) {
	bad := func(q Request, hint, format string, args ...any) (Request, error) {
		return q, errs.E("console.request", errs.Invalid, fmt.Errorf(format, args...)).Hint("%s", hint)
	}
	const form = `Send one line like {"id":"1","do":"say","channel":"releases","text":"help"}.`
	var q Request
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&q); err != nil {
		var only struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(raw, &only) == nil && idRE.MatchString(only.ID) {
			q.ID = only.ID
		} else {
			q.ID = ""
		}
		var typ *json.UnmarshalTypeError
		switch name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); {
		case unknown:
			return bad(q, "The fields are id, do, as, channel, thread, text, message, emoji, run, since, query and args.", "a request has no field %s", clip(name))
		case errors.As(err, &typ) && typ.Field != "":
			return bad(q, form, "the field %s cannot hold a %s", clip(typ.Field), typ.Value)
		}
		return bad(q, form, "the request is not a JSON object")
	}
	if _, err := dec.Token(); err != io.EOF {
		return bad(q, form, "there is more after the request on its line")
	}
	if !idRE.MatchString(q.ID) {
		id := q.ID
		q.ID = ""
		return bad(q, "Use up to 64 letters, digits, dots and dashes.", "%q is not the id of a request", clip(id))
	}
	takes, ok := fields()[q.Do]
	if !ok {
		return bad(q, "Do one of "+strings.Join(slices.Sorted(maps.Keys(fields())), ", ")+".", "there is no request %q", clip(q.Do))
	}
	given := q.given()
	for _, f := range takes {
		name, must := strings.CutSuffix(f, "!")
		if must && !given[name] {
			return bad(q, form, "%s needs the field %s", q.Do, name)
		}
		delete(given, name)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if given[name] {
			return bad(q, "Leave it out.", "%s does not take the field %s", q.Do, name)
		}
	}
	if q.Do == "show" && (q.Message == "") == (q.Run == "") {
		return bad(q, "Name one of them.", "show needs a message or a run")
	}
	return q, nil
}

func refusal(id string, err error) Answer {
	e := &WireError{Kind: errs.KindOf(err).String(), Text: errs.Cause(err), Hint: errs.HintOf(err)}
	if k := errs.KindOf(err); k == errs.Other || k == errs.Internal {
		e.Text, e.Hint = "something went wrong inside slipway", "the log says more"
	}
	return Answer{ID: id, Error: e}
}

// err turns a refusal back into an error of the same kind.
func (e *WireError) err() error {
	kind := errs.Other
	for k := errs.Other; k <= errs.Internal; k++ {
		if k.String() == e.Kind {
			kind = k
		}
	}
	out := errs.E("console", kind, errors.New(e.Text))
	if e.Hint != "" {
		return out.Hint("%s", e.Hint)
	}
	return out
}
