package playbook

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiff(t *testing.T) {
	was := `
playbook: p
steps:
  a: {do: t.make@1, with: {v: "1"}}
  go: {gate: "2 of maintainer", needs: [a]}
  old: {do: t.make@1}
  all: {each: {of: "inputs.l", key: "it", as: it, steps: {x: {do: t.make@1}}}}
`
	now := `
playbook: p  # a comment
doc: Now with words.
steps:
  go: {needs: [a], gate: "1 of maintainer"}
  a: {do: t.make@1, with: {v: "1"}}
  new: {do: t.make@1, needs: [go]}
  all: {each: {of: "inputs.l", key: "it", as: it, steps: {x: {do: t.make@2}}}}
`
	want := []string{
		"doc: now Now with words.",
		"step go, gate: was 2 of maintainer, now 1 of maintainer",
		"step new is new",
		"step all/x, do: was t.make@1, now t.make@2",
		"step old is gone",
	}
	if d := cmp.Diff(want, Diff([]byte(was), []byte(now))); d != "" {
		t.Error(d)
	}
	if got := Diff([]byte(was), []byte(was)); len(got) != 0 {
		t.Errorf("no change gives %q", got)
	}
	if got := Diff([]byte("["), []byte(now)); len(got) != 1 {
		t.Errorf("a file that does not parse gives %q", got)
	}
}
