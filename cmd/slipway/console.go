package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"slipway/bot/people"
	"slipway/bot/view"
	"slipway/integrations/console"
	"slipway/integrations/console/api"
	"slipway/integrations/console/login"
	"slipway/integrations/console/web"
)

// webConsole is what browsers and programs find on TCP. Its door exists without it too: codes and
// tokens are made over the socket.
type webConsole struct {
	door    *login.Door
	view    *view.Reader // what people are shown of runs
	api     *api.API
	handler http.Handler // behind the door's guard; nil: nothing listens
	site    *web.Site    // nil: nothing listens
	close   []func()
}

// openConsole builds the door and everything behind it.
func (b *bot) openConsole() error {
	w := b.conf.Web
	o := login.Options{
		File: filepath.Join(b.conf.State, "sessions.db"), Log: b.log, URL: w.URL, Proxies: w.Proxies, Many: b.conf.Many,
		Idle: w.Idle, Lifetime: w.Lifetime, Open: b.openPaths(), Limits: w.Limits,
		Who:     func(who string) (people.Person, bool) { return b.engine.World().Directory.ByAccount(account(who)) },
		Persons: func() []people.Person { return b.engine.World().Directory.Persons() },
	}
	if w.Login != nil {
		p, err := login.NewProvider(*w.Login)
		if err != nil {
			return err
		}
		o.Provider = p
	}
	door, err := login.New(o)
	if err != nil {
		return err
	}
	b.web.door, b.web.view = door, view.New(b.engine)
	if b.web.api, err = b.openAPI(); err != nil {
		return err
	}
	if w.Listen == "" {
		return nil
	}
	mux, err := b.mount()
	if err != nil {
		return err
	}
	b.web.handler = door.Guard(mux)
	return nil
}

// openPaths need no login: they show nothing of anybody.
func (b *bot) openPaths() []string {
	open := []string{"/static/", "/healthz", "/readyz", "/api/openapi.json", "/favicon.ico", "/unsubscribe/", "/subscribe/"}
	if b.conf.Web.Public {
		open = append(open, "/public", "/public/feed.atom")
	}
	return open
}

// mount puts every page in its place.
func (b *bot) mount() (*http.ServeMux, error) {
	mux := http.NewServeMux()
	site, err := b.site()
	if err != nil {
		return nil, err
	}
	b.web.close = append(b.web.close, site.Close)
	b.web.door.SetFrame(site.Door)
	mux.Handle("/", site)
	b.web.site = site
	b.health.mount(mux)
	mux.Handle("/api/", b.web.api)
	if b.conf.Web.Public {
		public := site.Public(strings.TrimSuffix(b.conf.Web.Link("/"), "/"), b.releases)
		mux.Handle("/public", public)
		mux.Handle("/public/feed.atom", public)
	}
	mux.Handle("/unsubscribe/", b.mailLinks())
	mux.Handle("/subscribe/", b.mailLinks())
	return mux, nil
}

// desk is where people's words and reactions are taken in, whatever the way they come.
func (b *bot) desk() *console.Desk {
	return &console.Desk{Room: b.room, Deliver: deliverer(b.engine), Direct: b.directRoom,
		Channels: func() []string { return sortedKeys(b.conf.Channels) }}
}

// closeConsole closes the door's file and what serves pages.
func (b *bot) closeConsole() error {
	for _, c := range b.web.close {
		c()
	}
	if b.web.door == nil {
		return nil
	}
	return b.web.door.Close()
}

// listenConsole opens the port of the web console; nil when there is none.
func (b *bot) listenConsole() (net.Listener, error) {
	if b.web.handler == nil {
		return nil, nil
	}
	return listenAt("browsers", b.conf.Web.Listen, "choose another port in console: listen, or write listen: off")
}

// Bounds of the web console's connections.
const (
	maxConns       = 2500 // open at a time
	maxConnsFrom   = 150  // of one address that is not this machine and no proxy
	headerTime     = 10 * time.Second
	readTime       = 30 * time.Second
	writeTime      = 60 * time.Second
	idleTime       = 2 * time.Minute
	maxHeaderBytes = 16 << 10
)

// consoleServer is the server of the web console. Whoever sends slowly, or takes slowly what is
// sent, is cut; the door gives large answers and event streams more time.
func (b *bot) consoleServer() *http.Server {
	return &http.Server{Handler: b.web.handler, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime,
		IdleTimeout: idleTime, MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(b.log.Handler(), slog.LevelDebug)}
}

// serveConsole answers browsers and programs on l until ctx ends.
func (b *bot) serveConsole(ctx context.Context, l net.Listener) error {
	s := b.consoleServer()
	few := newFewConns(l, maxConns, maxConnsFrom, b.conf.Web.Proxies)
	stop := context.AfterFunc(ctx, func() {
		b.web.door.Cut() // pages come back to whoever serves then
		_ = s.Close()
	})
	defer stop()
	var err error
	if w := b.conf.Web; w.Cert != "" {
		s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		err = s.ServeTLS(few, w.Cert, w.Key)
	} else {
		err = s.Serve(few)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
