package main

import (
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/signing"
)

func (r rawConfig) validSigning(dir string, c *config) error {
	c.Signing.Listen = r.Signing.Listen
	c.Signing.Tokens = map[string]string{}
	owner := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(r.Signing.Signers)) {
		if !lowName.MatchString(name) {
			return invalid(fmt.Sprintf("signing: %q is no name of a signer", name), "use lower-case letters, digits, dots, _ and -")
		}
		path := r.Signing.Signers[name].TokenFile
		token, err := readSecret("the token of "+name, dir, path)
		if err != nil {
			return invalid("signing: "+errs.Cause(err), errs.HintOf(err))
		}
		if err := signing.CheckToken(token); err != nil {
			return invalid(fmt.Sprintf("signing: the token of %s in %s: %s", name, path, errs.Cause(err)),
				"make one with: head -c 24 /dev/urandom | base64")
		}
		if other := owner[token]; other != "" {
			return invalid(fmt.Sprintf("signing: %s and %s have the same token", other, name), "give each signer a token of its own")
		}
		owner[token] = name
		c.Signing.Tokens[name] = token
	}
	if len(c.Signing.Tokens) > 0 {
		host, port, err := net.SplitHostPort(r.Signing.Listen)
		if err != nil || !loopback(host) || !validPort(port) {
			return invalid(fmt.Sprintf("signing: listen is %q", r.Signing.Listen),
				"name a loopback address such as 127.0.0.1:8471 and put a TLS proxy before it for signers elsewhere")
		}
	}
	return nil
}

func validPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n > 0 && n < 1<<16
}

func (r rawConfig) validSMTP(dir string, c *config) error {
	s := smtpConfig{Host: r.SMTP.Host, Port: r.SMTP.Port, User: r.SMTP.User, Archive: r.SMTP.Archive}
	if s.Archive != "" && !strings.Contains(s.Archive, "://") {
		s.Archive = beside(dir, s.Archive)
	}
	if s.Port == 0 {
		s.Port = 587
	}
	if s.Port < 0 || s.Port > 65535 {
		return invalid(fmt.Sprintf("smtp: port is %d", s.Port), "it is 587, 465 or another port of the mail server")
	}
	if r.SMTP.Settle != "" {
		d, err := time.ParseDuration(r.SMTP.Settle)
		if err != nil || d <= 0 {
			return invalid(fmt.Sprintf("smtp: settle is %q", r.SMTP.Settle), "write how long a mail may take to appear in the archive, e.g. 15m")
		}
		s.Settle = d
	}
	switch r.SMTP.TLS {
	case "", "mandatory":
	case "none":
		if !loopback(s.Host) {
			return invalid(fmt.Sprintf("smtp: tls is none but the host is %q", s.Host), "mail leaves this machine only over TLS")
		}
		s.Plain = true
	default:
		return invalid(fmt.Sprintf("smtp: tls is %q", r.SMTP.TLS), "it is mandatory or none")
	}
	if (r.SMTP.User == "") != (r.SMTP.PasswordFile == "") {
		return invalid("smtp: of user and password_file only one is given", "give both, or none")
	}
	if r.SMTP.PasswordFile != "" {
		password, err := readSecret("the password", dir, r.SMTP.PasswordFile)
		if err != nil {
			return invalid("smtp: "+errs.Cause(err), errs.HintOf(err))
		}
		s.Password = password
	}
	c.SMTP = s
	return nil
}

// validMany allows one user to speak as several persons only where nothing outside of this
// machine can be reached: otherwise whoever may use the socket could approve in others' names.
func (r rawConfig) validMany(_ string, c *config) error {
	if !c.Many {
		return nil
	}
	const hint = "it is for a demo on one machine: remove many_people and give each person an account"
	if c.SMTP.Host != "" && !loopback(c.SMTP.Host) {
		return invalid(fmt.Sprintf("console: many_people is true, and smtp sends to %q", c.SMTP.Host), hint)
	}
	for _, name := range sortedKeys(c.Projects) {
		if remote, _ := c.Projects[name].Profile["remote"].(string); !localRemote(remote) {
			return invalid(fmt.Sprintf("console: many_people is true, and the project %s pushes to %q", name, remote), hint)
		}
	}
	if what := c.outside(); what != "" {
		return invalid("console: many_people is true, and "+what, hint)
	}
	return nil
}

// localRemote reports whether a remote is a folder of this machine, or a server on it. As with git,
// a colon before the first slash is an address: host:path.
func localRemote(remote string) bool {
	first, _, _ := strings.Cut(remote, "/")
	web := strings.HasPrefix(remote, "http://") || strings.HasPrefix(remote, "https://")
	return strings.HasPrefix(remote, "file:///") || web && loopbackAddress(remote) || !strings.Contains(first, ":")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// maxSecret bounds a file with one secret, in bytes.
const maxSecret = 4 << 10

// readSecret reads the file of a secret, which others cannot read. Secrets are never in the
// YAML, and never in an error.
func readSecret(what, dir, file string) (string, error) {
	path := beside(dir, file)
	if file == "" {
		return "", invalid(what+" has no file", "write the secret into a file that only Slipway's user can read, and name it")
	}
	data, err := readBounded(path, maxSecret)
	if err != nil {
		return "", invalid(what+": "+errs.Cause(err), "write the secret there, readable by Slipway's user only")
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", invalid(fmt.Sprintf("%s: %s cannot be read", what, path), "write the secret there, readable by Slipway's user only")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", invalid(fmt.Sprintf("%s: %s can be read by others (mode %o)", what, path, info.Mode().Perm()), "chmod 600 "+path)
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", invalid(fmt.Sprintf("%s: %s is empty", what, path), "write the secret there")
	}
	if strings.ContainsAny(secret, "\n\r") {
		return "", invalid(fmt.Sprintf("%s: %s has several lines", what, path), "a secret is one line")
	}
	return secret, nil
}
