package web

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Release is a version that was released, as everybody may know of it.
type Release struct {
	Project   string
	Version   string
	At        time.Time // when the release ended
	TakenBack bool      // it was released, and undone since
}

// maxReleases is how many versions the public page and the feed show.
const maxReleases = 100

// Public serves /public and /public/feed.atom: released versions for everybody, without any person
// and any run. base is the address of the console, which the feed's links begin with. list gives
// the newest first; what is private is never in it.
func (s *Site) Public(base string, list func(context.Context) ([]Release, error)) http.Handler {
	mux := http.NewServeMux()
	serve := func(pattern string, do func(http.ResponseWriter, *http.Request, []Release) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			releases, err := list(r.Context())
			if err == nil {
				releases = releases[:min(len(releases), maxReleases)]
				err = do(w, r, releases)
			}
			if err != nil {
				s.fail(w, r, err)
			}
		})
	}
	serve("GET /public", func(w http.ResponseWriter, r *http.Request, releases []Release) error {
		q := r.Clone(context.Background()) // caches give it to everybody: no viewer, no cookie has a part in it
		q.URL.RawQuery = ""
		q.Header.Del("Cookie")
		return s.renderAs(kept{w}, q, http.StatusOK, "public", map[string]any{"Releases": releases, "Link": base + "/public"})
	})
	serve("GET /public/feed.atom", func(w http.ResponseWriter, _ *http.Request, releases []Release) error {
		raw, err := atom(base, releases)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/atom+xml; charset=utf-8")
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		kept{w}.WriteHeader(http.StatusOK)
		_, err = w.Write(raw)
		return err
	})
	return mux
}

// kept lets caches keep an answer for five minutes: it is the same for everybody.
type kept struct{ http.ResponseWriter }

// WriteHeader begins the answer.
func (k kept) WriteHeader(status int) {
	if status == http.StatusOK {
		k.Header().Set("Cache-Control", "public, max-age=300")
	}
	k.ResponseWriter.WriteHeader(status)
}

// The parts of a feed (RFC 4287, section 4).
type (
	atomFeed struct {
		XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
		ID      string      `xml:"id"`
		Title   string      `xml:"title"`
		Updated string      `xml:"updated"`
		Author  atomAuthor  `xml:"author"`
		Links   []atomLink  `xml:"link"`
		Entries []atomEntry `xml:"entry"`
	}
	atomAuthor struct {
		Name string `xml:"name"`
	}
	atomLink struct {
		Rel  string `xml:"rel,attr,omitempty"`
		Href string `xml:"href,attr"`
	}
	atomEntry struct {
		ID      string   `xml:"id"`
		Title   string   `xml:"title"`
		Updated string   `xml:"updated"`
		Link    atomLink `xml:"link"`
		Content string   `xml:"content"`
	}
)

// atom is the feed of the releases. The id of an entry is the same for ever, so that a reader shows
// each release once.
func atom(base string, releases []Release) ([]byte, error) {
	updated := time.Unix(0, 0)
	for _, r := range releases {
		if r.At.After(updated) {
			updated = r.At
		}
	}
	f := atomFeed{ID: base + "/public", Title: "Releases", Updated: updated.UTC().Format(time.RFC3339), Author: atomAuthor{"Slipway"},
		Links: []atomLink{{Href: base + "/public"}, {Rel: "self", Href: base + "/public/feed.atom"}}}
	for _, r := range releases {
		name := printable(r.Project + " " + r.Version)
		content := name + " was released."
		if r.TakenBack {
			content = name + " was released and taken back since."
		}
		at := base + "/public#" + url.PathEscape(r.Anchor())
		f.Entries = append(f.Entries, atomEntry{ID: fmt.Sprintf("%s/public/%s/%s/%d", base, url.PathEscape(r.Project), url.PathEscape(r.Version), r.At.Unix()),
			Title: name, Updated: r.At.UTC().Format(time.RFC3339), Link: atomLink{Href: at}, Content: content})
	}
	var out bytes.Buffer
	out.WriteString(xml.Header)
	e := xml.NewEncoder(&out)
	e.Indent("", " ")
	if err := e.Encode(f); err != nil {
		return nil, err
	}
	return out.Bytes(), e.Close()
}

// Anchor names a release within the page.
func (r Release) Anchor() string { return printable("r-" + r.Project + "-" + r.Version) }

// Day is when it was released, for people.
func (r Release) Day() string { return r.At.UTC().Format("2 January 2006") }

// Stamp is when it was released, for programs.
func (r Release) Stamp() string { return r.At.UTC().Format(time.RFC3339) }

// printable is text without what no page shows.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, text)
}
