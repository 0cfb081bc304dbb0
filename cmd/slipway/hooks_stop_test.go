package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestADeliveryThatIsUnderWayWhenTheBotStops is taken: GitLab would count it as failed, and not send it
// again.
func TestADeliveryThatIsUnderWayWhenTheBotStops(t *testing.T) {
	w := newHookWorld(t, "19.0.1-ee", nil)
	stop := w.startOnce()
	at := strings.TrimPrefix(w.hooks, "http://")
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body, err := io.ReadAll(w.pushed())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nX-Gitlab-Token: %s\r\nX-Gitlab-Event: Push Hook\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		harbourPath, at, hookToken, len(body))
	in := bufio.NewReader(c)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100") { // it is being read
		t.Fatalf("%q %v", line, err)
	}
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	for refused := false; !refused; { // the bot takes nothing new any more
		if t.Context().Err() != nil {
			t.Fatal("it still listens")
		}
		other, err := net.Dial("tcp", at)
		if refused = err != nil; !refused {
			_ = other.Close()
		}
	}
	if _, err := c.Write(body); err != nil {
		t.Fatal(err)
	}
	a, err := http.ReadResponse(in, nil)
	if err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("%+v %v", a, err)
	}
	_ = a.Body.Close()
	<-stopped
	w.start()
	if n := w.kept(); n != 1 {
		t.Errorf("%d deliveries are kept", n)
	}
}
