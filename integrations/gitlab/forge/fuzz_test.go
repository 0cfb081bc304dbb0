package forge

import (
	"path"
	"strings"
	"testing"
	"unicode"
)

func FuzzNames(f *testing.F) {
	for _, s := range []string{"!12 Fix the berth (ada)", "#7", "v2026.08", "feature/a b", "../x", ".git/config", "a/b.lock", "refs/heads/x", "Any"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if items, err := parseItems("t", []string{text}); err == nil && (len(items) != 1 || !strings.HasPrefix(text, items[0].ref())) {
			t.Errorf("%q is %v", text, items)
		}
		odd := strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) })
		if checkRef("t", "tag", text) == nil && (odd || strings.Contains(text, "..") || strings.HasPrefix(text, "/") || strings.Contains(text, " ")) {
			t.Errorf("%q is a name for git", text)
		}
		if checkPath("t", text) == nil && (odd || path.Clean("/"+text) != "/"+text || strings.Contains(strings.ToLower("/"+text+"/"), "/.git/")) {
			t.Errorf("%q is a path", text)
		}
		if checkMilestone("t", text) == nil && (odd || strings.EqualFold(text, "any") || strings.TrimSpace(text) == "") {
			t.Errorf("%q is the title of a milestone", text)
		}
		if a := address(text); a != "" && !strings.HasPrefix(a, "http") {
			t.Errorf("%q is an address", a)
		}
	})
}

func FuzzCommonFolder(f *testing.F) {
	f.Add("a/b/c", "a/b/d", "a/bc/d")
	f.Add("x", "a/b", "a/b/c")
	f.Add(".gitlab/types/a", ".gitlab/types/b", ".gitlab/x")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		var files []content
		for _, p := range []string{a, b, c} {
			if checkPath("t", p) != nil {
				return
			}
			files = append(files, content{path: p})
		}
		dir := common(files)
		for _, one := range files {
			if dir != "" && !strings.HasPrefix(one.path, dir+"/") {
				t.Errorf("%q is not below %q, the folder of %q, %q and %q", one.path, dir, a, b, c)
			}
		}
	})
}
