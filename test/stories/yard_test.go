package stories

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/bot/version"
	"slipway/commands/release"
	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
	"slipway/integrations/debian/build"
	"slipway/integrations/localci"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

// yard is the archive of packages: a real one, in a folder, with a client that reads it as apt
// does, and the key that signs it.
type yard struct {
	key   key
	place *aptrepo.Archive
	now   func() time.Time
	looks int // how often a client looked
}

const archiveKey = "AB01234567890123456789012345678901234567"

func openYard(dir string, now func() time.Time) (*yard, error) {
	y := &yard{key: key{archiveKey}, now: now}
	var err error
	y.place, err = aptrepo.Open(filepath.Join(dir, "archive"), aptrepo.Options{}, y.suites()...)
	return y, err
}

func (y *yard) suites() (all []aptrepo.Suite) {
	for _, name := range []string{"stable", "proposed", "daily"} {
		all = append(all, aptrepo.Suite{Name: name, Origin: "Example", Label: "Example", Description: "Packages of an example",
			Components: []string{"main"}, Architectures: []string{"amd64", "arm64"}, ByHash: true, ValidFor: 30 * 24 * time.Hour, History: 4})
	}
	return all
}

// actions are those of integrations/aptrepo on the yard; contents is where artifacts are kept.
func (y *yard) actions(contents aptrepo.Contents) *aptrepo.Actions {
	configured := aptrepo.Configured{Place: y.place, Address: "https://apt.example.org", Keyring: []byte("key"), Keys: []string{y.key.fingerprint}, Suites: y.suites()}
	return &aptrepo.Actions{
		Archives: func(name string) (aptrepo.Configured, bool) { return configured, name == "lava" },
		Names:    func() []string { return []string{"lava"} },
		Contents: contents, Signatures: y, Client: y, Now: y.now,
	}
}

// Assemble refuses what is not signed by the key of the archive.
func (y *yard) Assemble(text []byte, inline, detached [][]byte, _ []byte, keys []string, _ time.Time) (inRelease, releaseGPG []byte, err error) {
	if len(inline) != 1 || len(detached) != 1 || !slices.Equal(keys, []string{y.key.fingerprint}) {
		return nil, nil, errs.E("archive.sign", errs.Denied, fmt.Errorf("there are %d signatures", len(inline)))
	}
	if _, err := y.key.VerifyRelease(text, inline[0], detached[0], y.key.fingerprint, y.now()); err != nil {
		return nil, nil, err
	}
	head := "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
	return slices.Concat([]byte(head), text, inline[0]), detached[0], nil
}

// Look reads the index of each architecture, as a client does.
func (y *yard) Look(_ context.Context, q aptrepo.Look) (v aptrepo.View, err error) {
	y.looks++
	folder := filepath.Join(y.place.Root(), "dists", q.Suite)
	text, err := os.ReadFile(filepath.Join(folder, "Release"))
	if err != nil {
		return v, err
	}
	r, err := debian.ParseRelease(text)
	if err != nil {
		return v, err
	}
	if r.ValidUntil.Before(y.now()) {
		v.Complaints = append(v.Complaints, "the Release has expired")
	}
	for _, arch := range q.Architectures {
		newest := map[string]string{}
		index, err := os.ReadFile(filepath.Join(folder, "main", "binary-"+arch, "Packages"))
		if err != nil {
			return v, err
		}
		for in := debian.NewReader(bytes.NewReader(index)); ; {
			p, err := in.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return v, err
			}
			if name, has := p.Get("Package"), p.Get("Version"); newest[name] == "" || version.Compare(newest[name], has) < 0 {
				newest[name] = has
			}
		}
		for _, name := range q.Packages {
			v.Candidates = append(v.Candidates, aptrepo.Candidate{Architecture: arch, Package: name, Version: newest[name]})
		}
	}
	return v, nil
}

// signs gives both signatures under a Release, as a signer hands them in.
func (k key) signs(r signing.SuiteRelease) signing.ReleaseSignature {
	return signing.ReleaseSignature{Suite: r.Suite, Digest: r.Digest, Inline: k.sign("inline " + r.Text), Detached: k.sign("detached " + r.Text)}
}

