package debian

import (
	"bytes"
	"strings"
)

const (
	beginSigned    = "-----BEGIN PGP SIGNED MESSAGE-----"
	beginSignature = "-----BEGIN PGP SIGNATURE-----"
	endSignature   = "-----END PGP SIGNATURE-----"
)

// ClearSigned is a clear-signed file taken apart. Nothing is verified here.
type ClearSigned struct {
	Hashes    []string // of the Hash headers
	Text      []byte   // what is signed: without armour, dash escapes and blanks at ends of lines
	Signature []byte   // the armoured block, with a newline after its last line
}

// IsSigned reports whether data begins like a clear-signed file.
func IsSigned(data []byte) bool { return bytes.HasPrefix(data, []byte(beginSigned)) }

// Unsign takes a clear-signed file apart (RFC 9580, section 7). It is stricter than OpenPGP
// programs, which skip text around the message: nothing may stand before or after it, the only
// header is Hash, and the armour has no other lines than a signature needs. Errors are of kind
// Invalid and name the line.
func Unsign(what string, data []byte) (ClearSigned, error) {
	number := 0
	bad := func(format string, args ...any) (ClearSigned, error) {
		return ClearSigned{}, invalidLine("clearsign", what, number, "Sign the plain file again", format, args...)
	}
	rest := data
	next := func() (string, bool) {
		if len(rest) == 0 {
			return "", false
		}
		number++
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		rest = after
		return string(line), true
	}
	var c ClearSigned
	if line, _ := next(); line != beginSigned {
		number = 1
		return bad("is not %s", beginSigned)
	}
	for {
		line, more := next()
		if !more {
			return bad("is the last: the text is missing")
		}
		if line == "" {
			break
		}
		name, found := strings.CutPrefix(line, "Hash: ")
		if !found || len(line) > 200 {
			return bad("has %q where only Hash may stand", shorten(line))
		}
		for h := range strings.SplitSeq(name, ",") {
			c.Hashes = append(c.Hashes, strings.TrimSpace(h))
		}
	}
	for {
		line, more := next()
		if !more {
			return bad("is the last: the signature is missing")
		}
		if line == beginSignature {
			break
		}
		if line != "" && line[0] == '-' {
			if !strings.HasPrefix(line, "- ") {
				return bad("begins with a hyphen that is not escaped")
			}
			line = line[2:]
		}
		if strings.ContainsAny(line, "\r\x00") {
			return bad("has a control character")
		}
		c.Text = append(append(c.Text, strings.TrimRight(line, " \t")...), '\n')
	}
	if len(c.Text) == 0 {
		return bad("ends a text that is empty")
	}
	c.Signature = append(c.Signature, beginSignature+"\n"...)
	headers := true
	for {
		line, more := next()
		if !more {
			return bad("is the last: the signature is cut off")
		}
		c.Signature = append(append(c.Signature, line...), '\n')
		if line == endSignature {
			break
		}
		switch {
		case headers && line == "":
			headers = false
		case headers && strings.Contains(line, ": ") && !strings.HasPrefix(line, "-"):
		case headers:
			return bad("is no header of the signature, and the empty line after them is missing")
		case line == "" || !base64Line(line):
			return bad("does not belong into a signature")
		}
	}
	if headers {
		return bad("ends a signature that is empty")
	}
	if len(rest) > 0 {
		number++
		return bad("stands after the signature")
	}
	return c, nil
}

func base64Line(line string) bool {
	for i := range len(line) {
		if c := line[i]; !alnum(rune(c)) && c != '+' && c != '/' && c != '=' {
			return false
		}
	}
	return len(line) <= 100
}

// plainText is the text of data, whether signed or not.
func plainText(what string, data []byte) (text []byte, signed bool, err error) {
	if !IsSigned(data) {
		return data, false, nil
	}
	c, err := Unsign(what, data)
	return c.Text, true, err
}

func alnum(c rune) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
