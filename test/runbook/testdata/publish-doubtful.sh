# How to end release/lava/2019.01 by hand, as it was on 2019-01-31 12:00 UTC.
# 40 steps are done, 5 are left.
# Slipway must be stopped, and stay so until you are done: two who do the same do it twice.
# Read each step before you run it. All commands belong into one shell, sh or bash, in this order.
# Never do sign.tag before go is approved.
# Never do git.push_branch before go is approved.
# Never do git.push_release before go is approved.
# Never do sign.release before publish is approved.
# Never do archive.publish before publish is approved.
# Never do mail.announce before publish is approved.
# Never do chat.broadcast before publish is approved.
# Never do forge.release before publish is approved.
# Never do forge.move_open before publish is approved.
# Never do forge.close_milestone before publish is approved.
# Never do forge.propose before publish is approved.
# Begin with a shell of its own (type: sh), since it ends at the first command that fails.
set -eu
here=$(pwd)   # an empty folder

# 1. ready: The milestone is there and nothing is open in it
# Skipped: its condition does not hold: project.milestones

# 2. stamp: Fix the time that changelog and tag will bear
# Done.
#   time = 2019-01-31T12:00:00Z
#   unix = 1548936000

# 3. state: Read the branch and the tags
# Done.
#   last_commit = 0b67a4f9a892fc38a22b1a7c5bd1469b28391fb4
#   last_tag = 2018.11
#   merged = ["2018.11"]
#   tags = ["2018.11"]
#   tip = 9bfb6601bbba229058125478184e7685d9ba028c

# 4. version: Check the version against the releases that exist
# Done.
#   debian = 2019.01-1
#   last = 2018.11
#   tag = 2019.01
#   warnings = []

# 5. found: Look whether the release is tagged already
# Done.
#   commit =
#   fingerprint =
#   object =
#   payload =
#   tag_object =
#   told =

# 6. log: What is in it since the last release
# Done.
#   author_names = ["Ann"]
#   authors = ["ann@example.org"]
#   count = 1
#   lines = ["9bfb6601b Mend $ (touch pwned) 'touch pwned''; touch pwned; '"]
#   merges = 0
#   text = 61 bytes, sha256:45c6faa8b32a7a4a5bbfcf0b31b6350e5321b9c23303a55fbb72c798d05c5080

# 7. before: Read the changelog as it is
# Done.
#   content = 116 bytes, sha256:bcaaf066a7985a1e340aedf22955ed46209d7df700dcb2a16feb976737ad2375
#   digest = sha256:bcaaf066a7985a1e340aedf22955ed46209d7df700dcb2a16feb976737ad2375
#   found = true

# 8. checklist: Merge requests are merged, the milestone is empty
# Done.
#   by = maria
#   merged = true
#   moved =

# 9. changelog: Write the changelog entry
# Done.
#   digest = sha256:ec54143029c32ea9c4f08689cd9592558319f6fa694d8c6609769069e277d09a
#   entry = 214 bytes, sha256:ec54143029c32ea9c4f08689cd9592558319f6fa694d8c6609769069e277d09a
#   files = {"debian/changelog":"lava (2019.01-1) unstable; urgency=medium\n\n  * New upstream release 2019.01\n    9bfb6601b Mend $ (touch pwned) 'touch pwned''; touch pwned; '\n\n -- Release Team <release@example.org>  Thu, 31 Jan 2019 12:00:00 +0000\n\n"}
#   version = 2019.01-1

# 10. commit: Make the release commit
# Done.
#   authors = ["release@example.org"]
#   commit = 4c7a4acd4c7e62db7e8cddb981cdef367a4bbba9
#   files = ["debian/changelog"]
#   parents = ["9bfb6601bbba229058125478184e7685d9ba028c"]
#   tree = fb17169b8165013686dad85d53d872a38dba14bc

# 11. fork_tip: Read the branch of the fork
# Skipped: its condition does not hold: project.fork != ''

# 12. fork: Push the release commit to the fork
# Skipped: its condition does not hold: project.fork != ''

# 13. trial: Start the pipeline on the release commit
# Done.
#   pipeline = run-trial
#   url =

# 14. trial_passed: The pipeline passes before anybody is asked
# Done.
#   log =
#   seconds = 1
#   state = success
#   url =

# 15. trial_build: Build the packages of the release commit as a trial
# Done.
#   pipeline = run-trial_build
#   url =

