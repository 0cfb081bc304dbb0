package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// mount puts the answers for machines in their places. /healthz and /readyz need no login and tell
// nothing but codes; /metrics needs a token that may read.
func (h *health) mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", h.healthz)
	mux.HandleFunc("GET /readyz", h.readyz)
	mux.Handle("GET /metrics", h.metrics.handler())
}

// healthz is 200 for as long as the process lives: the engine has not stopped, and its loops turn.
// What it finds is mended by a restart, and by nothing less.
func (h *health) healthz(w http.ResponseWriter, _ *http.Request) {
	var ill []string
	if h.b.engine.Stopped() != nil {
		ill = append(ill, "engine.stopped")
	}
	if len(hanging(h.b.engine.Turned(), time.Now())) > 0 {
		ill = append(ill, "engine.hangs")
	}
	tellMachine(w, ill)
}

// readyz is 200 when commands are taken: people can be heard, and what they say can be kept.
func (h *health) readyz(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	serving := h.serving
	h.mu.Unlock()
	var ill []string
	if !serving {
		ill = append(ill, "starting or stopping")
	}
	if h.b.engine.Stopped() != nil {
		ill = append(ill, "engine.stopped")
	}
	if len(hanging(h.b.engine.Turned(), time.Now())) > 0 {
		ill = append(ill, "engine.hangs")
	}
	report := h.registry.Report()
	for _, code := range []string{"state.unwritable", "disk.full", "inbox.behind"} {
		if report.Has(code) {
			ill = append(ill, code)
		}
	}
	tellMachine(w, ill)
}

// tellMachine answers with the reasons, a line each.
func tellMachine(w http.ResponseWriter, ill []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if len(ill) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, strings.Join(ill, "\n"))
		return
	}
	fmt.Fprintln(w, "ok")
}

// streams is how many pages follow what happens.
func (w *webConsole) streams() int {
	if w.site == nil {
		return 0
	}
	return w.site.Streams()
}
