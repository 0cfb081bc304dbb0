package engine

import (
	"context"
	"fmt"
	"strings"

	"slipway/bot/people"
	"slipway/bot/run"
)

// nameRow is where a live run stands in the index of names: under its name, and, when the name is
// free again and only the undo plan waits for an answer, beside it.
func nameRow(h *run.Head, name string) string {
	if h.NameFree() {
		return id(nameKey(name), h.ID)
	}
	return nameKey(name)
}

// aside reports whether a row of the index of names is of a run whose name is free.
func aside(row string) bool { return strings.Contains(row, sep) }

// runAwaits are the entries of the index of who is awaited that are of the run itself: whoever
// holds it, and who may answer its undo plan.
func runAwaits(s *run.State) []string {
	var who []string
	switch {
	case s.Status == run.OnHold && s.Hold != nil && s.Hold.By != "":
		who = []string{"@" + string(s.Hold.By)}
	case s.Status == run.OnHold, s.Status == run.IsAborting && s.Planned && unanswered(s):
		who = []string{"@" + string(s.Requester), orNobody(s.Owner), run.ReleaseManager}
	}
	var out []string
	for _, w := range who {
		if w != "@" && w != "" {
			out = append(out, id(w, s.Project, s.ID, ""))
		}
	}
	return out
}

// unanswered reports whether the undo plan waits for a person.
func unanswered(s *run.State) bool {
	for _, item := range s.Undo {
		if item.Action != "" && (item.State == "" || item.State == "failed") {
			return true
		}
	}
	return false
}

// earlierMost bounds how much of what an earlier run did is told.
const earlierMost = 20

// earlier tells what the newest aborted run of the same name did, or "" when there is none that
// left anything and that these people may see. Of a private run nothing is told to others.
func (e *Engine) earlier(ctx context.Context, now *run.State, viewer people.PersonID) (string, error) {
	prefix := ending(now.Name) + sep
	var ids []string
	err := e.cfg.Store.Scan(ctx, spEndings, prefix, after(prefix), true, func(k string, value []byte) bool {
		if other := k[len(prefix):]; other != now.ID && nameKey(string(value)) == nameKey(now.Name) {
			ids = append(ids, other)
		}
		return len(ids) < endingMost
	})
	if err != nil {
		return "", err
	}
	var old *run.State
	for _, other := range ids {
		l, err := e.load(ctx, other)
		if err != nil {
			return "", err
		}
		s := l.state
		if l.raw == nil || !s.NameFree() || !s.Planned || len(s.Undo) == 0 || !visible(*l.name, viewer) {
			continue
		}
		if old == nil || s.Began.After(old.Began) {
			old = s
		}
	}
	if old == nil {
		return "", nil
	}
	lines := []string{fmt.Sprintf("An earlier run of this name was aborted (%s). It is %s, and it did:", old.Why, old.ID)}
	for i, item := range old.Undo {
		if i == earlierMost {
			lines = append(lines, fmt.Sprintf("… and %d more", len(old.Undo)-i))
			break
		}
		lines = append(lines, fmt.Sprintf("• %s of %s: %s", item.Did, item.Step, became(item)))
	}
	if unanswered(old) {
		lines = append(lines, fmt.Sprintf("Its undo plan waits for an answer: `%s undo-confirm %s`", word(old.Name), old.ID))
	}
	return strings.Join(lines, "\n"), nil
}

// became says what became of an item of an undo plan.
func became(item run.UndoItem) string {
	switch {
	case item.Action == "":
		return "nothing undoes it"
	case item.State == "":
		return "nobody has said whether it is undone"
	case item.State == "confirmed":
		return "it is being undone"
	case item.State == "declined":
		return "it stays as it is"
	case item.State == "failed":
		return "undoing it failed"
	}
	return "it was undone"
}

// begun shows a new run, in the thread of its card, what an earlier one of its name did.
func (w *writer) begun() error {
	s := w.d.After
	if w.was.raw != nil || s.Private { // those who may see a private run are told with the answer
		return nil
	}
	text, err := w.e.earlier(w.ctx, s, "")
	if err != nil || text == "" {
		return err
	}
	return w.e.putNotice(w.ctx, w.b, "earlier\x00"+s.ID, noticeIn{Run: s.ID, Title: "what an earlier run of this name did", Text: text})
}
