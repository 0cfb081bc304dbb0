package playbooks

import (
	"time"

	"slipway/bot/action"
)

func messages() []action.Contract {
	return []action.Contract{
		contract("chat.tell", action.Keyed, "Tells named channels once each; chat.broadcast tells all that the project has.",
			"channels list(string), text string", "places int", irreversible),
		contract("mail.broadcast", action.OnceOrAsk, "Sends a message to lists, from the project's address.",
			"to list(string), subject string, body string", "message_id string", irreversible),
		contract("web.page", action.Read, "Reads whether a page exists.", "url string", "exists bool", watched),
		contract("wiki.page", action.Conditional, "Writes a page, unless somebody changed it meanwhile.",
			"page string, text string", "url string, revision string", undo("wiki.restore@1", "page", "in.page", "revision", "out.revision")),
		contract("wiki.restore", action.Conditional, "Sets a page back to what it was before a revision.",
			"page string, revision string", "revision string"),
		contract("calendar.free", action.Read, "Refuses a time that lies in a freeze, and names the next free one.",
			"calendar string, at time", "at time", classes("frozen")),
	}
}

// forges are trackers and hosts of source: Savannah, Launchpad, GitLab.
func forges() []action.Contract {
	return []action.Contract{
		contract("forge.ticket", action.Lookup, "Opens a ticket of a category.",
			"tracker string, category string, title string, text string", "id string, url string", settle(2*time.Minute)),
		contract("forge.flag", action.Conditional, "Sets a flag on a ticket.", "ticket string, flag string", "flag string"),
		contract("forge.project_page", action.Read, "Reads whether a project exists.", "url string", "exists bool", watched),
		contract("forge.propose_branch", action.Lookup, "Proposes a branch for merging.",
			"source string, target string, title string, reviewers list(string)", "id string, url string, revision string, authors list(string)",
			authors("authors"), settle(2*time.Minute), undo("forge.withdraw_branch@1", "id", "out.id")),
		contract("forge.withdraw_branch", action.Conditional, "Withdraws a proposal that is not merged.", "id string", "state string"),
		contract("forge.request_review", action.Conditional, "Asks teams to review proposals.",
			"proposals list(string), teams list(string)", "asked list(string)"),
		contract("forge.merge_branch", action.Conditional, "Merges a proposal if it still is the revision that was approved.",
			"proposal string, revision string", "commit string", classes("moved", "conflict"), irreversible),
		contract("bzr.revision", action.Read, "Finds a revision of a branch.", "branch string, revno string", "id string, date time, message string"),
	}
}

func pilots() []action.Contract {
	return []action.Contract{
		contract("rpm.source", action.Read, "Reads a whole repository of packages.", "url string",
			"reachable bool, digest digest, packages int", watched, func(c *action.Contract) { c.Timeout = 10 * time.Minute }),
		contract("rpm.layout", action.Read, "Looks for the directories of a branch.",
			"url string, branch string, directories list(string)", "complete bool, missing list(string)"),
		contract("rpm.pending", action.Read, "Lists packages of a directory that the mirror does not have.",
			"url string, directory string", "count int, packages list(string), digest digest", watched),
		contract("rpm.install_test", action.Keyed, "Installs the packages of a directory on a fresh node.",
			"url string, branch string, directory string", "log digest", job("pretest"), classes("node", "dependencies", "configuration")),
		contract("mirror.request", action.Lookup, "Asks for a mirror of a repository.",
			"source string, digest string, target string, directory string", "request string", settle(5*time.Minute), irreversible),
		contract("mirror.again", action.Conditional, "Asks for a failed mirroring once more.", "request string", "request string"),
		contract("mirror.status", action.Read, "Reads how a mirroring stands, and what the mirror has.",
			"request string", "state waiting|running|mirrored|failed, digest string, log string", watched),
		contract("goc.sites", action.Read, "Reads the register of sites.", "tiers list(string)", "count int",
			list("sites", "name string, tier string, manager string, mail string")),
		contract("bdii.service", action.Read, "Reads whether a site publishes a service with an attribute.",
			"site string, attribute string, value string", "published bool, endpoint string", watched),
		contract("pilot.report", action.Read, "Writes the pre-deployment report.",
			"service string, category string, kind string, tested bool, yaim bool?, documentation string, patches list(string), services list(string),"+
				"resources string, attribute string, source digest", "text string, digest digest"),
		contract("pilot.notes", action.Read, "Writes the release notes of a pilot, or adds changes to them.",
			"service string, description string, report string, previous string, changes list(string)", "text string, digest digest"),
	}
}

