package reprepro

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

// stories are told to a reprepro that stands in, and with the build tag prove to a real one.
var stories = map[string]func(w *world){
	"publish": func(w *world) {
		w.byHand("-C", "main", "includedeb", "bookworm", w.deb("old", "1.0", "amd64").Path)
		before := w.read(filepath.Join(w.current(), "dists", "bookworm", "Release"))
		s := w.stage(w.change("bookworm", w.deb("hello", "1.0", "amd64"), w.deb("tool", "1.0", "arm64"), w.deb("tool-doc", "1.0", "all"), w.dsc("tool", "1.0")))
		if got := w.read(filepath.Join(w.current(), "dists", "bookworm", "Release")); string(got) != string(before) {
			w.t.Error("staging changed what clients read")
		}
		if !strings.Contains(string(s.Release), s.Date.Format("Date: Mon, 02 Jan 2006 15:04:05 UTC\n")) || s.Parent != "current-release" || len(s.Moves) != 3 {
			w.t.Errorf("staged %+v, %v\n%s", s.Generation, s.Moves, s.Release)
		}
		w.wantCurrent("current-release")
		if err := w.publish(s); err != nil {
			w.t.Fatal(errs.Text(err))
		}
		w.wantCurrent(s.ID)
		const want = "main/binary-amd64 hello 1.0\nmain/binary-amd64 old 1.0\nmain/binary-amd64 tool-doc 1.0\n" +
			"main/binary-arm64 tool 1.0\nmain/binary-arm64 tool-doc 1.0\nmain/source tool 1.0"
		w.wantOffers("bookworm", want)
		w.wantOffers("buster", "")
		if err := w.publish(s); err != nil {
			w.t.Errorf("a repeat: %s", errs.Text(err))
		}
		for _, f := range []string{"Release", "InRelease", "Release.gpg"} {
			info, err := os.Stat(filepath.Join(w.base, "release", "dists", "bookworm", f))
			if err != nil || info.Mode().Perm() != 0o644 || info.ModTime().Before(s.Date) {
				w.t.Errorf("%s: %v, %v", f, info, err)
			}
		}
		offers, err := w.place.Packages("bookworm", "", "tool-doc", "tool")
		if err != nil || len(offers) != 2 || strings.Join(offers[0].Architectures, " ") != "arm64 source" || len(offers[0].Sums) != 1 || len(offers[1].Sums) != 2 || offers[1].Source != "tool" {
			w.t.Errorf("packages: %+v, %v", offers, err)
		}
		diff, err := w.place.Diff("bookworm", "current-release", "")
		kept, err2 := w.place.Moves("bookworm", s.ID)
		if err != nil || err2 != nil || !reflect.DeepEqual(diff, s.Moves) || !reflect.DeepEqual(kept, s.Moves) || w.place.Settle() != nil {
			w.t.Errorf("the difference is %v, %v; it knows %v, %v", diff, err, kept, err2)
		}
		built, err := w.place.Built("bookworm", "", "tool")
		if err != nil || len(built) != 1 || built[0].Version != "1.0" || strings.Join(built[0].Packages, " ") != "tool tool-doc" {
			w.t.Errorf("built: %v, %v", built, err)
		}
	},
	"upgrade and roll back": func(w *world) {
		first := w.published(w.change("bookworm", w.deb("hello", "1.0", "amd64"), w.deb("tool-doc", "1.0", "all"), w.dsc("tool", "1.0")))
		w.published(w.change("bookworm", w.deb("hello", "2.0", "amd64"), w.deb("tool-doc", "2.0", "all"), w.deb("new", "1", "amd64"), w.dsc("tool", "2.0")))
		w.published(w.change("buster", w.deb("other", "1", "amd64")))
		if _, err := os.Stat(filepath.Join(w.base, first.ID, "pool/main/h/hello/hello_1.0_amd64.deb")); err != nil {
			w.t.Errorf("a tree that clients have read lost a package: %v", err)
		}
		_, err := w.place.Stage(context.Background(), w.change("bookworm", w.deb("hello", "1.5", "amd64")))
		wantError(w.t, err, errs.Conflict, "hello would go back from 2.0 to 1.5")
		_, err = w.place.Stage(context.Background(), w.change("bookworm", w.debOf("hello", "2.0", "amd64", "other content")))
		wantError(w.t, err, errs.Exists, "with other content")
		back := w.change("bookworm")
		back.Base, back.Rollback = first.ID, true
		s := w.published(back)
		if s.Base != first.ID {
			w.t.Errorf("the base is %q", s.Base)
		}
		w.wantOffers("bookworm", "main/binary-amd64 hello 1.0\nmain/binary-amd64 tool-doc 1.0\nmain/binary-arm64 tool-doc 1.0\nmain/source tool 1.0")
		w.wantOffers("buster", "main/binary-amd64 other 1")
	},
	"two suites turn together": func(w *world) {
		one := w.change("bookworm", w.deb("hello", "1.0", "amd64"))
		two := one
		two.Suite = "buster"
		a, b := w.stage(one), w.stage(two)
		if a.ID != b.ID {
			w.t.Fatalf("%s and %s", a.ID, b.ID)
		}
		if again := w.stage(one); again.Digest != a.Digest {
			w.t.Error("staging again made another Release")
		}
		if err := w.publish(a); err != nil {
			w.t.Fatal(errs.Text(err))
		}
		w.wantCurrent("current-release")
		if err := w.publish(b); err != nil {
			w.t.Fatal(errs.Text(err))
		}
		w.wantCurrent(a.ID)
		w.wantOffers("bookworm", "main/binary-amd64 hello 1.0")
		w.wantOffers("buster", "main/binary-amd64 hello 1.0")
		all, err := w.place.Generations("buster")
		if err != nil || len(all) != 2 || !all[1].Current || all[1].Until != b.Date.Add(10*24*time.Hour) {
			w.t.Errorf("generations %+v, %v", all, err)
		}
	},
	"promote, remove and refresh": func(w *world) {
		w.published(w.change("bookworm", w.deb("tool-doc", "1.0", "all"), w.dsc("tool", "1.0"), w.deb("hello", "1.0", "amd64")))
		c := w.change("buster")
		c.From = &aptrepo.Promotion{Suite: "bookworm", Packages: []aptrepo.Ref{{Name: "tool", Source: true}}}
		w.published(c)
		w.wantOffers("buster", "main/binary-amd64 tool-doc 1.0\nmain/source tool 1.0")
		c = w.change("bookworm")
		c.Remove = []aptrepo.Ref{{Name: "tool", Source: true}}
		_, err := w.place.Stage(context.Background(), c)
		wantError(w.t, err, errs.Conflict, "would have none")
		c.Allow = []string{"empty/main/binary-arm64", "empty/main/source"}
		w.published(c)
		w.wantOffers("bookworm", "main/binary-amd64 hello 1.0")
		w.wantOffers("buster", "main/binary-amd64 tool-doc 1.0\nmain/source tool 1.0")
		c = w.change("bookworm")
		c.Remove = []aptrepo.Ref{{Name: "nothing"}}
		_, err = w.place.Stage(context.Background(), c)
		wantError(w.t, err, errs.NotFound, "has no nothing")
		if s := w.published(w.change("buster")); len(s.Moves) != 0 || !strings.Contains(string(s.Release), "Valid-Until: "+s.Date.AddDate(0, 0, 10).Format("Mon, 02 Jan 2006 15:04:05 UTC")) {
			w.t.Errorf("a refresh moves %v\n%s", s.Moves, s.Release)
		}
	},
	"somebody else drives it meanwhile": func(w *world) {
		c := w.change("bookworm", w.deb("hello", "1.0", "amd64"))
		s := w.stage(c)
		w.byHand("-C", "main", "includedeb", "bookworm", w.deb("theirs", "1.0", "amd64").Path)
		wantError(w.t, w.publish(s), errs.Conflict, "somebody else has driven reprepro")
		w.wantCurrent("current-release")
		c.Date = time.Now().Add(time.Hour).Truncate(time.Second) // reprepro dates what it exports by the clock
		w.now = c.Date
		s = w.stage(c)
		if err := w.publish(s); err != nil {
			w.t.Fatal(errs.Text(err))
		}
		w.wantOffers("bookworm", "main/binary-amd64 hello 1.0\nmain/binary-amd64 theirs 1.0")
	},
	"an upload": func(w *world) {
		w.published(w.change("bookworm", w.changes(w.deb("hello", "1.0", "amd64"), w.dsc("hello", "1.0"))))
		w.wantOffers("bookworm", "main/binary-amd64 hello 1.0\nmain/source hello 1.0")
		torn := w.changes(w.deb("hello", "2.0", "amd64"), w.dsc("hello", "2.0"))
		w.debOf("hello", "2.0", "amd64", "built again")
		_, err := w.place.Stage(context.Background(), w.change("bookworm", torn))
		wantError(w.t, err, errs.Invalid, "hello_2.0_amd64.deb")
	},
	"without a section": func(w *world) {
		w.published(w.change("bookworm", w.deb("bare", "1", "amd64")))
		w.wantOffers("bookworm", "main/binary-amd64 bare 1")
	},
}

func TestStories(t *testing.T) {
	for name, tell := range stories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tell(newWorld(t, ""))
		})
	}
}
