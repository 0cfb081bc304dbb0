package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"

	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

// HandIn checks what a person made in the folder that [Holder.Fetch] filled, and delivers it. The
// checks come before anything is said to the bot: the texts are those that were fetched, and each
// signature is over precisely its text and by the one key. Then the job is leased again; if it
// asks for anything else by now, is finished, or somebody else holds it, nothing is delivered.
//
// It may be run again: what was delivered once is delivered the same way, whatever the files are
// by then. Errors: [errs.Invalid] and [errs.Denied] for the files, [errs.Conflict] for the job.
func (h *Holder) HandIn(ctx context.Context, dir string) error {
	f, n, what, err := h.open(dir)
	if err != nil {
		return err
	}
	defer f.close()
	noted := signing.Reply{ID: n.Job, Kind: n.Kind, Digest: n.Digest, Fence: n.Fence, Until: n.Until}
	kept, before := h.worker.Journal.Kept(what.record(Record{}).Digest, h.worker.Policy.Key)
	if before {
		fmt.Fprintf(h.worker.Out, "%s was handed in before; the same signature is handed in again\n", what.name())
		// Under the lease of that time it is no news for the bot, even if its answer was lost.
		if err := h.again(ctx, noted, what, kept); !errs.Is(err, errs.Conflict) {
			return err
		}
	}
	var made []byte
	if !before {
		if made, err = h.collect(f, what); err != nil {
			return err
		}
		if err := what.forward(h.worker.Journal); err != nil {
			return err
		}
	}
	lease, err := h.lease(ctx, n)
	if err != nil {
		return err
	}
	if err := f.mark(lease); err != nil {
		return err
	}
	if before {
		return h.again(ctx, lease, what, kept)
	}
	return h.record(ctx, lease, what, made)
}

// Refuse tells the bot that the holder of the key does not sign, and why.
func (h *Holder) Refuse(ctx context.Context, dir, why string) error {
	f, n, what, err := h.open(dir)
	if err != nil {
		return err
	}
	defer f.close()
	lease, err := h.lease(ctx, n)
	if err != nil {
		return err
	}
	return h.worker.refuse(ctx, lease, what, deny("the holder of the key does not sign: %s", printable(why)))
}

// open reads a folder and checks that it still holds what was fetched, by the policy as it is now.
func (h *Holder) open(dir string) (*folder, note, wish, error) {
	f, err := openFolder(dir)
	if err != nil {
		return nil, note{}, nil, err
	}
	n, content, err := f.job()
	var what wish
	if err == nil {
		what, err = h.worker.Policy.Read(n.Kind, content, h.worker.Now())
	}
	if err == nil {
		err = f.unchanged(parts(what))
	}
	if err != nil {
		f.close()
		return nil, n, nil, err
	}
	return f, n, what, nil
}

// lease takes the job again. A lease that is still this holder's is the same one.
func (h *Holder) lease(ctx context.Context, n note) (signing.Reply, error) {
	lease, err := h.worker.Client.LeaseOne(ctx, n.Kind, n.Job)
	if err != nil {
		if errs.Is(err, errs.Conflict) || errs.Is(err, errs.NotFound) {
			return lease, errs.E("signer.hand_in", errs.KindOf(err), fmt.Errorf("nothing was handed in: %s", errs.Cause(err))).
				Hint("ask in the chat how the release stands; if the job waits again later, run the command again")
		}
		return lease, err
	}
	if lease.Digest != n.Digest {
		_ = h.worker.Client.GiveBack(ctx, lease, "something else was fetched before")
		return lease, errs.E("signer.hand_in", errs.Conflict, errors.New("nothing was handed in: the job asks for something else since it was fetched")).
			Hint("fetch it again, into a new folder, and sign that")
	}
	return lease, nil
}

// record writes the log as a worker does, with the last question between intent and result: is
// this still wanted? Then it delivers.
func (h *Holder) record(ctx context.Context, lease signing.Reply, what wish, made []byte) error {
	w := h.worker
	ctx = context.WithoutCancel(ctx)
	rec := w.record(lease, what)
	rec.Type, rec.By, rec.Note = intent, "holder", "signed outside of this program"
	if _, err := w.Journal.Append(rec); err != nil {
		return err
	}
	err := w.renew(ctx, lease)
	if err == nil {
		err = what.current(w.Now())
	}
	if err != nil {
		rec.Type, rec.Note = unsigned, "not handed in: "+errs.Text(err)
		_, failed := w.Journal.Append(rec)
		return errors.Join(errs.E("signer.hand_in", errs.KindOf(err), fmt.Errorf("nothing was handed in: %s", errs.Text(err))), failed)
	}
	if err := w.Journal.Result(rec, made, what.texts()); err != nil {
		return err
	}
	return h.deliver(ctx, lease, what, made)
}

