package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/gitlab"
	"slipway/integrations/gitlab/setup"
)

type hooksCmd struct {
	Install hooksInstallCmd `cmd:"" help:"Make the hooks that are missing on GitLab, set those that are there, and test them."`
	Check   hooksCheckCmd   `cmd:"" help:"Say what is wrong with the hooks, the token and the bot's roles; nothing is changed."`
}

type hooksInstallCmd struct {
	Project  string `arg:"" optional:"" help:"Only those of this project."`
	TakeOver bool   `xor:"moved" help:"Have a hook that sends to another host, where this bot was before, send here."`
	Beside   bool   `xor:"moved" help:"Leave a hook that sends to another host, where another bot is, and make one beside it."`
}

type hooksCheckCmd struct {
	Project string `arg:"" optional:"" help:"Only those of this project."`
}

// Run makes every configured hook be as it should be.
func (h *hooksInstallCmd) Run(ctx context.Context, c *cli) error {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	moved := setup.Ask
	switch {
	case h.TakeOver:
		moved = setup.TakeOver
	case h.Beside:
		moved = setup.Beside
	}
	return installHooks(ctx, conf, h.Project, moved, os.Stdout)
}

// Run looks and tells.
func (h *hooksCheckCmd) Run(ctx context.Context, c *cli) error {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	return checkHooks(ctx, conf, h.Project, os.Stdout)
}

// hooksOf is the configuration with the hooks and projects that are meant; "" means all.
func hooksOf(conf *config, project string) (*config, error) {
	const op = "hooks"
	if !conf.GitLab.on() {
		return nil, errs.E(op, errs.Invalid, errors.New("no GitLab is configured")).Hint("write gitlab: into slipway.yaml; deploy/example/slipway.yaml shows how")
	}
	some := *conf
	if project != "" {
		if _, ok := conf.Projects[project]; !ok {
			return nil, errs.E(op, errs.NotFound, fmt.Errorf("there is no project %q", project)).Hint("%s", suggest(project, slices.Values(sortedKeys(conf.Projects))))
		}
		some.GitLab.Hooks = slices.DeleteFunc(slices.Clone(conf.GitLab.Hooks), func(h gitlabHook) bool { return h.Project != project })
		some.GitLab.Projects = map[string]gitlabProject{}
		if p, ok := conf.GitLab.Projects[project]; ok {
			some.GitLab.Projects[project] = p
		}
	}
	if len(some.GitLab.Hooks) == 0 {
		return nil, errs.E(op, errs.NotFound, errors.New("no hook is configured")).Hint("write it under gitlab: hooks: in slipway.yaml, e.g. harbour: {project: harbour, token_files: [hook-token]}")
	}
	return &some, nil
}

// installHooks tells what it does, a line each. The error says how many hooks are not as they should be.
func installHooks(ctx context.Context, conf *config, project string, moved setup.Moved, out io.Writer) error {
	conf, err := hooksOf(conf, project)
	if err != nil {
		return err
	}
	client, err := gitlabClient(conf)
	if err != nil {
		return err
	}
	me, err := client.Me(ctx)
	if err == nil {
		err = notAPerson(ctx, client, conf)
	}
	if errs.Is(err, errs.Unavailable) && errs.HintOf(err) == gitlab.Later {
		return errs.E("hooks.install", errs.Unavailable, errors.New(errs.Cause(err))).
			Hint("look whether %s is right as gitlab: url, and whether this machine can reach it", client.URL())
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "GitLab is %s; the bot is @%s\n", client.URL(), me.Username)
	failed := 0
	for _, h := range conf.GitLab.Hooks {
		did, err := installHook(ctx, conf, client, h, moved)
		for _, line := range did {
			fmt.Fprintf(out, "%s: %s\n", h.Name, line)
		}
		if err != nil {
			failed++
			fmt.Fprintf(out, "%s: %s\n", h.Name, errs.Text(err))
		}
	}
	if failed > 0 {
		return errs.E("hooks.install", errs.Failed, fmt.Errorf("%s not as it should be", counted(failed, "hook is", "hooks are"))).Hint("the lines above say what to do")
	}
	return nil
}

func installHook(ctx context.Context, conf *config, client *gitlab.Client, h gitlabHook, moved setup.Moved) (did []string, err error) {
	s, w := setup.New(client), conf.wanted(h)
	w.Moved = moved
	for _, r := range conf.repositories() {
		if r.id == h.ID {
			if _, err := client.ProjectID(ctx, r.remote); err != nil {
				return nil, err
			}
		}
	}
	did, hook, err := s.Install(ctx, w)
	if errs.Is(err, errs.Denied) && !strings.Contains(errs.Cause(err), "insufficient_scope") {
		err = errs.E("hooks.install", errs.Denied, errors.New(errs.Cause(err))).
			Hint("make the bot's account %s of project %d, or let somebody who is run this", setup.Role(setup.Maintainer), h.ID)
	}
	if err != nil {
		return did, err
	}
	did = []string{strings.Join(did, "; ") + fmt.Sprintf(" (hook %d of project %d, to %s)", hook.ID, h.ID, w.URL)}
	until, paused := hook.Paused()
	if err := s.Test(ctx, w, hook.ID); err != nil {
		if paused {
			did = append(did, "it is paused by GitLab"+untilWhen(until)+", and only a test that goes well ends that")
		}
		return did, err
	}
	did = append(did, "a test arrived, and was taken")
	now, err := s.Read(ctx, h.ID, hook.ID)
	if err != nil {
		return did, err
	}
	if until, still := now.Paused(); still {
		return did, errs.E("hooks.install", errs.Failed, fmt.Errorf("GitLab still sends nothing to it%s", untilWhen(until))).Hint("look at its recent events in GitLab")
	}
	if paused {
		did = append(did, "GitLab sends to it again")
	}
	return did, nil
}

func untilWhen(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + t.UTC().Format("2006-01-02 15:04 MST")
}

// checkHooks tells every finding about GitLab. The error counts them.
func checkHooks(ctx context.Context, conf *config, project string, out io.Writer) error {
	conf, err := hooksOf(conf, project)
	if err != nil {
		return err
	}
	p, docs, n := &patient{conf: conf}, gitlabDocs(), 0
	for _, a := range gitlabAilments() {
		found := a.look(ctx, p)
		for _, s := range found {
			n++
			fix := s.fix
			if fix == "" {
				fix = docs[a.code].fix
			}
			fmt.Fprintf(out, "%-8s%-24s%s\n%32s%s\n", a.severity, a.code, s.what, "→ ", fix)
		}
		if len(found) == 0 {
			fmt.Fprintf(out, "%-8s%-24s%s\n", "good", a.code, a.good)
		} else if a.severity == ill {
			break // what follows could not be seen, or only because of this
		}
	}
	if n > 0 {
		return errs.E("hooks.check", errs.Failed, errors.New(counted(n, "finding", "findings"))).Hint("slipway hooks install mends hooks; slipway doctor --codes says more of each")
	}
	return nil
}
