package engine

import (
	"context"
	"errors"
	"fmt"

	"slipway/bot/action"
	"slipway/bot/evidence"
)

// fsckHeads compares the heads of a run with its log, and the signed ones with what was signed. The
// chain of commits was checked before.
func (e *Engine) fsckHeads(ctx context.Context, l *live, commits []Commit, problem func(string)) error {
	heads, err := e.Heads(ctx, l.id)
	if err != nil {
		return err
	}
	name := l.state.Name
	waiting := map[uint64]bool{}
	prefix := l.id + sep
	err = e.cfg.Store.Scan(ctx, spUnsigned, prefix, after(prefix), false, func(k string, _ []byte) bool {
		waiting[seqOf(k)] = true
		return true
	})
	if err != nil {
		return err
	}
	for _, h := range heads {
		if h.Seq == 0 || h.Seq > uint64(len(commits)) || h.Run != l.id {
			problem(fmt.Sprintf("a head of %s is of commit %d, and the log has %d", name, h.Seq, len(commits)))
			continue
		}
		if c := commits[h.Seq-1]; h.Chain != c.Chain || !h.At.Equal(c.At) {
			problem(fmt.Sprintf("the head of %s at commit %d is not what its log says", name, h.Seq))
		}
		if signed := h.Envelope != nil; signed == waiting[h.Seq] {
			problem(fmt.Sprintf("the head of %s at commit %d is signed and waits for it, or neither", name, h.Seq))
		}
		delete(waiting, h.Seq)
		for _, ref := range h.Relied {
			body, err := e.relied(ctx, l.id, ref.Seq)
			if err != nil {
				return err
			}
			if action.DigestOf(body) != ref.Digest {
				problem(fmt.Sprintf("what %s relied on at commit %d is not what its head says", name, ref.Seq))
			}
		}
		if e.cfg.LogKey == nil || h.By != evidence.FingerprintOf(e.cfg.LogKey.Public()) {
			continue // not signed, or by an earlier key
		}
		signed, err := evidence.OpenHead(e.cfg.LogKey.Public(), h.Envelope)
		if err != nil || string(encode(signed)) != string(encode(h.Head)) {
			problem(fmt.Sprintf("the signed head of %s at commit %d is not what was signed", name, h.Seq))
		}
	}
	for seq := range waiting {
		problem(fmt.Sprintf("a head of %s at commit %d waits to be signed, and does not exist", name, seq))
	}
	return nil
}

// relied is the record of what one commit relied on; nil when there is none.
func (e *Engine) relied(ctx context.Context, runID string, seq uint64) ([]byte, error) {
	raw, err := e.cfg.Store.Get(ctx, Key{spRelied, id(runID, seqID(seq))})
	if err != nil || raw == nil {
		return nil, err
	}
	return e.unpack(ctx, raw)
}

// reliedAll are all such records of a run, by commit.
func (e *Engine) reliedAll(ctx context.Context, runID string) (map[uint64][]byte, error) {
	out := map[uint64][]byte{}
	var bad error
	prefix := runID + sep
	err := e.cfg.Store.Scan(ctx, spRelied, prefix, after(prefix), false, func(k string, value []byte) bool {
		if value, bad = e.unpack(ctx, value); bad == nil {
			out[seqOf(k)] = value
		}
		return bad == nil
	})
	return out, errors.Join(err, bad)
}
