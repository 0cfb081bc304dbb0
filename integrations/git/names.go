package git

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"slipway/bot/errs"
)

var (
	oidForm = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
	scpForm = regexp.MustCompile(`^(?:[A-Za-z0-9_.-]+@)?[A-Za-z0-9][A-Za-z0-9.-]*:[^:]`)
	userAt  = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/@\s'"]*@`)
)

func invalid(hint, format string, args ...any) error {
	return errs.E("git.input", errs.Invalid, fmt.Errorf(format, args...)).Hint("%s", hint)
}

// CheckRemote refuses an address that git could take for an option or a program. Relative paths
// are refused: they would mean something else in every folder.
func CheckRemote(remote string) error {
	const hint = "Use an absolute path, or an address such as https://example.org/project.git or git@example.org:project.git"
	shown := quote(Redact(remote))
	switch scheme, _, found := strings.Cut(remote, "://"); {
	case remote == "":
		return invalid(hint, "the remote is missing")
	case strings.HasPrefix(remote, "-"), strings.ContainsFunc(remote, unicode.IsControl), !utf8.ValidString(remote), len(remote) > 1000:
		return invalid(hint, "%s is not the address of a remote", shown)
	case strings.Contains(remote, "::"):
		return invalid(hint, "%s would run a program to reach the remote", shown)
	case found:
		switch strings.ToLower(scheme) {
		case "https", "http", "ssh", "git", "file":
			_, rest, _ := strings.Cut(remote, "://")
			if host := rest[strings.LastIndexByte(strings.SplitN(rest, "/", 2)[0], '@')+1:]; strings.HasPrefix(host, "-") {
				return invalid(hint, "%s is not the address of a remote", shown)
			}
			return nil
		}
		return invalid(hint, "%s uses a transport that is not allowed", shown)
	case path.IsAbs(remote):
		return nil
	case scpForm.MatchString(remote):
		return nil
	}
	return invalid(hint, "%s is not the address of a remote", shown)
}

// Redact is an address without the credentials in it, for people.
func Redact(remote string) string { return userAt.ReplaceAllString(remote, "$1") }

// RedactText takes the credentials of every address, and those of remote wherever they stand,
// out of a text.
func RedactText(text, remote string) string {
	if clean := Redact(remote); clean != remote {
		text = strings.ReplaceAll(text, remote, clean)
		if _, rest, ok := strings.Cut(remote, "://"); ok {
			user, _, _ := strings.Cut(rest, "@")
			if _, secret, ok := strings.Cut(user, ":"); ok && secret != "" {
				text = strings.ReplaceAll(text, secret, "(hidden)")
			}
		}
	}
	return userAt.ReplaceAllString(text, "$1")
}

// CheckBranch and CheckTag refuse names that git would refuse (git-check-ref-format(1)) and some
// that git allows but people or programs confuse: a leading hyphen, HEAD, and what looks like an
// object id.
func CheckBranch(name string) error { return checkRef("branch", name) }

// CheckTag is [CheckBranch] for tags.
func CheckTag(name string) error { return checkRef("tag", name) }

func checkRef(what, name string) error {
	bad := func(why string) error {
		return invalid("Use letters, digits, points, hyphens and slashes", "%s is not a usable name of a %s: %s", quote(name), what, why)
	}
	switch {
	case name == "":
		return bad("it is empty")
	case len(name) > 200:
		return bad("it is longer than 200 bytes")
	case !utf8.ValidString(name):
		return bad("it is not valid UTF-8")
	case strings.HasPrefix(name, "-"):
		return bad("it starts with a hyphen")
	case name == "HEAD" || name == "@":
		return bad("git uses that name for something else")
	case strings.HasPrefix(name, "refs/"):
		return bad("it starts with refs/")
	case oidForm.MatchString(name):
		return bad("it looks like the id of an object")
	case strings.Contains(name, ".."), strings.Contains(name, "@{"), strings.Contains(name, "//"):
		return bad(`it contains "..", "@{" or "//"`)
	case strings.HasSuffix(name, "/"), strings.HasPrefix(name, "/"), strings.HasSuffix(name, "."):
		return bad("it starts with a slash, or ends with a slash or a point")
	}
	for _, r := range name {
		if r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) || unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf) {
			return bad(fmt.Sprintf("%q may not stand in it", r))
		}
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return bad(`a part of it starts with a point or ends with ".lock"`)
		}
	}
	return nil
}

