// Package openapi holds what the API does against what its document says, in tests: every request
// and every answer that passes is checked.
package openapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Checker checks what passes through it. It is safe for several goroutines.
type Checker struct {
	router routers.Router
	fail   func(string)

	mu   sync.Mutex
	seen map[string]map[int]bool // operationId → statuses of its answers
}

// New reads a document and checks that it is a good one. fail is told of every difference. Objects
// of answers may hold no field that the document does not name.
func New(document []byte, fail func(string)) (*Checker, error) {
	strict, err := closed(document)
	if err != nil {
		return nil, err
	}
	for _, raw := range [][]byte{document, strict} {
		doc, err := openapi3.NewLoader().LoadFromData(raw)
		if err != nil {
			return nil, fmt.Errorf("the document does not load: %w", err)
		}
		if err := doc.Validate(context.Background(), openapi3.EnableSchemaPatternValidation(), openapi3.EnableExamplesValidation()); err != nil {
			return nil, fmt.Errorf("the document is not good: %w", err)
		}
	}
	doc, err := openapi3.NewLoader().LoadFromData(strict)
	if err != nil {
		return nil, err
	}
	for _, media := range []string{"application/x-tar", "application/octet-stream"} {
		openapi3filter.RegisterBodyDecoder(media, openapi3filter.FileBodyDecoder)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, err
	}
	return &Checker{router: router, fail: fail, seen: map[string]map[int]bool{}}, nil
}

// closed is a document in which no object of the components has other fields than those it names.
func closed(document []byte) ([]byte, error) {
	var doc map[string]any
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, err
	}
	components, _ := doc["components"].(map[string]any)
	schemas, _ := components["schemas"].(map[string]any)
	for _, s := range schemas {
		if one, ok := s.(map[string]any); ok && one["type"] == "object" && one["additionalProperties"] == nil {
			one["additionalProperties"] = false
		}
	}
	return json.Marshal(doc)
}

// Seen lists for each operation which statuses its answers had.
func (c *Checker) Seen() map[string]map[int]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

// Handler checks what passes on its way to h and back. Requests that h refuses need not be good, but
// those that are good by the document must not be refused as wrong in form.
func (c *Checker) Handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, params, err := c.router.FindRoute(r)
		if err != nil {
			if strings.HasPrefix(r.URL.Path, "/api/v1/") {
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, r)
				if rec.Code < 400 {
					c.fail(fmt.Sprintf("%s %s is answered with %d, and the document does not know it: %v", r.Method, r.URL.Path, rec.Code, err))
				}
				copyTo(w, rec)
				return
			}
			h.ServeHTTP(w, r)
			return
		}
		body := []byte(nil)
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route,
			Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}}
		asked := openapi3filter.ValidateRequest(r.Context(), in)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
			c.saw(route.Operation.OperationID, 200)
			h.ServeHTTP(w, r) // a stream has no end to wait for
			return
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		what := fmt.Sprintf("%s %s → %d %s", r.Method, r.URL, rec.Code, clip(rec.Body.String()))
		if asked != nil && rec.Code < 400 {
			c.fail(fmt.Sprintf("%s: it is answered, and the document says that it is wrong: %v", what, asked))
		}
		if err := openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{RequestValidationInput: in,
			Status: rec.Code, Header: rec.Header(), Body: io.NopCloser(bytes.NewReader(rec.Body.Bytes())), Options: in.Options}); err != nil {
			c.fail(fmt.Sprintf("%s: the answer is not as the document says: %v", what, err))
		}
		c.saw(route.Operation.OperationID, rec.Code)
		copyTo(w, rec)
	})
}

func (c *Checker) saw(operation string, status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen[operation] == nil {
		c.seen[operation] = map[int]bool{}
	}
	c.seen[operation][status] = true
}

func copyTo(w http.ResponseWriter, rec *httptest.ResponseRecorder) {
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

func clip(s string) string {
	if len(s) > 400 {
		return s[:400] + "…"
	}
	return s
}
