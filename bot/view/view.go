// Package view is what people are shown of runs: lists, one run with its steps and gates, what
// happened in words, what waits for somebody, the calendar and the queues.
//
// A [Reader] reads the engine for one person at a time, who comes first in every method. What that
// person may not see does not exist: it is [errs.NotFound], in the words for what never was, or is
// left out; a private run that holds a lock is "a private run". The person "" is nobody in particular
// and sees what everybody sees.
//
// The types are plain data with stable JSON names: pages show them and the API answers them. Times
// are RFC 3339 in UTC, durations are seconds, states and kinds are words. Texts are text and carry no
// markup, whoever wrote them. Why things are as they are comes from the functions of the core that
// decide; nothing is decided here, and nothing is changed.
package view

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// Reader reads what one engine knows. It is safe for use by several goroutines, and remembers the
// logs that it has read last.
type Reader struct {
	e     *engine.Engine
	logs  logs
	plans plans
}

// New makes a reader of an engine.
func New(e *engine.Engine) *Reader {
	r := &Reader{e: e}
	r.logs.init()
	return r
}

// Person is somebody, for showing.
type Person struct {
	ID   people.PersonID `json:"id" doc:"the word that commands use"`
	Name string          `json:"name" doc:"the full name, or the id"`
}

// Ref names a run.
type Ref struct {
	ID      string `json:"id,omitempty" doc:"opaque; empty when the viewer may not see the run"`
	Name    string `json:"name" doc:"release/lava/2019.01, or a private run"`
	Outcome string `json:"outcome,omitempty" doc:"empty while it is under way"`
}

// aPrivateRun is how a run is called that the viewer may not see.
const aPrivateRun = "a private run"

// Value is a named value in text.
type Value struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty" doc:"string, int, bool, version, digest, time, duration, list, map or object"`
	Text string `json:"text" doc:"text as it is, everything else as JSON; cut at some thousand characters"`
	Size int    `json:"size" doc:"of the whole, in bytes"`
	Cut  bool   `json:"cut,omitempty" doc:"the text is only the beginning"`
	Doc  string `json:"doc,omitempty" doc:"what it is, in words"`
	Body string `json:"body,omitempty" doc:"digest under which the whole is kept and may be read, if it is"`
}

// MaxText is how much of one value is shown, in bytes.
const MaxText = 8 << 10

// seen is a run that the person may see.
type seen struct {
	id    string
	state *run.State
	book  *playbook.Playbook // nil: it does not fit this program any more
	world run.World
}

// open loads a run for a person. The id may also be a name, or what fits one name.
func (r *Reader) open(ctx context.Context, p people.PersonID, id string) (seen, error) {
	if ok, err := r.e.Sees(ctx, p, id); err != nil {
		return seen{}, err
	} else if !ok {
		found, err := r.e.Resolve(ctx, id, p)
		if err != nil {
			if errs.Is(err, errs.NotFound) {
				err = noRun(id)
			}
			return seen{}, err
		}
		id = found
	}
	s, book, err := r.e.RunState(ctx, id)
	if s == nil {
		return seen{}, err
	}
	if s.Private && (p == "" || s.Requester != p && !slices.Contains(s.Circle, p)) {
		return seen{}, noRun(id)
	}
	if err != nil {
		book = nil // the page says why it cannot go on
	}
	return seen{id: id, state: s, book: book, world: r.e.World()}, nil
}

// errMisfit is the cause where a playbook does not fit this program any more.
var errMisfit = errors.New("its playbook does not fit this program any more")

func noRun(id string) error {
	return errs.E("view.run", errs.NotFound, fmt.Errorf("there is no run %q", clip(id, 80))).Hint("look for it in the list of runs")
}

// noStep is the error for a step that a run does not have.
func noStep(name, path string) error {
	return errs.E("view.step", errs.NotFound, fmt.Errorf("%s has no step %q", name, clip(path, 80))).Hint("its page lists its steps")
}

// Sees reports whether a person may know of a run, by its id. It is meant for the feed: it reads no disk.
func (r *Reader) Sees(ctx context.Context, p people.PersonID, runID string) bool {
	ok, err := r.e.Sees(ctx, p, runID)
	return ok && err == nil
}

// Changed is [engine.Engine.Changed]: which runs changed, whoever may see them.
func (r *Reader) Changed(since uint64) (now uint64, runs []string, wait <-chan struct{}) {
	return r.e.Changed(since)
}

// person is somebody by id.
func (r *Reader) person(w run.World, id people.PersonID) Person {
	p := Person{ID: id, Name: string(id)}
	if found, ok := w.Directory.Person(id); ok && found.Name != "" {
		p.Name = found.Name
	}
	return p
}

func (r *Reader) persons(w run.World, ids []people.PersonID) []Person {
	out := make([]Person, 0, len(ids))
	for _, id := range ids {
		out = append(out, r.person(w, id))
	}
	return out
}

// ref names another run for a person.
func (r *Reader) ref(ctx context.Context, p people.PersonID, id, name string) Ref {
	if id == "" {
		return Ref{Name: name}
	}
	l, found, err := r.e.Glance(ctx, p, id)
	if err != nil || !found {
		return Ref{Name: aPrivateRun}
	}
	return Ref{ID: id, Name: l.Name, Outcome: l.Outcome}
}

// valueOf shows a value of a step.
func valueOf(name string, v any, t action.Type, doc string) Value {
	out := Value{Name: name, Type: string(t.Kind), Doc: doc}
	text, plain := v.(string)
	if !plain && v != nil {
		if raw, err := action.Canonical(v); err == nil {
			text = string(raw)
		} else {
			text = fmt.Sprint(v)
		}
	}
	out.Size = len(text)
	out.Text = clip(text, MaxText)
	out.Cut = len(out.Text) < len(text)
	if out.Type == "" {
		out.Type = kindOf(v)
	}
	return out
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return string(action.String)
	case int64, int:
		return string(action.Int)
	case bool:
		return string(action.Bool)
	case []any:
		return string(action.List)
	case map[string]any:
		return string(action.Object)
	}
	return ""
}

// clip is the beginning of a text: whole characters, at most n bytes.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && text[n]&0xC0 == 0x80 {
		n--
	}
	return text[:n]
}

// values shows a map of values in the order of a type's fields, then by name.
func values(m map[string]any, t action.Type) []Value {
	var out []Value
	done := map[string]bool{}
	for _, f := range t.Fields {
		if v, ok := m[f.Name]; ok {
			out = append(out, valueOf(f.Name, v, f.Type, f.Doc))
			done[f.Name] = true
		}
	}
	for _, name := range sortedKeys(m) {
		if !done[name] {
			out = append(out, valueOf(name, m[name], action.Type{}, ""))
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// familyOf is the first word of the commands about a run: its name begins with that of its family.
func familyOf(name string) string {
	family, _, _ := strings.Cut(name, "/")
	return family
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
