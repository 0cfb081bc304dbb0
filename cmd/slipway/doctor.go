package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"slipway/bot/errs"
	"slipway/bot/finding"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/commands/grammar"
)

// severity says what a finding means for the bot.
type severity = finding.Severity

const (
	ill     = finding.Error   // the bot does not start, or a release cannot end
	warning = finding.Warning // something will be missed
)

// ailment is one thing that can be wrong. Its code never changes; [codeDocs] tells of it.
type ailment struct {
	code     string
	severity severity
	good     string // what is said when all is well
	look     func(context.Context, *patient) []symptom
}

// symptom is what was found, and the fix.
type symptom struct{ what, fix string }

// unlooked is found when it could not be looked at: that is not well, and not ill.
func unlooked() []symptom { return []symptom{{}} }

// patient is what is looked at.
type patient struct {
	conf  *config
	shelf *shelf
	bot   *bot      // nil when no bot runs in this process
	disk  *diskTime // what the last look at the disk measured; nil: not kept
}

// ailments are the checks that need no running bot, in the order in which they are told.
func ailments() []ailment {
	all := []ailment{
		{"state.unwritable", ill, "the state folder can be written", stateFolder},
		{"git.missing", ill, "git is there", gitProgram},
		{"gpg.missing", warning, "gpg is there", gpgProgram},
		{"playbook.invalid", ill, "the playbooks are good", badPlaybooks},
		{"playbook.warning", warning, "the playbooks raise no doubts", doubtfulPlaybooks},
		{"role.empty", ill, "every role that a playbook asks is held by somebody", emptyRoles},
		{"remote.unreachable", ill, "every remote answers", remotes},
		{"signer.none", ill, "a signer is configured", noSigner},
		{"smtp.unreachable", ill, "the mail server answers", smtpServer},
	}
	return slices.Concat(all, evidenceAilments(), machineAilments(), archiveAilments(), gitlabAilments(), slackAilments())
}

func stateFolder(_ context.Context, p *patient) []symptom {
	return unwritable("state", p.conf.State, "700", "state:")
}

// unwritable looks whether a folder, or the one in which it would be made, can be written.
func unwritable(what, folder, mode, key string) []symptom {
	dir := folder
	for {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			return []symptom{{dir + " is not a folder", "choose another folder in " + key}}
		}
		if err == nil {
			break
		}
		dir = filepath.Dir(dir) // serve makes what is not there yet
	}
	if unix.Access(dir, unix.W_OK|unix.X_OK) != nil {
		return []symptom{{fmt.Sprintf("the %s folder %s cannot be written", what, folder), fmt.Sprintf("make it and give it to this user: install -d -m %s %s", mode, folder)}}
	}
	return nil
}

func gitProgram(context.Context, *patient) []symptom {
	if _, err := exec.LookPath("git"); err != nil {
		return []symptom{{"git is not installed", "apt-get install git"}}
	}
	return nil
}

func gpgProgram(context.Context, *patient) []symptom {
	if _, err := exec.LookPath("gpg"); err != nil {
		return []symptom{{"gpg is not installed; only the proofs of the demo and a signer with a smartcard need it", "apt-get install gnupg"}}
	}
	return nil
}

func badPlaybooks(_ context.Context, p *patient) []symptom { return findings(p, playbook.Error) }

func doubtfulPlaybooks(_ context.Context, p *patient) []symptom { return findings(p, playbook.Warning) }

func findings(p *patient, level playbook.Severity) (out []symptom) {
	for _, name := range p.shelf.names() {
		for _, f := range p.shelf.found[name] {
			if f.Severity == level {
				fix := f.Fix
				if fix == "" {
					fix = "slipway playbook check"
				}
				out = append(out, symptom{f.Pos.String() + ": " + f.Text, fix})
			}
		}
	}
	return out
}

