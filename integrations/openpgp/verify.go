package openpgp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// maxSignature bounds an armored signature, in bytes. One signature of a 4096 bit key has
// about 1 kB; a long list of notations is not ours.
const maxSignature = 16 << 10

// Policy says which signatures count. The zero value accepts none.
type Policy struct {
	Certificates pgp.EntityList // the public keys that are known
	Allowed      []string       // primary fingerprints that count; user ids and key ids never do
	MaxAge       time.Duration  // a signature older than this is refused; 0 means any age
	Skew         time.Duration  // how far in the future a signature may be; 0 means 5 minutes
	MinRSABits   uint16         // 0 means [MinRSABits]
	Others       bool           // beside good ones, tolerate signatures by keys not in Allowed; they never count
}

// Signature is what a good signature says.
type Signature struct {
	Fingerprint string    // primary fingerprint of the signer
	UserID      string    // the certificate's first user id, for people
	Created     time.Time // as the signer claims it, UTC
	Hash        string    // e.g. "SHA-512"
	Digest      string    // of the signed bytes
}

// Verify checks an armored detached signature over data as at now. It wants precisely one
// signature, by an allowed key that is valid at now and was at the time of the signature.
func (p Policy) Verify(data, signature []byte, now time.Time) (Signature, error) {
	const op = "openpgp.verify"
	body, err := dearm(op, signature)
	if err != nil {
		return Signature{}, err
	}
	return p.verify(op, data, body, packet.SigTypeBinary, now)
}

func (p Policy) verify(op string, data, sigBytes []byte, want packet.SignatureType, now time.Time) (Signature, error) {
	if err := single(op, sigBytes, want); err != nil {
		return Signature{}, err
	}
	ring, err := p.ring(op)
	if err != nil {
		return Signature{}, err
	}
	bits := p.MinRSABits
	if bits == 0 {
		bits = MinRSABits
	}
	skew := p.Skew
	if skew == 0 {
		skew = 5 * time.Minute
	}
	// The library refuses a signature from the future; our own window below allows some skew.
	cfg := config(func() time.Time { return now.Add(skew) }, bits)
	sig, signer, err := pgp.VerifyDetachedSignature(ring, bytes.NewReader(data), bytes.NewReader(sigBytes), cfg)
	if err != nil || signer == nil || sig == nil {
		return Signature{}, refusal(op, err)
	}
	good := Signature{Fingerprint: printFingerprint(signer), Created: sig.CreationTime.UTC(),
		Hash: sig.Hash.String(), Digest: action.DigestOf(data)}
	if ids := userIDs(signer); len(ids) > 0 {
		good.UserID = ids[0]
	}
	switch {
	case good.Created.After(now.Add(skew)):
		return Signature{}, errs.E(op, errs.Denied, fmt.Errorf("the signature is dated %s, in the future", good.Created.Format(time.RFC3339))).
			Hint("check the clock of the signer")
	case p.MaxAge > 0 && good.Created.Before(now.Add(-p.MaxAge)):
		return Signature{}, errs.E(op, errs.Denied, fmt.Errorf("the signature is dated %s; at most %s old ones count", good.Created.Format(time.RFC3339), p.MaxAge)).
			Hint("sign again")
	}
	// A signature carries its own date, so a thief of an expired key could back-date: the key
	// must be good now as well.
	if _, err := signer.VerifyPrimaryKey(now, cfg); err != nil {
		return Signature{}, errs.E(op, errs.Denied, fmt.Errorf("the key %s is expired or revoked", good.Fingerprint)).
			Hint("renew the key and give Slipway the new certificate")
	}
	if _, ok := signer.SigningKeyById(now, keyID(sig), cfg); !ok {
		return Signature{}, errs.E(op, errs.Denied, fmt.Errorf("the part of key %s that signed is expired, revoked or not for signing", good.Fingerprint))
	}
	return good, nil
}

// ring is the certificates that are allowed; only they can match a signature at all.
func (p Policy) ring(op string) (pgp.EntityList, error) {
	allowed := map[string]bool{}
	for _, a := range p.Allowed {
		f, err := Fingerprint(a)
		if err != nil {
			return nil, err
		}
		allowed[f] = true
	}
	var ring pgp.EntityList
	for _, e := range p.Certificates {
		if allowed[printFingerprint(e)] {
			ring = append(ring, e)
		}
	}
	if len(ring) == 0 {
		return nil, errs.E(op, errs.Denied, errors.New("none of the allowed keys has a certificate here")).
			Hint("add the public key to the configured certificates")
	}
	return ring, nil
}

// single refuses everything but one signature packet of the wanted type: a block with several
// could show one signature here and another to gpg.
func single(op string, body []byte, want packet.SignatureType) error {
	r := packet.NewReader(bytes.NewReader(body))
	p, err := r.Next()
	if err != nil {
		return errs.E(op, errs.Invalid, fmt.Errorf("the signature cannot be read: %w", err))
	}
	sig, ok := p.(*packet.Signature)
	if !ok {
		return errs.E(op, errs.Invalid, errors.New("the armored block is not a signature"))
	}
	if sig.SigType != want {
		return errs.E(op, errs.Invalid, fmt.Errorf("the signature is of type 0x%02x, want 0x%02x", uint8(sig.SigType), uint8(want)))
	}
	if _, err := r.Next(); err != io.EOF {
		return errs.E(op, errs.Invalid, errors.New("there is more than one signature in the block"))
	}
	return nil
}

// dearm reads one armored signature and refuses text around it.
func dearm(op string, signature []byte) ([]byte, error) {
	text := bytes.TrimRight(signature, "\n")
	begin, end := []byte("-----BEGIN "+signatureType+"-----\n"), []byte("\n-----END "+signatureType+"-----")
	if len(signature) > maxSignature || !bytes.HasPrefix(text, begin) || !bytes.HasSuffix(text, end) ||
		bytes.Count(text, []byte("-----BEGIN ")) != 1 {
		return nil, errs.E(op, errs.Invalid, errors.New("this is not one armored signature"))
	}
	block, err := armor.Decode(bytes.NewReader(signature))
	if err != nil || block.Type != signatureType {
		return nil, errs.E(op, errs.Invalid, errors.New("the armored signature cannot be read"))
	}
	body, err := io.ReadAll(io.LimitReader(block.Body, maxSignature))
	if err != nil {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the armored signature cannot be read: %w", err))
	}
	return body, nil
}

func keyID(sig *packet.Signature) uint64 {
	if sig.IssuerKeyId != nil {
		return *sig.IssuerKeyId
	}
	return 0
}

// refusal says in our words why the library refused.
func refusal(op string, err error) error {
	switch {
	case err == nil:
		return errs.E(op, errs.Denied, errors.New("the signature names no signer"))
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return errs.E(op, errs.Denied, errors.New("the signature is by a key that is not allowed"))
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return errs.E(op, errs.Denied, errors.New("the key had expired when it signed"))
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return errs.E(op, errs.Denied, errors.New("the key is revoked"))
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return errs.E(op, errs.Denied, errors.New("the signature has expired or is dated in the future"))
	}
	return errs.E(op, errs.Denied, fmt.Errorf("the signature is not good: %s", strings.TrimPrefix(err.Error(), "openpgp: ")))
}
