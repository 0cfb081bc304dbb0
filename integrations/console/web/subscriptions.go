package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/run"
	"slipway/bot/subscription"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// Told is where the pages about who is told what read. What people change there is said as a
// command of theirs.
type Told interface {
	Subscriptions() []subscription.Subscription
	Broadcasts(ctx context.Context, run string, most int) ([]engine.Broadcast, error)
	World() run.World
	Location(zone string) *time.Location
}

// Tellings are the options of these pages. Without Told there are none.
type Tellings struct {
	Told     Told
	Projects []string
	Families []string // playbooks that can be chosen
}

// tellRoutes are rows of the table of [Site.routes].
func (s *Site) tellRoutes() []route {
	if s.o.Told == nil {
		return nil
	}
	look := []login.Scope{login.Read}
	rows := []route{
		{"GET /subscriptions", look, s.subscriptions},
		{"POST /subscriptions", login.Scopes(), s.subscribe},
		{"POST /subscriptions/end", login.Scopes(), s.unsubscribe},
	}
	if s.o.Reader != nil {
		rows = append(rows, route{"GET /runs/{id}/told", look, s.told}, route{"POST /runs/{id}/told", login.Scopes(), s.correct})
	}
	return rows
}

func (s *Site) tellLinks() []navLink {
	if s.o.Told == nil {
		return nil
	}
	return []navLink{{Name: "Subscriptions", URL: "/subscriptions", Icon: "send"}}
}

// subscriptionsPage is the data of templates/subscriptions.html.
type subscriptionsPage struct {
	Viewer   login.Viewer
	Own      []subView
	Others   []subView // of channels that the viewer sees, and of projects that are theirs
	Projects []string
	Families []string
	Channels []string
	Zone     string
	Mail     string // the viewer's own address
	Wish     wishForm
	Preview  *wishPreview
	Said     string // address of what was just said
	SayID    string
	Path     string
}

// subView is one subscription.
type subView struct {
	subscription.Subscription
	To    string
	State string // "", waiting or failed
	Words string
	SayID string
}

// wishForm is the form as it was filled in.
type wishForm struct {
	Project, Family, Severity, About, How, Address, When, Day, At, Quiet, Zone string
	Urgent                                                                     bool
}

// wishPreview says what a form would do.
type wishPreview struct {
	Say   string // the command
	Where string // the channel that it is said in; "": the viewer's own room
	Means string
	Next  time.Time // when news of this moment would come
	Wrong string
}

// subscriptions lists who is told what, as far as it concerns the viewer, with a form for more.
func (s *Site) subscriptions(w http.ResponseWriter, r *http.Request) error {
	v := personOf(r)
	world := s.o.Told.World()
	me, _ := world.Directory.Person(v.Person)
	p := &subscriptionsPage{Viewer: v, Projects: s.o.Tellings.Projects, Families: s.o.Tellings.Families, Zone: me.Zone, Mail: me.Mail, SayID: s.o.NewID(), Path: r.URL.RequestURI()}
	seen, err := s.o.Desk.Seen(v.Account)
	if err != nil {
		return err
	}
	for _, c := range seen {
		if !console.IsDirect(c) {
			p.Channels = append(p.Channels, c)
		}
	}
	for _, sub := range s.o.Told.Subscriptions() {
		own := v.Person != "" && (sub.To.Person == v.Person || sub.By == v.Person || sub.To.Mail != "" && subscription.SameAddress(me.Mail, sub.To.Mail))
		here := sub.To.Source == console.Source && slices.Contains(p.Channels, sub.To.Place)
		leads := subscription.MaySpeak(world.Directory, v.Person, projectOf(sub), world.Now) == nil
		one := subView{Subscription: sub, To: sub.To.String(), Words: sub.Filter.String() + "; " + sub.Rules.String(), SayID: s.o.NewID()}
		if sub.To.Person == v.Person && v.Person != "" {
			one.To = "You, in this console"
		}
		switch {
		case sub.GivenUp != "":
			one.State = "failed"
		case sub.Confirmed.IsZero():
			one.State = "waiting"
		}
		switch {
		case own:
			p.Own = append(p.Own, one)
		case here || leads:
			p.Others = append(p.Others, one)
		}
	}
	q := r.URL.Query()
	if said := q.Get("said"); said != "" {
		p.Said = "/c/" + console.Mine + "/" + url.PathEscape(said)
		if c := q.Get("in"); slices.Contains(p.Channels, c) {
			p.Said = "/c/" + url.PathEscape(c) + "/" + url.PathEscape(said)
		}
	}
	p.Wish = readWish(q)
	if q.Has("preview") {
		p.Preview = s.previewOf(p.Wish, me, world.Now)
	}
	return s.render(w, r, "subscriptions", p)
}

func projectOf(s subscription.Subscription) string {
	if s.Filter.Project == "" {
		return subscription.EveryProject
	}
	return s.Filter.Project
}

func readWish(q url.Values) wishForm {
	get := func(name string) string { return oneLine(q.Get(name)) }
	f := wishForm{Project: get("project"), Family: get("family"), Severity: get("severity"), About: get("about"), How: get("how"), Address: get("address"),
		When: get("when"), Day: get("day"), At: get("at"), Quiet: get("quiet"), Zone: get("zone"), Urgent: q.Get("urgent") != ""}
	if f.At == "" {
		f.At = "08:00"
	}
	return f
}

