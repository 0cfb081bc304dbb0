package main

import (
	"bufio"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/evidence"
	"slipway/commands/release"
	"slipway/integrations/openpgp"
)

// verifyCmd checks evidence. It reads the one file, and nothing else: no configuration, no network.
type verifyCmd struct {
	File     string   `arg:"" help:"The bundle; - reads it from standard input."`
	Key      []string `help:"Fingerprint of the log key that you know from elsewhere (sha256:…), or a file with it or with the public key. May be given several times." placeholder:"FINGERPRINT|FILE" sep:"none"`
	Unpinned bool     `help:"Accept that nothing tells who wrote it."`
	Running  bool     `help:"Accept a run that had not ended when the bundle was made."`
}

// Run prints what is proven. The exit code is 0 when everything is; 3 when no key was pinned, or it
// is another one; 7 when the run had not ended, or its end may have been cut off; others for what is
// no good bundle.
func (v *verifyCmd) Run() error {
	pinned, err := pins(v.Key)
	if err != nil {
		return err
	}
	in := io.Reader(os.Stdin)
	if v.File != "-" {
		f, err := os.Open(v.File)
		if err != nil {
			return errs.E("verify", errs.NotFound, fmt.Errorf("%s cannot be read: %w", v.File, err)).Hint("name the bundle that slipway evidence wrote")
		}
		defer f.Close()
		in = f
	}
	rep, err := evidence.Verify(bufio.NewReaderSize(in, 1<<20), evidence.Options{Pinned: pinned, Tell: release.Told})
	if err != nil {
		return harmless(err)
	}
	signed, err := checkTexts(rep)
	if err != nil {
		return harmless(err)
	}
	fmt.Print(reportText(rep, signed))
	switch {
	case !rep.Pinned && !v.Unpinned:
		return errs.E("verify", errs.Denied, errors.New("you pinned no key, so nothing is proven about who wrote this")).
			Hint("give the fingerprint that you know from elsewhere with --key; --unpinned accepts it without")
	case !rep.Whole() && !v.Running:
		return errs.E("verify", errs.Doubtful, errors.New("the signed end of the run is not here: the run had not ended when this was made, or its end was cut off")).
			Hint("ask for a bundle that was made after the end; --running accepts it without")
	}
	return nil
}

// harmless is an error that may quote the bundle, which anybody may have written, fit for a terminal.
func harmless(err error) error {
	return errs.E("verify", errs.KindOf(err), errors.New(card.Clean(errs.Cause(err)))).Hint("%s", card.Clean(errs.HintOf(err)))
}

// pins reads what was given with --key.
func pins(given []string) ([]evidence.Fingerprint, error) {
	var out []evidence.Fingerprint
	for _, text := range given {
		if print, err := evidence.ParseFingerprint(text); err == nil {
			out = append(out, print)
			continue
		}
		if strings.HasPrefix(text, "sha256:") {
			_, err := evidence.ParseFingerprint(text)
			return nil, err
		}
		data, err := readBounded(text, 64<<10)
		if err != nil {
			return nil, errs.E("verify", errs.KindOf(err), fmt.Errorf("--key %q is no fingerprint, and no file: %s", text, errs.Cause(err))).
				Hint("give sha256: and 64 digits, or a file with the fingerprint or the public key")
		}
		if key, err := evidence.DecodeKey(data); err == nil {
			out = append(out, evidence.FingerprintOf(key))
			continue
		}
		print, err := evidence.ParseFingerprint(strings.TrimSpace(string(data)))
		if err != nil {
			return nil, errs.E("verify", errs.Invalid, fmt.Errorf("%s holds neither a fingerprint nor a public log key", text)).
				Hint("slipway logkey show prints the one, with --pem the other")
		}
		out = append(out, print)
	}
	return out, nil
}

// checkTexts checks the signatures of tags against the certificate that the run pinned, and that the
// ids under which tags were released are of these texts.
func checkTexts(rep evidence.Report) (map[string]string, error) {
	out := map[string]string{}
	cert, _ := rep.Claim.Profile["public_key"].(string)
	for _, t := range rep.Texts {
		payload, signature, ok := splitTag(t)
		if !ok || cert == "" {
			continue
		}
		if !tagOf(rep.Claim.Released, t.Content) {
			return nil, errs.E("verify", errs.Corrupt, fmt.Errorf("signatures/%s is not the tag that was released", t.Name)).Hint("do not believe the bundle")
		}
		certs, err := openpgp.ReadCertificates([]byte(cert))
		if err != nil {
			return nil, err
		}
		found, err := openpgp.Policy{Certificates: certs, Allowed: []string{t.By}}.Verify(payload, signature, rep.Claim.Ended)
		if err != nil {
			return nil, errs.E("verify", errs.KindOf(err), fmt.Errorf("signatures/%s: %s", t.Name, errs.Cause(err))).Hint("do not believe the bundle")
		}
		out[t.Name] = "checked, made " + found.Created.UTC().Format(time.RFC3339)
	}
	return out, nil
}

