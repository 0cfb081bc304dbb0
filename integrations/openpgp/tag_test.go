package openpgp

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
)

const goodTag = "object 0123456789abcdef0123456789abcdef01234567\ntype commit\ntag 2026.01\n" +
	"tagger Release Manager <rm@example.org> 1769860800 +0100\n\nLAVA 2026.01 release\n\nSecond paragraph.\n"

func TestTagIsReadAndWrittenBack(t *testing.T) {
	tag, err := ParseTag([]byte(goodTag))
	if err != nil {
		t.Fatal(err)
	}
	if tag.Name != "2026.01" || tag.Tagger != "Release Manager" || tag.Email != "rm@example.org" || tag.When.Unix() != 1769860800 {
		t.Fatalf("%+v", tag)
	}
	want := "git tag   2026.01\ncommit    0123456789abcdef0123456789abcdef01234567\ntagger    Release Manager <rm@example.org>\n" +
		"dated     Saturday 31 January 2026, 13:00:00 +0100\nmessage\n    LAVA 2026.01 release\n    \n    Second paragraph.\n"
	if got := tag.Words(); got != want {
		t.Fatalf("got\n%s", got)
	}
}

func TestTagPayloadsThatAreRefused(t *testing.T) {
	for name, r := range map[string][2]string{
		"tree":                   {"type commit", "type tree"},
		"short object":           {"01234567\ntype", "0123456\ntype"},
		"upper case object":      {"abcdef0123456789abcdef", "ABCDEF0123456789abcdef"},
		"option as name":         {"tag 2026.01", "tag --upload-pack=x"},
		"climbing name":          {"tag 2026.01", "tag ../2026.01"},
		"name with blank":        {"tag 2026.01", "tag 2026 01"},
		"lock":                   {"tag 2026.01", "tag 2026.01.lock"},
		"extra header":           {"type commit", "type commit\nencoding latin1"},
		"second object":          {"type commit", "object 0123456789abcdef0123456789abcdef01234567\ntype commit"},
		"no tagger":              {"tagger Release Manager <rm@example.org> 1769860800 +0100\n", ""},
		"two addresses":          {"<rm@example.org>", "<rm@example.org> <x@example.org>"},
		"negative time":          {"1769860800", "-1"},
		"leading zero":           {"1769860800", "01769860800"},
		"zone":                   {"+0100", "+9900"},
		"minus zero":             {"+0100", "-0000"},
		"carriage return":        {"release\n", "release\r\n"},
		"escape":                 {"release\n", "release\x1b[2J\n"},
		"right-to-left override": {"release\n", "release \u202e1.0\n"},
		"signature inside":       {"Second paragraph.", "-----BEGIN PGP SIGNATURE-----"},
		"no final newline":       {"paragraph.\n", "paragraph."},
		"not UTF-8":              {"release\n", "rel\xffease\n"},
		"no message":             {"LAVA 2026.01 release\n\nSecond paragraph.\n", ""},
	} {
		text := strings.Replace(goodTag, r[0], r[1], 1)
		if text == goodTag {
			t.Fatalf("%s changes nothing", name)
		}
		_, err := ParseTag([]byte(text))
		t.Run(name, func(t *testing.T) { wantKind(t, err, errs.Invalid, "tag payload") })
	}
	_, err := ParseTag(bytes.Repeat([]byte("x"), MaxTag+1))
	wantKind(t, err, errs.Invalid, "bytes")
}

func TestSignedTagObjectSplitsBeforeItsSignature(t *testing.T) {
	k, p := newKey(t, "eddsa")
	sig, err := k.Sign(t.Context(), []byte(goodTag))
	if err != nil {
		t.Fatal(err)
	}
	payload, signature, err := SplitTag(append([]byte(goodTag), sig...))
	if err != nil || string(payload) != goodTag {
		t.Fatalf("%q, %v", payload, err)
	}
	if _, err := p.Verify(payload, signature, start.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	_, _, err = SplitTag([]byte(goodTag))
	wantKind(t, err, errs.Invalid, "not signed")
}

func FuzzParseTag(f *testing.F) {
	f.Add([]byte(goodTag))
	f.Add([]byte(strings.Replace(goodTag, "+0100", "-1130", 1)))
	f.Add([]byte("object x\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tag, err := ParseTag(data)
		if err != nil {
			return
		}
		if !bytes.Equal(tag.Bytes(), data) {
			t.Fatalf("%q was read as %q", data, tag.Bytes())
		}
		if tag.Words() == "" {
			t.Fatal("no words")
		}
	})
}

func FuzzVerify(f *testing.F) {
	_, public, err := Generate("Fuzz", "fuzz@example.org", "eddsa", 0, start)
	if err != nil {
		f.Fatal(err)
	}
	list, err := ReadCertificates(public)
	if err != nil {
		f.Fatal(err)
	}
	p := Policy{Certificates: list, Allowed: []string{printFingerprint(list[0])}}
	f.Add([]byte("data"), []byte("-----BEGIN PGP SIGNATURE-----\n\niHUEABYK\n-----END PGP SIGNATURE-----\n"))
	f.Add([]byte("data"), []byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nx\n-----BEGIN PGP SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, data, sig []byte) {
		if _, err := p.Verify(data, sig, start); err == nil {
			t.Fatal("a signature that the key never made is good")
		}
	})
}
