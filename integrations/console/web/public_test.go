package web

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console/login"
)

// shownTo is what a page for everybody answers somebody.
func shownTo(h http.Handler, who, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", "text/html")
	if who != "" {
		r = r.WithContext(login.With(r.Context(), viewerOf(who)))
		r.AddCookie(&http.Cookie{Name: themeCookie, Value: "dark"})
		r.AddCookie(&http.Cookie{Name: zoneCookie, Value: "Asia/Tokyo"})
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestThePublicPageAndItsFeed: both tell the same of what was released, are the same for everybody,
// and what stands in names is text.
func TestThePublicPageAndItsFeed(t *testing.T) {
	w := newWorld(t)
	const evil = `<script>alert(1)</script>"'&]]>` + "\x01\u202e"
	at := time.Date(2019, 1, 31, 23, 30, 0, 0, time.UTC)
	list := []Release{{"harbour", "2019.02", at, false}, {"harbour", "2019.01", at.AddDate(0, -1, 0), true}, {evil, "1/" + evil, at.AddDate(0, -2, 0), false}}
	for i := range maxReleases {
		list = append(list, Release{"old", fmt.Sprintf("0.%d", i), at.AddDate(-1, 0, -i), false})
	}
	var fails error
	h := w.site.Public("https://slipway.example", func(context.Context) ([]Release, error) { return list, fails })
	for _, path := range []string{"/public", "/public/feed.atom"} {
		all, hers := shownTo(h, "", path), shownTo(h, "hana", path+"?fragment=nav&x=1")
		if all.Code != http.StatusOK || hers.Code != http.StatusOK || all.Body.String() != hers.Body.String() {
			t.Errorf("%s: %d, and for hana %d: caches would give one's to the other:\n%s", path, all.Code, hers.Code, hers.Body)
		}
		if all.Header().Get("Cache-Control") != "public, max-age=300" || len(all.Header().Values("Set-Cookie")) > 0 {
			t.Errorf("%s: %v", path, all.Header())
		}
		for _, word := range []string{"<script>alert", "\x01", "0.99", "Hana", "console:"} {
			if strings.Contains(all.Body.String(), word) {
				t.Errorf("%s has %q", path, word)
			}
		}
	}
	page := shownTo(h, "", "/public").Body.String()
	for _, word := range []string{`id="r-harbour-2019.02"`, "31 January 2019", "2019.01 (taken back)", "&lt;script&gt;", "/public/feed.atom"} {
		if !strings.Contains(page, word) {
			t.Errorf("the page does not say %q:\n%s", word, page)
		}
	}

	feed := shownTo(h, "", "/public/feed.atom")
	var f atomFeed
	if err := xml.Unmarshal(feed.Body.Bytes(), &f); err != nil {
		t.Fatal(err)
	}
	if feed.Header().Get("Content-Type") != "application/atom+xml; charset=utf-8" || f.ID != "https://slipway.example/public" || f.Updated != "2019-01-31T23:30:00Z" || len(f.Entries) != maxReleases {
		t.Errorf("%v, a feed of %d entries: %+v", feed.Header(), len(f.Entries), f.Updated)
	}
	first := f.Entries[0]
	if first.Title != "harbour 2019.02" || first.Link.Href != "https://slipway.example/public#r-harbour-2019.02" || first.ID != fmt.Sprintf("https://slipway.example/public/harbour/2019.02/%d", at.Unix()) {
		t.Errorf("the first entry is %+v", first)
	}
	if !strings.Contains(f.Entries[1].Content, "taken back") {
		t.Errorf("the second entry is %+v", f.Entries[1])
	}
	ids := map[string]bool{}
	for _, e := range f.Entries {
		if _, err := url.Parse(e.ID); err != nil || ids[e.ID] {
			t.Errorf("%q is no id of one entry: %v", e.ID, err)
		}
		ids[e.ID] = true
	}

	// Nothing was released yet, and then nothing can be told: that is not kept.
	list = nil
	if a := shownTo(h, "", "/public"); !strings.Contains(a.Body.String(), "Nothing was released yet") {
		t.Errorf("an empty page: %s", a.Body)
	}
	fails = errs.E("list", errs.Unavailable, errors.New("the list cannot be read"))
	if a := shownTo(h, "", "/public"); a.Code != http.StatusServiceUnavailable || a.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("a failure: %d %v", a.Code, a.Header())
	}
}
