package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"slipway/bot/action"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/integrations/git"
	"slipway/integrations/gitlab"
	"slipway/integrations/gitlab/ci"
	"slipway/integrations/gitlab/forge"
	"slipway/integrations/gitlab/hook"
	"slipway/state/blob"
)

// forgeSide is what a running bot has of GitLab. Its client exists without a GitLab too: then it knows
// no project, and says so of each.
type forgeSide struct {
	client *gitlab.Client
	hooks  *hook.Handler // nil: no hooks are configured
	me     atomic.Int64  // number of the bot's own account; 0: not known yet
	name   atomic.Value  // its user name, a string
	began  time.Time
	chat   *gitlabChat // nil: no GitLab is configured
}

// noGitLab is where the client of a bot without a GitLab would look, if it knew a project (RFC 6761).
const noGitLab = "https://gitlab.invalid"

// gitlabClient is the client of the configured GitLab.
func gitlabClient(c *config) (*gitlab.Client, error) {
	g := c.GitLab
	if !g.on() {
		g.URL, g.Token = noGitLab, "none"
	}
	return gitlab.New(gitlab.Options{URL: g.URL, Token: g.Token, Projects: g.Remotes, Now: time.Now})
}

// credentials are those with which git goes to repositories over HTTP: the token, with any name.
func (c *config) credentials() []git.Credential {
	if !c.GitLab.on() {
		return nil
	}
	return []git.Credential{{Prefix: c.GitLab.URL + "/", User: "oauth2", Password: c.GitLab.Token}}
}

// gitlabActions are what can be done on GitLab. They are there without one too, so that playbooks can
// name them; contracts alone need neither client nor blobs.
func gitlabActions(c *gitlab.Client, blobs *blob.Store) ([]action.Bound, error) {
	all, err := forge.Bind(c, blobs)
	more, err2 := ci.Bind(c, blobs)
	return append(all, more...), errors.Join(err, err2)
}

// expandProviders gives every contract of a family (forge, ci) to the provider that a project names
// for the family, where it has it and the project names no other.
func expandProviders(c *config, set *action.Set) {
	for name, families := range c.GitLab.Families {
		p := c.Projects[name]
		all := map[string]string{}
		for _, contract := range set.Contracts() {
			family, _, _ := strings.Cut(contract.Name, ".")
			provider, ok := families[family]
			if !ok {
				continue
			}
			if _, err := set.Lookup(contract.Ref(), provider); err == nil {
				all[contract.Name] = provider
			}
		}
		for key, provider := range p.Providers {
			if _, short := families[key]; !short {
				all[key] = provider
			}
		}
		p.Providers = all
		c.Projects[name] = p
	}
}

// openHooks makes the door of GitLab's webhooks.
func (b *bot) openHooks() error {
	b.forge.began = time.Now()
	if len(b.conf.GitLab.Hooks) == 0 {
		return nil
	}
	var hooks []hook.Hook
	for _, h := range b.conf.GitLab.Hooks {
		hooks = append(hooks, h.Hook)
	}
	door, err := hook.New(hook.Options{Hooks: hooks, Inbox: hookInbox{b.engine}, Log: b.log, BodyTime: b.conf.Webhooks.BodyTime})
	b.forge.hooks = door
	return err
}

// hookInbox is the engine as the door of the webhooks sees it.
type hookInbox struct{ engine *engine.Engine }

func (i hookInbox) Deliver(ctx context.Context, d hook.Delivery) error {
	return i.engine.Deliver(ctx, engine.Delivery{Source: hook.Source, ID: d.ID, Headers: d.Headers, Body: d.Body})
}

// learnAccount finds out which account of GitLab is the bot's own. Until then only its marker tells
// its comments from those of people; that the account is nobody in people: is looked at by doctor.
func (b *bot) learnAccount(ctx context.Context, clock engine.Clock, log *slog.Logger) error {
	if !b.conf.GitLab.on() {
		return nil
	}
	for wait := time.Second; ; wait = min(2*wait, 10*time.Minute) {
		limited, cancel := context.WithTimeout(ctx, time.Minute)
		me, err := b.forge.client.Me(limited)
		cancel()
		if err == nil {
			b.learned(int64(me.ID), me.Username)
			wait = 10 * time.Minute // it may be renamed
		} else {
			log.Info("the bot's own account on GitLab is not known yet", "error", errs.Text(err))
		}
		wake, stop := clock.Wake(clock.Now().Add(wait))
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-wake:
		}
		stop()
	}
}

// username is the bot's own user name on GitLab, "" when it is not known yet.
func (f *forgeSide) username() string {
	name, _ := f.name.Load().(string)
	return name
}

// gitlabDecoder turns what GitLab sent into facts. hear says what of a comment is meant for Slipway.
type gitlabDecoder struct {
	conf *config
	me   func() int64
	hear func(hook.Said) engine.Fact
}

