package evidence

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// Format is the version of the bundle.
const Format = 1

// The files of a bundle that have fixed names; the package comment says what is in them.
const (
	fileReadme    = "README.txt"
	filePage      = "index.html"
	fileClaim     = "run.json"
	fileLog       = "log.jsonl"
	fileClosure   = "closure.json"
	filePicture   = "picture.svg"
	fileStatement = "statement.json"
	fileKey       = "key.pem"
	fileSealed    = "sealed.json"
)

// Index lists every other file of a bundle, in their order. It is the last file, signed.
type Index struct {
	Format  int       `json:"format"`
	Run     string    `json:"run"`
	Name    string    `json:"name"`
	Commits int       `json:"commits"`
	Chain   string    `json:"chain"` // of the last commit
	At      time.Time `json:"at"`    // of the last commit
	Files   []Listed  `json:"files"`
}

// Listed is one file of a bundle.
type Listed struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	Digest string `json:"digest"`
}

// Bundle is what a bundle is made of.
type Bundle struct {
	Log      []Commit
	Heads    map[uint64][]byte            // signed heads, by commit
	Relied   map[uint64][]byte            // what commits relied on
	Cards    map[string][]byte            // by digest
	Closures map[string]map[string]string // digest of a closure → names to digests of playbooks
	Books    map[string]Book              // by digest
	Picture  []byte                       // nil: none
	Tell     Telling                      // nil: what was released is not told

	// Open gives the body of an artifact by its digest; nil leaves all out, and one that is not
	// found is left out.
	Open func(digest string) (body io.ReadCloser, size int64, err error)
}

// Book is a playbook as it was written.
type Book struct {
	Name   string
	Source []byte
}

// Write makes the bundle as a stream. Bodies of artifacts are read once and not held. Errors:
// [errs.Corrupt] when the log does not hold together; those of the key, of w and of Open.
func (b Bundle) Write(w io.Writer, key Signer) error {
	if len(key.Public()) != ed25519.PublicKeySize { // it says why, and before anything is written
		_, err := key.Sign(preAuth(IndexType, nil))
		if err == nil {
			err = errors.New("the log key cannot be used")
		}
		return errs.E("evidence.write", errs.Unavailable, errors.New(errs.Cause(err))).Hint("%s", errs.HintOf(err))
	}
	data := writeLog(b.Log)
	log, events, err := readLog(data)
	if err != nil {
		return err
	}
	relied, err := readRelied(b.Relied)
	if err != nil {
		return err
	}
	claim, released, err := (&replay{relied: relied}).claims(log, events, b.Tell)
	if err != nil {
		return err
	}
	at := log[len(log)-1].At.UTC()
	out := sealer{tar: tarWriter{to: w, at: at}, index: Index{Format: Format, Run: claim.Run, Name: claim.Name, Commits: len(log), Chain: claim.Chain, At: at, Files: []Listed{}}}
	docs, err := b.documents(claim, released, data, events, key)
	if err != nil {
		return err
	}
	for _, d := range docs {
		if err := out.add(d.name, int64(len(d.content)), bytes.NewReader(d.content)); err != nil {
			return err
		}
	}
	if b.Open != nil {
		if err := b.bodies(&out, claim.Artifacts); err != nil {
			return err
		}
	}
	payload, err := writeJSON(out.index)
	if err != nil {
		return err
	}
	sealed, err := Seal(key, IndexType, payload)
	if err != nil {
		return err
	}
	if err := out.tar.file(fileSealed, int64(len(sealed)), bytes.NewReader(sealed)); err != nil {
		return err
	}
	return out.tar.end()
}

// document is a file that is held in memory.
type document struct {
	name    string
	content []byte
}

