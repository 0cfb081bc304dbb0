// Package evidence makes and checks the proof that a run was done right.
//
// Two things are signed by the log key, an Ed25519 key (RFC 8032) that the bot uses unattended and
// that signs nothing else. While a run goes on, the [Head] of its hash-chained log is signed at
// each gate and at the end. When somebody asks, a bundle is made: the log itself with everything
// that its gates relied on, and an [Index] of every file, signed too. Whoever pinned the
// fingerprint of the key beforehand, by another way than the bundle, can check it anywhere with
// [Verify]: no network, no configuration and no clock are needed.
//
// # The bundle
//
// A bundle is one POSIX ustar archive (IEEE Std 1003.1-2017, pax, "ustar Interchange Format"). tar
// was chosen because it can be written and read as a stream, opened everywhere, and written in
// one way only: each header is fixed by name, size and time, padding is zero, and two zero blocks
// end it. [Verify] makes every header again and compares, so that no byte is free. All files have
// the time of the log's last commit, and nothing else in the bundle depends on when or where it was
// made: the same run gives the same bytes.
//
//	README.txt             what this is, how to check it, and how it is checked
//	index.html             the run for readers: who approved which bytes, and when
//	run.json               the same for programs; it follows from the log, and is compared with it
//	log.jsonl              the log: one commit a line, exactly the bytes that were chained
//	heads/SEQ.json         signed heads: a DSSE envelope over a [Head]
//	relied/SEQ.json        what a commit relied on: persons, grants, freezes, messages shown
//	cards/DIGEST.json      a gate message, as people saw it
//	manifests/SEQ-N.txt    what a gate put to the people: the text whose digest they approved
//	playbooks/NAME.yaml    every playbook that the run could use, as it was pinned
//	closure.json           their names and digests
//	signatures/…           signed texts and signatures that the run made: tags, Release files
//	picture.svg            the run as a picture
//	files/sha256-HEX       bodies of artifacts, where they were asked for
//	statement.json         an in-toto statement of the release, in a DSSE envelope
//	key.pem                the public log key
//	sealed.json            last: the [Index], in a DSSE envelope
//
// Envelopes are those of DSSE 1.0 (github.com/secure-systems-lab/dsse): the signature covers the
// pre-authentication encoding of type and payload. The statement is an in-toto statement v1 with
// the predicate SLSA provenance v1.
//
// # The chain
//
// A commit is linked to the one before it by SHA-256 over the 32 bytes of the link before (zeros
// for the first), the time of the commit in RFC 3339 with nanoseconds, and each event behind a
// line feed: [Link].
//
// # Fingerprints
//
// The fingerprint of a log key is "sha256:" and the hexadecimal SHA-256 of its SubjectPublicKeyInfo
// (RFC 8410). OpenSSL gives the same: openssl pkey -pubin -in key.pem -outform DER | sha256sum.
package evidence
