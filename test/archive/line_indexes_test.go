//go:build prove

package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

// Line 7: apt asks by-hash for the strongest checksum that the Release lists, and only then for the
// usual name, which may be of another generation already.
func TestLine07ByHashOfTheStrongest(t *testing.T) {
	t.Parallel()
	s := stable()
	s.Algorithms = []aptrepo.Algorithm{aptrepo.MD5Sum, aptrepo.SHA256, aptrepo.SHA512}
	w := newWorld(t, s)
	w.publish(w.change(w.deb("hello", "1.0", "all")))
	w.client("amd64").sees("hello", "1.0")
	asked := 0
	for _, r := range w.front.requests() {
		if strings.Contains(r.path, "Packages") || strings.Contains(r.path, "/by-hash/") {
			if asked++; !strings.Contains(r.path, "/by-hash/SHA512/") || r.status != 200 {
				t.Errorf("apt asked for %s and got %d", r.path, r.status)
			}
		}
	}
	if asked == 0 {
		t.Error("apt asked for no index")
	}
	release := string(w.served("stable", "Release"))
	for _, alg := range []string{"MD5Sum", "SHA256", "SHA512"} {
		if n := lookUp(t, filepath.Join(w.root, "dists/stable"), release, alg); n == 0 {
			t.Errorf("nothing is listed by %s", alg)
		}
	}

	// Without the files of SHA512 the client gets on with the usual name while that is the same,
	// and fails in the moment when it is not.
	missing := func() {
		for path := range pathsByHash(release, "SHA512") {
			w.front.hide("dists/stable/" + path)
		}
	}
	missing()
	w.client("amd64").sees("hello", "1.0")
	w.front.once("/by-hash/", func() { w.publish(w.change(w.deb("hello", "1.1+longer", "all"))) })
	w.client("amd64").refuses("hello", "File has unexpected size")
	w.front.plain()
	w.client("amd64").sees("hello", "1.1+longer")
}

// pathsByHash are where a Release says that its indexes are, with their usual names.
func pathsByHash(release, alg string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(onlySums(release, alg)) {
		if f := strings.Fields(line); strings.HasPrefix(line, " ") && len(f) == 3 {
			all[filepath.Dir(f[2])+"/by-hash/"+alg+"/"+f[0]] = f[2]
		}
	}
	return all
}

// lookUp counts the indexes of a Release that are there by their hash; one that is listed and not
// shipped counts too.
func lookUp(t *testing.T, suite, release, alg string) (n int) {
	t.Helper()
	for path, name := range pathsByHash(release, alg) {
		want, err := os.ReadFile(filepath.Join(suite, name))
		if os.IsNotExist(err) {
			continue
		}
		got, errHash := os.ReadFile(filepath.Join(suite, path))
		if err != nil || errHash != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not there as %s: %v, %v", name, path, err, errHash)
		}
		n++
	}
	return n
}

// Line 8: a Release that does not list the plain Packages, or the architecture of the client, is an
// empty archive for apt, which says nothing and ends well.
func TestLine08SilentlyEmpty(t *testing.T) {
	t.Parallel()
	s := stable()
	s.Compressions = []aptrepo.Compression{aptrepo.XZ}
	w := newWorld(t, s)
	w.publish(w.change(w.deb("hello", "1.0", "all")))
	if _, err := os.Stat(filepath.Join(w.root, "dists/stable/main/binary-amd64/Packages")); !os.IsNotExist(err) {
		t.Fatalf("the plain form is shipped: %v", err)
	}
	w.client("amd64").sees("hello", "1.0") // ours is listed though it is not shipped
	w.alter(without("main/binary-amd64/Packages"))
	c := w.client("amd64")
	c.sees("hello", "")
	if said, status := c.run("apt-get", "update"); status != 0 {
		t.Errorf("apt-get ended with %d: %s", status, said)
	}
	w.alter(func(release string) string {
		return field("Architectures", "arm64")(without("main/binary-amd64/Packages", "main/binary-amd64/Packages.xz")(release))
	})
	empty := w.client("amd64")
	if empty.update("hello") != "" {
		t.Error("apt finds packages of an architecture that is not listed")
	}
	if said, status := empty.run("apt-get", "update"); status != 0 {
		t.Errorf("apt-get ended with %d: %s", status, said)
	}
	w.client("arm64").sees("hello", "1.0")
	w.front.plain()

	// Ours: no suite without an architecture; none that clients have goes unless it is named, and no
	// index is emptied. What decides in the end is the candidate.
	none := stable()
	none.Architectures = nil
	_, err := aptrepo.Open(t.TempDir(), aptrepo.Options{}, none)
	refused(t, err, errs.Invalid, "empty archive")
	w.suites[0].Architectures = []string{"arm64"}
	w.open(aptrepo.Options{})
	_, err = w.repo.Stage(context.Background(), w.change())
	refused(t, err, errs.Conflict, "would lose the architecture amd64")
	w.suites[0].Architectures = []string{"amd64", "arm64"}
	w.open(aptrepo.Options{})
	gone := w.change()
	gone.Remove = []aptrepo.Ref{{Name: "hello"}}
	_, err = w.repo.Stage(context.Background(), gone)
	refused(t, err, errs.Conflict, "would have none")
	w.client("amd64").sees("hello", "1.0")
}

