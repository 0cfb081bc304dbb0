package errs

import (
	"errors"
	"fmt"
	"testing"
)

func TestTextShowsCauseAndHintOnly(t *testing.T) {
	inner := E("release.version", Invalid, errors.New(`"2019.1" has a one-digit month`)).Hint("write %q", "2019.01")
	err := fmt.Errorf("starting: %w", E("engine.start", Other, inner))
	if got, want := Text(err), `"2019.1" has a one-digit month; write "2019.01"`; got != want {
		t.Errorf("Text = %q, want %q", got, want)
	}
	if KindOf(err) != Invalid || HintOf(err) != `write "2019.01"` {
		t.Errorf("kind %v, hint %q", KindOf(err), HintOf(err))
	}
	if Text(nil) != "" || KindOf(errors.New("x")) != Other || Is(nil, Other) {
		t.Error("errors that are not ours are Other, and nil is nothing")
	}
}

func TestHintsAreTheEndOfASentence(t *testing.T) {
	for _, x := range []struct{ cause, format, arg, want string }{
		{"the tag is not there.", "Push %s first.", "2019.01", "the tag is not there; push 2019.01 first"},
		{"the text is wrong", "A digest is sha256: and %s digits.", "64", "the text is wrong; a digest is sha256: and 64 digits"},
		{"nobody is there", "%s may", "Hana", "nobody is there; Hana may"},
		{"the file is lost", "LVM snapshots of %s help", "it", "the file is lost; LVM snapshots of it help"},
	} {
		if got := Text(E("x", Invalid, errors.New(x.cause)).Hint(x.format, x.arg)); got != x.want {
			t.Errorf("Text = %q, want %q", got, x.want)
		}
	}
	if got := Cause(E("x", Invalid, errors.New("it broke")).Hint("mend it")); got != "it broke" {
		t.Errorf("Cause = %q", got)
	}
}

func TestExitCodesTellKindsApart(t *testing.T) {
	want := map[Kind]int{Other: 1, Invalid: 2, NotFound: 4, Exists: 5, Denied: 3, Conflict: 5, Busy: 6,
		Unavailable: 6, Gone: 4, Doubtful: 7, Full: 6, Corrupt: 1, Failed: 1, Internal: 1}
	for kind, code := range want {
		if got := ExitCode(E("x", kind, nil)); got != code {
			t.Errorf("%v exits with %d, want %d", kind, got, code)
		}
	}
}

func TestNearest(t *testing.T) {
	verbs := []string{"abort", "adopt", "history", "hold", "list", "rename", "resume", "retry", "show", "skip", "who", "why"}
	for word, want := range map[string]string{
		"hodl": "hold", "RETRY": "retry", "histroy": "history", "retyr": "retry", "deploy": "", "": "", "wyh": "why",
	} {
		if got := Nearest(word, verbs); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
