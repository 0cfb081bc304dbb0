package runbook

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

const source = `
playbook: small
doc: A process in small.
name: "small/${inputs.what}"
inputs:
  what: {type: string, help: "anything"}
steps:
  first: {doc: "Make it", do: t.make@1, with: {v: "${inputs.what}"}}
  second: {do: t.make@1, with: {v: "${inputs.what} and ${steps.first.r}", n: "${steps.first.n}"}, needs: [first]}
  chosen: {do: t.make@1, with: {v: "${steps.first.r == 'x' ? 'a' : 'b'}"}, needs: [first]}
  lower: {do: t.make@1, with: {v: "${steps.first.r.lowerAscii()}"}, needs: [first]}
  joined: {do: t.make@1, with: {v: "${steps.first.list.join(',')}"}, needs: [first]}
  lined: {do: t.make@1, with: {v: "${lines(steps.first.r)[0]}"}, needs: [first]}
  replaced: {do: t.make@1, with: {v: "${steps.first.r.replace('v', '')}"}, needs: [first]}
  maybe: {do: t.make@1, with: {v: "m"}, when: "steps.first.n > 3", needs: [first]}
  never: {do: t.make@1, with: {v: "m"}, when: "inputs.what == ''", needs: [first]}
  after: {do: t.make@1, with: {v: "${steps.?never.?r.orValue('none')}"}, needs: [never]}
  list: {each: steps.first.list, as: e, needs: [first], steps: {one: {do: t.make@1, with: {v: "${e}"}}}}
  go: {doc: "Is it good?", gate: "2 of maintainer", binds: ["${steps.second.r}"], say: "Is ${inputs.what} good?", needs: [second]}
  told: {ask: maintainer, prompt: "How is ${inputs.what}?", fields: {good: {type: bool, help: "whether"}}, needs: [go]}
  plain: {do: t.plain@1, with: {v: "${steps.told.by}"}, needs: [told]}
`

func contracts() []action.Contract {
	text, number := action.Type{Kind: action.String}, action.Type{Kind: action.Int}
	in := action.Obj(action.Field{Name: "v", Type: text, Optional: true}, action.Field{Name: "n", Type: number, Optional: true})
	out := action.Obj(action.Field{Name: "r", Type: text}, action.Field{Name: "n", Type: number}, action.Field{Name: "list", Type: action.ListOf(text)})
	byHand := func(h *action.Hand) {
		h.Note("Mind %s.", h.Text("v"))
		h.Look("printf %%s %s", h.Word("v"))
		h.Run("cp %s %s", h.File("given", h.Text("v")), h.Path("made"))
		h.Run(`printf %%s %s > "$here/words"`, h.Word("v"))
		h.Set("r", h.Word("v"))
	}
	return []action.Contract{{Name: "t.make", Version: 1, Policy: action.Keyed, Irreversible: true, In: in, Out: out, ByHand: byHand},
		{Name: "t.plain", Version: 1, Policy: action.Keyed, In: in, Out: action.Obj(), Shell: "say it"}}
}

