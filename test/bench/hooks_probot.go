package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// probotVersion is the peer that is measured beside.
const probotVersion = "14.3.2"

//go:embed hooks_probot.mjs
var probotServer []byte

// probot is a receiver of webhooks of npm's probot: it checks the signature and parses the body,
// and keeps nothing.
type probot struct {
	dir, secret string
	key         []byte
	sign        string
}

// newProbot installs it below dir.
func newProbot(ctx context.Context, dir string) (*probot, error) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, errors.New("webhooks are measured beside probot, which needs " + program + `: apt-get install npm, or leave this out with ARGS="-only gate,cycle,slow,open,release,pages"`)
		}
	}
	p := &probot{dir: filepath.Join(dir, "probot"), secret: "a secret that nobody needs to guess"}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(p.dir, "server.mjs"), probotServer, 0o600); err != nil {
		return nil, err
	}
	install := exec.CommandContext(ctx, "npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "probot@"+probotVersion)
	install.Dir = p.dir
	if out, err := install.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("npm install probot@%s: %w\n%s", probotVersion, err, out)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	p.key = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	mac := hmac.New(sha256.New, []byte(p.secret))
	mac.Write(hookBody)
	p.sign = hex.EncodeToString(mac.Sum(nil))
	return p, nil
}

func (p *probot) command(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "node", "server.mjs")
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "NODE_ENV=production", "LOG_LEVEL=error", "HOOK_SECRET="+p.secret, "APP_KEY="+string(p.key))
	return cmd
}

// request writes the i-th delivery as GitHub sends it.
func (p *probot) request(address, round string) func(i int64) ([]byte, error) {
	return func(i int64) ([]byte, error) {
		var b bytes.Buffer
		fmt.Fprintf(&b, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nUser-Agent: GitHub-Hookshot/1\r\nX-GitHub-Event: push\r\n"+
			"X-GitHub-Delivery: %s-%08d\r\nX-Hub-Signature-256: sha256=%s\r\nContent-Length: %d\r\n\r\n", address, round, i, p.sign, len(hookBody))
		b.Write(hookBody)
		return b.Bytes(), nil
	}
}
