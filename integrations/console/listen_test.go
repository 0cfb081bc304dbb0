package console

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/errs"
)

func TestListen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	l, err := Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := Listen(path, ""); !errs.Is(err, errs.Exists) || !strings.Contains(err.Error(), "another slipway") {
		t.Errorf("twice: %v", err)
	}
	_ = l.(*socket).UnixListener.Close() // as a crash leaves it: the file stays
	l, err = Listen(path, "")
	if err != nil {
		t.Fatalf("after a crash: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]func() (net.Listener, error){
		"is not a socket":  func() (net.Listener, error) { return Listen(path, "") },
		"no group":         func() (net.Listener, error) { return Listen(path+"2", "no-such-group-here") },
		"103 is the limit": func() (net.Listener, error) { return Listen(path+strings.Repeat("x", 103), "") },
		"cannot be made":   func() (net.Listener, error) { return Listen(filepath.Join(dir, "no", "s"), "") },
	} {
		if _, err := f(); err == nil || !strings.Contains(err.Error(), want) || errs.HintOf(err) == "" {
			t.Errorf("%s: %v", want, err)
		}
	}
	if raw, _ := os.ReadFile(path); string(raw) != "mine" {
		t.Error("a file that is no socket was touched")
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := saidDelivery(Message{ID: "17", Channel: "c", Author: "unix:1", Text: "x"})
	if fs, err := Decode(good); err != nil || len(fs) != 1 {
		t.Fatal(fs, err)
	}
	for _, body := range []string{``, `{}`, `null`, `{"kind":"said","message":"17"}`, `{"kind":"said","message":"x","text":"y"}`,
		`{"kind":"gone","message":"17"}`, `{"kind":"said","message":"17","text":"x","account":"unix:0"}`, string(good.Body) + "{}"} {
		d := good
		d.Body = []byte(body)
		if fs, err := Decode(d); !errs.Is(err, errs.Corrupt) || fs != nil {
			t.Errorf("%s: %v, %v", body, fs, err)
		}
	}
	for _, spoil := range []func(*Delivery){func(d *Delivery) { d.Account = "" }, func(d *Delivery) { d.Place = "" }} {
		d := good
		spoil(&d)
		if _, err := Decode(d); !errs.Is(err, errs.Corrupt) {
			t.Errorf("%+v: %v", d, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"kind":"said","message":"17","text":"x"}`))
	f.Add([]byte(`{"kind":"touched","message":"17"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		fs, err := Decode(Delivery{Source: Source, ID: "x", Account: "unix:1", Place: "c", Body: raw})
		if (err == nil) != (len(fs) == 1) {
			t.Fatalf("%q: %v, %v", raw, fs, err)
		}
		for _, fact := range fs {
			if s, ok := fact.(Said); ok && s.Account != "unix:1" {
				t.Fatalf("an account from the body: %+v", s)
			}
		}
	})
}
