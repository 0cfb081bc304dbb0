package web

import (
	"net/http"

	"slipway/bot/errs"
	"slipway/integrations/console/login"
)

// Door draws a page of package login inside the layout: the ways in, refusals, the account. Give it
// to [login.Door.SetFrame].
func (s *Site) Door(w http.ResponseWriter, r *http.Request, p login.Page) {
	q := r.Clone(r.Context())
	q.URL.RawQuery = "" // a page of the door has no fragments, and its address may hold a code
	if err := s.renderAs(w, q, p.Status, "door", p); err != nil {
		s.o.Log.Error("a page of the door failed", "error", errs.Text(err))
		http.Error(w, p.Title, p.Status)
	}
}
