package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/people"
	"slipway/integrations/logkey"
)

// wellPatient is an installation in which only the mail server is missing.
func wellPatient(t *testing.T) *patient {
	t.Helper()
	dir := t.TempDir()
	if err := makeWorld(t, dir); err != nil {
		t.Fatal(err)
	}
	conf, err := loadConfig(filepath.Join(dir, "slipway.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p := &patient{conf: conf}
	shelved(t, p)
	return p
}

func shelved(t *testing.T, p *patient) {
	t.Helper()
	all, err := contracts()
	if err != nil {
		t.Fatal(err)
	}
	if p.shelf, err = loadShelf(p.conf.Playbooks, all, false); err != nil {
		t.Fatal(err)
	}
}

// greets is a mail server that says one line.
func greets(t *testing.T, line string) func(*testing.T, *patient) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, line)
			_ = c.Close()
		}
	}()
	return func(_ *testing.T, p *patient) {
		p.conf.SMTP.Host, p.conf.SMTP.Port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	}
}

// site puts a playbook of the site's own on the shelf.
func site(src string) func(*testing.T, *patient) {
	return func(t *testing.T, p *patient) {
		p.conf.Playbooks = t.TempDir()
		if err := os.WriteFile(filepath.Join(p.conf.Playbooks, "own.yaml"), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		shelved(t, p)
	}
}

// TestDoctorOfTheInstallation makes every finding of what is around the bot appear, and not appear.
func TestDoctorOfTheInstallation(t *testing.T) {
	const step = "playbook: own\nsteps:\n  look: {do: git.state@1, with: {remote: x, branch: main, tag_pattern: \"v*\", scheme: calendar}"
	well := wellPatient(t)
	for _, c := range []struct {
		code, name string
		change     func(*testing.T, *patient)
		what, fix  string // what is found; "" is nothing
	}{
		{"state.unwritable", "it is not there yet", nil, "", ""},
		{"state.unwritable", "it is a file", func(_ *testing.T, p *patient) { p.conf.State = "/dev/null/state" }, "/dev/null is not a folder", "choose another folder in state:"},
		{"git.missing", "it is there", nil, "", ""},
		{"git.missing", "it is not", func(t *testing.T, _ *patient) { t.Setenv("PATH", t.TempDir()) }, "git is not installed", "apt-get install git"},
		{"gpg.missing", "it is not", func(t *testing.T, _ *patient) { t.Setenv("PATH", t.TempDir()) }, "gpg is not installed", "apt-get install gnupg"},
		{"gpg.missing", "it is there", func(t *testing.T, _ *patient) { programs(t, "gpg") }, "", ""},
		{"playbook.invalid", "they are good", nil, "", ""},
		{"playbook.invalid", "one is not", site(strings.Replace(step, "git.state@1", "git.stat@1", 1) + "}\n"), "own.yaml:3:14", "git.state"},
		{"playbook.warning", "they raise no doubts", nil, "", ""},
		{"playbook.warning", "one does", site("playbook: own\nsteps:\n  w: {wait: ci.pipeline@1, with: {remote: x, ref: y, commit: z, pipeline: p}, until: \"pipeline.state == 'success'\", poll: 10m}\n"),
			"could wait for ever", "deadline: 3d"},
		{"role.empty", "all are held", nil, "", ""},
		{"role.empty", "nobody is tester", func(_ *testing.T, p *patient) {
			p.conf.Grants = slices.DeleteFunc(slices.Clone(p.conf.Grants), func(g people.Grant) bool { return g.Role == "tester" })
		}, "nobody is tester of harbour, and the step tested of release needs one", "add tester to roles: harbour:"},
		{"remote.unreachable", "it answers", nil, "", ""},
		{"remote.unreachable", "it is gone", func(_ *testing.T, p *patient) {
			p.conf.Projects["harbour"].Profile["remote"] = "/nowhere/at/all.git"
		}, "the remote /nowhere/at/all.git of harbour does not answer", "git ls-remote"},
		{"remote.unreachable", "it has no such branch", func(_ *testing.T, p *patient) {
			p.conf.Projects["harbour"].Profile["branch"] = "no-such-branch"
		}, "has no branch no-such-branch", "correct branch:"},
		{"signer.none", "there is one", nil, "", ""},
		{"signer.none", "there is none", func(_ *testing.T, p *patient) { p.conf.Signing.Tokens = nil }, "no signer is configured", "signers:"},
		{"smtp.unreachable", "nobody listens", nil, "does not answer", "start the mail server"},
		{"smtp.unreachable", "it greets", greets(t, "220 mail.example\r\n"), "", ""},
		{"smtp.unreachable", "it is something else", greets(t, "SSH-2.0\r\n"), "does not speak SMTP", "correct host and port"},
		{"logkey.none", "there is none", func(_ *testing.T, p *patient) { p.conf.LogKey = "" }, "no log key is configured", "slipway logkey new"},
		{"logkey.none", "there is one", ownLogKey, "", ""},
		{"logkey.broken", "none is wanted", func(_ *testing.T, p *patient) { p.conf.LogKey = "" }, "", ""},
		{"logkey.broken", "it is there", ownLogKey, "", ""},
		{"logkey.broken", "it is gone", func(_ *testing.T, p *patient) { p.conf.LogKey = "/nowhere/log.key" }, "/nowhere/log.key", ""},
	} {
		t.Run(c.code+"/"+c.name, func(t *testing.T) {
			conf := *well.conf
			p := &patient{conf: &conf, shelf: well.shelf}
			p.conf.Projects = map[string]project{"harbour": withProfile(well.conf.Projects["harbour"])}
			if c.change != nil {
				c.change(t, p)
			}
			all := ailments()
			i := slices.IndexFunc(all, func(a ailment) bool { return a.code == c.code })
			expectSymptom(t, all[i].look(t.Context(), p), c.what, c.fix)
		})
	}
}

func ownLogKey(t *testing.T, p *patient) {
	p.conf.LogKey = filepath.Join(t.TempDir(), "log.key")
	if _, err := logkey.Create(p.conf.LogKey); err != nil {
		t.Fatal(err)
	}
}

// withProfile has a profile of its own, which a test may change.
func withProfile(p project) project {
	copied := action.Values{}
	for k, v := range p.Profile {
		copied[k] = v
	}
	p.Profile = copied
	return p
}

// TestHeadsThatWait: heads.waiting is told when the log key cannot sign, and not before.
func TestHeadsThatWait(t *testing.T) {
	p := &patient{conf: &config{}}
	expectSymptom(t, waitingHeads(context.Background(), p), "", "")
	expectSymptom(t, headsWait(0, time.Time{}, ""), "", "")
	expectSymptom(t, headsWait(2, time.Unix(1548943200, 0), "it is not there"), "2 heads of logs wait for the log key since 2019-01-31 14:00 UTC: it is not there", "mend the log key")
}