func rollouts() []action.Contract {
	return []action.Contract{
		contract("rollout.plan", action.Read, "Writes the plan of a rollout.",
			"change string, proposal string, repositories list(string), aims list(string)", "text string, digest digest"),
		contract("rollout.bundle", action.Read, "Puts reviewed revisions together.",
			"change string, proposals list(string), revisions list(string)",
			"digest digest, summary string, proposals list(string), revisions list(string), authors list(string)",
			list("parts", "proposal string, revision string"), authors("authors")),
		contract("rollout.waves", action.Read, "Divides machines into waves: \"1\" is one machine, \"25%\" a share of all.",
			"hosts list(string), sizes list(string)", "digest digest", list("waves", "name string, hosts list(string)")),
		contract("host.keep", action.Conditional, "Keeps the version that runs, so that it can be set back.",
			"hosts list(string), as string", "digest digest, versions map(string)", classes("unreachable")),
		contract("host.deploy", action.Conditional, "Installs revisions on machines.",
			"hosts list(string), revisions list(string), kept digest", "versions map(string)", job("deploy"),
			classes("unreachable", "install"), undo("host.restore@1", "hosts", "in.hosts", "kept", "in.kept")),
		contract("host.restore", action.Conditional, "Sets machines back to a kept version.", "hosts list(string), kept digest", "versions map(string)", job("deploy")),
		contract("cbuild.build", action.Keyed, "Builds natively and waits for the end.",
			"target string, source string, revision string, hosts list(string)", "results digest, url string", job("cbuild"), classes("infrastructure", "build")),
		contract("cbuild.start", action.Lookup, "Starts a native build.", "target string, source string, revision string", "job string, url string", settle(time.Minute)),
		contract("cbuild.job", action.Read, "Reads how a native build goes.", "job string", "ended bool, state string, results digest, url string", watched),
		contract("lava.build", action.Lookup, "Builds in LAVA and waits for the end.",
			"target string, source string, revision string", "results digest, url string", settle(time.Minute), classes("infrastructure", "build")),
		contract("lava.submit", action.Lookup, "Submits a build job to LAVA.", "target string, source string, revision string", "job string, url string", settle(time.Minute)),
		contract("lava.resubmit", action.Lookup, "Submits a job of LAVA once more.", "job string", "job string", settle(time.Minute)),
		contract("lava.job", action.Read, "Reads how a job of LAVA goes.", "job string",
			"ended bool, health unknown|complete|incomplete|canceled, results digest, url string", watched),
		contract("build.compare", action.Read, "Compares the results of two builds.", "left digest, right digest", "same bool, differences list(string)"),
	}
}

func instances() []action.Contract {
	at := "host string, instance string"
	return []action.Contract{
		contract("buildout.plan", action.Read, "Reads the buildout of a revision; a part without a pinned version is refused.",
			"branch string, revision string, file string", "digest digest, parts map(string)", classes("unpinned")),
		contract("buildout.build", action.Conditional, "Assembles a revision in code/REVNO, which must not exist.",
			at+", revno string, plan digest", "digest digest, log digest", job("buildout"), classes("network", "build"),
			undo("buildout.remove@1", "host", "in.host", "instance", "in.instance", "revno", "in.revno")),
		contract("buildout.rebuild", action.Keyed, "Assembles the same on a clean machine; a different result is refused.",
			"revno string, plan digest", "digest digest", job("buildout"), classes("network", "differs")),
		contract("buildout.remove", action.Conditional, "Removes code/REVNO, unless current points at it.", at+", revno string", "removed bool"),
		contract("buildout.prune", action.Conditional, "Removes the oldest code directories.", at+", keep int", "removed list(string)", irreversible),
		contract("instance.layout", action.Read, "Looks at the directories and files of an instance.",
			at+", directories list(string), files list(string)", "current string, missing list(string)", watched),
		contract("instance.convert", action.Conditional, "Makes what an instance lacks, and keeps what it has.", at+", missing list(string)", "made list(string)"),
		contract("instance.activate_check", action.Keyed, "Sources bin/activate and runs the scripts of a revision.", at+", revno string", "scripts list(string)"),
		contract("instance.save", action.Keyed, "Saves the database.", at, "saved string, digest digest"),
		contract("instance.switch", action.Conditional, "Points current at code/REVNO, if it points where it is expected to.",
			at+", to string, expected string", "current string", undo("instance.switch@1", "host", "in.host", "instance", "in.instance", "to", "in.expected", "expected", "in.to")),
		contract("instance.migrate", action.OnceOrAsk, "Brings the database up to the revision.", at+", saved string", "steps list(string)",
			undo("instance.load@1", "host", "in.host", "instance", "in.instance", "saved", "in.saved")),
		contract("instance.load", action.OnceOrAsk, "Loads a saved database.", at+", saved string", "digest digest"),
		contract("instance.restart", action.Keyed, "Starts the services from current.", at, "started time"),
		contract("lava.health", action.Read, "Asks an instance for its revision and for its last health job.", at, "revno string, answers bool, job unknown|running|complete|incomplete", watched),
	}
}

