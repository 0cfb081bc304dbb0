package aptrepo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/debian"
)

// office are the actions on the archive of a world, and what they keep.
type office struct {
	*world
	a     *Actions
	conf  Configured
	certs Certificates
	kept  map[string][]byte
}

func newOffice(t *testing.T, suites ...Suite) *office {
	t.Helper()
	o := &office{world: newWorld(t, Options{}, suites...), kept: map[string][]byte{}}
	o.conf = Configured{Place: o.world.a, Address: "https://deb.example/harbour", Keyring: []byte("armored"), Keys: []string{"AB"}}
	for _, name := range o.world.a.names {
		o.conf.Suites = append(o.conf.Suites, o.world.a.suites[name])
	}
	o.certs = Certificates{Keyring: []byte("the old key"), Fingerprints: []string{"AB"}, Owner: "Harbour <harbour@example.org>", Newest: o.now}
	o.a = &Actions{Archives: func(name string) (Configured, bool) { return o.conf, name == "harbour" }, Names: func() []string { return []string{"harbour"} },
		Contents: o, Depot: o, Keyrings: o, Signatures: o, Now: func() time.Time { return o.now }}
	if _, err := o.a.Bind(); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *office) Read([]byte) (Certificates, error) { return o.certs, nil }

func (o *office) PutFrom(_ context.Context, r io.Reader, _ int64) (string, int64, error) {
	all, err := io.ReadAll(r)
	o.kept[action.DigestOf(all)] = all
	return action.DigestOf(all), int64(len(all)), err
}

func (o *office) Open(_ context.Context, digest string) (*os.File, int64, error) {
	path := filepath.Join(o.t.TempDir(), "content")
	if err := os.WriteFile(path, o.kept[digest], 0o644); err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path)
	return f, int64(len(o.kept[digest])), err
}

func (o *office) Assemble(release []byte, _, _ [][]byte, _ []byte, _ []string, _ time.Time) (inRelease, releaseGPG []byte, err error) {
	p := o.signed(Staged{Release: release})
	return p.InRelease, p.ReleaseGPG, nil
}

// stage stages files in the suites, as the run called run.
func (o *office) stage(run string, suites []string, files ...Artifact) StageOut {
	o.t.Helper()
	o.now = o.now.Add(time.Hour)
	in := StageIn{Archive: "harbour", Suites: suites, Kind: "add", Files: files}
	if len(files) == 0 {
		in.Kind = "refresh"
	}
	out, err := stage{o.a}.Do(context.Background(), action.Key{Run: run, Step: "stage"}, in)
	if err != nil {
		o.t.Fatal(err)
	}
	return out
}

func (o *office) artifact(f File) Artifact {
	o.t.Helper()
	body, err := os.ReadFile(f.Path)
	if err != nil {
		o.t.Fatal(err)
	}
	digest, size, _ := o.PutFrom(context.Background(), bytes.NewReader(body), 0)
	return Artifact{Name: filepath.Base(f.Path), Digest: digest, Size: int(size)}
}

func (o *office) publishIn(s StageOut) PublishIn {
	return PublishIn{Archive: "harbour", Generation: s.Generation, Releases: s.Releases, Current: s.Current}
}

func (o *office) publish(s StageOut) PublishOut {
	o.t.Helper()
	out, err := publish{o.a}.Do(context.Background(), action.Key{}, o.publishIn(s))
	if err != nil {
		o.t.Fatal(err)
	}
	return out
}

// probe asks whether clients have it already.
func (o *office) probe(s StageOut) (PublishOut, bool) {
	o.t.Helper()
	out, found, err := publish{o.a}.Probe(context.Background(), action.Key{}, o.publishIn(s))
	if err != nil {
		o.t.Fatal(err)
	}
	return out, found
}

var one = []string{"stable"}

