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
	add(git.Bind(&git.Repositories{}, nil))
	add(localci.Bind(nil, nil))
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
		"build": []any{}, "lintian": "off", "packaging": "", "packaging_branch": "", "packaging_upstream": "", "packaging_debian": "keep"}
}

// archived is a project with an archive, of one suite and one key.
func archived() map[string]any {
	p := profile()
	p["archive"], p["archive_address"], p["archive_keys"] = "lava", "https://apt.example.org", []any{"AB01234567890123456789012345678901234567"}
	p["suites"], p["daily_suites"], p["architectures"] = []any{"stable"}, []any{"daily"}, []any{"amd64"}
	p["build"], p["lintian"] = []any{"slipway", "package", "build"}, "report"
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

// TestRehearsalOfARelease takes the good way of a project with an archive, where every step is
// done, and of one without, where those of packages are skipped.
func TestRehearsalOfARelease(t *testing.T) {
	p, k := bundled(t)
	packages := []string{"trial_build", "trial_built", "trial_artifacts", "trial_packages", "package", "packaged", "artifacts", "packages", "stage", "switch", "seen", "clean"}
	for _, with := range []map[string]any{archived(), profile()} {
		o := options(p, k)
		o.Profile = with
		r, err := rehearse.Rehearse(o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Outcome != "done" {
			t.Fatalf("the good way with the archive %q ends as %s: %s", with["archive"], r.Outcome, r.Reason)
		}
		for _, e := range r.Ends {
			want := "done"
			if with["archive"] == "" && slices.Contains(packages, e.Step) {
				want = "skipped"
			}
			if e.Status != want {
				t.Errorf("with the archive %q, %s is %s", with["archive"], e.Step, e.Status)
			}
		}
	}
}
