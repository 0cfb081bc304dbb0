package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/bot/version"
)

const goodConfig = `server: https://bot.example.org
token_file: token
log: signer.log
key:
  file: key.asc
allow:
  - repository: https://git.example.org/lava
    project: lava
    tags: ["2*"]
`

func TestConfigIsStrict(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "signer.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(goodConfig)
	c, err := ReadConfig(file)
	if err != nil || c.Key.File != filepath.Join(dir, "key.asc") || c.Allow[0].Tags[0] != "2*" {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, poll, err := c.Valid(); err != nil || poll != 5*time.Second {
		t.Fatal(poll, err)
	}
	write(strings.Replace(goodConfig, "log:", "logg:", 1))
	_, err = ReadConfig(file)
	wantKind(t, err, errs.Invalid, "[3:1]")
	if !strings.Contains(err.Error(), "logg") {
		t.Fatal(err)
	}
	for _, r := range [][3]string{
		{"server: https://bot.example.org\n", "", "server"},
		{"  file: key.asc", "  gpg: AB", "gpg_home"},
		{"  file: key.asc", "  passphrase_file: p", "file or gpg"},
		{`["2*"]`, `[]`, "tags"},
		{`["2*"]`, `["[2"]`, "pattern"},
		{"log: signer.log", "log: signer.log\npoll: soon", "poll"},
		{"log: signer.log", "log: signer.log\napprovers: {need: 2, fingerprints: []}", "2 are needed"},
		{"log: signer.log", "log: signer.log\napprovers: {fingerprints: [AB]}", "need"},
	} {
		write(strings.Replace(goodConfig, r[0], r[1], 1))
		c, err := ReadConfig(file)
		if err == nil {
			_, _, err = c.Valid()
		}
		wantKind(t, err, errs.Invalid, r[2])
	}
}

func TestTokenTravelsOnlyOverTLSOrLoopback(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://bot.example.org": true, "http://127.0.0.1:8080": true, "http://localhost:1": true, "http://[::1]:1": true,
		"http://bot.example.org": false, "http://10.0.0.1": false, "http://127.0.0.1.evil.org": false, "ftp://localhost": false,
		"": false, "bot.example.org": false, "https://user:pass@bot.example.org": false,
	} {
		if _, err := NewClient(address, token); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
	_, err := NewClient("https://bot.example.org", "changeme")
	wantKind(t, err, errs.Invalid, "well known")
}

func TestVersionsInDpkgOrder(t *testing.T) {
	order := []string{"2015.9post1", "2015.9.post1", "2018.7", "2019.01~rc1", "2019.01", "2019.01-1", "2019.01-1+b1", "2019.01.1", "2019.01.post1",
		"2019.01.post1-1", "2019.02-1", "2019.10", "1:2015.1"}
	for i := range order {
		for k := range order {
			got := version.Compare(order[i], order[k])
			if (got < 0) != (i < k) || (got > 0) != (i > k) {
				t.Errorf("%s against %s is %d", order[i], order[k], got)
			}
		}
	}
	for _, same := range [][2]string{{"2019.1", "2019.01"}, {"1.0", "0:1.0"}, {"1.0-0", "1.0"}, {"1.", "1.0"}} {
		if version.Compare(same[0], same[1]) != 0 {
			t.Errorf("%s and %s differ", same[0], same[1])
		}
	}
}

func TestKeygenMakesAThrowAwayKeyOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	var out, errOut bytes.Buffer
	if code := Main([]string{"keygen", "--demo", dir}, &out, &errOut); code != 0 {
		t.Fatal(code, errOut.String())
	}
	want, err := os.ReadFile(filepath.Join(dir, demoFingerprint))
	if err != nil || string(want) != out.String() || len(out.String()) != 41 {
		t.Fatalf("%q %q %v", want, out.String(), err)
	}
	info, err := os.Stat(filepath.Join(dir, demoKey))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
	var c Config
	c.Key.File = filepath.Join(dir, demoKey)
	s, err := c.Key.signer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := throwAway(s); err != nil {
		t.Fatal(err)
	}
	if code := Main([]string{"keygen", "--demo", dir}, &out, &errOut); code != 5 || !strings.Contains(errOut.String(), "there already") {
		t.Fatal(code, errOut.String())
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(goodConfig))
	f.Add([]byte("a: [\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := parseConfig(data); err != nil && !errs.Is(err, errs.Invalid) {
			t.Fatal(err)
		}
	})
}
