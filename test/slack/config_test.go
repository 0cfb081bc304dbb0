package slack

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"slipway/commands/release"
	"slipway/integrations/logkey"
	fake "slipway/test/fakes/slack"
)

// config is slipway.yaml as a person would write it.
const config = `# One project with a channel on Slack, four people, one signer.
state: state
playbooks: playbooks
evidence: {log_key_file: log-key}
console: {socket: slipway.sock, many_people: true, listen: off}
signing:
  listen: DOOR
  signers: {yard: {token_file: signer-token}}
smtp: {host: 127.0.0.1, port: MAILPORT, tls: none, archive: mailbox, settle: 200ms}
people:
  hana: {name: Hana Harbour, mail: hana@harbour.example, accounts: ["console:hana"HANA]}
  ben: {name: Ben Buoy, mail: ben@harbour.example, accounts: ["console:ben"BEN]}
  chen: {name: Chen Chart, mail: chen@harbour.example, accounts: ["console:chen"CHEN]}
  tessa: {name: Tessa Tide, mail: tessa@harbour.example, accounts: ["console:tessa"TESSA]}
roles:
  "*":
    admin: {persons: [hana]}
  harbour:
    release-manager: {persons: [hana]}
    maintainer: MAINTAINERS
    tester: {persons: [tessa]}
channels:
  general: {project: harbour}
WEBHOOKSslack:
  team: TEAM
  app: APPID
  url: APIURL
  token_file: slack-token
  WAYIN
  read_every: READEVERY
projects:
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
    ci: ["true"]
    slack: {channel: CHANNEL}
`

// persons are those of the configuration, with their names on Slack.
func persons() map[string]string {
	return map[string]string{"hana": "Hana Harbour", "ben": "Ben Buoy", "chen": "Chen Chart", "tessa": "Tessa Tide"}
}

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
	app := w.slack.App()
	w.write("slack-token", app.Token)
	w.write("slack-signing", app.Secret)
	w.write("slack-app-token", app.AppToken)
	webhooks, wayIn := fmt.Sprintf("webhooks: {listen: %q, url: %q}\n", strings.TrimPrefix(w.hooks, "http://"), w.hooks), "signing_files: [slack-signing]"
	if w.shape.socket {
		webhooks, wayIn = "", "app_token_file: slack-app-token"
	}
	every, maintainers := w.shape.readEvery, "{persons: [ben, chen, hana]}"
	if every == "" {
		every = "1m"
	}
	if w.shape.group {
		w.group = w.slack.AddGroup(fake.Group{Name: "Maintainers", Handle: "maintainers", Users: []string{w.users["ben"], w.users["chen"], w.users["hana"]}}).ID
		maintainers = "{slack_group: " + w.group + "}"
	}
	text := config
	for _, one := range [][2]string{{"WEBHOOKS", webhooks}, {"WAYIN", wayIn}, {"DOOR", strings.TrimPrefix(w.door, "http://")}, {"MAILPORT", w.mailPort},
		{"TEAM", team}, {"APPID", app.ID}, {"APIURL", w.slack.URL}, {"READEVERY", every}, {"MAINTAINERS", maintainers}, {"REMOTE", w.remote}, {"KEY", w.fingerprint}, {"CHANNEL", w.room}} {
		text = strings.ReplaceAll(text, one[0], one[1])
	}
	for name := range persons() {
		account := fmt.Sprintf(`, "slack:%s/%s"`, team, w.users[name])
		if slices.Contains(w.shape.unlinked, name) {
			account = ""
		}
		text = strings.Replace(text, `"console:`+name+`"`+strings.ToUpper(name), `"console:`+name+`"`+account, 1)
	}
	w.write("slipway.yaml", text)
	// The stories wait for seconds at the most.
	w.must(os.MkdirAll(filepath.Join(w.dir, "playbooks"), 0o755))
	w.write("playbooks/release.yaml", strings.ReplaceAll(string(release.Playbook), "times: 1, after: 1m", "times: 1, after: 1s"))
}

// install makes the app from the manifest that the program prints, as its page at Slack does: these
// scopes, these events, these addresses, and no others.
func (w *world) install() {
	w.t.Helper()
	args := []string{"--config", filepath.Join(w.dir, "none.yaml"), "manifest", "slack", "--hooks", "https://hooks.harbour.example"}
	if w.shape.socket {
		args = []string{"--config", filepath.Join(w.dir, "none.yaml"), "manifest", "slack", "--socket-mode"}
	}
	raw, err := output(w.ctx, w.dir, filepath.Join(w.slip.dir, "slipway"), args...)
	w.must(err)
	var m struct {
		Features struct {
			Commands []struct {
				Command string `json:"command"`
				Escape  bool   `json:"should_escape"`
				URL     string `json:"url"`
			} `json:"slash_commands"`
		} `json:"features"`
		OAuth struct {
			Scopes struct {
				Bot []string `json:"bot"`
			} `json:"scopes"`
		} `json:"oauth_config"`
		Settings struct {
			Events struct {
				URL    string   `json:"request_url"`
				Events []string `json:"bot_events"`
			} `json:"event_subscriptions"`
			Interactive struct {
				Enabled bool   `json:"is_enabled"`
				URL     string `json:"request_url"`
			} `json:"interactivity"`
			Socket bool `json:"socket_mode_enabled"`
		} `json:"settings"`
	}
	w.must(json.Unmarshal([]byte(raw), &m))
	here := func(url string) string { return strings.Replace(url, "https://hooks.harbour.example", w.hooks, 1) }
	w.slack.SetApp(func(a *fake.App) {
		a.Scopes = m.OAuth.Scopes.Bot
		if w.shape.group {
			a.Scopes = append(a.Scopes, "usergroups:read")
		}
		a.Events, a.Socket, a.Interactive = m.Settings.Events.Events, m.Settings.Socket, m.Settings.Interactive.Enabled
		a.EventsURL, a.InteractiveURL = here(m.Settings.Events.URL), here(m.Settings.Interactive.URL)
		a.Commands = nil
		for _, c := range m.Features.Commands {
			a.Commands = append(a.Commands, fake.Slash{Name: c.Command, Escape: c.Escape, URL: here(c.URL)})
		}
	})
}
