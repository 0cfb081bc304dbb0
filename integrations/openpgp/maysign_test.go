package openpgp

import (
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

func TestMaySign(t *testing.T) {
	k, p := newKey(t, "eddsa")
	at := start.Add(time.Hour)
	may := func(p Policy, at time.Time) bool { return MaySign(p.Certificates, k.Fingerprint(), at) }
	if !may(p, at) || may(p, start.Add(400*24*time.Hour)) || may(p, start.Add(-time.Hour)) {
		t.Fatal("a key of one year may sign in that year")
	}
	if MaySign(p.Certificates, strings.Repeat("A", 40), at) || MaySign(nil, k.Fingerprint(), at) {
		t.Fatal("there is no certificate of it")
	}
	// One copy of the certificate that knows of a revocation is enough.
	if err := k.entity.Revoke(packet.KeyCompromised, "lost", config(clock(at), MinRSABits)); err != nil {
		t.Fatal(err)
	}
	both := p
	both.Certificates = append(both.Certificates, trust(t, k.Certificate()).Certificates...)
	if !may(p, at) || may(both, at) {
		t.Fatal("a revoked key may not sign")
	}
}