func TestPublishKnowsWhatBecameOfIt(t *testing.T) {
	o := newOffice(t)
	ctx := context.Background()
	first := o.stage("r1", one, o.artifact(o.deb("hello", "1.0", "amd64")))
	if _, found := o.probe(first); found {
		t.Error("what waits for its signatures is taken for published")
	}
	did := o.publish(first)
	if out, found := o.probe(first); !found || out.Published != did.Published || out.Generation != first.Generation {
		t.Errorf("published by us: %+v, %v", out, found)
	}
	second := o.stage("r2", one, o.artifact(o.deb("hello", "1.1", "amd64")))
	late := o.stage("r3", one, o.artifact(o.deb("hello", "1.2", "amd64")))
	o.publish(second)
	if out, found := o.probe(first); !found || out.Published != did.Published {
		t.Errorf("published and superseded: %+v, %v", out, found)
	}
	if again := o.publish(first); again.Published != did.Published {
		t.Errorf("again: %+v", again)
	}
	o.check("stable", second.Generation)

	// Somebody else came first: it has to be staged again.
	if _, found := o.probe(late); found {
		t.Error("what others overtook is taken for published")
	}
	if _, err := (publish{o.a}).Do(ctx, action.Key{}, o.publishIn(late)); !errs.Is(err, errs.Conflict) || !strings.Contains(errs.HintOf(err), "again STEP") {
		t.Errorf("overtaken: %v (%s)", err, errs.HintOf(err))
	}
	if err := o.world.a.Drop("stable", late.Generation); err != nil {
		t.Fatal(err)
	}
	if _, err := (publish{o.a}).Do(ctx, action.Key{}, o.publishIn(late)); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "is not there any more") {
		t.Errorf("not staged any more: %v", err)
	}

	// Published, superseded and cleaned up since.
	third := o.stage("r4", one, o.artifact(o.deb("hello", "1.3", "amd64")))
	o.publish(third)
	if left, _ := o.cleaned(o.now.AddDate(0, 1, 0)); slices.Contains(left, first.Generation) {
		t.Fatal("the first one is still there")
	}
	if out, found := o.probe(first); !found || out.Published == "" {
		t.Errorf("published and cleaned up: %+v, %v", out, found)
	}
	if out := o.publish(first); len(out.Previous) != 1 || out.Previous[0].Generation != "" {
		t.Errorf("again: %+v", out)
	}
	o.check("stable", third.Generation)

	// The same name with another Release was not ours.
	in := o.publishIn(third)
	in.Releases = slices.Clone(in.Releases)
	in.Releases[0].Digest = action.DigestOf([]byte("other"))
	if _, _, err := (publish{o.a}).Probe(ctx, action.Key{}, in); !errs.Is(err, errs.Exists) {
		t.Errorf("published by others: %v", err)
	}
}

func TestWhatIsDroppedIsWhatWaits(t *testing.T) {
	testing := stable()
	testing.Name, testing.Codename = "testing", "trixie"
	o := newOffice(t, stable(), testing)
	ctx := context.Background()
	both := []string{"stable", "testing"}
	s := o.stage("release-7", both, o.artifact(o.deb("hello", "1.0", "amd64")))
	all, err := o.world.a.Generations("testing")
	if err != nil || len(all) != 1 || all[0].Run != "release-7" || !all[0].Staged {
		t.Fatalf("it does not tell who staged it: %+v, %v", all, err)
	}
	// Interrupted: one suite was turned.
	in := o.publishIn(s)
	in.Releases = in.Releases[:1]
	if _, err := (publish{o.a}).Do(ctx, action.Key{}, in); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		out, err := drop{o.a}.Do(ctx, action.Key{}, DropIn{Archive: "harbour", Suites: both, Generation: s.Generation})
		if err != nil || !slices.Equal(out.Published, one) || len(out.Dropped) != 1-n {
			t.Fatalf("dropped %+v, %v", out, err)
		}
	}
	o.check("stable", s.Generation)
	if all, err := o.world.a.Generations("testing"); err != nil || len(all) != 0 {
		t.Errorf("left: %+v, %v", all, err)
	}
	if _, err := (drop{o.a}).Do(ctx, action.Key{}, DropIn{Archive: "harbor"}); !errs.Is(err, errs.NotFound) || !strings.Contains(errs.HintOf(err), "harbour") {
		t.Errorf("an unknown archive: %v", err)
	}
	o.conf.Place = struct{ Place }{o.conf.Place}
	if _, err := (drop{o.a}).Do(ctx, action.Key{}, DropIn{Archive: "harbour", Suites: both, Generation: s.Generation}); !errs.Is(err, errs.Invalid) {
		t.Errorf("a place that cannot drop: %v", err)
	}
}

