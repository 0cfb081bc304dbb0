package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/run"
)

// keySafe keeps what parts an ID out of the keys of elements.
var keySafe = strings.NewReplacer("%", "%25", sep, "%1F")

// elements writes what changed of a list that lives on a ledger, each element by itself.
func (w *writer) elements(path string, had, now *run.Step) error {
	put, gone := run.ElementsOf(path, had, now, w.d.Events)
	for _, key := range gone {
		w.b.del(spElements, id(w.d.After.ID, path, keySafe.Replace(key)))
	}
	for _, el := range put {
		raw, err := run.EncodeElement(el)
		if err != nil {
			return errs.E("engine.write", errs.Internal, fmt.Errorf("the element %s of %s does not encode: %w", el.Key, path, err))
		}
		value, err := w.e.pack(w.ctx, raw)
		if err != nil {
			return err
		}
		w.b.put(spElements, id(w.d.After.ID, path, keySafe.Replace(el.Key)), value)
	}
	return nil
}

// readElements gives the lists of a run that live on ledgers their elements.
func (e *Engine) readElements(ctx context.Context, l *live) error {
	lists := map[string][]run.Element{}
	for path, st := range l.state.Steps {
		if st.Living {
			lists[path] = nil
		}
	}
	if len(lists) == 0 {
		return nil
	}
	var bad error
	prefix := l.id + sep
	err := e.cfg.Store.Scan(ctx, spElements, prefix, after(prefix), false, func(key string, value []byte) bool {
		if value, bad = e.unpack(ctx, value); bad != nil {
			return false
		}
		var el run.Element
		if el, bad = run.DecodeElement(value); bad != nil {
			return false
		}
		path := splitID(key)[1]
		lists[path] = append(lists[path], el)
		return true
	})
	for path, elements := range lists {
		if st := l.state.Steps[path]; st != nil && st.Living {
			st.With(elements)
		}
	}
	return errors.Join(err, bad)
}
