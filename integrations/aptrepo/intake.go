package aptrepo

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"slipway/bot/errs"
	"slipway/integrations/debian"
)

// part is one file on its way into the pool.
type part struct {
	name string // in the pool
	from string // where its bytes lie on the disk: the file itself, or a copy in ROOT/tmp
	size int64
	sums sums
}

// arrival is one package that was read: a .deb, or a .dsc with its files.
type arrival struct {
	row
	component string
	parts     []part // a .dsc comes first
}

// folder is the place of a file: its neighbours are opened from it.
type folder struct {
	fsys fs.FS
	dir  string
}

func (f folder) path(name string) string {
	if f.fsys != nil {
		return path.Join(f.dir, name)
	}
	return filepath.Join(f.dir, name)
}

func (f folder) open(name string) (fs.File, error) {
	if f.fsys != nil {
		return f.fsys.Open(f.path(name))
	}
	return os.Open(f.path(name))
}

// want is what an upload says of one of its files.
type want struct {
	name      string
	sums      sums
	size      int64
	folder    folder
	component string
}

// intake reads what is to be added.
type intake struct {
	suite Suite
	root  string
	temp  string // folder for copies
	link  bool
	sync  *pending
	algs  []Algorithm
	dev   uint64    // of the file system of root, where links can be
	tools sync.Pool // of *tools
}

// tools are memory that is used for one package after the other.
type tools struct {
	data []byte
	deb  debian.DebReader
}

// read reads every file once: hashes, control data and, where the pool cannot link, the copy.
func (in *intake) read(ctx context.Context, files []File) ([]arrival, error) {
	var wants []want
	for _, f := range files {
		w, err := in.expand(f)
		if err != nil {
			return nil, err
		}
		wants = append(wants, w...)
	}
	if in.link {
		var root unix.Stat_t
		if err := unix.Stat(in.root, &root); err != nil {
			return nil, fmt.Errorf("%s: %w", in.root, err)
		}
		in.dev = uint64(root.Dev)
	}
	all := make([]arrival, len(wants))
	return all, inParallel(ctx, len(wants), func(i int) (err error) {
		w, prefix := wants[i], strconv.Itoa(i)+"."
		if strings.HasSuffix(w.name, ".dsc") {
			all[i], err = in.dsc(w, prefix)
		} else {
			all[i], err = in.deb(w, prefix)
		}
		if err != nil {
			return about(w.name, err)
		}
		return nil
	})
}

func (in *intake) expand(f File) ([]want, error) {
	place, name := folder{f.FS, filepath.Dir(f.Path)}, filepath.Base(f.Path)
	if f.FS != nil {
		place, name = folder{f.FS, path.Dir(f.Path)}, path.Base(f.Path)
	}
	if f.Component != "" && !slices.Contains(in.suite.Components, f.Component) {
		return nil, errs.E("aptrepo.read", errs.Invalid, fmt.Errorf("%s is for component %q, which suite %s does not have", name, f.Component, in.suite.Name)).
			Hint("it has: %s", strings.Join(in.suite.Components, ", "))
	}
	own := want{name: name, size: -1, folder: place, component: f.Component}
	switch path.Ext(name) {
	case ".deb", ".dsc":
		return []want{own}, nil
	case ".changes":
	default:
		return nil, errs.E("aptrepo.read", errs.Invalid, fmt.Errorf("%s is not a .deb, .dsc or .changes file", name)).
			Hint("name the files of packages")
	}
	file, err := place.open(name)
	if err != nil {
		return nil, about(name, err)
	}
	defer file.Close()
	p, err := description(name, file)
	if err != nil {
		return nil, about(name, err)
	}
	listed, err := checksums(p)
	if err != nil {
		return nil, about(name, err)
	}
	var wants []want
	for _, l := range listed {
		if ext := path.Ext(l.name); ext == ".deb" || ext == ".dsc" {
			l.folder, l.component = place, f.Component
			wants = append(wants, l)
		}
	}
	if len(wants) == 0 {
		return nil, errs.E("aptrepo.read", errs.Invalid, fmt.Errorf("%s lists no .deb and no .dsc", name)).Hint("use the .changes of a build")
	}
	return wants, nil
}

// description reads a .dsc or .changes, signed or not. Who signed it is not looked at here.
func description(name string, r io.Reader) (debian.Paragraph, error) {
	const most = 8 << 20
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if len(text) > most {
		return nil, errs.E("aptrepo.read", errs.Invalid, fmt.Errorf("it has more than %d bytes", most)).Hint("use a file that dpkg wrote")
	}
	if debian.IsSigned(text) {
		signed, err := debian.Unsign(name, text)
		if err != nil {
			return nil, err
		}
		text = signed.Text
	}
	return debian.ParseParagraph(name, text)
}

// checksums reads the lists of a .dsc or .changes; SHA256 must be there (Debian Policy 5.6.24).
func checksums(p debian.Paragraph) ([]want, error) {
	bad := func(format string, args ...any) ([]want, error) {
		return nil, errs.E("aptrepo.read", errs.Invalid, fmt.Errorf(format, args...)).Hint("build it again with dpkg")
	}
	var all []want
	for _, alg := range []Algorithm{SHA256, SHA1, MD5Sum, SHA512} {
		for _, l := range p.Lines(alg.checksumField()) {
			f := strings.Fields(l)
			if len(f) < 3 {
				return bad("%s has the line %q", alg.checksumField(), l)
			}
			name := f[len(f)-1]
			size, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil || size < 0 || !nameForm.MatchString(strings.ReplaceAll(name, ":", "")) || len(f[0]) != alg.new().Size()*2 {
				return bad("%s has the line %q", alg.checksumField(), l)
			}
			i := slices.IndexFunc(all, func(w want) bool { return w.name == name })
			switch {
			case alg == SHA256 && i >= 0:
				return bad("it lists %s twice", name)
			case alg == SHA256:
				all, i = append(all, want{name: name, size: size}), len(all)
			case i < 0:
				return bad("it lists %s without a SHA256", name)
			case all[i].size != size:
				return bad("it gives %s two sizes", name)
			}
			all[i].sums[alg] = strings.ToLower(f[0])
		}
	}
	if len(all) == 0 {
		return bad("it has no Checksums-Sha256")
	}
	return all, nil
}

// matches holds what was read against what was listed.
func (w want) matches(p part) error {
	ok := w.size < 0 || w.size == p.size
	for a := range algorithms {
		ok = ok && (w.sums[a] == "" || p.sums[a] == "" || w.sums[a] == p.sums[a])
	}
	if !ok {
		return errs.E("aptrepo.read", errs.Invalid, fmt.Errorf("%s is not the file that is listed: its size or checksum differs", w.name)).
			Hint("copy it again, or make the list again")
	}
	return nil
}
