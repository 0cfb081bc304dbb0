package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/bot/ledger"
	"slipway/bot/run"
)

// A restore loses time: what was said, decided and done between the backup and the restore is not
// in the records, but it happened. What follows from that:
//
//   - The epoch rises, by the clock, so that two restores of one backup never share one. It is the
//     upper half of every fence: no lease of before counts.
//   - An effect that was intended before the restore, or that a run which began before it (or a
//     child of one) intends for the first time now, may have been done in the lost time. Each is
//     looked for before it is done; what can only be asked is asked, once in an epoch.
//   - A run that begins after the restore may repeat one that was lost whole. Its effects are
//     looked for and asked too, for as long as repeats are remembered ([Config.KeepInbox]), or until
//     an operator says that nothing was lost.
//   - Messages of the bot are found by key before they are posted; reactions on open gates are read
//     again; sources that can tell again what they delivered do so ([Engine.ReadBack]).
//   - Nothing is done outside, no job is handed out and no gate closes until an operator resumes.

// metaRestored is the record of the last restore.
const metaRestored = "restored"

type restoreRecord struct {
	Epoch   uint64    `json:"epoch"`
	At      time.Time `json:"at"`
	Taken   time.Time `json:"taken"`             // when the backup was made
	Until   time.Time `json:"until"`             // new runs may repeat lost ones until then
	Told    bool      `json:"told,omitempty"`    // the first start has fenced, read and told what must be
	Read    []string  `json:"read,omitempty"`    // sources that were read back
	Settled bool      `json:"settled,omitempty"` // an operator says that nothing was lost
}

// Restoration is what is known of the last restore of the store.
type Restoration struct {
	At, Taken time.Time // of the restore, and of the backup
	Settled   bool      // an operator said that nothing was done in between
}

// LastRestore tells of the last restore; false when there was none.
func (e *Engine) LastRestore() (Restoration, bool) {
	rec := e.world.restored.Load()
	if rec == nil {
		return Restoration{}, false
	}
	return Restoration{At: rec.At, Taken: rec.Taken, Settled: rec.Settled}, true
}

// Epoch is how often the store was restored, in a number that only grows.
func (e *Engine) Epoch() uint64 { return e.world.epoch }

// epochZero is when epochs begin to be counted: the year 2000, in seconds of Unix. Half of a fence
// has room for them until 2136.
const epochZero = 946_684_800

// Restored is called once on a store that was restored from a backup made at taken, before anybody
// works on it: it raises the epoch, pauses effects, takes jobs back from their holders, and forgets
// what cards show. What was begun of it is ended at the next start, which also tells the operators.
func (e *Engine) Restored(ctx context.Context, taken time.Time) error {
	now := e.now()
	epoch := e.world.epoch + 1
	if n := now.Unix() - epochZero; n > 0 {
		epoch = max(epoch, uint64(n))
	}
	rec := restoreRecord{Epoch: epoch, At: now, Taken: taken.UTC(), Until: now.Add(e.cfg.KeepInbox)}
	pause := pauseRecord{Why: "the store was restored from a backup of " + taken.UTC().Format("2006-01-02 15:04 UTC") + ": look at what is pending, then resume", At: now, Restored: true}
	b := newBatch()
	b.put(spMeta, "epoch", []byte(strconv.FormatUint(epoch, 10)))
	b.put(spMeta, "pause", encode(pause))
	b.put(spMeta, metaReshow, []byte(metaFrom))
	b.put(spMeta, metaRestored, encode(rec))
	b.del(spMeta, metaAlive) // what was missed since the backup is read back and told as that
	b.del(spMeta, metaBack)
	if err := e.voidCodes(ctx, b); err != nil {
		return err
	}
	if err := e.commit(ctx, "restore", b); err != nil {
		return err
	}
	e.world.epoch = epoch
	e.world.paused.Store(&pause)
	e.world.restored.Store(&rec)
	return e.reshow(ctx)
}

// epochOf is the epoch of a run that begins now: a child is as old as its parent, since a lost one
// would have had the same id.
func (e *Engine) epochOf(ctx context.Context, parent string) (uint64, error) {
	if parent == "" || e.world.epoch == 0 {
		return e.world.epoch, nil
	}
	l, err := e.load(ctx, parent)
	if err != nil {
		return 0, err
	}
	return l.rec.Epoch, nil
}

