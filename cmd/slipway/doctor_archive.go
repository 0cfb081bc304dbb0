package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
	"slipway/integrations/openpgp"
)

// Limits below which doctor warns.
const (
	keyNotice = 30 * 24 * time.Hour // before a key expires
	leastRoom = 1 << 30             // bytes on the disk of an archive
	maxServed = 16 << 20            // bytes of an InRelease that are read
)

// archiveAilments are those of archives and of the builds for them.
func archiveAilments() []ailment {
	return []ailment{
		{"archive.unwritable", ill, "every archive can be written", archiveFolders},
		{"archive.key_expired", ill, "every key of an archive may sign", func(_ context.Context, p *patient) []symptom {
			return archiveKeys(p, func(now, later bool) bool { return !now }, "may not sign: it is expired, revoked or weak")
		}},
		{"archive.key_expires", warning, "no key of an archive expires within 30 days", func(_ context.Context, p *patient) []symptom {
			return archiveKeys(p, func(now, later bool) bool { return now && !later }, "expires within 30 days")
		}},
		{"archive.program_missing", ill, "the programs for packages are there", packagePrograms},
		{"archive.builder_missing", ill, "the accounts that build are there", buildAccounts},
		{"archive.not_served", ill, "every archive is served as it was published", servedArchives},
		{"archive.expired", ill, "no published Release is expired", func(_ context.Context, p *patient) []symptom {
			return validUntil(p, func(left, _ time.Duration) bool { return left <= 0 })
		}},
		{"archive.expires", warning, "no published Release expires soon", func(_ context.Context, p *patient) []symptom {
			return validUntil(p, func(left, whole time.Duration) bool { return left > 0 && left < whole/3 })
		}},
		{"archive.not_refreshed", warning, "archives whose Release expires are refreshed by themselves", notRefreshed},
		{"archive.full", warning, "there is room for packages", lessRoomThan(leastRoom)},
	}
}

// reached is an archive that can say why it could not be written, beyond a folder of this machine.
type reached interface {
	Reach(context.Context) error
}

func archiveFolders(ctx context.Context, p *patient) (out []symptom) {
	for _, name := range sortedKeys(p.conf.Archives) {
		a := p.conf.Archives[name]
		if a.Over.Reprepro == "" {
			out = append(out, unwritable("archive", a.Root, "755", "root: of the archive "+name)...)
		}
		place, err := a.open(nil)
		if err != nil {
			continue // loadConfig has opened it
		}
		if far, ok := place.(reached); ok {
			limited, cancel := context.WithTimeout(ctx, time.Minute)
			if err := far.Reach(limited); err != nil {
				out = append(out, symptom{fmt.Sprintf("the archive %s: %s", name, errs.Cause(err)), errs.HintOf(err)})
			}
			cancel()
		}
	}
	return out
}

// archiveKeys finds keys by whether they may sign now and in 30 days.
func archiveKeys(p *patient, sick func(now, later bool) bool, what string) (out []symptom) {
	for _, name := range sortedKeys(p.conf.Archives) {
		a := p.conf.Archives[name]
		certs, err := openpgp.ReadCertificates([]byte(a.PublicKeys))
		if err != nil {
			continue // loadConfig has read them
		}
		for _, key := range a.Keys {
			if now := time.Now(); sick(openpgp.MaySign(certs, key, now), openpgp.MaySign(certs, key, now.Add(keyNotice))) {
				out = append(out, symptom{fmt.Sprintf("the key %s of the archive %s %s", key, name, what),
					"extend it and export it again into public_keys:, or sign with its successor beside it until all clients have that"})
			}
		}
	}
	return out
}

// flagOf is what the build command of this program has after a flag; ours is false for a command
// of the site's own.
func flagOf(profile map[string]any, flag string) (value string, ours bool) {
	command, _ := profile["build"].([]any)
	if len(command) < 3 || command[1] != "package" || command[2] != "build" {
		return "", false
	}
	i := slices.Index(command, any(flag))
	if i < 0 || i+1 >= len(command) {
		return "", true
	}
	value, _ = command[i+1].(string)
	return value, true
}