func started(t testing.TB, what string) (*playbook.Playbook, *run.State, run.World) {
	t.Helper()
	parsed, err := playbook.Parse("small.yaml", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	p, found := playbook.Check(parsed, playbook.Known{Contracts: contracts(), Profile: action.Obj(action.Field{Name: "name", Type: action.Type{Kind: action.String}})})
	if p == nil {
		t.Fatal(playbook.Errors(found))
	}
	persons := []people.Person{{ID: "grace", Name: "Grace " + what, Mail: "grace@example.org"}}
	w := run.World{Now: time.Date(2019, 1, 31, 12, 0, 0, 0, time.UTC),
		Directory: people.NewDirectory(persons, []people.Grant{{ID: "1", Person: "grace", Role: "maintainer", Project: "lava"}}, nil, nil)}
	d := run.Decide(p, nil, run.Start{ID: "1", Playbook: p.Digest, Project: "lava", Profile: map[string]any{"name": "lava"}, Inputs: map[string]any{"what": what}, Requester: "ada"}, w)
	if d.Refusal != nil {
		t.Fatal(d.Refusal)
	}
	return p, d.After, w
}

func part(t *testing.T, b Book, step string) string {
	t.Helper()
	for _, p := range b.Parts {
		if p.Step == step {
			return p.Text
		}
	}
	t.Fatalf("there is no part about %s", step)
	return ""
}

func TestWhatIsNotKnownIsAVariable(t *testing.T) {
	p, s, w := started(t, "it")
	b := Make(p, s, w, Options{Inline: -1})
	for step, wants := range map[string][]string{
		"first":       {"UNDER WAY: it may have happened", "Slipway does this when it is started again", "Look first", "printf %s it || true\n", "first_r=it"},
		"second":      {`printf %s 'it and '"$first_r" >`, `second_r='it and '"$first_r"`, "NOT TWICE"},
		"chosen":      {`# chosen_in_v is the v of chosen: $ {steps.first.r == 'x' ? 'a' : 'b'}`, `: "${chosen_in_v:?`, `chosen_r="$chosen_in_v"`},
		"lower":       {`lower_r="$lower_in_v"`},
		"joined":      {`joined_r="$joined_in_v"`},
		"lined":       {`lined_r="$lined_in_v"`},
		"replaced":    {`replaced_r="$replaced_in_v"`},
		"maybe":       {"Only if: steps.first.n > 3"},
		"never":       {"Not needed."},
		"after":       {"after_r=none"},
		"list[…]/one": {"Once for each of: steps.first.list"},
		"go":          {"The question: Is it good?", "Who has to say yes: 2 of maintainer", "Grace it (grace) <grace@example.org>", "steps.second.r = $second_r"},
		"told":        {"good (bool): whether", "maintainer: Grace it"},
		"plain":       {"By hand: say it", "v = $told_by"},
	} {
		text := part(t, b, step)
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q:\n%s", step, want, text)
			}
		}
	}
	// The first step may have happened without these commands, so that its value may be missing.
	if !strings.Contains(part(t, b, "second"), `: "${first_r:?`) {
		t.Error("a value that may be missing is not asked for")
	}
}

// A step that ended well is told with what it gave, and an ended run leaves nothing to do.
func TestWhatIsDoneIsTold(t *testing.T) {
	p, s, w := started(t, "it")
	for key := range s.Effects {
		d := run.Decide(p, s, run.Result{Key: key, Outcome: run.OK, Output: []byte(`{"r":"made","n":4,"list":["x","y"]}`)}, w)
		s = d.After
	}
	b := Make(p, s, w, Options{Inline: -1})
	if text := part(t, b, "first"); !strings.Contains(text, "# Done.\n") || !strings.Contains(text, "#   r = made\n") || strings.Contains(text, "\ncp ") {
		t.Errorf("first:\n%s", text)
	}
	if text := part(t, b, "maybe"); strings.Contains(text, "Only if:") {
		t.Errorf("maybe:\n%s", text)
	}
	if text := part(t, b, "list[x]/one"); strings.Contains(text, "Once for each") {
		t.Errorf("list:\n%s", text)
	}
	if text := b.Text(); !strings.Contains(text, "#   small abort small/it --reason") || !strings.Contains(text, "#   small adopt VERSION") {
		t.Error(text)
	}
	other := *p // such as the undo of a release, which nothing adopts
	other.Name = "small-undo"
	if text := Make(&other, s, w, Options{Inline: -1}).Text(); !strings.Contains(text, "#   small abort small/it --reason") || strings.Contains(text, "adopt VERSION") {
		t.Error(text)
	}
	ended := *s
	ended.Status, ended.Outcome = run.RunEnded, "aborted"
	if text := Make(p, &ended, w, Options{}).Text(); !strings.Contains(text, "It has ended: aborted") || strings.Contains(text, "\ncp ") || strings.Contains(text, "release adopt") {
		t.Error(text)
	}
	ended.Status, ended.Outcome, ended.Why = run.IsAborting, "", "the mirror is full"
	ended.Undo = []run.UndoItem{{Step: "first", Did: "t.make@1"}}
	if text := Make(p, &ended, w, Options{}).Text(); !strings.Contains(text, "t.make@1 of first") || strings.Contains(text, "\ncp ") {
		t.Error(text)
	}
}

