package slack

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"

	"slipway/bot/card"
	"slipway/bot/errs"
	fake "slipway/test/fakes/slack"
)

// site is a workspace and a client for it.
type site struct {
	*testing.T
	fake   *fake.Server
	client *Client

	mu  sync.Mutex
	now time.Time
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{T: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	s.fake = fake.Start(t, fake.Options{Now: s.Now})
	s.client = s.as(Options{})
	return s
}

func (s *site) as(o Options) *Client {
	s.Helper()
	app := s.fake.App()
	if o.URL == "" {
		o.URL = s.fake.URL
	}
	if o.Token == "" {
		o.Token = app.Token
	}
	if o.Team == "" {
		o.Team = "T0HARBOUR"
	}
	o.Now = s.Now
	o.Wait = func(_ context.Context, d time.Duration) error { s.later(d); return nil }
	c, err := New(o)
	if err != nil {
		s.Fatal(err)
	}
	return c
}

func (s *site) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) later(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func wantKind(t *testing.T, kind errs.Kind, err error, words ...string) {
	t.Helper()
	if errs.KindOf(err) != kind || err == nil {
		t.Fatalf("got %v (%v), want %v", err, errs.KindOf(err), kind)
	}
	for _, w := range words {
		if !strings.Contains(errs.Text(err), w) {
			t.Errorf("%q is missing in %q", w, errs.Text(err))
		}
	}
	if text := fmt.Sprint(err) + errs.Text(err); strings.Contains(text, "xoxb-0") || strings.Contains(text, "xapp-1") || strings.Contains(text, "127.0.0.1") {
		t.Errorf("it says too much: %s", text)
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	good := Options{Token: "xoxb-1", Team: "T0HARBOUR", Now: time.Now}
	for what, change := range map[string]func(*Options){
		"no token": func(o *Options) { o.Token = "" }, "a person's token": func(o *Options) { o.Token = "xoxp-1" }, "a prefix alone": func(o *Options) { o.Token = "xoxb-" },
		"a line break": func(o *Options) { o.Token = "xoxb-1\n" }, "a bot's app token": func(o *Options) { o.AppToken = "xoxb-1" },
		"a name": func(o *Options) { o.Team = "harbour" }, "no team": func(o *Options) { o.Team = "" },
		"no address": func(o *Options) { o.URL = "slack.com" }, "a password": func(o *Options) { o.URL = "https://u:p@slack.com/api/" }, "a query": func(o *Options) { o.URL = "https://slack.com/api/?x" },
	} {
		o := good
		if change(&o); true {
			_, err := New(o)
			if t.Log(what); err == nil {
				t.Errorf("%s is taken", what)
				continue
			}
			wantKind(t, errs.Invalid, err)
			if errs.HintOf(err) == "" {
				t.Errorf("%s: there is no hint", what)
			}
		}
	}
	if c, err := New(good); err != nil || c.base.String() != "https://slack.com/api/" || c.API() == nil {
		t.Errorf("got %v, %v", c, err)
	}
	if _, err := New(Options{Token: "xoxb-1", Team: "T0HARBOUR"}); !errs.Is(err, errs.Internal) {
		t.Errorf("without a clock: %v", err)
	}
}

func TestMe(t *testing.T) {
	s := newSite(t)
	app := s.fake.App()
	me, err := s.client.Me(t.Context())
	if err != nil || me.User != app.User || me.Bot != app.Bot || me.App != app.ID || me.Team != "T0HARBOUR" || me.Name != "slipway" || !slices.Contains(me.Scopes, "chat:write") {
		t.Fatalf("got %+v, %v", me, err)
	}
	if _, err := s.client.Me(t.Context()); err != nil || s.fake.Asked("auth.test") != 1 {
		t.Errorf("asked %d times, %v", s.fake.Asked("auth.test"), err)
	}
	s.fake.SetApp(func(a *fake.App) { a.Scopes = []string{"chat:write"} })
	if me, err = s.client.Look(t.Context()); err != nil || !slices.Equal(me.Scopes, []string{"chat:write"}) || me.App != app.ID || s.fake.Asked("bots.info") != 1 {
		t.Errorf("a look: %+v, %v", me, err)
	}
	s.fake.Revoke(app.Token)
	_, err = s.client.Look(t.Context())
	wantKind(t, errs.Denied, err, "token_file")
	s.later(time.Hour)
	_, err = s.client.Me(t.Context())
	wantKind(t, errs.Denied, err, "token_file")
}

// A token that proves another workspace or app is refused (CVE-2023-5356 was the same in commands).
func TestATokenOfAnotherWorkspaceOrAppIsRefused(t *testing.T) {
	s := newSite(t)
	_, err := s.as(Options{Team: "T0OTHER"}).Me(t.Context())
	wantKind(t, errs.Denied, err, "T0HARBOUR", "T0OTHER")
	_, err = s.as(Options{App: "A0OTHER"}).Me(t.Context())
	wantKind(t, errs.Denied, err, "A0OTHER")
	s.fake.AddTeam(fake.Team{ID: "T0FOREIGN", Name: "Foreign", Domain: "foreign"})
	foreign := s.fake.AddToken(fake.Token{Team: "T0FOREIGN", Scopes: s.fake.App().Scopes})
	_, err = s.as(Options{Token: foreign.Value}).Me(t.Context())
	wantKind(t, errs.Denied, err, "T0FOREIGN")
}

func TestStanding(t *testing.T) {
	s := newSite(t)
	s.fake.AddTeam(fake.Team{ID: "T0FOREIGN", Name: "Foreign", Domain: "foreign"})
	add := func(u fake.User) string { return s.fake.AddUser(u).ID }
	hana := add(fake.User{Name: "hana"})
	foreign := add(fake.User{Team: "T0FOREIGN", Name: "hana"})
	s.fake.AddChannel(fake.Channel{Name: "shared", Shared: []string{"T0FOREIGN"}, Members: []string{hana, foreign, s.fake.App().User}})
	for user, want := range map[string]string{
		hana: "", "T0HARBOUR/" + hana: "", "T0FOREIGN/" + hana: "another workspace", foreign: "workspace", "T0HARBOUR/" + foreign: "workspace",
		add(fake.User{Name: "guest", Restricted: true}): "guest", add(fake.User{Name: "visitor", UltraRestricted: true}): "guest",
		add(fake.User{Name: "left", Deleted: true}): "deactivated", add(fake.User{Name: "robot", Bot: true}): "bot", s.fake.App().User: "bot", "USLACKBOT": "bot",
		"U0NOBODY0": "no such account",
	} {
		ok, why, err := s.client.Standing(t.Context(), user)
		if err != nil || ok != (want == "") || !strings.Contains(why, want) || ok != (why == "") {
			t.Errorf("%s: %v, %q, %v; want %q", user, ok, why, err, want)
		}
	}
	_, _, err := s.client.Standing(t.Context(), "hana")
	wantKind(t, errs.Invalid, err)
	s.fake.Fault(fake.Fault{Method: "users.info", Do: fake.BadGateway})
	_, _, err = s.client.Standing(t.Context(), hana)
	wantKind(t, errs.Unavailable, err)
	// It is read again each time: whoever leaves does not count from then on.
	s.fake.SetUser(hana, func(u *fake.User) { u.Deleted = true })
	if ok, why, err := s.client.Standing(t.Context(), hana); ok || err != nil || !strings.Contains(why, "deactivated") {
		t.Errorf("got %v, %q, %v", ok, why, err)
	}
}

func TestGroup(t *testing.T) {
	s := newSite(t)
	hana, grace := s.fake.AddUser(fake.User{Name: "hana"}).ID, s.fake.AddUser(fake.User{Name: "grace"}).ID
	g := s.fake.AddGroup(fake.Group{Handle: "maintainers", Users: []string{grace, hana}})
	got, err := s.client.Group(t.Context(), g.ID)
	want := []string{hana, grace}
	if slices.Sort(want); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	s.fake.SetGroup(g.ID, hana)
	if got, err = s.client.Group(t.Context(), g.ID); err != nil || !slices.Equal(got, []string{hana}) {
		t.Errorf("got %v, %v", got, err)
	}
	s.fake.DisableGroup(g.ID, true)
	if got, err = s.client.Group(t.Context(), g.ID); err == nil && len(got) > 0 {
		t.Errorf("a group that was disabled has %v", got)
	}
	_, err = s.client.Group(t.Context(), "S0NOWHERE")
	wantKind(t, errs.NotFound, err)
	_, err = s.client.Group(t.Context(), "maintainers")
	wantKind(t, errs.Invalid, err)
	s.fake.SetApp(func(a *fake.App) {
		a.Scopes = slices.DeleteFunc(a.Scopes, func(s string) bool { return s == "usergroups:read" })
	})
	_, err = s.client.Group(t.Context(), g.ID)
	wantKind(t, errs.Denied, err, "usergroups:read")
}

func TestWhatBecameOfACall(t *testing.T) {
	said := func(s string) error { return slackgo.SlackErrorResponse{Err: s} }
	for _, x := range []struct {
		err   error
		wrote bool
		want  errs.Kind
	}{
		{said("invalid_auth"), true, errs.Denied}, {said("missing_scope"), false, errs.Denied}, {said("restricted_action_thread_locked"), true, errs.Denied},
		{said("channel_not_found"), true, errs.NotFound}, {said("not_in_channel"), true, errs.NotFound}, {said("is_archived"), true, errs.Gone},
		{said("message_not_found"), false, errs.Gone}, {said("edit_window_closed"), false, errs.Gone}, {said("cant_update_message"), false, errs.Gone},
		{said("ratelimited"), true, errs.Busy}, {said("fatal_error"), true, errs.Doubtful}, {said("fatal_error"), false, errs.Unavailable},
		{said("internal_error"), true, errs.Doubtful}, {said("invalid_blocks"), true, errs.Invalid}, {said("something_new"), true, errs.Invalid},
		{&slackgo.RateLimitedError{RetryAfter: 3 * time.Second}, true, errs.Busy}, {slackgo.StatusCodeError{Code: 502}, true, errs.Doubtful},
		{slackgo.StatusCodeError{Code: 503}, false, errs.Unavailable}, {slackgo.StatusCodeError{Code: 302}, true, errs.Invalid}, {slackgo.StatusCodeError{Code: 403}, true, errs.Denied},
		{&url.Error{Op: "Post", URL: "https://slack.com/api/x?token=xoxb-0secret", Err: context.DeadlineExceeded}, true, errs.Doubtful},
		{context.Canceled, false, errs.Unavailable}, {held{left: time.Second}, true, errs.Busy}, {foreign{}, true, errs.Internal},
	} {
		err := Err("slack.test", x.err, x.wrote)
		wantKind(t, x.want, err)
		if errs.HintOf(err) == "" {
			t.Errorf("%v: there is no hint", x.err)
		}
	}
	if err := Err("x", nil, true); err != nil {
		t.Error(err)
	}
	if err := Err("x", &slackgo.RateLimitedError{RetryAfter: 3 * time.Second}, true); errs.After(err) != 3*time.Second {
		t.Errorf("it asks for %s", errs.After(err))
	}
}

// The token goes to the configured address and nowhere else, whatever an answer names
// (GHSA-3q3v-34v2-g88f was the same with files).
func TestTheTokenGoesNowhereElse(t *testing.T) {
	var got []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, r.URL.Path+r.Header.Get("Authorization"))
	}))
	defer other.Close()
	redirect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/api/auth.test", http.StatusTemporaryRedirect)
	}))
	defer redirect.Close()
	c, err := New(Options{URL: redirect.URL + "/api", Token: "xoxb-0secret", Team: "T0HARBOUR", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Me(t.Context())
	wantKind(t, errs.Invalid, err, "redirects")
	_, err = c.API().AuthTestContext(t.Context())
	wantKind(t, errs.Invalid, Err("x", err, false))
	wantKind(t, errs.Internal, c.Upload(t.Context(), "x", other.URL+"/upload", []byte("x")))
	for _, to := range []string{"http://files.slack.com/upload", "https://slack.com.evil.example/", "https://evilslack.com/", "https://u:p@files.slack.com/", "file:///etc/passwd", "::"} {
		if err := c.Upload(t.Context(), "x", to, []byte("x")); !errs.Is(err, errs.Internal) {
			t.Errorf("%s: %v", to, err)
		}
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, other.URL+"/api/auth.test", nil)
	if _, err := c.http.Do(req); err == nil {
		t.Error("a request went to another address")
	}
	if len(got) > 0 {
		t.Errorf("another server got %q", got)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for answer, want := range map[string]errs.Kind{
		`{"ok":false}`: errs.Doubtful, `[]`: errs.Doubtful, `<html>`: errs.Doubtful, ``: errs.Doubtful, `{"ok":true,"ts":7}`: errs.Doubtful,
		`{"ok":false,"error":"x","errors":{"strange":1}}`: errs.Invalid, `{"ok":true,"ts":"1.000001"}`: errs.Other,
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
		c, err := New(Options{URL: srv.URL + "/api/", Token: "xoxb-0secret", Team: "T0HARBOUR", Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			TS string `json:"ts"`
		}
		if err := c.Call(t.Context(), "x", "chat.postMessage", url.Values{"channel": {"C1"}}, &out, true); errs.KindOf(err) != want {
			t.Errorf("%s: %v (%v)", answer, err, errs.KindOf(err))
		}
		srv.Close()
	}
}

func TestWhatNeverReachedSlackDidNotHappen(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	c, err := New(Options{URL: srv.URL + "/api/", Token: "xoxb-0secret", Team: "T0HARBOUR", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, errs.Unavailable, c.Call(t.Context(), "x", "chat.postMessage", nil, nil, true), "cannot be reached")
	ended, end := context.WithCancel(t.Context())
	end()
	c.http.Transport.(*transport).turns.taken["chat.postMessage C1 3s"] = []time.Time{time.Now(), time.Now(), time.Now()}
	wantKind(t, errs.Busy, c.Call(ended, "x", "chat.postMessage", url.Values{"channel": {"C1"}}, nil, true))
}

func TestALimitWithoutATimeHolds(t *testing.T) {
	s := newSite(t)
	s.fake.Fault(fake.Fault{Method: "users.info", Do: fake.TooManyBare})
	hana := s.fake.AddUser(fake.User{Name: "hana"}).ID
	_, err := s.client.API().GetUserInfoContext(t.Context(), hana)
	if err = Err("x", err, false); !errs.Is(err, errs.Busy) || errs.After(err) != usualHold {
		t.Errorf("got %v, %s", err, errs.After(err))
	}
	_, err = s.client.User(t.Context(), hana)
	wantKind(t, errs.Busy, err, "asked us to wait")
	s.later(usualHold)
	if u, err := s.client.User(t.Context(), hana); err != nil || u.Handle != "hana" {
		t.Errorf("got %+v, %v", u, err)
	}
}

func TestPlacesAndAccounts(t *testing.T) {
	if p, err := ParsePlace("T0HARBOUR/C0RELEASE"); err != nil || p.ID() != "T0HARBOUR/C0RELEASE" {
		t.Errorf("got %+v, %v", p, err)
	}
	for _, bad := range []string{"", "/", "T0HARBOUR", "T0HARBOUR/", "T0HARBOUR/general", "t0harbour/C0RELEASE", "T0HARBOUR/C0RELEASE/x", "T0HARBOUR/U0HANA"} {
		if _, err := ParsePlace(bad); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
		if bad == "T0HARBOUR/U0HANA" {
			continue
		}
		if _, _, err := ParseAccount(bad); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if team, user, err := ParseAccount("T0HARBOUR/U0HANA"); err != nil || AccountID(team, user) != "T0HARBOUR/U0HANA" {
		t.Errorf("got %s %s, %v", team, user, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"T0HARBOUR/C0RELEASE", "T0HARBOUR/U0HANA", "/", "T/\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := ParsePlace(s); err == nil && p.ID() != s {
			t.Errorf("%q became %q", s, p.ID())
		}
		if team, user, err := ParseAccount(s); err == nil && AccountID(team, user) != s {
			t.Errorf("%q became %q", s, AccountID(team, user))
		}
		if c := card.Line(s, 20); len([]rune(c)) > 20 {
			t.Errorf("%q is too long", c)
		}
	})
}
