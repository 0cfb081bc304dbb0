package playbook

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/bot/version"
)

func scope() Scope {
	outs := map[string]map[string]any{
		"state":           {"head": "abc", "last_tag": "v1"},
		"log":             {"text": "one\ntwo\n", "commit": "c0ffee", "count": int64(2)},
		"payload":         {"digest": "sha256:" + strings.Repeat("a", 64), "size": int64(7)},
		"builds/build":    {"digest": "sha256:" + strings.Repeat("b", 64), "ok": true, "took": "1m30s"},
		"maybe":           nil,
		"appoint":         {"person": "p1", "fast": true, "by": "p0"},
		"builds":          {"items": []any{map[string]any{"key": "a", "state": "done", "build": map[string]any{"digest": "d", "ok": true, "took": "1s"}}, map[string]any{"key": "b", "state": "failed"}}},
		"never_in_script": nil,
	}
	return Scope{
		Inputs:  map[string]any{"version": "2019.10", "date": "2019-01-31T08:00:00Z", "base": "2019.10"},
		Project: map[string]any{"name": "lava", "branch": "master", "suites": []any{map[string]any{"name": "buster", "arch": "armel"}}},
		Run:     map[string]any{"id": "r1", "name": "release/lava/2019.10", "requester": "p9"},
		Step: func(path string) (map[string]any, bool) {
			o := outs[path]
			return o, o != nil
		},
		Locals: map[string]any{
			"suite":    map[string]any{"name": "buster", "arch": "armel"},
			"items":    outs["builds"]["items"],
			"roles":    map[string]any{"coordinator": []string{"p1"}},
			"ledgers":  map[string]any{"sites": map[string]any{"total": int64(3), "count": map[string]any{"asked": int64(3)}}},
			"pipeline": map[string]any{"status": "success", "open": int64(0), "started": "2019-01-01T00:00:00Z"},
		},
		Now: time.Date(2019, 2, 1, 0, 0, 0, 0, time.UTC),
	}
}

func TestExpressionsGiveTypedValues(t *testing.T) {
	cases := map[string]any{
		`"${inputs.version}"`:                                                "2019.10",
		`"${inputs.notes}"`:                                                  nil,
		`"${inputs.notes.orValue('-')}"`:                                     "-",
		`"${inputs.?notes.orValue('-')}"`:                                    "-",
		`"${inputs.date}"`:                                                   "2019-01-31T08:00:00Z",
		`"${inputs.date + duration('24h')}"`:                                 "2019-02-01T08:00:00Z",
		`"v${inputs.version}-${steps.payload.size}"`:                         "v2019.10-7",
		`"$${x} ${run.id}"`:                                                  "${x} r1",
		`"${ {'a': '}'}['a'] }"`:                                             "}",
		`"${steps.log.count + 1}"`:                                           int64(3),
		`"${steps.log.tag}"`:                                                 nil,
		`"${steps.log.?tag.orValue('none')}"`:                                "none",
		`"${has(steps.log.tag)}"`:                                            false,
		`"${has(steps.state.last_tag)}"`:                                     true,
		`"${steps.maybe.hasValue()}"`:                                        false,
		`"${steps.maybe.tag}"`:                                               nil,
		`"${steps.maybe.?tag.orValue('x')}"`:                                 "x",
		`"${lines(steps.log.text)}"`:                                         []any{"one", "two"},
		`"${version_older('2019.9', inputs.version)}"`:                       true,
		`"${version_same('2019.1', '2019.01')}"`:                             true,
		`"${short(steps.payload.digest)}"`:                                   "aaaaaaaaaaaa",
		`"${roles['coordinator']}"`:                                          []any{"p1"},
		`"${roles['coordinator'].size() > 0}"`:                               true,
		`"${ledgers.sites.total}"`:                                           int64(3),
		`"${ledgers.sites.count.deployed}"`:                                  int64(0),
		`"${steps.builds.items.filter(i, i.state == 'done').map(i, i.key)}"`: []any{"a"},
		`"${steps.builds.items.map(i, i.build.ok.orValue(false))}"`:          []any{true, false},
		`"${steps.builds.items.filter(i, i.build.hasValue()).map(i, i.build.digest.orValue('?'))}"`: []any{"d"},
		`"${project.suites.map(s, s.name + '/' + s.arch).join(', ')}"`:                              "buster/armel",
		`"${project.suites}"`: []any{map[string]any{"name": "buster", "arch": "armel"}},
		`"${steps.builds.items[0].build.took.orValue(duration('0s')) > duration('500ms')}"`: true,
		`2019.10`: "2019.10", `1e3`: "1e3", `0x10`: "0x10", `on`: "on", `null`: "null", `~`: "~", `no`: "no", `"${'a' in ['a']}"`: true,
	}
	for text, want := range cases {
		src := strings.Replace(release, `outputs: {tag: "${steps.tag.tag}"}`, `outputs: {tag: "x", probe: `+text+"}", 1)
		p := mustCheck(t, src, map[string]string{"update": update})
		got, err := p.Outputs[1].Value.Eval(scope())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s gave %#v (%v), want %#v", text, got, err, want)
		}
	}
}

