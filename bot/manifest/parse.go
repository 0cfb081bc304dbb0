package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// Parse reads a canonical text. It accepts exactly what [Manifest.Canonical] writes, byte for
// byte: a signer that shows a parsed manifest shows all of what it signs. Every other text is an
// error of kind [errs.Invalid] that names the line.
func Parse(text []byte) (Manifest, error) {
	r := reader{rest: text}
	m, err := r.manifest()
	if err == nil && !bytes.Equal(m.Canonical(), text) {
		err = errors.New("it is not written in the canonical form")
	}
	if err != nil {
		return Manifest{}, errs.E("manifest.parse", errs.Invalid, fmt.Errorf("the manifest cannot be read: line %d: %w", r.line, err)).
			Hint("use the text exactly as Slipway gave it, without changed spaces or line ends")
	}
	return m, nil
}

type reader struct {
	rest []byte
	line int
}

// next takes one line off. Every line, the last one too, ends with a newline.
func (r *reader) next() (string, error) {
	r.line++
	line, rest, ok := bytes.Cut(r.rest, []byte("\n"))
	if !ok {
		return "", errors.New("the text ends too early")
	}
	r.rest = rest
	return string(line), nil
}

func (r *reader) field(key string) (string, error) {
	line, err := r.next()
	if err != nil {
		return "", err
	}
	value, ok := strings.CutPrefix(line, key+": ")
	if !ok {
		return "", fmt.Errorf("want %q, found %q", key+": …", clip(line))
	}
	return word(value)
}

func (r *reader) manifest() (m Manifest, err error) {
	line, err := r.next()
	if err != nil {
		return m, err
	}
	if line != Header {
		return m, fmt.Errorf("want %q, found %q", Header, clip(line))
	}
	var number, expires string
	for _, f := range [...]struct {
		key string
		to  *string
	}{
		{"run", &m.Run}, {"name", &m.Name}, {"gate", &m.Gate}, {"number", &number}, {"playbook", &m.Playbook},
		{"profile", &m.Profile}, {"rule", &m.Rule}, {"expires", &expires},
	} {
		if *f.to, err = r.field(f.key); err != nil {
			return m, err
		}
	}
	if m.Number, err = strconv.Atoi(number); err != nil || m.Number < 0 {
		return m, fmt.Errorf("%q is not the number of a manifest", clip(number))
	}
	if expires != "never" {
		if m.Expires, err = time.Parse(time.RFC3339Nano, expires); err != nil {
			return m, fmt.Errorf("%q is not a time", clip(expires))
		}
		m.Expires = m.Expires.UTC()
	}
	for len(r.rest) > 0 {
		b, err := r.bind()
		if err != nil {
			return m, err
		}
		m.Binds = append(m.Binds, b)
	}
	return m, nil
}

func (r *reader) bind() (b Bind, err error) {
	line, err := r.next()
	if err != nil {
		return b, err
	}
	name, ok := strings.CutPrefix(line, "bind ")
	if !ok {
		return b, fmt.Errorf("want %q, found %q", "bind …", clip(line))
	}
	if b.Name, err = word(name); err != nil {
		return b, err
	}
	if line, err = r.next(); err != nil {
		return b, err
	}
	value, ok := strings.CutPrefix(line, "  ")
	if !ok {
		return b, fmt.Errorf("want the value of %s, indented by two spaces", clip(b.Name))
	}
	if quoted, ok := strings.CutPrefix(value, "text "); ok {
		b.Value, err = strconv.Unquote(quoted)
		if err != nil {
			return b, fmt.Errorf("%q is not a quoted text", clip(quoted))
		}
		return b, nil
	}
	if strings.HasPrefix(value, "sha256:") {
		digest, size, _ := strings.Cut(value, " ")
		size, ok := strings.CutSuffix(size, " bytes")
		b.Size, err = strconv.Atoi(size)
		if !ok || err != nil || !isDigest(digest) {
			return b, fmt.Errorf("want a digest and a size, found %q", clip(value))
		}
		b.Digest = digest
		return b, nil
	}
	v, err := action.Decode([]byte(value))
	if err != nil {
		return b, fmt.Errorf("the value of %s is not JSON", clip(b.Name))
	}
	canonical, err := action.Canonical(v)
	if err != nil {
		return b, fmt.Errorf("the value of %s is not JSON", clip(b.Name))
	}
	b.Value = string(canonical)
	return b, nil
}

// word reads what appendWord wrote.
func word(s string) (string, error) {
	if !strings.HasPrefix(s, `"`) {
		return s, nil
	}
	out, err := strconv.Unquote(s)
	if err != nil {
		return "", fmt.Errorf("%q is not a quoted text", clip(s))
	}
	return out, nil
}

// clip keeps an error message short whatever the input was.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
