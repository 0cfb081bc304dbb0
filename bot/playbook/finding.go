package playbook

import (
	"fmt"
	"sort"
	"strings"
)

// Severity says what a finding means for the playbook.
type Severity string

const (
	Error   Severity = "error"   // the playbook is refused
	Warning Severity = "warning" // it may start; `doctor` and `playbook check` show it
)

// Finding is one thing that is wrong with a playbook.
type Finding struct {
	Code     string   `json:"code"` // a word that does not change: yaml, key, value, expr, type, needs, never …
	Severity Severity `json:"severity"`
	Pos      Pos      `json:"pos"`
	Text     string   `json:"text"` // what was found and what is expected
	Fix      string   `json:"fix,omitempty"`
}

func (f Finding) String() string {
	text := f.Pos.String() + ": " + f.Text
	if f.Severity == Warning {
		text = f.Pos.String() + ": warning: " + f.Text
	}
	if f.Fix != "" {
		text += "; " + f.Fix
	}
	return text
}

// String is file:line:col.
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

func (p Pos) before(q Pos) bool {
	if p.File != q.File {
		return p.File < q.File
	}
	if p.Line != q.Line {
		return p.Line < q.Line
	}
	return p.Col < q.Col
}

// Errors is every finding of one pass, in order of position, as one error: one line each.
type Errors []Finding

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, f := range e {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Refused reports whether one of the findings is an error.
func Refused(findings []Finding) bool {
	for _, f := range findings {
		if f.Severity == Error {
			return true
		}
	}
	return false
}

// sorted puts findings in order of position and drops repeats.
func sorted(findings []Finding) []Finding {
	sort.SliceStable(findings, func(i, j int) bool { return findings[i].Pos.before(findings[j].Pos) })
	out := findings[:0]
	for _, f := range findings {
		if len(out) == 0 || out[len(out)-1] != f {
			out = append(out, f)
		}
	}
	return out
}
