package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slipway/test/fakes/gitlab"
)

// The secrets of the hooks in tests.
const (
	hookToken   = "1f0b64c1a2d94b5e8e7d55"
	hookNext    = "77b0c95f7f5d4c0fa0e1aa"
	forkToken   = "c3d2e1f0a9b84756c3d2ee"
	hookSigning = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
)

// hookWorld is a GitLab with two projects, and a configuration of a bot with hooks in both.
type hookWorld struct {
	*doorWorld
	lab           *gitlab.Server
	bot           int // its account
	token         string
	project, fork int
	hooks         string // address of the bot's listener
	ahead         atomic.Int64
}

// newHookWorld makes it; edit changes the configuration before the bot reads it.
func newHookWorld(t *testing.T, version string, edit func(string) string) *hookWorld {
	t.Helper()
	dir, err := os.MkdirTemp("", "hooks-") // short, since a socket lives in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := makeWorld(t, dir); err != nil {
		t.Fatal(err)
	}
	w := &hookWorld{doorWorld: &doorWorld{t: t, dir: dir, log: &lockedBuffer{}}}
	now := func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }
	w.lab = gitlab.Start(t, gitlab.Options{Version: version, Now: now})
	w.bot = w.lab.AddUser(gitlab.User{Username: "slipway"}).ID
	w.token = w.lab.AddToken(w.bot)
	w.project = w.lab.AddProject(gitlab.Project{Path: "yard/harbour", Members: map[int]int{w.bot: gitlab.Maintainer}})
	if _, err := w.lab.CommitFiles(w.project, w.bot, "master", "Begin", map[string]string{"README": "Harbour\n"}); err != nil {
		t.Fatal(err)
	}
	w.fork = w.lab.AddProject(gitlab.Project{Path: "maria/harbour", ForkOf: w.project, Open: true, Members: map[int]int{w.bot: gitlab.Maintainer}})
	w.lab.Take()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	w.hooks = fmt.Sprintf("http://127.0.0.1:%d", port)
	for name, secret := range map[string]string{"gitlab-token": w.token, "hook-token": hookToken, "hook-next": hookNext, "fork-token": forkToken, "hook-signing": hookSigning} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "slipway.yaml")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(raw), fmt.Sprintf("remote: %q", filepath.Join(dir, "remote.git")), fmt.Sprintf(`remote: %q
    providers: {forge: gitlab, ci: gitlab}
    fork: %q
    gitlab: {project: %d, fork: %d}`, w.lab.Remote(w.project), w.lab.Remote(w.fork), w.project, w.fork), 1)
	text += fmt.Sprintf(`
webhooks: {listen: "127.0.0.1:%d", url: %q}
gitlab:
  url: %q
  token_file: gitlab-token
  hooks:
    harbour: {project: harbour, token_files: [hook-token, hook-next]}
    harbour-fork: {project: harbour, of: fork, token_files: [fork-token], signing_files: [hook-signing]}
`, port, w.hooks, w.lab.URL)
	if edit != nil {
		text = edit(text)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *hookWorld) config() *config {
	w.t.Helper()
	conf, err := loadConfig(filepath.Join(w.dir, "slipway.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	return conf
}

// text is the configuration.
func (w *hookWorld) text() string {
	w.t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.dir, "slipway.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(raw)
}

// kept are the deliveries that the engine has, the newest first.
func (w *hookWorld) kept() int {
	w.t.Helper()
	all, err := w.b.engine.InboxList(w.t.Context(), "", 10_000, false)
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for _, e := range all {
		if e.Source == "gitlab" {
			n++
		}
	}
	return n
}

// post sends a delivery to a path, and gives the status; 0 when the connection was cut.
func (w *hookWorld) post(path string, body io.Reader, headers ...string) int {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.hooks+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Gitlab-Event", "Push Hook")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	a, err := c.Do(r)
	if err != nil {
		return 0
	}
	defer a.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(a.Body, 1<<20))
	return a.StatusCode
}

// pushed is the payload of a push to the project.
func (w *hookWorld) pushed() *bytes.Reader { return pushOf(w.project) }

func pushOf(project int) *bytes.Reader {
	return bytes.NewReader(fmt.Appendf(nil, `{"object_kind":"push","ref":"refs/heads/master","project_id":%d,"before":"%040d","after":"%s"}`, project, 0, strings.Repeat("ab", 20)))
}
