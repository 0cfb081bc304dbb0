# How to end release/lava/2019.01 by hand, as it was on 2019-01-31 12:00 UTC.
# 27 steps are done, 15 are left.
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
# What it made is nowhere but with Slipway. This makes the same again:
mkdir -p "$here/git"
mkdir -p "$here/commit"
printf %s 'lava (2019.01-1) unstable; urgency=medium

  * New upstream release 2019.01
    9bfb6601b Mend $(touch pwned) `touch pwned`'\''; touch pwned; '\''

 -- Release Team <release@example.org>  Thu, 31 Jan 2019 12:00:00 +0000

' > "$here/commit/prepend.1"
printf %s 'lava (2019.01-1) unstable; urgency=medium

  * New upstream release 2019.01
    9bfb6601b Mend $(touch pwned) `touch pwned`'\''; touch pwned; '\''

 -- Release Team <release@example.org>  Thu, 31 Jan 2019 12:00:00 +0000

' > "$here/commit/otherwise.1"
printf %s 'lava 2019.01 release
' > "$here/commit/message"
[ -d "$here/git/REPOSITORY" ] || git clone --quiet --no-checkout -- /srv/project.git "$here/git/REPOSITORY"
git -C "$here/git/REPOSITORY" fetch --quiet --tags origin
index="$here/commit/index"
rm -f "$index"
GIT_INDEX_FILE="$index" git -C "$here/git/REPOSITORY" read-tree 9bfb6601bbba229058125478184e7685d9ba028c
prepended=no
if git -C "$here/git/REPOSITORY" cat-file -e 9bfb6601bbba229058125478184e7685d9ba028c:debian/changelog 2>/dev/null; then
mode=$(git -C "$here/git/REPOSITORY" ls-tree --full-tree 9bfb6601bbba229058125478184e7685d9ba028c -- debian/changelog | cut -c1-6)
blob=$({ cat "$here/commit/prepend.1"; git -C "$here/git/REPOSITORY" cat-file blob 9bfb6601bbba229058125478184e7685d9ba028c:debian/changelog; } | git -C "$here/git/REPOSITORY" hash-object -w --no-filters --stdin)
GIT_INDEX_FILE="$index" git -C "$here/git/REPOSITORY" update-index --add --cacheinfo "${mode:-100644},$blob,"debian/changelog
prepended=yes
fi
if [ $prepended = no ]; then
mode=$(git -C "$here/git/REPOSITORY" ls-tree --full-tree 9bfb6601bbba229058125478184e7685d9ba028c -- debian/changelog | cut -c1-6)
blob=$(git -C "$here/git/REPOSITORY" hash-object -w --no-filters --stdin < "$here/commit/otherwise.1")
GIT_INDEX_FILE="$index" git -C "$here/git/REPOSITORY" update-index --add --cacheinfo "${mode:-100644},$blob,"debian/changelog
fi
tree=$(GIT_INDEX_FILE="$index" git -C "$here/git/REPOSITORY" write-tree)
made=$(GIT_AUTHOR_NAME='Release Team' GIT_AUTHOR_EMAIL=release@example.org GIT_AUTHOR_DATE='@1548936000 +0000' GIT_COMMITTER_NAME='Release Team' GIT_COMMITTER_EMAIL=release@example.org GIT_COMMITTER_DATE='@1548936000 +0000' git -C "$here/git/REPOSITORY" commit-tree -p 9bfb6601bbba229058125478184e7685d9ba028c -F "$here/commit/message" "$tree")
test "$made" = 4c7a4acd4c7e62db7e8cddb981cdef367a4bbba9
git -C "$here/git/REPOSITORY" update-ref refs/runbook/commit "$made"
git -C "$here/git/REPOSITORY" show --stat "$made" --

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
# UNDER WAY: it may have happened
# NOT TWICE: A tag that was pushed stays: people and builds have it. The push refuses itself if the tag is there, or the branch is not where it was.
# Slipway does this when it is started again, unless it finds it done.
# It is done if the tag is there as object 7536d1d07516abaaf48c980e3594aafa0a29d0d2, and the branch is at 4c7a4acd4c7e62db7e8cddb981cdef367a4bbba9 or has it in its history.
# Look first whether it happened:
git ls-remote -- /srv/project.git refs/heads/main refs/tags/2019.01 || true
# Only if it did not happen:
mkdir -p "$here/git"
mkdir -p "$here/push"
printf %s 'object 4c7a4acd4c7e62db7e8cddb981cdef367a4bbba9
type commit
tag 2019.01
tagger Release Team <release@example.org> 1548936000 +0000

lava 2019.01 release
-----BEGIN PGP SIGNATURE-----

