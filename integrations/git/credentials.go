package git

import (
	"fmt"
	"net/url"
	"strings"

	"slipway/bot/errs"
)

// Credential is the name and password for the remotes below one address over HTTP.
//
// It is in the environment of the git that needs it, and nowhere else: not in an argument, a file, an
// address or an error. git asks for it, by the helper that is configured for just this address
// (gitcredentials(7)), so it never goes to another host, not even where a redirect leads there.
type Credential struct {
	Prefix   string // https://gitlab.example/ or https://gitlab.example/yard/; whole parts of the path count
	User     string // for a token of GitLab any name, such as oauth2
	Password string // or token
}

// askHelper is the helper: shell that answers with what the environment holds. The shell prints by
// itself, so that the password is in no list of processes.
const askHelper = `!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$SLIPWAY_GIT_USER" "$SLIPWAY_GIT_PASSWORD"; }; f`

// check refuses what cannot be told apart from another address, or would not be one answer of a line.
func (c Credential) check() error {
	u, err := url.Parse(c.Prefix)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(c.Prefix, "*\n\r\x00"):
		return errs.E("git.credentials", errs.Invalid, fmt.Errorf("%s is not the beginning of an address over HTTP", quote(Redact(c.Prefix)))).
			Hint("Write it as https://gitlab.example/")
	case c.User == "" || c.Password == "" || strings.ContainsAny(c.User+c.Password, "\n\r\x00"):
		return errs.E("git.credentials", errs.Invalid, fmt.Errorf("the name or the password for %s is empty or has a newline in it", c.Prefix)).
			Hint("Put the token alone into its file")
	}
	return nil
}

// fits reports whether remote is below the prefix.
func (c Credential) fits(remote string) bool {
	p, err := url.Parse(c.Prefix)
	if err != nil {
		return false
	}
	r, err := url.Parse(remote)
	if err != nil || r.User != nil { // an address with a name of its own is asked as it is
		return false
	}
	base := strings.TrimSuffix(p.Path, "/")
	return r.Scheme == p.Scheme && strings.EqualFold(r.Host, p.Host) && (r.Path == base || strings.HasPrefix(r.Path, base+"/"))
}

// credentials are the configuration and environment for a remote: the longest prefix counts.
func (r *Repositories) credentials(remote string) (config, env []string) {
	var best Credential
	for _, c := range r.opts.Credentials {
		if len(c.Prefix) > len(best.Prefix) && c.fits(remote) {
			best = c
		}
	}
	if best.Prefix == "" {
		return nil, nil
	}
	return []string{"credential.useHttpPath", "true", "credential." + strings.TrimSuffix(best.Prefix, "/") + ".helper", askHelper},
		[]string{"SLIPWAY_GIT_USER=" + best.User, "SLIPWAY_GIT_PASSWORD=" + best.Password}
}

// hidden is text without any password of ours.
func (r *Repositories) hidden(text string) string {
	for _, c := range r.opts.Credentials {
		if c.Password != "" {
			text = strings.ReplaceAll(text, c.Password, "(hidden)")
		}
	}
	return text
}
