//go:build prove

package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
)

// client is a machine with a real apt, which keeps what it has downloaded and installed.
type client struct {
	t    *testing.T
	look aptrepo.Look
	// said is what apt complained about when it last looked.
	said []string
}

// client is a new machine of an architecture that trusts the keys, or those of the archive.
func (w *world) client(arch string, keys ...key) *client {
	w.t.Helper()
	if len(keys) == 0 {
		keys = w.keys
	}
	return &client{t: w.t, look: aptrepo.Look{Address: w.front.url, Keyring: keyring(w.t, keys...), Suite: w.suites[0].Name,
		Components: []string{"main"}, Architectures: []string{arch}, Root: w.t.TempDir()}}
}

// update refreshes the lists and says what would be installed; "" is nothing.
func (c *client) update(name string) (candidate string) {
	c.t.Helper()
	q := c.look
	q.Packages = []string{name}
	v, err := aptrepo.Client{}.Look(context.Background(), q)
	if err != nil {
		c.t.Fatal(err)
	}
	c.said = v.Complaints
	return v.Candidates[0].Version
}

// sees wants a candidate without a word of complaint.
func (c *client) sees(name, version string) {
	c.t.Helper()
	if got := c.update(name); got != version || len(c.said) > 0 {
		c.t.Errorf("apt offers %q of %s, want %q; it complains: %q", got, name, version, c.said)
	}
}

// complains wants apt to complain with these words.
func (c *client) complains(name, words string) (candidate string) {
	c.t.Helper()
	candidate = c.update(name)
	if !strings.Contains(strings.Join(c.said, "\n"), words) {
		c.t.Errorf("apt offers %q of %s, and complains %q; want %q", candidate, name, c.said, words)
	}
	return candidate
}

// refuses wants apt to complain and to find nothing.
func (c *client) refuses(name, words string) {
	c.t.Helper()
	if got := c.complains(name, words); got != "" {
		c.t.Errorf("apt offers %s %s all the same", name, got)
	}
}

func (c *client) root() string { return filepath.Join(c.look.Root, c.look.Architectures[0]) }

// prepare makes the root, with nothing in its lists: a look at an address where nothing is.
func (c *client) prepare() {
	c.t.Helper()
	q := c.look
	q.Address, q.Packages = "file:"+c.look.Root, []string{"none"}
	if _, err := (aptrepo.Client{}).Look(context.Background(), q); err != nil {
		c.t.Fatal(err)
	}
	key := filepath.Join(c.root(), "etc/apt/archive.asc")
	c.write("etc/apt/sources.list", "deb [signed-by="+key+"] "+c.look.Address+" "+c.look.Suite+" main\n")
}

// write puts a file into the root.
func (c *client) write(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.root(), name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		c.t.Fatal(err)
	}
}

// run calls a program of apt in the root as people do, with its exit status.
func (c *client) run(program string, args ...string) (said string, status int) {
	c.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "APT_CONFIG=" + filepath.Join(c.root(), "apt.conf"), "LC_ALL=C.UTF-8", "HOME=" + c.root()}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// install installs packages, and wants to have them in the end: "hello 1.0".
func (c *client) install(packages []string, want ...string) {
	c.t.Helper()
	q := c.look
	q.Packages = packages
	have, err := aptrepo.Client{}.Install(context.Background(), q, packages...)
	if err != nil {
		c.t.Fatalf("installing %q: %v", packages, err)
	}
	c.compare(have, want)
}

// everything refreshes the lists and installs all that they offer: that is what there must be, and
// the client has it in the end.
func (c *client) everything(want ...string) {
	c.t.Helper()
	var names, offered []string
	c.update("hello")
	if len(c.said) > 0 {
		c.t.Errorf("apt complains: %q", c.said)
	}
	lists, err := filepath.Glob(filepath.Join(c.root(), "var/lib/apt/lists/*_Packages"))
	if err != nil || len(lists) != 1 {
		c.t.Fatalf("apt has the lists %q, %v", lists, err)
	}
	text, err := os.Open(lists[0])
	if err != nil {
		c.t.Fatal(err)
	}
	defer text.Close()
	r := debian.NewReader(text)
	for {
		p, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			c.t.Fatal(err)
		}
		names = append(names, p.Get("Package")+"="+p.Get("Version"))
		offered = append(offered, p.Get("Package")+" "+p.Get("Version"))
	}
	if slices.Sort(offered); !slices.Equal(offered, want) {
		c.t.Errorf("apt is offered %q, want %q", offered, want)
	}
	c.dpkg(append([]string{"install"}, names...)...)
	c.compare(c.installed(), want)
}

// upgrade is apt-get update and apt-get upgrade.
func (c *client) upgrade(want ...string) {
	c.t.Helper()
	c.apt("upgrade")
	c.compare(c.installed(), want)
}

// apt is apt-get update and apt-get for packages.
func (c *client) apt(args ...string) {
	c.t.Helper()
	if said, status := c.run("apt-get", "update"); status != 0 {
		c.t.Fatalf("apt-get update: %s", said)
	}
	c.dpkg(args...)
}

// dpkg runs apt-get for packages, with dpkg in the root.
func (c *client) dpkg(args ...string) {
	c.t.Helper()
	c.dpkgFolders()
	args = append(args, "--yes", "-o", "Dpkg::Use-Pty=0", "-o", "Debug::NoLocking=true", "-o", "DPkg::Options::=--root="+c.root(),
		"-o", "DPkg::Options::=--force-not-root", "-o", "DPkg::Options::=--force-script-chrootless", "-o", "DPkg::Options::=--force-unsafe-io",
		"-o", "DPkg::Options::=--log="+filepath.Join(c.root(), "var/log/dpkg.log"))
	if said, status := c.run("apt-get", args...); status != 0 {
		c.t.Fatalf("apt-get %s: %s", args[0], said)
	}
}

func (c *client) dpkgFolders() {
	c.t.Helper()
	for _, sub := range []string{"info", "updates", "triggers", "parts"} {
		if err := os.MkdirAll(filepath.Join(c.root(), "var/lib/dpkg", sub), 0o755); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *client) installed() map[string]string {
	c.t.Helper()
	said, status := c.run("dpkg-query", "--admindir="+filepath.Join(c.root(), "var/lib/dpkg"), "--showformat=${Package} ${Version}\n", "--show")
	if status != 0 {
		c.t.Fatal(said)
	}
	have := map[string]string{}
	for line := range strings.Lines(said) {
		name, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		have[name] = version
	}
	return have
}

func (c *client) compare(have map[string]string, want []string) {
	c.t.Helper()
	var got []string
	for name, version := range have {
		got = append(got, name+" "+version)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		c.t.Errorf("installed is %q, want %q", got, want)
	}
}
