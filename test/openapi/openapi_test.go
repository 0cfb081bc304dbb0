package openapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"slipway/integrations/console/api"
)

// What is not as the document says is told; what is, is not.
func TestDifferencesAreSeen(t *testing.T) {
	const good = `{"account":"unix:1","name":"x","scopes":["read"]}`
	var told []string
	check, err := New(api.Document(), func(what string) { told = append(told, what) })
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path, body string // request
		status             int
		answer             string
		want               string // "" for nothing
	}{
		{"GET", "/api/v1/me", "", 200, good, ""},
		{"GET", "/api/v1/me", "", 200, `{"account":"unix:1","name":"x","scopes":["read"],"more":1}`, "not as the document says"},
		{"GET", "/api/v1/me", "", 200, `{"account":"unix:1","name":"x","scopes":["fly"]}`, "not as the document says"},
		{"GET", "/api/v1/me", "", 200, `{"account":"unix:1","name":"x","scopes":null}`, "not as the document says"},
		{"GET", "/api/v1/me", "", 200, `{"account":1,"name":"x","scopes":[]}`, "not as the document says"},
		{"GET", "/api/v1/me", "", 200, `{"name":"x","scopes":[]}`, "not as the document says"},
		{"GET", "/api/v1/me", "", 206, good, "not as the document says"},
		{"GET", "/api/v1/runs?limit=0", "", 200, `{"runs":[]}`, "the document says that it is wrong"},
		{"GET", "/api/v1/runs?which=all", "", 200, `{"runs":[]}`, "the document says that it is wrong"},
		{"POST", "/api/v1/tokens", `{"name":"x","scopes":["read"]}`, 201, `{}`, "the document says that it is wrong"},
		{"POST", "/api/v1/tokens", `{"name":"x","scopes":["read"],"days":1,"more":1}`, 201, `{}`, "the document says that it is wrong"},
		{"GET", "/api/v1/secrets", "", 200, `{}`, "does not know it"},
		{"GET", "/api/v1/secrets", "", 404, `{}`, ""},
		{"GET", "/elsewhere", "", 200, `{}`, ""},
	} {
		told = nil
		h := check.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.answer)
		}))
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || w.Body.String() != c.answer {
			t.Errorf("%s: %d %s came through", c.path, w.Code, w.Body)
		}
		if all := strings.Join(told, "\n"); c.want == "" && all != "" || !strings.Contains(all, c.want) {
			t.Errorf("%s %s %s → %d %s: told %q, want %q", c.method, c.path, c.body, c.status, c.answer, all, c.want)
		}
	}
	if _, err := New([]byte(`{"openapi":"3.1.0","paths":{}}`), func(string) {}); err == nil {
		t.Error("a document that says nothing of itself is good")
	}
}
