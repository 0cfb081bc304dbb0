package login

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
)

//go:embed pages.html style.css
var files embed.FS

func queryEscape(s string) string { return url.QueryEscape(s) }

// templates are the bodies of the door's pages.
func templates() (*template.Template, error) {
	return template.New("pages.html").Funcs(template.FuncMap{
		"when": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
	}).ParseFS(files, "pages.html")
}

// pages serves /login, /logout and /account.
func (d *Door) pages() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, f func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := f(w, r); err != nil {
				d.refuse(w, r, err)
			}
		})
	}
	handle("GET /login", d.showLogin)
	handle("POST /login", d.doLogin)
	handle("GET /login/oidc", d.beginOIDC)
	handle("GET /login/callback", d.endOIDC)
	handle("GET /login/style.css", func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "public, max-age=3600")
		http.ServeFileFS(w, r, files, "style.css")
		return nil
	})
	handle("GET /logout", d.askLogout)
	handle("POST /logout", d.doLogout)
	handle("GET /account", d.account)
	handle("POST /account/end", d.endSession)
	handle("POST /account/end-all", d.endAll)
	handle("POST /account/tokens", d.makeToken)
	handle("POST /account/tokens/revoke", d.revokeToken)
	handle("/", func(http.ResponseWriter, *http.Request) error {
		return &refusal{status: http.StatusNotFound, title: "Not found", cause: errors.New("there is no such page"), hint: "go back, or begin at /"}
	})
	return mux
}

