package house

import (
	"fmt"
	"go/ast"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// attackRow is one line of the table of attacks in ARCHITECTURE.md: "| 7 | case | `room` TestA, TestB; `other` TestC |".
var (
	attackRow  = regexp.MustCompile(`^\| ([0-9]+) \| ([^|]+) \| ([^|]+) \|$`)
	attackRoom = regexp.MustCompile("^`([a-z0-9/_-]+)` ((?:Test|Fuzz)[A-Za-z0-9_]+(?:, (?:Test|Fuzz)[A-Za-z0-9_]+)*)$")
	namedTest  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]*)\([a-z]+ \*testing\.[TF]\)`)
)

// attacksHeading begins the table.
const attacksHeading = "## Attacks, and the tests that try them"

// attackTable reads the table: room → tests, and what is wrong with its form.
func attackTable(text string) (named map[string][]string, wrong []string) {
	named = map[string][]string{}
	_, text, found := strings.Cut(text, attacksHeading+"\n")
	if !found {
		return named, []string{"there is no part " + attacksHeading}
	}
	text, _, _ = strings.Cut(text, "\n## ")
	rows := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| # |") {
			continue
		}
		rows++
		row := attackRow.FindStringSubmatch(line)
		if row == nil || row[1] != strconv.Itoa(rows) {
			wrong = append(wrong, fmt.Sprintf("line %d is not the case %d: %s", rows, rows, line))
			continue
		}
		for _, part := range strings.Split(row[3], "; ") {
			m := attackRoom.FindStringSubmatch(strings.TrimSpace(part))
			if m == nil {
				wrong = append(wrong, fmt.Sprintf("case %d: %q names no room with its tests", rows, part))
				continue
			}
			named[m[1]] = append(named[m[1]], strings.Split(m[2], ", ")...)
		}
	}
	return named, wrong
}

// TestEveryAttackHasItsTests: the table names tests that are there, and every test that says that it is an
// attack stands in it.
func TestEveryAttackHasItsTests(t *testing.T) {
	root := top(t)
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	named, wrong := attackTable(string(text))
	for _, w := range wrong {
		t.Error(w)
	}
	there := map[string][]string{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		for _, m := range namedTest.FindAllStringSubmatch(string(source), -1) {
			there[filepath.ToSlash(rel)] = append(there[filepath.ToSlash(rel)], m[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for room, tests := range named {
		for _, name := range tests {
			count++
			if !slices.Contains(there[room], name) {
				t.Errorf("ARCHITECTURE.md names %s of %s, which is not there", name, room)
			}
		}
	}
	if count < 100 {
		t.Errorf("the table names only %d tests: it was read wrongly", count)
	}
	for room, tests := range there {
		for _, name := range tests {
			if strings.HasPrefix(name, "TestAttack") && !slices.Contains(named[room], name) {
				t.Errorf("%s of %s is an attack, and ARCHITECTURE.md has no case for it", name, room)
			}
		}
	}
}

func TestAWrongTableOfAttacksIsSeen(t *testing.T) {
	named, wrong := attackTable("x\n" + attacksHeading + "\n\n| # | case | tests |\n|---|---|---|\n| 1 | a | `bot/run` TestA, FuzzB; `cmd/x` TestC |\n| 3 | b | TestD |\n| 3 | c | elsewhere |\n\n## More\n| 9 | d | `e` TestF |\n")
	if len(wrong) != 2 || !slices.Equal(named["bot/run"], []string{"TestA", "FuzzB"}) || !slices.Equal(named["cmd/x"], []string{"TestC"}) || len(named) != 2 {
		t.Errorf("read %v, wrong %q", named, wrong)
	}
	if _, wrong := attackTable("nothing"); len(wrong) != 1 {
		t.Error("a missing table is not seen")
	}
}

// comparesSecrets are the files that compare what a sender shows with what it should be.
func comparesSecrets() []string {
	return []string{"integrations/gitlab/hook/verify.go", "integrations/slack/hook/verify.go", "integrations/signing/server.go", "integrations/console/login/oidc.go",
		"integrations/gitlab/notes/marker.go", "bot/engine/subscriptions.go"}
}

// comparing counts comparisons in constant time in a file, and lists those that take as long as what is
// compared is alike.
func comparing(f file) (constant int, other []string) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, _ := sel.X.(*ast.Ident)
		if pkg == nil {
			return true
		}
		switch name := f.imports[pkg.Name] + "." + sel.Sel.Name; name {
		case "crypto/hmac.Equal", "crypto/subtle.ConstantTimeCompare":
			constant++
		case "bytes.Equal", "bytes.Compare", "slices.Equal", "slices.Compare", "reflect.DeepEqual", "strings.EqualFold":
			other = append(other, fmt.Sprintf("%s:%d %s", f.path, f.fset.Position(n.Pos()).Line, name))
		}
		return true
	})
	return constant, other
}

// TestSecretsAreComparedInConstantTime: how long a refusal takes says nothing of the secret. Whatever makes
// a MAC or compares a secret does nothing else there.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	wanted := comparesSecrets()
	for _, f := range sources(t) {
		constant, other := comparing(f)
		if constant > 0 || slices.Contains(wanted, f.path) {
			for _, where := range other {
				t.Errorf("%s takes as long as what is compared is alike", where)
			}
		}
		if at := slices.Index(wanted, f.path); at >= 0 {
			wanted = slices.Delete(wanted, at, at+1)
			if constant == 0 {
				t.Errorf("%s compares no secret in constant time", f.path)
			}
		}
	}
	for _, path := range wanted {
		t.Errorf("%s is not there any more: where are its secrets compared?", path)
	}
}
