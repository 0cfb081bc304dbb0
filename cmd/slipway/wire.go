package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/commands/grammar"
	"slipway/commands/release"
	"slipway/commands/talk"
	"slipway/integrations/console"
	"slipway/integrations/debian"
	debbuild "slipway/integrations/debian/build"
	"slipway/integrations/git"
	"slipway/integrations/gitlab/hook"
	"slipway/integrations/localci"
	"slipway/integrations/mail"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
	"slipway/state/blob"
	"slipway/state/bolt"
)

// botAccount is how the bot signs its messages on the console.
const botAccount = "bot:slipway"

// lease is how long a signer may be silent.
const lease = 2 * time.Minute

// bot is everything that `slipway serve` runs, built once from top to bottom.
type bot struct {
	conf   *config
	log    *slog.Logger
	db     *bolt.DB
	blobs  *blob.Store
	room   *console.Room
	ci     *localci.Runner
	repos  *git.Repositories
	shelf  *shelf
	table  *grammar.Table
	engine *engine.Engine
	door   http.Handler // of the signers; nil without any
	web    webConsole   // of browsers and programs
	forge  forgeSide    // of GitLab
	slack  *slackSide   // nil: no workspace is configured
	began  string       // id of this process, in the ids of hints

	backups *backups
	health  *health
}

// build makes the bot. What was opened before an error is closed again.
func build(ctx context.Context, conf *config, log *slog.Logger, point func(string)) (_ *bot, err error) {
	b := &bot{conf: conf, log: log, began: newID()}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if err := os.MkdirAll(conf.State, 0o700); err != nil {
		return nil, errs.E("serve", errs.Unavailable, fmt.Errorf("making the state folder: %w", err)).Hint("make %s and give it to this user", conf.State)
	}
	if b.db, err = bolt.Open(filepath.Join(conf.State, "slipway.db"), bolt.Options{Large: engine.LargeSpaces()}); err != nil {
		return nil, err
	}
	if b.blobs, err = blob.Open(filepath.Join(conf.State, "blobs"), blob.Options{}); err != nil {
		return nil, err
	}
	if b.room, err = console.Open(filepath.Join(conf.State, "console.db"), time.Now); err != nil {
		return nil, err
	}
	if b.forge.client, err = gitlabClient(conf); err != nil {
		return nil, err
	}
	if err := errors.Join(b.openChat(), b.openSlack()); err != nil {
		return nil, err
	}
	tag, releases := signing.NewTag(pinned{conf}, time.Now), signing.NewRelease(pinned{conf}, time.Now)
	set, err := b.actions(tag, releases, point)
	if err != nil {
		return nil, err
	}
	expandProviders(conf, set)
	own, err := engine.Contracts()
	if err != nil {
		return nil, err
	}
	if b.shelf, err = loadShelf(conf.Playbooks, append(set.Contracts(), own...), true); err != nil {
		return nil, err
	}
	if err := b.shelf.triggers(conf); err != nil {
		return nil, err
	}
	families := families(conf)
	if b.table, err = grammar.Standard(families...); err != nil {
		return nil, err
	}
	answers := &talk.Answers{Table: b.table, Projects: configured{conf}, Shelf: b.shelf, Books: b.shelf.names(), Families: families}
	known := &known{conf: conf}
	b.engine, err = engine.New(ctx, engine.Config{
		Store: b.db, Blobs: b.blobs, Actions: set, Playbooks: b.shelf, Projects: configured{conf},
		Clock: systemClock{}, IDs: newID, Zone: time.LoadLocation, Log: log, Point: point,
		Parser:   chatParser{talk.Parser{Table: b.table, Families: families, Addresses: addresses(), Names: known.names}, b.forge.username},
		Answers:  answers,
		Decoders: map[string]engine.Decoder{console.Source: consoleDecoder{}, ciSource: ciDecoder{}, hook.Source: b.gitlabDecoder(), slackSource: slackDecoder{b}},
		People:   b.staff(),
		Posters:  b.posters(),
		Cards:    talk.Cards{Link: conf.Web.RunLink},
		Link:     conf.Web.RunLink,
		Direct:   b.directPlaces,
		Tell:     b.telling(),
		LogKey:   logKey(conf),
		Past:     b.pasts(),

		Linking: b.linking(), Standings: b.standings(),
		Jobs: map[string]engine.JobKind{
			signing.TagJob:     {Prepare: tag.Prepare, Finish: tag.Finish},
			signing.ReleaseJob: {Prepare: releases.Prepare, Finish: releases.Finish},
		},
	})
	if err != nil {
		return nil, err
	}
	answers.Engine, known.engine = b.engine, b.engine
	b.backups = newBackups(b)
	if b.health, err = newHealth(b); err != nil {
		return nil, err
	}
	if err := errors.Join(b.openHooks(), b.openSlackDoors(), b.openConsole()); err != nil {
		return nil, err
	}
	return b, b.openDoor()
}

