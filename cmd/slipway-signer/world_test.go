package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/bot/manifest"
	"slipway/bot/version"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

const (
	token      = "0f6cfd0e9c1b4a6b9df2"
	repository = "https://git.example.org/lava"
)

var start = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// queue is the bot's queue in memory, with the real rules of package job.
type queue struct {
	mu    sync.Mutex
	now   func() time.Time
	jobs  map[string]job.Job
	order []string
	renew func(id string) // called before each renewal
	down  int             // answers of finish that get lost, after the work was done or not
	pause time.Duration   // of a job for the holder that gave it back
	lose  bool            // the verdict is kept, only the answer is lost
}

func (q *queue) change(id string, f func(job.Job) (job.Job, error)) (job.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j, ok := q.jobs[id]
	if !ok {
		return j, errs.E("queue", errs.NotFound, fmt.Errorf("there is no job %s", id))
	}
	j, err := f(j)
	if err == nil {
		q.jobs[id] = j
	}
	return j, err
}

func (q *queue) Lease(_ context.Context, holder string, kinds []string, ttl time.Duration) (job.Job, bool, error) {
	for _, id := range q.order {
		if !slices.Contains(kinds, q.jobs[id].Kind) {
			continue
		}
		if j, err := q.change(id, func(j job.Job) (job.Job, error) { return job.Take(j, q.now(), holder, ttl) }); err == nil {
			return j, true, nil
		}
	}
	return job.Job{}, false, nil
}

func (q *queue) LeaseOne(_ context.Context, kind, id, holder string, ttl time.Duration) (job.Job, error) {
	return q.change(id, func(j job.Job) (job.Job, error) {
		if j.Kind != kind { // jobs are found by kind and id
			return j, errs.E("queue", errs.NotFound, fmt.Errorf("there is no job %s", id))
		}
		return job.Take(j, q.now(), holder, ttl)
	})
}

func (q *queue) Renew(_ context.Context, _, id, holder string, fence uint64, ttl time.Duration) (job.Job, error) {
	if q.renew != nil {
		q.renew(id)
	}
	return q.change(id, func(j job.Job) (job.Job, error) { return job.Renew(j, q.now(), holder, fence, ttl) })
}

func (q *queue) Finish(_ context.Context, _, id, holder string, fence uint64, v job.Verdict) (job.Job, error) {
	lost := q.down > 0
	if lost {
		q.down--
		if !q.lose {
			return job.Job{}, errs.E("queue", errs.Unavailable, errors.New("the bot is starting"))
		}
	}
	j, err := q.change(id, func(j job.Job) (job.Job, error) { return job.Finish(j, holder, fence, v) })
	if err == nil && lost {
		err = errs.E("queue", errs.Unavailable, errors.New("the bot is stopping"))
	}
	return j, err
}

func (q *queue) GiveBack(_ context.Context, _, id, holder string, fence uint64, why string) (job.Job, error) {
	return q.change(id, func(j job.Job) (job.Job, error) { return job.GiveBack(j, q.now(), holder, fence, why, q.pause) })
}

// counted is a signer that counts how often its key is used.
type counted struct {
	*openpgp.KeyFile
	used int
}

func (c *counted) Sign(ctx context.Context, data []byte) ([]byte, error) {
	c.used++
	return c.KeyFile.Sign(ctx, data)
}

// answers is a person who says the next of these, or does what the function says.
type answers struct {
	say   func(ctx context.Context, words string) (bool, error)
	asked []string
}

func (a *answers) Ask(ctx context.Context, words string) (bool, error) {
	a.asked = append(a.asked, words)
	return a.say(ctx, words)
}

func always(yes bool) *answers {
	return &answers{say: func(context.Context, string) (bool, error) { return yes, nil }}
}

type world struct {
	t       *testing.T
	now     time.Time
	queue   *queue
	key     *counted
	worker  *Worker
	out     bytes.Buffer
	logPath string
	n       int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: start.Add(time.Hour), logPath: filepath.Join(t.TempDir(), "signer.log")}
	clock := func() time.Time { return w.now }
	private, _, err := openpgp.Generate("Demo", "demo@example.org", "eddsa", 0, start.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	k, err := openpgp.NewKeyFile(private, nil, clock)
	if err != nil {
		t.Fatal(err)
	}
	w.key = &counted{KeyFile: k}
	w.queue = &queue{now: clock, jobs: map[string]job.Job{}}
	door, err := signing.NewServer(w.queue, nil, time.Minute, signing.Client{Name: "signer", Token: token, Kinds: []string{signing.TagJob, signing.ReleaseJob}})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.Handler(door))
	t.Cleanup(srv.Close)
	client, err := NewClient(srv.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	w.worker = &Worker{Client: client, Signer: w.key, Out: &w.out, Now: clock, Poll: time.Second, Prompt: always(true),
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Policy: Policy{Key: k.Fingerprint(), Compare: version.Compare,
			Rules: []Rule{{Repository: repository, Project: "lava", Tags: []string{"[0-9]*", "debian/*"}}}}}
	w.reopen()
	// Renewing in the background while the person thinks belongs to the tests that ask for it.
	w.worker.Wait = func(ctx context.Context, _ time.Duration) error {
		<-ctx.Done()
		return ctx.Err()
	}
	return w
}

