package playbook

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// fits checks a value against the part of JSON Schema 2020-12 that Schema uses, and refuses a
// schema that uses more.
type fits struct {
	defs map[string]any
}

func (f fits) check(schema any, v any, path string) error {
	if b, ok := schema.(bool); ok {
		if !b {
			return fmt.Errorf("%s is not allowed", path)
		}
		return nil
	}
	s := schema.(map[string]any)
	for key, arg := range s {
		if err := f.keyword(s, key, arg, v, path); err != nil {
			return err
		}
	}
	return nil
}

func (f fits) keyword(s map[string]any, key string, arg, v any, path string) error {
	obj, isObj := v.(map[string]any)
	list, isList := v.([]any)
	str, isStr := v.(string)
	num, isNum := number64(v)
	bad := func(format string, args ...any) error { return fmt.Errorf(path+": "+format, args...) }
	switch key {
	case "$schema", "$defs", "title", "description":
	case "$ref":
		name := strings.TrimPrefix(arg.(string), "#/$defs/")
		if f.defs[name] == nil {
			return bad("the schema refers to %s, which it does not have", arg)
		}
		return f.check(f.defs[name], v, path)
	case "type":
		types, ok := arg.([]any)
		if !ok {
			types = []any{arg}
		}
		for _, t := range types {
			switch t {
			case "object":
				ok = isObj
			case "array":
				ok = isList
			case "string":
				ok = isStr
			case "number":
				ok = isNum
			case "integer":
				ok = isNum && num == float64(int64(num))
			case "boolean":
				_, ok = v.(bool)
			case "null":
				ok = v == nil
			default:
				return bad("unknown type %v", t)
			}
			if ok {
				return nil
			}
		}
		return bad("%v is not of type %v", v, arg)
	case "const":
		if v != arg {
			return bad("%v is not %v", v, arg)
		}
	case "enum":
		for _, one := range arg.([]any) {
			if v == one {
				return nil
			}
		}
		return bad("%v is none of %v", v, arg)
	case "pattern":
		if isStr && !regexp.MustCompile(arg.(string)).MatchString(str) {
			return bad("%q does not match %s", str, arg)
		}
	case "minLength":
		if isStr && float64(len(str)) < arg.(float64) {
			return bad("%q is too short", str)
		}
	case "minimum":
		if isNum && num < arg.(float64) {
			return bad("%v is too small", num)
		}
	case "maximum":
		if isNum && num > arg.(float64) {
			return bad("%v is too large", num)
		}
	case "minItems":
		if isList && float64(len(list)) < arg.(float64) {
			return bad("too few items")
		}
	case "maxItems":
		if isList && float64(len(list)) > arg.(float64) {
			return bad("too many items")
		}
	case "minProperties":
		if isObj && float64(len(obj)) < arg.(float64) {
			return bad("it is empty")
		}
	case "items":
		for i, e := range list {
			if err := f.check(arg, e, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case "required":
		for _, k := range arg.([]any) {
			if _, has := obj[k.(string)]; isObj && !has {
				return bad("%s is missing", k)
			}
		}
	case "dependentRequired":
		for k, more := range arg.(map[string]any) {
			if _, has := obj[k]; has {
				return f.keyword(s, "required", more, v, path)
			}
		}
	case "properties":
		for k, sub := range arg.(map[string]any) {
			if e, has := obj[k]; has {
				if err := f.check(sub, e, path+"."+k); err != nil {
					return err
				}
			}
		}
	case "additionalProperties":
		known, _ := s["properties"].(map[string]any)
		for k, e := range obj {
			if _, has := known[k]; !has {
				if err := f.check(arg, e, path+"."+k); err != nil {
					return err
				}
			}
		}
	case "propertyNames":
		for k := range obj {
			if err := f.check(arg, k, path+" (name)"); err != nil {
				return err
			}
		}
	case "not":
		if f.check(arg, v, path) == nil {
			return bad("it is what it must not be")
		}
	case "anyOf", "oneOf":
		good := 0
		var why []string
		for _, sub := range arg.([]any) {
			if err := f.check(sub, v, path); err == nil {
				good++
			} else {
				why = append(why, err.Error())
			}
		}
		if good == 0 || key == "oneOf" && good > 1 {
			return bad("%d of %d ways fit (%s)", good, len(arg.([]any)), strings.Join(why, "; "))
		}
	default:
		return bad("the schema uses %s, which this check does not know", key)
	}
	return nil
}

func number64(v any) (float64, bool) {
	switch n := v.(type) {
	case float64:
		return n, true
	case int64:
		return float64(n), true
	case uint64:
		return float64(n), true
	}
	return 0, false
}

func schema(t testing.TB) (map[string]any, fits) {
	t.Helper()
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	return s, fits{s["$defs"].(map[string]any)}
}

func fitsSource(t testing.TB, src string) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(src), &v); err != nil {
		return err
	}
	s, f := schema(t)
	return f.check(s, v, "playbook")
}

