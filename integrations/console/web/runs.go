package web

import (
	"net/http"
	"net/url"

	"slipway/bot/view"
)

// runsPage is the data of templates/runs.html.
type runsPage struct {
	view.RunList
	Query    view.Query
	Projects []string
	More     string // address of the next page
	First    string // address of the first page, on later ones
	Tabs     []tabView
	Narrowed bool
	Command  string // how a newcomer begins
}

// tabView is one of a few lists to choose from.
type tabView struct {
	Name, URL string
	Here      bool
}

// runs lists runs: newest first, with a search and filters in the address.
func (s *Site) runs(w http.ResponseWriter, r *http.Request) error {
	ask := r.URL.Query()
	q := view.Query{Text: ask.Get("q"), Project: ask.Get("project"), Family: ask.Get("family"), Status: ask.Get("status"),
		Requester: ask.Get("requester"), Which: ask.Get("which"), Order: ask.Get("order"), After: ask.Get("after"), Limit: 40}
	for _, text := range []*string{&q.Text, &q.Project, &q.Family, &q.Status, &q.Requester, &q.Which} { // they come back in the page
		*text = plain(*text)
	}
	list, err := s.o.Reader.Runs(r.Context(), personOf(r).Person, q)
	if err != nil {
		return err
	}
	st, err := s.o.Reader.Status(r.Context(), personOf(r).Person)
	if err != nil {
		return err
	}
	p := &runsPage{RunList: list, Query: q, Projects: st.Projects, Command: s.first()}
	with := func(name, value string) string {
		next := url.Values{}
		for k, v := range ask {
			if k != "after" && k != "fragment" && k != name && len(v) > 0 && v[0] != "" {
				next.Set(k, v[0])
			}
		}
		if value != "" {
			next.Set(name, value)
		}
		if len(next) == 0 {
			return "/runs"
		}
		return "/runs?" + next.Encode()
	}
	if list.Next != "" {
		p.More = with("after", list.Next)
	}
	if q.After != "" {
		p.First = with("after", "")
	}
	for _, t := range []tabView{{Name: "All"}, {Name: "Under way", URL: "live"}, {Name: "Ended", URL: "past"}} {
		p.Tabs = append(p.Tabs, tabView{t.Name, with("which", t.URL), q.Which == t.URL})
	}
	p.Narrowed = q.Text != "" || q.Project != "" || q.Status != "" || q.Requester != "" || q.Family != ""
	return s.render(w, r, "runs", p)
}
