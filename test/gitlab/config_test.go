package gitlab

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"slipway/commands/release"
	"slipway/integrations/logkey"
)

// config is slipway.yaml as a person would write it.
const config = `# One project on GitLab, four people, one signer.
state: state
playbooks: playbooks
evidence: {log_key_file: log-key}
console: {socket: slipway.sock, many_people: true, listen: off}
signing:
  listen: DOOR
  signers: {yard: {token_file: signer-token}}
smtp: {host: 127.0.0.1, port: MAILPORT, tls: none, archive: mailbox, settle: 200ms}
people:
  hana: {name: Hana Harbour, mail: hana@harbour.example, accounts: ["console:hana", "gitlab:HANA"]}
  ben: {name: Ben Buoy, mail: ben@harbour.example, accounts: ["console:ben", "gitlab:BEN"]}
  chen: {name: Chen Chart, mail: chen@harbour.example, accounts: ["console:chen", "gitlab:CHEN"]}
  tessa: {name: Tessa Tide, mail: tessa@harbour.example, accounts: ["console:tessa", "gitlab:TESSA"]}
roles:
  "*":
    admin: {persons: [hana]}
  harbour:
    release-manager: {persons: [hana]}
    maintainer: {persons: [ben, chen, hana]}
    tester: {persons: [tessa]}
channels:
  general: {project: harbour}
webhooks: {listen: "HOOKPORT", url: "http://HOOKPORT"}
gitlab:
  url: GITLAB
  token_file: gitlab-token
  read_every: READEVERY
  hooks:
    harbour: {project: harbour, token_files: [harbour-hook]}
    HOOKOFFORK
ARCHIVESprojects:
  harbour:
    remote: REMOTE
    branch: master
    scheme: calendar
    changelog: debian/changelog
    tagger: Harbour Releases <releases@harbour.example>
    release_key: KEY
    public_key: demo-cert.asc
    channel: general
    mail_to: [announce@lists.harbour.example]
    providers: {forge: gitlab, ci: gitlab}
    milestones: true
    ORDER
    gitlab: {project: PROJECT, FORKID rooms: [ROOM]}PUBLISH
`

const archiveConfig = `archives:
  yard:
    root: archive
    address: ADDRESS
    keys: [KEY]
    public_keys: [demo-cert.asc]
    suites:
      stable: {origin: Harbour, label: Harbour, architectures: [amd64], valid_for: 14d, snapshots: 10}
`

// writeConfig writes it with all that it names.
func (w *world) writeConfig() {
	w.t.Helper()
	n, err := port()
	w.must(err)
	w.door = fmt.Sprintf("http://127.0.0.1:%d", n)
	w.write("signer-token", "5d0c8d0f3e6a4b1f9a7c2e4d6b8f0a13")
	_, err = logkey.Create(filepath.Join(w.dir, "log-key"))
	w.must(err)
	cert, err := os.ReadFile(filepath.Join(w.slip.dir, "key", "demo-cert.asc"))
	w.must(err)
	w.write("demo-cert.asc", string(cert))
	mailPort, err := os.ReadFile(filepath.Join(w.dir, "mail-port"))
	w.must(err)
	order, forkID, forkHook := "fork: "+w.lab.Remote(w.fork), fmt.Sprintf("fork: %d,", w.fork), "harbour-fork: {project: harbour, of: fork, token_files: [harbour-fork-hook]}"
	if w.shape.branchFirst {
		order, forkID, forkHook = "order: branch-first", "", ""
	}
	if w.devices != 0 {
		order += "\n    handover: {remote: \"" + w.lab.Remote(w.devices) + "\", from: share/device-types}"
		forkID += fmt.Sprintf(" handover: %d,", w.devices)
	}
	archives, publish := "", ""
	if w.archive != "" {
		archives, publish = archiveConfig, "\n    archive: yard\n    suites: [stable]\n    build: {command: [true]}\n    artifact_jobs: [package]"
	}
	every := w.shape.readEvery
	if every == "" {
		every = "1m"
	}
	text := config
	for _, one := range [][2]string{{"ARCHIVES", archives}, {"PUBLISH", publish}, {"ADDRESS", w.archive}, {"DOOR", strings.TrimPrefix(w.door, "http://")},
		{"MAILPORT", strings.TrimSpace(string(mailPort))}, {"HOOKPORT", strings.TrimPrefix(w.hooks, "http://")}, {"GITLAB", w.lab.URL}, {"READEVERY", every},
		{"HOOKOFFORK", forkHook}, {"REMOTE", w.lab.Remote(w.project)}, {"KEY", w.fingerprint}, {"ORDER", order}, {"PROJECT", fmt.Sprint(w.project)},
		{"FORKID", forkID}, {"ROOM", strings.SplitN(string(w.room), "/", 2)[1]}} {
		text = strings.ReplaceAll(text, one[0], one[1])
	}
	for _, name := range []string{"hana", "ben", "chen", "tessa"} {
		text = strings.ReplaceAll(text, `"gitlab:`+strings.ToUpper(name), fmt.Sprintf(`"gitlab:%d`, w.users[name]))
	}
	w.write("slipway.yaml", text)
	w.writePlaybook()
}

var pollLine = regexp.MustCompile(`(?m)^(    poll: ).*$`)

// writePlaybook puts the release playbook into the site's folder with other times: the stories wait
// for seconds at the most. Where the machine need not have apt, nobody asks it.
func (w *world) writePlaybook() {
	w.t.Helper()
	book := string(release.Playbook)
	if w.shape.poll != "" {
		book = pollLine.ReplaceAllString(book, "${1}"+w.shape.poll)
	}
	book = strings.ReplaceAll(book, "times: 1, after: 1m", "times: 1, after: 1s")
	if w.archive != "" && !hasApt {
		const seen = "    poll: 30s\n    when: \"project.archive != ''\"\n"
		changed := regexp.MustCompile(`(?m)^    until: view\.ok\n    poll: .*\n    when: "project\.archive != ''"\n`).ReplaceAllString(book,
			"    until: view.ok\n    poll: 30s\n    when: \"project.archive == 'read by apt'\"\n")
		if changed == book {
			w.t.Fatalf("the playbook has no step with %q", seen)
		}
		book = changed
	}
	w.must(os.MkdirAll(filepath.Join(w.dir, "playbooks"), 0o755))
	w.write("playbooks/release.yaml", book)
	if w.shape.book != "" {
		w.write("playbooks/more.yaml", w.shape.book)
	}
}
