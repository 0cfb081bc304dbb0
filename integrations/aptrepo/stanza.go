package aptrepo

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"slipway/bot/errs"
)

// An index is read as bytes: a stanza starts with its Package field and ends with an empty line,
// and stanzas are sorted by package, then version, then architecture. That is the order in which
// this package writes them, and what makes binary search possible.

const packageField = "Package: "

// row is one stanza with what decisions need.
type row struct {
	name, version, arch, source string
	filename                    string // the .deb; for a source its .dsc, without its folder
	sum                         string // SHA256 of the .deb or the .dsc
	size                        int64  // of the same
	text                        []byte // the whole stanza with its empty line
}

// stanzaEnd is where the stanza that starts at `at` ends, behind its empty line.
func stanzaEnd(text []byte, at int) int {
	if i := bytes.Index(text[at:], []byte("\n\n")); i >= 0 {
		return at + i + 2
	}
	return len(text)
}

// nameAt is the package of the stanza that starts at `at`.
func nameAt(text []byte, at int) ([]byte, error) {
	rest, ok := bytes.CutPrefix(text[at:], []byte(packageField))
	end := bytes.IndexByte(rest, '\n')
	if !ok || end < 0 {
		return nil, errs.E("aptrepo.index", errs.Corrupt, fmt.Errorf("byte %d of an index does not begin a package", at)).
			Hint("run check on the suite, and roll back to a generation that passes")
	}
	return rest[:end], nil
}

// search is where the first stanza begins whose package is name or sorts behind it.
func search(text []byte, name string) (int, error) {
	lo, hi := 0, len(text) // both begin a stanza, and the answer is in [lo, hi]
	for lo < hi {
		at := lo
		if mid := lo + (hi-lo)/2; mid > lo {
			// The stanza that begins next behind the middle, or the first one when there is none.
			if next := stanzaEnd(text, mid-1); next < hi {
				at = next
			}
		}
		found, err := nameAt(text, at)
		if err != nil {
			return 0, err
		}
		if string(found) < name {
			lo = stanzaEnd(text, at)
		} else {
			if at == lo {
				return lo, nil
			}
			hi = at
		}
	}
	return lo, nil
}

// line is the value of a field that fits into one line, "" when the stanza has no such field.
func line(stanza []byte, field string) string {
	for rest := stanza; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest)
		}
		if end > len(field) && rest[len(field)] == ':' && string(rest[:len(field)]) == field {
			return strings.Trim(string(rest[len(field)+1:end]), " \t")
		}
		rest = rest[min(end+1, len(rest)):]
	}
	return ""
}

// rowsAt reads the stanzas of one package that begin at `at`, and says where they end.
func rowsAt(text []byte, at int, name string, sources bool) (rows []row, end int, err error) {
	for end = at; end < len(text); {
		found, err := nameAt(text, end)
		if err != nil {
			return nil, 0, err
		}
		if string(found) != name {
			break
		}
		next := stanzaEnd(text, end)
		r, err := readRow(text[end:next], sources)
		if err != nil {
			return nil, 0, err
		}
		rows = append(rows, r)
		end = next
	}
	return rows, end, nil
}

// readRow reads one stanza of Packages or Sources.
func readRow(stanza []byte, sources bool) (row, error) {
	name, err := nameAt(stanza, 0)
	if err != nil {
		return row{}, err
	}
	r := row{name: string(name), version: line(stanza, "Version"), text: stanza}
	if sources {
		r.arch, r.source = sourceArch, r.name
		for entry := range strings.Lines(block(stanza, SHA256.checksumField())) {
			if f := strings.Fields(entry); len(f) == 3 && strings.HasSuffix(f[2], ".dsc") {
				r.sum, r.filename = f[0], f[2]
				r.size, _ = strconv.ParseInt(f[1], 10, 64)
			}
		}
	} else {
		r.arch, r.filename, r.sum = line(stanza, "Architecture"), line(stanza, "Filename"), line(stanza, "SHA256")
		r.size, _ = strconv.ParseInt(line(stanza, "Size"), 10, 64)
		r.source = r.name
		if s, _, _ := strings.Cut(line(stanza, "Source"), " "); s != "" {
			r.source = s
		}
	}
	if r.version == "" || r.sum == "" || r.filename == "" {
		return row{}, errs.E("aptrepo.index", errs.Corrupt, fmt.Errorf("an index has package %s without a version, a file or a SHA256", r.name)).
			Hint("run check on the suite, and roll back to a generation that passes")
	}
	return r, nil
}

// block is the continuation lines of a field.
func block(stanza []byte, field string) string {
	at := bytes.Index(stanza, []byte("\n"+field+":"))
	if at < 0 {
		return ""
	}
	rest := stanza[at+1:]
	start := bytes.IndexByte(rest, '\n') + 1
	end := start
	for end < len(rest) && rest[end] == ' ' {
		next := bytes.IndexByte(rest[end:], '\n')
		if next < 0 {
			end = len(rest)
			break
		}
		end += next + 1
	}
	return string(rest[start:end])
}

// eachRow calls f for every stanza of an index in order.
func eachRow(text []byte, sources bool, f func(row) error) error {
	for at := 0; at < len(text); {
		end := stanzaEnd(text, at)
		r, err := readRow(text[at:end], sources)
		if err != nil {
			return err
		}
		if err := f(r); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// sourceVersion is the version of the source package that a binary package was built from. The
// field Source names it in parentheses where the two differ (Debian Policy 5.6.1).
func sourceVersion(r row) string {
	_, v, ok := strings.Cut(line(r.text, "Source"), "(")
	if v, closed := strings.CutSuffix(v, ")"); ok && closed {
		return strings.TrimSpace(v)
	}
	return r.version
}
