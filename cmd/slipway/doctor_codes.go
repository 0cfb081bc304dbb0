package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"time"

	"slipway/bot/finding"
)

// codeDoc is what a code means, what is done about it, and how often it is looked for.
type codeDoc struct {
	meaning, fix   string
	every, timeout time.Duration
}

// codeDocs are all codes. They never change: people search for them and silence them.
func codeDocs() map[string]codeDoc {
	const (
		often   = time.Minute
		now     = 5 * time.Minute
		hourly  = time.Hour
		daily   = 24 * time.Hour
		quick   = 30 * time.Second
		patient = 2 * time.Minute
	)
	docs := map[string]codeDoc{
		"state.unwritable":        {"The folder that holds everything cannot be written, so nothing can be accepted.", "Give the folder to the user of the bot, and look whether its disk is mounted read-only.", now, quick},
		"git.missing":             {"git is not installed; every release reads and pushes with it.", "apt-get install git", hourly, quick},
		"gpg.missing":             {"gpg is not installed; the proofs of the demo and a signer with a smartcard use it.", "apt-get install gnupg", daily, quick},
		"playbook.invalid":        {"A playbook has errors, so no run of it can begin.", "Mend what slipway playbook check names.", hourly, quick},
		"playbook.warning":        {"A playbook is legal and raises doubts, such as a wait without an end.", "Read what slipway playbook check says, and mend it or leave it.", daily, quick},
		"role.empty":              {"A playbook asks a role that nobody holds: its gate can never pass.", "Give somebody the role in roles:, or by a grant.", now, quick},
		"remote.unreachable":      {"A repository does not answer, or its branch is not there.", "Try git ls-remote as the user of the bot; mend the address, the network or the key.", now, patient},
		"signer.none":             {"No signer is configured, so no tag and no archive can be signed.", "Add one to signing: signers: with its token_file.", hourly, quick},
		"smtp.unreachable":        {"The mail server does not answer: announcements and mails to people wait.", "Correct smtp:, or start the mail server.", now, quick},
		"logkey.none":             {"No log key is configured, so what was done cannot be proven to others later.", "slipway logkey new FILE, then evidence: {log_key_file: FILE}.", daily, quick},
		"logkey.broken":           {"The log key cannot be read, so the ends of the logs are not signed.", "Give its file to the user of the bot alone, or put it back from where it is kept.", now, quick},
		"heads.waiting":           {"Ends of logs wait to be signed by the log key; evidence will say that they were signed late.", "Mend the log key.", now, quick},
		"disk.slow":               {"Every command waits until the disk has kept it, and this disk takes long. It is measured with writes of a few kilobytes in the state folder, each with fsync.", "Look what else uses the disk, and move the state folder to a faster one.", now, quick},
		"disk.low":                {"The disk of the state folder has less than 1 GB left.", "Make room: old pipelines in state/ci and backups are the largest.", now, quick},
		"disk.full":               {"The disk of the state folder is nearly full. Soon nothing can be accepted any more; nothing is lost.", "Make room now.", often, quick},
		"clock.wrong":             {"The clock differs by more than a minute from the one in health: clock. Logins, signatures and certificates go wrong.", "Set the clock, and let chrony or systemd-timesyncd keep it.", now, quick},
		"clock.off":               {"The clock differs by more than 5 seconds from the one in health: clock, beyond what the way there may have cost.", "Let chrony or systemd-timesyncd keep the clock.", now, quick},
		"clock.unknown":           {"The clock in health: clock does not answer, so nobody knows whether ours is right.", "Correct health: clock, or open the way there.", hourly, quick},
		"key.expired":             {"A project's release key may not sign now: the signatures of its tags are refused.", "Extend the key and put it into public_key: again, or name its successor in release_key:.", hourly, quick},
		"key.expires":             {"A project's release key expires within 30 days.", "Extend the key and put it into public_key: again, before releases are refused.", hourly, quick},
		"certificate.expired":     {"The certificate of the web console is not valid any more, or cannot be read: browsers refuse the pages.", "Renew it and restart the bot.", hourly, quick},
		"certificate.expires":     {"The certificate of the web console ends within 21 days; what renews it by itself does so earlier.", "Look why it was not renewed.", hourly, quick},
		"backup.old":              {"Backups are configured, and the newest is older than two periods, or there is none.", "Look in the bot's log why none is made, or make one: slipway backup.", now, quick},
		"backup.failed":           {"The last backup could not be made.", "Make room or mend the folder in backup: dir, then: slipway backup.", now, quick},
		"engine.stopped":          {"The engine has stopped for good, because the store cannot tell what the disk holds.", "Restart the bot, better the machine; then run slipway fsck when it is stopped.", often, quick},
		"engine.hangs":            {"One of the loops of the engine does not turn any more: what it does waits.", "Keep the log, and restart the bot: nothing is lost.", often, quick},
		"effects.paused":          {"Somebody paused effects, or a restore did: nothing outside is done, and people are still answered.", "When it is safe, say: resume effects.", often, quick},
		"inbox.behind":            {"What came in lies there and is not read.", "Look in the bot's log for what it waits for; say: inbox list.", often, quick},
		"outbox.behind":           {"Something that should have been done half an hour ago is still tried.", "Look at the outside that it needs: the log names it, and why of the run.", often, quick},
		"job.untaken":             {"Work is there for a signer or builder, and nobody has taken it for two hours.", "Start slipway-signer or the builder, and look at the signer's own prompt: it may wait for its holder.", now, quick},
		"run.stuck":               {"A step of a run goes no further without a person.", "Ask in chat: why RUN; then mend it and say retry, or abort the run.", often, patient},
		"effect.doubtful":         {"Nobody can tell whether something happened outside; it is not repeated until a person says.", "Look outside, and say: doubt RUN STEP happened, redo or failed.", often, patient},
		"gate.absent":             {"An open gate cannot pass before somebody who is away is back.", "Let a stand-in be named, or say that they are back.", now, quick},
		"run.misfit":              {"Live runs began with a playbook that does not fit this version of the program; they wait.", "Say: migrate RUN, or run the version with which they began.", now, quick},
		"archive.unwritable":      {"An archive cannot be written, so nothing can be published.", "Give its folder to the user of the bot, or mend the way to its host.", now, patient},
		"archive.key_expired":     {"A key of an archive may not sign: it is expired, revoked or weak. Clients refuse what it signs.", "Extend it and export it again into public_keys:, or sign with its successor.", hourly, quick},
		"archive.key_expires":     {"A key of an archive expires within 30 days.", "Extend it, or add its successor beside it now, so that clients have it in time.", hourly, quick},
		"archive.program_missing": {"A program that builds, checks or publishes packages is not installed.", "Install the package that is named.", hourly, quick},
		"archive.builder_missing": {"The account that builds packages is not there, or may not be used.", "Make the account that is named, or leave user: out.", hourly, quick},
		"archive.not_served":      {"What clients find at the address of an archive is not what was published last.", "Serve the folder there, and let nothing cache InRelease for long.", now, patient},
		"archive.expired":         {"A published Release is past its Valid-Until: clients refuse the archive.", "Say: release refresh.", hourly, quick},
		"archive.expires":         {"A published Release nears its Valid-Until: clients will refuse the archive.", "Say: release refresh, and let release-refresh start by itself.", hourly, quick},
		"archive.not_refreshed":   {"The Release of an archive expires, and nothing gives it a new date by itself.", "Add triggers: [release-refresh] to the project.", daily, quick},
		"archive.full":            {"The disk of an archive has less than 1 GB left.", "Make room, or lower snapshots: and keep: of its suites.", now, quick},
	}
	maps.Copy(docs, gitlabDocs())
	maps.Copy(docs, slackDocs())
	return docs
}

