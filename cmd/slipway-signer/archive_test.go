package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/job"
	"slipway/bot/manifest"
	"slipway/integrations/debian"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

const archive = "https://deb.example/harbour"

// releaseAt is a Release whose one index is different for each content.
func releaseAt(suite string, at time.Time, content string) string {
	return "Origin: Harbour\nLabel: Harbour\nSuite: " + suite + "\nCodename: bookworm\nDate: " + debian.FormatDate(at) +
		"\nValid-Until: " + debian.FormatDate(at.Add(14*24*time.Hour)) + "\nArchitectures: amd64 arm64\nComponents: main\nSHA256:\n " +
		action.DigestOf([]byte(content))[len("sha256:"):] + " 12 main/binary-amd64/Packages\n"
}

// wish asks for the signatures of these texts, whose suites stand in them.
func (w *world) wish(texts ...string) signing.ReleaseRequest {
	w.t.Helper()
	r := signing.ReleaseRequest{Kind: signing.AptRelease, Project: "harbour", Archive: archive, KeyFingerprint: w.key.Fingerprint()}
	for _, text := range texts {
		_, after, _ := strings.Cut(text, "\nSuite: ")
		suite, _, _ := strings.Cut(after, "\n")
		r.Releases = append(r.Releases, signing.SuiteRelease{Suite: suite, Text: text, Digest: action.DigestOf([]byte(text))})
	}
	return r
}

func (w *world) offerRelease(r signing.ReleaseRequest) string {
	w.t.Helper()
	content, err := r.Canonical()
	if err != nil {
		w.t.Fatal(err)
	}
	return w.offerJob(signing.ReleaseJob, content)
}

func archiveWorld(t *testing.T) *world {
	w := newWorld(t)
	w.worker.Policy.Archives = []ArchiveRule{{Archive: archive, Project: "harbour", Suites: []string{"stable*", "testing"}, Origin: "Harbour",
		Codenames: []string{"bookworm"}, longest: 30 * 24 * time.Hour, Rollback: rollbackNever}}
	return w
}

func TestOneQuestionSignsEverySuite(t *testing.T) {
	w := archiveWorld(t)
	p := always(true)
	w.worker.Prompt = p
	r := w.wish(releaseAt("stable", w.now, "a"), releaseAt("testing", w.now, "b"))
	made := w.wantSigned(w.offerRelease(r))
	list, err := signing.ParseReleaseResult([]byte(made), r.Releases)
	if err != nil {
		t.Fatal(err)
	}
	own, err := certificates(w.key)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range r.Releases {
		if _, err := own.VerifyRelease([]byte(s.Text), []byte(list[i].Inline), []byte(list[i].Detached), w.key.Fingerprint(), w.now); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.asked) != 1 {
		t.Fatalf("%d questions", len(p.asked))
	}
	for _, words := range []string{archive, "suite     stable", "suite     testing", r.Releases[1].Digest, "1 index files under SHA256, for amd64 arm64; components main",
		"for 14 days", "FIRST", "Sat, 31 Jan 2026 13:00:00 UTC", "names no gate"} {
		if !strings.Contains(p.asked[0], words) {
			t.Errorf("the question does not show %q:\n%s", words, p.asked[0])
		}
	}
	w.reopen()
	used := w.key.used
	if again := w.wantSigned(w.offerRelease(r)); again != made || w.key.used != used {
		t.Fatal("other signatures for the same request")
	}
	w.wantLog(intent, result, repeated)
	w.wantSigned(w.offer(w.request("2026.01"))) // tags go on beside
	w.wantLog(intent, result, repeated, intent, result)
}

func TestQuestionShowsWhatChangedInCapitals(t *testing.T) {
	w := archiveWorld(t)
	w.worker.Policy.Archives[0].Origin, w.worker.Policy.Archives[0].Codenames = "", nil
	w.wantSigned(w.offerRelease(w.wish(releaseAt("stable", w.now, "a"))))
	w.now = w.now.Add(time.Hour)
	p := always(true)
	w.worker.Prompt = p
	text := strings.NewReplacer("Origin: Harbour", "Origin: Pirate", "Codename: bookworm", "Codename: trixie", "amd64 arm64", "amd64").
		Replace(releaseAt("stable", w.now, "b"))
	w.wantSigned(w.offerRelease(w.wish(text)))
	for _, words := range []string{`ORIGIN CHANGES from "Harbour" to "Pirate"`, `CODENAME CHANGES from "bookworm" to "trixie"`,
		"architectures change from amd64 arm64 to amd64", "last signed was the Release dated Sat, 31 Jan 2026 13:00:00 UTC"} {
		if !strings.Contains(p.asked[0], words) {
			t.Errorf("the question does not show %q:\n%s", words, p.asked[0])
		}
	}
}

