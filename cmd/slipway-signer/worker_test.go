package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

func TestPersonSaysYesAndTheSignatureIsGood(t *testing.T) {
	w := newWorld(t)
	p := always(true)
	w.worker.Prompt = p
	r := w.request("2026.01")
	sig := w.wantSigned(w.offer(r))
	certs, err := openpgp.ReadCertificates(w.key.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (openpgp.Policy{Certificates: certs, Allowed: []string{w.key.Fingerprint()}}).Verify([]byte(r.Payload), []byte(sig), w.now); err != nil {
		t.Fatal(err)
	}
	w.wantLog(intent, result)
	for _, words := range []string{"2026.01", "0123456789abcdef0123456789abcdef01234567", repository, "RM <rm@example.org>", "Release 2026.01", "names no gate", r.PayloadDigest} {
		if !strings.Contains(p.asked[0], words) {
			t.Errorf("the question does not show %q:\n%s", words, p.asked[0])
		}
	}
}

func TestPersonSaysNo(t *testing.T) {
	w := newWorld(t)
	w.worker.Prompt = always(false)
	w.wantRefused(w.offer(w.request("2026.01")), "said no")
}

func TestSameDigestGetsTheSameSignatureAlsoAfterARestart(t *testing.T) {
	w := newWorld(t)
	r := w.request("2026.01")
	first := w.wantSigned(w.offer(r))
	w.now = w.now.Add(time.Hour)
	w.reopen()
	if again := w.wantSigned(w.offer(r)); again != first {
		t.Fatal("two different signatures for one payload")
	}
	if w.key.used != 1 {
		t.Fatalf("the key was used %d times", w.key.used)
	}
	w.wantLog(intent, result, repeated)
}

func TestAnswersThatGetLost(t *testing.T) {
	for name, lose := range map[string]bool{"verdict lost": false, "answer lost": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.worker.Wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
			w.worker.Prompt, w.worker.Demo = nil, true
			w.queue.down, w.queue.lose = 2, lose
			w.wantSigned(w.offer(w.request("2026.01")))
			w.wantLog(intent, result)
		})
	}
	t.Run("bot away for long", func(t *testing.T) {
		w := newWorld(t)
		w.worker.Wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
		w.worker.Prompt, w.worker.Demo = nil, true
		w.queue.down = 4
		id := w.offer(w.request("2026.01"))
		if _, err := w.worker.Once(t.Context()); !errs.Is(err, errs.Unavailable) {
			t.Fatal(err)
		}
		w.wantSigned(id) // the next lease is the same one, and the kept signature goes in
		if w.key.used != 1 {
			t.Fatalf("the key was used %d times", w.key.used)
		}
	})
}

func TestVersionsAndDatesDoNotGoBackwards(t *testing.T) {
	w := newWorld(t)
	w.wantSigned(w.offer(w.request("2026.02")))
	w.wantRefused(w.offer(w.request("2026.01")), "does not come after 2026.02")
	w.wantRefused(w.offer(w.request("2026.2")), "does not come after 2026.02")
	w.wantRefused(w.offer(w.request("2026.02", func(r *signing.Request) { r.Payload += "other words\n" })), "does not come after")
	early := func(r *signing.Request) { r.Payload = payload("2026.03", w.now.Add(-time.Minute)) }
	w.wantRefused(w.offer(w.request("2026.03", early)), "before the last one")
	late := func(r *signing.Request) { r.Payload = payload("2026.03", w.now.Add(6*time.Minute)) }
	w.wantRefused(w.offer(w.request("2026.03", late)), "in the future")
	w.wantSigned(w.offer(w.request("debian/2026.01-1"))) // a stream of its own
	w.reopen()
	w.wantRefused(w.offer(w.request("2026.01.1")), "does not come after 2026.02")
	w.worker.Policy.Rules[0].Rollback = []string{"2026.01.1"}
	w.wantSigned(w.offer(w.request("2026.01.1")))
	for range 2 { // the exception is for that tag alone, after a restart too
		w.wantRefused(w.offer(w.request("2026.01.2")), "does not come after 2026.02")
		w.reopen()
	}
}

func TestPolicyOfPlaceAndKey(t *testing.T) {
	w := newWorld(t)
	for words, change := range map[string]func(*signing.Request){
		"not in this signer's list": func(r *signing.Request) { r.Repository = "https://evil.example.org/lava" },
		"the project \"other\"":     func(r *signing.Request) { r.Project = "other" },
		"fits none of the patterns": func(r *signing.Request) { r.Payload = payload("nightly", w.now) },
		"is not the fingerprint":    func(r *signing.Request) { r.KeyFingerprint = "AB" },
		"does not begin with an":    func(r *signing.Request) { r.Payload = "tree x\ntype commit\ntag a\ntagger b\n\nrm -rf\n" },
		"names the digest":          func(r *signing.Request) { r.PayloadDigest = action.DigestOf([]byte("else")) },
		"the manifest cannot":       func(r *signing.Request) { r.Manifest = "slipway manifest 1\n" },
	} {
		t.Run(words, func(t *testing.T) { w.t = t; w.wantRefused(w.offer(w.request("2026.01", change)), words) })
	}
}

