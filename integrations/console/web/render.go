package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

//go:embed templates
var templateFiles embed.FS

// maxZones is for how many time zones the templates are kept ready.
const maxZones = 48

// pages are the templates: layout.html and the shared parts with each page's own file. They are
// parsed once for each time zone in use, so that a template writes {{moment .At}} and nothing more.
type pages struct {
	site *Site
	mu   sync.Mutex
	sets map[string]map[string]*template.Template // zone → page → template
}

// pageNames are the pages that templates/NAME.html describes. Each defines "title" and "main",
// and a template "part-NAME" for each fragment.
func pageNames() []string {
	return append([]string{"channel", "door", "error", "help", "public", "subscriptions", "told"}, viewPages()...)
}

func loadPages(s *Site) (*pages, error) {
	p := &pages{site: s, sets: map[string]map[string]*template.Template{}}
	_, err := p.in(time.UTC)
	return p, err
}

// in are the templates that show times in a zone.
func (p *pages) in(zone *time.Location) (map[string]*template.Template, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if set := p.sets[zone.String()]; set != nil {
		return set, nil
	}
	if len(p.sets) >= maxZones {
		clear(p.sets)
	}
	set, err := p.parse(zone)
	if err != nil {
		return nil, err
	}
	p.sets[zone.String()] = set
	return set, nil
}

// parse reads the templates.
func (p *pages) parse(zone *time.Location) (map[string]*template.Template, error) {
	base, err := template.New("").Funcs(p.site.funcs(zone)).Funcs(viewFuncs()).ParseFS(templateFiles, "templates/layout.html", "templates/parts/*.html")
	if err != nil {
		return nil, err
	}
	set := map[string]*template.Template{}
	for _, name := range pageNames() {
		t, err := base.Clone()
		if err != nil {
			return nil, err
		}
		if set[name], err = t.ParseFS(templateFiles, "templates/"+name+".html"); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// frame is what every template gets. Page is the data of the page itself.
type frame struct {
	Viewer   login.Viewer
	LoggedIn bool
	Theme    string // "", "light" or "dark"
	Path     string // of this page, for forms that come back to it
	Links    []navLink
	Channels []navChannel
	People   []Person // of a demonstration
	Position string   // of the stream, from which this page must be told what changed
	Page     any
}

// navLink is an entry of the navigation.
type navLink struct {
	Name string
	URL  string
	Icon string // the id of a symbol in templates/parts/icons.html
	Here bool
}

// navChannel is a channel in the navigation.
type navChannel struct {
	Name   string // "general", or "You and Slipway"
	URL    string
	ID     string // as in changes of the room: "general", "@hana"
	Direct bool
	Here   bool
	Unread int // messages that this browser has not shown, at most maxUnread
}

// newFrame is the frame of a request; what cannot be read is left out, so that an error page
// always has one.
func (s *Site) newFrame(r *http.Request) *frame {
	f := &frame{Theme: themeOf(r), Path: r.URL.RequestURI(), Position: s.positionOf(r), People: s.o.Example}
	f.Viewer, f.LoggedIn = login.From(r.Context())
	if !f.LoggedIn {
		return f
	}
	f.Links = append(s.viewLinks(), s.tellLinks()...)
	for i := range f.Links {
		f.Links[i].Here = f.Links[i].URL == r.URL.Path || strings.HasPrefix(r.URL.Path, f.Links[i].URL+"/")
	}
	seen, err := s.o.Desk.Seen(f.Viewer.Account)
	if err != nil {
		s.o.Log.Warn("the channels cannot be listed", "error", errs.Text(err))
		return f
	}
	marks := readMarks(r)
	for _, id := range seen {
		c := navChannel{Name: id, URL: "/c/" + id, ID: id, Direct: console.IsDirect(id)}
		if c.Direct {
			c.Name, c.URL = "You and Slipway", "/c/"+console.Mine
		}
		here, _ := s.o.Desk.Place(f.Viewer.Account, r.PathValue("channel"))
		c.Here = id == here
		if !c.Here {
			if c.Unread, err = s.o.Desk.Room.Newer(id, marks[id], maxUnread); err != nil {
				c.Unread = 0
			}
		}
		f.Channels = append(f.Channels, c)
	}
	// Channels first, by name; one's own room last.
	slices.SortStableFunc(f.Channels, func(a, b navChannel) int {
		switch {
		case a.Direct == b.Direct:
			return 0
		case a.Direct:
			return 1
		}
		return -1
	})
	return f
}

// render answers with a page, or, for ?fragment=A,B, with its templates "part-A" and "part-B",
// each of which makes one element whose id is the fragment's name.
func (s *Site) render(w http.ResponseWriter, r *http.Request, page string, data any) error {
	return s.renderAs(w, r, http.StatusOK, page, data)
}

func (s *Site) renderAs(w http.ResponseWriter, r *http.Request, status int, page string, data any) error {
	zone := time.UTC
	if _, in := login.From(r.Context()); in { // a stranger makes us parse no templates
		zone = zoneOf(r)
	}
	set, err := s.pages.in(zone)
	if err != nil {
		return errs.E("web.render", errs.Internal, err)
	}
	t := set[page]
	if t == nil {
		return errs.E("web.render", errs.Internal, fmt.Errorf("there is no template %q", page))
	}
	f := s.newFrame(r)
	f.Page = data
	names := []string{"layout"}
	if list := r.URL.Query().Get("fragment"); list != "" {
		names = nil
		for _, name := range strings.Split(list, ",") {
			if t.Lookup("part-"+name) == nil || len(names) > 20 {
				return errs.E("web.render", errs.NotFound, fmt.Errorf("this page has no part %q", clip(name))).Hint("load the page again")
			}
			names = append(names, "part-"+name)
		}
	}
	var out bytes.Buffer // whole before anything is sent: an error must not be half a page
	for _, name := range names {
		if err := t.ExecuteTemplate(&out, name, f); err != nil {
			return errs.E("web.render", errs.Internal, err)
		}
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store") // it is the viewer's own, and says how things stand now
	h.Set("X-Slipway-Position", f.Position)
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes())
	return nil
}
