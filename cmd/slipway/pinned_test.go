package main

import (
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/openpgp"
)

// Of two projects with one release key, the copy of the certificate that refuses decides: it may
// be the one that knows of a revocation.
func TestEveryCopyOfAReleaseKeyMustAcceptTheSignature(t *testing.T) {
	now := time.Now()
	private, public, err := openpgp.Generate("Slipway demo throw-away key", "demo@slipway.invalid", "eddsa", time.Hour, now.Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	key, err := openpgp.NewKeyFile(private, nil, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte("what is signed\n")
	signature, err := key.Sign(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	with := func(certificate string) project {
		return project{Profile: action.Values{"release_key": key.Fingerprint()}, PublicKey: certificate}
	}
	both := map[string]project{"a": with(string(public)), "b": with(string(public))}
	if _, err := (pinned{&config{Projects: both}}).VerifyTag(payload, signature, key.Fingerprint(), now); err != nil {
		t.Fatalf("a good signature is refused: %s", errs.Text(err))
	}
	both["b"] = with("no certificate")
	if _, err := (pinned{&config{Projects: both}}).VerifyTag(payload, signature, key.Fingerprint(), now); err == nil {
		t.Error("one copy of the certificate cannot vouch for it, and it is accepted")
	}
	_, err = (pinned{&config{}}).VerifyTag(payload, signature, key.Fingerprint(), now)
	if !errs.Is(err, errs.Denied) || !strings.Contains(errs.Text(err), "no project has the release key") {
		t.Errorf("a key that nobody pinned: %v", err)
	}
}