// CheckCommit refuses what is not a whole object id.
func CheckCommit(oid string) error {
	if !oidForm.MatchString(oid) {
		return invalid("Give all 40 digits of the commit, in lower case", "%s is not the id of a commit", quote(oid))
	}
	return nil
}

// checkPath refuses the path of a file that could lead out of the repository or into git's own
// files, on any file system.
func checkPath(p string) error {
	bad := func(why string) error {
		return invalid("Name a file inside the repository, for example debian/changelog", "the path %s may not be written: %s", quote(p), why)
	}
	switch {
	case p == "" || len(p) > 1000 || !utf8.ValidString(p):
		return bad("it is empty, too long or not UTF-8")
	case strings.HasPrefix(p, "/") || strings.Contains(p, `\`) || strings.Contains(p, ":"):
		return bad("it is absolute, or has a backslash or a colon")
	case strings.ContainsFunc(p, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }):
		return bad("it has invisible characters")
	}
	for part := range strings.SplitSeq(p, "/") {
		plain := strings.ToLower(strings.TrimRight(part, ". "))
		switch {
		case part == "" || plain == "":
			return bad(`it has an empty part, "." or ".."`)
		case plain == ".git" || strings.HasPrefix(plain, "git~"):
			return bad("it leads into git's own files")
		}
	}
	return nil
}

// person reads "Name <mail>" as git writes it into objects.
func person(what, text string) (name, address string, err error) {
	name, rest, found := strings.Cut(text, " <")
	address, closed := strings.CutSuffix(rest, ">")
	local, domain, at := strings.Cut(address, "@")
	// git drops some characters at the ends of a name; what is signed must be what git writes.
	if !found || !closed || !at || local == "" || domain == "" || name == "" || len(text) > 300 ||
		!utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) ||
		strings.ContainsAny(name+address, "<>") || strings.ContainsFunc(address, unicode.IsSpace) ||
		strings.Trim(name, " .,:;\"\\'") != name {
		return "", "", invalid("Write it as: Name <name@example.org>", "the %s %s is not a name and a mail address", what, quote(text))
	}
	return name, address, nil
}

// epoch reads a moment given as seconds since 1970 or in RFC 3339, and gives the seconds.
func epoch(text string) (int64, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 && n < 1<<36 && text[0] != '+' {
		return n, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil && at.Unix() >= 0 {
		return at.Unix(), nil
	}
	return 0, invalid("Give seconds since 1970, or a time such as 2019-01-24T11:43:27Z", "%s is not a date", quote(text))
}

// message makes the text of a commit or tag: it must be text, and ends with one newline.
func message(text string) (string, error) {
	text = strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), " \t\n")
	switch {
	case strings.TrimSpace(text) == "":
		return "", invalid("Give the message of the release", "the message is empty")
	case strings.HasPrefix(text, "\n") || !utf8.ValidString(text) || len(text) > 64<<10:
		return "", invalid("Write plain text that begins on its first line", "the message begins with an empty line, is not UTF-8 or is longer than 64 kB")
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		return "", invalid("Write plain text", "the message has control characters")
	}
	for line := range strings.SplitSeq(text, "\n") {
		// git takes everything from such a line on for the signature.
		if strings.HasPrefix(line, "-----BEGIN ") {
			return "", invalid("Take that line out", "the message has a line that begins like a signature")
		}
	}
	return text + "\n", nil
}

// quote shows text from outside on one line.
func quote(text string) string {
	if r := []rune(text); len(r) > 80 {
		text = string(r[:80]) + "…"
	}
	return strconv.Quote(text)
}