// splitTag takes a tag object apart.
func splitTag(t evidence.Text) (payload, signature []byte, ok bool) {
	const begin = "-----BEGIN PGP SIGNATURE-----"
	i := strings.Index(t.Content, begin)
	if !strings.HasSuffix(t.Name, ".tag") || t.By == "" || i < 0 {
		return nil, nil, false
	}
	return []byte(t.Content[:i]), []byte(t.Content[i:]), true
}

// tagOf reports whether a tag object is one of those that were released. Its id is the SHA-1 (or, in
// repositories that have it so, the SHA-256) of "tag", its size and its content, as git computes it.
func tagOf(released []evidence.Subject, object string) bool {
	whole := []byte(fmt.Sprintf("tag %d\x00%s", len(object), object))
	short, long := sha1.Sum(whole), sha256.Sum256(whole)
	return slices.ContainsFunc(released, func(s evidence.Subject) bool {
		return s.Digest["gitTag"] == hex.EncodeToString(short[:]) || s.Digest["gitTagSha256"] == hex.EncodeToString(long[:])
	})
}

// reportText is a report for people.
func reportText(rep evidence.Report, signed map[string]string) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		for i, a := range args { // what a log says is written by anybody
			if _, number := a.(int); !number {
				args[i] = card.Clean(fmt.Sprint(a))
			}
		}
		fmt.Fprintf(&b, format+"\n", args...)
	}
	c := rep.Claim
	if rep.Pinned {
		line("Good: the evidence of %s, by the log key you pinned.", c.Name)
	} else {
		line("Unchanged since it was made: the evidence of %s. By whom is not proven.", c.Name)
	}
	line("")
	line("  log key    %s", rep.Key)
	line("  run        %s, project %s", c.Run, c.Project)
	line("  asked for  %s by %s", c.Began.UTC().Format(time.RFC3339), orNobody(string(c.Requester)))
	if c.Ended.IsZero() {
		line("  state      %s: it had not ended", c.Status)
	} else {
		line("  ended      %s: %s", c.Ended.UTC().Format(time.RFC3339), c.Outcome)
	}
	line("  log        %d commits, %d signed heads, %d files", c.Commits, len(rep.Heads), rep.Files)
	line("")
	line("Released")
	for _, s := range c.Released {
		for _, kind := range sortedKeys(s.Digest) {
			line("  %s  %s %s", s.Name, kind, s.Digest[kind])
		}
	}
	if len(c.Released) == 0 {
		line("  nothing")
	} else if rep.Statement {
		line("  statement.json states this (in-toto, SLSA provenance), signed by the log key")
	}
	if len(rep.Texts) > 0 {
		line("")
		line("Signatures")
	}
	for _, t := range rep.Texts {
		text := t.What
		if t.By != "" {
			text += ", by " + t.By
		}
		if how := signed[t.Name]; how != "" {
			text += "; " + how
		}
		line("  %s", text)
	}
	line("")
	line("Approved")
	for _, g := range c.Gates {
		line("  %s, manifest %d: %s", g.Step, g.Number, g.Ended)
		line("    %s  %s", g.Rule, g.Manifest)
		for _, by := range g.By {
			line("    %s", approvalText(by))
		}
		for _, no := range g.Refused {
			line("    not counted: %s", no)
		}
	}
	if len(c.Gates) == 0 {
		line("  nothing: no gate was reached")
	}
	if len(c.Adopted) > 0 {
		line("")
		line("Found done by others: %s", strings.Join(c.Adopted, ", "))
	}
	if len(rep.Notes) > 0 {
		line("")
		line("Not proven")
		for _, note := range rep.Notes {
			line("  %s", note)
		}
	}
	return b.String()
}

func approvalText(by evidence.Approval) string {
	who := string(by.Person)
	if by.Name != "" && by.Name != who {
		who = by.Name + " (" + who + ")"
	}
	text := fmt.Sprintf("%s %s by %s as %s", by.At.UTC().Format(time.RFC3339), by.Kind, who, by.Account)
	if len(by.Roles) > 0 {
		text += ", " + strings.Join(by.Roles, " and ")
	}
	for _, g := range by.Grants {
		if g.For != "" {
			text += ", standing in for " + string(g.For)
		}
	}
	if by.Reason != "" {
		text += ": " + by.Reason
	}
	return text
}

func orNobody(who string) string {
	if who == "" {
		return "nobody (by itself)"
	}
	return who
}
