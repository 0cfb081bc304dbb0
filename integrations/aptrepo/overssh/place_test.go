package overssh

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

func TestClientsOfTheOtherHostReadWhatIsPublished(t *testing.T) {
	w := newWorld(t)
	w.published(w.deb("hello", "1.0"), w.deb("tool", "1.0"))
	w.published(w.deb("hello", "1.1"))
	if here, there := w.files(w.master), w.files(w.there); here != there {
		t.Errorf("the master has\n%s\nand the other host\n%s", here, there)
	}
	for _, f := range []string{"dists/stable/InRelease", "dists/stable/Release"} {
		here, err := os.Stat(filepath.Join(w.master, f))
		there, err2 := os.Stat(filepath.Join(w.there, f))
		if err != nil || err2 != nil || !here.ModTime().Equal(there.ModTime()) || there.Mode() != 0o644 {
			t.Errorf("%s: %v %v, %v %v", f, here, err, there, err2)
		}
	}
	w.place.opts.KnownHosts = "/etc/slipway/deb-host-key"
	before := w.files(w.there)
	if err := w.place.Reach(context.Background()); err != nil || w.files(w.there) != before {
		t.Errorf("looking whether it can be written: %v", err)
	}
	log, err := os.ReadFile(w.ssh + ".log")
	if err != nil || !strings.Contains(string(log), "-o BatchMode=yes") || !strings.Contains(string(log), "-o StrictHostKeyChecking=yes") ||
		!strings.Contains(string(log), "-o UserKnownHostsFile=/etc/slipway/deb-host-key -o GlobalKnownHostsFile=/dev/null --") ||
		!strings.Contains(string(log), "-o ForwardAgent=no") || !strings.Contains(string(log), "-- files@deb.example exec sh -c ") {
		t.Errorf("ssh was called as %.400s, %v", log, err)
	}
	if tool := strings.Count(w.files(w.there), "tool_1.0"); tool != 1 {
		t.Errorf("tool is there %d times", tool)
	}
}

