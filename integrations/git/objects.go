package git

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"slipway/bot/errs"
)

// TagObject is an annotated tag as git stores it. Payload is what a signature covers: everything
// before the armoured signature, which git puts at the end of the object and not into a header.
type TagObject struct {
	Object    string // the commit
	Tag       string // its name
	Tagger    string // "Name <mail> seconds zone"
	Payload   string
	Signature string // armoured; "" = not signed
}

// TagPayload is the exact payload of an annotated tag of a commit. The tagger is "Name <mail>"; the
// date is in seconds since 1970 and written in UTC.
func TagPayload(commit, tag, tagger string, date int64, text string) (string, error) {
	if err := CheckCommit(commit); err != nil {
		return "", err
	}
	if err := CheckTag(tag); err != nil {
		return "", err
	}
	name, address, err := person("tagger", tagger)
	if err != nil {
		return "", err
	}
	body, err := message(text)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("object %s\ntype commit\ntag %s\ntagger %s <%s> %d +0000\n\n%s", commit, tag, name, address, date, body), nil
}

// ParseTagObject reads the content of an annotated tag of a commit, strictly: the four headers in
// git's order and no others, a blank line, the message, and at most one signature with nothing
// after it.
func ParseTagObject(content string) (TagObject, error) {
	bad := func(why string) (TagObject, error) {
		return TagObject{}, errs.E("git.tag_object", errs.Invalid, fmt.Errorf("this is not the annotated tag of a commit: %s", why)).
			Hint("Make it of the payload that was approved, followed by the armoured signature")
	}
	if len(content) > 256<<10 || strings.Contains(content, "\x00") || strings.Contains(content, "\r") {
		return bad("it is too long or not text")
	}
	var t TagObject
	head, body, found := strings.Cut(content, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) != 4 {
		return bad("it does not have the headers object, type, tag and tagger alone")
	}
	for i, name := range []string{"object", "type", "tag", "tagger"} {
		value, ok := strings.CutPrefix(lines[i], name+" ")
		if !ok || value == "" {
			return bad("the header " + name + " is missing")
		}
		switch i {
		case 0:
			t.Object = value
		case 1:
			if value != "commit" {
				return bad("it tags something that is no commit")
			}
		case 2:
			t.Tag = value
		case 3:
			t.Tagger = value
		}
	}
	if CheckCommit(t.Object) != nil || CheckTag(t.Tag) != nil {
		return bad("the commit or the name in it cannot be used")
	}
	t.Payload = content
	at := 0
	for line := range strings.SplitAfterSeq(body, "\n") {
		if strings.HasPrefix(line, "-----BEGIN ") {
			t.Payload, t.Signature = content[:len(head)+2+at], body[at:]
			break
		}
		at += len(line)
	}
	if t.Signature == "" {
		return t, nil
	}
	const first, last = "-----BEGIN PGP SIGNATURE-----\n", "\n-----END PGP SIGNATURE-----\n"
	if !strings.HasPrefix(t.Signature, first) || !strings.HasSuffix(t.Signature, last) ||
		strings.Count(t.Signature, "-----BEGIN ") != 1 || strings.Count(t.Signature, "-----END ") != 1 {
		return bad("its signature is not one armoured OpenPGP signature at the end")
	}
	return t, nil
}

// ObjectID is the id git gives to a tag object with this content, in a repository whose ids are
// as long as like.
func ObjectID(content, like string) string {
	data := fmt.Appendf(nil, "tag %d\x00%s", len(content), content)
	if len(like) == 64 {
		sum := sha256.Sum256(data)
		return hex.EncodeToString(sum[:])
	}
	sum := sha1.Sum(data)
	return hex.EncodeToString(sum[:])
}
