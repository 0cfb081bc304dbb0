package slack

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/integrations/mail"
	fake "slipway/test/fakes/slack"
)

const (
	version = "2026.08"
	channel = "general"
	team    = "T0HARBOUR"
	patient = 60 * time.Second // for anything that a busy machine may take long for
	enough  = 3 * time.Minute  // for a whole release
)

// shape is what differs between worlds.
type shape struct {
	socket    bool     // Socket Mode
	group     bool     // maintainers are a user group of Slack
	unlinked  []string // whose accounts on Slack are not in the configuration
	readEvery string   // of channels; "" for what is usual
	env       []string // of the first process
	deliver   func(*world, fake.Delivery)
	edit      func(*world) // changes the world before the bot begins
	slow      bool         // Slack has its limits
}

// world is a workspace with a channel, its people, and a bot.
type world struct {
	*slip
	t        testing.TB
	shape    shape
	ctx      context.Context
	dir      string
	slack    *fake.Server
	users    map[string]string // hana, ben, chen, tessa → id
	room     string            // id of the channel
	group    string            // id of the user group
	remote   string
	hooks    string // address of the bot's listener
	door     string // of the signers
	mailPort string
	bot      *process

	mu      sync.Mutex
	said    map[string]bool
	history []string // what people and the bot did, for the transcript
}

// newWorld makes it and starts the programs.
func newWorld(t testing.TB, s shape) *world {
	t.Helper()
	w := emptyWorld(t, s)
	w.start()
	return w
}

func emptyWorld(t testing.TB, s shape) *world {
	t.Helper()
	slip := theSlip(t)
	dir, err := os.MkdirTemp(slip.work, "w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	t.Cleanup(cancel)
	w := &world{slip: slip, t: t, shape: s, ctx: ctx, dir: dir, users: map[string]string{}, said: map[string]bool{}}
	w.makeSlack()
	w.makeRemote()
	w.makeMail()
	w.install()
	w.writeConfig()
	if s.edit != nil {
		s.edit(w)
	}
	return w
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Helper()
		w.t.Fatal(err)
	}
}

// start starts the bot, the signer, and what Slack does by itself.
func (w *world) start() {
	w.t.Helper()
	if w.shape.deliver != nil {
		w.slack.Tap(func(d fake.Delivery) { w.shape.deliver(w, d) })
	}
	w.t.Cleanup(w.slack.Pump())
	w.startBot(w.shape.env)
	w.t.Cleanup(func() {
		if _, err := w.bot.end(); err != nil {
			w.t.Error(err)
		}
		if w.t.Failed() {
			w.tell()
		}
	})
	w.startSigner()
}

func (w *world) startBot(env []string) {
	w.t.Helper()
	bot, err := startBot(w, env)
	w.must(err)
	w.bot = bot
}

func (w *world) makeSlack() {
	w.t.Helper()
	w.slack = fake.Start(w.t, fake.Options{Team: team, Limits: w.shape.slow})
	members := []string{w.slack.App().User}
	everybody := persons()
	for _, name := range slices.Sorted(maps.Keys(everybody)) {
		w.users[name] = w.slack.AddUser(fake.User{Name: name, RealName: everybody[name]}).ID
		members = append(members, w.users[name])
	}
	w.room = w.slack.AddChannel(fake.Channel{Name: "releases", Members: members}).ID
	w.slack.Take()
	n, err := port()
	w.must(err)
	w.hooks = fmt.Sprintf("http://127.0.0.1:%d", n)
}

func (w *world) makeRemote() {
	w.t.Helper()
	w.remote = filepath.Join(w.dir, "remote.git")
	_, err := output(w.ctx, w.dir, "git", "clone", "--quiet", "--bare", filepath.Join(w.slip.dir, "history"), w.remote)
	w.must(err)
	_, err = output(w.ctx, w.remote, "git", "config", "core.logAllRefUpdates", "always")
	w.must(err)
}

func (w *world) write(name, text string) {
	w.t.Helper()
	w.must(os.WriteFile(filepath.Join(w.dir, name), []byte(text+"\n"), 0o600))
}

func (w *world) makeMail() {
	w.t.Helper()
	sink, err := mail.NewSink(filepath.Join(w.dir, "mailbox"), mail.SinkLimits{}, time.Now)
	w.must(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	go func() { _ = sink.Serve(l) }()
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = sink.Shutdown(ctx)
	})
	w.mailPort = fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

func (w *world) socket() string { return filepath.Join(w.dir, "slipway.sock") }

// startSigner runs the signer, which signs what its policy allows, with a throw-away key.
func (w *world) startSigner() {
	w.t.Helper()
	cmd := exec.Command(filepath.Join(w.slip.dir, "slipway-signer"), "run", "--demo-policy", "--server", w.door, "--token-file", filepath.Join(w.dir, "signer-token"),
		"--key", filepath.Join(w.slip.dir, "key", "demo-key.asc"), "--log", filepath.Join(w.dir, "signer.log"), "--project", "harbour", "--repository", w.remote, "--tag", "*",
		"--poll", "100ms", "--with-parent")
	out, err := os.Create(filepath.Join(w.dir, "signer.out"))
	w.must(err)
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	line, err := cmd.StdinPipe()
	w.must(err)
	w.must(cmd.Start())
	w.t.Cleanup(func() {
		_ = line.Close() // the signer ends with us
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// tell shows what there is to know of a story that failed.
func (w *world) tell() {
	for _, name := range []string{"bot.out", "signer.out"} {
		if text, err := os.ReadFile(filepath.Join(w.dir, name)); err == nil && len(text) > 0 {
			w.t.Logf("%s:\n%s", name, clip(string(text), 6000))
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t.Logf("what happened:\n%s\n\nthe channel:\n%s", strings.Join(w.history, "\n"), clip(w.page(), 9000))
}

func clip(text string, n int) string {
	if len(text) > n {
		return text[:n/3] + "\n…\n" + text[len(text)-n*2/3:]
	}
	return text
}
