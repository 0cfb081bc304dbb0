package aptrepo

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"slipway/bot/errs"
	"slipway/integrations/debian"
)

// A Contents index says which packages have a file (DebianRepository/Format, "Contents" indices):
// a line is the path, a blank, and the packages as section/name with commas between them. Lines are
// sorted by path. Since paths may have blanks, the last one counts. The index of the generation
// before is the database here too: only the packages that changed are read, from the pool.

// contents is the path of the list of files of what an index offers.
func (i index) contents() string { return i.component + "/Contents-" + i.arch }

// owned is a file of a package.
type owned struct{ path, owner string }

// writeContents makes the list of files of an index, or takes over that of the base.
func (b *build) writeContents(ib *indexBuild, lists *fileLists) ([]written, error) {
	name := ib.contents()
	if ib.keep && b.contentsLinkable(ib.index) {
		plain, _ := b.base.release.find(name)
		packed, _ := b.base.release.find(name + string(Gzip))
		return []written{{plain, false}, {packed, true}}, b.link(filepath.Join(b.base.dir, filepath.FromSlash(packed.path)), packed.path)
	}
	text := ib.old
	if ib.keep {
		var err error
		if text, err = b.base.text(ib.index); err != nil {
			return nil, err
		}
	}
	var gone map[string]bool
	var rows []row
	old, oldGz, found := b.base.contents(ib.index)
	var err error
	if found {
		gone, rows, err = changedRows(text, ib.edits)
	} else {
		err = eachRow(join(splice(text, ib.edits)), false, func(r row) error { rows = append(rows, r); return nil })
	}
	if err != nil {
		return nil, err
	}
	files, err := lists.of(rows)
	if err != nil {
		return nil, err
	}
	edits, err := contentsEdits(old, gone, files)
	if err != nil {
		return nil, err
	}
	packed, err := gzipMembers(old, oldGz, edits, cutLines)
	if err != nil {
		return nil, err
	}
	list := []written{{entry{path: name}, false}, {entry{path: name + string(Gzip)}, true}}
	list[0].sums, list[0].size = sumPieces(splice(old, edits), b.suite.Algorithms)
	list[1].sums, list[1].size = sumPieces(packed, b.suite.Algorithms)
	return list, b.put(list[1].path, packed...)
}

// contentsLinkable reports whether the base has the list in the form that the suite ships.
func (b *build) contentsLinkable(i index) bool {
	if b.base == nil || slices.ContainsFunc(b.suite.Algorithms, func(a Algorithm) bool { return !slices.Contains(b.base.release.algs, a) }) {
		return false
	}
	e, listed := b.base.release.find(i.contents() + string(Gzip))
	_, plain := b.base.release.find(i.contents())
	info, err := os.Stat(filepath.Join(b.base.dir, filepath.FromSlash(i.contents()+string(Gzip))))
	return listed && plain && err == nil && info.Size() == e.size
}

// contents is the list of files of an index, plain and packed. One that is not there or is damaged
// is made again of the packages.
func (t *tree) contents(i index) (plain, packed []byte, found bool) {
	if t == nil {
		return nil, nil, false
	}
	e, listed := t.release.find(i.contents())
	packed, err := os.ReadFile(filepath.Join(t.dir, filepath.FromSlash(i.contents()+string(Gzip))))
	if err != nil || !listed {
		return nil, nil, false
	}
	plain, err = unpack(Gzip, packed)
	if err != nil || int64(len(plain)) != e.size {
		return nil, nil, false
	}
	return plain, packed, true
}

// changedRows are the packages that edits of an index touch: their names, and what is offered of
// them afterwards.
func changedRows(text []byte, edits []edit) (names map[string]bool, after []row, err error) {
	names = map[string]bool{}
	for _, e := range edits {
		for _, part := range [][]byte{text[e.from:e.to], e.text} {
			for at := 0; at < len(part); at = stanzaEnd(part, at) {
				name, err := nameAt(part, at)
				if err != nil {
					return nil, nil, err
				}
				names[string(name)] = true
			}
		}
		if err := eachRow(e.text, false, func(r row) error { after = append(after, r); return nil }); err != nil {
			return nil, nil, err
		}
	}
	return names, after, nil
}

// owner is a package as lines name it.
func owner(r row) string {
	section := line(r.text, "Section")
	if section == "" || strings.ContainsAny(section, " \t,") {
		return r.name
	}
	return section + "/" + r.name
}

// contentsEdits turns a list into one without the packages called gone and with the files of add,
// which are sorted. A path that nobody has any more goes.
func contentsEdits(old []byte, gone map[string]bool, add []owned) (edits []edit, err error) {
	n := 0
	insert := func(at int, more func(path string) bool) {
		var text []byte
		for n < len(add) && more(add[n].path) {
			first := n
			for n < len(add) && add[n].path == add[first].path {
				n++
			}
			text = appendLine(text, add[first].path, ownersOf(nil, nil, add[first:n]))
		}
		if len(text) > 0 {
			edits = append(edits, edit{at, at, text})
		}
	}
	for at := 0; at < len(old); {
		path, owners, end := contentsLine(old, at)
		if len(path) == 0 || len(owners) == 0 {
			return nil, errs.E("aptrepo.contents", errs.Corrupt, fmt.Errorf("byte %d of a list of files does not begin a line of it", at)).
				Hint("run check on the suite, and roll back to a generation that passes")
		}
		insert(at, func(p string) bool { return p < string(path) })
		first := n
		for n < len(add) && add[n].path == string(path) {
			n++
		}
		if n > first || names(owners, gone) {
			var text []byte
			if all := ownersOf(owners, gone, add[first:n]); len(all) > 0 {
				text = appendLine(nil, string(path), all)
			}
			if !bytes.Equal(text, old[at:end]) {
				edits = append(edits, edit{at, end, text})
			}
		}
		at = end
	}
	insert(len(old), func(string) bool { return true })
	return edits, nil
}

