package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/gitlab"
	"slipway/integrations/gitlab/hook"
	"slipway/integrations/localci"
	"slipway/integrations/signing"
)

// rawWebhooks is the one listener for the webhooks of all services.
type rawWebhooks struct {
	Listen string `yaml:"listen"`        // loopback address and port, or another one with TLS
	URL    string `yaml:"url"`           // where the services reach it
	Cert   string `yaml:"tls_cert_file"` // with tls_key_file: TLS without a proxy
	Key    string `yaml:"tls_key_file"`
}

// rawGitLab is one GitLab and the bot's account there.
type rawGitLab struct {
	URL       string             `yaml:"url"`
	TokenFile string             `yaml:"token_file"` // of the bot's account, scope api
	Hooks     map[string]rawHook `yaml:"hooks"`      // by the last part of their paths
	ReadEvery string             `yaml:"read_every"` // how often comments and reactions are read besides, as webhooks may be silent; default 1m
}

// rawHook is one webhook of one project, with secrets of its own.
type rawHook struct {
	Project      string   `yaml:"project"`
	Of           string   `yaml:"of"`            // project (default), fork or handover
	TokenFiles   []string `yaml:"token_files"`   // one, or two while it is changed: the first is the one to keep
	SigningFiles []string `yaml:"signing_files"` // the same, of signing tokens (whsec_…)
}

// rawProjectGitLab names a project's GitLab projects by their numbers, which never change.
type rawProjectGitLab struct {
	Project  int      `yaml:"project"`  // of remote
	Fork     int      `yaml:"fork"`     // of fork
	Handover int      `yaml:"handover"` // of handover
	Rooms    []string `yaml:"rooms"`    // issues/12, merge_requests/3: told beside the channel
}

// webhooksConfig is the listener; Listen "" is none.
type webhooksConfig struct {
	Listen    string
	URL       string // without a slash at its end
	Cert, Key string
	BodyTime  time.Duration // how long a body may take; 0: the default
}

// gitlabConfig is the GitLab that is used; URL "" is none.
type gitlabConfig struct {
	URL      string // without a slash at its end
	Token    string
	Every    time.Duration                // between readings of comments and reactions
	Hooks    []gitlabHook                 // by name
	Projects map[string]gitlabProject     // by project
	Remotes  []gitlab.Project             // of all projects
	Families map[string]map[string]string // project → forge, ci → provider
}

// gitlabHook is one webhook.
type gitlabHook struct {
	hook.Hook
	Project string // of the configuration
	Of      string // project, fork, handover
	ID      int    // number of the GitLab project
}

// gitlabProject are the GitLab projects of a project, and the rooms there.
type gitlabProject struct {
	Project, Fork, Handover int
	Rooms                   []string // PROJECTID/issues/IID
}

// on reports whether there is a GitLab.
func (g gitlabConfig) on() bool { return g.URL != "" }

// address is where GitLab sends a hook's deliveries.
func (c *config) address(h gitlabHook) string { return c.Webhooks.URL + hook.Path + h.Name }

func (r rawConfig) validWebhooks(dir string, c *config) error {
	raw := r.Webhooks
	if raw == (rawWebhooks{}) {
		return nil
	}
	host, port, err := net.SplitHostPort(raw.Listen)
	if err != nil || !validPort(port) {
		return invalid(fmt.Sprintf("webhooks: listen is %q", clipped(raw.Listen)), "write an address and a port such as 127.0.0.1:7656")
	}
	w := webhooksConfig{Listen: raw.Listen}
	if (raw.Cert == "") != (raw.Key == "") {
		return invalid("webhooks: of tls_cert_file and tls_key_file only one is given", "give both, or none")
	}
	if raw.Cert != "" {
		w.Cert, w.Key = beside(dir, raw.Cert), beside(dir, raw.Key)
		if _, err := tls.LoadX509KeyPair(w.Cert, w.Key); err != nil {
			return invalid(fmt.Sprintf("webhooks: %s and %s are no certificate with its key", w.Cert, w.Key), "give files in PEM form that belong together")
		}
	}
	if !loopback(host) && w.Cert == "" {
		return invalid(fmt.Sprintf("webhooks: listen is %s, which others can reach, and nothing here speaks TLS", raw.Listen),
			"listen at 127.0.0.1 behind a proxy that does, or give tls_cert_file and tls_key_file")
	}
	u, err := plainAddress(raw.URL)
	switch {
	case err != nil || u.Path != "":
		return invalid("webhooks: url is no address that can be used", "write where the services reach the listener, such as https://hooks.harbour.example, without a path")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return invalid(fmt.Sprintf("webhooks: url is %s, and secrets would be sent without TLS", u), "write https://")
	}
	w.URL = u.String()
	c.Webhooks = w
	return nil
}

