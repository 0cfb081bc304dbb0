package git

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"slipway/bot/errs"
)

const secret = "glpat-Secret0123456789"

// web is a git server over HTTP that wants a name and a password, and notes what it was sent.
type web struct {
	*httptest.Server
	mu   sync.Mutex
	sent []string // Authorization headers and addresses
	lead string   // redirects there; "" = serves
	late bool     // redirects only who has logged in
}

func serveGit(t *testing.T, root string) *web {
	t.Helper()
	path, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	w := &web{}
	backend := &cgi.Handler{Path: path, Args: []string{"http-backend"}, Dir: root, Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1",
		"REMOTE_USER=bot", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		w.mu.Lock()
		w.sent = append(w.sent, r.URL.String()+" "+user+":"+password)
		lead, late := w.lead, w.late
		w.mu.Unlock()
		known := user == "oauth2" && password == secret
		switch {
		case lead != "" && (known || !late):
			http.Redirect(rw, r, lead+r.URL.String(), http.StatusMovedPermanently)
		case !known:
			rw.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(rw, "the password "+password+" is wrong", http.StatusUnauthorized)
		default:
			r.Header.Del("Authorization")
			backend.ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *web) heard() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.sent, "\n")
}

// spied opens a folder of working copies whose git notes its arguments and configuration in a file.
func spied(t *testing.T, c ...Credential) (repos *Repositories, root, log string) {
	t.Helper()
	dir := t.TempDir()
	path, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	log = filepath.Join(dir, "log")
	spy := filepath.Join(dir, "git")
	if err := os.WriteFile(spy, []byte(fmt.Sprintf("#!/bin/sh\nprintf '%%s\\n' \"$*\" >>'%s'\nexec '%s' \"$@\"\n", log, path)), 0o755); err != nil {
		t.Fatal(err)
	}
	root = filepath.Join(dir, "state")
	repos, err = Open(root, Options{Git: spy, Credentials: c})
	if err != nil {
		t.Fatal(err)
	}
	return repos, root, log
}

func TestAPasswordGoesToItsAddressAlone(t *testing.T) {
	w := newWorld(t)
	tip := w.short()
	w.git(w.remote, "config", "http.receivepack", "true")
	site, other := serveGit(t, filepath.Dir(w.remote)), serveGit(t, filepath.Dir(w.remote))
	cred := Credential{Prefix: site.URL + "/", User: "oauth2", Password: secret}
	repos, root, log := spied(t, cred)
	remote := site.URL + "/project.git"
	state := func(remote string) error {
		_, err := NewState(repos, tags{}).Do(ctx(t), key("s"), StateIn{Remote: remote, Branch: "main"})
		return err
	}
	if err := state(remote); err != nil {
		t.Fatal(err)
	}
	made, err := NewPrepare(repos).Do(ctx(t), key("p"), PrepareIn{Remote: remote, Commit: tip, Files: map[string]string{"x": "y"}, Message: "R", Author: bot, Date: "1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewPushBranch(repos).Do(ctx(t), key("b"), PushBranchIn{Remote: remote, Branch: "main", Expected: tip, Commit: made.Commit}); err != nil || w.at("refs/heads/main") != made.Commit {
		t.Fatalf("%v; the branch is at %s", err, w.at("refs/heads/main"))
	}
	if err := state(other.URL + "/project.git"); !errs.Is(err, errs.Denied) {
		t.Errorf("another address: %v: %v", errs.KindOf(err), err)
	}
	// A redirect leads elsewhere: at once, or after the login.
	for _, late := range []bool{false, true} {
		site.mu.Lock()
		site.lead, site.late = other.URL, late
		site.mu.Unlock()
		if err := state(remote); err == nil {
			t.Errorf("late %v: the other address was read", late)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("late %v: %v", late, err)
		}
	}
	if heard := other.heard(); heard == "" || strings.Contains(heard, secret) || strings.Contains(heard, "oauth2") {
		t.Errorf("another address was sent\n%s", heard)
	}
	if !strings.Contains(site.heard(), "oauth2:"+secret) {
		t.Errorf("its own address was sent\n%s", site.heard())
	}
	// It is in no argument and in no file.
	args, err := os.ReadFile(log)
	if err != nil || strings.Contains(string(args), secret) || !strings.Contains(string(args), "push") {
		t.Errorf("%v: the arguments were\n%s", err, args)
	}
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), secret) || strings.Contains(path, secret) {
			return errors.New(path + " holds it")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAWrongPasswordIsRefusedAndNotShown(t *testing.T) {
	w := newWorld(t)
	w.short()
	site := serveGit(t, filepath.Dir(w.remote))
	repos, _, _ := spied(t, Credential{Prefix: site.URL, User: "oauth2", Password: "glpat-wrong"})
	_, err := NewState(repos, tags{}).Do(ctx(t), key("s"), StateIn{Remote: site.URL + "/project.git", Branch: "main"})
	if !errs.Is(err, errs.Denied) || strings.Contains(err.Error(), "glpat-wrong") {
		t.Errorf("%v: %v", errs.KindOf(err), err)
	}
}

func TestCredentialsFitWholePartsOfAnAddress(t *testing.T) {
	c := Credential{Prefix: "https://gitlab.example/yard/", User: "u", Password: "p"}
	for remote, want := range map[string]bool{
		"https://gitlab.example/yard/harbour.git":   true,
		"https://GitLab.example/yard/harbour.git":   true,
		"https://gitlab.example/yard":               true,
		"https://gitlab.example/yardarm/x.git":      false,
		"https://gitlab.example.evil/yard/x.git":    false,
		"https://gitlab.example:8443/yard/x.git":    false,
		"http://gitlab.example/yard/harbour.git":    false,
		"https://me@gitlab.example/yard/x.git":      false,
		"git@gitlab.example:yard/harbour.git":       false,
		"ssh://git@gitlab.example/yard/harbour.git": false,
		"/yard/harbour.git":                         false,
	} {
		if got := c.fits(remote); got != want {
			t.Errorf("%s: %v", remote, got)
		}
	}
	for _, bad := range []Credential{{}, {Prefix: "gitlab.example", User: "u", Password: "p"}, {Prefix: "https://*.example/", User: "u", Password: "p"},
		{Prefix: "https://x/", User: "u"}, {Prefix: "https://x/", User: "u", Password: "p\nhost=evil"}, {Prefix: "https://u:p@x/", User: "u", Password: "p"}, {Prefix: "ssh://x/", User: "u", Password: "p"}} {
		if _, err := Open(t.TempDir(), Options{Credentials: []Credential{bad}}); !errs.Is(err, errs.Invalid) || strings.Contains(errs.Text(err), "u:p@") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	r := &Repositories{opts: Options{Credentials: []Credential{{Prefix: "https://x/", User: "a", Password: "short"}, {Prefix: "https://x/y/", User: "b", Password: "long"}}}}
	if _, env := r.credentials("https://x/y/z.git"); len(env) != 2 || env[0] != "SLIPWAY_GIT_USER=b" {
		t.Errorf("got %q", env)
	}
	if config, env := r.credentials("https://z/"); config != nil || env != nil {
		t.Errorf("got %q, %q", config, env)
	}
}