func TestConditionsAndValuesOfSteps(t *testing.T) {
	p := mustCheck(t, release, map[string]string{"update": update})
	s := scope()
	for what, c := range map[string]struct {
		e    *Expr
		want bool
	}{
		"until":  {p.Step("ci").Wait.Until, true},
		"fail":   {p.Step("ci").Wait.Fail, false},
		"enough": {p.Step("builds").Each.Enough, false},
		"when":   {p.Step("maybe").When, false},
		"close":  {p.Step("sites").Each.Until, false},
	} {
		if got, err := c.e.Bool(s); err != nil || got != c.want {
			t.Errorf("%s gave %v, %v", what, got, err)
		}
	}
	with := p.Step("builds/build").Do.With
	for name, want := range map[string]any{"suite": "buster", "jobs": int64(4), "env": map[string]any{"V": "2019.10"}, "flags": []any{"-a", "armel"}} {
		if got, err := with[name].Eval(s); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s gave %#v, %v", name, got, err)
		}
	}
	if got, err := p.Step("builds").Each.Key.Eval(s); err != nil || got != "buster-armel" {
		t.Errorf("key gave %v, %v", got, err)
	}
	if got, err := p.Step("builds/test").Do.With["url"].Eval(s); err != nil || got != "http://x/bbbbbbbbbbbb/7" {
		t.Errorf("url gave %v, %v", got, err)
	}
}

func TestCostIsBounded(t *testing.T) {
	loop := "steps.builds.items.all(a, steps.builds.items.all(b, steps.builds.items.all(c, a.key + b.key != c.key)))"
	src := strings.Replace(release, "outputs: {tag", "outputs: {x: \"${"+loop+"}\", tag", 1)
	if _, found := findings(src, map[string]string{"update": update}); !strings.Contains(Errors(found).Error(), "more than the limit") {
		t.Errorf("%v", found)
	}
	p, err := Parse("p", []byte(strings.Replace(release, "outputs: {tag", "outputs: {x: \"${steps.builds.items.all(a, a.key != 'q')}\", tag", 1)))
	if err != nil {
		t.Fatal(err)
	}
	k := known(map[string]string{"update": update})
	k.MaxCost = 20000
	checked, found := Check(p, k)
	if checked == nil {
		t.Fatalf("%v", found)
	}
	s := scope()
	many := make([]any, 50000)
	for i := range many {
		many[i] = map[string]any{"key": "k", "state": "done"}
	}
	s.Step = func(string) (map[string]any, bool) { return map[string]any{"items": many}, true }
	if _, err := checked.Outputs[0].Value.Eval(s); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("50000 items: %v", err)
	}
}

func TestVersionsFollowDebianPolicy(t *testing.T) {
	order := []string{"1.0~rc1", "1.0", "1.0-1", "1.0a", "1.0+b1", "1.2", "1.10", "2018.12", "2019.9", "2019.10", "1:0.1"}
	for i, a := range order {
		for j, b := range order {
			got := version.Compare(a, b)
			if i < j && got >= 0 || i > j && got <= 0 || i == j && got != 0 {
				t.Errorf("%s against %s: %d", a, b, got)
			}
		}
	}
	if version.Compare("2019.1", "2019.01") != 0 || version.Compare("0:1", "1") != 0 {
		t.Error("equal versions differ")
	}
}

func TestDurations(t *testing.T) {
	for in, want := range map[string]time.Duration{"30s": 30 * time.Second, "1h30m": 90 * time.Minute, "7d": 168 * time.Hour, "2w": 336 * time.Hour} {
		if got, err := ParseDuration(in); err != nil || got != want {
			t.Errorf("%s: %v %v", in, got, err)
		}
	}
	for _, in := range []string{"", "5", "h", "-1h", "1.5h", "11w1y", "999999999w", "1 h", "9999999999s"} {
		if d, err := ParseDuration(in); err == nil {
			t.Errorf("%q became %v", in, d)
		}
	}
}

