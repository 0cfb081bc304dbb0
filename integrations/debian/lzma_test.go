package debian

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"
)

// packedAs is plain as an xz stream of one block.
func packedAs(t testing.TB, plain []byte, c xz.WriterConfig) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := c.NewWriter(&out)
	if err == nil {
		_, err = z.Write(plain)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// someTexts are of all kinds of chunks: what cannot be packed, long and short repetitions.
func someTexts() [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 70_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	var words strings.Builder
	for words.Len() < 300_000 {
		fmt.Fprintf(&words, "%s-%d ", [...]string{"usr", "share", "doc", "lib", "README"}[r.IntN(5)], r.IntN(1000))
	}
	mixed := append(append(bytes.Clone(noise), words.String()...), noise...)
	return [][]byte{[]byte("a"), []byte(strings.Repeat("ab", 700)), make([]byte, 10_240), noise, []byte(words.String()), mixed}
}

func TestSmallStreamsAreReadAsTheLibraryReadsThem(t *testing.T) {
	var u unpacker // one for all: nothing of one stream is left in the next
	for _, plain := range someTexts() {
		for _, c := range []xz.WriterConfig{{}, {DictCap: 64 << 10}, {CheckSum: xz.CRC32}} {
			packed := packedAs(t, plain, c)
			if !u.small(packed) {
				t.Errorf("%d bytes, packed %d, with %+v are not read", len(plain), len(packed), c)
			} else if !bytes.Equal(u.plain, plain) {
				t.Errorf("%d bytes with %+v are read as other ones", len(plain), c)
			}
		}
	}
}

func TestDamagedSmallStreamsAreNotReadAsOtherOnes(t *testing.T) {
	var u unpacker
	for _, plain := range someTexts()[:3] {
		packed := packedAs(t, plain, xz.WriterConfig{})
		for i := range packed {
			for _, bit := range []byte{1, 0x10, 0x80} {
				bad := bytes.Clone(packed)
				if bad[i] ^= bit; u.small(bad) && !bytes.Equal(u.plain, plain) { // some bits mean nothing
					t.Fatalf("%d bytes are read as other ones when byte %d is another", len(plain), i)
				}
			}
			if u.small(packed[:i]) {
				t.Fatalf("%d bytes are read from the first %d bytes", len(plain), i)
			}
		}
	}
}

// What is read in memory, the library reads too, and as the same.
func FuzzSmallXZ(f *testing.F) {
	for _, plain := range someTexts()[:3] {
		f.Add(packedAs(f, plain, xz.WriterConfig{}))
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		if checkXZ(bytes.NewReader(packed), int64(len(packed)), smallPlain) != nil {
			return
		}
		var u unpacker
		if !u.small(packed) {
			return
		}
		z, err := xz.ReaderConfig{SingleStream: true}.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := io.ReadAll(z); err != nil || !bytes.Equal(plain, u.plain) {
			t.Fatalf("the library reads %d bytes, not %d: %v", len(plain), len(u.plain), err)
		}
	})
}

// Chunks are broken behind their checksums, too: nothing but an answer may come.
func FuzzLZMA2(f *testing.F) {
	for _, plain := range someTexts()[:3] {
		packed := packedAs(f, plain, xz.WriterConfig{})
		f.Add(packed[24 : len(packed)-32])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var d lzma2
		out, ok := d.decode(make([]byte, 0, 1<<16), data, 1<<20)
		if len(out) > 1<<16 {
			t.Fatal(len(out), ok)
		}
	})
}
