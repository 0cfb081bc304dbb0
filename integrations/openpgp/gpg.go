package openpgp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"slipway/bot/errs"
)

// GPGConfig says how to reach a key through gpg: in its agent, or on a smartcard.
type GPGConfig struct {
	Program        string        // "" means gpg
	Home           string        // GNUPGHOME, absolute, mode 0700, used for nothing else
	Key            string        // fingerprint of exactly the key that signs: a subkey or the primary
	PassphraseFile string        // "" leaves the question to the agent and its pinentry
	Timeout        time.Duration // of one call, with the time for a PIN; 0 means 2 minutes
	Now            func() time.Time
}

// GPG is a [Signer] that runs gpg for each signature, one at a time: a card can do no more.
type GPG struct {
	cfg         GPGConfig
	key         string
	cert        []byte
	entity      *pgp.Entity
	fingerprint string
	one         sync.Mutex
}

var _ Signer = (*GPG)(nil)

// NewGPG checks the home and reads the certificate of the key from it. Errors: [errs.Invalid] for
// an unfit home, [errs.NotFound] when gpg or the key is not there.
func NewGPG(ctx context.Context, cfg GPGConfig) (*GPG, error) {
	const op = "openpgp.gpg"
	key, err := Fingerprint(cfg.Key)
	if err != nil {
		return nil, err
	}
	if cfg.Program == "" {
		cfg.Program = "gpg"
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Minute
	}
	info, err := os.Stat(cfg.Home)
	switch {
	case err != nil || !info.IsDir() || !filepath.IsAbs(cfg.Home):
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the home of gpg %q is not a folder with an absolute path", cfg.Home)).
			Hint("make one with: install -d -m 700 %s", cfg.Home)
	case info.Mode().Perm()&0o077 != 0:
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("other users can reach %s (mode %04o)", cfg.Home, info.Mode().Perm())).
			Hint("run: chmod 700 %s", cfg.Home)
	case len(cfg.Home) > 80:
		// The agent's socket lives in it, and the path of a socket has a limit of about 108.
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the path %s is too long for the agent's socket", cfg.Home)).
			Hint("choose a path under 80 characters")
	}
	if _, err := exec.LookPath(cfg.Program); err != nil {
		return nil, errs.E(op, errs.NotFound, fmt.Errorf("the program %s is not installed", cfg.Program)).Hint("install gnupg")
	}
	g := &GPG{cfg: cfg, key: key}
	out, _, err := g.run(ctx, nil, "--armor", "--export", key)
	if err != nil {
		return nil, err
	}
	list, err := ReadCertificates(out)
	if err != nil {
		return nil, errs.E(op, errs.NotFound, fmt.Errorf("gpg has no key %s in %s", key, cfg.Home)).
			Hint("import it there first")
	}
	g.cert, g.entity, g.fingerprint = out, list[0], printFingerprint(list[0])
	return g, nil
}

// Fingerprint implements [Signer].
func (g *GPG) Fingerprint() string { return g.fingerprint }

// UserIDs implements [Signer].
func (g *GPG) UserIDs() []string { return userIDs(g.entity) }

// Certificate is the armored public part, as gpg exports it.
func (g *GPG) Certificate() []byte { return bytes.Clone(g.cert) }

// Sign implements [Signer].
func (g *GPG) Sign(ctx context.Context, data []byte) ([]byte, error) {
	out, err := g.sign(ctx, data, "--detach-sign", "D", "00")
	if err != nil {
		return nil, err
	}
	if _, err := g.policy().Verify(data, out, g.cfg.Now()); err != nil {
		return nil, err
	}
	return out, nil
}

// SignText implements [Signer]. The text must pass [CheckRelease].
func (g *GPG) SignText(ctx context.Context, text []byte) ([]byte, error) {
	if err := CheckRelease(text); err != nil {
		return nil, err
	}
	// gpg makes no text signature of this form but inside a clearsigned text.
	out, err := g.sign(ctx, text, "--clearsign", "C", "01")
	if err != nil {
		return nil, err
	}
	signed, block, err := SplitInRelease(out)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(signed, text) {
		return nil, errs.E("openpgp.gpg", errs.Denied, errors.New("gpg signed another text than it was given"))
	}
	if _, _, err := VerifyInRelease(out, g.policy(), []string{g.fingerprint}, g.cfg.Now()); err != nil {
		return nil, err
	}
	return block, nil
}

