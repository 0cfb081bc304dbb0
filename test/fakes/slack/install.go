package slack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
)

// manifest is an app manifest, with the fields that this server knows; others are refused.
// https://docs.slack.dev/reference/app-manifest
type manifest struct {
	Metadata struct {
		Major int `yaml:"major_version"`
		Minor int `yaml:"minor_version"`
	} `yaml:"_metadata"`
	Display struct {
		Name        string `yaml:"name"`
		Description string `yaml:"description"`
		Long        string `yaml:"long_description"`
		Color       string `yaml:"background_color"`
	} `yaml:"display_information"`
	Features struct {
		Bot *struct {
			Name   string `yaml:"display_name"`
			Online bool   `yaml:"always_online"`
		} `yaml:"bot_user"`
		Home *struct {
			Home     bool `yaml:"home_tab_enabled"`
			Messages bool `yaml:"messages_tab_enabled"`
			ReadOnly bool `yaml:"messages_tab_read_only_enabled"`
		} `yaml:"app_home"`
		Commands []struct {
			Command     string `yaml:"command"`
			URL         string `yaml:"url"`
			Description string `yaml:"description"`
			Hint        string `yaml:"usage_hint"`
			Escape      bool   `yaml:"should_escape"`
		} `yaml:"slash_commands"`
	} `yaml:"features"`
	OAuth struct {
		Scopes struct {
			Bot  []string `yaml:"bot"`
			User []string `yaml:"user"`
		} `yaml:"scopes"`
		Redirect []string `yaml:"redirect_urls"`
		PKCE     bool     `yaml:"pkce_enabled"`
	} `yaml:"oauth_config"`
	Settings struct {
		Events *struct {
			URL string   `yaml:"request_url"`
			Bot []string `yaml:"bot_events"`
		} `yaml:"event_subscriptions"`
		Interactivity *struct {
			Enabled bool   `yaml:"is_enabled"`
			URL     string `yaml:"request_url"`
			Options string `yaml:"message_menu_options_url"`
		} `yaml:"interactivity"`
		Org      bool `yaml:"org_deploy_enabled"`
		Socket   bool `yaml:"socket_mode_enabled"`
		Rotation bool `yaml:"token_rotation_enabled"`
	} `yaml:"settings"`
}

// Install makes the app as "From a manifest" and "Install to workspace" do: what it is called, what it
// may do and hears of, where it listens. Its tokens and its signing secret are new. The manifest is
// YAML or JSON. Nobody asks the addresses yet: [Server.Verify] does.
func (s *Server) Install(text []byte) (App, error) {
	var m manifest
	if err := yaml.UnmarshalWithOptions(text, &m, yaml.Strict()); err != nil {
		return App{}, fmt.Errorf("the manifest cannot be read: %w", err)
	}
	if wrong := m.check(); len(wrong) > 0 {
		return App{}, errors.New("the manifest is refused: " + strings.Join(wrong, "; "))
	}
	s.SetApp(func(a *App) {
		a.Name, a.Scopes, a.Socket = m.Display.Name, slices.Clone(m.OAuth.Scopes.Bot), m.Settings.Socket
		a.Events, a.Commands, a.EventsURL, a.CommandsURL, a.InteractiveURL, a.Interactive = nil, nil, "", "", "", false
		for _, c := range m.Features.Commands {
			a.Commands = append(a.Commands, Slash{Name: c.Command, URL: c.URL, Escape: c.Escape})
		}
		if e := m.Settings.Events; e != nil {
			a.Events, a.EventsURL = slices.Clone(e.Bot), e.URL
		}
		if i := m.Settings.Interactivity; i != nil {
			a.Interactive, a.InteractiveURL = i.Enabled, i.URL
		}
		a.Token, a.Secret = "xoxb-"+strings.Repeat(strings.ToLower(s.id("K")), 3), strings.Repeat(strings.ToLower(s.id("5ec")), 3)[:32]
		a.AppToken = "xapp-1-" + a.ID + "-" + strings.Repeat(strings.ToLower(s.id("L")), 3)
		s.user(a.User).DisplayName = m.Features.Bot.Name
	})
	return s.App(), nil
}

