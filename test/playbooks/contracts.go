// Package playbooks holds the processes that Slipway exists for, written in its playbook
// language, with the contracts of the actions that they need.
//
// The files prove that the language can say what the five processes ask for; those of a family
// move to commands/ when the family is built. [Contracts] is what their integrations will offer:
// the part of a name before the dot is the folder of the integration that will own the action.
// A contract leaves this list when its integration declares it.
package playbooks

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"slipway/bot/action"
)

//go:embed *.yaml
var files embed.FS

// Files are the playbooks, by file name.
func Files() fs.FS { return files }

// Family is the command family of a file: "pilot" for pilot-update.yaml.
func Family(file string) string {
	families := map[string]string{"production-update": "pilot", "production-schedule": "pilot"}
	name := strings.TrimSuffix(file, ".yaml")
	if family, ok := families[name]; ok {
		return family
	}
	family, _, _ := strings.Cut(name, "-")
	return family
}

// Roles are those that the projects of a family grant. Roles that a playbook declares are not
// among them: they are filled in the run, and its child runs begin with them.
func Roles(family string) []string {
	every := []string{"admin", "release-manager"}
	return append(every, map[string][]string{
		"release":  {"maintainer", "tester", "image-uploader", "debian-uploader"},
		"pilot":    {"pps", "sa3"},
		"rollout":  {"infra", "infra-lead", "tcwg", "lava"},
		"instance": {"instance-admin"},
		"rebuild":  {"rebuild-manager"},
	}[family]...)
}

// Profile is what a project of any family tells: the fields of releases, and those that the
// other families add.
func Profile() action.Type {
	return object("name string, remote string, branch string, tag_pattern string, scheme string, changelog string, package string," +
		"suite string, tagger string, release_key string, public_key string, channel string, broadcast list(string), mail_from string," +
		"mail_to list(string), ci list(string)," +
		// releases: archive, images, Debian, lab
		"archive string, archive_address string, archive_keys list(string), suites list(string), daily_suites list(string)," +
		"architectures list(string), build list(string), lintian string, images list(string), images_by_hand list(string), registry string," +
		"staging_registry string, packaging string, packaging_branch string, packaging_upstream string, packaging_debian string," +
		// releases: forge, fork, hand-over
		"forge string, milestones bool, fork string, fork_branch string, trial string, trial_packages bool, order string, artifact_jobs list(string)," +
		"changelog_style string, version_file string, commit_message string, sign_off bool, handover string, handover_branch string," +
		"handover_from string, handover_to string," +
		// pilots
		"forge_address string, tracker string, wiki string, mirror string, site_channels list(string), site_lists list(string), communities list(string)," +
		// rollouts and instances
		"stakeholders list(string), hosts list(string), service_host string, build_target string, build_channels list(string)," +
		// rebuilds
		"region string, builder_image string, install_set list(string)")
}

// Contracts are those that no integration declares yet.
func Contracts() []action.Contract {
	var all []action.Contract
	for _, group := range [][]action.Contract{messages(), forges(), pilots(), rollouts(), instances(), rebuilds(), archives()} {
		all = append(all, group...)
	}
	return all
}

// contract builds one; in and out are written as [object] reads them.
func contract(name string, p action.Policy, doc, in, out string, more ...func(*action.Contract)) action.Contract {
	c := action.Contract{Name: name, Version: 1, Policy: p, Doc: doc, In: object(in), Out: object(out)}
	for _, f := range more {
		f(&c)
	}
	return c
}

func watched(c *action.Contract)      { c.Watched = true }
func irreversible(c *action.Contract) { c.Irreversible = true }

func settle(d time.Duration) func(*action.Contract) {
	return func(c *action.Contract) { c.Settle = d }
}

func job(kind string) func(*action.Contract) { return func(c *action.Contract) { c.Job = kind } }

func classes(names ...string) func(*action.Contract) {
	return func(c *action.Contract) { c.Classes = names }
}

func authors(field string) func(*action.Contract) {
	return func(c *action.Contract) { c.Authors = field }
}

// undo names the action that undoes this one and, in pairs, where its inputs come from.
func undo(ref string, pairs ...string) func(*action.Contract) {
	return func(c *action.Contract) {
		c.Undo, c.UndoIn = ref, map[string]string{}
		for i := 0; i+1 < len(pairs); i += 2 {
			c.UndoIn[pairs[i]] = pairs[i+1]
		}
	}
}

// list is one more field that holds a list of objects.
func list(name, fields string) func(*action.Contract) {
	return func(c *action.Contract) {
		c.Out.Fields = append(c.Out.Fields, action.Field{Name: name, Type: action.ListOf(object(fields))})
	}
}

// given is one more input that holds a list of objects.
func given(name, fields string) func(*action.Contract) {
	return func(c *action.Contract) {
		c.In.Fields = append(c.In.Fields, action.Field{Name: name, Type: action.ListOf(object(fields))})
	}
}

// object reads "url string, digest digest, note string?": names with their kinds, a question
// mark for what may be absent. It panics on a mistake, which is one in this package.
func object(fields string) action.Type {
	t := action.Obj()
	for _, f := range strings.Split(fields, ",") {
		if f = strings.TrimSpace(f); f == "" {
			continue
		}
		name, kind, ok := strings.Cut(f, " ")
		if !ok {
			panic(fmt.Sprintf("%q is no field", f))
		}
		kind, optional := strings.CutSuffix(kind, "?")
		t.Fields = append(t.Fields, action.Field{Name: name, Type: kindOf(kind), Optional: optional})
	}
	return t
}

func kindOf(s string) action.Type {
	for _, k := range []action.Kind{action.List, action.Map} {
		if inner, ok := strings.CutPrefix(s, string(k)+"("); ok && strings.HasSuffix(inner, ")") {
			elem := kindOf(strings.TrimSuffix(inner, ")"))
			return action.Type{Kind: k, Elem: &elem}
		}
	}
	switch k := action.Kind(s); k {
	case action.String, action.Int, action.Bool, action.Version, action.Digest, action.Time, action.Duration:
		return action.Type{Kind: k}
	}
	if values := strings.Split(s, "|"); len(values) > 1 {
		return action.Type{Kind: action.String, Enum: values}
	}
	panic(fmt.Sprintf("%q is no kind", s))
}
