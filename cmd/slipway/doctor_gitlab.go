package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/integrations/gitlab"
	"slipway/integrations/gitlab/hook"
	"slipway/integrations/gitlab/setup"
)

// Limits of what doctor warns of.
const (
	tokenNotice = 30 * 24 * time.Hour // before the token expires
	silentMost  = time.Hour           // that a project may change without a delivery
)

// gitlabAilments are those of GitLab. Where it does not answer at all, only the first one is told.
func gitlabAilments() []ailment {
	return []ailment{
		{"gitlab.unreachable", ill, "GitLab answers", unreachableGitLab},
		{"gitlab.token_bad", ill, "GitLab accepts the token", badToken},
		{"gitlab.scope_missing", ill, "the token has the scope api", missingScope},
		{"gitlab.token_expires", warning, "the token does not expire within 30 days", expiringToken},
		{"gitlab.project_moved", ill, "every project is where the configuration says", movedProjects},
		{"gitlab.role_low", ill, "the bot has the role that it needs in every project", lowRoles},
		{"gitlab.room_missing", warning, "every room is there", missingRooms},
		{"gitlab.hook_missing", warning, "every hook is there", aboutHooks(missingHook)},
		{"gitlab.hook_paused", warning, "GitLab sends to every hook", aboutHooks(pausedHook)},
		{"gitlab.hook_wrong", warning, "every hook is as it should be", aboutHooks(wrongHook)},
	}
}

// liveGitLabAilments are those that only a running bot can tell.
func liveGitLabAilments() []ailment {
	return []ailment{
		{"gitlab.hook_refused", warning, "what comes to the hooks has their secrets", refusingHooks},
		{"gitlab.hook_silent", warning, "what changes on GitLab is heard of", silentHooks},
		{"gitlab.milestone_reopened", warning, "the milestones of what is released are closed", reopenedMilestones},
	}
}

// gitlabDocs are their codes.
func gitlabDocs() map[string]codeDoc {
	const quick, patient = 30 * time.Second, 2 * time.Minute
	return map[string]codeDoc{
		"gitlab.unreachable":        {"GitLab does not answer: releases wait at its steps, and go on by themselves when it does.", "Look whether gitlab: url is right, and whether this machine can reach it.", 5 * time.Minute, quick},
		"gitlab.token_bad":          {"GitLab does not accept the bot's token: it has expired, was revoked, or its account is blocked.", "Make a new one for the bot's account with the scope api, put it into token_file, and restart the bot.", 5 * time.Minute, quick},
		"gitlab.scope_missing":      {"The bot's token may not do what releases need.", "Make a new one with the scope api, put it into token_file, and restart the bot.", time.Hour, quick},
		"gitlab.token_expires":      {"The bot's token expires within 30 days, or has; GitLab takes it until that day begins.", "Make a new one for the bot's account with the scope api, put it into token_file, and restart the bot.", time.Hour, quick},
		"gitlab.project_moved":      {"A project is not under the address that the configuration has, or the bot does not see it: nothing is released to a place that nobody named.", "If it was moved on purpose, correct its address; else make the bot's account a member again.", 10 * time.Minute, patient},
		"gitlab.role_low":           {"The bot's account has too low a role in a project for what is configured.", "Give it the role that is named, in GitLab under Manage, Members.", time.Hour, patient},
		"gitlab.room_missing":       {"An issue or a merge request of rooms: is not there: no card and no gate message is shown in it.", "Open it on GitLab, or correct its number in slipway.yaml, and restart the bot.", time.Hour, patient},
		"gitlab.hook_missing":       {"A configured hook is not there: releases go on more slowly, and comments are not heard.", "slipway hooks install", 10 * time.Minute, patient},
		"gitlab.hook_paused":        {"GitLab has paused or ended a hook, since its deliveries failed.", "Let the bot run and be reached, then: slipway hooks install. A paused hook goes on by itself.", 5 * time.Minute, patient},
		"gitlab.hook_wrong":         {"A hook sends to another address, or not the events that are used.", "slipway hooks install", 10 * time.Minute, patient},
		"gitlab.hook_refused":       {"What came to a hook had no secret of it or a wrong one, and nothing authentic has come since: GitLab has another secret than the bot, or somebody else sends there.", "slipway hooks install gives GitLab the secret of the configuration.", time.Minute, quick},
		"gitlab.milestone_reopened": {"A milestone is open again that a release has closed, in the last 30 days. The release stays as it is; what is put into the milestone is in no release.", "Move what is open in it to the next milestone, and close it again.", 10 * time.Minute, patient},
		"gitlab.hook_silent":        {"A project changed on GitLab, and its hook told nothing for more than an hour.", "slipway hooks install tests the hook; look at its recent events in GitLab.", 10 * time.Minute, patient},
	}
}

