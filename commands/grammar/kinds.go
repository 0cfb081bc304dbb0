package grammar

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// What one word of each kind looks like. Nothing begins with "-", so that no value can become
// an option of a program that it is handed to, and nothing holds what a shell or a path reads.
var (
	wordRE    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~:/-]{0,127}$`)
	versionRE = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.+~:-]{0,63}$`)
	projectRE = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]{0,63}$`)
	runRE     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.+~:_/-]{0,199}$`)
	stepRE    = regexp.MustCompile(`^[a-z][a-z0-9_-]*(\[[A-Za-z0-9._+~:/-]{1,64}\])?(/[a-z][a-z0-9_-]*(\[[A-Za-z0-9._+~:/-]{1,64}\])?)*$`)
	personRE  = regexp.MustCompile(`^(<@!?[A-Za-z0-9]{1,32}>|@?[A-Za-z0-9][A-Za-z0-9._+@:-]{0,99})$`)
	roleRE    = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)
	daysRE    = regexp.MustCompile(`^[0-9]{1,4}[dw]$`)
	numberRE  = regexp.MustCompile(`^[0-9]{1,9}$`)
)

// check tells whether s can be a value of kind k, and returns its tidy form. The error is a
// clause in words that names the value.
func (k Kind) check(s string) (string, error) {
	if s == "" {
		return "", fmt.Errorf("an empty %s says nothing", k)
	}
	if k == Text {
		if strings.TrimFunc(s, unicode.IsSpace) == "" {
			return "", fmt.Errorf("a text of spaces says nothing")
		}
		return s, nil
	}
	if r, odd := strange(s); odd {
		if unicode.IsSpace(r) {
			return "", fmt.Errorf("%q has a space in it", clip(s, 40))
		}
		return "", fmt.Errorf("%q contains %q (U+%04X), which is not a plain letter", clip(s, 40), r, r)
	}
	bad := func(want string) (string, error) {
		return "", fmt.Errorf("%q is not %s", clip(s, 40), want)
	}
	switch k {
	case Version:
		if !versionRE.MatchString(s) {
			return bad("a version")
		}
	case Project:
		if !projectRE.MatchString(fold(s)) {
			return bad("the name of a project")
		}
		return fold(s), nil
	case Run:
		if !runRE.MatchString(s) || strings.Contains(s, "//") || strings.Contains("/"+s+"/", "/../") || strings.HasSuffix(s, "/") {
			return bad("the name of a run")
		}
	case Step:
		if !stepRE.MatchString(s) {
			return bad("the name of a step")
		}
	case Person:
		if !personRE.MatchString(s) {
			return bad("a person; write a name as in people")
		}
		return strings.TrimPrefix(s, "@"), nil
	case Role, Gate:
		if !roleRE.MatchString(s) {
			return bad("the name of a " + string(k))
		}
	case Date:
		if _, err := time.Parse(time.DateOnly, s); err == nil {
			return s, nil
		}
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return bad("a date; write 2019-01-31 or 2019-01-31T14:00:00Z")
		}
		return at.UTC().Format(time.RFC3339), nil
	case Duration:
		d, err := time.ParseDuration(s)
		if !daysRE.MatchString(s) && (err != nil || d <= 0) {
			return bad("a duration; write 90m, 4h30m, 2d or 1w")
		}
	case Number:
		if !numberRE.MatchString(s) {
			return bad("a whole number")
		}
	default: // Word, Lock, ID
		if !wordRE.MatchString(s) || strings.Contains("/"+s+"/", "/../") {
			return bad("one plain word")
		}
	}
	return s, nil
}
