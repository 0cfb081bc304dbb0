package notes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// Bounds of one reading of what was written.
const (
	maxEvents = 10_000 // comments of one project; older ones are left out,
	// and a command that old would ask its author anyway
	keptNotes = 20_000 // notes that are remembered as told
)

// edited is how far apart the times of a note are that was changed after it was written.
const edited = time.Second

// Written is a comment that somebody wrote, as GitLab's API tells of it afterwards. Body has the shape
// of a webhook's, so that one decoder reads both.
type Written struct {
	ID      string // "note-ID"
	Project int
	Place   string // [Place.ID]
	Account int    // of the author
	At      time.Time
	Event   string // the header that a webhook would have
	Body    []byte
}

// PastOptions are the options of [NewPast].
type PastOptions struct {
	Client   *gitlab.Client
	Projects []int                  // whose comments are read
	Heard    func(text string) bool // whether a comment may speak to the bot; nil: every one
}

// Past reads comments that no webhook told of. Those that were changed after they were written come as
// edits, which nobody obeys: somebody else may have changed them. GitLab may take an emoji for a change.
type Past struct {
	o PastOptions

	mu   sync.Mutex
	told map[int]bool
}

// NewPast makes one. It does not speak to GitLab yet.
func NewPast(o PastOptions) *Past { return &Past{o: o, told: map[int]bool{}} }

// event is a line of a project's activity (docs.gitlab.com, "Events API").
type event struct {
	Note struct {
		note
		Confidential bool   `json:"confidential"`
		NoteableID   int    `json:"noteable_id"`
		NoteableType string `json:"noteable_type"`
		NoteableIID  int    `json:"noteable_iid"`
	} `json:"note"`
	CreatedAt time.Time `json:"created_at"`
}

// Since gives the comments that people wrote from a moment on, those of a project oldest first, each
// once in the life of p for as long as deliver takes them. A project that cannot be read keeps nobody
// from hearing the others.
func (p *Past) Since(ctx context.Context, from time.Time, deliver func(Written) error) error {
	var failed error
	for _, project := range p.o.Projects {
		failed = errors.Join(failed, p.SinceIn(ctx, project, from, deliver))
	}
	return failed
}

// SinceIn is [Past.Since] of one project.
func (p *Past) SinceIn(ctx context.Context, project int, from time.Time, deliver func(Written) error) error {
	const op = "gitlab.past"
	me, err := p.o.Client.Me(ctx)
	if err != nil {
		return away(op, err)
	}
	found, err := p.since(ctx, op, project, me.ID, from)
	if err != nil {
		return err
	}
	threads, hidden, err := p.around(ctx, op, project, found)
	if err != nil {
		return err
	}
	for _, e := range found {
		if hidden[placeOf(project, e)] {
			e.Note.Confidential = true
		}
		w, err := p.written(project, e, threads[e.Note.ID])
		if err != nil {
			return err
		}
		if err := deliver(w); err != nil {
			return err
		}
		p.mu.Lock()
		if len(p.told) > keptNotes {
			clear(p.told)
		}
		p.told[e.Note.ID] = true
		p.mu.Unlock()
	}
	return nil
}

// since lists the comments of a project that may matter, oldest first.
func (p *Past) since(ctx context.Context, op string, project, me int, from time.Time) ([]event, error) {
	// GitLab compares dates by day, in its own zone, and leaves the day itself out.
	day := from.UTC().Add(-48 * time.Hour).Format(time.DateOnly)
	var found []event
	err := p.newest(ctx, op, project, day, func(e event) bool {
		if e.CreatedAt.Before(from) {
			return false
		}
		p.mu.Lock()
		told := p.told[e.Note.ID]
		p.mu.Unlock()
		n := e.Note
		if told || n.ID <= 0 || n.System || n.Author.ID <= 0 || n.Author.ID == me || kindOf(n.NoteableType) == "" || n.NoteableIID <= 0 {
			return true
		}
		if p.o.Heard == nil || p.o.Heard(n.Body) {
			found = append(found, e)
		}
		return true
	})
	if err != nil {
		return nil, away(op, err)
	}
	slices.Reverse(found)
	slices.SortStableFunc(found, func(a, b event) int { return a.Note.CreatedAt.Compare(b.Note.CreatedAt) })
	return found, nil
}

