package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"slipway/integrations/debian"
)

// mostXZ is how many packages are compressed by xz, which takes 2 ms for each.
const mostXZ = 10_000

// newField makes the packages: for all architectures, of about a kilobyte, and some to add.
// The tars are compressed by xz -6, as dpkg-deb does it, or by gzip when there are many.
func newField(ctx context.Context, dir string, key *signingKey, size, rounds int) (*field, error) {
	f := &field{dir: dir, key: key, size: size, rounds: rounds, date: time.Now().Add(-24 * time.Hour), packed: "xz"}
	if size > mostXZ {
		f.packed = "gzip"
	}
	for _, sub := range []string{"debs", "more", "tars"} {
		if err := os.MkdirAll(f.path(sub), 0o755); err != nil {
			return nil, err
		}
	}
	data, err := oneFile("usr/share/doc/bench/README", []byte("This is the only file.\n"))
	if err != nil {
		return nil, err
	}
	if data, err = xz(ctx, data); err != nil {
		return nil, err
	}
	const batch = 500
	var g errgroup.Group
	g.SetLimit(2)
	for first := 0; first < size+rounds; first += batch {
		var paths []string
		for i := first; i < min(first+batch, size+rounds); i++ {
			sub := "debs"
			if i >= size {
				sub = "more"
			}
			path := f.path(filepath.Join(sub, fmt.Sprintf("bench-%06d_1.0-1_all.deb", i*7919%1000003)))
			if paths = append(paths, path); i >= size {
				f.extra = append(f.extra, path)
			}
		}
		g.Go(func() error {
			if f.packed == "xz" {
				return f.xzDebs(ctx, paths, data)
			}
			return gzipDebs(paths)
		})
	}
	return f, g.Wait()
}

func packageOf(path string) string {
	name, _, _ := strings.Cut(filepath.Base(path), "_")
	return name
}

func benchControl(name string) debian.Paragraph {
	return debian.Paragraph{{Name: "Package", Value: name}, {Name: "Version", Value: "1.0-1"}, {Name: "Architecture", Value: "all"},
		{Name: "Maintainer", Value: "Release Team <team@example.org>"}, {Name: "Installed-Size", Value: "12"},
		{Name: "Depends", Value: "libc6 (>= 2.36), adduser"}, {Name: "Section", Value: "misc"}, {Name: "Priority", Value: "optional"},
		{Name: "Homepage", Value: "https://example.org/" + name},
		{Name: "Description", Value: "package " + name + " of a measurement\nIt has a second line, so that its entry in the index\nhas the length of real ones."}}
}

func gzipDebs(paths []string) error {
	for _, path := range paths {
		var b bytes.Buffer
		err := debian.WriteDeb(&b, debian.Build{Control: benchControl(packageOf(path)), Time: time.Unix(1_700_000_000, 0),
			Files: []debian.File{{Path: "usr/share/doc/bench/README", Body: []byte("This is the only file.\n")}}})
		if err := errors.Join(err, os.WriteFile(path, b.Bytes(), 0o644)); err != nil {
			return err
		}
	}
	return nil
}

// xzDebs compresses all control.tars by one xz. What is in data.tar nobody looks at.
func (f *field) xzDebs(ctx context.Context, paths []string, data []byte) error {
	args := []string{"-6"}
	for _, path := range paths {
		control, err := oneFile("./control", benchControl(packageOf(path)).AppendTo(nil))
		if err != nil {
			return err
		}
		name := f.path(filepath.Join("tars", packageOf(path)))
		if err := os.WriteFile(name, control, 0o644); err != nil {
			return err
		}
		args = append(args, name)
	}
	if out, err := exec.CommandContext(ctx, "xz", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("xz: %w: %s", err, out)
	}
	for _, path := range paths {
		name := f.path(filepath.Join("tars", packageOf(path)+".xz"))
		control, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		b.WriteString("!<arch>\n")
		for _, m := range []struct {
			name string
			body []byte
		}{{"debian-binary", []byte("2.0\n")}, {"control.tar.xz", control}, {"data.tar.xz", data}} {
			fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", m.name, 1_700_000_000, 0, 0, "100644", len(m.body), m.body)
			if len(m.body)%2 == 1 {
				b.WriteByte('\n')
			}
		}
		if err := errors.Join(os.WriteFile(path, b.Bytes(), 0o644), os.Remove(name)); err != nil {
			return err
		}
	}
	return nil
}

func xz(ctx context.Context, plain []byte) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "xz", "-6")
	cmd.Stdin = bytes.NewReader(plain)
	return cmd.Output()
}

// oneFile is a tar as dpkg-deb makes it: in whole records of 10 KiB.
func oneFile(name string, body []byte) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err := errors.Join(
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755, ModTime: time.Unix(1_700_000_000, 0), Format: tar.FormatGNU}),
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(body)), Mode: 0o644, ModTime: time.Unix(1_700_000_000, 0), Format: tar.FormatGNU}))
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	out.Write(make([]byte, (10240-out.Len()%10240)%10240))
	return out.Bytes(), nil
}
