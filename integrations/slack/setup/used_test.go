package setup

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTheTableIsWhatIsUsed: every method of the Web API that the program names is in the table of scopes or
// needs none, and every method in the table is named somewhere.
func TestTheTableIsWhatIsUsed(t *testing.T) {
	free := []string{"auth.test", "views.open", "apps.connections.open"} // no scope of a bot's token
	byLibrary := map[string]string{"GetConversationInfoContext": "conversations.info", "OpenViewContext": "views.open",
		"StartSocketModeContext": "apps.connections.open", "AuthTestContext": "auth.test"}
	method := regexp.MustCompile(`"((?:apps|auth|bots|chat|conversations|files|reactions|usergroups|users|views)\.[A-Za-z.]+)"`)
	call := regexp.MustCompile(`API\(\)\.([A-Za-z]+)\(`)
	used := map[string]string{}
	for _, pattern := range []string{"../*.go", "../*/*.go", "../../../cmd/slipway/slack*.go"} {
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
			for _, m := range method.FindAllStringSubmatch(string(raw), -1) {
				used[m[1]] = file
			}
			for _, m := range call.FindAllStringSubmatch(string(raw), -1) {
				name, known := byLibrary[m[1]]
				if !known {
					t.Errorf("%s calls %s of the library, and nothing says which method that is", file, m[1])
				}
				used[name] = file
			}
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
