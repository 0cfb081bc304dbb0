// Package house holds the rules of the house: which room may use which, what the pure core must
// not touch, and that nothing is registered or kept behind anybody's back.
package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "slipway"

// file is one parsed source file outside of tests.
type file struct {
	path    string // from the top of the module, with slashes
	room    string // its folder
	ast     *ast.File
	fset    *token.FileSet
	imports map[string]string // name in this file → import path
	paths   []string          // every import path
}

func top(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		t.Fatal("no go.mod above the test")
	}
}

func sources(t *testing.T) []file {
	t.Helper()
	root := top(t)
	var files []file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parse(root, path)
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("found only %d files: the walk is wrong", len(files))
	}
	return files
}

func parse(root, path string) (file, error) {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
	if err != nil {
		return file{}, err
	}
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return file{}, err
	}
	rel = filepath.ToSlash(rel)
	f := file{path: rel, room: filepath.ToSlash(filepath.Dir(rel)), ast: tree, fset: fset, imports: map[string]string{}}
	for _, spec := range tree.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return file{}, err
		}
		name := p[strings.LastIndexByte(p, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		f.imports[name] = p
		f.paths = append(f.paths, p)
	}
	return f, nil
}

// may says whether a file in room may import the room other (both from the top of the module).
func may(room, other string) bool {
	in := func(area string) bool { return other == area || strings.HasPrefix(other, area+"/") }
	switch area, _, _ := strings.Cut(room, "/"); area {
	case "bot":
		return in("bot")
	case "commands":
		return in("bot") || in("commands")
	case "integrations":
		return in("bot") || sameFamily(room, other)
	case "state":
		return in("bot") || in("state")
	case "cmd":
		return !in("test")
	case "test":
		return true
	}
	return false
}

// sameFamily allows integrations/x to use integrations/x/y, the signing integration the OpenPGP
// one, since they speak of the same signatures, and every one Debian's file formats.
func sameFamily(room, other string) bool {
	parent := func(s string) string {
		parts := strings.SplitN(s, "/", 3)
		return strings.Join(parts[:min(2, len(parts))], "/")
	}
	return parent(room) == parent(other) ||
		room == "integrations/signing" && other == "integrations/openpgp" ||
		other == "integrations/debian"
}

func TestDependenciesPointInwards(t *testing.T) {
	for _, f := range sources(t) {
		for _, path := range f.paths {
			other, ours := strings.CutPrefix(path, module+"/")
			if ours && !may(f.room, other) {
				t.Errorf("%s imports %s: %s may not use it", f.path, path, f.room)
			}
		}
	}
}

func TestTheRuleOfDependencyCanFail(t *testing.T) {
	for _, c := range []struct {
		room, other string
		want        bool
	}{
		{"bot/run", "bot/gate", true},
		{"bot/engine", "state/bolt", false},
		{"bot/run", "commands/grammar", false},
		{"commands/release", "integrations/git", false},
		{"commands/release", "bot/action", true},
		{"integrations/git", "commands/release", false},
		{"integrations/git", "integrations/mail", false},
		{"integrations/signing", "integrations/openpgp", true},
		{"state/bolt", "bot/engine", true},
		{"cmd/slipway", "integrations/git", true},
		{"cmd/slipway", "test/fakes", false},
	} {
		if got := may(c.room, c.other); got != c.want {
			t.Errorf("may(%s, %s) = %v", c.room, c.other, got)
		}
	}
}

// pure lists the rooms without clock, network, disk, randomness or goroutine.
func pure() []string {
	return []string{"bot/run", "bot/gate", "bot/ledger", "bot/playbook", "bot/people", "bot/calendar",
		"bot/card", "bot/jsonout", "bot/manifest", "bot/job", "bot/version", "bot/rehearse", "bot/runbook", "bot/evidence", "bot/picture", "bot/finding", "bot/subscription"}
}

