package setup

import (
	"compress/gzip"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sources are the files of the program that may speak to Slack, without those that only list names.
func sources(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"../*.go", "../*/*.go", "../../../cmd/slipway/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v %v", pattern, files, err)
		}
		for _, file := range files {
			if name := filepath.Base(file); strings.HasSuffix(name, "_test.go") || name == "pacing.go" || name == "scopes.go" {
				continue
			}
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out[file] = string(raw)
		}
	}
	return out
}

// families are the first parts of the names of Slack's methods.
func families(t *testing.T) string {
	t.Helper()
	f, err := os.Open("../../../test/fakes/slack/testdata/slack-web-openapi-v2.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var described struct {
		Paths map[string]any `json:"paths"`
	}
	if err := json.NewDecoder(z).Decode(&described); err != nil || len(described.Paths) < 100 {
		t.Fatalf("%d methods are described: %v", len(described.Paths), err)
	}
	seen := map[string]bool{"assistant": true, "bookmarks": true, "canvases": true, "functions": true, "lists": true} // younger than the description
	for path := range described.Paths {
		family, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), ".")
		seen[family] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), "|")
}

// TestTheTableIsWhatIsUsed: every method of the Web API that the program names is in the table of scopes or
// needs none, and every method in the table is named somewhere.
func TestTheTableIsWhatIsUsed(t *testing.T) {
	free := []string{"auth.test", "views.open", "apps.connections.open"} // no scope of a bot's token
	byLibrary := map[string]string{"GetConversationInfoContext": "conversations.info", "OpenViewContext": "views.open",
		"StartSocketModeContext": "apps.connections.open", "AuthTestContext": "auth.test"}
	method := regexp.MustCompile(`"((?:` + families(t) + `)\.[A-Za-z.]+)"`)
	api := regexp.MustCompile(`\.API\(\)(?:\.([A-Za-z]+)\()?`)
	used := map[string]string{}
	for file, text := range sources(t) {
		for _, m := range method.FindAllStringSubmatch(text, -1) {
			used[m[1]] = file
		}
		for _, m := range api.FindAllStringSubmatch(text, -1) {
			name, known := byLibrary[m[1]]
			if !known {
				t.Errorf("%s calls %q of the library, and nothing says which method that is", file, m[1])
			}
			used[name] = file
		}
	}
	var table []string
	for _, s := range Scopes() {
		table = append(table, s.Methods...)
		for _, m := range s.Methods {
			if used[m] == "" {
				t.Errorf("the scope %s is there for %s, which nothing calls", s.Name, m)
			}
		}
	}
	for m, file := range used {
		if !slices.Contains(table, m) && !slices.Contains(free, m) {
			t.Errorf("%s calls %s, and the table of scopes does not have it", file, m)
		}
	}
}

// TestTheEventsAreWhatIsHeard: the app subscribes to every event that is understood, and to no other.
func TestTheEventsAreWhatIsHeard(t *testing.T) {
	text := sources(t)["../hook/decode.go"]
	_, table, found := strings.Cut(text, "read := map[string]func(")
	table, _, ends := strings.Cut(table, "}[what]")
	var heard []string
	for _, m := range regexp.MustCompile(`"([a-z_]+)": *[a-z]+\b`).FindAllStringSubmatch(table, -1) {
		if m[1] == "message" { // Slack has one event for each kind of channel
			heard = append(heard, "message.channels", "message.groups", "message.im")
			continue
		}
		heard = append(heard, m[1])
	}
	slices.Sort(heard)
	if want := events(wanted(true)); !found || !ends || !slices.Equal(heard, want) {
		t.Errorf("understood are %v\nand subscribed to %v", heard, want)
	}
}
