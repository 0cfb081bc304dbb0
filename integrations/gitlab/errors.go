package gitlab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/card"
	"slipway/bot/errs"
)

// Later is the hint of what goes on without anybody.
const Later = "it is tried again by itself"

// Err is what became of a call, in the words and kinds of Slipway. wrote says that the call was to
// change something: then an answer that was lost, or that a server in between gave, is of kind
// [errs.Doubtful], where it is [errs.Unavailable] after a read or when GitLab was not reached at all.
//
// The other kinds: Denied for 401 and 403, NotFound for 404, Conflict for 409, 405, 406 and 412, Invalid for
// 400, 413 and 422 with GitLab's own words, and Busy for 429, with the time that GitLab asks
// for ([errs.After]).
func Err(op string, resp *gogitlab.Response, err error, wrote bool) error {
	var own *errs.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	}
	status, words := 0, ""
	if resp != nil && resp.Response != nil {
		status = resp.StatusCode
	}
	var answer *gogitlab.ErrorResponse
	if errors.As(err, &answer) {
		words = card.Line(answer.Message, 300)
		if answer.Response != nil {
			status = answer.Response.StatusCode
		}
	}
	if errors.Is(err, gogitlab.ErrNotFound) {
		status = http.StatusNotFound
	}
	say := func(kind errs.Kind, text string) *errs.Error {
		if words != "" {
			text += ": " + words
		}
		return errs.E(op, kind, errors.New(text))
	}
	switch {
	case status == http.StatusUnauthorized:
		return say(errs.Denied, "GitLab does not accept the bot's token").
			Hint("the token may have expired: make a new one with the scope api, and put it into token_file")
	case status == http.StatusForbidden:
		return say(errs.Denied, "GitLab does not let the bot do this").
			Hint("give the token the scope api, and the bot's account the role that this needs in the project")
	case status == http.StatusNotFound:
		return say(errs.NotFound, "GitLab has no such thing, or does not show it to the bot").
			Hint("look at its page as the bot's account")
	case status == http.StatusConflict || status == http.StatusMethodNotAllowed || status == http.StatusNotAcceptable || status == http.StatusPreconditionFailed:
		return say(errs.Conflict, "GitLab refuses, since things are not as expected").Hint("look at the page of the project, and try again")
	case status == http.StatusTooManyRequests:
		return errs.E(op, errs.Busy, errors.New("GitLab has had too many requests from us")).Hint("it is tried again later").AskedToWait(asked(resp, answer))
	case status >= 300 && status < 400:
		return say(errs.Invalid, "GitLab redirects to another address").Hint("write the address that a browser ends at into gitlab: url")
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout:
		return say(errs.Invalid, "GitLab does not accept this").Hint("its words say what is wrong")
	}
	return lost(op, err, status, wrote)
}

// lost is an error without an answer, or with one from which nobody can tell.
func lost(op string, err error, status int, wrote bool) error {
	var wait held
	if errors.As(err, &wait) {
		return errs.E(op, errs.Busy, wait).Hint("it is tried again later").AskedToWait(wait.left)
	}
	kind, text := errs.Unavailable, "GitLab cannot be reached"
	if wrote && !unsent(err) {
		kind = errs.Doubtful
	}
	switch {
	case status >= 500 || status == http.StatusRequestTimeout:
		text = fmt.Sprintf("GitLab answered %d", status)
	case errors.Is(err, context.DeadlineExceeded):
		text = "GitLab did not answer in time"
	case errors.Is(err, context.Canceled):
		text = "the call to GitLab was ended"
	case status != 0:
		text = "GitLab's answer could not be read"
	case kind == errs.Doubtful:
		text = "the connection to GitLab broke before an answer came"
	case uncertain(err):
		text = "the certificate of GitLab is not trusted"
		return errs.E(op, kind, errors.New(text)).Hint("give this machine the certificate of its authority")
	}
	if kind == errs.Doubtful {
		return errs.E(op, kind, errors.New(text+"; it may have been done")).Hint("it is looked for before it is tried again")
	}
	return errs.E(op, kind, errors.New(text)).Hint(Later)
}

// unsent reports whether the request cannot have reached GitLab.
func unsent(err error) bool {
	var broken *net.OpError
	var name *net.DNSError
	return errors.As(err, &broken) && (broken.Op == "dial" || broken.Op == "proxyconnect") || errors.As(err, &name) || uncertain(err)
}

func uncertain(err error) bool {
	var cert *tls.CertificateVerificationError
	return errors.As(err, &cert)
}

// asked is for how long an answer with status 429 asks to be left alone.
func asked(resp *gogitlab.Response, answer *gogitlab.ErrorResponse) time.Duration {
	var r *http.Response
	if answer != nil && answer.Response != nil {
		r = answer.Response
	} else if resp != nil && resp.Response != nil {
		r = resp.Response
	}
	if r == nil {
		return 0
	}
	d, _ := time.ParseDuration(r.Header.Get(heldHeader))
	return d
}
