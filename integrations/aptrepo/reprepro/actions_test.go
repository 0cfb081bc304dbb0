package reprepro

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

// store keeps artifacts under their names.
type store struct{ dir string }

func (s store) Open(_ context.Context, digest string) (*os.File, int64, error) {
	f, err := os.Open(filepath.Join(s.dir, digest))
	return f, 0, err
}

// joined puts the signatures of the one signer together, and verifies none.
type joined struct{}

func (joined) Assemble(release []byte, inline, detached [][]byte, _ []byte, _ []string, _ time.Time) (inRelease, releaseGPG []byte, err error) {
	return append([]byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"+string(release)), inline[0]...), detached[0], nil
}

// perform brings an effect about as an engine does, unless it is there.
func perform[Out, In any](t *testing.T, set *action.Set, ref, step string, in In) (out Out) {
	t.Helper()
	b, err := set.Lookup(ref, aptrepo.Provider)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	key := action.Key{Run: "release", Step: step, Inputs: action.DigestOf(raw)}
	got, found, err := b.Probe(context.Background(), key, raw)
	if err == nil && !found {
		got, err = b.Do(context.Background(), key, raw)
	}
	if err == nil {
		err = json.Unmarshal(got, &out)
	}
	if err != nil {
		t.Fatalf("%s: %s", ref, errs.Text(err))
	}
	return out
}

// The actions of archives release twice into two suites of a reprepro, tell what was before, and go
// back to it.
func TestActionsReleaseAndGoBack(t *testing.T) {
	w := newWorld(t, "")
	conf := aptrepo.Configured{Place: w.place, Address: "https://deb.example/harbour", Suites: suites()}
	acts := &aptrepo.Actions{
		Archives: func(string) (aptrepo.Configured, bool) { return conf, true }, Names: func() []string { return []string{"harbour"} },
		Contents: store{w.in}, Signatures: joined{}, Now: func() time.Time { return w.now },
	}
	bound, err := acts.Bind()
	if err != nil {
		t.Fatal(err)
	}
	set, err := action.NewSet(bound...)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"bookworm", "buster"}
	publish := func(step string, in aptrepo.StageIn) aptrepo.PublishIn {
		t.Helper()
		w.now = w.now.Add(time.Minute)
		in.Archive, in.Suites = "harbour", names
		staged := perform[aptrepo.StageOut](t, set, "archive.stage@1", step, in)
		const block = "-----BEGIN PGP SIGNATURE-----\n\niHUEARYKAB0WIQQ=\n=abcd\n-----END PGP SIGNATURE-----\n"
		var signed []aptrepo.Signature
		for _, r := range staged.Releases {
			signed = append(signed, aptrepo.Signature{Suite: r.Suite, Digest: r.Digest, Inline: block, Detached: block})
		}
		out := aptrepo.PublishIn{Archive: "harbour", Generation: staged.Generation, Releases: staged.Releases, Current: staged.Current, Signed: [][]aptrepo.Signature{signed}}
		for range 2 { // a repeat finds it done
			got := perform[aptrepo.PublishOut](t, set, "archive.publish@1", step, out)
			if got.Generation != staged.Generation || len(got.Previous) != 2 || got.Previous[0] != staged.Current[0] {
				t.Errorf("%s: published %+v", step, got)
			}
		}
		w.wantCurrent(staged.Generation)
		return out
	}
	add := func(version string) aptrepo.StageIn {
		name := filepath.Base(w.deb("hello", version, "amd64").Path)
		return aptrepo.StageIn{Kind: "add", Files: []aptrepo.Artifact{{Name: name, Digest: name}}}
	}
	publish("one", add("1.0"))
	publish("two", add("2.0"))
	history := perform[aptrepo.HistoryOut](t, set, "archive.history@1", "look", aptrepo.HistoryIn{Archive: "harbour", Suites: names, Source: "hello", Version: "2.0"})
	if fmt.Sprint(history.Suites, history.Packages) != "[bookworm buster] [hello]" || history.Previous != "1.0" {
		t.Errorf("history %+v", history)
	}
	// What others have published since stays.
	file := filepath.Base(w.deb("tool", "1.0", "amd64").Path)
	publish("tool", aptrepo.StageIn{Kind: "add", Files: []aptrepo.Artifact{{Name: file, Digest: file}}})
	publish("back", aptrepo.StageIn{Kind: "rollback", Source: "hello", Version: "2.0"})
	for _, s := range names {
		w.wantOffers(s, "main/binary-amd64 hello 1.0\nmain/binary-amd64 tool 1.0")
		all, err := w.place.Generations(s)
		if last := all[len(all)-1]; err != nil || fmt.Sprint(last.Sources) != "[hello]" || last.Base == last.Parent {
			t.Errorf("%s went back to %s from %s, of %v", s, last.Base, last.Parent, last.Sources)
		}
	}
	publish("tool goes", aptrepo.StageIn{Kind: "rollback", Source: "tool", Version: "1.0"})
	for _, s := range names {
		w.wantOffers(s, "main/binary-amd64 hello 1.0")
	}
	expiry := perform[aptrepo.ExpiryOut](t, set, "archive.expiry@1", "look", aptrepo.ExpiryIn{Archive: "harbour", Source: "hello"})
	if expiry.Due || expiry.Until != w.now.AddDate(0, 0, 10).Format(time.RFC3339) {
		t.Errorf("expiry %+v", expiry)
	}
	// What was staged and is not wanted any more goes in all suites.
	in := add("3.0")
	in.Archive, in.Suites = "harbour", names
	w.now = w.now.Add(time.Minute)
	staged := perform[aptrepo.StageOut](t, set, "archive.stage@1", "three", in)
	dropped := perform[aptrepo.DropOut](t, set, "archive.drop@1", "three", aptrepo.DropIn{Archive: "harbour", Suites: names, Generation: staged.Generation})
	if len(dropped.Dropped) == 0 || len(dropped.Published) != 0 {
		t.Errorf("dropped %+v", dropped)
	}
	perform[aptrepo.CleanOut](t, set, "archive.clean@1", "clean", aptrepo.CleanIn{Archive: "harbour"})
	entries, err := os.ReadDir(w.base)
	if err != nil || len(entries) != 8 { // five trees and the one from before, the link, the lock
		t.Errorf("left %v, %v", entries, err)
	}
}
