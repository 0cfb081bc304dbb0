package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"slipway/bot/errs"
)

// The kinds of record in the signer's log.
const (
	intent   = "intent"   // the key is about to be used
	result   = "result"   // a signature was made; it is in the record
	unsigned = "unsigned" // after an intent: the key was not used, or did not sign
	refused  = "refused"  // a request was turned down, with the reason
	repeated = "repeated" // the kept signature was handed out again
	repaired = "repaired" // a line that a crash left unfinished was removed
)

// Record is one line of the signer's log. Hash covers every other field, Prev among them, so a
// line that is changed, removed or put in between breaks the chain.
type Record struct {
	Seq         int           `json:"seq"` // from 1
	Prev        string        `json:"prev"`
	Time        time.Time     `json:"time"`
	Type        string        `json:"type"`
	Job         string        `json:"job,omitempty"`
	Fence       uint64        `json:"fence,omitempty"`
	Repository  string        `json:"repository,omitempty"`
	Tag         string        `json:"tag,omitempty"`
	Object      string        `json:"object,omitempty"`
	Tagged      time.Time     `json:"tagged,omitzero"` // the tagger's date
	Archive     string        `json:"archive,omitempty"`
	Suites      []SuiteRecord `json:"suites,omitempty"`
	Rollback    bool          `json:"rollback,omitempty"` // the request called itself one
	Digest      string        `json:"digest,omitempty"`   // of the payload; of a Release request, of all its suites
	Fingerprint string        `json:"fingerprint,omitempty"`
	By          string        `json:"by,omitempty"`        // who or what said yes
	Signature   string        `json:"signature,omitempty"` // as it was handed in
	Note        string        `json:"note,omitempty"`
	Hash        string        `json:"hash"`
}

// SuiteRecord is the Release of one suite in a [Record].
type SuiteRecord struct {
	Name          string    `json:"name"` // as the request names it
	Digest        string    `json:"digest"`
	Suite         string    `json:"suite,omitempty"`
	Codename      string    `json:"codename,omitempty"`
	Origin        string    `json:"origin,omitempty"`
	Label         string    `json:"label,omitempty"`
	Dated         time.Time `json:"dated"`
	ValidUntil    time.Time `json:"valid_until,omitzero"`
	Architectures string    `json:"architectures,omitempty"`
	Components    string    `json:"components,omitempty"`
	Files         int       `json:"files"`          // indexes under the strongest algorithm
	Contents      string    `json:"contents"`       // one word for all that it lists
	Rest          string    `json:"rest,omitempty"` // digest of it without Date and Valid-Until; older lines have none
}

func (r Record) sum() (string, error) {
	r.Hash = ""
	data, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:]), nil
}

// Journal is the signer's append-only log and its memory. One process has it at a time.
type Journal struct {
	file   *os.File
	size   int64
	seq    int
	head   string
	now    func() time.Time
	broken error

	texts shelf // of the newest Releases

	kept   map[string]Record      // digest and fingerprint → the result
	last   map[string]Record      // stream → the result with its highest version
	suites map[string]SuiteRecord // archive and suite → the newest that was signed
	twins  map[string]SuiteRecord // the same by archive, Suite and Codename
	signed map[string]time.Time   // archive, suite (as in both) and contents → when they were signed last
}

// OpenJournal reads and checks the whole log and locks it. An unfinished last line, as a crash
// leaves it, is removed and the removal is recorded; any other fault is [errs.Corrupt] and names
// the line.
func OpenJournal(path string, now func() time.Time) (*Journal, error) {
	const op = "signer.log"
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the log cannot be opened: %w", err)).
			Hint("set log: to a file in a folder that the signer may write to")
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, errs.E(op, errs.Conflict, fmt.Errorf("another signer uses the log %s", path)).
			Hint("run one signer for each log; stop it while you fetch and hand in with its log")
	}
	j := &Journal{file: f, now: now, texts: shelf{path + ".releases"}, kept: map[string]Record{}, last: map[string]Record{},
		suites: map[string]SuiteRecord{}, twins: map[string]SuiteRecord{}, signed: map[string]time.Time{}}
	good, tail, err := scan(f, j.remember)
	if err == nil && tail > 0 {
		if err = f.Truncate(good); err == nil {
			j.size = good
			_, err = j.Append(Record{Type: repaired, Note: fmt.Sprintf("%d bytes of an unfinished line were removed", tail)})
		}
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	j.size = max(j.size, good)
	return j, nil
}

// Close gives the log up.
func (j *Journal) Close() error { return j.file.Close() }

// Append writes r as the next line and returns once it is on disk. After a failure that leaves
// the file in doubt, every later Append fails too: nothing is signed without its record.
func (j *Journal) Append(r Record) (Record, error) {
	const op = "signer.log"
	if j.broken != nil {
		return r, j.broken
	}
	r.Seq, r.Prev, r.Time = j.seq+1, j.head, j.now().UTC().Truncate(time.Second)
	var err error
	if r.Hash, err = r.sum(); err != nil {
		return r, errs.E(op, errs.Internal, err)
	}
	line, err := json.Marshal(r)
	if err != nil {
		return r, errs.E(op, errs.Internal, err)
	}
	line = append(line, '\n')
	if _, err := j.file.WriteAt(line, j.size); err != nil {
		if j.file.Truncate(j.size) != nil {
			j.broken = errs.E(op, errs.Corrupt, errors.New("the log could not be written and not be mended")).Hint("restart the signer")
		}
		return r, errs.E(op, errs.Full, fmt.Errorf("the log cannot be written: %w", err)).
			Hint("make room on the disk; nothing is signed before that")
	}
	if err := j.file.Sync(); err != nil {
		j.broken = errs.E(op, errs.Corrupt, errors.New("nobody can tell whether the log is on disk")).Hint("restart the signer")
		return r, j.broken
	}
	j.size += int64(len(line))
	j.remember(r)
	return r, nil
}