func TestFilesThatAreTooMuchAreRefused(t *testing.T) {
	for name, src := range map[string]string{
		"bytes":       "doc: " + strings.Repeat("x", MaxSource),
		"tokens":      "doc: [" + strings.Repeat("a,", maxTokens) + "]",
		"flow depth":  strings.Repeat("[", 1<<16),
		"block depth": strings.Repeat("- ", 1<<12) + "a",
		"expressions": "playbook: p\nname: \"" + strings.Repeat("${run.id}", 10000) + "\"\nsteps: {a: {do: x.y@1}}\n",
		"documents":   guarded + "---\n" + guarded,
		"control":     "playbook: p\x00",
		"no text":     "playbook: \xff\xfe",
		"empty":       "",
		"comment":     "# nothing\n",
		"scalar":      "hello",
		"list":        "- a",
	} {
		p, err := Parse("p.yaml", []byte(src))
		var list Errors
		if p != nil || !errors.As(err, &list) || len(list) == 0 || list[0].Pos.Line < 1 || list[0].Pos.File != "p.yaml" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryMistakeIsShownInOnePass(t *testing.T) {
	src := "playbook: p\ndco: x\nsteps:\n  a: {do: git.log, whn: x}\n  b: {wait: ci.pipeline@1, needs: [zz]}\n"
	_, found := findings(src, nil)
	if len(found) < 6 {
		t.Errorf("only %d findings:\n%s", len(found), Errors(found))
	}
	for i := 1; i < len(found); i++ {
		if found[i].Pos.before(found[i-1].Pos) {
			t.Error("findings are out of order")
		}
	}
}

func TestClosureMovesWithAnyChild(t *testing.T) {
	children := map[string]string{"update": update}
	p := mustCheck(t, release, children)
	before := Closure(p, known(children))
	children["update"] = strings.Replace(update, "head}", "head + 'x'}", 1)
	if Closure(p, known(children)) == before {
		t.Error("the closure did not change with the child")
	}
}

// TestDigestIgnoresLayout: comments, blank lines, quotes and the order of keys do not change the
// digest; any value does.
func TestDigestIgnoresLayout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := []string{"doc: hello", "name: \"x/${run.id}\"", "inputs: {v: {type: string, default: 2019.10}}"}
		steps := []string{"  a: {do: git.state@2}", "  b: {do: git.state@2, needs: [a]}", "  c: {do: git.state@2, needs: [a, b]}"}
		plain := "playbook: p\n" + strings.Join(lines, "\n") + "\nsteps:\n" + strings.Join(steps, "\n") + "\n"
		lines = rapid.Permutation(lines).Draw(t, "lines")
		steps = rapid.Permutation(steps).Draw(t, "steps")
		mixed := "# top\n" + strings.Join(lines, "\n\n") + " # note\nplaybook: 'p'\nsteps:   # all\n" + strings.Join(steps, "\n  # next\n") + "\n"
		if rapid.Bool().Draw(t, "quotes") {
			mixed = strings.ReplaceAll(mixed, "2019.10", `"2019.10"`)
		}
		if rapid.Bool().Draw(t, "crlf") {
			mixed = strings.ReplaceAll(mixed, "\n", "\r\n")
		}
		a, err := Parse("a", []byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		b, err := Parse("b", []byte(mixed))
		if err != nil {
			t.Fatal(err)
		}
		if a.Digest != b.Digest {
			t.Fatalf("digests differ:\n%s\n%s", plain, mixed)
		}
		c, err := Parse("c", []byte(strings.Replace(plain, "2019.10", "2019.1", 1)))
		if err != nil || c.Digest == a.Digest {
			t.Fatalf("2019.1 and 2019.10 have one digest (%v)", err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(release)
	f.Add(guarded)
	for _, s := range []string{"", "a", "- a", "playbook: p\nsteps: {a: {do: x.y@1}}", "{{{{", "[[[[[", "? a\n: b", "a: |\n  x\n b", "a: \"\\x41\\u0041\"", "--- a\n--- b", "%YAML 1.2\n---\na: b", "\xef\xbb\xbfplaybook: p", "a: 'x''y'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		p, err := Parse("f", []byte(src))
		if (p == nil) == (err == nil) {
			t.Fatal("neither a playbook nor an error")
		}
		if p == nil {
			return
		}
		again, err := Parse("g", []byte(src))
		if err != nil || again.Digest != p.Digest {
			t.Fatal("the second reading differs")
		}
		Check(p, known(nil))
	})
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"a${b}c", "$${a}", "${'}'}", "${r'\\'}", "${\"\"\"}\"\"\"}", "${{}}", "${ // }\n x}", "$", "${"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		pieces, _, err := splitTemplate(s)
		if err != nil {
			return
		}
		var b strings.Builder
		for _, p := range pieces {
			if p.expr {
				if s[p.at:p.at+len(p.text)] != p.text {
					t.Fatalf("the place of %q is wrong", p.text)
				}
				b.WriteString("${" + p.text + "}")
			} else {
				b.WriteString(strings.ReplaceAll(p.text, "${", "$${"))
			}
		}
		if b.String() != s {
			t.Fatalf("%q became %q", s, b.String())
		}
	})
}

func BenchmarkEval(b *testing.B) {
	p := mustCheck(b, release, map[string]string{"update": update})
	s := scope()
	for name, t := range map[string]*Template{"select": p.Step("tell").Do.With["subject"], "list": p.Step("go").Gate.Binds[2]} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := t.Eval(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("until", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Step("ci").Wait.Until.Bool(s); err != nil {
				b.Fatal(err)
			}
		}
	})
}
