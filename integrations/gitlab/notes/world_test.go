package notes

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
	fake "slipway/test/fakes/gitlab"
)

// yard is a GitLab with a project, its people, and an issue in which the bot tells what it does.
type yard struct {
	*testing.T
	fake             *fake.Server
	now              time.Time
	bot, maria, chen fake.User
	mallory          fake.User
	project          int
	at               fake.Place
	client           *gitlab.Client
	poster           *Poster
	bend             bend
}

func newYard(t *testing.T) *yard {
	t.Helper()
	y := &yard{T: t, now: time.Date(2026, 8, 3, 9, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return y.now }
	y.fake = fake.Start(t, fake.Options{Now: clock})
	for name, to := range map[string]*fake.User{"slipway-bot": &y.bot, "maria_s": &y.maria, "chen": &y.chen, "mallory": &y.mallory} {
		*to = y.fake.AddUser(fake.User{Username: name})
	}
	y.project = y.fake.AddProject(fake.Project{Path: "yard/harbour", Members: map[int]int{y.bot.ID: fake.Maintainer, y.maria.ID: fake.Maintainer,
		y.chen.ID: fake.Developer, y.mallory.ID: fake.Maintainer}})
	issue, err := y.fake.OpenIssue(y.maria.ID, fake.Issue{Item: fake.Item{Project: y.project, Title: "Releases"}})
	y.ok(err)
	y.at = fake.IssuePlace(y.project, issue.IID)
	y.client, err = gitlab.New(gitlab.Options{URL: y.fake.URL, Token: y.fake.AddToken(y.bot.ID), Now: clock, HTTP: &http.Client{Transport: &y.bend}})
	y.ok(err)
	y.poster = y.newPoster()
	return y
}

// newPoster is the poster of a process that begins now.
func (y *yard) newPoster() *Poster {
	y.Helper()
	p, err := NewPoster(Options{Client: y.client, Secret: sealSecret, Now: func() time.Time { return y.now }, Accounts: func(person string) []int {
		return map[string][]int{"maria": {y.maria.ID}, "chen": {y.chen.ID}}[person]
	}})
	y.ok(err)
	return p
}

func (y *yard) ok(err error) {
	y.Helper()
	if err != nil {
		y.Fatal(err)
	}
}

func (y *yard) want(kind errs.Kind, err error, words ...string) {
	y.Helper()
	if !errs.Is(err, kind) {
		y.Fatalf("got %v (%v), want %v", errs.KindOf(err), err, kind)
	}
	for _, w := range words {
		if !strings.Contains(errs.Text(err), w) {
			y.Errorf("%q does not say %q", errs.Text(err), w)
		}
	}
}

func (y *yard) room() Ref { return Ref{Place: string(y.at)} }

// mine are the bot's notes in the room, oldest first.
func (y *yard) mine() (out []fake.Note) {
	for _, n := range y.fake.Notes(y.at) {
		if n.Author == y.bot.ID && !n.System {
			out = append(out, n)
		}
	}
	return out
}

// says is the text of one note of the bot.
func (y *yard) says(ref Ref) string {
	y.Helper()
	for _, n := range y.mine() {
		if n.Discussion == ref.Message || strconv.Itoa(n.ID) == ref.Message {
			return n.Body
		}
	}
	y.Fatalf("the bot says nothing at %+v", ref)
	return ""
}

func (y *yard) post(key string, to Ref, c card.Card) Ref {
	y.Helper()
	ref, err := y.poster.Post(y.Context(), key, to, c)
	y.ok(err)
	return ref
}

// gate posts a card and a gate message in its thread.
func (y *yard) gate() (cardRef, gateRef Ref) {
	y.Helper()
	cardRef = y.post("card-1", y.room(), live())
	to := y.room()
	to.Thread = cardRef.Message
	return cardRef, y.post("gate-1", to, gateMessage().Card())
}

func noteOf(ref Ref) int { n, _ := strconv.Atoi(ref.Message); return n }

func (y *yard) award(who fake.User, ref Ref, name string) {
	y.Helper()
	_, err := y.fake.Award(who.ID, noteOf(ref), name)
	y.ok(err)
}

// votes are the reactions on a message: "maria_s✅".
func (y *yard) votes(ref Ref) string {
	y.Helper()
	found, err := y.poster.Reactions(y.Context(), ref)
	y.ok(err)
	var out []string
	for _, r := range found {
		out = append(out, r.Name+r.Emoji)
	}
	return strings.Join(out, " ")
}

// bend changes answers as a GitLab in another state would give them.
type bend struct {
	path string // of the requests whose answers it changes
	from string
	to   string
	code int // in place of 200, if not 0
}

func (b *bend) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || b.path == "" || !regexp.MustCompile(b.path+"$").MatchString(r.Method+" "+r.URL.Path) {
		return resp, err
	}
	raw, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	if b.from != "" {
		raw = bytes.ReplaceAll(raw, []byte(b.from), []byte(b.to))
	} else {
		raw = []byte(b.to)
	}
	if b.code != 0 {
		resp.StatusCode = b.code
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	resp.Header.Del("Content-Length")
	return resp, nil
}

func (y *yard) edit(ref Ref, c card.Card) {
	y.Helper()
	y.ok(y.poster.Edit(context.Background(), ref, c))
}
