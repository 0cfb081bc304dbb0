package grammar

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"slipway/bot/errs"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, d)
	}
}

// A version rule as a family could have it.
func twoDigitMonth(v string) error {
	if !regexp.MustCompile(`^[0-9]`).MatchString(v) {
		return errors.New("a version begins with a digit")
	}
	if regexp.MustCompile(`^[0-9]{4}\.[0-9]$`).MatchString(v) {
		return errors.New("the month has one digit")
	}
	return nil
}

func paddedMonth(v string) string {
	if regexp.MustCompile(`^[0-9]{4}\.[0-9]$`).MatchString(v) {
		return v[:5] + "0" + v[5:]
	}
	return ""
}

func table(t testing.TB) *Table {
	t.Helper()
	tab, err := Standard(Release(twoDigitMonth, paddedMonth))
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

type names struct{}

func (names) Projects() []string { return []string{"lava", "egee"} }
func (names) Runs(string) []string {
	return []string{"release/lava/2019.01", "release/lava/2019.02", "release/egee/3.2"}
}
func (names) Steps(run string) []string {
	if run == "2019.01" {
		return []string{"changelog", "go", "images", "build[armel]", "build[armhf]"}
	}
	return nil
}
func (names) Persons() []string { return []string{"grace", "alan", "edsger"} }
func (names) Roles() []string   { return []string{"maintainer", "coordinator"} }
func (names) Locks() []string   { return []string{"archive/stable", "repo/lava"} }

func one(t *testing.T, text string, ctx Context) Result {
	t.Helper()
	rs := table(t).Parse(text, ctx)
	if len(rs) != 1 {
		t.Fatalf("%q gave %d results: %v", text, len(rs), rs)
	}
	return rs[0]
}

func TestCommands(t *testing.T) {
	m := func(kv ...string) map[string]string {
		out := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			out[kv[i]] = kv[i+1]
		}
		return out
	}
	for _, c := range []struct {
		text string
		want Command
	}{
		{"release 2019.01", Command{Path: "release", Verb: "start", Family: "release", Args: m("version", "2019.01")}},
		{"slipway release 2019.01 LAVA --plan milestone=2019.01", Command{Path: "release", Verb: "start", Family: "release",
			Args: m("version", "2019.01", "project", "lava"), Options: m("plan", "true"), Inputs: m("milestone", "2019.01")}},
		{"@Slipway: Release Why release/lava/2019.01", Command{Path: "release why", Verb: "why", Family: "release", Args: m("run", "release/lava/2019.01")}},
		{`release abort 2019.01 —reason “the \“new\” mirror is down”`, Command{Path: "release abort", Verb: "abort", Family: "release",
			Args: m("run", "2019.01"), Options: m("reason", "the “new” mirror is down")}},
		{`release skip 2019.01 images --reason="say \"no\" with \\"`, Command{Path: "release skip", Verb: "skip", Family: "release",
			Args: m("run", "2019.01", "step", "images"), Options: m("reason", `say "no" with \`)}},
		{"release retry 2019.01 --from changelog", Command{Path: "release retry", Verb: "retry", Family: "release",
			Args: m("run", "2019.01"), Options: m("from", "changelog")}},
		{"release show 2019.01 build[armhf]", Command{Path: "release show", Verb: "show", Family: "release", Args: m("run", "2019.01", "step", "build[armhf]")}},
		{"release why 2019.03", Command{Path: "release why", Verb: "why", Family: "release", Args: m("run", "2019.03"), Near: m("run", "2019.01")}},
		{"appoint @grace coordinator lava/2019.01", Command{Path: "appoint", Args: m("person", "grace", "role", "coordinator", "run", "lava/2019.01")}},
		{"appoint <@U0G9QF9C6> coordinator 2019.01", Command{Path: "appoint", Args: m("person", "<@U0G9QF9C6>", "role", "coordinator", "run", "2019.01")}},
		{`done 2019.01 call https://x.example/?q=1 "all said" digest=sha256:ab`, Command{Path: "done", Args: m("run", "2019.01", "step", "call"),
			Rest: []string{"https://x.example/?q=1", "all said"}, Inputs: m("digest", "sha256:ab")}},
		{`answer 2019.02 notes headline="Faster boot" n=3`, Command{Path: "answer", Args: m("run", "2019.02", "step", "notes"), Inputs: m("headline", "Faster boot", "n", "3")}},
		{"slipway", Command{Path: "help"}},
		{"help release retry", Command{Path: "help", Rest: []string{"release", "retry"}}},
		{"grant alan maintainer lava --from 2019-01-01 --until 2019-06-30T10:00:00+02:00", Command{Path: "grant",
			Args: m("person", "alan", "role", "maintainer", "project", "lava"), Options: m("from", "2019-01-01", "until", "2019-06-30T08:00:00Z")}},
	} {
		t.Run(c.text, func(t *testing.T) {
			r := one(t, c.text, Context{Addressed: true, Names: namesFor(c.text)})
			got, ok := r.(Command)
			if !ok {
				t.Fatalf("got %v", r)
			}
			for _, p := range []*map[string]string{&c.want.Args, &c.want.Inputs, &c.want.Options, &c.want.Near} {
				if *p == nil {
					*p = m()
				}
			}
			got.Raw, c.want.Line = "", 1
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// Steps of 2019.01 are known and complete; "call" is not among them.
func namesFor(text string) Names {
	if strings.HasPrefix(text, "done") {
		return nil
	}
	return names{}
}

func TestReplies(t *testing.T) {
	for text, want := range map[string]string{
		"release 2019.1":                            `I can't start release 2019.1: the month has one digit. Did you mean release 2019.01?`,
		"release lsit":                              `I know no command "release lsit". Did you mean release list?`,
		"relaese 2019.01":                           `I know no command "relaese". Did you mean release 2019.01?`,
		"why 2019.01":                               `I know no command "why". Did you mean release why 2019.01?`,
		"resume 2019.01":                            `I know no command "resume 2019.01". Did you mean release resume 2019.01?`,
		"resume efects":                             `I know no command "resume efects". Did you mean resume effects?`,
		"lock":                                      `I can't read "lock": it needs one more word. Say lock list, show or take.`,
		"xyzzy":                                     `I know no command "xyzzy". Say help to see what I can do.`,
		"release":                                   `I can't read "release": VERSION is missing. For example: release 2019.01. Usage: release VERSION`,
		"release skip 2019.01":                      `I can't read "release skip 2019.01": STEP is missing. Usage: release skip RUN STEP --reason TEXT`,
		"release skip 2019.01 go":                   `--reason is missing. Usage:`,
		"release show 2019.01 imges":                `2019.01 has no step "imges". Did you mean images?`,
		"release 2019.01 lvaa":                      `there is no project "lvaa". Did you mean lava?`,
		"grant grce maintainer lava":                `there is no person "grce". Did you mean grace?`,
		"grant grace maintainr lava":                `there is no role "maintainr". Did you mean maintainer?`,
		"lock show archive/stabel":                  `there is no lock "archive/stabel". Did you mean archive/stable?`,
		"release 2019.01 --plam":                    `release has no option --plam. Did you mean --plan?`,
		"release 2019.01 --plan=yes":                `--plan takes no value`,
		"release 2019.01 a=1 a=2":                   `a= is given twice`,
		"approve 2019.01 x=1":                       `approve takes no key=value`,
		"doubt 2019.01 go hapened":                  `VERDICT is happened, redo or failed, not "hapened". Did you mean happened?`,
		"release abort 2019.01 --reason the mirror": `I don't know what "mirror" is for; text of several words goes in quotes`,
		`release abort 2019.01 --reason "the`:       `the quote before "the" is not closed`,
		`release abort 2019.01 --reason "a\nb"`:     `\n in quotes means nothing`,
		`release abort 2019.01 --reason "a"b`:       `there is no space after the quoted "a"`,
		"release abort 2019.01 —reason “the “new” m": `there is no space after the quoted "the "`,
		"slipway release `2019.01`":                  `text in backticks is not carried out`,
		"rеlease 2019.01":                            `(U+0435), which is not a plain letter. Did you mean release 2019.01?`,
		"release 2019.0１":                            `(U+FF11), which is not a plain letter`,
		"release 2019.01\u202e":                      `an invisible character (U+202E)`,
		"release 2019.01\x1b[2J":                     `an invisible character (U+001B)`,
		"release --upload-pack=x":                    `release has no option --upload-pack`,
		"release 2019.01 -x":                         `"-x" is not the name of a project`,
		"release why ../../etc":                      `"../../etc" is not the name of a run`,
		"release 2019.01;id":                         `"2019.01;id" is not a version`,
		"release $(id)":                              `"$(id)" is not a version`,
		"freeze add x --from 2019-02-30 --until 2019-03-01 --reason y": `"2019-02-30" is not a date`,
		"release " + strings.Repeat("9", 2000):                         `2000 is the limit`,
		`"release" 2019.01`:                                            `does not begin with a command`,
	} {
		t.Run(text, func(t *testing.T) {
			r, ok := one(t, text, Context{Addressed: true, Names: names{}}).(Reply)
			if !ok || !strings.Contains(r.Text, want) {
				t.Errorf("got  %q\nwant %q", r.Text, want)
			}
		})
	}
}

func TestShownTextNeverRuns(t *testing.T) {
	for _, text := range []string{
		"> slipway release 2019.01",
		"  >slipway release 2019.01",
		"&gt; slipway release 2019.01",
		">>> look\nslipway release 2019.01",
		"```\nslipway release 2019.01\n```",
		"~~~\nslipway release 2019.01",
		"see ```slipway a\nslipway release 2019.01\n``` ok",
		"```slipway release 2019.01```",
		"    slipway release 2019.01",
		"\tslipway release 2019.01",
		"  \tslipway release 2019.01",
		"`slipway release 2019.01`",
		"see `this\nslipway release 2019.01\nthat`",
		"I said slipway release 2019.01",
		"slipways release 2019.01",
		"slipway-bot release 2019.01",
		"- slipway release 2019.01",
		"ѕlipway release 2019.01",
		"release 2019.01",
		"",
	} {
		if r, ok := one(t, text, Context{}).(Ignore); !ok {
			t.Errorf("%q was not ignored: %v", text, r)
		}
	}
	if r, ok := one(t, "slipway release 2019.01", Context{Forwarded: true, Addressed: true}).(Ignore); !ok {
		t.Errorf("forwarded text gave %v", r)
	}
}

func TestSeveralLines(t *testing.T) {
	text := "hello\nslipway release 2019.01\n> slipway mine\nslipway relese 2019.02\r\n<@U0B0T> mine\nslipway mien"
	got := table(t).Parse(text, Context{Addresses: []string{"slipway", "<@U0B0T>"}})
	if len(got) != 3 {
		t.Fatalf("got %v", got)
	}
	if c := got[0].(Command); c.Line != 2 || c.Raw != "release 2019.01" {
		t.Errorf("first: %+v", c)
	}
	if c := got[1].(Command); c.Line != 5 || c.Path != "mine" {
		t.Errorf("second: %+v", c)
	}
	want := "Line 4: I know no command \"relese\". Did you mean release 2019.02?\nLine 6: I know no command \"mien\". Did you mean mine?"
	if r := got[2].(Reply); r.Text != want || !cmp.Equal(r.Lines, []int{4, 6}) {
		t.Errorf("reply: %+v", r)
	}
	many := strings.Repeat("slipway mine\n", MaxCommands+1)
	if r, ok := one(t, many, Context{}).(Reply); !ok || !strings.Contains(r.Text, "none of your 21 lines") {
		t.Errorf("too many lines: %v", r)
	}
}

func TestARunsThreadNamesTheRun(t *testing.T) {
	ctx := Context{Addressed: true, Run: "r-17"}
	for text, want := range map[string]string{"approve": "r-17", "release why": "r-17", "release why 2019.02": "2019.02",
		"appoint grace coordinator": "r-17", `release abort --reason "no"`: "r-17"} {
		if c, ok := one(t, text, ctx).(Command); !ok || c.Args["run"] != want {
			t.Errorf("%q: got %+v", text, c)
		}
	}
	if r, ok := one(t, `release skip --reason "x"`, ctx).(Reply); !ok || !strings.Contains(r.Text, "STEP is missing") {
		t.Errorf("got %v", r)
	}
}

func TestARuleMayCarryItsOwnHint(t *testing.T) {
	tab, err := Standard(Release(func(v string) error {
		if v == "2019.13" {
			return errs.E("release.version", errs.Invalid, errors.New("there is no month 13")).Hint("Write a month from 01 to 12")
		}
		return nil
	}, nil))
	if err != nil {
		t.Fatal(err)
	}
	want := "I can't start release 2019.13: there is no month 13. Write a month from 01 to 12."
	if r := tab.Parse("release 2019.13", Context{Addressed: true})[0].(Reply); r.Text != want {
		t.Errorf("got %q", r.Text)
	}
}

func TestTableRefusesBadEntries(t *testing.T) {
	good := Entry{Path: "mine", Summary: "s", Who: "w", Examples: []string{"mine"}}
	for name, spoil := range map[string]func(*Entry){
		"no example":                   func(e *Entry) { e.Examples = nil },
		"no summary":                   func(e *Entry) { e.Summary = " " },
		"who may use it":               func(e *Entry) { e.Who = "" },
		"small letters":                func(e *Entry) { e.Path = "Mine" },
		"is not a command":             func(e *Entry) { e.Examples = []string{"mine", "mine x"} },
		"follows an optional":          func(e *Entry) { e.Args = []Arg{{Name: "a", Kind: Word, Optional: true}, {Name: "b", Kind: Word}} },
		"not the last":                 func(e *Entry) { e.Args = []Arg{{Name: "a", Kind: Word, Variadic: true}, {Name: "b", Kind: Word}} },
		"a kind that holds a value":    func(e *Entry) { e.Args = []Arg{{Name: "a", Kind: Flag}} },
		"option \"X\" needs a name":    func(e *Entry) { e.Options = []Option{{Name: "X", Kind: Flag}} },
		"input \"k\" needs a name":     func(e *Entry) { e.Inputs = []Input{{Name: "k"}} },
		"wants inputs but takes none.": func(e *Entry) { e.MinInputs = 1 },
	} {
		e := good
		spoil(&e)
		if _, err := New(e); err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(name, ".")) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := New(good, good); err == nil {
		t.Error("the same path twice was accepted")
	}
}

func TestEveryPrintedExampleIsACommand(t *testing.T) {
	tab := table(t)
	for _, e := range tab.Entries() {
		help := tab.Help(e.Path)
		_, examples, _ := strings.Cut(help, "For example:\n")
		n := 0
		for _, x := range strings.Split(examples, "\n") {
			if !strings.HasPrefix(x, "  ") {
				continue
			}
			n++
			c, ok := one(t, strings.TrimSpace(x), Context{Addressed: true}).(Command)
			if !ok || c.Path != e.Path {
				t.Errorf("%s: example %q is not that command", e.Path, x)
			}
		}
		if n == 0 {
			t.Errorf("%s: its help prints no example", e.Path)
		}
	}
}

func TestWords(t *testing.T) {
	tab := table(t)
	golden(t, "commands.md", tab.Markdown())
	golden(t, "help.txt", tab.Help("")+"----\n"+tab.Help("release retry")+"----\n"+tab.Help("lock")+"----\n"+tab.Help("relase why"))
}

func TestComplete(t *testing.T) {
	tab := table(t)
	for prefix, want := range map[string]string{
		"rel":                            "release",
		"release h":                      "history hold",
		"release why release/lava/":      "release/lava/2019.01 release/lava/2019.02",
		"release retry 2019.01 ch":       "changelog",
		"release retry 2019.01 --":       "--from",
		"release retry 2019.01 --from g": "go",
		"release 2019.01 l":              "lava",
		"grant g":                        "grace",
		"grant grace ":                   "--from --until coordinator maintainer",
		"doubt 2019.01 go re":            "redo",
		"lock take ":                     "--for --from --reason archive/stable repo/lava",
		`release hold x --reason "a b`:   "",
		"zzz ":                           "",
	} {
		if got := strings.Join(tab.Complete(prefix, names{}), " "); got != want {
			t.Errorf("%q: got %q, want %q", prefix, got, want)
		}
	}
	if got := tab.Complete("", nil); len(got) < 10 {
		t.Errorf("nothing typed yet: %v", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"list", "lsit", 1}, {"release", "relaese", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}, {"é", "e", 1}} {
		if got := errs.Distance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-c]{0,6}`)
		a, b, c := word.Draw(t, "a"), word.Draw(t, "b"), word.Draw(t, "c")
		ab := errs.Distance(a, b)
		if ab != errs.Distance(b, a) || (ab == 0) != (a == b) || ab > max(len(a), len(b)) {
			t.Fatalf("distance(%q, %q) = %d", a, b, ab)
		}
		if a+c != b+c && errs.Distance(a+c, b+c) > ab {
			t.Fatalf("a common end makes %q and %q further apart", a, b)
		}
	})
}

func TestQuoteReadsBack(t *testing.T) {
	tab := table(t)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.RuneFrom([]rune(`ab "'\“”’=-—é✅`)), 1, 40, -1).Draw(t, "s")
		if strings.TrimSpace(s) == "" {
			return
		}
		r := tab.Parse("release abort 2019.01 --reason "+Quote(s), Context{Addressed: true})
		c, ok := r[0].(Command)
		if !ok || c.Options["reason"] != s {
			t.Fatalf("%q came back as %v", s, r[0])
		}
	})
}

func FuzzParse(f *testing.F) {
	tab := table(f)
	for _, e := range tab.Entries() {
		for _, x := range e.Examples {
			f.Add(x, true)
		}
	}
	for _, s := range []string{"", "slipway", "```", "`a\nb`", "\"", "—x", "--", "--=", "=", "x=\"", "release \\", "@slipway:,", "\xff", "> x\n>>> y\nz",
		"release 2019.01 --plan --plan", "a\u2028b", "slipway\u00a0mine", "«a», ‘b’"} {
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, text string, addressed bool) {
		got := tab.Parse(text, Context{Addressed: addressed, Names: names{}})
		if len(got) == 0 {
			t.Fatal("no result")
		}
		lines := strings.Count(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"), "\n") + 1
		for i, r := range got {
			switch r := r.(type) {
			case Command:
				if !tab.has(r.Path) || r.Line < 1 || r.Line > lines || checkRunes(r.Raw) != nil {
					t.Fatalf("bad command %+v", r)
				}
				again, ok := tab.Parse(r.Raw, Context{Addressed: true, Names: names{}})[0].(Command)
				if !ok || again.Path != r.Path {
					t.Fatalf("%q does not read back: %+v", r.Raw, again)
				}
			case Reply:
				if i != len(got)-1 || r.Text == "" || len(r.Lines) == 0 {
					t.Fatalf("bad reply %+v", r)
				}
			case Ignore:
				if len(got) != 1 {
					t.Fatal("an ignore is not alone")
				}
			}
		}
		quoted := "> " + strings.ReplaceAll(strings.ReplaceAll(text, "\r", "\n"), "\n", "\n> ")
		if _, ok := tab.Parse(quoted, Context{Addressed: addressed})[0].(Ignore); !ok {
			t.Fatalf("%q ran although it is quoted", quoted)
		}
		tab.Complete(text, names{})
		tab.Help(text)
	})
}
