package openpgp

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"slipway/bot/errs"
)

// maxSignatures bounds how many signatures one block may hold. An archive signs with one key,
// and with two or three while keys change.
const maxSignatures = 8

// SignRelease makes both signatures of an APT Release with s: inline is the armored text signature
// of an InRelease, detached that of a Release.gpg. Errors: as for [Signer], and [errs.Invalid] for
// a text that [CheckRelease] refuses.
func SignRelease(ctx context.Context, s Signer, release []byte) (inline, detached []byte, err error) {
	if err := CheckRelease(release); err != nil {
		return nil, nil, err
	}
	if inline, err = s.SignText(ctx, release); err != nil {
		return nil, nil, err
	}
	if detached, err = s.Sign(ctx, release); err != nil {
		return nil, nil, err
	}
	return inline, detached, nil
}

// VerifyRelease checks what [SignRelease] makes: one good text signature and one good detached
// signature over release, both by the key with that fingerprint. It returns when the later one
// was made. Errors: [errs.Invalid] or [errs.Denied], naming the one that is not good.
func (p Policy) VerifyRelease(release, inline, detached []byte, fingerprint string, now time.Time) (time.Time, error) {
	const op = "openpgp.verify_release"
	if err := CheckRelease(release); err != nil {
		return time.Time{}, err
	}
	p.Allowed = only(p.Allowed, fingerprint)
	body, err := dearm(op, inline)
	if err != nil {
		return time.Time{}, part("the signature for InRelease", err)
	}
	first, err := p.verify(op, clearBytes(release), body, packet.SigTypeText, now)
	if err != nil {
		return time.Time{}, part("the signature for InRelease", err)
	}
	second, err := p.Verify(release, detached, now)
	if err != nil {
		return time.Time{}, part("the signature for Release.gpg", err)
	}
	if second.Created.After(first.Created) {
		return second.Created, nil
	}
	return first.Created, nil
}

// VerifyInRelease checks an InRelease as at now and returns the exact bytes of its Release and the
// good signatures. Every fingerprint in need must have one. A signature of a key that p does not
// allow is refused unless p.Others tolerates it; one of an allowed key that is not good is always
// refused, also when another suffices. Errors: [errs.Invalid] and [errs.Denied].
func VerifyInRelease(inRelease []byte, p Policy, need []string, now time.Time) (release []byte, good []Signature, err error) {
	const op = "openpgp.verify_inrelease"
	release, block, err := SplitInRelease(inRelease)
	if err != nil {
		return nil, nil, err
	}
	good, err = p.all(op, clearBytes(release), block, packet.SigTypeText, need, now)
	if err != nil {
		return nil, nil, err
	}
	return release, good, nil
}

// Assemble joins the signatures of all keys under a Release into InRelease and Release.gpg, and reads
// what came out as a client does: every key in need must have signed, and no other. keyring holds
// their certificates. Errors: [errs.Invalid] and [errs.Denied].
func Assemble(release []byte, inline, detached [][]byte, keyring []byte, need []string, now time.Time) (inRelease, releaseGPG []byte, err error) {
	const op = "openpgp.assemble"
	if len(inline) == 0 {
		return nil, nil, errs.E(op, errs.Denied, errors.New("there is no signature"))
	}
	if inRelease, err = AssembleInRelease(release, inline...); err != nil {
		return nil, nil, err
	}
	if releaseGPG, err = AssembleDetached(detached...); err != nil {
		return nil, nil, err
	}
	certs, err := ReadCertificates(keyring)
	if err != nil {
		return nil, nil, err
	}
	policy := Policy{Certificates: certs, Allowed: need}
	got, _, err := VerifyInRelease(inRelease, policy, need, now)
	if err != nil {
		return nil, nil, err
	}
	if !bytes.Equal(got, release) {
		return nil, nil, errs.E(op, errs.Denied, errors.New("the signatures are of another Release"))
	}
	_, err = VerifyReleaseGPG(release, releaseGPG, policy, need, now)
	return inRelease, releaseGPG, err
}

// VerifyReleaseGPG is [VerifyInRelease] for a Release and its Release.gpg.
func VerifyReleaseGPG(release, releaseGPG []byte, p Policy, need []string, now time.Time) ([]Signature, error) {
	if err := CheckRelease(release); err != nil {
		return nil, err
	}
	return p.all("openpgp.verify_release_gpg", release, releaseGPG, packet.SigTypeBinary, need, now)
}

