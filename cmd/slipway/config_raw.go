package main

// This file is the shape of slipway.yaml as people write it. Nothing here is trusted:
// [rawConfig.valid] turns it into a [config], which the rest of the process may rely on.

type rawConfig struct {
	State     string                `yaml:"state"`     // folder of the database and the blobs
	Playbooks string                `yaml:"playbooks"` // folder whose files override bundled playbooks
	Console   rawConsole            `yaml:"console"`
	Signing   rawSigning            `yaml:"signing"`
	SMTP      rawSMTP               `yaml:"smtp"`
	Evidence  rawEvidence           `yaml:"evidence"`
	People    map[string]rawPerson  `yaml:"people"` // by person id
	Roles     map[string]rawRoles   `yaml:"roles"`  // project → role → persons; "*" is every project
	Channels  map[string]rawChannel `yaml:"channels"`
	Archives  map[string]rawArchive `yaml:"archives"`
	Projects  map[string]rawProject `yaml:"projects"`
	Freezes   []rawFreeze           `yaml:"freezes"`
	Backup    rawBackup             `yaml:"backup"`
	Health    rawHealth             `yaml:"health"`
	Webhooks  rawWebhooks           `yaml:"webhooks"`
	GitLab    rawGitLab             `yaml:"gitlab"`
	Slack     rawSlack              `yaml:"slack"`
}

// rawRoles are the roles of one project. A role is a list of persons, or a roster file that is
// read again whenever a gate closes.
type rawRoles map[string]rawRole

type rawRole struct {
	Persons []string `yaml:"persons"`
	Roster  string   `yaml:"roster"` // file with one person id a line

	SlackGroup string `yaml:"slack_group"` // S0123ABCD: a user group of Slack, read as a roster is
}

type rawConsole struct {
	Socket     string `yaml:"socket"`
	Group      string `yaml:"group"`       // group that may connect; default: only the owner
	ManyPeople bool   `yaml:"many_people"` // demo: one user may speak as several persons
	Web        rawWeb `yaml:",inline"`
}

type rawSigning struct {
	Listen  string               `yaml:"listen"` // loopback address of the signer's wire
	Signers map[string]rawSigner `yaml:"signers"`
}

type rawSigner struct {
	TokenFile string `yaml:"token_file"`
}

type rawSMTP struct {
	Host         string `yaml:"host"`
	Port         int    `yaml:"port"`
	TLS          string `yaml:"tls"` // mandatory (default) | none, which only loopback may have
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
	Settle       string `yaml:"settle"`  // how long a mail may take to appear there; default 15m
	Archive      string `yaml:"archive"` // Maildir, or an address with {message_id}, where sent mail can be found
}

type rawPerson struct {
	Name     string   `yaml:"name"`
	Mail     string   `yaml:"mail"`
	Zone     string   `yaml:"zone"`     // IANA name of the time zone, e.g. Europe/Berlin; for digests, quiet hours and times in mails
	Accounts []string `yaml:"accounts"` // source:id, e.g. unix:1000
}

type rawChannel struct {
	Project string `yaml:"project"` // default project of commands typed there
}

type rawProject struct {
	Remote      string            `yaml:"remote"`
	Branch      string            `yaml:"branch"`
	TagPattern  string            `yaml:"tag_pattern"`
	Scheme      string            `yaml:"scheme"` // calendar (2019.01) | semver-like (1.2.3)
	Changelog   string            `yaml:"changelog"`
	Package     string            `yaml:"package"` // name in the changelog; default: the project's
	Suite       string            `yaml:"suite"`
	Tagger      string            `yaml:"tagger"`      // Name <mail>
	ReleaseKey  string            `yaml:"release_key"` // primary fingerprint, 40 hexadecimal digits
	PublicKey   string            `yaml:"public_key"`  // armoured file of that key
	Channel     string            `yaml:"channel"`     // where cards and gate messages go
	Broadcast   []string          `yaml:"broadcast"`   // channels that are told of a release
	MailFrom    string            `yaml:"mail_from"`
	MailTo      []string          `yaml:"mail_to"`
	CI          []string          `yaml:"ci"`           // command of the local pipeline
	Archive     string            `yaml:"archive"`      // one of archives, which its packages go to; none: they go nowhere
	Suites      []string          `yaml:"suites"`       // of the archive
	DailySuites []string          `yaml:"daily_suites"` // of the archive, for builds of every day
	Build       rawBuild          `yaml:"build"`        // of the packages
	Packaging   rawPackaging      `yaml:"packaging"`    // where Debian packaging is kept apart from the project; none: in its own folder debian
	Providers   map[string]string `yaml:"providers"`    // capability → provider
	Starters    map[string]string `yaml:"starters"`     // playbook → role that may start it; without an entry, anybody who is known
	Triggers    []string          `yaml:"triggers"`     // playbooks that start by themselves, by their trigger
	Forge       rawForge          `yaml:",inline"`
	GitLab      rawProjectGitLab  `yaml:"gitlab"` // its numbers and rooms on GitLab
	Slack       rawProjectSlack   `yaml:"slack"`  // its channels on Slack
}

// rawBuild says how the packages of a project are built.
type rawBuild struct {
	With    string   `yaml:"with"`    // dpkg-buildpackage (default), debuild, sbuild or gbp
	User    string   `yaml:"user"`    // ordinary user that builds when Slipway is root
	Chroot  string   `yaml:"chroot"`  // with sbuild: the file of the chroot
	Also    []string `yaml:"also"`    // further architectures, built with a cross compiler
	Lintian string   `yaml:"lintian"` // off (default), report, or gate: errors ask a person
	Command []string `yaml:"command"` // instead of all that: a command that leaves the packages in $CI_ARTIFACTS
}

// rawPackaging is where the packaging for Debian is, when it has a repository or a branch of its own.
type rawPackaging struct {
	Remote   string `yaml:"remote"`          // repository with the branches; it may be the project's own
	Branch   string `yaml:"branch"`          // default debian/latest
	Upstream string `yaml:"upstream_branch"` // default upstream/latest
	Debian   string `yaml:"debian"`          // keep (default), or release: the folder debian of the release takes the place of the branch's
}

type rawFreeze struct {
	Calendar string `yaml:"calendar"`
	Why      string `yaml:"why"`
	From     string `yaml:"from"`  // RFC 3339
	Until    string `yaml:"until"` // RFC 3339; absent: until a person ends it
}
