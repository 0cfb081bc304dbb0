package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/job"
)

// The whole way through the command line, with paths that a shell must be told of.
func TestFetchAndHandInFromTheCommandLine(t *testing.T) {
	w := archiveWorld(t)
	w.now = time.Now()
	dir := filepath.Join(t.TempDir(), "it's here")
	f, err := newFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	f.close()
	file := filepath.Join(dir, "signer.yaml")
	w.file(filepath.Join(dir, "key.asc"), w.key.Certificate())
	w.file(filepath.Join(dir, "token"), []byte(token+"\n"))
	w.file(file, fmt.Appendf(nil, `server: %s
token_file: token
log: signer.log
key: {file: not-here.asc}
archives: [{archive: %q, project: harbour, suites: [stable], longest_valid: 30d}]
`, w.worker.Client.base, archive))
	run := func(code int, words string, args ...string) string {
		t.Helper()
		var out, errOut strings.Builder
		if got := Main(args, &out, &errOut); got != code || !strings.Contains(out.String()+errOut.String(), words) {
			t.Fatalf("%q: %d\n%s%s", args, got, out.String(), errOut.String())
		}
		return out.String()
	}
	run(2, "the certificate of the key is not named", "fetch", "--config", file)
	certificate := filepath.Join(dir, "key.asc")
	run(4, "no job waits", "fetch", "--config", file, "--certificate", certificate)
	id := w.offerRelease(w.wish(releaseAt("stable", w.now.Add(-time.Minute), "a")))
	to := filepath.Join(dir, "to sign")
	said := run(0, "suite     stable", "fetch", "--config", file, "--certificate", certificate, "--to", to)
	if want := "slipway-signer hand-in --config '" + strings.ReplaceAll(file, "'", `'\''`) + "' --certificate '"; !strings.Contains(said, want) {
		t.Fatalf("it does not say %s\n%s", want, said)
	}
	run(4, "is not there", "hand-in", "--config", file, "--certificate", certificate, to)
	w.sign(w.key, to, "stable")
	run(0, "handed in: "+archive+" stable (done)", "hand-in", "--config", file, "--certificate", certificate, to)
	run(0, "handed in before", "hand-in", "--config", file, "--certificate", certificate, to)
	if j := w.queue.jobs[id]; j.State != job.Done {
		t.Fatal(j.State)
	}
	w.now = w.now.Add(time.Minute)
	id = w.offerRelease(w.wish(releaseAt("stable", w.now.Add(-time.Minute/2), "b")))
	next := filepath.Join(dir, "next")
	run(0, "index main/binary-amd64/Packages changes", "fetch", "--config", file, "--certificate", certificate, "--to", next)
	run(0, "", "hand-in", "--config", file, "--certificate", certificate, "--refuse", "not today", next)
	if j := w.queue.jobs[id]; j.State != job.Failed || !strings.Contains(j.Verdict.Reason, "not today") {
		t.Fatalf("%s %s", j.State, j.Verdict.Reason)
	}
	run(0, "4 lines, the chain is whole", "log", "verify", filepath.Join(dir, "signer.log"))
}
