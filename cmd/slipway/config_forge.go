package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/git"
)

// rawForge are the keys of a project that are about releases on a forge, and about how the release
// commit is written. Without any of them a release is made with git and the local pipeline alone.
type rawForge struct {
	Milestones     bool        `yaml:"milestones"`      // a release waits until its milestone is empty, and closes it
	Fork           string      `yaml:"fork"`            // repository that the release commit is pushed to first, so that all its jobs run before anybody is asked
	ForkBranch     string      `yaml:"fork_branch"`     // default: the project's branch
	Order          string      `yaml:"order"`           // together (default) | branch-first
	ArtifactJobs   []string    `yaml:"artifact_jobs"`   // jobs of the tag's pipeline whose artifacts are packages; default: all
	ChangelogStyle string      `yaml:"changelog_style"` // log (default) | gbp
	VersionFile    string      `yaml:"version_file"`    // file that holds the version and nothing else
	CommitMessage  string      `yaml:"commit_message"`  // of the release commit and the tag, with {version}; default: NAME {version} release
	SignOff        bool        `yaml:"sign_off"`        // the release commit is signed off by the tagger
	Handover       rawHandover `yaml:"handover"`        // files that go to another project with each release
}

// rawHandover is a folder of the release that is proposed to another project, as a merge request.
type rawHandover struct {
	Remote string `yaml:"remote"` // of the other project
	Branch string `yaml:"branch"` // that it goes to; default: the project's branch
	From   string `yaml:"from"`   // folder of the release
	To     string `yaml:"to"`     // folder there; default: the same
}

// forgeFields are those of the profile that [rawForge] fills.
func forgeFields() []action.Field {
	text, truth := action.Type{Kind: action.String}, action.Type{Kind: action.Bool}
	oneOf := func(words ...string) action.Type { return action.Type{Kind: action.String, Enum: words} }
	field := func(name string, t action.Type, doc string) action.Field {
		return action.Field{Name: name, Type: t, Doc: doc}
	}
	return []action.Field{
		field("forge", text, "provider of forge.*; empty: there is no forge"),
		field("milestones", truth, "a release waits until its milestone is empty, and closes it"),
		field("fork", text, "repository that the release commit is pushed to first; empty: none"),
		field("fork_branch", text, "its branch"),
		field("trial", text, "repository whose pipeline tries the release commit before anybody is asked; empty: no pipeline can"),
		field("trial_packages", truth, "packages are built of the release commit too, as a trial"),
		field("order", oneOf("together", "branch-first"), "together, or branch-first: the tag follows when the pipeline of the branch has passed"),
		field("artifact_jobs", action.ListOf(text), "jobs of the tag's pipeline whose artifacts are packages; none: all"),
		field("changelog_style", oneOf("log", "gbp"), "log, or gbp: the commits that touch the packaging, as gbp dch writes them"),
		field("version_file", text, "file that holds the version and nothing else; empty: none"),
		field("commit_message", text, "of the release commit and the tag, with {version}"),
		field("sign_off", truth, "the release commit is signed off by the tagger"),
		field("handover", text, "repository that gets files of each release, as a merge request; empty: none"),
		field("handover_branch", text, "branch there that they go to"),
		field("handover_from", text, "folder of the release"),
		field("handover_to", text, "folder there"),
	}
}

// provider finds who provides a capability: by its whole name ("ci.start"), or by the part before the
// dot, which stands for all of them.
func (r rawProject) provider(capability string) string {
	if name, ok := r.Providers[capability]; ok {
		return name
	}
	prefix, _, _ := strings.Cut(capability, ".")
	return r.Providers[prefix]
}

// localProvider is who runs pipelines where a profile names nobody.
const localProvider = "local"

// onForge reports whether pipelines run elsewhere, for what has been pushed there.
func (r rawProject) onForge() bool {
	p := r.provider("ci.start")
	return p != "" && p != localProvider
}

// fill sets what the profile says of the forge and of the release commit.
func (f rawForge) fill(r rawProject, name string, profile action.Values, dir string) error {
	forge, elsewhere := r.provider("forge.milestone"), r.onForge()
	if f.Order == "" {
		f.Order = "together"
	}
	if f.ChangelogStyle == "" {
		f.ChangelogStyle = "log"
	}
	if f.CommitMessage == "" {
		f.CommitMessage = name + " {version} release"
	}
	if err := f.check(forge, elsewhere); err != nil {
		return err
	}
	fork, err := otherRemote("fork", f.Fork, dir)
	if err != nil {
		return err
	}
	remote, _ := profile["remote"].(string)
	if fork != "" && fork == remote {
		return invalid("fork is the project's own repository", "name a fork of it, or leave fork out: with order: branch-first the branch is pushed before the tag")
	}
	handover, err := f.Handover.fill(r.Branch, dir)
	if err != nil {
		return err
	}
	trial := remote
	if elsewhere {
		trial = fork
	}
	archive, _ := profile["archive"].(string)
	filled := action.Values{"forge": forge, "milestones": f.Milestones, "fork": fork, "fork_branch": "", "trial": trial,
		"trial_packages": archive != "" && !elsewhere, "order": f.Order, "artifact_jobs": texts(f.ArtifactJobs), "changelog_style": f.ChangelogStyle,
		"version_file": f.VersionFile, "commit_message": f.CommitMessage, "sign_off": f.SignOff, "handover": handover.Remote,
		"handover_branch": handover.Branch, "handover_from": handover.From, "handover_to": handover.To}
	for key, value := range filled {
		profile[key] = value
	}
	if fork != "" {
		if profile["fork_branch"] = f.ForkBranch; f.ForkBranch == "" {
			profile["fork_branch"] = r.Branch
		}
	}
	return nil
}