// Two elements whose keys differ in nothing but what a file name cannot have do not read each other's files.
func TestElementsHaveTheirOwnFiles(t *testing.T) {
	p, s, w := started(t, "it")
	for key := range s.Effects {
		s = run.Decide(p, s, run.Result{Key: key, Outcome: run.OK, Output: []byte(`{"r":"made","n":4,"list":["x y","x_y"]}`)}, w).After
	}
	b := Make(p, s, w, Options{Script: true})
	first, second := part(t, b, "list[x y]/one"), part(t, b, "list[x_y]/one")
	file := action.HandFile{Name: "list.x_y/one/given", Text: "x y", Size: 3}
	if !slices.Contains(b.Files, file) || strings.Contains(first, `> "$here/list.x_y/one/given"`) || !strings.Contains(second, `printf %s x_y > "$here/list.x_y/one/given"`) {
		t.Errorf("%v\n%s\n%s", b.Files, first, second)
	}
}

// FuzzTextIsData runs what the runbook says of a step in a shell. Whatever the text is, it comes out
// as it went in, and nothing else happens.
func FuzzTextIsData(f *testing.F) {
	for _, text := range []string{"it", "$(touch pwned)", "`touch pwned`", "'; touch pwned; '", "\"; touch pwned; \"", "a\ntouch pwned\n", "a\rtouch pwned", "-n", "x\x1b[2J", "\\",
		"\u2028touch pwned", "fi; touch pwned; if :; then", "${first_r}", "\uFDD0first_r\uFDD1", "%s", "!", "\u202e", "a\\\ntouch pwned"} {
		f.Add(text)
	}
	p, s, w := started(f, "TEXT")
	f.Fuzz(func(t *testing.T, what string) {
		if len(what) > 1<<12 || strings.ContainsRune(what, 0) || what != strings.ToValidUTF8(what, "?") {
			return // no text of a run: it is kept as JSON
		}
		mine := *s
		mine.Inputs = map[string]any{"what": what}
		mine.Name, mine.Why = "small/"+what, what
		first := *s.Steps["first"]
		first.Inputs, first.Message = map[string]any{"v": what}, what
		mine.Steps = map[string]*run.Step{"first": &first}
		for _, o := range []Options{{Inline: -1}, {Script: true}} {
			book := Make(p, &mine, w, o)
			dir := t.TempDir()
			text := book.Text()
			check := exec.Command("sh", "-n")
			check.Stdin = strings.NewReader(text)
			if out, err := check.CombinedOutput(); err != nil {
				t.Fatalf("sh cannot read it: %v\n%s\n%s", err, out, text)
			}
			for _, file := range book.Files {
				path := filepath.Join(dir, file.Name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(file.Text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			script := filepath.Join(dir, "runbook.sh")
			head := text
			if !o.Script { // up to the first step
				head = book.Head + book.Parts[0].Text
			}
			if err := os.WriteFile(script, []byte(head), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sh", script)
			cmd.Dir = dir
			cmd.Stdin = strings.NewReader("no\nstop\n")
			out, _ := cmd.CombinedOutput() // a script stops at the next question
			if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
				t.Fatalf("%q was run:\n%s", what, text)
			}
			for _, name := range []string{"first/made"} {
				got, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil || string(got) != what {
					t.Fatalf("%s is %q (%v), want %q\n%s\n%s", name, got, err, what, out, head)
				}
			}
			if o.Script {
				values, err := os.ReadFile(filepath.Join(dir, "values.sh"))
				if err != nil {
					t.Fatal(err)
				}
				back, err := exec.Command("sh", "-c", string(values)+"\nprintf %s \"$first_r\"").Output()
				if err != nil || string(back) != what {
					t.Fatalf("it was remembered as %q (%v), want %q:\n%s", back, err, what, values)
				}
			}
		}
	})
}
