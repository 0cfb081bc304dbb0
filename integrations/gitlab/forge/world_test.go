package forge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
	fake "slipway/test/fakes/gitlab"
)

// world is a GitLab with a project, a maintainer, the bot, and the actions.
type world struct {
	*testing.T
	fake     *fake.Server
	clock    atomic.Int64 // seconds since 1970; the server reads it too
	ada, bot fake.User
	harbour  int
	remote   string
	hand     *gitlab.API // what people do
	client   *gitlab.Client
	bound    map[string]action.Bound
	depot    depot
	limit    time.Duration // of one try
	key      action.Key
	lost     bool // a try may have been lost before
	silence  silence
}

// depot keeps content by digest.
type depot map[string][]byte

func (d depot) Get(_ context.Context, digest string) ([]byte, error) {
	if data, kept := d[digest]; kept {
		return data, nil
	}
	return nil, errs.E("depot", errs.NotFound, errs.E("", errs.NotFound, nil))
}

func (d depot) put(text string) string {
	digest := action.DigestOf([]byte(text))
	d[digest] = []byte(text)
	return digest
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, depot: depot{}, bound: map[string]action.Bound{}, limit: time.Minute,
		key: action.Key{Run: "R1", Step: "it", Inputs: "sha256:0"}}
	w.clock.Store(time.Date(2026, 8, 3, 9, 0, 0, 0, time.UTC).Unix())
	w.fake = fake.Start(t, fake.Options{Now: w.now})
	w.ada = w.fake.AddUser(fake.User{Username: "ada"})
	w.bot = w.fake.AddUser(fake.User{Username: "slipway", Bot: true})
	w.harbour = w.fake.AddProject(fake.Project{Path: "yard/harbour"})
	w.fake.AddMember(w.harbour, w.ada.ID, fake.Maintainer)
	w.fake.AddMember(w.harbour, w.bot.ID, fake.Maintainer)
	w.remote = w.fake.Remote(w.harbour)
	w.hand = w.as(w.ada)
	var err error
	w.client, err = gitlab.New(gitlab.Options{URL: w.fake.URL, Token: w.fake.AddToken(w.bot.ID), Now: w.now, HTTP: &http.Client{Transport: &w.silence},
		Projects: []gitlab.Project{{Remote: w.remote, ID: w.harbour}}})
	if err != nil {
		t.Fatal(err)
	}
	bounds, err := Bind(w.client, w.depot)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bounds {
		w.bound[b.Contract.Name] = b
	}
	return w
}

func (w *world) now() time.Time { return time.Unix(w.clock.Load(), 0).UTC() }

// as is the API as somebody uses it.
func (w *world) as(u fake.User) *gitlab.API {
	w.Helper()
	c, err := gitlab.New(gitlab.Options{URL: w.fake.URL, Token: w.fake.AddToken(u.ID), Now: w.now})
	if err != nil {
		w.Fatal(err)
	}
	return c.API()
}

// must ends the test when somebody's own call fails.
func must[T any](w *world, got T, _ *gogitlab.Response, err error) T {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
	return got
}

// save makes a commit, as Ada.
func (w *world) save(branch, path, text string) string {
	w.Helper()
	act, message := gogitlab.FileCreate, "Write "+path
	opt := &gogitlab.CreateCommitOptions{Branch: &branch, CommitMessage: &message, Actions: []*gogitlab.CommitActionOptions{{Action: &act, FilePath: &path, Content: &text}}}
	c, resp, err := w.hand.Commits.CreateCommit(w.harbour, opt)
	return must(w, c, resp, err).ID
}

// branch makes a branch at a ref, as Ada.
func (w *world) branch(name, from string) {
	w.Helper()
	b, resp, err := w.hand.Branches.CreateBranch(w.harbour, &gogitlab.CreateBranchOptions{Branch: &name, Ref: &from})
	must(w, b, resp, err)
}

// tag makes a tag with a message, as Ada.
func (w *world) tag(name, from string) *gogitlab.Tag {
	w.Helper()
	message := "Release " + name
	t, resp, err := w.hand.Tags.CreateTag(w.harbour, &gogitlab.CreateTagOptions{TagName: &name, Ref: &from, Message: &message})
	return must(w, t, resp, err)
}

func (w *world) raw(in any) []byte {
	w.Helper()
	data, err := json.Marshal(in)
	if err != nil {
		w.Fatal(err)
	}
	return data
}

func (w *world) one(name string, call func(ctx context.Context, b action.Bound) ([]byte, bool, error), out any) (bool, error) {
	w.Helper()
	b, known := w.bound[name]
	if !known {
		w.Fatalf("there is no action %s", name)
	}
	ctx, cancel := context.WithTimeout(w.Context(), w.limit)
	defer cancel()
	data, found, err := call(ctx, b)
	if err != nil || data == nil {
		return found, err
	}
	v, err := action.DecodeValues(data)
	if err == nil {
		err = b.Contract.Out.Check("out", v)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(data, out)
	}
	if err != nil {
		w.Fatalf("what %s gives does not fit its contract: %v", name, err)
	}
	return found, nil
}

// do performs once.
func (w *world) do(name string, in, out any) error {
	w.Helper()
	_, err := w.one(name, func(ctx context.Context, b action.Bound) ([]byte, bool, error) {
		data, err := b.Do(ctx, w.key, w.raw(in))
		return data, true, err
	}, out)
	return err
}

