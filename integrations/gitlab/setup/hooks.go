package setup

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// Kind is what the project of a webhook is to Slipway.
type Kind string

// The kinds.
const (
	Released Kind = "project"  // what is released
	Fork     Kind = "fork"     // where its jobs run first
	Handover Kind = "handover" // what gets a merge request
)

// Events are the names of the events that Slipway uses of a project of this kind, as they stand in
// GitLab's API. All others are off: what nobody reads need not be sent.
func (k Kind) Events() []string {
	switch k {
	case Fork:
		return []string{"push_events", "tag_push_events", "job_events", "pipeline_events"}
	case Handover:
		return []string{"merge_requests_events"}
	}
	return []string{"push_events", "tag_push_events", "merge_requests_events", "issues_events", "note_events", "job_events", "pipeline_events",
		"releases_events", "milestone_events", "emoji_events"}
}

// allEvents are those that a webhook of a project can have (docs.gitlab.com, "Project webhooks API").
func allEvents() []string {
	return append(Released.Events(), "confidential_issues_events", "confidential_note_events", "wiki_page_events", "deployment_events",
		"feature_flag_events", "resource_access_token_events", "vulnerability_events")
}

// Wanted is a webhook as it should be.
type Wanted struct {
	Name    string // of the configuration
	Project int
	Kind    Kind
	URL     string
	Token   string // "": none
	Signing string // whsec_…; "": none
	Moved   Moved
}

// Moved says what Install does when the only webhook with this path, or this name, sends to another host:
// it may be that of this bot before it moved, or that of another bot, which would hear nothing any more.
type Moved int

// What it does.
const (
	Ask      Moved = iota // nothing; the error names the address
	TakeOver              // have it send here
	Beside                // leave it, and make another one
)

// Hook is a webhook as GitLab shows it. Secrets are not shown.
type Hook struct {
	ID     int
	URL    string
	fields map[string]any
}

func (h Hook) text(key string) string { s, _ := h.fields[key].(string); return s }
func (h Hook) yes(key string) bool    { b, _ := h.fields[key].(bool); return b }

// Paused reports whether GitLab sends nothing to it now, and until when; a zero time is for good.
// GitLab pauses a webhook after four failures in a row and ends it after forty.
func (h Hook) Paused() (until time.Time, paused bool) {
	status := h.text("alert_status")
	if status == "" || status == "executable" {
		return time.Time{}, false
	}
	if status == "temporarily_disabled" {
		until, _ = time.Parse(time.RFC3339Nano, h.text("disabled_until"))
	}
	return until, true
}

// Hooks lists the webhooks of a project, for which the role Maintainer is needed.
func (s *Setup) Hooks(ctx context.Context, project int) ([]Hook, error) {
	const op = "gitlab.hooks"
	all, err := gitlab.All(ctx, op, 1000, func(page gogitlab.ListOptions, with gogitlab.RequestOptionFunc) ([]map[string]any, *gogitlab.Response, error) {
		req, err := s.client.API().NewRequest(http.MethodGet, fmt.Sprintf("projects/%d/hooks", project), &page, []gogitlab.RequestOptionFunc{with})
		if err != nil {
			return nil, nil, err
		}
		var got []map[string]any
		resp, err := s.client.API().Do(req, &got)
		return got, resp, err
	})
	if err != nil {
		return nil, err
	}
	out := make([]Hook, len(all))
	for i, fields := range all {
		out[i] = hookOf(fields)
	}
	return out, nil
}

func hookOf(fields map[string]any) Hook {
	id, _ := fields["id"].(float64)
	h := Hook{ID: int(id), fields: fields}
	h.URL = h.text("url")
	return h
}

const titled = "Slipway " // begins the name of a webhook

