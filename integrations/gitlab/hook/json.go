package hook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of a body that is understood.
const (
	maxDepth = 32      // GitLab's own payloads need 6
	maxID    = 1 << 53 // larger numbers are not the same number to everybody
	maxText  = 4096    // bytes of a name, title or ref
)

// object is one JSON object, with its values unread. Names count as they are written: unlike
// encoding/json, which takes the last of two equal names and does not tell capitals apart.
type object struct {
	name   string // for errors
	fields map[string]json.RawMessage
}

// parse reads body, which must be exactly one JSON object.
func parse(body []byte) (object, error) {
	if !utf8.Valid(body) {
		return object{}, errors.New("the body is not UTF-8")
	}
	if !json.Valid(body) {
		return object{}, errors.New("the body is not JSON")
	}
	return split("the body", body)
}

// split is one level of valid JSON. Two equal names, and nesting without sense, are errors.
func split(name string, raw json.RawMessage) (object, error) {
	o := object{name, map[string]json.RawMessage{}}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '{' {
		return o, fmt.Errorf("%s is not an object", name)
	}
	i := 1
	for {
		for isSpace(raw[i]) || raw[i] == ',' {
			i++
		}
		if raw[i] == '}' {
			return o, nil
		}
		end := i + stringEnd(raw[i:])
		key, err := unquoted(raw[i:end])
		if err != nil {
			return o, fmt.Errorf("%s has a name that is no text", name)
		}
		if _, twice := o.fields[key]; twice {
			return o, fmt.Errorf("%s has the name %q twice", name, clipped(key))
		}
		for i = end; isSpace(raw[i]) || raw[i] == ':'; {
			i++
		}
		n, err := valueEnd(raw[i:])
		if err != nil {
			return o, err
		}
		o.fields[key] = raw[i : i+n]
		i += n
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// stringEnd is where the string ends with which valid JSON begins.
func stringEnd(raw []byte) int {
	for i := 1; ; i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// valueEnd is where the value ends with which valid JSON begins.
func valueEnd(raw []byte) (int, error) {
	depth := 0
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			i += stringEnd(raw[i:]) - 1
			if depth == 0 {
				return i + 1, nil
			}
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return 0, fmt.Errorf("the body is nested deeper than %d levels", maxDepth)
			}
		case (c == '}' || c == ']') && depth > 0:
			if depth--; depth == 0 {
				return i + 1, nil
			}
		case depth == 0 && (c == ',' || c == '}' || c == ']' || isSpace(c)):
			return i, nil
		}
	}
	return len(raw), nil
}

func unquoted(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", errors.New("no text")
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err
}

func clipped(s string) string {
	r := []rune(s)
	return string(r[:min(len(r), 40)])
}

// reader reads fields of objects and keeps the first error, so that what is read stays readable.
// What is absent or null is the zero value: GitLab's versions differ in what they send.
type reader struct{ err error }

func (r *reader) bad(o object, key, what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s of %s is not %s", key, o.name, what)
	}
}

// raw is a value that is there and not null.
func (o object) raw(key string) (json.RawMessage, bool) {
	v, ok := o.fields[key]
	return v, ok && !bytes.Equal(v, []byte("null"))
}

func (o object) has(key string) bool { _, ok := o.raw(key); return ok }

func (r *reader) object(o object, key string) object {
	raw, ok := o.raw(key)
	if !ok {
		return object{name: key}
	}
	in, err := split(key, raw)
	if err != nil && r.err == nil {
		r.err = err
	}
	return in
}

// must is object, of one without which nothing can be said.
func (r *reader) must(o object, key string) object {
	if !o.has(key) {
		r.bad(o, key, "there")
	}
	return r.object(o, key)
}

// long is a text with line ends, such as a comment.
func (r *reader) long(o object, key string) string {
	raw, ok := o.raw(key)
	if !ok {
		return ""
	}
	s, err := unquoted(raw)
	if err != nil {
		r.bad(o, key, "a text")
		return ""
	}
	return s
}

// text is a line: a name, a title, a ref.
func (r *reader) text(o object, key string) string {
	s := r.long(o, key)
	if len(s) > maxText {
		r.bad(o, key, "a short text")
		return ""
	}
	for _, c := range s {
		if unicode.IsControl(c) {
			r.bad(o, key, "a text without control characters")
			return ""
		}
	}
	return s
}

// id is a number that names something: whole, above zero.
func (r *reader) id(o object, key string) int64 {
	raw, ok := o.raw(key)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n <= 0 || n > maxID || raw[0] == '+' {
		r.bad(o, key, "a number that can name something")
		return 0
	}
	return n
}

func (r *reader) yes(o object, key string) bool {
	raw, ok := o.raw(key)
	if ok && string(raw) != "true" && string(raw) != "false" {
		r.bad(o, key, "true or false")
	}
	return string(raw) == "true"
}

// when is a time as GitLab writes it: RFC 3339, or "2024-01-24 16:27:40 UTC", or with an offset.
func (r *reader) when(o object, key string) time.Time {
	s := r.text(o, key)
	if s == "" {
		return time.Time{}
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02 15:04:05 UTC", "2006-01-02 15:04:05 -0700"} {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC()
		}
	}
	r.bad(o, key, "a time")
	return time.Time{}
}
