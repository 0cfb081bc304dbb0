package manifest

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/bot/action"
	"slipway/bot/errs"
)

func sample() Manifest {
	return Manifest{
		Run: "01J9ZK", Name: "release/lava/2019.01", Gate: "go", Number: 2,
		Playbook: "sha256:" + strings.Repeat("a", 64), Profile: "sha256:" + strings.Repeat("b", 64),
		Rule: "2 of maintainer, not requester", Expires: time.Date(2019, 1, 31, 12, 0, 0, 0, time.UTC),
		Binds: []Bind{
			{Name: "steps.changelog.commit", Value: `"0f3c"`},
			{Name: "steps.images.list", Value: `[{"name":"lava-server","tag":"2019.01"}]`},
			{Name: "steps.notes.text", Value: `"` + strings.Repeat("x", LongValue) + `"`},
			{Name: "steps.skipped.out"},
		},
	}
}

const golden = `slipway manifest 1
run: 01J9ZK
name: release/lava/2019.01
gate: go
number: 2
playbook: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
profile: sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
rule: 2 of maintainer, not requester
expires: 2019-01-31T12:00:00Z
bind steps.changelog.commit
  "0f3c"
bind steps.images.list
  [{"name":"lava-server","tag":"2019.01"}]
bind steps.notes.text
  LONG 4098 bytes
bind steps.skipped.out
  text ""
`

func TestCanonicalText(t *testing.T) {
	m := sample()
	want := strings.Replace(golden, "LONG", action.DigestOf([]byte(m.Binds[2].Value)), 1)
	if got := string(m.Canonical()); got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
	if m.Digest() != Digest(action.DigestOf([]byte(want))) || m.Digest().Check() != nil {
		t.Errorf("the digest is %s", m.Digest())
	}
	short := m.Short()
	if short.Binds[2].Value != "" || short.Binds[2].Size != 4098 || m.Binds[2].Value == "" || short.Digest() != m.Digest() {
		t.Errorf("short: %+v", short.Binds[2])
	}
	back, err := Parse([]byte(want))
	if err != nil || !reflect.DeepEqual(back, short) {
		t.Fatalf("%v: %+v", err, back)
	}
}

func TestSame(t *testing.T) {
	a, b := sample(), sample()
	b.Number, b.Expires = 9, time.Time{}
	if !Same(a, b) || !Same(a.Short(), b) {
		t.Error("number, expiry and the form of a long value make a difference")
	}
	for i, change := range []func(*Manifest){
		func(m *Manifest) { m.Run += "x" }, func(m *Manifest) { m.Name += "x" }, func(m *Manifest) { m.Gate += "x" },
		func(m *Manifest) { m.Playbook += "x" }, func(m *Manifest) { m.Profile += "x" }, func(m *Manifest) { m.Rule += "x" },
		func(m *Manifest) { m.Binds[0].Value = `"0f3d"` }, func(m *Manifest) { m.Binds[0].Name = "other" },
		func(m *Manifest) { m.Binds = m.Binds[:3] }, func(m *Manifest) { m.Binds[2].Value += " " },
		func(m *Manifest) { m.Binds[0], m.Binds[1] = m.Binds[1], m.Binds[0] },
	} {
		c := sample()
		change(&c)
		if Same(a, c) || a.Digest() == c.Digest() {
			t.Errorf("change %d makes no difference", i)
		}
	}
}

// A value that tries to look like further lines stays one value.
func TestValuesCannotForgeLines(t *testing.T) {
	for _, evil := range []string{
		"x\nbind other\n  \"y\"", "x\r\nrule: 1 of anybody", "\u202egnp.exe", "\u2028rule: 1 of anybody", "a\x00b", "\xff\xfe",
		" leading", "trailing ", `"quoted"`, "", "\u200bzero", "tab\there", "\x7f",
	} {
		quoted, err := action.Canonical(evil)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []Manifest{
			{Run: evil, Binds: []Bind{}}, {Name: evil}, {Gate: evil}, {Rule: evil}, {Playbook: evil}, {Profile: evil},
			{Binds: []Bind{{Name: evil, Value: "1"}}}, {Binds: []Bind{{Name: "n", Value: evil}}}, {Binds: []Bind{{Name: "n", Value: string(quoted)}}},
		} {
			text := m.Canonical()
			if got, want := bytes.Count(text, []byte("\n")), 9+2*len(m.Binds); got != want {
				t.Errorf("%q makes %d lines, want %d:\n%s", evil, got, want, text)
			}
			for _, r := range string(text) {
				if r != '\n' && (r < ' ' || r == 0x7f || r == 0x202e || r == 0x200b || r == 0x2028) {
					t.Errorf("%q puts %U into the text", evil, r)
				}
			}
			back, err := Parse(text)
			if err != nil || back.Digest() != m.Digest() || !Same(back, m) {
				t.Errorf("%q: %v\n%s", evil, err, text)
			}
		}
	}
}

