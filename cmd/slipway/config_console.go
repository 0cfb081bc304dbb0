package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/integrations/console/login"
)

// defaultListen is where a browser on this machine finds the console.
const defaultListen = "127.0.0.1:7654"

// rawWeb is the part of console: that concerns browsers and programs.
type rawWeb struct {
	Listen  string     `yaml:"listen"`          // address of the web console; default 127.0.0.1:7654; off: none
	URL     string     `yaml:"url"`             // where people reach it; default: the address itself
	Proxies []string   `yaml:"trusted_proxies"` // reverse proxies whose X-Forwarded-For is believed
	Cert    string     `yaml:"tls_cert_file"`   // with tls_key_file: TLS without a proxy
	Key     string     `yaml:"tls_key_file"`
	Login   rawLogin   `yaml:"login"`
	Session rawSession `yaml:"session"`
	Public  bool       `yaml:"public"` // /public and its feed may be read by everybody
}

// rawLogin is an OpenID Connect provider.
type rawLogin struct {
	Issuer     string `yaml:"issuer"`
	ClientID   string `yaml:"client_id"`
	SecretFile string `yaml:"client_secret_file"` // none: a public client
	Label      string `yaml:"label"`              // on the button; default: the issuer's host
}

type rawSession struct {
	Idle     string `yaml:"idle"`     // default 12h
	Lifetime string `yaml:"lifetime"` // default 168h
}

// webConfig is the web console as it can be built.
type webConfig struct {
	Listen         string   // "": none
	URL            *url.URL // nil: loopback addresses only
	Proxies        []netip.Prefix
	Cert, Key      string
	Login          *login.ProviderConfig // nil: one-time codes only
	Idle, Lifetime time.Duration         // 0: the default
	Public         bool
	Limits         login.Limits // of visitors; zero: the defaults
	First          string       // what a newcomer may type first; of the demo
}

// Link is the address of a page for messages, "" when there is no web console.
func (w webConfig) Link(path string) string {
	switch {
	case w.Listen == "":
		return ""
	case w.URL != nil:
		return strings.TrimSuffix(w.URL.String(), "/") + path
	}
	return "http://" + w.Listen + path
}

func (r rawConfig) validConsole(dir string, c *config) error {
	raw := r.Console.Web
	w := webConfig{Listen: raw.Listen, Public: raw.Public}
	switch w.Listen {
	case "":
		w.Listen = defaultListen
	case "off":
		if raw.URL != "" || raw.Login != (rawLogin{}) || raw.Public || len(raw.Proxies) > 0 || raw.Cert != "" || raw.Key != "" {
			return invalid("console: listen is off, and there are settings of the web console", "remove them, or listen at an address such as "+defaultListen)
		}
		w.Listen = ""
		c.Web = w
		return nil
	}
	host, port, err := net.SplitHostPort(w.Listen)
	if err != nil || !validPort(port) {
		return invalid(fmt.Sprintf("console: listen is %q", clipped(w.Listen)), "write an address and a port such as "+defaultListen+", or off")
	}
	if !loopback(host) && raw.Login == (rawLogin{}) {
		return invalid(fmt.Sprintf("console: listen is %s, which others can reach, and nobody has to log in", w.Listen),
			"listen at "+defaultListen+", or configure login: with an OpenID Connect provider")
	}
	if err := w.setURL(raw); err != nil {
		return err
	}
	if err := w.setTLS(dir, raw); err != nil {
		return err
	}
	if err := w.setProxies(raw); err != nil {
		return err
	}
	outside := w.URL != nil && !loopback(w.URL.Hostname())
	if outside && w.Cert == "" && len(w.Proxies) == 0 {
		return invalid(fmt.Sprintf("console: url is %s, and nothing here speaks TLS", w.URL),
			"name the reverse proxy that does in trusted_proxies:, e.g. [127.0.0.1], or give tls_cert_file and tls_key_file")
	}
	if !loopback(host) && !outside {
		return invalid(fmt.Sprintf("console: listen is %s, and url does not say how others reach it", w.Listen), "write url: https://HOST")
	}
	if err := w.setLogin(dir, raw); err != nil {
		return err
	}
	if outside && w.Login == nil {
		return invalid(fmt.Sprintf("console: url is %s, which others can reach, and nobody has to log in", w.URL),
			"configure login: with an OpenID Connect provider, or remove url")
	}
	if w.Idle, err = hours("idle", raw.Session.Idle, 5*time.Minute); err != nil {
		return err
	}
	if w.Lifetime, err = hours("lifetime", raw.Session.Lifetime, 10*time.Minute); err != nil {
		return err
	}
	c.Web = w
	return nil
}

