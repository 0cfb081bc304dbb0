package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

// tagWish asks for a signature under a git tag.
type tagWish struct {
	policy Policy
	req    signing.Request
	tag    openpgp.Tag
}

func (w tagWish) name() string { return w.tag.Name }

func (w tagWish) words(key string, _ *Journal) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nSlipway asks for a signature.\n\n")
	fmt.Fprintf(&b, "project   %s\nrepository %s\nkey       %s\n", printable(w.req.Project), printable(w.req.Repository), key)
	b.WriteString(w.tag.Words())
	fmt.Fprintf(&b, "payload   %s\n", w.req.PayloadDigest)
	b.WriteString(w.asks().words())
	return b.String()
}

func (w tagWish) record(r Record) Record {
	r.Repository, r.Tag, r.Object = w.req.Repository, w.tag.Name, w.tag.Object
	r.Tagged, r.Digest = w.tag.When.UTC(), w.req.PayloadDigest
	return r
}

func (w tagWish) forward(j *Journal) error { return w.policy.Forward(w.req, w.tag, j) }

func (w tagWish) asks() plea {
	return plea{manifest: w.req.Manifest, digests: []string{w.req.PayloadDigest}, approvals: w.req.Approvals,
		text: func(expires string) []byte {
			return signing.ApprovalText(w.req.Kind, w.req.PayloadDigest, expires, w.req.Manifest)
		}}
}

func (w tagWish) current(now time.Time) error { return w.asks().approved(now) }

func (w tagWish) person() bool { return false }

func (w tagWish) unattended(*Journal) string { return "" }

func (w tagWish) texts() []string { return nil }

func (w tagWish) sign(ctx context.Context, s openpgp.Signer, now func() time.Time, before func() error) ([]byte, error) {
	if err := before(); err != nil {
		return nil, err
	}
	keyCtx, cancel := context.WithTimeout(ctx, signTimeout)
	defer cancel()
	signature, err := s.Sign(keyCtx, []byte(w.req.Payload))
	if err != nil {
		return nil, err
	}
	own, err := certificates(s)
	if err != nil {
		return nil, err
	}
	_, err = own.Verify([]byte(w.req.Payload), signature, now())
	return signature, err
}
