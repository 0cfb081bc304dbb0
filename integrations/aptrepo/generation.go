package aptrepo

import (
	"cmp"
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
)

// recordFile is what a generation knows of itself, in its own folder; clients ignore it.
const recordFile = ".generation.json"

// movesFile holds what changed against the parent. It is large for the first generation, and read
// only when somebody asks.
const movesFile = ".moves.json"

// publishedFile says when a generation was published; it is written before clients see it.
const publishedFile = ".published.json"

// servedFile says that clients have read a generation. It is written when the next one takes its
// place; the current one needs none. A publication that was interrupted has never been served.
const servedFile = ".served"

// served reports whether clients read the generation in dir now or have read it.
func served(dir, id, current string) bool {
	if id == current {
		return true
	}
	_, err := os.Lstat(filepath.Join(dir, servedFile))
	return err == nil
}

// record is the content of recordFile.
type record struct {
	ID     string `json:"id"`
	Suite  string `json:"suite"`
	Key    string `json:"key"`
	Run    string `json:"run,omitempty"` // that asked for it
	Change string `json:"change"`        // digest of the change
	Parent string `json:"parent"`        // current when it was staged; "" for the first
	Base   string `json:"base"`          // where its content came from
	// Those that came from there, when all else came from the parent.
	Sources []string       `json:"sources,omitempty"`
	Date    time.Time      `json:"date"`
	Digest  string         `json:"digest"` // of Release
	Counts  map[string]int `json:"counts"` // packages by index, such as main/binary-amd64
}

type publication struct {
	At       time.Time `json:"at"`
	Previous string    `json:"previous"`
}

// Generation is one state of a suite.
type Generation struct {
	ID        string
	Suite     string
	Run       string         // that asked for it, "" when none did
	Date      time.Time      // of its Release
	Published time.Time      // zero until clients read it
	Until     time.Time      // of the current one: when clients begin to refuse its Release; zero: never
	Parent    string         // the one before it, "" for the first
	Base      string         // whose content it started from; differs from Parent after a rollback
	Sources   []string       // the source packages that went back to Base; all else is that of Parent; none: all is that of Base
	Digest    string         // "sha256:" and the checksum of Release
	Counts    map[string]int // packages by index, such as main/binary-amd64
	Current   bool           // clients read it
	Staged    bool           // waits to be published
}

// readRecord reads the record in a folder of a generation.
func readRecord(dir string) (record, error) {
	var r record
	text, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, errs.E("aptrepo.generation", errs.Corrupt, fmt.Errorf("the record of %s cannot be read", filepath.Base(dir))).
			Hint("move the folder away; what clients read does not need it")
	}
	return r, nil
}