func (f rawForge) check(forge string, elsewhere bool) error {
	needs := "give the project providers: {forge: gitlab, ci: gitlab}, or leave it out"
	switch {
	case f.Milestones && forge == "":
		return invalid("milestones is true, but the project has no forge", needs)
	case f.Handover != (rawHandover{}) && forge == "":
		return invalid("handover is given, but the project has no forge", needs)
	case f.Fork != "" && (forge == "" || !elsewhere):
		return invalid("fork is given, but pipelines do not run on a forge", needs)
	case f.Fork == "" && f.ForkBranch != "":
		return invalid("fork_branch is given without a fork", "name the repository: fork: https://gitlab.example/maria/harbour.git")
	case len(f.ArtifactJobs) > 0 && !elsewhere:
		return invalid("artifact_jobs is given, but pipelines do not run on a forge", needs)
	case !slices.Contains([]string{"together", "branch-first"}, f.Order):
		return invalid(fmt.Sprintf("order is %q", f.Order), "it is together, or branch-first: branch, its pipeline, then the tag")
	case !slices.Contains([]string{"log", "gbp"}, f.ChangelogStyle):
		return invalid(fmt.Sprintf("changelog_style is %q", f.ChangelogStyle), "it is log (every commit) or gbp (those of the packaging, as gbp dch writes them)")
	case !strings.Contains(f.CommitMessage, "{version}") || strings.ContainsAny(f.CommitMessage, "\r\n"):
		return invalid(fmt.Sprintf("commit_message is %q", f.CommitMessage), "write one line with {version} in it, e.g. Harbour {version} release")
	case f.VersionFile != "" && !inRepository(f.VersionFile):
		return invalid(fmt.Sprintf("version_file is %q", f.VersionFile), "write its path from the top of the repository, e.g. harbour/VERSION")
	}
	for _, job := range f.ArtifactJobs {
		if job == "" || strings.TrimSpace(job) != job {
			return invalid(fmt.Sprintf("artifact_jobs has %q", job), "write the names of jobs as .gitlab-ci.yml has them")
		}
	}
	return nil
}

// fill checks the hand-over and completes it.
func (h rawHandover) fill(branch, dir string) (rawHandover, error) {
	if h == (rawHandover{}) {
		return h, nil
	}
	if h.Remote == "" || h.From == "" {
		return h, invalid("handover: remote or from is missing", "name the other project's repository, and the folder of the release that it gets")
	}
	var err error
	if h.Remote, err = otherRemote("handover: remote", h.Remote, dir); err != nil {
		return h, err
	}
	if h.Branch == "" {
		h.Branch = branch
	}
	h.From = strings.TrimSuffix(h.From, "/")
	if h.To = strings.TrimSuffix(h.To, "/"); h.To == "" {
		h.To = h.From
	}
	for _, folder := range [][2]string{{"from", h.From}, {"to", h.To}} {
		if !inRepository(folder[1]) {
			return h, invalid(fmt.Sprintf("handover: %s is %q", folder[0], folder[1]), "write a folder from the top of the repository, e.g. share/device-types")
		}
	}
	return h, nil
}

// inRepository reports whether p is a path that stays in a repository.
func inRepository(p string) bool {
	return p != "" && !path.IsAbs(p) && path.Clean(p) == p && p != "." && p != ".." && !strings.HasPrefix(p, "../") && !strings.ContainsAny(p, "\\:")
}

// otherRemote checks the address of a repository beside the project's own, as strictly as that one.
func otherRemote(what, remote, dir string) (string, error) {
	if remote == "" {
		return "", nil
	}
	if git.Redact(remote) != remote && !strings.HasPrefix(remote, "ssh://") || sshPassword.MatchString(remote) {
		return "", invalid(what+" holds a user or a password", "write it without; git reads both from git/home/.netrc in the state folder, or use ssh")
	}
	full := beside2(dir, remote)
	if err := git.CheckRemote(full); err != nil {
		return "", invalid(what+": "+errs.Cause(err), errs.HintOf(err))
	}
	return full, nil
}
