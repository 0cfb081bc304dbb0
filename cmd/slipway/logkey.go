package main

import (
	"errors"
	"fmt"
	"os"

	"slipway/bot/errs"
	"slipway/bot/evidence"
	"slipway/integrations/logkey"
)

// logkeyCmd looks after the key that signs evidence.
type logkeyCmd struct {
	New  logkeyNew  `cmd:"" help:"Make a log key in a new file that only you can read."`
	Show logkeyShow `cmd:"" help:"Show the fingerprint of a log key, which others pin."`
}

type logkeyNew struct {
	File string `arg:"" help:"File for it, outside of the state folder; it must not exist." type:"path"`
}

// Run makes the key and says what to do with it.
func (l *logkeyNew) Run() error {
	key, err := logkey.Create(l.File)
	if err != nil {
		return err
	}
	fmt.Printf(`The log key is in %s, readable by this user alone. Its fingerprint is

  %s

1. Name it in slipway.yaml:    evidence: {log_key_file: %s}
2. Give the fingerprint to everybody who is to check releases, by another way than this bot:
   on your web site, in the repository, signed with a release key.
3. Keep a copy of the key where you keep such things. It signs no release.
`, l.File, key.Fingerprint(), l.File)
	return nil
}

type logkeyShow struct {
	File string `arg:"" optional:"" help:"File of the key; by default the one in the configuration." type:"path"`
	PEM  bool   `name:"pem" help:"Show the public key itself, in PEM."`
}

// Run prints the fingerprint or the public key.
func (l *logkeyShow) Run(c *cli) error {
	if l.File == "" {
		conf, err := loadConfig(c.Config)
		if err != nil {
			return err
		}
		if l.File = conf.LogKey; l.File == "" {
			return errs.E("logkey", errs.NotFound, errors.New("no log key is configured")).
				Hint("make one with slipway logkey new FILE, and name it in evidence: log_key_file")
		}
	}
	key, err := logkey.Open(l.File)
	if err != nil {
		return err
	}
	if l.PEM {
		_, err = os.Stdout.Write(evidence.EncodeKey(key.Public()))
		return err
	}
	fmt.Println(key.Fingerprint())
	return nil
}