// check says what Slack would refuse.
func (m *manifest) check() (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	long := func(name, text string, least, most int) {
		if n := utf8.RuneCountInString(text); n > most || n < least {
			say("%s has %d characters; %d to %d are allowed", name, n, least, most)
		}
	}
	address := func(name, text string) {
		u, err := url.Parse(text)
		if local := err == nil && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost"); err != nil || u.Host == "" || u.Scheme != "https" && !local {
			say("%s must be an https address, not %q", name, text)
		}
	}
	long("display_information.name", m.Display.Name, 1, 35)
	long("display_information.description", m.Display.Description, 0, 140)
	if m.Display.Long != "" {
		long("display_information.long_description", m.Display.Long, 175, 4000)
	}
	if m.Features.Bot == nil {
		say("features.bot_user is missing: without it there is nobody to install")
	} else {
		long("features.bot_user.display_name", m.Features.Bot.Name, 1, 80)
	}
	scopes := m.OAuth.Scopes.Bot
	for _, scope := range scopes {
		if !slices.Contains(usualScopes(), scope) && scope != "chat:write.public" && scope != "chat:write.customize" {
			say("oauth_config.scopes.bot: there is no scope %q", scope)
		}
	}
	if len(m.Features.Commands) > 0 && !slices.Contains(scopes, "commands") {
		say("slash commands need the scope commands")
	}
	for _, c := range m.Features.Commands {
		long("command", c.Command, 2, 32)
		long("description of "+c.Command, c.Description, 1, 2000)
		long("usage_hint of "+c.Command, c.Hint, 0, 1000)
		if !strings.HasPrefix(c.Command, "/") || strings.ContainsAny(c.Command, " \t") {
			say("a command begins with a slash and has no space: %q", c.Command)
		}
		if !m.Settings.Socket {
			address("url of "+c.Command, c.URL)
		}
	}
	if e := m.Settings.Events; e != nil {
		if !m.Settings.Socket {
			address("settings.event_subscriptions.request_url", e.URL)
		}
		for _, event := range e.Bot {
			scope, known := allEvents()[event]
			if !known {
				say("settings.event_subscriptions.bot_events: there is no event %q", event)
			} else if scope != "" && !slices.Contains(scopes, scope) {
				say("the event %s needs the scope %s", event, scope)
			}
		}
	}
	if i := m.Settings.Interactivity; i != nil && i.Enabled && !m.Settings.Socket {
		address("settings.interactivity.request_url", i.URL)
	}
	return wrong
}

// Verify asks the address for events whether it is the app's, as the app's pages do: it must answer
// with the challenge. https://docs.slack.dev/reference/events/url_verification
func (s *Server) Verify() error {
	s.mu.Lock()
	challenge := strings.ToLower(s.id("ch"))
	d := s.sealed(Delivery{Kind: Events, Type: "url_verification", Payload: encoded(body{"token": "old-verification-token", "challenge": challenge, "type": "url_verification"})})
	s.mu.Unlock()
	if d.URL == "" {
		return errors.New("the app has no address for events")
	}
	q, err := http.NewRequest(http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return err
	}
	q.Header = d.Header
	client := http.Client{Timeout: answerIn}
	a, err := client.Do(q)
	if err != nil {
		return fmt.Errorf("your URL didn't respond: %w", err)
	}
	defer a.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(a.Body, 1<<16))
	if err != nil {
		return err
	}
	plain := strings.TrimSpace(string(raw)) == challenge
	asJSON := strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") && strings.Contains(string(raw), `"challenge"`) && strings.Contains(string(raw), `"`+challenge+`"`)
	asForm := strings.TrimSpace(string(raw)) == "challenge="+challenge
	if a.StatusCode != http.StatusOK || !plain && !asJSON && !asForm {
		return fmt.Errorf("your URL didn't respond with the value of the challenge parameter: it answered %d %q", a.StatusCode, raw)
	}
	return nil
}
