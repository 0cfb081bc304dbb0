package debian

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// unpacker holds decompressors and their memory, to be used for one member after the other. The
// zero value is ready.
type unpacker struct {
	gzip gzip.Reader
	zstd *zstd.Decoder
	most int64         // of what zstd was made for
	in   *bufio.Reader // the library for xz reads byte by byte

	packed, plain []byte
	lzma          lzma2
}

// zst gives what a zstd stream holds; it can be used until the next call.
func (u *unpacker) zst(r io.Reader, most int64) (io.Reader, error) {
	if u.zstd != nil && u.most == most {
		return u.zstd, u.zstd.Reset(r)
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(uint64(max(most, maxWindow))))
	if err != nil {
		return nil, err
	}
	u.zstd, u.most = z, most
	return z, nil
}

// Bounds of xz streams that are unpacked in memory, in bytes.
const (
	smallXZ    = 256 << 10
	smallPlain = 1 << 20
)

// xz gives what an xz stream holds that passed checkXZ; it can be used until the next call.
func (u *unpacker) xz(section *io.SectionReader) (io.Reader, error) {
	if size := section.Size(); size <= smallXZ {
		if int64(cap(u.packed)) < size {
			u.packed = make([]byte, size, max(size, 4<<10))
		}
		u.packed = u.packed[:size]
		if err := readAt(section, u.packed, 0); err != nil {
			return nil, err
		}
		if u.small(u.packed) {
			return bytes.NewReader(u.plain), nil
		}
	}
	// What is large, or of a rare form, or broken: the library says what is wrong.
	if u.in == nil {
		u.in = bufio.NewReaderSize(section, 16<<10)
	} else {
		u.in.Reset(section)
	}
	return xz.ReaderConfig{SingleStream: true, DictCap: 64 << 10}.NewReader(u.in)
}

// small unpacks an xz stream of one block into u.plain (the .xz file format 1.2). It reports
// whether all checksums and lengths are right.
func (u *unpacker) small(data []byte) bool {
	const head, foot = 12, 12
	sealed := func(b []byte) bool { // ends with the CRC32 of the rest
		n := len(b) - 4
		return n >= 0 && binary.LittleEndian.Uint32(b[n:]) == crc32.ChecksumIEEE(b[:n])
	}
	if len(data) < head+foot+8 || string(data[:6]) != "\xfd7zXZ\x00" || string(data[len(data)-2:]) != "YZ" {
		return false
	}
	first, last := data[:head], data[len(data)-foot:]
	length := (int64(binary.LittleEndian.Uint32(last[4:])) + 1) * 4
	if length > int64(len(data)-head-foot-12) || !sealed(first[6:]) || first[6] != 0 || string(first[6:8]) != string(last[8:10]) ||
		binary.LittleEndian.Uint32(last) != crc32.ChecksumIEEE(last[4:10]) {
		return false
	}
	index := data[len(data)-foot-int(length) : len(data)-foot]
	block := data[head : len(data)-foot-int(length)]
	fields := bytes.NewReader(index[1:])
	count, err1 := binary.ReadUvarint(fields)
	unpadded, err2 := binary.ReadUvarint(fields)
	plain, err3 := binary.ReadUvarint(fields)
	if err1 != nil || err2 != nil || err3 != nil || index[0] != 0 || !sealed(index) || fields.Len() < 4 || fields.Len() > 7 ||
		count != 1 || plain > smallPlain || unpadded > uint64(len(block)) || (unpadded+3)&^3 != uint64(len(block)) ||
		!zeros(index[len(index)-fields.Len():len(index)-4]) {
		return false
	}
	header := block[:min((int(block[0])+1)*4, len(block))]
	sum := int(checkSize(first[7]))
	body := len(header)
	dict, ok := lzmaHeader(header, unpadded-uint64(body)-uint64(sum), plain)
	if !ok || !sealed(header) || body+sum > int(unpadded) {
		return false
	}
	packed, check := block[body:int(unpadded)-sum], block[len(block)-sum:] // padding between them
	if !zeros(block[body+len(packed) : len(block)-sum]) {
		return false
	}
	if uint64(cap(u.plain)) < plain {
		u.plain = make([]byte, 0, max(plain, 16<<10))
	}
	out, ok := u.lzma.decode(u.plain[:0:plain], packed, dict)
	u.plain = u.plain[:len(out)]
	switch first[7] {
	case 1:
		ok = ok && binary.LittleEndian.Uint32(check) == crc32.ChecksumIEEE(out)
	case 4:
		ok = ok && binary.LittleEndian.Uint64(check) == crc64.Checksum(out, crc64.MakeTable(crc64.ECMA))
	default:
		return false
	}
	return ok && uint64(len(out)) == plain
}

// lzmaHeader reads the header of a block that is LZMA2 alone, whose data has the lengths packed
// and plain: the size of its dictionary.
func lzmaHeader(header []byte, packed, plain uint64) (dict int, ok bool) {
	if len(header) < 12 || header[1]&0x3f != 0 {
		return 0, false
	}
	in := bytes.NewReader(header[2 : len(header)-4])
	for i, want := range [...]uint64{packed, plain} {
		if header[1]&(0x40<<i) != 0 {
			if n, err := binary.ReadUvarint(in); err != nil || n != want {
				return 0, false
			}
		}
	}
	var filter [3]byte
	if _, err := io.ReadFull(in, filter[:]); err != nil || filter[0] != 0x21 || filter[1] != 1 || filter[2] > 39 {
		return 0, false
	}
	return int(2|filter[2]&1) << (filter[2]/2 + 11), zeros(header[len(header)-4-in.Len() : len(header)-4])
}

func zeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
