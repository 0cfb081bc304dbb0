package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"slipway/commands/release"
	"slipway/integrations/debian"
)

// makePackages as the first argument makes the test binary the build of the sample's packages, so
// that they can be built on a machine without dpkg.
const makePackages = "make-packages"

// buildHere is the command of that.
func buildHere() ([]string, error) {
	self, err := os.Executable()
	// A program with the race detector sleeps for a second when it ends, to catch what is left.
	return []string{"env", "GORACE=atexit_sleep_ms=0", self, makePackages}, err
}

// packagesHere builds the source and the package of the checkout in the working folder, as
// dpkg-buildpackage would, into $CI_ARTIFACTS.
func packagesHere() error {
	text, err := os.ReadFile("debian/changelog")
	if err != nil {
		return err
	}
	entry, _, err := release.ParseEntry(string(text))
	if err != nil {
		return err
	}
	made := &berth{to: os.Getenv("CI_ARTIFACTS"), source: entry.Source, version: entry.Version, by: entry.Name + " <" + entry.Mail + ">", date: entry.Date}
	upstream, revision, _ := strings.Cut(entry.Version, "-")
	for _, step := range []func() error{
		func() error { return made.tarball(made.source+"_"+upstream+".orig.tar.gz", "", "debian", ".git") },
		func() error {
			return made.tarball(made.source+"_"+upstream+"-"+revision+".debian.tar.gz", "debian", ".git")
		},
		made.dsc, made.deb, made.changes, ranHere,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// ranHere notes that a pipeline ran its command, as the other pipelines of the sweep do.
func ranHere() error {
	f, err := os.OpenFile(filepath.Join(os.Getenv("HOME"), "ran"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	fmt.Fprintln(f, "ran")
	return f.Close()
}

// berth is one build.
type berth struct {
	to, source, version, by string
	date                    time.Time
	files                   []string // made so far
}

func (b *berth) keep(name string, data []byte) error {
	b.files = append(b.files, name)
	return os.WriteFile(filepath.Join(b.to, name), data, 0o644)
}

// tarball packs the folder below the checkout, without the top folders named. The time in it is
// that of the release, so that a second build makes the same bytes.
func (b *berth) tarball(name, folder string, without ...string) error {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	t := tar.NewWriter(z)
	root := filepath.Join(".", folder)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		for _, w := range without {
			if path == w {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
		}
		if d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		h := &tar.Header{Name: path, Mode: 0o644, Size: int64(len(data)), ModTime: b.date, Format: tar.FormatGNU}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		_, err = t.Write(data)
		return err
	})
	if err == nil {
		err = t.Close()
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return err
	}
	return b.keep(name, out.Bytes())
}

// list is the fields that name files, with more before each name.
func (b *berth) list(more string, names []string) (string, error) {
	var strong, plain strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(b.to, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&strong, " %x %d %s\n", sha256.Sum256(data), len(data), name)
		fmt.Fprintf(&plain, " %x %d %s%s\n", md5.Sum(data), len(data), more, name)
	}
	return "Checksums-Sha256:\n" + strong.String() + "Files:\n" + plain.String(), nil
}

func (b *berth) dsc() error {
	list, err := b.list("", b.files)
	if err != nil {
		return err
	}
	return b.keep(b.source+"_"+b.version+".dsc", []byte(fmt.Sprintf("Format: 3.0 (quilt)\nSource: %s\nBinary: %s\nArchitecture: all\nVersion: %s\nMaintainer: %s\nStandards-Version: 4.6.2\n"+
		"Package-List:\n %s deb misc optional arch=all\n%s", b.source, b.source, b.version, b.by, b.source, list)))
}

func (b *berth) deb() error {
	upstream, _, _ := strings.Cut(b.version, "-")
	var out bytes.Buffer
	err := debian.WriteDeb(&out, debian.Build{Time: b.date,
		Control: debian.Paragraph{{Name: "Package", Value: b.source}, {Name: "Version", Value: b.version}, {Name: "Architecture", Value: "all"}, {Name: "Section", Value: "misc"},
			{Name: "Priority", Value: "optional"}, {Name: "Maintainer", Value: b.by}, {Name: "Description", Value: "keeps the lamps and the tides of a harbour"}},
		Files: []debian.File{{Path: "usr/bin/" + b.source, Mode: 0o755, Body: []byte("#!/bin/sh\necho " + b.source + " " + upstream + "\n")}}})
	if err != nil {
		return err
	}
	return b.keep(b.source+"_"+b.version+"_all.deb", out.Bytes())
}

func (b *berth) changes() error {
	list, err := b.list("misc optional ", b.files)
	if err != nil {
		return err
	}
	return b.keep(b.source+"_"+b.version+"_source.changes", []byte(fmt.Sprintf("Format: 1.8\nDate: %s\nSource: %s\nArchitecture: source all\nVersion: %s\nDistribution: unstable\nMaintainer: %s\n"+
		"Changes:\n %s (%s) unstable; urgency=medium\n%s", b.date.Format("Mon, 02 Jan 2006 15:04:05 -0700"), b.source, b.version, b.by, b.source, b.version, list)))
}