# 16. trial_built: The trial build passes before anybody is asked
# Done.
#   log =
#   seconds = 1
#   state = success
#   url =

# 17. trial_artifacts: Fetch what the trial built
# Done.
#   files = []

# 18. trial_packages: Check the packages of the trial before anybody is asked
# Done.
#   architectures = ["all"]
#   digest = sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
#   files = []
#   lintian =
#   lintian_errors = 0
#   lintian_warnings = 0
#   packages = ["lava"]
#   version = 2019.01-1

# 19. tested: Functional tests are signed off
# Done.
#   by = tess
#   good = true
#   how =

# 20. payload: Write the tag that is to be signed
# Done.
#   digest = sha256:f817fdfaf6917b9e1448f266cf387eddfc16aad770b9ad9d48e557af28903bc0
#   payload = 153 bytes, sha256:f817fdfaf6917b9e1448f266cf387eddfc16aad770b9ad9d48e557af28903bc0

# 21. go: The team agrees that it is good enough to go
# Done.
#   at = 2019-01-31T12:00:00Z
#   by = ["alan","grace"]
#   manifest = MANIFEST-OF-GO
#   text = 736 bytes, MANIFEST-OF-GO

# 22. branch: Push the branch
# Skipped: its condition does not hold: project.order == 'branch-first'

# 23. branch_builds: Start the pipeline of the branch
# Skipped: its condition does not hold: project.order == 'branch-first'

# 24. branch_built: The pipeline of the branch passes
# Skipped: its condition does not hold: project.order == 'branch-first'

# 25. sign: The key holder signs the tag
# Done.
#   fingerprint = 0123456789ABCDEF0123456789ABCDEF01234567
#   object = 217 bytes, sha256:d9294a2a60ad98a8d3f13adcfd9e16340e3565f1f5813081d66352510b851328
#   signature = 64 bytes, sha256:a7fd8f99af432398ed6186a6ff412c88182e6067c39959e4e27632fb9e679804
#   signed_at = 2019-01-31T12:00:00Z

# 26. push: Push branch and tag together, or the tag after its branch
# Done.
#   commit = 4c7a4acd4c7e62db7e8cddb981cdef367a4bbba9
#   tag = 2019.01
#   tag_object = 7536d1d07516abaaf48c980e3594aafa0a29d0d2

# 27. tag_seen: The forge shows the tag
# Skipped: its condition does not hold: project.forge != ''

# 28. tag_same: It is the tag that was signed
# Skipped: its condition does not hold: project.forge != ''

# 29. builds: Start the pipeline of the tag
# Done.
#   pipeline = run-builds
#   url =

# 30. built: The pipeline of the tag passes
# Done.
#   log =
#   seconds = 1
#   state = success
#   url =

# 31. package: Build the packages of the tag
# Done.
#   pipeline = run-package
#   url =

# 32. packaged: The packages of the tag are built
# Done.
#   log =
#   seconds = 1
#   state = success
#   url =

# 33. artifacts: Fetch what was built
# Done.
#   files = [{"digest":"sha256:9cfa1468c93fc18652e34a000f0c6614b0fa18f6f4887477ad9b0d36ca6a7eaa","name":"lava_2019.01-1_all.deb","size":3}]

# 34. packages: Check that these are the packages of this release, all of them
# Done.
#   architectures = ["all"]
#   digest = sha256:dc0ac283cdbbdf8658ec7fc7f542c3e85b560f807f1e80c838e598158d5736f1
#   files = [{"digest":"sha256:9cfa1468c93fc18652e34a000f0c6614b0fa18f6f4887477ad9b0d36ca6a7eaa","name":"lava_2019.01-1_all.deb","size":3}]
#   lintian =
#   lintian_errors = 0
#   lintian_warnings = 0
#   packages = ["lava"]
#   version = 2019.01-1

# 35. stage: Put them into a new state of the archive, which nobody reads yet
# Done.
#   changes = ["stable: lava 2018.11-1 → 2019.01-1"]
#   current = [{"generation":"20181130T120000Z-0011223344556677","suite":"stable"}]
#   digest = sha256:dc0ac283cdbbdf8658ec7fc7f542c3e85b560f807f1e80c838e598158d5736f1
#   digests = ["sha256:dc0ac283cdbbdf8658ec7fc7f542c3e85b560f807f1e80c838e598158d5736f1"]
#   generation = 20190131T120000Z-0011223344556677
#   packages = 1
#   releases = [{"digest":"sha256:dc0ac283cdbbdf8658ec7fc7f542c3e85b560f807f1e80c838e598158d5736f1","suite":"stable","text":"Origin: Example\nSuite: stable\n"}]

