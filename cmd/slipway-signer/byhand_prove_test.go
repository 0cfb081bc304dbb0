//go:build prove

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"slipway/bot/job"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

// person is a release manager with a shell, GnuPG, and this program for fetch and hand-in alone.
type person struct {
	*world
	env    []string
	bin    string
	config string
	key    string // primary fingerprint; it certifies only, a subkey signs
	other  string // another key in the same keyring
}

func newPerson(t *testing.T) *person {
	w := archiveWorld(t)
	w.now = time.Now()
	w.queue.now = time.Now
	home, err := os.MkdirTemp("", "g")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	p := &person{world: w, bin: bin, env: append(os.Environ(), "GNUPGHOME="+home, "LC_ALL=C.UTF-8", "PATH="+bin+":"+os.Getenv("PATH"))}
	t.Cleanup(func() {
		cmd := exec.Command("gpgconf", "--kill", "gpg-agent")
		cmd.Env = p.env
		_ = cmd.Run()
		os.RemoveAll(home)
	})
	p.must(".", "go build -o "+filepath.Join(bin, "slipway-signer")+" .")
	first := regexp.MustCompile(`(?m)^fpr:+([0-9A-F]{40}):`)
	for _, k := range []struct {
		into *string
		id   string
	}{{&p.key, "RM <rm@example.org>"}, {&p.other, "Other <other@example.org>"}} {
		p.must(home, "gpg --batch --quiet --passphrase '' --quick-generate-key '"+k.id+"' ed25519 cert 1y")
		*k.into = first.FindStringSubmatch(p.must(home, "gpg --with-colons --list-keys '"+k.id+"'"))[1]
		p.must(home, "gpg --batch --quiet --passphrase '' --quick-add-key "+*k.into+" ed25519 sign 1y")
	}
	dir := t.TempDir()
	p.must(dir, "gpg --armor --export "+p.key+" > rm.asc && printf %s "+token+" > token && chmod 600 token")
	p.config = filepath.Join(dir, "signer.yaml")
	w.file(p.config, fmt.Appendf(nil, `server: %s
token_file: token
log: signer.log
key: {certificate: rm.asc}
allow: [{repository: %q, project: lava, tags: ["2*"]}]
archives: [{archive: %q, project: harbour, suites: [stable, testing], longest_valid: 30d}]
`, w.worker.Client.base, repository, archive))
	return p
}

// run types one line in dir.
func (p *person) run(dir, line string) (string, error) {
	cmd := exec.Command("sh", "-c", line)
	var out bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = p.env, dir, &out, &out
	err := cmd.Run()
	return out.String(), err
}

func (p *person) must(dir, line string) string {
	p.t.Helper()
	out, err := p.run(dir, line)
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return out
}

// refused types a line that must fail with these words, and leave the job open.
func (p *person) refused(dir, line, id string, words ...string) {
	p.t.Helper()
	out, err := p.run(dir, line)
	if err == nil {
		p.t.Fatalf("%s: done\n%s", line, out)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			p.t.Fatalf("%s: it does not say %q:\n%s", line, w, out)
		}
	}
	if j := p.queue.jobs[id]; j.State != job.Leased && j.State != job.Pending {
		p.t.Fatalf("the job is %s: %s", j.State, j.Verdict.Reason)
	}
}

// typed are the commands of README.txt, in their order: those of gpg, and how it is handed in.
func (p *person) typed(dir string) (gpg []string, handIn string) {
	p.t.Helper()
	for line := range strings.Lines(string(p.text(filepath.Join(dir, readmeFile)))) {
		line = strings.TrimSuffix(line, "\n")
		switch command, ok := strings.CutPrefix(line, "  "); {
		case ok && strings.HasPrefix(command, "gpg "):
			gpg = append(gpg, command)
		case ok && strings.HasPrefix(command, "slipway-signer hand-in") && handIn == "":
			handIn = command
		}
	}
	if len(gpg) == 0 || handIn == "" {
		p.t.Fatal("README.txt holds no commands")
	}
	return gpg, handIn
}