// unknown reports whether an effect may have been done in the time that the last restore lost.
func (e *Engine) unknown(ctx context.Context, r *effectRecord) (bool, error) {
	rec := e.world.restored.Load()
	if rec == nil {
		return false, nil
	}
	if r.Epoch < rec.Epoch {
		return true, nil
	}
	may := !rec.Settled && e.now().Before(rec.Until)
	if r.Run == "" { // a later generation is a person's word, given with knowledge of the restore
		return may && r.Generation == 0, nil
	}
	l, err := e.load(ctx, r.Run)
	if err != nil || !may && l.rec.Epoch >= rec.Epoch {
		return false, err
	}
	asked, err := e.cfg.Store.Get(ctx, Key{spAsked, id(r.Run, r.Key)})
	return string(asked) != strconv.FormatUint(rec.Epoch, 10), err
}

// asks notes, in a commit, that people are asked about an effect: what they say of it is said with
// knowledge of the restore, and they are not asked again.
func (e *Engine) asks(b *batch, r *effectRecord) {
	if rec := e.world.restored.Load(); rec != nil && r.Run != "" {
		b.put(spAsked, id(r.Run, r.Key), []byte(strconv.FormatUint(rec.Epoch, 10)))
	}
}

// noTrace says why nobody can tell whether an effect happened.
func (e *Engine) noTrace(unknown bool) string {
	rec := e.world.restored.Load()
	if !unknown || rec == nil {
		return "it was begun, and no trace of it is found: it may still have happened"
	}
	const form = "2006-01-02 15:04 UTC"
	return fmt.Sprintf("Slipway was restored on %s from a backup of %s; what it did between the two is not known, and no trace of this is found: it may have happened",
		rec.At.Format(form), rec.Taken.Format(form))
}

// NothingLost takes an operator's word that nothing was done outside between the backup and the
// restore: runs that begin after it are asked about as if there had been none. Runs of before are
// not trusted more for that.
func (e *Engine) NothingLost(ctx context.Context) error {
	return e.changeRestore(ctx, "restore/settled", func(r *restoreRecord) { r.Settled = true }, nil)
}

// changeRestore changes the record of the restore, with more in the same commit.
func (e *Engine) changeRestore(ctx context.Context, what string, change func(*restoreRecord), more func(*batch) error) error {
	for range decideTries {
		var rec restoreRecord
		raw, found, err := e.get(ctx, spMeta, metaRestored, &rec)
		if err != nil {
			return err
		}
		if !found {
			return errs.E("engine.restore", errs.NotFound, errors.New("this store was never restored from a backup"))
		}
		change(&rec)
		b := newBatch()
		b.guard(spMeta, metaRestored, raw)
		b.put(spMeta, metaRestored, encode(rec))
		if more != nil {
			if err := more(b); err != nil {
				return err
			}
		}
		err = e.commit(ctx, what, b)
		if err == nil {
			e.world.restored.Store(&rec)
		}
		if !errs.Is(err, errs.Conflict) {
			return err
		}
	}
	return errs.E("engine.restore", errs.Conflict, errors.New("the record of the restore changes faster than it can be written")).Hint("Try again.")
}

// afterRestore ends a restore at the first start with people and playbooks: whatever is leased is
// taken back, the reactions of open gates are read again, and the operators are told.
func (e *Engine) afterRestore(ctx context.Context) error {
	rec := e.world.restored.Load()
	if rec == nil || rec.Told || len(e.cfg.Projects.Names()) == 0 {
		return nil
	}
	if err := e.fenceAll(ctx); err != nil {
		return err
	}
	var refs []Ref
	err := e.cfg.Store.Scan(ctx, spGates, "", "", false, func(k string, message []byte) bool {
		if parts := splitID(k); len(parts) == 5 {
			refs = append(refs, Ref{Place: Place{parts[3], parts[4]}, Message: string(message)})
		}
		return true
	})
	for _, ref := range refs {
		if err == nil {
			err = e.unshown(ctx, ref)
		}
		if err == nil {
			err = e.touched(ctx, ref, false)
		}
	}
	if err != nil {
		return err
	}
	return e.changeRestore(ctx, "restore/told", func(r *restoreRecord) { r.Told = true }, func(b *batch) error { return e.tellRestored(ctx, b, rec) })
}