# 36. notes: Write the release notes and the announcement
# Done.
#   body = 193 bytes, sha256:24d57a470d1b1a14cc0002fc75c9a2ae9c870e958774a021ce0c4ac1f4dbfce0
#   digest = sha256:d37e2238ffbfa2bc448f24e63190e40442928a6e74b3759318cd32cb12416ff0
#   markdown = 180 bytes, sha256:2e56e0cf766283bd4633fce74e5a997c04b12f9d18a9ef5f6fe51b5627875962
#   message_id = release.lava.2019.01.5abaecc86866c3f1579af7b8@lists.example.org
#   page = sha256:2e56e0cf766283bd4633fce74e5a997c04b12f9d18a9ef5f6fe51b5627875962
#   plain = 110 bytes, sha256:2a05c6e465dc4c4cc6be462b6aabd6ab6ef33badc49dd203c61aead49b3f7797
#   subject = lava 2019.01 released

# 37. handover_files: Fetch the files that are handed over
# Skipped: its condition does not hold: project.handover != ''

# 38. sent: Nobody has announced it by hand
# Skipped: its condition does not hold: steps.found.tag_object != ''

# 39. publish: Packages and announcement may go out
# Done.
#   at = 2019-01-31T12:00:00Z
#   by = ["maria"]
#   manifest = MANIFEST-OF-PUBLISH
#   text = 904 bytes, MANIFEST-OF-PUBLISH

# 40. signatures[0123456789ABCDEF0123456789ABCDEF01234567]/sign: The key holder signs the Release files
# Done.
#   fingerprint = 0123456789ABCDEF0123456789ABCDEF01234567
#   signatures = [{"detached":"detached","digest":"sha256:dc0ac283cdbbdf8658ec7fc7f542c3e85b560f807f1e80c838e598158d5736f1","inline":"inline","suite":"stable"}]
#   signed_at = 2019-01-31T12:00:00Z

# 41. switch: Turn the archive's clients to it
# DOUBTFUL: it may have happened, nobody knows: the connection was lost
# NOT TWICE: Clients read what is published at once, and never go back to what is older by themselves. Each suite refuses to turn when it is not where it was.
# A link that ends in 20190131T120000Z-0011223344556677 has turned.
# Look first whether it happened:
readlink /srv/archive/dists/* || true
# Only if it did not happen:
mkdir -p "$here/release/stable"
printf %s 'Origin: Example
Suite: stable
' > "$here/release/stable/Release"
printf %s 'certificates
' > "$here/keys.asc"
[ -e "$here/keys.gpg" ] || gpg --dearmor < "$here/keys.asc" > "$here/keys.gpg"
generation=20190131T120000Z-0011223344556677
for release in "$here"/release/*/Release; do
  suite=$(basename "$(dirname "$release")")
  signed="$here/signed/$suite"
  mkdir -p "$signed"
  [ -e "$signed/InRelease" ] || gpg --armor --clearsign --digest-algo SHA512 --local-user '0123456789ABCDEF0123456789ABCDEF01234567!' --output "$signed/InRelease" "$release"
  [ -e "$signed/Release.gpg" ] || gpg --armor --detach-sign --digest-algo SHA512 --local-user '0123456789ABCDEF0123456789ABCDEF01234567!' --output "$signed/Release.gpg" "$release"
  generations=/srv/archive/generations/"$suite"
  new="$generations/$generation.staged"
  [ -d "$new" ] || new="$generations/$generation"
  cmp "$release" "$new/Release"
  link=$(readlink /srv/archive/dists/"$suite" || :)
  before=${link##*/}
  case $suite in
  stable) expected=20181130T120000Z-0011223344556677 ;;
  esac
  [ "$before" != "$generation" ] || continue
  test "$before" = "$expected"
  gpgv --keyring "$here/keys.gpg" "$signed/InRelease" || exit 1
  gpgv --keyring "$here/keys.gpg" "$signed/Release.gpg" "$new/Release" || exit 1
  sed -e '1,/^$/d' -e '/^-----BEGIN PGP SIGNATURE-----$/,$d' -e 's/^- //' "$signed/InRelease" | cmp - "$new/Release" || exit 1
  cp "$signed/Release.gpg" "$signed/InRelease" "$new/"
  printf '{"at":"%s","previous":"%s"}' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$before" > "$new/.published.json"
  touch "$new/Release" "$new/Release.gpg" "$new/InRelease"
  [ "$new" = "$generations/$generation" ] || mv -T "$new" "$generations/$generation"
  sync
  [ -z "$before" ] || touch "$generations/$before/.served"
  mkdir -p /srv/archive/dists /srv/archive/tmp
  ln -sfn "../generations/$suite/$generation" /srv/archive/tmp/"$suite.link"
  mv -T /srv/archive/tmp/"$suite.link" /srv/archive/dists/"$suite"
  sync
