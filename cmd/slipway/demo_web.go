package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console/web"
)

// webAddress is where the demo's pages are: the usual port if nobody has it, or else any.
func webAddress() (string, error) {
	if l, err := net.Listen("tcp", defaultListen); err == nil {
		return defaultListen, l.Close()
	}
	port, err := freePort()
	return fmt.Sprintf("127.0.0.1:%d", port), err
}

// pageOf is the channel's page as a person of the demo sees it. Each person has a host, so that
// windows of one browser can be different people.
func (y *yard) pageOf(person string) string {
	_, port, _ := net.SplitHostPort(y.listen)
	return "http://" + person + ".localhost:" + port + "/c/" + demoChannel
}

// onPage looks whether the page shows the released version as done, as somebody sees it who only
// tested it. The card may be a moment behind.
func (y *yard) onPage(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{
		// The name is this machine by definition, whatever its resolver knows.
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", y.listen)
		},
		DisableKeepAlives: true,
	}}
	for range 50 {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, y.pageOf(demoTester), nil)
		if err != nil {
			return err
		}
		a, err := client.Do(q)
		if err != nil {
			return errs.E("demo", errs.Failed, errors.New("the web console does not answer"))
		}
		page, err := io.ReadAll(io.LimitReader(a.Body, 4<<20))
		_ = a.Body.Close()
		if err != nil || a.StatusCode != http.StatusOK {
			return errs.E("demo", errs.Failed, fmt.Errorf("the page is answered with %s", a.Status))
		}
		if web.ShowsRun(string(page), "release/"+y.project+"/"+y.version, "done") {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	return errs.E("demo", errs.Failed, errors.New("the page does not show the release as done"))
}

// opened is what the demo prints first: where the pages are, and how to be several people.
func (y *yard) opened() string {
	if y.listen == "" {
		return ""
	}
	_, port, _ := net.SplitHostPort(y.listen)
	host := func(person string) string { return "http://" + person + ".localhost:" + port }
	return fmt.Sprintf(`
Open this in a browser:   %s

There you are Hana, and type   release %s
Others must agree; be them in more windows:
                          %s
`, host(demoManager), y.version, strings.Join([]string{host("ben"), host("chen"), host(demoTester)}, "\n                          "))
}
