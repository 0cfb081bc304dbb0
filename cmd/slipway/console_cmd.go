package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"strings"

	"slipway/bot/errs"
	"slipway/integrations/console/api"
	"slipway/integrations/console/client"
)

type consoleCmd struct {
	Open bool `help:"Open the page in a browser too."`
}

// Run asks the bot over its socket for a code that logs a browser in, and prints the address with
// it. The kernel tells the bot who asks.
func (o *consoleCmd) Run(ctx context.Context, c *cli) error {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	if conf.Web.Listen == "" {
		return errs.E("console", errs.NotFound, errors.New("this Slipway has no web console")).Hint("configure console: listen: %s", defaultListen)
	}
	address := conf.Web.Link("/login")
	if conf.Many && c.As == "" {
		address = conf.Web.Link("/") // there one picks who one is
	} else {
		caller, err := c.overSocket(conf)
		if err != nil {
			return err
		}
		defer caller.Close()
		var code api.Code
		if err := caller.Do(ctx, client.Call{Method: http.MethodPost, Path: "/codes"}, &code); err != nil {
			return err
		}
		address += "?code=" + url.QueryEscape(code.Code)
	}
	fmt.Println(address)
	if !o.Open {
		return nil
	}
	browser, err := exec.LookPath("xdg-open")
	if err != nil {
		return errs.E("console", errs.NotFound, errors.New("there is no xdg-open to find a browser with")).Hint("open the address yourself")
	}
	if err := exec.CommandContext(ctx, browser, address).Run(); err != nil {
		return errs.E("console", errs.Failed, errors.New("no browser could be opened")).Hint("open the address yourself")
	}
	return nil
}

// overSocket calls the API of the bot on this machine.
func (c *cli) overSocket(conf *config) (*client.Client, error) {
	path := c.Socket
	if path == "" && conf == nil {
		var err error
		if conf, err = loadConfig(c.Config); err != nil {
			return nil, err
		}
	}
	if path == "" {
		path = conf.Socket
	}
	return &client.Client{Path: path, As: strings.TrimSpace(c.As)}, nil
}