// gitlab is the client to look with; nil when there is no GitLab.
func (p *patient) gitlab() *gitlab.Client {
	if !p.conf.GitLab.on() {
		return nil
	}
	if p.bot != nil {
		return p.bot.forge.client
	}
	c, err := gitlabClient(p.conf)
	if err != nil {
		return nil // loadConfig has made one
	}
	return c
}

// toldElsewhere reports whether gitlab.unreachable or gitlab.token_bad tells of this error.
func toldElsewhere(err error) bool {
	switch errs.KindOf(err) {
	case errs.Unavailable, errs.Busy, errs.Denied, errs.Doubtful:
		return true
	}
	return false
}

func unreachableGitLab(ctx context.Context, p *patient) []symptom {
	c := p.gitlab()
	if c == nil {
		return nil
	}
	if _, err := c.Me(ctx); err != nil && !errs.Is(err, errs.Denied) {
		hint := errs.HintOf(err)
		if hint == gitlab.Later { // whoever reads this wants to mend it
			hint = ""
		}
		return []symptom{{p.conf.GitLab.URL + ": " + errs.Cause(err), hint}}
	}
	return nil
}

func badToken(ctx context.Context, p *patient) []symptom {
	c := p.gitlab()
	if c == nil {
		return nil
	}
	_, err := setup.New(c).Token(ctx)
	if errs.Is(err, errs.NotFound) { // a token that does not tell of itself
		_, err = c.Me(ctx)
	}
	if errs.Is(err, errs.Denied) {
		return []symptom{{errs.Cause(err), errs.HintOf(err)}}
	}
	if err := notAPerson(ctx, c, p.conf); err != nil {
		return []symptom{{errs.Cause(err), errs.HintOf(err)}}
	}
	return nil
}

// notAPerson is an error when the token is that of a person: the bot would not hear this person, and
// could give the votes of its own.
func notAPerson(ctx context.Context, c *gitlab.Client, conf *config) error {
	me, err := c.Me(ctx)
	if err != nil {
		return nil // it is told elsewhere
	}
	for _, p := range conf.Persons {
		if slices.ContainsFunc(p.Accounts, func(a people.Account) bool { return a.Source == "gitlab" && a.ID == strconv.Itoa(me.ID) }) {
			return errs.E("gitlab.account", errs.Invalid, fmt.Errorf("the bot's token is that of @%s, which belongs to %s", me.Username, p.ID)).
				Hint("make an account for the bot alone, put its token into token_file, and restart the bot")
		}
	}
	return nil
}

func missingScope(ctx context.Context, p *patient) []symptom {
	return aboutToken(ctx, p, func(t setup.Token) []symptom {
		if t.May() {
			return nil
		}
		has := "none"
		if len(t.Scopes) > 0 {
			has = strings.Join(t.Scopes, ", ")
		}
		return []symptom{{"the bot's token does not have the scope api; its scopes are: " + card.Line(has, 200), ""}}
	})
}

func expiringToken(ctx context.Context, p *patient) []symptom {
	return aboutToken(ctx, p, func(t setup.Token) []symptom { return expiry(t.Expires, time.Now()) })
}

func expiry(day, now time.Time) []symptom {
	switch left := day.Sub(now); {
	case day.IsZero() || left > tokenNotice:
		return nil
	case left <= 0:
		return []symptom{{"the bot's token has expired on " + day.Format(time.DateOnly), ""}}
	}
	return []symptom{{"the bot's token expires on " + day.Format(time.DateOnly), ""}}
}

func aboutToken(ctx context.Context, p *patient, look func(setup.Token) []symptom) []symptom {
	c := p.gitlab()
	if c == nil {
		return nil
	}
	t, err := setup.New(c).Token(ctx)
	if err != nil { // also of a kind that does not tell of itself
		return nil
	}
	return look(t)
}