func (b *bot) gitlabDecoder() gitlabDecoder {
	return gitlabDecoder{conf: b.conf, me: b.forge.me.Load, hear: b.hear}
}

func (d gitlabDecoder) Decode(in engine.Delivery) ([]engine.Fact, error) {
	name := in.Headers[hook.HeaderHook]
	hooks := d.conf.GitLab.Hooks
	h, readBack := d.readHook(name)
	if readBack {
		if in.Headers[hook.HeaderEvent] == seenReactions {
			return seen(in.Body)
		}
		hooks = []gitlabHook{h}
	}
	for _, h := range hooks {
		if h.Name != name {
			continue
		}
		known := hook.Known{Project: h.Project, ID: int64(h.ID), Bot: d.me(), ReadBack: readBack}
		found, ignored, err := hook.Decode(hook.Header{Event: in.Headers[hook.HeaderEvent], Hook: name}, in.Body, known)
		if err != nil {
			return nil, err
		}
		if ignored != "" {
			return []engine.Fact{engine.Ignored{Why: ignored}}, nil
		}
		var out []engine.Fact
		for _, f := range found {
			switch f := f.(type) {
			case hook.Said:
				out = append(out, d.hear(f))
			case hook.Touched:
				out = append(out, engine.Touched{Place: engine.Place{Source: hook.Source, ID: f.Place}, Message: f.Message})
			case hook.Happened:
				out = append(out, engine.Happened{Name: f.Name, Project: f.Project, Fields: f.Fields})
			}
		}
		return out, nil
	}
	return nil, errs.E("gitlab.decode", errs.NotFound, fmt.Errorf("the hook %q is not configured any more", name))
}

// Secrets are the fields of payloads that nobody is shown: the variables of a pipeline may be
// anything.
func (gitlabDecoder) Secrets() []string {
	return []string{"variables", "token", "signing_token", "secret", "password", "runners_token", "email", "user_email", "author_email"}
}

// listenHooks opens the port of the webhooks; nil when there are none.
func (b *bot) listenHooks() (net.Listener, error) {
	if b.forge.hooks == nil && (b.slack == nil || b.slack.hooks == nil) {
		return nil, nil
	}
	return listenAt("webhooks", b.conf.Webhooks.Listen, "choose another port in webhooks: listen")
}

// Bounds of the connections of webhooks. GitLab gives up after 10 seconds by itself.
const (
	maxHookConns   = 512
	hookHeaderTime = 5 * time.Second
	hookTime       = 15 * time.Second // for a whole request, and again for its answer
	hookLast       = 3 * time.Second  // for what is under way when the bot stops
)

// serveHooks answers webhooks on l until ctx ends. What is under way then is taken still, for a moment:
// GitLab would count it as failed, and pauses a hook after four in a row.
func (b *bot) serveHooks(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	if b.forge.hooks != nil {
		mux.Handle(hook.Path, b.forge.hooks)
	}
	if b.slack != nil && b.slack.hooks != nil {
		mux.Handle(slackPath, b.slack.hooks)
	}
	var under sync.RWMutex // read by those who are under way
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !under.TryRLock() { // the bot has stopped
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		defer under.RUnlock()
		mux.ServeHTTP(w, r)
	}), ReadHeaderTimeout: hookHeaderTime, ReadTimeout: hookTime, WriteTimeout: 2 * hookTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(b.log.Handler(), slog.LevelDebug)}
	few := newFewConns(l, maxHookConns, maxHookConns, nil)
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		last, done := context.WithTimeout(context.WithoutCancel(ctx), hookLast)
		defer done()
		if s.Shutdown(last) != nil {
			_ = s.Close()
		}
	})
	var err error
	if w := b.conf.Webhooks; w.Cert != "" {
		s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		err = s.ServeTLS(few, w.Cert, w.Key)
	} else {
		err = s.Serve(few)
	}
	if stop() { // l failed by itself
		_ = s.Close()
	} else {
		<-ended
		err = nil
	}
	under.Lock() // for good: the store is closed after this
	return err
}

// rooms are the places on GitLab where a project's cards and gate messages go beside its channel.
func (c *config) rooms(project string) (out []engine.Place) {
	for _, id := range c.GitLab.Projects[project].Rooms {
		out = append(out, engine.Place{Source: hook.Source, ID: id})
	}
	return out
}

// homeOf is the project that is meant at a place on GitLab when a command names none.
func (c *config) homeOf(place engine.Place) string {
	id, _, _ := strings.Cut(place.ID, "/")
	for _, name := range sortedKeys(c.GitLab.Projects) {
		p := c.GitLab.Projects[name]
		for _, own := range []int{p.Project, p.Fork} {
			if own != 0 && id == fmt.Sprint(own) {
				return name
			}
		}
	}
	return ""
}
