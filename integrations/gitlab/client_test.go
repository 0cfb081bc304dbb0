package gitlab

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
)

const secret = "glpat-abcdefgh"

// clock is a time that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// served is a client of a server that answers as handle says.
func served(t *testing.T, handle http.HandlerFunc) (*Client, *clock) {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	at := &clock{time.Date(2026, 8, 3, 9, 0, 0, 0, time.UTC)}
	c, err := New(Options{URL: s.URL, Token: secret, Now: at.now, Projects: []Project{{Remote: s.URL + "/yard/harbour.git", ID: 4711}}})
	if err != nil {
		t.Fatal(err)
	}
	return c, at
}

func project(path string) string {
	return fmt.Sprintf(`{"id":4711,"path_with_namespace":%q}`, path)
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

func TestAProjectIsItsNumberAndStillItsPath(t *testing.T) {
	path, reads, extra := "yard/harbour", 0, ""
	c, at := served(t, func(w http.ResponseWriter, r *http.Request) {
		reads++
		if r.URL.Path != "/api/v4/projects/4711" || r.Header.Get("PRIVATE-TOKEN") != secret {
			t.Errorf("asked for %s with the token %q", r.URL.Path, r.Header.Get("PRIVATE-TOKEN"))
		}
		answer(w, 200, strings.TrimSuffix(project(path), "}")+extra+"}")
	})
	remote := c.URL() + "/yard/harbour"
	for range 3 {
		if id, err := c.ProjectID(t.Context(), remote); id != 4711 || err != nil {
			t.Fatal(id, err)
		}
	}
	if reads != 1 {
		t.Errorf("the project was read %d times within a minute", reads)
	}
	path = "Yard/Harbour" // GitLab does not tell capitals apart
	at.at = at.at.Add(time.Minute)
	if _, err := c.ProjectID(t.Context(), remote); err != nil {
		t.Error(err)
	}
	path = "dock/harbour"
	at.at = at.at.Add(time.Minute)
	_, err := c.ProjectID(t.Context(), remote)
	if want := "the GitLab project 4711 is dock/harbour now; the configuration says yard/harbour"; errs.KindOf(err) != errs.Conflict || errs.Cause(err) != want {
		t.Errorf("after a move: %v, want %s", err, want)
	}
	// Before a push nothing is taken from memory.
	path = "yard/harbour"
	if _, err := c.ProjectID(t.Context(), remote); err != nil || c.Still(t.Context(), remote+".git") != nil {
		t.Fatal(err)
	}
	path = "dock/harbour"
	if err := c.Still(t.Context(), remote+".git"); errs.KindOf(err) != errs.Conflict || errs.Cause(err) != "the GitLab project 4711 is dock/harbour now; the configuration says yard/harbour" {
		t.Errorf("right before a push: %v", err)
	}
	if err := c.Still(t.Context(), "/srv/git/other.git"); err != nil {
		t.Errorf("of a repository that is not on GitLab: %v", err)
	}
	path, extra = "yard/harbour", `,"archived":true`
	if _, err = c.ProjectID(t.Context(), remote); errs.KindOf(err) != errs.Conflict {
		t.Errorf("an archived project: %v", err)
	}
	if _, err = c.ProjectID(t.Context(), "https://gitlab.example/other/one.git"); errs.KindOf(err) != errs.Invalid || errs.HintOf(err) == "" {
		t.Errorf("an unknown project: %v", err)
	}
}

func TestAnswersBecomeKinds(t *testing.T) {
	for _, x := range []struct {
		status      int
		body        string
		read, wrote errs.Kind
		text        string
	}{
		{401, `{"message":"401 Unauthorized"}`, errs.Denied, errs.Denied, "does not accept the bot's token"},
		{403, `{"error":"insufficient_scope"}`, errs.Denied, errs.Denied, "insufficient_scope"},
		{404, `{"message":"404 Not found"}`, errs.NotFound, errs.NotFound, ""},
		{409, `{"message":"SHA does not match"}`, errs.Conflict, errs.Conflict, "SHA does not match"},
		{405, `{"message":"405 Method Not Allowed"}`, errs.Conflict, errs.Conflict, ""},
		{400, `{"message":{"title":["has already been taken"]}}`, errs.Invalid, errs.Invalid, "has already been taken"},
		{422, `{"message":"Branch cannot be merged"}`, errs.Invalid, errs.Invalid, "Branch cannot be merged"},
		{429, `Retry later`, errs.Busy, errs.Busy, "too many requests"},
		{500, `{"message":"500 Internal Server Error"}`, errs.Unavailable, errs.Doubtful, "answered 500"},
		{502, `<html>secret words</html>`, errs.Unavailable, errs.Doubtful, "answered 502"},
		{503, ``, errs.Unavailable, errs.Doubtful, "answered 503"},
		{200, `{"id":`, errs.Unavailable, errs.Doubtful, "could not be read"},
		{301, ``, errs.Invalid, errs.Invalid, "redirects"},
	} {
		c, at := served(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, x.status, x.body) })
		_, resp, err := c.API().Projects.GetProject(4711, nil)
		read := Err("t.read", resp, err, false)
		at.at = at.at.Add(time.Hour)
		_, resp, err = c.API().Projects.GetProject(4711, nil)
		wrote := Err("t.write", resp, err, true)
		if errs.KindOf(read) != x.read || errs.KindOf(wrote) != x.wrote || !strings.Contains(errs.Text(wrote), x.text) {
			t.Errorf("%d: read %v, wrote %v, text %q", x.status, errs.KindOf(read), errs.KindOf(wrote), errs.Text(wrote))
		}
		for _, word := range []string{secret, "html", "gitlab.", "http://", "&{"} {
			if strings.Contains(read.Error(), word) {
				t.Errorf("%d: the text has %q: %v", x.status, word, read)
			}
		}
		if errs.HintOf(read) == "" || errs.HintOf(wrote) == "" {
			t.Errorf("%d has no hint", x.status)
		}
	}
	if Err("t", nil, nil, true) != nil {
		t.Error("no error is an error")
	}
	own := errs.E("x", errs.Full, nil)
	if err := Err("t", nil, own, true); err != own {
		t.Errorf("an error of ours became %v", err)
	}
}