// unshown forgets what a gate message shows, which may have been edited after the backup.
func (e *Engine) unshown(ctx context.Context, ref Ref) error {
	var m messageRecord
	raw, found, err := e.get(ctx, spMessages, ref.String(), &m)
	if err != nil || !found || m.Digest == "" || m.Closed {
		return err
	}
	m.Digest = ""
	b := newBatch()
	b.guard(spMessages, ref.String(), raw)
	b.put(spMessages, ref.String(), encode(m))
	return e.commit(ctx, "restore/gates", b)
}

// fenceAll takes every job back that is not finished, under a fence of this epoch.
func (e *Engine) fenceAll(ctx context.Context) error {
	const why = "Slipway was restored from a backup"
	var open, leases []string
	err := e.cfg.Store.Scan(ctx, spJobQueue, "", "", false, func(k string, _ []byte) bool { open = append(open, k); return true })
	if err == nil {
		err = e.cfg.Store.Scan(ctx, spLeases, "", "", false, func(k string, _ []byte) bool { leases = append(leases, k); return true })
	}
	if err != nil {
		return err
	}
	least := e.world.epoch << 32
	for _, k := range open {
		parts := splitID(k)
		_, err := e.changeJob(ctx, "restore", parts[0], parts[2], func(j job.Job) (job.Job, error) {
			if j.Fence >= least {
				return j, nil // by an earlier start
			}
			return job.Raise(j, least, why), nil
		})
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	for _, k := range leases {
		parts := splitID(k)
		if !isRowJob(parts[2]) {
			continue
		}
		_, err := e.onRowJob(ctx, "restore", parts[1], parts[2], func(tx *rowTx, j *rowJob, row *ledger.Row) error {
			if j.Job.State != job.Leased || j.Job.Fence >= least {
				return nil
			}
			st, err := run.RowWork(j.list.Each.Job).Fence(specOf(tx.declared), *row, j.Job, least, why, e.now())
			if err != nil {
				return err
			}
			return tx.apply(row, j, st)
		})
		if err != nil && (stops(err) || ctx.Err() != nil) {
			return err
		}
		if err != nil { // its list or its playbook is gone
			if err := e.dropLease(ctx, k, parts[1], parts[2]); err != nil {
				return err
			}
		}
	}
	return nil
}

// beforeRestore reports whether something was said before the last restore: it may have been heard
// then, so that it is a repeat of which nobody here knows.
func (e *Engine) beforeRestore(at time.Time) bool {
	rec := e.world.restored.Load()
	return rec != nil && at.Before(rec.At)
}

// ofThatTime reports whether something that was said before a restore must not be taken for said
// now: an operator's word (the pause of the restore would end, news be told twice), and an answer to a
// doubt or a wish to repeat, which knew of nothing that was lost.
func ofThatTime(a Asked) bool {
	if c, ok := a.Input.(run.Command); ok {
		return slices.Contains([]run.Verb{run.DoubtVerb, run.AgainVerb, run.UndoVerb}, c.Verb)
	}
	return a.Other != nil
}

// Past is a source that can tell again what it delivered. Since gives every delivery from a moment
// on, in the order in which they came, with its time and the id that it had then.
type Past interface {
	Since(ctx context.Context, from time.Time, deliver func(Delivery) error) error
}

// readMargin is how much before the backup sources are read back from: what was stored before it
// is dropped by its id.
const readMargin = time.Hour

// ReadBack asks the sources that can tell for what was delivered since the backup, after a restore,
// and while the engine was away. What was stored already is dropped by its id, and what was done
// already by its meaning; commands that are too old ask their author. It gives how many deliveries were
// new, and is to be called again after an error: a source that could not be reached is asked again.
// When nothing was missed it does nothing.
func (e *Engine) ReadBack(ctx context.Context) (int, error) {
	n, failed := e.readLost(ctx)
	more, err := e.readBackFrom(ctx)
	return n + more, errors.Join(failed, err)
}

// readLost asks the sources for what was delivered since the backup of the last restore.
func (e *Engine) readLost(ctx context.Context) (n int, failed error) {
	rec := e.world.restored.Load()
	if rec == nil {
		return 0, nil
	}
	for _, source := range slices.Sorted(maps.Keys(e.cfg.Past)) {
		if slices.Contains(rec.Read, source) {
			continue
		}
		err := e.readSource(ctx, source, rec.Taken.Add(-readMargin), missedLost, &n)
		if err == nil {
			err = e.changeRestore(ctx, "restore/read", func(r *restoreRecord) { r.Read = append(r.Read, source) }, nil)
		}
		failed = errors.Join(failed, err)
	}
	return n, failed
}
