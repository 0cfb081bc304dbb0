package slack

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "derive the description again")

// notes is a test that writes down what it is told.
type notes struct {
	told []string
	done []func()
}

func (n *notes) Helper()          {}
func (n *notes) Cleanup(f func()) { n.done = append(n.done, f) }
func (n *notes) Errorf(format string, args ...any) {
	n.told = append(n.told, fmt.Sprintf(format, args...))
}
func (n *notes) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func TestAWrongRequestFailsTheTest(t *testing.T) {
	for _, c := range []struct {
		method string
		args   []string
		want   string // "" for nothing
	}{
		{"auth.test", nil, ""},
		{"chat.postMessage", []string{"channel", "C", "text", "x"}, ""},
		{"chat.postMessage", []string{"channel", "C", "txt", "x"}, `there is no argument "txt"`},
		{"chat.postMessage", []string{"text", "x"}, `argument "channel" is missing`},
		{"chat.postMessage", []string{"channel", "C", "text", "x", "blocks", "{"}, `argument "blocks" must be JSON`},
		{"chat.postMessage", []string{"channel", "C", "text", "x", "unfurl_links", "no"}, `argument "unfurl_links" must be true or false`},
		{"chat.update", []string{"channel", "C", "text", "x"}, `argument "ts" is missing`},
		{"conversations.history", []string{"channel", "C", "limit", "many"}, `argument "limit" must be a whole number`},
		{"conversations.history", []string{"channel", "C", "oldest", "yesterday"}, `argument "oldest" must be a number`},
		{"conversations.history", []string{"limit", "1"}, `argument "channel" is missing`},
		{"reactions.add", []string{"channel", "C", "name", "x"}, `argument "timestamp" is missing`},
		{"usergroups.users.list", nil, `argument "usergroup" is missing`},
		{"views.open", []string{"trigger_id", "1.2.x"}, `argument "view" is missing`},
		{"users.everything", nil, "is no method"},
		{"files.upload", []string{"content", "x"}, "is no method"},
	} {
		var n notes
		s := Start(&n, Options{})
		h := &harbour{TB: t, s: s}
		out := h.post(c.method, c.args...)
		for _, f := range n.done {
			f()
		}
		all := strings.Join(n.told, "\n")
		if c.want == "" && all != "" || !strings.Contains(all, c.want) {
			t.Errorf("%s %q: told %q, want %q", c.method, c.args, all, c.want)
		}
		if c.want != "" && out["ok"] != false {
			t.Errorf("%s %q is answered: %v", c.method, c.args, out)
		}
	}
}

func TestFormsOfRequests(t *testing.T) {
	var told []string
	h := newHarbour(t, Options{Wrong: func(w string) { told = append(told, w) }})
	if out := h.json("chat.postMessage", map[string]any{"channel": h.quay, "text": "x", "blocks": []any{map[string]any{"type": "divider"}}, "unfurl_links": false}); out["ok"] != true {
		t.Errorf("JSON: %v", out)
	}
	if len(told) > 0 {
		t.Errorf("told: %q", told)
	}
	if out := h.json("chat.postMessage", map[string]any{"channel": h.quay, "text": 7}); out["error"] != "invalid_arguments" {
		t.Errorf("a number as text: %v", out)
	}
	if out := h.json("conversations.history", map[string]any{"channel": h.quay}); out["error"] != "invalid_arguments" || !strings.Contains(strings.Join(told, "\n"), "it takes no JSON") {
		t.Errorf("JSON where there is none: %v; told %q", out, told)
	}
	r, err := http.Post(h.s.URL+"auth.test?token="+h.s.App().Token, "application/x-www-form-urlencoded", nil)
	h.must(err)
	if out := h.decode(r.Body); out["error"] != "not_allowed_token_type" || !strings.Contains(strings.Join(told, "\n"), "in the query") {
		t.Errorf("a token in the query: %v", out)
	}
	r, err = http.Post(h.s.URL+"auth.test", "text/csv", strings.NewReader("x"))
	h.must(err)
	if out := h.decode(r.Body); out["error"] != "invalid_post_type" {
		t.Errorf("another content type: %v", out)
	}
}

