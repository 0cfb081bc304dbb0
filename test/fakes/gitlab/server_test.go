package gitlab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// yard is a GitLab with a project, its maintainer and their token, at a time that stands still.
type yard struct {
	*testing.T
	s       *Server
	now     time.Time
	ada     User
	token   string
	harbour int
}

func newYard(t *testing.T, o Options) *yard {
	y := &yard{T: t, now: time.Date(2026, 8, 3, 9, 0, 0, 0, time.UTC)}
	o.Now = func() time.Time { return y.now }
	y.s = Start(t, o)
	y.ada = y.s.AddUser(User{Username: "ada"})
	y.token = y.s.AddToken(y.ada.ID)
	y.harbour = y.s.AddProject(Project{Path: "yard/harbour"})
	y.s.AddMember(y.harbour, y.ada.ID, Maintainer)
	return y
}

// answered is what came back.
type answered struct {
	status int
	head   http.Header
	raw    []byte
}

// ask sends a request to the API, without following redirects.
func (y *yard) ask(token, method, path string, body any) answered {
	y.Helper()
	var raw io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			y.Fatal(err)
		}
		raw = bytes.NewReader(text)
	}
	q, err := http.NewRequestWithContext(y.Context(), method, y.s.URL+"/api/v4"+path, raw)
	if err != nil {
		y.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	if token != "" {
		q.Header.Set("PRIVATE-TOKEN", token)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	a, err := client.Do(q)
	if err != nil {
		return answered{raw: []byte(err.Error())}
	}
	defer a.Body.Close()
	out, err := io.ReadAll(a.Body)
	if err != nil {
		y.Fatal(err)
	}
	return answered{status: a.StatusCode, head: a.Header, raw: out}
}

// at is the path of something in the project.
func (y *yard) at(format string, args ...any) string {
	return fmt.Sprintf("/projects/%d", y.harbour) + fmt.Sprintf(format, args...)
}

// do asks as the maintainer and wants a status.
func (y *yard) do(status int, method, path string, body any) answered {
	y.Helper()
	a := y.ask(y.token, method, path, body)
	if a.status != status {
		y.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.raw, status)
	}
	return a
}

func (a answered) object(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(a.raw, &out); err != nil {
		t.Fatalf("%v: %s", err, a.raw)
	}
	return out
}

func (a answered) list(t *testing.T) []map[string]any {
	t.Helper()
	var out []map[string]any
	if err := json.Unmarshal(a.raw, &out); err != nil {
		t.Fatalf("%v: %s", err, a.raw)
	}
	return out
}

func TestTokensReachWhatTheirScopesSay(t *testing.T) {
	y := newYard(t, Options{})
	stranger := y.s.AddUser(User{Username: "stranger"})
	guest := y.s.AddUser(User{Username: "guest"})
	y.s.AddMember(y.harbour, guest.ID, Guest)
	over := y.s.IssueToken(Token{User: y.ada.ID, Scopes: []string{"api"}, Expires: y.now})
	last := y.s.IssueToken(Token{User: y.ada.ID, Scopes: []string{"api"}, Expires: y.now.AddDate(0, 0, 1)})
	revoked := y.s.IssueToken(Token{User: y.ada.ID, Scopes: []string{"api"}, Revoked: true})
	reads := y.s.AddToken(y.ada.ID, "read_api")
	git := y.s.AddToken(y.ada.ID, "write_repository")
	release := map[string]any{"tag_name": "v1", "ref": "master"}
	for _, c := range []struct {
		what, token, method, path string
		status                    int
		says                      string
	}{
		{"nobody", "", "GET", y.at(""), 401, `{"message":"401 Unauthorized"}`},
		{"nobody writes", "", "POST", y.at("/releases"), 401, `{"message":"401 Unauthorized"}`},
		{"an unknown token", "glpat-unknown", "GET", "/user", 401, `{"message":"401 Unauthorized"}`},
		{"a token that is over", over.Value, "GET", "/user", 401, `Token is expired`},
		{"a token on its last day", last.Value, "GET", "/user", 200, `"username":"ada"`},
		{"a revoked token", revoked.Value, "GET", "/user", 401, `Token was revoked`},
		{"a reading token reads", reads, "GET", y.at(""), 200, `"path_with_namespace":"yard/harbour"`},
		{"a reading token writes", reads, "POST", y.at("/releases"), 403, `"insufficient_scope"`},
		{"a token for git alone", git, "GET", y.at(""), 403, `"scope":"api read_api"`},
		{"a token looks at itself", git, "GET", "/personal_access_tokens/self", 200, `"scopes":["write_repository"]`},
		{"somebody outside", y.s.AddToken(stranger.ID), "GET", y.at(""), 404, `{"message":"404 Project Not Found"}`},
		{"a guest writes", y.s.AddToken(guest.ID), "POST", y.at("/releases"), 403, `{"message":"403 Forbidden"}`},
		{"a path that is not there", y.token, "GET", "/nowhere", 404, `{"error":"404 Not Found"}`},
		{"a project by its path", y.token, "GET", "/projects/yard%2Fharbour", 200, fmt.Sprintf(`"id":%d`, y.harbour)},
	} {
		var body any
		if c.method == "POST" {
			body = release
		}
		if a := y.ask(c.token, c.method, c.path, body); a.status != c.status || !strings.Contains(string(a.raw), c.says) {
			t.Errorf("%s: %d %s, want %d %s", c.what, a.status, a.raw, c.status, c.says)
		}
	}
	if len(y.s.Releases(y.harbour)) != 0 {
		t.Error("somebody made a release who may not")
	}
}

