package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/evidence"
	"slipway/commands/release"
	"slipway/integrations/logkey"
	"slipway/state/blob"
)

// logKeyFile is where the yard has its log key: beside the state, not in it.
func (y *yard) logKeyFile() string { return filepath.Join(y.dir, "log-key") }

// makeLogKey makes the key at the first start.
func (y *yard) makeLogKey() error {
	_, err := logkey.Create(y.logKeyFile())
	if errs.Is(err, errs.Exists) {
		return nil
	}
	return err
}

// proven makes the evidence of a run and checks it as a stranger would, who knows nothing but the
// fingerprint.
func (y *yard) proven(ctx context.Context, e *engine.Engine, blobs *blob.Store, run string) ([]byte, evidence.Report, error) {
	key, err := logkey.Open(y.logKeyFile())
	if err != nil {
		return nil, evidence.Report{}, err
	}
	var b bytes.Buffer
	o := evidenceOf(blobs, true)
	o.Key = key
	if err := e.Evidence(ctx, run, o, &b); err != nil {
		return nil, evidence.Report{}, err
	}
	rep, err := evidence.Verify(bytes.NewReader(b.Bytes()), evidence.Options{Pinned: []evidence.Fingerprint{key.Fingerprint()}, Tell: release.Told})
	if err == nil && (!rep.Whole() || !rep.Statement || len(rep.Notes) > 0) {
		err = fmt.Errorf("it does not prove everything: %s", strings.Join(rep.Notes, " "))
	}
	if err == nil {
		_, err = checkTexts(rep)
	}
	return b.Bytes(), rep, err
}

// evidenceProof writes the evidence of what was released, and checks it. The bot must not be running.
func (y *yard) evidenceProof(ctx context.Context, versions []string, add func(what, how string, err error)) {
	conf, err := loadConfig(y.config)
	if err != nil {
		add("evidence", "slipway verify", err)
		return
	}
	b, err := openReader(ctx, conf)
	if err != nil {
		add("evidence", "slipway verify", err)
		return
	}
	defer b.close()
	for _, version := range versions {
		id, err := b.find(ctx, version)
		var data []byte
		var rep evidence.Report
		if err == nil {
			data, rep, err = y.proven(ctx, b.engine, b.blobs, id)
		}
		file := filepath.Join(y.dir, evidenceName(rep.Claim.Name))
		if err == nil {
			err = os.WriteFile(file, data, 0o600)
		}
		add(fmt.Sprintf("the evidence of %s is whole and signed by the log key %s", version, rep.Key), "slipway verify "+file+" --key "+string(rep.Key), err)
	}
}
