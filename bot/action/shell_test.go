package action

import (
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"
)

// hostile are texts that somebody hopes a shell will run, or a person will not see.
func hostile() []string {
	return []string{"", "plain", "-rf", "a b", "a\nb\n", "'", "''\\''", `"`, "$(touch pwned)", "`touch pwned`", "${HOME}", "$HOME", "\\", "\\n", "!!", "*", "~", "a=b", "=ls",
		"'; touch pwned; '", "\"; touch pwned; \"", "x\x00y", "\x1b[2J", "a\rb", "\u202egnp.exe", "\xff\xfe", "é\xff", "\n", "\t", "#", "# x\ntouch pwned", "%s%n", "{a,b}", "\u2028touch pwned",
		strings.Repeat("'", 40), "EOF\ntouch pwned"}
}

func FuzzWordIsOneWord(f *testing.F) {
	for _, text := range hostile() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<15 {
			return // a program takes no longer arguments everywhere
		}
		word := Quote(text)
		out, err := exec.Command("sh", "-c", "set -eu\nprintf '%s|' "+word).CombinedOutput()
		if want := strings.ReplaceAll(text, "\x00", "") + "|"; err != nil || string(out) != want {
			t.Fatalf("%q is written %s, which is %q (%v)", text, word, out, err)
		}
		if !utf8.ValidString(word) || strings.ContainsAny(word, "\x1b\r\u202e") {
			t.Fatalf("%q is written with what nobody sees: %q", text, word)
		}
	})
}

func TestMarksBecomeVariables(t *testing.T) {
	m := NewMarks([]byte("known"))
	text := "commit " + m.Of("a_b") + "'s $(x)" + m.Of("c_d")
	if got, want := m.Word(text), `'commit '"$a_b"''\''s $(x)'"$c_d"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := m.Show(text), "commit $a_b's $(x)$c_d"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if !m.In([]any{map[string]any{"x": text}}) || m.In("a_b") {
		t.Error("marks are not found, or where there are none")
	}
	// What was known cannot contain a mark, and marks of others are text.
	other := NewMarks([]byte("other"))
	if got := other.Word(m.Of("a_b")); strings.Contains(got, `"$a_b"`) {
		t.Errorf("somebody else's mark became a variable: %s", got)
	}
	if got := m.Word(m.Of("x_y")[:5] + "$(touch pwned)"); strings.Contains(got, `"$`) && !strings.Contains(got, "printf") {
		t.Errorf("half a mark became a variable: %s", got)
	}
}

func TestHandNamesFilesBelowItsFolder(t *testing.T) {
	m := NewMarks()
	in := Values{"files": []any{map[string]any{"name": "../../etc/$(x)", "digest": "sha256:1", "size": int64(2)}},
		"later": []any{map[string]any{"name": m.Of("made_files_name"), "digest": m.Of("made_files_digest"), "size": int64(0)}},
		"names": []any{m.Of("made_names")}, "known": []any{"a", "b c"}}
	h := NewHand(`each[..]/x y`, in, nil, nil, map[string]string{"commit": "made_commit"}, m)
	if got := h.Folder("files"); got != `"$here/each.../x_y"` {
		t.Error(got)
	}
	if name := h.Files[0].Name; strings.Contains(name, "../") && !strings.HasPrefix(name, "each.../x_y/") || strings.Contains(name, "/../") || strings.ContainsAny(name, "$( ") {
		t.Errorf("a file is called %q", name)
	}
	for name, want := range map[string]string{"later": `"$made_files"`, "names": `"$made_names"`} {
		if got := h.Variable(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if h.Folder("later") != `"$made_files"` || h.List("names") != "$made_names" || h.List("known") != "a 'b c'" {
		t.Error("lists", h.Folder("later"), h.List("names"), h.List("known"))
	}
	h.Set("commit", h.Quote("x'y"))
	if h.Commands[0] != `made_commit='x'\''y'` || h.Sets[0] != "made_commit" {
		t.Error(h.Commands, h.Sets)
	}
}
