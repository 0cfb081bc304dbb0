package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"time"

	"slipway/bot/errs"
)

// block is the unit of tar, in bytes.
const block = 512

// nameForm is every name that a file of a bundle may have: at most one folder, and nothing that
// leads out of it. The longest fits the name field of a header.
var nameForm = regexp.MustCompile(`^([a-z]{1,16}/)?[A-Za-z0-9_][A-Za-z0-9._+~=-]{0,82}$`)

// maxSize is the largest file of a bundle, in bytes: what eleven octal digits can say.
const maxSize = 1<<33 - 1

// header is the one way to write the header of a file (ustar, IEEE Std 1003.1-2017).
func header(name string, size int64, at time.Time) [block]byte {
	var h [block]byte
	copy(h[0:100], name)
	copy(h[100:], "0000644\x00")
	copy(h[108:], "0000000\x00")
	copy(h[116:], "0000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x00", size))
	copy(h[136:], fmt.Sprintf("%011o\x00", max(at.Unix(), 0)))
	copy(h[148:], "        ")
	h[156] = '0'
	copy(h[257:], "ustar\x0000")
	copy(h[329:], "0000000\x00")
	copy(h[337:], "0000000\x00")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// tarWriter writes files one after the other.
type tarWriter struct {
	to io.Writer
	at time.Time
}

// file writes one file; body must give exactly size bytes.
func (w *tarWriter) file(name string, size int64, body io.Reader) error {
	if !nameForm.MatchString(name) || size < 0 || size > maxSize {
		return errs.E("evidence.write", errs.Internal, fmt.Errorf("a bundle cannot hold %q of %d bytes", name, size))
	}
	h := header(name, size, w.at)
	if _, err := w.to.Write(h[:]); err != nil {
		return err
	}
	n, err := io.Copy(w.to, io.LimitReader(body, size))
	if err != nil {
		return err
	}
	if n != size {
		return errs.E("evidence.write", errs.Corrupt, fmt.Errorf("%s is shorter than was said", name))
	}
	_, err = w.to.Write(make([]byte, padding(size)))
	return err
}

func (w *tarWriter) end() error {
	_, err := w.to.Write(make([]byte, 2*block))
	return err
}

func padding(size int64) int64 { return (block - size%block) % block }

// tarReader reads what tarWriter wrote, and nothing that is written in another way.
type tarReader struct {
	from io.Reader
	at   time.Time // of the first file
	any  bool
}

// next gives the next file; the body must be read to its end before the next one. io.EOF is the
// end of the archive, with nothing behind it.
func (r *tarReader) next() (name string, size int64, err error) {
	var h [block]byte
	if _, err := io.ReadFull(r.from, h[:]); err != nil {
		return "", 0, notBundle("it ends in the middle")
	}
	if h == ([block]byte{}) {
		if _, err := io.ReadFull(r.from, h[:]); err != nil || h != ([block]byte{}) {
			return "", 0, notBundle("its end is damaged")
		}
		if n, err := io.ReadFull(r.from, h[:1]); n != 0 || err != io.EOF {
			return "", 0, notBundle("there is more after its end")
		}
		return "", 0, io.EOF
	}
	raw, _, _ := bytes.Cut(h[:100], []byte{0})
	name = string(raw)
	if !nameForm.MatchString(name) {
		return "", 0, notBundle(fmt.Sprintf("it holds a file named %q, which no bundle has", name))
	}
	size, err = octal(h[124:136])
	if err != nil {
		return "", 0, err
	}
	at, err := octal(h[136:148])
	if err != nil {
		return "", 0, err
	}
	if !r.any {
		r.any, r.at = true, time.Unix(at, 0).UTC()
	}
	if h != header(name, size, r.at) {
		return "", 0, notBundle(fmt.Sprintf("the header of %s is not written in the one way that is accepted", name))
	}
	return name, size, nil
}

// pad reads the zeros behind a file.
func (r *tarReader) pad(name string, size int64) error {
	var b [block]byte
	zeros := b[:padding(size)]
	if _, err := io.ReadFull(r.from, zeros); err != nil || bytes.ContainsFunc(zeros, func(c rune) bool { return c != 0 }) {
		return notBundle("what fills the last block of " + name + " is damaged")
	}
	return nil
}

func octal(field []byte) (int64, error) {
	n, err := strconv.ParseInt(string(field[:len(field)-1]), 8, 64)
	if err != nil || n < 0 {
		return 0, notBundle("a header is damaged")
	}
	return n, nil
}

// notBundle says why something is no bundle at all.
func notBundle(why string) error {
	return errs.E("evidence.read", errs.Corrupt, errors.New("this is not a whole evidence bundle: "+why)).
		Hint("get it again; if it is the same, it was changed or cut off")
}