// hours reads how long a session may be.
func hours(key, text string, least time.Duration) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := playbook.ParseDuration(text)
	if err != nil || d < least || d > 90*24*time.Hour {
		return 0, invalid(fmt.Sprintf("console: session: %s is %q", key, clipped(text)), fmt.Sprintf("write how long, e.g. 12h or 7d; at least %s, at most 90d", least))
	}
	return d, nil
}

func (w *webConfig) setURL(raw rawWeb) error {
	if raw.URL == "" {
		return nil
	}
	u, err := url.Parse(raw.URL)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" || u.Scheme != "https" && u.Scheme != "http" {
		return invalid("console: url is no address that can be used", "write https://HOST, without a path, a user or a password")
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return invalid(fmt.Sprintf("console: url is %s, and cookies would be sent without TLS", u), "write https://")
	}
	u.Path, u.Host = "", strings.ToLower(u.Host)
	w.URL = u
	return nil
}

func (w *webConfig) setTLS(dir string, raw rawWeb) error {
	if (raw.Cert == "") != (raw.Key == "") {
		return invalid("console: of tls_cert_file and tls_key_file only one is given", "give both, or none")
	}
	if raw.Cert == "" {
		return nil
	}
	w.Cert, w.Key = beside(dir, raw.Cert), beside(dir, raw.Key)
	if _, err := tls.LoadX509KeyPair(w.Cert, w.Key); err != nil {
		return invalid(fmt.Sprintf("console: %s and %s are no certificate with its key", w.Cert, w.Key), "give files in PEM form that belong together")
	}
	return nil
}

func (w *webConfig) setProxies(raw rawWeb) error {
	for _, text := range raw.Proxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			var ip netip.Addr
			if ip, err = netip.ParseAddr(text); err == nil {
				p, err = ip.Prefix(ip.BitLen())
			}
		}
		if err != nil || p.Bits() == 0 {
			return invalid(fmt.Sprintf("console: trusted_proxies names %q", clipped(text)), "write addresses or networks such as 127.0.0.1 or 10.0.3.0/24")
		}
		w.Proxies = append(w.Proxies, p.Masked())
	}
	return nil
}

func (w *webConfig) setLogin(dir string, raw rawWeb) error {
	if raw.Login == (rawLogin{}) {
		return nil
	}
	if w.URL == nil {
		return invalid("console: login is configured without url", "write url: https://HOST, to which the provider leads people back")
	}
	p := login.ProviderConfig{Issuer: raw.Login.Issuer, ClientID: raw.Login.ClientID, URL: w.URL, Label: raw.Login.Label, Scopes: []string{"profile"}}
	if raw.Login.SecretFile != "" {
		secret, err := readSecret("client_secret_file", dir, raw.Login.SecretFile)
		if err != nil {
			return invalid("console: login: "+errs.Cause(err), errs.HintOf(err))
		}
		p.Secret = secret
	}
	if _, err := login.NewProvider(p); err != nil {
		return invalid("console: login: "+errs.Cause(err), errs.HintOf(err))
	}
	w.Login = &p
	return nil
}

// outside is something beside mail and remotes by which this Slipway reaches out of its machine,
// or others reach in, "" if there is nothing. (Signers are always asked on loopback.)
func (c *config) outside() string {
	switch {
	case c.Web.Login != nil:
		return "people log in at " + c.Web.Login.Issuer
	case c.Web.URL != nil && !loopback(c.Web.URL.Hostname()):
		return "the console is at " + c.Web.URL.String()
	case len(c.Web.Proxies) > 0:
		return "a proxy leads to the console"
	case c.GitLab.on() && !loopbackAddress(c.GitLab.URL):
		return "GitLab is at " + c.GitLab.URL
	case c.Slack.on() && !loopbackAddress(c.Slack.URL):
		return "a workspace of Slack is configured"
	case c.Webhooks.URL != "" && !loopbackAddress(c.Webhooks.URL):
		return "webhooks come in at " + c.Webhooks.URL
	case strings.Contains(c.SMTP.Archive, "://") && !loopbackAddress(c.SMTP.Archive):
		return "mail is looked up at " + c.SMTP.Archive
	}
	for _, name := range sortedKeys(c.Archives) {
		if a := c.Archives[name]; a.Over.SSH != "" {
			return fmt.Sprintf("the archive %s is at %s", name, a.Over.SSH)
		}
	}
	for _, name := range sortedKeys(c.Projects) {
		if remote, _ := c.Projects[name].Profile["packaging"].(string); !localRemote(remote) {
			return fmt.Sprintf("the packaging of %s is pushed to %q", name, remote)
		}
	}
	return ""
}

func loopbackAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && loopback(u.Hostname())
}
