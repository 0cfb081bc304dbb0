package aptrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"slipway/bot/errs"
)

// Options are for the whole archive.
type Options struct {
	// Link puts files into the pool as hard links where that is possible, so that nothing is
	// copied. Whoever changes such a file in its old place changes the pool.
	Link bool
	// Step, when not nil, is called around every step that a crash could separate from the next,
	// with its name. It is for tests: what it does not return from is a crash.
	Step func(name string)
	// Before, when not nil, is called before clients of the folder are turned from the generation
	// previous to the next one, which is signed and on disk; its error leaves them where they are.
	// It is for an archive that is read elsewhere too, and is called again after an interruption.
	Before func(ctx context.Context, s Suite, next, previous string) error
}

// Archive is an archive in a local folder. Its methods may be used by several goroutines and
// processes at once; work on one suite excludes other work on it.
type Archive struct {
	root   string
	suites map[string]Suite
	names  []string // of suites, sorted
	opts   Options
}

// Open is the archive in the folder root, which is made when it is first written to. Errors:
// Invalid, for a configuration that apt would refuse or misread.
func Open(root string, opts Options, suites ...Suite) (*Archive, error) {
	abs, err := filepath.Abs(root)
	if root == "" || err != nil {
		return nil, errs.E("aptrepo.open", errs.Invalid, fmt.Errorf("%q is no folder for an archive", root)).Hint("name a folder")
	}
	a := &Archive{root: abs, suites: map[string]Suite{}, opts: opts}
	for _, s := range suites {
		s, err := s.withDefaults()
		if err != nil {
			return nil, err
		}
		if _, twice := a.suites[s.Name]; twice {
			return nil, errs.E("aptrepo.open", errs.Invalid, fmt.Errorf("suite %q is configured twice", s.Name)).Hint("keep one of them")
		}
		a.suites[s.Name] = s
		a.names = append(a.names, s.Name)
	}
	slices.Sort(a.names)
	return a, nil
}

// Root is the folder of the archive.
func (a *Archive) Root() string { return a.root }

// Suites are the names of the configured suites, sorted.
func (a *Archive) Suites() []string { return slices.Clone(a.names) }

func (a *Archive) suite(op, name string) (Suite, error) {
	s, ok := a.suites[name]
	if !ok {
		e := errs.E(op, errs.NotFound, fmt.Errorf("the archive has no suite %q", name))
		if near := errs.Nearest(name, a.names); near != "" {
			return s, e.Hint("did you mean %q?", near)
		}
		return s, e.Hint("configured are: %s", strings.Join(a.names, ", "))
	}
	return s, nil
}

func (a *Archive) step(name string) {
	if a.opts.Step != nil {
		a.opts.Step(name)
	}
}

// gens is the folder of the generations of a suite.
func (a *Archive) gens(suite string) string { return filepath.Join(a.root, "generations", suite) }

func (a *Archive) gen(suite, id string) string { return filepath.Join(a.gens(suite), id) }

const (
	staging = ".staging" // being written; thrown away when found
	staged  = ".staged"  // whole, on disk, not signed
)

// current is the generation that clients read, "" when the suite was never published.
func (a *Archive) current(suite string) (string, error) {
	target, err := os.Readlink(filepath.Join(a.root, "dists", suite))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", errs.E("aptrepo.current", errs.Corrupt, fmt.Errorf("dists/%s is not a link to a generation", suite)).
			Hint("move away what is there; Slipway writes a link in its place")
	}
	id := filepath.Base(target)
	if target != linkTarget(suite, id) || unfinishedDir.MatchString(id) {
		return "", errs.E("aptrepo.current", errs.Corrupt, fmt.Errorf("dists/%s points to %s, which is no generation", suite, target)).
			Hint("point it at a folder under generations/%s", suite)
	}
	return id, nil
}

func linkTarget(suite, id string) string { return "../generations/" + suite + "/" + id }

var _ Place = (*Archive)(nil)