// Every correction of the description names one method that the server has, cites a page of the
// vendor, and is needed.
func TestTheOverlayIsNoWiderThanItMustBe(t *testing.T) {
	d, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	h := newHarbour(t, Options{})
	bare := &description{methods: d.methods}
	for name, all := range d.corrections {
		if _, known := h.s.methods[name]; !known {
			t.Errorf("%s is corrected, and the server does not have it", name)
		}
		for _, one := range all {
			if one.See != "https://docs.slack.dev/reference/methods/"+name || one.Why == "" {
				t.Errorf("%s: see %q, why %q", name, one.See, one.Why)
			}
			_, was, known := bare.operation(name)
			if known == one.New {
				t.Errorf("%s: new is %v, and the description has it: %v", name, one.New, known)
			}
			for _, a := range one.Args {
				if old, has := was[a.Name]; has && old.Type == a.Type && old.Required == a.Required {
					t.Errorf("%s: argument %s is described so already", name, a.Name)
				}
			}
		}
	}
	for name := range h.s.methods {
		if _, _, known := d.operation(name); !known {
			t.Errorf("the server has %s, and neither the description nor the overlay does", name)
		}
	}
}

// vendors reads the description as the vendor wrote it: path → what is said of it.
func vendors(t *testing.T) map[string]json.RawMessage {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "slack-web-openapi-v2.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]json.RawMessage `json:"paths"`
	}
	if err := json.NewDecoder(z).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return doc.Paths
}

// What the server holds requests against is the vendor's. -update derives it again.
func TestTheDescriptionIsTheVendors(t *testing.T) {
	h := newHarbour(t, Options{})
	paths, out := vendors(t), map[string]operation{}
	for name := range h.s.methods {
		raw, has := paths["/"+name]
		if !has {
			continue
		}
		var path map[string]struct {
			Consumes   []string   `json:"consumes"`
			Parameters []argument `json:"parameters"`
		}
		h.must(json.Unmarshal(raw, &path))
		for _, one := range path {
			args := slices.DeleteFunc(one.Parameters, func(a argument) bool { return a.Name == "token" })
			out[name] = operation{JSON: slices.Contains(one.Consumes, "application/json"), Args: args}
		}
	}
	want, err := json.MarshalIndent(out, "", " ")
	h.must(err)
	want = append(want, '\n')
	if *update {
		h.must(os.WriteFile(filepath.Join("testdata", "described.json"), want, 0o644))
	} else if !bytes.Equal(want, described) {
		t.Error("testdata/described.json is not what the description says; run with -update and read the difference")
	}
}

// Answers have what the description says that they must have.
func TestAnswersAreAsDescribed(t *testing.T) {
	h := newHarbour(t, Options{})
	paths := vendors(t)
	ts := h.card()
	h.must(h.s.React(h.ada, h.quay, ts, "eyes"))
	group := h.s.AddGroup(Group{Name: "Crew", Handle: "crew", Users: []string{h.ada}})
	for _, c := range [][]string{
		{"auth.test"}, {"users.info", "user", h.ada}, {"users.list"}, {"bots.info", "bot", h.s.App().Bot}, {"team.info"},
		{"users.lookupByEmail", "email", "ada@harbour.example"}, {"usergroups.list"}, {"usergroups.users.list", "usergroup", group.ID},
		{"conversations.info", "channel", h.quay}, {"conversations.members", "channel", h.quay}, {"conversations.list"}, {"users.conversations"},
		{"conversations.open", "users", h.ada}, {"conversations.join", "channel", h.pub}, {"conversations.history", "channel", h.quay},
		{"conversations.replies", "channel", h.quay, "ts", ts}, {"chat.postMessage", "channel", h.quay, "text", "x"},
		{"chat.update", "channel", h.quay, "ts", ts, "text", "x"}, {"chat.postEphemeral", "channel", h.quay, "user", h.ada, "text", "x"},
		{"chat.getPermalink", "channel", h.quay, "message_ts", ts}, {"reactions.add", "channel", h.quay, "timestamp", ts, "name", "eyes"},
		{"reactions.get", "channel", h.quay, "timestamp", ts}, {"chat.delete", "channel", h.quay, "ts", ts},
	} {
		out := h.good(c[0], c[1:]...)
		for _, name := range required(t, paths["/"+c[0]]) {
			if _, has := out[name]; !has {
				t.Errorf("%s: the answer has no %s", c[0], name)
			}
		}
	}
}

// required are the fields that a good answer must have; of several forms, those that all have.
func required(t *testing.T, raw json.RawMessage) (out []string) {
	t.Helper()
	type schema struct {
		Required []string `json:"required"`
		Items    []schema `json:"items"`
		AnyOf    []schema `json:"anyOf"`
	}
	var path map[string]struct {
		Responses map[string]struct{ Schema json.RawMessage }
	}
	if err := json.Unmarshal(raw, &path); err != nil {
		t.Fatal(err)
	}
	for _, op := range path {
		var one schema
		if err := json.Unmarshal(op.Responses["200"].Schema, &one); err != nil {
			return nil // it is a list of forms
		}
		out = one.Required
	}
	slices.Sort(out)
	return out
}
