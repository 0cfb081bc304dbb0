package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"slipway/bot/action"
	"slipway/integrations/openpgp"
)

// shelf is a folder beside the log with the Releases that were signed last, so that the next
// question can say what is different. Its files are named by their digest, and count only if they
// have the one that the log names: the log alone is what a signer believes.
type shelf struct{ dir string }

func (s shelf) file(digest string) string {
	return filepath.Join(s.dir, strings.TrimPrefix(filepath.Base(digest), "sha256:"))
}

// put keeps a text. Nothing but the words of a later question depends on it.
func (s shelf) put(text string) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	return replace(s.file(action.DigestOf([]byte(text))), []byte(text))
}

// get is the text with that digest; found is false when it is not there whole.
func (s shelf) get(digest string) (text string, found bool) {
	f, err := os.Open(s.file(digest))
	if err != nil {
		return "", false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, openpgp.MaxRelease+1))
	if err != nil || action.DigestOf(data) != digest {
		return "", false
	}
	return string(data), true
}

// sweep removes what live does not name.
func (s shelf) sweep(live map[string]bool) {
	list, err := os.ReadDir(s.dir)
	if err != nil {
		return
	}
	for _, e := range list {
		if !live["sha256:"+e.Name()] {
			_ = os.Remove(filepath.Join(s.dir, e.Name()))
		}
	}
}

// Result appends the record of a signature that was made, and keeps the Releases under it for the
// next question. An error means that the record is not on disk: the signature must not leave.
func (j *Journal) Result(r Record, signature []byte, texts []string) error {
	r.Type, r.Signature = result, string(signature)
	if _, err := j.Append(r); err != nil {
		return err
	}
	if len(texts) == 0 {
		return nil
	}
	live := map[string]bool{}
	for _, s := range j.suites {
		live[s.Digest] = true
	}
	for _, text := range texts {
		if j.texts.put(text) != nil {
			return nil // without the text a question says less, and no less is checked
		}
	}
	j.texts.sweep(live)
	return nil
}

// LastText is the Release that s stands for, if it is still kept.
func (j *Journal) LastText(s SuiteRecord) (string, bool) { return j.texts.get(s.Digest) }