// Attack case 40: the job was voided or taken over while the signer was busy with it.
func TestAttack40LeaseIsRenewedImmediatelyBeforeTheKey(t *testing.T) {
	w := newWorld(t)
	id := w.offer(w.request("2026.01"))
	w.queue.renew = func(id string) { // the manifest is voided before the very last question
		w.queue.jobs[id] = job.Void(w.queue.jobs[id], "the manifest changed")
	}
	if j := w.work(id); j.State != job.Cancelled {
		t.Fatalf("job is %s", j.State)
	}
	if w.key.used != 0 {
		t.Fatal("the key was used for a voided job")
	}
	w.wantLog(intent, unsigned)
}

func TestQuestionIsWithdrawnWhenTheJobIsVoided(t *testing.T) {
	w := newWorld(t)
	id := w.offer(w.request("2026.01"))
	w.worker.Wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	w.queue.renew = func(id string) {
		w.queue.mu.Lock()
		defer w.queue.mu.Unlock()
		w.queue.jobs[id] = job.Void(w.queue.jobs[id], "the manifest changed")
	}
	in, typing := io.Pipe()
	defer typing.Close()
	w.worker.Prompt = NewTerminal(in, io.Discard)
	if j := w.work(id); j.State != job.Cancelled || w.key.used != 0 {
		t.Fatalf("job is %s, key used %d times", j.State, w.key.used)
	}
	w.wantLog()
}

func TestStopAtThePromptGivesTheJobBack(t *testing.T) {
	w := newWorld(t)
	id := w.offer(w.request("2026.01"))
	ctx, stop := context.WithCancel(t.Context())
	w.worker.Prompt = &answers{say: func(ctx context.Context, _ string) (bool, error) {
		stop()
		<-ctx.Done()
		return false, errs.E("prompt", errs.Conflict, ctx.Err())
	}}
	if err := w.worker.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if j := w.queue.jobs[id]; j.State != job.Pending || j.Blame.GivenBack != 1 {
		t.Fatalf("%+v", j)
	}
}

// Attack case 41: asked for a digest that no gate approved.
func TestAttack41DigestThatNoGateApproved(t *testing.T) {
	w := newWorld(t)
	other := action.DigestOf([]byte("what people approved"))
	w.worker.Demo = true // whatever decides, the manifest must bind what is signed
	w.wantRefused(w.offer(w.request("2026.01", func(r *signing.Request) { r.Manifest = bound(other, time.Time{}) })), "no gate approved it")
	w.wantRefused(w.offer(w.request("2026.01", func(r *signing.Request) {
		r.Manifest = bound(action.DigestOf([]byte(r.Payload)), w.now.Add(-time.Second))
	})), "approval ended")
	w.wantSigned(w.offer(w.request("2026.01", func(r *signing.Request) {
		r.Manifest = bound(action.DigestOf([]byte(r.Payload)), w.now.Add(time.Hour))
	})))
}

