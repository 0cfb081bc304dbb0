package debian

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"slipway/bot/errs"
)

// files of an upload, in the order in which they are listed.
const (
	dscName       = "hello_2.0-1.dsc"
	origName      = "hello_2.0.orig.tar.gz"
	buildinfoName = "hello_2.0-1_source.buildinfo"
)

func listing(md5Field, middle string, names []string, bodies map[string]string) string {
	var m, s1, s2 strings.Builder
	for _, n := range names {
		b := []byte(bodies[n])
		fmt.Fprintf(&m, " %x %d%s %s\n", md5.Sum(b), len(b), middle, n)
		fmt.Fprintf(&s1, " %x %d %s\n", sha1.Sum(b), len(b), n)
		fmt.Fprintf(&s2, " %x %d %s\n", sha256.Sum256(b), len(b), n)
	}
	return "Checksums-Sha1:\n" + s1.String() + "Checksums-Sha256:\n" + s2.String() + md5Field + ":\n" + m.String()
}

// uploadOf is a source-only upload with the given .dsc: texts by name, and the .changes.
func uploadOf(dsc string) (bodies map[string]string, changes string) {
	bodies = map[string]string{origName: "upstream"}
	if dsc == "" {
		dsc = "Format: 3.0 (quilt)\nSource: hello\nBinary: hello, hello-doc\nArchitecture: any all\nVersion: 2.0-1\n" +
			"Maintainer: A Person <person@example.org>\n" + listing("Files", "", []string{origName}, bodies)
	}
	bodies[dscName] = dsc
	bodies[buildinfoName] = "Format: 1.0\nSource: hello\nBinary: hello hello-doc\nArchitecture: source\nVersion: 2.0-1\n" +
		listing("Checksums-Md5", "", []string{dscName}, bodies)
	changes = "Format: 1.8\nDate: Thu, 24 Jan 2019 11:43:27 +0100\nSource: hello\nArchitecture: source\nVersion: 2.0-1\n" +
		"Distribution: unstable\nUrgency: medium\nMaintainer: A Person <person@example.org>\nChanged-By: B <b@example.org>\n" +
		"Closes: 12 34\nChanges:\n hello (2.0-1) unstable; urgency=medium\n .\n   * New.\n" +
		listing("Files", " devel optional", []string{dscName, origName, buildinfoName}, bodies)
	return bodies, changes
}

func opener(bodies map[string]string) func(string) (io.ReadCloser, error) {
	return func(name string) (io.ReadCloser, error) {
		b, found := bodies[name]
		if !found {
			return nil, fs.ErrNotExist
		}
		return io.NopCloser(strings.NewReader(b)), nil
	}
}

func TestUploadsAreRead(t *testing.T) {
	bodies, changes := uploadOf("")
	c, err := ParseChanges([]byte(changes))
	if err != nil {
		t.Fatal(err)
	}
	if c.Source != "hello" || c.Version.String() != "2.0-1" || c.SourceVersion != c.Version || !c.SourceOnly() || c.Signed ||
		!slices.Equal(c.Distributions, []string{"unstable"}) || !slices.Equal(c.Closes, []string{"12", "34"}) ||
		len(c.Changes) != 3 || c.Changes[1] != "." || len(c.Files) != 3 {
		t.Errorf("%+v", c)
	}
	for _, f := range c.Files {
		if f.Section != "devel" || f.Priority != "optional" || f.MD5 == "" || f.SHA1 == "" || f.SHA256 == "" || f.Size == 0 {
			t.Errorf("%+v", f)
		}
	}
	if dsc, info, err := c.ToSign(); dsc != dscName || info != buildinfoName || err != nil {
		t.Error(dsc, info, err)
	}
	if err := Verify(c.Files, opener(bodies)); err != nil {
		t.Error(err)
	}
	d, err := ParseDSC([]byte(bodies[dscName]))
	if err != nil || !slices.Equal(d.Binaries, []string{"hello", "hello-doc"}) || len(d.Files) != 1 || d.Files[0].Name != origName {
		t.Errorf("%+v %v", d, err)
	}
	b, err := ParseBuildinfo([]byte(bodies[buildinfoName]))
	if err != nil || len(b.Files) != 1 || b.Files[0].MD5 == "" {
		t.Errorf("%+v %v", b, err)
	}
}

