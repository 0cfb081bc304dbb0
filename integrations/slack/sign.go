package slack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// Signature is the header X-Slack-Signature of a body, as Slack writes it with a signing secret: the MAC of
// "v0:STAMP:BODY" in small digits (docs.slack.dev, "Verifying requests from Slack"). stamp is the header
// X-Slack-Request-Timestamp; if it is of digits alone, the message has one reading.
func Signature(secret, stamp string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte("v0:" + stamp + ":"))
	m.Write(body)
	return "v0=" + hex.EncodeToString(m.Sum(nil))
}