func TestSignedApprovals(t *testing.T) {
	w := newWorld(t)
	w.worker.Prompt = nil
	var people []*openpgp.KeyFile
	a := Approvers{Need: 2, Longest: 72 * time.Hour}
	for _, name := range []string{"a", "b", "stranger"} {
		private, public, err := openpgp.Generate(name, name+"@example.org", "eddsa", 0, start.Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		k, err := openpgp.NewKeyFile(private, nil, w.worker.Now)
		if err != nil {
			t.Fatal(err)
		}
		certs, err := openpgp.ReadCertificates(public)
		if err != nil {
			t.Fatal(err)
		}
		people = append(people, k)
		a.Certificates = append(a.Certificates, certs...)
		if name != "stranger" {
			a.Fingerprints = append(a.Fingerprints, k.Fingerprint())
		}
	}
	w.worker.Policy.Approvers = a
	approve := func(r signing.Request, who int, lasts time.Duration, text ...byte) signing.Approval {
		t.Helper()
		expires := w.now.Add(lasts).Format(time.RFC3339)
		if text == nil {
			text = signing.ApprovalText(r.Kind, r.PayloadDigest, expires, r.Manifest)
		}
		sig, err := people[who].Sign(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		return signing.Approval{Expires: expires, Signature: string(sig)}
	}
	good := func() signing.Request {
		r := w.request("2026.01")
		r.Manifest = bound(r.PayloadDigest, w.now.Add(24*time.Hour))
		return r
	}
	for _, c := range []struct {
		name, words string
		give        func(r *signing.Request)
	}{
		{"none", "0 of 2", func(r *signing.Request) {}},
		{"one person twice", "approved already", func(r *signing.Request) {
			r.Approvals = []signing.Approval{approve(*r, 0, time.Hour), approve(*r, 0, 2*time.Hour)}
		}},
		{"a stranger", "not allowed", func(r *signing.Request) {
			r.Approvals = []signing.Approval{approve(*r, 0, time.Hour), approve(*r, 2, time.Hour)}
		}},
		{"ended", "ended at", func(r *signing.Request) {
			r.Approvals = []signing.Approval{approve(*r, 0, time.Hour), approve(*r, 1, -time.Hour)}
		}},
		{"far too long", "at most 72h", func(r *signing.Request) {
			r.Approvals = []signing.Approval{approve(*r, 0, time.Hour), approve(*r, 1, 100*time.Hour)}
		}},
		{"of another payload", "not good", func(r *signing.Request) {
			o := *r
			o.PayloadDigest = action.DigestOf([]byte("else"))
			r.Approvals = []signing.Approval{approve(*r, 0, time.Hour), approve(o, 1, time.Hour)}
		}},
		{"a longer life than signed", "not good", func(r *signing.Request) {
			b := approve(*r, 1, time.Hour)
			b.Expires = w.now.Add(2 * time.Hour).Format(time.RFC3339)
			r.Approvals = []signing.Approval{approve(*r, 0, time.Hour), b}
		}},
		{"for another purpose", "not good", func(r *signing.Request) {
			r.Approvals = []signing.Approval{approve(*r, 0, time.Hour), approve(*r, 1, time.Hour, []byte(r.Manifest)...)}
		}},
		{"without a manifest", "no manifest", func(r *signing.Request) {
			r.Manifest = ""
			r.Approvals = []signing.Approval{approve(*r, 0, time.Hour), approve(*r, 1, time.Hour)}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			r := good()
			c.give(&r)
			w.wantRefused(w.offer(r), c.words)
		})
	}
	w.t = t
	r := good()
	r.Approvals = []signing.Approval{approve(r, 0, time.Hour), approve(r, 1, time.Hour)}
	w.wantSigned(w.offer(r))
}

// Attack case 42 at the signer: its own key has expired.
func TestAttack42ExpiredKeyDoesNotSign(t *testing.T) {
	w := newWorld(t)
	private, _, err := openpgp.Generate("Demo", "demo@example.org", "eddsa", time.Hour, start.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if w.key.KeyFile, err = openpgp.NewKeyFile(private, nil, w.worker.Now); err != nil {
		t.Fatal(err)
	}
	w.worker.Policy.Key = w.key.Fingerprint()
	j := w.work(w.offer(w.request("2026.01")))
	if j.State != job.Failed || j.Verdict.Class != "signature" || !strings.Contains(j.Verdict.Reason, "may sign") {
		t.Fatalf("%s: %s", j.State, j.Verdict.Reason)
	}
	w.wantLog(intent, unsigned)
}

func TestDemoPolicyWantsAThrowAwayKey(t *testing.T) {
	for id, ok := range map[string]bool{"Slipway demo": true, "Release": false} {
		private, _, err := openpgp.Generate(id, "x@example.org", "eddsa", 0, start)
		if err != nil {
			t.Fatal(err)
		}
		k, err := openpgp.NewKeyFile(private, nil, func() time.Time { return start })
		if err != nil {
			t.Fatal(err)
		}
		if err := throwAway(k); (err == nil) != ok {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestOnlyYesIsAYes(t *testing.T) {
	for line, want := range map[string]bool{"yes": true, "": false, "y": false, "Yes": false, "yes ": false, "no": false} {
		in, typing := io.Pipe()
		out := make(shown, 1)
		term := NewTerminal(in, out)
		go func() {
			<-out // answers come after the question
			io.WriteString(typing, line+"\n")
		}()
		got, err := term.Ask(t.Context(), "words")
		if err != nil || got != want {
			t.Errorf("%q: %v, %v", line, got, err)
		}
		typing.Close()
		if _, err := term.Ask(t.Context(), "words"); !errs.Is(err, errs.Unavailable) {
			t.Errorf("a closed terminal: %v", err)
		}
	}
}

// Whoever presses yes too often answers one question, and not the ones that follow unseen.
func TestTypedAheadDoesNotCount(t *testing.T) {
	in, typing := io.Pipe()
	defer typing.Close()
	out := make(shown, 1)
	term := NewTerminal(in, out)
	ahead := make(chan struct{})
	go func() {
		for range 4 {
			io.WriteString(typing, "yes\n")
		}
		io.WriteString(typing, "") // is read when all lines were looked at
		close(ahead)
	}()
	select {
	case <-ahead:
	case <-time.After(10 * time.Second):
		t.Fatal("what is typed ahead is not read, so it would answer the next questions")
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-out
		io.WriteString(typing, "no\n")
	}()
	if yes, err := term.Ask(ctx, "words"); yes || err != nil {
		t.Fatalf("answered before it was shown: %v, %v", yes, err)
	}
	cancel()
	if yes, err := term.Ask(ctx, "words"); yes || !errs.Is(err, errs.Conflict) {
		t.Fatalf("a withdrawn question: %v, %v", yes, err)
	}
}

// shown tells when something was written to the terminal.
type shown chan struct{}

func (s shown) Write(p []byte) (int, error) {
	select {
	case s <- struct{}{}:
	default:
	}
	return len(p), nil
}
