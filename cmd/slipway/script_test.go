package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.etcd.io/bbolt"

	"slipway/integrations/openpgp"
)

// TestScripts runs the program as people do, from a shell: testdata/script/*.txtar. Beside the
// usual commands of a script there are
//
//	world           a repository, a key and slipway.yaml in the folder of the script
//	archive         an archive in slipway.yaml, in which something was published
//	exits N CMD…    like exec, and it must end with N
//	flip SPACE      changes the last byte of the first record of that space of the store
//	until RE CMD…   like exec, again until what it prints matches
//	terminate       sends SIGTERM to what runs in the background
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("SLIPWAY_CONFIG", filepath.Join(env.WorkDir, "slipway.yaml"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"world":   func(ts *testscript.TestScript, _ bool, _ []string) { ts.Check(makeWorld(t, ts.MkAbs("."))) },
			"archive": func(ts *testscript.TestScript, _ bool, _ []string) { ts.Check(makeArchive(t.Context(), ts.MkAbs("."))) },
			"exits":   exits,
			"flip": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(flip(ts.MkAbs("state/slipway.db"), args[0]))
			},
			"terminate": terminate, "until": until,
		},
	})
}

// makeWorld writes what a configuration needs. Nobody signs: a release goes as far as its gate.
func makeWorld(t *testing.T, dir string) error {
	y := &yard{dir: dir, project: "harbour", remote: filepath.Join(dir, "remote.git"), config: filepath.Join(dir, "slipway.yaml"), doorPort: 8471}
	_, public, err := openpgp.Generate("Harbour Releases", "releases@harbour.example", "eddsa", 0, time.Now())
	if err != nil {
		return err
	}
	certs, err := openpgp.ReadCertificates(public)
	if err != nil {
		return err
	}
	y.fingerprint = fmt.Sprintf("%X", certs[0].PrimaryKey.Fingerprint)
	if y.doorPort, err = freePort(); err != nil {
		return err
	}
	if y.mailPort, err = freePort(); err != nil { // nobody listens there
		return err
	}
	p := rawProject{Remote: y.remote, Branch: "master", Scheme: "calendar", Changelog: "debian/changelog", CI: []string{"sh", "check.sh"}}
	return errors.Join(
		makeSample(t.Context(), y.remote, filepath.Join(dir, "sample")),
		os.MkdirAll(filepath.Join(dir, "key"), 0o700),
		os.WriteFile(filepath.Join(dir, "key", "demo-cert.asc"), public, 0o600),
		os.WriteFile(filepath.Join(dir, "signer-token"), []byte("k2J9x0Qp7Zr4Wm8Ty1Lc\n"), 0o600),
		y.writeConfig(p, false))
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if err != nil || neg || len(args) < 2 {
		ts.Fatalf("usage: exits N COMMAND…")
	}
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != want {
		ts.Fatalf("%v ends with %d instead of %d", args[1:], code, want)
	}
}

func flip(path, space string) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(space))
		if b == nil {
			return fmt.Errorf("there is no space %s", space)
		}
		key, value := b.Cursor().First()
		if len(value) < 3 {
			return fmt.Errorf("the first record of %s has %d bytes", space, len(value))
		}
		changed := append([]byte{}, value...)
		changed[len(changed)-1] ^= 0x20
		return b.Put(append([]byte{}, key...), changed)
	})
}

func until(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[0])
	for range 200 {
		if ts.Exec(args[1], args[2:]...) == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	ts.Fatalf("%v never prints %s", args[1:], want)
}

func terminate(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}
