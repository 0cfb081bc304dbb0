//go:build prove

package debian

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/version"
)

// These tests compare with the programs of Debian and the indexes of the machine. They need a
// Debian system with apt lists and dpkg-dev, and fail without.

func run(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	var errout bytes.Buffer
	cmd.Stderr = &errout
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, errout.String())
	}
	return string(out)
}

const aptLists = "/var/lib/apt/lists/"

func TestRealIndexesKeepTheirBytes(t *testing.T) {
	var names []string
	for _, pattern := range []string{"*_Packages", "*_Packages.*", "*_Sources", "*_Sources.*"} {
		found, err := filepath.Glob(aptLists + pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	if len(names) == 0 {
		t.Fatalf("%s has no indexes: run apt-get update", aptLists)
	}
	for _, name := range names {
		var data []byte
		if strings.HasSuffix(name, "_Packages") || strings.HasSuffix(name, "_Sources") {
			var err error
			if data, err = os.ReadFile(name); err != nil {
				t.Fatal(err)
			}
		} else {
			data = []byte(run(t, "", "/usr/lib/apt/apt-helper", "cat-file", name))
		}
		r := NewReader(bytes.NewReader(data))
		var raw, written []byte
		n := 0
		began := time.Now()
		for {
			p, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			n++
			raw = append(append(raw, r.Raw()...), '\n')
			written = append(p.AppendTo(written), '\n')
			if strings.Contains(name, "_Packages") {
				if err := CheckBinary(p); err != nil {
					t.Errorf("%s: line %d: %v", name, r.Line(), err)
				}
			}
		}
		t.Logf("%s: %d paragraphs, %d bytes, %v", filepath.Base(name), n, len(data), time.Since(began))
		want := append(bytes.Trim(data, "\n"), '\n', '\n')
		if len(data) > 0 && !bytes.Equal(raw, want) {
			t.Errorf("%s: the raw paragraphs are not the bytes of the file", name)
		}
		if len(data) > 0 && !bytes.Equal(written, want) {
			t.Errorf("%s: the paragraphs are not written as they were read: %s", name, firstDifference(written, want))
		}
	}
}

func firstDifference(a, b []byte) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	from := max(0, i-60)
	return string(a[from:min(len(a), i+60)]) + "\n--- instead of ---\n" + string(b[from:min(len(b), i+60)])
}

func TestRealReleaseFilesKeepTheirBytes(t *testing.T) {
	names, err := filepath.Glob(aptLists + "*InRelease")
	if err != nil || len(names) == 0 {
		t.Fatalf("%s has no InRelease: run apt-get update (%v)", aptLists, err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Unsign(filepath.Base(name), data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r, err := ParseRelease(c.Text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := r.Append(nil); !bytes.Equal(got, c.Text) {
			t.Errorf("%s: %s", name, firstDifference(got, c.Text))
		}
		if r.Date.IsZero() || r.Codename == "" || r.Strongest() == "" {
			t.Errorf("%s: %s of %s, digests %q", name, r.Codename, r.Date, r.Strongest())
		}
	}
}

func TestRealDpkgReadsOurPackages(t *testing.T) {
	for _, c := range []Compression{Gzip, XZ, Zstd, None} {
		b := hello()
		b.Compress = c
		path := filepath.Join(t.TempDir(), "hello.deb")
		if err := os.WriteFile(path, deb(t, b), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, want := run(t, "", "dpkg-deb", "--field", path), b.Control.String(); got != want {
			t.Errorf("%s: dpkg-deb reads\n%s\nnot\n%s", c, got, want)
		}
		list := run(t, "", "dpkg-deb", "--contents", path)
		if !strings.Contains(list, "-rwxr-xr-x root/root        21 2023-11-14 22:13 ./usr/bin/hello") {
			t.Errorf("%s: dpkg-deb lists\n%s", c, list)
		}
		dir := t.TempDir()
		run(t, "", "dpkg-deb", "--raw-extract", path, dir)
		if _, err := os.Stat(filepath.Join(dir, "DEBIAN/postinst")); err != nil {
			t.Error(err)
		}
	}
}

func TestWeReadPackagesOfRealDpkg(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "DEBIAN"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "usr/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{"DEBIAN/control": hello().Control.String(), "usr/bin/hello": "x", "usr/bin/" + strings.Repeat("n", 150): "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, z := range []string{"gzip", "xz", "none"} {
		path := filepath.Join(t.TempDir(), "hello.deb")
		run(t, "", "dpkg-deb", "--root-owner-group", "-Z"+z, "--build", dir, path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d, err := readDeb(data)
		if err != nil {
			t.Fatalf("%s: %v", z, err)
		}
		var paths []string
		if err := d.Contents(bytes.NewReader(data), func(p string) error { paths = append(paths, p); return nil }); err != nil {
			t.Fatalf("%s: %v", z, err)
		}
		slices.Sort(paths)
		if d.Control.String() != hello().Control.String() || len(paths) != 2 || paths[0] != "usr/bin/hello" {
			t.Errorf("%s: %s\n%v", z, d.Control, paths)
		}
	}
}

func TestRealDpkgOrdersVersionsAlike(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	parts := []string{"0", "1", "01", "10", "2019.01", ".", "+", "~", "a", "rc", "post1", "+b1", "~bpo9+1", "-1", "-"}
	one := func() string {
		for {
			v := []string{"", "", "1:"}[random.IntN(3)] + string("0129"[random.IntN(4)])
			for range random.IntN(4) {
				v += parts[random.IntN(len(parts))]
			}
			if _, err := ParseVersion(v); err == nil {
				return v
			}
		}
	}
	for range 300 {
		a, b := one(), one()
		op := "eq"
		switch c := version.Compare(a, b); {
		case c < 0:
			op = "lt"
		case c > 0:
			op = "gt"
		}
		if err := exec.Command("dpkg", "--compare-versions", a, op, b).Run(); err != nil {
			t.Errorf("dpkg does not agree that %s %s %s", a, op, b)
		}
	}
}

func TestRealDpkgReadsChangelogsAlike(t *testing.T) {
	if _, err := exec.LookPath("dpkg-parsechangelog"); err != nil {
		t.Fatal("dpkg-parsechangelog is missing: apt-get install dpkg-dev")
	}
	entries, err := ParseChangelog(strings.NewReader(sampleChangelog))
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, sampleChangelog, "dpkg-parsechangelog", "--all", "--format=rfc822", "-l-")
	r := NewReader(strings.NewReader(out))
	for _, e := range entries {
		p, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"Source": e.Package, "Version": e.Version, "Urgency": strings.ToLower(e.Urgency),
			"Distribution": strings.Join(e.Distributions, " "), "Maintainer": e.Maintainer + " <" + e.Mail + ">"} {
			if p.Get(name) != want {
				t.Errorf("%s: dpkg reads %s %q, we %q", e.Version, name, p.Get(name), want)
			}
		}
		if stamp := p.Get("Timestamp"); stamp != fmt.Sprint(e.Date.Unix()) {
			t.Errorf("%s: dpkg reads the time %s, we %d", e.Version, stamp, e.Date.Unix())
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("dpkg reads more entries than we do: %v", err)
	}
	for _, bad := range badChangelogs() {
		cmd := exec.Command("dpkg-parsechangelog", "--all", "-l-")
		cmd.Stdin = strings.NewReader(bad.text)
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Run(); err == nil && said.Len() == 0 {
			t.Errorf("dpkg has nothing against what we refuse (%s):\n%s", bad.why, bad.text)
		}
	}
}
