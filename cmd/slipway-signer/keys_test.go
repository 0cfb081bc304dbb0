package main

import (
	"bytes"
	"flag"
	"fmt"
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

var update = flag.Bool("update", false, "rewrite the golden files")

// The bot asks for a key by its fingerprint; which key signs what is for this signer to say.
func TestATagIsSignedByTheKeysOfItsRule(t *testing.T) {
	w := newWorld(t)
	next := &counted{KeyFile: w.stranger(0)}
	w.worker.More = []openpgp.Signer{next}
	w.worker.Policy.Rules = []Rule{
		{Repository: repository, Project: "lava", Tags: []string{"[0-9]*"}, Keys: []string{strings.ToLower(w.key.Fingerprint())}},
		{Repository: repository, Project: "lava", Tags: []string{"debian/*"}, Keys: []string{next.Fingerprint()}},
	}
	by := func(key *counted) func(*signing.Request) {
		return func(r *signing.Request) { r.KeyFingerprint = key.Fingerprint() }
	}
	w.wantSigned(w.offer(w.request("2026.01", by(w.key))))
	w.wantSigned(w.offer(w.request("debian/2026.01-1", by(next))))
	w.wantRefused(w.offer(w.request("debian/2026.02-1", by(w.key))), "is not one of those that sign the tag debian/2026.02-1 of "+repository)
	used := next.used
	if j := w.work(w.offer(w.request("2026.02", by(next)))); j.State != job.Failed || !strings.Contains(j.Verdict.Reason, "not one of those that sign") || next.used != used {
		t.Fatalf("%s: %s", j.State, j.Verdict.Reason)
	}
	w.wantRefused(w.offer(w.request("other/2026.02", by(w.key))), "fits none of the patterns for "+repository+": [0-9]*, debian/*")
}

func TestQuestionNamesTheKeyWhereSeveralAreHere(t *testing.T) {
	w := archiveWorld(t)
	p := always(true)
	w.worker.Prompt = p
	last := func(k openpgp.Signer) string { return "Demo " + k.Fingerprint()[24:] + ", one of the " }
	ask := func() string { t.Helper(); return p.asked[len(p.asked)-1] }
	w.wantSigned(w.offer(w.request("2026.01")))
	if strings.Contains(ask(), "Demo") || !strings.Contains(ask(), "key       "+w.key.Fingerprint()+"\n") {
		t.Error(ask())
	}
	keys := []openpgp.Signer{w.key, w.named("Harbour Archive"), w.named("Demo")}
	w.worker.More = keys[1:]
	for i, k := range keys {
		want := last(k)
		if i == 1 {
			want = strings.Replace(want, "Demo", "Harbour Archive", 1)
		}
		want = "key       " + want + "3 keys here\n          " + k.Fingerprint() + "\n"
		w.wantSigned(w.offer(w.request(fmt.Sprintf("2026.1%d", i), func(r *signing.Request) { r.KeyFingerprint = k.Fingerprint() })))
		if !strings.Contains(ask(), want) {
			t.Errorf("no %q in\n%s", want, ask())
		}
		r := w.wish(releaseAt("stable", w.now, "a"))
		r.KeyFingerprint = k.Fingerprint()
		w.wantSigned(w.offerRelease(r))
		if !strings.Contains(ask(), want) {
			t.Errorf("no %q in\n%s", want, ask())
		}
	}
	h := w.hand(p)
	h.More = keys[1:]
	if err := h.Sign(t.Context(), archive, false, []string{download(t, releaseAt("testing", w.now, "a"))}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(ask(), last(keys[2])+"3 keys here") {
		t.Error(ask())
	}
}

// named is another key, of somebody with that name.
func (w *world) named(name string) *openpgp.KeyFile {
	w.t.Helper()
	private, _, err := openpgp.Generate(name, "a@example.org", "eddsa", 0, start.Add(-time.Hour))
	if err != nil {
		w.t.Fatal(err)
	}
	k, err := openpgp.NewKeyFile(private, nil, w.worker.Now)
	if err != nil {
		w.t.Fatal(err)
	}
	return k
}

func TestShortUserID(t *testing.T) {
	for id, want := range map[string]string{
		"Harbour <h@example.org>": "Harbour", "Harbour (archive, 2026) <h@example.org>": "Harbour", "Harbour": "Harbour",
		"<h@example.org>": "<h@example.org>", "Ha\x1brbour <h@example.org>": "Ha\uFFFDrbour",
		strings.Repeat("é", 50) + " <h@example.org>": strings.Repeat("é", maxName-1) + "…",
	} {
		if got := shortID(id); got != want {
			t.Errorf("%q is %q, want %q", id, got, want)
		}
	}
}

// badKeys are configurations in which the bot could choose, with what stands under more_keys,
// keys of the tags, and archives.
var badKeys = []struct{ name, more, keys, archives string }{
	{"several keys, tags without keys", "[{file: b.asc}]", "", ""},
	{"several keys, an archive without keys", "[{file: b.asc}]", "[A]", "[{archive: one, project: p, suites: [s], keys: [A]}, {archive: two, project: p, suites: [s]}]"},
	{"keys of tags that are none", "[]", "[AB]", ""},
	{"keys of an archive that are none", "[]", "", "[{archive: one, project: p, suites: [s], keys: [AB]}]"},
	{"unattended without origin, beside another archive", "[]", "", "[{archive: one, project: p, suites: [s], origin: One}, {archive: two, project: p, suites: [s], unattended: [s]}]"},
	{"refresh without origin, beside another archive", "[]", "", "[{archive: one, project: p, suites: [s], refresh: [s], longest_valid: 14d}, {archive: two, project: p, suites: [s]}]"},
	{"unattended with the origin of another archive", "[]", "", "[{archive: one, project: p, suites: [s], origin: One}, {archive: two, project: p, suites: [s], origin: One, unattended: [s]}]"},
	{"unattended without origin, with one key in common", "[{file: b.asc}]", "[A]",
		"[{archive: one, project: p, suites: [s], keys: [A, B], unattended: [s]}, {archive: two, project: p, suites: [s], keys: [b]}]"},
}

// keyed is the good configuration with one of these.
func keyed(more, keys, archives string) string {
	text := goodConfig
	if keys != "" {
		text += "    keys: " + keys + "\n"
	}
	if archives != "" {
		text += "archives: " + archives + "\n"
	}
	a, b := strings.Repeat("A", 40), strings.Repeat("B", 40)
	return strings.NewReplacer("[A]", "["+a+"]", "[A, B]", "["+a+", "+b+"]", "[b]", "["+strings.ToLower(b)+"]").Replace(text + "more_keys: " + more + "\n")
}

func policyOf(text string) error {
	c, err := parseConfig([]byte(text))
	if err == nil {
		_, err = c.Policy()
	}
	return err
}

func TestTheBotNeverChoosesTheKey(t *testing.T) {
	var out bytes.Buffer
	for _, b := range badKeys {
		err := policyOf(keyed(b.more, b.keys, b.archives))
		if !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" && !strings.Contains(errs.Text(err), "gpg --fingerprint") {
			t.Errorf("%s: %v", b.name, err)
			continue
		}
		fmt.Fprintf(&out, "%s\n    exit %d: %s\n", b.name, errs.ExitCode(err), errs.Text(err))
	}
	file := filepath.Join("testdata", "bad-keys.golden")
	if *update {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%s differs; -update rewrites it. Got:\n%s", file, out.Bytes())
	}
	for name, g := range map[string][3]string{
		"several keys, all named": {"[{file: b.asc}]", "[A]", "[{archive: one, project: p, suites: [s], keys: [A, B]}]"},
		"one key, none named":     {"[]", "", "[{archive: one, project: p, suites: [s]}]"},
		"one archive":             {"[]", "", "[{archive: one, project: p, suites: [s], unattended: [s]}]"},
		"an origin of its own":    {"[]", "", "[{archive: one, project: p, suites: [s], origin: One, unattended: [s]}, {archive: two, project: p, suites: [s], origin: Two, unattended: [s]}]"},
		"keys of their own":       {"[{file: b.asc}]", "[A]", "[{archive: one, project: p, suites: [s], keys: [A], unattended: [s]}, {archive: two, project: p, suites: [s], keys: [b]}]"},
		"two, both with a person": {"[]", "", "[{archive: one, project: p, suites: [s]}, {archive: two, project: p, suites: [s]}]"},
		"two, the other is named": {"[]", "", "[{archive: one, project: p, suites: [s], origin: One, refresh: [s], longest_valid: 14d}, {archive: two, project: p, suites: [s]}]"},
		"tags with a key":         {"[]", "[A]", ""},
	} {
		if err := policyOf(keyed(g[0], g[1], g[2])); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