func TestFilesThatDifferAreNamed(t *testing.T) {
	_, changes := uploadOf("")
	c, err := ParseChanges([]byte(changes))
	if err != nil {
		t.Fatal(err)
	}
	for body, why := range map[string]string{"upstreaM": "another SHA-256", "upstrea": "has 7", "upstream!": "has more"} {
		bodies, _ := uploadOf("")
		bodies[origName] = body
		if err := Verify(c.Files, opener(bodies)); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), origName) || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v", body, err)
		}
	}
	if err := Verify(c.Files, opener(nil)); err != fs.ErrNotExist {
		t.Errorf("missing file: %v", err)
	}
}

func TestBadUploadsAreRefused(t *testing.T) {
	bodies, changes := uploadOf("")
	sum := fmt.Sprintf("%x", sha1.Sum([]byte("upstream")))
	for _, c := range []struct{ why, old, new string }{
		{"has no Checksums-Sha256", "Checksums-Sha256", "X-Sha256"},
		{"has no Distribution", "Distribution: unstable\n", ""},
		{"not 1.8", "Format: 1.8", "Format: 1.7"},
		{"no plain name", origName, "../" + origName},
		{"no plain name", origName, ".hidden"},
		{"under Checksums-Sha1 but not", " 8 " + origName, " 8 other.tar.gz"},
		{"two sizes", " 8 " + origName, " 9 " + origName},
		{"for a digest", sum, "zz" + sum[2:]},
		{"has the line", "devel optional ", "devel "},
		{"has the size", " 8 " + origName, " 08 " + origName},
		{"twice under", " " + sum + " 8 " + origName, " " + sum + " 8 " + origName + "\n " + sum + " 8 " + origName},
		{"exactly when", "Architecture: source", "Architecture: amd64"},
		{"is not a Debian version", "Version: 2.0-1", "Version: 2_0-1"},
		{"not the name of a package", "Source: hello", "Source: He/llo"},
	} {
		text := strings.Replace(changes, c.old, c.new, 1)
		if text == changes {
			t.Errorf("%q changes nothing", c.old)
		}
		if _, err := ParseChanges([]byte(text)); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("want %q, got %v", c.why, err)
		}
	}
	for old, why := range map[string]string{"Files:": "has no Files", "3.0 (quilt)": "has the format", "Source: hello": "not of the source", "Architecture: any all": "has no Architecture"} {
		text := strings.Replace(bodies[dscName], old, map[string]string{"Source: hello": "Source: other", "Files:": "X-Files:", "3.0 (quilt)": "4.0", "Architecture: any all": "X: y"}[old], 1)
		if _, err := ParseDSC([]byte(text)); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), why) {
			t.Errorf("want %q, got %v", why, err)
		}
	}
}

const armour = "-----BEGIN PGP SIGNATURE-----\n\niQEzBAEBCAAdFiEE\n=abcd\n-----END PGP SIGNATURE-----\n"

func clearSigned(text string) string {
	return "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" + strings.ReplaceAll("\n"+text, "\n-", "\n- -")[1:] + armour
}

