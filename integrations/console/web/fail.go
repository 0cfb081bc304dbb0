package web

import (
	"encoding/json"
	"net/http"
	"strings"

	"slipway/bot/errs"
	"slipway/integrations/console"
)

// failure is an error as a page or a script gets it.
type failure struct {
	Status int    `json:"-"`
	Kind   string `json:"kind"`
	Text   string `json:"text"`
	Hint   string `json:"hint,omitempty"`
	Typed  string `json:"-"` // what the person had typed, so that it is not lost
	To     string `json:"-"` // where it was to be said
	SayID  string `json:"-"`
}

func failureOf(err error) failure {
	f := failure{Status: console.StatusOf(err), Kind: errs.KindOf(err).String(), Text: errs.Cause(err), Hint: errs.HintOf(err)}
	if f.Status == http.StatusInternalServerError {
		f.Text, f.Hint = "something went wrong inside slipway", "the log says more"
	}
	return f
}

// wantsJSON reports whether a script asks, which shows errors where they belong.
func wantsJSON(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Accept"), "application/json")
}

// fail answers with an error: words for people, JSON for the script.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := failureOf(err)
	if f.Status == http.StatusInternalServerError {
		s.o.Log.Error("a page failed", "path", r.URL.Path, "error", err)
	}
	w.Header().Set("Cache-Control", "no-store")
	if wantsJSON(r) {
		writeJSON(w, f.Status, map[string]failure{"error": f})
		return
	}
	if r.Method == http.MethodPost && r.PostForm.Get("text") != "" {
		f.Typed, f.To, f.SayID = r.PostForm.Get("text"), r.URL.Path, r.PostForm.Get("id")
	}
	q := r.Clone(r.Context())
	q.URL.RawQuery = "" // an error is a page, never a fragment
	if err := s.renderAs(w, q, f.Status, "error", f); err != nil {
		s.o.Log.Error("the page of an error failed", "error", err)
		http.Error(w, f.Text, f.Status)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		status, raw = http.StatusInternalServerError, []byte(`{"error":{"kind":"internal","text":"something went wrong inside slipway"}}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

func clip(s string) string {
	if rs := []rune(s); len(rs) > 60 {
		return string(rs[:60]) + "…"
	}
	return s
}