func (o *office) keyring(version string, suites ...string) KeyringOut {
	o.t.Helper()
	out, err := keyringPackage{o.a}.Do(context.Background(), action.Key{}, KeyringIn{Archive: "harbour", Version: version, Suites: suites})
	if err != nil {
		o.t.Fatal(err)
	}
	if !slices.Equal(out.Fingerprints, o.certs.Fingerprints) || out.Package != "harbour-archive-keyring" || len(out.Files) != 1 {
		o.t.Errorf("made %+v", out)
	}
	return out
}

// Each change of the keys is a higher version of the package; without a change it is the same one.
func TestTheKeyringPackageFollowsTheKeys(t *testing.T) {
	testing := stable()
	testing.Name, testing.Codename = "testing", "trixie"
	o := newOffice(t, stable(), testing)
	want := func(out KeyringOut, version string, missing ...string) {
		t.Helper()
		if out.Version != version || !slices.Equal(out.Suites, missing) {
			t.Errorf("made %s for %q, want %s for %q", out.Version, out.Suites, version, missing)
		}
	}
	made := o.keyring("")
	want(made, "2019.01.07", "stable", "testing")
	o.publish(o.stage("r1", one, made.Files...))
	o.wantOffers(amd64Main, "harbour-archive-keyring 2019.01.07")
	o.wantOffers(arm64Main, "harbour-archive-keyring 2019.01.07")
	again := o.keyring("")
	want(again, "2019.01.07", "testing")
	if again.Files[0] != made.Files[0] {
		t.Error("made again it has other bytes")
	}
	want(o.keyring("", "stable"), "2019.01.07")

	// A new key beside the old one, on the same day; a day later; and then the new one alone, whose
	// newest signature is not newer.
	o.certs.Keyring, o.certs.Fingerprints = []byte("the old key, the new key"), []string{"AB", "CD"}
	want(o.keyring("", "stable"), "2019.01.07+1", "stable")
	o.certs.Newest = o.certs.Newest.AddDate(0, 0, 1)
	both := o.keyring("", "stable")
	want(both, "2019.01.08", "stable")
	o.publish(o.stage("r2", one, both.Files...))
	o.now = o.now.AddDate(0, 6, 0)
	o.certs.Keyring, o.certs.Fingerprints = []byte("the new key"), []string{"CD"}
	last := o.keyring("", "stable")
	want(last, "2019.01.08+1", "stable")
	o.publish(o.stage("r3", one, last.Files...))
	o.wantOffers(amd64Main, "harbour-archive-keyring 2019.01.08+1")
	want(o.keyring("3000"), "3000", "stable", "testing")

	// Configured so, it goes along with the next packages, into the suite that lacks it.
	o.conf.KeyringPackage.Publish = true
	s := o.stage("r4", []string{"stable", "testing"}, o.artifact(o.deb("hello", "1.0", "amd64")))
	all := []string{"stable: hello 1.0 added (main amd64)", "testing: harbour-archive-keyring 2019.01.08+1 added (main amd64,arm64)", "testing: hello 1.0 added (main amd64)"}
	if !slices.Equal(s.Changes, all) {
		t.Errorf("the next packages change %q, want %q", s.Changes, all)
	}
	_, err := stage{o.a}.Do(context.Background(), action.Key{}, StageIn{Archive: "harbour", Suites: []string{"testing"}, Kind: "add"})
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "no .deb") {
		t.Errorf("the keyring package alone is no release: %v", err)
	}

	_, err = keyringPackage{o.a}.Do(context.Background(), action.Key{}, KeyringIn{Archive: "harbour", Suites: []string{"stabel"}})
	if !errs.Is(err, errs.NotFound) {
		t.Errorf("an unknown suite: %v", err)
	}
	o.certs.Owner = "no address"
	if _, err := (keyringPackage{o.a}).Do(context.Background(), action.Key{}, KeyringIn{Archive: "harbour"}); !errs.Is(err, errs.Invalid) {
		t.Errorf("a maintainer without an address: %v", err)
	}
}