// page draws one of the door's pages.
func (d *Door) page(w http.ResponseWriter, r *http.Request, status int, title, name string, data any) {
	var body bytes.Buffer
	if err := d.bodies.ExecuteTemplate(&body, name, data); err != nil {
		d.o.Log.Error("a page of the door does not draw", "page", name, "error", err)
		http.Error(w, "something went wrong", http.StatusInternalServerError)
		return
	}
	p := Page{Status: status, Title: title, Body: template.HTML(body.String())}
	if d.o.Frame != nil {
		d.o.Frame(w, r, p)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(p.Status)
	_ = d.bodies.ExecuteTemplate(w, "frame", p)
}

// showLogin shows the ways in. A one-time code that a person opened from a terminal is used at
// once. One that another page led to is asked about first, since it may be somebody else's, and so
// is one that would make the browser another account's than it is now: mail programs open links as
// terminals do.
func (d *Door) showLogin(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	next := local(q.Get("next"))
	if code := q.Get("code"); code != "" {
		account, err := d.codes.take(code, d.o.Clock(), true)
		if err != nil {
			return err
		}
		v, in := From(r.Context())
		if r.Header.Get("Sec-Fetch-Site") == "none" && r.Header.Get("Sec-Purpose") == "" && (!in || v.Account == account) {
			return d.useCode(w, r, code, next)
		}
		who, err := d.viewer(account, "")
		if err != nil {
			return err
		}
		d.page(w, r, http.StatusOK, "Log in", "code", map[string]any{"Who": who, "Code": code, "Next": next})
		return nil
	}
	if v, in := From(r.Context()); in && !d.o.Many {
		if v.Person == "" {
			return unlinkedPage(v)
		}
		http.Redirect(w, r, next, http.StatusSeeOther)
		return nil
	}
	var persons []offered
	if d.o.Many && d.o.Persons != nil {
		persons = d.offers(r, next)
	}
	if _, many := d.host(r, false); many != "" {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return nil
	}
	provider := ""
	if d.o.Provider != nil {
		provider = d.o.Provider.Name()
	}
	d.page(w, r, http.StatusOK, "Log in", "ways", map[string]any{"Next": next, "Provider": provider, "Persons": persons, "Many": d.o.Many})
	return nil
}

// offered is a person whom the demo lets one be.
type offered struct {
	ID, Name, Link string
}

// offers are the persons of a demo, each with a host of its own, so that the windows of one
// browser can be different people: cookies and storage belong to a host.
func (d *Door) offers(r *http.Request, next string) []offered {
	_, port := splitHost(r.Host)
	var out []offered
	for _, p := range d.o.Persons() {
		if p.Bot || p.Gone {
			continue
		}
		host := string(p.ID) + ".localhost"
		if port != "" {
			host += ":" + port
		}
		out = append(out, offered{ID: string(p.ID), Name: p.Name, Link: "http://" + host + next})
	}
	return out
}

// doLogin takes the one-time code or, in the demo, the person that a form of ours sends.
func (d *Door) doLogin(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	next := local(r.PostForm.Get("next"))
	if code := r.PostForm.Get("code"); code != "" {
		return d.useCode(w, r, code, next)
	}
	id := r.PostForm.Get("person")
	switch {
	case id == "":
		return errs.E("login", errs.Invalid, errors.New("neither a code nor a person was sent")).Hint("begin again at /login")
	case !d.o.Many:
		return errs.E("login", errs.Denied, errors.New("nobody can be picked here")).Hint("log in by one of the ways at /login")
	case !d.known(id):
		return errs.E("login", errs.NotFound, fmt.Errorf("there is no person %q", clip(id, 60))).Hint("pick one at /login")
	}
	if err := d.attempt(r); err != nil {
		return err
	}
	return d.enter(w, r, session{Account: "console:" + id, Handle: id, Person: people.PersonID(id), Way: "pick"}, next)
}

func (d *Door) useCode(w http.ResponseWriter, r *http.Request, code, next string) error {
	if err := d.attempt(r); err != nil {
		return err
	}
	account, err := d.codes.take(code, d.o.Clock(), false)
	if err != nil {
		return err
	}
	who, err := d.viewer(account, "")
	if err != nil {
		return err
	}
	if who.Person == "" {
		return unlinked(account)
	}
	return d.enter(w, r, session{Account: account, Person: who.Person, Way: "code"}, next)
}

// attempt takes one of the attempts to come in that an address has.
func (d *Door) attempt(r *http.Request) error {
	l := d.o.Limits
	if !d.rates.allow("login/"+place(visitOf(r).client), l.LoginsPerMinute/60, int(l.LoginsPerMinute), d.o.Clock()) {
		return &refusal{status: http.StatusTooManyRequests, title: "Slower, please", cause: errors.New("too many attempts to log in came from there"), hint: "wait a minute and try again", wait: time.Minute}
	}
	return nil
}

// enter begins a session in place of any that the browser had, and leads on.
func (d *Door) enter(w http.ResponseWriter, r *http.Request, s session, next string) error {
	v := visitOf(r)
	if old, ok := sessionCookie(r, v.secure); ok {
		if was, found := d.session(old); found {
			if _, err := d.end(was.Account, func(o session) bool { return o.key == was.key }); err != nil {
				return err
			}
		}
	}
	s.Agent = r.UserAgent()
	secret, err := d.begin(s)
	if err != nil {
		return err
	}
	setCookie(w, r, v.secure, sessionWhat, secret, d.o.Lifetime)
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}

func badForm(err error) error {
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return err
	}
	return errs.E("login", errs.Invalid, errors.New("what was sent is not a form")).Hint("go back and send it again")
}

func (d *Door) askLogout(w http.ResponseWriter, r *http.Request) error {
	v, in := From(r.Context())
	d.page(w, r, http.StatusOK, "Log out", "logout", map[string]any{"Who": v, "In": in})
	return nil
}

// doLogout ends this session. A host of the demo has none: its person is chosen anew.
func (d *Door) doLogout(w http.ResponseWriter, r *http.Request) error {
	v, in := From(r.Context())
	at := visitOf(r)
	if in && at.session != "" {
		if _, err := d.end(v.Account, func(s session) bool { return s.name() == at.session }); err != nil {
			return err
		}
	}
	return d.leave(w, r, v)
}

