package signing

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/job"
)

// releaseText is a Release with one index.
func releaseText(suite string) string {
	return "Origin: Harbour\nSuite: " + suite + "\nCodename: " + suite + "-code\nDate: Sat, 31 Jan 2026 11:00:00 UTC\n" +
		"Architectures: amd64\nComponents: main\nSHA256:\n " + strings.Repeat("ab", 32) + " 12 main/binary-amd64/Packages\n"
}

func suiteOf(suite, text string) SuiteRelease {
	return SuiteRelease{Suite: suite, Text: text, Digest: action.DigestOf([]byte(text))}
}

func releases(suites ...string) ReleaseIn {
	in := ReleaseIn{Project: "harbour", Archive: "https://deb.example/harbour", Fingerprint: "AB"}
	for _, s := range suites {
		in.Releases = append(in.Releases, suiteOf(s, releaseText(s)))
	}
	return in
}

// goodPair accepts the signatures of goodSig, inline ones over the text and a mark.
type goodPair struct{}

func (goodPair) VerifyRelease(release, inline, detached []byte, fingerprint string, now time.Time) (time.Time, error) {
	if string(inline) != goodSig(append(bytes.Clone(release), "inline"...), fingerprint) || string(detached) != goodSig(release, fingerprint) {
		return time.Time{}, errs.E("verify", errs.Denied, errors.New("the signature is not good"))
	}
	return now, nil
}

func pair(s SuiteRelease, fingerprint string) ReleaseSignature {
	return ReleaseSignature{Suite: s.Suite, Digest: s.Digest,
		Inline: goodSig([]byte(s.Text+"inline"), fingerprint), Detached: goodSig([]byte(s.Text), fingerprint)}
}

func handed(t *testing.T, list ...ReleaseSignature) []byte {
	t.Helper()
	data, err := EncodeReleaseResult(list)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func act() *Release { return NewRelease(goodPair{}, func() time.Time { return start }) }

func TestContractOfSignRelease(t *testing.T) {
	b, err := act().Bind()
	if err != nil {
		t.Fatal(err)
	}
	if b.Contract.Ref() != "sign.release@1" || b.Contract.Job != ReleaseJob || b.Contract.Policy != action.Keyed {
		t.Fatalf("%+v", b.Contract)
	}
}

func TestReleaseRequestIsCanonicalAndReadsBack(t *testing.T) {
	in := releases("stable", "testing")
	content, err := act().Prepare(t.Context(), canonical(t, in))
	if err != nil {
		t.Fatal(err)
	}
	r, read, err := ParseReleaseRequest(content)
	if err != nil || len(read) != 2 || r.Releases[1] != in.Releases[1] || read[1].Suite != "testing" || r.Rollback {
		t.Fatalf("%+v, %v", r, err)
	}
	back := r
	back.Rollback = true
	if r.Digest() == back.Digest() || !strings.Contains(string(ReleaseApprovalText(back, "x", "m")), "signs: testing "+in.Releases[1].Digest+"\nrollback: yes\nexpires: x\n\nm") {
		t.Fatalf("%s", ReleaseApprovalText(back, "x", "m"))
	}
	if _, err := ParseRequest(content); err == nil {
		t.Fatal("read as a tag")
	}
	in.Releases[0].Suite = "stable-code" // the codename will do too
	if _, err := act().Prepare(t.Context(), canonical(t, in)); err != nil {
		t.Fatal(err)
	}
}

// What a large distribution signs in one sitting fits; what would not come back does not.
func TestReleaseRequestOfManyLargeSuites(t *testing.T) {
	in := releases()
	for _, s := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		var b strings.Builder
		b.WriteString(releaseText(s))
		for i := 0; b.Len() < 200_000; i++ {
			b.WriteString(" " + strings.Repeat("cd", 32) + " 12 main/dep11/" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + action.DigestOf([]byte{byte(i), byte(i >> 8)})[7:] + "\n")
		}
		in.Releases = append(in.Releases, suiteOf(s, b.String()))
	}
	content, err := act().Prepare(t.Context(), canonical(t, in))
	if err != nil || len(content) < 1_600_000 {
		t.Fatal(len(content), err)
	}
	in.Releases = append(in.Releases, suiteOf("z", strings.Repeat("X: "+strings.Repeat("y", 90)+"\n", 40_000)))
	_, err = act().Prepare(t.Context(), canonical(t, in))
	wantKind(t, err, errs.Invalid, "at most")
	_, _, err = ParseReleaseRequest(bytes.Repeat([]byte("x"), MaxRequest+1))
	wantKind(t, err, errs.Invalid, "at most")
}