// actions are what this process can do, with the local providers of the capabilities.
func (b *bot) actions(tag *signing.Tag, releases *signing.Release, point func(string)) (*action.Set, error) {
	repos, err := git.Open(filepath.Join(b.conf.State, "git"), git.Options{Credentials: b.conf.credentials(), Still: b.forge.client.Still})
	if err != nil {
		return nil, err
	}
	b.repos = repos
	if b.ci, err = localci.Open(filepath.Join(b.conf.State, "ci"), repos, localci.Options{Ended: b.pipelineEnded}); err != nil {
		return nil, err
	}
	archives, err := archiveActions(b.conf, b.blobs, time.Now, point)
	if err != nil {
		return nil, err
	}
	announce, err := mailer(b.conf.SMTP)
	if err != nil {
		return nil, err
	}
	var all []action.Bound
	var failed error
	for _, bind := range []func() ([]action.Bound, error){
		func() ([]action.Bound, error) { return git.Bind(repos, release.Order{}, b.blobs) },
		func() ([]action.Bound, error) { return localci.Bind(b.ci, b.blobs) },
		func() ([]action.Bound, error) { return gitlabActions(b.forge.client, b.blobs) },
		func() ([]action.Bound, error) { return release.Bind(time.Now) },
		func() ([]action.Bound, error) { one, err := tag.Bind(); return []action.Bound{one}, err },
		func() ([]action.Bound, error) { one, err := releases.Bind(); return []action.Bound{one}, err },
		archives.Bind,
		func() ([]action.Bound, error) { return debian.Bind(b.blobs) },
		func() ([]action.Bound, error) { return debbuild.BindImport(repos, debbuild.ImportOptions{}) },
		func() ([]action.Bound, error) { one, err := announce.Bind(); return []action.Bound{one}, err },
	} {
		bounds, err := bind()
		all, failed = append(all, bounds...), errors.Join(failed, err)
	}
	if failed != nil {
		return nil, errs.E("serve", errs.Internal, failed)
	}
	return action.NewSet(all...)
}

// mailer sends announcements; with an archive to search it can tell whether one was sent.
func mailer(c smtpConfig) (*mail.Announce, error) {
	host := c.Host
	if host == "" {
		host = "localhost"
	}
	tls := mail.StartTLS
	switch {
	case c.Plain:
		tls = mail.NoTLS
	case c.Port == 465:
		tls = mail.Implicit
	}
	server, err := mail.NewServer(mail.ServerConfig{Address: net.JoinHostPort(host, strconv.Itoa(c.Port)), TLS: tls, User: c.User, Password: c.Password})
	if err != nil {
		return nil, err
	}
	switch {
	case c.Archive == "":
		return mail.NewAnnounce(server, nil, 0), nil
	case strings.Contains(c.Archive, "://"):
		archive, err := mail.NewWebArchive(c.Archive)
		if err != nil {
			return nil, err
		}
		return mail.NewAnnounce(server, archive, c.Settle), nil
	}
	return mail.NewAnnounce(server, mail.Maildir{Dir: c.Archive}, c.Settle), nil
}

// families are the kinds of process that this bot knows. The version rule of a start is the one
// of the only scheme in use; with several, the run's first step checks it.
func families(c *config) []grammar.Family {
	scheme := ""
	for _, p := range c.Projects {
		s, _ := p.Profile["scheme"].(string)
		if scheme != "" && scheme != s {
			return []grammar.Family{grammar.Release(nil, nil)}
		}
		scheme = s
	}
	check := func(version string) error {
		s, err := release.ParseScheme(scheme)
		if err != nil {
			return err
		}
		_, err = release.NewVersion(s, version)
		return err
	}
	family := grammar.Release(check, nil)
	if scheme == string(release.SemverLike) {
		family = semverLike(family)
	}
	return []grammar.Family{family}
}

