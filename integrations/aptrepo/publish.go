package aptrepo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/debian"
)

// Publication asks for a staged generation to be made the one that clients read.
type Publication struct {
	Suite      string
	Generation string // its id
	Digest     string // of the Release that was approved, as [Staged] has it; "" is not compared
	InRelease  []byte // the Release, clear-signed
	ReleaseGPG []byte // a detached signature of it, armored: apt ignores a binary one
	// Expect is the generation that must be current now; "" means that the suite was never
	// published.
	Expect string
	Now    time.Time // clients compare the time of InRelease with the one they have
	// Verify decides whether the signatures are those of the keys that clients trust; its error
	// refuses the publication. nil means that the caller verified them.
	Verify func(release, inRelease, releaseGPG []byte) error
}

// Published is what became of a publication.
type Published struct {
	Previous string    // the generation that was current before, "" for the first
	At       time.Time // the time that InRelease bears
}

// Publish puts the signatures beside the Release and turns the link of the suite to the
// generation, if the one that clients read is still the expected one. A repeat after success is a
// success.
//
// Errors: Conflict when the suite moved on, and when the Release is dated in the future or has
// expired; Invalid when the signatures are not those of this Release; what the verifier says;
// NotFound, Busy, Full.
func (a *Archive) Publish(ctx context.Context, p Publication) (Published, error) {
	const op = "aptrepo.publish"
	s, err := a.suite(op, p.Suite)
	if err != nil {
		return Published{}, err
	}
	if !generationID(p.Generation) || p.Now.IsZero() {
		return Published{}, errs.E(op, errs.Invalid, errors.New("a publication needs a generation and a time")).
			Hint("take the generation that was staged")
	}
	unlock, err := a.lockSuite(s.Name)
	if err != nil {
		return Published{}, err
	}
	defer unlock()
	if err := ctx.Err(); err != nil {
		return Published{}, err
	}
	done, err := a.publish(ctx, s, p)
	return done, disk(op, err)
}

func (a *Archive) publish(ctx context.Context, s Suite, p Publication) (Published, error) {
	const op = "aptrepo.publish"
	current, err := a.current(s.Name)
	if err != nil {
		return Published{}, err
	}
	if current == p.Generation { // done before; what may be left is to tell the disk and to keep a snapshot
		done, err := readPublication(a.gen(s.Name, p.Generation))
		if err != nil {
			return Published{}, err
		}
		return Published{done.Previous, done.At}, errors.Join(syncPath(filepath.Join(a.root, "dists")), a.snapshot(s, p.Generation))
	}
	t, err := a.openTree(op, s.Name, p.Generation)
	if err != nil {
		return Published{}, err
	}
	if current != p.Expect || t.record.Parent != current {
		return Published{}, errs.E(op, errs.Conflict, fmt.Errorf("suite %s is at %s, and generation %s was made to follow %s",
			s.Name, orNone(current), p.Generation, orNone(t.record.Parent))).
			Hint("stage the change again on top of what is published now")
	}
	release, err := os.ReadFile(filepath.Join(t.dir, "Release"))
	if err != nil {
		return Published{}, err
	}
	if p.Digest != "" && p.Digest != t.record.Digest {
		return Published{}, errs.E(op, errs.Conflict, fmt.Errorf("generation %s has another Release than the one that was approved", p.Generation)).
			Hint("approve and sign what is staged")
	}
	if err := t.release.checkTime(p.Now); err != nil {
		return Published{}, err
	}
	if err := p.checkSignatures(release); err != nil {
		return Published{}, err
	}
	at, err := a.freshTime(s.Name, current, p.Now)
	if err != nil {
		return Published{}, err
	}
	a.step("publish.checked")
	if err := a.sign(t, p, current, at); err != nil {
		return Published{}, err
	}
	// Another process may see the final name before the link leads to it; that is harmless.
	if final := a.gen(s.Name, p.Generation); t.dir != final {
		if err := os.Rename(t.dir, final); err != nil {
			return Published{}, err
		}
		a.step("publish.renamed")
	}
	var sync pending
	if err := errors.Join(syncPath(a.gens(s.Name)), mkdirs(a.root, filepath.Join(a.root, "dists"), &sync),
		os.MkdirAll(filepath.Join(a.root, "tmp"), 0o755), sync.flush(a.root)); err != nil {
		return Published{}, err
	}
	a.step("publish.synced")
	if a.opts.Before != nil {
		if err := a.opts.Before(ctx, s, p.Generation, current); err != nil {
			return Published{}, err
		}
		a.step("publish.elsewhere")
	}
	if current != "" {
		mark := filepath.Join(a.gen(s.Name, current), servedFile)
		if err := errors.Join(writePieces(mark), syncPath(mark), syncPath(filepath.Dir(mark))); err != nil {
			return Published{}, err
		}
		a.step("publish.marked")
	}
	// Before the link is turned: who finds it turned takes the publication for done.
	if err := a.snapshot(s, p.Generation); err != nil {
		return Published{}, err
	}
	link := filepath.Join(a.root, "dists", s.Name)
	if err := switchLink(filepath.Join(a.root, "tmp", s.Name+".link"), link, linkTarget(s.Name, p.Generation)); err != nil {
		return Published{}, err
	}
	a.step("publish.switched")
	return Published{current, at}, nil
}

