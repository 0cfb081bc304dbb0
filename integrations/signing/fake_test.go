package signing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/job"
)

var start = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// memory is a queue in memory, with the real rules of package job.
type memory struct {
	now  time.Time
	jobs map[string]job.Job
}

func (m *memory) offer(t *testing.T, id string, content []byte) {
	t.Helper()
	j, err := job.Offer(job.Job{ID: id, Kind: TagJob, Key: "key-" + id, Digest: action.DigestOf(content), Payload: content}, m.now, 0)
	if err != nil {
		t.Fatal(err)
	}
	m.jobs[id] = j
}

func (m *memory) change(kind, id string, f func(job.Job) (job.Job, error)) (job.Job, error) {
	j, ok := m.jobs[id]
	if !ok || j.Kind != kind {
		return job.Job{}, errs.E("memory", errs.NotFound, fmt.Errorf("there is no job %s", id))
	}
	j, err := f(j)
	if err == nil {
		m.jobs[id] = j
	}
	return j, err
}

func (m *memory) Lease(_ context.Context, holder string, kinds []string, ttl time.Duration) (job.Job, bool, error) {
	for id, j := range m.jobs {
		if !slices.Contains(kinds, j.Kind) {
			continue
		}
		if j, err := m.change(j.Kind, id, func(j job.Job) (job.Job, error) { return job.Take(j, m.now, holder, ttl) }); err == nil {
			return j, true, nil
		}
	}
	return job.Job{}, false, nil
}

func (m *memory) LeaseOne(_ context.Context, kind, id, holder string, ttl time.Duration) (job.Job, error) {
	return m.change(kind, id, func(j job.Job) (job.Job, error) { return job.Take(j, m.now, holder, ttl) })
}

func (m *memory) Renew(_ context.Context, kind, id, holder string, fence uint64, ttl time.Duration) (job.Job, error) {
	return m.change(kind, id, func(j job.Job) (job.Job, error) { return job.Renew(j, m.now, holder, fence, ttl) })
}

func (m *memory) Finish(_ context.Context, kind, id, holder string, fence uint64, v job.Verdict) (job.Job, error) {
	return m.change(kind, id, func(j job.Job) (job.Job, error) { return job.Finish(j, holder, fence, v) })
}

func (m *memory) GiveBack(_ context.Context, kind, id, holder string, fence uint64, why string) (job.Job, error) {
	return m.change(kind, id, func(j job.Job) (job.Job, error) { return job.GiveBack(j, m.now, holder, fence, why, 0) })
}

type shelf map[string][]byte

func (s shelf) Get(_ context.Context, digest string) ([]byte, error) {
	if c, ok := s[digest]; ok {
		return c, nil
	}
	return nil, errs.E("shelf", errs.NotFound, errors.New("not kept"))
}

// onlyGood accepts the signature "good by KEY over DIGEST".
type onlyGood struct{}

func (onlyGood) VerifyTag(payload, signature []byte, fingerprint string, now time.Time) (time.Time, error) {
	if string(signature) != goodSig(payload, fingerprint) {
		return time.Time{}, errs.E("verify", errs.Denied, errors.New("the signature is not good"))
	}
	return now, nil
}

func goodSig(payload []byte, fingerprint string) string {
	return "good by " + fingerprint + " over " + action.DigestOf(payload) + "\n"
}