// contentsLine reads the line that begins at `at`; end is behind its newline. A line that is none
// has no path.
func contentsLine(text []byte, at int) (path, owners []byte, end int) {
	end = len(text)
	if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
		end = at + i + 1
	}
	l := bytes.TrimSuffix(text[at:end], []byte("\n"))
	blank := bytes.LastIndexByte(l, ' ')
	if blank < 0 {
		return nil, nil, end
	}
	return l[:blank], l[blank+1:], end
}

func appendLine(text []byte, path string, owners []string) []byte {
	text = append(append(text, path...), ' ')
	return append(append(text, strings.Join(owners, ",")...), '\n')
}

// names reports whether one of the packages is among owners.
func names(owners []byte, packages map[string]bool) bool {
	for len(packages) > 0 && len(owners) > 0 {
		one := owners
		if i := bytes.IndexByte(owners, ','); i >= 0 {
			one, owners = owners[:i], owners[i+1:]
		} else {
			owners = nil
		}
		if packages[string(one[bytes.LastIndexByte(one, '/')+1:])] {
			return true
		}
	}
	return false
}

// ownersOf are the owners of a path, sorted.
func ownersOf(before []byte, gone map[string]bool, add []owned) (all []string) {
	if len(before) > 0 {
		all = slices.DeleteFunc(strings.Split(string(before), ","), func(o string) bool { return gone[o[strings.LastIndexByte(o, '/')+1:]] })
	}
	for _, a := range add {
		all = append(all, a.owner)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// contentsChunk is about how many lines a member of a packed list has.
const contentsChunk = 1024

// cutLines splits a list of files as [cut] does an index: where a member begins depends on the path
// alone.
func cutLines(text []byte) (chunks [][]byte) {
	start := 0
	for at := 0; at < len(text); {
		path, _, end := contentsLine(text, at)
		if at > start && nameHash(path)%contentsChunk == 0 {
			chunks = append(chunks, text[start:at])
			start = at
		}
		at = end
	}
	if start < len(text) || len(chunks) == 0 {
		chunks = append(chunks, text[start:])
	}
	return chunks
}

// fileLists reads what packages of the pool hold.
type fileLists struct {
	root string
	mu   sync.Mutex
	all  map[string]func() ([]string, error) // of packages that each architecture offers
}

// of are the files of the packages, sorted.
func (l *fileLists) of(rows []row) (files []owned, err error) {
	found := make([][]string, len(rows))
	var g errgroup.Group
	g.SetLimit(workers())
	for n, r := range rows {
		g.Go(func() (err error) {
			found[n], err = l.read(r)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for n, paths := range found {
		o := owner(rows[n])
		for _, p := range paths {
			files = append(files, owned{p, o})
		}
	}
	slices.SortFunc(files, func(a, b owned) int {
		if c := strings.Compare(a.path, b.path); c != 0 {
			return c
		}
		return strings.Compare(a.owner, b.owner)
	})
	return files, nil
}

func (l *fileLists) read(r row) ([]string, error) {
	path := filepath.Join(l.root, filepath.FromSlash(r.filename))
	if r.arch != "all" {
		return debFiles(path)
	}
	l.mu.Lock()
	if l.all == nil {
		l.all = map[string]func() ([]string, error){}
	}
	once := l.all[path]
	if once == nil {
		once = sync.OnceValues(func() ([]string, error) { return debFiles(path) })
		l.all[path] = once
	}
	l.mu.Unlock()
	return once()
}

// debFiles are the paths of everything in a package that is no folder.
func debFiles(path string) (files []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, about(filepath.Base(path), err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	deb, err := debian.ReadDeb(f, info.Size())
	if err == nil {
		err = deb.Contents(f, func(p string) error { files = append(files, p); return nil })
	}
	if err != nil {
		return nil, about(filepath.Base(path), err)
	}
	return files, nil
}

// errUnordered says that a list of files is out of order.
var errUnordered = errors.New("its lines are not in order")

// checkContents holds a list of files against the index: it is sorted, and names what is offered.
func checkContents(text []byte, offered map[string]bool) error {
	last := ""
	for at := 0; at < len(text); {
		path, owners, end := contentsLine(text, at)
		if len(path) == 0 || len(owners) == 0 {
			return fmt.Errorf("its byte %d begins no line", at)
		}
		if at > 0 && string(path) <= last {
			return errUnordered
		}
		last = string(path)
		for o := range strings.SplitSeq(string(owners), ",") {
			if name := o[strings.LastIndexByte(o, '/')+1:]; !offered[name] {
				return fmt.Errorf("it has %q of the package %q, which is not offered", path, name)
			}
		}
		at = end
	}
	return nil
}