// Every step of every script, in the middle of the second publication.
func TestAKillAnywhereLeavesOldOrNewAndIsRepaired(t *testing.T) {
	var steps []string
	for l := range strings.Lines(lookScript + receiveScript + switchScript) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(l), ": step "); ok {
			steps = append(steps, name)
		}
	}
	if len(steps) < 15 {
		t.Fatalf("the scripts have the steps %q", steps)
	}
	calm := newWorld(t)
	calm.published(calm.deb("hello", "1.0"))
	calm.published(calm.deb("hello", "1.1"), calm.deb("tool", "1.0"))
	want := calm.files(calm.there)
	for _, step := range steps {
		t.Run(step, func(t *testing.T) {
			t.Parallel() // most of the time goes into waiting for the disk
			w := newWorld(t)
			first := w.published(w.deb("hello", "1.0"))
			next := w.stage(w.deb("hello", "1.1"), w.deb("tool", "1.0"))
			w.trouble(".kill", step)
			wantError(t, w.publish(next), errs.Unavailable, "")
			w.trouble(".kill", "")
			if step == "switched" || step == "snapshot" {
				w.wantThere(next.ID)
			} else {
				w.wantThere(first.ID)
			}
			w.wantMaster(first.ID)
			w.now = w.now.Add(time.Minute) // it is made again later
			if err := w.publish(next); err != nil {
				t.Fatal(errs.Text(err))
			}
			w.wantThere(next.ID)
			w.wantMaster(next.ID)
			if got := w.files(w.there); got != want {
				t.Errorf("the other host has\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// The connection ends within what is sent.
func TestACutConnectionChangesNothing(t *testing.T) {
	w := newWorld(t)
	first := w.published(w.deb("hello", "1.0"))
	next := w.stage(w.deb("hello", "1.1"))
	for _, at := range []int{1, 512, 700, 1024, 5000, 9000, 12000} {
		w.trouble(".cut", strconv.Itoa(at))
		wantError(t, w.publish(next), errs.Unavailable, "what was sent")
		w.wantThere(first.ID)
		w.wantMaster(first.ID)
	}
	w.trouble(".cut", "")
	if err := w.publish(next); err != nil {
		t.Fatal(errs.Text(err))
	}
	w.wantThere(next.ID)
}

// The process here ends between two connections.
func TestACrashHereIsRepaired(t *testing.T) {
	var steps []string
	run := func(stop int) (w *world, first, next aptrepo.Staged, died bool) {
		w = newWorld(t)
		first = w.published(w.deb("hello", "1.0"))
		next = w.stage(w.deb("hello", "1.1"))
		n := 0
		opts := Options{Program: w.ssh, Step: func(name string) {
			// What comes before is that of every archive in a folder.
			if !strings.HasPrefix(name, "ssh.") && name != "publish.elsewhere" && name != "publish.marked" && name != "publish.switched" {
				return
			}
			if n++; n == stop {
				panic("stopped at " + name)
			}
			if stop == 0 {
				steps = append(steps, name)
			}
		}}
		var err error
		if w.place, err = Open(w.master, Host{Destination: "files@deb.example", Path: w.there}, opts, stable()); err != nil {
			t.Fatal(err)
		}
		defer func() { died = recover() != nil }()
		if err := w.publish(next); err != nil {
			t.Fatal(err)
		}
		return w, first, next, false
	}
	run(0)
	if len(steps) < 8 {
		t.Fatalf("the steps are %q", steps)
	}
	for i, step := range steps {
		w, first, next, died := run(i + 1)
		if !died {
			t.Fatalf("%s: it did not stop", step)
		}
		// The lock of a process that ended is free; that of this one is not, so another copy is used.
		w.open("")
		if got := w.shown(w.there); got != first.ID && got != next.ID {
			t.Errorf("%s: clients read %s", step, got)
		}
		if err := w.publish(next); err != nil {
			t.Fatalf("%s: %s", step, errs.Text(err))
		}
		w.wantThere(next.ID)
		w.wantMaster(next.ID)
	}
}

func TestADifferenceIsNamedAndNothingChanges(t *testing.T) {
	w := newWorld(t)
	first := w.published(w.deb("hello", "1.0"))
	second := w.published(w.deb("hello", "1.1"))
	next := w.stage(w.deb("hello", "1.2"))
	link := filepath.Join(w.there, "dists", "stable")
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target("stable", first.ID), link); err != nil {
		t.Fatal(err)
	}
	wantError(t, w.publish(next), errs.Conflict, "dists/stable leads to "+target("stable", first.ID)+" on files@deb.example, and to "+target("stable", second.ID)+" in the master")
	_, err := w.place.Stage(context.Background(), aptrepo.Change{Key: "another", Suite: "stable", Date: w.now.Add(time.Hour)})
	wantError(t, err, errs.Conflict, "leads to")
	_, err = w.place.Cleanup(context.Background(), w.now)
	wantError(t, err, errs.Conflict, "leads to")
	w.wantThere(first.ID)
	w.wantMaster(second.ID)

	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(link, 0o755); err != nil {
		t.Fatal(err)
	}
	wantError(t, w.publish(next), errs.Conflict, "is not a link")
}

func TestFailuresHaveTheirKinds(t *testing.T) {
	for _, c := range []struct {
		name  string
		cause func(w *world)
		kind  errs.Kind
		words string
	}{
		{"no network", func(w *world) { w.trouble(".say", "ssh: connect to host deb.example port 22: No route to host\n") }, errs.Unavailable, "No route to host"},
		{"no key", func(w *world) { w.trouble(".say", "files@deb.example: Permission denied (publickey).\n") }, errs.Denied, "authorized_keys"},
		{"another host", func(w *world) { w.trouble(".say", "Host key verification failed.\n") }, errs.Denied, "known_hosts"},
		{"no ssh", func(w *world) { w.place.opts.Program = "no-such-ssh-here" }, errs.Unavailable, "openssh-client"},
		{"no folder", func(w *world) { w.place.host.Path = w.there + "/deeper" }, errs.NotFound, "there is no folder"},
		{"no user", func(w *world) { w.open("no-such-user-there") }, errs.NotFound, "no user no-such-user-there"},
		{"full while unpacking", func(w *world) {
			w.program("tar", "cat >/dev/null; echo 'tar: gen/Release: Cannot write: No space left on device' >&2; exit 2")
		}, errs.Full, "the disk is full"},
		{"full while moving", func(w *world) { w.program("mv", "echo 'mv: Disk quota exceeded' >&2; exit 1") }, errs.Full, "the disk is full"},
		{"not ours to write", func(w *world) { w.program("mkdir", "echo 'mkdir: Permission denied' >&2; exit 1") }, errs.Denied, "chown"},
		{"another login than the owner", func(w *world) {
			w.open("root")
			w.program("id", `case $1 in -un) echo visitor ;; *) echo 1001 ;; esac`)
		}, errs.Denied, "visitor is logged in, and files must be owned by root"},
		{"files of another owner", func(w *world) {
			w.open("daemon")
			w.program("id", `case $1 in -un) echo daemon ;; *) echo 1 ;; esac`)
		}, errs.Denied, "must be owned by daemon"},
		{"a file that clients cannot read", func(w *world) {
			w.program("tar", `/bin/tar "$@"; status=$?; chmod 600 tmp/stable.incoming/gen/Release; exit $status`)
		}, errs.Denied, "gen/Release has the mode 600, and clients could not read it"},
		{"a file that everybody may change", func(w *world) {
			w.program("tar", `/bin/tar "$@"; status=$?; chmod 666 tmp/stable.incoming/gen/InRelease; exit $status`)
		}, errs.Denied, "gen/InRelease has the mode 666, and others than its owner could change it"},
		{"a file that a group may change", func(w *world) {
			w.program("tar", `/bin/tar "$@"; status=$?; chmod 664 tmp/stable.incoming/gen/InRelease; exit $status`)
		}, errs.Denied, "gen/InRelease has the mode 664, and others than its owner could change it"},
		{"a folder that everybody may change", func(w *world) {
			if err := os.Chmod(w.there, 0o777); err != nil {
				w.t.Fatal(err)
			}
		}, errs.Denied, "chmod o-w"},
		{"a folder that clients cannot enter", func(w *world) {
			w.program("tar", `/bin/tar "$@"; status=$?; chmod 700 tmp/stable.incoming/gen/main; exit $status`)
		}, errs.Denied, "gen/main has the mode 700"},
		{"other bytes", func(w *world) {
			w.program("tar", `/bin/tar "$@"; status=$?; echo more >>tmp/stable.incoming/gen/main/binary-amd64/Packages; exit $status`)
		}, errs.Unavailable, "main/binary-amd64/Packages: FAILED"},
		{"a file too many", func(w *world) {
			w.program("tar", `/bin/tar "$@"; status=$?; echo more >tmp/stable.incoming/gen/more; exit $status`)
		}, errs.Unavailable, "more or fewer files"},
		{"a package with other content", func(w *world) {
			path := filepath.Join(w.there, "pool/main/h/hello/hello_1.1_amd64.deb")
			if err := os.WriteFile(path, []byte("other"), 0o644); err != nil {
				w.t.Fatal(err)
			}
		}, errs.Exists, "hello_1.1_amd64.deb is there with other content"},
		{"a link that does not stay", func(w *world) { w.program("mv", `case $3 in dists/*) exit 0 ;; esac; exec /bin/mv "$@"`) }, errs.Conflict, "somebody else"},
		{"a silent end", func(w *world) { w.program("id", "kill -9 $PPID") }, errs.Unavailable, "try again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first := w.published(w.deb("hello", "1.0"))
			next := w.stage(w.deb("hello", "1.1"))
			c.cause(w)
			wantError(t, w.publish(next), c.kind, c.words)
			w.wantThere(first.ID)
			w.wantMaster(first.ID)
		})
	}
}

// Whatever the other side says between our lines, and however it is called, is only text.
func TestWhatTheOtherSideSaysIsOnlyText(t *testing.T) {
	w := newWorld(t)
	w.program("mkdir", `echo slipway; echo 'slipway '; exec /bin/mkdir "$@"`)
	w.published(w.deb("hello", "1.0"))
	next := w.stage(w.deb("hello", "1.1"))
	w.program("mkdir", "echo slipway; exit 9")
	wantError(t, w.publish(next), errs.Failed, "")
	w.place.host.Destination = "fe80::1%eth0"
	w.trouble(".say", "No route to host\n")
	wantError(t, w.publish(next), errs.Unavailable, "fe80::1%eth0: No route to host")
}

func TestCleanupRemovesThereWhatTheMasterDoesNotHave(t *testing.T) {
	w := newWorld(t)
	first := w.published(w.deb("hello", "1.0"))
	w.published(w.deb("hello", "1.1"))
	w.published(w.deb("hello", "1.2")) // one can go back to 1.1, and to nothing older
	odd := filepath.Join(w.there, "pool", "main", "odd\nname")
	for _, f := range []string{odd, filepath.Join(w.there, "pool", "main", "left_1_all.deb"), filepath.Join(w.there, "tmp", "stable.link")} {
		if err := os.WriteFile(f, []byte("left"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []string{"sweep", "doomed"} {
		w.trouble(".kill", step)
		_, err := w.place.Cleanup(context.Background(), w.now.AddDate(0, 0, 3))
		wantError(t, err, errs.Unavailable, "")
	}
	w.trouble(".kill", "")
	removed, err := w.place.Cleanup(context.Background(), w.now.AddDate(0, 0, 3))
	if err != nil {
		t.Fatal(errs.Text(err))
	}
	if _, err := os.Stat(odd); err != nil {
		t.Errorf("a name that is not Slipway's went: %v", err)
	}
	if err := os.Remove(odd); err != nil {
		t.Fatal(err)
	}
	if here, there := w.files(w.master), w.files(w.there); here != there || strings.Contains(there, first.ID) || strings.Contains(there, "hello_1.0") {
		t.Errorf("%v: the master has\n%s\nand the other host\n%s", removed, here, there)
	}
}

func TestCleanupSparesWhatItDoesNotKnow(t *testing.T) {
	w := newWorld(t)
	w.published(w.deb("hello", "1.0"))
	if err := os.Symlink("../generations/other/x", filepath.Join(w.there, "dists", "other")); err != nil {
		t.Fatal(err)
	}
	_, err := w.place.Cleanup(context.Background(), w.now)
	wantError(t, err, errs.Conflict, `the suite "other"`)
}

func TestOddHostsAreRefused(t *testing.T) {
	for _, h := range []Host{
		{Destination: "", Path: "/srv"}, {Destination: "-oProxyCommand=x", Path: "/srv"}, {Destination: "a b", Path: "/srv"},
		{Destination: "a'b", Path: "/srv"}, {Destination: "a\nb", Path: "/srv"}, {Destination: "a", Path: "srv"}, {Destination: "a", Path: "/"},
		{Destination: "a", Path: "/srv/a\nb"}, {Destination: "a", Path: "/srv", Owner: "-R"}, {Destination: "a", Path: "/srv", Owner: "a b"},
		{Destination: "a", Path: "/srv", Owner: "a'b"},
	} {
		_, err := Open(t.TempDir(), h, Options{}, stable())
		wantError(t, err, errs.Invalid, "")
	}
}

// Names that a shell, a line or sha256sum would read as something else are refused before anything
// is connected.
func TestOddNamesAreNotSent(t *testing.T) {
	for name, safe := range map[string]bool{
		"pool/main/h/hello/hello_1%3a1.0-1~x+y_amd64.deb": true, "generations/stable/20190107T120000Z-ab/.generation.json": true,
		"pool/it's": false, "pool/a\nb": false, `pool/a"b`: false, `pool/a\b`: false, "pool/a b": false, "pool/../x": false, "../x": false, "..": false,
		"/pool": false, "pool//x": false, "pool/": false, "-rf": false, "pool/-rf": false, "pool/$(id)": false, "pool/a;b": false, "": false, "pool/é": false,
		"pool/./x": false,
	} {
		if safePath(name) != safe {
			t.Errorf("%q: safe is %v", name, !safe)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("it's")
	f.Add("'\\''")
	f.Add("$(id) `id` \\ \" \n")
	f.Fuzz(func(t *testing.T, s string) {
		// What a POSIX shell makes of it (2.2.2): inside single quotes every character is itself.
		var out strings.Builder
		inside := false
		for q := quote(s); q != ""; {
			switch {
			case q[0] == '\'':
				inside, q = !inside, q[1:]
			case inside:
				out.WriteByte(q[0])
				q = q[1:]
			case strings.HasPrefix(q, `\'`):
				out.WriteByte('\'')
				q = q[2:]
			default:
				t.Fatalf("%q is outside of quotes in %q", q, quote(s))
			}
		}
		if inside || out.String() != s {
			t.Errorf("%q became %q", s, out.String())
		}
	})
}
