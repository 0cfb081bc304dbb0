package aptrepo

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"slipway/bot/errs"
	"slipway/integrations/debian"
)

// However a package comes, the pool has it as a plain file that a web server can read, and the
// index says the same. Only a plain file is linked; a link to a package is not linked itself.
func TestThePoolHasPlainFiles(t *testing.T) {
	var want string
	for _, size := range []int{100, inMemory + 100} { // read at once, and as a stream
		for _, way := range []string{"plain", "copied", "private", "symlink", "within FS"} {
			w := newWorld(t, Options{Link: way != "copied"})
			f := w.debOfSize("hello", size)
			path, linked := f.Path, way == "plain"
			switch way {
			case "private":
				if err := os.Chmod(path, 0o600); err != nil {
					t.Fatal(err)
				}
			case "symlink":
				name := filepath.Base(path)
				if err := os.Mkdir(filepath.Join(w.in, "links"), 0o755); err != nil {
					t.Fatal(err)
				}
				f.Path = filepath.Join(w.in, "links", name)
				if err := os.Symlink("../"+name, f.Path); err != nil {
					t.Fatal(err)
				}
			case "within FS":
				f = File{FS: os.DirFS(w.in), Path: filepath.Base(path)}
			}
			w.publish(w.change(f))
			if index := string(w.served("stable/main/binary-amd64/Packages")); way == "plain" {
				want = index
			} else if index != want {
				t.Errorf("%s, %d bytes: the index is\n%swant\n%s", way, size, index, want)
			}
			pool := filepath.Join(w.root, "pool/main/h/hello", filepath.Base(path))
			info, err := os.Lstat(pool)
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", way, size, err)
			}
			if !info.Mode().IsRegular() || info.Mode().Perm() != 0o644 {
				t.Errorf("%s, %d bytes: the pool has a file of mode %v", way, size, info.Mode())
			}
			own, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if os.SameFile(info, own) != linked {
				t.Errorf("%s, %d bytes: linked is %v", way, size, !linked)
			}
			have, err := os.ReadFile(pool)
			if err != nil {
				t.Fatal(err)
			}
			if came, err := os.ReadFile(path); err != nil || !bytes.Equal(have, came) {
				t.Errorf("%s, %d bytes: the pool has other bytes (%v)", way, size, err)
			}
		}
	}
}

// debOfSize makes a package with a file of that many bytes that cannot be compressed.
func (w *world) debOfSize(name string, size int) File {
	w.t.Helper()
	body := make([]byte, size)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range body {
		body[i] = byte(random.Uint32())
	}
	p := debian.Paragraph{{Name: "Package", Value: name}, {Name: "Version", Value: "1.0"}, {Name: "Architecture", Value: "amd64"},
		{Name: "Maintainer", Value: "Release Team <team@example.org>"}, {Name: "Description", Value: "example"}}
	var b bytes.Buffer
	if err := debian.WriteDeb(&b, debian.Build{Control: p, Files: []debian.File{{Path: "usr/share/" + name, Body: body}}, Time: w.now}); err != nil {
		w.t.Fatal(err)
	}
	return w.file(name+"_1.0_amd64.deb", b.Bytes())
}

// What is no package is refused by its name, also when others are read at the same time.
func TestOneBadFileAmongMany(t *testing.T) {
	for _, link := range []bool{false, true} {
		w := newWorld(t, Options{Link: link})
		var files []File
		for _, name := range []string{"aa", "bb", "cc", "dd", "ee", "ff"} {
			files = append(files, w.deb(name, "1.0", "amd64"))
		}
		dir := filepath.Join(w.in, "folder.deb")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		broken := w.file("broken_1.0_amd64.deb", []byte("!<arch>\n"))
		empty := w.file("empty_1.0_amd64.deb", nil)
		w.refused(w.change(append(files, broken)...), errs.Invalid, "broken_1.0_amd64.deb")
		w.refused(w.change(append(files, empty)...), errs.Invalid, "empty_1.0_amd64.deb")
		w.refused(w.change(append(files, File{Path: dir})...), errs.Invalid, "folder.deb: it is not a plain file")
		w.refused(w.change(append(files, File{Path: filepath.Join(w.in, "gone_1.0_amd64.deb")})...), errs.Failed, "gone_1.0_amd64.deb")
		w.publish(w.change(files...))
		w.wantOffers(amd64Main, "aa 1.0", "bb 1.0", "cc 1.0", "dd 1.0", "ee 1.0", "ff 1.0")
	}
}
