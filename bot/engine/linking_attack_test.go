package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
)

// Attack: a guest tries codes. Whether one is right he is not told, and each is a try; the one who asked for
// the right one is told alone that somebody else said it.
func TestAnAccountThatNeverCountsLearnsNothingOfCodes(t *testing.T) {
	w, r := vouchedWorld(t)
	eve := account("eve")
	r.names[eve.ID] = "maintainer-a"
	r.set(eve.ID, "it is a guest", nil)
	code := w.code("maintainer-a")
	var heard []string
	for _, typed := range []string{"AAAA-AAAA", code, code} {
		err := w.typed(eve, typed)
		wants(t, err, errs.Denied, "an account that never counts is not linked, and links nothing: it is a guest")
		heard = append(heard, errs.Text(err))
	}
	if heard[0] != heard[1] || heard[1] != heard[2] {
		t.Errorf("the answers differ: %q", heard)
	}
	told := w.posted("@maintainer-a", "Your code for linking is void: an account that never counts said it")
	if len(told) != 1 || !strings.Contains(told[0].c.Blocks[0].Text, "The account is “maintainer-a” (chat:U-eve): it is a guest. Nothing was linked.") {
		t.Errorf("the person was told %+v", told)
	}
	if len(w.posted("@eve", "void")) != 0 {
		t.Error("the guest was told too")
	}
	wants(t, w.typed(account("phone"), code), errs.NotFound, "no such code")
	code = w.code("maintainer-a")
	wants(t, w.confirmed(eve, "AAAA-AAAA"), errs.Denied, "it is a guest")
	wants(t, w.confirmed(eve, "AAAA-AAAB"), errs.Denied, "it is a guest")
	for _, typed := range []string{code, "AAAA-AAAA"} { // the tries are over
		wants(t, w.typed(eve, typed), errs.Busy, "typed 5 wrong codes")
		wants(t, w.confirmed(eve, typed), errs.Busy, "typed 5 wrong codes")
	}
	asked := len(r.asked)
	wants(t, w.typed(eve, code), errs.Busy, "typed 5 wrong codes")
	if len(r.asked) != asked {
		t.Error("its source is asked about an account that is not heard")
	}
	w.linked("maintainer-b", account("phone"))
	w.wantSound()
}

// Attack: whoever is no side of a code says yes to it, to learn whether it is one.
func TestWhoIsNoSideOfACodeLearnsNothingOfIt(t *testing.T) {
	w := linkedWorld(t)
	code := w.code("maintainer-a")
	for i := range people.MaxTries {
		if i == 2 {
			if err := w.typed(account("phone"), code); err != nil {
				t.Fatal(err)
			}
		}
		for _, who := range []string{"eve", "maintainer-b"} {
			wants(t, w.confirmed(account(who), code), errs.NotFound, "no such code")
		}
	}
	for _, who := range []string{"eve", "maintainer-b"} {
		wants(t, w.confirmed(account(who), code), errs.Busy, "typed 5 wrong codes")
	}
	for _, a := range []people.Account{account("maintainer-a"), account("phone")} { // in either order
		if err := w.confirmed(a, code); err != nil {
			t.Fatal(err)
		}
	}
	if p, _ := w.e.World().Directory.ByAccount(account("phone")); p.ID != "maintainer-a" {
		t.Errorf("it is an account of %q", p.ID)
	}
}

