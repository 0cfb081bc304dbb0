// Package openpgp signs and verifies with OpenPGP, and reads what a release key is asked to sign.
//
// Signing: a [Signer] makes armored detached signatures and those of an InRelease, with a key from
// a file ([KeyFile]) or through gpg and its agent ([GPG]), so also with a smartcard. Verifying: a
// [Policy] names the primary fingerprints that count, and [Policy.Verify] refuses every other key,
// old or future signatures, short keys and weak hashes. Reading: [ParseTag] understands the bytes
// of a git tag, and nothing looser.
//
// Errors: [errs.Invalid] for input that does not parse, [errs.Denied] for a key or signature that
// the policy does not accept, [errs.Unavailable] when gpg or its card does not answer.
package openpgp

import (
	"bytes"
	"context"
	"crypto"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"slipway/bot/errs"
)

// MinRSABits is the shortest RSA key that signs or verifies here, in bits.
const MinRSABits = 3072

// maxKeyFile bounds key and certificate files, in bytes.
const maxKeyFile = 1 << 20

const (
	signatureType = "PGP SIGNATURE"
	publicType    = "PGP PUBLIC KEY BLOCK"
	privateType   = "PGP PRIVATE KEY BLOCK"
)

// Signer signs with one key.
//
// Fingerprint is the primary key's, in upper-case hexadecimal. UserIDs are the names on the
// certificate. Sign returns an armored detached signature over data, and SignText the armored text
// signature that an InRelease of text needs. They respect ctx, and return an error of kind
// [errs.Denied] when the key may not sign now (expired, revoked, too weak, wrong use) and
// [errs.Unavailable] when the key cannot be reached; then nothing was signed.
type Signer interface {
	Fingerprint() string
	UserIDs() []string
	Certificate() []byte
	Sign(ctx context.Context, data []byte) ([]byte, error)
	SignText(ctx context.Context, text []byte) ([]byte, error)
}

// Fingerprint is s as upper-case hexadecimal without blanks or "0x", checked to be a full
// fingerprint of a v4 key (40 digits). Short and 64-bit ids are refused: they can be forged.
func Fingerprint(s string) (string, error) {
	f := strings.ToUpper(strings.TrimPrefix(strings.Join(strings.Fields(s), ""), "0x"))
	if raw, err := hex.DecodeString(f); err != nil || len(raw) != 20 {
		return "", errs.E("openpgp.fingerprint", errs.Invalid, fmt.Errorf("%q is not the fingerprint of a key", s)).
			Hint("write all 40 digits, as shown by: gpg --fingerprint")
	}
	return f, nil
}

// ReadCertificates reads certificates, armored (one block or several) or binary. Private parts
// are not expected here and are refused. Errors: [errs.Invalid].
func ReadCertificates(data []byte) (pgp.EntityList, error) {
	list, err := readKeys("openpgp.certificates", data)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		if e.PrivateKey != nil {
			return nil, errs.E("openpgp.certificates", errs.Invalid, fmt.Errorf("this is a private key, and a certificate is wanted")).
				Hint("export the public part with: gpg --armor --export %s", printFingerprint(e))
		}
	}
	return list, nil
}

// LoadCertificates reads the certificates in the file at path.
func LoadCertificates(path string) (pgp.EntityList, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	list, err := ReadCertificates(data)
	if err != nil {
		return nil, errs.E("openpgp.certificates", errs.KindOf(err), fmt.Errorf("reading %s: %w", path, err))
	}
	return list, nil
}

func readKeys(op string, data []byte) (pgp.EntityList, error) {
	if len(data) > maxKeyFile {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the key file has %d bytes, at most %d are read", len(data), maxKeyFile))
	}
	var list pgp.EntityList
	var err error
	if !bytes.Contains(data, []byte("-----BEGIN PGP ")) {
		list, err = pgp.ReadKeyRing(bytes.NewReader(data))
	} else {
		// A file may hold several armored blocks, one behind the other.
		for rest := data; err == nil && bytes.Contains(rest, []byte("-----BEGIN PGP ")); {
			rest = rest[bytes.Index(rest, []byte("-----BEGIN PGP ")):]
			next := bytes.Index(rest[1:], []byte("-----BEGIN PGP "))
			one := rest
			if next >= 0 {
				one = rest[:next+1]
			}
			var part pgp.EntityList
			part, err = pgp.ReadArmoredKeyRing(bytes.NewReader(one))
			list = append(list, part...)
			rest = rest[len(one):]
		}
	}
	if err != nil {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("this is not an OpenPGP key: %w", err))
	}
	if len(list) == 0 {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("there is no OpenPGP key in it"))
	}
	return list, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errs.E("openpgp.read", errs.NotFound, fmt.Errorf("the key file cannot be opened: %w", err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, errs.E("openpgp.read", errs.Unavailable, fmt.Errorf("reading the key file %s: %w", path, err))
	}
	return data, nil
}

func printFingerprint(e *pgp.Entity) string {
	return strings.ToUpper(hex.EncodeToString(e.PrimaryKey.Fingerprint))
}

func userIDs(e *pgp.Entity) []string {
	var ids []string
	for _, i := range e.Identities {
		ids = append(ids, i.Name)
	}
	sort.Strings(ids)
	return ids
}

// armored writes body with the CRC24 line and a final newline: gpg 2.2 refuses an armor without
// them whenever the base64 needs no padding.
func armored(blockType string, body []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := armor.EncodeWithChecksumOption(&b, blockType, nil, true)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// config is the one set of rules for signing and verifying.
func config(now func() time.Time, bits uint16) *packet.Config {
	return &packet.Config{
		DefaultHash: crypto.SHA512,
		MinRSABits:  bits,
		Time:        now,
		RejectMessageHashAlgorithms: map[crypto.Hash]bool{
			crypto.MD5: true, crypto.RIPEMD160: true, crypto.SHA1: true, crypto.SHA224: true,
		},
		RejectPublicKeyAlgorithms: map[packet.PublicKeyAlgorithm]bool{
			packet.PubKeyAlgoDSA: true, packet.PubKeyAlgoElGamal: true,
		},
	}
}