func TestAnAnswerThatWasLostIsInDoubtAfterAWrite(t *testing.T) {
	c, _ := served(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
	})
	_, resp, err := c.API().Projects.GetProject(4711, nil)
	if read, wrote := Err("t", resp, err, false), Err("t", resp, err, true); errs.KindOf(read) != errs.Unavailable || errs.KindOf(wrote) != errs.Doubtful {
		t.Errorf("a broken connection: read %v, wrote %v", read, wrote)
	}
	away := httptest.NewServer(http.NotFoundHandler())
	url := away.URL
	away.Close()
	c, err = New(Options{URL: url, Token: secret, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	_, resp, err = c.API().Projects.GetProject(4711, nil)
	if wrote := Err("t", resp, err, true); errs.KindOf(wrote) != errs.Unavailable {
		t.Errorf("nobody listens, and nothing can have happened: %v", wrote)
	}
	for _, x := range []error{context.DeadlineExceeded, context.Canceled} {
		if err := Err("t", nil, fmt.Errorf("x: %w", x), true); errs.KindOf(err) != errs.Doubtful {
			t.Errorf("%v after a write is %v", x, err)
		}
	}
}

func TestNothingIsSentWhileGitLabWantsToBeLeftAlone(t *testing.T) {
	asked, header := 0, http.Header{"Retry-After": {"40"}}
	c, at := served(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		for k, v := range header {
			w.Header()[k] = v
		}
		answer(w, 429, "Retry later")
	})
	call := func() error {
		_, resp, err := c.API().Projects.GetProject(4711, nil)
		return Err("t", resp, err, true)
	}
	if err := call(); errs.KindOf(err) != errs.Busy || errs.After(err) != 40*time.Second {
		t.Errorf("%v, after %s", err, errs.After(err))
	}
	at.at = at.at.Add(30 * time.Second)
	if err := call(); errs.KindOf(err) != errs.Busy || errs.After(err) != 10*time.Second || asked != 1 {
		t.Errorf("after 30 s: %v, after %s, asked %d times", err, errs.After(err), asked)
	}
	at.at = at.at.Add(10 * time.Second)
	if _ = call(); asked != 2 {
		t.Errorf("after 40 s it was asked %d times", asked)
	}
	at.at = at.at.Add(-24 * time.Hour) // a clock that was set back
	if _ = call(); asked != 3 {
		t.Error("a clock that was set back keeps us from asking")
	}
	for text, want := range map[string]time.Duration{"": 30 * time.Second, "0": time.Second, "-5": time.Second, "99999999": maxHold, "soon": 30 * time.Second,
		at.at.Add(time.Minute).Format(http.TimeFormat): time.Minute} {
		if got := holdOf(http.Header{"Retry-After": {text}}, at.at); got != want {
			t.Errorf("Retry-After %q holds for %s, want %s", text, got, want)
		}
	}
	if got := holdOf(http.Header{"Ratelimit-Reset": {fmt.Sprint(at.at.Unix() + 70)}}, at.at); got != 70*time.Second {
		t.Errorf("RateLimit-Reset holds for %s", got)
	}
}

