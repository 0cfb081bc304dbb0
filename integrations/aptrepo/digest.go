package aptrepo

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"sync"
)

// Algorithm is a checksum that Release files and indexes list.
type Algorithm uint8

// The algorithms, weakest first. apt counts MD5Sum and SHA1 as no security at all.
const (
	MD5Sum Algorithm = iota
	SHA1
	SHA256
	SHA512
	algorithms
)

// String is the name that Release fields and by-hash folders have.
func (a Algorithm) String() string {
	names := [...]string{"MD5Sum", "SHA1", "SHA256", "SHA512"}
	if int(a) < len(names) {
		return names[a]
	}
	return fmt.Sprintf("algorithm %d", uint8(a))
}

// stanzaField is the name that the field has in Packages.
func (a Algorithm) stanzaField() string {
	if a == MD5Sum {
		return "MD5sum"
	}
	return a.String()
}

// checksumField is the name that the list has in .dsc, .changes and Sources.
func (a Algorithm) checksumField() string {
	switch a {
	case MD5Sum:
		return "Files"
	case SHA1:
		return "Checksums-Sha1"
	case SHA256:
		return "Checksums-Sha256"
	}
	return "Checksums-Sha512"
}

func (a Algorithm) new() hash.Hash {
	switch a {
	case MD5Sum:
		return md5.New()
	case SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	}
	return sha512.New()
}

// sums are checksums in hexadecimal by algorithm; "" is one that was not made.
type sums [algorithms]string

// hashes feeds several algorithms at once.
type hashes struct {
	algs []Algorithm
	each []hash.Hash
}

func newHashes(algs []Algorithm) *hashes {
	h := &hashes{algs: algs}
	for _, a := range algs {
		h.each = append(h.each, a.new())
	}
	return h
}

func (h *hashes) Write(p []byte) (int, error) {
	for _, one := range h.each {
		one.Write(p)
	}
	return len(p), nil
}

func (h *hashes) sums() (s sums) {
	for i, a := range h.algs {
		s[a] = hex.EncodeToString(h.each[i].Sum(nil))
	}
	return s
}

// sumsOf hashes what is small, without the memory that a hash.Hash takes.
func sumsOf(data []byte, algs []Algorithm) (s sums) {
	var b [sha512.Size]byte
	for _, a := range algs {
		sum := b[:0]
		switch a {
		case MD5Sum:
			one := md5.Sum(data)
			sum = append(sum, one[:]...)
		case SHA1:
			one := sha1.Sum(data)
			sum = append(sum, one[:]...)
		case SHA256:
			one := sha256.Sum256(data)
			sum = append(sum, one[:]...)
		case SHA512:
			one := sha512.Sum512(data)
			sum = append(sum, one[:]...)
		}
		s[a] = hex.EncodeToString(sum)
	}
	return s
}

// sumPieces hashes a text in pieces, every algorithm on its own when the text is large.
func sumPieces(pieces [][]byte, algs []Algorithm) (s sums, size int64) {
	for _, p := range pieces {
		size += int64(len(p))
	}
	one := func(a Algorithm) {
		h := a.new()
		for _, p := range pieces {
			h.Write(p)
		}
		s[a] = hex.EncodeToString(h.Sum(nil))
	}
	if len(algs) == 1 || size < 1<<18 {
		for _, a := range algs {
			one(a)
		}
		return s, size
	}
	var wg sync.WaitGroup
	for _, a := range algs {
		wg.Go(func() { one(a) })
	}
	wg.Wait()
	return s, size
}

// withSHA256 is algs and SHA256, which tells contents apart whatever a suite lists.
func withSHA256(algs []Algorithm) []Algorithm {
	if slices.Contains(algs, SHA256) {
		return algs
	}
	return append(slices.Clone(algs), SHA256)
}
