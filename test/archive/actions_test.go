//go:build prove

package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/integrations/aptrepo"
	"slipway/integrations/openpgp"
	"slipway/state/blob"
)

// office performs the actions of archives as an engine does: it asks first whether the effect
// happened already.
type office struct {
	set   *action.Set
	blobs *blob.Store
	keys  []*openpgp.KeyFile
	conf  aptrepo.Configured
}

// newOffice opens the archive in root with the store of artifacts beside it.
func newOffice(root, address string, suites []aptrepo.Suite, keys []*openpgp.KeyFile, now func() time.Time, o aptrepo.Options) (*office, error) {
	place, err := aptrepo.Open(root, o, suites...)
	if err != nil {
		return nil, err
	}
	store, err := blob.Open(root+".blobs", blob.Options{})
	if err != nil {
		return nil, err
	}
	var certs [][]byte
	f := &office{blobs: store, keys: keys, conf: aptrepo.Configured{Place: place, Address: address, Suites: suites}}
	for _, k := range keys {
		certs = append(certs, k.Certificate())
		f.conf.Keys = append(f.conf.Keys, k.Fingerprint())
	}
	if _, f.conf.Keyring, err = openpgp.Keyring(certs...); err != nil {
		return nil, err
	}
	acts := &aptrepo.Actions{
		Archives:   func(name string) (aptrepo.Configured, bool) { return f.conf, name == "packages" },
		Names:      func() []string { return []string{"packages"} },
		Contents:   store,
		Signatures: assembler{},
		Client:     aptrepo.Client{Dir: filepath.Dir(root)},
		Keyrings:   certificates{},
		Depot:      store,
		Now:        now,
	}
	bound, err := acts.Bind()
	if err != nil {
		return nil, err
	}
	f.set, err = action.NewSet(bound...)
	return f, err
}

// perform asks for the effect, and brings it about if it is not there.
func perform[Out, In any](f *office, ref, step string, in In) (out Out, found bool, err error) {
	b, err := f.set.Lookup(ref, aptrepo.Provider)
	if err != nil {
		return out, false, err
	}
	raw, err := json.Marshal(in)
	if err != nil {
		return out, false, err
	}
	key := action.Key{Run: "release", Step: step, Inputs: action.DigestOf(raw)}
	got, found, err := b.Probe(context.Background(), key, raw)
	if err == nil && !found {
		got, err = b.Do(context.Background(), key, raw)
	}
	if err != nil {
		return out, false, err
	}
	return out, found, json.Unmarshal(got, &out)
}

// artifact keeps a package as a pipeline would have left it.
func (f *office) artifact(file aptrepo.File) (aptrepo.Artifact, error) {
	text, err := os.ReadFile(file.Path)
	if err != nil {
		return aptrepo.Artifact{}, err
	}
	digest, size, err := f.blobs.PutFrom(context.Background(), bytes.NewReader(text), 1<<20)
	return aptrepo.Artifact{Name: filepath.Base(file.Path), Digest: digest, Size: int(size)}, err
}

// sign makes the signatures of every key, as signers return them.
func (f *office) sign(releases []aptrepo.SuiteRelease) (signed [][]aptrepo.Signature, err error) {
	for _, k := range f.keys {
		var own []aptrepo.Signature
		for _, r := range releases {
			inline, detached, err := openpgp.SignRelease(context.Background(), k, []byte(r.Text))
			if err != nil {
				return nil, err
			}
			own = append(own, aptrepo.Signature{Suite: r.Suite, Digest: r.Digest, Inline: string(inline), Detached: string(detached)})
		}
		signed = append(signed, own)
	}
	return signed, nil
}

// publish signs what was staged and turns clients to it.
func (f *office) publish(step string, s aptrepo.StageOut) (aptrepo.PublishOut, error) {
	signed, err := f.sign(s.Releases)
	if err != nil {
		return aptrepo.PublishOut{}, err
	}
	out, _, err := perform[aptrepo.PublishOut](f, "archive.publish@1", step,
		aptrepo.PublishIn{Archive: "packages", Generation: s.Generation, Releases: s.Releases, Current: s.Current, Signed: signed})
	return out, err
}

// assembler is openpgp as the archive wants it.
type assembler struct{}

func (assembler) Assemble(release []byte, inline, detached [][]byte, keyring []byte, keys []string, now time.Time) (inRelease, releaseGPG []byte, err error) {
	return openpgp.Assemble(release, inline, detached, keyring, keys, now)
}

// desk is a world whose archive is changed by actions alone.
type desk struct {
	*world
	*office
	n int
}

func newDesk(t *testing.T, suites ...aptrepo.Suite) *desk {
	t.Helper()
	return deskOf(newWorld(t, suites...))
}

func deskOf(w *world) *desk {
	w.t.Helper()
	d := &desk{world: w}
	d.staff()
	return d
}

// staff opens the office with the keys that the archive has now.
func (d *desk) staff() {
	d.t.Helper()
	var files []*openpgp.KeyFile
	for _, k := range d.world.keys {
		files = append(files, k.KeyFile)
	}
	if d.office != nil {
		if err := d.blobs.Close(); err != nil {
			d.t.Fatal(err)
		}
	}
	f, err := newOffice(d.root, d.front.url, d.suites, files, d.now, aptrepo.Options{})
	if err != nil {
		d.t.Fatal(err)
	}
	d.office = f
}

// try stages and publishes.
func (d *desk) try(in aptrepo.StageIn, files ...aptrepo.File) (aptrepo.StageOut, error) {
	d.t.Helper()
	d.n++
	d.pass(5 * time.Minute)
	in.Archive = "packages"
	if in.Suites == nil {
		in.Suites = []string{d.suites[0].Name}
	}
	for _, file := range files {
		a, err := d.artifact(file)
		if err != nil {
			d.t.Fatal(err)
		}
		in.Files = append(in.Files, a)
	}
	staged, _, err := perform[aptrepo.StageOut](d.office, "archive.stage@1", fmt.Sprint("stage ", d.n), in)
	if err != nil {
		return staged, err
	}
	d.pass(time.Minute)
	out, err := d.office.publish(fmt.Sprint("publish ", d.n), staged)
	if err == nil && out.Generation != staged.Generation {
		d.t.Errorf("published is %s, staged was %s", out.Generation, staged.Generation)
	}
	return staged, err
}

// do is try when nothing may go wrong.
func (d *desk) do(in aptrepo.StageIn, files ...aptrepo.File) aptrepo.StageOut {
	d.t.Helper()
	out, err := d.try(in, files...)
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

func (d *desk) add(files ...aptrepo.File) aptrepo.StageOut {
	d.t.Helper()
	return d.do(aptrepo.StageIn{Kind: "add"}, files...)
}

// view looks with apt as clients of each architecture do.
func (d *desk) view(version string, packages ...string) aptrepo.ViewOut {
	d.t.Helper()
	d.n++
	out, _, err := perform[aptrepo.ViewOut](d.office, "archive.view@1", fmt.Sprint("view ", d.n),
		aptrepo.ViewIn{Archive: "packages", Suites: []string{d.suites[0].Name}, Packages: packages, Version: version})
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

func (d *desk) wantView(version string, packages ...string) {
	d.t.Helper()
	if out := d.view(version, packages...); !out.OK {
		d.t.Errorf("clients are not offered %s: %q", version, out.Problems)
	}
}

func (d *desk) changes(got aptrepo.StageOut, want ...string) {
	d.t.Helper()
	if !slices.Equal(got.Changes, want) {
		d.t.Errorf("the change is told as %q, want %q", got.Changes, want)
	}
}