// probe looks.
func (w *world) probe(name string, in, out any) (bool, error) {
	w.Helper()
	return w.one(name, func(ctx context.Context, b action.Bound) ([]byte, bool, error) { return b.Probe(ctx, w.key, w.raw(in)) }, out)
}

// perform does what the engine does with an action: it tries until there is an outcome, probes before
// it does again, and waits as it is asked to.
func (w *world) perform(name string, in, out any) error {
	w.Helper()
	again := func(err error) bool {
		kind := errs.KindOf(err)
		w.clock.Add(int64(max(time.Second, errs.After(err), w.bound[name].Contract.Settle) / time.Second))
		return kind == errs.Busy || kind == errs.Unavailable || kind == errs.Doubtful
	}
	var err error
	for try := range 6 {
		if (try > 0 || w.lost) && w.bound[name].Contract.Policy != action.Read {
			found, err := w.probe(name, in, out)
			switch {
			case found && err == nil:
				return nil
			case err != nil && again(err):
				continue
			case err != nil:
				return err
			}
		}
		if err = w.do(name, in, out); err == nil || !again(err) {
			return err
		}
	}
	return err
}

// want checks an error by kind and words, and that it says how to go on.
func (w *world) want(err error, kind errs.Kind, words string) {
	w.Helper()
	if errs.KindOf(err) != kind || !strings.Contains(errs.Text(err), words) || errs.HintOf(err) == "" {
		w.Errorf("got %v: %s; want %v with %q and a hint", errs.KindOf(err), errs.Text(err), kind, words)
	}
}

// fine ends the test at an error.
func (w *world) fine(err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("%v: %s", errs.KindOf(err), errs.Text(err))
	}
}

// silence is a network on which one request that matches is never answered, without the time that
// waiting for it takes. after: it arrives and is done.
type silence struct {
	method, path string // "" is none
	after        bool
	last         string // method of the request that was sent last
}

func (s *silence) RoundTrip(r *http.Request) (*http.Response, error) {
	s.last = r.Method
	match, _ := path.Match(s.path, strings.TrimPrefix(r.URL.EscapedPath(), "/api/v4"))
	if s.method != r.Method || !match {
		return http.DefaultTransport.RoundTrip(r)
	}
	s.method = ""
	if s.after {
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		_ = resp.Body.Close()
	}
	return nil, context.DeadlineExceeded
}

// faults are the ways in which a write can go wrong.
var faults = []fake.Kind{fake.BadGatewayAfter, fake.BadGateway, fake.InternalError, fake.TooMany, fake.Conflict, fake.Hang, fake.HangAfter, fake.Reset, fake.ResetAfter}

// story is one effect: it makes what the effect needs, with n in its names, and gives the performance
// and what must be there after it, once.
type story struct {
	name, method, path string // of the request that goes wrong
	once               func(w *world, n string) (perform func() error, check func())
}

// TestEveryEffectHappensOnceWhateverIsLost performs each effect while its request fails in each way.
func TestEveryEffectHappensOnceWhateverIsLost(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t)
			w.save("master", "README", "harbour")
			for i, k := range faults {
				n := fmt.Sprint(i)
				w.key.Step = n
				perform, check := s.once(w, n)
				if k == fake.Hang || k == fake.HangAfter {
					w.silence = silence{method: s.method, path: s.path, after: k == fake.HangAfter}
				} else {
					w.fake.Fault(fake.Fault{Method: s.method, Path: s.path, Do: k})
				}
				err := perform()
				if left := w.fake.ClearFaults(); left > 0 || w.silence.method != "" {
					t.Errorf("%s: the request %s %s was never made", k, s.method, s.path)
				}
				if k == fake.Conflict {
					if errs.KindOf(err) != errs.Conflict || errs.HintOf(err) == "" {
						t.Errorf("%s: %v", k, err)
					}
					err = perform() // as a person lets it be tried again
				}
				if err != nil {
					t.Fatalf("%s: %v: %s", k, errs.KindOf(err), errs.Text(err))
				}
				check()
				w.lost = true // another process, which cannot know whether it was done, looks first
				if err := perform(); err != nil {
					t.Fatalf("%s: again: %s", k, errs.Text(err))
				}
				w.lost = false
				check()
				if t.Failed() {
					t.Fatalf("after %s", k)
				}
			}
		})
	}
}

// A GitLab that really hangs, until the try is ended.
func TestATryThatHangsEnds(t *testing.T) {
	w := newWorld(t)
	w.milestone("2026.08")
	in := MilestoneIn{Remote: w.remote, Title: "2026.08"}
	w.fake.Fault(fake.Fault{Method: "PUT", Path: "/projects/*/milestones/*", Do: fake.Hang})
	_, err := w.one("forge.close_milestone", func(ctx context.Context, b action.Bound) ([]byte, bool, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		puts := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) {
			if w.silence.last == "PUT" {
				cancel()
			}
		}}
		data, err := b.Do(httptrace.WithClientTrace(ctx, puts), w.key, w.raw(in))
		return data, true, err
	}, nil)
	w.want(err, errs.Doubtful, "the call to GitLab was ended; it may have been done")
	w.stands("2026.08", "active")()
}
