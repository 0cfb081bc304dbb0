package overssh

import "strings"

// The scripts run under the sh of the other host. They say what they find in lines that begin with
// "slipway", and end with status 9 after a line "slipway fail KIND WORDS". A line ": step NAME" does
// nothing; tests stop the script there. They read their words from $1 on, never from their own
// text, and standard input is free for data.

// begin checks the folder and the owner. Its arguments are first: path, owner.
const begin = `
set -u
umask 022
LC_ALL=C
export LC_ALL
die() { printf 'slipway fail %s\n' "$*"; exit 9; }
do_() { "$@" || die failed "this did not work there: $*"; }
root=$1
owner=$2
shift 2
me=$(id -un) || die failed "nobody knows who is logged in"
[ -n "$owner" ] || owner=$me
[ -d "$root" ] || die notfound "there is no folder $root"
cd -P "$root" || die denied "$me may not enter $root"
[ -w . ] || die denied "$me may not write into $root"
[ -z "$(find . -prune -perm -002)" ] || die open "everybody may write into $root"
id -u "$owner" >/dev/null 2>&1 || die notfound "there is no user $owner"
su=0
[ "$(id -u)" != 0 ] || su=1
[ $su = 1 ] || [ "$me" = "$owner" ] || die owner "$me is logged in, and files must be owned by $owner"
mk() { [ -d "$1" ] || { mkdir "$1" && { [ $su = 0 ] || chown "$owner" "$1"; }; } || die failed "making the folder $1"; }
flush() { sync -f . 2>/dev/null || sync; }
`

// lookScript tells links, and with "all" every file that a cleanup may be about.
const lookScript = begin + `
: step look
for link in dists/* dists/.[!.]*; do
	if [ -L "$link" ]; then printf 'slipway link %s %s\n' "${link#dists/}" "$(readlink "$link")"
	elif [ -e "$link" ]; then printf 'slipway link %s %s\n' "${link#dists/}" "/"
	fi
done
[ "$1" = all ] || { printf 'slipway done\n'; exit 0; }
for dir in generations/*/*; do [ ! -d "$dir" ] || printf 'slipway generation - %s\n' "$dir"; done
for dir in snapshots/*/*; do [ ! -d "$dir" ] || printf 'slipway snapshot - %s\n' "$dir"; done
if [ -d pool ]; then find pool -type f -exec stat -c 'slipway pool %s %n' {} + || die denied "the pool cannot be read"; fi
printf 'slipway done\n'
`

// receiveScript takes a tar from standard input: gen/…, pool/…, gen.sums, pool.sums, and at last
// the file done, which holds the id.
const receiveScript = begin + `
suite=$1
id=$2
in=tmp/$suite.incoming
final=generations/$suite/$id
: step begin
mk tmp
mk dists
mk pool
mk generations
mk "generations/$suite"
do_ rm -rf "$in"
do_ mkdir "$in"
do_ mkdir "$in/gen" "$in/pool"
: step unpack
tar -x -o -p -f - -C "$in" || die cut "what was sent did not unpack"
: step unpacked
[ "$(cat "$in/done" 2>/dev/null)" = "$id" ] || die cut "what was sent is not whole"
: step verify
has() {
	[ "$(find "$1" -type f | wc -l)" -eq "$(wc -l <"$2")" ] || die corrupt "$1 has more or fewer files than were sent"
	[ -s "$2" ] || return 0
	bad=$({ cd "$1" && sha256sum -c --quiet -; } <"$2" 2>&1) || die corrupt "$(printf '%s\n' "$bad" | head -n 1)"
}
has "$in/gen" "$in/gen.sums"
has "$in/pool" "$in/pool.sums"
: step owner
[ $su = 0 ] || do_ chown -R -h "$owner" "$in"
first() { find "$in/gen" "$in/pool" "$@" | head -n 1; }
bad=$(first ! -type f ! -type d)
[ -z "$bad" ] || die corrupt "$bad is neither a file nor a folder"
bad=$(first ! -user "$owner")
[ -z "$bad" ] || die owner "$bad is owned by $(stat -c %U "$bad"), and must be owned by $owner"
bad=$(first ! -perm -444)
[ -z "$bad" ] || die mode "$bad has the mode $(stat -c %a "$bad"), and clients could not read it"
bad=$(first -type d ! -perm -555)
[ -z "$bad" ] || die mode "$bad has the mode $(stat -c %a "$bad"), and clients could not enter it"
bad=$(first '(' -perm -002 -o -perm -020 ')')
[ -z "$bad" ] || die mode "$bad has the mode $(stat -c %a "$bad"), and others than its owner could change it"
# First the bytes, then the names: an empty file under its name would be in the way of every repeat.
flush || die failed "the disk did not take the files"
: step pool
(cd "$in/pool" && find . -type d) | sort | while IFS= read -r d; do
	[ "$d" = . ] || mk "pool/${d#./}" || exit 9
done || exit 9
(cd "$in/pool" && find . -type f) | sort | while IFS= read -r f; do
	to=pool/${f#./}
	if [ -e "$to" ] || [ -L "$to" ]; then
		cmp -s "$in/$to" "$to" || die exists "$to is there with other content"
		continue
	fi
	do_ mv -T "$in/$to" "$to"
	: step pooled
done || exit 9
: step generation
if [ "$(readlink "dists/$suite")" = "../$final" ]; then
	for f in .published.json Release.gpg InRelease; do
		cmp -s "$in/gen/$f" "$final/$f" || do_ mv -T "$in/gen/$f" "$final/$f"
	done
	has "$final" "$in/gen.sums"
else
	[ ! -e "$final" ] || do_ mv -T "$final" "$in/old"
	: step renaming
	do_ mv -T "$in/gen" "$final"
fi
: step flush
flush || die failed "the disk did not take the files"
: step received
do_ rm -rf "$in"
printf 'slipway done\n'
`

