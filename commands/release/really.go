package release

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/version"
)

// really stands before the version whose content a package has, where its number says otherwise:
// 2019.02+really2019.01 is 2019.01 for those who have 2019.02 already.
const really = "+really"

// Really is the version under which the content of good replaces bad for clients that have bad
// installed: above bad in dpkg's order, whatever good is. The revision counts from 1 again, except
// where good has replaced bad's own predecessor under the same number already. A native package
// stays native. Errors: Invalid when good is not below bad, so that no such version is needed.
func Really(bad, good version.Version) (version.Version, error) {
	if good.Compare(bad) >= 0 {
		return version.Version{}, errs.E("release.really", errs.Invalid, fmt.Errorf("%s is not below %s: clients take it by themselves", good, bad)).
			Hint("publish %s as it is", good)
	}
	wanted := content(good)
	base, _, _ := strings.Cut(bad.Upstream, really)
	v := version.Version{Epoch: bad.Epoch, Upstream: base + really + wanted}
	if bad.Revision != "" || good.Revision != "" {
		v.Revision = "1"
	}
	switch c := version.ComparePart(v.Upstream, bad.Upstream); {
	case c < 0: // bad went back less far; whatever follows its number is above it
		v.Upstream = bad.Upstream + really + wanted
	case c == 0:
		v.Revision = nextRevision(bad.Revision)
	}
	return v, nil
}

// content is the upstream version whose content the package has: what follows the last +really.
func content(v version.Version) string {
	if i := strings.LastIndex(v.Upstream, really); i >= 0 && len(v.Upstream) > i+len(really) {
		return v.Upstream[i+len(really):]
	}
	return v.Upstream
}

var lastNumber = regexp.MustCompile(`^(.*?)([0-9]{1,9})$`)

// nextRevision is a revision above r.
func nextRevision(r string) string {
	if r == "" {
		return "1"
	}
	m := lastNumber.FindStringSubmatch(r)
	if m == nil {
		return r + ".1" // a point sorts above the end
	}
	n, _ := strconv.Atoi(m[2]) // at most nine digits
	return m[1] + strconv.Itoa(n+1)
}

// ReadPackageVersion reads what a person calls a version that is in the archive: the number of a
// release, whose first package is meant, or the version of a package as apt shows it.
func ReadPackageVersion(s Scheme, text string) (version.Version, error) {
	if v, err := ParseVersion(s, text); err == nil {
		return version.Parse(v.Debian(1))
	}
	v, err := version.Parse(text)
	if err != nil {
		return v, err
	}
	if v.Revision == "" && !strings.Contains(v.Upstream, really) {
		return v, errs.E("release.debian_version", errs.Invalid, fmt.Errorf("%q is neither a release nor the version of a package", shorten(text))).
			Hint("write a release such as 2019.01, or what apt shows, such as 2019.01-1")
	}
	return v, nil
}

// PackageVersionIn and PackageVersionOut are those of release.debian_version@1.
type PackageVersionIn struct {
	Version string   `cel:"version" json:"version" kind:"version" doc:"of a release, or of a package as apt shows it"`
	Scheme  string   `cel:"scheme" json:"scheme"`
	Tags    []string `cel:"tags,optional" json:"tags,omitempty" doc:"release tags that exist; with them, that of the version must be there"`
}
type PackageVersionOut struct {
	Debian       string `cel:"debian" json:"debian" doc:"version of the package: 2019.01-1"`
	Tag          string `cel:"tag" json:"tag" doc:"of the release with its content, if tags were given"`
	PackagingTag string `cel:"packaging_tag" json:"packaging_tag" doc:"name for the tag of the packaging: debian/2019.01-1"`
}

func packageVersion(in PackageVersionIn) (PackageVersionOut, error) {
	scheme, err := ParseScheme(in.Scheme)
	if err != nil {
		return PackageVersionOut{}, err
	}
	v, err := ReadPackageVersion(scheme, in.Version)
	if err != nil {
		return PackageVersionOut{}, err
	}
	out := PackageVersionOut{Debian: v.String(), PackagingTag: PackagingTag(v.String())}
	if in.Tags == nil {
		return out, nil
	}
	if out.Tag = tagOf(scheme, in.Tags, v); out.Tag == "" {
		return PackageVersionOut{}, errs.E("release.debian_version", errs.NotFound, fmt.Errorf("no tag is that of %s", v)).
			Hint("name a release that is tagged and pushed")
	}
	return out, nil
}

// tagOf is the tag of the release whose content a package has, "" for none.
func tagOf(s Scheme, tags []string, v version.Version) string {
	for _, tag := range tags {
		if w, ok := ReadTag(s, tag); ok && version.ComparePart(w.Upstream(), content(v)) == 0 {
			return tag
		}
	}
	return ""
}

