package api

import (
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/integrations/console"
	"slipway/test/openapi"
)

var update = flag.Bool("update", false, "write words.json anew")

func TestDocumentIsGood(t *testing.T) {
	if _, err := openapi.New(Document(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(Document(), Document()) {
		t.Error("the document is not the same each time")
	}
}

// TestWords holds words.json against the comments in the source: what has no doc tag takes its
// meaning from there.
func TestWords(t *testing.T) {
	s := &schemas{defs: object{}, types: map[string]reflect.Type{}, words: map[string]string{}, enums: enums()}
	for _, r := range (&API{}).routes() {
		if r.answer != nil {
			s.of(r.answer)
		}
	}
	s.of(reflect.TypeFor[console.Problem]())
	want, found := map[string]string{}, map[string]map[string]string{}
	for _, typ := range s.types {
		dir := strings.TrimPrefix(typ.PkgPath(), "slipway/")
		if found[dir] == nil {
			found[dir] = comments(t, filepath.Join("..", "..", "..", filepath.FromSlash(dir)))
		}
		key := pkgOf(typ) + "." + typ.Name()
		if doc := found[dir][typ.Name()]; doc != "" {
			want[key] = doc
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			if doc := found[dir][typ.Name()+"."+f.Name]; doc != "" && f.Tag.Get("doc") == "" && !embedded(f) {
				want[key+"."+f.Name] = doc
			}
		}
	}
	raw, err := json.MarshalIndent(want, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("words.json", append(raw, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, words()); d != "" {
		t.Errorf("words.json is not what the comments say; go test ./integrations/console/api -run TestWords -update writes it (-comments +file):\n%s", d)
	}
}

// comments are the first paragraphs of the comments of a folder's types and of their fields.
func comments(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.TYPE {
				continue
			}
			for _, spec := range gen.Specs {
				typ := spec.(*ast.TypeSpec)
				doc := typ.Doc
				if doc == nil {
					doc = gen.Doc
				}
				out[typ.Name.Name] = paragraph(doc)
				if st, ok := typ.Type.(*ast.StructType); ok {
					for _, field := range st.Fields.List {
						for _, name := range field.Names {
							said := paragraph(field.Doc)
							if said == "" {
								said = paragraph(field.Comment)
							}
							out[typ.Name.Name+"."+name.Name] = said
						}
					}
				}
			}
		}
	}
	return out
}

func paragraph(c *ast.CommentGroup) string {
	first, _, _ := strings.Cut(strings.TrimSpace(c.Text()), "\n\n")
	return strings.NewReplacer("\n", " ", "[", "", "]", "").Replace(first)
}

// TestEverythingIsDescribed demands words for every route, parameter and field.
func TestEverythingIsDescribed(t *testing.T) {
	ids := map[string]bool{}
	for _, r := range (&API{}).routes() {
		if r.doc == "" || r.id == "" || ids[r.id] || r.scope == "" {
			t.Errorf("%s %s has no words, no scope, or no name of its own", r.method, r.path)
		}
		ids[r.id] = true
		for _, f := range fields(r.ask) {
			if f.name == "" || f.Tag.Get("doc") == "" {
				t.Errorf("%s: the field %s has no name or no words", r.id, f.Name)
			}
			if f.in == "path" && !strings.Contains(r.path, "{"+f.name+"}") {
				t.Errorf("%s takes %s from a path without it", r.id, f.name)
			}
		}
		if n := strings.Count(r.path, "{"); n != len(slices.DeleteFunc(fields(r.ask), func(f field) bool { return f.in != "path" })) {
			t.Errorf("%s: %d parts of the path have no field", r.id, n)
		}
	}
	doc := document((&API{}).routes())
	defs := doc["components"].(object)["schemas"].(object)
	for _, name := range slices.Sorted(maps.Keys(defs)) {
		def := defs[name].(object)
		if def["description"] == nil {
			t.Errorf("%s has no words", name)
		}
		if def["properties"] == nil {
			t.Errorf("%s has no fields", name)
		}
	}
}
