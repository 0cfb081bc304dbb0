package web

import (
	"fmt"
	"net/http"
	"time"

	"slipway/bot/errs"
	"slipway/bot/view"
)

// calendarPage is the data of templates/calendar.html.
type calendarPage struct {
	view.Calendar
	Title       string // "November 2026"
	Weeks       [][]dayView
	Before      string // addresses of the months around
	After       string
	Today       string
	ThisMonth   bool
	List        []dayView // days with something on them, from today on
	Zone        string
	FreezesNow  []view.Freeze
	FreezesNext []view.Freeze
	Away        []view.Away
}

// dayView is one day.
type dayView struct {
	Date    time.Time
	Number  int
	Out     bool // of another month
	Today   bool
	Weekend bool
	Freezes []view.Freeze
	Items   []dayItem
	More    int // items that are not shown in the grid
}

// dayItem is something on a day.
type dayItem struct {
	At    time.Time
	Kind  string // planned, deadline, expire, at, retry, remind
	Text  string
	Run   view.Ref
	Step  string
	Every string
}

// dayMost bounds the items of a day in the grid.
const dayMost = 3

// calendar shows a month: freezes, planned starts, deadlines.
func (s *Site) calendar(w http.ResponseWriter, r *http.Request) error {
	zone := zoneOf(r)
	now := s.o.Clock().In(zone)
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, zone)
	if text := r.URL.Query().Get("month"); text != "" {
		at, err := time.ParseInLocation("2006-01", text, zone)
		if err != nil || at.Year() < 1990 || at.Year() > 2200 {
			return errs.E("web.calendar", errs.Invalid, fmt.Errorf("%q is not a month", clip(text))).Hint("write it as %s", now.Format("2006-01"))
		}
		month = at
	}
	first := month.AddDate(0, 0, -(int(month.Weekday())+6)%7) // the Monday before
	next := month.AddDate(0, 1, 0)
	last := next.AddDate(0, 0, (8-int(next.Weekday()))%7)
	c, err := s.o.Reader.Calendar(r.Context(), personOf(r).Person, first, last)
	if err != nil {
		return err
	}
	p := &calendarPage{Calendar: c, Title: month.Format("January 2006"), Before: "/calendar?month=" + month.AddDate(0, -1, 0).Format("2006-01"),
		After: "/calendar?month=" + next.Format("2006-01"), Today: "/calendar", ThisMonth: month.Month() == now.Month() && month.Year() == now.Year(), Zone: zone.String()}
	items := map[string][]dayItem{}
	add := func(i dayItem) {
		key := i.At.In(zone).Format(time.DateOnly)
		items[key] = append(items[key], i)
	}
	for _, x := range c.Planned {
		add(dayItem{At: x.At, Kind: "planned", Text: x.Playbook + " of " + x.Project, Every: x.Every})
	}
	for _, x := range c.Due {
		if x.Kind != "remind" && x.Kind != "retry" {
			add(dayItem{At: x.At, Kind: x.Kind, Text: x.What, Run: x.Run, Step: x.Step})
		}
	}
	today := now.Format(time.DateOnly)
	for at := first; at.Before(last); at = at.AddDate(0, 0, 1) {
		if at.Weekday() == time.Monday {
			p.Weeks = append(p.Weeks, nil)
		}
		key := at.Format(time.DateOnly)
		d := dayView{Date: at, Number: at.Day(), Out: at.Month() != month.Month(), Today: key == today,
			Weekend: at.Weekday() == time.Saturday || at.Weekday() == time.Sunday, Items: items[key]}
		for _, f := range c.Freezes {
			if f.From.Before(at.AddDate(0, 0, 1)) && (f.Until.IsZero() || f.Until.After(at)) {
				d.Freezes = append(d.Freezes, f)
			}
		}
		if len(d.Items) > 0 && !d.Out {
			p.List = append(p.List, d)
		}
		if d.More = len(d.Items) - dayMost; d.More > 0 {
			d.Items = d.Items[:dayMost]
		}
		p.Weeks[len(p.Weeks)-1] = append(p.Weeks[len(p.Weeks)-1], d)
	}
	p.Away = c.Away
	for _, f := range c.Freezes {
		if f.Holds {
			p.FreezesNow = append(p.FreezesNow, f)
		} else if f.From.After(c.Now) {
			p.FreezesNext = append(p.FreezesNext, f)
		}
	}
	return s.render(w, r, "calendar", p)
}
