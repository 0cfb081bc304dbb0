package git

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/errs"
)

func TestLookShowsWhatIsNewSinceTheTagBefore(t *testing.T) {
	w := newWorld(t)
	w.commit("Ann", "Start", "README", "one\n")
	w.git(w.clone, "tag", "-m", "first", "2019.01")
	w.git(w.clone, "tag", "-m", "of another kind", "nightly-7")
	w.commit("Bo", "Mend the <b>winch</b>", "winch", "mended\n")
	last := w.commit("Ann", "Release 2019.02", "README", "one\ntwo\n")
	w.git(w.clone, "tag", "-m", "second", "2019.02")
	w.push()
	look := NewLook(w.repos)
	for _, pattern := range []string{"", "20*", "2019.0*"} {
		s, err := look.At(ctx(t), w.remote, last, pattern)
		if err != nil {
			t.Fatal(err)
		}
		if pattern != "" && s.Since != "2019.01" {
			t.Errorf("%q: since %q", pattern, s.Since)
		}
		if s.Commit.Subject != "Release 2019.02" || s.Commit.Name != "Ann" || s.At.IsZero() || len(s.Log) != 2 || !strings.HasSuffix(s.Log[1], "Mend the <b>winch</b>") {
			t.Errorf("%q: %+v", pattern, s)
		}
		if len(s.Files) != 2 || s.Files[0] != (FileDiff{"README", 1, 0}) || !strings.Contains(s.Diff, "\n+two") || !strings.Contains(s.Diff, "\n+mended") || s.Cut {
			t.Errorf("%q: %+v %s", pattern, s.Files, s.Diff)
		}
	}
	// What is shown is what there is, whatever the repository asks for.
	first := w.git(w.clone, "rev-parse", "2019.01^{commit}")
	if s, err := look.At(ctx(t), w.remote, first, "20*"); err != nil || s.Since != "" || len(s.Log) != 1 || !strings.Contains(s.Diff, "+one") {
		t.Errorf("the beginning: %v %+v", err, s)
	}
	for _, id := range []string{"main", "--output=/tmp/x", strings.Repeat("0", 40), last[:12]} {
		if _, err := look.At(ctx(t), w.remote, id, ""); err == nil {
			t.Errorf("%s is looked at", id)
		}
	}
	if _, err := look.At(ctx(t), w.remote, strings.Repeat("0", 40), ""); !errs.Is(err, errs.NotFound) {
		t.Errorf("a commit that is not there: %v", err)
	}
	if _, err := look.At(ctx(t), w.remote, last, "--all"); err != nil {
		t.Errorf("a pattern like an option: %v", err)
	}
}

func TestLookIsBoundedAndRunsNothing(t *testing.T) {
	w := newWorld(t)
	w.commit("Ann", "Start", "README", "one\n", ".gitattributes", "* diff=evil filter=evil\n")
	w.git(w.clone, "tag", "-m", "first", "1.0")
	big := w.commit("Ann", "Much", "much", strings.Repeat("a line of much text\n", 60_000), "picture", "\x00\x01\x02")
	w.push()
	mark := filepath.Join(t.TempDir(), "ran")
	w.git(w.remote, "config", "diff.evil.textconv", "touch "+mark)
	s, err := NewLook(w.repos).At(ctx(t), w.remote, big, "")
	if err != nil || !s.Cut || len(s.Diff) > lookDiff || strings.HasSuffix(s.Diff, "a line of much") || s.Since != "1.0" {
		t.Errorf("%v: %d bytes, cut %v, since %q", err, len(s.Diff), s.Cut, s.Since)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("a program of the repository ran")
	}
}