// packagePrograms looks for apt, which says what clients see, and for the builders.
func packagePrograms(ctx context.Context, p *patient) (out []symptom) {
	needs := map[string]string{} // program → package
	essential := false
	if len(p.conf.Archives) > 0 {
		needs["apt-get"], needs["apt-cache"] = "apt", "apt"
	}
	for _, archive := range p.conf.Archives {
		if archive.Over.SSH != "" {
			needs["ssh"] = "openssh-client"
		}
		if archive.Over.Reprepro != "" {
			needs["reprepro"] = "reprepro"
		}
	}
	for _, name := range sortedKeys(p.conf.Projects) {
		profile := p.conf.Projects[name].Profile
		if packaging, _ := profile["packaging"].(string); packaging != "" {
			needs["gbp"], needs["xz"] = "git-buildpackage", "xz-utils"
		}
		with, ours := flagOf(profile, "--with")
		if !ours {
			continue
		}
		needs["dpkg-buildpackage"] = "dpkg-dev"
		essential = essential || with != "sbuild" // which installs it in the chroot
		switch with {
		case "debuild":
			needs["debuild"] = "devscripts"
		case "sbuild":
			needs["sbuild"] = "sbuild"
		case "gbp":
			needs["gbp"] = "git-buildpackage"
		}
		if profile["lintian"] != "off" {
			needs["lintian"] = "lintian"
		}
	}
	if essential && lacksBuildEssential(ctx) {
		out = append(out, symptom{buildEssential + " is not installed, and dpkg builds no package without it", "apt-get install " + buildEssential})
	}
	for _, program := range sortedKeys(needs) {
		if _, err := exec.LookPath(program); err != nil {
			out = append(out, symptom{program + " is not installed, and packages are not published without it", "apt-get install " + needs[program]})
		}
	}
	return out
}

// buildAccounts looks for the accounts that build.
func buildAccounts(_ context.Context, p *patient) (out []symptom) {
	for _, name := range sortedKeys(p.conf.Projects) {
		account, ours := flagOf(p.conf.Projects[name].Profile, "--user")
		if !ours || account == "" {
			continue
		}
		u, err := user.Lookup(account)
		switch me, whom := user.Current(); {
		case err != nil:
			out = append(out, symptom{fmt.Sprintf("there is no account %s to build the packages of %s", account, name),
				"adduser --system --group --home /nonexistent --no-create-home " + account})
		case u.Uid == "0":
			out = append(out, symptom{fmt.Sprintf("the packages of %s would be built as root", name), "name an ordinary account in build: user:"})
		case whom == nil && me.Uid != "0" && me.Uid != u.Uid:
			out = append(out, symptom{fmt.Sprintf("the packages of %s are built as %s, and only root can become that", name, account),
				"leave user: of build: out, so that the bot's own account builds"})
		}
	}
	return out
}

// eachSuite calls look for every suite with the InRelease that was published; nil before the first.
func eachSuite(p *patient, look func(name, suite string, a archiveConfig, inRelease []byte)) {
	for _, name := range sortedKeys(p.conf.Archives) {
		a := p.conf.Archives[name]
		for _, s := range a.Suites {
			data, err := os.ReadFile(filepath.Join(a.dist(s), "InRelease"))
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				look(name, s.Name, a, data)
			}
		}
	}
}

// servedArchives asks the address that clients have for what was published last.
func servedArchives(ctx context.Context, p *patient) (out []symptom) {
	eachSuite(p, func(name, suite string, a archiveConfig, want []byte) {
		from := a.Address + "/dists/" + suite + "/InRelease"
		got, found, err := fetch(ctx, from)
		switch {
		case err != nil:
			out = append(out, symptom{fmt.Sprintf("%s of the archive %s does not answer: %s", from, name, errs.Cause(err)),
				fmt.Sprintf("let a web server serve the folder %s there, or correct address:", a.tree())})
		case want == nil: // not published yet
		case !found:
			out = append(out, symptom{from + " is not there, though the suite is published", fmt.Sprintf("let the web server serve the folder %s there", a.tree())})
		case !bytes.Equal(got, want):
			out = append(out, symptom{from + " is not what was published last", "clear the cache before it, or serve the right folder; InRelease must not be cached for long"})
		}
	})
	return out
}