// leave clears what the browser keeps, and leads on.
func (d *Door) leave(w http.ResponseWriter, r *http.Request, v Viewer) error {
	setCookie(w, r, visitOf(r).secure, sessionWhat, "", 0)
	w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	if _, many := d.host(r, false); many != "" {
		_, port := splitHost(r.Host)
		http.Redirect(w, r, "http://localhost:"+port+"/login", http.StatusSeeOther)
		return nil
	}
	provider, address := "", ""
	if d.o.Provider != nil && strings.HasPrefix(v.Account, "oidc:") {
		provider, address = d.o.Provider.Name(), d.o.Provider.logoutURL()
	}
	d.page(w, r, http.StatusOK, "Logged out", "out", map[string]any{"Provider": provider, "Address": address})
	return nil
}

// account shows a person the ways in that are open to him.
func (d *Door) account(w http.ResponseWriter, r *http.Request) error {
	return d.showAccount(w, r, "", http.StatusOK)
}

func (d *Door) showAccount(w http.ResponseWriter, r *http.Request, secret string, status int) error {
	v, in := From(r.Context())
	if !in {
		d.strangers(w, r)
		return nil
	}
	sessions, err := d.sessions(v.Account, visitOf(r).session)
	if err != nil {
		return err
	}
	tokens, err := d.Tokens(v.Person)
	if err != nil {
		return err
	}
	d.page(w, r, status, "Your account", "account", map[string]any{"Who": v, "Sessions": sessions, "Tokens": tokens,
		"Scopes": Scopes(), "Secret": secret, "Now": d.o.Clock()})
	return nil
}

// bySession is the viewer of a form on the account page: somebody with a session, never a token.
func (d *Door) bySession(r *http.Request) (Viewer, error) {
	v, in := From(r.Context())
	if !in {
		return v, &refusal{status: http.StatusUnauthorized, title: "Not logged in", cause: errors.New("you are not logged in"), hint: "log in at /login"}
	}
	if err := r.ParseForm(); err != nil {
		return v, badForm(err)
	}
	return v, nil
}

func (d *Door) endSession(w http.ResponseWriter, r *http.Request) error {
	v, err := d.bySession(r)
	if err != nil {
		return err
	}
	id := r.PostForm.Get("session")
	n, err := d.end(v.Account, func(s session) bool { return s.name() == id })
	if err != nil {
		return err
	}
	if n == 0 {
		return errs.E("login", errs.NotFound, errors.New("there is no such session")).Hint("it may have ended already: see /account")
	}
	http.Redirect(w, r, "/account", http.StatusSeeOther)
	return nil
}

func (d *Door) endAll(w http.ResponseWriter, r *http.Request) error {
	v, err := d.bySession(r)
	if err != nil {
		return err
	}
	if _, err := d.EndSessions(v.Account); err != nil {
		return err
	}
	return d.leave(w, r, v)
}

func (d *Door) makeToken(w http.ResponseWriter, r *http.Request) error {
	v, err := d.bySession(r)
	if err != nil {
		return err
	}
	scopes, err := ParseScopes(strings.Join(r.PostForm["scope"], ","))
	if err != nil {
		return err
	}
	days, err := strconv.Atoi(r.PostForm.Get("days"))
	if err != nil || days < 1 || days > 366 {
		return errs.E("login.token", errs.Invalid, fmt.Errorf("%q is no number of days", clip(r.PostForm.Get("days"), 20))).Hint("write 1 to 366")
	}
	secret, _, err := d.NewToken(v, r.PostForm.Get("name"), scopes, time.Duration(days)*24*time.Hour)
	if err != nil {
		return err
	}
	return d.showAccount(w, r, secret, http.StatusCreated)
}

func (d *Door) revokeToken(w http.ResponseWriter, r *http.Request) error {
	v, err := d.bySession(r)
	if err != nil {
		return err
	}
	if _, err := d.RevokeToken(v.Person, r.PostForm.Get("token")); err != nil {
		return err
	}
	http.Redirect(w, r, "/account", http.StatusSeeOther)
	return nil
}
