package debian

import (
	"io"
	"slices"
	"strconv"
	"strings"
)

const (
	arMagic      = "!<arch>\n"
	arHeader     = 60
	arMaxMembers = 16
)

// Member is one member of the ar archive that a binary package is.
type Member struct {
	Name   string // without the slash that some writers put after it
	Offset int64  // of its first byte in the package
	Size   int64
}

// readAr lists the members of an ar archive without reading them. Names are short and plain: no
// tables of long names, which binary packages never have.
func readAr(r io.ReaderAt, size int64) ([]Member, error) {
	bad := func(format string, args ...any) ([]Member, error) {
		return nil, invalid("deb", "Build the package again with dpkg-deb", "the package "+format, args...)
	}
	head := make([]byte, arHeader)
	if size < int64(len(arMagic)) || readAt(r, head[:len(arMagic)], 0) != nil || string(head[:len(arMagic)]) != arMagic {
		return bad("is no ar archive")
	}
	members := make([]Member, 0, 4)
	for at := int64(len(arMagic)); at < size; {
		if len(members) == arMaxMembers {
			return bad("has more than %d members", arMaxMembers)
		}
		if size-at < arHeader {
			return bad("ends inside a header, at byte %d", at)
		}
		if err := readAt(r, head, at); err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(strings.TrimRight(string(head[:16]), " "), "/")
		if !plainMember(name) {
			return bad("has a member with the name %q", shorten(name))
		}
		digits := strings.TrimRight(string(head[48:58]), " ")
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || digits == "" || strings.Trim(digits, "0123456789") != "" || string(head[58:]) != "`\n" {
			return bad("has a broken header at byte %d", at)
		}
		at += arHeader
		if n > size-at {
			return bad("ends inside its member %s", name)
		}
		if slices.ContainsFunc(members, func(m Member) bool { return m.Name == name }) {
			return bad("has the member %s twice", name)
		}
		members = append(members, Member{Name: name, Offset: at, Size: n})
		at += n
		if n%2 == 1 && at < size {
			if err := readAt(r, head[:1], at); err != nil {
				return nil, err
			}
			if head[0] != '\n' {
				return bad("has a wrong byte of padding after %s", name)
			}
			at++
		}
	}
	return members, nil
}

func readAt(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func plainMember(name string) bool {
	if name == "" {
		return false
	}
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.ContainsRune("._-", c)) {
			return false
		}
	}
	return true
}