func rebuilds() []action.Contract {
	return []action.Contract{
		contract("wanna.select", action.Read, "Lays local sources over a snapshot, which they always win over, and leaves out the blacklist.",
			"snapshot digest, overrides digest?, blacklist list(string)", "digest digest, count int, overridden int, excluded int"),
		contract("wanna.database", action.Read, "Finds what a stage has to build, by comparing sources with the binaries of the archive.",
			"selection digest, priorities list(string), archive string, architecture string", "table digest, count int"),
		contract("wanna.complete", action.Read, "Refuses an archive that lacks a binary of the selection.",
			"archive string, selection digest, priorities list(string)", "count int", classes("incomplete")),
		contract("wanna.summary", action.Read, "Sums up the ledgers of stages: by state, by reason, with links to the logs.",
			"runs list(string), archive string", "text string, url string, digest digest, built int, total int"),
		contract("wanna.installable", action.Read, "Reads whether the archive has what a package waits for.",
			"archive string, needs string", "satisfied bool", watched),
		contract("job.sbuild", action.Keyed, "Builds a source package in a clean chroot on a leased builder.",
			"stage int, package string, version version, dsc digest, archive string, binaries old|current, architecture string, toolchain string, flags string",
			"changes digest, files list(digest), log digest, builder string", job("sbuild"),
			classes("given_back", "attempted", "dep_wait", "builder", "failed"), func(c *action.Contract) { c.Timeout = 12 * time.Hour }),
		contract("cloud.start", action.Keyed, "Starts machines; the key is the client token of the API.",
			"api ec2|eucalyptus, region string, image string, count int, capability string", "group string, machines list(string)",
			classes("capacity", "quota"), undo("cloud.stop@1", "group", "out.group")),
		contract("cloud.stop", action.Conditional, "Stops the machines of a group.", "group string", "stopped list(string)"),
	}
}

// archives are APT archives, Debian itself and image registries.
func archives() []action.Contract {
	return []action.Contract{
		contract("aptrepo.snapshot", action.Read, "Reads APT sources.", "sources list(string), architecture string", "digest digest, components list(string), count int", classes("network")),
		contract("aptrepo.copy", action.Keyed, "Copies a snapshot.", "snapshot digest, to files|s3, region string", "address string", classes("network"), job("copy")),
		contract("aptrepo.create", action.Conditional, "Makes an empty archive with its components.",
			"name string, suite string, architecture string, components list(string), storage files|s3", "id string, url string"),
		contract("aptrepo.accept", action.Conditional, "Takes an unsigned upload of a leased builder.",
			"archive string, component string, changes digest, files list(digest)", "files list(string)", classes("network", "refused")),
		contract("aptrepo.installed", action.Read, "Reads whether the archive has a source and its binaries.",
			"archive string, package string, version version", "complete bool", watched),
		contract("aptrepo.install_test", action.Keyed, "Installs packages of an archive on a clean machine and tries them.",
			"archive string, architecture string, packages list(string)", "digest digest, log digest", job("install"), classes("node", "install")),
		contract("aptrepo.index", action.Keyed, "Writes the indexes and the Release file.", "archive string", "digest digest", list("releases", "suite string, text string, digest digest")),
		contract("aptrepo.publish", action.Conditional, "Publishes an archive with its signatures.", "archive string", "url string", irreversible,
			given("signatures", "suite string, digest digest, inline string, detached string")),
		contract("registry.image", action.Read, "Reads the digest of an image.", "image string, tag string", "exists bool, digest string", watched),
		contract("registry.copy", action.Conditional, "Copies an image by its digest and tags it.",
			"from string, to string, tag string, digest string", "digest string", classes("network", "denied"), irreversible),
	}
}