func TestReleasesThatThePolicyRefuses(t *testing.T) {
	w := archiveWorld(t)
	swap := func(old, new string) func(*signing.ReleaseRequest) {
		return func(r *signing.ReleaseRequest) {
			text := strings.Replace(r.Releases[0].Text, old, new, 1)
			*r = w.wish(text)
		}
	}
	dated := func(d time.Duration) func(*signing.ReleaseRequest) {
		return func(r *signing.ReleaseRequest) { *r = w.wish(releaseAt("stable", w.now.Add(d), "a")) }
	}
	until := "\nValid-Until: " + debian.FormatDate(w.now.Add(14*24*time.Hour))
	weak := "\nMD5Sum:\n " + strings.Repeat("ab", 16) + " 12 main/binary-amd64/Packages\n"
	for words, change := range map[string]func(*signing.ReleaseRequest){
		"not in this signer's list":     func(r *signing.ReleaseRequest) { r.Archive = "https://evil.example/" },
		"the project \"other\"":         func(r *signing.ReleaseRequest) { r.Project = "other" },
		"fits none of the patterns for": swap("Suite: stable", "Suite: unstable"),
		"has the Origin \"Pirate\"":     swap("Origin: Harbour", "Origin: Pirate"),
		"has the Codename \"trixie\"":   swap("Codename: bookworm", "Codename: trixie"),
		"in the future":                 dated(2 * time.Minute),
		"was valid until":               dated(-15 * 24 * time.Hour),
		"has no Date":                   swap("Date: "+debian.FormatDate(w.now)+"\n", ""),
		"has no Valid-Until":            swap(until, ""),
		"is valid for 31 days":          swap(until, "\nValid-Until: "+debian.FormatDate(w.now.Add(31*24*time.Hour))),
		"lists no index under SHA256": func(r *signing.ReleaseRequest) {
			*r = w.wish(releaseAt("stable", w.now, "")[:strings.Index(releaseAt("stable", w.now, ""), "\nSHA256")] + weak)
		},
		"under MD5Sum and not under":       swap("\nSHA256:", strings.Replace(weak[:len(weak)-1], "binary-amd64", "binary-arm64", 1)+"\nSHA256:"),
		"never signs that":                 func(r *signing.ReleaseRequest) { r.Rollback = true },
		"is that of another suite":         func(r *signing.ReleaseRequest) { r.Releases[0].Suite = "testing" },
		"the request names":                func(r *signing.ReleaseRequest) { r.Releases[0].Text = releaseAt("stable", w.now, "tampered") },
		"no gate approved it":              func(r *signing.ReleaseRequest) { r.Manifest = bound(action.DigestOf(nil), time.Time{}) },
		"the approval ended":               func(r *signing.ReleaseRequest) { r.Manifest = bound(r.Releases[0].Digest, w.now.Add(-time.Second)) },
		"is of the kind \"git-tag\", want": func(r *signing.ReleaseRequest) { r.Kind = signing.GitTag },
	} {
		t.Run(words, func(t *testing.T) {
			w.t = t
			r := w.wish(releaseAt("stable", w.now, "a"))
			change(&r)
			w.wantRefused(w.offerRelease(r), words)
		})
	}
	w.t = t
	// A tag's request in a Release's job is nobody's wish.
	content, err := w.request("2026.01").Canonical()
	if err != nil {
		t.Fatal(err)
	}
	w.wantRefused(w.offerJob(signing.ReleaseJob, content), "signing request")
	w.wantRefused(w.offer(signing.Request{Kind: signing.AptRelease}), "is of the kind")
}

