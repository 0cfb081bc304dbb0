package aptrepo

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// undo stages and publishes the way back from a version of a source package.
func (o *office) undo(source, version string) StageOut {
	o.t.Helper()
	o.now = o.now.Add(time.Hour)
	in := StageIn{Archive: "harbour", Suites: one, Kind: "rollback", Source: source, Version: version}
	out, err := stage{o.a}.Do(context.Background(), action.Key{Run: "undo " + version + " " + o.now.String(), Step: "stage"}, in)
	if err != nil {
		o.t.Fatal(errs.Text(err))
	}
	o.publish(out)
	return out
}

func (o *office) release(files ...File) StageOut {
	o.t.Helper()
	var list []Artifact
	for _, f := range files {
		list = append(list, o.artifact(f))
		if name, source := strings.CutSuffix(f.Path, ".dsc"); source {
			list = append(list, o.artifact(File{Path: name + ".tar.xz"}))
		}
	}
	out := o.stage("release "+o.now.String(), one, list...)
	o.publish(out)
	return out
}

func (o *office) wantChanges(out StageOut, want ...string) {
	o.t.Helper()
	if !slices.Equal(out.Changes, want) {
		o.t.Errorf("it changes %q, want %q", out.Changes, want)
	}
}

// What other projects have published since stays when a release is undone.
func TestAnUndoneReleaseTakesNobodyElseBack(t *testing.T) {
	o := newOffice(t)
	lava := func(v string) []File {
		return []File{o.deb("lava", v, "amd64"), o.deb("lava-doc", v, "all", "Source: lava"), o.source("lava", v)}
	}
	o.release(o.deb("tool", "1.0", "amd64"))
	first := o.release(lava("1.0")...)
	second := lava("2.0")
	o.release(append(slices.Clip(second), o.deb("lava-new", "2.0", "arm64", "Source: lava"))...)
	o.release(o.deb("tool", "2.0", "amd64"), o.deb("harbour-keyring", "1", "all"))
	o.release(o.deb("tool", "3.0", "amd64"))

	back := o.undo("lava", "2.0")
	o.wantChanges(back, "stable: lava 2.0 → 1.0 (main amd64,source)", "stable: lava-doc 2.0 → 1.0 (main amd64,arm64)", "stable: lava-new 2.0 removed (main arm64)")
	o.wantOffers(amd64Main, "harbour-keyring 1", "lava 1.0", "lava-doc 1.0", "tool 3.0")
	o.wantOffers(arm64Main, "harbour-keyring 1", "lava-doc 1.0")
	o.wantOffers(sources, "lava 1.0")
	o.check("stable", back.Generation)
	all, err := o.world.a.Generations("stable")
	if last := all[len(all)-1]; err != nil || last.Base != first.Generation || !slices.Equal(last.Sources, []string{"lava"}) || last.Parent == last.Base {
		t.Errorf("its record is %+v, %v", last, err)
	}

	// The way back of the others does not lead over what came back of lava.
	o.wantChanges(o.undo("tool", "3.0"), "stable: tool 3.0 → 2.0 (main amd64)")
	o.wantChanges(o.undo("tool", "2.0"), "stable: tool 2.0 → 1.0 (main amd64)")
	if _, err := before(o.world.a, "stable", "tool", "1.0"); !errs.Is(err, errs.NotFound) {
		t.Errorf("before tool 1.0: %v", err)
	}
	// The undo is undone by releasing the very same again; that can be undone as well, and so can what
	// was there before: then nothing of it is left, not even the index of sources that came with it.
	o.wantChanges(o.release(second...), "stable: lava 1.0 → 2.0 (main amd64,source)", "stable: lava-doc 1.0 → 2.0 (main amd64,arm64)")
	o.wantChanges(o.undo("lava", "2.0"), "stable: lava 2.0 → 1.0 (main amd64,source)", "stable: lava-doc 2.0 → 1.0 (main amd64,arm64)")
	if _, err := os.Stat(filepath.Join(o.root, "pool/main/l/lava/lava_1.0_amd64.deb")); err != nil {
		t.Error(err)
	}
	last := o.undo("lava", "1.0")
	o.wantChanges(last, "stable: lava 1.0 removed (main amd64,source)", "stable: lava-doc 1.0 removed (main amd64,arm64)")
	o.wantOffers(amd64Main, "harbour-keyring 1", "tool 1.0")
	if strings.Contains(last.Releases[0].Text, "main/source") {
		t.Errorf("an index of sources is left:\n%s", last.Releases[0].Text)
	}
	o.check("stable", last.Generation)
	if _, err := before(o.world.a, "stable", "lava", "2.0"); !errs.Is(err, errs.NotFound) {
		t.Errorf("before lava 2.0, which went: %v", err)
	}
}

// Where nothing else moved, clients get the very same indexes again, and the key holder sees it.
func TestAnUndoneReleaseAloneIsTheEarlierContent(t *testing.T) {
	for name, s := range map[string]Suite{"plain": stable(), "with lists of files": listed()} {
		s.Versions = 2
		o := newOffice(t, s)
		o.release(o.deb("lava", "1.0", "amd64"), o.deb("shared", "1.0", "amd64", "Source: tool"))
		first := o.release(o.deb("lava", "1.1", "amd64"))
		o.release(o.deb("lava", "1.2", "amd64"), o.deb("lava-extra", "1.2", "arm64", "Source: lava"), o.deb("shared", "1.2", "amd64", "Source: lava"), o.source("lava", "1.2"))
		back := o.undo("lava", "1.2")
		_, was, _ := strings.Cut(first.Releases[0].Text, "\nMD5Sum:")
		_, now, _ := strings.Cut(back.Releases[0].Text, "\nMD5Sum:")
		if was == "" {
			_, was, _ = strings.Cut(first.Releases[0].Text, "\nSHA256:")
			_, now, _ = strings.Cut(back.Releases[0].Text, "\nSHA256:")
		}
		if was != now || was == "" {
			t.Errorf("%s: the indexes were\n%s\nand are\n%s", name, was, now)
		}
	}
}

// Packages go from source to source: what others have taken over is theirs.
func TestAnUndoneReleaseLeavesWhatOthersTookOver(t *testing.T) {
	o := newOffice(t)
	o.release(o.deb("lava", "1.0", "amd64"), o.deb("lava-extra", "1.0", "amd64", "Source: lava"))
	o.release(o.deb("lava", "2.0", "amd64"))
	o.release(o.deb("lava-extra", "3.0", "amd64", "Source: tool"))
	o.wantChanges(o.undo("lava", "2.0"), "stable: lava 2.0 → 1.0 (main amd64)")
	o.wantOffers(amd64Main, "lava 1.0", "lava-extra 3.0")
}

func TestSourcesGoBackAlone(t *testing.T) {
	w := newWorld(t, Options{})
	first := w.publish(w.change(w.deb("hello", "1.0", "amd64")))
	w.publish(w.change(w.deb("hello", "1.1", "amd64")))
	c := w.change()
	c.Base, c.Sources = first.ID, []string{"hello"}
	w.refused(c, errs.Conflict, "hello would go back")
	c.Rollback, c.Base = true, ""
	w.refused(c, errs.Invalid, "nothing else changes")
	c.Base, c.Remove = first.ID, []Ref{{Name: "hello"}}
	w.refused(c, errs.Invalid, "nothing else changes")
}
