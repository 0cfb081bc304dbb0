package debian

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func hello() Build {
	return Build{
		Control: Paragraph{
			{"Package", "hello"}, {"Version", "1:2.0~rc1-1"}, {"Architecture", "all"},
			{"Maintainer", "A Person <person@example.org>"},
			{"Description", "greets\nIt says hello.\n.\nAnd good-bye."},
		},
		Scripts: []File{{Path: "postinst", Body: []byte("#!/bin/sh\n")}},
		Files: []File{
			{Path: "usr/share/doc/hello/copyright", Body: []byte("free\n")},
			{Path: "usr/bin/hello", Mode: 0o755, Body: []byte("#!/bin/sh\necho hello\n")},
		},
		Time: time.Unix(1_700_000_000, 0),
	}
}

func deb(t testing.TB, b Build) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := WriteDeb(&out, b); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func readDeb(data []byte) (Deb, error) { return ReadDeb(bytes.NewReader(data), int64(len(data))) }

func TestPackagesReadBackAsTheyWereBuilt(t *testing.T) {
	for _, c := range []Compression{"", Gzip, XZ, Zstd, None} {
		b := hello()
		b.Compress = c
		data := deb(t, b)
		if again := deb(t, b); !bytes.Equal(data, again) {
			t.Errorf("%q: two builds differ", c)
		}
		d, err := readDeb(data)
		if err != nil {
			t.Fatalf("%q: %v", c, err)
		}
		if d.Format != "2.0" || d.Control.String() != b.Control.String() {
			t.Errorf("%q: format %s, control:\n%s", c, d.Format, d.Control)
		}
		if want := []string{"control", "postinst"}; !slices.Equal(d.ControlFiles, want) {
			t.Errorf("%q: control files %v", c, d.ControlFiles)
		}
		var paths []string
		if err := d.Contents(bytes.NewReader(data), func(p string) error { paths = append(paths, p); return nil }); err != nil {
			t.Fatalf("%q: %v", c, err)
		}
		if want := []string{"usr/bin/hello", "usr/share/doc/hello/copyright"}; !slices.Equal(paths, want) {
			t.Errorf("%q: contents %v", c, paths)
		}
	}
}

