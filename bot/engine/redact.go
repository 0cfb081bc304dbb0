package engine

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// redacted stands for a credential.
const redacted = "[redacted]"

// redact takes the values of secret fields out of a body: JSON at any depth, a form, or a form
// whose fields hold JSON. A body of another kind is not shown at all, since nobody can tell where
// in it a secret stands.
func redact(body []byte, secrets []string) []byte {
	if len(secrets) == 0 || len(body) == 0 {
		return body
	}
	if out, ok := redactJSON(body, secrets); ok {
		return out
	}
	text := string(body)
	form, err := url.ParseQuery(text)
	if err != nil || !strings.Contains(text, "=") || strings.ContainsAny(text, " \t\r\n{}<>\"") {
		return []byte("[not shown: it is neither JSON nor a form, and may hold credentials]")
	}
	for name, values := range form {
		for i, v := range values {
			if secret(name, secrets) {
				values[i] = redacted
			} else if out, ok := redactJSON([]byte(v), secrets); ok {
				values[i] = string(out)
			}
		}
	}
	return []byte(form.Encode())
}

func redactJSON(body []byte, secrets []string) ([]byte, bool) {
	if t := bytes.TrimSpace(body); len(t) == 0 || t[0] != '{' && t[0] != '[' {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil || dec.More() {
		return nil, false
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if enc.Encode(withoutSecrets(v, secrets)) != nil {
		return nil, false
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), true
}

func withoutSecrets(v any, secrets []string) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if secret(k, secrets) {
				v[k] = redacted
			} else {
				v[k] = withoutSecrets(x, secrets)
			}
		}
	case []any:
		for i, x := range v {
			v[i] = withoutSecrets(x, secrets)
		}
	case string: // JSON within JSON
		if out, ok := redactJSON([]byte(v), secrets); ok {
			return string(out)
		}
	}
	return v
}

// withoutCredentials takes the values of secret fields out of facts: what a fact says may become the
// input of a run, whose log is kept for ever, is chained, and is shown to others as evidence.
func withoutCredentials(facts []Fact, secrets []string) {
	for i, f := range facts {
		if h, ok := f.(Happened); ok {
			h.Fields, _ = withoutSecrets(h.Fields, secrets).(map[string]any)
			facts[i] = h
		}
	}
}

func redactHeaders(headers map[string]string, secrets []string) map[string]string {
	out := make(map[string]string, len(headers))
	for k, v := range headers {
		if secret(k, secrets) {
			v = redacted
		}
		out[k] = v
	}
	return out
}

func secret(name string, secrets []string) bool {
	return slices.ContainsFunc(secrets, func(s string) bool { return strings.EqualFold(s, name) })
}