// fetch reads what an address has. found is false when it answers that it has nothing there.
func fetch(ctx context.Context, address string) (data []byte, found bool, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, false, err
	}
	if u.Scheme == "file" {
		data, err := os.ReadFile(u.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, false, nil
		}
		return data, err == nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Cache-Control", "no-cache")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, false, errs.E("doctor", errs.Unavailable, errors.New("nobody listens there, or it is too slow"))
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return nil, false, nil
	case resp.StatusCode != http.StatusOK:
		return nil, false, errs.E("doctor", errs.Unavailable, fmt.Errorf("it says %s", resp.Status))
	}
	data, err = io.ReadAll(io.LimitReader(resp.Body, maxServed))
	return data, true, err
}

// validUntil finds suites by the time that is left and the whole time of their Release.
func validUntil(p *patient, sick func(left, whole time.Duration) bool) (out []symptom) {
	eachSuite(p, func(name, suite string, _ archiveConfig, inRelease []byte) {
		text, _, err := openpgp.SplitInRelease(inRelease)
		if err != nil {
			return
		}
		r, err := debian.ParseRelease(text)
		if err != nil || r.ValidUntil.IsZero() {
			return
		}
		if sick(time.Until(r.ValidUntil), r.ValidUntil.Sub(r.Date)) {
			out = append(out, symptom{fmt.Sprintf("clients refuse the suite %s of the archive %s after %s", suite, name, r.ValidUntil.UTC().Format(time.RFC1123)),
				"say: release refresh"})
		}
	})
	return out
}

// notRefreshed finds archives whose Release expires, and of which no project gives it a new date.
func notRefreshed(_ context.Context, p *patient) (out []symptom) {
	const refresh = "release-refresh"
	for _, name := range sortedKeys(p.conf.Archives) {
		var of []string // projects that have it
		refreshed := false
		for _, project := range sortedKeys(p.conf.Projects) {
			if c := p.conf.Projects[project]; c.Profile["archive"] == name {
				of, refreshed = append(of, project), refreshed || slices.Contains(c.Triggers, refresh)
			}
		}
		expires := slices.IndexFunc(p.conf.Archives[name].Suites, func(s aptrepo.Suite) bool { return s.ValidFor > 0 })
		if expires >= 0 && !refreshed && len(of) > 0 {
			out = append(out, symptom{fmt.Sprintf("nothing gives the suite %s of the archive %s a new date before its valid_for is over", p.conf.Archives[name].Suites[expires].Name, name),
				fmt.Sprintf("add it to the project %s: triggers: [%s]", of[0], refresh)})
		}
	}
	return out
}

// lessRoomThan finds archives whose disks have less than that many bytes left.
func lessRoomThan(least int64) func(context.Context, *patient) []symptom {
	return func(_ context.Context, p *patient) []symptom { return archiveRoom(p, least) }
}

func archiveRoom(p *patient, least int64) (out []symptom) {
	for _, name := range sortedKeys(p.conf.Archives) {
		dir := p.conf.Archives[name].tree()
		var s unix.Statfs_t
		for unix.Statfs(dir, &s) != nil && dir != filepath.Dir(dir) {
			dir = filepath.Dir(dir) // it is made with the first release
		}
		if free := int64(s.Bavail) * s.Bsize; free < least {
			out = append(out, symptom{fmt.Sprintf("the disk of the archive %s has %d MB left", name, free>>20), "make room, or lower snapshots: and keep: of its suites"})
		}
	}
	return out
}
