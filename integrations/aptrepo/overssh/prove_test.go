//go:build prove

package overssh

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
)

// server is a real sshd on loopback: its own configuration, host key and port, for an ordinary user.
type server struct {
	t      *testing.T
	dir    string
	port   int
	login  string
	config string // ssh_config of the client
	cmd    *exec.Cmd
}

func startServer(t *testing.T, login string) *server {
	t.Helper()
	// Not below the test's own folder: sshd wants every folder above authorized_keys to be root's.
	dir, err := os.MkdirTemp("/var/tmp", "sshd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, dir: dir, port: l.Addr().(*net.TCPAddr).Port, login: login, config: filepath.Join(dir, "ssh_config")}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"host", "client"} {
		s.must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", s.path(key))
	}
	s.write("authorized_keys", s.read("client.pub"))
	s.write("known_hosts", fmt.Sprintf("[127.0.0.1]:%d %s", s.port, s.read("host.pub")))
	s.write("sshd_config", fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s\nPidFile none\nAuthorizedKeysFile %s\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n",
		s.port, s.path("host"), s.path("authorized_keys")))
	s.write("ssh_config", fmt.Sprintf("Host deb.example\n HostName 127.0.0.1\n Port %d\n User %s\n IdentityFile %s\n IdentitiesOnly yes\n UserKnownHostsFile %s\n GlobalKnownHostsFile none\n",
		s.port, login, s.path("client"), s.path("known_hosts")))
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *server) start() {
	s.t.Helper()
	program, err := exec.LookPath("sshd")
	if err != nil {
		program = "/usr/sbin/sshd"
	}
	s.cmd = exec.Command(program, "-D", "-e", "-f", s.path("sshd_config"))
	var said bytes.Buffer
	s.cmd.Stderr = &said
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil {
			conn.Close()
			return
		}
	}
	s.t.Fatalf("sshd did not begin to listen: %s", said.String())
}

