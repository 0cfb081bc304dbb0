package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"slipway/bot/errs"
	"slipway/commands/grammar"
)

var (
	readmeBlock = regexp.MustCompile("(?ms)^( *)```([a-z]*)\n(.*?)^ *```$")
	readmeCode  = regexp.MustCompile("`([^`]+)`")
)

// readmeParts are what README shows: its blocks by their kind, and what it shows within its text, each on
// one line.
func readmeParts(t *testing.T) (blocks map[string][]string, inline []string) {
	t.Helper()
	raw, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks = map[string][]string{}
	for _, m := range readmeBlock.FindAllStringSubmatch(string(raw), -1) {
		text := strings.ReplaceAll("\n"+m[3], "\n"+m[1], "\n") // blocks in a list stand further in
		blocks[m[2]] = append(blocks[m[2]], text)
	}
	for _, m := range readmeCode.FindAllStringSubmatch(readmeBlock.ReplaceAllString(string(raw), ""), -1) {
		inline = append(inline, strings.Join(strings.Fields(m[1]), " "))
	}
	return blocks, inline
}

// TestReadmeShowsConfigurationsThatExist: every block of YAML is a part of slipway.yaml, without a key that
// it does not know.
func TestReadmeShowsConfigurationsThatExist(t *testing.T) {
	blocks, _ := readmeParts(t)
	if len(blocks["yaml"]) < 2 {
		t.Fatalf("README has %d blocks of YAML: it was read wrongly", len(blocks["yaml"]))
	}
	for _, text := range blocks["yaml"] {
		var raw rawConfig
		if err := readYAML("README.md", []byte(text), &raw); err != nil {
			t.Errorf("%s\n%s", errs.Text(err), text)
		}
	}
	if err := readYAML("README.md", []byte("slack: {tem: T0}\n"), &rawConfig{}); err == nil {
		t.Error("an unknown key is not seen")
	}
}

// readmeLine is a command of this program as README shows it: without what stands for the reader's own
// words, and without comments.
func readmeLine(line string) (args []string, ok bool) {
	line, _, _ = strings.Cut(line, " #")
	line = strings.TrimPrefix(strings.TrimSpace(line), "bin/")
	line, ok = strings.CutPrefix(line, "slipway ")
	if !ok || strings.ContainsAny(line, "…<|") {
		return nil, false
	}
	return strings.Fields(line), true
}

// TestReadmeShowsCommandsThatExist: every command of this program, and every line that people type.
func TestReadmeShowsCommandsThatExist(t *testing.T) {
	blocks, inline := readmeParts(t)
	lines := inline
	for _, block := range blocks["sh"] {
		lines = append(lines, strings.Split(block, "\n")...)
	}
	seen := 0
	for _, line := range lines {
		args, ok := readmeLine(line)
		if !ok {
			continue
		}
		seen++
		var c cli
		parser, err := kong.New(&c, kong.Name("slipway"), kong.BindTo(context.Background(), (*context.Context)(nil)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(args); err != nil && !strings.Contains(err.Error(), "expected \"<") && !strings.Contains(err.Error(), "expected one of") {
			t.Errorf("slipway %s: %v", strings.Join(args, " "), err)
		}
	}
	if seen < 15 {
		t.Errorf("README shows %d commands of the program: it was read wrongly", seen)
	}
	table, err := grammar.Standard(grammar.Release(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	seen = 0
	for _, block := range blocks[""] {
		for _, line := range strings.Split(block, "\n") {
			line, _, _ = strings.Cut(line, " #")
			if _, after, ok := strings.Cut(line, "> "); ok {
				line = after
			}
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "/") {
				continue
			}
			seen++
			for _, got := range table.Parse(line, grammar.Context{Addressed: true}) {
				if _, ok := got.(grammar.Command); !ok {
					t.Errorf("%s: %+v", line, got)
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("README shows %d typed lines: it was read wrongly", seen)
	}
}

// TestTheExampleManifestOfSlack: the one to look at is what the program prints for the example.
func TestTheExampleManifestOfSlack(t *testing.T) {
	const folder = "../../deploy/example/"
	var out bytes.Buffer
	if err := (&manifestSlackCmd{}).print(folder+"slipway.yaml", &out, io.Discard); err != nil {
		t.Fatal(errs.Text(err))
	}
	want, err := os.ReadFile(folder + "slack-manifest.json")
	if err != nil || !bytes.Equal(want, out.Bytes()) {
		t.Errorf("deploy/example/slack-manifest.json is not what is printed (%v); write it anew: slipway --config deploy/example/slipway.yaml manifest slack > deploy/example/slack-manifest.json", err)
	}
}
