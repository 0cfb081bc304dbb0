package gitlab

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Note is a comment on an issue or a merge request, or a line that GitLab wrote itself (System).
type Note struct {
	ID               int
	On               string // OnIssue or OnMergeRequest
	Item             int    // id of that
	Discussion       string // 40 hexadecimal digits
	Type             string // DiscussionNote; "": an individual comment
	Author           int    // id
	Body             string
	System, Internal bool
	Resolved         bool
	Created, Updated time.Time
}

// maxNote is how many characters a comment may have.
const maxNote = 1_000_000

func (s *Server) noteRoutes() []route {
	var all []route
	for _, kind := range []string{OnIssue, OnMergeRequest} {
		one := "/projects/:id/" + segment(kind) + "/:iid"
		threads := one + "/discussions"
		on := func(level int, do func(*call, *Item) answer) func(*call) answer { return s.onItem(kind, level, do) }
		all = append(all,
			route{"GET", one + "/notes", 0, on(0, s.listNotes)},
			route{"POST", one + "/notes", 0, on(Guest, s.createNote)},
			route{"GET", one + "/notes/:note", 0, on(0, s.onNote(s.showNote))},
			route{"PUT", one + "/notes/:note", 0, on(Guest, s.onNote(s.editNote))},
			route{"DELETE", one + "/notes/:note", 0, on(Guest, s.onNote(s.deleteNote))},
			route{"GET", threads, 0, on(0, s.listDiscussions)},
			route{"POST", threads, 0, on(Guest, s.createDiscussion)},
			route{"GET", threads + "/:discussion", 0, on(0, s.onDiscussion(s.showDiscussion))},
			route{"PUT", threads + "/:discussion", 0, on(Guest, s.onDiscussion(s.resolve))},
			route{"GET", threads + "/:discussion/notes", 0, on(0, s.onDiscussion(func(c *call, _ *Item, notes []*Note) answer { return paged(c, notes, s.noteJSON) }))},
			route{"POST", threads + "/:discussion/notes", 0, on(Guest, s.onDiscussion(s.reply))},
			route{"GET", threads + "/:discussion/notes/:note", 0, on(0, s.onNote(s.showNote))},
			route{"PUT", threads + "/:discussion/notes/:note", 0, on(Guest, s.onNote(s.editNote))},
			route{"DELETE", threads + "/:discussion/notes/:note", 0, on(Guest, s.onNote(s.deleteNote))})
	}
	return all
}

// onItem finds the issue or merge request of a call. Whoever sees a public project may comment in it.
func (s *Server) onItem(kind string, level int, do func(*call, *Item) answer) func(*call) answer {
	return func(c *call) answer {
		var i *Item
		if issue := s.issue(c.project.ID, c.pathNum("iid")); kind == OnIssue && issue != nil && s.seesIssue(c, issue) {
			i = &issue.Item
		}
		if m := s.merge(c.project.ID, c.pathNum("iid")); kind == OnMergeRequest && m != nil {
			i = &m.Item
		}
		switch {
		case i == nil:
			return notFound("")
		case level > 0 && !c.project.Public && c.level() < level:
			return forbidden()
		}
		return do(c, i)
	}
}

// onNote finds the note of a call, in the discussion of the call where it names one.
func (s *Server) onNote(do func(*call, *Item, *Note) answer) func(*call, *Item) answer {
	return func(c *call, i *Item) answer {
		n := s.noteByID(c.pathNum("note"))
		if n == nil || n.On != i.Kind || n.Item != i.ID || !s.seesNote(c, n) {
			return notFound("")
		}
		if d, is := c.path["discussion"]; is && d != n.Discussion {
			return notFound("")
		}
		return do(c, i, n)
	}
}

// onDiscussion finds the notes of a call's discussion, oldest first.
func (s *Server) onDiscussion(do func(*call, *Item, []*Note) answer) func(*call, *Item) answer {
	return func(c *call, i *Item) answer {
		var notes []*Note
		for _, n := range s.notesOf(i) {
			if n.Discussion == c.path["discussion"] && s.seesNote(c, n) {
				notes = append(notes, n)
			}
		}
		if notes == nil {
			return notFound("Discussion")
		}
		return do(c, i, notes)
	}
}

func (s *Server) seesNote(c *call, n *Note) bool { return !n.Internal || c.level() >= Reporter }

