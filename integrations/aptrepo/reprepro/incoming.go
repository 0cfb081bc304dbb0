package reprepro

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
)

// largest is the most that a .dsc or .changes may have, in bytes.
const largest = 8 << 20

// arrival is a package on its way in: its file lies on the disk, and its index is that of one
// architecture, "all" or "source".
type arrival struct {
	item
	path string
}

// incoming copies what is to be added, with the files that it lists, and reads it.
type incoming struct {
	temp  string
	suite aptrepo.Suite
	known debian.Release // of the suite, as reprepro has it
}

func (in incoming) read(ctx context.Context, files []aptrepo.File) (all []arrival, err error) {
	for n, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		one := taker{dir: filepath.Join(in.temp, strconv.Itoa(n)), from: f.FS, folder: filepath.Dir(f.Path)}
		name := filepath.Base(f.Path)
		if f.FS != nil {
			one.folder, name = path.Dir(f.Path), path.Base(f.Path)
		}
		if err := os.MkdirAll(one.dir, 0o755); err != nil {
			return nil, err
		}
		got, err := in.file(one, name, f.Component)
		if err != nil {
			var ours *errs.Error
			if errors.As(err, &ours) {
				return nil, errs.E(op, errs.KindOf(err), fmt.Errorf("%s: %s", name, errs.Cause(err))).Hint("%s", errs.HintOf(err))
			}
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, got...)
	}
	return all, nil
}

func (in incoming) file(from taker, name, component string) ([]arrival, error) {
	sum, err := from.take(name)
	if err != nil {
		return nil, err
	}
	switch file := filepath.Join(from.dir, name); filepath.Ext(name) {
	case ".deb":
		a, err := in.deb(file, sum, component)
		return []arrival{a}, err
	case ".dsc":
		a, err := in.dsc(from, file, sum, component)
		return []arrival{a}, err
	case ".changes":
		text, err := readSmall(file)
		if err != nil {
			return nil, err
		}
		c, err := debian.ParseChanges(text)
		if err != nil {
			return nil, err
		}
		if err := from.listed(c.Files); err != nil {
			return nil, err
		}
		var all []arrival
		for _, f := range c.Files {
			if ext := filepath.Ext(f.Name); ext == ".deb" || ext == ".dsc" {
				got, err := in.file(from, f.Name, component)
				if err != nil {
					return nil, err
				}
				all = append(all, got...)
			}
		}
		if len(all) == 0 {
			return nil, invalid("use the .changes of a build", "it lists no .deb and no .dsc")
		}
		return all, nil
	}
	return nil, invalid("name the files of packages", "it is not a .deb, .dsc or .changes file")
}

func (in incoming) component(asked, section string) (string, error) {
	switch area, _, _ := strings.Cut(section, "/"); {
	case asked == "" && slices.Contains(in.suite.Components, area):
		asked = area
	case asked == "":
		asked = in.suite.Components[0]
	}
	if !slices.Contains(in.suite.Components, asked) || !slices.Contains(in.known.Components, asked) {
		return "", invalid("it has: "+strings.Join(in.known.Components, ", "), "it is for the component %q, which suite %s does not have", asked, in.suite.Name)
	}
	return asked, nil
}

func (in incoming) deb(file, sum, component string) (a arrival, err error) {
	f, err := os.Open(file)
	if err != nil {
		return a, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return a, err
	}
	d, err := debian.ReadDeb(f, info.Size())
	if err != nil {
		return a, err
	}
	arch := d.Control.Get("Architecture")
	if arch != "all" && !slices.Contains(in.known.Architectures, arch) {
		return a, invalid("it has: "+strings.Join(in.known.Architectures, ", "), "it is for %s, which suite %s does not have", arch, in.suite.Name)
	}
	if component, err = in.component(component, d.Control.Get("Section")); err != nil {
		return a, err
	}
	a = arrival{item: newItem(component, arch, d.Control), path: file}
	a.sum, a.file = sum, ""
	return a, nil
}

func (in incoming) dsc(from taker, file, sum, component string) (a arrival, err error) {
	text, err := readSmall(file)
	if err != nil {
		return a, err
	}
	d, err := debian.ParseDSC(text)
	if err != nil {
		return a, err
	}
	if err := from.listed(d.Files); err != nil {
		return a, err
	}
	section := d.Fields.Get("Section")
	if component, err = in.component(component, section); err != nil {
		return a, err
	}
	v := d.Fields.Get("Version")
	return arrival{item: item{component: component, arch: "source", name: d.Source, version: v, source: d.Source, sourceVer: v, sum: sum,
		section: section, priority: d.Fields.Get("Priority")}, path: file}, nil
}

func readSmall(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > largest {
		return nil, invalid("use a file that dpkg wrote", "it has more than %d bytes", largest)
	}
	return os.ReadFile(file)
}

// taker copies files of one place into a folder.
type taker struct {
	dir    string
	from   fs.FS
	folder string
}

// take copies one file, and gives its SHA256. One that is there already is not copied again.
func (t taker) take(name string) (sum string, err error) {
	if name == "." || name == ".." || strings.ContainsAny(name, "/\\\n") {
		return "", invalid("give it the name that dpkg gives", "%q is no name of a file", name)
	}
	to := filepath.Join(t.dir, name)
	h := sha256.New()
	if f, err := os.Open(to); err == nil {
		_, err = io.Copy(h, f)
		return hex.EncodeToString(h.Sum(nil)), errors.Join(err, f.Close())
	}
	var in fs.File
	if t.from != nil {
		in, err = t.from.Open(path.Join(t.folder, name))
	} else {
		in, err = os.Open(filepath.Join(t.folder, name))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", errs.E(op, errs.NotFound, fmt.Errorf("the file %s is not there", name)).Hint("let the pipeline leave it among its artifacts")
	}
	if err != nil {
		return "", err
	}
	defer in.Close()
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(err, invalid("name the file itself", "%s is not a plain file", name))
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(io.MultiWriter(h, out), in)
	return hex.EncodeToString(h.Sum(nil)), errors.Join(err, out.Close())
}

// listed takes the files of a list, and holds them against it.
func (t taker) listed(files []debian.ListedFile) error {
	for _, f := range files {
		if _, err := t.take(f.Name); err != nil {
			return err
		}
	}
	return debian.Verify(files, func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(t.dir, name)) })
}

// redate sets the Date of a Release, and moves its Valid-Until alike.
func redate(text []byte, r debian.Release, change aptrepo.Change) []byte {
	var out bytes.Buffer
	for l := range bytes.Lines(text) {
		switch name, _, _ := bytes.Cut(l, []byte(":")); string(name) {
		case "Date":
			fmt.Fprintf(&out, "Date: %s\n", debian.FormatDate(change.Date))
		case "Valid-Until":
			fmt.Fprintf(&out, "Valid-Until: %s\n", debian.FormatDate(change.Date.Add(r.ValidUntil.Sub(r.Date))))
		default:
			out.Write(l)
		}
	}
	return out.Bytes()
}
