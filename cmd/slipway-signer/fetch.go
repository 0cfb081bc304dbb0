package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

// Holder brings jobs to a person whose key never meets this program, and hands in what they made:
// by the same policy and in the same log as a [Worker].
//
// Between both, nothing runs: the lease of a fetched job ends after minutes, and others who have
// the key may take the job then. Hand-in leases it again. That is safe since a job is what the
// digest of its request says: the signature of another request is never delivered for it, and of
// two who deliver, the fence lets one through.
type Holder struct {
	worker  *Worker        // its Signer and Prompt are not used
	key     openpgp.Policy // the certificate of the one key
	command func(folder string) string
}

// tries bounds how many jobs one fetch looks at.
const tries = 64

// Fetch leases the oldest job that the policy allows, or the one with that id, and puts what is to
// be signed into the folder dir; "" means one in the working folder, named by the request. Jobs
// that are not for this holder are given back. What was signed before is handed in again and needs
// no folder. Errors: [errs.NotFound] when there is no such job.
func (h *Holder) Fetch(ctx context.Context, dir, id string) error {
	lease, content, what, err := h.find(ctx, id)
	if err != nil {
		return err
	}
	if kept, ok := h.worker.Journal.Kept(what.record(Record{}).Digest, h.worker.Policy.Key); ok {
		fmt.Fprintf(h.worker.Out, "%s was signed on %s; the same signature is handed in again\n", what.name(), kept.Time.Format("2 January 2006"))
		return h.again(ctx, lease, what, kept)
	}
	if dir == "" {
		dir = "to-sign-" + strings.TrimPrefix(lease.Digest, "sha256:")[:12]
	}
	if err := h.fill(dir, lease, content, what); err != nil {
		_ = h.worker.Client.GiveBack(ctx, lease, "the folder for it could not be made")
		return err
	}
	fmt.Fprint(h.worker.Out, what.words(h.worker.Policy.Key, h.worker.Journal))
	fmt.Fprintf(h.worker.Out, "\nIn %s, with the key %s:\n\n", dir, h.worker.Policy.Key)
	for _, c := range commands(what, h.worker.Policy.Key) {
		fmt.Fprintf(h.worker.Out, "  %s\n", c)
	}
	fmt.Fprintf(h.worker.Out, "  %s\n", h.command("."))
	fmt.Fprintf(h.worker.Out, "\nThe job is held for you until %s. You may take longer, as long as nobody else signs it.\n", lease.Until.UTC().Format("15:04:05 UTC"))
	return nil
}

// find leases what is to be fetched.
func (h *Holder) find(ctx context.Context, id string) (signing.Reply, []byte, wish, error) {
	c := h.worker.Client
	seen := map[string]bool{}
	for _, kind := range h.worker.Policy.kinds() {
		for range tries {
			var lease signing.Reply
			var err error
			found := true
			if id != "" {
				lease, err = c.LeaseOne(ctx, kind, id)
				found = !errs.Is(err, errs.NotFound)
			} else {
				lease, found, err = c.Lease(ctx, kind)
			}
			if !found || err == nil && seen[lease.ID] {
				if found {
					_ = c.GiveBack(ctx, lease, "it is not for this holder")
				}
				break
			}
			if err != nil {
				return lease, nil, nil, err
			}
			seen[lease.ID] = true
			content, what, err := h.look(ctx, lease)
			if err == nil {
				return lease, content, what, nil
			}
			if errs.Is(err, errs.Unavailable) {
				return lease, nil, nil, err
			}
			if back := c.GiveBack(ctx, lease, errs.Text(err)); back != nil || id != "" {
				return lease, nil, nil, err
			}
			fmt.Fprintf(h.worker.Out, "left alone: %s\n", errs.Text(err))
		}
	}
	err := errs.E("signer.fetch", errs.NotFound, errors.New("no job waits that this holder may sign"))
	if id != "" {
		err = errs.E("signer.fetch", errs.NotFound, fmt.Errorf("no job has the id %q", printable(id))).Hint("leave --job out for the oldest")
	}
	return signing.Reply{}, nil, nil, err
}

// look reads a leased job as the worker does.
func (h *Holder) look(ctx context.Context, lease signing.Reply) ([]byte, wish, error) {
	content := lease.Request
	if len(content) == 0 {
		var err error
		if content, err = h.worker.Client.Content(ctx, lease); err != nil {
			return nil, nil, err
		}
	}
	if got := action.DigestOf(content); got != lease.Digest {
		return nil, nil, deny("the request has the digest %s, and the job names %s", got, printable(lease.Digest))
	}
	what, err := h.worker.Policy.Read(lease.Kind, content, h.worker.Now())
	if err != nil {
		return nil, nil, err
	}
	if _, ok := h.worker.Journal.Kept(what.record(Record{}).Digest, h.worker.Policy.Key); ok {
		return content, what, nil
	}
	return content, what, what.forward(h.worker.Journal)
}

// fill writes the folder; the note comes last, so that a folder with one is whole.
func (h *Holder) fill(dir string, lease signing.Reply, content []byte, what wish) error {
	f, err := newFolder(dir)
	if err != nil {
		return err
	}
	defer f.close()
	if n, was, err := f.job(); err == nil && n.Digest != lease.Digest {
		return h.another(dir, n, was, lease, what)
	}
	if err := f.put(requestFile, content, 0o600); err != nil {
		return err
	}
	for _, p := range parts(what) {
		if err := f.put(p.file, []byte(p.text), 0o644); err != nil {
			return err
		}
	}
	// What it says of the last signature may be different by now.
	if err := f.rewrite(readmeFile, []byte(readme(what, h.worker.Policy.Key, h.command("."), what.words(h.worker.Policy.Key, h.worker.Journal))), 0o644); err != nil {
		return err
	}
	return f.mark(lease)
}

// another says what differs between the job that a folder holds and one that was to go there too.
func (h *Holder) another(dir string, n note, request []byte, lease signing.Reply, what wish) error {
	differs := "they ask for different things"
	// Where the policy refuses it by now, as much as was read of it still counts.
	if was, _ := h.worker.Policy.Read(n.Kind, request, h.worker.Now()); n.Kind == lease.Kind && was != nil {
		old := parts(was)
		for _, p := range parts(what) {
			i := slices.IndexFunc(old, func(o part) bool { return o.file == p.file })
			if i < 0 {
				differs = p.file + " is new"
				break
			}
			if old[i].text != p.text {
				differs = p.file + whose(nil, p, old[i].text)
				break
			}
		}
	}
	return errs.E("signer.fetch", errs.Conflict, fmt.Errorf("%s holds the job %s, and this is the job %s: %s", dir, printable(n.Job), printable(lease.ID), differs)).
		Hint("fetch it into a new folder, with --to; what was signed in the old one does not fit it")
}

// again delivers what the log has kept.
func (h *Holder) again(ctx context.Context, lease signing.Reply, what wish, kept Record) error {
	rec := h.worker.record(lease, what)
	rec.Type, rec.Note = repeated, fmt.Sprintf("the signature of line %d", kept.Seq)
	if _, err := h.worker.Journal.Append(rec); err != nil {
		return err
	}
	return h.deliver(ctx, lease, what, []byte(kept.Signature))
}
