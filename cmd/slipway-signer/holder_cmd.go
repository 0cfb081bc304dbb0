package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/openpgp"
)

// holding is what fetch and hand-in are told.
type holding struct {
	Config      string `help:"Configuration file." type:"existingfile" short:"c" required:""`
	Certificate string `help:"Public certificate of the key, instead of what the file says of the key." type:"existingfile"`
	Fingerprint string `help:"Which key of that file, when it holds several."`
	Server      string `help:"Address of the bot, instead of the file's."`
	TokenFile   string `help:"File with the bearer token, instead of the file's." type:"path"`
	Log         string `help:"The signer's log, instead of the file's." type:"path"`
}

type fetchCmd struct {
	holding
	To  string `help:"Folder for what is to be signed; a new one in the working folder if left out." type:"path" placeholder:"DIR"`
	Job string `help:"Id of the job; the oldest that the policy allows if left out."`
}

type handInCmd struct {
	holding
	Refuse string `help:"Do not sign: tell the bot why." placeholder:"WHY"`
	Folder string `arg:"" help:"Folder that fetch made." type:"existingdir"`
}

func (c fetchCmd) run(ctx context.Context, out io.Writer) error {
	return c.with(out, func(h *Holder) error { return h.Fetch(ctx, c.To, c.Job) })
}

func (c handInCmd) run(ctx context.Context, out io.Writer) error {
	return c.with(out, func(h *Holder) error {
		if c.Refuse != "" {
			return h.Refuse(ctx, c.Folder, c.Refuse)
		}
		return h.HandIn(ctx, c.Folder)
	})
}

// with makes a [Holder] of the configuration and has do work with it.
func (c holding) with(out io.Writer, do func(h *Holder) error) error {
	conf, err := c.config()
	if err != nil {
		return err
	}
	policy, poll, err := conf.Valid()
	if err != nil {
		return err
	}
	key, err := conf.certificate()
	if err != nil {
		return err
	}
	policy.Key = key.Allowed[0]
	token, err := conf.Token()
	if err != nil {
		return err
	}
	client, err := NewClient(conf.Server, token)
	if err != nil {
		return err
	}
	command, err := c.command()
	if err != nil {
		return err
	}
	journal, err := OpenJournal(conf.Log, time.Now)
	if err != nil {
		return err
	}
	defer journal.Close()
	return do(&Holder{key: key, command: command, worker: &Worker{Client: client, Policy: policy, Journal: journal,
		Out: out, Now: time.Now, Wait: wait, Poll: poll}})
}

func (c holding) config() (Config, error) {
	conf, err := ReadConfig(c.Config)
	if err != nil {
		return conf, err
	}
	for _, o := range []struct {
		to   *string
		from string
	}{{&conf.Server, c.Server}, {&conf.TokenFile, c.TokenFile}, {&conf.Log, c.Log}} {
		if o.from != "" {
			*o.to = o.from
		}
	}
	if c.Certificate != "" {
		conf.Key, conf.More = KeyConfig{Certificate: c.Certificate}, nil
	}
	if c.Fingerprint != "" {
		conf.Key.Fingerprint = c.Fingerprint
	}
	return conf, nil
}

// command is how a folder is handed in with the same settings, from wherever it is typed.
func (c holding) command() (func(folder string) string, error) {
	text := "slipway-signer hand-in"
	for _, f := range []struct {
		flag, value string
		file        bool
	}{{"config", c.Config, true}, {"certificate", c.Certificate, true}, {"fingerprint", c.Fingerprint, false},
		{"server", c.Server, false}, {"token-file", c.TokenFile, true}, {"log", c.Log, true}} {
		if f.value == "" {
			continue
		}
		if f.file {
			full, err := filepath.Abs(f.value)
			if err != nil {
				return nil, errs.E("signer.config", errs.Internal, err)
			}
			f.value = full
		}
		text += " --" + f.flag + " " + quoted(f.value)
	}
	return func(folder string) string { return text + " " + quoted(folder) }, nil
}

// certificate is the public part of the one key that the configuration names so.
func (c Config) certificate() (openpgp.Policy, error) {
	const op = "signer.config"
	if c.Key.Certificate == "" {
		return openpgp.Policy{}, errs.E(op, errs.Invalid, errors.New("the certificate of the key is not named; fetch and hand-in need no more of it")).
			Hint("set key: certificate: to a file made with gpg --armor --export FINGERPRINT, or use --certificate")
	}
	certs, err := openpgp.LoadCertificates(c.Key.Certificate)
	if err != nil {
		return openpgp.Policy{}, err
	}
	want := c.Key.Fingerprint
	if want == "" {
		if len(certs) != 1 {
			return openpgp.Policy{}, errs.E(op, errs.Invalid, fmt.Errorf("%s holds %d certificates", c.Key.Certificate, len(certs))).
				Hint("set key: fingerprint: to the one that signs, or use --fingerprint")
		}
		want = fmt.Sprintf("%X", certs[0].PrimaryKey.Fingerprint)
	}
	fingerprint, err := openpgp.Fingerprint(want)
	if err != nil {
		return openpgp.Policy{}, err
	}
	for _, e := range certs {
		if fmt.Sprintf("%X", e.PrimaryKey.Fingerprint) == fingerprint {
			return openpgp.Policy{Certificates: certs, Allowed: []string{fingerprint}}, nil
		}
	}
	return openpgp.Policy{}, errs.E(op, errs.NotFound, fmt.Errorf("%s holds no certificate of the key %s", c.Key.Certificate, fingerprint)).
		Hint("a whole primary fingerprint is wanted, as gpg --fingerprint shows it")
}