// Examined is what [Examine] found of one wanted webhook.
type Examined struct {
	Hook      Hook     // zero: it is missing
	Elsewhere bool     // it sends to another host: see [Moved]
	Others    int      // how many more send to the same address
	Alike     int      // how many more have the same path, or name, and send elsewhere
	Wrong     []string // what is not as it should be, in words
}

// Missing reports whether there is no such webhook.
func (e Examined) Missing() bool { return e.Hook.ID == 0 }

// Examine finds the webhook that w means among those of its project, by its address, else by its path,
// else by the name that Install gave it: the bot may have moved.
func Examine(all []Hook, w Wanted) Examined {
	var e Examined
	for _, same := range []func(Hook) bool{
		func(h Hook) bool { return h.URL == w.URL },
		func(h Hook) bool { return pathOf(h.URL) == pathOf(w.URL) },
		func(h Hook) bool { return h.text("name") == titled+w.Name },
	} {
		for _, h := range all {
			switch {
			case !same(h):
			case e.Missing():
				e.Hook = h
			case h.URL == w.URL:
				e.Others++
			default:
				e.Alike++
			}
		}
		if !e.Missing() {
			break
		}
	}
	if e.Missing() {
		return e
	}
	h := e.Hook
	e.Elsewhere = !strings.EqualFold(hostOf(h.URL), hostOf(w.URL))
	if h.URL != w.URL {
		e.Wrong = append(e.Wrong, fmt.Sprintf("it sends to %s", card.Line(withoutUser(h.URL), 200)))
	}
	var off, on []string
	for _, event := range allEvents() {
		used := slices.Contains(w.Kind.Events(), event)
		switch {
		case used && !h.yes(event):
			off = append(off, event)
		case !used && h.yes(event):
			on = append(on, event)
		}
	}
	if len(off) > 0 {
		e.Wrong = append(e.Wrong, "events that are used are off: "+strings.Join(off, ", "))
	}
	if len(on) > 0 {
		e.Wrong = append(e.Wrong, "events that are not used are on: "+strings.Join(on, ", "))
	}
	if strings.HasPrefix(w.URL, "https:") && h.fields["enable_ssl_verification"] == false {
		e.Wrong = append(e.Wrong, "certificates are not checked")
	}
	if h.text("push_events_branch_filter") != "" {
		e.Wrong = append(e.Wrong, "pushes to some branches alone are sent")
	}
	if h.text("custom_webhook_template") != "" {
		e.Wrong = append(e.Wrong, "a custom template takes the place of the payload")
	}
	if present, known := h.fields["signing_token_present"].(bool); known && present != (w.Signing != "") {
		e.Wrong = append(e.Wrong, map[bool]string{true: "it signs, and no signing token is configured", false: "it does not sign"}[present])
	}
	if e.Others > 0 {
		e.Wrong = append(e.Wrong, fmt.Sprintf("%d more of its webhooks send to the same address; remove them", e.Others))
	}
	return e
}

// pathOf is an address without its host.
func pathOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	_, path, _ := strings.Cut(rest, "/")
	return path
}

