package web_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/view"
	"slipway/integrations/console/login"
	"slipway/integrations/console/web"
	"slipway/test/fleet"
)

// hostile is text that would do something in a page if it were not shown as text.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)> {{.}} ' javascript:alert(3) ` + "\u202e]gnp\u0000"

// yard is a fleet with its pages.
type yard struct {
	*fleet.Fleet
	t    *testing.T
	site *web.Site
	r    *view.Reader
}

type commits struct{}

func (commits) Commit(_ context.Context, _ string, _ map[string]any, id string) (web.Commit, error) {
	return web.Commit{ID: id, Author: hostile, Subject: hostile, Body: hostile, Log: []string{hostile}, Diff: "+" + hostile + "\n-" + hostile + "\n@@ x\n",
		Files: []web.FileChange{{Path: hostile, Added: 1}}}, nil
}

type logs struct{}

type text struct{ *strings.Reader }

func (text) Close() error { return nil }

func (logs) Open(_ context.Context, st view.StepPage) (io.ReadSeekCloser, int64, error) {
	if st.Step.Path != "files" {
		return nil, 0, errs.E("logs", errs.NotFound, errors.New("it has none"))
	}
	body := strings.Repeat("line "+hostile+"\n", 3000) + "the last line\n"
	return text{strings.NewReader(body)}, int64(len(body)), nil
}

type bodies struct{ f *fleet.Fleet }

func (b bodies) Open(ctx context.Context, digest string) (io.ReadSeekCloser, int64, error) {
	body, err := b.f.Blobs.Get(ctx, digest)
	return text{strings.NewReader(string(body))}, int64(len(body)), err
}

type proofs struct{ fail error }

func (p proofs) Write(_ context.Context, _ string, w io.Writer) error {
	if p.fail != nil {
		return p.fail
	}
	_, err := io.WriteString(w, "a bundle")
	return err
}

func (proofs) Heads(context.Context, string) ([]web.Head, error) {
	return []web.Head{{Seq: 7, What: hostile, At: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}}, nil
}