// Attack: an account that was made a guest makes itself a full member again by linking the account of one.
func TestAnAccountThatNeverCountsLinksNothing(t *testing.T) {
	ctx := context.Background()
	w, r := vouchedWorld(t)
	code := w.code("maintainer-a")
	for _, err := range []error{w.typed(account("phone"), code), w.confirmed(account("phone"), code)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r.set("U-maintainer-a", "it is a guest", nil)
	wants(t, w.confirmed(account("maintainer-a"), code), errs.Denied, "it is a guest")
	s, once := w.alone(account("maintainer-a"), "another")
	wants(t, w.e.LinkBegin(ctx, s, "maintainer-a", "chat", once), errs.Denied, "it is a guest")
	if _, ok := w.e.World().Directory.ByAccount(account("phone")); ok {
		t.Error("it was linked")
	}
}

// Away: what nobody can tell is no try, whether the code is right or wrong, and the code stands.
func TestNobodyIsLinkedWhileItsSourceIsAway(t *testing.T) {
	w, r := vouchedWorld(t)
	code := w.code("maintainer-a")
	r.set("", "", errs.E("chat", errs.Unavailable, fmt.Errorf("the chat does not answer")))
	for range people.MaxTries + 1 {
		for _, typed := range []string{code, "AAAA-AAAA"} {
			wants(t, w.typed(account("phone"), typed), errs.Unavailable, "whether this account counts cannot be read now: the chat does not answer")
		}
	}
	r.set("", "", nil)
	w.pass(time.Minute)
	for _, err := range []error{w.typed(account("phone"), code), w.confirmed(account("phone"), code), w.confirmed(account("maintainer-a"), code)} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// mute is a chat that answers nothing; it gives up when it may.
type mute struct{ waited []time.Duration }

func (h *mute) Standing(ctx context.Context, _ people.Account) (engine.Stands, error) {
	until, bounded := ctx.Deadline()
	if !bounded {
		until = time.Now().Add(time.Hour)
	}
	h.waited = append(h.waited, time.Until(until))
	return engine.Stands{}, errs.E("chat", errs.Unavailable, errors.New("the chat does not answer"))
}

// Attack: somebody says codes and asks for them while the chat hangs, so that the deliveries of all others wait.
func TestAChatThatHangsIsNotWaitedFor(t *testing.T) {
	w := linkedWorld(t)
	h, before := &mute{}, w.cfg
	w.cfg = func(c *engine.Config) { before(c); c.Standings = map[string]engine.Standing{"chat": h} }
	w.open()
	for round := 1; round <= 2; round++ {
		for i := range 12 {
			who := account(fmt.Sprint("eve", i%3))
			s, once := w.alone(account("maintainer-a"), fmt.Sprint("ask", round, i))
			for _, err := range []error{w.typed(who, "AAAA-AAAA"), w.e.LinkBegin(context.Background(), s, s.Person, "chat", once)} {
				wants(t, err, errs.Unavailable, "whether this account counts cannot be read now: the chat does not answer")
			}
		}
		if len(h.waited) != round {
			t.Fatalf("the chat was asked %d times in %d rounds", len(h.waited), round)
		}
		w.pass(time.Minute)
	}
	for _, d := range h.waited {
		if d > 3*time.Second {
			t.Errorf("the chat had %s", d)
		}
	}
}

// Attack: whoever may link nothing, or asked too often, has the chat asked all the same.
func TestWhoGetsNoCodeCostsNothing(t *testing.T) {
	w, r := vouchedWorld(t)
	for range people.MaxTries {
		w.code("maintainer-b")
	}
	asked := len(r.asked)
	for who, kind := range map[string]errs.Kind{"maintainer-a": errs.Denied, "maintainer-b": errs.Busy} {
		s, once := w.alone(account(who), "more")
		if err := w.e.LinkBegin(context.Background(), s, "maintainer-b", "chat", once); !errs.Is(err, kind) {
			t.Errorf("%s: %v", who, err)
		}
	}
	if len(r.asked) != asked {
		t.Errorf("the chat was asked about %v", r.asked[asked:])
	}
}

// Attack: a code is tried with an account of another source, where a right one would be told apart at no cost.
func TestACodeForAnotherSourceIsAWrongOne(t *testing.T) {
	w := linkedWorld(t)
	before := w.cfg
	w.cfg = func(c *engine.Config) { before(c); c.Linking.Sources = []string{"chat", "talk"} }
	w.open()
	s, once := w.alone(account("maintainer-a"), "ask")
	if err := w.e.LinkBegin(context.Background(), s, s.Person, "talk", once); err != nil {
		t.Fatal(err)
	}
	w.drain()
	code := strings.Fields(w.posted("@maintainer-a", "The code is ")[0].c.Title)[3][:9]
	wrong := w.typed(account("eve"), "AAAA-AAAA")
	wants(t, wrong, errs.NotFound, "no such code")
	for range people.MaxTries - 1 {
		if err := w.typed(account("eve"), code); errs.Text(err) != errs.Text(wrong) {
			t.Errorf("the right one is told apart: %v", err)
		}
	}
	wants(t, w.typed(account("eve"), code), errs.Busy, "typed 5 wrong codes")
	if err := w.typed(people.Account{Source: "talk", ID: "U-phone"}, code); err != nil { // it stands
		t.Error(err)
	}
}

// Attack: an account changes its name between its two words. The person is shown what it is called when it
// says yes, beside who it is.
func TestTheNameIsTheOneOfNow(t *testing.T) {
	w, r := vouchedWorld(t)
	r.names["U-phone"] = "Phone"
	code := w.code("maintainer-a")
	if err := w.typed(account("phone"), code); err != nil {
		t.Fatal(err)
	}
	r.names["U-phone"] = "maintainer-b"
	if err := w.confirmed(account("phone"), code); err != nil {
		t.Fatal(err)
	}
	asked := w.posted("@maintainer-a", "An account asks to be linked")
	if len(asked) != 1 || !strings.Contains(asked[0].c.Blocks[0].Text, "“maintainer-b” (chat:U-phone)") {
		t.Errorf("the person was asked %+v", asked)
	}
}

// Attack: whoever can read what is stored reads codes. The answer that tells one is gone from the outbox once
// it was posted, and one that was used does nothing.
func TestAStoredCodeIsWorthNothing(t *testing.T) {
	w := linkedWorld(t)
	code := w.code("maintainer-a")
	for k, v := range w.store.Records() {
		if k.Space == "outbox" && strings.Contains(v, code) {
			t.Errorf("the code waits in %v", k)
		}
	}
	for _, err := range []error{w.typed(account("phone"), code), w.confirmed(account("phone"), code), w.confirmed(account("maintainer-a"), code)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for k, v := range w.store.Records() {
		if k.Space == "outbox" && strings.Contains(v, code) || k.Space == "linkcodes" && strings.HasPrefix(k.ID, "code\x1f") {
			t.Errorf("there is still %v", k)
		}
	}
	for _, a := range []people.Account{account("phone"), account("eve"), account("maintainer-a")} {
		wants(t, w.typed(a, code), errs.NotFound, "no such code")
		wants(t, w.confirmed(a, code), errs.NotFound, "no such code")
	}
}
