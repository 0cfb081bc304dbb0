package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"slipway/bot/errs"
)

// Paths under which Slack's deliveries come in.
const (
	EventsPath      = "/hooks/slack/events"
	CommandsPath    = "/hooks/slack/commands"
	InteractivePath = "/hooks/slack/interactive"
)

// Site is what differs between the apps of two sites.
type Site struct {
	Name    string // of the app, at most 35 characters; "": Slipway
	Command string // slash command; "": /slipway
	URL     string // where Slack reaches the listener of webhooks, without a path; "": Socket Mode alone
	Socket  bool   // Socket Mode
	Groups  bool   // a role is a user group
}

// Manifest is an app as Slack makes it (docs.slack.dev, "App manifest reference"). It is our own type
// since what is false has to be written too: Slack's default of a part may be another.
type Manifest struct {
	Metadata metadata `json:"_metadata" yaml:"_metadata"`
	Display  display  `json:"display_information" yaml:"display_information"`
	Features features `json:"features" yaml:"features"`
	OAuth    oauth    `json:"oauth_config" yaml:"oauth_config"`
	Settings settings `json:"settings" yaml:"settings"`
}

type metadata struct {
	Major int `json:"major_version" yaml:"major_version"`
	Minor int `json:"minor_version" yaml:"minor_version"`
}

type display struct {
	Name        string `json:"name" yaml:"name"`
	Description string `json:"description" yaml:"description"`
	Long        string `json:"long_description" yaml:"long_description"`
	Colour      string `json:"background_color" yaml:"background_color"`
}

type features struct {
	Home     home    `json:"app_home" yaml:"app_home"`
	Bot      botUser `json:"bot_user" yaml:"bot_user"`
	Commands []slash `json:"slash_commands" yaml:"slash_commands"`
}

// home lets people write to the bot alone.
type home struct {
	Home     bool `json:"home_tab_enabled" yaml:"home_tab_enabled"`
	Messages bool `json:"messages_tab_enabled" yaml:"messages_tab_enabled"`
	ReadOnly bool `json:"messages_tab_read_only_enabled" yaml:"messages_tab_read_only_enabled"`
}

type botUser struct {
	Name   string `json:"display_name" yaml:"display_name"`
	Online bool   `json:"always_online" yaml:"always_online"`
}

type slash struct {
	Command string `json:"command" yaml:"command"`
	URL     string `json:"url,omitempty" yaml:"url,omitempty"`
	About   string `json:"description" yaml:"description"`
	Hint    string `json:"usage_hint" yaml:"usage_hint"`
	Escape  bool   `json:"should_escape" yaml:"should_escape"` // persons come by their ids, which are never mistaken
}

type oauth struct {
	Scopes scopes `json:"scopes" yaml:"scopes"`
}

type scopes struct {
	Bot []string `json:"bot" yaml:"bot"`
}

type settings struct {
	Events      subscriptions `json:"event_subscriptions" yaml:"event_subscriptions"`
	Interactive interactivity `json:"interactivity" yaml:"interactivity"`
	Org         bool          `json:"org_deploy_enabled" yaml:"org_deploy_enabled"`
	Socket      bool          `json:"socket_mode_enabled" yaml:"socket_mode_enabled"`
	Rotation    bool          `json:"token_rotation_enabled" yaml:"token_rotation_enabled"`
}

type subscriptions struct {
	URL    string   `json:"request_url,omitempty" yaml:"request_url,omitempty"`
	Events []string `json:"bot_events" yaml:"bot_events"`
}

type interactivity struct {
	Enabled bool   `json:"is_enabled" yaml:"is_enabled"`
	URL     string `json:"request_url,omitempty" yaml:"request_url,omitempty"`
}

// MaxName is the length of an app's name, in characters ("App manifest reference").
const MaxName = 35

var commandForm = regexp.MustCompile(`^/[a-z0-9_-]{1,31}$`)

// For makes the manifest of a site. Errors are of kind [errs.Invalid].
func For(s Site) (Manifest, error) {
	const op = "slack.manifest"
	bad := func(what, hint string) (Manifest, error) {
		return Manifest{}, errs.E(op, errs.Invalid, errors.New(what)).Hint("%s", hint)
	}
	if s.Name == "" {
		s.Name = "Slipway"
	}
	if s.Command == "" {
		s.Command = "/slipway"
	}
	if n := utf8.RuneCountInString(s.Name); n > MaxName || strings.ContainsAny(s.Name, "\r\n\t") {
		return bad(fmt.Sprintf("the name %q cannot be that of an app", s.Name), fmt.Sprintf("it is one line of at most %d characters", MaxName))
	}
	if !commandForm.MatchString(s.Command) {
		return bad(fmt.Sprintf("%q is no slash command", s.Command), "write it as people type it, such as /slipway")
	}
	base := strings.TrimRight(s.URL, "/")
	if u, err := url.Parse(base); base != "" && (err != nil || u.Scheme != "https" || u.Hostname() == "" || u.Path != "" || u.User != nil || u.RawQuery != "") {
		return bad(fmt.Sprintf("%q is no address at which Slack can deliver", s.URL), "write where the webhooks are reached, such as https://hooks.harbour.example, without a path; or use Socket Mode")
	}
	if base == "" && !s.Socket {
		return bad("nothing says how Slack's deliveries come in", "give the address of the webhooks, or use Socket Mode")
	}
	at := func(path string) string {
		if s.Socket { // Slack sends everything over the socket then, and takes no addresses
			return ""
		}
		return base + path
	}
	wants := wanted(s.Groups)
	names := make([]string, len(wants))
	for i, one := range wants {
		names[i] = one.Name
	}
	return Manifest{
		Metadata: metadata{2, 1},
		Display: display{s.Name, "Releases software from a typed line",
			"Carries a release from a line in a channel to what others can install: it prepares, asks the people, has it signed, pushes and tells, and goes on where it was after any interruption. Reactions on its gate messages approve or reject.",
			"#1d4f6e"},
		Features: features{
			Home:     home{Messages: true},
			Bot:      botUser{userName(s.Name), true},
			Commands: []slash{{s.Command, at(CommandsPath), "Say something to Slipway", "help", true}},
		},
		OAuth: oauth{scopes{names}},
		Settings: settings{
			Events:      subscriptions{at(EventsPath), events(wants)},
			Interactive: interactivity{true, at(InteractivePath)},
			Socket:      s.Socket,
		},
	}, nil
}

// userName is a name as that of a bot's user: small letters, digits, dots, - and _.
func userName(name string) string {
	out := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r == ' ':
			return '-'
		}
		return -1
	}, name)
	if out = strings.Trim(out, ".-_"); out == "" {
		return "slipway"
	}
	return out
}

// JSON is the manifest as Slack's page takes it.
func (m Manifest) JSON() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		return nil, errs.E("slack.manifest", errs.Internal, err)
	}
	return out.Bytes(), nil
}

// YAML is the same in YAML.
func (m Manifest) YAML() ([]byte, error) {
	out, err := yaml.MarshalWithOptions(m, yaml.Indent(2), yaml.IndentSequence(true))
	if err != nil {
		return nil, errs.E("slack.manifest", errs.Internal, err)
	}
	return out, nil
}