// ar builds an archive of (name, body) pairs without any care.
func ar(pairs ...string) []byte {
	var out bytes.Buffer
	out.WriteString(arMagic)
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", pairs[i], 0, 0, 0, "100644", len(pairs[i+1]), pairs[i+1])
		if len(pairs[i+1])%2 == 1 {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// tarOf builds a tar of (name, body) pairs; a body "->x" makes a symbolic link.
func tarOf(pairs ...string) string {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i := 0; i < len(pairs); i += 2 {
		h := &tar.Header{Name: pairs[i], Mode: 0o644, Size: int64(len(pairs[i+1])), Typeflag: tar.TypeReg}
		if to, link := strings.CutPrefix(pairs[i+1], "->"); link {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, to, 0
			w.WriteHeader(h)
			continue
		}
		w.WriteHeader(h)
		io.WriteString(w, pairs[i+1])
	}
	w.Close()
	return out.String()
}

const helloControl = "Package: hello\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: greets\n"

func TestHostilePackagesAreRefused(t *testing.T) {
	control, data := tarOf("./control", helloControl), tarOf("./usr/bin/hello", "x")
	good := ar("debian-binary", "2.0\n", "control.tar", control, "data.tar", data)
	if _, err := readDeb(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why  string
		data []byte
	}{
		{"no ar archive", []byte("hello")},
		{"no ar archive", nil},
		{"does not begin with debian-binary", []byte(arMagic)},
		{"does not begin with debian-binary", ar("control.tar", control, "data.tar", data)},
		{"not 2.x", ar("debian-binary", "3.0\n", "control.tar", control, "data.tar", data)},
		{"not 2.x", ar("debian-binary", "2.0", "control.tar", control, "data.tar", data)},
		{"not 2.x", ar("debian-binary", "2.x\n", "control.tar", control, "data.tar", data)},
		{"has no control.tar", ar("debian-binary", "2.0\n")},
		{"has no data.tar", ar("debian-binary", "2.0\n", "control.tar", control)},
		{"where control.tar should be", ar("debian-binary", "2.0\n", "data.tar", data, "control.tar", control)},
		{"unknown member", ar("debian-binary", "2.0\n", "control.tar", control, "data.tar", data, "data.tar.gz", data)},
		{"has the member data.tar twice", ar("debian-binary", "2.0\n", "control.tar", control, "data.tar", data, "data.tar", data)},
		{"only gzip, xz and zstd", ar("debian-binary", "2.0\n", "control.tar.bz2", control, "data.tar", data)},
		{"with the name", ar("debian-binary", "2.0\n", "../control.tar", control, "data.tar", data)},
		{"with the name", ar("debian-binary", "2.0\n", "//", control, "data.tar", data)},
		{"broken header", []byte(strings.Replace(string(good), "`\n2.0", "xx2.0", 1))},
		{"broken header", []byte(strings.Replace(string(good), "4         `", "-4        `", 1))},
		{"ends inside", []byte(strings.Replace(string(good), "4         `", "4444444444`", 1))},
		{"ends inside", good[:len(good)-1100]},
		{"no file control", ar("debian-binary", "2.0\n", "control.tar", tarOf("./md5sums", ""), "data.tar", data)},
		{"twice", ar("debian-binary", "2.0\n", "control.tar", tarOf("./control", helloControl, "control", helloControl), "data.tar", data)},
		{"no plain file", ar("debian-binary", "2.0\n", "control.tar", tarOf("./control", "->/etc/passwd"), "data.tar", data)},
		{"has the path", ar("debian-binary", "2.0\n", "control.tar", tarOf("../control", helloControl), "data.tar", data)},
		{"second paragraph", ar("debian-binary", "2.0\n", "control.tar", tarOf("./control", helloControl+"\nPackage: other\n"), "data.tar", data)},
		{"no Version", ar("debian-binary", "2.0\n", "control.tar", tarOf("./control", strings.Replace(helloControl, "Version: 1\n", "", 1)), "data.tar", data)},
		{"not the architecture", ar("debian-binary", "2.0\n", "control.tar", tarOf("./control", strings.Replace(helloControl, "all", "any", 1)), "data.tar", data)},
		{"no xz stream", ar("debian-binary", "2.0\n", "control.tar.xz", control, "data.tar", data)},
		{"cannot be decompressed", ar("debian-binary", "2.0\n", "control.tar.gz", control, "data.tar", data)},
		{"cannot be decompressed", ar("debian-binary", "2.0\n", "control.tar.zst", control, "data.tar", data)},
	} {
		_, err := readDeb(c.data)
		if err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("want %q, got %v", c.why, err)
		}
	}
}

// What is read does not depend on what was read before with the same memory, broken or not.
func TestReaderOfManyPackages(t *testing.T) {
	b := hello()
	small := deb(t, b)
	b.Scripts = append(b.Scripts, File{Path: "md5sums", Body: []byte(strings.Repeat("d41d8cd98f00b204e9800998ecf8427e  usr/bin/hello\n", 5000))})
	packages := [][]byte{small, deb(t, b), small[:len(small)/2], small}
	for _, at := range []int{140, 150, 170, 200, 260} { // within control.tar.gz
		packages = append(packages, slices.Concat(small[:at], []byte{^small[at]}, small[at+1:]), small)
	}
	for _, c := range []Compression{XZ, Zstd, None, Gzip} {
		b.Compress = c
		packages = append(packages, deb(t, b))
	}
	var many DebReader
	var got []Deb
	for i, data := range packages {
		want, wantErr := readDeb(data)
		d, err := many.Read(bytes.NewReader(data), int64(len(data)))
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(d, want) {
			t.Errorf("package %d: %v, %v; by itself %v, %v", i, d, err, want, wantErr)
		}
		got = append(got, d)
	}
	for i, data := range packages {
		if want, _ := readDeb(data); !reflect.DeepEqual(got[i], want) {
			t.Errorf("package %d changed while others were read", i)
		}
	}
}

func TestBombsAreRefused(t *testing.T) {
	b := hello()
	b.Files = []File{{Path: "big", Body: make([]byte, 1<<20)}}
	for c, why := range map[Compression]string{Gzip: "larger than allowed", Zstd: "larger than allowed", None: "larger than allowed", XZ: "holds more than"} {
		b.Compress = c
		data := deb(t, b)
		d, err := readDeb(data)
		if err != nil {
			t.Fatal(err)
		}
		read := func(most int64) error {
			z, err := unpack(bytes.NewReader(data), d.member("data.tar"), "data.tar", most, new(unpacker))
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, z)
			return err
		}
		if err := read(1 << 20); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: want %q, got %v", c, why, err)
		}
		if err := read(2 << 20); err != nil {
			t.Errorf("%s: %v", c, err)
		}
	}
}
