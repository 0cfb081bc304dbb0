package hook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"slipway/bot/errs"
)

// Bounds of secrets and of the headers that prove them.
const (
	leastToken   = 16 // characters
	mostToken    = 1024
	leastKey     = 24 // bytes of a signing key (Standard Webhooks, "Signature scheme")
	mostKey      = 64
	mostSigns    = 8               // signatures in one header
	signedWithin = 5 * time.Minute // between the timestamp and now, in both directions
)

// signingPrefix begins a signing token of Standard Webhooks.
const signingPrefix = "whsec_"

func tokenDigest(token string) (sum [sha256.Size]byte, err error) {
	switch {
	case len(token) < leastToken || len(token) > mostToken || strings.Count(token, token[:1]) == len(token):
		return sum, errs.E("gitlab.hooks", errs.Invalid, fmt.Errorf("its token is empty or too easy to guess; it needs at least %d characters", leastToken)).
			Hint("make one with: openssl rand -hex 32")
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return sum, errs.E("gitlab.hooks", errs.Invalid, errors.New("its token holds a space or a character outside ASCII")).
			Hint("make one with: openssl rand -hex 32")
	}
	return sha256.Sum256([]byte(token)), nil
}

// signingKey is the HMAC key of a signing token.
func signingKey(token string) ([]byte, error) {
	bad := func(what string) error {
		return errs.E("gitlab.hooks", errs.Invalid, errors.New(what)).
			Hint(`make one with: printf 'whsec_%%s\n' "$(openssl rand -base64 32)"`)
	}
	text, ok := strings.CutPrefix(token, signingPrefix)
	if !ok {
		return nil, bad("its signing token does not begin with " + signingPrefix)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // which the decoder skips
		return nil, bad("its signing token is not " + signingPrefix + " and base64")
	}
	if len(key) < leastKey || len(key) > mostKey || bytes.Count(key, key[:1]) == len(key) {
		return nil, bad(fmt.Sprintf("the key of its signing token is empty or too easy to guess; it needs %d to %d bytes", leastKey, mostKey))
	}
	return key, nil
}

// CheckToken refuses a token of a hook that is none, without repeating it.
func CheckToken(token string) error {
	_, err := tokenDigest(token)
	return err
}

// CheckSigning refuses a signing token that is none, without repeating it.
func CheckSigning(token string) error {
	_, err := signingKey(token)
	return err
}

// proof is what the headers of a request say of where it comes from.
type proof struct {
	id     string // of the delivery, within its hook; "": the digest of the body is its id
	signed bool
	stamp  string
	signs  []string
}

// single are the headers that may be there once: of two, another program might read the other one.
// They are written as a header is kept.
func single() [9]string {
	return [...]string{"X-Gitlab-Token", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature", "Idempotency-Key", HeaderEvent, HeaderInstance,
		"Content-Type", "Content-Encoding"}
}

// The answers to what is refused. None of them tells which secret was nearly right.
func unauthentic(text string) *refusal { return &refusal{http.StatusUnauthorized, text} }

func malformed(text string) *refusal { return &refusal{http.StatusBadRequest, text} }

// take reads one request: first the headers, as far as they can be judged, then the body, then its
// signature. Nothing is parsed.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, one *hook) (Delivery, *refusal) {
	for _, name := range single() {
		if len(r.Header[name]) > 1 {
			return Delivery{}, malformed("the header " + name + " is there twice")
		}
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return Delivery{}, &refusal{http.StatusUnsupportedMediaType, "the body is compressed"}
	}
	if len(one.tokens) > 0 && !one.tokenGood(r.Header.Get("X-Gitlab-Token")) {
		return Delivery{}, unauthentic("the token is missing or wrong")
	}
	p, no := one.proof(r.Header, h.o.Now())
	if no != nil {
		return Delivery{}, no
	}
	body, no := h.read(w, r)
	if no != nil {
		return Delivery{}, no
	}
	if p.signed && !one.signatureGood(p, body) {
		return Delivery{}, unauthentic("the signature is wrong")
	}
	if p.id == "" {
		sum := sha256.Sum256(body)
		p.id = "sha256:" + hex.EncodeToString(sum[:])
	}
	d := Delivery{ID: one.name + "/" + p.id, Headers: map[string]string{HeaderHook: one.name}, Body: body}
	for _, name := range []string{HeaderEvent, HeaderInstance} {
		if v := r.Header.Get(name); v != "" {
			d.Headers[name] = v[:min(len(v), 200)]
		}
	}
	return d, nil
}

