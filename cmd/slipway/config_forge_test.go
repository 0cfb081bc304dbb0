package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/errs"
)

// lavaExample is one of the documented configurations of LAVA, in a folder with the files that it
// names.
func lavaExample(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "deploy", "example", name))
	if err != nil {
		t.Fatal(err)
	}
	_, fingerprint := exampleFolder(t)
	for file, secret := range map[string]string{"gitlab-token": "glpat-k2J9x0Qp7Zr4Wm8Ty1Lc", "hook-lava": "k2J9x0Qp7Zr4Wm8Ty1LcQ3n5", "hook-fork": "Zr4Wm8Ty1LcQ3n5k2J9x0Qp7"} {
		if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return strings.ReplaceAll(string(data), "0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567", fingerprint)
}

func TestTheExamplesOfLAVAAreValid(t *testing.T) {
	for _, c := range []struct {
		file string
		want map[string]any
	}{
		{"lava-2019.yaml", map[string]any{"forge": "gitlab", "milestones": true, "order": "together", "changelog_style": "log", "archive": "lava",
			"fork": "https://git.lava.example/rosa/lava.git", "fork_branch": "master", "trial": "https://git.lava.example/rosa/lava.git", "trial_packages": false,
			"commit_message": "LAVA Software {version} release", "sign_off": false, "version_file": "", "handover_to": "shared/device-types"}},
		{"lava-today.yaml", map[string]any{"forge": "gitlab", "milestones": true, "order": "branch-first", "changelog_style": "gbp", "archive": "",
			"fork": "", "fork_branch": "", "trial": "", "trial_packages": false, "sign_off": true, "version_file": "lava_common/VERSION", "handover": ""}},
	} {
		t.Run(c.file, func(t *testing.T) {
			conf, err := parseConfig(c.file, []byte(lavaExample(t, c.file)))
			if err != nil {
				t.Fatal(errs.Text(err), errs.HintOf(err))
			}
			for field, want := range c.want {
				if got := conf.Projects["lava"].Profile[field]; got != want {
					t.Errorf("%s is %v, want %v", field, got, want)
				}
			}
		})
	}
}

// TestAProjectWithoutAForgeIsAsBefore: every field has a value that skips the steps of a forge, and the
// words of its commits and tags do not change.
func TestAProjectWithoutAForgeIsAsBefore(t *testing.T) {
	text, _ := exampleFolder(t)
	conf, err := parseConfig("slipway.yaml", []byte(text))
	if err != nil {
		t.Fatal(errs.Text(err))
	}
	p := conf.Projects["harbour"].Profile
	for field, want := range map[string]any{"forge": "", "milestones": false, "fork": "", "trial": p["remote"], "trial_packages": true, "order": "together",
		"changelog_style": "log", "version_file": "", "commit_message": "Harbour {version} release", "sign_off": false, "handover": ""} {
		if p[field] != want {
			t.Errorf("%s is %v, want %v", field, p[field], want)
		}
	}
}

func TestWhatDoesNotFitAForge(t *testing.T) {
	text := lavaExample(t, "lava-2019.yaml")
	for _, c := range []struct{ name, old, new, says, fix string }{
		{"milestones without a forge", "    providers: {forge: gitlab, ci: gitlab}\n", "    ci: [make]\n", "milestones is true, but the project has no forge", "providers: {forge: gitlab, ci: gitlab}"},
		{"a fork without pipelines there", "providers: {forge: gitlab, ci: gitlab}", "providers: {forge: gitlab}\n    ci: [make]", "fork is given, but pipelines do not run on a forge", "providers:"},
		{"a fork that is none", "fork: https://git.lava.example/rosa/lava.git", "fork: https://git.lava.example/lava/lava.git", "fork is the project's own repository", "name a fork"},
		{"a fork with a password", "fork: https://git", "fork: https://rosa:secret@git", "fork holds a user or a password", ".netrc"},
		{"a branch of no fork", "    fork: https://git.lava.example/rosa/lava.git\n", "", "fork_branch is given without a fork", "name the repository"},
		{"an unknown order", "order: together", "order: tag-first", "order is \"tag-first\"", "branch-first"},
		{"an unknown style", "changelog_style: log", "changelog_style: dch", "changelog_style is \"dch\"", "gbp"},
		{"a message without the version", "LAVA Software {version} release", "LAVA release", "commit_message is", "{version}"},
		{"a version file that leads out", "    order: together", "    version_file: ../VERSION\n    order: together", "version_file is", "top of the repository"},
		{"a hand-over of nothing", "      from: lava_scheduler_app/tests/device-types\n", "", "handover: remote or from is missing", "folder of the release"},
		{"a hand-over to anywhere", "      to: shared/device-types", "      to: /etc", "handover: to is \"/etc\"", "folder from the top"},
		{"a job without a name", "[amd64/pkg-debian-10, ", "[\"\", ", "artifact_jobs has \"\"", ".gitlab-ci.yml"},
	} {
		bad := strings.Replace(text, c.old, c.new, 1)
		if bad == text {
			t.Errorf("%s: the example has no %q", c.name, c.old)
			continue
		}
		_, err := parseConfig("slipway.yaml", []byte(bad))
		if err == nil || !strings.Contains(errs.Text(err), c.says) || !strings.Contains(errs.HintOf(err), c.fix) {
			t.Errorf("%s: %v (%s)", c.name, err, errs.HintOf(err))
		}
	}
}
