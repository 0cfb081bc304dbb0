package talk

import (
	"fmt"
	"strconv"
	"strings"

	"slipway/bot/playbook"
	"slipway/bot/run"
	"slipway/bot/runbook"
)

// Bounds of an answer with a runbook, in bytes.
const (
	runbookMost   = 7000 // of one answer; the engine cuts it at 8000 characters
	runbookInline = 1500 // of a text that stands in it
)

// runbookOf answers with as many steps of a runbook as fit, from the part numbered from on, and says
// how to see the next ones. Without from, those that are done are told by their names alone.
func runbookOf(p *playbook.Playbook, s *run.State, w run.World, from string) string {
	files := "slipway runbook " + s.Name + " --files FOLDER, where Slipway ran"
	book := runbook.Make(p, s, w, runbook.Options{Inline: runbookInline, Files: files})
	first, _ := strconv.Atoi(from) // the grammar takes nothing else
	var b strings.Builder
	if first <= 1 {
		b.WriteString(book.Head)
	}
	var done []string
	at := max(first, 1)
	for ; at <= len(book.Parts); at++ {
		part := book.Parts[at-1]
		if from == "" && !part.Open {
			done = append(done, part.Step)
			continue
		}
		text := "\n" + part.Text
		if from == "" && len(done) > 0 {
			text = "\n# Done or not needed: " + strings.Join(done, ", ") + "\n" + text
		}
		if len(text) > runbookMost {
			text = fmt.Sprintf("\n# %d. %s: it is too long for an answer. See it with: %s\n", at, part.Step, files)
		}
		if b.Len()+len(text) > runbookMost {
			return strings.TrimLeft(b.String(), "\n") + fmt.Sprintf("\n# There is more: release runbook %s --from %d", s.Name, at)
		}
		b.WriteString(text)
		done = nil
	}
	if len(done) > 0 {
		b.WriteString("\n# Done or not needed: " + strings.Join(done, ", ") + "\n")
	}
	if first > len(book.Parts) {
		return fmt.Sprintf("it has %d steps", len(book.Parts))
	}
	return strings.TrimLeft(b.String()+"\n"+book.End, "\n")
}
