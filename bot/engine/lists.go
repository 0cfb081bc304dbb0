package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
)

// The order of a list.
const (
	NewestFirst = "newest" // by when they began; the default
	ByName      = "name"
)

// Which runs a list is of.
const (
	LiveRuns = "live"
	PastRuns = "past"
	AllRuns  = "" // both
)

// Query chooses runs for a list. Empty fields choose all.
type Query struct {
	Person    people.PersonID // who looks: a private run is listed for its circle only
	Text      string          // words, each of which must be in the name, project, family, requester or id, in small or capital letters
	Project   string
	Family    string // name of the playbook
	Status    string // live, held, aborting, ended, or an outcome: done, rejected, aborted, failed, replaced, refused
	Requester people.PersonID
	Parent    string // id of a run: its children
	Which     string // LiveRuns, PastRuns or AllRuns
	Order     string // NewestFirst or ByName
	After     string // Next of the page before; "" for the first
	Limit     int    // of one page; 0: 50, at most 500
}

// Page is one page of a list. Next is "" on the last one. It may hold fewer than the limit, and still
// have a Next: the work of one request is bounded.
type Page struct {
	Runs []Listed
	Next string
}

// examineMost bounds how many runs one request looks at.
const examineMost = 20_000

// List gives one page of runs. Errors: [errs.Invalid] for a cursor or an order that is none.
func (e *Engine) List(ctx context.Context, q Query) (Page, error) {
	const op = "engine.list"
	if q.Limit <= 0 {
		q.Limit = 50
	}
	q.Limit = min(q.Limit, 500)
	if err := e.readyLists(ctx); err != nil {
		return Page{}, err
	}
	w := walk{q: q, words: strings.Fields(strings.ToLower(q.Text)), misfits: e.Misfits()}
	switch {
	case q.Order == ByName:
		if q.After != "" && !strings.Contains(q.After, sep) {
			return Page{}, errs.E(op, errs.Invalid, errors.New("the list cannot be continued from there")).Hint("begin with its first page")
		}
		w.byName(&e.lists)
	case q.Order != NewestFirst && q.Order != "":
		return Page{}, errs.E(op, errs.Invalid, fmt.Errorf("%q is not an order", q.Order)).Hint("order by newest or by name")
	case q.After != "" && !w.from(q.After):
		return Page{}, errs.E(op, errs.Invalid, errors.New("the list cannot be continued from there")).Hint("begin with its first page")
	default:
		w.newest(&e.lists)
	}
	return w.page, nil
}

// Sees reports whether a person may know of a run.
func (e *Engine) Sees(ctx context.Context, p people.PersonID, runID string) (bool, error) {
	_, found, err := e.Glance(ctx, p, runID)
	return found, err
}

// Glance is the line of a run, as lists have it; found is false for one that the person may not see.
func (e *Engine) Glance(ctx context.Context, p people.PersonID, runID string) (l Listed, found bool, err error) {
	if err := e.readyLists(ctx); err != nil {
		return Listed{}, false, err
	}
	e.lists.mu.Lock()
	defer e.lists.mu.Unlock()
	e.lists.catchUp()
	en := e.lists.byRun[runID]
	if en == nil || !visible(*en.rec, p) {
		return Listed{}, false, nil
	}
	return lineOf(en.rec), true, nil
}

func lineOf(r *nameRecord) Listed {
	return Listed{ID: r.ID, Name: r.Name, Project: r.Project, Family: r.Family, Status: r.Status, Outcome: r.Outcome,
		Requester: r.Requester, Began: r.Began, Ended: r.Ended, Private: r.Private, Parent: r.Parent}
}

// walk gathers one page.
type walk struct {
	q       Query
	words   []string
	misfits map[string]string
	page    Page
	looked  int

	began time.Time // where the page begins: behind this run
	id    string
}

// from reads a cursor.
func (w *walk) from(cursor string) bool {
	at, id, ok := strings.Cut(cursor, ".")
	w.began, w.id = stampTime(at), id
	return ok && len(at) == 19 && id != ""
}

// newest walks the shortest list that holds everything that is asked for, from its end.
func (w *walk) newest(l *lists) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.catchUp()
	list := l.shortest(w.q, w.words)
	end := len(list)
	if w.id != "" {
		end, _ = slices.BinarySearchFunc(list, &entry{began: w.began, id: w.id}, older)
	}
	for i := end - 1; i >= 0; i-- {
		if !w.take(list[i]) {
			if last := list[i]; i > 0 {
				w.page.Next = stamp(last.began) + "." + last.id
			}
			return
		}
	}
}

// byName walks all runs by name.
func (w *walk) byName(l *lists) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.catchUp()
	list := l.byName()
	at := 0
	if w.q.After != "" {
		name, id, _ := strings.Cut(w.q.After, sep)
		at, _ = slices.BinarySearchFunc(list, id, func(en *entry, id string) int {
			return cmp.Or(strings.Compare(en.rec.Name, name), strings.Compare(en.id, id), -1)
		})
	}
	for i := at; i < len(list); i++ {
		if !w.take(list[i]) {
			if last := list[i]; i+1 < len(list) {
				w.page.Next = last.rec.Name + sep + last.id
			}
			return
		}
	}
}

// take adds a run if it is asked for; false: the page is full, or enough was looked at.
func (w *walk) take(en *entry) bool {
	w.looked++
	if r := en.rec; w.fits(en) {
		one := lineOf(r)
		one.Misfit = w.misfits[r.Book]
		w.page.Runs = append(w.page.Runs, one)
	}
	return len(w.page.Runs) < w.q.Limit && w.looked < examineMost
}

func (w *walk) fits(en *entry) bool {
	r, q := en.rec, w.q
	switch {
	case !visible(*r, q.Person),
		q.Project != "" && r.Project != q.Project,
		q.Family != "" && r.Family != q.Family,
		q.Requester != "" && r.Requester != q.Requester,
		q.Parent != "" && r.Parent != q.Parent,
		q.Status != "" && r.Status != q.Status && r.Outcome != q.Status,
		q.Which == LiveRuns && !r.Ended.IsZero(),
		q.Which == PastRuns && r.Ended.IsZero():
		return false
	}
	for _, word := range w.words {
		if !strings.Contains(en.text, word) && r.ID != word {
			return false
		}
	}
	return true
}
