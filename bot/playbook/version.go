package playbook

import "regexp"

// versionForm holds the characters of Debian Policy 5.6.12, which are a superset of what other
// version schemes use.
var versionForm = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+:~_-]{0,127}$`)
