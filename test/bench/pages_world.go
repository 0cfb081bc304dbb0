package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"slipway/bot/engine"
	"slipway/bot/people"
	"slipway/bot/view"
	"slipway/integrations/console/login"
	"slipway/integrations/console/web"
	"slipway/state/blob"
	"slipway/state/bolt"
	"slipway/test/fleet"
)

// pageWorld is a bot on disk with its web console on a port of this machine.
type pageWorld struct {
	f      *fleet.Fleet
	door   *login.Door
	addr   string
	client *http.Client
	ends   []func() error

	runs, steps int
	big, middle string // runs

	mu     sync.Mutex
	copies [][]byte
}

// openPages fills the bot: runs that ended or wait, one with so many steps, and one of 25 steps that
// waits at its gate with one approval.
func openPages(ctx context.Context, dir string, runs, steps int) (w *pageWorld, err error) {
	w = &pageWorld{client: &http.Client{}, runs: runs, steps: steps}
	defer func() {
		if err != nil {
			err = closed(w.close, err)
		}
	}()
	db, err := bolt.Open(filepath.Join(dir, "slipway.db"), bolt.Options{Large: engine.LargeSpaces()})
	if err != nil {
		return w, err
	}
	w.ends = append(w.ends, db.Close)
	blobs, err := blob.Open(filepath.Join(dir, "blobs"), blob.Options{})
	if err != nil {
		return w, err
	}
	w.ends = append(w.ends, blobs.Close)
	// Half of the steps are declared ones, and half the elements of a list.
	w.f, err = fleet.New(dir, fleet.Options{Store: db, Blobs: blobs, Real: true, More: []string{fleet.BigYAML(steps/2, 20), middleYAML()}})
	if err != nil {
		return w, err
	}
	w.ends = append(w.ends, w.f.Close)
	if err := w.fill(ctx); err != nil {
		return w, err
	}
	return w, w.listen(dir)
}

func (w *pageWorld) close() error {
	var all []error
	for i := range w.ends {
		all = append(all, w.ends[len(w.ends)-1-i]())
	}
	w.ends = nil
	return errors.Join(all...)
}

func (w *pageWorld) fill(ctx context.Context) error {
	if err := w.f.Fill(ctx, w.runs, w.runs/100); err != nil {
		return err
	}
	var err error
	if w.big, err = w.f.Big(ctx, "9000.1", w.steps-w.steps/2, false); err != nil {
		return err
	}
	started, err := w.f.Engine.StartRun(ctx, engine.StartRequest{Family: "middle", Project: "lava", Person: "grace", Inputs: map[string]any{"version": "9000.2"}})
	if err != nil {
		return err
	}
	w.middle = started.Run
	if err := w.settled(ctx); err != nil {
		return err
	}
	if _, err := w.f.Say(ctx, "alan", fleet.Channel, "", "release approve release/lava/9000.2"); err != nil {
		return err
	}
	return w.settled(ctx)
}

// settled waits until nothing is left to do: cards are posted, and what can run has run.
func (w *pageWorld) settled(ctx context.Context) error {
	give := time.Now().Add(10 * time.Minute)
	for quiet := 0; quiet < 3; time.Sleep(50 * time.Millisecond) {
		left, err := w.f.Engine.Effects(ctx, "", 1)
		if err != nil {
			return err
		}
		if quiet++; len(left) > 0 {
			quiet = 0
		}
		if time.Now().After(give) {
			return fmt.Errorf("%s of the run %s is not done after ten minutes", left[0].Action, left[0].Run)
		}
	}
	return nil
}

