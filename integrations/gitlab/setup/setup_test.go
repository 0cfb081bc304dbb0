package setup

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// good is a webhook as it should be, with changes.
func good(id int, change func(map[string]any)) Hook {
	fields := map[string]any{"id": float64(id), "url": "https://hooks.example/hooks/gitlab/harbour", "enable_ssl_verification": true,
		"push_events_branch_filter": "", "alert_status": "executable"}
	for _, e := range Released.Events() {
		fields[e] = true
	}
	if change != nil {
		change(fields)
	}
	return hookOf(fields)
}

func TestExamine(t *testing.T) {
	w := Wanted{Name: "harbour", Kind: Released, URL: "https://hooks.example/hooks/gitlab/harbour", Token: "x"}
	other := good(9, func(f map[string]any) { f["url"] = "https://ci.example/" })
	for name, c := range map[string]struct {
		all  []Hook
		id   int
		said string // "": all is well, or it is missing
	}{
		"nothing":              {nil, 0, ""},
		"others only":          {[]Hook{other}, 0, ""},
		"as it should be":      {[]Hook{other, good(1, nil)}, 1, ""},
		"moved":                {[]Hook{other, good(1, func(f map[string]any) { f["url"] = "http://old.example:8080/hooks/gitlab/harbour" })}, 1, "it sends to http://old.example:8080/"},
		"moved, and a new one": {[]Hook{good(1, func(f map[string]any) { f["url"] = "https://old.example/hooks/gitlab/harbour" }), good(2, nil)}, 2, ""},
		"elsewhere, by name":   {[]Hook{other, good(1, func(f map[string]any) { f["url"], f["name"] = "https://old.example/harbour", "Slipway harbour" })}, 1, "it sends to https://old.example/"},
		"twice":                {[]Hook{good(1, nil), good(2, nil)}, 1, "1 more of its webhooks"},
		"an event is off":      {[]Hook{good(1, func(f map[string]any) { f["emoji_events"] = false })}, 1, "are off: emoji_events"},
		"an event is unknown":  {[]Hook{good(1, func(f map[string]any) { delete(f, "milestone_events") })}, 1, "are off: milestone_events"},
		"an event too many":    {[]Hook{good(1, func(f map[string]any) { f["confidential_note_events"] = true })}, 1, "are on: confidential_note_events"},
		"no certificates":      {[]Hook{good(1, func(f map[string]any) { f["enable_ssl_verification"] = false })}, 1, "certificates are not checked"},
		"some branches":        {[]Hook{good(1, func(f map[string]any) { f["push_events_branch_filter"] = "x" })}, 1, "some branches"},
		"a template":           {[]Hook{good(1, func(f map[string]any) { f["custom_webhook_template"] = "{}" })}, 1, "custom template"},
		"it signs":             {[]Hook{good(1, func(f map[string]any) { f["signing_token_present"] = true })}, 1, "no signing token is configured"},
		"wrong types":          {[]Hook{hookOf(map[string]any{"id": "1", "url": 7.0})}, 0, ""},
	} {
		e := Examine(c.all, w)
		if e.Hook.ID != c.id || e.Missing() != (c.id == 0) || (len(e.Wrong) > 0) != (c.said != "") || c.said != "" && !strings.Contains(e.Wrong[0], c.said) {
			t.Errorf("%s: hook %d, %q", name, e.Hook.ID, e.Wrong)
		}
	}
	w.Signing = "whsec_x"
	if e := Examine([]Hook{good(1, func(f map[string]any) { f["signing_token_present"] = false })}, w); len(e.Wrong) != 1 || e.Wrong[0] != "it does not sign" {
		t.Errorf("%q", e.Wrong)
	}
}

func TestPaused(t *testing.T) {
	for status, want := range map[string]bool{"": false, "executable": false, "temporarily_disabled": true, "disabled": true, "something new": true} {
		until, got := good(1, func(f map[string]any) {
			f["alert_status"], f["disabled_until"] = status, "2026-08-01T12:00:00.000Z"
		}).Paused()
		if got != want || until.IsZero() != (status != "temporarily_disabled") {
			t.Errorf("%q: %v until %s", status, got, until)
		}
		if status == "temporarily_disabled" && !until.Equal(time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)) {
			t.Errorf("until %s", until)
		}
	}
}

func TestRolesAndScopes(t *testing.T) {
	for level, want := range map[int]string{0: "no role", 10: "Guest", 30: "Developer", 40: "Maintainer", 45: "Maintainer", 60: "Owner"} {
		if got := Role(level); got != want {
			t.Errorf("%d is %s", level, got)
		}
	}
	if (Token{Scopes: []string{"read_api"}}).May() || !(Token{Scopes: []string{"read_user", "api"}}).May() {
		t.Error("scopes are misread")
	}
	for _, k := range []Kind{Released, Fork, Handover} {
		for _, e := range k.Events() {
			if !slices.Contains(allEvents(), e) {
				t.Errorf("%s of %s is no event", e, k)
			}
		}
	}
}

// TestThePasswordInAnAddressIsNotTold: somebody may have put one there.
func TestThePasswordInAnAddressIsNotTold(t *testing.T) {
	h := hookOf(map[string]any{"id": 3.0, "url": "https://maria:hunter2@old.harbour.example/hooks/gitlab/harbour"})
	e := Examine([]Hook{h}, Wanted{Name: "harbour", Kind: Released, URL: "https://hooks.harbour.example/hooks/gitlab/harbour"})
	if len(e.Wrong) == 0 || e.Wrong[0] != "it sends to https://old.harbour.example/hooks/gitlab/harbour" {
		t.Errorf("it says %q", e.Wrong)
	}
}
