package openpgp

import (
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Newest is when certificates changed last: the time of the newest signature in them, or of the
// newest key when that has none, in UTC. The signatures are not verified.
func Newest(certs pgp.EntityList) (newest time.Time) {
	see := func(t time.Time) {
		if t = t.UTC(); t.After(newest) {
			newest = t
		}
	}
	all := func(lists ...[]*packet.VerifiableSignature) {
		for _, s := range slices.Concat(lists...) {
			see(s.Packet.CreationTime)
		}
	}
	for _, e := range certs {
		see(e.PrimaryKey.CreationTime)
		all(e.Revocations, e.DirectSignatures)
		for _, i := range e.Identities {
			all(i.SelfCertifications, i.OtherCertifications, i.Revocations)
		}
		for _, s := range e.Subkeys {
			see(s.PublicKey.CreationTime)
			all(s.Bindings, s.Revocations)
		}
	}
	return newest
}

// Owner is the first user id of a certificate, for people; "" when it has none.
func Owner(e *pgp.Entity) string {
	if ids := userIDs(e); len(ids) > 0 {
		return ids[0]
	}
	return ""
}
