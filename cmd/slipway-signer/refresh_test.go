package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/job"
	"slipway/integrations/signing"
)

// alone is w with nobody at the signer, after the first Release of stable was signed by a person.
func alone(t *testing.T) *world {
	w := archiveWorld(t)
	rule := &w.worker.Policy.Archives[0]
	rule.Refresh, rule.Unattended = []string{"stable*"}, []string{"testing"}
	w.wantSigned(w.offerRelease(w.wish(releaseAt("stable", w.now, "a"))))
	w.worker.Prompt = nil
	w.now = w.now.Add(24 * time.Hour)
	return w
}

// wantLeft is a job that this signer does not decide: it goes back, and nothing is said about it.
func (w *world) wantLeft(r signing.ReleaseRequest) {
	w.t.Helper()
	used, lines := w.key.used, len(w.types())
	j := w.work(w.offerRelease(r))
	if j.State != job.Pending || !strings.Contains(j.Why, "a person must say yes") || w.key.used != used || len(w.types()) != lines {
		w.t.Fatalf("the job is %s: %s", j.State, j.Why)
	}
	w.queue.jobs[j.ID] = job.Void(j, "over")
}

// by is who said yes to what the log has last.
func (w *world) by() (last string) {
	w.t.Helper()
	f, err := os.Open(w.logPath)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if _, _, err := scan(f, func(r Record) { last = r.Type + " by " + r.By }); err != nil {
		w.t.Fatal(err)
	}
	return last
}

func TestNewDateNeedsNobodyWherePolicySaysSo(t *testing.T) {
	w := alone(t)
	for range 3 { // every day, after a restart too; the manifest is empty
		w.reopen()
		w.wantSigned(w.offerRelease(w.wish(releaseAt("stable", w.now, "a"))))
		if by := w.by(); by != "result by policy: refresh" {
			t.Fatal(by)
		}
		w.now = w.now.Add(24 * time.Hour)
	}
	w.wantLog(intent, result, intent, result, intent, result, intent, result)
	if !strings.Contains(w.out.String(), "stable: policy: refresh, nobody is asked") {
		t.Fatal(w.out.String())
	}
	w.wantRefused(w.offerRelease(w.wish(releaseAt("stable", w.now.Add(-36*time.Hour), "a"))), "was signed already")
	w.wantRefused(w.offerRelease(w.wish(releaseAt("stable", w.now.Add(time.Hour), "a"))), "in the future")
}

func TestWhatIsNoNewDateOnlyWaitsForAPerson(t *testing.T) {
	w := alone(t)
	same := releaseAt("stable", w.now, "a")
	w.wantLeft(w.wish(releaseAt("stable", w.now, "b")))
	w.wantLeft(w.wish("Description: other\n" + same))
	w.wantLeft(w.wish(strings.Replace(same, " 12 main/binary-amd64/Packages\n", " 13 main/binary-amd64/Packages\n", 1)))
	w.wantLeft(w.wish(strings.Replace(same, "Label: Harbour", "Label: Other", 1)))
	w.wantLeft(w.wish(releaseAt("stable-updates", w.now, "a"))) // the first of its suite
	w.wantLeft(w.wish(same, releaseAt("stable-updates", w.now, "a")))
	back := w.wish(same)
	back.Rollback = true
	w.worker.Policy.Archives[0].Rollback = rollbackAllow
	w.wantLeft(back)
	w.worker.Policy.Archives[0].Refresh = []string{"stable-*"}
	w.wantLeft(w.wish(same))
	// A line of a log that is older than this rule names no rest.
	w.worker.Policy.Archives[0].Refresh = []string{"stable"}
	last := w.worker.Journal.suites[archive+"\nstable"]
	last.Rest = ""
	w.worker.Journal.suites[archive+"\nstable"] = last
	w.wantLeft(w.wish(same))

	w.worker.Prompt = always(true)
	w.wantSigned(w.offerRelease(w.wish(same)))
	if by := w.by(); by != "result by prompt" {
		t.Fatal(by)
	}
}

// Suites of daily builds get new content each day, and nobody sits there for it.
func TestUnattendedSuites(t *testing.T) {
	w := alone(t)
	w.wantLeft(w.wish(releaseAt("testing", w.now, "first"))) // it is bookworm too
	w.worker.Prompt = always(true)
	w.wantSigned(w.offerRelease(w.wish(releaseAt("testing", w.now, "first"))))
	w.worker.Prompt = nil
	for _, content := range []string{"a", "b", "c"} {
		w.now = w.now.Add(24 * time.Hour)
		w.wantSigned(w.offerRelease(w.wish(releaseAt("testing", w.now, content))))
		if by := w.by(); by != "result by policy: unattended" {
			t.Fatal(by)
		}
	}
	w.now = w.now.Add(24 * time.Hour)
	w.wantSigned(w.offerRelease(w.wish(releaseAt("testing", w.now, "d"), releaseAt("stable", w.now, "a"))))
	w.now = w.now.Add(24 * time.Hour)
	w.wantLeft(w.wish(releaseAt("testing", w.now, "e"), releaseAt("stable", w.now, "b")))
	w.wantLeft(w.wish(strings.Replace(releaseAt("testing", w.now, "e"), "Label: Harbour", "Label: Other", 1)))
	w.wantRefused(w.offerRelease(w.wish(releaseAt("testing", w.now, "a"))), "does not say that it is a rollback")
	back := w.wish(releaseAt("testing", w.now, "a"))
	back.Rollback = true
	w.wantRefused(w.offerRelease(back), "never signs that")
}