func (s *Server) noteByID(id int) *Note {
	for _, n := range s.notes {
		if n.ID == id {
			return n
		}
	}
	return nil
}

// notesOf are the notes of an item, oldest first.
func (s *Server) notesOf(i *Item) []*Note {
	var out []*Note
	for _, n := range s.notes {
		if n.On == i.Kind && n.Item == i.ID {
			out = append(out, n)
		}
	}
	return out
}

func (s *Server) itemByID(kind string, id int) *Item {
	for _, i := range s.issues {
		if kind == OnIssue && i.ID == id {
			return &i.Item
		}
	}
	for _, m := range s.merges {
		if kind == OnMergeRequest && m.ID == id {
			return &m.Item
		}
	}
	return nil
}

func (s *Server) itemOf(n *Note) *Item { return s.itemByID(n.On, n.Item) }

// hidden says whether only members see a note: then other hooks hear of it.
func (s *Server) hidden(n *Note) bool { return n.Internal || s.itemOf(n).Confidential }

func (s *Server) noteJSON(n *Note) map[string]any {
	i := s.itemOf(n)
	out := map[string]any{"id": n.ID, "type": orNil(n.Type), "body": n.Body, "attachment": nil, "author": s.person(n.Author),
		"created_at": stamp(n.Created), "updated_at": stamp(n.Updated), "system": n.System, "noteable_id": n.Item, "noteable_type": n.On,
		"project_id": i.Project, "resolvable": n.resolvable(), "confidential": n.Internal, "internal": n.Internal, "imported": false, "imported_from": "none",
		"noteable_iid": i.IID, "commands_changes": map[string]any{}}
	if n.resolvable() {
		out["resolved"], out["resolved_by"], out["resolved_at"] = n.Resolved, nil, nil
	}
	return out
}

func (n *Note) resolvable() bool {
	return n.Type == "DiscussionNote" && n.On == OnMergeRequest && !n.System
}

func (s *Server) listNotes(c *call, i *Item) answer {
	for name, values := range map[string][]string{"sort": {"asc", "desc"}, "order_by": {"created_at", "updated_at"},
		"activity_filter": {"all_notes", "only_comments", "only_activity"}} {
		if a := c.among(name, values...); a != nil {
			return *a
		}
	}
	var found []*Note
	for _, n := range s.notesOf(i) {
		if s.seesNote(c, n) && (c.str("activity_filter") != "only_comments" || !n.System) && (c.str("activity_filter") != "only_activity" || n.System) {
			found = append(found, n)
		}
	}
	if c.str("order_by") == "updated_at" {
		slices.SortStableFunc(found, func(a, b *Note) int { return a.Updated.Compare(b.Updated) })
	}
	if c.str("sort") != "asc" {
		slices.Reverse(found)
	}
	return paged(c, found, s.noteJSON)
}

// body is the text of a comment, or why it is none.
func (c *call) body() (string, *answer) {
	refuse := func(a answer) (string, *answer) { return "", &a }
	switch text := c.str("body"); {
	case !c.has("body"):
		return refuse(missing("body"))
	case strings.TrimSpace(text) == "":
		return refuse(message(http.StatusBadRequest, `Note {:note=>["can't be blank"]}`))
	case len([]rune(text)) > maxNote:
		return refuse(message(http.StatusBadRequest, `Note {:note=>["is too long (maximum is 1000000 characters)"]}`))
	default:
		return text, nil
	}
}

func (s *Server) createNote(c *call, i *Item) answer {
	text, refused := c.body()
	if refused != nil {
		return *refused
	}
	internal := (c.yes("internal") || c.yes("confidential")) && c.level() >= Reporter
	return created(s.noteJSON(s.note(c.user, i, Note{Body: text, Internal: internal})))
}

// note writes a note. What GitLab writes itself is told to nobody.
func (s *Server) note(by *User, i *Item, n Note) *Note {
	n.ID, n.On, n.Item, n.Author, n.Created, n.Updated = s.id("note"), i.Kind, i.ID, by.ID, s.now(), s.now()
	if n.Discussion == "" {
		n.Discussion = hexes(20)
	}
	s.notes = append(s.notes, &n)
	if n.System {
		return &n
	}
	i.Updated = s.now()
	target := "Note"
	if n.Type != "" {
		target = n.Type
	}
	s.active(i.Project, by, "commented", target, n.ID, n.ID, i.Title).Note = n.ID
	s.tellNote(by, &n, "create")
	return &n
}

