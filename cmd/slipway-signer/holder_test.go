package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

// holder is a person with w's key at hand, beside the same bot.
func (w *world) holder() *Holder {
	w.t.Helper()
	key, err := certificates(w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	w.worker.Wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return &Holder{worker: w.worker, key: key, command: func(dir string) string { return "slipway-signer hand-in " + dir }}
}

// fetched is a new folder with the job in it.
func (w *world) fetched(h *Holder, id string) string {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "to-sign")
	if err := h.Fetch(w.t.Context(), dir, id); err != nil {
		w.t.Fatal(err)
	}
	return dir
}

func (w *world) file(name string, content []byte) {
	w.t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) text(name string) []byte {
	w.t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

// sign does by hand what README.txt says, for these suites, with the key.
func (w *world) sign(k openpgp.Signer, dir string, suites ...string) {
	w.t.Helper()
	for _, s := range suites {
		text := w.text(filepath.Join(dir, s, "Release"))
		inline, detached, err := openpgp.SignRelease(w.t.Context(), k, text)
		if err != nil {
			w.t.Fatal(err)
		}
		in, err := openpgp.AssembleInRelease(text, inline)
		if err != nil {
			w.t.Fatal(err)
		}
		w.file(filepath.Join(dir, s, "Release.gpg"), detached)
		w.file(filepath.Join(dir, s, "InRelease"), in)
	}
}

// result is what the bot got, checked as the bot checks it.
func (w *world) wantDelivered(id string, r signing.ReleaseRequest) {
	w.t.Helper()
	j := w.queue.jobs[id]
	if j.State != job.Done || !j.Verdict.OK {
		w.t.Fatalf("the job is %s: %s", j.State, j.Verdict.Reason)
	}
	own, err := certificates(w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	action := signing.NewRelease(own, func() time.Time { return w.now })
	out, err := action.FinishRelease(signing.ReleaseIn{Releases: r.Releases, Fingerprint: r.KeyFingerprint}, j.Verdict.Result)
	if err != nil || len(out.Signatures) != len(r.Releases) {
		w.t.Fatal(err)
	}
	for i, s := range out.Signatures { // and published as the archive does
		in, err := openpgp.AssembleInRelease([]byte(r.Releases[i].Text), []byte(s.Inline))
		if err != nil {
			w.t.Fatal(err)
		}
		if text, _, err := openpgp.VerifyInRelease(in, own, own.Allowed, w.now); err != nil || string(text) != r.Releases[i].Text {
			w.t.Fatal(err)
		}
	}
}

func TestPersonFetchesSignsAndHandsIn(t *testing.T) {
	w := archiveWorld(t)
	w.worker.Policy.Archives[0].Suites = []string{"stable", "stable/updates"}
	h := w.holder()
	r := w.wish(releaseAt("stable", w.now, "a"), releaseAt("stable/updates", w.now, "b"))
	id := w.offerRelease(r)
	dir := w.fetched(h, "")

	st, err := os.Stat(filepath.Join(dir, noteFile))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatal(st, err)
	}
	if got := string(w.text(filepath.Join(dir, "stable", "Release"))); got != r.Releases[0].Text {
		t.Fatalf("%q", got)
	}
	for _, words := range []string{
		"gpg --armor --detach-sign --digest-algo SHA512 -u " + w.key.Fingerprint() + " --output stable/Release.gpg stable/Release",
		"gpg --clearsign --digest-algo SHA512 -u " + w.key.Fingerprint() + " --output stable/updates/InRelease stable/updates/Release",
		r.Releases[0].Digest[len("sha256:"):] + "  stable/Release", "slipway-signer hand-in .", "change    FIRST: this log knows of no Release"} {
		if !strings.Contains(string(w.text(filepath.Join(dir, readmeFile))), words) {
			t.Errorf("README.txt does not say %q", words)
		}
	}
	if out := w.out.String(); !strings.Contains(out, "suite     stable/updates") || !strings.Contains(out, "FIRST") || !strings.Contains(out, "held for you until 13:01:00 UTC") {
		t.Fatal(out)
	}

	w.now = w.now.Add(2 * time.Hour) // far longer than a lease
	w.sign(w.key, dir, "stable", "stable/updates")
	if err := h.HandIn(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	w.wantDelivered(id, r)
	w.wantLog(intent, result)
	// What was handed in is what counts as signed from now on.
	w.reopen()
	w.wantRefused(w.offerRelease(w.wish(releaseAt("stable", w.now.Add(-3*time.Hour), "c"))), "was signed already")
	// Again: the same, even when the files are gone by now.
	if err := os.Remove(filepath.Join(dir, "stable", "InRelease")); err != nil {
		t.Fatal(err)
	}
	before := string(w.queue.jobs[id].Verdict.Result)
	if err := h.HandIn(t.Context(), dir); err != nil || string(w.queue.jobs[id].Verdict.Result) != before {
		t.Fatal(err)
	}
	w.wantLog(intent, result, refused, repeated)
}

func TestPersonSignsATag(t *testing.T) {
	w := newWorld(t)
	h := w.holder()
	id := w.offer(w.request("2026.01"))
	dir := w.fetched(h, id)
	if !strings.Contains(string(w.text(filepath.Join(dir, readmeFile))), "--output payload.asc payload") {
		t.Fatal("README.txt does not say how")
	}
	sig, err := w.key.Sign(t.Context(), w.text(filepath.Join(dir, payloadFile)))
	if err != nil {
		t.Fatal(err)
	}
	w.file(filepath.Join(dir, "payload.asc"), sig)
	if err := h.HandIn(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	own, err := certificates(w.key)
	if err != nil {
		t.Fatal(err)
	}
	j := w.queue.jobs[id]
	if _, err := own.VerifyTag([]byte(payload("2026.01", w.now)), j.Verdict.Result, w.key.Fingerprint(), w.now); err != nil || j.State != job.Done {
		t.Fatalf("%s %v", j.State, err)
	}
	w.wantLog(intent, result)
}

// A job for the holder of another key is left to them, by a person and by a worker.
func TestJobsOfOtherKeysAreLeftAlone(t *testing.T) {
	w := archiveWorld(t)
	other := w.wish(releaseAt("stable", w.now, "a"))
	other.KeyFingerprint = strings.Repeat("A", 40)
	theirs := w.offerRelease(other)
	ours := w.wish(releaseAt("stable", w.now, "a"))
	id := w.offerRelease(ours)
	h := w.holder()
	// As in the bot's queue, what was given back is not offered to the same holder at once.
	w.queue.pause = time.Minute
	dir := w.fetched(h, "")
	if j := w.queue.jobs[theirs]; j.State != job.Pending || !strings.Contains(j.Why, "the key here is") {
		t.Fatalf("%s: %s", j.State, j.Why)
	}
	if !strings.Contains(w.out.String(), "left alone: a signature by AAAA") {
		t.Fatal(w.out.String())
	}
	w.sign(w.key, dir, "stable")
	if err := h.HandIn(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	w.wantDelivered(id, ours)
	wantKind(t, h.Fetch(t.Context(), filepath.Join(t.TempDir(), "x"), ""), errs.NotFound, "no job waits")

	w.now = w.now.Add(2 * time.Minute)
	for range 3 {
		if j := w.work(theirs); j.State != job.Pending {
			t.Fatalf("%s", j.State)
		}
		w.now = w.now.Add(2 * time.Minute)
	}
	if strings.Count(w.out.String(), "00 left alone: a signature by") != 1 {
		t.Fatal(w.out.String())
	}
	w.wantLog(intent, result)
}

func TestPersonRefuses(t *testing.T) {
	w := archiveWorld(t)
	h := w.holder()
	id := w.offerRelease(w.wish(releaseAt("stable", w.now, "a")))
	dir := w.fetched(h, "")
	if err := h.Refuse(t.Context(), dir, "wrong\x1b week"); err != nil {
		t.Fatal(err)
	}
	if j := w.queue.jobs[id]; j.State != job.Failed || j.Verdict.Class != "refused" || !strings.Contains(j.Verdict.Reason, "does not sign: wrong\uFFFD week") {
		t.Fatalf("%s %+v", j.State, j.Verdict)
	}
	w.wantLog(refused)
}

// The bot takes the verdict and its answer is lost, or it is down for long.
func TestHandInAgainAfterALostAnswer(t *testing.T) {
	for _, lose := range []bool{true, false} {
		w := archiveWorld(t)
		h := w.holder()
		r := w.wish(releaseAt("stable", w.now, "a"))
		id := w.offerRelease(r)
		dir := w.fetched(h, id)
		w.sign(w.key, dir, "stable")
		w.queue.down, w.queue.lose = 4, lose
		wantKind(t, h.HandIn(t.Context(), dir), errs.Unavailable, "nobody can tell")
		w.now = w.now.Add(time.Hour)
		w.sign(w.key, dir, "stable") // made again: not what was handed in
		if err := h.HandIn(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		w.wantDelivered(id, r)
		if kept, _ := w.worker.Journal.Kept(r.Digest(), w.key.Fingerprint()); string(w.queue.jobs[id].Verdict.Result) != kept.Signature {
			t.Fatal("other signatures than those in the log")
		}
	}
}

// What was handed in for a release is handed in again when the bot asks a second time.
func TestFetchOfWhatWasSignedDeliversIt(t *testing.T) {
	w := archiveWorld(t)
	h := w.holder()
	r := w.wish(releaseAt("stable", w.now, "a"))
	w.offerRelease(r)
	dir := w.fetched(h, "")
	w.sign(w.key, dir, "stable")
	if err := h.HandIn(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	id := w.offerRelease(r)
	none := filepath.Join(t.TempDir(), "none")
	if err := h.Fetch(t.Context(), none, ""); err != nil {
		t.Fatal(err)
	}
	w.wantDelivered(id, r)
	if _, err := os.Stat(none); err == nil {
		t.Fatal("a folder for nothing")
	}
	w.wantLog(intent, result, repeated)
}

func TestFetchTwiceIntoOneFolder(t *testing.T) {
	w := archiveWorld(t)
	h := w.holder()
	id := w.offerRelease(w.wish(releaseAt("stable", w.now, "a")))
	dir := w.fetched(h, id)
	w.sign(w.key, dir, "stable")
	before := w.worker.Journal.suites
	w.worker.Journal.suites = map[string]SuiteRecord{archive + "\nstable": {Dated: start}} // the log has grown
	w.now = w.now.Add(time.Hour)
	if err := h.Fetch(t.Context(), dir, id); err != nil { // the work in it is kept
		t.Fatal(err)
	}
	if !strings.Contains(string(w.text(filepath.Join(dir, readmeFile))), "last signed was the Release dated Sat, 31 Jan 2026 12:00:00") {
		t.Fatal("README.txt tells what was there before")
	}
	w.worker.Journal.suites = before
	if err := h.HandIn(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	next := w.offerRelease(w.wish(releaseAt("stable", w.now, "b")))
	wantKind(t, h.Fetch(t.Context(), dir, next), errs.Conflict, "holds the job job1, and this is the job job2: stable/Release: line 5 differs")
	two := w.offerRelease(w.wish(releaseAt("stable", start.Add(time.Hour), "a"), releaseAt("testing", w.now, "b")))
	wantKind(t, h.Fetch(t.Context(), dir, two), errs.Conflict, "testing/Release is new")
	tag := w.offer(w.request("2026.01"))
	wantKind(t, h.Fetch(t.Context(), dir, tag), errs.Conflict, "they ask for different things")
	broken := filepath.Join(t.TempDir(), "half")
	if err := h.Fetch(t.Context(), broken, next); err != nil {
		t.Fatal(err)
	}
	w.file(filepath.Join(broken, "stable", "Release"), []byte("mine"))
	wantKind(t, h.Fetch(t.Context(), broken, next), errs.Conflict, "is there already, and is not what the bot asks")
	if j := w.queue.jobs[next]; j.State != job.Pending {
		t.Fatalf("%s", j.State)
	}
	full := t.TempDir()
	w.file(filepath.Join(full, "mine"), nil)
	wantKind(t, h.Fetch(t.Context(), full, next), errs.Exists, "is not empty")
	open := filepath.Join(t.TempDir(), "open")
	if err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	wantKind(t, h.Fetch(t.Context(), open, next), errs.Denied, "others than you")
	wantKind(t, h.Fetch(t.Context(), full, "nothing"), errs.NotFound, `no job has the id "nothing"`)
}
