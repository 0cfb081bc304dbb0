package slack

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// What the vendor's description of the Web API, 1.7.0, says of the arguments of the methods that the
// server has. A test derives it from the description, which lies beside it as it is
// (https://github.com/slackapi/slack-api-specs).
//
//go:embed testdata/described.json
var described []byte

// What has changed since: for each method what to add to, or to change in, its arguments, and the
// page that says so.
//
//go:embed testdata/overlay.json
var overlay []byte

// argument is one argument of a method.
type argument struct {
	Name     string `json:"name"`
	Type     string `json:"type"` // string, boolean, integer, number
	Required bool   `json:"required,omitempty"`
}

// operation is one method as it is described.
type operation struct {
	JSON bool       `json:"json,omitempty"` // takes its arguments as JSON too
	Args []argument `json:"args"`
}

// correction is an entry of the overlay.
type correction struct {
	Method string     `json:"method"`
	See    string     `json:"see"` // the vendor's page
	Why    string     `json:"why"`
	New    bool       `json:"new"`  // the description does not have the method
	JSON   *bool      `json:"json"` // takes JSON; nil: as described
	Args   []argument `json:"args"` // added, or in the place of those of the same name
}

// description is what the vendor says of methods, with the corrections.
type description struct {
	methods     map[string]operation
	corrections map[string][]correction
}

// describe reads the description and the corrections.
func describe() (*description, error) {
	d := &description{corrections: map[string][]correction{}}
	if err := json.Unmarshal(described, &d.methods); err != nil {
		return nil, fmt.Errorf("the description cannot be read: %w", err)
	}
	read := json.NewDecoder(bytes.NewReader(overlay))
	read.DisallowUnknownFields()
	var all []correction
	if err := read.Decode(&all); err != nil {
		return nil, fmt.Errorf("the overlay cannot be read: %w", err)
	}
	for _, one := range all {
		d.corrections[one.Method] = append(d.corrections[one.Method], one)
	}
	return d, nil
}

// operation finds a method, and says which arguments it has.
func (d *description) operation(name string) (op operation, args map[string]argument, known bool) {
	op, known = d.methods[name]
	args = map[string]argument{}
	for _, a := range op.Args {
		args[a.Name] = a
	}
	for _, fix := range d.corrections[name] {
		known = known || fix.New
		if fix.JSON != nil {
			op.JSON = *fix.JSON
		}
		for _, a := range fix.Args {
			args[a.Name] = a
		}
	}
	return op, args, known
}

// check says what about a call is not as described. The token may come in the header or in a form,
// and reads may be sent as POST with a form: https://docs.slack.dev/apis/web-api says both.
func (d *description) check(c *call) (wrong []string) {
	op, args, known := d.operation(c.name)
	if !known {
		return []string{"the description does not have this method"}
	}
	if c.form == "json" && !op.JSON {
		return []string{"it takes no JSON; send a form"}
	}
	if c.r.Method != "POST" && c.r.Method != "GET" {
		return []string{"it takes GET and POST, not " + c.r.Method}
	}
	for _, name := range slices.Sorted(maps.Keys(c.in)) {
		a, has := args[name]
		if !has {
			wrong = append(wrong, fmt.Sprintf("there is no argument %q", name))
			continue
		}
		if bad := a.fits(c.in[name], c.kinds[name]); bad != "" {
			wrong = append(wrong, fmt.Sprintf("argument %q %s", name, bad))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if args[name].Required && c.in[name] == "" {
			wrong = append(wrong, fmt.Sprintf("argument %q is missing", name))
		}
	}
	return wrong
}

// fits says what is wrong with a value. kind is how it came in JSON; "" in a form. What is described
// as text that holds JSON may be JSON itself there.
func (a argument) fits(value, kind string) string {
	switch a.Type {
	case "boolean":
		if v := strings.ToLower(value); kind != "" && kind != "boolean" || v != "true" && v != "false" && v != "1" && v != "0" {
			return fmt.Sprintf("must be true or false, not %q", value)
		}
	case "integer":
		if _, err := strconv.Atoi(value); err != nil || kind != "" && kind != "number" {
			return fmt.Sprintf("must be a whole number, not %q", value)
		}
	case "number":
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return fmt.Sprintf("must be a number, not %q", value)
		}
	case "json":
		if !json.Valid([]byte(value)) || !strings.ContainsAny(value[:1], "[{") {
			return "must be JSON"
		}
	default:
		if kind == "boolean" || kind == "number" || kind == "object" || kind == "array" {
			return "must be a text, not " + kind
		}
	}
	return ""
}

func uuid(a, b int) string {
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", a, b&0xffff, rand.N(0x1000), rand.N(0x1000), rand.Uint64()&0xffffffffffff)
}
