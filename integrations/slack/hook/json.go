package hook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of a body that is understood.
const (
	maxDepth = 64   // Slack's own payloads with blocks need about 20
	maxLine  = 4096 // bytes of an id, a name, a kind
)

// object is one JSON object, with the path to it for errors.
type object struct {
	name   string
	fields map[string]any
}

// parse reads body, which must be exactly one JSON object. Unlike encoding/json, which takes the last of
// two equal names, it refuses them, and nesting without sense.
func parse(body []byte) (object, error) {
	if !utf8.Valid(body) {
		return object{}, errors.New("the body is not UTF-8")
	}
	if !json.Valid(body) {
		return object{}, errors.New("the body is not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	v, err := value(dec, 0)
	if err != nil {
		return object{}, err
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return object{}, errors.New("the body is not an object")
	}
	return object{"the body", fields}, nil
}

// value reads the next value of valid JSON.
func value(dec *json.Decoder, depth int) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, errors.New("the body is not JSON")
	}
	open, nested := t.(json.Delim)
	if !nested {
		return t, nil
	}
	if depth == maxDepth {
		return nil, fmt.Errorf("the body is nested deeper than %d levels", maxDepth)
	}
	list, fields := []any{}, map[string]any{}
	for dec.More() {
		key := ""
		if open == '{' {
			t, err := dec.Token()
			if err != nil {
				return nil, errors.New("the body is not JSON")
			}
			key, _ = t.(string)
			if _, twice := fields[key]; twice {
				return nil, fmt.Errorf("the body has the name %q twice in one object", clipped(key))
			}
		}
		v, err := value(dec, depth+1)
		if err != nil {
			return nil, err
		}
		if open == '{' {
			fields[key] = v
		} else {
			list = append(list, v)
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("the body is not JSON")
	}
	if open == '{' {
		return fields, nil
	}
	return list, nil
}

// compact is v as JSON, in one form only: names sorted, nothing escaped that need not be.
func compact(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return nil // plain data always has a form
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

func clipped(s string) string {
	r := []rune(s)
	return string(r[:min(len(r), 40)])
}

func (o object) has(key string) bool { return o.fields[key] != nil }

// reader reads fields of objects and keeps the first error, so that what is read stays readable. What is
// absent or null is the zero value.
type reader struct{ err error }

func (r *reader) bad(o object, key, what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s of %s is not %s", key, o.name, what)
	}
}

func (r *reader) object(o object, key string) object {
	in := object{name: key}
	switch v := o.fields[key].(type) {
	case nil:
	case map[string]any:
		in.fields = v
	default:
		r.bad(o, key, "an object")
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

func (r *reader) list(o object, key string) (out []object) {
	switch v := o.fields[key].(type) {
	case nil:
	case []any:
		for _, e := range v {
			in, ok := e.(map[string]any)
			if !ok {
				r.bad(o, key, "a list of objects")
				return nil
			}
			out = append(out, object{key, in})
		}
	default:
		r.bad(o, key, "a list")
	}
	return out
}

// long is a text with line ends, such as a message.
func (r *reader) long(o object, key string) string {
	switch v := o.fields[key].(type) {
	case nil:
	case string:
		return v
	default:
		r.bad(o, key, "a text")
	}
	return ""
}

// text is a line: a name, a kind.
func (r *reader) text(o object, key string) string {
	s := r.long(o, key)
	if len(s) > maxLine {
		r.bad(o, key, "a short text")
		return ""
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		r.bad(o, key, "a text without control characters")
		return ""
	}
	return s
}

// idShape is what Slack's ids of teams, users, channels and apps look like: T0123ABCD.
var idShape = regexp.MustCompile(`^[A-Z][A-Z0-9]{1,31}$`)

// id is what names a team, a user, a channel or an app; "" when it is not there.
func (r *reader) id(o object, key string) string {
	s := r.text(o, key)
	if s != "" && !idShape.MatchString(s) {
		r.bad(o, key, "an id of Slack's")
		return ""
	}
	return s
}

// known is id, of one without which nothing can be said.
func (r *reader) known(o object, key string) string {
	s := r.id(o, key)
	if s == "" {
		r.bad(o, key, "there")
	}
	return s
}

// stampShape is the id of a message within its channel, which is also a time: seconds and millionths.
var stampShape = regexp.MustCompile(`^[1-9][0-9]{8,10}\.[0-9]{6}$`)

func (r *reader) stamp(o object, key string) string {
	s := r.text(o, key)
	if s != "" && !stampShape.MatchString(s) {
		r.bad(o, key, "an id of a message")
		return ""
	}
	return s
}

func (r *reader) yes(o object, key string) bool {
	v, ok := o.fields[key].(bool)
	if !ok && o.has(key) {
		r.bad(o, key, "true or false")
	}
	return v
}

// moment is the time in the id of a message; zero for anything else.
func moment(stamp string) time.Time {
	if !stampShape.MatchString(stamp) {
		return time.Time{}
	}
	sec, usec, _ := strings.Cut(stamp, ".")
	s, err := strconv.ParseInt(sec, 10, 64)
	u, err2 := strconv.ParseInt(usec, 10, 64)
	if err != nil || err2 != nil {
		return time.Time{}
	}
	return time.Unix(s, u*1000).UTC()
}
