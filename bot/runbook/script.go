package runbook

import (
	"regexp"
	"strings"
)

// paths are the files below $here that commands name.
var paths = regexp.MustCompile(`"\$here/([A-Za-z0-9._+~:/-]+)"`)

// one is text on one line.
func one(text string) string { return strings.Join(strings.Fields(text), " ") }

// preamble is what a script begins with. Its own names have no underscore, and all others have one.
const preamble = `set -eu
here=$(cd "$(dirname "$0")" && pwd)
touch "$here/done.txt" "$here/values.sh"
. "$here/values.sh"
say() { printf '%s\n' "$1" >&2; }
answer() { printf '%s ' "$1" >&2; reply=; read -r reply || :; }
confirm() { answer "$1 Type yes to go on:"; [ "$reply" = yes ] || { say 'Stopped. Start this again to go on here.'; exit 1; }; }
happened() {
	answer "$1 Type yes or no:"
	case $reply in yes) return 0 ;; no) return 1 ;; esac
	say 'Stopped. Start this again to go on here.'
	exit 1
}
holds() { happened "Does this hold: $1?"; }
finished() { grep -qxF -e "$1" "$here/done.txt"; }
finish() { printf '%s\n' "$1" >> "$here/done.txt"; }
quoted() {
	rest=$1
	printf "'"
	while :; do
		case $rest in
		*\'*) printf %s "${rest%%\'*}'\\''"; rest=${rest#*\'} ;;
		*) printf "%s'" "$rest"; return ;;
		esac
	done
}
keep() {
	eval "reply=\$$1"
	{ printf '%s=' "$1"; quoted "$reply"; printf '\n'; } >> "$here/values.sh"
}
`