iQ==
-----END PGP SIGNATURE-----
' > "$here/push/tag"
[ -d "$here/git/REPOSITORY" ] || git clone --quiet --no-checkout -- /srv/project.git "$here/git/REPOSITORY"
git -C "$here/git/REPOSITORY" fetch --quiet --tags origin
git -C "$here/git/REPOSITORY" cat-file -e '4c7a4acd4c7e62db7e8cddb981cdef367a4bbba9^{commit}'
git -C "$here/git/REPOSITORY" merge-base --is-ancestor 9bfb6601bbba229058125478184e7685d9ba028c 4c7a4acd4c7e62db7e8cddb981cdef367a4bbba9
object=$(git -C "$here/git/REPOSITORY" hash-object -t tag -w --stdin < "$here/push/tag")
git -C "$here/git/REPOSITORY" cat-file tag "$object"
git -C "$here/git/REPOSITORY" push --atomic --no-verify --no-signed --no-follow-tags --force-with-lease=refs/heads/main:9bfb6601bbba229058125478184e7685d9ba028c --force-with-lease=refs/tags/2019.01: origin 4c7a4acd4c7e62db7e8cddb981cdef367a4bbba9:refs/heads/main "$object":refs/tags/2019.01
# In both cases:
push_tag_object="$(git ls-remote -- /srv/project.git refs/tags/2019.01 | cut -f1)"
push_commit=4c7a4acd4c7e62db7e8cddb981cdef367a4bbba9
push_tag=2019.01

# 27. tag_seen: The forge shows the tag
# Not needed.

# 28. tag_same: It is the tag that was signed
# Not needed.

# 29. builds: Start the pipeline of the tag
# To come
# Where a forge runs the pipeline by itself, look at its page instead, and put what it made into $here/builds/artifacts.
mkdir -p "$here/git"
mkdir -p "$here/builds"
[ -d "$here/git/REPOSITORY" ] || git clone --quiet --no-checkout -- /srv/project.git "$here/git/REPOSITORY"
git -C "$here/git/REPOSITORY" fetch --quiet --tags origin
[ -d "$here/builds/checkout" ] || git -C "$here/git/REPOSITORY" worktree add --quiet --force --detach "$here/builds/checkout" "$push_commit"
rm -rf "$here/builds/artifacts"
mkdir -p "$here/builds/artifacts"
( cd "$here/builds/checkout" && CI_COMMIT_SHA="$push_commit" CI_COMMIT_REF_NAME="$push_tag" CI_ARTIFACTS="$here/builds/artifacts" env test -e debian/changelog )
builds_pipeline="$here/builds/artifacts"
builds_url=''

# 30. built: The pipeline of the tag passes
# To come
# Wait until: pipeline.state == 'success'
# It has failed, and you stop here, when: pipeline.state in ['failed', 'canceled']
# When you ran its command yourself: it passed if the command ended without an error.

# 31. package: Build the packages of the tag
# To come
# Where a forge runs the pipeline by itself, look at its page instead, and put what it made into $here/package/artifacts.
mkdir -p "$here/git"
mkdir -p "$here/package"
[ -d "$here/git/REPOSITORY" ] || git clone --quiet --no-checkout -- /srv/project.git "$here/git/REPOSITORY"
git -C "$here/git/REPOSITORY" fetch --quiet --tags origin
[ -d "$here/package/checkout" ] || git -C "$here/git/REPOSITORY" worktree add --quiet --force --detach "$here/package/checkout" "$push_commit"
rm -rf "$here/package/artifacts"
mkdir -p "$here/package/artifacts"
( cd "$here/package/checkout" && CI_COMMIT_SHA="$push_commit" CI_COMMIT_REF_NAME="$push_tag" CI_ARTIFACTS="$here/package/artifacts" env slipway package build )
package_pipeline="$here/package/artifacts"
package_url=''

# 32. packaged: The packages of the tag are built
# To come
# Wait until: pipeline.state == 'success'
# It has failed, and you stop here, when: pipeline.state in ['failed', 'canceled']
# When you ran its command yourself: it passed if the command ended without an error.

# 33. artifacts: Fetch what was built
# To come
artifacts_files="$package_pipeline"
ls -l "$artifacts_files"

