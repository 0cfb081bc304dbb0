package openpgp

import (
	"testing"
	"time"
)

func TestNewestAndOwner(t *testing.T) {
	at := time.Date(2019, 1, 31, 12, 0, 0, 0, time.UTC)
	var both [][]byte
	for _, made := range []time.Time{at, at.AddDate(0, 1, 0)} {
		_, public, err := Generate("Harbour Archive", "archive@harbour.example", "eddsa", 0, made)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, public)
		certs, err := ReadCertificates(public)
		if err != nil {
			t.Fatal(err)
		}
		if got := Newest(certs); !got.Equal(made) || got.Location() != time.UTC {
			t.Errorf("made %v, newest %v", made, got)
		}
		if got := Owner(certs[0]); got != "Harbour Archive <archive@harbour.example>" {
			t.Errorf("it belongs to %q", got)
		}
	}
	ring, _, err := Keyring(both...)
	if err != nil {
		t.Fatal(err)
	}
	certs, err := ReadCertificates(ring)
	if err != nil {
		t.Fatal(err)
	}
	if got := Newest(certs); !got.Equal(at.AddDate(0, 1, 0)) {
		t.Errorf("of both the newest is %v", got)
	}
	if !Newest(nil).IsZero() {
		t.Error("nothing has a time")
	}
}
