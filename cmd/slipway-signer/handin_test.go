package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/integrations/debian"
	"slipway/integrations/openpgp"
)

// stranger is a key that nobody asked for.
func (w *world) stranger(life time.Duration) *openpgp.KeyFile {
	w.t.Helper()
	private, _, err := openpgp.Generate("Other", "other@example.org", "eddsa", life, start.Add(-time.Hour))
	if err != nil {
		w.t.Fatal(err)
	}
	k, err := openpgp.NewKeyFile(private, nil, func() time.Time { return w.now })
	if err != nil {
		w.t.Fatal(err)
	}
	return k
}

// wantOpen is a job that can still be handed in, of which nothing was said.
func (w *world) wantOpen(id string) {
	w.t.Helper()
	if j := w.queue.jobs[id]; j.State != job.Leased && j.State != job.Pending || len(j.Verdict.Result) > 0 || j.Verdict.Reason != "" {
		w.t.Fatalf("the job is %s: %s", j.State, j.Verdict.Reason)
	}
	w.wantLog()
}

// Whatever is wrong is told with what to do about it, and the job waits for better signatures.
func TestHandInRefusesWhatIsNotRight(t *testing.T) {
	type files = func(w *world, dir string)
	another := func(w *world, dir string) (string, []byte, []byte) { // the same Release with another Date, signed well
		text := releaseAt("stable", w.now.Add(-time.Second), "a")
		inline, detached, err := openpgp.SignRelease(w.t.Context(), w.key, []byte(text))
		if err != nil {
			w.t.Fatal(err)
		}
		in, err := openpgp.AssembleInRelease([]byte(text), inline)
		if err != nil {
			w.t.Fatal(err)
		}
		return text, in, detached
	}
	moved := func(from, to string) files {
		return func(w *world, dir string) {
			w.file(filepath.Join(dir, to), w.text(filepath.Join(dir, from)))
		}
	}
	renamed := func(from, to string) files {
		return func(w *world, dir string) {
			if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		do    files
		kind  errs.Kind
		words string
		hint  string
	}{
		"wrong key": {func(w *world, dir string) { w.sign(w.stranger(0), dir, "stable") }, errs.Denied, "Release.gpg is not handed in", "make it again as"},
		"wrong key of one of two": {func(w *world, dir string) {
			in := w.text(filepath.Join(dir, "testing", "Release.gpg"))
			w.sign(w.stranger(0), dir, "testing")
			w.file(filepath.Join(dir, "testing", "Release.gpg"), in)
		}, errs.Denied, "testing/InRelease is not handed in", "nothing was handed in"},
		"no detached signature": {renamed("stable/Release.gpg", "gone"), errs.NotFound, "stable/Release.gpg is not there", "README.txt says how"},
		"no clear-signed text":  {renamed("testing/InRelease", "gone"), errs.NotFound, "testing/InRelease is not there", "README.txt says how"},
		"gpg's own name": {renamed("stable/Release.gpg", "stable/Release.asc"), errs.NotFound, "stable/Release.gpg is not there",
			"holds a detached signature, to be called Release.gpg"},
		"gpg's own name for clear text": {renamed("stable/InRelease", "stable/Release.asc"), errs.NotFound, "stable/InRelease is not there",
			"holds a clear-signed text, to be called InRelease"},
		"other suite's signature": {moved("testing/Release.gpg", "stable/Release.gpg"), errs.Denied, "it is the signature of testing/Release", "make it again"},
		"other suite's text":      {moved("testing/InRelease", "stable/InRelease"), errs.Denied, "another text than stable/Release: it is that of testing", "make it again"},
		"one for the other":       {moved("stable/InRelease", "stable/Release.gpg"), errs.Invalid, "not one armored signature", "make it again"},
		"text and no signature":   {moved("stable/Release", "stable/InRelease"), errs.Invalid, "does not begin with a signed text", "make it again"},
		"another Date under Release.gpg": {func(w *world, dir string) {
			_, _, detached := another(w, dir)
			w.file(filepath.Join(dir, "stable", "Release.gpg"), detached)
		}, errs.Denied, "stable/Release.gpg is not handed in", "make it again"},
		"another Date in InRelease": {func(w *world, dir string) {
			_, in, _ := another(w, dir)
			w.file(filepath.Join(dir, "stable", "InRelease"), in)
		}, errs.Denied, "holds another text than stable/Release: line 5 differs", "make it again"},
		"another Date everywhere": {func(w *world, dir string) {
			text, in, detached := another(w, dir)
			w.file(filepath.Join(dir, "stable", "Release"), []byte(text))
			w.file(filepath.Join(dir, "stable", "InRelease"), in)
			w.file(filepath.Join(dir, "stable", "Release.gpg"), detached)
		}, errs.Conflict, "stable/Release was changed after it was fetched: line 5 differs", "hand in nothing that was signed over it"},
		"no Release":          {renamed("stable/Release", "gone"), errs.NotFound, "stable/Release is not there", ""},
		"other request":       {func(w *world, dir string) { w.file(filepath.Join(dir, requestFile), []byte("{}")) }, errs.Conflict, "was changed after it was fetched", "fetch the job again"},
		"no note":             {renamed(noteFile, "gone"), errs.NotFound, "holds no fetched job", "name the folder that"},
		"note that is broken": {func(w *world, dir string) { w.file(filepath.Join(dir, noteFile), []byte("{")) }, errs.Invalid, "job.json cannot be read", "fetch the job again"},
		"a link to elsewhere": {func(w *world, dir string) {
			outside := filepath.Join(w.t.TempDir(), "InRelease")
			w.file(outside, w.text(filepath.Join(dir, "stable", "InRelease")))
			if err := os.Remove(filepath.Join(dir, "stable", "InRelease")); err != nil {
				w.t.Fatal(err)
			}
			if err := os.Symlink(outside, filepath.Join(dir, "stable", "InRelease")); err != nil {
				w.t.Fatal(err)
			}
		}, errs.Unavailable, "InRelease cannot be read", ""},
		"too late for the Release": {func(w *world, dir string) { w.now = w.now.Add(15 * 24 * time.Hour) }, errs.Denied, "was valid until", ""},
		"signed in the future": {func(w *world, dir string) {
			w.now = w.now.Add(time.Hour)
			w.sign(w.key, dir, "stable")
			w.now = w.now.Add(-time.Hour)
		}, errs.Denied, "Release.gpg is not handed in", "make it again"},
	} {
		t.Run(name, func(t *testing.T) {
			w := archiveWorld(t)
			h := w.holder()
			id := w.offerRelease(w.wish(releaseAt("stable", w.now, "a"), releaseAt("testing", w.now, "b")))
			dir := w.fetched(h, id)
			w.sign(w.key, dir, "stable", "testing")
			c.do(w, dir)
			err := h.HandIn(t.Context(), dir)
			wantKind(t, err, c.kind, c.words)
			if hint := errs.HintOf(err); !strings.Contains(hint, c.hint) {
				t.Fatalf("the hint is %q, want %q", hint, c.hint)
			}
			w.wantOpen(id)
		})
	}
}

// What was refused is made again, well, and handed in.
func TestHandInAfterARefusal(t *testing.T) {
	w := archiveWorld(t)
	h := w.holder()
	r := w.wish(releaseAt("stable", w.now, "a"))
	id := w.offerRelease(r)
	dir := w.fetched(h, "")
	w.sign(w.stranger(0), dir, "stable")
	wantKind(t, h.HandIn(t.Context(), dir), errs.Denied, "is not handed in")
	w.wantOpen(id)
	w.now = w.now.Add(time.Hour)
	w.sign(w.key, dir, "stable")
	if err := h.HandIn(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	w.wantDelivered(id, r)
}

// A key that ended between the signature and the handing in makes no good signature any more.
func TestHandInRefusesAKeyThatExpired(t *testing.T) {
	w := archiveWorld(t)
	k := w.stranger(4 * time.Hour)
	w.key = &counted{KeyFile: k}
	w.worker.Policy.Key = k.Fingerprint()
	h := w.holder()
	id := w.offerRelease(w.wish(releaseAt("stable", w.now, "a")))
	dir := w.fetched(h, "")
	w.sign(w.key, dir, "stable")
	w.now = w.now.Add(3 * time.Hour)
	wantKind(t, h.HandIn(t.Context(), dir), errs.Denied, "expired")
	w.wantOpen(id)
}

func TestHandInWhenTheJobIsNotTheSameAnyMore(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(w *world, id string, j job.Job) (job.Job, error)
		words     string
	}{
		"another holds it": {func(w *world, id string, j job.Job) (job.Job, error) {
			return job.Take(j, w.now, "colleague", time.Hour)
		}, "is leased to colleague"},
		"another has signed": {func(w *world, id string, j job.Job) (job.Job, error) {
			j, err := job.Take(j, w.now, "colleague", time.Hour)
			if err != nil {
				return j, err
			}
			return job.Finish(j, "colleague", j.Lease.Fence, job.Verdict{OK: true, Result: []byte("[]")})
		}, "is done"},
		"the release was stopped": {func(w *world, id string, j job.Job) (job.Job, error) { return job.Void(j, "aborted"), nil }, "is cancelled"},
		"it asks for something else": {func(w *world, id string, j job.Job) (job.Job, error) {
			content, err := w.wish(releaseAt("stable", w.now, "other")).Canonical()
			if err != nil {
				return j, err
			}
			made, err := job.Offer(job.Job{ID: id, Kind: j.Kind, Key: j.Key, Digest: action.DigestOf(content), Payload: content}, w.now, j.Fence)
			return made, err
		}, "asks for something else since it was fetched"},
	} {
		t.Run(name, func(t *testing.T) {
			w := archiveWorld(t)
			h := w.holder()
			id := w.offerRelease(w.wish(releaseAt("stable", w.now, "a")))
			dir := w.fetched(h, id)
			w.sign(w.key, dir, "stable")
			w.now = w.now.Add(2 * time.Minute) // the lease is over
			j, err := c.meanwhile(w, id, w.queue.jobs[id])
			if err != nil {
				t.Fatal(err)
			}
			w.queue.jobs[id] = j
			err = h.HandIn(t.Context(), dir)
			wantKind(t, err, errs.Conflict, c.words)
			if !strings.Contains(err.Error(), "nothing was handed in") || errs.HintOf(err) == "" {
				t.Fatalf("%v (%s)", err, errs.HintOf(err))
			}
			if got := w.queue.jobs[id]; string(got.Verdict.Result) != string(j.Verdict.Result) || got.State == job.Done && j.State != job.Done {
				t.Fatalf("the job is %s", got.State)
			}
			w.wantLog()
			if name == "another holds it" { // and gives up: the signatures are still good
				w.now = w.now.Add(2 * time.Hour)
				if err := h.HandIn(t.Context(), dir); err != nil {
					t.Fatal(err)
				}
				w.wantLog(intent, result)
			}
		})
	}
}

// The lease ends between the check and the delivery: the bot takes nothing, and the next attempt
// hands in what the log has.
func TestLeaseEndsWhileHandingIn(t *testing.T) {
	w := archiveWorld(t)
	h := w.holder()
	r := w.wish(releaseAt("stable", w.now, "a"))
	id := w.offerRelease(r)
	dir := w.fetched(h, id)
	w.sign(w.key, dir, "stable")
	w.queue.renew = func(string) { w.now = w.now.Add(2 * time.Minute) }
	wantKind(t, h.HandIn(t.Context(), dir), errs.Conflict, "nothing was handed in")
	w.wantLog(intent, unsigned)
	w.queue.renew = nil
	if err := h.HandIn(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	w.wantDelivered(id, r)
	w.wantLog(intent, unsigned, intent, result)
}

// A Release of an older date than one that was signed meanwhile is not handed in any more.
func TestHandInGoesForwardOnly(t *testing.T) {
	w := archiveWorld(t)
	h := w.holder()
	older := w.offerRelease(w.wish(releaseAt("stable", w.now, "a")))
	dir := w.fetched(h, older)
	w.sign(w.key, dir, "stable")
	w.now = w.now.Add(time.Hour)
	newer := w.offerRelease(w.wish(releaseAt("stable", w.now, "b")))
	next := w.fetched(h, newer)
	w.sign(w.key, next, "stable")
	if err := h.HandIn(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	wantKind(t, h.HandIn(t.Context(), dir), errs.Denied, "was signed already")
	if j := w.queue.jobs[older]; j.State != job.Leased && j.State != job.Pending {
		t.Fatalf("%s", j.State)
	}
	if !strings.Contains(w.out.String(), debian.FormatDate(w.now)) {
		t.Fatal("the date was not shown")
	}
}
