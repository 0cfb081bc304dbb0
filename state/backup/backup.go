// Package backup is the file format of a backup: members and blobs by the digest of their content,
// and a manifest that names them.
//
// A backup is one tar file, or lies in a folder together with others. In a folder every content is
// kept once, so that the next backup adds only what is new. In both the manifest is written last and
// carries a seal over itself: a backup that was cut off, or of which a byte changed, is refused. The
// seal is no signature: keep backups where only operators may write.
//
// A file appears under its name when it is whole and on disk, or not at all.
package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"
	"time"

	"slipway/bot/errs"
)

// Format is the version of the format. One that is newer is refused.
const Format = 1

// Manifest says what a backup holds.
type Manifest struct {
	Format  int       `json:"format"`
	Program string    `json:"program"` // version of the program that made it
	Taken   time.Time `json:"taken"`   // nothing that happened later is sure to be in it
	Store   uint64    `json:"store"`   // format of the records
	Epoch   uint64    `json:"epoch"`   // of the store: raised by each restore
	Config  string    `json:"config"`  // digest of the configuration; it is not in the backup itself
	Members []Member  `json:"members"`
	Blobs   []Blob    `json:"blobs"`
	Seal    string    `json:"seal"` // digest of the manifest with an empty seal
}

// Member is one file, by its path below the state folder.
type Member struct {
	Path string `json:"path"`
	Blob
}

// Blob is one content.
type Blob struct {
	Digest string `json:"digest"` // "sha256:" and 64 hexadecimal digits
	Size   int64  `json:"size"`   // bytes
}

// Size is what a restored state takes on disk, in bytes.
func (m *Manifest) Size() int64 {
	var n int64
	m.each(func(b Blob) { n += b.Size })
	return n
}

// each visits every content; one that is named twice, twice.
func (m *Manifest) each(visit func(Blob)) {
	for _, x := range m.Members {
		visit(x.Blob)
	}
	for _, x := range m.Blobs {
		visit(x)
	}
}

const prefix = "sha256:"

func sealed(m Manifest) (Manifest, []byte, error) {
	m.Seal = ""
	raw, err := json.Marshal(m)
	if err != nil {
		return m, nil, err
	}
	m.Seal = digestOf(raw)
	raw, err = json.Marshal(m)
	return m, raw, err
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return prefix + hex.EncodeToString(sum[:])
}

// parse reads a manifest and checks its seal and every name in it.
func parse(name string, raw []byte) (Manifest, error) {
	const op = "backup.open"
	bad := func(why string) (Manifest, error) {
		return Manifest{}, errs.E(op, errs.Corrupt, fmt.Errorf("%s: its manifest %s", name, why)).
			Hint("Take another backup; `slipway backup check` says which are whole.")
	}
	var m Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return bad("does not read back")
	}
	if m.Format > Format {
		return Manifest{}, errs.E(op, errs.Invalid, fmt.Errorf("%s has the format %d, and this program reads %d", name, m.Format, Format)).
			Hint("Use the version of slipway that wrote it (%s), or a newer one.", m.Program)
	}
	seal := m.Seal
	again, same, err := sealed(m)
	if err != nil || again.Seal != seal || !bytes.Equal(same, raw) || m.Format < 1 {
		return bad("was altered: its seal does not fit")
	}
	for _, x := range m.Members {
		if !safe(x.Path) {
			return bad(fmt.Sprintf("names the file %q, which a backup does not hold", clip(x.Path)))
		}
	}
	ok := true
	m.each(func(b Blob) { ok = ok && isDigest(b.Digest) && b.Size >= 0 })
	if !ok {
		return bad("names a content that is no digest")
	}
	return m, nil
}

// safe reports whether a member may have this path: it stays below the state folder, in its plain
// form, and where only blobs lie there are no members.
func safe(p string) bool {
	if p == "" || path.Clean(p) != p || !filepath.IsLocal(p) || strings.ContainsAny(p, "\\\x00") {
		return false
	}
	top, _, _ := strings.Cut(p, "/")
	switch top {
	case "slipway.db", "console.db":
		return p == top
	case "ci", "git":
		return p != top
	}
	return false
}

// BlobPath is where a blob lies below the state folder.
func BlobPath(digest string) string {
	sum := strings.TrimPrefix(digest, prefix)
	return path.Join("blobs", "sha256", sum[:2], sum[2:])
}

func isDigest(d string) bool {
	sum, ok := strings.CutPrefix(d, prefix)
	if !ok || len(sum) != 2*sha256.Size {
		return false
	}
	for _, c := range []byte(sum) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// copied copies exactly size bytes of r to w and gives their digest.
func copied(w io.Writer, r io.Reader, size int64) (string, error) {
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, sum), io.LimitReader(r, size))
	if err == nil && n != size {
		err = errShort
	}
	return prefix + hex.EncodeToString(sum.Sum(nil)), err
}

var errShort = errors.New("it became shorter while it was read")

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:77]) + "..."
	}
	return s
}
