package main

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/signing"
)

// rawSlack is one workspace and the bot's app there.
type rawSlack struct {
	Team         string   `yaml:"team"`           // T0123ABCD
	App          string   `yaml:"app"`            // A0123ABCD
	TokenFile    string   `yaml:"token_file"`     // xoxb-…, of the bot
	SigningFiles []string `yaml:"signing_files"`  // signing secrets, one, or two while it is changed; needs webhooks:
	AppTokenFile string   `yaml:"app_token_file"` // xapp-…: Socket Mode, instead of signing_files or beside them
	Command      string   `yaml:"command"`        // slash command; default /slipway
	ReadEvery    string   `yaml:"read_every"`     // how often channels are read besides, as deliveries may be lost; default 1m
	URL          string   `yaml:"url"`            // of the API, where it is reached through a proxy; default Slack's own
}

// rawProjectSlack names a project's channels by their ids, which never change.
type rawProjectSlack struct {
	Channel string   `yaml:"channel"` // cards, gate messages and answers
	Rooms   []string `yaml:"rooms"`   // more channels that show the same
	Tell    []string `yaml:"tell"`    // told once of a release; default: the channel
}

// slackConfig is the workspace that is used; Team "" is none.
type slackConfig struct {
	Team, App       string
	URL             string // with a slash at its end; "": Slack's own
	Token, AppToken string
	Signing         []string // empty: nothing comes over HTTP
	Command         string   // with its slash
	Every           time.Duration
	Projects        map[string]slackProject
}

// slackProject are the channels of a project.
type slackProject struct {
	Channel     string
	Rooms, Tell []string
}

// on reports whether there is a workspace.
func (s slackConfig) on() bool { return s.Team != "" }

// shows are the channels with a project's cards and gate messages.
func (p slackProject) shows() []string {
	if p.Channel == "" {
		return nil
	}
	return append([]string{p.Channel}, p.Rooms...)
}

// defaultCommand is the slash command of an app that was made with the manifest as it is.
const defaultCommand = "/slipway"

// Ids as Slack writes them, and the names of slash commands (docs.slack.dev, "Enabling interactivity with
// slash commands": lower case, at most 32 characters).
var (
	slackTeamID  = regexp.MustCompile(`^T[A-Z0-9]{2,20}$`)
	slackAppID   = regexp.MustCompile(`^A[A-Z0-9]{2,20}$`)
	slackRoomID  = regexp.MustCompile(`^[CG][A-Z0-9]{2,20}$`)
	slackAccount = regexp.MustCompile(`^(T[A-Z0-9]{2,20})/[UW][A-Z0-9]{2,20}$`)
	slashCommand = regexp.MustCompile(`^/[a-z0-9_-]{1,31}$`)
	slackSecret  = regexp.MustCompile(`^[0-9A-Za-z]+$`)
)

