package debian

import "encoding/binary"

// lzma2 decodes LZMA2 data that lies in memory into memory. A control.tar is a kilobyte or two,
// and decoders for streams spend most of their time on making their tables: here they are used
// again. The format is that of the LZMA specification by Igor Pavlov, and of xz's lzma2_decoder.
// The zero value is ready.
type lzma2 struct {
	in        []byte // what is left of a chunk
	rng, code uint32
	short     bool // the chunk ended too early

	lc, lp, pb int
	state      int
	reps       [4]int

	match    [12][16]uint16
	rep      [12]uint16
	rep0     [12]uint16
	rep1     [12]uint16
	rep2     [12]uint16
	rep0Long [12][16]uint16
	slots    [4][64]uint16
	special  [128]uint16
	align    [16]uint16
	lens     [2]lzmaLengths // of matches, of repeated ones
	literals [0x300 << 4]uint16
}

type lzmaLengths struct {
	choice, choice2 uint16
	low, mid        [16][8]uint16
	high            [256]uint16
}

const (
	lzmaEven = 1 << 10 // a probability of one half
	lzmaTop  = 1 << 24
)

// decode appends what in holds to out, whose capacity bounds it. in must end where the data ends.
// dict is the size of the dictionary that the data asks for. False means that the data is broken
// or larger.
func (d *lzma2) decode(out, in []byte, dict int) ([]byte, bool) {
	start := -1 // of the dictionary in out
	ready := false
	for {
		if len(in) == 0 {
			return out, false
		}
		control := in[0]
		if control == 0 {
			return out, len(in) == 1
		}
		if control == 1 || control >= 0xe0 {
			start, ready = len(out), false
		}
		if start < 0 || len(in) < 3 {
			return out, false
		}
		size := int(binary.BigEndian.Uint16(in[1:])) + 1
		if control < 0x80 {
			in = in[3:]
			if control > 2 || size > len(in) || size > cap(out)-len(out) {
				return out, false
			}
			out, in = append(out, in[:size]...), in[size:]
			continue
		}
		head := 5
		if control >= 0xc0 {
			head = 6
		}
		if len(in) < head {
			return out, false
		}
		plain := int(control&0x1f)<<16 + size
		packed := int(binary.BigEndian.Uint16(in[3:])) + 1
		if head == 6 {
			if !d.properties(in[5]) {
				return out, false
			}
			ready = true
		}
		if control >= 0xa0 {
			d.reset()
		}
		if in = in[head:]; !ready || packed > len(in) || packed < 5 || plain > cap(out)-len(out) || in[0] != 0 {
			return out, false
		}
		d.rng, d.code, d.short, d.in = 1<<32-1, binary.BigEndian.Uint32(in[1:]), false, in[5:packed]
		var ok bool
		if out, ok = d.chunk(out, start, len(out)+plain, dict); !ok {
			return out, false
		}
		in = in[packed:]
	}
}

// properties reads the byte (pb * 5 + lp) * 9 + lc.
func (d *lzma2) properties(b byte) bool {
	d.lc, d.lp, d.pb = int(b)%9, int(b)/9%5, int(b)/45
	return d.pb <= 4 && d.lc+d.lp <= 4
}

func (d *lzma2) reset() {
	d.state, d.reps = 0, [4]int{}
	even := func(all []uint16) {
		for i := range all {
			all[i] = lzmaEven
		}
	}
	for i := range d.match {
		even(d.match[i][:])
		even(d.rep0Long[i][:])
	}
	for i := range d.slots {
		even(d.slots[i][:])
	}
	for _, all := range [][]uint16{d.rep[:], d.rep0[:], d.rep1[:], d.rep2[:], d.special[:], d.align[:], d.literals[:0x300<<(d.lc+d.lp)]} {
		even(all)
	}
	for i := range d.lens {
		l := &d.lens[i]
		l.choice, l.choice2 = lzmaEven, lzmaEven
		for j := range l.low {
			even(l.low[j][:])
			even(l.mid[j][:])
		}
		even(l.high[:])
	}
}