// repository is one project on GitLab, in the words of the configuration.
type repository struct {
	project string // of the configuration
	kind    setup.Kind
	id      int
	remote  string
	hook    bool // it has a hook, which takes the role Maintainer
}

// String names it: harbour, the fork of harbour.
func (r repository) String() string {
	if r.kind == setup.Released {
		return r.project
	}
	return "the " + string(r.kind) + " of " + r.project
}

// repositories are all of them, in the order of their names.
func (c *config) repositories() (out []repository) {
	hooked := map[int]bool{}
	for _, h := range c.GitLab.Hooks {
		hooked[h.ID] = true
	}
	for _, name := range sortedKeys(c.GitLab.Projects) {
		p := c.GitLab.Projects[name]
		for _, one := range []struct {
			kind  setup.Kind
			id    int
			field string
		}{{setup.Released, p.Project, "remote"}, {setup.Fork, p.Fork, "fork"}, {setup.Handover, p.Handover, "handover"}} {
			if one.id != 0 {
				remote, _ := c.Projects[name].Profile[one.field].(string)
				out = append(out, repository{name, one.kind, one.id, remote, hooked[one.id]})
			}
		}
	}
	return out
}

func movedProjects(ctx context.Context, p *patient) (out []symptom) {
	c := p.gitlab()
	if c == nil {
		return nil
	}
	for _, r := range p.conf.repositories() {
		if _, err := c.ProjectID(ctx, r.remote); err != nil && !toldElsewhere(err) {
			out = append(out, symptom{fmt.Sprintf("%s: %s", r, errs.Cause(err)), errs.HintOf(err)})
		}
	}
	return out
}

func lowRoles(ctx context.Context, p *patient) (out []symptom) {
	c := p.gitlab()
	if c == nil {
		return nil
	}
	for _, r := range p.conf.repositories() {
		needs, why := setup.Developer, "to push and to propose"
		switch {
		case r.hook:
			needs, why = setup.Maintainer, "to look after its hook and to push to what is protected"
		case r.kind == setup.Released:
			needs, why = setup.Maintainer, "to push to what is protected"
		}
		found, err := setup.New(c).Project(ctx, r.id)
		if err != nil {
			continue // told by gitlab.project_moved and those before it
		}
		if found.Level < needs {
			out = append(out, symptom{fmt.Sprintf("in %s the bot's account is %s, and needs to be %s %s", r, setup.Role(found.Level), setup.Role(needs), why),
				fmt.Sprintf("make it %s, in GitLab under Manage, Members of project %d", setup.Role(needs), r.id)})
		}
	}
	return out
}

func missingRooms(ctx context.Context, p *patient) (out []symptom) {
	c := p.gitlab()
	if c == nil {
		return nil
	}
	for _, r := range p.conf.repositories() {
		if r.kind != setup.Released {
			continue
		}
		if _, err := c.ProjectID(ctx, r.remote); err != nil {
			continue // told by gitlab.project_moved and those before it
		}
		for _, room := range p.conf.rooms(r.project) {
			if err := setup.New(c).Room(ctx, room.ID); errs.Is(err, errs.NotFound) {
				out = append(out, symptom{fmt.Sprintf("GitLab has no room %s of %s, or does not show it to the bot", room.ID, r), ""})
			}
		}
	}
	return out
}

// wanted is a configured hook as GitLab should have it. Of two secrets the first is the one to keep.
func (c *config) wanted(h gitlabHook) setup.Wanted {
	w := setup.Wanted{Name: h.Name, Project: h.ID, Kind: setup.Kind(h.Of), URL: c.address(h)}
	if len(h.Tokens) > 0 {
		w.Token = h.Tokens[0]
	}
	if len(h.Signing) > 0 {
		w.Signing = h.Signing[0]
	}
	return w
}

// branchAt looks for a branch of a project. GitLab is asked over its API, which has the token: the git
// of whoever runs doctor has none. What is found is "" for no such branch.
func (p *patient) branchAt(ctx context.Context, project, remote, branch string) (found string, err error) {
	id, c := p.conf.GitLab.Projects[project].Project, p.gitlab()
	if id == 0 || c == nil || !strings.HasPrefix(remote, p.conf.GitLab.URL+"/") {
		return output(ctx, "/", "git", "ls-remote", "--", remote, "refs/heads/"+branch)
	}
	has, err := setup.New(c).HasBranch(ctx, id, branch)
	if has {
		found = branch
	}
	return found, err
}