func TestSignaturesAreRefreshedInTheOrderOfDebsign(t *testing.T) {
	bodies, changes := uploadOf("")
	signedDSC := clearSigned(bodies[dscName] + "\n")
	info, err := RefreshBuildinfo([]byte(bodies[buildinfoName]), dscName, []byte(signedDSC))
	if err != nil {
		t.Fatal(err)
	}
	wantBodies, _ := uploadOf(signedDSC)
	if string(info) != wantBodies[buildinfoName] {
		t.Errorf("buildinfo:\n%s\nnot\n%s", info, wantBodies[buildinfoName])
	}
	bodies[dscName], bodies[buildinfoName] = signedDSC, clearSigned(string(info)+"\n")
	final, err := RefreshChanges([]byte(changes), map[string][]byte{dscName: []byte(signedDSC), buildinfoName: []byte(bodies[buildinfoName])})
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseChanges([]byte(clearSigned(string(final))))
	if err != nil || !c.Signed {
		t.Fatalf("%v %v", c.Signed, err)
	}
	if err := Verify(c.Files, opener(bodies)); err != nil {
		t.Error(err)
	}
	b, err := ParseBuildinfo([]byte(bodies[buildinfoName]))
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(b.Files, opener(bodies)); err != nil {
		t.Error(err)
	}
	if d, err := ParseDSC([]byte(signedDSC)); err != nil || !d.Signed {
		t.Error(d.Signed, err)
	}
	if _, err := RefreshBuildinfo(info, "other.dsc", nil); err == nil {
		t.Error("a file that is not listed was refreshed")
	}
	if _, err := RefreshChanges([]byte(clearSigned(changes)), map[string][]byte{dscName: nil}); err == nil || !strings.Contains(err.Error(), "signed already") {
		t.Errorf("a signed file was changed: %v", err)
	}
}

func TestClearSignedFilesAreTakenApart(t *testing.T) {
	text := "A: 1  \n- x\n-y\n\n"
	c, err := Unsign("the file", []byte(clearSigned(text)))
	if err != nil {
		t.Fatal(err)
	}
	// Blanks at ends of lines are not signed; the line "- x" was escaped once more.
	if want := "A: 1\n- x\n-y\n\n"; string(c.Text) != want || string(c.Signature) != armour || !slices.Equal(c.Hashes, []string{"SHA512"}) {
		t.Errorf("%q", c)
	}
	if !IsSigned([]byte(clearSigned(text))) || IsSigned([]byte(text)) {
		t.Error("IsSigned is wrong")
	}
	good := clearSigned("A: 1\n")
	for _, bad := range []struct{ why, text string }{
		{"line 1 of the file is not", "\n" + good},
		{"line 1 of the file is not", "A: 1\n" + good},
		{"line 1 of the file is not", ""},
		{"line 10 of the file stands after", good + "\n"},
		{"line 10 of the file stands after", good + "B: 2\n"},
		{"stands after", good + good},
		{"only Hash may stand", strings.Replace(good, "Hash: SHA512", "Comment: x", 1)},
		{"not escaped", strings.Replace(good, "A: 1", "-A: 1", 1)},
		{"not escaped", strings.Replace(good, "A: 1", "-----BEGIN PGP SIGNED MESSAGE-----", 1)},
		{"is empty", clearSigned("")},
		{"the signature is missing", good[:strings.Index(good, "-----BEGIN PGP SIGNATURE")]},
		{"cut off", strings.TrimSuffix(good, "-----END PGP SIGNATURE-----\n")},
		{"the text is missing", "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n"},
		{"does not belong", strings.Replace(good, "=abcd", "Suite: x", 1)},
		{"does not belong", strings.Replace(good, "=abcd", "", 1)},
		{"no header", strings.Replace(good, "SIGNATURE-----\n\n", "SIGNATURE-----\n", 1)},
		{"control character", strings.Replace(good, "A: 1", "A: \r1", 1)},
	} {
		if _, err := Unsign("the file", []byte(bad.text)); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), bad.why) {
			t.Errorf("want %q, got %v", bad.why, err)
		}
	}
	if _, err := Unsign("the file", bytes.TrimSuffix([]byte(good), []byte("\n"))); err != nil {
		t.Errorf("without the last newline: %v", err)
	}
}
