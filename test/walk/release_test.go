// Package walk holds the bundled playbooks against the heart: every state that their runs can
// reach, and what a small mistake in a playbook would change.
package walk

import (
	"os"
	"slices"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/engine"
	"slipway/bot/playbook"
	"slipway/bot/rehearse"
	"slipway/commands/release"
	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
	"slipway/integrations/debian/build"
	"slipway/integrations/git"
	"slipway/integrations/gitlab/forge"
	"slipway/integrations/localci"
	"slipway/integrations/mail"
	"slipway/integrations/signing"
)

// contracts are the real ones, of the code that performs them. Nothing is performed here.
func contracts(t testing.TB) []action.Contract {
	t.Helper()
	own, err := engine.Contracts()
	if err != nil {
		t.Fatal(err)
	}
	var bounds []action.Bound
	add := func(more []action.Bound, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		bounds = append(bounds, more...)
	}
	one := func(b action.Bound, err error) {
		t.Helper()
		add([]action.Bound{b}, err)
	}
	add(release.Bind(func() time.Time { return time.Time{} }))
	add(git.Bind(&git.Repositories{}, nil, nil))
	add(localci.Bind(nil, nil))
	add(forge.Bind(nil, nil))
	one(mail.NewAnnounce(nil, nil, 0).Bind())
	one(signing.NewTag(nil, func() time.Time { return time.Time{} }).Bind())
	one(signing.NewRelease(nil, func() time.Time { return time.Time{} }).Bind())
	add((&aptrepo.Actions{}).Bind())
	add(debian.Bind(nil))
	add(build.BindImport(nil, build.ImportOptions{}))
	set, err := action.NewSet(bounds...)
	if err != nil {
		t.Fatal(err)
	}
	return append(set.Contracts(), own...)
}

// profileType is what cmd lets playbooks read of a project.
func profileType() action.Type {
	var fields []action.Field
	for name := range profile() {
		typ := action.Type{Kind: action.String}
		if _, truth := profile()[name].(bool); truth {
			typ.Kind = action.Bool
		}
		if _, list := profile()[name].([]any); list {
			typ = action.ListOf(typ)
		}
		fields = append(fields, action.Field{Name: name, Type: typ})
	}
	return action.Obj(fields...)
}

// profile is a project without an archive.
func profile() map[string]any {
	return map[string]any{"name": "lava", "remote": "/srv/git/lava.git", "branch": "master", "tag_pattern": "20*", "scheme": "calendar",
		"changelog": "debian/changelog", "package": "lava", "suite": "unstable", "tagger": "Release Team <release@example.org>",
		"release_key": "0123456789ABCDEF0123456789ABCDEF01234567", "public_key": "key", "channel": "#lava",
		"broadcast": []any{"#lava", "#announce"}, "mail_from": "Release Team <release@example.org>",
		"mail_to": []any{"announce@lists.example.org"}, "ci": []any{"make", "test"},
		"archive": "", "archive_address": "", "archive_keys": []any{}, "suites": []any{}, "daily_suites": []any{}, "architectures": []any{},
		"build": []any{}, "lintian": "off", "packaging": "", "packaging_branch": "", "packaging_upstream": "", "packaging_debian": "keep",
		"forge": "", "milestones": false, "fork": "", "fork_branch": "", "trial": "/srv/git/lava.git", "trial_packages": false, "order": "together",
		"artifact_jobs": []any{}, "changelog_style": "log", "version_file": "", "commit_message": "lava {version} release", "sign_off": false,
		"handover": "", "handover_branch": "", "handover_from": "", "handover_to": ""}
}

// archived is a project with an archive, of one suite and one key.
func archived() map[string]any {
	p := profile()
	p["archive"], p["archive_address"], p["archive_keys"] = "lava", "https://apt.example.org", []any{"AB01234567890123456789012345678901234567"}
	p["suites"], p["daily_suites"], p["architectures"] = []any{"stable"}, []any{"daily"}, []any{"amd64"}
	p["build"], p["lintian"], p["trial_packages"] = []any{"slipway", "package", "build"}, "report", true
	return p
}

