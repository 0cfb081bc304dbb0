package mail

import (
	"bytes"
	"fmt"

	gomail "github.com/wneessen/go-mail"

	"slipway/bot/errs"
)

// compose writes the message. The same input gives the same message: nothing random, no clock.
func compose(in AnnounceIn, e envelope) ([]byte, error) {
	bad := func(err error) ([]byte, error) {
		return nil, errs.E("mail.announce", errs.Invalid, fmt.Errorf("the message cannot be written: %w", err))
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP))
	if err := m.From(in.From); err != nil {
		return bad(err)
	}
	if err := m.To(in.To...); err != nil {
		return bad(err)
	}
	m.Subject(in.Subject)
	m.SetMessageIDWithValue(in.MessageID)
	m.SetDateWithValue(e.date)
	// RFC 3834: vacation programs and other robots do not answer to this.
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	for _, n := range names(in.Headers) {
		m.SetGenHeader(gomail.Header(n), in.Headers[n])
	}
	m.SetBodyString(gomail.TypeTextPlain, in.Body)
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return bad(err)
	}
	return b.Bytes(), nil
}