// read reads the body within its bounds of size and time.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	tooLarge := &refusal{http.StatusRequestEntityTooLarge, "the body is too large"}
	if r.ContentLength > h.o.MaxBody {
		return nil, tooLarge
	}
	limit := time.Now().Add(h.o.BodyTime) // a deadline of a connection is of the wall clock
	_ = http.NewResponseController(w).SetReadDeadline(limit)
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
	if _, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, h.o.MaxBody)); err != nil {
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

// tokenGood compares with every live token, and takes as long for each.
func (one *hook) tokenGood(given string) bool {
	sum := sha256.Sum256([]byte(given))
	good := 0
	for i := range one.tokens {
		good |= subtle.ConstantTimeCompare(sum[:], one.tokens[i][:])
	}
	return good == 1
}

// isID reports whether GitLab may give this id to a delivery. It holds no dot, which would make the
// signed message "id.timestamp.body" ambiguous.
func isID(s string) bool {
	if s == "" || len(s) > 200 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte("_:+=/-", c) >= 0) {
			return false
		}
	}
	return true
}

// isStamp reports whether s is a number of seconds: no sign, no exponent, no leading zero, no overflow.
func isStamp(s string) bool {
	if s == "" || len(s) > 12 || s[0] == '0' {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// proof judges the headers. A signature decides where there is one, and what cannot be checked is
// refused: there is no way back to the token alone.
func (one *hook) proof(header http.Header, now time.Time) (proof, *refusal) {
	_, present := header["Webhook-Signature"]
	if !present && len(one.signing) == 0 {
		for _, name := range []string{"Idempotency-Key", "Webhook-Id"} {
			if v := header.Get(name); isID(v) {
				return proof{id: v}, nil
			}
		}
		return proof{}, nil
	}
	if len(one.signing) == 0 {
		return proof{}, unauthentic("a signature came, and this hook has no signing token to check it with")
	}
	if !present {
		return proof{}, unauthentic("the signature is missing")
	}
	p := proof{id: header.Get("Webhook-Id"), stamp: header.Get("Webhook-Timestamp"), signed: true}
	if !isID(p.id) || !isStamp(p.stamp) {
		return proof{}, unauthentic("the headers of the signature are not what they should be")
	}
	at, err := strconv.ParseInt(p.stamp, 10, 64)
	if age := now.Unix() - at; err != nil || age > int64(signedWithin/time.Second) || age < -int64(signedWithin/time.Second) {
		return proof{}, unauthentic("the timestamp is too old or too new")
	}
	for _, s := range strings.Split(header.Get("Webhook-Signature"), " ") {
		// Other versions of the scheme may stand beside; only this one is checked.
		if text, ok := strings.CutPrefix(s, "v1,"); ok {
			p.signs = append(p.signs, text)
		}
	}
	if len(p.signs) == 0 || len(p.signs) > mostSigns {
		return proof{}, unauthentic("the headers of the signature are not what they should be")
	}
	return p, nil
}

// signatureGood checks every signature of the header with every live key (Standard Webhooks,
// "Verifying webhook authenticity").
func (one *hook) signatureGood(p proof, body []byte) bool {
	good := 0
	for _, key := range one.signing {
		want := mac(key, p.id, p.stamp, body)
		for _, text := range p.signs {
			given, err := base64.StdEncoding.Strict().DecodeString(text)
			if err == nil {
				good |= subtle.ConstantTimeCompare(given, want)
			}
		}
	}
	return good == 1
}

func mac(key []byte, id, stamp string, body []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(id + "." + stamp + "."))
	m.Write(body)
	return m.Sum(nil)
}

// Sign is the header webhook-signature of a body, as a sender with this signing token would write
// it. Tests and probes of our own door use it.
func Sign(signing, id string, at time.Time, body []byte) (string, error) {
	key, err := signingKey(signing)
	if err != nil {
		return "", err
	}
	return "v1," + base64.StdEncoding.EncodeToString(mac(key, id, strconv.FormatInt(at.Unix(), 10), body)), nil
}
