package talk

import (
	"fmt"
	"strconv"
	"strings"

	"slipway/bot/action"
	"slipway/bot/card"
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
func runbookOf(p *playbook.Playbook, s *run.State, w run.World, family, from string) string {
	name := action.Quote(card.Clean(s.Name))
	files := "slipway runbook " + name + " --files FOLDER, where Slipway ran"
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
			text = remark("Done or not needed: %s", strings.Join(done, ", ")) + text
		}
		if len(text) > runbookMost {
			text = remark("%d. %s: it is too long for an answer. See it with: %s", at, part.Step, files)
		}
		if b.Len()+len(text) > runbookMost {
			return strings.TrimLeft(b.String()+strings.TrimRight(remark("There is more: %s runbook %s --from %d", family, name, at), "\n"), "\n")
		}
		b.WriteString(text)
		done = nil
	}
	if len(done) > 0 {
		b.WriteString(remark("Done or not needed: %s", strings.Join(done, ", ")))
	}
	if first > len(book.Parts) {
		return fmt.Sprintf("it has %d steps", len(book.Parts))
	}
	return strings.TrimLeft(b.String()+"\n"+book.End, "\n")
}

// remark is a comment of one line after an empty one. Names of runs and steps may hold what people
// wrote: a shell that an answer is pasted into must find nothing to run in it.
func remark(format string, args ...any) string {
	return "\n# " + strings.NewReplacer("$(", "$ (", "${", "$ {", "`", "'").Replace(card.Clean(fmt.Sprintf(format, args...))) + "\n"
}