// aboutHooks looks at every configured hook.
func aboutHooks(look func(gitlabHook, setup.Examined) []symptom) func(context.Context, *patient) []symptom {
	return func(ctx context.Context, p *patient) (out []symptom) {
		c := p.gitlab()
		if c == nil {
			return nil
		}
		for _, h := range p.conf.GitLab.Hooks {
			all, err := setup.New(c).Hooks(ctx, h.ID)
			if err != nil {
				continue // told by gitlab.role_low and those before it
			}
			out = append(out, look(h, setup.Examine(all, p.conf.wanted(h)))...)
		}
		return out
	}
}

func missingHook(h gitlabHook, e setup.Examined) []symptom {
	if !e.Missing() {
		return nil
	}
	return []symptom{{fmt.Sprintf("project %d has no hook %s", h.ID, h.Name), "slipway hooks install " + h.Project}}
}

func pausedHook(h gitlabHook, e setup.Examined) []symptom {
	until, paused := e.Hook.Paused()
	switch {
	case !paused:
		return nil
	case until.IsZero():
		return []symptom{{fmt.Sprintf("GitLab sends nothing to the hook %s any more, since too many deliveries failed", h.Name), "let the bot run and be reached, then: slipway hooks install " + h.Project}}
	}
	return []symptom{{fmt.Sprintf("GitLab sends nothing to the hook %s until %s, since deliveries failed", h.Name, card.Moment(until)),
		"let the bot run and be reached, then: slipway hooks install " + h.Project}}
}

func wrongHook(h gitlabHook, e setup.Examined) (out []symptom) {
	fix := "slipway hooks install " + h.Project
	if e.Elsewhere {
		fix += " --take-over, if this bot was there before; --beside, if another bot is there"
	}
	for _, wrong := range e.Wrong {
		out = append(out, symptom{fmt.Sprintf("the hook %s: %s", h.Name, wrong), fix})
	}
	return out
}

func refusingHooks(_ context.Context, p *patient) (out []symptom) {
	if p.bot.forge.hooks == nil {
		return nil
	}
	for _, h := range p.conf.GitLab.Hooks {
		standing, _ := p.bot.forge.hooks.Standing(h.Name)
		out = append(out, refusals(h, standing)...)
	}
	return out
}

// refusals tells of what a hook refused, until something authentic comes to it.
func refusals(h gitlabHook, s hook.Standing) []symptom {
	if s.Unproven == 0 {
		return nil
	}
	return []symptom{{fmt.Sprintf("the hook %s refused %s since %s: %s", h.Name, counted(s.Unproven, "delivery", "deliveries"), card.Moment(s.From), s.Doubt),
		"slipway hooks install " + h.Project + " gives GitLab the secret of the configuration; of timestamps, set the clock of this machine"}}
}

func silentHooks(ctx context.Context, p *patient) (out []symptom) {
	c := p.gitlab()
	if c == nil || p.bot.forge.hooks == nil {
		return nil
	}
	for _, h := range p.conf.GitLab.Hooks {
		standing, _ := p.bot.forge.hooks.Standing(h.Name)
		last := standing.Last
		if last.IsZero() {
			last = p.bot.forge.began
		}
		found, err := setup.New(c).Project(ctx, h.ID)
		if err != nil {
			continue
		}
		out = append(out, silence(h, last, found.Activity, time.Now(), standing.Why)...)
	}
	return out
}

// silence compares when a hook told something last, or the bot began to listen, with when something
// happened in its project.
func silence(h gitlabHook, last, activity, now time.Time, refused string) []symptom {
	if activity.Sub(last) < silentMost || now.Sub(activity) < 10*time.Minute {
		return nil
	}
	if setup.Kind(h.Of) == setup.Handover {
		return nil // nearly all that changes there is of others, and its hook sends none of that
	}
	what := fmt.Sprintf("project %d changed at %s, and the hook %s has told nothing since %s", h.ID, card.Moment(activity), h.Name, card.Moment(last))
	if refused != "" {
		what += "; what came was refused: " + refused
	}
	return []symptom{{what, "slipway hooks install " + h.Project}}
}
