package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

// The files of a folder that fetch makes, beside what is to be signed.
const (
	noteFile    = "job.json"
	requestFile = "request.json"
	readmeFile  = "README.txt"
	payloadFile = "payload"
)

// note says which job a folder is for. What is to be signed stands in the request, whose digest
// binds it; the fence is that of the last lease.
type note struct {
	Version int       `json:"v"`
	Job     string    `json:"job"`
	Kind    string    `json:"kind"`
	Digest  string    `json:"digest"` // of the request
	Fence   uint64    `json:"fence"`
	Until   time.Time `json:"until"` // end of the last lease
}

// part is one text to be signed, and its file.
type part struct {
	file string // in the folder, with slashes
	text string
}

// parts lists what a wish wants signed.
func parts(what wish) []part {
	switch w := what.(type) {
	case releaseWish:
		var out []part
		for _, r := range w.req.Releases {
			out = append(out, part{file: path.Join(r.Suite, "Release"), text: r.Text})
		}
		return out
	case tagWish:
		return []part{{file: payloadFile, text: w.req.Payload}}
	}
	return nil
}

// folder is a directory with a job for a person. Nothing outside of it is read or written through
// it, whatever links lie in it.
type folder struct {
	root *os.Root
	path string
}

// openFolder opens the folder at path.
func openFolder(path string) (*folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, errs.E("signer.folder", errs.NotFound, fmt.Errorf("the folder cannot be opened: %w", err))
	}
	return &folder{root: root, path: path}, nil
}

// newFolder makes the folder at path, for its owner only, or opens an empty one or one that fetch
// made before. One that somebody else can write to is refused: what is signed there could be changed
// after it was read.
func newFolder(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, errs.E("signer.folder", errs.Invalid, fmt.Errorf("the folder cannot be made: %w", err)).Hint("name another with --to")
	}
	f, err := openFolder(path)
	if err != nil {
		return nil, err
	}
	info, err := f.root.Stat(".")
	if err == nil {
		stat, ok := info.Sys().(*syscall.Stat_t)
		if ok && int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o002 != 0 {
			f.close()
			return nil, errs.E("signer.folder", errs.Denied, fmt.Errorf("others than you can change what lies in %s", path)).Hint("name a new folder with --to")
		}
	}
	var list []fs.DirEntry
	if err == nil {
		list, err = fs.ReadDir(f.root.FS(), ".")
	}
	if err == nil && len(list) > 0 {
		if _, gone := f.root.Lstat(requestFile); gone != nil {
			err = errs.E("signer.folder", errs.Exists, fmt.Errorf("%s is not empty", path)).Hint("name a new folder with --to")
		}
	}
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *folder) close() { f.root.Close() }

// put makes a file with that content. One that has it already is left alone; one with another
// content is [errs.Conflict].
func (f *folder) put(name string, content []byte, mode os.FileMode) error {
	const op = "signer.folder"
	if dir := path.Dir(name); dir != "." {
		if err := f.root.MkdirAll(dir, 0o700); err != nil {
			return errs.E(op, errs.Unavailable, fmt.Errorf("%s cannot be written: %w", path.Join(f.path, name), err))
		}
	}
	out, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		was, err := f.read(name, len(content))
		if err != nil || !bytes.Equal(was, content) {
			return errs.E(op, errs.Conflict, fmt.Errorf("%s is there already, and is not what the bot asks to be signed", path.Join(f.path, name))).
				Hint("fetch into a new folder, with --to")
		}
		return nil
	}
	if err == nil {
		if _, err = out.Write(content); err == nil {
			err = out.Sync()
		}
		err = errors.Join(err, out.Close())
		if err != nil {
			_ = f.root.Remove(name)
		}
	}
	if err != nil {
		return errs.E(op, errs.Unavailable, fmt.Errorf("%s cannot be written: %w", path.Join(f.path, name), err))
	}
	return nil
}