func (j *Journal) remember(r Record) {
	j.seq, j.head = r.Seq, r.Hash
	if r.Type != result {
		return
	}
	j.kept[r.Digest+" "+r.Fingerprint] = r
	if r.Archive == "" {
		// A rollback that was let through does not lower what others must come after.
		in := stream(r.Repository, r.Tag)
		if last, ok := j.last[in]; !ok || !older(r.Tag, last.Tag) {
			j.last[in] = r
		}
	}
	for _, s := range r.Suites {
		j.suites[r.Archive+"\n"+s.Name] = s
		if last, ok := j.twins[twin(r.Archive, s)]; !ok || !s.Dated.Before(last.Dated) {
			j.twins[twin(r.Archive, s)] = s
		}
		j.signed[r.Archive+"\n"+s.Name+"\n"+s.Contents] = r.Time
		j.signed[twin(r.Archive, s)+"\n"+s.Contents] = r.Time
	}
}

// LastSuite is the newest Release of the suite that was signed.
func (j *Journal) LastSuite(archive, suite string) (SuiteRecord, bool) {
	s, ok := j.suites[archive+"\n"+suite]
	return s, ok
}

// twin is what a suite is to clients, whether a request names it by its Suite or by its Codename.
func twin(archive string, s SuiteRecord) string {
	return archive + "\n" + s.Suite + "\n" + s.Codename + "\n"
}

// Newest is the Release that s must come after: the newest that was signed for its suite, under the
// name of the request or under both names of s.
func (j *Journal) Newest(archive string, s SuiteRecord) (SuiteRecord, bool) {
	last, ok := j.LastSuite(archive, s.Name)
	if other, found := j.twins[twin(archive, s)]; found && (!ok || other.Dated.After(last.Dated)) {
		return other, true
	}
	return last, ok
}

// Signed says when a Release with the contents of s was signed last, under any name of its suite.
func (j *Journal) Signed(archive string, s SuiteRecord) (time.Time, bool) {
	at, ok := j.signed[archive+"\n"+s.Name+"\n"+s.Contents]
	if other, found := j.signed[twin(archive, s)+"\n"+s.Contents]; found && other.After(at) {
		return other, true
	}
	return at, ok
}

// Kept is the signature that was made for digest with the key before.
func (j *Journal) Kept(digest, fingerprint string) (Record, bool) {
	r, ok := j.kept[digest+" "+fingerprint]
	return r, ok
}

// Last is the result with the highest version among tags of the same form in repository.
func (j *Journal) Last(repository, tag string) (Record, bool) {
	r, ok := j.last[stream(repository, tag)]
	return r, ok
}

// stream names the tags of one repository that are compared with each other: those with the
// same text before the version.
func stream(repository, tag string) string {
	prefix, _ := splitTag(tag)
	return repository + "\n" + prefix
}

// Head says how long a log is and how it ends.
type Head struct {
	Lines int
	Hash  string
	Tail  int64 // bytes of an unfinished last line
}

// VerifyJournal checks the chain of the log at path without changing it.
func VerifyJournal(path string) (Head, error) {
	f, err := os.Open(path)
	if err != nil {
		return Head{}, errs.E("signer.log", errs.NotFound, fmt.Errorf("the log cannot be opened: %w", err))
	}
	defer f.Close()
	var h Head
	_, h.Tail, err = scan(f, func(r Record) { h.Lines, h.Hash = r.Seq, r.Hash })
	return h, err
}

// scan checks line by line. good is the length of the whole lines, tail that of an unfinished one.
func scan(f io.Reader, each func(Record)) (good, tail int64, err error) {
	const op = "signer.log"
	broken := func(n int, format string, args ...any) error {
		return errs.E(op, errs.Corrupt, fmt.Errorf("line %d of the log is broken: %s", n, fmt.Sprintf(format, args...))).
			Hint("restore the log from a backup; do not sign with a log that was changed")
	}
	in := bufio.NewReader(f)
	prev := ""
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return good, int64(len(line)), nil
		}
		if err != nil {
			return good, 0, errs.E(op, errs.Unavailable, fmt.Errorf("reading the log: %w", err))
		}
		var r Record
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&r); err != nil {
			return good, 0, broken(n, "it is not a record")
		}
		sum, err := r.sum()
		again, err2 := json.Marshal(r)
		switch {
		case err != nil || err2 != nil || sum != r.Hash || !bytes.Equal(append(again, '\n'), line):
			return good, 0, broken(n, "its content does not have its hash")
		case r.Seq != n:
			return good, 0, broken(n, "it has the number %d", r.Seq)
		case r.Prev != prev:
			return good, 0, broken(n, "it does not follow the line before")
		}
		prev = r.Hash
		good += int64(len(line))
		each(r)
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return errs.E("signer.log", errs.Unavailable, fmt.Errorf("the folder of the log: %w", err))
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return errs.E("signer.log", errs.Unavailable, fmt.Errorf("the folder of the log: %w", err))
	}
	return nil
}