func TestManifestMustNameEverySuite(t *testing.T) {
	w := archiveWorld(t)
	r := w.wish(releaseAt("stable", w.now, "a"), releaseAt("testing", w.now, "b"))
	r.Manifest = bound(r.Releases[0].Digest, time.Time{})
	w.wantRefused(w.offerRelease(r), "does not name the digest "+r.Releases[1].Digest)
	value, err := action.Canonical([]any{map[string]any{"digest": r.Releases[0].Digest}, map[string]any{"digest": r.Releases[1].Digest}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Parse([]byte(r.Manifest))
	if err != nil {
		t.Fatal(err)
	}
	m.Binds = []manifest.Bind{{Name: "steps.stage.releases", Value: string(value)}}
	r.Manifest = string(m.Canonical())
	w.wantSigned(w.offerRelease(r))
}

func TestDatesAndContentsDoNotGoBackwards(t *testing.T) {
	w := archiveWorld(t)
	first := w.now
	w.wantSigned(w.offerRelease(w.wish(releaseAt("stable", first, "a"))))
	w.now = first.Add(24 * time.Hour)
	w.wantSigned(w.offerRelease(w.wish(releaseAt("stable", w.now, "b"))))
	w.wantRefused(w.offerRelease(w.wish(releaseAt("stable", w.now.Add(-time.Hour), "c"))), "was signed already")
	w.wantRefused(w.offerRelease(w.wish(releaseAt("stable", w.now, "c"))), "was signed already")
	w.wantRefused(w.offerRelease(w.wish(releaseAt("testing", w.now, "x"), releaseAt("stable", first, "d"))), "was signed already")
	w.wantSigned(w.offerRelease(w.wish(releaseAt("testing", w.now.Add(-time.Hour), "a")))) // a stream of its own
	w.now = w.now.Add(time.Hour)
	w.reopen()
	w.wantRefused(w.offerRelease(w.wish(releaseAt("stable", w.now, "a"))), "does not say that it is a rollback")
	w.wantSigned(w.offerRelease(w.wish(releaseAt("stable", w.now, "b")))) // the newest content with a new Date is none
}

// Clients name a suite by its Suite or its Codename, and so may a request: it is one suite.
func TestASuiteDoesNotGoBackwardsUnderItsOtherName(t *testing.T) {
	w := archiveWorld(t)
	rule := &w.worker.Policy.Archives[0]
	rule.Suites = append(rule.Suites, "bookworm")
	as := func(name, text string) signing.ReleaseRequest {
		r := w.wish(text)
		r.Releases[0].Suite = name
		return r
	}
	first := w.now
	w.wantSigned(w.offerRelease(as("stable", releaseAt("stable", w.now, "a"))))
	w.now = w.now.Add(time.Hour)
	w.wantSigned(w.offerRelease(as("stable", releaseAt("stable", w.now, "b"))))
	w.wantSigned(w.offerRelease(as("bookworm", releaseAt("stable", w.now, "b")))) // the very same
	w.now = w.now.Add(time.Hour)
	w.wantSigned(w.offerRelease(as("stable", releaseAt("stable", w.now, "c"))))
	for range 2 {
		w.wantRefused(w.offerRelease(as("bookworm", releaseAt("stable", first.Add(90*time.Minute), "d"))), "was signed already")
		w.wantRefused(w.offerRelease(as("bookworm", releaseAt("stable", w.now.Add(time.Second), "a"))), "does not say that it is a rollback")
		w.reopen()
	}
	w.wantSigned(w.offerRelease(as("testing", releaseAt("testing", first.Add(time.Minute), "a")))) // another suite with that Codename
}

func TestRollbackNeedsThePolicyAndAPerson(t *testing.T) {
	w := archiveWorld(t)
	w.wantSigned(w.offerRelease(w.wish(releaseAt("stable", w.now, "a"))))
	w.now = w.now.Add(time.Hour)
	w.wantSigned(w.offerRelease(w.wish(releaseAt("stable", w.now, "b"))))
	w.now = w.now.Add(time.Hour)
	back := func(at time.Time) signing.ReleaseRequest {
		r := w.wish(releaseAt("stable", at, "a"))
		r.Rollback = true
		return r
	}
	rule := &w.worker.Policy.Archives[0]
	rule.Rollback = rollbackAsk
	w.worker.Prompt, w.worker.Demo = nil, true
	w.wantRefused(w.offerRelease(back(w.now)), "only when a person")
	p := always(false)
	w.worker.Prompt = p
	w.wantRefused(w.offerRelease(back(w.now)), "said no")
	if !strings.Contains(p.asked[0], "THIS IS A ROLLBACK") || !strings.Contains(p.asked[0], "THE INDEXES ARE THOSE SIGNED ON 31 January 2026") {
		t.Fatal(p.asked[0])
	}
	w.wantRefused(w.offerRelease(back(w.now.Add(-90*time.Minute))), "with a new Date")
	w.worker.Prompt = always(true)
	w.wantSigned(w.offerRelease(back(w.now)))
	rule.Rollback = rollbackAllow
	w.worker.Prompt = nil // the demo policy is enough then
	w.now = w.now.Add(time.Hour)
	r := w.wish(releaseAt("stable", w.now, "b"))
	r.Rollback = true
	w.wantSigned(w.offerRelease(r))

	// What goes back beside newer packages of others was never signed as it is: it is a rollback all
	// the same, for the policy and for the person.
	w.now = w.now.Add(time.Hour)
	among := w.wish(releaseAt("stable", w.now, "c"))
	among.Rollback = true
	rule.Rollback = rollbackNever
	w.wantRefused(w.offerRelease(among), "never signs that")
	rule.Rollback, rule.Unattended = rollbackAsk, []string{"stable"}
	w.wantRefused(w.offerRelease(among), "only when a person")
}

// Attack case 40 for suites: the fence is raised while the signer is at the first of two.
func TestAttack40FenceRaisedBetweenTwoSuites(t *testing.T) {
	w := archiveWorld(t)
	id := w.offerRelease(w.wish(releaseAt("stable", w.now, "a"), releaseAt("testing", w.now, "b")))
	w.worker.Prompt, w.worker.Demo = nil, true
	w.queue.renew = func(id string) {
		if w.key.used == 1 {
			w.queue.mu.Lock()
			w.queue.jobs[id] = job.Void(w.queue.jobs[id], "the manifest is void")
			w.queue.mu.Unlock()
		}
	}
	if _, err := w.worker.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if j := w.queue.jobs[id]; j.State != job.Cancelled || len(j.Verdict.Result) > 0 || w.key.used != 1 {
		t.Fatalf("%s, key used %d times", j.State, w.key.used)
	}
	w.wantLog(intent, unsigned)
	if _, ok := w.worker.Journal.LastSuite(archive, "stable"); ok {
		t.Fatal("what did not leave counts as signed")
	}
}

func TestApprovalsOfAReleaseCoverEverySuite(t *testing.T) {
	w := archiveWorld(t)
	w.worker.Prompt = nil
	private, public, err := openpgp.Generate("a", "a@example.org", "eddsa", 0, start.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	k, err := openpgp.NewKeyFile(private, nil, w.worker.Now)
	if err != nil {
		t.Fatal(err)
	}
	a := Approvers{Need: 1, Longest: 72 * time.Hour, Fingerprints: []string{k.Fingerprint()}}
	if a.Certificates, err = openpgp.ReadCertificates(public); err != nil {
		t.Fatal(err)
	}
	w.worker.Policy.Approvers = a
	approved := func(what signing.ReleaseRequest) []signing.Approval {
		expires := w.now.Add(time.Hour).Format(time.RFC3339)
		sig, err := k.Sign(t.Context(), signing.ReleaseApprovalText(what, expires, what.Manifest))
		if err != nil {
			t.Fatal(err)
		}
		return []signing.Approval{{Expires: expires, Signature: string(sig)}}
	}
	one := w.wish(releaseAt("stable", w.now, "a"))
	one.Manifest = bound(one.Releases[0].Digest, time.Time{})
	r := one
	r.Approvals = approved(r)
	other := one
	other.Archive = "https://deb.example/other"
	wrong := one
	wrong.Approvals = approved(other)
	w.wantRefused(w.offerRelease(wrong), "0 of 1")
	w.wantSigned(w.offerRelease(r))
}

// A log from before the signer knew archives has the same bytes, and its chain goes on.
func TestLogOfTagsOnlyStillVerifies(t *testing.T) {
	old := `{"seq":1,"prev":"","time":"2026-01-31T13:00:00Z","type":"refused","job":"job1","fence":1,"repository":"https://git.example.org/lava","tag":"2026.01","digest":"sha256:aa","fingerprint":"AB","note":"no","hash":""}`
	var r Record
	if err := json.Unmarshal([]byte(old), &r); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(r)
	if err != nil || string(again) != old {
		t.Fatalf("%s\n%s", again, old)
	}
	const line = `{"seq":1,"prev":"","time":"2026-01-31T13:00:00Z","type":"refused","job":"job1","fence":1,"repository":"https://git.example.org/lava","tag":"2026.01","digest":"sha256:aa","fingerprint":"AB","note":"no","hash":"HASH"}`
	sum, err := r.sum()
	if err != nil {
		t.Fatal(err)
	}
	w := archiveWorld(t)
	w.worker.Journal.Close()
	if err := os.WriteFile(w.logPath, []byte(strings.Replace(line, "HASH", sum, 1)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.reopen()
	w.wantSigned(w.offerRelease(w.wish(releaseAt("stable", w.now, "a"))))
	w.wantLog(refused, intent, result)
}
