package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"slipway/bot/view"
	"slipway/integrations/console/api"
)

// TestAForbiddenRunIsLikeNone asks for a private run in every way that there is, as somebody outside
// of its circle, and for a run that never was. Nothing but the name that was asked for differs.
func TestAForbiddenRunIsLikeNone(t *testing.T) {
	w := newDoorWorld(t, asMany)
	hana, tessa := w.browser("hana.localhost"), w.browser("tessa.localhost")
	hana.say("release 2019.01 --private")
	id := w.runOf("release/harbour/2019.01")
	w.until("the run waits at its gate", func() bool {
		a := hana.get("/api/v1/runs/"+id, header("Accept", "application/json"))
		return a.StatusCode == http.StatusOK && strings.Contains(a.text, `"gate"`)
	})
	never := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '9' - (r - '0')
		}
		return r
	}, id)
	if never == id {
		t.Fatalf("the id %s has no digit", id)
	}
	asks := []string{"/runs/%s", "/runs/%s/timeline", "/runs/%s/steps/go", "/runs/%s/steps/nothing", "/runs/%s/log/ci", "/runs/%s/output/changelog", "/runs/%s/evidence", "/runs/%s/picture.svg",
		"/runs/%s/body/sha256:0000000000000000000000000000000000000000000000000000000000000000", "/runs/%s/commits/0000000000000000000000000000000000000000", "/runs/%s?fragment=run-head"}
	param := regexp.MustCompile(`\{[a-z]+\}`)
	for path, methods := range fromJSON[struct{ Paths map[string]map[string]any }](t, string(api.Document())).Paths {
		if _, get := methods["get"]; !get || !strings.Contains(path, "{run}") {
			continue
		}
		path = strings.Replace(path, "{run}", "%s", 1)
		asks = append(asks, param.ReplaceAllString(path, "go"))
	}
	if len(asks) < 14 {
		t.Fatalf("only %d ways to ask", len(asks))
	}
	names := [][2]string{{id, never}, {"release/harbour/2019.01", "release/harbour/2018.09"}, {"2019.01", "2018.09"}}
	for _, ask := range asks {
		for _, n := range names {
			for _, accept := range []string{"text/html", "application/json"} {
				forbidden := tessa.get(fmt.Sprintf(ask, url.PathEscape(n[0])), header("Accept", accept))
				none := tessa.get(fmt.Sprintf(ask, url.PathEscape(n[1])), header("Accept", accept))
				if forbidden.StatusCode == http.StatusOK || forbidden.StatusCode != none.StatusCode {
					t.Errorf("%s of %s: %s, and %s where there is none", ask, n[0], forbidden.Status, none.Status)
				}
				one, other := strings.Split(plainly(forbidden, n[0]), "\n"), strings.Split(plainly(none, n[1]), "\n")
				for i := range min(len(one), len(other)) {
					if one[i] != other[i] || len(one) != len(other) {
						t.Errorf("%s of %s differs from none:\n%s\n%s", ask, n[0], one[i], other[i])
						break
					}
				}
			}
		}
	}
	// It is in no list, and in nothing that is offered or counted.
	for _, path := range []string{"/runs", "/runs?q=2019.01", "/mine", "/queue", "/calendar", "/status", "/c/general", "/c/@me", "/complete?channel=general&line=release+why+2", "/api/v1/runs", "/api/v1/mine", "/api/v1/queue",
		"/api/v1/calendar", "/api/v1/channels", "/api/v1/channels/general/messages", "/api/v1/completions?channel=general&text=release+why+", "/metrics", "/public", "/public/feed.atom"} {
		a := tessa.get(path, header("Accept", "text/html, application/json"))
		for _, word := range []string{id, "release/harbour/2019.01"} {
			if strings.Contains(a.text, word) && a.StatusCode < 300 && !strings.Contains(path, "q=") {
				t.Errorf("%s tells her of %s", path, word)
			}
		}
	}
	// What a person types at it is answered as if it were not there, and changes nothing.
	tessa.send("POST", "/runs/"+id+"/say", url.Values{"text": {"abort"}, "id": {"abort-1"}}).want(t, http.StatusNotFound)
	hana.get("/runs/"+id).want(t, http.StatusOK, "2019.01")
}

// plainly is an answer without what was asked for, the time and the place in the stream.
func plainly(a answer, name string) string {
	text := a.text
	for _, form := range []string{name, url.PathEscape(name), url.QueryEscape(name)} {
		text = strings.ReplaceAll(text, form, "NAME")
	}
	for _, vary := range []string{`data-position="[^"]*"`, `\d+ (second|minute)s? ago`, `datetime="[^"]*"`, `\d\d:\d\d(:\d\d)?`} {
		text = regexp.MustCompile(vary).ReplaceAllString(text, "VARY")
	}
	return text
}

