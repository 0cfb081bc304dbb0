package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// check makes everything again that follows from the log, and compares. The bytes were checked
// before.
func (b *opened) check(rep *Report, o Options) error {
	var err error
	if b.log, b.events, err = readLog(b.docs[fileLog]); err != nil {
		return err
	}
	raw := map[uint64][]byte{}
	for name, data := range b.docs {
		if seq, ok := seqOf("relied", name); ok {
			raw[seq] = data
		}
	}
	if b.relied, err = readRelied(raw); err != nil {
		return err
	}
	r := replay{relied: b.relied, books: b.books()}
	claim, released, err := r.claims(b.log, b.events, o.Tell)
	if err != nil {
		return err
	}
	if err := b.sameClaim(&claim, o); err != nil {
		return err
	}
	rep.Claim, rep.Texts, rep.Bodies = claim, released.Texts, len(b.bodies)
	for _, check := range []func(*Report) error{b.checkHeads, b.checkGates, b.checkBooks, b.checkNames} {
		if err := check(rep); err != nil {
			return err
		}
	}
	if err := b.checkReleased(rep, released, o); err != nil {
		return err
	}
	if r.unread {
		rep.Notes = append(rep.Notes, "This program cannot read the pinned playbook any more: whether the run kept to it was not checked.")
	}
	b.note(rep, o)
	return nil
}

// wrong says that a file of the bundle does not follow from the log in it. Only the holder of the
// key can have made it so.
func wrong(file, format string, args ...any) error {
	return errs.E("evidence.verify", errs.Corrupt, fmt.Errorf("%s: %s", file, fmt.Sprintf(format, args...))).
		Hint("whoever holds the log key made a bundle that contradicts its own log: do not believe it")
}

// sameClaim compares run.json with what follows from the log. Without a Telling, what was released
// is taken from it.
func (b *opened) sameClaim(c *Claim, o Options) error {
	var said Claim
	if err := readJSON(b.docs[fileClaim], &said); err != nil {
		return wrong(fileClaim, "%v", err)
	}
	if o.Tell == nil {
		c.Released, c.Artifacts, c.Signed = said.Released, said.Artifacts, said.Signed
	}
	want, err := writeJSON(c)
	if err != nil {
		return err
	}
	if !bytes.Equal(want, b.docs[fileClaim]) {
		return wrong(fileClaim, "it does not say what follows from the log")
	}
	last := b.log[len(b.log)-1]
	if b.index.Run != c.Run || b.index.Name != c.Name || b.index.Commits != len(b.log) || b.index.Chain != last.Chain || !b.index.At.Equal(last.At) {
		return wrong(fileSealed, "it is of another log")
	}
	return nil
}

// seqOf is the number of a file of one commit.
func seqOf(folder, name string) (uint64, bool) {
	text, ok := strings.CutPrefix(name, folder+"/")
	if !ok {
		return 0, false
	}
	text, ok = strings.CutSuffix(text, ".json")
	n, err := strconv.ParseUint(text, 10, 64)
	return n, ok && err == nil && name == seqFile(folder, n)
}

// checkHeads compares each signed head with the log, and what commits relied on with the head that
// follows them.
func (b *opened) checkHeads(rep *Report) error {
	bound := map[uint64]bool{}
	for _, f := range b.index.Files {
		seq, ok := seqOf("heads", f.Name)
		if !ok {
			continue
		}
		h, err := OpenHead(b.key, b.docs[f.Name])
		if err != nil {
			return changed(f.Name, err)
		}
		if h.Seq != seq || seq == 0 || seq > uint64(len(b.log)) || h.Run != rep.Claim.Run {
			return wrong(f.Name, "it is the head of another log")
		}
		c := b.log[seq-1]
		if h.Chain != c.Chain || !h.At.Equal(c.At) {
			return wrong(f.Name, "the log was another one when this head was signed, at %s: it was rewritten since", h.Signed.Format(timeForm))
		}
		if want := reasons(b.events[seq-1]); !slices.Equal(h.Reasons, want) {
			return wrong(f.Name, "it was signed for %q, and the commit says %q", h.Reasons, want)
		}
		for _, ref := range h.Relied {
			if digestOf(b.docs[seqFile("relied", ref.Seq)]) != ref.Digest {
				return wrong(seqFile("relied", ref.Seq), "it is not what was signed in the head of commit %d", seq)
			}
			bound[ref.Seq] = true
		}
		rep.Heads = append(rep.Heads, h)
	}
	var last uint64
	for _, h := range rep.Heads {
		last = max(last, h.Seq)
	}
	for seq, r := range b.relied {
		if r.Run != rep.Claim.Run || seq < 1 || seq > len(b.log) || !r.At.Equal(b.log[seq-1].At) {
			return wrong(seqFile("relied", uint64(seq)), "it is of another log")
		}
		if !bound[uint64(seq)] && uint64(seq) <= last {
			return wrong(seqFile("relied", uint64(seq)), "no signed head knows of it")
		}
	}
	return nil
}

