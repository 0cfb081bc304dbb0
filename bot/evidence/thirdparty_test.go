package evidence_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"testing"

	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"google.golang.org/protobuf/encoding/protojson"

	"slipway/bot/evidence"
)

// files takes a bundle apart with the standard library's tar.
func files(t testing.TB, data []byte) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil || h.Format != tar.FormatUSTAR || h.Typeflag != tar.TypeReg || h.Mode != 0o644 {
			t.Fatalf("%+v: %v", h, err)
		}
		if out[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// pinnedKey is how the DSSE library of others asks for a signature to be checked.
type pinnedKey struct{ public ed25519.PublicKey }

func (p pinnedKey) Verify(_ context.Context, data, sig []byte) error {
	if !ed25519.Verify(p.public, data, sig) {
		return errors.New("the signature is not good")
	}
	return nil
}
func (p pinnedKey) KeyID() (string, error)   { return string(evidence.FingerprintOf(p.public)), nil }
func (p pinnedKey) Public() crypto.PublicKey { return p.public }

// unsealed opens an envelope with the library of those who wrote DSSE.
func unsealed(t *testing.T, envelope []byte, public ed25519.PublicKey, kind string) []byte {
	t.Helper()
	var e dsse.Envelope
	if err := json.Unmarshal(envelope, &e); err != nil {
		t.Fatal(err)
	}
	v, err := dsse.NewEnvelopeVerifier(pinnedKey{public})
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := v.Verify(t.Context(), &e)
	if err != nil || len(accepted) != 1 || e.PayloadType != kind {
		t.Fatalf("%v %+v %s", err, accepted, e.PayloadType)
	}
	payload, err := e.DecodeB64Payload()
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// The envelopes and the statement are accepted by readers that are not ours: go-securesystemslib
// for DSSE, and in-toto's own module for the statement and its predicate.
func TestTheStatementIsAcceptedByOthers(t *testing.T) {
	k := newKey(1)
	all := files(t, write(t, newStory(t).bundle(k), k))
	for name, kind := range map[string]string{"sealed.json": evidence.IndexType, "heads/000004.json": evidence.HeadType, "heads/000005.json": evidence.HeadType} {
		unsealed(t, all[name], k.Public(), kind)
	}
	payload := unsealed(t, all["statement.json"], k.Public(), "application/vnd.in-toto+json")
	var st intoto.Statement
	if err := protojson.Unmarshal(payload, &st); err != nil {
		t.Fatal(err)
	}
	if err := st.Validate(); err != nil {
		t.Fatal(err)
	}
	if st.GetPredicateType() != "https://slsa.dev/provenance/v1" || len(st.GetSubject()) != 2 || st.GetSubject()[1].GetDigest()["gitTag"] == "" {
		t.Errorf("statement: %v", &st)
	}
	predicate, err := protojson.Marshal(st.GetPredicate())
	if err != nil {
		t.Fatal(err)
	}
	// The fields that begin with slipway_ are an extension, which readers leave aside.
	var p provenance.Provenance
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(predicate, &p); err != nil {
		t.Fatal(err)
	}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if p.GetRunDetails().GetMetadata().GetInvocationId() != "run1" || len(p.GetBuildDefinition().GetResolvedDependencies()) != 2 {
		t.Errorf("provenance: %v", &p)
	}
	for _, d := range append(p.GetBuildDefinition().GetResolvedDependencies(), p.GetRunDetails().GetByproducts()...) {
		if err := d.Validate(); err != nil {
			t.Errorf("%s: %v", d.GetName(), err)
		}
	}
}
