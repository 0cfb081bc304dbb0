package notes

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A marker ends the text of each message. Its seal is made with a secret that only the bot has, over
// the place, the text and all of the marker: whoever changes the text cannot make the seal again, and
// with the number of the note in it the text of one message is none of another.
//
//	<!-- slipway KEY seal=HEX note=ID after=N -->
//
// note is there as soon as it is known; no reaction counts before. after is there once the text was
// restored: reactions up to the award with this number do not count.
type marker struct {
	key      string
	note     int
	restored bool
	after    int  // number of an award
	open     bool // "after=?": the text is being restored, and no reaction counts yet
}

var (
	markerLine = regexp.MustCompile(`^<!-- slipway ([A-Za-z0-9_.-]{1,80}) seal=([0-9a-f]{32})(?: note=([1-9][0-9]{0,17}))?(?: after=(\?|[0-9]{1,18}))? -->$`)
	plainKey   = regexp.MustCompile(`^[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*$`)
)

// keyName is a key as it stands in a marker.
func keyName(key string) string {
	if len(key) <= 64 && plainKey.MatchString(key) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "x." + hex.EncodeToString(sum[:])
}

// sealed is text with its marker.
func (m marker) sealed(secret []byte, place, text string) string {
	text = strings.TrimRight(text, "\n ")
	return text + "\n\n<!-- slipway " + m.key + " seal=" + m.seal(secret, place, text) + m.tail() + " -->"
}

// tail is what follows the seal.
func (m marker) tail() string {
	out := ""
	if m.note > 0 {
		out = " note=" + strconv.Itoa(m.note)
	}
	switch {
	case m.open:
		out += " after=?"
	case m.restored:
		out += " after=" + strconv.Itoa(m.after)
	}
	return out
}

func (m marker) seal(secret []byte, place, text string) string {
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s\x00%s\x00%s\x00%s", place, m.key, m.tail(), text)
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// markerOf reads the marker of a text, believing nothing; ok is false when there is none.
func markerOf(body string) (m marker, text, seal string, ok bool) {
	body = strings.TrimRight(strings.ReplaceAll(body, "\r\n", "\n"), "\n ")
	at := strings.LastIndexByte(body, '\n')
	found := markerLine.FindStringSubmatch(body[at+1:])
	if found == nil {
		return marker{}, body, "", false
	}
	m = marker{key: found[1], open: found[4] == "?", restored: found[4] != "" && found[4] != "?"}
	m.note, _ = strconv.Atoi(found[3])
	if m.restored {
		m.after, _ = strconv.Atoi(found[4])
	}
	return m, strings.TrimRight(body[:max(at, 0)], "\n "), found[2], true
}

// unseal reads the marker of the note with this number. whole is false when the note does not say
// what the bot wrote there.
func unseal(secret []byte, place string, note int, body string) (m marker, whole bool) {
	m, text, seal, ok := markerOf(body)
	if !ok || m.note != 0 && m.note != note {
		return m, false
	}
	return m, hmac.Equal([]byte(seal), []byte(m.seal(secret, place, text)))
}