// reopen is a restart of the signer.
func (w *world) reopen() {
	w.t.Helper()
	if w.worker.Journal != nil {
		w.worker.Journal.Close()
	}
	j, err := OpenJournal(w.logPath, func() time.Time { return w.now })
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { j.Close() })
	w.worker.Journal = j
}

func payload(tag string, at time.Time) string {
	return fmt.Sprintf("object 0123456789abcdef0123456789abcdef01234567\ntype commit\ntag %s\ntagger RM <rm@example.org> %d +0000\n\nRelease %s\n", tag, at.Unix(), tag)
}

func (w *world) request(tag string, change ...func(*signing.Request)) signing.Request {
	r := signing.Request{Kind: signing.GitTag, Project: "lava", Repository: repository, Payload: payload(tag, w.now), KeyFingerprint: w.key.Fingerprint()}
	for _, c := range change {
		c(&r)
	}
	if r.PayloadDigest == "" {
		r.PayloadDigest = action.DigestOf([]byte(r.Payload))
	}
	return r
}

// bound is the manifest of a gate that approved digest.
func bound(digest string, expires time.Time) string {
	value, _ := action.Canonical(digest)
	return string(manifest.Manifest{Run: "r1", Name: "release/lava/2026.01", Gate: "go", Number: 1, Playbook: "p", Profile: "q",
		Rule: "2 of maintainer", Expires: expires, Binds: []manifest.Bind{{Name: "steps.payload.digest", Value: string(value)}}}.Canonical())
}

func (w *world) offer(r signing.Request) string {
	w.t.Helper()
	content, err := r.Canonical()
	if err != nil {
		w.t.Fatal(err)
	}
	return w.offerJob(signing.TagJob, content)
}

func (w *world) offerJob(kind string, content []byte) string {
	w.t.Helper()
	w.n++
	id := fmt.Sprintf("job%d", w.n)
	j, err := job.Offer(job.Job{ID: id, Kind: kind, Key: "k-" + id, Digest: action.DigestOf(content), Payload: content}, w.now, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.queue.jobs[id] = j
	w.queue.order = append(w.queue.order, id)
	return id
}

// work lets the signer take one job and returns how it stands then.
func (w *world) work(id string) job.Job {
	w.t.Helper()
	if worked, err := w.worker.Once(w.t.Context()); err != nil || !worked {
		w.t.Fatalf("worked %v, %v\n%s", worked, err, w.out.String())
	}
	return w.queue.jobs[id]
}

func (w *world) wantRefused(id string, words string) {
	w.t.Helper()
	used := w.key.used
	j := w.work(id)
	if j.State != job.Failed || j.Verdict.Class != "refused" || !strings.Contains(j.Verdict.Reason, words) {
		w.t.Fatalf("job is %s: %s, want refused with %q", j.State, j.Verdict.Reason, words)
	}
	if w.key.used != used {
		w.t.Fatal("the key was used for a refused request")
	}
	if types := w.types(); types[len(types)-1] != refused {
		w.t.Fatalf("the log ends with %v", types)
	}
}

func (w *world) wantSigned(id string) string {
	w.t.Helper()
	j := w.work(id)
	if j.State != job.Done {
		w.t.Fatalf("job is %s: %s\n%s", j.State, j.Verdict.Reason, w.out.String())
	}
	return string(j.Verdict.Result)
}

// types lists what the log on disk holds, and checks its chain.
func (w *world) types() []string {
	w.t.Helper()
	f, err := os.Open(w.logPath)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	var out []string
	if _, _, err := scan(f, func(r Record) { out = append(out, r.Type) }); err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) wantLog(types ...string) {
	w.t.Helper()
	if got := w.types(); fmt.Sprint(got) != fmt.Sprint(types) {
		w.t.Fatalf("the log has %v, want %v", got, types)
	}
}

func wantKind(t *testing.T, err error, k errs.Kind, words string) {
	t.Helper()
	if !errs.Is(err, k) || !strings.Contains(err.Error(), words) {
		t.Fatalf("got %v (kind %v), want kind %v with %q", err, errs.KindOf(err), k, words)
	}
}
