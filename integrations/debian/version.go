package debian

import "slipway/bot/version"

// Version is the version of a package, [epoch:]upstream[-revision] (Debian Policy 5.6.12).
type Version = version.Version

// ParseVersion reads a version as strictly as dpkg does. Errors are of kind Invalid and name the
// part or the character.
func ParseVersion(text string) (Version, error) { return version.Parse(text) }