func (s *server) stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *server) read(name string) string {
	s.t.Helper()
	b, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

func (s *server) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) must(program string, args ...string) string {
	s.t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// ordinary is a user who is not root; on a machine where the test is root one is made.
func ordinary(t *testing.T, name string) string {
	t.Helper()
	if os.Getuid() != 0 {
		me, err := user.Current()
		if err != nil {
			t.Fatal(err)
		}
		return me.Username
	}
	if _, err := user.Lookup(name); err != nil {
		if out, err := exec.Command("useradd", "--create-home", "--shell", "/bin/sh", name).CombinedOutput(); err != nil {
			t.Fatalf("useradd: %v\n%s", err, out)
		}
		t.Cleanup(func() { _ = exec.Command("userdel", "--remove", name).Run() })
	}
	// sshd refuses an account whose password is locked; this one can still not be logged in with.
	if out, err := exec.Command("usermod", "--password", "*", name).CombinedOutput(); err != nil {
		t.Fatalf("usermod: %v\n%s", err, out)
	}
	return name
}

// realWorld is an archive behind the server; owner owns its folder.
func realWorld(t *testing.T, s *server, owner string) *world {
	t.Helper()
	w := newWorld(t)
	w.there = s.path("archive")
	if err := os.MkdirAll(w.there, 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		s.must("chown", owner, w.there)
	}
	return w
}

func (w *world) through(s *server, owner string) {
	w.t.Helper()
	var err error
	host := Host{Destination: "deb.example", Path: w.there, Owner: owner}
	if w.place, err = Open(w.master, host, Options{Config: s.config}, stable()); err != nil {
		w.t.Fatal(err)
	}
}

func TestRealSSHPublishesAsTheOwner(t *testing.T) {
	login := ordinary(t, "slipway-files")
	s := startServer(t, login)
	w := realWorld(t, s, login)
	w.through(s, login)
	w.published(w.deb("hello", "1.0"))
	w.published(w.deb("hello", "1.1"))
	if _, err := w.place.Cleanup(context.Background(), w.now.AddDate(0, 0, 3)); err != nil {
		t.Fatal(errs.Text(err))
	}
	if here, there := w.files(w.master), w.files(w.there); here != there {
		t.Errorf("the master has\n%s\nand the other host\n%s", here, there)
	}
	if odd := s.must("find", w.there, "!", "-user", login); odd != "" {
		t.Errorf("these are not owned by %s: %s", login, odd)
	}
	if odd := s.must("find", w.there, "-type", "f", "!", "-perm", "644"); odd != "" {
		t.Errorf("these have odd modes: %s", odd)
	}
}

func TestRealSSHRefusesAnotherOwnerAndAForeignFolder(t *testing.T) {
	login := ordinary(t, "slipway-files")
	s := startServer(t, login)
	w := realWorld(t, s, login)
	w.through(s, login)
	first := w.published(w.deb("hello", "1.0"))
	next := w.stage(w.deb("hello", "1.1"))
	w.through(s, "daemon")
	wantError(t, w.publish(next), errs.Denied, "files must be owned by daemon")
	w.through(s, login)
	if err := os.Chmod(filepath.Join(w.there, "pool", "main", "h"), 0o555); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(w.there, "tmp"), 0o555); err != nil {
		t.Fatal(err)
	}
	wantError(t, w.publish(next), errs.Denied, "chown")
	w.wantThere(first.ID)
	if err := os.Chmod(filepath.Join(w.there, "tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(w.there, "pool", "main", "h"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := w.publish(next); err != nil {
		t.Fatal(errs.Text(err))
	}
	w.wantThere(next.ID)
}

func TestRealSSHTellsAnUnreachableHostFromAStrangeOne(t *testing.T) {
	login := ordinary(t, "slipway-files")
	s := startServer(t, login)
	w := realWorld(t, s, login)
	w.through(s, login)
	first := w.published(w.deb("hello", "1.0"))
	next := w.stage(w.deb("hello", "1.1"))

	authorized := s.read("authorized_keys")
	s.write("authorized_keys", "")
	wantError(t, w.publish(next), errs.Denied, "authorized_keys")
	s.write("authorized_keys", authorized)

	known := s.read("known_hosts")
	s.write("known_hosts", "")
	wantError(t, w.publish(next), errs.Denied, "known_hosts")
	s.write("known_hosts", fmt.Sprintf("[127.0.0.1]:%d %s", s.port, s.read("client.pub")))
	wantError(t, w.publish(next), errs.Denied, "known_hosts")
	s.write("known_hosts", known)

	s.stop()
	wantError(t, w.publish(next), errs.Unavailable, "Connection refused")
	w.wantThere(first.ID)
	w.wantMaster(first.ID)
	s.start()
	if err := w.publish(next); err != nil {
		t.Fatal(errs.Text(err))
	}
	w.wantThere(next.ID)
}

// The connection is cut while packages are on their way: ssh itself is killed.
func TestRealSSHIsKilledOnTheWay(t *testing.T) {
	login := ordinary(t, "slipway-files")
	s := startServer(t, login)
	w := realWorld(t, s, login)
	w.through(s, login)
	first := w.published(w.deb("hello", "1.0"))
	next := w.stage(w.deb("hello", "1.1"))
	killer := w.ssh + "-killer"
	// The bytes go through a pipe that ends early, and ssh does not live on.
	text := "#!/bin/sh\nfor last; do :; done\ncase $last in *'step unpack'*) head -c 2000 | ssh \"$@\"; kill -9 $$ ;; esac\nexec ssh \"$@\"\n"
	if err := os.WriteFile(killer, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	w.place.opts.Program = killer
	wantError(t, w.publish(next), errs.Unavailable, "")
	w.wantThere(first.ID)
	w.wantMaster(first.ID)
	w.place.opts.Program = "ssh"
	if err := w.publish(next); err != nil {
		t.Fatal(errs.Text(err))
	}
	w.wantThere(next.ID)
	w.wantMaster(next.ID)
}