func TestEveryPlaybookFitsTheSchema(t *testing.T) {
	for _, pattern := range []string{"../../commands/release/*.yaml", "../../test/playbooks/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no playbooks at %s: %v", pattern, err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := fitsSource(t, string(src)); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

const schemaHead = "playbook: p\nsteps:\n"

// TestTheSchemaRefusesSlips: each is refused by the reader too, and by the schema for the same key.
func TestTheSchemaRefusesSlips(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"no steps", "playbook: p\n", "steps is missing"},
		{"unknown key", "playbook: p\nstep: {}\nsteps: {a: {do: git.state@1}}\n", "step is not allowed"},
		{"bad name", "playbook: P\nsteps: {a: {do: git.state@1}}\n", "does not match"},
		{"no kind", schemaHead + "  a: {doc: nothing}\n", "0 of"},
		{"two kinds", schemaHead + "  a: {do: git.state@1, call: other}\n", "0 of"},
		{"key of another kind", schemaHead + "  a: {do: git.state@1, prompt: hi}\n", "prompt is not allowed"},
		{"no version", schemaHead + "  a: {do: git.state}\n", "does not match"},
		{"gate without binds", schemaHead + "  a: {gate: 1 of m}\n", "binds is missing"},
		{"wait without poll", schemaHead + "  a: {wait: ci.pipeline@1, until: x}\n", "poll is missing"},
		{"wait for a time with poll", schemaHead + "  a: {wait: time, at: x, poll: 1m}\n", "0 of"},
		{"bad duration", schemaHead + "  a: {do: git.state@1, remind: soon}\n", "does not match"},
		{"ledger without until", "playbook: p\nledgers: {l: {key: k, columns: {k: string}, states: [a]}}\nsteps:\n  a: {each: {ledger: l}, steps: {b: {do: git.state@1}}}\n", "until is missing"},
		{"offer without closes", schemaHead + "  a: {offer: {b: {playbook: q, by: [r]}}}\n", "closes is missing"},
		{"too many tries", schemaHead + "  a: {do: git.state@1, on_fail: {retry: {any: {times: 101}}}}\n", "too large"},
		{"trigger twice", "playbook: p\ntrigger: {every: 6h, fact: git.pushed, owner: o}\nsteps: {a: {do: git.state@1}}\n", "2 of 2"},
		{"bad type", "playbook: p\ninputs: {v: list(list(string))}\nsteps: {a: {do: git.state@1}}\n", "does not match"},
		{"bad id", schemaHead + "  a-b: {do: git.state@1}\n", "does not match"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Parse("p.yaml", []byte(c.src)); err == nil {
				t.Errorf("the reader takes it, so the schema may not refuse it:\n%s", c.src)
			}
			err := fitsSource(t, c.src)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestTheSchemaHasTheKeysOfTheReader: all of them, each explained or defined.
func TestTheSchemaHasTheKeysOfTheReader(t *testing.T) {
	for _, f := range []form{fileForm, inputForm, roleForm, ledgerForm, guardForm, neverForm, triggerForm, deadlineForm, frozenForm, skipForm,
		failForm, retryForm, actionForm, eachForm, jobForm, rowEndForm, collectForm, entryForm} {
		if len(keysOf(f)) == 0 {
			t.Errorf("%s has no keys", f)
		}
		props, required := formKeys(f)
		for _, k := range keysOf(f) {
			if props[k] == nil {
				t.Errorf("the schema says nothing of %s in %s", k, f)
			}
		}
		if len(props) != len(keysOf(f)) {
			t.Errorf("the schema of %s has %d keys, the reader %d", f, len(props), len(keysOf(f)))
		}
		for _, k := range required {
			if !contains(keysOf(f), k) {
				t.Errorf("the schema of %s wants %s, which the reader does not know", f, k)
			}
		}
	}
	for _, kind := range stepKinds() {
		props := stepProps(kind)
		for _, k := range append(append([]string{kind}, stepKeys()[StepKind(kind)]...), everyStep()...) {
			if props[k] == nil {
				t.Errorf("the schema says nothing of %s in a %s step", k, kind)
			}
		}
	}
}

// FuzzSchemaIsNotStricter: what the reader takes fits the schema.
func FuzzSchemaIsNotStricter(f *testing.F) {
	for _, seed := range []string{schemaHead + "  a: {do: git.state@1}\n", schemaHead + "  a: {wait: time, at: \"${now}\"}\n",
		schemaHead + "  a: {do: git.state@1}\n  b: {do: git.state@1, any: a, deadline: 3d, doc: 2019.10}\n",
		schemaHead + "  a: {gate: 1 of m, binds: \"${run.id}\", on_reject: b}\n  b: {call: other}\n"} {
		f.Add(seed)
	}
	s, fit := schema(f)
	f.Fuzz(func(t *testing.T, src string) {
		if _, err := Parse("p.yaml", []byte(src)); err != nil {
			return
		}
		var v any
		if err := yaml.Unmarshal([]byte(src), &v); err != nil {
			return // our reader is laxer than the library about what no editor would accept
		}
		if err := fit.check(s, v, "playbook"); err != nil {
			t.Errorf("the reader takes it, the schema does not: %v\n%s", err, src)
		}
	})
}
