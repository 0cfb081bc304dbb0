package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/integrations/git"
	"slipway/state/backup"
	"slipway/state/blob"
	"slipway/state/bolt"
)

// What a backup holds, and what it does not:
//
//   - The records (slipway.db), the blobs that they name, and the console's room (console.db), each
//     consistent by itself. The room is copied after the records, so that no record names a message
//     that is not there; what the room has more is read back after a restore.
//   - Of the local pipelines: requests, verdicts and logs, and the artifacts of the last days. The
//     checkouts and homes are made anew; a pipeline that was under way begins again.
//   - Of the git working copies: the commits that were prepared and not pushed. The rest is fetched.
//   - Not the configuration and its secrets, no signing key, no log key, no sessions, no tokens of
//     the console: whoever gets hold of a backup can read what happened, and do nothing. The digest
//     of the configuration is in it, so that a restore can say whether it is the same.

// artifactDays is how long the artifacts of a pipeline go into backups after its end: by then they
// were read into the blob store.
const artifactDays = 7 * 24 * time.Hour

// keeps is what is backed up. The bot may be at work on it.
type keeps struct {
	db     *bolt.DB
	blobs  *blob.Store
	room   *console.Room
	state  string // folder
	config string // digest of the configuration
	now    func() time.Time
}

// told is how a backup or a restore goes on: what is done, and how many bytes of how many.
type told func(stage string, done, total int64)

// backup makes one at to: see [backup.Create].
func (k keeps) backup(ctx context.Context, to string, tell told) (done backup.Done, err error) {
	w, err := backup.Create(to)
	if err != nil {
		return done, err
	}
	defer func() {
		if err != nil {
			w.Abort()
		}
	}()
	defer k.blobs.Hold()()
	m := backup.Manifest{Program: programVersion(), Taken: k.now().UTC(), Config: k.config}
	tell("records", 0, 0)
	records := filepath.Join(w.Scratch(), "slipway.db")
	if err := writeFile(records, func(f io.Writer) error { return k.db.Snapshot(ctx, f) }); err != nil {
		return done, err
	}
	if err := addFile(w, "slipway.db", records); err != nil {
		return done, err
	}
	digests, err := k.named(ctx, records, &m)
	if err != nil {
		return done, err
	}
	var total, copied int64
	for _, b := range digests {
		total += b.Size
	}
	for _, b := range digests {
		if ctx.Err() != nil {
			return done, errs.E("backup", errs.Unavailable, context.Cause(ctx))
		}
		if err := w.AddBlob(b.Digest, b.Size, func() (io.ReadCloser, error) {
			f, _, err := k.blobs.Open(ctx, b.Digest)
			return f, err
		}); err != nil {
			return done, err
		}
		copied += b.Size
		tell("blobs", copied, total)
	}
	tell("room", 0, 0)
	room := filepath.Join(w.Scratch(), "console.db")
	if err := writeFile(room, k.room.Snapshot); err != nil {
		return done, err
	}
	if err := addFile(w, "console.db", room); err != nil {
		return done, err
	}
	tell("pipelines", 0, 0)
	if err := k.pipelines(ctx, w); err != nil {
		return done, err
	}
	if err := k.prepared(ctx, w); err != nil {
		return done, err
	}
	tell("seal", 0, 0)
	return w.Commit(m)
}

