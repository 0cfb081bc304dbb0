package main

import (
	"bufio"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"slipway/bot/engine"
)

// Bounds of one round: 64 connections as a busy instance of GitLab keeps them, and one.
const (
	manyConnections = 64
	manyDeliveries  = 20_000
	oneDeliveries   = 1_500
)

// hookBody is a job event of GitLab, 1,960 bytes: the same for everybody.
//
//go:embed hooks_job.json
var hookBody []byte

// hooked are the rounds of one server.
type hooked struct {
	many, one []taken
	decoded   []float64 // from the first delivery until all are decoded, as a share of the time of sending
}

// hooks measures signed deliveries of GitLab over HTTP until they are on disk: as a share of what
// the engine takes when it is called without HTTP, and beside probot on the same machine, which
// keeps nothing. Every server is a process of its own; the senders share the processors with it.
func (m *measurement) hooks(ctx context.Context, dir string) error {
	peer, err := newProbot(ctx, dir)
	if err != nil {
		return err
	}
	secret, err := newSigning()
	if err != nil {
		return err
	}
	var plain, slow, probot hooked
	var engines []taken
	for i := range m.rounds {
		at, err := m.folder(filepath.Join("hooks", fmt.Sprint("round", i)))
		if err != nil {
			return err
		}
		own, err := engineAlone(ctx, filepath.Join(at, "engine"))
		if err != nil {
			return err
		}
		engines = append(engines, own)
		if err := plain.ours(ctx, filepath.Join(at, "plain"), secret, 0); err != nil {
			return err
		}
		if err := probot.theirs(ctx, peer); err != nil {
			return err
		}
		if err := slow.ours(ctx, filepath.Join(at, "slow"), secret, 2*time.Millisecond); err != nil {
			return err
		}
	}
	theirs := middle(probot.many).rate
	m.t.share("deliveries, 64 connections (limit: the engine without HTTP)", middle(plain.many), middle(engines).rate, 0.4)
	m.t.share("deliveries, 64 connections (limit: probot)", middle(plain.many), theirs, 2)
	m.t.share("the same, commits 2 ms slower", middle(slow.many), theirs, 1.3)
	m.t.share("deliveries, 1 connection (limit: probot)", middle(plain.one), middle(probot.one).rate, 0)
	m.t.share("the same, commits 2 ms slower", middle(slow.one), middle(probot.one).rate, 0)
	for _, h := range []struct {
		what string
		of   hooked
	}{{"all decoded", plain}, {"all decoded, commits 2 ms slower", slow}} {
		share := median(h.of.decoded)
		m.t.judged([]string{h.what + " (limit: the time of sending)", "-", "-", fmt.Sprintf("%.2f", share), "≤ 2.00"}, share <= 2)
	}
	return nil
}

// engineAlone is what the engine keeps when it is called by as many callers, decoding meanwhile.
func engineAlone(ctx context.Context, dir string) (taken, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return taken{}, err
	}
	h, err := open(ctx, dir, options{workers: manyConnections, decoders: map[string]engine.Decoder{hookSource: hookDecoder{}}})
	if err != nil {
		return taken{}, err
	}
	var took taken
	err = h.work(ctx, func() (err error) {
		took, err = calls(manyConnections, manyDeliveries, func(i int64) error {
			return h.e.Deliver(ctx, engine.Delivery{Source: hookSource, ID: fmt.Sprint("engine-", i), Headers: hookHeaders(), Body: hookBody})
		})
		return err
	})
	return took, closed(h.close, err)
}

// ours is a round against our own server.
func (h *hooked) ours(ctx context.Context, dir, secret string, delay time.Duration) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "-hooks", dir, "-delay", delay.String())
	cmd.Env = append(os.Environ(), "SLIPWAY_BENCH_SIGNING="+secret)
	address, stop, err := started(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closed(stop, err) }()
	one, err := send(address, 1, oneDeliveries, gitlabRequest(address, secret, "one"))
	if err != nil {
		return err
	}
	if err := emptied(ctx, address); err != nil {
		return err
	}
	begin := time.Now()
	many, err := send(address, manyConnections, manyDeliveries, gitlabRequest(address, secret, "many"))
	if err != nil {
		return err
	}
	sent := time.Since(begin)
	if err := emptied(ctx, address); err != nil {
		return err
	}
	h.one, h.many = append(h.one, one), append(h.many, many)
	h.decoded = append(h.decoded, time.Since(begin).Seconds()/sent.Seconds())
	return nil
}

// theirs is a round against probot.
func (h *hooked) theirs(ctx context.Context, p *probot) (err error) {
	address, stop, err := started(p.command(ctx))
	if err != nil {
		return err
	}
	defer func() { err = closed(stop, err) }()
	one, err := send(address, 1, oneDeliveries, p.request(address, "one"))
	if err != nil {
		return err
	}
	many, err := send(address, manyConnections, manyDeliveries, p.request(address, "many"))
	if err != nil {
		return err
	}
	h.one, h.many = append(h.one, one), append(h.many, many)
	return nil
}

// started starts a server that prints its address in its first line, and gives what ends it.
func started(cmd *exec.Cmd) (address string, stop func() error, err error) {
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // the server ends when this does
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error { return errors.Join(in.Close(), cmd.Wait()) }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("%s did not say where it listens: %w", filepath.Base(cmd.Path), err), stop())
	}
	return strings.TrimSpace(line), stop, nil
}

// emptied waits until nothing is left to decode.
func emptied(ctx context.Context, address string) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+queuePath, nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		left, err := io.ReadAll(io.LimitReader(answer.Body, 100))
		if err := closed(answer.Body.Close, err); err != nil {
			return err
		}
		if string(left) == "0" {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func newSigning() (string, error) {
	var key [32]byte
	_, err := rand.Read(key[:])
	return "whsec_" + base64.StdEncoding.EncodeToString(key[:]), err
}
