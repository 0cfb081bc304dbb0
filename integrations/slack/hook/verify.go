package hook

import (
	"bytes"
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/slack"
)

// Bounds of secrets and timestamps.
const (
	leastSecret  = 20 // characters; Slack's have 32
	mostSecret   = 256
	signedWithin = 5 * time.Minute // between the timestamp and now, in both directions
)

// example is the signing secret of Slack's own documentation, which everybody knows.
const example = "8f742231b10e8888abcd99yyyzzz85a5"

// The headers that prove where a request comes from (docs.slack.dev, "Verifying requests from Slack").
const (
	headerStamp = "X-Slack-Request-Timestamp"
	headerSign  = "X-Slack-Signature"
)

// CheckSigning refuses a signing secret that is none, without repeating it.
func CheckSigning(secret string) error {
	bad := func(what string) error {
		return errs.E("slack.hooks", errs.Invalid, errors.New(what)).Hint("copy it from the app's Basic Information in Slack, under App Credentials")
	}
	switch {
	case len(secret) < leastSecret || len(secret) > mostSecret || strings.Count(secret, secret[:1]) == len(secret):
		return bad(fmt.Sprintf("the signing secret of the Slack app is empty or too easy to guess; it has at least %d characters", leastSecret))
	case strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }):
		return bad("the signing secret of the Slack app holds a space or a character outside ASCII")
	case secret == example:
		return bad("the signing secret of the Slack app is the example of Slack's documentation")
	case strings.HasPrefix(secret, "xoxb-"), strings.HasPrefix(secret, "xapp-"), strings.HasPrefix(secret, "xoxp-"):
		return bad("the signing secret of the Slack app is a token")
	}
	return nil
}

// single are the headers that may be there once: of two, another program might read the other one.
func single() []string {
	return []string{headerStamp, headerSign, "X-Slack-Retry-Num", "X-Slack-Retry-Reason", "Content-Type", "Content-Encoding", "Content-Length"}
}

// The answers to what is refused. None of them tells what was nearly right.
func unauthentic(text string) *refusal { return &refusal{http.StatusUnauthorized, text} }

func malformed(text string) *refusal { return &refusal{http.StatusBadRequest, text} }

var (
	// stampOfRequest is a number of seconds: no sign, no exponent, no leading zero, no overflow.
	stampOfRequest = regexp.MustCompile(`^[1-9][0-9]{0,10}$`)
	// signShape is the one form of a signature that there is: the version and 32 bytes in small digits.
	signShape = regexp.MustCompile(`^v0=[0-9a-f]{64}$`)
)

// take reads one request: first the headers, as far as they can be judged, then the body, then its
// signature. Nothing is parsed.
func (h *Handler) take(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	for _, name := range single() {
		if len(r.Header.Values(name)) > 1 {
			return nil, malformed("the header " + name + " is there twice")
		}
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, &refusal{http.StatusUnsupportedMediaType, "the body is compressed"}
	}
	stamp, sign := r.Header.Get(headerStamp), r.Header.Get(headerSign)
	if !stampOfRequest.MatchString(stamp) || !signShape.MatchString(sign) {
		return nil, unauthentic("the signature is missing, or not what it should be")
	}
	at, err := strconv.ParseInt(stamp, 10, 64)
	if age := h.o.Now().Unix() - at; err != nil || age > int64(signedWithin/time.Second) || age < -int64(signedWithin/time.Second) {
		return nil, unauthentic("the timestamp is too old or too new")
	}
	body, no := h.read(w, r)
	if no != nil {
		return nil, no
	}
	good := false
	for _, secret := range h.signing { // every one, so that it takes as long for each
		good = hmac.Equal([]byte(sign), []byte(slack.Signature(secret, stamp, body))) || good
	}
	if !good {
		return nil, unauthentic("the signature is wrong")
	}
	return body, nil
}

// read reads the body within its bounds of size and time.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	tooLarge := &refusal{http.StatusRequestEntityTooLarge, "the body is too large"}
	if r.ContentLength > maxBody {
		return nil, tooLarge
	}
	// A deadline of a connection is of the wall clock.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.o.BodyTime))
	if r.ContentLength < 0 || r.ContentLength > largeBody {
		wait := time.NewTimer(h.o.BodyTime)
		defer wait.Stop()
		select {
		case h.large <- struct{}{}:
			defer func() { <-h.large }()
		case <-wait.C:
			return nil, &refusal{http.StatusServiceUnavailable, "too many large bodies are being read"}
		case <-r.Context().Done():
			return nil, malformed("the body did not come")
		}
	}
	var buf bytes.Buffer
	if n := r.ContentLength; n > 0 && n <= largeBody {
		buf.Grow(int(n) + bytes.MinRead) // so that it is read in one go
	}
	if _, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
		var big *http.MaxBytesError
		switch {
		case errors.As(err, &big):
			return nil, tooLarge
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, malformed("the body did not come whole")
		}
		return nil, &refusal{http.StatusRequestTimeout, "the body came too slowly"}
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return buf.Bytes(), nil
}
