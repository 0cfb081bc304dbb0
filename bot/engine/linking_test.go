package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/evidence"
	"slipway/bot/people"
	"slipway/bot/run"
)

// linked is a world in which accounts of the chat can be linked.
func linkedWorld(t *testing.T, sources ...string) *world {
	t.Helper()
	w := newWorld(t, sources...)
	codes := byte(0)
	w.cfg = func(c *engine.Config) {
		c.LogKey = newLogKey(1)
		c.Direct = func(p people.PersonID) []engine.Place { return []engine.Place{{Source: "chat", ID: "@" + string(p)}} }
		c.Linking = engine.Linking{Sources: []string{"chat"}, Random: func() []byte { codes++; return bytes.Repeat([]byte{codes}, 64) }}
	}
	w.open()
	return w
}

// vouchedWorld is one in which the chat says what accounts are.
func vouchedWorld(t *testing.T) (*world, *registry) {
	t.Helper()
	w := linkedWorld(t)
	r := &registry{bad: map[string]string{}, names: map[string]string{}}
	before := w.cfg
	w.cfg = func(c *engine.Config) { before(c); c.Standings = map[string]engine.Standing{"chat": r} }
	w.open()
	return w, r
}

// alone is somebody who writes to the bot alone, where no project is at home.
func (w *world) alone(account people.Account, key string) (engine.Spoken, engine.Once) {
	p, _ := w.e.World().Directory.ByAccount(account)
	return engine.Spoken{Person: p.ID, Account: account, Place: engine.Place{Source: "chat", ID: "@" + strings.TrimPrefix(account.ID, "U-")}, Direct: true,
		Message: key, Now: w.clock.Now()}, engine.Once{Key: key}
}

// code asks for a code and reads it where it was told.
func (w *world) code(who string) string {
	w.t.Helper()
	w.msgs++
	s, once := w.alone(account(who), fmt.Sprint("code", w.msgs))
	if err := w.e.LinkBegin(context.Background(), s, s.Person, "chat", once); err != nil {
		w.t.Fatal(err)
	}
	w.pass(time.Second)
	told := w.posted("@"+who, "The code is ")
	if len(told) == 0 {
		w.t.Fatal("no code was told")
	}
	return strings.Fields(told[len(told)-1].c.Title)[3][:9]
}

func (w *world) typed(account people.Account, code string) error {
	w.msgs++
	s, once := w.alone(account, fmt.Sprint("typed", w.msgs))
	err := w.e.LinkTyped(context.Background(), s, code, once)
	w.pass(time.Second)
	return err
}

func (w *world) confirmed(account people.Account, code string) error {
	w.msgs++
	s, once := w.alone(account, fmt.Sprint("confirmed", w.msgs))
	err := w.e.LinkConfirm(context.Background(), s, code, once)
	w.pass(time.Second)
	return err
}

// unlinked has an account taken away by itself, alone with the bot.
func (w *world) unlinked(a people.Account) error {
	w.msgs++
	s, once := w.alone(a, fmt.Sprint("unlinked", w.msgs))
	err := w.e.Unlink(context.Background(), s, a.String(), once)
	w.pass(time.Second)
	return err
}

