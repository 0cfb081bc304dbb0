package localci

import (
	"io"
	"strings"
	"testing"

	"slipway/bot/errs"
)

func TestALogIsOpenedByTheIDOfItsRunAlone(t *testing.T) {
	w := newWorld(t, 0, Options{})
	out, err := w.start(1, "./ci.sh", "ok")
	if err != nil {
		t.Fatal(err)
	}
	w.settle(out.Pipeline)
	f, err := w.runner.OpenLog(out.Pipeline)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if log, err := io.ReadAll(f); err != nil || !strings.Contains(string(log), "2019.01 ok") {
		t.Errorf("%v: %q", err, log)
	}
	for _, id := range []string{"", ".", "..", "../" + out.Pipeline, out.Pipeline + "/../" + out.Pipeline, "/etc", "no-such-run", strings.Repeat("x", 300)} {
		if f, err := w.runner.OpenLog(id); !errs.Is(err, errs.NotFound) {
			t.Errorf("%q: %v %v", id, f, err)
		}
	}
}