// chunk decodes one chunk: out grows to end bytes.
func (d *lzma2) chunk(out []byte, start, end, dict int) ([]byte, bool) {
	for len(out) < end && !d.short {
		at := len(out) - start
		pos := at & (1<<d.pb - 1)
		if d.bit(&d.match[d.state][pos]) == 0 {
			out = append(out, d.literal(out, start))
			switch {
			case d.state < 4:
				d.state = 0
			case d.state < 10:
				d.state -= 3
			default:
				d.state -= 6
			}
			continue
		}
		length, lens, next := 0, &d.lens[1], [2]int{8, 11} // of a repeated match, after other states
		switch {
		case d.bit(&d.rep[d.state]) == 0:
			lens, next = &d.lens[0], [2]int{7, 10}
			d.reps[1], d.reps[2], d.reps[3] = d.reps[0], d.reps[1], d.reps[2]
		case d.bit(&d.rep0[d.state]) == 0:
			if d.bit(&d.rep0Long[d.state][pos]) == 0 {
				length, next = 1, [2]int{9, 11}
			}
		case d.bit(&d.rep1[d.state]) == 0:
			d.reps[0], d.reps[1] = d.reps[1], d.reps[0]
		case d.bit(&d.rep2[d.state]) == 0:
			d.reps[0], d.reps[1], d.reps[2] = d.reps[2], d.reps[0], d.reps[1]
		default:
			d.reps[0], d.reps[1], d.reps[2], d.reps[3] = d.reps[3], d.reps[0], d.reps[1], d.reps[2]
		}
		if length == 0 {
			length = d.length(lens, pos)
		}
		if next[0] == 7 {
			d.reps[0] = d.distance(length)
		}
		if d.state < 7 {
			d.state = next[0]
		} else {
			d.state = next[1]
		}
		if back := d.reps[0]; back < 0 || back >= at || back >= dict || length > end-len(out) {
			return out, false
		}
		out = repeat(out, d.reps[0]+1, length)
	}
	d.normalize()
	return out, !d.short && len(d.in) == 0 && d.code == 0
}

// repeat appends length bytes that begin back bytes before the end, which they may overlap.
func repeat(out []byte, back, length int) []byte {
	at := len(out)
	out = out[:at+length]
	for done := 0; done < length; { // twice as much each time
		done += copy(out[at+done:], out[at-back:at+done])
	}
	return out
}

func (d *lzma2) normalize() {
	if d.rng < lzmaTop {
		if len(d.in) == 0 {
			d.short = true
			return
		}
		d.rng, d.code, d.in = d.rng<<8, d.code<<8|uint32(d.in[0]), d.in[1:]
	}
}

func (d *lzma2) bit(p *uint16) int {
	if d.rng < lzmaTop {
		d.normalize()
	}
	bound := d.rng >> 11 * uint32(*p)
	if d.code < bound {
		d.rng = bound
		*p += (1<<11 - *p) >> 5
		return 0
	}
	d.rng -= bound
	d.code -= bound
	*p -= *p >> 5
	return 1
}

// tree reads a number of so many bits, the highest first.
func (d *lzma2) tree(p []uint16, bits int) int {
	n := 1
	for range bits {
		n = n<<1 | d.bit(&p[n])
	}
	return n - 1<<bits
}

// reverse reads a number of so many bits, the lowest first.
func (d *lzma2) reverse(p []uint16, bits int) (value int) {
	n := 1
	for i := range bits {
		b := d.bit(&p[n])
		n = n<<1 | b
		value |= b << i
	}
	return value
}

func (d *lzma2) literal(out []byte, start int) byte {
	at, before := len(out)-start, 0
	if at > 0 {
		before = int(out[len(out)-1])
	}
	p := d.literals[0x300*((at&(1<<d.lp-1))<<d.lc+before>>(8-d.lc)):][:0x300]
	n := 1
	if d.state >= 7 && d.reps[0] < at {
		match := int(out[len(out)-1-d.reps[0]])
		for n < 0x100 {
			match <<= 1
			want := match & 0x100
			b := d.bit(&p[0x100+want+n])
			if n = n<<1 | b; b != want>>8 {
				break
			}
		}
	}
	rng, code, in := d.rng, d.code, d.in // bit by hand: most of the time goes by here
	for n < 0x100 {
		if rng < lzmaTop {
			if len(in) == 0 {
				d.short = true
				break
			}
			rng, code, in = rng<<8, code<<8|uint32(in[0]), in[1:]
		}
		likely := uint32(p[n])
		if bound := rng >> 11 * likely; code < bound {
			rng = bound
			p[n] += uint16((1<<11 - likely) >> 5)
			n <<= 1
		} else {
			rng, code = rng-bound, code-bound
			p[n] -= uint16(likely >> 5)
			n = n<<1 | 1
		}
	}
	d.rng, d.code, d.in = rng, code, in
	return byte(n)
}

func (d *lzma2) length(l *lzmaLengths, pos int) int {
	switch {
	case d.bit(&l.choice) == 0:
		return 2 + d.tree(l.low[pos][:], 3)
	case d.bit(&l.choice2) == 0:
		return 10 + d.tree(l.mid[pos][:], 3)
	}
	return 18 + d.tree(l.high[:], 8)
}

// distance reads how far back a match begins, less one.
func (d *lzma2) distance(length int) int {
	slot := d.tree(d.slots[min(length-2, 3)][:], 6)
	if slot < 4 {
		return slot
	}
	bits := slot>>1 - 1
	far := (2 | slot&1) << bits
	if slot < 14 {
		return far + d.reverse(d.special[far-slot:], bits)
	}
	for i := bits - 1; i >= 4; i-- { // bits that are one half likely
		if d.rng < lzmaTop {
			d.normalize()
		}
		d.rng >>= 1
		if d.code >= d.rng {
			d.code -= d.rng
			far += 1 << i
		}
	}
	return far + d.reverse(d.align[:], 4)
}