func newYard(t *testing.T, more ...string) *yard {
	t.Helper()
	f, err := fleet.New(t.TempDir(), fleet.Options{More: more})
	if err != nil {
		t.Fatal(err)
	}
	y := &yard{Fleet: f, t: t, r: view.New(f.Engine)}
	y.site, err = web.New(web.Options{Desk: f.Desk, Feed: f.Engine, Clock: f.Clock.Now,
		SeesRun: func(v login.Viewer, run string) bool { return y.r.Sees(context.Background(), v.Person, run) },
		Views:   web.Views{Reader: y.r, Commits: commits{}, Logs: logs{}, Bodies: bodies{f}, Evidence: proofs{}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		y.site.Close()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return y
}

func (y *yard) say(who, channel, line string) {
	y.t.Helper()
	if _, err := y.Say(context.Background(), who, channel, "", line); err != nil {
		y.t.Fatal(err)
	}
}

func (y *yard) do(who, method, path string, form url.Values) *httptest.ResponseRecorder {
	y.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	v := login.Viewer{Account: "console:" + who, Person: people.PersonID(who), Name: who, Scopes: login.Scopes()}
	if who == "" {
		v.Account = "console:stranger"
	}
	w := httptest.NewRecorder()
	y.site.ServeHTTP(w, r.WithContext(login.With(r.Context(), v)))
	if method == http.MethodPost {
		if err := y.Work(context.Background()); err != nil {
			y.t.Fatal(err)
		}
	}
	return w
}

func (y *yard) page(who, path string) string {
	y.t.Helper()
	w := y.do(who, http.MethodGet, path, nil)
	if w.Code != http.StatusOK {
		y.t.Fatalf("%s gets %d for %s:\n%s", who, w.Code, path, w.Body)
	}
	return w.Body.String()
}

var formRE = regexp.MustCompile(`(?s)<form class="act[^>]*action="([^"]*)"[^>]*data-action="([^"]*)".*?</form>`)
var hiddenRE = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// press sends the first form of an action on a page, as a browser without a script does.
func (y *yard) press(who, page, action string, more url.Values) *httptest.ResponseRecorder {
	y.t.Helper()
	for _, m := range formRE.FindAllStringSubmatch(y.page(who, page), -1) {
		if m[2] != action {
			continue
		}
		form := url.Values{}
		for _, h := range hiddenRE.FindAllStringSubmatch(m[0], -1) {
			form.Set(unescape(h[1]), unescape(h[2]))
		}
		for k, v := range more {
			form[k] = v
		}
		w := y.do(who, http.MethodPost, unescape(m[1]), form)
		if w.Code != http.StatusSeeOther {
			y.t.Fatalf("%s presses %s: %d\n%s", who, action, w.Code, w.Body)
		}
		return w
	}
	y.t.Fatalf("%s has no form %s for %s", page, action, who)
	return nil
}

func unescape(s string) string {
	return strings.NewReplacer("&amp;", "&", "&#34;", `"`, "&#39;", "'", "&lt;", "<", "&gt;", ">", "&#43;", "+").Replace(s)
}

func (y *yard) id(who, name string) string {
	y.t.Helper()
	id, err := y.Run(context.Background(), who, name)
	if err != nil {
		y.t.Fatal(err)
	}
	return id
}

// A release is carried to its end by the buttons of its page, without a script.
func TestARunFromItsPage(t *testing.T) {
	y := newYard(t)
	y.say("grace", "lava", "release 2026.02 note=hello")
	run := "/runs/" + y.id("grace", "2026.02")
	w := y.press("grace", run, "answer", url.Values{"f.merged": {"true"}, "f.moved": {`the "blue" one`}})
	if to := w.Header().Get("Location"); !strings.HasPrefix(to, run+"?said=") {
		t.Errorf("it leads to %s", to)
	} else if page := y.page("grace", strings.TrimSuffix(to, "#talk")); !strings.Contains(page, "You said it") || !strings.Contains(page, "thank you, recorded") {
		t.Error("the page does not show what was said and answered")
	}
	y.press("alan", run, "approve", nil)
	if page := y.page("alan", run); !strings.Contains(page, "You approve exactly this.") || !strings.Contains(page, "1 of 2 maintainers: alan") {
		t.Error("the approval is not shown")
	}
	y.press("alan", run, "withdraw", nil)
	y.press("alan", "/mine", "approve", nil)
	y.Break("fleet.push", true, errs.E("push", errs.Doubtful, errors.New("the line went dead")))
	y.press("hana", run+"/steps/go", "approve", nil)
	if page := y.page("grace", run); !strings.Contains(page, `data-doubt="push"`) {
		t.Fatal("the doubt is not shown")
	}
	y.Break("fleet.push", false, nil)
	y.press("grace", run, "happened", url.Values{"j.string.output.result": {"seen there"}, "o.reason": {"I looked"}})
	y.press("grace", run, "done", url.Values{"f.who": {"the mirrors"}})
	page := y.page("grace", run)
	if !strings.Contains(page, ">done<") && !strings.Contains(page, " done</span>") {
		t.Errorf("the run has not ended:\n%s", page)
	}
}

// The same form sent twice is one line, and a button of an old page approves nothing new.
func TestAFormSaysOneLine(t *testing.T) {
	y := newYard(t)
	y.say("grace", "lava", "release 2026.02")
	id := y.id("grace", "2026.02")
	y.say("grace", "lava", "answer 2026.02 checklist merged=true")
	old := y.page("alan", "/runs/"+id)
	form := func(page, action string) url.Values {
		for _, m := range formRE.FindAllStringSubmatch(page, -1) {
			if m[2] == action {
				out := url.Values{}
				for _, h := range hiddenRE.FindAllStringSubmatch(m[0], -1) {
					out.Set(h[1], unescape(h[2]))
				}
				return out
			}
		}
		t.Fatalf("no form %s", action)
		return nil
	}
	approve := form(old, "approve")
	y.say("grace", "lava", `release retry 2026.02 --from checklist note="something else"`)
	y.say("grace", "lava", "answer 2026.02 checklist merged=true")
	for range 2 {
		if w := y.do("alan", http.MethodPost, "/runs/"+id+"/say", approve); w.Code != http.StatusSeeOther {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	said := 0
	all, err := y.Room.Messages("lava", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.Author == "console:alan" {
			said++
		}
	}
	if said != 1 {
		t.Errorf("one form was said %d times", said)
	}
	g, err := y.r.Gate(context.Background(), "alan", id, "go")
	if err != nil || g.Yes || len(g.Votes) != 0 {
		t.Errorf("an old page approved what it did not show: %v %+v", err, g)
	}
}

// Nothing that anybody wrote is markup in a page: not names of people, messages, reasons, values,
// logs, commits or addresses.
func TestHostileTextsAreText(t *testing.T) {
	y := newYard(t)
	line := strings.NewReplacer(`"`, `\"`, "\u202e", "", "\u0000", "").Replace(hostile)
	y.say("grace", "lava", `release 2026.02 note="`+line+`"`)
	y.say("grace", "lava", `answer 2026.02 checklist merged=true moved="`+line+`"`)
	y.say("alan", "lava", `reject 2026.02 go --reason "`+line+`"`)
	y.say("grace", "lava", `release 2026.03 note="`+line+`"`)
	y.Break("fleet.files", false, errs.E("files", errs.Failed, errors.New(hostile)))
	y.say("grace", "lava", `answer 2026.03 checklist merged=true`)
	y.say("grace", "lava", `release hold 2026.03 --reason "`+line+`"`)
	y.say("grace", "lava", `freeze add x --from 2026-03-01 --until 2026-04-01 --reason "`+line+`"`)
	two, three := "/runs/"+y.id("grace", "2026.02"), "/runs/"+y.id("grace", "2026.03")
	st, err := y.r.Step(context.Background(), "grace", strings.TrimPrefix(two, "/runs/"), "state", view.Pick{})
	if err != nil {
		t.Fatal(err)
	}
	bare := regexp.MustCompile(`(?i)<script[^>]*>[^<]|<img|onerror=alert\(2\)>|href="javascript|style="`)
	for _, path := range []string{two, three, two + "/steps/go", two + "/steps/checklist", three + "/steps/files", two + "/steps/files", two + "/timeline?fine=1",
		two + "/log/files", two + "/output/notes?name=text", two + "/commits/" + st.Outputs[0].Text, "/mine", "/runs", "/runs?q=" + url.QueryEscape(hostile),
		"/runs?requester=" + url.QueryEscape(hostile) + "&family=" + url.QueryEscape(hostile) + "&which=" + url.QueryEscape(hostile), "/queue", "/calendar", "/status",
		two + "?said=" + url.QueryEscape(hostile)} {
		page := y.page("grace", path)
		if found := bare.FindString(page); found != "" {
			at := strings.Index(page, found)
			t.Errorf("%s has %q in it: …%s", path, found, page[max(0, at-200):min(len(page), at+200)])
		}
		if strings.ContainsAny(page, "\u202e\u0000") {
			t.Errorf("%s holds what turns text around", path)
		}
		if !strings.HasSuffix(strings.TrimSpace(page), "</html>") {
			t.Errorf("%s is not whole", path)
		}
	}
	for _, path := range []string{"/runs/" + url.PathEscape(hostile), two + "/steps/" + url.PathEscape(hostile), two + "/body/" + url.PathEscape(hostile), "/calendar?month=" + url.QueryEscape(hostile)} {
		w := y.do("grace", http.MethodGet, path, nil)
		if w.Code/100 != 4 || bare.MatchString(w.Body.String()) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	w := y.do("grace", http.MethodGet, two+"/picture.svg", nil)
	if w.Code != http.StatusOK || bare.MatchString(strings.ReplaceAll(w.Body.String(), "<style", "")) || !strings.Contains(w.Header().Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("the picture: %d %v", w.Code, w.Header())
	}
}

// Logs come in pieces that join without a gap, from the end.
func TestALogIsPaged(t *testing.T) {
	y := newYard(t)
	y.say("grace", "lava", "release 2026.02")
	y.say("grace", "lava", "answer 2026.02 checklist merged=true")
	base := "/runs/" + y.id("grace", "2026.02")
	if page := y.page("grace", base+"/steps/files"); !strings.Contains(page, "the last line") || !strings.Contains(page, "all of it") {
		t.Error("the step does not show the end of its log")
	}
	total, seen := 0, map[string]bool{}
	link := regexp.MustCompile(`href="([^"]*)">Earlier`)
	for path := base + "/log/files"; path != "" && !seen[path]; {
		seen[path] = true
		page := y.page("grace", path)
		total += strings.Count(page, "line &#34;&gt;")
		next := link.FindStringSubmatch(page)
		if path = ""; next != nil {
			path = unescape(next[1])
		}
	}
	if total < 3000 || total > 3000+2*len(seen) || len(seen) < 3 {
		t.Errorf("%d pages have %d lines", len(seen), total)
	}
	w := y.do("grace", http.MethodGet, base+"/log/files?file=1", nil)
	if strings.Count(w.Body.String(), "\n") != 3001 || !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment") {
		t.Errorf("the file: %v", w.Header())
	}
	if w := y.do("grace", http.MethodGet, base+"/log/notes", nil); w.Code != http.StatusNotFound {
		t.Errorf("a step without a log: %d", w.Code)
	}
}

func TestBodiesAreOfTheRunAlone(t *testing.T) {
	y := newYard(t)
	y.say("grace", "lava", "release 2026.02")
	y.say("grace", "lava", "answer 2026.02 checklist merged=true")
	id := y.id("grace", "2026.02")
	st, err := y.r.Step(context.Background(), "grace", id, "files", view.Pick{})
	if err != nil {
		t.Fatal(err)
	}
	digest := ""
	for _, o := range st.Outputs {
		if o.Name == "first" {
			digest = o.Body
		}
	}
	w := y.do("grace", http.MethodGet, "/runs/"+id+"/body/"+digest, nil)
	if w.Code != http.StatusOK || w.Body.String() != "body of 2026.02.dsc" || w.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(w.Header().Get("Content-Disposition"), `"2026.02.dsc"`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	// A body that is kept, but belongs to another run, and that somebody only names.
	other, err := y.Blobs.Put(context.Background(), []byte("a secret"))
	if err != nil {
		t.Fatal(err)
	}
	y.say("grace", "lava", "release 2026.03 note="+other)
	y.say("grace", "lava", "answer 2026.03 checklist merged=true moved="+other)
	for _, name := range []string{"2026.02", "2026.03"} {
		if w := y.do("grace", http.MethodGet, "/runs/"+y.id("grace", name)+"/body/"+other, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s gives the secret: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestEvidenceIsAFileOrAPage(t *testing.T) {
	y := newYard(t)
	y.say("grace", "lava", "release 2026.02")
	base := "/runs/" + y.id("grace", "2026.02")
	w := y.do("grace", http.MethodGet, base+"/evidence", nil)
	if w.Code != http.StatusOK || w.Body.String() != "a bundle" || !strings.Contains(w.Header().Get("Content-Disposition"), "release-lava-2026.02.evidence.tar") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

// Each part of a page can be asked for alone, as the script does.
func TestFragmentsAreOneElementEach(t *testing.T) {
	y := newYard(t)
	y.say("grace", "lava", "release 2026.02")
	y.say("grace", "lava", "answer 2026.02 checklist merged=true")
	base := "/runs/" + y.id("grace", "2026.02")
	live := regexp.MustCompile(`id="([^"]*)" data-live="`)
	for _, path := range []string{base, base + "/steps/go", base + "/timeline", "/runs", "/mine", "/queue", "/calendar", "/status"} {
		page := y.page("grace", path)
		parts := live.FindAllStringSubmatch(page, -1)
		if len(parts) == 0 {
			t.Errorf("%s is not live", path)
		}
		for _, m := range parts {
			one := strings.TrimSpace(y.page("grace", path+"?fragment="+m[1]))
			if !strings.HasPrefix(one, "<") || !strings.Contains(one[:min(len(one), 200)], fmt.Sprintf(`id="%s"`, m[1])) || strings.Contains(one, "<html") {
				t.Errorf("%s: the part %s is %.200s", path, m[1], one)
			}
		}
	}
}
