package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/signing"
)

// maxAnswer bounds what is read from the bot, in bytes.
const maxAnswer = signing.MaxRequest*2 + 64<<10

// Client talks to the bot's job door. It only ever calls out.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// NewClient checks that the token goes only over TLS, or not out of this machine.
func NewClient(server, token string) (*Client, error) {
	const op = "signer.client"
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("%q is not the address of a bot", server)).
			Hint("write https://bot.example.org")
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the token would travel in the clear to %s", u.Host)).
			Hint("use https; http is for a bot on this machine only")
	}
	if err := signing.CheckToken(token); err != nil {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the token cannot be used: %w", err))
	}
	return &Client{base: strings.TrimRight(u.String(), "/"), token: token, http: &http.Client{
		Timeout: 30 * time.Second,
		// A redirect would carry the token to a place that nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Lease asks for a job; found is false when there is none.
func (c *Client) Lease(ctx context.Context, kind string) (r signing.Reply, found bool, err error) {
	code, err := c.post(ctx, "lease", signing.Ask{Kind: kind}, &r)
	return r, err == nil && code == http.StatusOK, err
}

// LeaseOne asks for precisely that job. [errs.NotFound] means that there is none of this kind,
// [errs.Conflict] that another holds it or that it is finished.
func (c *Client) LeaseOne(ctx context.Context, kind, id string) (r signing.Reply, err error) {
	code, err := c.post(ctx, "lease", signing.Ask{Kind: kind, ID: id}, &r)
	switch {
	case err != nil:
		return r, err
	case code != http.StatusOK || r.ID == "":
		return r, errs.E("signer.client", errs.NotFound, errors.New("the bot has no such job"))
	case r.ID != id || r.Kind != kind:
		// A bot that does not know this question has answered another one.
		_ = c.GiveBack(ctx, r, "it was not asked for") // its lease ends by itself too
		return r, errs.E("signer.client", errs.Unavailable, errors.New("the bot gave another job than the one that was asked for")).
			Hint("the bot must be at least as new as this signer")
	}
	return r, nil
}

// Renew keeps the lease. [errs.Conflict] means that it is lost.
func (c *Client) Renew(ctx context.Context, r signing.Reply) error {
	_, err := c.post(ctx, "renew", signing.Ask{Kind: r.Kind, ID: r.ID, Fence: r.Fence}, nil)
	return err
}

// Finish hands in a signature, or with ok false the reason why there is none.
func (c *Client) Finish(ctx context.Context, r signing.Reply, a signing.Ask) (state string, err error) {
	a.Kind, a.ID, a.Fence = r.Kind, r.ID, r.Fence
	var answer signing.Reply
	_, err = c.post(ctx, "finish", a, &answer)
	return answer.State, err
}

// GiveBack lets others take the job.
func (c *Client) GiveBack(ctx context.Context, r signing.Reply, why string) error {
	_, err := c.post(ctx, "give-back", signing.Ask{Kind: r.Kind, ID: r.ID, Fence: r.Fence, Reason: why}, nil)
	return err
}

// Content fetches a request that was too large for the job.
func (c *Client) Content(ctx context.Context, r signing.Reply) ([]byte, error) {
	path := fmt.Sprintf("blob/%s?kind=%s&job=%s&fence=%d", url.PathEscape(r.Digest), url.QueryEscape(r.Kind), url.QueryEscape(r.ID), r.Fence)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/jobs/v1/"+path, nil)
	if err != nil {
		return nil, errs.E("signer.client", errs.Internal, err)
	}
	_, body, err := c.do(req)
	return body, err
}

func (c *Client) post(ctx context.Context, what string, a signing.Ask, into *signing.Reply) (int, error) {
	body, err := json.Marshal(a)
	if err != nil {
		return 0, errs.E("signer.client", errs.Internal, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/jobs/v1/"+what, bytes.NewReader(body))
	if err != nil {
		return 0, errs.E("signer.client", errs.Internal, err)
	}
	req.Header.Set("Content-Type", "application/json")
	code, data, err := c.do(req)
	if err != nil || into == nil || code == http.StatusNoContent {
		return code, err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return code, errs.E("signer.client", errs.Unavailable, errors.New("the bot's answer cannot be read"))
	}
	return code, nil
}

func (c *Client) do(req *http.Request) (int, []byte, error) {
	const op = "signer.client"
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, errs.E(op, errs.Unavailable, fmt.Errorf("the bot at %s does not answer", c.base))
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil || len(data) > maxAnswer {
		return 0, nil, errs.E(op, errs.Unavailable, errors.New("the bot's answer was cut off or is too long"))
	}
	if resp.StatusCode/100 == 2 {
		return resp.StatusCode, data, nil
	}
	kind := errs.Unavailable
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		kind = errs.Denied
	case http.StatusNotFound:
		kind = errs.NotFound
	case http.StatusConflict:
		kind = errs.Conflict
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		kind = errs.Invalid
	}
	var p signing.Problem
	if json.Unmarshal(data, &p) != nil || p.Text == "" {
		p.Text = "no reason given"
	}
	// The text comes from outside and goes to a terminal.
	return 0, nil, errs.E(op, kind, fmt.Errorf("the bot answers %d: %s", resp.StatusCode, printable(p.Text)))
}
