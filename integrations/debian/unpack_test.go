package debian

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"runtime"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"
)

// inBlocks is plain as an xz stream of blocks of that many bytes.
func inBlocks(t *testing.T, plain string, size int64) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := xz.WriterConfig{DictCap: 64 << 10, BlockSize: size}.NewWriter(&out)
	if err == nil {
		_, err = z.Write([]byte(plain))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// hungry makes the dictionary of the block at data[at] one of 4 GiB; the block's header stays whole.
func hungry(data []byte, at int) {
	header := data[at : at+(int(data[at])+1)*4]
	header[bytes.Index(header, []byte{0x21, 1})+2] = 40
	binary.LittleEndian.PutUint32(header[len(header)-4:], crc32.ChecksumIEEE(header[:len(header)-4]))
}

// merged writes the index of a stream anew, as if it had a single block.
func merged(data []byte) []byte {
	length := (int(binary.LittleEndian.Uint32(data[len(data)-8:])) + 1) * 4
	blocks := data[:len(data)-12-length]
	index := binary.AppendUvarint([]byte{0, 1}, uint64(len(blocks)-12))
	index = binary.AppendUvarint(index, 2048)
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))
	foot := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	foot = append(foot, data[6:8]...)
	out := append(bytes.Clone(blocks), index...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(foot))
	return append(append(out, foot...), 'Y', 'Z')
}

// secondBlock is where the second block of an xz stream begins.
func secondBlock(t *testing.T, data []byte) int {
	t.Helper()
	at := bytes.LastIndex(data, data[12:20])
	if at <= 12 {
		t.Fatal("there is no second block")
	}
	return at
}

// What a member says of the memory that it needs is not allocated before it is judged, wherever it
// is said.
func TestHugeDictionariesAreRefusedAndNotAllocated(t *testing.T) {
	control := tarOf("./control", helloControl)
	packed := inBlocks(t, control, int64(len(control)/2))
	pack := func(member []byte) []byte {
		return ar("debian-binary", "2.0\n", "control.tar.xz", string(member), "data.tar", "")
	}
	if _, err := readDeb(pack(packed)); err != nil {
		t.Fatal(err)
	}
	first, later := bytes.Clone(packed), bytes.Clone(packed)
	hungry(first, 12)
	hungry(later, secondBlock(t, later))
	for _, c := range []struct {
		why    string
		member []byte
	}{
		{"MiB of memory", first},
		{"MiB of memory", later},
		// The index tells of one block, and the reader would meet the second all the same.
		{"does not match its blocks", merged(later)},
		{"does not match its blocks", merged(packed)},
	} {
		data := pack(c.member)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := readDeb(data)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("want %q, got %v", c.why, err)
		}
		if made := after.TotalAlloc - before.TotalAlloc; made > 8<<20 {
			t.Errorf("%s: %d bytes were allocated", c.why, made)
		}
	}
}