// all checks every signature of one armored block.
func (p Policy) all(op string, data, block []byte, want packet.SignatureType, need []string, now time.Time) ([]Signature, error) {
	if len(need) == 0 {
		return nil, errs.E(op, errs.Invalid, errors.New("no key is named that must have signed")).Hint("name at least one fingerprint")
	}
	ring, err := p.ring(op)
	if err != nil {
		return nil, err
	}
	body, err := dearm(op, block)
	if err != nil {
		return nil, err
	}
	sigs, err := packets(op, body, want)
	if err != nil {
		return nil, err
	}
	var good []Signature
	for _, s := range sigs {
		if len(ring.KeysById(s.issuer)) == 0 {
			if p.Others {
				continue
			}
			return nil, errs.E(op, errs.Denied, fmt.Errorf("there is a signature by the key %016X, which is not allowed", s.issuer))
		}
		one, err := p.verify(op, data, s.raw, want, now)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(good, func(g Signature) bool { return g.Fingerprint == one.Fingerprint }) {
			return nil, errs.E(op, errs.Invalid, fmt.Errorf("the key %s signed twice", one.Fingerprint))
		}
		good = append(good, one)
	}
	for _, n := range need {
		f, err := Fingerprint(n)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(good, func(g Signature) bool { return g.Fingerprint == f }) {
			return nil, errs.E(op, errs.Denied, fmt.Errorf("there is no good signature by the key %s", f))
		}
	}
	return good, nil
}

// packetSignature is one signature packet of a block.
type packetSignature struct {
	raw    []byte // the packet alone
	issuer uint64 // key id that it names; only good for looking a key up
	hash   string // as a Hash line names it: "SHA512"
}

// packets takes the body of an armored block apart. Only signature packets of version 4, of the
// wanted type, and with a strong hash are let through, each of them with an issuer.
func packets(op string, body []byte, want packet.SignatureType) ([]packetSignature, error) {
	bad := func(format string, args ...any) ([]packetSignature, error) {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf(format, args...))
	}
	names := map[crypto.Hash]string{crypto.SHA256: "SHA256", crypto.SHA384: "SHA384", crypto.SHA512: "SHA512"}
	r := packet.NewOpaqueReader(bytes.NewReader(body))
	var out []packetSignature
	for {
		o, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return bad("the signatures cannot be read: %w", err)
		}
		parsed, err := o.Parse()
		if err != nil {
			return bad("a signature cannot be read: %s", strings.TrimPrefix(err.Error(), "openpgp: "))
		}
		sig, ok := parsed.(*packet.Signature)
		switch {
		case !ok:
			return bad("the block holds something that is not a signature")
		case len(out) == maxSignatures:
			return bad("the block holds more than %d signatures", maxSignatures)
		case sig.Version != 4:
			return bad("a signature has the OpenPGP version %d; gpg and apt read version 4", sig.Version)
		case sig.SigType != want:
			return bad("a signature is of type 0x%02x, want 0x%02x", uint8(sig.SigType), uint8(want))
		case names[sig.Hash] == "":
			return bad("a signature uses the hash %s; use SHA256 or SHA512", sig.Hash)
		case keyID(sig) == 0:
			return bad("a signature does not name its key")
		}
		var raw bytes.Buffer
		if err := o.Serialize(&raw); err != nil {
			return nil, errs.E(op, errs.Internal, err)
		}
		out = append(out, packetSignature{raw: raw.Bytes(), issuer: keyID(sig), hash: names[sig.Hash]})
	}
	if len(out) == 0 {
		return bad("the block holds no signature")
	}
	return out, nil
}

// Keyring puts several certificates into one file for apt's Signed-By, as a binary keyring and in
// armor: while keys change, clients need the old and the new one. Each of certs is armored or
// binary and holds one certificate or several. Two copies of a certificate that differ are
// refused, since one may know of a revocation that the other does not; private parts are refused
// too. Errors: [errs.Invalid].
func Keyring(certs ...[]byte) (binary, armor []byte, err error) {
	const op = "openpgp.keyring"
	var all pgp.EntityList
	for _, c := range certs {
		list, err := ReadCertificates(c)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, list...)
	}
	var b bytes.Buffer
	seen := map[string][]byte{}
	for _, e := range all {
		if e.PrimaryKey.Version != 4 {
			return nil, nil, errs.E(op, errs.Invalid, fmt.Errorf("the key %s has OpenPGP version %d; gpg and apt read version 4", printFingerprint(e), e.PrimaryKey.Version))
		}
		var one bytes.Buffer
		if err := e.Serialize(&one); err != nil {
			return nil, nil, errs.E(op, errs.Internal, err)
		}
		f := printFingerprint(e)
		switch before, twice := seen[f]; {
		case !twice:
			seen[f] = one.Bytes()
			b.Write(one.Bytes())
		case !bytes.Equal(before, one.Bytes()):
			return nil, nil, errs.E(op, errs.Invalid, fmt.Errorf("the key %s is given in two copies that differ", f)).
				Hint("import both with gpg --import, export the one that results, and give that")
		}
	}
	if len(seen) == 0 {
		return nil, nil, errs.E(op, errs.Invalid, errors.New("no certificate is given for the keyring"))
	}
	if armor, err = armored(publicType, b.Bytes()); err != nil {
		return nil, nil, errs.E(op, errs.Internal, err)
	}
	return b.Bytes(), armor, nil
}

func part(what string, err error) error {
	return errs.E("openpgp.verify_release", errs.KindOf(err), fmt.Errorf("%s: %s", what, errs.Text(err)))
}
