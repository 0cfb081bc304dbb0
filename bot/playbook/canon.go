package playbook

import (
	"bytes"
	"errors"
	"sort"
	"strconv"

	"slipway/bot/errs"
)

// writeCanonical writes n as one line of quoted text, lists and maps with sorted keys. Steps and
// the fields of forms are maps too: their order is kept in memory, for people, but two files
// that differ only in it mean the same.
func writeCanonical(b *bytes.Buffer, n *node) {
	switch n.kind {
	case emptyNode:
		b.WriteByte('~')
	case scalarNode:
		// Whether a scalar was quoted matters for true, false and numbers only where the place
		// takes more than text; there it was read already, and a wrong one refused.
		b.WriteString(strconv.Quote(n.text))
	case listNode:
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			writeCanonical(b, item)
		}
		b.WriteByte(']')
	case mapNode:
		entries := append([]entry(nil), n.entries...)
		sort.Slice(entries, func(i, j int) bool { return entries[i].key < entries[j].key })
		b.WriteByte('{')
		for i, e := range entries {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Quote(e.key))
			b.WriteByte(':')
			writeCanonical(b, e.val)
		}
		b.WriteByte('}')
	}
}

// Canonical is the form of a playbook's source that its digest is of: comments and layout are not
// in it. Errors: [errs.Invalid] for what is no map in the YAML of playbooks.
func Canonical(source []byte) ([]byte, error) {
	n := root("playbook", source)
	if n == nil {
		return nil, errs.E("playbook.canonical", errs.Invalid, errors.New("this is no playbook"))
	}
	return canonical(n), nil
}
