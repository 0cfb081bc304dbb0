package mail

import (
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// byHand is how a person sends the announcement: the same message, so that a second one would be
// seen as the same.
func (a *Announce) byHand(h *action.Hand) {
	id := h.Text("message_id")
	h.Once = "A mail that was sent cannot be taken back. Look first whether it arrived."
	switch archive := a.archive.(type) {
	case Maildir:
		h.Look("grep -rlF -- %s %s", h.Quote("<"+id+">"), h.Quote(archive.Dir))
	case *WebArchive:
		h.Look("curl -fsS -o /dev/null -- %s && echo 'It is there.'", h.Quote(strings.Replace(archive.address, idMark, id, 1)))
	default:
		h.Note("Look in the archives of the lists for the Message-ID <%s>.", id)
	}
	from, to := h.Text("from"), h.Texts("to")
	bare := []string{h.Word("to")}
	if to != nil {
		bare = nil
		for _, one := range to {
			if plain, err := address(one); err == nil {
				one = plain
			}
			bare = append(bare, h.Quote(one))
		}
	}
	sender := from
	if plain, err := address(from); err == nil {
		sender = plain
	}
	text, err := a.message(h)
	if err != nil {
		h.Note("It cannot be sent as it is: %s.", errs.Cause(err))
		return
	}
	file := h.File("announcement.eml", text)
	h.Run("cat %s", file)
	h.Note("With another program than sendmail, for example: swaks --from ADDRESS --to ADDRESS,… --data @announcement.eml --server HOST")
	h.Run(`PATH="$PATH:/usr/sbin" sendmail -i -f %s -- %s < %s`, h.Quote(sender), strings.Join(bare, " "), file)
	h.Result("message_id", h.Quote(id))
}

// message is the mail as it would be sent, with plain newlines. While parts of it are not known, it
// is written without encoding. Errors: those of the action, which a person is not to get round.
func (a *Announce) message(h *action.Hand) (string, error) {
	in := AnnounceIn{From: h.Text("from"), To: h.Texts("to"), Subject: h.Text("subject"), Body: h.Text("body"), MessageID: h.Text("message_id"), Date: h.Text("date")}
	known := true
	for name := range h.In {
		known = known && h.Known(name)
	}
	if headers, ok := h.In["headers"].(map[string]any); ok {
		in.Headers = map[string]string{}
		for name, value := range headers {
			if text, ok := value.(string); ok {
				in.Headers[name] = text
			}
		}
	}
	if known {
		e, err := check(in)
		if err != nil {
			return "", err
		}
		text, err := compose(in, e)
		return strings.ReplaceAll(string(text), "\r\n", "\n"), err
	}
	lines := []string{"From: " + in.From, "To: " + strings.Join(in.To, ", "), "Subject: " + in.Subject, "Message-ID: <" + in.MessageID + ">",
		"Auto-Submitted: auto-generated", "MIME-Version: 1.0", "Content-Type: text/plain; charset=UTF-8", "Content-Transfer-Encoding: 8bit", "", in.Body}
	return strings.Join(lines, "\n") + "\n", nil
}