// named are the blobs that the records in a snapshot name and the store has. It also reads from the
// snapshot what the manifest says of it.
func (k keeps) named(ctx context.Context, records string, m *backup.Manifest) ([]backup.Blob, error) {
	db, err := bolt.Open(records, bolt.Options{Large: engine.LargeSpaces(), ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	m.Store = 1
	for name, to := range map[string]*uint64{"layout": &m.Store, "epoch": &m.Epoch} {
		raw, err := db.Get(ctx, engine.Key{Space: "meta", ID: name})
		if err != nil {
			return nil, err
		}
		if raw != nil {
			if *to, err = strconv.ParseUint(string(raw), 10, 64); err != nil {
				return nil, errs.E("backup", errs.Corrupt, fmt.Errorf("the record meta/%s is not a number", name)).Hint("slipway fsck says what else is damaged")
			}
		}
	}
	live := map[string]bool{}
	if err := engine.BlobsOf(ctx, db, k.blobs, func(digest string) { live[digest] = true }); err != nil {
		return nil, err
	}
	var out []backup.Blob
	for _, digest := range sortedKeys(live) {
		path, err := k.blobs.Path(digest)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the digest of something that lies elsewhere
		}
		if err != nil {
			return nil, errs.E("backup", errs.Unavailable, err)
		}
		out = append(out, backup.Blob{Digest: digest, Size: info.Size()})
	}
	return out, nil
}

// pipelines adds what the local pipelines must not forget.
func (k keeps) pipelines(ctx context.Context, w *backup.Writer) error {
	root := filepath.Join(k.state, "ci")
	old := k.now().Add(-artifactDays)
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // nothing yet, or gone meanwhile
		case err != nil:
			return errs.E("backup", errs.Unavailable, err)
		case ctx.Err() != nil:
			return errs.E("backup", errs.Unavailable, context.Cause(ctx))
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		parts := strings.Split(filepath.ToSlash(rel), "/")
		keep, enter := ciKeeps(parts)
		if d.IsDir() {
			if rel != "." && !enter {
				return filepath.SkipDir
			}
			return nil
		}
		if !keep || !d.Type().IsRegular() {
			return nil
		}
		if len(parts) > 3 {
			if info, err := os.Stat(filepath.Join(root, "runs", parts[1], "verdict")); err == nil && info.ModTime().Before(old) {
				return nil
			}
		}
		err = addFile(w, "ci/"+filepath.ToSlash(rel), path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// ciKeeps says of a path below the folder of the pipelines whether it is a file to be kept, or a
// folder with such.
func ciKeeps(parts []string) (file, folder bool) {
	switch {
	case parts[0] == "latest":
		return len(parts) == 2, len(parts) == 1
	case parts[0] != "runs":
		return false, false
	case len(parts) <= 2:
		return false, true
	case len(parts) == 3:
		return slices.Contains([]string{"request", "verdict", "stopped", "tries", "log"}, parts[2]), parts[2] == "artifacts"
	}
	return true, true
}

// prepared adds the commits that wait to be pushed.
func (k keeps) prepared(ctx context.Context, w *backup.Writer) error {
	root := filepath.Join(k.state, "git")
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	repos, err := git.Open(root, git.Options{})
	if err != nil {
		return err
	}
	names, err := repos.Bundles(ctx, w.Scratch())
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := addFile(w, "git/"+name, filepath.Join(w.Scratch(), name)); err != nil {
			return err
		}
	}
	// What a backup brought here and nobody has used yet.
	left, err := filepath.Glob(filepath.Join(root, "*.bundle"))
	for _, path := range left {
		if err == nil && !slices.Contains(names, filepath.Base(path)) {
			err = addFile(w, "git/"+filepath.Base(path), path)
		}
	}
	return err
}

// addFile keeps a file and, if it passed through the scratch folder, removes it there.
func addFile(w *backup.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return w.Add(name, f)
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return errs.E("backup", errs.Unavailable, err)
	}
	return fullIs(path, errors.Join(write(f), f.Close()))
}

// programVersion is the version of this program as its build says it.
func programVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			version += " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return version
}

// lastBackup is the record of the newest backup of a state folder, in that folder.
type lastBackup struct {
	Path  string    `json:"path"`
	Taken time.Time `json:"taken"`
}

const lastBackupName = "last-backup"

func (k keeps) remember(done backup.Done) error {
	raw, err := json.Marshal(lastBackup{done.Path, done.Manifest.Taken})
	if err != nil {
		return err
	}
	tmp := filepath.Join(k.state, lastBackupName+".new")
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(k.state, lastBackupName))
}

// backedUp is when the newest backup of a state folder was made; zero: never, as far as it knows.
func backedUp(state string) time.Time {
	raw, err := os.ReadFile(filepath.Join(state, lastBackupName))
	var last lastBackup
	if err != nil || json.Unmarshal(raw, &last) != nil {
		return time.Time{}
	}
	return last.Taken
}