// reasons are those for which the head of a commit is signed.
func reasons(events []run.Event) []string {
	var out []string
	for _, ev := range events {
		switch body := ev.Body.(type) {
		case run.GateClosed:
			out = append(out, AtGate(body.Step))
		case run.Finished:
			out = append(out, AtEnd)
		}
	}
	return out
}

// checkGates compares the texts that people approved, and the messages that showed them.
func (b *opened) checkGates(rep *Report) error {
	for _, d := range manifests(b.events) {
		if !bytes.Equal(b.docs[d.name], d.content) {
			return wrong(d.name, "it is not the manifest in the log")
		}
	}
	for _, g := range rep.Claim.Gates {
		for _, s := range g.Shown {
			name, err := digestName(s.Card)
			if err != nil {
				return err
			}
			if digestOf(b.docs["cards/"+name+".json"]) != s.Card {
				return wrong("cards/"+name+".json", "it is not the message that was shown at the gate %s", g.Step)
			}
		}
	}
	return nil
}

// checkBooks compares the playbooks with the digests that the run pinned.
func (b *opened) checkBooks(rep *Report) error {
	var closures map[string]map[string]string
	if err := readJSON(b.docs[fileClosure], &closures); err != nil {
		return wrong(fileClosure, "%v", err)
	}
	known := map[string]bool{}
	for digest, members := range closures {
		data := canonical(members)
		if digestOf(data) != digest {
			return wrong(fileClosure, "the list of playbooks %s is not what its digest says", digest)
		}
		known[digest] = true
		for _, book := range slices.Sorted(maps.Values(members)) {
			known[book] = true
			name, err := digestName(book)
			if err != nil {
				return err
			}
			plain := b.docs["playbooks/"+name+".canonical"]
			if digestOf(plain) != book {
				return wrong("playbooks/"+name+".canonical", "it is not what its digest says")
			}
			if again, err := playbook.Canonical(b.docs["playbooks/"+name+".yaml"]); err != nil || !bytes.Equal(again, plain) {
				return wrong("playbooks/"+name+".yaml", "it does not say the same as its canonical form")
			}
		}
	}
	for _, list := range b.events {
		for _, ev := range list {
			var pins []string
			switch body := ev.Body.(type) {
			case run.Started:
				pins = []string{body.Start.Playbook, body.Start.Closure}
			case run.Migrated:
				pins = []string{body.Playbook, body.Closure}
			case run.GateOpened:
				pins = []string{body.Manifest.Playbook}
			}
			for _, pin := range pins {
				if pin != "" && !known[pin] {
					return wrong(fileClosure, "the playbook %s that the run pinned is not in the bundle", pin)
				}
			}
		}
	}
	_ = rep
	return nil
}

