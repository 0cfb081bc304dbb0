package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"time"

	"slipway/bot/engine"
	"slipway/integrations/gitlab/hook"
)

const (
	hookSource = hook.Source
	hookName   = "bench"
	queuePath  = "/waiting" // answers how many deliveries wait to be decoded
)

func hookHeaders() map[string]string {
	return map[string]string{hook.HeaderHook: hookName, hook.HeaderEvent: "Job Hook"}
}

// hookDecoder is what `slipway serve` does with deliveries of GitLab.
type hookDecoder struct{}

func (hookDecoder) Decode(d engine.Delivery) ([]engine.Fact, error) {
	found, _, err := hook.Decode(hook.Header{Event: d.Headers[hook.HeaderEvent], Hook: d.Headers[hook.HeaderHook]}, d.Body,
		hook.Known{Project: project, ID: 31537070})
	if err != nil {
		return nil, err
	}
	var out []engine.Fact
	for _, f := range found {
		if f, ok := f.(hook.Happened); ok {
			out = append(out, engine.Happened{Name: f.Name, Project: f.Project, Fields: f.Fields})
		}
	}
	if len(out) == 0 {
		return nil, errors.New("the delivery that is measured with says nothing")
	}
	return out, nil
}

// inbox hands what the door took to the engine.
type inbox struct{ e *engine.Engine }

func (i inbox) Deliver(ctx context.Context, d hook.Delivery) error {
	return i.e.Deliver(ctx, engine.Delivery{Source: hookSource, ID: d.ID, Headers: maps.Clone(d.Headers), Body: d.Body})
}

// serveHooks is the process that takes deliveries, until its input ends.
func serveHooks(ctx context.Context, dir string, delay time.Duration, in io.Reader, out io.Writer) (err error) {
	h, err := open(ctx, dir, options{delay: delay, workers: manyConnections, decoders: map[string]engine.Decoder{hookSource: hookDecoder{}}})
	if err != nil {
		return err
	}
	defer func() { err = closed(h.close, err) }()
	door, err := hook.New(hook.Options{Hooks: []hook.Hook{{Name: hookName, Signing: []string{os.Getenv("SLIPWAY_BENCH_SIGNING")}}}, Inbox: inbox{h.e}})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(hook.Path, door)
	mux.HandleFunc(queuePath, func(w http.ResponseWriter, r *http.Request) {
		l, err := h.e.Load(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprint(w, l.Queue)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return h.work(ctx, func() error {
		go func() { // the one who started us has gone
			_, _ = io.Copy(io.Discard, in)
			_ = server.Close()
		}()
		if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
			return err
		}
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}

// gitlabRequest writes the i-th delivery as GitLab 19 sends it: an id of its own, and a signature.
func gitlabRequest(address, secret, round string) func(i int64) ([]byte, error) {
	return func(i int64) ([]byte, error) {
		now := time.Now()
		id := fmt.Sprintf("%s-%08d", round, i)
		sign, err := hook.Sign(secret, id, now, hookBody)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		fmt.Fprintf(&b, "POST %s%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nX-Gitlab-Event: Job Hook\r\n"+
			"Idempotency-Key: %s\r\nwebhook-id: %s\r\nwebhook-timestamp: %d\r\nwebhook-signature: %s\r\nContent-Length: %d\r\n\r\n",
			hook.Path, hookName, address, id, id, now.Unix(), sign, len(hookBody))
		b.Write(hookBody)
		return b.Bytes(), nil
	}
}