func orNone(id string) string {
	if id == "" {
		return "no generation"
	}
	return id
}

// clockSkew is how far in the future the date of a Release may be; apt tolerates 10 s
// (Acquire::Max-FutureTime).
const clockSkew = 5 * time.Second

// checkTime refuses what every client would refuse when it is published at now.
func (r release) checkTime(now time.Time) error {
	bad := func(hint, format string, args ...any) error {
		return errs.E("aptrepo.publish", errs.Conflict, fmt.Errorf(format, args...)).Hint("%s", hint)
	}
	switch {
	case r.date.After(now.Add(clockSkew)):
		return bad("check the clock of this machine, or publish later", "the Release is dated %s, which is in the future; apt would refuse it", r.date.Format(dateForm))
	case !r.until.IsZero() && !r.until.After(now):
		return bad("stage the change again, and sign that", "the Release was valid until %s and has expired; apt would refuse it", r.until.Format(dateForm))
	}
	return nil
}

// checkSignatures refuses what apt would not read, and then asks the verifier.
func (p Publication) checkSignatures(release []byte) error {
	bad := func(hint, format string, args ...any) error {
		return errs.E("aptrepo.publish", errs.Invalid, fmt.Errorf(format, args...)).Hint("%s", hint)
	}
	signed, err := debian.Unsign("InRelease", p.InRelease)
	if err != nil {
		return err
	}
	if !bytes.Equal(bytes.TrimRight(signed.Text, "\n"), bytes.TrimRight(release, "\n")) {
		return bad("sign the Release that was staged", "the text of InRelease is not the Release of generation %s", p.Generation)
	}
	for _, h := range signed.Hashes {
		if slices.Contains([]string{"MD5", "SHA1", "RIPEMD160"}, strings.ToUpper(h)) {
			return bad("sign with SHA-256 or better", "InRelease is signed with %s, which apt refuses", h)
		}
	}
	gpg := p.ReleaseGPG
	const begin, end = "-----BEGIN PGP SIGNATURE-----\n", "\n-----END PGP SIGNATURE-----\n"
	if !bytes.HasPrefix(gpg, []byte(begin)) || !bytes.HasSuffix(gpg, []byte(end)) {
		return bad("sign again with armor", "Release.gpg is not an armored signature and nothing else; apt refuses it")
	}
	if p.Verify == nil {
		return nil
	}
	return p.Verify(release, p.InRelease, gpg)
}

// freshTime is when clients are told that InRelease changed: later than the one before, or a
// server would answer that nothing is new.
func (a *Archive) freshTime(suite, current string, now time.Time) (time.Time, error) {
	now = now.Truncate(time.Second)
	if current == "" {
		return now, nil
	}
	before, err := os.Stat(filepath.Join(a.gen(suite, current), "InRelease"))
	if err != nil {
		return now, err
	}
	if next := before.ModTime().Truncate(time.Second).Add(time.Second); now.Before(next) {
		return next, nil
	}
	return now, nil
}

// sign writes the signatures into a generation that clients do not see yet: InRelease last, since
// apt prefers it to what else is there. A repeat writes them again.
func (a *Archive) sign(t *tree, p Publication, current string, at time.Time) error {
	record, err := json.Marshal(publication{At: at, Previous: current})
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{publishedFile, record}, {"Release.gpg", p.ReleaseGPG}, {"InRelease", p.InRelease}} {
		path := filepath.Join(t.dir, f.name)
		// Under a name of its own first: a generation that has its final name is whole.
		temp := filepath.Join(t.dir, "."+f.name+".tmp")
		if err := errors.Join(writePieces(temp, f.text), os.Chtimes(temp, at, at)); err != nil {
			return err
		}
		if err := errors.Join(syncPath(temp), os.Rename(temp, path)); err != nil {
			return err
		}
		a.step("publish." + f.name)
	}
	// Release has one name only, so that nothing else gets its time.
	release := filepath.Join(t.dir, "Release")
	return errors.Join(os.Chtimes(release, at, at), syncPath(release), syncPath(t.dir))
}

// snapshot keeps the generation under its date, as a place that apt can read: the address
// ROOT/snapshots/<suite>/<date> has dists/<suite> and pool.
func (a *Archive) snapshot(s Suite, id string) error {
	if s.Snapshots == 0 {
		return nil
	}
	stamp, _, _ := strings.Cut(id, "-")
	dir := filepath.Join(a.root, "snapshots", s.Name)
	final, temp := filepath.Join(dir, stamp), filepath.Join(a.root, "tmp", s.Name+".snapshot")
	if _, err := os.Lstat(final); err == nil {
		return nil
	}
	var sync pending
	if err := errors.Join(os.RemoveAll(temp), os.MkdirAll(filepath.Join(temp, "dists"), 0o755), mkdirs(a.root, dir, &sync)); err != nil {
		return err
	}
	if err := errors.Join(os.Symlink("../../../../generations/"+s.Name+"/"+id, filepath.Join(temp, "dists", s.Name)),
		os.Symlink("../../../pool", filepath.Join(temp, "pool"))); err != nil {
		return err
	}
	sync.dir(filepath.Join(temp, "dists"))
	sync.dir(temp)
	if err := sync.flush(a.root); err != nil {
		return err
	}
	if err := os.Rename(temp, final); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	a.step("publish.snapshot")
	return syncPath(dir)
}
