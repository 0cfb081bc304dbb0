package main

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/console/login"
)

// badConsoles are the example with a mistake in what concerns browsers.
func badConsoles() []badConfig {
	const (
		listen  = "listen: 127.0.0.1:7654            #"
		address = "url: https://slipway.harbour.example #"
		proxies = "trusted_proxies: [127.0.0.1]      #"
		logins  = `(?s)\n  login: #.*?\n  session:`
	)
	return []badConfig{
		{name: "address without a port", old: listen, new: "listen: 127.0.0.1 #"},
		{name: "listening to others without login", pattern: `(?s)\n  listen: 127.*?\n  session:`, new: "\n  listen: 0.0.0.0:7654\n  session:"},
		{name: "every address without login", pattern: `(?s)\n  listen: 127.*?\n  session:`, new: "\n  listen: :7654\n  session:"},
		{name: "others reach it, and nobody logs in", pattern: logins, new: "\n  session:"},
		{name: "off, with a login", old: listen, new: "listen: off #"},
		{name: "listening to others without an address", pattern: `(?s)\n  listen: 127.*?\n  login:`, new: "\n  listen: 0.0.0.0:7654\n  login:"},
		{name: "address with a path", old: address, new: "url: https://harbour.example/slipway #"},
		{name: "address with a password", old: address, new: "url: https://hana:sesame@harbour.example #"},
		{name: "address without TLS", old: address, new: "url: http://slipway.harbour.example #"},
		{name: "nobody speaks TLS", old: proxies, new: "trusted_proxies: [] #"},
		{name: "everybody is a proxy", old: proxies, new: "trusted_proxies: [0.0.0.0/0] #"},
		{name: "proxy by name", old: proxies, new: "trusted_proxies: [proxy.harbour.example] #"},
		{name: "certificate without a key", old: "  # tls_cert_file:", new: "  tls_cert_file:"},
		{name: "certificate that is not there", old: "  # tls_cert_file: tls/fullchain.pem\n  # tls_key_file", new: "  tls_cert_file: tls/fullchain.pem\n  tls_key_file"},
		{name: "issuer without TLS", old: "issuer: https://login", new: "issuer: http://login"},
		{name: "issuer with a question", old: "issuer: https://login.harbour.example", new: `issuer: "https://login.harbour.example?realm=x"`},
		{name: "login without a client", old: "    client_id: slipway\n", new: ""},
		{name: "login without an address", pattern: `(?s)\n  url: .*?\n  # Or without`, new: "\n  # Or without"},
		{name: "secret that all can read", old: "client_secret_file: oidc-secret", new: "client_secret_file: open-token"},
		{name: "secret in the open", old: "client_secret_file: oidc-secret", new: "client_secret: sesame"},
		{name: "session for ever", old: "lifetime: 7d", new: "lifetime: 1000d"},
		{name: "session of a second", old: "idle: 12h", new: "idle: 1s"},
	}
}

func TestTheExampleConsoleIsForOthersBehindTLSAndLogin(t *testing.T) {
	text, _ := exampleFolder(t)
	c, err := parseConfig("slipway.yaml", []byte(text))
	if err != nil {
		t.Fatal(errs.Text(err))
	}
	w := c.Web
	if w.Listen != defaultListen || w.Login == nil || w.Login.Secret != "open sesame too" || w.Idle != 12*time.Hour || w.Lifetime != 7*24*time.Hour || w.Public || len(w.Proxies) != 1 {
		t.Errorf("the console is %+v", w)
	}
	if got := w.Link("/runs/x"); got != "https://slipway.harbour.example/runs/x" {
		t.Errorf("links are %s", got)
	}
}

func TestTheConsoleWithoutSettingsIsForThisMachine(t *testing.T) {
	text, _ := exampleFolder(t)
	begin, rest, _ := strings.Cut(text, "\nconsole:\n")
	_, end, _ := strings.Cut(rest, "\n# Signers hold")
	c, err := parseConfig("slipway.yaml", []byte(begin+"\n# Signers hold"+end))
	if err != nil {
		t.Fatal(errs.Text(err))
	}
	if w := c.Web; w.Listen != "127.0.0.1:7654" || w.URL != nil || w.Login != nil || w.Public || w.Link("/x") != "http://127.0.0.1:7654/x" {
		t.Errorf("the console is %+v", w)
	}
	if _, err = parseConfig("slipway.yaml", []byte(strings.Replace(begin+"\nconsole: {listen: off}\n# Signers hold"+end, "many", "many", 1))); err != nil {
		t.Error(errs.Text(err))
	}
}

func TestManyPeopleAreRefusedBesideWhatReachesOut(t *testing.T) {
	here := &url.URL{Scheme: "http", Host: "localhost:7654"}
	for name, c := range map[string]*config{
		"login":     {Web: webConfig{URL: here, Login: &login.ProviderConfig{Issuer: "http://127.0.0.1:1"}}},
		"address":   {Web: webConfig{URL: &url.URL{Scheme: "https", Host: "slipway.harbour.example"}}},
		"proxy":     {Web: webConfig{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}},
		"slack":     {Slack: slackConfig{Team: "T0123ABCD"}},
		"archive":   {Archives: map[string]archiveConfig{"harbour": {Over: rawOver{SSH: "archive@deb.example"}}}},
		"mail":      {SMTP: smtpConfig{Host: "mail.harbour.example"}},
		"mails":     {SMTP: smtpConfig{Archive: "https://lists.harbour.example/{message_id}"}},
		"remote":    {Projects: map[string]project{"harbour": {Profile: action.Values{"remote": "git@git.harbour.example:harbour.git"}}}},
		"packaging": {Projects: map[string]project{"harbour": {Profile: action.Values{"remote": "/srv/harbour.git", "packaging": "https://git.deb.example/harbour.git"}}}},
	} {
		c.Many = true
		if err := (rawConfig{}).validMany("", c); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	local := &config{Many: true, Web: webConfig{Listen: defaultListen, URL: here}, SMTP: smtpConfig{Host: "127.0.0.1", Archive: "/var/mail"},
		Projects: map[string]project{"harbour": {Profile: action.Values{"remote": "/srv/harbour.git"}}}}
	if err := (rawConfig{}).validMany("", local); err != nil {
		t.Error(err)
	}
}
