package main

import (
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/git"
	"slipway/integrations/openpgp"
)

// profileType is what expressions in playbooks may read of a project.
func profileType() action.Type {
	text := action.Type{Kind: action.String}
	list := action.ListOf(text)
	oneOf := func(words ...string) action.Type { return action.Type{Kind: action.String, Enum: words} }
	field := func(name string, t action.Type, doc string) action.Field {
		return action.Field{Name: name, Type: t, Doc: doc}
	}
	return action.Obj(append([]action.Field{
		field("name", text, "name of the project"),
		field("remote", text, "repository that releases are pushed to"),
		field("branch", text, "branch that is released"),
		field("tag_pattern", text, "which tags are releases, as git matches them"),
		field("scheme", text, "calendar (2019.01) or semver-like (1.2.3)"),
		field("changelog", text, "file of the changelog, from the top of the repository"),
		field("package", text, "name in the changelog"),
		field("suite", text, "distribution in the changelog"),
		field("tagger", text, "Name <mail> in tags and changelog"),
		field("release_key", text, "primary fingerprint of the release key"),
		field("public_key", text, "armoured release key"),
		field("channel", text, "channel of cards and gate messages"),
		field("broadcast", list, "channels told of a release"),
		field("mail_from", text, "sender of announcements"),
		field("mail_to", list, "lists that get announcements"),
		field("ci", list, "command of the local pipeline"),
		field("archive", text, "archive that its packages go to; empty: none"),
		field("archive_address", text, "what clients of the archive have in sources.list"),
		field("archive_keys", list, "primary fingerprints of the keys that sign the archive"),
		field("suites", list, "suites of the archive that releases go to"),
		field("daily_suites", list, "suites of the archive that daily builds go to; none of releases"),
		field("architectures", list, "architectures that those suites have"),
		field("build", list, "command that builds the packages"),
		field("lintian", oneOf("off", "report", "gate"), "off, report, or gate: its errors ask a person"),
		field("packaging", text, "repository with the branches of Debian packaging; empty: it is in the project's folder debian"),
		field("packaging_branch", text, "branch of the packaging"),
		field("packaging_upstream", text, "branch that tarballs are imported into"),
		field("packaging_debian", oneOf("keep", "release"), "keep, or release: the release's folder debian takes the place of the branch's"),
	}, forgeFields()...)...)
}

// sshPassword finds a password in an ssh address, where a user alone is no secret.
var sshPassword = regexp.MustCompile(`^ssh://[^/@]*:[^/@]*@`)

