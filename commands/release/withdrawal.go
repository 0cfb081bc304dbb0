package release

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// WithdrawalIn and WithdrawalOut are those of release.withdrawal@1.
type WithdrawalIn struct {
	Project     string   `cel:"project" json:"project"`
	Version     string   `cel:"version" json:"version" doc:"version of the package that goes"`
	Suites      []string `cel:"suites" json:"suites" doc:"those that offer it now"`
	Packages    []string `cel:"packages" json:"packages" doc:"binary packages of that version"`
	Previous    string   `cel:"previous" json:"previous" doc:"what clients were offered before; empty: nothing"`
	Replacement string   `cel:"replacement" json:"replacement" doc:"higher version with the earlier content; empty: the archive goes back"`
	Reason      string   `cel:"reason" json:"reason" doc:"why it goes, in words"`
	Lists       []string `cel:"lists" json:"lists" doc:"mailing lists; the first one is in the Message-ID"`
	Run         string   `cel:"run" json:"run" doc:"name of the run; with the text it makes the Message-ID"`
}
type WithdrawalOut struct {
	Subject   string `cel:"subject" json:"subject" doc:"of the correction"`
	Body      string `cel:"body" json:"body" doc:"of the correction: what happened, and what clients must do"`
	Todo      string `cel:"todo" json:"todo" doc:"what clients must do, in one sentence"`
	MessageID string `cel:"message_id" json:"message_id"`
	Digest    string `cel:"digest" json:"digest" kind:"digest" doc:"of subject and body"`
}

// writeWithdrawal tells clients that a version went. A version that no suite offers is an error of
// kind Exists: there is nothing to undo.
func writeWithdrawal(in WithdrawalIn) (WithdrawalOut, error) {
	const op = "release.withdrawal"
	if len(in.Suites) == 0 {
		return WithdrawalOut{}, errs.E(op, errs.Exists, fmt.Errorf("no suite offers %s %s", in.Project, in.Version)).
			Hint("name the version that apt offers now")
	}
	if len(in.Lists) == 0 {
		return WithdrawalOut{}, errs.E(op, errs.Invalid, fmt.Errorf("%s has no mailing list", in.Project)).Hint("Name one in the project's mail_to")
	}
	list, err := mail.ParseAddress(in.Lists[0])
	if err != nil {
		return WithdrawalOut{}, errs.E(op, errs.Invalid, fmt.Errorf("%q is no mail address", in.Lists[0])).
			Hint("Write the project's mail_to as announce@lists.example.org")
	}
	reason := OneLine(in.Reason)
	if reason == "" {
		return WithdrawalOut{}, errs.E(op, errs.Invalid, errors.New("nobody will know why")).Hint("give a reason in words")
	}
	out := WithdrawalOut{Subject: OneLine(fmt.Sprintf("%s %s is withdrawn", in.Project, in.Version))}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s is withdrawn from %s.\n\n", OneLine(in.Project), in.Version, andList(in.Suites))
	for _, line := range wrap(reason, logWidth, 0, 0) {
		b.WriteString(line + "\n")
	}
	b.WriteString("\nWhat to do\n----------\n\n")
	switch {
	case in.Replacement != "":
		out.Todo = fmt.Sprintf("Upgrade: apt offers %s, which has the content of %s.", in.Replacement, in.Previous)
		fmt.Fprintf(&b, "%s\n\n    apt-get update && apt-get upgrade\n", out.Todo)
	case in.Previous == "":
		out.Todo = "Nothing, unless you have installed it: then remove it."
		fmt.Fprintf(&b, "%s There was no version before it.\n\n    apt-get update && apt-get remove %s\n", out.Todo, strings.Join(in.Packages, " "))
	default:
		out.Todo = fmt.Sprintf("Nothing, if you have not installed it: apt offers %s again.", in.Previous)
		fmt.Fprintf(&b, "%s\n\nIf you have installed it, apt does not go back by itself:\n\n    apt-get update && apt-get install --allow-downgrades \\\n", out.Todo)
		var wanted []string
		for _, p := range in.Packages {
			wanted = append(wanted, "        "+p+"="+in.Previous)
		}
		b.WriteString(strings.Join(wanted, " \\\n") + "\n")
	}
	out.Body = b.String()
	out.Digest = action.DigestOf([]byte(out.Subject + "\n\n" + out.Body))
	// A version may go twice under one name of a run, such as from another suite. A mail with the id of
	// the first would be taken for sent.
	if out.MessageID, err = MessageID(list.Address, in.Project, in.Version, in.Run+" "+out.Digest); err != nil {
		return WithdrawalOut{}, err
	}
	return out, nil
}

// andList is "a, b and c".
func andList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