// hostOf is the host of an address, with its port.
func hostOf(address string) string {
	_, rest, _ := strings.Cut(withoutUser(address), "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// withoutUser is an address without the user and password that may stand in it.
func withoutUser(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	host, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(host, '@'); ok && at >= 0 {
		return scheme + "://" + host[at+1:] + "/" + path
	}
	return address
}

// Install makes the webhook, or sets all of the one that is there: its secrets too, since nobody can
// see which it has. It says in words what it did. GitLab takes a webhook of that address anew when a
// lost answer is repeated by hand, so that a second call mends instead of making another.
func (s *Setup) Install(ctx context.Context, w Wanted) (did []string, h Hook, err error) {
	all, err := s.Hooks(ctx, w.Project)
	if err != nil {
		return nil, Hook{}, err
	}
	e := Examine(all, w)
	if e.Elsewhere {
		switch w.Moved {
		case TakeOver:
			if e.Alike > 0 { // which of them was this bot's is not known
				return nil, Hook{}, errs.E("gitlab.hooks", errs.Conflict, fmt.Errorf("hook %d of project %d and %d more of the same path or name send to other hosts", e.Hook.ID, w.Project, e.Alike)).
					Hint("remove the one that this bot had on the project's page of webhooks, and install with --beside")
			}
		case Beside:
			e = Examined{}
		default:
			return nil, Hook{}, errs.E("gitlab.hooks", errs.Conflict, fmt.Errorf("hook %d of project %d sends to %s, which may be another bot", e.Hook.ID, w.Project, card.Line(withoutUser(e.Hook.URL), 200))).
				Hint("if this bot was there before, install with --take-over; if another bot is there, with --beside, which leaves that hook as it is")
		}
	}
	set := map[string]any{"url": w.URL, "name": titled + w.Name, "enable_ssl_verification": strings.HasPrefix(w.URL, "https:"),
		"push_events_branch_filter": "", "branch_filter_strategy": "all_branches", "token": w.Token}
	for _, event := range allEvents() {
		set[event] = slices.Contains(w.Kind.Events(), event)
	}
	if present, _ := e.Hook.fields["signing_token_present"].(bool); w.Signing != "" || present {
		set["signing_token"] = w.Signing
	}
	if e.Hook.text("custom_webhook_template") != "" {
		set["custom_webhook_template"] = ""
	}
	var got map[string]any
	if e.Missing() {
		err = s.call(ctx, "gitlab.hooks", http.MethodPost, fmt.Sprintf("projects/%d/hooks", w.Project), set, &got)
		did = append(did, "made")
	} else {
		err = s.call(ctx, "gitlab.hooks", http.MethodPut, fmt.Sprintf("projects/%d/hooks/%d", w.Project, e.Hook.ID), set, &got)
		for _, wrong := range e.Wrong {
			did = append(did, "changed, since "+wrong)
		}
		did = append(did, "its secrets set")
	}
	if err != nil {
		return nil, Hook{}, err
	}
	h = hookOf(got)
	if w.Signing != "" && w.Token == "" && !h.yes("signing_token_present") {
		return did, h, errs.E("gitlab.hooks", errs.Conflict, fmt.Errorf("this GitLab does not sign what it sends, and the hook %s demands it", w.Name)).
			Hint("GitLab signs from version 19.0 on; until then configure token_files, and no signing_files")
	}
	return did, h, nil
}

// Test has GitLab send an example of the first event that the webhook has, and waits for its answer. A
// webhook that was ended sends again after one that went well. Errors are of kind [errs.Failed] when the
// delivery did not arrive or was refused.
func (s *Setup) Test(ctx context.Context, w Wanted, id int) error {
	event := w.Kind.Events()[0]
	err := s.call(ctx, "gitlab.hooks", http.MethodPost, fmt.Sprintf("projects/%d/hooks/%d/test/%s", w.Project, id, event), nil, nil)
	switch {
	case err == nil:
		return nil
	case errs.Is(err, errs.Busy):
		return errs.E("gitlab.hooks", errs.Busy, fmt.Errorf("GitLab tests a hook only a few times a minute")).Hint("try again in a minute")
	case errs.Is(err, errs.Invalid) || errs.Is(err, errs.Doubtful) || errs.Is(err, errs.Failed):
		return errs.E("gitlab.hooks", errs.Failed, fmt.Errorf("a test did not arrive at %s: %s", w.URL, errs.Cause(err))).
			Hint("look whether the bot runs, and whether GitLab can reach that address")
	}
	return err
}

// Read is one webhook as it is now.
func (s *Setup) Read(ctx context.Context, project, id int) (Hook, error) {
	var got map[string]any
	err := s.call(ctx, "gitlab.hooks", http.MethodGet, fmt.Sprintf("projects/%d/hooks/%d", project, id), nil, &got)
	return hookOf(got), err
}