// runOf is the id of the run of that name, whoever may see it.
func (w *doorWorld) runOf(name string) (id string) {
	w.t.Helper()
	w.until("there is the run "+name, func() bool {
		page, err := w.b.web.view.Runs(w.t.Context(), "hana", view.Query{})
		if err != nil {
			return false
		}
		for _, r := range page.Runs {
			if r.Name == name {
				id = r.ID
			}
		}
		return id != ""
	})
	return id
}

// TestMarkupOfOthersIsText lets people say, commit and be called what would be a script in a page
// that did not take care.
func TestMarkupOfOthersIsText(t *testing.T) {
	const evil = `<script>alert(1)</script><img src=x onerror=alert(2)>"'&<a href="javascript:alert(3)">`
	w := newDoorWorld(t, func(text, addr string) string {
		return strings.Replace(asMany(text, addr), "name: Ben Buoy", `name: 'Ben <img src=x onerror=alert(4)>'`, 1)
	})
	work := w.dir + "/sample"
	if err := os.WriteFile(work+"/evil.txt", []byte(evil), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"add", "."}, {"-c", "user.name=Mallory <script>alert(5)</script>", "-c", "user.email=m@harbour.example", "commit", "-q", "-m", "mend " + evil + "\n\n" + evil}, {"push", "-q", w.dir + "/remote.git", "HEAD:master"}} {
		if _, err := output(t.Context(), work, "git", args...); err != nil {
			t.Fatal(err)
		}
	}
	hana, ben := w.browser("hana.localhost"), w.browser("ben.localhost")
	ben.say("harmless "+evil).want(t, http.StatusSeeOther)
	ben.say("`"+evil+"` <https://evil.example|"+evil+"> [x](javascript:alert(6)) ").want(t, http.StatusSeeOther)
	ben.say("release why "+evil).want(t, http.StatusSeeOther)
	hana.say("release 2019.01").want(t, http.StatusSeeOther)
	id := w.runOf("release/harbour/2019.01")
	waits := func(step string) func() bool {
		return func() bool {
			return strings.Contains(hana.get("/api/v1/runs/"+id, header("Accept", "application/json")).text, `{"step":"`+step+`"`)
		}
	}
	w.until("she is asked", waits("checklist"))
	hana.say("answer 2019.01 checklist merged=true").want(t, http.StatusSeeOther)
	w.until("the tester is asked", waits("tested"))
	w.browser("tessa.localhost").say(`answer 2019.01 tested good=true how="<script>alert(7)</script>"`).want(t, http.StatusSeeOther)
	w.until("the gate is open", waits("go"))
	ben.say("release hold 2019.01 "+strings.ReplaceAll(evil, "\"", "")).want(t, http.StatusSeeOther)
	pages := []string{"/c/general", "/runs", "/runs/" + id, "/runs/" + id + "/timeline", "/runs/" + id + "/steps/go", "/runs/" + id + "/steps/changelog", "/runs/" + id + "/steps/log", "/runs/" + id + "/steps/commit", "/runs/" + id + "/steps/tested", "/runs/" + id + "/steps/payload", "/runs/" + id + "/output/changelog", "/runs/" + id + "/picture.svg", "/mine", "/queue", "/calendar", "/status", "/account", "/login", "/help"}
	head := hana.get("/c/general").want(t, http.StatusOK)
	for _, m := range regexp.MustCompile(`href="(/c/general/\d+)`).FindAllStringSubmatch(head.text, 20) {
		pages = append(pages, m[1])
	}
	shown := false
	for _, path := range pages {
		a := hana.get(path)
		shown = shown || strings.HasPrefix(path, "/runs/") && strings.Contains(a.text, "mend &lt;script&gt;alert(1)")
		kind := a.Header.Get("Content-Type")
		if a.StatusCode >= 500 {
			t.Errorf("%s: %s", path, a.Status)
		}
		for _, bad := range []string{"<script>alert", "<img src=x", `href="javascript:`, "href='javascript:", "onerror=alert(2)>\"", "<a href=\"javascript"} {
			if strings.Contains(a.text, bad) && (strings.HasPrefix(kind, "text/html") || strings.Contains(kind, "svg")) {
				at := strings.Index(a.text, bad)
				t.Errorf("%s (%s) has %s:\n%s", path, kind, bad, a.text[max(0, at-200):min(len(a.text), at+200)])
			}
		}
	}
	if !shown {
		t.Error("no page of the run shows the commit")
	}
	if !strings.Contains(head.text, "&lt;script&gt;") {
		t.Error("the text that was said is not shown")
	}
}
