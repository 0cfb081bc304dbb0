package evidence

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"

	"slipway/bot/errs"
)

// Fingerprint names a log key: "sha256:" and 64 hexadecimal digits of the SHA-256 of its
// SubjectPublicKeyInfo.
type Fingerprint string

var fingerprintForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// spkiPrefix is what stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo
// (RFC 8410, section 4): it is the same for all of them.
const spkiPrefix = "\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"

const pemType = "PUBLIC KEY"

// FingerprintOf is the fingerprint of a public key.
func FingerprintOf(key ed25519.PublicKey) Fingerprint {
	sum := sha256.Sum256(spki(key))
	return Fingerprint("sha256:" + hex.EncodeToString(sum[:]))
}

// ParseFingerprint reads a fingerprint as people write it down. Errors: [errs.Invalid].
func ParseFingerprint(text string) (Fingerprint, error) {
	if !fingerprintForm.MatchString(text) {
		return "", errs.E("evidence.key", errs.Invalid, fmt.Errorf("%q is not the fingerprint of a log key", text)).
			Hint(`it is "sha256:" and 64 hexadecimal digits in small letters; slipway logkey show prints it`)
	}
	return Fingerprint(text), nil
}

func spki(key ed25519.PublicKey) []byte { return append([]byte(spkiPrefix), key...) }

// EncodeKey writes a public key as PEM (RFC 7468), as OpenSSL does.
func EncodeKey(key ed25519.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: spki(key)})
}

// DecodeKey reads what [EncodeKey] wrote, and nothing that is written in another way. Errors:
// [errs.Invalid].
func DecodeKey(text []byte) (ed25519.PublicKey, error) {
	bad := func(why string) (ed25519.PublicKey, error) {
		return nil, errs.E("evidence.key", errs.Invalid, errors.New(why)).Hint("slipway logkey show --pem writes one")
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pemType || len(bytes.TrimSpace(rest)) > 0 {
		return bad("this is not one public key in PEM")
	}
	if len(block.Bytes) != len(spkiPrefix)+ed25519.PublicKeySize || string(block.Bytes[:len(spkiPrefix)]) != spkiPrefix {
		return bad("the public key is not an Ed25519 key")
	}
	key := ed25519.PublicKey(block.Bytes[len(spkiPrefix):])
	if !bytes.Equal(EncodeKey(key), text) {
		return bad("the public key is not written in the one way that is accepted")
	}
	return key, nil
}
