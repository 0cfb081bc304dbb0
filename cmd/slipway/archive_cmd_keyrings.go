package main

import (
	"fmt"

	"slipway/integrations/aptrepo"
	"slipway/integrations/openpgp"
)

// keyrings reads the public keys of archives, for their keyring packages.
type keyrings struct{}

// Read puts certificates together as apt reads them.
func (keyrings) Read(armored []byte) (aptrepo.Certificates, error) {
	binary, _, err := openpgp.Keyring(armored)
	if err != nil {
		return aptrepo.Certificates{}, err
	}
	certs, err := openpgp.ReadCertificates(binary)
	if err != nil {
		return aptrepo.Certificates{}, err
	}
	all := aptrepo.Certificates{Keyring: binary, Owner: openpgp.Owner(certs[0]), Newest: openpgp.Newest(certs)}
	for _, c := range certs {
		all.Fingerprints = append(all.Fingerprints, fmt.Sprintf("%X", c.PrimaryKey.Fingerprint))
	}
	return all, nil
}