func (s *Server) tellNote(by *User, n *Note, action string) {
	s.emit(s.project(s.itemOf(n).Project), "note", s.noteEvent(by, n, action))
}

func (s *Server) showNote(_ *call, _ *Item, n *Note) answer { return ok(s.noteJSON(n)) }

// mayEdit says whether somebody may change a note: their own, or any as a maintainer; never what
// GitLab wrote itself.
func (c *call) mayEdit(n *Note) bool {
	return !n.System && (n.Author == c.user.ID || c.level() >= Maintainer)
}

func (s *Server) editNote(c *call, _ *Item, n *Note) answer {
	if !c.mayEdit(n) {
		return forbidden()
	}
	if c.has("resolved") && !c.has("body") {
		if !n.resolvable() {
			return message(http.StatusBadRequest, "400 Bad request - Note is not resolvable")
		}
		n.Resolved = c.yes("resolved")
		return ok(s.noteJSON(n))
	}
	text, refused := c.body()
	if refused != nil {
		return *refused
	}
	s.rewrite(c.user, n, text)
	return ok(s.noteJSON(n))
}

// rewrite gives a note another text; the same one changes nothing.
func (s *Server) rewrite(by *User, n *Note, text string) {
	if text == n.Body {
		return
	}
	n.Body, n.Updated = text, s.now()
	s.tellNote(by, n, "update")
}

func (s *Server) deleteNote(c *call, _ *Item, n *Note) answer {
	if !c.mayEdit(n) {
		return forbidden()
	}
	s.removeNote(n)
	return noContent()
}

// removeNote takes a note away, with the emoji on it. Hooks hear nothing.
func (s *Server) removeNote(n *Note) {
	s.notes = slices.DeleteFunc(s.notes, func(one *Note) bool { return one == n })
	s.awards = slices.DeleteFunc(s.awards, func(a *Award) bool { return a.On == "Note" && a.OnID == n.ID })
	s.events = slices.DeleteFunc(s.events, func(e *Event) bool { return e.Note == n.ID })
}

func (s *Server) discussionJSON(notes []*Note) map[string]any {
	list := []any{}
	for _, n := range notes {
		list = append(list, s.noteJSON(n))
	}
	return map[string]any{"id": notes[0].Discussion, "individual_note": notes[0].Type == "", "notes": list}
}

func (s *Server) listDiscussions(c *call, i *Item) answer {
	var order []string
	by := map[string][]*Note{}
	for _, n := range s.notesOf(i) {
		if !s.seesNote(c, n) {
			continue
		}
		if by[n.Discussion] == nil {
			order = append(order, n.Discussion)
		}
		by[n.Discussion] = append(by[n.Discussion], n)
	}
	return paged(c, order, func(id string) map[string]any { return s.discussionJSON(by[id]) })
}

func (s *Server) showDiscussion(_ *call, _ *Item, notes []*Note) answer {
	return ok(s.discussionJSON(notes))
}

func (s *Server) createDiscussion(c *call, i *Item) answer {
	text, refused := c.body()
	if refused != nil {
		return *refused
	}
	return created(s.discussionJSON([]*Note{s.note(c.user, i, Note{Body: text, Type: "DiscussionNote"})}))
}

func (s *Server) reply(c *call, i *Item, notes []*Note) answer {
	text, refused := c.body()
	if refused != nil {
		return *refused
	}
	if notes[0].System {
		return message(http.StatusBadRequest, "400 Bad request - Discussion can not be replied to.")
	}
	return created(s.noteJSON(s.answerIn(c.user, i, notes[0], text)))
}

// answerIn writes a reply, which makes a thread of an individual comment.
func (s *Server) answerIn(by *User, i *Item, to *Note, text string) *Note {
	to.Type = "DiscussionNote"
	return s.note(by, i, Note{Body: text, Type: "DiscussionNote", Discussion: to.Discussion, Internal: to.Internal})
}

func (s *Server) resolve(c *call, _ *Item, notes []*Note) answer {
	if !c.has("resolved") {
		return missing("resolved")
	}
	if !notes[0].resolvable() || c.level() < Developer {
		return forbidden()
	}
	for _, n := range notes {
		n.Resolved = c.yes("resolved")
	}
	return ok(s.discussionJSON(notes))
}
