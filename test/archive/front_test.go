//go:build prove

package archive

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// front is a web server in front of an archive, with what real ones do: Last-Modified, answers
// 304, ranges. For the traps it can show some files with other content or not at all.
type front struct {
	url  string
	disk http.Handler

	mu     sync.Mutex
	other  map[string]shown // by path, such as dists/stable/InRelease
	before func(path string)
	asked  []request
}

// shown is a file in place of the one on disk; one without content is not there.
type shown struct {
	content []byte
	at      time.Time
}

type request struct {
	path   string
	status int
}

func newFront(t *testing.T, root string) *front {
	t.Helper()
	f := &front{disk: http.FileServer(http.Dir(root)), other: map[string]shown{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

type counted struct {
	http.ResponseWriter
	status int
}

func (c *counted) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (f *front) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	f.mu.Lock()
	before := f.before
	f.mu.Unlock()
	if before != nil {
		before(path)
	}
	f.mu.Lock()
	other, replaced := f.other[path]
	f.mu.Unlock()
	w := &counted{rw, http.StatusOK}
	switch {
	case replaced && other.content == nil:
		http.NotFound(w, r)
	case replaced:
		http.ServeContent(w, r, path, other.at, bytes.NewReader(other.content))
	default:
		f.disk.ServeHTTP(w, r)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, request{path, w.status})
}

// show serves content under a path, as changed at that time.
func (f *front) show(path string, content []byte, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.other[path] = shown{content, at}
}

// copy shows what is shown under one path under another one, too.
func (f *front) copy(from, to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.other[to] = f.other[from]
}

// hide makes a path not found.
func (f *front) hide(path string) { f.show(path, nil, time.Time{}) }

// plain serves everything as it is on disk again.
func (f *front) plain() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.other, f.before, f.asked = map[string]shown{}, nil, nil
}

// once runs what before a request whose path contains the words is answered, the first time.
func (f *front) once(words string, what func()) {
	var one sync.Once
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = func(path string) {
		if strings.Contains(path, words) {
			one.Do(what)
		}
	}
}

func (f *front) requests() []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]request(nil), f.asked...)
}

func sum(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content)) }

// served is a file of a suite as it is on disk.
func (w *world) served(suite, name string) []byte {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.root, "dists", suite, filepath.FromSlash(name)))
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// alter shows the first suite with another Release, properly signed: an archive by somebody who
// fell into a trap. Its files have the time of the story, a minute later.
func (w *world) alter(edit func(release string) string, keys ...key) {
	w.t.Helper()
	if len(keys) == 0 {
		keys = w.keys
	}
	suite := w.suites[0].Name
	was := string(w.served(suite, "Release"))
	text := edit(was)
	if text == was {
		w.t.Fatal("the edit changes nothing")
	}
	inRelease, gpg := sign(w.t, []byte(text), keys...)
	at := w.pass(time.Minute)
	for name, content := range map[string][]byte{"Release": []byte(text), "Release.gpg": gpg, "InRelease": inRelease} {
		w.front.show("dists/"+suite+"/"+name, content, at)
	}
}

// field replaces the value of a field of a Release; "" takes the field away.
func field(name, value string) func(string) string {
	return func(release string) string {
		var out strings.Builder
		for line := range strings.Lines(release) {
			if strings.HasPrefix(line, name+": ") {
				if value == "" {
					continue
				}
				line = name + ": " + value + "\n"
			}
			out.WriteString(line)
		}
		return out.String()
	}
}

// without takes lines of a Release away.
func without(ends ...string) func(string) string {
	return func(release string) string {
		var out strings.Builder
		for line := range strings.Lines(release) {
			gone := false
			for _, e := range ends {
				gone = gone || strings.HasSuffix(line, " "+e+"\n")
			}
			if !gone {
				out.WriteString(line)
			}
		}
		return out.String()
	}
}
