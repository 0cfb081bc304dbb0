package aptrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"slipway/bot/errs"
	"slipway/integrations/debian"
)

// poolFile is a file of the pool as an index names it.
type poolFile struct {
	path   string // from the root of the archive
	size   int64
	sha256 string
}

// eachPoolFile calls f for every file that the indexes of a generation name.
func (t *tree) eachPoolFile(f func(poolFile) error) error {
	for _, i := range t.indexes() {
		text, err := t.text(i)
		if err != nil {
			return err
		}
		err = eachRow(text, i.arch == sourceArch, func(r row) error {
			if i.arch != sourceArch {
				return f(poolFile{r.filename, r.size, r.sum})
			}
			dir := line(r.text, "Directory")
			for l := range strings.Lines(block(r.text, SHA256.checksumField())) {
				w := strings.Fields(l)
				if len(w) != 3 {
					continue
				}
				size, _ := strconv.ParseInt(w[1], 10, 64)
				if err := f(poolFile{dir + "/" + w[2], size, w[0]}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Check reads what clients of a suite read now: the link, the signed text, everything that it
// lists under its name and its checksums, the order of the indexes, and every file of the pool.
// deep reads the files of the pool whole; otherwise their size alone is looked at. The signatures
// themselves are for the caller to verify. Errors: Corrupt, naming what is wrong; NotFound when the
// suite was never published.
func (a *Archive) Check(ctx context.Context, suite string, deep bool) (Generation, error) {
	const op = "aptrepo.check"
	if _, err := a.suite(op, suite); err != nil {
		return Generation{}, err
	}
	t, err := a.openTree(op, suite, "")
	if err != nil {
		return Generation{}, err
	}
	if err := t.check(ctx, a.root, true, deep); err != nil {
		return Generation{}, disk(op, err)
	}
	g := t.record.generation()
	g.Staged, g.Current = false, true
	p, err := readPublication(t.dir)
	g.Published = p.At
	return g, disk(op, err)
}

func (t *tree) wrong(format string, args ...any) error {
	return errs.E("aptrepo.check", errs.Corrupt, wrongError{t.record.Suite, t.record.ID, fmt.Sprintf(format, args...)}).
		Hint("publish again from an earlier generation")
}

// wrongError is something wrong in a generation.
type wrongError struct{ suite, generation, what string }

func (e wrongError) Error() string {
	return fmt.Sprintf("suite %s, generation %s: %s", e.suite, e.generation, e.what)
}

// check reads a generation; signed is whether it must have its signatures. It ends at the first
// thing that is wrong.
func (t *tree) check(ctx context.Context, root string, signed, deep bool) error {
	return t.audit(ctx, root, signed, deep, func(err error) error { return err })
}

// audit is check that tells found what is wrong, and goes on unless that returns an error.
func (t *tree) audit(ctx context.Context, root string, signed, deep bool, found func(error) error) error {
	wrong := func(err error) error {
		if err == nil || !errs.Is(err, errs.Corrupt) {
			return err
		}
		return found(err)
	}
	if signed {
		if err := wrong(t.checkSigned()); err != nil {
			return err
		}
	}
	if len(t.indexes()) == 0 {
		return wrong(t.wrong("its Release lists no index; apt would find an empty archive, without an error"))
	}
	for _, arch := range t.release.architectures {
		for _, comp := range t.release.components {
			if _, listed := t.release.find(index{comp, arch}.path()); !listed {
				if err := wrong(t.wrong("its Release does not list the plain Packages of %s for %s; apt would find nothing, without an error", comp, arch)); err != nil {
					return err
				}
			}
		}
	}
	for _, e := range t.release.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := wrong(t.checkEntry(e)); err != nil {
			return err
		}
	}
	readable := true
	for _, i := range t.indexes() {
		err := t.checkOrder(i)
		readable = readable && err == nil
		if err := wrong(err); err != nil {
			return err
		}
	}
	if !readable {
		return nil // what they name cannot be told
	}
	return t.checkPool(ctx, root, deep, wrong)
}

func (t *tree) checkSigned() error {
	release, err := os.ReadFile(filepath.Join(t.dir, "Release"))
	if err != nil {
		return err
	}
	inRelease, err := os.ReadFile(filepath.Join(t.dir, "InRelease"))
	if err != nil {
		return t.wrong("it has no InRelease")
	}
	text, err := debian.Unsign("InRelease", inRelease)
	if err != nil {
		return t.wrong("%v", causeOf(err))
	}
	if !bytes.Equal(bytes.TrimRight(text.Text, "\n"), bytes.TrimRight(release, "\n")) {
		return t.wrong("InRelease has another text than Release")
	}
	if _, err := os.Stat(filepath.Join(t.dir, "Release.gpg")); err != nil {
		return t.wrong("it has no Release.gpg")
	}
	return nil
}

// checkEntry looks at one listed file under its name and under each of its checksums. A plain
// index may be absent when a packed form of it is there.
func (t *tree) checkEntry(e entry) error {
	data, err := os.ReadFile(filepath.Join(t.dir, filepath.FromSlash(e.path)))
	absent := errors.Is(err, fs.ErrNotExist)
	if absent {
		for _, c := range []Compression{Gzip, XZ} {
			if _, listed := t.release.find(e.path + string(c)); !listed {
				continue
			}
			packed, readErr := os.ReadFile(filepath.Join(t.dir, filepath.FromSlash(e.path+string(c))))
			if readErr != nil {
				return t.wrong("%s%s cannot be read", e.path, c)
			}
			if data, err = unpack(c, packed); err != nil {
				return t.wrong("%s%s cannot be unpacked", e.path, c)
			}
			break
		}
	}
	if err != nil {
		return t.wrong("%s is listed and not there", e.path)
	}
	if got, size := sumPieces([][]byte{data}, t.release.algs); size != e.size || got != e.sums {
		return t.wrong("%s is not what its Release lists", e.path)
	}
	if !t.release.byHash || absent {
		return nil
	}
	for _, alg := range t.release.algs {
		named, err := os.ReadFile(filepath.Join(t.dir, filepath.FromSlash(byHashPath(e.path, alg, e.sums[alg]))))
		if err != nil {
			return t.wrong("%s is not there by its %s", e.path, alg)
		}
		if !bytes.Equal(named, data) {
			return t.wrong("%s has other content by its %s", e.path, alg)
		}
	}
	for _, c := range []Compression{Gzip, XZ} {
		if plain, packed := strings.CutSuffix(e.path, string(c)); packed {
			want, listed := t.release.find(plain)
			text, err := unpack(c, data)
			if err != nil || !listed {
				return t.wrong("%s cannot be unpacked, or its plain form is not listed", e.path)
			}
			if got, size := sumPieces([][]byte{text}, t.release.algs); size != want.size || got != want.sums {
				return t.wrong("%s holds something else than %s", e.path, plain)
			}
		}
	}
	return nil
}

func (t *tree) checkOrder(i index) error {
	text, err := t.text(i)
	if err != nil {
		return err
	}
	last, n := "", 0
	offered := map[string]bool{}
	err = eachRow(text, i.arch == sourceArch, func(r row) error {
		offered[r.name] = true
		if n++; r.name < last {
			return t.wrong("%s has %s behind %s", i.path(), r.name, last)
		}
		last = r.name
		return nil
	})
	if err == nil && n != t.record.Counts[i.dir()] {
		return t.wrong("%s has %d packages, its record says %d", i.path(), n, t.record.Counts[i.dir()])
	}
	if _, listed := t.release.find(i.contents()); err != nil || !listed {
		return err
	}
	files, _, found := t.contents(i)
	if !found {
		return t.wrong("%s is missing or cannot be unpacked", i.contents())
	}
	if err := checkContents(files, offered); err != nil {
		return t.wrong("%s is not right: %v", i.contents(), err)
	}
	return nil
}

func (t *tree) checkPool(ctx context.Context, root string, deep bool, wrong func(error) error) error {
	seen := map[string]poolFile{}
	if err := t.eachPoolFile(func(f poolFile) error {
		if other, twice := seen[f.path]; twice && other != f {
			return wrong(t.wrong("%s is named with two contents", f.path))
		}
		if !localPath(f.path) || !strings.HasPrefix(f.path, "pool/") {
			return wrong(t.wrong("%s is not in the pool", f.path))
		}
		seen[f.path] = f
		return nil
	}); err != nil {
		return err
	}
	var files []poolFile
	for _, f := range seen {
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b poolFile) int { return strings.Compare(a.path, b.path) })
	bad := make([]bool, len(files))
	var g errgroup.Group
	g.SetLimit(workers())
	for n, f := range files {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			path := filepath.Join(root, filepath.FromSlash(f.path))
			info, err := os.Stat(path)
			same := err == nil && info.Size() == f.size
			if same && deep {
				same, err = sameContent(path, f.size, f.sha256)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			bad[n] = !same
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for n, f := range files {
		if bad[n] {
			if err := wrong(t.wrong("%s is missing or is not what the index lists", f.path)); err != nil {
				return err
			}
		}
	}
	return nil
}