// linked links an account to a person from the beginning to the end.
func (w *world) linked(who string, other people.Account) {
	w.t.Helper()
	code := w.code(who)
	for _, err := range []error{w.typed(other, code), w.confirmed(other, code), w.confirmed(account(who), code)} {
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if p, _ := w.e.World().Directory.ByAccount(other); string(p.ID) != who {
		w.t.Fatalf("%s is an account of %q", other, p.ID)
	}
}

// reactAs reacts on the newest gate message with an account.
func (w *world) reactAs(a people.Account) {
	w.t.Helper()
	w.react(strings.TrimPrefix(a.ID, "U-"))
}

func wants(t *testing.T, err error, kind errs.Kind, text string) {
	t.Helper()
	if !errs.Is(err, kind) || !strings.Contains(errs.Text(err), text) {
		t.Errorf("got %v, want %q", err, text)
	}
}

func TestBothSidesConfirmALinkAndItIsAnnounced(t *testing.T) {
	w, r := vouchedWorld(t)
	alt := account("phone") // what comes in does not tell what it is called
	r.names["U-phone"] = "Fo\u202ene”, @fone"
	const shown = "“Fone', @fone” (chat:U-phone)"
	code := w.code("maintainer-a")
	for k, v := range w.store.Records() {
		if k.Space != "messages" && strings.Contains(k.ID+v, code) {
			t.Errorf("the code is kept in %s", k.Space)
		}
	}
	wants(t, w.confirmed(account("maintainer-a"), code), errs.Conflict, "no account has typed this code yet")
	wants(t, w.typed(account("maintainer-a"), code), errs.Exists, "is linked to maintainer-a already")
	if err := w.typed(alt, strings.ToLower(strings.ReplaceAll(code, "-", ""))); err != nil {
		t.Fatal(err)
	}
	asked := w.posted("@phone", "Link the account "+shown+" to the person maintainer-a")
	if len(asked) != 1 || asked[0].c.Blocks[len(asked[0].c.Blocks)-1].Buttons[0].Command != "link confirm "+code {
		t.Fatalf("the account was asked: %+v", asked)
	}
	wants(t, w.confirmed(account("maintainer-b"), code), errs.NotFound, "no such code") // it is none of hers
	if err := w.confirmed(alt, code); err != nil {
		t.Fatal(err)
	}
	if _, ok := w.e.World().Directory.ByAccount(alt); ok {
		t.Fatal("one side was enough")
	}
	if asked := w.posted("@maintainer-a", "An account asks to be linked to maintainer-a"); len(asked) != 1 || !strings.Contains(asked[0].c.Blocks[0].Text, shown+" to the person maintainer-a") {
		t.Fatalf("the person was asked: %+v", asked)
	}
	w.open() // it is durable
	if err := w.confirmed(account("maintainer-a"), code); err != nil {
		t.Fatal(err)
	}
	w.open()
	if p, _ := w.e.World().Directory.ByAccount(alt); p.ID != "maintainer-a" || !p.LinkedAt(alt).Equal(w.clock.Now().Add(-time.Second)) {
		t.Fatalf("the account is %+v", p)
	}
	told := w.posted("lava", shown+" is an account of maintainer-a now.")
	if len(told) != 1 || len(w.posted("glass", "is an account of")) != 0 {
		t.Fatalf("announced: %+v", told)
	}
	if list, err := w.e.Accounts(context.Background(), "maintainer-a"); err != nil || list[1].Account.Shown() != shown {
		t.Errorf("the accounts are %+v %v", list, err)
	}
	if len(w.posted("@phone", shown+" is an account of maintainer-a now")) != 1 {
		t.Error("the other side was not told")
	}
	wants(t, w.typed(alt, code), errs.NotFound, "no such code") // once
	log, err := w.e.LinkLog(context.Background(), 10)
	if err != nil || len(log) != 3 || log[0].What != "linked" || log[0].By != "maintainer-a" || log[2].What != "asked for a code" {
		t.Fatalf("the log is %+v %v", log, err)
	}
	w.say("phone", "release 1.0") // commands at once
	if s := w.run("1.0"); s.Requester != "maintainer-a" {
		t.Errorf("the command is that of %q", s.Requester)
	}
	w.wantSound()
}

// Attack: somebody who holds no role makes himself an approver by linking an account that is in a group, and
// nobody hears of it. A link is announced in the projects in which its account counts, in those in which its
// person does, and everywhere when there is none.
func TestALinkIsNeverAnnouncedNowhere(t *testing.T) {
	for _, c := range []struct{ who, group, lava, glass string }{
		{"requester", "glass", "", "told"},
		{"requester", people.EveryProject, "told", "told"},
		{"manager", "glass", "told", "told"}, // of every project
		{"requester", "", "told", "told"},    // no role at all
	} {
		w, _ := guildWorld(t, c.group, "U-phone")
		w.linked(c.who, account("phone"))
		if err := w.unlinked(account("phone")); err != nil {
			t.Fatal(err)
		}
		for place, want := range map[string]string{"lava": c.lava, "glass": c.glass} {
			for _, title := range []string{"is an account of " + c.who + " now", "is not an account of " + c.who + " any more"} {
				if told := w.posted(place, title); (want == "told") != (len(told) == 1) {
					t.Errorf("%s, group of %q: %q was said %d times in %s", c.who, c.group, title, len(told), place)
				}
			}
		}
	}
	w := linkedWorld(t)
	w.linked("maintainer-a", account("phone"))
	if len(w.posted("lava", "is an account of maintainer-a now")) != 1 || len(w.posted("glass", "is an account of")) != 0 {
		t.Error("it was not announced in the one project in which maintainer-a has a role")
	}
}

// Who gave the yes of the person's side, and through which account, is kept as it was, whichever side was first
// and whichever account asked for the code.
func TestALinkTellsThroughWhichAccountItWasConfirmed(t *testing.T) {
	for _, personFirst := range []bool{true, false} {
		w := linkedWorld(t)
		w.linked("maintainer-a", account("phone"))
		code := w.code("maintainer-a")
		sides := []people.Account{account("desk"), account("phone")}
		if personFirst {
			slices.Reverse(sides)
		}
		for _, err := range []error{w.typed(account("desk"), code), w.confirmed(sides[0], code), w.confirmed(sides[1], code)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for space, id := range map[string]string{"links": "chat\x1fU-desk", "linklog": "\x1flinked"} {
			var last struct{ Through, Account people.Account }
			for k, v := range w.store.Records() {
				if k.Space == space && strings.Contains(k.ID+"\x1f", id) && strings.Contains(v, "U-desk") {
					if err := json.Unmarshal([]byte(v), &last); err != nil {
						t.Fatal(err)
					}
				}
			}
			if last.Account.ID != "U-desk" || last.Through.ID != "U-phone" {
				t.Errorf("person first %v: %s tells of %+v", personFirst, space, last)
			}
		}
	}
}

// Attack: whoever sees a gate open links another account, or the account of somebody whose word would
// count, to approve it.
func TestALinkHasNoEffectOnOpenGates(t *testing.T) {
	w := linkedWorld(t)
	alt := account("phone")
	w.say("requester", "release 1.0")
	w.pass(time.Minute)
	w.linked("maintainer-a", alt)
	w.reactAs(alt)
	w.pass(10 * time.Minute)
	w.wantStep("1.0", "go", run.Running)
	if text := w.why("1.0", "go"); !strings.Contains(text, "account chat:U-phone was linked to maintainer-a on 2026-03-01 09:01 UTC, after this manifest was posted: it counts from the next one on") {
		t.Fatalf("why: %s", text)
	}
	w.say("phone", "approve 1.0 go")
	w.pass(10 * time.Minute)
	w.wantStep("1.0", "go", run.Running)
	w.react("maintainer-a") // the account that was known before
	w.pass(2 * time.Minute)
	w.wantStep("1.0", "ship", run.Done)

	w.say("requester", "release 2.0")
	w.pass(time.Minute)
	w.reactAs(alt)
	w.pass(2 * time.Minute)
	w.wantStep("2.0", "ship", run.Done)
	for _, version := range []string{"1.0", "2.0"} {
		rep, err := evidence.Verify(bytes.NewReader(w.bundle(version, engine.EvidenceOptions{})), evidence.Options{Pinned: []evidence.Fingerprint{newLogKey(1).print()}})
		if err != nil {
			t.Fatal(version, err)
		}
		by := rep.Claim.Gates[0].By[0]
		if linked := version == "2.0"; by.Linked.IsZero() == linked || (by.Account.ID == alt.ID) != linked {
			t.Errorf("%s was approved by %+v", version, by)
		}
	}
	w.wantSound()
}

// Attack: a code that others can read is worth nothing.
func TestACodeSaidInAChannelIsVoid(t *testing.T) {
	for what, say := range map[string]func(*world, engine.Spoken, string, engine.Once) error{
		"typed": func(w *world, s engine.Spoken, c string, o engine.Once) error {
			return w.e.LinkTyped(context.Background(), s, c, o)
		},
		"confirmed": func(w *world, s engine.Spoken, c string, o engine.Once) error {
			return w.e.LinkConfirm(context.Background(), s, c, o)
		},
	} {
		w := linkedWorld(t)
		code := w.code("maintainer-a")
		if what == "confirmed" {
			if err := w.typed(account("phone"), code); err != nil {
				t.Fatal(err)
			}
		}
		s, once := w.alone(account("phone"), "loud")
		s.Direct, s.Place.ID = false, "lava"
		wants(t, say(w, s, code, once), errs.Denied, "it is void now")
		wants(t, say(w, s, "AAAA-AAAA", engine.Once{Key: "louder"}), errs.Denied, "it is void now") // it does not tell which was one
		w.drain()
		if told := w.posted("@maintainer-a", "Your code for linking is void: it was said where others read"); len(told) != 1 {
			t.Errorf("the person was told %+v", told)
		}
		wants(t, w.typed(account("phone"), code), errs.NotFound, "no such code")
		wants(t, w.confirmed(account("maintainer-a"), code), errs.NotFound, "no such code")
	}
	w := linkedWorld(t)
	s, once := w.alone(account("maintainer-a"), "ask")
	s.Direct, s.Place.ID = false, "lava"
	if err := w.e.LinkBegin(context.Background(), s, "maintainer-a", "", once); err != nil {
		t.Fatal(err)
	}
	w.drain()
	if len(w.posted("lava", "The code is")) != 0 || len(w.posted("lava", "I have answered you alone")) != 1 || len(w.posted("@maintainer-a", "The code is")) != 1 {
		t.Error("the code was told where others read")
	}
}

// Attack: codes are tried until one fits.
func TestFiveWrongCodesEndIt(t *testing.T) {
	w := linkedWorld(t)
	code := w.code("maintainer-a")
	eve := account("eve")
	for range people.MaxTries {
		wants(t, w.typed(eve, "AAAA-AAAA"), errs.NotFound, "no such code")
	}
	for _, tried := range []string{code, "AAAA-AAAA", "nonsense"} {
		wants(t, w.typed(eve, tried), errs.Busy, "typed 5 wrong codes")
	}
	if err := w.typed(account("phone"), code); err != nil { // others are heard, and the code stands
		t.Fatal(err)
	}
	for range people.MaxTries {
		wants(t, w.typed(account("phone"), "AAAA-AAAA"), errs.NotFound, "no such code")
	}
	wants(t, w.confirmed(account("maintainer-a"), code), errs.NotFound, "no such code") // it ended with the fifth
	w.pass(people.TriesLife)
	wants(t, w.typed(eve, "AAAA-AAAA"), errs.NotFound, "no such code") // and is heard again
	for range people.MaxTries {
		w.code("maintainer-b")
	}
	s, once := w.alone(account("maintainer-b"), "more")
	wants(t, w.e.LinkBegin(context.Background(), s, "maintainer-b", "", once), errs.Busy, "asked for 5 codes")
	w.pass(25 * time.Hour)
	if n, err := w.e.SweepEnded(context.Background()); err != nil || n < 3 {
		t.Errorf("swept %d %v", n, err)
	}
	w.wantSound()
}

// Attack: a code was overheard, and is typed by two.
func TestACodeOfTwoAccountsIsVoid(t *testing.T) {
	w := linkedWorld(t)
	code := w.code("maintainer-a")
	if err := w.typed(account("phone"), code); err != nil {
		t.Fatal(err)
	}
	wants(t, w.typed(account("eve"), code), errs.Denied, "another account typed this code")
	wants(t, w.confirmed(account("phone"), code), errs.NotFound, "no such code")
	if told := w.posted("@maintainer-a", "is void"); len(told) != 1 || !strings.Contains(told[0].c.Blocks[0].Text, "chat:U-eve") {
		t.Errorf("the person was told %+v", told)
	}
	code = w.code("maintainer-a")
	wants(t, w.typed(account("maintainer-b"), code), errs.Exists, "belongs to maintainer-b")
	wants(t, w.typed(account("phone"), code), errs.NotFound, "no such code")
}

func TestCodesEndByTimeByANewOneAndByARestore(t *testing.T) {
	w := linkedWorld(t)
	code := w.code("maintainer-a")
	w.pass(people.CodeLife)
	wants(t, w.typed(account("phone"), code), errs.NotFound, "no such code")
	old := w.code("maintainer-a")
	code = w.code("maintainer-a")
	wants(t, w.typed(account("phone"), old), errs.NotFound, "no such code")
	if err := w.typed(account("phone"), code); err != nil {
		t.Fatal(err)
	}
	w.pass(people.LinkLife)
	wants(t, w.confirmed(account("phone"), code), errs.NotFound, "no such code")
	code = w.code("maintainer-b")
	held := w.backup()
	w.restore(held)
	wants(t, w.typed(account("desk"), code), errs.NotFound, "no such code")
	w.wantSound()
}

func TestWhoMayBeginAndEndALink(t *testing.T) {
	ctx := context.Background()
	w := linkedWorld(t)
	s, once := w.alone(account("manager"), "for another")
	wants(t, w.e.LinkBegin(ctx, s, "maintainer-a", "", once), errs.Denied, "may not link an account to maintainer-a")
	wants(t, w.e.LinkBegin(ctx, s, "manager", "gitlab", once), errs.NotFound, "accounts of gitlab cannot be linked by a code")
	wants(t, w.e.Unlink(ctx, s, "chat:U-phone", once), errs.NotFound, "is not linked to")
	wants(t, w.e.Unlink(ctx, s, "chat:U-manager", once), errs.Conflict, "stands in the configuration")
	w.linked("maintainer-a", account("phone"))
	wants(t, w.e.Unlink(ctx, s, "chat:U-phone", once), errs.Denied, "may not unlink an account of maintainer-a")

	// What was approved through it does not count any more in a gate that is open, and what it says is
	// nobody's.
	w.say("requester", "release 1.0")
	w.pass(time.Minute)
	w.say("maintainer-b", "abort 1.0")
	w.say("requester", "release 2.0")
	w.pass(time.Minute)
	w.room.mu.Lock()
	w.room.reads = nil
	w.room.mu.Unlock()
	before := w.e.World().Directory.Version("lava", "maintainer")
	own, o := w.alone(account("phone"), "own")
	if err := w.e.Unlink(ctx, own, "chat:U-phone", o); err != nil {
		t.Fatal(err)
	}
	if err := w.e.Unlink(ctx, own, "chat:U-phone", o); !errs.Is(err, errs.Exists) { // a repeat
		t.Errorf("said twice: %v", err)
	}
	w.drain()
	if after := w.e.World().Directory.Version("lava", "maintainer"); after != before+1 {
		t.Errorf("the version of the role was %d and is %d", before, after)
	}
	w.reactAs(account("phone"))
	w.pass(5 * time.Minute)
	w.wantStep("2.0", "go", run.Running)
	if text := w.why("2.0", "go"); !strings.Contains(text, "account chat:U-phone is not linked to a person") {
		t.Errorf("why: %s", text)
	}
	if len(w.posted("lava", "is not an account of maintainer-a any more")) != 1 {
		t.Error("it was not announced")
	}
	w.wantSound()
}
