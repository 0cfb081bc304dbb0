package evidence

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// The payload types of the envelopes in a bundle. An envelope of one type is refused where another
// is expected, so that a signed text can never stand for something else.
const (
	HeadType      = "application/vnd.slipway.head.v1+json"
	IndexType     = "application/vnd.slipway.evidence.v1+json"
	StatementType = "application/vnd.in-toto+json"
)

// Signer signs with the log key. Sign gets the bytes that DSSE says are to be signed.
type Signer interface {
	Sign(message []byte) (signature []byte, err error)
	Public() ed25519.PublicKey
}

// Envelope is a signed payload: DSSE 1.0, with exactly one signature.
type Envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     string      `json:"payload"` // base64
	Signatures  []Signature `json:"signatures"`
}

// Signature is one signature of an envelope. KeyID is the fingerprint of the key.
type Signature struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"` // base64
}

// preAuth is the pre-authentication encoding of DSSE: what is signed.
func preAuth(kind string, payload []byte) []byte {
	out := []byte("DSSEv1 ")
	out = append(strconv.AppendInt(out, int64(len(kind)), 10), ' ')
	out = append(append(out, kind...), ' ')
	out = append(strconv.AppendInt(out, int64(len(payload)), 10), ' ')
	return append(out, payload...)
}

// Seal signs a payload and writes its envelope, ending with a line feed. Errors are the signer's.
func Seal(s Signer, kind string, payload []byte) ([]byte, error) {
	sig, err := s.Sign(preAuth(kind, payload))
	if err != nil {
		return nil, err
	}
	e := Envelope{PayloadType: kind, Payload: base64.StdEncoding.EncodeToString(payload),
		Signatures: []Signature{{KeyID: string(FingerprintOf(s.Public())), Sig: base64.StdEncoding.EncodeToString(sig)}}}
	return writeJSON(e)
}

// Open checks the envelope and gives its payload. It accepts exactly what [Seal] writes, by this
// key: another encoding of the same is refused, as is a second signature. Errors: [errs.Invalid]
// for what is no such envelope, [errs.Denied] for a signature that is not of the key.
func Open(key ed25519.PublicKey, kind string, envelope []byte) ([]byte, error) {
	const op = "evidence.open"
	bad := func(format string, args ...any) ([]byte, error) {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf(format, args...)).Hint("the file was changed, or is not one that slipway wrote")
	}
	var e Envelope
	if err := readJSON(envelope, &e); err != nil {
		return bad("the envelope cannot be read: %w", err)
	}
	if e.PayloadType != kind {
		return bad("the envelope holds %q, and %q is expected", e.PayloadType, kind)
	}
	if len(e.Signatures) != 1 {
		return bad("the envelope has %d signatures, and one is expected", len(e.Signatures))
	}
	payload, err := base64.StdEncoding.Strict().DecodeString(e.Payload)
	if err != nil {
		return bad("the payload is not base64")
	}
	sig, err := base64.StdEncoding.Strict().DecodeString(e.Signatures[0].Sig)
	if err != nil {
		return bad("the signature is not base64")
	}
	if id := FingerprintOf(key); e.Signatures[0].KeyID != string(id) {
		return nil, errs.E(op, errs.Denied, fmt.Errorf("it is signed by the key %s, and the one expected is %s", e.Signatures[0].KeyID, id))
	}
	if len(sig) != ed25519.SignatureSize || !ed25519.Verify(key, preAuth(kind, payload), sig) {
		return nil, errs.E(op, errs.Denied, errors.New("the signature does not fit what is signed")).Hint("the file was changed")
	}
	return payload, nil
}

// writeJSON is v as canonical JSON and a line feed: the one form that [readJSON] accepts.
func writeJSON(v any) ([]byte, error) {
	data, err := action.Canonical(v)
	if err != nil {
		return nil, errs.E("evidence.write", errs.Internal, err)
	}
	return append(data, '\n'), nil
}

// readJSON reads one record into v, and refuses every other way to write the same.
func readJSON(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("it is not a record of this kind: %w", err)
	}
	again, err := writeJSON(v)
	if err != nil || !bytes.Equal(again, data) {
		return errors.New("it is not written in the one way that is accepted")
	}
	return nil
}