func TestReleasesThatAreNotOffered(t *testing.T) {
	text := releaseText("stable")
	for name, c := range map[string]struct {
		change func(*ReleaseIn)
		words  string
	}{
		"none":          {func(in *ReleaseIn) { in.Releases = nil }, "0 Release files"},
		"twice":         {func(in *ReleaseIn) { in.Releases = append(in.Releases, in.Releases[0]) }, "twice"},
		"too many":      {func(in *ReleaseIn) { *in = releases(strings.Split(strings.Repeat("s ", 17)+"s", " ")...) }, "18 Release files"},
		"other digest":  {func(in *ReleaseIn) { in.Releases[0].Digest = action.DigestOf(nil) }, "the request names"},
		"wrong suite":   {func(in *ReleaseIn) { in.Releases[0] = suiteOf("testing", text) }, "another suite"},
		"climbing":      {func(in *ReleaseIn) { in.Releases[0] = suiteOf("../stable", text) }, "name of a suite"},
		"line in suite": {func(in *ReleaseIn) { in.Releases[0] = suiteOf("stable\nsigns: x", text) }, "name of a suite"},
		"a home":        {func(in *ReleaseIn) { in.Releases[0] = suiteOf("~root", text) }, "name of a suite"},
		"no suite":      {func(in *ReleaseIn) { in.Releases[0] = suiteOf("", text) }, "name of a suite"},
		"blank":         {func(in *ReleaseIn) { in.Releases[0] = suiteOf("stable", strings.Replace(text, "main\n", "main \n", 1)) }, "blank at the end"},
		"CR":            {func(in *ReleaseIn) { in.Releases[0] = suiteOf("stable", strings.ReplaceAll(text, "\n", "\r\n")) }, "carriage return"},
		"paragraphs":    {func(in *ReleaseIn) { in.Releases[0] = suiteOf("stable", text+"\nSuite: evil\n") }, "one paragraph"},
		"no newline":    {func(in *ReleaseIn) { in.Releases[0] = suiteOf("stable", strings.TrimSuffix(text, "\n")) }, "newline"},
		"not UTF-8":     {func(in *ReleaseIn) { in.Releases[0] = suiteOf("stable", text+"X: \xff\n") }, "not valid text"},
		"not a Release": {func(in *ReleaseIn) { in.Releases[0] = suiteOf("stable", "object 1\ntype commit\n") }, "cannot be read"},
		"no archive":    {func(in *ReleaseIn) { in.Archive = "" }, "lacks"},
		"odd archive":   {func(in *ReleaseIn) { in.Archive = "a\nsigns: b" }, "with a blank"},
	} {
		t.Run(name, func(t *testing.T) {
			in := releases("stable")
			c.change(&in)
			_, err := act().Prepare(t.Context(), canonical(t, in))
			wantKind(t, err, errs.Invalid, c.words)
		})
	}
	good, err := act().Prepare(t.Context(), canonical(t, releases("stable")))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string][2]string{
		"other kind": {`"apt-release"`, `"git-tag"`}, "two keys": {`{"kind"`, `{"project":"x","kind"`}, "unknown key": {`{"kind"`, `{"more":1,"kind"`},
		"spaces": {`{"kind"`, `{ "kind"`}, "trailer": {`"approvals":[]}`, `"approvals":[]} {}`}, "no rollback": {`"rollback":false,`, ``},
	} {
		bad := strings.Replace(string(good), r[0], r[1], 1)
		if bad == string(good) {
			t.Fatalf("%s changes nothing in %s", name, good)
		}
		_, _, err := ParseReleaseRequest([]byte(bad))
		t.Run(name, func(t *testing.T) { wantKind(t, err, errs.Invalid, "signing request") })
	}
}

// Attack case 41 for suites: signatures that are good, of something else.
func TestAttack41SignaturesOfAnotherSuiteOrKey(t *testing.T) {
	in := releases("stable", "testing")
	a, b := pair(in.Releases[0], "AB"), pair(in.Releases[1], "AB")
	out, err := act().FinishRelease(in, handed(t, a, b))
	if err != nil || out.SignedAt != "2026-01-31T12:00:00Z" || out.Fingerprint != "AB" || len(out.Signatures) != 2 || out.Signatures[1] != b {
		t.Fatalf("%+v, %v", out, err)
	}
	replayed := b
	replayed.Inline, replayed.Detached = a.Inline, a.Detached
	half := b
	half.Inline = a.Inline
	for name, c := range map[string]struct {
		list  []byte
		words string
	}{
		"replayed of the other suite": {handed(t, a, replayed), "returned for testing is refused"},
		"only the clear one":          {handed(t, a, half), "returned for testing is refused"},
		"swapped":                     {handed(t, b, a), "was asked for"},
		"one missing":                 {handed(t, a), "holds 1 signatures, want 2"},
		"one more":                    {handed(t, a, b, b), "holds 3 signatures"},
		"another key":                 {handed(t, a, pair(in.Releases[1], "CD")), "returned for testing is refused"},
		"empty":                       {nil, "not the list"},
		"spaces":                      {append([]byte(" "), handed(t, a, b)...), "canonical"},
		"a tag's":                     {[]byte(a.Detached), "not the list"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := act().Finish(t.Context(), job.Job{Verdict: job.Verdict{OK: true, Result: c.list}}, canonical(t, in))
			wantKind(t, err, errs.Failed, c.words)
		})
	}
	in.Releases[1].Text = releaseText("evil") // the inputs claim the digest for other bytes
	_, err = act().FinishRelease(in, handed(t, a, b))
	wantKind(t, err, errs.Failed, "was approved")
}

func FuzzParseReleaseRequest(f *testing.F) {
	content, err := act().Prepare(f.Context(), []byte(`{"project":"p","archive":"a","fingerprint":"AB","manifest":"","releases":[]}`))
	f.Add(content)
	if err == nil {
		f.Fatal("an empty request was prepared")
	}
	in := releases("stable")
	good, err := ReleaseRequest{Kind: AptRelease, Project: in.Project, Archive: in.Archive, Releases: in.Releases, KeyFingerprint: "AB"}.Canonical()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, read, err := ParseReleaseRequest(data)
		if err != nil {
			return
		}
		again, err := r.Canonical()
		if err != nil || !bytes.Equal(again, data) || len(read) != len(r.Releases) {
			t.Fatalf("%q reads as %q, %v", data, again, err)
		}
	})
}
