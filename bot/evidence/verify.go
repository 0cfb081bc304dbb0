package evidence

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"slipway/bot/errs"
	"slipway/bot/run"
)

// Options of a check.
type Options struct {
	// Pinned are the fingerprints that the reader knows from elsewhere. Empty: anybody may have
	// made the bundle, and the report says so.
	Pinned []Fingerprint
	// Tell is what the bundle was made with; what was released is compared with it. nil: it is not.
	Tell Telling
	// MaxDocuments bounds what is held in memory, in bytes: everything but bodies of artifacts.
	// 0: 256 MiB.
	MaxDocuments int64
}

// maxFiles bounds the files of a bundle.
const maxFiles = 100_000

// Report is what a check found to be proven.
type Report struct {
	Claim  Claim
	Key    Fingerprint
	Pinned bool   // the key is one that the reader knows: without that, nothing tells who wrote it
	Heads  []Head // signed while the run went on, oldest first
	Texts  []Text // signed texts of the run, with what they are
	Bodies int    // of artifacts, in the bundle
	Files  int
	Bytes  int64

	Statement bool     // there is one, and it fits
	Notes     []string // what is not proven, a sentence each
}

// Whole reports whether the run had ended and its end was signed when it was there. Otherwise its
// last commits may have been left out by whoever holds the key, or the bundle is of before the end.
func (r Report) Whole() bool {
	return r.Claim.Status == string(run.RunEnded) && len(r.Heads) > 0 && slices.ContainsFunc(r.Heads, Head.Ends)
}

// Verify checks a bundle as a stream. It reads to the end of r, and looks into nothing before the
// signature over the list of all files holds. A nil error says: the holder of the log key made
// this bundle, no byte of it was changed, and what the report says follows from the log. Errors:
// [errs.Denied] for another key, [errs.Corrupt] and [errs.Invalid] for what was changed, cut off or
// cannot have come about so, [errs.Full] for more than the bounds allow, and those of r.
func Verify(r io.Reader, o Options) (Report, error) {
	b, err := read(r, o)
	if err != nil {
		return Report{}, err
	}
	rep := Report{Key: b.print, Pinned: slices.Contains(o.Pinned, b.print), Files: len(b.index.Files) + 1, Bytes: b.bytes}
	if !rep.Pinned && len(o.Pinned) > 0 {
		return Report{}, errs.E("evidence.verify", errs.Denied, fmt.Errorf("the bundle is signed by the log key %s, which is not the one you pinned", b.print)).
			Hint("do not believe it, unless you learn by another way that the key was changed")
	}
	err = b.check(&rep, o)
	return rep, err
}

// opened is a bundle whose bytes are those that were sealed.
type opened struct {
	key    ed25519.PublicKey
	print  Fingerprint
	index  Index
	docs   map[string][]byte
	bodies map[string]Listed
	bytes  int64

	log    []Commit
	events [][]run.Event
	relied map[int]Relied
}

// read takes the archive apart and checks the seal over it.
func read(r io.Reader, o Options) (*opened, error) {
	left := o.MaxDocuments
	if left <= 0 {
		left = 256 << 20
	}
	b := &opened{docs: map[string][]byte{}, bodies: map[string]Listed{}}
	tar := tarReader{from: r}
	var found []Listed
	for {
		name, size, err := tar.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(found) == maxFiles {
			return nil, errs.E("evidence.read", errs.Full, fmt.Errorf("it has more than %d files", maxFiles))
		}
		h := sha256.New()
		if body := len(name) > 6 && name[:6] == "files/"; body {
			if n, err := io.CopyN(h, r, size); err != nil {
				return nil, notBundle(fmt.Sprintf("it ends in the middle of %s, at %d of %d bytes", name, n, size))
			}
		} else {
			if left -= size; left < 0 {
				return nil, errs.E("evidence.read", errs.Full, errors.New("its documents are larger than this check allows")).Hint("raise the bound if you expect so large a run")
			}
			var content bytes.Buffer
			if n, err := io.CopyN(&content, r, size); err != nil {
				return nil, notBundle(fmt.Sprintf("it ends in the middle of %s, at %d of %d bytes", name, n, size))
			}
			h.Write(content.Bytes())
			if _, twice := b.docs[name]; twice {
				return nil, notBundle("it holds " + name + " twice")
			}
			b.docs[name] = content.Bytes()
		}
		if err := tar.pad(name, size); err != nil {
			return nil, err
		}
		b.bytes += size
		found = append(found, Listed{Name: name, Size: size, Digest: "sha256:" + hex.EncodeToString(h.Sum(nil))})
	}
	return b, b.unseal(found, &tar)
}

// unseal compares what was found with the signed list.
func (b *opened) unseal(found []Listed, tar *tarReader) (err error) {
	if len(found) == 0 || found[len(found)-1].Name != fileSealed {
		return notBundle("its last file is not " + fileSealed)
	}
	if b.key, err = DecodeKey(b.docs[fileKey]); err != nil {
		return notBundle("it holds no public key: " + errs.Text(err))
	}
	b.print = FingerprintOf(b.key)
	payload, err := Open(b.key, IndexType, b.docs[fileSealed])
	if err != nil {
		return changed(fileSealed, err)
	}
	if err := readJSON(payload, &b.index); err != nil {
		return changed(fileSealed, err)
	}
	if b.index.Format != Format {
		return errs.E("evidence.verify", errs.Invalid, fmt.Errorf("the bundle has the format %d, and this program reads %d", b.index.Format, Format)).
			Hint("use a newer slipway")
	}
	found = found[:len(found)-1]
	for i, f := range found {
		switch {
		case i >= len(b.index.Files):
			return errs.E("evidence.verify", errs.Corrupt, fmt.Errorf("%s is in the archive, and nobody signed for it", f.Name)).Hint("it was added later")
		case f != b.index.Files[i]:
			return errs.E("evidence.verify", errs.Corrupt, fmt.Errorf("%s is not what was signed, which is %s", f.Name, b.index.Files[i].Name)).Hint("the bundle was changed")
		}
		if len(f.Name) > 6 && f.Name[:6] == "files/" {
			if _, twice := b.bodies[f.Digest]; twice {
				return notBundle("it holds " + f.Name + " twice")
			}
			b.bodies[f.Digest] = f
		}
	}
	if len(found) < len(b.index.Files) {
		return errs.E("evidence.verify", errs.Corrupt, fmt.Errorf("%s was signed for and is not there", b.index.Files[len(found)].Name)).Hint("it was taken out")
	}
	if !tar.at.Equal(b.index.At.Truncate(1e9)) {
		return notBundle("its files have another time than was signed")
	}
	return nil
}

func changed(name string, err error) error {
	return errs.E("evidence.verify", errs.KindOf(err), fmt.Errorf("%s: %s", name, errs.Cause(err))).Hint("%s", errs.HintOf(err))
}