// around finds the discussions that notes are in, and the places that only members see, which activity
// does not tell. A place that is gone has none.
func (p *Past) around(ctx context.Context, op string, project int, found []event) (threads map[int]string, hidden map[Place]bool, err error) {
	threads, hidden = map[int]string{}, map[Place]bool{}
	wanted := map[Place]map[int]bool{}
	for _, e := range found {
		place := placeOf(project, e)
		if wanted[place] == nil {
			wanted[place] = map[int]bool{}
		}
		wanted[place][e.Note.ID] = true
	}
	for place, notes := range wanted {
		var t thing
		err := call(ctx, p.o.Client, op, http.MethodGet, place.path(""), nil, &t, false)
		if err == nil {
			hidden[place] = t.Confidential
			err = each(ctx, p.o.Client, op, place.path("/discussions"), maxThreads, func(d discussion) bool {
				for _, n := range d.Notes {
					if notes[n.ID] && discussionID.MatchString(d.ID) {
						threads[n.ID] = d.ID
						delete(notes, n.ID)
					}
				}
				return len(notes) > 0
			})
		}
		if err != nil && !errs.Is(err, errs.NotFound) {
			return nil, nil, away(op, err)
		}
	}
	return threads, hidden, nil
}

func placeOf(project int, e event) Place {
	return Place{project, kindOf(e.Note.NoteableType), e.Note.NoteableIID}
}

// kindOf is the kind of place of a comment; "" for one that is on something else.
func kindOf(noteable string) string {
	switch noteable {
	case "Issue", "WorkItem":
		return Issues
	case "MergeRequest":
		return MergeRequests
	}
	return ""
}

// written is a note in the shape of a webhook's body.
func (p *Past) written(project int, e event, thread string) (Written, error) {
	n := e.Note
	place := placeOf(project, e)
	action, kind := "create", "note"
	if n.UpdatedAt.IsZero() || n.UpdatedAt.Sub(n.CreatedAt) >= edited {
		action = "update"
	}
	if n.Internal || n.Confidential {
		kind = "confidential_note"
	}
	attributes := map[string]any{"id": n.ID, "note": n.Body, "noteable_type": n.NoteableType, "noteable_id": max(n.NoteableID, 1), "author_id": n.Author.ID,
		"created_at": n.CreatedAt.UTC().Format(time.RFC3339Nano), "updated_at": n.UpdatedAt.UTC().Format(time.RFC3339Nano), "project_id": project,
		"system": false, "internal": n.Internal || n.Confidential, "action": action, "url": p.o.Client.URL()}
	if thread != "" {
		attributes["discussion_id"] = thread
	}
	body := map[string]any{"object_kind": "note", "event_type": kind, "project_id": project, "project": map[string]any{"id": project},
		"user":              map[string]any{"id": n.Author.ID, "username": oneLine(n.Author.Username), "name": oneLine(n.Author.Name)},
		"object_attributes": attributes}
	if place.Kind == Issues {
		body["issue"] = map[string]any{"iid": place.IID, "project_id": project}
	} else {
		body["merge_request"] = map[string]any{"iid": place.IID, "target_project_id": project}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return Written{}, errs.E("gitlab.past", errs.Internal, errors.New("a comment cannot be written down"))
	}
	event := "Note Hook"
	if kind != "note" {
		event = "Confidential Note Hook"
	}
	return Written{ID: fmt.Sprintf("note-%d", n.ID), Project: project, Place: place.ID(), Account: n.Author.ID, At: n.CreatedAt.UTC(), Event: event, Body: raw}, nil
}

func oneLine(s string) string { return card.Line(s, 255) }

// activity asks for a page of a project's events.
type activity struct {
	Action  string `url:"action"`
	After   string `url:"after"`
	Sort    string `url:"sort"`
	Page    int    `url:"page"`
	PerPage int    `url:"per_page"`
}

// newest walks a project's comments from the newest on, until use has seen enough.
func (p *Past) newest(ctx context.Context, op string, project int, after string, use func(event) (more bool)) error {
	ask := activity{Action: "commented", After: after, Sort: "desc", Page: 1, PerPage: 100}
	for seen := 0; seen < maxEvents; ask.Page++ {
		var page []event
		if err := call(ctx, p.o.Client, op, http.MethodGet, fmt.Sprintf("projects/%d/events", project), ask, &page, false); err != nil {
			return err
		}
		for _, e := range page {
			if !use(e) {
				return nil
			}
		}
		if len(page) == 0 { // a page may be short: what the bot may not see is left out of it
			return nil
		}
		seen += ask.PerPage
	}
	return nil
}

// Addressed makes the function that tells whether a line of a comment may speak to the bot: it begins
// with one of the names by which the bot goes, whatever stands before it that people do not see.
// Whether it is a command is decided by the grammar.
func Addressed(names ...string) func(text string) bool {
	return func(text string) bool {
		for line := range strings.Lines(text) {
			line = strings.ToLower(strings.TrimLeft(strings.TrimSpace(line), "@"))
			for _, n := range names {
				if n = strings.ToLower(strings.TrimLeft(n, "@")); n != "" && strings.HasPrefix(line, n) {
					return true
				}
			}
		}
		return false
	}
}
