package login

import (
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
)

// Options say how a [Door] is built. File and Who are needed.
type Options struct {
	File string // sessions.db

	// Who finds the person to whom an account belongs now. Persons are all whom a demo offers.
	Who     func(account string) (people.Person, bool)
	Persons func() []people.Person

	// URL is where people reach the console, such as https://slipway.harbour.example; nil when
	// that is this machine only. Requests for any other host are refused, loopback excepted.
	URL *url.URL

	// Proxies are the reverse proxies whose X-Forwarded-For is believed.
	Proxies []netip.Prefix

	// Many is the demo: a request for hana.localhost is Hana's, and the login page lets one pick.
	// Whoever reaches the port can be anybody.
	Many bool

	Provider *Provider // OpenID Connect; nil: none

	Idle     time.Duration // a session unused for so long ends; 0 means 12 h
	Lifetime time.Duration // every session ends after so long; 0 means 7 days

	// Open are paths that need no viewer: exact, or all below when they end in "/".
	Open []string

	// Frame draws pages inside the site's layout; nil means plain ones.
	Frame func(w http.ResponseWriter, r *http.Request, p Page)

	Limits Limits
	Log    *slog.Logger     // nil: nothing is logged
	Clock  func() time.Time // nil: time.Now
	Random func([]byte)     // nil: crypto/rand
}

// Page is one page of the door, for [Options.Frame].
type Page struct {
	Status int
	Title  string
	Body   template.HTML // made by html/template
}

// Door proves who comes in. It is safe for several goroutines. Make it with [New].
type Door struct {
	o       Options
	store   *store
	codes   codes
	rates   rates
	streams streams
	cross   *http.CrossOriginProtection
	seal    sealer
	bodies  *template.Template
}

// New opens the door's file.
func New(o Options) (*Door, error) {
	if o.Who == nil || o.File == "" {
		return nil, errs.E("login.new", errs.Internal, errors.New("a door needs a file and a directory"))
	}
	if o.Many && (o.Provider != nil || o.URL != nil && !loopbackName(o.URL.Hostname())) {
		return nil, errs.E("login.new", errs.Invalid, errors.New("the demo with many people is for this machine alone")).Hint("leave out login and url, or many_people")
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Random == nil {
		o.Random = func(b []byte) { _, _ = rand.Read(b) } // crypto/rand ends the process rather than fail
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Idle == 0 {
		o.Idle = 12 * time.Hour
	}
	if o.Lifetime == 0 {
		o.Lifetime = 7 * 24 * time.Hour
	}
	o.Limits = o.Limits.filled()
	s, err := openStore(o.File, o.Random)
	if err != nil {
		return nil, err
	}
	d := &Door{o: o, store: s, cross: http.NewCrossOriginProtection()}
	d.rates.max, d.streams.limits = o.Limits.Remembered, o.Limits
	key, err := s.sealKey()
	if err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	if d.seal, err = newSealer(key, o.Random); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	if d.bodies, err = templates(); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	if o.URL != nil {
		if err := d.cross.AddTrustedOrigin(o.URL.Scheme + "://" + o.URL.Host); err != nil {
			return nil, errors.Join(errs.E("login.new", errs.Invalid, fmt.Errorf("url is %q", o.URL)).Hint("write https://HOST"), s.db.Close())
		}
	}
	return d, nil
}

// SetFrame sets what draws the door's pages, before the door is used: the layout is made by
// somebody who needs the door.
func (d *Door) SetFrame(f func(w http.ResponseWriter, r *http.Request, p Page)) { d.o.Frame = f }

// Cut ends all event streams, so that their pages ask again.
func (d *Door) Cut() { d.streams.cutAll() }

// Close closes the file of sessions and ends all streams.
func (d *Door) Close() error {
	d.streams.cutAll()
	return d.store.db.Close()
}

// viewer is who an account is now. [errs.Denied] for a bot, and for a person who left.
func (d *Door) viewer(account, handle string) (Viewer, error) {
	v := Viewer{Account: account, Name: handle, Scopes: Scopes(), Many: d.o.Many}
	if v.Name == "" {
		v.Name = account
	}
	p, ok := d.o.Who(account)
	switch {
	case !ok:
		return v, nil
	case p.Bot:
		return v, errs.E("login", errs.Denied, fmt.Errorf("the account %s is a bot's, and bots do not log in", account))
	case p.Gone:
		return v, errs.E("login", errs.Denied, fmt.Errorf("the person %s has left", p.ID)).Hint("an admin can bring %s back", p.ID)
	}
	if v.Person = p.ID; p.Name != "" {
		v.Name = p.Name
	}
	return v, nil
}

// unlinked says what to do about an account that belongs to nobody.
func unlinked(account string) error {
	return errs.E("login", errs.Denied, fmt.Errorf("the account %s belongs to nobody", account)).
		Hint("ask an admin to add %q to the accounts of your person in slipway.yaml", account)
}

// open reports whether a path needs no viewer.
func (d *Door) open(path string) bool {
	return slices.ContainsFunc(d.o.Open, func(o string) bool {
		return path == o || strings.HasSuffix(o, "/") && strings.HasPrefix(path, o)
	})
}
