package web

import (
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"slipway/bot/card"
)

// hostile are texts that people and commits may hold.
func hostile() []string {
	return []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</textarea><script>x</script>`,
		`javascript:alert(1)`, `http://good.example"onclick="x`, "\u202egnp.exe", "a\x1b[2Jb\x00c", `{{template "x"}}`, `<!--`, `&lt;b&gt;`, "\u2066hidden\u2069",
	}
}

// checkHTML fails when a page has what only hostile text can have put there.
func checkHTML(t *testing.T, page string) {
	t.Helper()
	// What somebody typed is given back to them as it was.
	page = regexp.MustCompile(`(?s)(<textarea id="typed"[^>]*>|name="id" value=").*?(</textarea>|">)`).ReplaceAllString(page, "$1$2")
	if strings.ContainsAny(page, "\u202e\u2066\u2069\x1b\x00") {
		t.Error("characters that reorder or control reached the page")
	}
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		tag, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		name, src := tag.Name.Local, ""
		for _, a := range tag.Attr {
			if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "style" {
				t.Errorf("<%s %s=%q>", name, a.Name.Local, a.Value)
			}
			if a.Name.Local == "href" || a.Name.Local == "action" || a.Name.Local == "src" {
				src = a.Value
				if u, err := url.Parse(a.Value); err != nil || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
					t.Errorf("<%s> leads to %q", name, a.Value)
				}
			}
		}
		if name == "img" && (!strings.HasPrefix(src, "/runs/") || !strings.HasSuffix(src, "/picture.svg")) || name == "script" && !strings.HasPrefix(src, "/static/") || name == "iframe" || name == "object" {
			t.Errorf("<%s> is not ours", name)
		}
	}
}

// hostileCard has a text in every place of a card.
func hostileCard(s string) card.Card {
	return card.Card{Key: "k" + s, Title: "t" + s, Status: s, State: card.State(s), Mentions: []string{s}, Blocks: []card.Block{
		{Heading: s, Text: "x" + s + "\n  " + s},
		{Fields: []card.Field{{Name: s, Value: s}}},
		{Steps: []card.Step{{Name: s, State: card.Failed, Detail: s}, {Name: s, State: card.State(s)}}},
		{Awaited: []card.Awaited{{Who: s, What: s}}},
		{Links: []card.Link{{Text: s, URL: "https://good.example/?q=" + url.QueryEscape(s)}}},
		{Buttons: []card.Button{{ID: "b", Text: "x" + s, Command: "y" + s, Danger: true}}},
		{Picture: &card.Picture{Run: s, Alt: "x" + s}},
	}}
}

func TestMarkupOfOthersIsText(t *testing.T) {
	w := newWorld(t)
	for _, s := range hostile() {
		head := w.says("hana", "/c/general", w.id(), "said: "+s)
		c := hostileCard(s)
		w.posts(w.id(), "general", head, c)
		c.Key = "reply-" + w.id()
		w.posts(w.id(), "general", head, c)
	}
	w.site.o.Who = func(string) Author { return Author{Name: hostile()[0] + hostile()[6], Nick: hostile()[1]} }
	page := w.page("hana", "/c/general")
	checkHTML(t, page)
	if !strings.Contains(page, "&lt;script&gt;alert(1)&lt;/script&gt;") {
		t.Error("the text is not shown as it was written")
	}
	list, _ := w.room.Messages("general", "", 1)
	checkHTML(t, w.page("hana", "/c/general/"+list[0].ID))
	for _, s := range hostile() {
		for _, path := range []string{"/c/" + url.PathEscape(s), "/c/general?at=" + url.QueryEscape(s), "/c/general?fragment=" + url.QueryEscape(s), "/" + url.PathEscape(s), "/complete?channel=" + url.QueryEscape(s)} {
			checkHTML(t, w.send("hana", "GET", path, nil, "").body)
		}
		checkHTML(t, w.send("hana", "POST", "/c/nowhere", url.Values{"id": {s}, "text": {s}}, "").body)
		checkHTML(t, w.send("hana", "POST", "/react", url.Values{"message": {s}, "set": {"on:" + s}}, "").body)
	}
}

func TestOnlyAddressesOfPagesBecomeLinks(t *testing.T) {
	for in, want := range map[string][]piece{
		"see https://a.example/x?y=1, or not": {{Text: "see "}, {"https://a.example/x?y=1", "https://a.example/x?y=1"}, {Text: ", or not"}},
		"javascript:alert(1)":                 {{Text: "javascript:alert(1)"}},
		"https://a.example.":                  {{"https://a.example", "https://a.example"}, {Text: "."}},
		"xhttp://a.example":                   {{Text: "xhttp://a.example"}},
		"":                                    nil,
	} {
		got := spans(in)
		if len(got) != len(want) {
			t.Errorf("%q: %v", in, got)
			continue
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%q: %v", in, got)
			}
		}
	}
}

