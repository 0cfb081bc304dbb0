package reprepro

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/bot/version"
	"slipway/integrations/debian"
)

// asked names the variable that makes the test binary a reprepro, as far as this package drives one:
// messages, exit statuses and files are those of reprepro 5.3.1. The tests with the build tag prove
// tell the same stories to a real one.
const asked = "BE_A_REPREPRO"

func TestMain(m *testing.M) {
	if os.Getenv(asked) != "" {
		os.Exit(beReprepro(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// entry is one package in one index.
type entry struct{ Component, Arch, Name, Version, Pool, Stanza string }

type fake struct {
	dir, component, arch, kind, section, priority string
	export                                        bool
	all                                           map[string][]entry // by codename
	conf                                          []debian.Paragraph
}

func beReprepro(args []string) int {
	f := fake{export: true, all: map[string][]entry{}}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if args[0] == "--export=never" {
			f.export, args = false, args[1:]
			continue
		}
		switch args[0] {
		case "--basedir":
			f.dir = args[1]
		case "-C":
			f.component = args[1]
		case "-A":
			f.arch = args[1]
		case "-T":
			f.kind = args[1]
		case "-S":
			f.section = args[1]
		case "-P":
			f.priority = args[1]
		}
		args = args[2:]
	}
	status, err := f.run(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		fmt.Fprintln(os.Stderr, "There have been errors!")
		return status
	}
	return 0
}

func (f *fake) run(args []string) (int, error) {
	text, err := os.ReadFile(filepath.Join(f.dir, "conf", "distributions"))
	if err != nil {
		return 249, err
	}
	for in := debian.NewReader(bytes.NewReader(text)); ; {
		p, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return 249, err
		}
		f.conf = append(f.conf, p)
	}
	db := filepath.Join(f.dir, "db", "packages.db")
	if text, err := os.ReadFile(db); err == nil {
		if err := json.Unmarshal(text, &f.all); err != nil {
			return 255, err
		}
	}
	i := slices.IndexFunc(f.conf, func(p debian.Paragraph) bool { return p.Get("Codename") == args[1] })
	if i < 0 {
		return 249, fmt.Errorf("Cannot find definition of distribution '%s'!", args[1]) //nolint:all // its own words
	}
	switch args[0] {
	case "remove":
		f.remove(args[1], args[2])
	case "includedeb", "includedsc":
		if status, err := f.include(f.conf[i], args[1], args[2]); err != nil {
			return status, err
		}
	}
	text, err = json.Marshal(f.all)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(db), 0o755)
	}
	if err == nil {
		err = os.WriteFile(db, text, 0o644)
	}
	if err == nil && (f.export || args[0] == "export") {
		err = f.write(f.conf[i], args[1])
	}
	return 255, err
}

func (f *fake) remove(code, name string) {
	var gone []entry
	f.all[code] = slices.DeleteFunc(f.all[code], func(e entry) bool {
		hit := e.Name == name && e.Component == f.component && slices.Contains(strings.Split(f.arch, "|"), e.Arch) && (f.kind == "dsc") == (e.Arch == "source")
		if hit {
			gone = append(gone, e)
		}
		return hit
	})
	f.unpool(gone)
}

// unpool removes files of the pool that nothing names any more.
func (f *fake) unpool(gone []entry) {
	for _, g := range gone {
		named := false
		for _, all := range f.all {
			named = named || slices.ContainsFunc(all, func(e entry) bool { return e.Pool == g.Pool })
		}
		if !named {
			_ = os.Remove(filepath.Join(f.dir, g.Pool))
		}
	}
}