// VerifyRelease refuses signatures of another key, or of other bytes.
func (k key) VerifyRelease(text, inline, detached []byte, fingerprint string, now time.Time) (time.Time, error) {
	good := k.signs(signing.SuiteRelease{Text: string(text)})
	if fingerprint != k.fingerprint || string(inline) != good.Inline || string(detached) != good.Detached || openpgp.CheckRelease(text) != nil {
		return time.Time{}, errs.E("sign.verify", errs.Denied, errors.New("the signatures are not by the pinned key"))
	}
	return now, nil
}

// fetch is ci.artifacts@1: what a build of the commit would have made, kept in the blobs.
func fetch(o *outside, depot localci.Depot) doer[localci.ArtifactsIn, localci.ArtifactsOut] {
	return doer[localci.ArtifactsIn, localci.ArtifactsOut]{do: func(_ action.Key, in localci.ArtifactsIn) (out localci.ArtifactsOut, err error) {
		entry, _, err := release.ParseEntry(o.remote.changelogOf(in.Commit))
		if err != nil {
			return out, err
		}
		for _, f := range built(entry) {
			if o.forgotten != "" && strings.Contains(f.name, "_"+o.forgotten+".") {
				continue
			}
			digest, size, err := depot.PutFrom(context.Background(), bytes.NewReader(f.content), 1<<20)
			if err != nil {
				return out, err
			}
			out.Files = append(out.Files, localci.Artifact{Name: f.name, Digest: digest, Size: int(size)})
		}
		return out, nil
	}}
}

// importOrig is a packaging repository, which takes each version once.
func importOrig(o *outside) doer[build.ImportIn, build.ImportOut] {
	at := func(in build.ImportIn) (out build.ImportOut, found bool) {
		upstream, _, _ := strings.Cut(in.Version, "-")
		out = build.ImportOut{UpstreamTag: "upstream/" + upstream, UpstreamCommit: sum(in.Commit), DebianCommit: sum(in.Commit, in.DebianBranch),
			PackagingTag: build.TagName("debian", in.Version), Orig: action.DigestOf([]byte(in.Commit))}
		return out, slices.ContainsFunc(o.imported, func(had build.ImportIn) bool { return had.Version == in.Version })
	}
	return doer[build.ImportIn, build.ImportOut]{
		probe: func(_ action.Key, in build.ImportIn) (build.ImportOut, bool, error) {
			out, found := at(in)
			return out, found, nil
		},
		do: func(_ action.Key, in build.ImportIn) (build.ImportOut, error) {
			o.imported = append(o.imported, in)
			out, _ := at(in)
			return out, nil
		},
	}
}

type builtFile struct {
	name    string
	content []byte
}

// built are the files of two builds, one with the source and one of a further architecture.
func built(e release.Entry) []builtFile {
	file := e.Version[strings.Index(e.Version, ":")+1:] // names of files have no epoch
	upstream, _, _ := strings.Cut(file, "-")
	source := []builtFile{
		{e.Source + "_" + upstream + ".orig.tar.gz", []byte("upstream " + upstream)},
		{e.Source + "_" + file + ".debian.tar.gz", []byte("packaging " + e.Version)},
	}
	dsc := fmt.Sprintf("Format: 3.0 (quilt)\nSource: %s\nBinary: %s\nArchitecture: any\nVersion: %s\nMaintainer: Team <team@example.org>\nStandards-Version: 4.6.2\n"+
		"Package-List:\n %s deb misc optional arch=any\n%s", e.Source, e.Source, e.Version, e.Source, listed("", source))
	source = append(source, builtFile{e.Source + "_" + file + ".dsc", []byte(dsc)})
	all := slices.Clone(source)
	for _, arch := range []string{"amd64", "arm64"} {
		var deb bytes.Buffer
		err := debian.WriteDeb(&deb, debian.Build{Time: e.Date, Files: []debian.File{{Path: "usr/share/" + e.Source, Body: []byte(e.Version)}},
			Control: debian.Paragraph{{Name: "Package", Value: e.Source}, {Name: "Version", Value: e.Version}, {Name: "Architecture", Value: arch},
				{Name: "Section", Value: "misc"}, {Name: "Priority", Value: "optional"}, {Name: "Maintainer", Value: "Team <team@example.org>"}, {Name: "Description", Value: "an example"}}})
		if err != nil {
			panic(err)
		}
		made, what := []builtFile{{e.Source + "_" + file + "_" + arch + ".deb", deb.Bytes()}}, arch
		all = append(all, made...)
		if arch == "amd64" {
			made, what = append(made, source...), "source amd64"
		}
		changes := fmt.Sprintf("Format: 1.8\nDate: %s\nSource: %s\nArchitecture: %s\nVersion: %s\nDistribution: unstable\nMaintainer: Team <team@example.org>\nChanges:\n %s (%s) unstable; urgency=medium\n%s",
			e.Date.Format(time.RFC1123Z), e.Source, what, e.Version, e.Source, e.Version, listed("misc optional ", made))
		all = append(all, builtFile{e.Source + "_" + file + "_" + arch + ".changes", []byte(changes)})
	}
	return all
}