func readPublication(dir string) (p publication, err error) {
	text, err := os.ReadFile(filepath.Join(dir, publishedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return p, errs.E("aptrepo.generation", errs.Corrupt, fmt.Errorf("the record of %s cannot be read", filepath.Base(dir))).
			Hint("move the folder away; what clients read does not need it")
	}
	return p, nil
}

// Generations are all of a suite that are there, the oldest first; staged ones too.
func (a *Archive) Generations(suite string) ([]Generation, error) {
	if _, err := a.suite("aptrepo.generations", suite); err != nil {
		return nil, err
	}
	all, err := a.generations(suite)
	return all, disk("aptrepo.generations", err)
}

func (a *Archive) generations(suite string) ([]Generation, error) {
	current, err := a.current(suite)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(a.gens(suite))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []Generation
	for _, e := range entries {
		id, waiting := strings.CutSuffix(e.Name(), staged)
		if !e.IsDir() || !generationID(id) {
			continue
		}
		r, err := readRecord(filepath.Join(a.gens(suite), e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // not ours
		}
		if err != nil {
			return nil, err
		}
		g := Generation{ID: id, Suite: suite, Run: r.Run, Date: r.Date, Parent: r.Parent, Base: r.Base, Sources: r.Sources, Digest: r.Digest,
			Counts: r.Counts, Current: id == current}
		if dir := a.gen(suite, id); !served(dir, id, current) {
			g.Staged = waiting || g.Parent == current
		} else {
			p, err := readPublication(dir)
			if err != nil {
				return nil, err
			}
			g.Published = p.At
		}
		if g.Current {
			text, err := os.ReadFile(filepath.Join(a.gen(suite, id), "Release"))
			if err != nil {
				return nil, err
			}
			if got, err := parseRelease(text); err == nil { // one that cannot be read is told of where it is needed
				g.Until = got.until
			}
		}
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b Generation) int { return cmp.Or(a.Date.Compare(b.Date), strings.Compare(a.ID, b.ID)) })
	return all, nil
}

// until is when the files of a generation may go: Keep after its successor was published. The
// current one and what is not published have no such time.
func until(all []Generation, g Generation, keep time.Duration) (time.Time, bool) {
	if g.Current || g.Staged {
		return time.Time{}, false
	}
	var replaced time.Time
	for _, next := range all {
		if next.Parent == g.ID && !next.Staged && next.Published.After(replaced) {
			replaced = next.Published
		}
	}
	if replaced.IsZero() { // its turn never came, or its successor is gone
		return replaced, true
	}
	return replaced.Add(keep), true
}

// Diff is what changed from one generation of a suite to another. "" means the current one.
func (a *Archive) Diff(suite, from, to string) ([]Move, error) {
	const op = "aptrepo.diff"
	if _, err := a.suite(op, suite); err != nil {
		return nil, err
	}
	before, err := a.openTree(op, suite, from)
	if err != nil {
		return nil, err
	}
	after, err := a.openTree(op, suite, to)
	if err != nil {
		return nil, err
	}
	return diffTrees(before, after)
}

// tree is a generation whose indexes can be read.
type tree struct {
	dir     string
	record  record
	release release
}

// openTree opens a generation by its id, published or staged. Errors: NotFound.
func (a *Archive) openTree(op, suite, id string) (*tree, error) {
	if id == "" {
		var err error
		if id, err = a.current(suite); err != nil {
			return nil, err
		}
	}
	if id == "" {
		return nil, errs.E(op, errs.NotFound, fmt.Errorf("suite %s was never published", suite)).Hint("publish a first generation")
	}
	if !generationID(id) {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("%q is no generation", id)).Hint("take one from the list of generations")
	}
	for _, dir := range []string{a.gen(suite, id), a.gen(suite, id) + staged} {
		r, err := readRecord(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, disk(op, err)
		}
		t := &tree{dir: dir, record: r}
		text, err := os.ReadFile(filepath.Join(dir, "Release"))
		if err != nil {
			return nil, disk(op, err)
		}
		if t.release, err = parseRelease(text); err != nil {
			return nil, err
		}
		return t, nil
	}
	return nil, errs.E(op, errs.NotFound, fmt.Errorf("suite %s has no generation %s", suite, id)).
		Hint("it may have been cleaned up; take one from the list of generations")
}

// text is the plain form of an index, nil when the generation does not have it.
func (t *tree) text(i index) ([]byte, error) {
	if t == nil {
		return nil, nil
	}
	e, listed := t.release.find(i.path())
	if !listed {
		return nil, nil
	}
	for _, c := range []Compression{Plain, Gzip, XZ} {
		packed, err := os.ReadFile(filepath.Join(t.dir, filepath.FromSlash(i.path()+string(c))))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		text, err := unpack(c, packed)
		if err != nil || int64(len(text)) != e.size {
			return nil, errs.E("aptrepo.index", errs.Corrupt, fmt.Errorf("%s of generation %s is not what its Release lists", i.path(), t.record.ID)).
				Hint("roll back to a generation that passes check")
		}
		return text, nil
	}
	return nil, errs.E("aptrepo.index", errs.Corrupt, fmt.Errorf("%s of generation %s is missing", i.path(), t.record.ID)).
		Hint("roll back to a generation that passes check")
}

// indexes are those that the generation lists.
func (t *tree) indexes() (all []index) {
	if t == nil {
		return nil
	}
	for _, e := range t.release.entries {
		f := strings.Split(e.path, "/")
		switch {
		case len(f) == 3 && f[2] == "Packages" && strings.HasPrefix(f[1], "binary-"):
			all = append(all, index{f[0], strings.TrimPrefix(f[1], "binary-")})
		case len(f) == 3 && f[2] == "Sources" && f[1] == sourceArch:
			all = append(all, index{f[0], sourceArch})
		}
	}
	return all
}

func diffTrees(before, after *tree) (moves []Move, err error) {
	all := before.indexes()
	for _, i := range after.indexes() {
		if !slices.Contains(all, i) {
			all = append(all, i)
		}
	}
	for _, i := range all {
		x, err := before.text(i)
		if err != nil {
			return nil, disk("aptrepo.diff", err)
		}
		y, err := after.text(i)
		if err != nil {
			return nil, disk("aptrepo.diff", err)
		}
		m, err := diff(i, x, y)
		if err != nil {
			return nil, err
		}
		moves = append(moves, m...)
	}
	return mergeMoves(moves), nil
}
