package gitlab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/integrations/mail"
	fake "slipway/test/fakes/gitlab"
)

const (
	version = "2026.08"
	channel = "general"
	patient = 90 * time.Second // for anything that a busy machine may take long for
)

// shape is what differs between worlds.
type shape struct {
	branchFirst bool         // master and its pipeline come before the tag; otherwise a fork does
	silent      bool         // no webhook arrives
	archive     bool         // packages are published
	readEvery   string       // of comments; "" for what is usual
	poll        string       // of waits; "" for what the playbook says
	handover    bool         // files go to another project
	items       bool         // two merge requests are open in the milestone
	edit        func(*world) // changes the world before the bot begins
	book        string       // a playbook of the site besides that of releases
	runName     string       // of the run that people look at; "" for the release
	seen        string       // file to which the bot writes the points that it passes
	plan        []kill       // where it kills itself, one after the other
	deliver     func(*world, fake.Delivery)
}

// world is a GitLab with a project, its people, and a bot.
type world struct {
	*slip
	t       testing.TB
	shape   shape
	ctx     context.Context
	dir     string
	lab     *fake.Server
	users   map[string]int // slipway, hana, ben, chen, tessa
	project int
	fork    int
	devices int   // the project that gets files; 0: none
	merges  []int // iids of what is open in the milestone
	room    fake.Place
	hooks   string // address of the bot's listener
	door    string // of the signers
	archive string // address of the archive
	sink    *mail.Sink
	bot     *process
	signer  *exec.Cmd

	mu      sync.Mutex
	held    map[string]bool // refs whose pipelines nobody runs yet; "" for all
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
	w := &world{slip: slip, t: t, shape: s, ctx: ctx, dir: dir, users: map[string]int{}, held: map[string]bool{}, said: map[string]bool{}}
	w.makeGitLab()
	w.makeMail()
	w.makeArchive()
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

// start starts the bot, the signer, and what GitLab does by itself.
func (w *world) start() {
	w.t.Helper()
	if !w.shape.silent {
		w.lab.Tap(func(d fake.Delivery) {
			if w.shape.deliver != nil {
				w.shape.deliver(w, d)
				return
			}
			w.send(d)
		})
	} else {
		w.lab.Tap(func(fake.Delivery) {})
	}
	w.t.Cleanup(w.lab.Pump())
	running, stop := context.WithCancel(w.ctx)
	var all sync.WaitGroup
	all.Go(func() { w.run(running) })
	w.t.Cleanup(func() { stop(); all.Wait() })
	bot, err := startBot(w)
	w.must(err)
	w.bot = bot
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

// send delivers. People enable a hook again that GitLab lets rest because the bot was down.
func (w *world) send(d fake.Delivery) {
	if !w.lab.Send(d).OK() {
		w.lab.SetHook(d.Hook, func(h *fake.Hook) { h.Failures, h.Until = 0, time.Time{} })
	}
}

func (w *world) makeGitLab() {
	w.t.Helper()
	w.lab = fake.Start(w.t, fake.Options{})
	members := map[int]int{}
	for name, full := range map[string]string{"slipway": "Slipway", "hana": "Hana Harbour", "ben": "Ben Buoy", "chen": "Chen Chart", "tessa": "Tessa Tide"} {
		w.users[name] = w.lab.AddUser(fake.User{Username: name, Name: full}).ID
		members[w.users[name]] = fake.Maintainer
	}
	hana := w.users["hana"]
	w.project = w.lab.AddProject(fake.Project{Path: "yard/harbour", Public: true, Members: members})
	token := w.lab.AddToken(w.users["hana"])
	to := strings.Replace(w.lab.Remote(w.project), "http://", "http://hana:"+token+"@", 1)
	_, err := output(w.ctx, filepath.Join(w.slip.dir, "history"), "git", "push", "--quiet", to, "--all")
	w.must(err)
	_, err = output(w.ctx, filepath.Join(w.slip.dir, "history"), "git", "push", "--quiet", to, "--tags")
	w.must(err)
	w.fork = w.lab.AddProject(fake.Project{Path: "maria/harbour", ForkOf: w.project, Public: true, Open: true, Members: members})
	if w.shape.handover {
		w.devices = w.lab.AddProject(fake.Project{Path: "yard/devices", Public: true, Members: members})
		_, err := w.lab.CommitFiles(w.devices, hana, "master", "Begin", map[string]string{"README": "Types of devices.\n"})
		w.must(err)
	}
	for _, p := range w.lab.Pipelines(w.project) { // of what was pushed before the story begins
		w.must(w.lab.FinishPipeline(p.ID, "success"))
	}
	for _, id := range []int{w.project, w.fork} {
		_, err = output(w.ctx, w.lab.Dir(id), "git", "config", "core.logAllRefUpdates", "always")
		w.must(err)
	}
	_, err = w.lab.AddMilestone(hana, w.project, version)
	w.must(err)
	if w.shape.items {
		for _, branch := range []string{"fog-horn", "second-mast"} {
			m, err := w.lab.OpenMergeRequest(w.users["ben"], fake.MergeRequest{Item: fake.Item{Project: w.project, Title: "Add the " + strings.ReplaceAll(branch, "-", " ")}, SourceBranch: branch})
			w.must(err)
			w.must(w.lab.SetMilestone(hana, fake.MergePlace(w.project, m.IID), version))
			w.merges = append(w.merges, m.IID)
		}
	}
	room, err := w.lab.OpenIssue(hana, fake.Issue{Item: fake.Item{Project: w.project, Title: "Releases"}})
	w.must(err)
	w.room = fake.IssuePlace(w.project, room.IID)
	w.write("gitlab-token", w.lab.AddToken(w.users["slipway"]))
	n, err := port()
	w.must(err)
	w.hooks = fmt.Sprintf("http://127.0.0.1:%d", n)
	for name, id := range map[string]int{"harbour": w.project, "harbour-fork": w.fork} {
		w.write(name+"-hook", "1f0b64c1a2d94b5e8e7d55-"+name)
		w.lab.AddHook(fake.Hook{Project: id, URL: w.hooks + "/hooks/gitlab/" + name, Token: "1f0b64c1a2d94b5e8e7d55-" + name})
	}
	w.lab.Take()
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
	w.sink = sink
	go func() { _ = sink.Serve(l) }()
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = sink.Shutdown(ctx)
	})
	w.write("mail-port", fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
}

func (w *world) makeArchive() {
	w.t.Helper()
	if !w.shape.archive {
		return
	}
	root := filepath.Join(w.dir, "archive")
	w.must(os.MkdirAll(root, 0o755))
	server := httptest.NewServer(http.StripPrefix("/harbour", http.FileServer(http.Dir(root))))
	w.t.Cleanup(server.Close)
	w.archive = server.URL + "/harbour"
}

func (w *world) socket() string { return filepath.Join(w.dir, "slipway.sock") }

// startSigner runs the signer, which signs what its policy allows, with a throw-away key.
func (w *world) startSigner() {
	w.t.Helper()
	args := []string{"run", "--demo-policy", "--server", w.door, "--token-file", filepath.Join(w.dir, "signer-token"), "--key", filepath.Join(w.slip.dir, "key", "demo-key.asc"),
		"--log", filepath.Join(w.dir, "signer.log"), "--project", "harbour", "--repository", w.lab.Remote(w.project), "--tag", "*", "--poll", "100ms", "--with-parent"}
	if w.archive != "" {
		args = append(args, "--archive", w.archive, "--suite", "*")
	}
	cmd := exec.Command(filepath.Join(w.slip.dir, "slipway-signer"), args...)
	out, err := os.Create(filepath.Join(w.dir, "signer.out"))
	w.must(err)
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	line, err := cmd.StdinPipe()
	w.must(err)
	w.must(cmd.Start())
	w.signer = cmd
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
	w.t.Logf("what happened:\n%s\n\nthe room:\n%s", strings.Join(w.history, "\n"), clip(w.page(), 9000))
}

func clip(text string, n int) string {
	if len(text) > n {
		return text[:n/3] + "\n…\n" + text[len(text)-n*2/3:]
	}
	return text
}