// PackagingTag is the name of the tag under which a version of a package is kept, as DEP-14 writes
// it: git refuses colons, tildes, and two points in a row.
func PackagingTag(v string) string {
	v = strings.NewReplacer(":", "%", "~", "_").Replace(v)
	for strings.Contains(v, "..") {
		v = strings.ReplaceAll(v, "..", ".#.")
	}
	if strings.HasSuffix(v, ".") || strings.HasSuffix(v, ".lock") {
		v += "#"
	}
	return "debian/" + v
}

// ReallyIn and ReallyOut are those of release.really@1.
type ReallyIn struct {
	Bad    string   `cel:"bad" json:"bad" doc:"version of the package that is to go"`
	Good   string   `cel:"good" json:"good" doc:"version of the package whose content comes back"`
	Before []string `cel:"before,optional" json:"before,omitempty" doc:"what each of the suites offered before; they get one content, so it must have been one version"`
	Scheme string   `cel:"scheme" json:"scheme"`
	Tags   []string `cel:"tags" json:"tags" doc:"release tags that exist"`
}
type ReallyOut struct {
	Version string `cel:"version" json:"version" doc:"above bad in dpkg's order: 2019.02+really2019.01-1"`
	Tag     string `cel:"tag" json:"tag" doc:"of the release that has the content of good"`
}

func chooseReally(in ReallyIn) (ReallyOut, error) {
	const op = "release.really"
	if in.Good == "" {
		return ReallyOut{}, errs.E(op, errs.Invalid, errors.New("the archive remembers nothing from before")).
			Hint("release the content that you want under a higher version")
	}
	if err := oneBefore(in.Before); err != nil {
		return ReallyOut{}, err
	}
	scheme, err := ParseScheme(in.Scheme)
	if err != nil {
		return ReallyOut{}, err
	}
	bad, err := version.Parse(in.Bad)
	if err != nil {
		return ReallyOut{}, err
	}
	good, err := version.Parse(in.Good)
	if err != nil {
		return ReallyOut{}, err
	}
	v, err := Really(bad, good)
	if err != nil {
		return ReallyOut{}, err
	}
	if tag := tagOf(scheme, in.Tags, good); tag != "" {
		return ReallyOut{Version: v.String(), Tag: tag}, nil
	}
	return ReallyOut{}, errs.E(op, errs.NotFound, fmt.Errorf("no tag is that of %s, whose content should come back", good)).
		Hint("push the tag of that release, then retry")
}

// oneBefore refuses suites that offered different versions: none of them would have the content of
// the other back.
func oneBefore(all []string) error {
	versions := slices.Compact(slices.Sorted(slices.Values(all)))
	if len(versions) < 2 {
		return nil
	}
	for i, v := range versions {
		if v == "" {
			versions[i] = "nothing"
		}
	}
	return errs.E("release.really", errs.Invalid, fmt.Errorf("the suites did not offer one version before: %s", andList(versions))).
		Hint("abort this run, then undo it in one suite after the other: add suite=NAME")
}

// DailyIn and DailyOut are those of release.daily@1.
type DailyIn struct {
	Scheme  string `cel:"scheme" json:"scheme"`
	Last    string `cel:"last" json:"last" doc:"tag of the last release on the branch"`
	Commits int    `cel:"commits" json:"commits" doc:"how many commits came since, merges among them"`
}
type DailyOut struct {
	Version string `cel:"version" json:"version" doc:"of the package: 2019.01+13-1, above the release and below the next one"`
}

// chooseDaily counts. Errors: Exists when nothing was committed since the release; Invalid.
func chooseDaily(in DailyIn) (DailyOut, error) {
	const op = "release.daily"
	scheme, err := ParseScheme(in.Scheme)
	if err != nil {
		return DailyOut{}, err
	}
	if in.Last == "" {
		return DailyOut{}, errs.E(op, errs.Invalid, errors.New("there is no release that a daily build could count from")).
			Hint("make a first release")
	}
	v, err := ParseVersion(scheme, in.Last)
	if err != nil {
		return DailyOut{}, err
	}
	if in.Commits < 0 {
		return DailyOut{}, errs.E(op, errs.Invalid, fmt.Errorf("%d commits cannot be counted", in.Commits)).Hint("give 1 or more")
	}
	if in.Commits == 0 { // its version would be that of the release, which somebody approved
		return DailyOut{}, errs.E(op, errs.Exists, fmt.Errorf("nothing was committed since %s", v)).
			Hint("the next commit is built; until then there is only the release")
	}
	return DailyOut{Version: version.Version{Upstream: v.Upstream() + "+" + strconv.Itoa(in.Commits), Revision: "1"}.String()}, nil
}
