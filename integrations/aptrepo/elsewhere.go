package aptrepo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/debian"
)

// Part is one file of a generation, as it lies in the folder of the archive.
type Part struct {
	Path   string // from the root, with slashes
	Size   int64  // bytes
	SHA256 string // lower-case hexadecimal; of a file of the pool what the index says
	Pool   bool   // a package; otherwise one of the generation's own files
}

// Parts are all files that clients of a generation can ask for, read and compared with what its
// Release lists; of packages only the size is compared. Errors: NotFound; Corrupt, naming the file.
func (a *Archive) Parts(ctx context.Context, suite, generation string) ([]Part, error) {
	const op = "aptrepo.parts"
	if _, err := a.suite(op, suite); err != nil {
		return nil, err
	}
	t, err := a.openTree(op, suite, generation)
	if err != nil {
		return nil, err
	}
	if err := t.check(ctx, a.root, true, false); err != nil {
		return nil, disk(op, err)
	}
	var all []Part
	seen := map[string]bool{}
	if err := t.eachPoolFile(func(f poolFile) error {
		if !seen[f.path] {
			seen[f.path] = true
			all = append(all, Part{Path: f.path, Size: f.size, SHA256: f.sha256, Pool: true})
		}
		return nil
	}); err != nil {
		return nil, disk(op, err)
	}
	err = filepath.WalkDir(t.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(a.root, path)
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		sum := sha256.New()
		n, err := io.Copy(sum, f)
		all = append(all, Part{Path: filepath.ToSlash(rel), Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))})
		return errors.Join(err, f.Close())
	})
	return all, disk(op, err)
}

// Current is the generation that clients of the archive's folder read, "" when the suite was never
// published.
func (a *Archive) Current(suite string) (string, error) {
	if _, err := a.suite("aptrepo.current", suite); err != nil {
		return "", err
	}
	return a.current(suite)
}

// Settle waits until what clients read is on disk, as Publish does: one who was killed in the middle
// may have left a link that the next loss of power turns back. Errors: those of the disk.
func (a *Archive) Settle() error {
	return disk("aptrepo.settle", syncPath(filepath.Join(a.root, "dists")))
}

// Check refuses a publication of a Release that apt would refuse at p.Now, or whose signed files are
// not of this Release; then it asks p.Verify. Errors: Conflict for its date; Invalid for the
// files; what the verifier says.
func (p Publication) Check(text []byte) error {
	r, err := debian.ParseRelease(text)
	if err != nil {
		return errs.E("aptrepo.publish", errs.Invalid, fmt.Errorf("the Release of %s: %w", p.Suite, causeOf(err))).Hint("%s", errs.HintOf(err))
	}
	if err := (release{date: r.Date, until: r.ValidUntil}).checkTime(p.Now); err != nil {
		return err
	}
	return p.checkSignatures(text)
}

// Prepared is the change with its date in whole seconds of UTC, if it can be staged. Errors: Invalid.
func (c Change) Prepared() (Change, error) {
	c.Date = c.Date.UTC().Truncate(time.Second)
	return c, c.check()
}

// ID is the name of the generation that the change makes: of its date and its key.
func (c Change) ID() string { return c.id() }

// Digest tells apart two changes of a suite that come with one key. The bytes of files and the date
// are not in it.
func (c Change) Digest(s Suite) string { return c.digest(s) }

// Filled is the suite with its defaults. Errors: Invalid, for one that apt would refuse or misread.
func (s Suite) Filled() (Suite, error) { return s.withDefaults() }
