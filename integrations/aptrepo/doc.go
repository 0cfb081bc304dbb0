// Package aptrepo builds and publishes APT archives in a local folder.
//
//	ROOT/dists/<suite>                  a link to the generation that clients read
//	ROOT/generations/<suite>/<id>/      a whole dists tree of the suite: indexes, by-hash, Release,
//	                                    Release.gpg, InRelease; never changed once published
//	ROOT/generations/<suite>/<id>.staged/   complete, but not signed yet
//	ROOT/pool/<component>/<prefix>/<source>/<file>   packages, shared by all suites
//	ROOT/snapshots/<suite>/<date>/      a base address for apt: dists/<suite> and pool as links
//	ROOT/tmp, ROOT/locks                nothing for clients
//
// [Archive.Stage] makes a generation and asks for no key: it returns the bytes of Release, which
// people approve and a signer signs. [Archive.Publish] takes the signatures and turns the link.
// [Archive.Check] reads a suite as a client does, [Archive.Cleanup] removes what nobody needs.
//
// # Crashes
//
// What clients see changes by one rename, of the link, after everything that it leads to is on
// disk. Whatever was under way when the process or the machine stopped, the old or the new archive
// is there, whole; the same call made again finishes the work. Names that are not finished end in
// .staging or .staged, or lie in ROOT/tmp, and never in dists.
//
// # No database
//
// The plain Packages file of the generation before is the database: it is sorted by the name of
// the package, so that a change is found by binary search and spliced in. Packages.gz consists of
// many members (RFC 1952 section 2.2) that are cut at names of packages; members that did not
// change are copied as they are.
package aptrepo
