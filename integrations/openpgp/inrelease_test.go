package openpgp

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
)

// A Release with a line that needs an escape: fields never begin with a dash, continuations may
// hold any.
const goodRelease = "Origin: Harbour\nLabel: Harbour\nSuite: stable\nCodename: bookworm\n" +
	"Date: Sat, 31 Jan 2026 12:30:00 UTC\nArchitectures: amd64\nComponents: main\nDescription: blank\n  - with a dash — and UTF-8\nSHA256:\n" +
	" e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages\n"

const dashed = "-dash: 1\n- two\n" + goodRelease

var later = start.Add(2 * time.Hour)

// signRelease makes both signatures of one key.
func signRelease(t *testing.T, k Signer, text string) (inline, detached []byte) {
	t.Helper()
	inline, detached, err := SignRelease(t.Context(), k, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return inline, detached
}

func assemble(t *testing.T, text string, inline ...[]byte) []byte {
	t.Helper()
	out, err := AssembleInRelease([]byte(text), inline...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// two are an old RSA key and a new EdDSA key, and a policy that knows both.
func two(t *testing.T) (a, b *KeyFile, p Policy) {
	t.Helper()
	a, p = newKey(t, "rsa")
	b, q := newKey(t, "eddsa")
	p.Certificates = append(p.Certificates, q.Certificates...)
	p.Allowed = append(p.Allowed, q.Allowed...)
	return a, b, p
}

func TestReleaseSignedByTwoKeysVerifiesByEach(t *testing.T) {
	a, b, p := two(t)
	for _, text := range []string{goodRelease, dashed} {
		ai, ad := signRelease(t, a, text)
		bi, bd := signRelease(t, b, text)
		for _, one := range []struct {
			k    *KeyFile
			i, d []byte
		}{{a, ai, ad}, {b, bi, bd}} {
			at, err := p.VerifyRelease([]byte(text), one.i, one.d, one.k.Fingerprint(), later)
			if err != nil || !at.Equal(start.Add(time.Hour)) {
				t.Fatal(at, err)
			}
		}
		in := assemble(t, text, ai, bi)
		if !bytes.HasSuffix(in, []byte(sigEnd)) || bytes.Count(in, []byte(sigBegin)) != 1 || !bytes.Contains(in, []byte("\nHash: SHA512\n\n")) {
			t.Fatalf("%s", in)
		}
		need := []string{a.Fingerprint(), b.Fingerprint()}
		got, good, err := VerifyInRelease(in, p, need, later)
		if err != nil || string(got) != text || len(good) != 2 {
			t.Fatalf("%q %v %v", got, good, err)
		}
		gpg, err := AssembleDetached(ad, bd)
		if err != nil {
			t.Fatal(err)
		}
		if good, err = VerifyReleaseGPG([]byte(text), gpg, p, need, later); err != nil || len(good) != 2 {
			t.Fatal(good, err)
		}
	}
}

func TestNeededKeysAndOthers(t *testing.T) {
	a, b, p := two(t)
	ai, ad := signRelease(t, a, goodRelease)
	bi, bd := signRelease(t, b, goodRelease)
	both := assemble(t, goodRelease, ai, bi)
	gpg, err := AssembleDetached(ad, bd)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = VerifyInRelease(assemble(t, goodRelease, ai), p, p.Allowed, later)
	wantKind(t, err, errs.Denied, "no good signature by the key "+b.Fingerprint())
	_, _, err = VerifyInRelease(both, p, nil, later)
	wantKind(t, err, errs.Invalid, "no key is named")

	alone := Policy{Certificates: p.Certificates, Allowed: p.Allowed[:1]}
	_, _, err = VerifyInRelease(both, alone, alone.Allowed, later)
	wantKind(t, err, errs.Denied, "not allowed")
	_, err = VerifyReleaseGPG([]byte(goodRelease), gpg, alone, alone.Allowed, later)
	wantKind(t, err, errs.Denied, "not allowed")
	alone.Others = true
	if _, good, err := VerifyInRelease(both, alone, alone.Allowed, later); err != nil || len(good) != 1 {
		t.Fatal(good, err)
	}
	// Tolerated is not counted.
	_, _, err = VerifyInRelease(both, alone, p.Allowed, later)
	wantKind(t, err, errs.Denied, "no good signature by")
	_, _, err = VerifyInRelease(assemble(t, goodRelease, bi), alone, alone.Allowed, later)
	wantKind(t, err, errs.Denied, "no good signature by")

	// One that is not good is refused although the other would do.
	other, _ := signRelease(t, b, strings.Replace(goodRelease, "stable", "testing", 1))
	_, _, err = VerifyInRelease(assemble(t, goodRelease, ai, other), p, p.Allowed[:1], later)
	wantKind(t, err, errs.Denied, "not good")
	_, err = AssembleInRelease([]byte(goodRelease), ai, ai)
	wantKind(t, err, errs.Invalid, "same key")
	_, err = AssembleInRelease([]byte(goodRelease), ad)
	wantKind(t, err, errs.Invalid, "type 0x00")
	_, err = AssembleDetached(ai)
	wantKind(t, err, errs.Invalid, "type 0x01")
	_, err = AssembleDetached()
	wantKind(t, err, errs.Invalid, "no signature")
	_, err = AssembleDetached(gpg)
	wantKind(t, err, errs.Invalid, "holds 2 signatures")
}

// A signature of one suite under the text of another, and the same with a field changed.
func TestSignatureOfAnotherTextIsRefused(t *testing.T) {
	k, p := newKey(t, "eddsa")
	inline, detached := signRelease(t, k, goodRelease)
	other := strings.Replace(goodRelease, "Suite: stable", "Suite: testing", 1)
	_, err := p.VerifyRelease([]byte(other), inline, detached, k.Fingerprint(), later)
	wantKind(t, err, errs.Denied, "for InRelease: the signature is not good")
	good, _ := signRelease(t, k, other)
	_, err = p.VerifyRelease([]byte(other), good, detached, k.Fingerprint(), later)
	wantKind(t, err, errs.Denied, "for Release.gpg: the signature is not good")
	_, _, err = VerifyInRelease(assemble(t, other, inline), p, p.Allowed, later)
	wantKind(t, err, errs.Denied, "not good")
	_, err = VerifyReleaseGPG([]byte(other), detached, p, p.Allowed, later)
	wantKind(t, err, errs.Denied, "not good")
	_, err = p.VerifyRelease([]byte(goodRelease), detached, inline, k.Fingerprint(), later)
	wantKind(t, err, errs.Invalid, "type 0x00")
}

func TestInReleasesThatAreRefused(t *testing.T) {
	k, p := newKey(t, "eddsa")
	inline, _ := signRelease(t, k, goodRelease)
	good := string(assemble(t, goodRelease, inline))
	swap := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in it", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, c := range map[string][2]string{
		"text before":        {"x\n" + good, "does not begin"},
		"newline before":     {"\n" + good, "does not begin"},
		"text after":         {good + "Suite: evil\n", "goes on after"},
		"newline after":      {good + "\n", "goes on after"},
		"two messages":       {good + good, "goes on after"},
		"two blocks":         {good + string(inline), "goes on after"},
		"a block in a block": {swap("\n-----END", "\n"+sigBegin+"\n-----END"), "more than one block"},
		"second paragraph":   {swap("\nSHA256:", "\n\nSHA256:"), "one paragraph"},
		"blank line first":   {swap("\nOrigin", "\n\nOrigin"), "one paragraph"},
		"trailing blank":     {swap("SHA256:\n", "SHA256: \n"), "blank at the end"},
		"carriage return":    {swap("Suite: stable\n", "Suite: stable\r\n"), "carriage return"},
		"all CRLF":           {strings.ReplaceAll(good, "\n", "\r\n"), "does not begin"},
		"NUL":                {swap("Suite: stable", "Suite: sta\x00ble"), "U+0000"},
		"unescaped dash":     {swap("Origin:", "-Origin:"), "inside its text"},
		"other header":       {swap("Hash: SHA512", "NotDashEscaped: yes"), "only Hash"},
		"comment header":     {swap("Hash: SHA512", "Hash: SHA512\nComment: x"), "only Hash"},
		"no end":             {swap(sigEnd, ""), "without an end"},
		"no final newline":   {strings.TrimSuffix(good, "\n"), "without an end"},
		"no signature":       {good[:strings.Index(good, sigBegin)], "no signature"},
		"no header end":      {clearBegin + "Hash: SHA512", "ends in its header"},
		"not UTF-8":          {swap("Suite: stable", "Suite: \xff"), "not UTF-8"},
		"empty":              {"", "does not begin"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := VerifyInRelease([]byte(c[0]), p, p.Allowed, later)
			wantKind(t, err, errs.Invalid, c[1])
		})
	}
	// These read, but the signature is over something else.
	for _, text := range []string{swap("Suite: stable", "Suite: evil"), swap("Origin", "- Label: x\nOrigin")} {
		_, _, err := VerifyInRelease([]byte(text), p, p.Allowed, later)
		wantKind(t, err, errs.Denied, "not good")
	}
}

func TestReleaseTextsThatAreNotSigned(t *testing.T) {
	k, _ := newKey(t, "eddsa")
	for text, words := range map[string]string{
		"": "is empty", "Suite: x": "newline", "Suite: x \n": "blank at the end of line 1", "a: b\nSuite: x\t\n": "line 2",
		"Suite: x\r\n": "carriage return", "a: b\n\nc: d\n": "one paragraph", "a: b\n\n": "one paragraph", "a: \xff\n": "UTF-8",
		"a: \u202e\n": "U+202E", strings.Repeat("a", MaxRelease) + "\n": "at most",
	} {
		_, _, err := SignRelease(t.Context(), k, []byte(text))
		wantKind(t, err, errs.Invalid, words)
		_, err = AssembleInRelease([]byte(text), []byte("x"))
		wantKind(t, err, errs.Invalid, words)
	}
}

func TestKeyringHoldsEveryCertificateOnce(t *testing.T) {
	a, b, _ := two(t)
	binary, armor, err := Keyring(a.Certificate(), b.Certificate(), a.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	for _, ring := range [][]byte{binary, armor} {
		list, err := ReadCertificates(ring)
		if err != nil || len(list) != 2 || printFingerprint(list[0]) != a.Fingerprint() || printFingerprint(list[1]) != b.Fingerprint() {
			t.Fatal(len(list), err)
		}
	}
	if !bytes.HasSuffix(armor, []byte("\n-----END PGP PUBLIC KEY BLOCK-----\n")) || bytes.Contains(binary, []byte("-----")) {
		t.Fatal("not the forms that apt reads")
	}
	_, _, err = Keyring()
	wantKind(t, err, errs.Invalid, "no certificate")
	before := a.Certificate()
	if err := a.entity.Revoke(0, "lost", config(a.now, MinRSABits)); err != nil {
		t.Fatal(err)
	}
	_, _, err = Keyring(before, a.Certificate())
	wantKind(t, err, errs.Invalid, "two copies that differ")
	private, _, err := Generate("x", "x@example.org", "eddsa", 0, start)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = Keyring(private)
	wantKind(t, err, errs.Invalid, "private key")
}

// What splits comes together again as the same Release, and says nothing that is not in it.
func FuzzSplitInRelease(f *testing.F) {
	const block = sigBegin + "\nAAAA\n=AAAA\n" + sigEnd
	f.Add([]byte(clearBegin + "Hash: SHA512\n\n" + goodRelease + block))
	f.Add([]byte(clearBegin + "\n- -x: y\n" + block))
	f.Add([]byte(clearBegin + "Hash: SHA512\n\na: b\n\nc: d\n" + block + block))
	f.Add([]byte("\n" + clearBegin + "\na: b\n" + block + "x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		release, block, err := SplitInRelease(data)
		if err != nil {
			return
		}
		if CheckRelease(release) != nil || !bytes.HasSuffix(data, block) || len(release) > len(data) {
			t.Fatalf("%q gives %q", data, release)
		}
		for line := range bytes.Lines(release) {
			if !bytes.Contains(data, line) {
				t.Fatalf("%q is not in %q", line, data)
			}
		}
	})
}
