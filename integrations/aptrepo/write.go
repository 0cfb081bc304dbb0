package aptrepo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// written is one index file that is in the new generation, or is listed without being there.
type written struct {
	entry
	shipped bool
}

// write makes the folder of the generation and returns its Release. Nothing is synced yet.
func (b *build) write() ([]byte, error) {
	if err := mkdirs(b.archive.root, b.dir, b.sync); err != nil {
		return nil, err
	}
	results := make([][]written, len(b.indexes))
	lists := &fileLists{root: b.archive.root}
	var g errgroup.Group
	g.SetLimit(workers())
	for n, ib := range b.indexes {
		g.Go(func() (err error) {
			if err := mkdirs(b.archive.root, filepath.Join(b.dir, filepath.FromSlash(ib.dir())), b.sync); err != nil {
				return err
			}
			if ib.keep {
				results[n], err = b.linkIndex(ib)
			} else {
				results[n], err = b.writeIndex(ib)
			}
			if err == nil && b.suite.Contents && ib.arch != sourceArch {
				var more []written
				more, err = b.writeContents(ib, lists)
				results[n] = append(results[n], more...)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	b.archive.step("stage.indexes")
	var entries []entry
	for _, list := range results {
		for _, w := range list {
			entries = append(entries, w.entry)
			if !w.shipped || !b.suite.ByHash {
				continue
			}
			for _, alg := range b.suite.Algorithms {
				if err := b.link(filepath.Join(b.dir, filepath.FromSlash(w.path)), byHashPath(w.path, alg, w.sums[alg])); err != nil {
					return nil, err
				}
			}
		}
	}
	if err := b.carryOver(); err != nil {
		return nil, err
	}
	b.archive.step("stage.by-hash")
	release := releaseBytes(b.suite, b.change.Date, entries)
	if err := b.writeRecord(release); err != nil {
		return nil, err
	}
	return release, b.put("Release", release)
}

// put writes one file of the generation.
func (b *build) put(name string, pieces ...[]byte) error {
	path := filepath.Join(b.dir, filepath.FromSlash(name))
	b.sync.file(path)
	return writePieces(path, pieces...)
}

func (b *build) writeRecord(release []byte) error {
	sum := sha256.Sum256(release)
	b.record = record{ID: b.change.id(), Suite: b.suite.Name, Key: b.change.Key, Run: b.change.Run, Change: b.change.digest(b.suite),
		Date: b.change.Date, Digest: "sha256:" + hex.EncodeToString(sum[:]), Counts: map[string]int{}}
	if b.current != nil {
		b.record.Parent = b.current.record.ID
	}
	if b.base != nil {
		b.record.Base = b.base.record.ID
	}
	if b.back != nil {
		b.record.Base, b.record.Sources = b.back.record.ID, b.change.Sources
	}
	for _, ib := range b.indexes {
		b.record.Counts[ib.dir()] = ib.count
	}
	if b.moves == nil {
		b.moves = []Move{}
	}
	moves, err := json.Marshal(b.moves)
	if err != nil {
		return err
	}
	text, err := json.Marshal(b.record)
	if err != nil {
		return err
	}
	return errors.Join(b.put(movesFile, moves), b.put(recordFile, text))
}

// linkIndex takes an index over from the base as it is.
func (b *build) linkIndex(ib *indexBuild) (list []written, err error) {
	for _, c := range []Compression{Plain, Gzip, XZ} {
		ships := slices.Contains(b.suite.Compressions, c)
		e, listed := b.base.release.find(ib.path() + string(c))
		if !listed || !ships && c != Plain {
			continue
		}
		list = append(list, written{e, ships})
		if ships {
			if err := b.link(filepath.Join(b.base.dir, filepath.FromSlash(e.path)), e.path); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// writeIndex writes an index in every form that is shipped.
func (b *build) writeIndex(ib *indexBuild) ([]written, error) {
	plain := splice(ib.old, ib.edits)
	forms := []struct {
		form Compression
		make func() ([][]byte, error)
	}{
		{Plain, func() ([][]byte, error) { return plain, nil }},
		{Gzip, func() ([][]byte, error) { return gzipPieces(ib.old, b.oldGzip(ib.index), ib.edits) }},
		{XZ, func() ([][]byte, error) {
			packed, err := xzOf(plain)
			return [][]byte{packed}, err
		}},
	}
	list := make([]written, len(forms))
	var g errgroup.Group
	for n, f := range forms {
		ships := slices.Contains(b.suite.Compressions, f.form)
		if !ships && f.form != Plain {
			continue
		}
		g.Go(func() error {
			pieces, err := f.make()
			if err != nil {
				return err
			}
			w := written{entry{path: ib.path() + string(f.form)}, ships}
			var both errgroup.Group
			both.Go(func() error { w.sums, w.size = sumPieces(pieces, b.suite.Algorithms); return nil })
			if ships {
				both.Go(func() error { return b.put(w.path, pieces...) })
			}
			if err := both.Wait(); err != nil {
				return err
			}
			list[n] = w
			return nil
		})
	}
	err := g.Wait()
	return slices.DeleteFunc(list, func(w written) bool { return w.path == "" }), err
}

// oldGzip is the .gz of the base, nil when there is none to build on.
func (b *build) oldGzip(i index) []byte {
	if b.base == nil {
		return nil
	}
	gz, err := os.ReadFile(filepath.Join(b.base.dir, filepath.FromSlash(i.path()+string(Gzip))))
	if err != nil {
		return nil
	}
	return gz
}

// link gives a file a second name in the generation; the same name twice is the same content.
func (b *build) link(from, name string) error {
	to := filepath.Join(b.dir, filepath.FromSlash(name))
	err := os.Link(from, to)
	if errors.Is(err, fs.ErrNotExist) {
		if err = mkdirs(b.archive.root, filepath.Dir(to), b.sync); err == nil {
			err = os.Link(from, to)
		}
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, syscall.EMLINK): // a file system counts names up to a bound, ext4 65,000
		return b.copy(from, to)
	}
	b.sync.dir(filepath.Dir(to))
	return err
}

func (b *build) copy(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	b.sync.file(to)
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// carryOver links the by-hash files of the generations that clients may still have read the
// InRelease of. Without them a client that began before a publication would fail after it.
func (b *build) carryOver() error {
	if b.current == nil {
		return nil
	}
	all, err := b.archive.generations(b.suite.Name)
	if err != nil {
		return err
	}
	for _, g := range all {
		if end, ends := until(all, g, b.suite.Keep); g.Staged || ends && !end.After(b.change.Date) {
			continue
		}
		t := b.current
		if g.ID != t.record.ID {
			if t, err = b.archive.openTree("aptrepo.stage", b.suite.Name, g.ID); err != nil {
				return err
			}
		}
		if !t.release.byHash {
			continue
		}
		for _, e := range t.release.entries {
			for _, alg := range t.release.algs {
				name := byHashPath(e.path, alg, e.sums[alg])
				err := b.link(filepath.Join(t.dir, filepath.FromSlash(name)), name)
				if err != nil && !errors.Is(err, fs.ErrNotExist) { // a form that is listed and not shipped
					return err
				}
			}
		}
	}
	return nil
}
