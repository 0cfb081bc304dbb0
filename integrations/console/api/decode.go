package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"slipway/bot/errs"
	"slipway/integrations/console"
)

// MaxBody is the most bytes that the body of a request has.
const MaxBody = 64 << 10

// field is one field of a request type. Its tags say all that the document and the check need:
//
//	in:"path|query|header|body"   where it stands; body if left out
//	json:"name"                   its name there
//	need:"yes"                    it must be given; what stands in the path always must
//	min, max                      of a number; of a text the least and most characters
//	enum:"a,b"                    what a text may be
//	pattern:"…"                   what a text looks like, for the document; the handler says what is wrong
//	doc, example
type field struct {
	reflect.StructField
	in, name string
	need     bool
}

func fields(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		in := f.Tag.Get("in")
		if in == "" {
			in = "body"
		}
		out = append(out, field{f, in, name, in == "path" || f.Tag.Get("need") == "yes"})
	}
	return out
}

func invalid(hint, format string, args ...any) error {
	return errs.E("api.request", errs.Invalid, fmt.Errorf(format, args...)).Hint("%s", hint)
}

// decode fills into, a pointer to a request type, from a request. It is strict: what it does not
// know, it refuses and names, with the nearest right name.
func decode(r *http.Request, into any) error {
	v := reflect.ValueOf(into).Elem()
	all := fields(v.Type())
	query, err := queryOf(r, all)
	if err != nil {
		return err
	}
	if err := bodyOf(r, into, all); err != nil {
		return err
	}
	for i, f := range all {
		var text string
		var given bool
		switch f.in {
		case "path":
			text, given = r.PathValue(f.name), true
		case "query":
			text, given = query.Get(f.name), query.Has(f.name)
		case "header":
			values := r.Header.Values(f.name)
			if len(values) > 1 {
				return invalid("send it once", "the header %s is there %d times", f.name, len(values))
			}
			text, given = strings.Join(values, ""), len(values) > 0
		default:
			if err := check(f, v.Field(i)); err != nil {
				return err
			}
			continue
		}
		if !given || text == "" {
			if f.need {
				return invalid("give "+f.name+": "+f.Tag.Get("doc"), "the %s %s is missing", placeName(f.in), f.name)
			}
			continue
		}
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return invalid("write it in UTF-8", "the %s %s is not text", placeName(f.in), f.name)
		}
		if err := set(f, v.Field(i), text); err != nil {
			return err
		}
	}
	return nil
}

func placeName(in string) string {
	switch in {
	case "query":
		return "parameter"
	case "header":
		return "header"
	case "path":
		return "part of the path"
	}
	return "field"
}

// queryOf reads the parameters after the question mark.
func queryOf(r *http.Request, all []field) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalid("write parameters as name=value, joined by &, with %-escapes", "what follows the question mark cannot be read")
	}
	var known []string
	for _, f := range all {
		if f.in == "query" {
			known = append(known, f.name)
		}
	}
	for _, name := range sortedKeys(query) {
		if !slices.Contains(known, name) {
			return nil, invalid(names("parameter", name, known), "there is no parameter %s", quoted(name))
		}
		if n := len(query[name]); n > 1 {
			return nil, invalid("give it once", "the parameter %s is there %d times", name, n)
		}
	}
	return query, nil
}

// names is a hint about a name that is not known.
func names(what, name string, known []string) string {
	switch near := errs.Nearest(name, known); {
	case near != "":
		return "did you mean " + near + "?"
	case len(known) == 0:
		return "there are none here: leave it out"
	case len(known) == 1:
		return "the only " + what + " here is " + known[0]
	}
	return "the " + what + "s here are " + strings.Join(known, ", ")
}

func quoted(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return strconv.Quote(s)
}

// bodyOf reads the JSON object of a request.
func bodyOf(r *http.Request, into any, all []field) error {
	var known []string
	for _, f := range all {
		if f.in == "body" {
			known = append(known, f.name)
		}
	}
	if len(known) == 0 {
		raw, err := io.ReadAll(io.LimitReader(r.Body, 64))
		if text := string(bytes.TrimSpace(raw)); err == nil && text != "" && text != "{}" { // some clients cannot send nothing
			return invalid("send it without a body", "%s %s takes no body", r.Method, quoted(r.URL.Path))
		}
		return nil
	}
	form := "send an object of JSON like " + example(all)
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || media != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return console.WithStatus(http.StatusUnsupportedMediaType,
			invalid("send JSON with the header Content-Type: application/json", "the body is of the type %s, which is not read here", quoted(r.Header.Get("Content-Type"))))
	}
	if r.Header.Get("Content-Encoding") != "" {
		return console.WithStatus(http.StatusUnsupportedMediaType, invalid("send it as it is", "the body is compressed"))
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong) || len(raw) > MaxBody:
		return console.WithStatus(http.StatusRequestEntityTooLarge, invalid("send less at a time", "the body has more than %d bytes", MaxBody))
	case err != nil:
		return errs.E("api.request", errs.Unavailable, errors.New("the body did not arrive whole")).Hint("send it again")
	case !utf8.Valid(raw):
		return invalid("write it in UTF-8", "the body is not text")
	}
	if err := keys(raw, known); err != nil {
		if hint := errs.HintOf(err); hint != "" {
			return err
		}
		return invalid(form, "%w", err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		var typ *json.UnmarshalTypeError
		if errors.As(err, &typ) && typ.Field != "" {
			return invalid(form, "the field %s cannot hold %s", quoted(typ.Field), article(typ.Value))
		}
		return invalid(form, "the body is not an object of JSON")
	}
	return nil
}