done
# In both cases:
switch_generation=20190131T120000Z-0011223344556677

# 42. seen: apt offers the new version to every client
# To come
# Wait until: view.ok
# It is done when apt offers 2019.01-1 as the candidate of every package, without a warning.
mkdir -p "$here/seen/lists"
mkdir -p "$here/seen/cache/archives"
mkdir -p "$here/seen"
printf %s 'certificates
' > "$here/keys.asc"
printf %s 'deb [signed-by=KEYRING] https://apt.example.org stable main
' > "$here/seen/sources.list.in"
mkdir -p "$here/seen/lists/partial" "$here/seen/cache/archives/partial"
sed "s|KEYRING|$here/keys.asc|" "$here/seen/sources.list.in" > "$here/seen/sources.list"
test -s "$here/keys.asc"
touch "$here/seen/status"
# To look:
apt-get -o Dir::Etc::sourcelist="$here/seen/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$here/seen/lists" -o Dir::Cache="$here/seen/cache" -o Dir::State::status="$here/seen/status" -o APT::Sandbox::User= update || true
apt-cache -o Dir::Etc::sourcelist="$here/seen/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$here/seen/lists" -o Dir::Cache="$here/seen/cache" -o Dir::State::status="$here/seen/status" -o APT::Sandbox::User= policy lava || true

# 43. page: Put the notes on the page of the release
# Not needed.

# 44. left: Look whether the milestone is still empty
# Not needed.

# 45. late: Something is open in the milestone again
# Not needed.

# 46. move: Move it to the next milestone
# Not needed.

# 47. close: Close the milestone
# Not needed.

# 48. handover: Propose the files to the project that gets them
# Not needed.

# 49. announce: Send the announcement
# To come
# NOT TWICE: A mail that was sent cannot be taken back. Look first whether it arrived.
# With another program than sendmail, for example: swaks --from ADDRESS --to ADDRESS,… --data @announcement.eml --server HOST
# To see whether it is done:
#   grep -rlF -- '<release.lava.2019.01.5abaecc86866c3f1579af7b8@lists.example.org>' /var/mail/lists
mkdir -p "$here/announce"
printf %s 'Auto-Submitted: auto-generated
Date: Thu, 31 Jan 2019 12:00:00 +0000
MIME-Version: 1.0
Message-ID:
 <release.lava.2019.01.5abaecc86866c3f1579af7b8@lists.example.org>
Subject: lava 2019.01 released
From: "Release Team" <release@example.org>
To: <announce@lists.example.org>
Content-Transfer-Encoding: quoted-printable
Content-Type: text/plain; charset=UTF-8

lava 2019.01
=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D

The last release was 2018.11. It has 1 commit by 1 author.

Authors
-------

* Ann

Commits
-------

    9bfb6601b Mend $(touch pwned) `touch pwned`'\''; touch pwned; '\''
' > "$here/announce/announcement.eml"
cat "$here/announce/announcement.eml"
PATH="$PATH:/usr/sbin" sendmail -i -f release@example.org -- announce@lists.example.org < "$here/announce/announcement.eml"
announce_message_id=release.lava.2019.01.5abaecc86866c3f1579af7b8@lists.example.org

# 50. tell: Tell the channels
# To come
# NOT TWICE: Everybody would read it twice.
# Write this into #lava, #announce, unless it stands there already:
#   lava 2019.01 is released
#   Commits since '2018.11': 1; the tag 2019.01 is 7536d1d07516abaaf48c980e3594aafa0a29d0d2.

# 51. clean: Remove what no client of the archive can ask for any more
# To come
# It may wait: nothing depends on it.
slipway archive clean --archive=lava

# When Slipway is back, it goes on with this run at once, and looks first whether what it is about to do is done.
# If you made the tag or anything else otherwise than it would have, end this run, and have it take over what is there:
#   release abort release/lava/2019.01 --reason "done by hand"
#   release adopt VERSION
