package slack

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"

	"slipway/bot/card"
	"slipway/bot/errs"
)

// Later is the hint of what goes on without anybody.
const Later = "it is tried again by itself"

// unread is an answer that does not read as one.
type unread struct{ error }

// Err is what became of a call, in the words and kinds of Slipway. wrote says that the call was to
// change something: then an answer that was lost, or by which Slack itself cannot tell, is of kind
// [errs.Doubtful], where it is [errs.Unavailable] after a read or when Slack was not reached at all.
//
// The other kinds: Denied for what the token may not do, NotFound for a channel, account or group
// that is not there or not shown to the bot, Gone for a message or channel that cannot be reached any
// more, Invalid for what Slack does not take, and Busy with the time for which Slack, or the pacing of
// the client, asks ([errs.After]). The names of errors are those of docs.slack.dev, "Web API methods".
func Err(op string, err error, wrote bool) error {
	var own *errs.Error
	var said slackgo.SlackErrorResponse
	var limited *slackgo.RateLimitedError
	var status slackgo.StatusCodeError
	var wait held
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	case errors.As(err, &wait):
		return errs.E(op, errs.Busy, wait).Hint(Later).AskedToWait(wait.left)
	case errors.As(err, &said):
		return refused(op, said, wrote)
	case errors.As(err, &limited):
		return tooMany(op, limited.RetryAfter)
	case errors.As(err, &status):
		return answered(op, status.Code, wrote)
	}
	return lost(op, err, wrote)
}

// refusal is an error that Slack named.
type refusal struct{ code, text string }

func (r refusal) Error() string { return r.text }

// Code is Slack's name of the error behind err ("channel_not_found"), or "" when it named none.
func Code(err error) string {
	var r refusal
	errors.As(err, &r)
	return r.code
}

// tooMany is Slack's wish to be left alone for a while.
func tooMany(op string, d time.Duration) error {
	return errs.E(op, errs.Busy, errors.New("there were too many requests for Slack")).Hint(Later).AskedToWait(d)
}

// refused is an answer that names an error.
func refused(op string, said slackgo.SlackErrorResponse, wrote bool) error {
	name := card.Line(said.Err, 80)
	say := func(kind errs.Kind, text, hint string) error {
		return errs.E(op, kind, refusal{name, text}).Hint("%s", hint)
	}
	switch name {
	case "not_authed", "invalid_auth", "token_revoked", "token_expired", "account_inactive", "not_allowed_token_type", "org_login_required":
		return say(errs.Denied, "Slack does not accept the bot's token ("+name+")", "install the app into the workspace again, and put its Bot User OAuth Token into token_file")
	case "missing_scope":
		needed := card.Line(said.Needed, 200)
		if needed == "" {
			needed = "that this needs"
		}
		return say(errs.Denied, "Slack does not let the bot do this: its token lacks a scope", "give the app the scope "+needed+", as slipway manifest slack has it, and install it again")
	case "no_permission", "access_denied", "ekm_access_denied", "team_access_not_granted", "accesslimited", "enterprise_is_restricted", "two_factor_setup_required", "user_is_restricted", "cannot_dm_bot", "messages_tab_disabled", "permission_denied":
		return say(errs.Denied, "Slack does not let the bot do this ("+name+")", "an admin of the workspace can allow it")
	case "ratelimited", "rate_limited":
		return tooMany(op, usualHold)
	case "message_limit_exceeded":
		return errs.E(op, errs.Busy, errors.New("the workspace has posted as many messages as Slack lets it")).Hint(Later).AskedToWait(mostHold)
	case "not_in_channel":
		return say(errs.NotFound, "the bot is not a member of the channel", "say /invite @slipway there")
	case "channel_not_found":
		return say(errs.NotFound, "Slack has no such channel, or does not show it to the bot", "say /invite @slipway there, or correct the id of the channel")
	case "is_archived":
		return say(errs.Gone, "the channel is archived", "an owner of the workspace can bring it back")
	case "message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed", "cant_delete_message", "no_item_specified":
		return say(errs.Gone, "the message is not there any more, or Slack lets nobody change it ("+name+")", "nothing needs to be done")
	case "user_not_found", "users_not_found", "user_not_visible", "user_disabled", "is_inactive":
		return say(errs.NotFound, "Slack has no such account, or does not show it to the bot", "look whether the account is still active")
	case "no_such_subteam", "subteam_not_found", "usergroup_not_found":
		return say(errs.NotFound, "Slack has no such user group", "correct its id, which begins with S, in the configuration")
	case "bot_not_found", "file_not_found":
		return say(errs.NotFound, "Slack has no such thing ("+name+")", "look whether it was removed")
	case "internal_error", "fatal_error", "service_unavailable":
		if wrote { // Slack says that part of it may have been done before
			return say(errs.Doubtful, "Slack had an error of its own; it may have been done", "it is looked for before it is tried again")
		}
		return say(errs.Unavailable, "Slack had an error of its own", Later)
	case "request_timeout", "team_added_to_org", "org_level_email_display_disabled":
		return say(errs.Unavailable, "Slack could not do it now ("+name+")", Later)
	}
	if strings.HasPrefix(name, "restricted_action") {
		return say(errs.Denied, "the workspace does not let the bot post there ("+name+")", "an admin of the workspace can allow it")
	}
	text := "Slack does not accept this (" + name + ")"
	for _, m := range said.ResponseMetadata.Messages {
		text += ": " + card.Line(m, 200)
		break
	}
	return say(errs.Invalid, text, "its words say what is wrong")
}