// documents are all files but the bodies and the index, in their order.
func (b Bundle) documents(claim Claim, released Released, log []byte, events [][]run.Event, key Signer) ([]document, error) {
	var docs []document
	var failed error
	add := func(name string, content []byte) { docs = append(docs, document{name, content}) }
	record := func(name string, v any) {
		data, err := writeJSON(v)
		failed = errors.Join(failed, err)
		add(name, data)
	}
	print := FingerprintOf(key.Public())
	add(fileReadme, readme(claim, print))
	add(filePage, page(claim, print))
	record(fileClaim, claim)
	add(fileLog, log)
	for _, seq := range slices.Sorted(maps.Keys(b.Heads)) {
		add(seqFile("heads", seq), b.Heads[seq])
	}
	for _, seq := range slices.Sorted(maps.Keys(b.Relied)) {
		add(seqFile("relied", seq), b.Relied[seq])
	}
	for _, digest := range slices.Sorted(maps.Keys(b.Cards)) {
		name, err := digestName(digest)
		failed = errors.Join(failed, err)
		add("cards/"+name+".json", b.Cards[digest])
	}
	docs = append(docs, manifests(events)...)
	record(fileClosure, b.Closures)
	for _, digest := range slices.Sorted(maps.Keys(b.Books)) {
		book := b.Books[digest]
		name, err := digestName(digest)
		if err != nil {
			return nil, err
		}
		plain, err := playbook.Canonical(book.Source)
		failed = errors.Join(failed, err)
		add("playbooks/"+name+".yaml", book.Source)
		add("playbooks/"+name+".canonical", plain)
	}
	for _, t := range released.Texts {
		add("signatures/"+t.Name, []byte(t.Content))
	}
	if b.Picture != nil {
		add(filePicture, b.Picture)
	}
	if st, ok := statement(claim, released, print, digestOf(log)); ok {
		payload, err := writeJSON(st)
		if err != nil {
			return nil, err
		}
		sealed, err := Seal(key, StatementType, payload)
		if err != nil {
			return nil, err
		}
		add(fileStatement, sealed)
	}
	add(fileKey, EncodeKey(key.Public()))
	return docs, failed
}

// seqFile is the name of a record of one commit.
func seqFile(folder string, seq uint64) string { return fmt.Sprintf("%s/%06d.json", folder, seq) }

// bodies adds the bodies of artifacts, each once.
func (b Bundle) bodies(out *sealer, list []Artifact) error {
	seen := map[string]bool{}
	for _, a := range list {
		name, err := digestName(a.Digest)
		if err != nil || seen[a.Digest] {
			continue
		}
		seen[a.Digest] = true
		body, size, err := b.Open(a.Digest)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		err = out.add("files/"+name, size, body)
		if err = errors.Join(err, body.Close()); err != nil {
			return err
		}
		if last := out.index.Files[len(out.index.Files)-1]; last.Digest != a.Digest {
			return errs.E("evidence.write", errs.Corrupt, fmt.Errorf("the body of %s is not what its digest says", a.Name)).
				Hint("run slipway fsck; the disk may be failing")
		}
	}
	return nil
}

// sealer writes files and lists them.
type sealer struct {
	tar   tarWriter
	index Index
}

func (s *sealer) add(name string, size int64, body io.Reader) error {
	if slices.ContainsFunc(s.index.Files, func(l Listed) bool { return l.Name == name }) {
		return errs.E("evidence.write", errs.Internal, fmt.Errorf("a bundle would hold %s twice", name))
	}
	h := sha256.New()
	if err := s.tar.file(name, size, io.TeeReader(body, h)); err != nil {
		return err
	}
	s.index.Files = append(s.index.Files, Listed{Name: name, Size: size, Digest: "sha256:" + hex.EncodeToString(h.Sum(nil))})
	return nil
}

// readRelied reads what commits relied on.
func readRelied(raw map[uint64][]byte) (map[int]Relied, error) {
	out := make(map[int]Relied, len(raw))
	for seq, data := range raw {
		var r Relied
		if err := readJSON(data, &r); err != nil || r.Seq != seq {
			return nil, errs.E("evidence.read", errs.Corrupt, fmt.Errorf("what commit %d relied on cannot be read", seq)).Hint("the record was changed, or is damaged")
		}
		out[int(seq)] = r
	}
	return out, nil
}

// manifests are the texts that gates put to people, in the order of the log.
func manifests(events [][]run.Event) []document {
	var docs []document
	for i, list := range events {
		for _, ev := range list {
			if b, ok := ev.Body.(run.GateOpened); ok {
				docs = append(docs, document{manifestFile(i+1, len(docs)+1), b.Manifest.Canonical()})
			}
		}
	}
	return docs
}

// manifestFile is the name of the nth manifest, which was put to people by the commit.
func manifestFile(commit, n int) string { return fmt.Sprintf("manifests/%06d-%d.txt", commit, n) }
