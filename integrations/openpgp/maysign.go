package openpgp

import (
	"time"

	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// MaySign reports whether the key with that primary fingerprint may sign at the time at, by every
// certificate of it in certs: none is expired or revoked then, and none is weak. Without a
// certificate of it the answer is no.
func MaySign(certs pgp.EntityList, fingerprint string, at time.Time) bool {
	found := false
	for _, c := range certs {
		if printFingerprint(c) != fingerprint {
			continue
		}
		if _, ok := c.SigningKey(at, config(func() time.Time { return at }, MinRSABits)); !ok {
			return false
		}
		found = true
	}
	return found
}