// plainAddress reads an address of HTTP without a user, a query, and a slash at its end.
func plainAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("no address")
	}
	u.Path, u.Host = strings.TrimRight(u.Path, "/"), strings.ToLower(u.Host)
	return u, nil
}

func (r rawConfig) validGitLab(dir string, c *config) error {
	bad := func(what, hint string) error { return invalid("gitlab: "+what, hint) }
	g := gitlabConfig{Projects: map[string]gitlabProject{}, Families: map[string]map[string]string{}}
	raw := r.GitLab
	if raw.URL == "" {
		if raw.TokenFile != "" || len(raw.Hooks) > 0 {
			return bad("url is missing", "write it as in a browser: https://gitlab.example")
		}
	} else {
		u, err := plainAddress(raw.URL)
		switch {
		case err != nil:
			return bad("url is no address that can be used", "write it as in a browser: https://gitlab.example")
		case u.Scheme == "http" && !loopback(u.Hostname()):
			return bad(fmt.Sprintf("url is %s, and the token would be sent without TLS", u), "write https://")
		}
		g.URL = u.String()
		if g.Token, err = readSecret("the token of the bot's account", dir, raw.TokenFile); err != nil {
			return bad(errs.Cause(err), errs.HintOf(err))
		}
		if g.Every = chatEvery; raw.ReadEvery != "" {
			d, err := time.ParseDuration(raw.ReadEvery)
			if err != nil || d < time.Second || d > time.Hour {
				return bad(fmt.Sprintf("read_every is %q", clipped(raw.ReadEvery)), "write how often comments and reactions are read besides, from 1s to 1h; 1m is usual")
			}
			g.Every = d
		}
		if err := signing.CheckToken(g.Token); err != nil {
			return bad(fmt.Sprintf("the token in %s: %s", raw.TokenFile, errs.Cause(err)), "make one in GitLab for the bot's account, with the scope api")
		}
	}
	for _, name := range sortedKeys(r.Projects) {
		if err := r.Projects[name].validGitLab(name, c.Projects[name], &g); err != nil {
			return invalid(fmt.Sprintf("projects: %s: %s", name, errs.Cause(err)), errs.HintOf(err))
		}
	}
	if !g.on() {
		return nil
	}
	// The client checks that each remote is a repository of this GitLab.
	if _, err := gitlab.New(gitlab.Options{URL: g.URL, Token: g.Token, Projects: g.Remotes, Now: time.Now}); err != nil {
		return bad(errs.Cause(err), errs.HintOf(err))
	}
	if len(raw.Hooks) > 0 && c.Webhooks.Listen == "" {
		return bad("hooks are configured, and webhooks: is not", "write webhooks: {listen: 127.0.0.1:7656, url: https://hooks.harbour.example}")
	}
	if err := raw.validHooks(dir, &g); err != nil {
		return err
	}
	c.GitLab = g
	return nil
}

// roomName is a place in a GitLab project where people write.
var roomName = regexp.MustCompile(`^(?:issues|merge_requests)/[1-9][0-9]{0,8}$`)

// validGitLab takes over what a project says of GitLab.
func (r rawProject) validGitLab(name string, p project, g *gitlabConfig) error {
	raw := r.GitLab
	ids := gitlabProject{Project: raw.Project, Fork: raw.Fork, Handover: raw.Handover}
	meant := raw.Project != 0 || raw.Fork != 0 || raw.Handover != 0 || len(raw.Rooms) > 0
	family := map[string]string{}
	for _, f := range []string{"forge", "ci"} {
		if v, ok := r.Providers[f]; ok {
			family[f] = v
			if v != gitlab.Provider && (f == "forge" || v != localci.Provider) {
				return invalid(fmt.Sprintf("providers: %s is %q", f, clipped(v)), "it is gitlab"+map[string]string{"ci": " or local"}[f])
			}
			meant = meant || v == gitlab.Provider
		}
	}
	for _, contract := range sortedKeys(r.Providers) {
		meant = meant || r.Providers[contract] == gitlab.Provider
	}
	if len(family) > 0 {
		g.Families[name] = family
	}
	if !meant {
		return nil
	}
	if !g.on() {
		return invalid("GitLab is meant, and gitlab: is not configured", "write gitlab: {url: https://gitlab.example, token_file: gitlab-token}")
	}
	if raw.Project <= 0 {
		return invalid("GitLab is meant, and the number of its project is missing", "write gitlab: {project: 4711}; the project's page shows it below its name")
	}
	for _, one := range []struct {
		key, field string
		id         int
	}{{"project", "remote", raw.Project}, {"fork", "fork", raw.Fork}, {"handover", "handover", raw.Handover}} {
		remote, _ := p.Profile[one.field].(string)
		switch {
		case one.id < 0:
			return invalid(fmt.Sprintf("gitlab: %s is %d", one.key, one.id), "the project's page shows its number below its name")
		case one.id == 0 && remote != "":
			return invalid(fmt.Sprintf("%s is %s, and gitlab: %s does not say its number", one.field, remote, one.key), "write gitlab: {"+one.key+": 4712}; the page of that project shows it below its name")
		case one.id != 0 && remote == "":
			return invalid(fmt.Sprintf("gitlab: %s is %d, and %s: names no repository", one.key, one.id, one.field), "write "+one.field+": with the address of that repository, or remove the number")
		case one.id != 0:
			g.Remotes = append(g.Remotes, gitlab.Project{Remote: remote, ID: one.id})
		}
	}
	for _, room := range raw.Rooms {
		if !roomName.MatchString(room) {
			return invalid(fmt.Sprintf("gitlab: rooms has %q", clipped(room)), "write issues/12 or merge_requests/3, of this GitLab project")
		}
		full := fmt.Sprintf("%d/%s", raw.Project, room)
		if slices.Contains(ids.Rooms, full) {
			return invalid(fmt.Sprintf("gitlab: rooms has %q twice", room), "name it once")
		}
		ids.Rooms = append(ids.Rooms, full)
	}
	g.Projects[name] = ids
	return nil
}