// semverLike is the family with examples whose versions are three numbers: every example is
// checked as a command would be.
func semverLike(f grammar.Family) grammar.Family {
	f.Subject.Help = "the version to release, three numbers"
	f.Sample = "1.2.3"
	numbers := strings.NewReplacer("2019.01", f.Sample, "2019.02", "1.2.4")
	three := func(examples []string) []string {
		out := make([]string, len(examples))
		for i, e := range examples {
			out[i] = numbers.Replace(e)
		}
		return out
	}
	f.Examples, f.Starts = three(f.Examples), slices.Clone(f.Starts)
	for i := range f.Starts {
		f.Starts[i].Examples = three(f.Starts[i].Examples)
	}
	return f
}

// openDoor makes the handler that signers call.
func (b *bot) openDoor() error {
	if len(b.conf.Signing.Tokens) == 0 {
		return nil
	}
	var clients []signing.Client
	for _, name := range sortedKeys(b.conf.Signing.Tokens) {
		clients = append(clients, signing.Client{Name: name, Token: b.conf.Signing.Tokens[name], Kinds: []string{signing.TagJob, signing.ReleaseJob}})
	}
	door, err := signing.NewServer(b.engine, b.blobs, lease, clients...)
	if err != nil {
		return err
	}
	b.door = door
	return nil
}

func (b *bot) close() {
	for _, close := range []func() error{
		b.closeConsole,
		func() error { return closeIf(b.db != nil, b.db.Close) },
		func() error { return closeIf(b.blobs != nil, b.blobs.Close) },
		func() error { return closeIf(b.room != nil, b.room.Close) },
	} {
		if err := close(); err != nil {
			b.log.Warn("closing", "error", errs.Text(err))
		}
	}
}

func closeIf(open bool, close func() error) error {
	if !open {
		return nil
	}
	return close()
}

// pinned verifies tags against the release keys of the configured projects, and Release files
// against the keys of the configured archives.
type pinned struct{ conf *config }

func (p pinned) VerifyTag(payload, signature []byte, fingerprint string, now time.Time) (signed time.Time, err error) {
	// Two projects may share a key, and one copy of its certificate may know of a revocation that
	// the other does not: every copy must accept the signature.
	for _, name := range sortedKeys(p.conf.Projects) {
		project := p.conf.Projects[name]
		if project.Profile["release_key"] != fingerprint {
			continue
		}
		certs, err := openpgp.ReadCertificates([]byte(project.PublicKey))
		if err != nil {
			return time.Time{}, err
		}
		found, err := openpgp.Policy{Certificates: certs, Allowed: []string{fingerprint}}.Verify(payload, signature, now)
		if err != nil {
			return time.Time{}, err
		}
		signed = found.Created
	}
	if signed.IsZero() {
		return signed, errs.E("sign.verify", errs.Denied, fmt.Errorf("no project has the release key %s", fingerprint)).
			Hint("set release_key and public_key of the project")
	}
	return signed, nil
}

func (p pinned) VerifyRelease(text, inline, detached []byte, fingerprint string, now time.Time) (signed time.Time, err error) {
	for _, name := range sortedKeys(p.conf.Archives) { // every copy of a certificate must accept, as for tags
		archive := p.conf.Archives[name]
		if !slices.Contains(archive.Keys, fingerprint) {
			continue
		}
		certs, err := openpgp.ReadCertificates([]byte(archive.PublicKeys))
		if err != nil {
			return time.Time{}, err
		}
		at, err := openpgp.Policy{Certificates: certs, Allowed: archive.Keys}.VerifyRelease(text, inline, detached, fingerprint, now)
		if err != nil {
			return time.Time{}, err
		}
		signed = at
	}
	if signed.IsZero() {
		return signed, errs.E("sign.verify", errs.Denied, fmt.Errorf("no archive has the key %s", fingerprint)).
			Hint("list it under keys: of the archive, and give its certificate in public_keys:")
	}
	return signed, nil
}

// newID makes an opaque id: 26 characters, in order of time to the millisecond.
func newID() string {
	var random [10]byte
	if _, err := rand.Read(random[:]); err != nil {
		panic("the system gives no randomness") // crypto/rand documents that it never fails
	}
	return fmt.Sprintf("%012x", time.Now().UnixMilli()) + hex.EncodeToString(random[:])[:14]
}