// listed are the fields that name files, with more before each name.
func listed(more string, files []builtFile) string {
	var strong, plain strings.Builder
	for _, f := range files {
		fmt.Fprintf(&strong, " %x %d %s\n", sha256.Sum256(f.content), len(f.content), f.name)
		fmt.Fprintf(&plain, " %x %d %s%s\n", md5.Sum(f.content), len(f.content), more, f.name)
	}
	return "Checksums-Sha256:\n" + strong.String() + "Files:\n" + plain.String()
}

// takeArchive leases the oldest signing of the archive for the key holder.
func (w *world) takeArchive() (job.Job, signing.ReleaseRequest, bool) {
	w.t.Helper()
	j, found, err := w.e.Lease(context.Background(), "signer", []string{signing.ReleaseJob}, time.Minute)
	w.must(err)
	var r signing.ReleaseRequest
	if found {
		w.must(json.Unmarshal(w.content(j), &r))
	}
	return j, r, found
}

// SignArchive has the key holder sign the archive where that waits, and gives what was asked.
func (w *world) SignArchive() (asked []signing.ReleaseRequest) {
	w.t.Helper()
	for {
		j, r, found := w.takeArchive()
		if !found {
			return asked
		}
		asked = append(asked, r)
		var list []signing.ReleaseSignature
		for _, one := range r.Releases {
			list = append(list, w.yard.key.signs(one))
		}
		result, err := signing.EncodeReleaseResult(list)
		w.must(err)
		_, err = w.e.Finish(context.Background(), j.Kind, j.ID, "signer", j.Lease.Fence, job.Verdict{Result: result, OK: true})
		w.must(err)
		w.line()
	}
}

// offers is the version that clients of a suite are offered, "" for none.
func (w *world) offers(suite string) string {
	w.t.Helper()
	list, err := w.yard.place.Built(suite, "", "lava")
	w.must(err)
	if len(list) == 0 {
		return ""
	}
	return list[0].Version
}

// wantOffers demands it.
func (w *world) wantOffers(suite, want string) {
	w.t.Helper()
	if got := w.offers(suite); got != want {
		w.t.Fatalf("%s offers %q, want %q", suite, got, want)
	}
}

// release is what clients of a suite read first.
func (w *world) release(suite string) debian.Release {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.yard.place.Root(), "dists", suite, "Release"))
	w.must(err)
	r, err := debian.ParseRelease(text)
	w.must(err)
	return r
}

// seen is the word that a person repeats to have something done again after seeing what it did.
func (w *world) seen(shown string) string {
	w.t.Helper()
	_, word, found := strings.Cut(shown, "seen=")
	if !found {
		w.t.Fatalf("nothing was shown:\n%s", shown)
	}
	return strings.Fields(word)[0]
}

// publishedByHand gives a suite a new date without the bot.
func (w *world) publishedByHand(suite string) {
	w.t.Helper()
	ctx := context.Background()
	staged, err := w.yard.place.Stage(ctx, aptrepo.Change{Key: "by hand", Suite: suite, Date: w.clock.Now().Add(time.Second)})
	w.must(err)
	w.clock.pass(time.Minute)
	signed := w.yard.key.signs(signing.SuiteRelease{Text: string(staged.Release)})
	inRelease, gpg, err := w.yard.Assemble(staged.Release, [][]byte{[]byte(signed.Inline)}, [][]byte{[]byte(signed.Detached)}, nil, []string{archiveKey}, w.clock.Now())
	w.must(err)
	_, err = w.yard.place.Publish(ctx, aptrepo.Publication{Suite: suite, Generation: staged.ID, Digest: staged.Digest, InRelease: inRelease, ReleaseGPG: gpg,
		Expect: staged.Parent, Now: w.clock.Now()})
	w.must(err)
}
