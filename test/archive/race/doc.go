// Package race publishes archives while real apt clients read them, and counts what the clients
// stumble over: checksums that do not match, files that are not there, broken signatures, archives
// that are empty without a word. An archive of integrations/aptrepo must cause none of these; the
// same is counted for reprepro and aptly, which are shown beside it.
//
// An update that began before a publication and ended after it reads some files of the old archive
// and some of the new one. Only such updates say anything, so that the tests go on until there were
// enough of them.
//
// The tests carry the build tag prove. They need apt, gnupg, reprepro and aptly, and fail without.
// SLIPWAY_SOAK=1 makes a thousand publications of each, which takes most of an hour.
package race
