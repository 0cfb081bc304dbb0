package rehearse

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway/bot/action"
)

// maker makes plausible values of declared types. Equal seeds give equal values, so that a step
// which is retried with the same inputs gives the same result, and other inputs give another.
type maker struct {
	seed string
	echo map[string]any // values to repeat where the name fits: the inputs of the action
	now  time.Time
}

func (m maker) value(name string, t action.Type) any {
	if v, ok := m.echo[name]; ok && t.Check(name, v) == nil {
		return v
	}
	digest := action.DigestOf([]byte(m.seed + "\x00" + name))
	switch t.Kind {
	case action.String:
		if len(t.Enum) > 0 {
			return t.Enum[0]
		}
		return name + "-" + digest[len("sha256:"):][:8]
	case action.Version:
		return "2019.01"
	case action.Digest:
		return digest
	case action.Time:
		return m.now.UTC().Truncate(time.Second).Format(time.RFC3339)
	case action.Duration:
		return "1m"
	case action.Int:
		return int64(3)
	case action.Bool:
		return true
	case action.List:
		if t.Elem.Kind == action.Object {
			return []any{m.sub(name, "one", *t.Elem), m.sub(name, "two", *t.Elem)}
		}
		return []any{m.value(name+"-one", *t.Elem), m.value(name+"-two", *t.Elem)}
	case action.Map:
		return map[string]any{"one": m.value(name+"-one", *t.Elem)}
	case action.Object:
		return m.object(t)
	}
	return nil
}

func (m maker) sub(name, which string, t action.Type) any {
	return maker{seed: m.seed + "\x00" + name + which, now: m.now}.value(name+"-"+which, t)
}

func (m maker) object(t action.Type) map[string]any {
	out := make(map[string]any, len(t.Fields))
	for _, f := range t.Fields {
		out[f.Name] = m.value(f.Name, f.Type)
	}
	return out
}

// literals are the texts and numbers that an expression compares with.
var literals = regexp.MustCompile(`'([^']*)'|"([^"]*)"|\b([0-9]+)\b`)

// candidates lists values of type t that differ from base in the fields that conditions usually
// look at: enums, bools, numbers, and texts that the conditions name. It stops at limit.
//
// near are values from where the condition looks, which it may compare with.
func candidates(base map[string]any, t action.Type, texts []string, near []any, limit int) []map[string]any {
	var words []any
	for _, v := range near {
		if _, text := v.(string); text && !slices.Contains(words, v) {
			words = append(words, v)
		}
	}
	numbers := []any{int64(0), int64(1), int64(2)}
	for _, text := range texts {
		for _, m := range literals.FindAllStringSubmatch(text, -1) {
			if m[3] != "" {
				if n, err := strconv.ParseInt(m[3], 10, 64); err == nil {
					numbers = append(numbers, n, n+1, n-1)
				}
				continue
			}
			words = append(words, m[1]+m[2])
		}
	}
	out := []map[string]any{base}
	for _, f := range t.Fields {
		if !slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, f.Name) }) {
			continue
		}
		for _, v := range choicesOf(f.Type, words, numbers, near) {
			for _, old := range out[:len(out):len(out)] {
				if len(out) >= limit {
					return out
				}
				next := make(map[string]any, len(old))
				for k, e := range old {
					next[k] = e
				}
				next[f.Name] = v
				out = append(out, next)
			}
		}
	}
	return out
}

func choicesOf(t action.Type, words, numbers, near []any) []any {
	switch t.Kind {
	case action.String, action.Version, action.Digest:
		if len(t.Enum) == 0 {
			return words
		}
		out := make([]any, len(t.Enum))
		for i, e := range t.Enum {
			out[i] = e
		}
		return out
	case action.Bool:
		return []any{false, true}
	case action.Int:
		return numbers
	case action.List:
		out := []any{[]any{}}
		for _, v := range near {
			if t.Check("", v) == nil {
				out = append(out, v)
			}
		}
		return out
	}
	return nil
}
