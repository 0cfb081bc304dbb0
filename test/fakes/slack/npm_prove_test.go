//go:build prove

package slack

import (
	"bufio"
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clients fetches Slack's own clients, as pinned in testdata/clients, into a folder.
func clients(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "clients"))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--omit=dev")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the clients cannot be fetched: %v\n%s", err, out)
	}
	return dir
}

// node prepares a script of the folder.
func (h *harbour) node(ctx context.Context, dir, script string, env ...string) *exec.Cmd {
	app := h.s.App()
	cmd := exec.CommandContext(ctx, "node", script)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "FAKE_URL="+h.s.URL, "FAKE_TOKEN="+app.Token, "FAKE_APP_TOKEN="+app.AppToken, "FAKE_TEAM=T0HARBOUR")
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

func TestSlacksOwnClientsAreServed(t *testing.T) {
	dir := clients(t)
	t.Run("web-api", func(t *testing.T) { webClient(t, dir) })
	t.Run("socket-mode", func(t *testing.T) { socketClient(t, dir) })
}

func webClient(t *testing.T, dir string) {
	h := newHarbour(t, Options{})
	group := h.s.AddGroup(Group{Name: "Crew", Handle: "crew", Users: []string{h.ada}})
	trigger := func() string {
		d, err := h.s.Command(h.ada, h.quay, "form")
		h.must(err)
		v, err := url.ParseQuery(string(d.Body))
		h.must(err)
		return v.Get("trigger_id")
	}
	h.s.Fault(Fault{Method: "team.info", Skip: 1, Do: TooMany, RetryAfter: time.Second})
	cmd := h.node(t.Context(), dir, "web.cjs", "FAKE_CHANNEL="+h.quay, "FAKE_OTHER="+h.pub, "FAKE_USER="+h.ada, "FAKE_GROUP="+group.ID,
		"FAKE_TRIGGER="+trigger(), "FAKE_TRIGGER2="+trigger())
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "served\n") {
		t.Fatalf("%v\n%s", err, out)
	}
	if left := h.s.ClearFaults(); left != 0 {
		t.Errorf("%d faults were not met", left)
	}
	if views := h.s.Views(h.ada); len(views) != 2 || views[0].Title != "Ask again" {
		t.Errorf("views: %+v", views)
	}
	// Everything that the server has was asked for.
	for name := range h.s.methods {
		if h.s.Asked(name) == 0 && name != "apps.connections.open" {
			t.Errorf("%s was not called", name)
		}
	}
}

func socketClient(t *testing.T, dir string) {
	h := newHarbour(t, Options{})
	h.s.SetApp(func(a *App) { a.Socket = true })
	cmd := h.node(t.Context(), dir, "socket.cjs")
	in, err := cmd.StdinPipe()
	h.must(err)
	out, err := cmd.StdoutPipe()
	h.must(err)
	h.must(cmd.Start())
	lines := bufio.NewScanner(out)
	want := func(all ...string) {
		t.Helper()
		for _, line := range all {
			if !lines.Scan() || lines.Text() != line {
				t.Fatalf("the client said %q, not %q", lines.Text(), line)
			}
		}
	}
	sent := func() {
		t.Helper()
		for _, s := range h.s.Deliver() {
			if !s.OK() || !s.Socket {
				t.Errorf("%s: %d %s", s.Type, s.Status, s.Answer)
			}
		}
	}
	want("connected")
	ts := h.s.Say(h.ada, h.quay, "hello", "")
	sent()
	want("message hello T0HARBOUR 0")
	h.must(h.s.React(h.bo, h.quay, ts, "eyes"))
	sent()
	want("reaction eyes")
	for _, text := range []string{"status", "form"} {
		_, err := h.s.Command(h.ada, h.quay, text)
		h.must(err)
		sent()
		want("command " + text)
	}
	if w := h.s.Whispers(h.quay, h.ada); len(w) != 1 || w[0].Text != "you said status" {
		t.Errorf("whispers: %+v", w)
	}
	form := h.s.Views(h.ada)[0]
	for _, why := range []string{"no", "yes"} {
		_, err := h.s.Submit(h.ada, form.ID, map[string]string{"why": why})
		h.must(err)
		sent()
		want("form " + why)
		if v := h.s.View(form.ID); v.Open != (why == "no") || v.Open != (v.Errors["why"] == "say more") {
			t.Errorf("after %q: %+v", why, v)
		}
	}
	card := h.card()
	h.s.Take()
	_, err = h.s.Press(h.bo, h.quay, card, "approve 7")
	h.must(err)
	sent()
	want("press approve 7")

	h.s.Disconnect("refresh_requested")
	want("connected")
	h.s.Say(h.ada, h.quay, "again", "")
	sent()
	want("message again T0HARBOUR 0")
	_, err = in.Write([]byte("end\n"))
	h.must(err)
	want("served")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
