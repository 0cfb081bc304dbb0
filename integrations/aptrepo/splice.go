package aptrepo

import "bytes"

// edit replaces the bytes [from, to) of an index by text. Lists of edits are sorted and do not
// overlap; insertions may share a place and then stand in their order.
type edit struct {
	from, to int
	text     []byte
}

// splice is the new text in pieces: what stays is not copied.
func splice(old []byte, edits []edit) [][]byte { return spliceRange(old, 0, len(old), edits) }

// spliceRange is what the bytes [from, to) of old have become; the edits lie within it.
func spliceRange(old []byte, from, to int, edits []edit) (pieces [][]byte) {
	at := from
	add := func(p []byte) {
		if len(p) > 0 {
			pieces = append(pieces, p)
		}
	}
	for _, e := range edits {
		add(old[at:e.from])
		add(e.text)
		at = e.to
	}
	add(old[at:to])
	return pieces
}

// A member of Packages.gz begins at the first stanza of a package whose name says so, about every
// chunkNames packages. Where it begins depends on nothing else, so that an insertion changes one
// member, and splicing gives the same bytes as building everything again.
const chunkNames = 128

func startsChunk(name []byte) bool { return nameHash(name)%chunkNames == 0 }

// nameHash is FNV-1a (draft-eastlake-fnv), mixed so that its low bits are good for similar names too.
func nameHash(name []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range name {
		h = (h ^ uint32(c)) * 16777619
	}
	h ^= h >> 15
	h *= 0x2c1b3c6d
	h ^= h >> 12
	return h
}

// cut splits text, which starts a chunk, into chunks.
func cut(text []byte) (chunks [][]byte) {
	var last []byte
	start := 0
	for at := 0; at < len(text); {
		name, err := nameAt(text, at)
		if err == nil && at > start && !bytes.Equal(name, last) && startsChunk(name) {
			chunks = append(chunks, text[start:at])
			start = at
		}
		last = name
		at = stanzaEnd(text, at)
	}
	if start < len(text) || len(chunks) == 0 {
		chunks = append(chunks, text[start:])
	}
	return chunks
}