// One Release has two names, and clients accept it by either: what is signed for a suite that needs
// nobody must not be a first one that could be served as a suite that needs somebody.
func TestTheFirstOfAnUnattendedSuiteBearsNoOtherName(t *testing.T) {
	w := alone(t)
	rule := &w.worker.Policy.Archives[0]
	rule.Codenames, rule.Suites = nil, append(rule.Suites, "testing-2")
	text := releaseAt("testing", w.now, "a")
	named := func(suite, codename string) signing.ReleaseRequest {
		r := w.wish(strings.Replace(strings.Replace(text, "Suite: testing", "Suite: "+suite, 1), "Codename: bookworm", "Codename: "+codename, 1))
		r.Releases[0].Suite = "testing"
		return r
	}
	// bookworm stands in no list, and is what clients of stable may name.
	for _, names := range [][2]string{{"stable", "testing"}, {"testing", "stable"}, {"stable-x", "testing"}, {"testing", "bookworm"},
		{"bookworm", "testing"}, {"testing", "nobody-knows"}} {
		w.wantLeft(named(names[0], names[1]))
	}
	w.wantSigned(w.offerRelease(named("testing", "testing")))
	rule.Unattended = []string{"testing*"}
	w.wantSigned(w.offerRelease(w.wish(strings.NewReplacer("Suite: testing", "Suite: testing-2", "Codename: bookworm\n", "").Replace(text))))
	w.now = w.now.Add(24 * time.Hour) // what it was called once, it may be called again, and nothing else
	w.wantLeft(w.wish(releaseAt("testing", w.now, "b")))
}

func TestQuestionShowsWhichIndexesChange(t *testing.T) {
	w := archiveWorld(t)
	line := func(content, path string) string {
		return " " + action.DigestOf([]byte(content))[len("sha256:"):] + " 20 " + path + "\n"
	}
	first := releaseAt("stable", w.now, "a") + line("g", "main/i18n/Translation-en") + line("z", "main/binary-amd64/Packages.xz") + line("k", "main/binary-arm64/Packages")
	w.wantSigned(w.offerRelease(w.wish(first)))
	ask := func(text string) string {
		t.Helper()
		p := always(true)
		w.worker.Prompt = p
		w.wantSigned(w.offerRelease(w.wish(text)))
		return p.asked[0]
	}
	want := func(question string, words ...string) {
		t.Helper()
		for _, x := range words {
			if !strings.Contains(question, x) {
				t.Errorf("the question does not show %q:\n%s", x, question)
			}
		}
	}
	w.now = w.now.Add(3 * 24 * time.Hour)
	w.reopen()
	next := "Signed-By: ABCD\n" + strings.Replace(releaseAt("stable", w.now, "b"), " 12 main", " 34 main", 1) +
		line("z2", "main/binary-amd64/Packages.xz") + line("k", "main/binary-arm64/Packages") + line("n", "main/source/Sources")
	got := ask(next)
	want(got, "last signed was the Release dated Sat, 31 Jan 2026 13:00:00 UTC; Date moves on by 3 days",
		"Valid-Until moves from Sat, 14 Feb 2026 13:00:00 UTC to Tue, 17 Feb 2026 13:00:00 UTC",
		`field Signed-By changes from "" to "ABCD"`, "index main/i18n/Translation-en is gone", "index main/source/Sources is new",
		"index main/binary-amd64/Packages changes, from 12 to 34 bytes")
	if strings.Contains(got, "arm64/Packages ch") || strings.Count(got, "index main/binary-amd64/Packages") != 1 || strings.Contains(got, "Packages.xz") {
		t.Error(got)
	}
	w.now = w.now.Add(24 * time.Hour)
	dated := strings.Replace(next, "Date: Tue, 03", "Date: Wed, 04", 1)
	want(ask(dated), "Date moves on by 1 day", "nothing else changes, to the byte")

	// What lies beside the log is believed as far as the log names it.
	list, err := os.ReadDir(w.logPath + ".releases")
	if err != nil || len(list) != 1 {
		t.Fatalf("%v %v", list, err)
	}
	w.file(filepath.Join(w.logPath+".releases", list[0].Name()), []byte(releaseAt("stable", w.now, "z")))
	w.now = w.now.Add(24 * time.Hour)
	got = ask(releaseAt("stable", w.now, "b"))
	want(got, "cannot be shown: the last Release is not kept")
	if strings.Contains(got, "index main") {
		t.Error(got)
	}
	// A line for each of very many would hide what matters.
	w.now = w.now.Add(24 * time.Hour)
	var many strings.Builder
	many.WriteString(releaseAt("stable", w.now, "b"))
	for _, c := range "abcdefghijklmnopqrstuvwxyz" {
		many.WriteString(line(string(c), "main/by/"+string(c)))
	}
	want(ask(many.String()), "index main/by/a is new", "and 14 more like that")
}

func TestRefreshInTheConfiguration(t *testing.T) {
	rule := ArchiveRule{Archive: archive, Project: "harbour", Suites: []string{"stable"}, Refresh: []string{"stable"}}
	if _, err := rule.valid(); err == nil || !strings.Contains(err.Error(), "needs longest_valid") {
		t.Fatal(err)
	}
	rule.Longest = "14d"
	if got, err := rule.valid(); err != nil || !got.alone() {
		t.Fatal(err)
	}
	rule.Refresh, rule.Unattended = nil, []string{"[a"}
	if _, err := rule.valid(); err == nil || !strings.Contains(err.Error(), "is not a pattern") {
		t.Fatal(err)
	}
}