// TestStrictPolicyHolds looks for what a Content-Security-Policy without inline code forbids.
func TestStrictPolicyHolds(t *testing.T) {
	inline := regexp.MustCompile(`(?i)\sstyle=|\son[a-z]+=|<style|javascript:|<script(>| [^s])`)
	err := fs.WalkDir(templateFiles, "templates", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := templateFiles.ReadFile(path)
		if bad := inline.Find(raw); bad != nil {
			if !strings.Contains(string(raw), `<script type="module" src=`) || string(bad) != "<script t" {
				t.Errorf("%s has %q", path, bad)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreKeptByTheirDigest(t *testing.T) {
	w := newWorld(t)
	page := w.page("hana", "/c/general")
	_, rest, _ := strings.Cut(page, `<link rel="stylesheet" href="`)
	at, _, _ := strings.Cut(rest, `"`)
	a := w.send("", "GET", at, nil, "")
	if a.status != http.StatusOK || !strings.Contains(a.header.Get("Cache-Control"), "immutable") || !strings.HasPrefix(a.header.Get("Content-Type"), "text/css") {
		t.Errorf("%s: %d %v", at, a.status, a.header)
	}
	if a := w.send("", "GET", "/static/0123456789abcdef/style.css", nil, ""); a.status != http.StatusNotFound {
		t.Errorf("a file of another version: %d", a.status)
	}
	for _, name := range []string{"app.js", "live.js", "outbox.js", "line.js", "keys.js", "chat.js", "dom.js", "times.js", "icon.svg"} {
		u, err := w.site.files.url(name)
		if err != nil || w.send("", "GET", u, nil, "").status != http.StatusOK {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTimesAreShownInTheReadersZone(t *testing.T) {
	w := newWorld(t)
	w.says("hana", "/c/general", "1", "hello")
	for cookie, want := range map[string]string{"": `>14:00 UTC</time>`, "zone=Europe/Berlin": `>15:00</time>`, "zone=America%2FNew_York": `>09:00</time>`,
		"zone=../../etc/passwd": `>14:00 UTC</time>`, "zone=Local": `>14:00 UTC</time>`, "zone=No/Where": `>14:00 UTC</time>`} {
		a := w.send("hana", "GET", "/c/general", nil, "", "Cookie", cookie)
		if !strings.Contains(a.body, want) || !strings.Contains(a.body, `title="2019-01-31 14:00`) {
			t.Errorf("with %q there is no %s", cookie, want)
		}
	}
	if _, err := time.LoadLocation("Europe/Berlin"); err != nil {
		t.Fatal("this machine has no time zones: the test proves nothing")
	}
}

func TestThemeIsKept(t *testing.T) {
	w := newWorld(t)
	a := w.send("hana", "POST", "/theme", url.Values{"theme": {"dark"}, "back": {"//evil.example/x"}}, "")
	if a.header.Get("Location") != "/" || !strings.Contains(a.header.Get("Set-Cookie"), "theme=dark") {
		t.Errorf("%v", a.header)
	}
	if page := w.send("hana", "GET", "/c/general", nil, "", "Cookie", "theme=dark"); !strings.Contains(page.body, `data-theme="dark"`) {
		t.Error("the page is not dark")
	}
	if page := w.send("hana", "GET", "/c/general", nil, "", "Cookie", `theme="><script>`); strings.Contains(page.body, "data-theme=\"\"") {
		t.Error("any theme is taken")
	}
}

// FuzzCard shows a card with any text in every place; no text may become markup.
func FuzzCard(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s, s, "waiting")
	}
	f.Add("a\n  b   c", "https://x.example/", "done")
	w := &world{now: time.Date(2019, 1, 31, 14, 0, 0, 0, time.UTC)}
	site := &Site{o: Options{Clock: w.clock, NewID: w.id}, files: &assets{}}
	pages := &pages{site: site}
	t, err := pages.parse(time.UTC)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(ft *testing.T, text, other, state string) {
		c := hostileCard(text)
		c.State, c.Status = card.State(state), other
		c.Blocks = append(c.Blocks, card.Block{Links: []card.Link{{Text: other, URL: other}}})
		var out strings.Builder
		if err := t["channel"].ExecuteTemplate(&out, "card", site.card(viewerOf("hana"), messageOf(c), nil)); err != nil {
			ft.Fatal(err)
		}
		checkHTML(ft, out.String())
	})
}
