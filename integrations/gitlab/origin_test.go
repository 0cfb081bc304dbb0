package gitlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
)

// Two projects to which somebody gave one number: what is known of the one says nothing of the other.
func TestANumberIsCheckedForEachRemote(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, project("yard/harbour")) }))
	defer s.Close()
	at := time.Date(2026, 8, 3, 9, 0, 0, 0, time.UTC)
	c, err := New(Options{URL: s.URL, Token: secret, Now: func() time.Time { return at },
		Projects: []Project{{Remote: s.URL + "/yard/harbour.git", ID: 4711}, {Remote: s.URL + "/yard/dock.git", ID: 4711}}})
	if err != nil {
		t.Fatal(err)
	}
	if id, err := c.ProjectID(t.Context(), s.URL+"/yard/harbour.git"); id != 4711 || err != nil {
		t.Fatal(id, err)
	}
	if id, err := c.ProjectID(t.Context(), s.URL+"/yard/dock.git"); errs.KindOf(err) != errs.Conflict {
		t.Errorf("the dock is taken for the harbour: %d, %v", id, err)
	}
}

// A GitLab below a path shares its host with others, who are not told its token.
func TestTheTokenStaysBelowThePathOfGitLab(t *testing.T) {
	stolen := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/gitlab/api/v4/") {
			http.Redirect(w, r, "/gitlab-pages/x", http.StatusFound)
			return
		}
		stolen += r.Header.Get("PRIVATE-TOKEN")
		answer(w, 200, project("yard/harbour"))
	}))
	defer s.Close()
	c, err := New(Options{URL: s.URL + "/gitlab", Token: secret, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.API().Projects.GetProject(4711, nil); err != nil || stolen != "" {
		t.Errorf("%v; another service was given the token %q", err, stolen)
	}
	for path, want := range map[string]bool{"/gitlab/api/v4/user": true, "/gitlab": false, "/gitlabs/x": false, "/gitlab/../x": false, "/gitlab/..": false} {
		u := &url.URL{Scheme: "https", Host: "Gitlab.example", Path: path}
		if got := (&transport{origin: &url.URL{Scheme: "https", Host: "gitlab.example", Path: "/gitlab"}}).ours(u); got != want {
			t.Errorf("%s is ours: %v", path, got)
		}
	}
}

// What is called neither JSON nor an error is bounded too, unless its reader does that.
func TestAnswersAreBoundedWhateverTheyAreCalled(t *testing.T) {
	c, _ := served(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "{}")
	})
	get := func(ctx context.Context) io.ReadCloser {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL()+"/api/v4/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.httpClient(nil).Transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp.Body
	}
	if b, ok := get(t.Context()).(*bounded); !ok || b.left != maxAnswer {
		t.Error("an answer has no bound")
	}
	if _, ok := get(Streamed(t.Context())).(*bounded); ok {
		t.Error("an archive is cut off")
	}
}

func TestAProxyThatIsAwayLeavesNoDoubt(t *testing.T) {
	err := &url.Error{Op: "Post", URL: "https://gitlab.example", Err: &net.OpError{Op: "proxyconnect", Net: "tcp", Err: errors.New("refused")}}
	if got := Err("t", nil, err, true); errs.KindOf(got) != errs.Unavailable {
		t.Errorf("nothing was sent: %v", got)
	}
}