// command is the line that the form stands for, and the channel that it is said in.
func (f wishForm) command() (line, channel string) {
	words := []string{"subscribe"}
	add := func(list ...string) { words = append(words, list...) }
	if add(f.Project); f.Project == "" {
		words[1] = subscription.EveryProject
	}
	if f.Family != "" {
		add(f.Family)
	}
	if f.Severity != "" {
		add("severity>=" + f.Severity)
	}
	if f.About != "" {
		add("about=" + strings.ReplaceAll(f.About, " ", ""))
	}
	switch name, is := strings.CutPrefix(f.How, "#"); {
	case is:
		channel = name
		add("here")
	case f.How == "mail" && f.Address != "":
		add("by", "mail", f.Address)
	case f.How == "mail":
		add("by", "mail")
	default:
		add("me")
	}
	timed := f.Quiet != ""
	switch f.When {
	case "daily", "weekdays":
		add(f.When, "at", f.At)
		timed = true
	case "weekly":
		add("weekly", f.Day, "at", f.At)
		timed = true
	}
	if f.Quiet != "" {
		add("quiet", f.Quiet)
	}
	if timed && f.Urgent {
		add("except", "urgent")
	}
	if timed && f.Zone != "" {
		add("in", f.Zone)
	}
	for i, w := range words[1:] {
		if strings.ContainsAny(w, " \t\"'`\n\r") || w == "" {
			words[i+1] = quoted(w) // one word, whatever was typed: it is refused by whoever reads it
		}
	}
	return strings.Join(words, " "), channel
}

// previewOf reads the form as the command will be read.
func (s *Site) previewOf(f wishForm, me people.Person, now time.Time) *wishPreview {
	line, channel := f.command()
	p := &wishPreview{Say: line, Where: channel}
	w, err := subscription.Parse(strings.Fields(line)[1:], subscription.Known{Projects: s.o.Tellings.Projects, Families: s.o.Tellings.Families})
	if err != nil {
		p.Wrong = errs.Text(err)
		return p
	}
	if w.Rules.Zone == "" && channel == "" {
		w.Rules.Zone = me.Zone
	}
	p.Means = w.Filter.String() + "; " + w.Rules.String()
	p.Next = w.Rules.When(subscription.Notice, now, s.o.Told.Location(w.Rules.Zone))
	return p
}

// subscribe says the command that the form stands for.
func (s *Site) subscribe(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	line, channel := readWish(r.PostForm).command()
	return s.tellSay(w, r, channel, line, "/subscriptions")
}

func (s *Site) unsubscribe(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	return s.tellSay(w, r, "", "unsubscribe "+quoted(oneLine(r.PostForm.Get("subscription"))), "/subscriptions")
}

// tellSay says a command for the viewer, in a channel or in their own room, and leads back to a page
// that links to it.
func (s *Site) tellSay(w http.ResponseWriter, r *http.Request, channel, line, to string) error {
	v := personOf(r)
	if channel == "" {
		channel = console.Mine
	} else if _, err := s.place(v, channel); err != nil {
		return err
	}
	m, err := s.o.Desk.Say(r.Context(), v.Account, console.Saying{ID: r.PostForm.Get("id"), Channel: channel, Text: line})
	if err != nil {
		return err
	}
	to += "?said=" + url.QueryEscape(m.ID)
	if channel != console.Mine {
		to += "&in=" + url.QueryEscape(channel)
	}
	back(w, r, to)
	return nil
}

// toldMost bounds how much of a run is listed.
const toldMost = 100

// toldPage is the data of templates/told.html.
type toldPage struct {
	Run   string
	Name  string
	List  []toldView
	Said  string
	Leads bool
}

// toldView is one thing that was told.
type toldView struct {
	engine.Broadcast
	SayID string
}

// told lists what was told of a run, to whom and when. Addresses are shown whole only to people of
// the project.
func (s *Site) told(w http.ResponseWriter, r *http.Request) error {
	v := personOf(r)
	one, err := s.o.Reader.Run(r.Context(), v.Person, r.PathValue("id"))
	if err != nil {
		return err
	}
	list, err := s.o.Told.Broadcasts(r.Context(), one.ID, toldMost)
	if err != nil {
		return err
	}
	world := s.o.Told.World()
	p := &toldPage{Run: one.ID, Name: one.Name, Leads: subscription.MaySpeak(world.Directory, v.Person, one.Project, world.Now) == nil}
	for _, b := range list {
		for i := range b.Receipts {
			if strings.HasPrefix(b.Receipts[i].To, "mail:") && !p.Leads {
				b.Receipts[i].To, b.Receipts[i].Message = subscription.Masked(b.Receipts[i].To), ""
			}
		}
		p.List = append(p.List, toldView{b, s.o.NewID()})
	}
	slices.Reverse(p.List)
	if said := r.URL.Query().Get("said"); said != "" {
		p.Said = "/c/" + console.Mine + "/" + url.PathEscape(said)
	}
	return s.render(w, r, "told", p)
}

// correct says the correction of what was told.
func (s *Site) correct(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	text := strings.Join(strings.Fields(r.PostForm.Get("text")), " ")
	if text == "" {
		return errs.E("web.correct", errs.Invalid, errors.New("the correction is empty")).Hint("write what is right")
	}
	line := fmt.Sprintf("broadcast correct %s %s", quoted(oneLine(r.PostForm.Get("key"))), quoted(text))
	return s.tellSay(w, r, "", line, "/runs/"+url.PathEscape(r.PathValue("id"))+"/told")
}

// oneLine is what a field of a form holds: a second line would be a second command.
func oneLine(s string) string {
	if r := []rune(s); len(r) > 300 {
		s = string(r[:300])
	}
	return strings.Join(strings.Fields(s), " ")
}

// quoted is one word of a command, whatever is in it.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
