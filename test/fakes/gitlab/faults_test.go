package gitlab

import (
	"context"
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"
)

func (y *yard) branches() int {
	y.s.mu.Lock()
	defer y.s.mu.Unlock()
	return len(y.s.project(y.harbour).names("refs/heads/", ""))
}

func TestFaultsComeBeforeOrAfterTheWork(t *testing.T) {
	y := newYard(t, Options{})
	_, err := y.s.CommitFiles(y.harbour, y.ada.ID, "master", "Begin", map[string]string{"README": "a ship\n"})
	y.must(err)
	for _, c := range []struct {
		do     Kind
		status int // 0: no answer
		more   int
	}{
		{BadGateway, 502, 0}, {InternalError, 500, 0}, {TooMany, 429, 0}, {Conflict, 409, 0}, {Reset, 0, 0},
		{BadGatewayAfter, 502, 1}, {ResetAfter, 0, 1},
	} {
		y.s.Fault(Fault{Method: "POST", Path: "/projects/*/repository/branches", Do: c.do, RetryAfter: 90 * time.Second})
		before := y.branches()
		y.do(200, "GET", y.at("/repository/branches"), nil)
		a := y.ask(y.token, "POST", y.at("/repository/branches"), map[string]any{"branch": "b-" + string(c.do[:3]) + string(c.do[len(c.do)-2:]), "ref": "master"})
		if got := y.branches() - before; a.status != c.status || got != c.more {
			t.Errorf("%s: %d with %d more branches, want %d with %d", c.do, a.status, got, c.status, c.more)
		}
		if c.do == TooMany && a.head.Get("Retry-After") != "90" {
			t.Errorf("retry after %q", a.head.Get("Retry-After"))
		}
		if left := y.s.ClearFaults(); left != 0 {
			t.Errorf("%s: %d rules are left", c.do, left)
		}
	}
}

func TestAFaultMaySkipRequestsAndMeetGit(t *testing.T) {
	y := newYard(t, Options{})
	y.s.Fault(Fault{Method: "GET", Path: "/user", Skip: 1, Times: 2, Do: InternalError})
	for _, want := range []int{200, 500, 500, 200} {
		y.do(want, "GET", "/user", nil)
	}
	dir := y.clone(y.token)
	tip := y.save(dir, "README", "a ship\n", "Begin")
	y.s.Fault(Fault{Path: "/yard/harbour.git/git-receive-pack", Do: BadGatewayAfter})
	if out, err := y.git(dir, "push", "origin", "HEAD:master"); err == nil {
		t.Errorf("the push says that it worked: %s", out)
	}
	if got := y.s.Ref(y.harbour, "refs/heads/master"); got != tip {
		t.Errorf("master is %q, want what was pushed", got)
	}
}

func TestAnAnswerMayBeCutOff(t *testing.T) {
	y := newYard(t, Options{})
	y.s.Fault(Fault{Path: "/version", Do: Cut})
	q, err := http.NewRequestWithContext(t.Context(), "GET", y.s.URL+"/api/v4/version", nil)
	y.must(err)
	q.Header.Set("PRIVATE-TOKEN", y.token)
	a, err := http.DefaultClient.Do(q)
	y.must(err)
	defer a.Body.Close()
	if raw, err := io.ReadAll(a.Body); a.StatusCode != 200 || !errors.Is(err, io.ErrUnexpectedEOF) || len(raw) == 0 {
		t.Errorf("%d %q: %v", a.StatusCode, raw, err)
	}
}

func TestWhoHangsIsLeftByTheClient(t *testing.T) {
	came := make(chan Request, 1)
	y := newYard(t, Options{Watch: func(r Request) { came <- r }})
	y.s.Fault(Fault{Do: HangAfter, Method: "POST"})
	ctx, cancel := context.WithCancel(t.Context())
	q, err := http.NewRequestWithContext(ctx, "POST", y.s.URL+"/api/v4/nowhere", nil)
	y.must(err)
	done := make(chan error, 1)
	go func() {
		a, err := http.DefaultClient.Do(q)
		if err == nil {
			_ = a.Body.Close()
		}
		done <- err
	}()
	if r := <-came; r.Fault != HangAfter {
		t.Errorf("the request meets %q", r.Fault)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the request ended with %v", err)
	}
}

func TestAServerThatIsAwayRefusesAndComesBack(t *testing.T) {
	y := newYard(t, Options{})
	y.do(200, "GET", "/user", nil)
	y.s.Away()
	q, err := http.NewRequestWithContext(t.Context(), "GET", y.s.URL+"/api/v4/user", nil)
	y.must(err)
	a, err := http.DefaultClient.Do(q)
	if err == nil {
		_ = a.Body.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("while it is away: %v", err)
	}
	y.must(y.s.Back())
	y.do(200, "GET", "/user", nil)
	y.s.BadGateways(true)
	y.do(502, "GET", "/user", nil)
	y.s.BadGateways(false)
	y.do(200, "GET", "/user", nil)
}
