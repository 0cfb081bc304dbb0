package setup

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/slack"
)

// Setup looks at a workspace with the bot's token.
type Setup struct{ client *slack.Client }

// New makes one.
func New(c *slack.Client) *Setup { return &Setup{c} }

// Channel is how the bot finds a channel.
type Channel struct {
	Name     string // for showing alone
	Member   bool   // the bot is in it
	Archived bool
	Shared   bool // people of other workspaces are in it
}

// Channel reads one by its id. One that is not there, or is private and without the bot, is
// [errs.NotFound]: Slack tells nobody which.
func (s *Setup) Channel(ctx context.Context, id string) (Channel, error) {
	const op = "slack.channel"
	got, err := s.client.API().GetConversationInfoContext(ctx, &slackgo.GetConversationInfoInput{ChannelID: id})
	if err != nil {
		return Channel{}, slack.Err(op, err, false)
	}
	if got == nil || got.ID != id {
		return Channel{}, errs.E(op, errs.Unavailable, fmt.Errorf("the answer is about another channel than %s", id)).Hint(slack.Later)
	}
	return Channel{Name: card.Line(got.Name, 80), Member: got.IsMember, Archived: got.IsArchived, Shared: got.IsExtShared}, nil
}

// Clock is by how much the clock of this machine is ahead of Slack's, as the Date of an answer tells it:
// to about a second, and to half of the time that the answer took.
func (s *Setup) Clock(ctx context.Context) (ahead time.Duration, err error) {
	const op = "slack.clock"
	before := s.client.Now()
	got, err := s.client.API().AuthTestContext(ctx)
	after := s.client.Now()
	if err != nil {
		return 0, slack.Err(op, err, false)
	}
	date, err := http.ParseTime(got.Header.Get("Date"))
	if err != nil {
		return 0, errs.E(op, errs.Unavailable, errors.New("the answer has no date")).Hint(slack.Later)
	}
	middle := before.Add(after.Sub(before) / 2)
	return middle.Sub(date.Add(500 * time.Millisecond)), nil
}

const (
	probeTime = 15 * time.Second
	probeMost = 4 << 10 // bytes of an answer
)

// Probe sends to a request URL what Slack sends when the URL is set, signed with secret: whoever answers
// with the challenge is this bot, has this secret, and is reached from here. Slack may come another way.
// Errors are of kind [errs.Failed].
func Probe(ctx context.Context, client *http.Client, address, secret string, now time.Time) error {
	const op = "slack.probe"
	failed := func(what, hint string) error {
		return errs.E(op, errs.Failed, fmt.Errorf("%s %s", address, what)).Hint("%s", hint)
	}
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return errs.E(op, errs.Internal, errors.New("the system gives no randomness"))
	}
	challenge := hex.EncodeToString(random[:])
	body, err := json.Marshal(map[string]string{"type": "url_verification", "challenge": challenge, "token": ""})
	if err != nil {
		return errs.E(op, errs.Internal, err)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return failed("is no address", "correct webhooks: url")
	}
	at := strconv.FormatInt(now.Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Slack-Request-Timestamp", at)
	req.Header.Set("X-Slack-Signature", slack.Signature(secret, at, body))
	resp, err := client.Do(req)
	if err != nil {
		return failed("is not reached", "look whether the bot runs, whether a proxy leads to webhooks: listen, and whether its certificate is valid")
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, probeMost))
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return failed("refuses what is signed with the first of signing_files", "another bot answers there, or this one runs with another secret: restart it")
	case resp.StatusCode == http.StatusNotFound:
		return failed("is not there (404)", "look whether the proxy leads /hooks/slack/ to webhooks: listen, and restart the bot")
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return failed("leads elsewhere, where Slack may not follow", "write the last address into webhooks: url")
	case resp.StatusCode != http.StatusOK:
		return failed(fmt.Sprintf("answers with status %d", resp.StatusCode), "look at the log of the proxy and of the bot")
	case err != nil || !answers(answer, challenge):
		return failed("answers something else than this bot", "look where the proxy leads /hooks/slack/")
	}
	return nil
}

// answers reports whether the answer is the challenge, as text or as JSON.
func answers(body []byte, challenge string) bool {
	if strings.TrimSpace(string(body)) == challenge {
		return true
	}
	var said struct {
		Challenge string `json:"challenge"`
	}
	return json.Unmarshal(body, &said) == nil && said.Challenge == challenge
}