func article(value string) string {
	word, _, _ := strings.Cut(value, " ")
	switch word {
	case "array", "object":
		return "an " + word
	case "bool":
		return "true or false"
	case "number":
		return "the " + value
	}
	return "a " + word
}

// keys checks that raw is one object with known names, each at most once. The standard decoder
// would take the last of two, and Text for text.
func keys(raw []byte, known []string) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	t, err := dec.Token()
	if err != nil || t != json.Delim('{') {
		return errors.New("the body is not an object of JSON")
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return errors.New("the body is not an object of JSON")
		}
		if !slices.Contains(known, name) {
			return invalid(names("field", name, known), "there is no field %s", quoted(name))
		}
		if seen[name] {
			return invalid("give it once", "the field %s is there twice", name)
		}
		seen[name] = true
		var skipped json.RawMessage
		if err := dec.Decode(&skipped); err != nil {
			return errors.New("the body is not an object of JSON")
		}
		if string(skipped) == "null" {
			return invalid("leave it out", "the field %s is null", name)
		}
	}
	if _, err := dec.Token(); err != nil {
		return errors.New("the body is not an object of JSON")
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("there is more after the end of the object")
	}
	return nil
}

// example is an object of the fields that must be there.
func example(all []field) string {
	var parts []string
	for _, f := range all {
		if f.in == "body" && (f.need || f.Tag.Get("example") != "") {
			parts = append(parts, fmt.Sprintf("%q: %s", f.name, exampleOf(f)))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func exampleOf(f field) string {
	text := f.Tag.Get("example")
	if f.Type.Kind() == reflect.String {
		return strconv.Quote(text)
	}
	return text
}

// set reads one value from text.
func set(f field, v reflect.Value, text string) error {
	if v.Kind() == reflect.Pointer { // tells what is not given from nought
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	bad := func(want string) error {
		return invalid("write "+want, "the %s %s is %s", placeName(f.in), f.name, quoted(text))
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return bad("a time like 2026-01-31T09:00:00Z")
		}
		v.Set(reflect.ValueOf(t))
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return bad("true or false")
		}
		v.SetBool(text == "true")
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || v.OverflowInt(n) {
			return bad("a whole number" + bounds(f))
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || v.OverflowUint(n) {
			return bad("a whole number" + bounds(f))
		}
		v.SetUint(n)
	default:
		return errs.E("api.request", errs.Internal, fmt.Errorf("the field %s has no way to be read", f.Name))
	}
	return check(f, v)
}

func bounds(f field) string {
	low, high := f.Tag.Get("min"), f.Tag.Get("max")
	switch {
	case low != "" && high != "":
		return " from " + low + " to " + high
	case low != "":
		return ", at least " + low
	case high != "":
		return ", at most " + high
	}
	return ""
}

// check holds a value against the tags of its field.
func check(f field, v reflect.Value) error {
	if f.need && (v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0) {
		return invalid("give "+f.name+": "+f.Tag.Get("doc"), "the %s %s is missing", placeName(f.in), f.name)
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	low, _ := strconv.ParseInt(f.Tag.Get("min"), 10, 64)
	high, limited := f.Tag.Lookup("max")
	most, _ := strconv.ParseInt(high, 10, 64)
	var n int64
	switch {
	case v.Kind() == reflect.String:
		if enum := f.Tag.Get("enum"); enum != "" && v.String() != "" && !slices.Contains(strings.Split(enum, ","), v.String()) {
			choices := strings.Split(enum, ",")
			if near := errs.Nearest(v.String(), choices); near != "" {
				return invalid("did you mean "+near+"?", "the %s %s is %s", placeName(f.in), f.name, quoted(v.String()))
			}
			return invalid("write one of "+strings.Join(choices, ", "), "the %s %s is %s", placeName(f.in), f.name, quoted(v.String()))
		}
		if n := utf8.RuneCountInString(v.String()); limited && int64(n) > most {
			return invalid("write less", "the %s %s has %d characters, and %d is the limit", placeName(f.in), f.name, n, most)
		}
		return nil
	case v.CanInt():
		n = v.Int()
	case v.CanUint():
		if v.Uint() > 1<<63-1 {
			n = 1<<63 - 1
		} else {
			n = int64(v.Uint())
		}
	default:
		return nil
	}
	if n < low && (n != 0 || f.in != "body") || limited && n > most {
		return invalid("write a whole number"+bounds(f), "the %s %s is %d", placeName(f.in), f.name, n)
	}
	return nil
}
