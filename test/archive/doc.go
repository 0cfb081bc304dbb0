// Package archive holds archives by integrations/aptrepo against the programs of Debian: apt as the
// client, gpgv as its judge of signatures, dpkg as the one that installs.
//
// Every trap of APT that the project knows is a line of this table and has a test by its number. The
// test shows two things: that the real apt falls into the trap, with what apt says or that it says
// nothing, and that an archive of ours does not lead there or refuses to be published that way.
//
//	line  trap                                                       test
//	1     zones of Date; no Date, a future one, a late Valid-Until   TestLine01Dates
//	2     MD5 or SHA-1 alone, signatures over SHA-1                  TestLine02WeakChecksums
//	3     a Release.gpg that is not armored                          TestLine03ReleaseGPGInArmor
//	4     a stale InRelease beside a fresh Release.gpg               TestLine04InReleaseWins
//	5     bytes behind the signed text, tampering, expired and       TestLine05SignedBlocks
//	      unknown keys among several signatures
//	6     another Origin, Label, Codename; another Suite, Version    TestLine06PinnedFields
//	7     by-hash of an algorithm that is not the strongest listed   TestLine07ByHashOfTheStrongest
//	8     plain Packages or the architecture not listed: empty,      TestLine08SilentlyEmpty
//	      without a word
//	8a    several streams in a .xz, several members in a .gz         TestLine08aStreamsOfXZ
//	9     a publication in the middle of an update                   TestLine09RaceWithAPublication
//	10    going back by a link: an older mtime, an older Date        TestLine10LinkTurnedBack
//	11    a link that is missing for a moment, or not on disk        TestLine11TheLinkIsNeverMissing
//	                                                                 TestLine11CallsOfAPublication
//	12    what is named before it is there; names in a Release       TestLine12OrderOfFiles
//	13    files renamed into place one by one, in any order          TestLine13NoMomentBetween
//
// What else is told with real clients:
//
//	staging, publishing, dropping and cleaning killed at each step   TestKilledAtEveryStep
//	both ways back, with clients that only refreshed their lists,    TestBothRollbacks
//	installed the bad version, or never saw it
//	a way back among the releases of others                          TestRollbackOfOneReleaseAmongOthers
//	an expired archive and its refresh                               TestRefreshMendsAnExpiredArchive
//	a new key, with and without the package that brings it           TestKeysChange, TestKeyChangedAtOnce,
//	                                                                 TestTheKeyringPackageBringsItsSources
//	promotion, snapshots, suites and architectures                   TestPromotionFromProposedToStable,
//	                                                                 TestSnapshotsAreSourcesForApt,
//	                                                                 TestSuitesAndArchitectures
//	several suites turn together or not at all                       TestNoSuiteTurnsWhenOneCannot
//	lists of files                                                   TestContentsAreThoseOfTheIndustry
//	the archives of Debian, verified, read, written as they were     TestArchivesOfDebianVerify,
//	                                                                 TestMirrorOfThisMachineKeepsItsBytes
//
// The tests carry the build tag prove. They need a Debian system with apt, apt-utils, gnupg,
// xz-utils, strace and debian-archive-keyring, whose apt has lists of Debian's main for amd64, and
// the network for its mirror. They fail without.
package archive