// of2019 is a project on a forge as the document of 2019 has it: the fork first, then branch and tag
// together, an archive of its own, and a hand-over.
func of2019() map[string]any {
	p := archived()
	p["forge"], p["milestones"], p["ci"], p["trial_packages"] = "gitlab", true, []any{}, false
	p["remote"], p["fork"], p["fork_branch"], p["trial"] = "https://gitlab.example/lava/lava.git", "https://gitlab.example/maria/lava.git", "master", "https://gitlab.example/maria/lava.git"
	p["artifact_jobs"] = []any{"amd64/pkg-debian-10"}
	p["handover"], p["handover_branch"], p["handover_from"], p["handover_to"] = "https://gitlab.example/lab/lab.git", "master", "tests/device-types", "shared/device-types"
	return p
}

// today is the same project now: the branch first, and nothing of its packages.
func today() map[string]any {
	p := of2019()
	for key, value := range profile() {
		switch key {
		case "archive", "archive_address", "archive_keys", "suites", "daily_suites", "architectures", "build", "lintian",
			"fork", "fork_branch", "handover", "handover_branch", "handover_from", "handover_to", "artifact_jobs":
			p[key] = value
		}
	}
	p["trial"], p["order"], p["changelog_style"], p["version_file"], p["sign_off"] = "", "branch-first", "gbp", "lava_common/VERSION", true
	return p
}

func known(t testing.TB) playbook.Known {
	return playbook.Known{Contracts: contracts(t), Profile: profileType(),
		Roles: []string{"admin", "release-manager", "maintainer", "tester", "debian-uploader"}}
}

func source(t testing.TB) []byte {
	t.Helper()
	src, err := os.ReadFile("../../commands/release/release.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// load checks a playbook. refused are the findings when it may not run.
func load(file string, src []byte, k playbook.Known) (p *playbook.Playbook, refused error) {
	parsed, err := playbook.Parse(file, src)
	if err != nil {
		return nil, err
	}
	p, found := playbook.Check(parsed, k)
	if p == nil {
		return nil, playbook.Errors(found)
	}
	return p, nil
}

func options(p *playbook.Playbook, k playbook.Known) rehearse.Options {
	return rehearse.Options{Playbook: p, Contracts: k.Contracts, Project: "lava", Profile: archived(),
		Inputs: map[string]any{"version": "2019.01"}}
}

func bundled(t testing.TB) (*playbook.Playbook, playbook.Known) {
	t.Helper()
	k := known(t)
	p, refused := load("release.yaml", source(t), k)
	if refused != nil {
		t.Fatalf("the release playbook is refused:\n%v", refused)
	}
	return p, k
}

// TestRehearsalOfARelease takes the good way of each kind of project: exactly the steps of what it has
// are done.
func TestRehearsalOfARelease(t *testing.T) {
	p, k := bundled(t)
	steps := map[string][]string{
		"archive":    {"package", "packaged", "artifacts", "packages", "stage", "switch", "seen", "clean"},
		"trial":      {"trial", "trial_passed"},
		"packages":   {"trial_build", "trial_built", "trial_artifacts", "trial_packages"},
		"forge":      {"tag_seen", "tag_same", "page"},
		"milestones": {"ready", "left", "late", "move", "close"},
		"people":     {"checklist"},
		"fork":       {"fork_tip", "fork"},
		"first":      {"branch", "branch_builds", "branch_built"},
		"handover":   {"handover_files", "handover"},
	}
	lacks := map[string][]string{
		"without an archive": {"archive", "packages", "forge", "milestones", "fork", "first", "handover"},
		"with an archive":    {"forge", "milestones", "fork", "first", "handover"},
		"of 2019":            {"packages", "people", "first"},
		"of today":           {"archive", "packages", "trial", "people", "fork", "handover"},
	}
	for name, with := range projects() {
		o := options(p, k)
		o.Profile = with
		r, err := rehearse.Rehearse(o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Outcome != "done" {
			t.Fatalf("the good way of a project %s ends as %s: %s", name, r.Outcome, r.Reason)
		}
		var skipped []string
		for _, what := range lacks[name] {
			skipped = append(skipped, steps[what]...)
		}
		for _, e := range r.Ends {
			want := "done"
			if slices.Contains(skipped, e.Step) {
				want = "skipped"
			}
			if e.Status != want {
				t.Errorf("of a project %s, %s is %s", name, e.Step, e.Status)
			}
		}
	}
}