// checks are all of them, the way the registry wants them. Those that only a running bot can tell
// have no look when there is none.
func (p *patient) checks() []finding.Check {
	docs := codeDocs()
	var out []finding.Check
	add := func(all []ailment, can bool) {
		for _, a := range all {
			d := docs[a.code]
			c := finding.Check{Code: a.code, Severity: a.severity, Meaning: d.meaning, Fix: d.fix, Good: a.good, Every: d.every, Timeout: d.timeout}
			if can {
				c.Look = func(ctx context.Context) []finding.Symptom {
					var found []finding.Symptom
					for _, s := range a.look(ctx, p) {
						found = append(found, finding.Symptom{What: s.what, Fix: s.fix})
					}
					return found
				}
			}
			out = append(out, c)
		}
	}
	add(ailments(), true)
	add(liveAilments(), p.bot != nil)
	return out
}

// tellCodes writes what every code means.
func tellCodes(w io.Writer) error {
	r, err := finding.New((&patient{}).checks()...)
	if err != nil {
		return err
	}
	for _, c := range r.Checks() {
		how := ""
		if c.Look == nil && c.Code != finding.Late {
			how = "; only a running bot can tell"
		}
		if _, err := fmt.Fprintf(w, "%s (%s%s)\n    %s\n    → %s\n", c.Code, c.Severity, how, c.Meaning, c.Fix); err != nil {
			return err
		}
	}
	return nil
}