// policy checks what gpg made before it leaves: its own settings may choose a weak hash.
func (g *GPG) policy() Policy {
	return Policy{Certificates: pgp.EntityList{g.entity}, Allowed: []string{g.fingerprint}}
}

// Close stops the agent of this home.
func (g *GPG) Close(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "gpgconf", "--kill", "gpg-agent")
	cmd.Env = g.environ()
	if err := cmd.Run(); err != nil {
		return errs.E("openpgp.gpg", errs.Unavailable, errors.New("the gpg agent could not be stopped"))
	}
	return nil
}

func (g *GPG) sign(ctx context.Context, data []byte, how, kind, class string) ([]byte, error) {
	const op = "openpgp.gpg"
	// "!" makes gpg use exactly this key, not a newer subkey that it would prefer.
	out, status, err := g.run(ctx, data, "--digest-algo", "SHA512", "--armor", "--local-user", g.key+"!", how)
	if err != nil {
		return nil, err
	}
	for line := range strings.SplitSeq(status, "\n") {
		// [GNUPG:] SIG_CREATED D <key algorithm> <hash> <class> <time> <fingerprint>
		f := strings.Fields(line)
		if len(f) == 8 && f[0] == "[GNUPG:]" && f[1] == "SIG_CREATED" {
			if f[2] != kind || f[5] != class || f[7] != g.key {
				return nil, errs.E(op, errs.Denied, fmt.Errorf("gpg signed with %s in another way than asked", clip(f[7])))
			}
			return append(bytes.TrimRight(out, "\n"), '\n'), nil
		}
	}
	return nil, errs.E(op, errs.Denied, errors.New("gpg ended well but does not say that it made a signature"))
}

// run calls gpg once. Its status lines come on a descriptor of their own, so that no user id or
// file name in its messages can pass for one.
func (g *GPG) run(ctx context.Context, stdin []byte, args ...string) (out []byte, status string, err error) {
	const op = "openpgp.gpg"
	g.one.Lock()
	defer g.one.Unlock()
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()

	statusR, statusW, err := os.Pipe()
	if err != nil {
		return nil, "", errs.E(op, errs.Internal, err)
	}
	defer statusR.Close()
	full := []string{"--batch", "--no-tty", "--status-fd", "3"}
	files := []*os.File{statusW}
	if g.cfg.PassphraseFile != "" {
		f, err := os.Open(g.cfg.PassphraseFile)
		if err != nil {
			statusW.Close()
			return nil, "", errs.E(op, errs.NotFound, fmt.Errorf("the passphrase file cannot be opened: %w", err))
		}
		defer f.Close()
		full = append(full, "--pinentry-mode", "loopback", "--passphrase-fd", "4")
		files = append(files, f)
	}
	cmd := exec.CommandContext(ctx, g.cfg.Program, append(full, args...)...)
	cmd.Env, cmd.ExtraFiles, cmd.WaitDelay = g.environ(), files, time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	if err := cmd.Start(); err != nil {
		statusW.Close()
		return nil, "", errs.E(op, errs.Unavailable, errors.New("gpg could not be started"))
	}
	statusW.Close()
	// A process that gpg leaves behind may keep the descriptor open, so reading it is bounded by
	// the end of gpg, not by the end of the pipe.
	lines := make(chan string, 1)
	go func() {
		var b bytes.Buffer
		_, _ = b.ReadFrom(statusR)
		lines <- b.String()
	}()
	err = cmd.Wait()
	_ = statusR.SetReadDeadline(time.Now().Add(time.Second))
	status = <-lines
	switch {
	case ctx.Err() != nil:
		return nil, status, errs.E(op, errs.Unavailable, fmt.Errorf("gpg did not answer within %s", g.cfg.Timeout)).
			Hint("is the card in its reader, and is its PIN asked for somewhere?")
	case err != nil:
		return nil, status, errs.E(op, errs.Denied, fmt.Errorf("gpg refused: %s", firstLine(stderr.String())))
	}
	return stdout.Bytes(), status, nil
}

func (g *GPG) environ() []string {
	env := []string{"GNUPGHOME=" + g.cfg.Home, "LC_ALL=C.UTF-8"}
	// What pinentry needs to ask for a PIN, and nothing else of ours.
	for _, name := range []string{"PATH", "HOME", "GPG_TTY", "TERM", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

func firstLine(s string) string {
	for line := range strings.SplitSeq(s, "\n") {
		if line = strings.TrimSpace(strings.TrimPrefix(line, "gpg:")); line != "" {
			return clip(line)
		}
	}
	return "it gave no reason"
}