func TestARenamedProjectIsRedirectedForReaders(t *testing.T) {
	y := newYard(t, Options{})
	y.s.RenameProject(y.harbour, "yard/haven")
	a := y.ask(y.token, "GET", "/projects/yard%2Fharbour/members?per_page=3", nil)
	if want := y.s.URL + "/api/v4" + y.at("/members?per_page=3"); a.status != 301 || a.head.Get("Location") != want {
		t.Errorf("%d, to %q, want %q", a.status, a.head.Get("Location"), want)
	}
	if p := y.do(200, "GET", y.at(""), nil).object(t); p["path_with_namespace"] != "yard/haven" || p["name"] != "haven" {
		t.Errorf("the project is shown as %v %v", p["path_with_namespace"], p["name"])
	}
	other := y.s.AddProject(Project{Path: "yard/harbour", Public: true})
	if p := y.do(200, "GET", "/projects/yard%2Fharbour", nil).object(t); p["id"] != float64(other) {
		t.Errorf("the old path leads to %v, want the new project %d", p["id"], other)
	}
}

func TestPagesSayWhereTheNextOneIs(t *testing.T) {
	y := newYard(t, Options{})
	for i := range 104 {
		y.s.AddUser(User{Username: fmt.Sprintf("hand-%d", i)})
	}
	a := y.do(200, "GET", "/users?per_page=500", nil)
	if n := len(a.list(t)); n != 100 || a.head.Get("X-Total") != "106" || a.head.Get("X-Next-Page") != "2" || a.head.Get("X-Per-Page") != "100" {
		t.Errorf("%d of %s, next %q", n, a.head.Get("X-Total"), a.head.Get("X-Next-Page"))
	}
	if !strings.Contains(a.head.Get("Link"), `/api/v4/users?page=2&per_page=100>; rel="next"`) {
		t.Errorf("links: %s", a.head.Get("Link"))
	}
	a = y.do(200, "GET", "/users?per_page=100&page=2", nil)
	if n := len(a.list(t)); n != 6 || a.head.Get("X-Next-Page") != "" || a.head.Get("X-Prev-Page") != "1" {
		t.Errorf("%d on the last page, next %q", n, a.head.Get("X-Next-Page"))
	}
	y.do(400, "GET", "/users?page=0", nil)
}

func TestTooManyRequestsMustWaitForTheNextMinute(t *testing.T) {
	y := newYard(t, Options{RateLimit: 2})
	y.do(200, "GET", "/user", nil)
	y.now = y.now.Add(20 * time.Second)
	if a := y.do(200, "GET", "/user", nil); a.head.Get("RateLimit-Remaining") != "0" {
		t.Errorf("remaining: %q", a.head.Get("RateLimit-Remaining"))
	}
	a := y.do(429, "GET", "/user", nil)
	if a.head.Get("Retry-After") != "40" || a.head.Get("RateLimit-Reset") != fmt.Sprint(y.now.Add(40*time.Second).Unix()) {
		t.Errorf("retry after %q, reset %q", a.head.Get("Retry-After"), a.head.Get("RateLimit-Reset"))
	}
	if other := y.ask(y.s.AddToken(y.ada.ID), "GET", "/user", nil); other.status != 200 {
		t.Errorf("another token: %d", other.status)
	}
	y.now = y.now.Add(40 * time.Second)
	y.do(200, "GET", "/user", nil)
}
