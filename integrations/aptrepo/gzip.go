package aptrepo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/ulikunitz/xz"
	"golang.org/x/sync/errgroup"

	"slipway/bot/errs"
)

// Each member of our Packages.gz tells its own length in an extra field (RFC 1952 section
// 2.3.1.1), so that members can be told apart without unpacking them.
const (
	gzipLevel   = 6
	extraLen    = 8          // SI1 SI2 LEN and four bytes
	memberLenAt = 10 + 2 + 4 // header, XLEN, SI1 SI2 LEN
	memberHead  = memberLenAt + 4
	gzipTail    = 8 // CRC32, ISIZE
)

// extra is the field with room for the length.
func extra() []byte { return []byte{'S', 'W', 4, 0, 0, 0, 0, 0} }

// member is one member of a .gz and what it holds.
type member struct {
	packed []byte
	plain  int // length unpacked
	crc    uint32
}

// members takes a .gz of ours apart; nil when it is not one.
func members(gz []byte) (all []member) {
	for len(gz) > 0 {
		if len(gz) < memberHead+gzipTail || !bytes.HasPrefix(gz, []byte{0x1f, 0x8b, 8, 4}) ||
			binary.LittleEndian.Uint16(gz[10:]) != extraLen || !bytes.Equal(gz[12:16], extra()[:4]) {
			return nil
		}
		size := int(binary.LittleEndian.Uint32(gz[memberLenAt:]))
		if size < memberHead+gzipTail || size > len(gz) {
			return nil
		}
		tail := gz[size-gzipTail : size]
		all = append(all, member{packed: gz[:size:size], crc: binary.LittleEndian.Uint32(tail),
			plain: int(binary.LittleEndian.Uint32(tail[4:]))})
		gz = gz[size:]
	}
	return all
}

// packer makes members; its writers are reused.
type packer struct{ writers sync.Pool }

func (p *packer) pack(chunk []byte) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(len(chunk)/4 + 64)
	w, _ := p.writers.Get().(*gzip.Writer)
	if w == nil {
		var err error
		if w, err = gzip.NewWriterLevel(&out, gzipLevel); err != nil {
			return nil, err
		}
	} else {
		w.Reset(&out)
	}
	w.Extra = extra()
	if _, err := w.Write(chunk); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	p.writers.Put(w)
	packed := out.Bytes()
	binary.LittleEndian.PutUint32(packed[memberLenAt:], uint32(len(packed)))
	return packed, nil
}

// gzipPieces is the .gz of an index after edits, in pieces. Members of oldGz that the edits leave
// alone are used again, provided that oldGz fits old; their plain text is held against their CRC,
// so that a damaged index is not signed again.
func gzipPieces(old, oldGz []byte, edits []edit) ([][]byte, error) {
	return gzipMembers(old, oldGz, edits, cut)
}

// gzipMembers is [gzipPieces] for a text that is split otherwise.
func gzipMembers(old, oldGz []byte, edits []edit, cut func(text []byte) [][]byte) ([][]byte, error) {
	before := members(oldGz)
	total := 0
	for _, m := range before {
		total += m.plain
	}
	switch {
	case before == nil:
		before = []member{{plain: len(old)}} // none or another's: made as a whole
	case total != len(old):
		return nil, errs.E("aptrepo.index", errs.Corrupt, errors.New("an index and its .gz do not hold the same")).
			Hint("run check on the suite, and roll back to a generation that passes")
	}
	place := 0
	for _, m := range before {
		if m.packed != nil && crc32.ChecksumIEEE(old[place:place+m.plain]) != m.crc {
			return nil, errs.E("aptrepo.index", errs.Corrupt, fmt.Errorf("an index and its .gz differ behind byte %d", place)).
				Hint("run check on the suite, and roll back to a generation that passes")
		}
		place += m.plain
	}

	// Runs of members that stay or are made again; a member is touched by an edit at its very edge,
	// too, since whether a stanza begins a member depends on the stanza before it.
	type run struct {
		keep  *member
		plain [][]byte // to be cut, when keep is nil
	}
	var runs []run
	e, at := 0, 0
	for i := 0; i < len(before); {
		m := &before[i]
		if m.packed != nil && (e == len(edits) || edits[e].from > at+m.plain) {
			runs = append(runs, run{keep: m})
			at, i = at+m.plain, i+1
			continue
		}
		from, to, first := at, at+m.plain, e
		for i++; ; i++ {
			for e < len(edits) && edits[e].from <= to && edits[e].to <= to {
				e++
			}
			// An edit that ends at the edge touches the next member; one that goes beyond it does too.
			touches := e > first && edits[e-1].to == to || e < len(edits) && edits[e].from <= to
			if i == len(before) || !touches {
				break
			}
			to += before[i].plain
		}
		runs = append(runs, run{plain: spliceRange(old, from, to, edits[first:e])})
		at = to
	}

	var pack packer
	var todo [][]byte // chunks to compress
	var slots [][]int // for each run, its chunks
	for _, r := range runs {
		var mine []int
		if r.keep == nil {
			text := join(r.plain)
			if len(text) == 0 && len(runs) > 1 {
				slots = append(slots, nil)
				continue
			}
			for _, c := range cut(text) {
				mine = append(mine, len(todo))
				todo = append(todo, c)
			}
		}
		slots = append(slots, mine)
	}
	packed := make([][]byte, len(todo))
	var g errgroup.Group
	g.SetLimit(workers())
	for i, chunk := range todo {
		g.Go(func() (err error) {
			packed[i], err = pack.pack(chunk)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var pieces [][]byte
	for i, r := range runs {
		if r.keep != nil {
			pieces = append(pieces, r.keep.packed)
			continue
		}
		for _, slot := range slots[i] {
			pieces = append(pieces, packed[slot])
		}
	}
	if len(pieces) == 0 { // everything went
		empty, err := pack.pack(nil)
		return [][]byte{empty}, err
	}
	return pieces, nil
}

func join(pieces [][]byte) []byte {
	if len(pieces) == 1 {
		return pieces[0]
	}
	return bytes.Join(pieces, nil)
}

// unpack reads a .gz or .xz whole, every member of it.
func unpack(c Compression, packed []byte) ([]byte, error) {
	if c == Plain {
		return packed, nil
	}
	if c == XZ {
		r, err := xz.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// xzOf is text as one stream, the only kind that apt reads to its end.
func xzOf(pieces [][]byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := xz.WriterConfig{CheckSum: xz.CRC64}.NewWriter(&out)
	if err != nil {
		return nil, err
	}
	for _, p := range pieces {
		if _, err := w.Write(p); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
