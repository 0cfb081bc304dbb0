package debian

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"slipway/bot/errs"
)

// refusal fails unless err is one that a person can be shown.
func refusal(t *testing.T, err error) {
	t.Helper()
	if !errs.Is(err, errs.Invalid) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("the error %v is of kind %s", err, errs.KindOf(err))
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(samplePackages), false)
	f.Add([]byte(sampleControl), true)
	f.Add([]byte("# c\n\nA:1\n\tb\n\n\n"), true)
	f.Fuzz(func(t *testing.T, data []byte, handwritten bool) {
		r := NewReader(bytes.NewReader(data))
		r.Handwritten = handwritten
		for {
			p, err := r.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				refusal(t, err)
				return
			}
			if !bytes.Contains(data, r.Raw()) {
				t.Fatalf("%q is not in the data", r.Raw())
			}
			if err := p.Check(); err != nil {
				t.Fatalf("%q was read but cannot be written: %v", p, err)
			}
			// What a tab or a missing blank makes different is the same from then on.
			once := p.AppendTo(nil)
			q, err := ParseParagraph("it", once)
			if err != nil || !bytes.Equal(q.AppendTo(nil), once) {
				t.Fatalf("%q became %q: %v", once, q, err)
			}
		}
	})
}

func FuzzParseRelease(f *testing.F) {
	f.Add([]byte(sampleRelease()))
	f.Add([]byte("Codename: x\nDate: Sat, 6 Jun 2026 10:54:28 +0000\nSHA256:\n " + sha + " 1 x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRelease(data)
		if err != nil {
			refusal(t, err)
			return
		}
		once := r.Append(nil)
		again, err := ParseRelease(once)
		if err != nil || !bytes.Equal(again.Append(nil), once) {
			t.Fatalf("%q: %v", once, err)
		}
	})
}

func FuzzReadDeb(f *testing.F) {
	for _, c := range []Compression{Gzip, XZ, Zstd, None} {
		b := hello()
		b.Compress = c
		f.Add(deb(f, b))
	}
	f.Add(ar("debian-binary", "2.0\n", "control.tar", tarOf("./control", helloControl), "_x", "", "data.tar", ""))
	first := deb(f, hello())
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := readDeb(data)
		var many DebReader
		if _, err := many.Read(bytes.NewReader(first), int64(len(first))); err != nil {
			t.Fatal(err)
		}
		if again, e := many.Read(bytes.NewReader(data), int64(len(data))); fmt.Sprint(e) != fmt.Sprint(err) || !reflect.DeepEqual(again, d) {
			t.Fatalf("read after another package: %v, %v; by itself %v, %v", again, e, d, err)
		}
		if err != nil {
			refusal(t, err)
			return
		}
		if err := CheckBinary(d.Control); err != nil {
			t.Fatal(err)
		}
		if err := d.Contents(bytes.NewReader(data), func(path string) error {
			if path == "" || path[0] == '/' || strings.HasPrefix(path, "../") {
				t.Fatalf("path %q", path)
			}
			return nil
		}); err != nil {
			refusal(t, err)
		}
	})
}

func FuzzParseChangelog(f *testing.F) {
	f.Add(sampleChangelog)
	for _, bad := range badChangelogs() {
		f.Add(bad.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := ParseChangelog(strings.NewReader(text))
		if err != nil {
			refusal(t, err)
			return
		}
		for _, e := range entries {
			out, err := FormatEntry(e)
			if err != nil {
				continue // no urgency, for example
			}
			back, err := ParseChangelog(strings.NewReader(out))
			if err != nil || len(back) != 1 || !sameEntry(e, back[0]) {
				t.Fatalf("%q: %v", out, err)
			}
		}
	})
}

func FuzzParseControl(f *testing.F) {
	f.Add([]byte(sampleControl))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseControl(data)
		if err != nil {
			refusal(t, err)
			return
		}
		if c.Name == "" || len(c.Binaries) == 0 {
			t.Fatalf("%+v", c)
		}
	})
}

func FuzzUploads(f *testing.F) {
	bodies, changes := uploadOf("")
	for _, text := range []string{changes, clearSigned(changes), bodies[dscName], clearSigned(bodies[dscName]), bodies[buildinfoName]} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		plain := func(files []ListedFile, err error) {
			if err != nil {
				refusal(t, err)
				return
			}
			for _, l := range files {
				if strings.Contains(l.Name, "/") || l.SHA256 == "" || l.Size < 0 {
					t.Fatalf("%+v", l)
				}
			}
		}
		d, err := ParseDSC(data)
		plain(d.Files, err)
		c, err := ParseChanges(data)
		plain(c.Files, err)
		b, err := ParseBuildinfo(data)
		plain(b.Files, err)
	})
}

func FuzzParseVersion(f *testing.F) {
	for _, v := range []string{"1", "1:2-3", "2.0~rc1-1", "2.0+really1.9-1", "1-", ":"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, text string) {
		found := LintVersion(text)
		v, err := ParseVersion(text)
		if err != nil {
			refusal(t, err)
			if len(found) != 1 || found[0].Severity != Error {
				t.Fatalf("%q: %+v", text, found)
			}
			return
		}
		if v.String() != text {
			t.Fatalf("%q became %q", text, v)
		}
	})
}
