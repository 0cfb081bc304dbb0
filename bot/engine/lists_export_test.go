package engine

import "strings"

// NoteForTest tells the feed that a run changed.
func (e *Engine) NoteForTest(run string) { e.feed.note(run) }

// LookedAtForTest is how many runs a query walks over at most.
func (e *Engine) LookedAtForTest(q Query) int {
	e.lists.mu.Lock()
	defer e.lists.mu.Unlock()
	e.lists.catchUp()
	return len(e.lists.shortest(q, strings.Fields(strings.ToLower(q.Text))))
}