// barred maps import paths to the names in them that the pure core may not use; nil bars all.
func barred() map[string][]string {
	return map[string][]string{
		"time": {"Now", "Since", "Until", "After", "AfterFunc", "Tick", "Sleep", "NewTimer",
			"NewTicker", "LoadLocation", "Local"},
		"os": nil, "os/exec": nil, "os/signal": nil, "net": nil, "net/http": nil, "io/ioutil": nil,
		"math/rand": nil, "math/rand/v2": nil, "crypto/rand": nil, "syscall": nil, "unsafe": nil,
		"sync": {"WaitGroup", "Cond"}, "runtime": nil, "log": nil, "log/slog": nil,
		"path/filepath": {"Walk", "WalkDir", "Glob", "EvalSymlinks", "Abs"},
		"fmt":           {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
	}
}

// impurities lists what f does that the pure core may not.
func impurities(f file) []string {
	var found []string
	at := func(n ast.Node, what string) {
		found = append(found, fmt.Sprintf("%s:%d %s", f.path, f.fset.Position(n.Pos()).Line, what))
	}
	bars := barred()
	for _, spec := range f.ast.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		if names, known := bars[path]; known && names == nil {
			at(spec, "imports "+path)
		}
		if spec.Name != nil && spec.Name.Name == "." {
			at(spec, "dot-imports "+path+", which hides what is used")
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			at(n, "starts a goroutine")
		case *ast.SelectorExpr:
			id, ok := n.X.(*ast.Ident)
			if !ok {
				break
			}
			if names := bars[f.imports[id.Name]]; slices.Contains(names, n.Sel.Name) {
				at(n, "uses "+id.Name+"."+n.Sel.Name)
			}
		}
		return true
	})
	return found
}

func TestTheCoreIsPure(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range sources(t) {
		if !slices.Contains(pure(), f.room) {
			continue
		}
		seen[f.room] = true
		for _, what := range impurities(f) {
			t.Error(what)
		}
	}
	for _, room := range pure() {
		if !seen[room] {
			t.Errorf("%s has no files: the list of pure rooms is wrong", room)
		}
	}
}

func TestImpurityIsSeen(t *testing.T) {
	src := `package p
import ("os"; clock "time"; "math/rand")
func f() { go f(); _ = clock.Now; _ = clock.Second; os.Exit(1); rand.Int() }`
	dir := t.TempDir()
	path := filepath.Join(dir, "p.go")
	if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := parse(dir, path)
	if err != nil {
		t.Fatal(err)
	}
	if got := impurities(f); len(got) != 4 {
		t.Errorf("want 4 findings (os, math/rand, goroutine, clock.Now), got %q", got)
	}
}

// TestNothingIsKeptBehindAnybodysBack refuses init functions, blank imports and package-level
// variables that can change. Errors, compiled patterns, embedded files and interface assertions
// are constants in all but name.
func TestNothingIsKeptBehindAnybodysBack(t *testing.T) {
	for _, f := range sources(t) {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function", f.path)
			}
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR || isEmbed(gen) {
				continue
			}
			for _, spec := range gen.Specs {
				v := spec.(*ast.ValueSpec)
				if !constantInAllButName(f, v) {
					t.Errorf("%s:%d keeps the variable %s for the whole package", f.path,
						f.fset.Position(v.Pos()).Line, v.Names[0].Name)
				}
			}
		}
	}
}

func isEmbed(gen *ast.GenDecl) bool {
	if gen.Doc == nil {
		return false
	}
	for _, c := range gen.Doc.List {
		if strings.HasPrefix(c.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

func constantInAllButName(f file, v *ast.ValueSpec) bool {
	if v.Names[0].Name == "_" {
		return true
	}
	if len(v.Values) == 0 {
		return false
	}
	for _, value := range v.Values {
		call, ok := value.(*ast.CallExpr)
		if !ok {
			return false
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		pkg, _ := sel.X.(*ast.Ident)
		if pkg == nil {
			return false
		}
		switch f.imports[pkg.Name] + "." + sel.Sel.Name {
		case "errors.New", "regexp.MustCompile", "fmt.Errorf", "strings.NewReplacer", "slipway/bot/errs.E":
		default:
			return false
		}
	}
	return true
}

func TestRoomsHaveNamesThatSayWhatTheyHold(t *testing.T) {
	for _, f := range sources(t) {
		for _, part := range strings.Split(f.room, "/") {
			if slices.Contains([]string{"utils", "util", "common", "helpers", "misc"}, part) {
				t.Errorf("%s is in a room called %s", f.path, part)
			}
		}
	}
}

func TestTopLevelIsFixed(t *testing.T) {
	allowed := []string{"bot", "commands", "integrations", "state", "cmd", "deploy", "test", "go.mod", "go.sum",
		"README.md", "ARCHITECTURE.md", "Makefile", "LICENSE", ".ci", ".git", ".gitignore", "bin"}
	entries, err := os.ReadDir(top(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s does not belong at the top", e.Name())
		}
	}
}
