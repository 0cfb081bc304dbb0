package mail

import (
	"context"
	"html/template"
	"net/http"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/subscription"
)

// Subscriptions are what the links of mails lead to. A token is all that is needed: only the
// addressee has it. Looking changes nothing. Errors: [errs.NotFound] for a token that was not given,
// or whose subscription has ended.
type Subscriptions interface {
	StopLook(token string) (subscription.Subscription, error)
	StopByLink(ctx context.Context, token string) (subscription.Subscription, error)
	ConfirmLook(token string) (subscription.Subscription, error)
	ConfirmByLink(ctx context.Context, token string) (subscription.Subscription, error)
}

// NewLinks serves /unsubscribe/TOKEN and /subscribe/TOKEN. A GET shows what would happen and a
// button: mail scanners follow links. A POST does it; mail programs send one with the body
// List-Unsubscribe=One-Click (RFC 8058 §3.1), from anywhere and without cookies, so neither the
// origin nor the body is looked at.
func NewLinks(s Subscriptions) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/unsubscribe/{token}", link{look: s.StopLook, act: s.StopByLink, title: "Unsubscribe", button: "Send no more",
		before: "is told of", after: "is told no more of", gone: "There is no such subscription, or it has ended already. Nothing is sent to you through this link."})
	mux.Handle("/subscribe/{token}", link{look: s.ConfirmLook, act: s.ConfirmByLink, title: "Confirm", button: "I agree",
		before: "would be told of", after: "is told from now on of", gone: "There is no such request, or it was taken back."})
	return mux
}

// link is one of the two pages.
type link struct {
	look                               func(token string) (subscription.Subscription, error)
	act                                func(ctx context.Context, token string) (subscription.Subscription, error)
	title, button, before, after, gone string
}

// linkPage is what the page shows.
type linkPage struct {
	Title, Text, Button string
}

// linkHTML is the whole page: no script, no style of its own but that of the browser, nothing from
// elsewhere, and nothing in it that a search engine or another site could use.
const linkHTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>{{.Title}} · Slipway</title>
</head>
<body>
<main>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
{{if .Button}}<form method="post"><button type="submit">{{.Button}}</button></form>{{end}}
</main>
</body>
</html>
`

func (l link) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer") // the address is a secret of the addressee
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	token := r.PathValue("token")
	var s subscription.Subscription
	var err error
	page := linkPage{Title: l.title}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if s, err = l.look(token); err == nil {
			page.Text, page.Button = s.To.String()+" "+l.before+" "+s.Filter.String()+".", l.button
		}
	case http.MethodPost:
		if s, err = l.act(r.Context(), token); err == nil {
			page.Text = s.To.String() + " " + l.after + " " + s.Filter.String() + "."
		}
	default:
		h.Set("Allow", "GET, HEAD, POST")
		http.Error(w, "use GET or POST", http.StatusMethodNotAllowed)
		return
	}
	status := http.StatusOK
	switch {
	case err == nil:
	case errs.Is(err, errs.NotFound):
		status, page.Text = http.StatusNotFound, l.gone
	default:
		status, page.Text = http.StatusServiceUnavailable, "That could not be done now. Please try again in a minute."
	}
	t, err := template.New("link").Parse(linkHTML)
	if err != nil {
		http.Error(w, "the page does not work", http.StatusInternalServerError)
		return
	}
	var b strings.Builder
	if err := t.Execute(&b, page); err != nil {
		http.Error(w, "the page does not work", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String()))
}