// answered is an answer with another status than 200 and 429.
func answered(op string, status int, wrote bool) error {
	text := fmt.Sprintf("Slack answered %d", status)
	switch {
	case status >= 300 && status < 400:
		return errs.E(op, errs.Invalid, errors.New("the address of Slack's API redirects to another one")).Hint("leave slack: url out, unless there is a proxy")
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return errs.E(op, errs.Denied, errors.New(text)).Hint("look at the token, and at what stands between this machine and Slack")
	case status == http.StatusNotFound:
		return errs.E(op, errs.NotFound, errors.New("the address of Slack's API has no such method")).Hint("leave slack: url out, unless there is a proxy")
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout:
		return errs.E(op, errs.Invalid, errors.New(text)).Hint("look at what stands between this machine and Slack")
	}
	return open(op, text, wrote)
}

// lost is an error without an answer, or with one from which nobody can tell.
func lost(op string, err error, wrote bool) error {
	wrote = wrote && !unsent(err)
	var bad unread
	var elsewhere foreign
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return open(op, "Slack did not answer in time", wrote)
	case errors.Is(err, context.Canceled):
		return open(op, "the call to Slack was ended", wrote)
	case errors.As(err, &bad):
		return open(op, "Slack's answer could not be read", wrote)
	case errors.As(err, &elsewhere):
		return errs.E(op, errs.Internal, elsewhere).Hint("leave slack: url out, unless there is a proxy")
	case uncertain(err):
		return errs.E(op, errs.Unavailable, errors.New("the certificate of Slack is not trusted")).Hint("give this machine the certificates of the usual authorities")
	case wrote:
		return open(op, "the connection to Slack broke before an answer came", wrote)
	}
	return open(op, "Slack cannot be reached", wrote)
}

// open is an outcome that nobody knows, if there may be one.
func open(op, text string, wrote bool) error {
	if wrote {
		return errs.E(op, errs.Doubtful, errors.New(text+"; it may have been done")).Hint("it is looked for before it is tried again")
	}
	return errs.E(op, errs.Unavailable, errors.New(text)).Hint(Later)
}

// unsent reports whether the request cannot have reached Slack.
func unsent(err error) bool {
	var broken *net.OpError
	var name *net.DNSError
	var elsewhere foreign
	return errors.As(err, &broken) && (broken.Op == "dial" || broken.Op == "proxyconnect") || errors.As(err, &name) || errors.As(err, &elsewhere) || uncertain(err)
}

func uncertain(err error) bool {
	var cert *tls.CertificateVerificationError
	return errors.As(err, &cert)
}