var projectName = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]{0,62}$`)

func (r rawConfig) validProjects(dir string, c *config) error {
	for _, name := range slices.Sorted(maps.Keys(r.Projects)) {
		p, err := r.Projects[name].valid(name, dir, c.Archives)
		if err != nil {
			return err
		}
		c.Projects[name] = p
	}
	if len(c.Projects) == 0 {
		return invalid("projects: names none", "add the project that is to be released")
	}
	return r.dailyApart()
}

func (r rawProject) valid(name, dir string, archives map[string]archiveConfig) (project, error) {
	bad := func(what, hint string) (project, error) {
		return project{}, invalid(fmt.Sprintf("projects: %s: %s", name, what), hint)
	}
	if !projectName.MatchString(name) {
		return bad("is no name for a project", "use lower-case letters, digits, dots, plus and minus")
	}
	r.fillDefaults(name)
	if r.Remote == "" || strings.HasPrefix(r.Remote, "-") {
		return bad(fmt.Sprintf("remote is %q", r.Remote), "name the repository that releases are pushed to")
	}
	if git.Redact(r.Remote) != r.Remote && !strings.HasPrefix(r.Remote, "ssh://") || sshPassword.MatchString(r.Remote) {
		// The remote is told to signers, logs and whoever asks: what it holds is no secret.
		return bad("remote holds a user or a password", "write it without; git reads both from git/home/.netrc in the state folder, or use ssh")
	}
	if err := git.CheckRemote(beside2(dir, r.Remote)); err != nil {
		if !strings.Contains(r.Remote, ":") {
			return bad(fmt.Sprintf("remote is %q, a path that begins nowhere", r.Remote), "write ./"+r.Remote+" for a folder beside this file, or a whole path or address")
		}
		return bad("remote: "+errs.Cause(err), errs.HintOf(err))
	}
	if r.Scheme != "calendar" && r.Scheme != "semver-like" {
		return bad(fmt.Sprintf("scheme is %q", r.Scheme), "it is calendar (2019.01) or semver-like (1.2.3)")
	}
	for _, field := range [][2]string{{"tagger", r.Tagger}, {"mail_from", r.MailFrom}} {
		if _, err := mail.ParseAddress(field[1]); err != nil {
			return bad(fmt.Sprintf("%s is %q", field[0], field[1]), "write Name <mail@example.org>")
		}
	}
	for _, to := range r.MailTo {
		if _, err := mail.ParseAddress(to); err != nil {
			return bad(fmt.Sprintf("mail_to has %q", to), "write the address of a list")
		}
	}
	key, err := openpgp.Fingerprint(r.ReleaseKey)
	if err != nil {
		return bad(fmt.Sprintf("release_key is %q", r.ReleaseKey), "give the whole primary fingerprint, 40 hexadecimal digits: gpg --fingerprint")
	}
	public, err := readCertificate(beside(dir, r.PublicKey), key)
	if err != nil {
		return bad("public_key: "+errs.Cause(err), errs.HintOf(err))
	}
	if len(r.CI) == 0 && !r.onForge() {
		return bad("ci names no command", `write the command of the pipeline as a list, e.g. [make, test]`)
	}
	if r.Channel == "" {
		return bad("channel is missing", "name the channel where its releases are shown")
	}
	profile := action.Values{
		"name": name, "remote": beside2(dir, r.Remote), "branch": r.Branch, "tag_pattern": r.TagPattern,
		"scheme": r.Scheme, "changelog": r.Changelog, "package": r.Package, "suite": r.Suite,
		"tagger": r.Tagger, "release_key": key, "public_key": public, "channel": r.Channel,
		"broadcast": texts(r.Broadcast), "mail_from": r.MailFrom, "mail_to": texts(r.MailTo), "ci": texts(r.CI),
	}
	if err := r.fillArchive(profile, archives); err != nil {
		return bad(errs.Cause(err), errs.HintOf(err))
	}
	if err := r.Packaging.fill(profile, dir); err != nil {
		return bad(errs.Cause(err), errs.HintOf(err))
	}
	if err := r.Forge.fill(r, name, profile, dir); err != nil {
		return bad(errs.Cause(err), errs.HintOf(err))
	}
	if err := profileType().Check("project", profile); err != nil {
		return bad(err.Error(), "")
	}
	return project{Name: name, Profile: profile, Providers: r.Providers, Starters: r.Starters, PublicKey: public, Channel: r.Channel, Triggers: r.Triggers}, nil
}

// maxCertificate bounds the file of a release key, in bytes.
const maxCertificate = 1 << 20

// readCertificate reads the file of a public key, which must hold the pinned one.
func readCertificate(path, fingerprint string) (string, error) {
	export := "gpg --armor --export " + fingerprint + " > release-key.asc"
	data, err := readBounded(path, maxCertificate)
	if err != nil {
		return "", invalid(errs.Cause(err), export)
	}
	certs, err := openpgp.ReadCertificates(data)
	if err != nil {
		return "", invalid(fmt.Sprintf("%s: %s", path, errs.Cause(err)), export)
	}
	for _, c := range certs {
		if strings.EqualFold(hex.EncodeToString(c.PrimaryKey.Fingerprint), fingerprint) {
			return string(data), nil
		}
	}
	return "", invalid(fmt.Sprintf("%s does not hold the release_key %s", path, fingerprint), export)
}

func (r *rawProject) fillDefaults(name string) {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&r.Branch, "master")
	set(&r.TagPattern, "*")
	set(&r.Scheme, "calendar")
	set(&r.Changelog, "debian/changelog")
	set(&r.Package, name)
	set(&r.Suite, "unstable")
	set(&r.MailFrom, r.Tagger)
	if len(r.Broadcast) == 0 {
		r.Broadcast = []string{r.Channel}
	}
}

// beside2 resolves a remote that is a relative path, and leaves addresses alone.
func beside2(dir, remote string) string {
	if strings.HasPrefix(remote, "./") || strings.HasPrefix(remote, "../") {
		return beside(dir, remote)
	}
	return remote
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// suggest is a hint that names the candidate nearest to what was written.
func suggest(written string, candidates iter.Seq[string]) string {
	all := slices.Sorted(candidates)
	if near := errs.Nearest(written, all); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(all) == 0 {
		return ""
	}
	return "there are: " + strings.Join(all, ", ")
}
