package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

// both asks for the signatures of two keys, as a run does while an archive changes its key.
func (w *world) both(other string, texts ...string) (ids [2]string, asked [2]signing.ReleaseRequest) {
	for i, key := range []string{w.key.Fingerprint(), other} {
		r := w.wish(texts...)
		r.KeyFingerprint = key
		asked[i], ids[i] = r, w.offerRelease(r)
	}
	return ids, asked
}

func TestOneSignerHasTheOldKeyAndTheNew(t *testing.T) {
	w := archiveWorld(t)
	w.worker.Policy.Archives[0].Refresh = []string{"stable"}
	next := &counted{KeyFile: w.stranger(0)}
	w.worker.More = []openpgp.Signer{next}
	keys := []openpgp.Signer{w.key, next}
	ids, asked := w.both(next.Fingerprint(), releaseAt("stable", w.now, "a"))
	for i, id := range ids {
		made := w.wantSigned(id)
		list, err := signing.ParseReleaseResult([]byte(made), asked[i].Releases)
		if err != nil {
			t.Fatal(err)
		}
		own, err := certificates(keys[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := own.VerifyRelease([]byte(asked[i].Releases[0].Text), []byte(list[0].Inline), []byte(list[0].Detached), keys[i].Fingerprint(), w.now); err != nil {
			t.Fatal(err)
		}
	}
	// A new date of both, with nobody there.
	w.worker.Prompt = nil
	w.now = w.now.Add(24 * time.Hour)
	w.reopen()
	ids, _ = w.both(next.Fingerprint(), releaseAt("stable", w.now, "a"))
	for _, id := range ids {
		w.wantSigned(id)
	}
	w.wantLog(intent, result, intent, result, intent, result, intent, result)
	// What the one has signed, the other does not go behind.
	back := w.wish(releaseAt("stable", w.now.Add(-time.Hour), "c"))
	back.KeyFingerprint = next.Fingerprint()
	used := next.used
	if j := w.work(w.offerRelease(back)); j.State != job.Failed || !strings.Contains(j.Verdict.Reason, "was signed already") || next.used != used {
		t.Fatalf("%s: %s", j.State, j.Verdict.Reason)
	}
	// A job that waits for a person is spoken of once, whichever key it is for.
	later := w.wish(releaseAt("stable", w.now.Add(time.Minute), "new"))
	later.KeyFingerprint = next.Fingerprint()
	w.offerRelease(later)
	for range 3 {
		if _, err := w.worker.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(w.out.String(), "left alone"); n != 1 {
		t.Fatalf("said %d times:\n%s", n, w.out.String())
	}
}

func TestAnArchiveNamesTheKeysThatSignIt(t *testing.T) {
	w := archiveWorld(t)
	next := &counted{KeyFile: w.stranger(0)}
	w.worker.More = []openpgp.Signer{next}
	w.worker.Policy.Archives[0].Keys = []string{strings.ToLower(next.Fingerprint())}
	ids, _ := w.both(next.Fingerprint(), releaseAt("stable", w.now, "a"))
	w.wantRefused(ids[0], "is not one of those that sign "+archive)
	w.wantSigned(ids[1])
}

// A person who has both keys signs with one after the other, in one log.
func TestPersonSignsWithTheOldKeyAndTheNew(t *testing.T) {
	w := archiveWorld(t)
	w.queue.pause = time.Minute
	next := &counted{KeyFile: w.stranger(0)}
	ids, asked := w.both(next.Fingerprint(), releaseAt("stable", w.now, "a"))
	for i, key := range []*counted{w.key, next} {
		w.key, w.worker.Policy.Key = key, key.Fingerprint()
		h := w.holder()
		dir := filepath.Join(t.TempDir(), "to-sign")
		if err := h.Fetch(t.Context(), dir, ""); err != nil {
			t.Fatal(err)
		}
		w.sign(key, dir, "stable")
		if err := h.HandIn(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		w.wantDelivered(ids[i], asked[i])
	}
	w.wantLog(intent, result, intent, result)
}

// Without a bot, both files beside a Release hold the signatures of both keys.
func TestSignByHandWithTheOldKeyAndTheNew(t *testing.T) {
	w := archiveWorld(t)
	next := w.stranger(0)
	text := releaseAt("stable", w.now, "a")
	file := download(t, text)
	p := always(true)
	h := w.hand(p)
	h.More = []openpgp.Signer{next}
	h.Policy.Archives[0].Keys = []string{strings.Repeat("A", 40)}
	wantKind(t, h.Sign(t.Context(), archive, false, []string{file}), errs.Denied, "none of the keys here signs")
	h.Policy.Archives[0].Keys = nil
	if err := h.Sign(t.Context(), archive, false, []string{file}); err != nil {
		t.Fatal(err)
	}
	if len(p.asked) != 2 || !strings.Contains(p.asked[1], next.Fingerprint()) || !strings.Contains(p.asked[1], "precisely this Release was signed before") {
		t.Fatalf("%q", p.asked)
	}
	all, err := certificates(w.key)
	if err != nil {
		t.Fatal(err)
	}
	second, err := certificates(next)
	if err != nil {
		t.Fatal(err)
	}
	all.Certificates, all.Allowed = append(all.Certificates, second.Certificates...), append(all.Allowed, second.Allowed...)
	got, _, err := openpgp.VerifyInRelease(beside(t, file, "InRelease"), all, all.Allowed, w.now)
	if err != nil || string(got) != text {
		t.Fatal(err)
	}
	if _, err := openpgp.VerifyReleaseGPG([]byte(text), beside(t, file, "Release.gpg"), all, all.Allowed, w.now); err != nil {
		t.Fatal(err)
	}
	w.wantLog(intent, result, intent, result)
}

func TestConfigurationOfSeveralKeys(t *testing.T) {
	dir := t.TempDir()
	w := &world{t: t}
	var prints []string
	for _, name := range []string{"old.asc", "new.asc"} {
		private, _, err := openpgp.Generate("Demo", "demo@example.org", "eddsa", 0, time.Now().Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		w.file(filepath.Join(dir, name), private)
		k, err := openpgp.NewKeyFile(private, nil, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		prints = append(prints, k.Fingerprint())
	}
	file := filepath.Join(dir, "signer.yaml")
	read := func(more string) (Config, error) {
		text := strings.Replace(goodConfig, "key.asc", "old.asc", 1) + "    keys: [" + prints[0] + "]\n"
		w.file(file, []byte(text+more))
		c, err := ReadConfig(file)
		if err != nil {
			return c, err
		}
		_, err = c.Policy()
		return c, err
	}
	c, err := read("more_keys: [{file: new.asc}]\n")
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.signers(t.Context())
	if err != nil || len(list) != 2 || list[0].Fingerprint() != prints[0] || list[1].Fingerprint() != prints[1] {
		t.Fatal(list, err)
	}
	c.More[0].File = c.Key.File
	_, err = c.signers(t.Context())
	wantKind(t, err, errs.Invalid, "is there twice")
	for more, words := range map[string]string{
		"more_keys: [{passphrase_file: x}]":                             "more_keys: needs either file or gpg",
		"more_keys: [{certificate: x}]":                                 "a person signs with one key at a time",
		"more_keys: [{file: x, gpg_home: y}]":                           "gpg and gpg_home belong together",
		"archives: [{archive: a, project: p, suites: [s], keys: [AB]}]": "keys:",
	} {
		_, err := read(more + "\n")
		wantKind(t, err, errs.Invalid, words)
	}
}