// read gives a plain file of at most limit bytes.
func (f *folder) read(name string, limit int) ([]byte, error) {
	const op = "signer.folder"
	full := path.Join(f.path, name)
	st, err := f.root.Stat(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errs.E(op, errs.NotFound, fmt.Errorf("%s is not there", full)).Hint("%s says how it is made", path.Join(f.path, readmeFile))
		}
		return nil, errs.E(op, errs.Unavailable, fmt.Errorf("%s cannot be read: %w", full, err))
	}
	if !st.Mode().IsRegular() || st.Size() > int64(limit) {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("%s is not a file of at most %d bytes", full, limit))
	}
	in, err := f.root.Open(name)
	if err != nil {
		return nil, errs.E(op, errs.Unavailable, fmt.Errorf("%s cannot be read: %w", full, err))
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, int64(limit)+1))
	if err != nil || len(data) > limit {
		return nil, errs.E(op, errs.Unavailable, fmt.Errorf("%s cannot be read whole", full))
	}
	return data, nil
}

// mark writes the note anew.
func (f *folder) mark(lease signing.Reply) error {
	data, err := json.MarshalIndent(note{Version: 1, Job: lease.ID, Kind: lease.Kind, Digest: lease.Digest, Fence: lease.Fence, Until: lease.Until.UTC()}, "", "  ")
	if err != nil {
		return errs.E("signer.folder", errs.Internal, err)
	}
	return f.rewrite(noteFile, append(data, '\n'), 0o600)
}

// rewrite gives a file that content, whole or not at all, whatever it held.
func (f *folder) rewrite(name string, content []byte, mode os.FileMode) error {
	fresh := "." + name
	_ = f.root.Remove(fresh)
	if err := f.put(fresh, content, mode); err != nil {
		return err
	}
	if err := f.root.Rename(fresh, name); err != nil {
		return errs.E("signer.folder", errs.Unavailable, fmt.Errorf("%s cannot be written: %w", path.Join(f.path, name), err))
	}
	return nil
}

// job reads the note and the request, and checks that they belong together.
func (f *folder) job() (note, []byte, error) {
	const op = "signer.folder"
	var n note
	data, err := f.read(noteFile, 16<<10)
	if errs.Is(err, errs.NotFound) {
		return n, nil, errs.E(op, errs.NotFound, fmt.Errorf("%s holds no fetched job", f.path)).Hint("name the folder that slipway-signer fetch made")
	}
	if err != nil {
		return n, nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&n); err != nil || n.Version != 1 || n.Job == "" || n.Kind == "" || n.Fence == 0 {
		return n, nil, errs.E(op, errs.Invalid, fmt.Errorf("%s cannot be read", path.Join(f.path, noteFile))).Hint("fetch the job again, into a new folder")
	}
	request, err := f.read(requestFile, signing.MaxRequest)
	if err != nil {
		return n, nil, err
	}
	if action.DigestOf(request) != n.Digest {
		return n, nil, errs.E(op, errs.Conflict, fmt.Errorf("%s was changed after it was fetched", path.Join(f.path, requestFile))).
			Hint("fetch the job again, into a new folder")
	}
	return n, request, nil
}

// unchanged checks that what lies there to be signed is still what was fetched.
func (f *folder) unchanged(list []part) error {
	for _, p := range list {
		text, err := f.read(p.file, openpgp.MaxRelease)
		if err != nil && !errs.Is(err, errs.Invalid) {
			return err
		}
		if err != nil || string(text) != p.text {
			return errs.E("signer.folder", errs.Conflict, fmt.Errorf("%s was changed after it was fetched%s", path.Join(f.path, p.file), whose(list, p, string(text)))).
				Hint("hand in nothing that was signed over it; fetch the job again, into a new folder")
		}
	}
	return nil
}

// whose says which other part a text is, or where it first differs from p.
func whose(list []part, p part, text string) string {
	for _, o := range list {
		if o.file != p.file && o.text == text {
			return ": it is that of " + path.Dir(o.file)
		}
	}
	want, got := strings.Split(p.text, "\n"), strings.Split(text, "\n")
	n := 0
	for n < len(want) && n < len(got) && want[n] == got[n] {
		n++
	}
	return fmt.Sprintf(": line %d differs", n+1)
}