func TestRealGpgSignsReleasesByHand(t *testing.T) {
	p := newPerson(t)
	dated := p.now.Add(-time.Minute).Truncate(time.Second)
	r := p.wish(releaseAt("stable", dated, "a"), releaseAt("testing", dated, "b"))
	r.KeyFingerprint = p.key
	id := p.offerRelease(r)
	work := t.TempDir()
	shown := p.must(work, "slipway-signer fetch --config "+p.config+" --to dir")
	for _, words := range []string{"suite     stable", "suite     testing", "FIRST", "with the key " + p.key} {
		if !strings.Contains(shown, words) {
			t.Fatalf("fetch does not show %q:\n%s", words, shown)
		}
	}
	dir := filepath.Join(work, "dir")
	gpg, handIn := p.typed(dir)
	if len(gpg) != 4 {
		t.Fatalf("%q", gpg)
	}
	p.refused(dir, handIn, id, "stable/Release.gpg is not there", "README.txt says how")
	again := func(change func(command string) string) {
		t.Helper()
		for _, command := range gpg {
			command = strings.Replace(command, "gpg ", "gpg --batch --yes --quiet ", 1)
			p.must(dir, change(command))
		}
	}
	again(func(c string) string { return strings.ReplaceAll(c, p.key, p.other) })
	p.refused(dir, handIn, id, "stable/Release.gpg is not handed in", "make it again")
	again(func(c string) string { return strings.ReplaceAll(c, "SHA512", "SHA1") })
	p.refused(dir, handIn, id, "stable/Release.gpg is not handed in", "make it again")
	again(func(c string) string { return strings.Replace(c, "--detach-sign", "--textmode --detach-sign", 1) })
	p.refused(dir, handIn, id, "stable/Release.gpg is not handed in", "type")
	again(func(c string) string { return strings.Replace(c, "--armor", "--no-armor", 1) })
	p.refused(dir, handIn, id, "not one armored signature", "make it again")
	p.must(dir, "rm */Release.gpg */InRelease && gpg --batch --quiet -u "+p.key+" --clearsign stable/Release")
	p.refused(dir, handIn, id, "stable/Release.gpg is not there", "stable/Release.asc is there and holds a clear-signed text, to be called InRelease")
	// Another Date is signed.
	p.must(dir, "rm stable/Release.asc && cp stable/Release kept && sed -i 's/^Date: .*/Date: Sat, 31 Jan 2026 12:00:00 UTC/' stable/Release")
	again(func(c string) string { return c })
	p.refused(dir, handIn, id, "stable/Release was changed after it was fetched", "line 5 differs")
	p.must(dir, "mv kept stable/Release")
	p.refused(dir, handIn, id, "stable/Release.gpg is not handed in")
	// At last precisely what README.txt says.
	p.must(dir, "rm */Release.gpg */InRelease")
	for _, command := range gpg {
		p.must(dir, command)
	}
	if out := p.must(work, "slipway-signer fetch --config "+p.config+" --to dir --job "+id); !strings.Contains(out, "suite     stable") {
		t.Fatal(out)
	}
	out := p.must(dir, handIn)
	if !strings.Contains(out, "handed in: "+archive+" stable, testing (done)") {
		t.Fatal(out)
	}
	p.must(dir, handIn) // a second time changes nothing
	p.published(dir, p.queue.jobs[id], r)
	if out := p.must(work, "slipway-signer log verify "+filepath.Join(filepath.Dir(p.config), "signer.log")); !strings.Contains(out, "3 lines, the chain is whole") {
		t.Fatal(out)
	}
}

// published makes of what the bot got the files that clients read, for the real gpgv.
func (p *person) published(dir string, j job.Job, r signing.ReleaseRequest) {
	p.t.Helper()
	if j.State != job.Done {
		p.t.Fatalf("the job is %s: %s", j.State, j.Verdict.Reason)
	}
	list, err := signing.ParseReleaseResult(j.Verdict.Result, r.Releases)
	if err != nil {
		p.t.Fatal(err)
	}
	p.must(dir, "gpg --batch --quiet --export "+p.key+" > ring.gpg")
	for i, s := range list {
		in, err := openpgp.AssembleInRelease([]byte(r.Releases[i].Text), []byte(s.Inline))
		if err != nil {
			p.t.Fatal(err)
		}
		detached, err := openpgp.AssembleDetached([]byte(s.Detached))
		if err != nil {
			p.t.Fatal(err)
		}
		p.file(filepath.Join(dir, "P.InRelease"), in)
		p.file(filepath.Join(dir, "P.gpg"), detached)
		p.file(filepath.Join(dir, "P"), []byte(r.Releases[i].Text))
		for _, line := range []string{"gpgv --status-fd 1 --keyring ./ring.gpg --output P.text P.InRelease && cmp P P.text && rm P.text",
			"gpgv --status-fd 1 --keyring ./ring.gpg P.gpg P"} {
			if out := p.must(dir, line); !strings.Contains(out, "VALIDSIG") || !strings.Contains(out, p.key) {
				p.t.Fatal(out)
			}
		}
	}
}

func TestRealGpgSignsATagByHand(t *testing.T) {
	p := newPerson(t)
	r := p.request("2026.01")
	r.KeyFingerprint = p.key
	id := p.offer(r)
	work := t.TempDir()
	shown := p.must(work, "slipway-signer fetch --config "+p.config)
	made, err := filepath.Glob(filepath.Join(work, "to-sign-*"))
	if err != nil || len(made) != 1 || !strings.Contains(shown, filepath.Base(made[0])) {
		t.Fatalf("%v %v\n%s", made, err, shown)
	}
	gpg, handIn := p.typed(made[0])
	p.must(made[0], strings.ReplaceAll(gpg[0], p.key, p.other))
	p.refused(made[0], handIn, id, "payload.asc is not handed in")
	p.must(made[0], "rm payload.asc; "+gpg[0])
	p.must(made[0], handIn)
	j := p.queue.jobs[id]
	if j.State != job.Done {
		t.Fatalf("the job is %s: %s", j.State, j.Verdict.Reason)
	}
	p.file(filepath.Join(made[0], "got.asc"), j.Verdict.Result)
	p.must(made[0], "gpg --batch --quiet --export "+p.key+" > ring.gpg && gpgv --keyring ./ring.gpg got.asc payload")
	// Git itself takes the tag.
	p.must(made[0], "cat payload got.asc > tag && git init -q repo && cd repo && git hash-object -t tag --literally -w ../tag > ../id && git verify-tag $(cat ../id)")
}