func TestTheTokenGoesNowhereElse(t *testing.T) {
	stolen, asked := "", 0
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		stolen += r.Header.Get("PRIVATE-TOKEN") + r.Header.Get("Authorization")
		answer(w, 200, project("yard/harbour"))
	}))
	defer store.Close()
	c, _ := served(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, store.URL+"/x", http.StatusFound) })
	if _, _, err := c.API().Projects.GetProject(4711, nil); err != nil || asked != 1 || stolen != "" {
		t.Errorf("another host was asked %d times, and given the token %q", asked, stolen)
	}
	asked = 0
	_, resp, err := c.API().Milestones.UpdateMilestone(4711, 1, nil)
	if got := Err("t", resp, err, true); errs.KindOf(got) != errs.Invalid || asked != 0 {
		t.Errorf("a write that is redirected: %v, and the other host was asked %d times", got, asked)
	}
}

func TestOneRequestIsOneRequest(t *testing.T) {
	for _, status := range []int{500, 502, 503, 429, 409} {
		asked := 0
		c, _ := served(t, func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.Header().Set("RateLimit-Limit", "1")
			w.Header().Set("Link", "nonsense; rel")
			answer(w, status, `{}`)
		})
		_, _, _ = c.API().Milestones.UpdateMilestone(4711, 1, nil)
		if asked != 1 {
			t.Errorf("after %d it was asked %d times", status, asked)
		}
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	good := Options{URL: "https://gitlab.example/sub/api/v4/", Token: secret, Now: time.Now, Projects: []Project{
		{Remote: "git@gitlab.example:yard/harbour.git", ID: 1}, {Remote: "ssh://git@gitlab.example:22/yard/dock", ID: 2},
		{Remote: "https://bot:hush@gitlab.example/sub/yard/pier.git/", ID: 3}}}
	c, err := New(good)
	if err != nil || len(c.Projects()) != 3 {
		t.Fatal(c, err)
	}
	if got := c.Page("https://bot:hush@gitlab.example/sub/yard/pier"); got != "https://gitlab.example/sub/yard/pier" {
		t.Errorf("page %q", got)
	}
	for name, change := range map[string]func(*Options){
		"no address":   func(o *Options) { o.URL = "" },
		"a path":       func(o *Options) { o.URL = "gitlab.example" },
		"a password":   func(o *Options) { o.URL = "https://a:hush@gitlab.example" },
		"no token":     func(o *Options) { o.Token = "" },
		"a newline":    func(o *Options) { o.Token = "hush\n" },
		"no number":    func(o *Options) { o.Projects = []Project{{Remote: "git@gitlab.example:a/b", ID: 0}} },
		"another host": func(o *Options) { o.Projects = []Project{{Remote: "https://x:hush@other.example/sub/a/b.git", ID: 1}} },
		"not below":    func(o *Options) { o.Projects = []Project{{Remote: "https://gitlab.example/a/b.git", ID: 1}} },
		"no group":     func(o *Options) { o.Projects = []Project{{Remote: "https://gitlab.example/sub/b.git", ID: 1}} },
		"a file":       func(o *Options) { o.Projects = []Project{{Remote: "/srv/git/a/b.git", ID: 1}} },
		"two of one": func(o *Options) {
			o.Projects = append(o.Projects, Project{Remote: "git@gitlab.example:yard/harbour", ID: 9})
		},
		"odd character": func(o *Options) { o.Projects = []Project{{Remote: "git@gitlab.example:a/../b", ID: 1}} },
	} {
		o := good
		change(&o)
		if _, err := New(o); errs.KindOf(err) != errs.Invalid || errs.HintOf(err) == "" || strings.Contains(errs.Text(err), "hush") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhoTheBotIs(t *testing.T) {
	reads := 0
	c, at := served(t, func(w http.ResponseWriter, _ *http.Request) {
		reads++
		answer(w, 200, `{"id":12,"username":"slipway\u202e","name":"Slipway\n"}`)
	})
	for range 2 {
		if me, err := c.Me(t.Context()); err != nil || me != (User{12, "slipway", "Slipway"}) || reads != 1 {
			t.Fatalf("%+v %v, read %d times", me, err, reads)
		}
	}
	at.at = at.at.Add(meKept)
	if _, err := c.Me(t.Context()); err != nil || reads != 2 {
		t.Error(err, reads)
	}
	empty, _ := served(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, `{}`) })
	if _, err := empty.Me(t.Context()); errs.KindOf(err) != errs.Unavailable {
		t.Error(err)
	}
}

func TestAnEndlessAnswerEnds(t *testing.T) {
	body := &bounded{ReadCloser: io.NopCloser(strings.NewReader(strings.Repeat("x", 100))), left: 60}
	got, err := io.ReadAll(body)
	if len(got) != 60 || err == nil {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}
