package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/integrations/console/api"
	"slipway/integrations/console/client"
	"slipway/integrations/console/login"
)

type tokenCmd struct {
	New    tokenNewCmd    `cmd:"" help:"Make a token, with which a program of yours uses the API as you: slipway token new nightly --scopes read,say"`
	List   tokenListCmd   `cmd:"" help:"List your tokens, without their secrets."`
	Revoke tokenRevokeCmd `cmd:"" help:"End one of your tokens at once."`
}

type tokenNewCmd struct {
	Name    string `arg:"" help:"What it is for: small letters, digits, dots and dashes."`
	Scopes  string `help:"What it allows: read, say, approve, operate. It never allows more than you may do." default:"read" placeholder:"LIST"`
	Expires string `help:"For how many days it is good, at most 366d." default:"90d" placeholder:"DAYS"`
}

func (n *tokenNewCmd) Run(ctx context.Context, c *cli) error {
	scopes, err := login.ParseScopes(n.Scopes)
	if err != nil {
		return err
	}
	life, err := playbook.ParseDuration(n.Expires)
	days := int(life / (24 * time.Hour))
	if err != nil || days < 1 || days > 366 || life%(24*time.Hour) != 0 {
		return errs.E("token", errs.Invalid, fmt.Errorf("--expires is %q", clipped(n.Expires))).Hint("write whole days, e.g. 90d, at most 366d")
	}
	caller, err := c.overSocket(nil)
	if err != nil {
		return err
	}
	defer caller.Close()
	var made api.NewToken
	ask := api.TokenAsk{Name: n.Name, Scopes: scopes, Days: days}
	if err := caller.Do(ctx, client.Call{Method: http.MethodPost, Path: "/tokens", Body: ask}, &made); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "It is good until %s, and shown this once. Send it as: Authorization: Bearer TOKEN\n", made.Token.Expires.Format(time.DateOnly))
	fmt.Println(made.Secret)
	return nil
}

type tokenListCmd struct{}

func (*tokenListCmd) Run(ctx context.Context, c *cli) error {
	caller, err := c.overSocket(nil)
	if err != nil {
		return err
	}
	defer caller.Close()
	list, err := client.Get[api.TokenList](ctx, caller, "/tokens", nil)
	if err != nil {
		return err
	}
	if len(list.Tokens) == 0 {
		fmt.Println("no tokens: slipway token new NAME makes one")
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tID\tMAY\tGOOD UNTIL\tLAST USED")
	for _, t := range list.Tokens {
		used := "never"
		if !t.Used.IsZero() {
			used = t.Used.UTC().Format("2006-01-02 15:04 UTC")
		}
		until := t.Expires.Format(time.DateOnly)
		if !time.Now().Before(t.Expires) {
			until += " (expired)"
		}
		scopes := make([]string, len(t.Scopes))
		for i, s := range t.Scopes {
			scopes[i] = string(s)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.Name, t.ID, strings.Join(scopes, ","), until, used)
	}
	return w.Flush()
}

type tokenRevokeCmd struct {
	Token string `arg:"" help:"Name or id, as slipway token list shows it."`
}

func (r *tokenRevokeCmd) Run(ctx context.Context, c *cli) error {
	caller, err := c.overSocket(nil)
	if err != nil {
		return err
	}
	defer caller.Close()
	if r.Token == "" {
		return errs.E("token", errs.Invalid, errors.New("no token is named")).Hint("slipway token list shows yours")
	}
	var ended login.Token
	if err := caller.Do(ctx, client.Call{Method: http.MethodDelete, Path: client.Path("tokens", r.Token)}, &ended); err != nil {
		return err
	}
	fmt.Printf("%s is revoked\n", ended.Name)
	return nil
}