// switchScript turns the link. Its arguments: suite, id, the target expected now ("" for none), the
// date of the snapshot to keep ("" for none).
const switchScript = begin + `
suite=$1
id=$2
expect=$3
stamp=$4
final=generations/$suite/$id
link=dists/$suite
: step compare
[ ! -e "$link" ] || [ -L "$link" ] || die conflict "$link is not a link"
now=$(readlink "$link")
if [ "$now" != "../$final" ]; then
	[ "$now" = "$expect" ] || die conflict "$link leads to ${now:-nothing}, and was expected to lead to ${expect:-nothing}"
	[ -f "$final/InRelease" ] || die failed "$final is not there"
	do_ rm -f "tmp/$suite.link"
	do_ ln -s "../$final" "tmp/$suite.link"
	[ $su = 0 ] || do_ chown -h "$owner" "tmp/$suite.link"
	: step switch
	do_ mv -T "tmp/$suite.link" "$link"
fi
: step switched
[ "$(readlink "$link")" = "../$final" ] || die conflict "somebody else turned $link"
flush || die failed "the disk did not take the link"
if [ -n "$stamp" ] && [ ! -e "snapshots/$suite/$stamp" ]; then
	mk snapshots
	mk "snapshots/$suite"
	t=tmp/$suite.snapshot
	do_ rm -rf "$t"
	do_ mkdir "$t" "$t/dists"
	do_ ln -s "../../../../$final" "$t/dists/$suite"
	do_ ln -s ../../../pool "$t/pool"
	[ $su = 0 ] || do_ chown -R -h "$owner" "$t"
	: step snapshot
	do_ mv -T "$t" "snapshots/$suite/$stamp"
fi
printf 'slipway done\n'
`

// sweepScript removes what standard input names, a line each: generation or snapshot with a path,
// file with a path.
const sweepScript = begin + `
: step sweep
mk tmp
while read -r kind name; do
	case $kind in
	generation)
		suite=${name#generations/}
		suite=${suite%%/*}
		[ "$(readlink "dists/$suite")" != "../$name" ] || die conflict "$name is what clients read"
		do_ rm -rf tmp/doomed
		do_ mv -T "$name" tmp/doomed
		: step doomed
		do_ rm -rf tmp/doomed ;;
	snapshot) do_ rm -rf "$name" ;;
	file)
		do_ rm -f "$name"
		rmdir "${name%/*}" 2>/dev/null ;;
	esac
done
for left in tmp/*.incoming tmp/*.link tmp/*.snapshot tmp/doomed; do
	[ ! -e "$left" ] && [ ! -L "$left" ] || do_ rm -rf "$left"
done
printf 'slipway done\n'
`

// quote makes one word of s for a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// command is what ssh is to have run: the login shell there splits it, whichever shell that is.
func command(script string, args []string) string {
	words := []string{"exec", "sh", "-c", quote(script), "slipway"}
	for _, a := range args {
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}
