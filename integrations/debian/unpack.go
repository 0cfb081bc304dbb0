package debian

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"slipway/bot/errs"
)

// maxWindow bounds the memory of a decompressor. xz -9 uses 64 MiB, zstd --ultra 128 MiB.
const maxWindow = 128 << 20

// unpack reads the member m, whose name begins with base, decompressed. Reading more than most
// bytes fails: what is small on disk must not fill the memory or the time of the reader. What
// gunzip read before is forgotten.
func unpack(r io.ReaderAt, m Member, base string, most int64, gunzip *gzip.Reader) (io.ReadCloser, error) {
	section := io.NewSectionReader(r, m.Offset, m.Size)
	var plain io.Reader
	closer := func() {}
	switch m.Name[len(base):] {
	case "":
		plain = section
	case ".gz":
		if err := gunzip.Reset(section); err != nil {
			return nil, packed(m.Name, err)
		}
		plain = gunzip
	case ".xz":
		if err := checkXZ(section, m.Size, most); err != nil {
			return nil, packed(m.Name, err)
		}
		z, err := xz.ReaderConfig{SingleStream: true, DictCap: 64 << 10}.NewReader(section)
		if err != nil {
			return nil, packed(m.Name, err)
		}
		plain = z
	case ".zst":
		z, err := zstd.NewReader(section, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(uint64(max(most, maxWindow))))
		if err != nil {
			return nil, packed(m.Name, err)
		}
		plain, closer = z, z.Close
	default:
		return nil, invalid("deb", "Build the package with xz, zstd, gzip or no compression",
			"the package has a member %s, compressed in an unknown way", m.Name)
	}
	return &unpacked{plain, closer, m.Name, most}, nil
}

func packed(name string, err error) error {
	return errs.E("debian.deb", errs.Invalid, fmt.Errorf("%s of the package cannot be decompressed: %w", name, err)).
		Hint("Check that the package is whole")
}

type unpacked struct {
	r     io.Reader
	close func()
	name  string
	left  int64
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

func (u *unpacked) Close() error { u.close(); return nil }

// checkXZ walks the index of an xz stream (the .xz file format 1.2, sections 2 to 4) and refuses
// it before anything is decompressed if its blocks want more memory or give more bytes than
// allowed. Only one stream is read: apt and dpkg differ on what follows the first.
func checkXZ(r io.ReaderAt, size, most int64) error {
	const head, foot, maxIndex = 12, 12, 1 << 20
	b := make([]byte, foot)
	if size < head+foot+8 || readAt(r, b[:6], 0) != nil || string(b[:6]) != "\xfd7zXZ\x00" {
		return fmt.Errorf("it is no xz stream")
	}
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
		if err := checkXZBlock(r, at); err != nil {
			return err
		}
		at += (int64(packed) + 3) &^ 3
	}
	if at != size-foot-length {
		return fmt.Errorf("its index does not match its blocks")
	}
	return nil
}

// checkXZBlock refuses a block whose only filter is not LZMA2 with a dictionary within bounds.
func checkXZBlock(r io.ReaderAt, at int64) error {
	b := make([]byte, 32)
	n, _ := r.ReadAt(b, at)
	in := bytes.NewReader(b[min(n, 1):n])
	flags, err := in.ReadByte()
	if err != nil || flags&0x3f != 0 {
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
	return nil
}