# 34. packages: Check that these are the packages of this release, all of them
# To come
# All packages of the release must be there, of one version and with the right checksums.
dir="$artifacts_files"
ls -l "$dir"
for changes in "$dir"/*.changes; do grep -xF -e 'Version: 2019.01-1' "$changes"; dscverify --no-sig-check "$changes"; done
lintian "$dir"/*.changes || :
packages_files="$dir"
packages_packages="$(for deb in "$dir"/*.deb; do dpkg-deb -f "$deb" Package; done | sort -u)"
packages_version=2019.01-1

# 35. stage: Put them into a new state of the archive, which nobody reads yet
# To come
# Clients see nothing of it yet.
# The environment variable SLIPWAY_CONFIG names the configuration of the bot, unless it is ./slipway.yaml.
generation=$(slipway archive stage --archive=lava --kind=add --files="$packages_files" -- stable)
for suite in stable; do
  mkdir -p "$here/release/$suite"
  cp /srv/archive/generations/"$suite/$generation.staged/Release" "$here/release/$suite/Release"
done
stage_generation="$generation"

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
# Not needed.

# 38. sent: Nobody has announced it by hand
# Skipped: its condition does not hold: steps.found.tag_object != ''

# 39. publish: Packages and announcement may go out
# To come
# The question: Publish lava 2019.01? Subject: lava 2019.01 released. $stage_changes
# Who has to say yes: 1 of release-manager or 2 of maintainer
#   release-manager: Maria (maria) <maria@example.org>
#   maintainer: Alan (alan) <alan@example.org>, Grace (grace) <grace@example.org>
# Read them these values, and write down who agreed, when and how you know that it was them:
#   steps.push.tag_object = $push_tag_object
#   steps.push.commit = $push_commit
#   steps.notes.digest = sha256:d37e2238ffbfa2bc448f24e63190e40442928a6e74b3759318cd32cb12416ff0
#   steps.?packages.?digest.orValue('') = $packages_digest
#   steps.?stage.?digests.orValue([]) = ["$stage_digests"]
#   steps.?sent.?mail.orValue(true) = true
#   project.forge == '' ? '' : steps.notes.?page.orValue('') =

# 40. signatures[0123456789ABCDEF0123456789ABCDEF01234567]/sign: The key holder signs the Release files
# To come
# The holder of the archive's key 0123456789ABCDEF0123456789ABCDEF01234567 does this, where the key is: copy the folder release there, and the folder signed back.
signing=$(cd "$here/release" && find . -type f -name Release | sed -e 's|^\./||' -e 's|/Release$||' | sort)
test -n "$signing"
for suite in $signing; do
  release="$here/release/$suite/Release"
  mkdir -p "$here/signed/$suite"
  cat "$release"
  rm -f "$here/signed/$suite/"0123456789ABCDEF0123456789ABCDEF01234567.InRelease "$here/signed/$suite/"0123456789ABCDEF0123456789ABCDEF01234567.gpg
  gpg --armor --clearsign --digest-algo SHA512 --local-user '0123456789ABCDEF0123456789ABCDEF01234567!' --output "$here/signed/$suite/"0123456789ABCDEF0123456789ABCDEF01234567.InRelease "$release"
  gpg --armor --detach-sign --digest-algo SHA512 --local-user '0123456789ABCDEF0123456789ABCDEF01234567!' --output "$here/signed/$suite/"0123456789ABCDEF0123456789ABCDEF01234567.gpg "$release"
done

# 41. switch: Turn the archive's clients to it
# To come
# NOT TWICE: Clients read what is published at once, and never go back to what is older by themselves. Each suite refuses to turn when it is not where it was.
# A link that ends in $stage_generation has turned.
# To see whether it is done:
#   readlink /srv/archive/dists/*
printf %s 'certificates
' > "$here/keys.asc"
[ -e "$here/keys.gpg" ] || gpg --dearmor < "$here/keys.asc" > "$here/keys.gpg"
generation="$stage_generation"
for release in "$here"/release/*/Release; do
  suite=$(basename "$(dirname "$release")")
  signed="$here/signed/$suite"
  cp "$signed"/0123456789ABCDEF0123456789ABCDEF01234567.InRelease "$signed/InRelease"
  cp "$signed"/0123456789ABCDEF0123456789ABCDEF01234567.gpg "$signed/Release.gpg"
  generations=/srv/archive/generations/"$suite"
  new="$generations/$generation.staged"
  [ -d "$new" ] || new="$generations/$generation"
  cmp "$release" "$new/Release"
  link=$(readlink /srv/archive/dists/"$suite" || :)
  before=${link##*/}
  [ "$before" != "$generation" ] || continue
  expected=$(sed -n 's/^{.*"parent":"\([^"]*\)".*$/\1/p' "$new/.generation.json")
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
switch_generation="$stage_generation"

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
apt-cache -o Dir::Etc::sourcelist="$here/seen/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$here/seen/lists" -o Dir::Cache="$here/seen/cache" -o Dir::State::status="$here/seen/status" -o APT::Sandbox::User= policy $packages_packages || true

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
#   Commits since '2018.11': 1; the tag $push_tag is $push_tag_object.

# 51. clean: Remove what no client of the archive can ask for any more
# To come
# It may wait: nothing depends on it.
slipway archive clean --archive=lava

# When Slipway is back, it goes on with this run at once, and looks first whether what it is about to do is done.
# If you made the tag or anything else otherwise than it would have, end this run, and have it take over what is there:
#   release abort release/lava/2019.01 --reason "done by hand"
#   release adopt VERSION