func (f *fake) include(conf debian.Paragraph, code, file string) (int, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 255, err
	}
	arches := slices.DeleteFunc(strings.Fields(conf.Get("Architectures")), func(a string) bool { return a == "source" })
	sum := sha256.Sum256(data)
	var p debian.Paragraph
	if strings.HasSuffix(file, ".dsc") {
		d, err := debian.ParseDSC(data)
		if err != nil {
			return 255, err
		}
		p, arches = d.Fields.Clone(), []string{"source"}
		p.Delete("Source")
		p.Set("Package", d.Source)
	} else {
		d, err := debian.ReadDeb(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return 255, err
		}
		p = d.Control.Clone()
		if a := p.Get("Architecture"); a != "all" {
			arches = []string{a}
		}
	}
	name, source := p.Get("Package"), p.Get("Package")
	if s, _, _ := strings.Cut(p.Get("Source"), " "); s != "" {
		source = s
	}
	if f.section == "" && p.Get("Section") == "" {
		return 255, fmt.Errorf("No section given for '%s', skipping.", name) //nolint:all // its own words
	}
	if p.Get("Section") == "" {
		p.Set("Section", f.section)
		p.Set("Priority", f.priority)
	}
	folder := path.Join("pool", f.component, source[:1], source)
	pool := path.Join(folder, filepath.Base(file))
	if had, err := os.ReadFile(filepath.Join(f.dir, pool)); err == nil && !bytes.Equal(had, data) {
		return 254, fmt.Errorf("ERROR: '%s' cannot be included as '%s'.\nAlready existing files can only be included again, if they are the same, but:", file, pool)
	}
	p.Set("Filename", pool)
	p.Set("SHA256", hex.EncodeToString(sum[:]))
	if arches[0] == "source" {
		p.Delete("Filename")
		p.Delete("SHA256")
		p.Set("Directory", folder)
		p.Set("Checksums-Sha256", fmt.Sprintf("\n %x %d %s%s", sum, len(data), filepath.Base(file), p.Get("Checksums-Sha256")))
	}
	var gone []entry
	for _, arch := range arches {
		if f.arch != "" && arch != "source" && !slices.Contains(strings.Split(f.arch, "|"), arch) {
			continue
		}
		at := slices.IndexFunc(f.all[code], func(e entry) bool {
			return e.Component == f.component && e.Arch == arch && e.Name == name
		})
		next := entry{f.component, arch, name, p.Get("Version"), pool, p.String()}
		switch {
		case at < 0:
			f.all[code] = append(f.all[code], next)
		case version.Compare(f.all[code][at].Version, next.Version) >= 0:
			fmt.Printf("Skipping inclusion of '%s'\n", name)
			continue
		default:
			gone = append(gone, f.all[code][at])
			f.all[code][at] = next
		}
	}
	if err := os.MkdirAll(filepath.Join(f.dir, folder), 0o755); err != nil {
		return 255, err
	}
	// Under another name first: a file of the pool is never written into.
	whole := filepath.Join(f.dir, pool)
	if err := os.WriteFile(whole+".new", data, 0o644); err != nil {
		return 255, err
	}
	f.unpool(gone)
	return 255, os.Rename(whole+".new", whole)
}

// write exports a suite: an index of sources is there packed only, as reprepro has it by default.
func (f *fake) write(conf debian.Paragraph, code string) error {
	dist := filepath.Join(f.dir, "dists", code)
	var list strings.Builder
	arches := strings.Fields(conf.Get("Architectures"))
	for _, component := range strings.Fields(conf.Get("Components")) {
		for _, arch := range arches {
			index := path.Join(component, "binary-"+arch, "Packages")
			if arch == "source" {
				index = path.Join(component, "source", "Sources")
			}
			var text bytes.Buffer
			for _, e := range f.all[code] {
				if e.Component == component && e.Arch == arch {
					fmt.Fprintf(&text, "%s\n", e.Stanza)
				}
			}
			to := filepath.Join(dist, filepath.FromSlash(index))
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			fmt.Fprintf(&list, " %x %d %s\n", sha256.Sum256(text.Bytes()), text.Len(), index)
			if arch != "source" {
				if err := os.WriteFile(to, text.Bytes(), 0o644); err != nil {
					return err
				}
			}
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			if _, err := z.Write(text.Bytes()); err != nil {
				return err
			}
			if err := z.Close(); err != nil {
				return err
			}
			fmt.Fprintf(&list, " %x %d %s.gz\n", sha256.Sum256(packed.Bytes()), packed.Len(), index)
			if err := os.WriteFile(to+".gz", packed.Bytes(), 0o644); err != nil {
				return err
			}
		}
	}
	head := ""
	for _, field := range []string{"Origin", "Label", "Suite", "Codename"} {
		if v := conf.Get(field); v != "" {
			head += field + ": " + v + "\n"
		}
	}
	head += "Date: Mon, 01 Jan 2001 00:00:00 UTC\n"
	if conf.Get("ValidFor") == "10d" {
		head += "Valid-Until: Thu, 11 Jan 2001 00:00:00 UTC\n"
	}
	binary := slices.DeleteFunc(arches, func(a string) bool { return a == "source" })
	head += fmt.Sprintf("Architectures: %s\nComponents: %s\nSHA256:\n", strings.Join(binary, " "), conf.Get("Components"))
	return os.WriteFile(filepath.Join(dist, "Release"), []byte(head+list.String()), 0o644)
}
