//go:build prove

package race

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// front is the web server before an archive.
type front struct {
	url  string
	disk http.Handler

	mu      sync.Mutex
	came    *sync.Cond
	reads   int // answered requests for InRelease
	missing int
}

func newFront(t *testing.T, root string) *front {
	t.Helper()
	f := &front{disk: http.FileServer(http.Dir(root))}
	f.came = sync.NewCond(&f.mu)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (f *front) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := &status{rw, http.StatusOK}
	f.disk.ServeHTTP(w, r)
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/InRelease") {
		f.reads++
		f.came.Broadcast()
	}
	if w.code == http.StatusNotFound {
		f.missing++
	}
}

// wait returns when so many more requests for InRelease were answered; false when ctx ended before.
func (f *front) wait(ctx context.Context, reads int) bool {
	defer context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.came.Broadcast()
	})()
	f.mu.Lock()
	defer f.mu.Unlock()
	for until := f.reads + reads; f.reads < until; f.came.Wait() {
		if ctx.Err() != nil {
			return false
		}
	}
	return true
}

func (f *front) notFound() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.missing
}

// client is a machine with apt, which keeps the lists of its earlier updates.
type client struct {
	dir      string
	packages int // after the last update
}

// complaint is something that an update met.
type complaint struct {
	kind trouble
	said string
}

func newClient(t *testing.T, url, keyring string) *client {
	t.Helper()
	c := &client{dir: t.TempDir()}
	for _, sub := range []string{"etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d", "var/lib/apt/lists/partial",
		"var/cache/apt/archives/partial", "var/lib/dpkg", "var/log/apt"} {
		if err := os.MkdirAll(filepath.Join(c.dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// What a container may have switched off is on, and nothing is tried again in silence.
	conf := fmt.Sprintf(`Dir %q;
Dir::State::status %q;
APT::Architecture "amd64";
APT::Architectures {"amd64";};
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Check-Date "true";
Acquire::Check-Valid-Until "true";
Acquire::By-Hash "true";
Acquire::Languages "none";
Acquire::Retries "0";
Acquire::http::Proxy::127.0.0.1 "DIRECT";
`, c.dir, filepath.Join(c.dir, "var/lib/dpkg/status"))
	for name, text := range map[string]string{"apt.conf": conf, "var/lib/dpkg/status": "", "etc/apt/archive.asc": keyring,
		"etc/apt/sources.list": fmt.Sprintf("deb [signed-by=%s] %s stable main\n", filepath.Join(c.dir, "etc/apt/archive.asc"), url)} {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// update is apt-get update. An error is one of the test; what apt complains of is no error.
func (c *client) update() (met []complaint, err error) {
	cmd := exec.Command("apt-get", "update")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "APT_CONFIG=" + filepath.Join(c.dir, "apt.conf"), "LC_ALL=C.UTF-8", "HOME=" + c.dir}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	runErr := cmd.Run()
	var exit *exec.ExitError
	if runErr != nil && !errors.As(runErr, &exit) {
		return nil, runErr
	}
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "E: ") || strings.HasPrefix(line, "W: ") {
			met = append(met, complaint{kindOf(line), line})
		}
	}
	if runErr != nil && len(met) == 0 {
		met = append(met, complaint{other, fmt.Sprintf("apt-get update: %v: %s", runErr, out.String())})
	}
	before := c.packages
	said, err := c.look()
	switch {
	case err != nil:
		return met, err
	case said != "":
		met = append(met, complaint{checksum, said})
	case len(met) > 0: // not without a word
	case c.packages == 0:
		met = append(met, complaint{empty, "apt-get update says nothing, and there are no packages"})
	case c.packages < before:
		met = append(met, complaint{older, fmt.Sprintf("%d packages after %d", c.packages, before)})
	}
	return met, nil
}

// kindOf sorts the complaints of apt 2.6.
func kindOf(line string) trouble {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(line, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("Hash Sum mismatch", "unexpected size", "Mirror sync in progress"):
		return checksum
	case has("404"):
		return missing
	case has("BADSIG", "EXPKEYSIG", "NO_PUBKEY", "NODATA", "is not signed", "not valid", "isn't valid", "Splitting up", "gpgv"):
		return signature
	case has("Some index files failed to download"): // said after each of the others
		return checksum
	}
	return other
}

// look counts the packages that the client knows, and holds its index against its InRelease.
func (c *client) look() (said string, err error) {
	lists := filepath.Join(c.dir, "var/lib/apt/lists")
	indexes, err := filepath.Glob(filepath.Join(lists, "*_main_binary-amd64_Packages"))
	if err != nil {
		return "", err
	}
	c.packages = 0
	if len(indexes) == 0 {
		return "", nil
	}
	text, err := os.ReadFile(indexes[0])
	if err != nil {
		return "", err
	}
	c.packages = bytes.Count(append([]byte("\n"), text...), []byte("\nPackage: "))
	release, err := os.ReadFile(strings.TrimSuffix(indexes[0], "_main_binary-amd64_Packages") + "_InRelease")
	if err != nil {
		return "", err
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(text))
	for line := range strings.Lines(string(release)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == sum && f[2] == "main/binary-amd64/Packages" {
			return "", nil
		}
	}
	return "the client holds an index that its InRelease does not list", nil
}
