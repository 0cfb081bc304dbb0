package debian

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"slipway/bot/errs"
)

// maxWindow bounds the memory of a decompressor. xz -9 uses 64 MiB, zstd --ultra 128 MiB.
const maxWindow = 128 << 20

// unpack reads the member m, whose name begins with base, decompressed. Reading more than most
// bytes fails: what is small on disk must not fill the memory or the time of the reader. What
// u unpacked before is forgotten.
func unpack(r io.ReaderAt, m Member, base string, most int64, u *unpacker) (io.Reader, error) {
	section := io.NewSectionReader(r, m.Offset, m.Size)
	var plain io.Reader
	switch m.Name[len(base):] {
	case "":
		plain = section
	case ".gz":
		if err := u.gzip.Reset(section); err != nil {
			return nil, packed(m.Name, err)
		}
		plain = &u.gzip
	case ".xz":
		if err := checkXZ(section, m.Size, most); err != nil {
			return nil, packed(m.Name, err)
		}
		z, err := u.xz(section)
		if err != nil {
			return nil, packed(m.Name, err)
		}
		plain = z
	case ".zst":
		z, err := u.zst(section, most)
		if err != nil {
			return nil, packed(m.Name, err)
		}
		plain = z
	default:
		return nil, invalid("deb", "Build the package with xz, zstd, gzip or no compression",
			"the package has a member %s, compressed in an unknown way", m.Name)
	}
	return &unpacked{plain, m.Name, most}, nil
}

func packed(name string, err error) error {
	return errs.E("debian.deb", errs.Invalid, fmt.Errorf("%s of the package cannot be decompressed: %w", name, err)).
		Hint("Check that the package is whole")
}

type unpacked struct {
	r    io.Reader
	name string
	left int64
}

func (u *unpacked) Read(b []byte) (int, error) {
	if int64(len(b)) > u.left+1 {
		b = b[:u.left+1]
	}
	n, err := u.r.Read(b)
	u.left -= int64(n)
	switch {
	case u.left < 0:
		return 0, invalid("deb", "Check where the package comes from", "%s of the package is larger than allowed", u.name)
	case err != nil && err != io.EOF:
		return n, packed(u.name, err)
	}
	return n, err
}

// checkXZ walks the index of an xz stream (the .xz file format 1.2, sections 2 to 4) and refuses
// it before anything is decompressed if its blocks want more memory or give more bytes than
// allowed. Only one stream is read: apt and dpkg differ on what follows the first.
func checkXZ(r io.ReaderAt, size, most int64) error {
	const head, foot, maxIndex = 12, 12, 1 << 20
	b := make([]byte, foot)
	if size < head+foot+8 || readAt(r, b[:8], 0) != nil || string(b[:6]) != "\xfd7zXZ\x00" {
		return fmt.Errorf("it is no xz stream")
	}
	sum := checkSize(b[7])
	if readAt(r, b, size-foot) != nil || string(b[10:]) != "YZ" {
		return fmt.Errorf("it does not end like one xz stream")
	}
	length := (int64(binary.LittleEndian.Uint32(b[4:8])) + 1) * 4
	if length > maxIndex || length > size-head-foot {
		return fmt.Errorf("its index has an impossible size")
	}
	index := make([]byte, length)
	if err := readAt(r, index, size-foot-length); err != nil {
		return err
	}
	if index[0] != 0 {
		return fmt.Errorf("its index is missing")
	}
	in := bytes.NewReader(index[1:])
	count, err := binary.ReadUvarint(in)
	if err != nil || count > uint64(length) {
		return fmt.Errorf("its index is broken")
	}
	at, total := int64(head), uint64(0)
	for range count {
		packed, err1 := binary.ReadUvarint(in)
		plain, err2 := binary.ReadUvarint(in)
		if err1 != nil || err2 != nil || packed == 0 || packed > uint64(size) || plain > 1<<50 {
			return fmt.Errorf("its index is broken")
		}
		if total += plain; total > uint64(most) {
			return fmt.Errorf("it holds more than %d bytes", most)
		}
		if err := checkXZBlock(r, at, int64(packed)-sum); err != nil {
			return err
		}
		at += (int64(packed) + 3) &^ 3
	}
	if at != size-foot-length {
		return fmt.Errorf("its index does not match its blocks")
	}
	return nil
}

// checkSize is the length of the check at the end of each block, in bytes (section 2.1.1.2).
func checkSize(flags byte) int64 {
	return [...]int64{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}[flags&15]
}

// checkXZBlock refuses a block whose only filter is not LZMA2 with a dictionary within bounds, or
// that ends elsewhere than its index says: a reader goes on where the block really ends, and what
// it meets there must have been looked at. size is without the check.
func checkXZBlock(r io.ReaderAt, at, size int64) error {
	b := make([]byte, 32)
	n, _ := r.ReadAt(b, at)
	in := bytes.NewReader(b[min(n, 1):n])
	flags, err := in.ReadByte()
	if err != nil || b[0] == 0 || flags&0x3f != 0 {
		return fmt.Errorf("it uses other filters than LZMA2")
	}
	for _, bit := range []byte{0x40, 0x80} {
		if flags&bit != 0 {
			if _, err := binary.ReadUvarint(in); err != nil {
				return fmt.Errorf("a block of it is broken")
			}
		}
	}
	var filter [3]byte
	if _, err := io.ReadFull(in, filter[:]); err != nil || filter[0] != 0x21 || filter[1] != 1 {
		return fmt.Errorf("it uses other filters than LZMA2")
	}
	// The dictionary is 2|odd bit, shifted: 40 stands for 4 GiB less one byte.
	bits := filter[2]
	if bits > 40 || uint64(2|bits&1)<<(bits/2+11) > maxWindow {
		return fmt.Errorf("it needs more than %d MiB of memory", maxWindow>>20)
	}
	header := (int64(b[0]) + 1) * 4
	if header >= size || !chunks(io.NewSectionReader(r, at+header, size-header)) {
		return fmt.Errorf("its index does not match its blocks")
	}
	return nil
}

// chunks reports whether r is LZMA2 data that ends where r ends: chunks with a control byte each,
// the last of which is zero.
func chunks(r *io.SectionReader) bool {
	in := bufio.NewReaderSize(r, int(min(r.Size(), 32<<10)))
	for {
		control, err := in.ReadByte()
		if err != nil {
			return false
		}
		rest := 0 // of the chunk's header, after its size
		switch {
		case control == 0:
			_, err := in.ReadByte()
			return err == io.EOF
		case control >= 0x80: // compressed: first the size of what it gives
			if _, err := in.Discard(2); err != nil {
				return false
			}
			if control >= 0xc0 {
				rest = 1
			}
		case control > 2:
			return false
		}
		var size [2]byte
		if _, err := io.ReadFull(in, size[:]); err != nil {
			return false
		}
		if _, err := in.Discard(int(binary.BigEndian.Uint16(size[:])) + 1 + rest); err != nil {
			return false
		}
	}
}
