package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"slipway/bot/finding"
	"slipway/bot/view"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
	"slipway/test/openapi"
)

// TestFindingsAreTold: they come as the document says, and are looked at anew only for who asks.
func TestFindingsAreTold(t *testing.T) {
	room, err := console.Open(filepath.Join(t.TempDir(), "room.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := room.Close(); err != nil {
			t.Error(err)
		}
	})
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	var anew []bool
	a, err := New(Options{View: view.New(nil), Bot: "bot:slipway", Log: slog.New(slog.DiscardHandler), Desk: &console.Desk{Room: room},
		Findings: func(_ context.Context, fresh bool) finding.Report {
			anew = append(anew, fresh)
			return finding.Report{Findings: []finding.Finding{{Code: "disk.full", Severity: finding.Error, What: "1 MB is left", Fix: "make room", Since: at}},
				Good: []finding.Healthy{{Code: "clock.off", Good: "the clock is right", Checked: at}}, Waiting: []string{"smtp.unreachable"}}
		}})
	if err != nil {
		t.Fatal(err)
	}
	check, err := openapi.New(Document(), func(what string) { t.Error(what) })
	if err != nil {
		t.Fatal(err)
	}
	h := check.Handler(a)
	for _, query := range []string{"", "?fresh=true", "?fresh=false"} {
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:7654/api/v1/findings"+query, nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(login.With(r.Context(), login.Viewer{Account: "unix:1", Person: "hana", Scopes: []login.Scope{login.Read}})))
		var got finding.Report
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || len(got.Findings) != 1 || got.Findings[0].Code != "disk.full" || !got.Findings[0].Since.Equal(at) || len(got.Good) != 1 || len(got.Waiting) != 1 {
			t.Errorf("%q: %d %v %s", query, w.Code, err, w.Body)
		}
	}
	if !slices.Equal(anew, []bool{false, true, false}) {
		t.Errorf("looked at anew: %v", anew)
	}
}