// emptyRoles finds gates and questions that nobody could pass or answer.
func emptyRoles(ctx context.Context, p *patient) (out []symptom) {
	persons, grants, err := configured{p.conf}.People(ctx)
	if err != nil {
		return []symptom{{errs.Cause(err), errs.HintOf(err)}}
	}
	dir := people.NewDirectory(persons, grants, nil, nil)
	for _, project := range sortedKeys(p.conf.Projects) {
		for _, name := range p.shelf.names() {
			book := p.shelf.Current(name)
			if book == nil || !p.wanted(project, name) {
				continue
			}
			filled := map[string]bool{}
			for _, r := range book.Roles {
				filled[r.Name] = true
			}
			for _, step := range book.Steps {
				for _, role := range rolesOf(step) {
					if !filled[role] && !p.conf.grouped(project, role) && len(dir.Members(project, role, time.Now())) == 0 {
						filled[role] = true // said once
						out = append(out, symptom{fmt.Sprintf("nobody is %s of %s, and the step %s of %s needs one", role, project, step.Path, name),
							fmt.Sprintf("add %s to roles: %s:", role, project)})
					}
				}
			}
		}
	}
	return out
}

// wanted reports whether a project means to run a playbook: it is the one of a family, the site's
// own, or named by the project. What else comes with a family, such as uploads to Debian, is there
// for those who fill its roles.
func (p *patient) wanted(project, name string) bool {
	c := p.conf.Projects[project]
	if _, ours := bundled()[name]; !ours || c.Starters[name] != "" || slices.Contains(c.Triggers, name) {
		return true
	}
	return slices.ContainsFunc(families(p.conf), func(f grammar.Family) bool { return f.PlaybookName() == name })
}

func rolesOf(s *playbook.Step) []string {
	switch {
	case s.Gate != nil && len(s.Gate.Rule.Roles()) > 1: // of several, one may do
		return nil
	case s.Gate != nil:
		return s.Gate.Rule.Roles()
	case s.Ask != nil && s.Ask.Of != "" && s.Ask.Of != "requester":
		return []string{s.Ask.Of}
	case s.ByHand != nil && s.ByHand.Of != "" && s.ByHand.Of != "requester":
		return []string{s.ByHand.Of}
	}
	return nil
}

func remotes(ctx context.Context, p *patient) (out []symptom) {
	for _, name := range sortedKeys(p.conf.Projects) {
		remote, _ := p.conf.Projects[name].Profile["remote"].(string)
		branch, _ := p.conf.Projects[name].Profile["branch"].(string)
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		found, err := p.branchAt(ctx, name, remote, branch)
		cancel()
		switch {
		case err != nil:
			out = append(out, symptom{fmt.Sprintf("the remote %s of %s does not answer", remote, name), "try: git ls-remote " + remote})
		case found == "":
			out = append(out, symptom{fmt.Sprintf("the remote %s of %s has no branch %s", remote, name, branch), "correct branch: of the project"})
		}
	}
	return out
}

func noSigner(_ context.Context, p *patient) []symptom {
	if len(p.conf.Signing.Tokens) == 0 {
		return []symptom{{"no signer is configured, so no tag and no archive can be signed", "add one to signing: signers: with its token_file"}}
	}
	return nil
}

// smtpServer reads the greeting of the mail server and hangs up.
func smtpServer(ctx context.Context, p *patient) []symptom {
	host := p.conf.SMTP.Host
	if host == "" {
		host = "localhost"
	}
	address := net.JoinHostPort(host, strconv.Itoa(p.conf.SMTP.Port))
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return []symptom{{address + " does not answer", "correct host and port of smtp:, or start the mail server"}}
	}
	defer conn.Close()
	if p.conf.SMTP.Port == 465 { // it waits for TLS first
		return nil
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "220") {
		return []symptom{{address + " does not speak SMTP", "correct host and port of smtp:"}}
	}
	_, _ = conn.Write([]byte("QUIT\r\n"))
	return nil
}