func (r rawConfig) validSlack(dir string, c *config) error {
	bad := func(what, hint string) error { return invalid("slack: "+what, hint) }
	raw := r.Slack
	s := slackConfig{Team: raw.Team, App: raw.App, Command: raw.Command, Projects: map[string]slackProject{}}
	meant := raw.Team != "" || raw.App != "" || raw.TokenFile != "" || len(raw.SigningFiles) > 0 || raw.AppTokenFile != "" || raw.Command != "" || raw.ReadEvery != "" || raw.URL != ""
	if meant {
		switch {
		case !slackTeamID.MatchString(raw.Team):
			return bad(fmt.Sprintf("team is %q", clipped(raw.Team)), "write the id of the workspace, T and capital letters or digits: its pages in a browser are at app.slack.com/client/T…")
		case !slackAppID.MatchString(raw.App):
			return bad(fmt.Sprintf("app is %q", clipped(raw.App)), "write the App ID, A and capital letters or digits: it is on the app's page, under Basic Information")
		}
		if err := raw.validSecrets(dir, &s); err != nil {
			return err
		}
		if len(s.Signing) > 0 && c.Webhooks.Listen == "" {
			return bad("signing_files are given, and webhooks: is not configured", "write webhooks: {listen: 127.0.0.1:7656, url: https://hooks.harbour.example}, or use Socket Mode: app_token_file in place of signing_files")
		}
		if s.Command == "" {
			s.Command = defaultCommand
		}
		if !slashCommand.MatchString(s.Command) {
			return bad(fmt.Sprintf("command is %q", clipped(s.Command)), "write the slash command as the app has it, such as /slipway")
		}
		if s.Every = chatEvery; raw.ReadEvery != "" {
			d, err := time.ParseDuration(raw.ReadEvery)
			if err != nil || d < time.Second || d > time.Hour {
				return bad(fmt.Sprintf("read_every is %q", clipped(raw.ReadEvery)), "write how often channels are read besides, from 1s to 1h; 1m is usual")
			}
			s.Every = d
		}
		if err := raw.validURL(&s); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(r.Projects) {
		if err := r.Projects[name].Slack.valid(name, &s); err != nil {
			return invalid(fmt.Sprintf("projects: %s: %s", name, errs.Cause(err)), errs.HintOf(err))
		}
	}
	if !s.on() {
		return nil
	}
	for _, p := range c.Persons {
		for _, a := range p.Accounts {
			if team, _, _ := strings.Cut(a.ID, "/"); a.Source == slackSource && team != s.Team {
				return invalid(fmt.Sprintf("people: %s has the account slack:%s, and the workspace is %s", p.ID, a.ID, s.Team), "only accounts of the workspace itself count; write slack:"+s.Team+"/U…")
			}
		}
	}
	c.Slack = s
	return nil
}

// validSecrets reads the tokens and signing secrets. No two of them are the same.
func (r rawSlack) validSecrets(dir string, s *slackConfig) error {
	bad := func(what, hint string) error { return invalid("slack: "+what, hint) }
	const basics = "copy it from the app's page: Basic Information, App Credentials, Signing Secret"
	if len(r.SigningFiles) == 0 && r.AppTokenFile == "" {
		return bad("nothing says how Slack's deliveries come in", "name the file of the signing secret in signing_files, or that of an app-level token in app_token_file for Socket Mode")
	}
	if len(r.SigningFiles) > 2 {
		return bad("signing_files has more than two", "keep the one that Slack has, and the one before")
	}
	type secret struct {
		what, file, begins, fix string
		take                    func(string)
	}
	all := []secret{{"the token of the bot", r.TokenFile, "xoxb-", "copy the Bot User OAuth Token from the app's page, OAuth & Permissions", func(v string) { s.Token = v }}}
	if r.AppTokenFile != "" {
		all = append(all, secret{"the app-level token", r.AppTokenFile, "xapp-", "make one on the app's page: Basic Information, App-Level Tokens, with the scope connections:write", func(v string) { s.AppToken = v }})
	}
	for _, file := range r.SigningFiles {
		all = append(all, secret{"the signing secret", file, "", basics, func(v string) { s.Signing = append(s.Signing, v) }})
	}
	owner := map[string]string{}
	for _, one := range all {
		v, err := readSecret(one.what, dir, one.file)
		if err != nil {
			return bad(errs.Cause(err), errs.HintOf(err))
		}
		if !strings.HasPrefix(v, one.begins) {
			return bad(fmt.Sprintf("%s in %s does not begin with %s", one.what, one.file, one.begins), one.fix)
		}
		if err := signing.CheckToken(strings.TrimPrefix(v, one.begins)); err != nil {
			return bad(fmt.Sprintf("%s in %s: %s", one.what, one.file, errs.Cause(err)), one.fix)
		}
		if one.begins == "" && !slackSecret.MatchString(v) {
			return bad(fmt.Sprintf("%s in %s has other signs than letters and digits", one.what, one.file), one.fix)
		}
		if other := owner[v]; other != "" {
			return bad(fmt.Sprintf("%s and %s hold the same secret", other, one.file), "name each secret once")
		}
		owner[v] = one.file
		one.take(v)
	}
	return nil
}

func (r rawSlack) validURL(s *slackConfig) error {
	if r.URL == "" {
		return nil
	}
	u, err := plainAddress(r.URL)
	switch {
	case err != nil:
		return invalid("slack: url is no address that can be used", "leave it out, or write the address under which the API of Slack is reached, such as https://proxy.harbour.example/api")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return invalid(fmt.Sprintf("slack: url is %s, and the token would be sent without TLS", u), "write https://")
	}
	s.URL = u.String() + "/"
	return nil
}

// valid takes over the channels of a project.
func (r rawProjectSlack) valid(name string, s *slackConfig) error {
	if r.Channel == "" && len(r.Rooms) == 0 && len(r.Tell) == 0 {
		return nil
	}
	const where = "write the channel's id, such as C0123ABCD: it is at the bottom of the channel's details"
	switch {
	case !s.on():
		return invalid("a channel on Slack is named, and slack: is not configured", "write slack: with team, app and token_file; deploy/example/slipway.yaml shows how")
	case r.Channel == "":
		return invalid("slack: channel is missing", where)
	}
	seen := map[string]bool{}
	for _, one := range []struct {
		key  string
		list []string
		once bool
	}{{"channel", []string{r.Channel}, true}, {"rooms", r.Rooms, true}, {"tell", r.Tell, false}} {
		if !one.once {
			seen = map[string]bool{}
		}
		for _, id := range one.list {
			if !slackRoomID.MatchString(id) {
				return invalid(fmt.Sprintf("slack: %s has %q", one.key, clipped(id)), where)
			}
			if seen[id] {
				return invalid(fmt.Sprintf("slack: %s has %q, which is named before", one.key, id), "name it once")
			}
			seen[id] = true
		}
	}
	p := slackProject{Channel: r.Channel, Rooms: slices.Clone(r.Rooms), Tell: slices.Clone(r.Tell)}
	if len(p.Tell) == 0 {
		p.Tell = []string{r.Channel}
	}
	s.Projects[name] = p
	return nil
}

// slackGroups reports whether a role is a user group of Slack.
func (c *config) slackGroups() bool { return len(c.Groups) > 0 }

// host is the host of the API, for those who look whether it can be reached.
func (s slackConfig) host() string {
	if s.URL == "" {
		return "slack.com"
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return s.URL
	}
	return u.Host
}
