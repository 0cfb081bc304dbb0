package aptrepo

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/debian"
)

// Certificates are the public keys of an archive, the old and the new ones while they change.
type Certificates struct {
	Keyring      []byte    // binary, for Signed-By of apt's sources (sources.list(5))
	Fingerprints []string  // of the primary keys
	Owner        string    // user id of the first one: "Harbour Releases <releases@harbour.example>"
	Newest       time.Time // of their newest signature
}

// KeyringPackage is a package that gives the keys of an archive to its clients. A client that has it
// gets a new key by an upgrade, before the archive is signed with that key alone.
type KeyringPackage struct {
	Archive      string // name; the keyring is /usr/share/keyrings/<Archive>.gpg
	Address      string // as in sources.list
	Suites       []Suite
	Certificates Certificates

	KeyringOptions
	Version string // default the day of the newest signature of a certificate: 2019.01.31
}

// KeyringOptions are what an archive may say of its keyring package.
type KeyringOptions struct {
	Package    string   // default <Archive>-archive-keyring
	Maintainer string   // default the owner of the first certificate
	Publish    bool     // it goes into a suite that does not have it, with the next packages that do
	Sources    []string // suites that an installation adds to the sources of apt; none: it adds none
}

// dayForm is the form of versions that are a day.
const dayForm = "2006.01.02"

// WithDefaults is k filled and checked. Errors: Invalid.
func (k KeyringPackage) WithDefaults() (KeyringPackage, error) {
	const op = "aptrepo.keyring"
	if k.Package == "" {
		k.Package = k.Archive + "-archive-keyring"
	}
	if k.Version == "" {
		k.Version = k.Certificates.Newest.UTC().Format(dayForm)
	}
	if k.Maintainer == "" {
		k.Maintainer = k.Certificates.Owner
	}
	if !nameForm.MatchString(k.Archive) || k.Address == "" || len(k.Certificates.Keyring) == 0 || k.Certificates.Newest.IsZero() {
		return k, errs.E(op, errs.Invalid, fmt.Errorf("the archive %q has no name, no address or no keys", k.Archive)).Hint("complete its configuration")
	}
	for _, name := range k.Sources {
		if !slices.ContainsFunc(k.Suites, func(s Suite) bool { return s.Name == name }) {
			return k, errs.E(op, errs.Invalid, fmt.Errorf("sources has %q, which is no suite of the archive", name)).Hint("name configured suites")
		}
	}
	if err := debian.CheckPackageName(k.Package); err != nil {
		return k, err
	}
	if _, err := debian.ParseVersion(k.Version); err != nil {
		return k, err
	}
	if err := oneLine(k.Maintainer); err != nil || !strings.Contains(k.Maintainer, "<") || !strings.HasSuffix(k.Maintainer, ">") {
		return k, errs.E(op, errs.Invalid, fmt.Errorf("%q is no maintainer", k.Maintainer)).Hint("write: Name <address@example.org>")
	}
	return k, nil
}

// Filename is the name of the package's file. The defaults are filled in before.
func (k KeyringPackage) Filename() string {
	_, version, found := strings.Cut(k.Version, ":")
	if !found {
		version = k.Version
	}
	return k.Package + "_" + version + "_all.deb"
}

// Write writes the package; the same keys, suites and names give the same bytes.
func (k KeyringPackage) Write(w io.Writer) error {
	k, err := k.WithDefaults()
	if err != nil {
		return err
	}
	at := k.Certificates.Newest.UTC().Truncate(time.Second)
	doc := "usr/share/doc/" + k.Package + "/"
	changelog, err := k.changelog(at)
	if err != nil {
		return errs.E("aptrepo.keyring", errs.Internal, err)
	}
	files := []debian.File{
		{Path: "usr/share/keyrings/" + k.Archive + ".gpg", Body: k.Certificates.Keyring},
		{Path: doc + "examples/" + k.Archive + ".sources", Body: k.sources("# Copy what you want to "+k.sourcesFile()+"\n", k.Suites)},
		{Path: doc + "copyright", Body: []byte("These are the certificates of the keys that sign the packages at\n" + k.Address + "\n\n" +
			"They are collections of numbers and names, made to be copied: anybody may use, copy and\npass them on, without any condition.\n")},
		{Path: doc + "changelog.gz", Body: changelog},
	}
	var scripts []debian.File
	if len(k.Sources) > 0 {
		chosen := slices.DeleteFunc(slices.Clone(k.Suites), func(s Suite) bool { return !slices.Contains(k.Sources, s.Name) })
		files = append(files, debian.File{Path: strings.TrimPrefix(k.sourcesFile(), "/"), Body: k.sources("", chosen)})
		// What an administrator changed there stays (Debian Policy 10.7.3).
		scripts = append(scripts, debian.File{Path: "conffiles", Mode: 0o644, Body: []byte(k.sourcesFile() + "\n")})
	}
	slices.SortFunc(files, func(a, b debian.File) int { return strings.Compare(a.Path, b.Path) })
	var sums strings.Builder
	size := 0
	for _, f := range files {
		size += (len(f.Body) + 1023) / 1024
		if "/"+f.Path == k.sourcesFile() {
			continue // dpkg keeps the checksums of such files itself
		}
		sum := md5.Sum(f.Body)
		fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), f.Path)
	}
	control := debian.Paragraph{{Name: "Package", Value: k.Package}, {Name: "Version", Value: k.Version}, {Name: "Architecture", Value: "all"},
		{Name: "Multi-Arch", Value: "foreign"}, {Name: "Maintainer", Value: k.Maintainer}, {Name: "Installed-Size", Value: fmt.Sprint(size)},
		{Name: "Section", Value: "misc"}, {Name: "Priority", Value: "optional"},
		{Name: "Description", Value: "keys of the package archive " + k.Archive + "\nThe keys that sign the packages at " + k.Address + ".\n" +
			"They are for Signed-By in the sources of apt, of which there is an\nexample in /" + doc + "examples."}}
	scripts = append(scripts, debian.File{Path: "md5sums", Mode: 0o644, Body: []byte(sums.String())})
	return debian.WriteDeb(w, debian.Build{Control: control, Files: files, Scripts: scripts, Time: at})
}

// sourcesFile is where apt finds the sources of the archive.
func (k KeyringPackage) sourcesFile() string {
	return "/etc/apt/sources.list.d/" + k.Archive + ".sources"
}

// sources are suites in the form that sources.list(5) calls deb822.
func (k KeyringPackage) sources(head string, suites []Suite) []byte {
	var b strings.Builder
	b.WriteString(head)
	for n, s := range suites {
		if n > 0 {
			b.WriteString("\n")
		}
		components := s.Components
		if len(components) == 0 {
			components = []string{"main"}
		}
		fmt.Fprintf(&b, "Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: /usr/share/keyrings/%s.gpg\n",
			k.Address, s.Name, strings.Join(components, " "), k.Archive)
	}
	return []byte(b.String())
}

// changelog is that of the package (Debian Policy 12.7), packed without a name and a time.
func (k KeyringPackage) changelog(at time.Time) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(z, "%s (%s) unstable; urgency=medium\n\n  * The keys of the archive:\n", k.Package, k.Version)
	for _, f := range k.Certificates.Fingerprints {
		fmt.Fprintf(z, "    %s\n", f)
	}
	fmt.Fprintf(z, "\n -- %s  %s\n", k.Maintainer, at.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	err = z.Close()
	return b.Bytes(), err
}