// Line 8a: apt 2.6 reads no further than the first stream of a .xz; of a .gz it reads all members.
// It notices by the checksum of the plain form. When that was made by a program that reads no
// further either, the rest is lost without a word.
func TestLine08aStreamsOfXZ(t *testing.T) {
	t.Parallel()
	s := stable()
	s.Architectures = []string{"amd64"}
	s.Compressions = []aptrepo.Compression{aptrepo.XZ, aptrepo.Gzip}
	w := newWorld(t, s)
	var files []aptrepo.File // so many that the .gz has several members
	for n := range 400 {
		files = append(files, w.deb(fmt.Sprintf("p%03d", n), "1.0", "amd64"))
	}
	w.publish(w.change(files...))
	w.publish(w.change(w.deb("p200", "1.1", "amd64")))
	const index = "main/binary-amd64/Packages"
	if n := bytes.Count(w.served("stable", index+".gz"), []byte{0x1f, 0x8b, 8, 4}); n < 2 {
		t.Errorf("the .gz has %d members", n)
	}
	for _, other := range []string{".xz", ".gz"} { // the client has one packed form to take
		w.front.plain()
		w.alter(without(index + other))
		c := w.client("amd64")
		for name, version := range map[string]string{"p000": "1.0", "p200": "1.1", "p399": "1.0"} {
			c.sees(name, version)
		}
	}

	// The same text in two streams.
	plain := unxz(t, w.served("stable", index+".xz"))
	at := bytes.Index(plain, []byte("\nPackage: p100\n")) + 1
	two := append(xz(t, plain[:at]), xz(t, plain[at:])...)
	if !bytes.Equal(unxz(t, two), plain) {
		t.Fatal("the streams are not the text")
	}
	list := func(release, name string, content []byte) string {
		old := regexp.MustCompile(`(?m)^ \S+ \d+ ` + regexp.QuoteMeta(name) + `$`)
		return old.ReplaceAllString(release, fmt.Sprintf(" %x %d %s", sha256.Sum256(content), len(content), name))
	}
	for _, known := range [][]byte{plain, plain[:at]} {
		w.front.plain()
		w.alter(func(release string) string {
			return list(list(without(index+".gz")(release), index, known), index+".xz", two)
		})
		w.front.hide("dists/stable/" + index)
		w.front.hide(fmt.Sprintf("dists/stable/main/binary-amd64/by-hash/SHA256/%x", sha256.Sum256(plain)))
		w.front.show("dists/stable/"+index+".xz", two, w.now())
		w.front.show(fmt.Sprintf("dists/stable/main/binary-amd64/by-hash/SHA256/%x", sha256.Sum256(two)), two, w.now())
		c := w.client("amd64")
		if len(known) == len(plain) {
			c.refuses("p000", "Hash Sum mismatch")
			continue
		}
		c.sees("p000", "1.0")
		c.sees("p399", "")
	}
}

func xz(t *testing.T, text []byte) []byte   { return pipe(t, text, "xz", "-1", "-c") }
func unxz(t *testing.T, text []byte) []byte { return pipe(t, text, "xz", "-d", "-c") }

func pipe(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", args[0], err)
	}
	return out
}

// Line 9: a client that holds the Release of before finds the indexes of before, by their hash.
func TestLine09RaceWithAPublication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(w.change(w.deb("hello", "1.0", "all")))
	// Versions differ in length, so that the sizes of the indexes do.
	next := func(version string) func() { return func() { w.publish(w.change(w.deb("hello", version, "all"))) } }
	c := w.client("amd64")
	c.sees("hello", "1.0")
	w.front.once("/by-hash/", next("1.1"))
	w.client("amd64").sees("hello", "1.0") // it began before and ended after
	c.sees("hello", "1.1")
	// Two publications in the time of one client.
	w.front.once("/by-hash/", func() { next("1.2")(); next("1.3")() })
	w.client("amd64").sees("hello", "1.1")
	// A client with a history, in between.
	next("1.4")()
	w.front.once("/by-hash/", next("1.5"))
	c.sees("hello", "1.4")
	c.sees("hello", "1.5")

	// The same turn of a link to a tree without the files of the one before.
	old := pathsByHash(string(w.served("stable", "Release")), "SHA256")
	w.front.once("/by-hash/", func() {
		next("1.6+longer")()
		now := pathsByHash(string(w.served("stable", "Release")), "SHA256")
		for path := range old {
			if _, stays := now[path]; !stays {
				w.front.hide("dists/stable/" + path)
			}
		}
	})
	w.client("amd64").refuses("hello", "File has unexpected size")
	w.front.plain()

	// And a suite without by-hash.
	s := stable()
	s.ByHash = false
	bare := newWorld(t, s)
	bare.publish(bare.change(bare.deb("hello", "1.0", "all")))
	bare.front.once("/Packages", func() { bare.publish(bare.change(bare.deb("hello", "1.1+longer", "all"))) })
	bare.client("amd64").refuses("hello", "Mirror sync in progress")

	// The files stay for the time that the suite keeps them, and no longer.
	gone := func(d time.Duration) {
		w.pass(d)
		if _, err := w.repo.Cleanup(context.Background(), w.now()); err != nil {
			t.Fatal(err)
		}
	}
	gone(time.Hour)
	if n := lookUp(t, filepath.Join(w.root, "dists/stable"), string(w.served("stable", "Release")), "SHA256"); n == 0 {
		t.Error("nothing is there by its hash")
	}
	w.client("amd64").sees("hello", "1.6+longer")
}
