package openpgp

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"slipway/bot/errs"
)

// MaxRelease is the largest Release file that is signed or read, in bytes. Debian's own has about
// 200 kB.
const MaxRelease = 1 << 20

const (
	clearBegin = "-----BEGIN PGP SIGNED MESSAGE-----\n"
	sigBegin   = "-----BEGIN " + signatureType + "-----\n"
	sigEnd     = "-----END " + signatureType + "-----\n"
)

// CheckRelease refuses a text that cannot be both an APT Release and the content of an InRelease
// with precisely the same bytes: clearsigning drops blanks at the ends of lines and changes line
// ends (RFC 9580 section 7.2), and apt reads the first paragraph only. Errors: [errs.Invalid],
// with the line.
func CheckRelease(text []byte) error {
	bad := func(format string, args ...any) error {
		return errs.E("openpgp.release", errs.Invalid, fmt.Errorf("the Release "+format, args...)).
			Hint("make the Release file again: UTF-8, LF line ends, one paragraph, nothing after the last character of a line")
	}
	switch {
	case len(text) == 0:
		return bad("is empty")
	case len(text) > MaxRelease:
		return bad("has %d bytes, at most %d are signed", len(text), MaxRelease)
	case !utf8.Valid(text):
		return bad("is not UTF-8")
	case text[len(text)-1] != '\n':
		return bad("does not end with a newline")
	}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line = line[:len(line)-1]
		if len(line) == 0 {
			return bad("has an empty line (%d); it must be one paragraph", n)
		}
		if last := line[len(line)-1]; last == ' ' || last == '\t' {
			return bad("has a blank at the end of line %d; a clear-signed text would lose it", n)
		}
		for _, r := range string(line) {
			if r == '\r' {
				return bad("has a carriage return in line %d", n)
			}
			if r != '\t' && r != ' ' && !unicode.IsPrint(r) {
				return bad("has the unprintable character %U in line %d", r, n)
			}
		}
	}
	return nil
}

// SplitInRelease takes an InRelease apart into the exact bytes of its Release and the armored
// block with its signatures. It reads strictly what gpg and apt agree on: the signed text begins
// at the first byte, its header has Hash lines only, lines that begin with a dash are escaped, and
// nothing follows the block of signatures. Errors: [errs.Invalid].
func SplitInRelease(inRelease []byte) (release, signatures []byte, err error) {
	bad := func(format string, args ...any) ([]byte, []byte, error) {
		return nil, nil, errs.E("openpgp.inrelease", errs.Invalid, fmt.Errorf("the InRelease "+format, args...))
	}
	// Escaping adds two bytes to a line at most, and a line has two at least.
	if len(inRelease) > 2*MaxRelease+maxSignature+1024 {
		return bad("has %d bytes; that is too long", len(inRelease))
	}
	rest, ok := bytes.CutPrefix(inRelease, []byte(clearBegin))
	if !ok {
		return bad("does not begin with a signed text")
	}
	for hashes := 0; ; hashes++ {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if !whole {
			return bad("ends in its header")
		}
		rest = after
		if len(line) == 0 {
			break
		}
		if !bytes.HasPrefix(line, []byte("Hash: ")) || hashes >= 8 {
			return bad("has the header line %q; only Hash is expected", clip(string(line)))
		}
	}
	for !bytes.HasPrefix(rest, []byte(sigBegin)) {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if !whole {
			return bad("has no signature")
		}
		rest = after
		if escaped, ok := bytes.CutPrefix(line, []byte("- ")); ok {
			line = escaped
		} else if bytes.HasPrefix(line, []byte("-")) {
			return bad("has the line %q inside its text", clip(string(line)))
		}
		release = append(append(release, line...), '\n')
	}
	if err := CheckRelease(release); err != nil {
		return nil, nil, err
	}
	end := bytes.Index(rest, []byte("\n"+sigEnd))
	switch {
	case end < 0:
		return bad("has a signature without an end")
	case end+1+len(sigEnd) != len(rest):
		return bad("goes on after its signature")
	case bytes.Count(rest, []byte("-----BEGIN ")) != 1:
		return bad("has more than one block of signatures")
	}
	return release, bytes.Clone(rest), nil
}

// clearBytes is what a signature under clear text covers: CRLF between lines and no last one.
func clearBytes(text []byte) []byte {
	return bytes.ReplaceAll(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"), []byte("\r\n"))
}

// AssembleInRelease joins a Release with the armored text signatures of one key or several, each
// with precisely one signature, into an InRelease that gpg 2.2 and apt read: one armored block
// with its checksum, and a Hash line with every algorithm in use. It verifies nothing; see
// [VerifyInRelease]. Errors: [errs.Invalid].
func AssembleInRelease(release []byte, inline ...[]byte) ([]byte, error) {
	if err := CheckRelease(release); err != nil {
		return nil, err
	}
	block, hashes, err := join("openpgp.inrelease", packet.SigTypeText, inline)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Grow(len(release) + len(block) + 200)
	b.WriteString(clearBegin)
	b.WriteString("Hash: ")
	for i, h := range hashes {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(h)
	}
	b.WriteString("\n\n")
	for line := range bytes.Lines(release) {
		if line[0] == '-' {
			b.WriteString("- ")
		}
		b.Write(line)
	}
	b.Write(block)
	return b.Bytes(), nil
}

// AssembleDetached joins the armored detached signatures of several keys over one Release into one
// Release.gpg. apt reads it in armor only. Errors: [errs.Invalid].
func AssembleDetached(detached ...[]byte) ([]byte, error) {
	block, _, err := join("openpgp.release_gpg", packet.SigTypeBinary, detached)
	return block, err
}

// join puts the packets of several armored signatures into one block and names their hashes.
func join(op string, want packet.SignatureType, parts [][]byte) (block []byte, hashes []string, err error) {
	if len(parts) == 0 {
		return nil, nil, errs.E(op, errs.Invalid, errors.New("there is no signature to put in"))
	}
	var body []byte
	var seen []packetSignature
	for i, part := range parts {
		raw, err := dearm(op, part)
		if err != nil {
			return nil, nil, err
		}
		sigs, err := packets(op, raw, want)
		if err != nil {
			return nil, nil, err
		}
		if len(sigs) != 1 {
			return nil, nil, errs.E(op, errs.Invalid, fmt.Errorf("part %d holds %d signatures, want one", i+1, len(sigs)))
		}
		for _, s := range seen {
			if s.issuer == sigs[0].issuer {
				return nil, nil, errs.E(op, errs.Invalid, fmt.Errorf("part %d is by the same key %016X as another", i+1, s.issuer))
			}
		}
		seen = append(seen, sigs[0])
		body = append(body, sigs[0].raw...)
		if !slices.Contains(hashes, sigs[0].hash) {
			hashes = append(hashes, sigs[0].hash)
		}
	}
	if block, err = armored(signatureType, body); err != nil {
		return nil, nil, errs.E(op, errs.Internal, err)
	}
	if len(block) > maxSignature {
		return nil, nil, errs.E(op, errs.Invalid, fmt.Errorf("the signatures have %d bytes together, at most %d are read", len(block), maxSignature))
	}
	return block, hashes, nil
}