func TestTheKeyringPackage(t *testing.T) {
	o := newOffice(t)
	k := KeyringPackage{Archive: "harbour", Address: o.conf.Address, Suites: o.conf.Suites, Certificates: o.certs}
	read := func() (paths []string, d debian.Deb) {
		t.Helper()
		var b bytes.Buffer
		if err := k.Write(&b); err != nil {
			t.Fatal(err)
		}
		d, err := debian.ReadDeb(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err == nil {
			err = d.Contents(bytes.NewReader(b.Bytes()), func(p string) error { paths = append(paths, p); return nil })
		}
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(paths)
		return paths, d
	}
	own := []string{"usr/share/doc/harbour-archive-keyring/changelog.gz", "usr/share/doc/harbour-archive-keyring/copyright",
		"usr/share/doc/harbour-archive-keyring/examples/harbour.sources", "usr/share/keyrings/harbour.gpg"}
	paths, d := read()
	if !slices.Equal(paths, own) || d.Control.Get("Package") != "harbour-archive-keyring" || d.Control.Get("Architecture") != "all" {
		t.Errorf("it has %q, %v", paths, d.Control)
	}
	k.Sources = []string{"stable"}
	if paths, _ = read(); !slices.Equal(paths, append([]string{"etc/apt/sources.list.d/harbour.sources"}, own...)) {
		t.Errorf("with sources it has %q", paths)
	}
	want := "Types: deb\nURIs: https://deb.example/harbour\nSuites: stable\nComponents: main contrib\nSigned-By: /usr/share/keyrings/harbour.gpg\n"
	if got := string(k.sources("", k.Suites)); got != want {
		t.Errorf("the sources are\n%s", got)
	}
	k.Sources = []string{"unstable"}
	if err := k.Write(io.Discard); !errs.Is(err, errs.Invalid) || errors.Unwrap(err) == nil {
		t.Errorf("an unknown suite: %v", err)
	}
}

// A Release tells its time in whole seconds: two releases in one second are staged one after the other.
func TestStageInTheSecondOfTheLastPublication(t *testing.T) {
	o := newOffice(t)
	was := o.world.publish(o.change(o.deb("hello", "1.0-1", "amd64")))
	in := StageIn{Archive: "harbour", Suites: []string{was.Suite}, Kind: "refresh"}
	o.now = was.Date.Add(900 * time.Millisecond)
	_, err := stage{o.a}.Do(context.Background(), action.Key{Run: "r2", Step: "stage"}, in)
	if !errs.Is(err, errs.Busy) {
		t.Fatalf("in the same second: %v", err)
	}
	o.now = o.now.Add(100 * time.Millisecond)
	out, err := stage{o.a}.Do(context.Background(), action.Key{Run: "r2", Step: "stage"}, in)
	if err != nil || len(out.Releases) != 1 {
		t.Errorf("a second later: %+v, %v", out, err)
	}
	o.now = was.Date.Add(-time.Hour)
	if _, err := (stage{o.a}).Do(context.Background(), action.Key{Run: "r3", Step: "stage"}, in); !errs.Is(err, errs.Conflict) {
		t.Errorf("with a clock that is an hour behind: %v", err)
	}
}

// What clients were offered first has nothing before it: an undo is told so before it begins.
func TestNothingIsBeforeTheFirst(t *testing.T) {
	o := newOffice(t)
	ctx, source := context.Background(), o.source("hello", "1.0-1")
	o.world.publish(o.change(source, o.deb("hello", "1.0-1", "amd64")))
	in := HistoryIn{Archive: "harbour", Suites: []string{"stable"}, Source: "hello", Version: "1.0-1"}
	if out, err := (history{o.a}).Do(ctx, action.Key{}, in); err != nil || len(out.Before) != 1 || out.Before[0].Known {
		t.Fatalf("without asking for the way back: %+v, %v", out, err)
	}
	in.Back = true
	if _, err := (history{o.a}).Do(ctx, action.Key{}, in); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "nothing to go back to") {
		t.Errorf("the way back from the first: %v", err)
	}
	o.now = o.now.Add(time.Hour)
	o.world.publish(o.change(o.source("hello", "1.1-1"), o.deb("hello", "1.1-1", "amd64")))
	in.Version = "1.1-1"
	if out, err := (history{o.a}).Do(ctx, action.Key{}, in); err != nil || out.Previous != "1.0-1" {
		t.Errorf("the way back from the second: %+v, %v", out, err)
	}
}