func (h *Holder) deliver(ctx context.Context, lease signing.Reply, what wish, made []byte) error {
	state, err := h.worker.deliver(ctx, lease, signing.Ask{OK: true, Result: made})
	switch {
	case errs.Is(err, errs.Unavailable):
		return errs.E("signer.hand_in", errs.Unavailable, fmt.Errorf("nobody can tell whether %s was handed in: %s", what.name(), errs.Cause(err))).
			Hint("run the command again; the same signature is handed in then")
	case err != nil:
		return err
	case state == string(job.Unused):
		return errs.E("signer.hand_in", errs.Conflict, fmt.Errorf("%s came too late: it is not wanted any more, and its signature is kept and not used", what.name())).
			Hint("ask in the chat how the release stands")
	}
	fmt.Fprintf(h.worker.Out, "handed in: %s (%s)\n", what.name(), printable(state))
	return nil
}

// collect reads the signatures and makes of them what the bot wants, by a worker's rules.
func (h *Holder) collect(f *folder, what wish) ([]byte, error) {
	switch w := what.(type) {
	case tagWish:
		return h.detached(f, payloadFile+".asc", parts(what), 0)
	case releaseWish:
		var list []signing.ReleaseSignature
		all := parts(what)
		for i, r := range w.req.Releases {
			detached, err := h.detached(f, path.Join(r.Suite, "Release.gpg"), all, i)
			if err != nil {
				return nil, err
			}
			inline, err := h.inline(f, path.Join(r.Suite, "InRelease"), all, i)
			if err != nil {
				return nil, err
			}
			if _, err := h.key.VerifyRelease([]byte(r.Text), inline, detached, h.worker.Policy.Key, h.worker.Now()); err != nil {
				return nil, err
			}
			list = append(list, signing.ReleaseSignature{Suite: r.Suite, Digest: r.Digest, Inline: string(inline), Detached: string(detached)})
		}
		return signing.EncodeReleaseResult(list)
	}
	return nil, errs.E("signer.hand_in", errs.Internal, errors.New("nobody knows how this is handed in"))
}

// maxDetached bounds the file of a detached signature, in bytes.
const maxDetached = 16 << 10

// detached reads the signature over part i and writes its armor anew, without what gpg put around.
func (h *Holder) detached(f *folder, name string, all []part, i int) ([]byte, error) {
	data, err := f.read(name, maxDetached)
	if err != nil {
		return nil, h.missing(f, name, all[i], err)
	}
	_, err = h.key.Verify([]byte(all[i].text), data, h.worker.Now())
	if err != nil {
		for _, o := range all {
			if _, other := h.key.Verify([]byte(o.text), data, h.worker.Now()); other == nil {
				err = errs.E("signer.hand_in", errs.Denied, fmt.Errorf("it is the signature of %s", o.file))
			}
		}
		return nil, unfit(f, name, err)
	}
	made, err := openpgp.AssembleDetached(data)
	if err != nil {
		return nil, unfit(f, name, err)
	}
	return made, nil
}

// inline takes a clear-signed part i apart and keeps its text signature.
func (h *Holder) inline(f *folder, name string, all []part, i int) ([]byte, error) {
	data, err := f.read(name, 2*openpgp.MaxRelease+64<<10)
	if err != nil {
		return nil, h.missing(f, name, all[i], err)
	}
	text, block, err := openpgp.SplitInRelease(data)
	if err != nil {
		return nil, unfit(f, name, err)
	}
	if string(text) != all[i].text {
		return nil, unfit(f, name, errs.E("signer.hand_in", errs.Denied, fmt.Errorf("it holds another text than %s%s", all[i].file, whose(all, all[i], string(text)))))
	}
	if _, _, err := openpgp.VerifyInRelease(data, h.key, []string{h.worker.Policy.Key}, h.worker.Now()); err != nil {
		return nil, unfit(f, name, err)
	}
	in, err := openpgp.AssembleInRelease(text, block)
	if err != nil {
		return nil, unfit(f, name, err)
	}
	_, made, err := openpgp.SplitInRelease(in)
	return made, err
}

// missing says where a signature may be that is not where it should be: gpg without --output
// names its file by itself.
func (h *Holder) missing(f *folder, name string, p part, err error) error {
	if !errs.Is(err, errs.NotFound) {
		return err
	}
	asc := p.file + ".asc"
	data, gone := f.read(asc, 2*openpgp.MaxRelease)
	if gone != nil || name == asc {
		return err
	}
	what := "a detached signature, to be called Release.gpg"
	if bytes.HasPrefix(data, []byte("-----BEGIN PGP SIGNED MESSAGE")) {
		what = "a clear-signed text, to be called InRelease"
	}
	return errs.E("signer.hand_in", errs.NotFound, errors.New(errs.Cause(err))).Hint("%s is there and holds %s", path.Join(f.path, asc), what)
}

func unfit(f *folder, name string, err error) error {
	return errs.E("signer.hand_in", errs.KindOf(err), fmt.Errorf("%s is not handed in: %s", path.Join(f.path, name), errs.Cause(err))).
		Hint("make it again as %s says; nothing was handed in", path.Join(f.path, readmeFile))
}