func TestParseRefusesWhatIsNotCanonical(t *testing.T) {
	good := string(sample().Canonical())
	edit := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the text", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for _, text := range []string{
		"", "slipway manifest 2\n", edit("slipway manifest 1", "slipway manifest 1 "), strings.TrimSuffix(good, "\n"), good + "\n",
		edit("\n", "\r\n"), edit("run: ", "run:"), edit("run: 01J9ZK", `run: "01J9ZK"`), edit("number: 2", "number: 02"),
		edit("number: 2", "number: +2"), edit("number: 2", "number: -2"), edit("12:00:00Z", "12:00:00.0Z"), edit("12:00:00Z", "12:00:00+00:00"),
		edit("2019-01-31T12:00:00Z", "2019-01-31T13:00:00+01:00"), edit("expires: 2019-01-31T12:00:00Z", "expires: 0001-01-01T00:00:00Z"),
		edit(`  "0f3c"`, ` "0f3c"`), edit(`  "0f3c"`, `   "0f3c"`), edit(`"0f3c"`, `"0f3c" `), edit(`"0f3c"`, `"\u0030f3c"`), edit(`"0f3c"`, "1.0"),
		edit(`"0f3c"`, `{"b":1,"a":1}`), edit(`"0f3c"`, `{"a":1,"a":1}`), edit(`"0f3c"`, `text "1"`), edit(" 4098 bytes", " 4096 bytes"),
		edit(" 4098 bytes", " 04098 bytes"), edit(" 4098 bytes", " 4098"), edit("rule: ", "extra: 1\nrule: "),
		edit("bind steps.skipped.out\n", ""), edit("run: 01J9ZK\nname: release/lava/2019.01", "name: release/lava/2019.01\nrun: 01J9ZK"),
		edit(`"0f3c"`, `"`+strings.Repeat("y", LongValue)+`"`), edit(`  text ""`, `  long "x" 5000 bytes`),
	} {
		if m, err := Parse([]byte(text)); !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
			t.Errorf("accepted as %+v (%v):\n%s", m, err, text)
		}
	}
}

// anyManifest draws manifests whose text is as odd as text can be.
func anyManifest() *rapid.Generator[Manifest] {
	return rapid.Custom(func(t *rapid.T) Manifest {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "go", "\n", "\u202e", "\xff", "bind x", "\"", "never", "\ufffd", "😀\u2066"}))
		value := rapid.OneOf(
			text,
			rapid.Map(text, func(s string) string { b, _ := action.Canonical(s); return string(b) }),
			rapid.Map(rapid.Int64(), func(n int64) string { return fmt.Sprint(n) }),
			rapid.Map(rapid.MapOf(text, text), func(m map[string]string) string { b, _ := action.Canonical(m); return string(b) }),
			rapid.Map(rapid.IntRange(LongValue-3, LongValue+3), func(n int) string { return `"` + strings.Repeat("z", n-2) + `"` }),
		)
		m := Manifest{
			Run: text.Draw(t, "run"), Name: text.Draw(t, "name"), Gate: text.Draw(t, "gate"), Number: rapid.IntRange(0, 1<<40).Draw(t, "number"),
			Playbook: text.Draw(t, "playbook"), Profile: text.Draw(t, "profile"), Rule: text.Draw(t, "rule"),
		}
		if rapid.Bool().Draw(t, "expires") {
			m.Expires = time.Unix(rapid.Int64Range(-1e9, 1e11).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanos")).UTC()
		}
		for range rapid.IntRange(0, 4).Draw(t, "binds") {
			m.Binds = append(m.Binds, Bind{Name: text.Draw(t, "bind"), Value: value.Draw(t, "value")})
		}
		return m
	})
}

func TestParseUndoesCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyManifest().Draw(t, "manifest")
		back, err := Parse(m.Canonical())
		if err != nil || !reflect.DeepEqual(back, m.Short()) {
			t.Fatalf("%v\n%+v\n%+v\n%s", err, back, m, m.Canonical())
		}
		if !Same(m, back) {
			t.Fatal("a manifest is not the same as itself read back")
		}
	})
}

func TestDifferentManifestsHaveDifferentTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyManifest().Draw(t, "a"), anyManifest().Draw(t, "b")
		if bytes.Equal(a.Canonical(), b.Canonical()) != reflect.DeepEqual(a.Short(), b.Short()) {
			t.Fatalf("%s\n%s", a.Canonical(), b.Canonical())
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(sample().Canonical())
	f.Add(Manifest{Run: "\n", Binds: []Bind{{Name: "\xff", Value: "{"}, {Value: `"\u202e"`}}}.Canonical())
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := Parse(text)
		if err == nil && !bytes.Equal(m.Canonical(), text) {
			t.Fatalf("%q reads as %+v", text, m)
		}
		if err != nil && !errs.Is(err, errs.Invalid) {
			t.Fatal(err)
		}
	})
}

func TestDigestCheck(t *testing.T) {
	for _, d := range []Digest{"", "sha256:", "sha256:" + Digest(strings.Repeat("A", 64)), "sha1:" + Digest(strings.Repeat("a", 64))} {
		if !errs.Is(d.Check(), errs.Invalid) {
			t.Errorf("%q is well formed", d)
		}
	}
}