// validHooks reads the secrets of the webhooks. No two of them share one.
func (r rawGitLab) validHooks(dir string, g *gitlabConfig) error {
	bad := func(name, what, hint string) error {
		return invalid(fmt.Sprintf("gitlab: hooks: %s: %s", name, what), hint)
	}
	owner, taken := map[string]string{g.Token: "the bot's account"}, map[int]string{}
	for _, name := range sortedKeys(r.Hooks) {
		raw := r.Hooks[name]
		h := gitlabHook{Hook: hook.Hook{Name: name}, Project: raw.Project, Of: raw.Of}
		if !lowName.MatchString(name) {
			return bad(name, "this is no name for a hook", "use lower-case letters, digits, dots, _ and -: it stands in the path")
		}
		ids, ok := g.Projects[raw.Project]
		if !ok {
			return bad(name, fmt.Sprintf("project is %q, and no project of that name is on GitLab", clipped(raw.Project)), "name a project that has gitlab: {project: 4711}")
		}
		switch raw.Of {
		case "", "project":
			h.Of, h.ID = "project", ids.Project
		case "fork":
			h.ID = ids.Fork
		case "handover":
			h.ID = ids.Handover
		default:
			return bad(name, fmt.Sprintf("of is %q", clipped(raw.Of)), "it is project (the default), fork or handover")
		}
		if h.ID == 0 {
			return bad(name, fmt.Sprintf("%s has no %s on GitLab", raw.Project, h.Of), "write its number into gitlab: of the project, or remove the hook")
		}
		if other := taken[h.ID]; other != "" {
			return bad(name, "it is of the same GitLab project as "+other, "one hook is enough; remove the other one")
		}
		taken[h.ID] = name
		if len(raw.TokenFiles)+len(raw.SigningFiles) == 0 {
			return bad(name, "it has no secret", "name a file in token_files (openssl rand -hex 32), in signing_files, or both")
		}
		if len(raw.TokenFiles) > 2 || len(raw.SigningFiles) > 2 {
			return bad(name, "it has more than two secrets of a kind", "keep the one that GitLab has, and the one before")
		}
		for _, kind := range []struct {
			files []string
			to    *[]string
			check func(string) error
			fix   string
		}{
			{raw.TokenFiles, &h.Tokens, signing.CheckToken, "make one with: openssl rand -hex 32"},
			{raw.SigningFiles, &h.Signing, hook.CheckSigning, `make one with: printf 'whsec_%s\n' "$(openssl rand -base64 32)"`},
		} {
			for _, file := range kind.files {
				secret, err := readSecret("the secret", dir, file)
				if err != nil {
					return bad(name, errs.Cause(err), errs.HintOf(err))
				}
				if err := kind.check(secret); err != nil {
					return bad(name, fmt.Sprintf("the secret in %s: %s", file, errs.Cause(err)), kind.fix)
				}
				if other := owner[secret]; other != "" {
					return bad(name, fmt.Sprintf("the secret in %s is that of %s too", file, other), "give every hook secrets of its own")
				}
				owner[secret] = name
				*kind.to = append(*kind.to, secret)
			}
		}
		g.Hooks = append(g.Hooks, h)
	}
	return nil
}