// checkNames refuses files that no bundle of this format has.
func (b *opened) checkNames(rep *Report) error {
	for _, f := range b.index.Files {
		folder, name, deep := strings.Cut(f.Name, "/")
		ok := false
		switch {
		case !deep:
			ok = slices.Contains([]string{fileReadme, filePage, fileClaim, fileLog, fileClosure, filePicture, fileStatement, fileKey}, f.Name)
		case folder == "heads" || folder == "relied":
			_, ok = seqOf(folder, f.Name)
		case folder == "files":
			want, err := digestName(f.Digest)
			ok = err == nil && name == want && slices.ContainsFunc(rep.Claim.Artifacts, func(a Artifact) bool { return a.Digest == f.Digest && a.Size == f.Size })
		case folder == "cards":
			want, err := digestName(f.Digest)
			ok = err == nil && name == want+".json"
		case folder == "manifests":
			ok = slices.ContainsFunc(rep.Claim.Gates, func(g Gate) bool { return g.File == f.Name })
		case folder == "signatures":
			ok = slices.ContainsFunc(rep.Claim.Signed, func(s Signed) bool { return s.File == f.Name })
		case folder == "playbooks":
			ok = strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".canonical")
		}
		if !ok {
			return wrong(f.Name, "no bundle has such a file")
		}
	}
	return nil
}

// checkReleased compares signed texts and the statement with what the log tells.
func (b *opened) checkReleased(rep *Report, released Released, o Options) error {
	if o.Tell != nil {
		for _, t := range released.Texts {
			if content, ok := b.docs["signatures/"+t.Name]; !ok || string(content) != t.Content {
				return wrong("signatures/"+t.Name, "it is not what the run made")
			}
		}
	}
	sealed, ok := b.docs[fileStatement]
	want, due := statement(rep.Claim, released, b.print, digestOf(b.docs[fileLog]))
	if ok != due {
		return wrong(fileStatement, "a bundle has a statement exactly when its run released something")
	}
	if !ok {
		return nil
	}
	payload, err := Open(b.key, StatementType, sealed)
	if err != nil {
		return changed(fileStatement, err)
	}
	var said Statement
	if err := readJSON(payload, &said); err != nil {
		return wrong(fileStatement, "%v", err)
	}
	if o.Tell == nil {
		want.Predicate.BuildDefinition.ResolvedDependencies = said.Predicate.BuildDefinition.ResolvedDependencies
	}
	data, err := writeJSON(want)
	if err = errors.Join(err); err != nil {
		return err
	}
	if !bytes.Equal(data, payload) {
		return wrong(fileStatement, "it does not state what the run released")
	}
	rep.Statement = true
	return nil
}

const timeForm = "2006-01-02 15:04:05 MST"

// note says what is not proven.
func (b *opened) note(rep *Report, o Options) {
	c := rep.Claim
	say := func(format string, args ...any) { rep.Notes = append(rep.Notes, fmt.Sprintf(format, args...)) }
	if !rep.Pinned {
		say("You pinned no key. Anybody can make such a bundle with a key of their own: nothing is proven about who wrote it.")
	}
	switch {
	case c.Status != string(run.RunEnded):
		say("The run had not ended when this was made, or its last commits were cut off: what came after commit %d is not known.", c.Commits)
	case !rep.Whole():
		say("The log tells of the end of the run, but no signed head of the end is here: the end was not signed when it came.")
	}
	for _, g := range c.Gates {
		if g.Unchecked {
			say("Who held which role when the gate %s closed was not recorded: its rule could not be asked again.", g.Step)
		}
		closed := g.Approved() || g.Ended == "rejected"
		if closed && !slices.ContainsFunc(rep.Heads, func(h Head) bool { return h.Seq == uint64(g.Commit) }) {
			say("The closing of the gate %s was not signed when it came.", g.Step)
		}
	}
	for _, h := range rep.Heads {
		if late := h.Signed.Sub(h.At); late > lateSigning {
			say("The head of commit %d (%s) was signed %s after the commit: until then the log could have been rewritten.", h.Seq, strings.Join(h.Reasons, ", "), late.Round(lateSigning))
		}
	}
	if o.Tell == nil {
		say("What was released was not compared with the log.")
	}
	if missing := len(artifactDigests(c.Artifacts)) - rep.Bodies; missing > 0 {
		say("%d released files are not in the bundle: compare their digests with those that you have.", missing)
	}
	if len(c.Children) > 0 {
		say("This run started %d other runs; their logs are not in this bundle.", len(c.Children))
	}
}

func artifactDigests(list []Artifact) map[string]bool {
	out := map[string]bool{}
	for _, a := range list {
		out[a.Digest] = true
	}
	return out
}