// middleYAML is a release of 25 steps.
func middleYAML() string {
	var b strings.Builder
	b.WriteString("playbook: middle\ndoc: A release of 25 steps.\nname: \"release/${project.name}/${inputs.version}\"\ninputs:\n  version: {type: version, help: \"a version\"}\nsteps:\n" +
		"  state: {doc: Read the branch and the tags, do: fleet.state@1, with: {name: \"${inputs.version}\"}}\n")
	for i := range 10 {
		fmt.Fprintf(&b, "  build%d: {doc: Build for architecture %d, do: fleet.build@1, with: {name: \"${inputs.version}-%d\"}, needs: [state]}\n", i, i, i)
	}
	b.WriteString("  notes: {doc: Write the announcement, do: fleet.notes@1, with: {name: \"${inputs.version}\"}, needs: [state]}\n" +
		"  go:\n    doc: The team agrees that it is good enough\n    gate: \"2 of maintainer, not requester\"\n    say: \"Release ${project.name} ${inputs.version}?\"\n" +
		"    binds: [\"${steps.state.commit}\", \"${steps.notes.digest}\"]\n    expires: 14d\n    needs: [notes, build0, build1, build2, build3, build4, build5, build6, build7, build8, build9]\n" +
		"  push: {doc: Push the tag, do: fleet.push@1, with: {name: \"${inputs.version}\"}, needs: [go]}\n")
	for i := range 10 {
		fmt.Fprintf(&b, "  image%d: {doc: Push image %d, do: fleet.build@1, with: {name: \"image-%d\"}, needs: [push]}\n", i, i, i)
	}
	b.WriteString("  publish: {doc: Publish, do: fleet.publish@1, with: {name: \"${inputs.version}\"}, needs: [image0, image1, image2, image3, image4, image5, image6, image7, image8, image9]}\n")
	return b.String()
}

// listen serves the pages as slipway serve does. Only the rates are opened: they are there to slow
// down what asks as fast as a benchmark does.
func (w *pageWorld) listen(dir string) error {
	who := func(account string) (people.Person, bool) {
		return w.f.Engine.World().Directory.ByAccount(fleet.Account(account))
	}
	var err error
	w.door, err = login.New(login.Options{File: filepath.Join(dir, "sessions.db"), Many: true, Who: who, Persons: fleet.Persons, Open: []string{"/static/"},
		Limits: login.Limits{AddressPerSecond: 1e5, ViewerPerSecond: 1e5, LoginsPerMinute: 1e5}})
	if err != nil {
		return err
	}
	w.ends = append(w.ends, w.door.Close)
	reader := view.New(w.f.Engine)
	site, err := web.New(web.Options{Desk: w.f.Desk, Feed: w.f.Engine, Home: fleet.Channel, Views: web.Views{Reader: reader},
		Who: func(account string) web.Author {
			p, ok := who(account)
			if !ok {
				return web.Author{Name: "Slipway", Nick: "slipway", Bot: true}
			}
			return web.Author{Name: p.Name, Nick: string(p.ID)}
		},
		SeesRun: func(v login.Viewer, run string) bool { return reader.Sees(context.Background(), v.Person, run) }})
	if err != nil {
		return err
	}
	w.ends = append(w.ends, func() error { site.Close(); return nil })
	w.door.SetFrame(site.Door)
	mux := http.NewServeMux()
	mux.Handle("/", site)
	mux.HandleFunc("GET /copies/{n}", w.still)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.addr = l.Addr().String()
	s := server(w.door.Guard(mux))
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	w.ends = append(w.ends, func() error {
		err := s.Close()
		<-done
		return err
	})
	return nil
}

// server has the bounds of the one that slipway serve starts.
func server(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
}

// url is a page for grace.
func (w *pageWorld) url(path string) string {
	_, port, _ := net.SplitHostPort(w.addr)
	return "http://grace.localhost:" + port + path
}

// copy keeps a page as bytes and gives the path of the copy.
func (w *pageWorld) copy(body []byte) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.copies = append(w.copies, body)
	return fmt.Sprintf("/copies/%d", len(w.copies)-1)
}

func (w *pageWorld) still(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var n int
	if _, err := fmt.Sscan(r.PathValue("n"), &n); err != nil || n < 0 || n >= len(w.copies) {
		http.NotFound(out, r)
		return
	}
	out.Header().Set("Content-Type", "text/html; charset=utf-8")
	out.Header().Set("Cache-Control", "no-store")
	_, _ = out.Write(w.copies[n])
}
