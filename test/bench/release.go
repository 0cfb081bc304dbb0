package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/bot/action"
	"slipway/bot/engine"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
	"slipway/commands/release"
	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
	"slipway/integrations/git"
	"slipway/integrations/gitlab/forge"
	"slipway/integrations/localci"
	"slipway/integrations/mail"
	"slipway/integrations/signing"
)

// release takes releases by the bundled playbook from their start to their end: its real
// contracts, with effects that are done at once in this process. It is reported, not judged.
func (m *measurement) release(ctx context.Context, dir string) (err error) {
	o, err := releaseOptions()
	if err != nil {
		return err
	}
	h, err := open(ctx, dir, o)
	if err != nil {
		return err
	}
	defer func() { err = closed(h.close, err) }()
	const callers, n = 16, 200
	var mu sync.Mutex
	var starts, approvals []time.Duration
	note := func(list *[]time.Duration, begin time.Time) {
		mu.Lock()
		defer mu.Unlock()
		*list = append(*list, time.Since(begin))
	}
	before, err := h.db.Stats(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	err = h.work(ctx, func() error {
		_, err := calls(callers, n, func(i int64) error {
			id, from := runID(i), time.Now()
			if err := h.start(ctx, "release", id, fmt.Sprintf("20%02d.%02d", i/12, 1+i%12)); err != nil {
				return err
			}
			note(&starts, from)
			return h.shepherd(ctx, id, func(from time.Time) { note(&approvals, from) })
		})
		return err
	})
	if err != nil {
		return err
	}
	took := time.Since(begin)
	after, err := h.db.Stats(ctx)
	if err != nil {
		return err
	}
	for _, part := range []struct {
		what string
		list []time.Duration
	}{{"start", starts}, {"approve", approvals}} {
		slices.Sort(part.list)
		m.t.note(fmt.Sprintf("release playbook: %s, %d callers, effects going on", part.what, callers),
			fmt.Sprintf("p50 %s p99 %s", short(part.list[len(part.list)/2]), short(part.list[len(part.list)*99/100])))
	}
	m.t.note("release playbook: from start to end", fmt.Sprintf("%.0f releases/s, %.0f durable commits/s, %d commits each",
		n/took.Seconds(), float64(after.Batches-before.Batches)/took.Seconds(), (after.Batches-before.Batches)/n))
	return nil
}

// shepherd gives the answers and approvals of a release as they are asked for, until it has ended.
func (h *house) shepherd(ctx context.Context, id string, approved func(begin time.Time)) error {
	given := map[string]bool{}
	limit := time.Now().Add(2 * time.Minute)
	for time.Now().Before(limit) {
		s, _, err := h.e.RunState(ctx, id)
		if err != nil {
			return err
		}
		if s.Status == run.RunEnded {
			if s.Outcome != "done" {
				return fmt.Errorf("%s ended as %s", s.Name, s.Outcome)
			}
			return nil
		}
		for path, st := range s.Steps {
			if st.Status == run.Stuck || st.Status == run.FailedSt {
				return fmt.Errorf("%s of %s is %s: %s", path, s.Name, st.Status, st.Message)
			}
			if given[path] || st.Status != run.Running {
				continue
			}
			switch path {
			case "checklist", "tested":
				who, field := people.PersonID("release-manager"), "merged"
				if path == "tested" {
					who, field = "tester", "good"
				}
				if _, err := h.e.Submit(ctx, id, run.Answer{Step: path, Person: who, Values: map[string]any{field: true}}); err != nil {
					return err
				}
			case "go":
				for _, who := range []string{"maintainer-a", "maintainer-b"} {
					begin := time.Now()
					if err := h.approve(ctx, id, path, who); err != nil {
						return err
					}
					approved(begin)
				}
			case "publish":
				begin := time.Now()
				if err := h.approve(ctx, id, path, "release-manager"); err != nil {
					return err
				}
				approved(begin)
			default:
				continue
			}
			given[path] = true
		}
		time.Sleep(2 * time.Millisecond)
	}
	return fmt.Errorf("the run %s did not end within two minutes", id)
}

// releaseOptions are the contracts of the release playbook with effects that are done at once.
func releaseOptions() (options, error) {
	var all []action.Bound
	noTime := func() time.Time { return time.Time{} }
	for _, bind := range []func() ([]action.Bound, error){
		func() ([]action.Bound, error) { return release.Bind(noTime) },
		func() ([]action.Bound, error) { return git.Bind(&git.Repositories{}, nil, nil) },
		func() ([]action.Bound, error) { return localci.Bind(nil, nil) },
		func() ([]action.Bound, error) { return forge.Bind(nil, nil) },
		(&aptrepo.Actions{}).Bind,
		func() ([]action.Bound, error) { return debian.Bind(nil) },
		func() ([]action.Bound, error) {
			b, err := signing.NewRelease(nil, noTime).Bind()
			return []action.Bound{b}, err
		},
		func() ([]action.Bound, error) {
			b, err := mail.NewAnnounce(nil, nil, 0).Bind()
			return []action.Bound{b}, err
		},
		func() ([]action.Bound, error) {
			b, err := signing.NewTag(nil, noTime).Bind()
			return []action.Bound{b}, err
		},
	} {
		more, err := bind()
		if err != nil {
			return options{}, err
		}
		all = append(all, more...)
	}
	own, err := engine.Contracts()
	if err != nil {
		return options{}, err
	}
	profile := map[string]any{"name": project, "remote": "/srv/git/lava.git", "branch": "master", "tag_pattern": "20*", "scheme": "calendar",
		"changelog": "debian/changelog", "package": "lava", "suite": "unstable", "tagger": "Release Team <release@example.org>",
		"release_key": strings.Repeat("0123456789", 4), "public_key": "key", "channel": "#lava", "broadcast": []any{"#lava"},
		"mail_from": "release@example.org", "mail_to": []any{"announce@lists.example.org"}, "ci": []any{"make", "test"},
		"archive": "", "archive_address": "", "archive_keys": []any{}, "suites": []any{}, "architectures": []any{}, "build": []any{}, "lintian": "off",
		"forge": "", "milestones": false, "fork": "", "fork_branch": "", "trial": "/srv/git/lava.git", "trial_packages": false, "order": "together",
		"artifact_jobs": []any{}, "changelog_style": "log", "version_file": "", "commit_message": "lava {version} release", "sign_off": false,
		"handover": "", "handover_branch": "", "handover_from": "", "handover_to": ""}
	var fields []action.Field
	for name, v := range profile {
		t := action.Type{Kind: action.String}
		switch v.(type) {
		case []any:
			t = action.ListOf(t)
		case bool:
			t.Kind = action.Bool
		}
		fields = append(fields, action.Field{Name: name, Type: t})
	}
	o := options{workers: 16, profile: profile, sources: map[string][]byte{"release.yaml": release.Playbook}, known: playbook.Known{Profile: action.Obj(fields...), Contracts: own}}
	for _, b := range all {
		b.Contract.Job = "" // the key holder answers at once, too
		out, err := action.Canonical(made("", b.Contract.Out))
		if err != nil {
			return options{}, err
		}
		b.Do = func(context.Context, action.Key, []byte) ([]byte, error) { return out, nil }
		b.Probe = func(context.Context, action.Key, []byte) ([]byte, bool, error) { return nil, false, nil }
		o.set, o.known.Contracts = append(o.set, b), append(o.known.Contracts, b.Contract)
	}
	return o, nil
}

// made is a value of type t.
func made(name string, t action.Type) any {
	switch t.Kind {
	case action.Int:
		return int64(1)
	case action.Bool:
		return true
	case action.List:
		return []any{}
	case action.Map:
		return map[string]any{}
	case action.Object:
		out := map[string]any{}
		for _, f := range t.Fields {
			out[f.Name] = made(f.Name, f.Type)
		}
		return out
	case action.Digest:
		return action.DigestOf([]byte(name))
	case action.Time:
		return "2019-01-01T12:00:00Z"
	case action.Duration:
		return "1h"
	case action.Version:
		return "2019.01"
	}
	if name == "state" {
		return "success"
	}
	if len(t.Enum) > 0 {
		return t.Enum[0]
	}
	return strings.Repeat("0123456789abcdef", 2)
}
