package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/calendar"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/bot/subscription"
)

func TestKindsOfNewsAreCheckedWhenAPlaybookLoads(t *testing.T) {
	contracts, err := engine.Contracts()
	if err != nil {
		t.Fatal(err)
	}
	for with, bad := range map[string]string{
		"{title: x}": "",
		"{title: x, kind: undone, severity: urgent}": "",
		"{title: x, kind: relased}":                  "released",
		"{title: x, severity: loud}":                 "urgent",
		`{title: x, severity: "${inputs.version}"}`:  "",
		"{title: x, kind: freeze}":                   "told",
		"{title: x, audience: everybody}":            "audience",
		`{title: x, kind: "${1 + 1}"}`:               "kind",
	} {
		p, err := playbook.Parse("test.yaml", []byte("playbook: quick\ndoc: One message.\nname: \"quick/${project.name}/${inputs.version}\"\n"+
			"inputs: {version: {type: version, help: \"a version\"}}\nsteps:\n  tell: {do: chat.broadcast@1, with: "+with+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		checked, found := playbook.Check(p, playbook.Known{Contracts: contracts, Profile: action.Obj(action.Field{Name: "name", Type: action.Type{Kind: action.String}})})
		if (checked == nil) != (bad != "") || bad != "" && !strings.Contains(playbook.Errors(found).Error(), bad) {
			t.Errorf("%s: %v", with, found)
		}
	}
}

func TestFreezesAreTold(t *testing.T) {
	ctx := context.Background()
	w, box := newTown(t, action.Lookup)
	w.open()
	w.subscribe("manager", "glass about=freeze", inChannel("news"))
	w.subscribe("requester", "lava about=freeze", byMail("requester@example.org"))
	from := w.clock.Now()
	for id, cal := range map[string]string{"all": "release", "lava": "release/lava"} {
		if err := w.e.Freeze(ctx, calendar.Freeze{ID: id, Calendar: cal, From: from, Until: from.Add(time.Hour), Why: "it is late"}, engine.Once{Key: id}); err != nil {
			t.Fatal(err)
		}
	}
	w.drain()
	if err := w.e.EndFreeze(ctx, "all", engine.Once{}); err != nil {
		t.Fatal(err)
	}
	w.drain()
	for place, n := range map[string]int{"freeze all from": 1, "freeze lava": 0, "the freeze all has ended": 1} {
		if got := w.posted("news", place); len(got) != n {
			t.Errorf("%q: %d posts", place, len(got))
		}
	}
	for subject, n := range map[string]int{"freeze all from": 1, "freeze lava from": 1, "the freeze all has ended": 1} {
		if got := box.to("requester@example.org", subject); len(got) != n {
			t.Errorf("%q: %d mails", subject, len(got))
		}
	}
	if list, err := w.e.Broadcasts(ctx, "", 10); err != nil || len(list) != 3 {
		t.Errorf("%+v %v", list, err)
	}
}

func TestUnsubscribedMeanwhileIsNotTold(t *testing.T) {
	ctx := context.Background()
	w, box := newTown(t, action.Lookup)
	w.open()
	now := w.subscribe("requester", "lava about=released", byMail("requester@example.org"))
	late := w.subscribe("maintainer-a", "lava about=released daily 08:00", byMail("maintainer-a@example.org"))
	if err := w.e.PauseEffects(ctx, "manager", "a look first"); err != nil {
		t.Fatal(err)
	}
	w.say("requester", "quick 1.0")
	if err := w.e.ResumeEffects(ctx); err != nil {
		t.Fatal(err)
	}
	box.fail = func(mailIn) error { // before the first try comes to anything, both think better of it
		_, err := w.e.Unsubscribe(ctx, now.ID, "requester", engine.Once{})
		if err == nil {
			_, err = w.e.Unsubscribe(ctx, late.ID, "maintainer-a", engine.Once{})
		}
		if err != nil {
			t.Error(err)
		}
		box.fail = nil
		return errs.E("mail.send", errs.Failed, fmt.Errorf("the mail server refuses the message"))
	}
	w.drain()
	w.pass(48 * time.Hour)
	if len(box.sent) != 0 {
		t.Fatalf("sent: %+v", box.sent)
	}
	for _, r := range w.broadcast("1.0", "is released").Receipts {
		if strings.HasPrefix(r.To, "mail:maintainer-a") && r.State != "dropped" {
			t.Errorf("%+v", r)
		}
	}
}

// A correction that is written while a message is on its way reaches it as well.
func TestCorrectionOfWhatIsOnItsWay(t *testing.T) {
	ctx := context.Background()
	w, box := newTown(t, action.Lookup)
	w.open()
	w.subscribe("requester", "lava about=released", byMail("requester@example.org"))
	w.subscribe("manager", "lava about=released", inChannel("news"))
	fixed := false
	box.fail = func(in mailIn) error {
		if fixed || !strings.Contains(in.Subject, "is released") {
			return nil
		}
		fixed = true
		for i := range 2 {
			if _, err := w.e.Correct(ctx, w.broadcast("1.0", "is released").News.Key, fmt.Sprint("mend ", i), "manager", engine.Once{}); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	w.say("requester", "quick 1.0")
	w.pass(time.Minute)
	fixes := box.to("requester@example.org", "Correction")
	if len(box.to("requester@example.org", "")) != 2 || len(fixes) != 1 || !strings.Contains(fixes[0].Body, "mend 0") || !strings.Contains(fixes[0].Body, "mend 1") {
		t.Errorf("%+v", box.sent)
	}
	for _, place := range []string{"news", "lava"} {
		if got := w.posted(place, "is released"); len(got) != 1 || !strings.Contains(fmt.Sprint(got[0].c), "mend 1") {
			t.Errorf("%s: %+v", place, got)
		}
	}
	if _, err := w.e.Correct(ctx, w.broadcast("1.0", "is released").News.Key, "x", "requester", engine.Once{}); !errs.Is(err, errs.Denied) {
		t.Errorf("anybody may correct: %v", err)
	}
}

// What fell due while the bot was away waits on when it is quiet again.
func TestQuietHoursHoldAfterAnAbsence(t *testing.T) {
	w, box := newTown(t, action.Lookup)
	w.open()
	w.subscribe("maintainer-a", "lava about=released quiet 10:00-12:00 Europe/Berlin", byMail("maintainer-a@example.org")) // it is 10:00 there
	w.say("requester", "quick 1.0")
	w.clock.pass(25 * time.Hour) // nobody was there at noon; it is 11:00 now
	w.open()
	w.drain()
	if len(box.to("maintainer-a@example.org", "")) != 0 {
		t.Fatalf("%+v", box.sent)
	}
	w.pass(2 * time.Hour)
	if len(box.to("maintainer-a@example.org", "is released")) != 1 {
		t.Errorf("%+v", box.sent)
	}
}

func TestManySubscribersEachOnce(t *testing.T) {
	w, box := newTown(t, action.Lookup)
	w.open()
	const many = 150
	for i := range many {
		s := subscription.Subscription{To: inChannel(fmt.Sprint("room", i)), Filter: subscription.Filter{Project: "lava", Kinds: []subscription.Kind{subscription.Released}}}
		if _, err := w.e.Subscribe(context.Background(), s, "manager", engine.Once{}); err != nil {
			t.Fatal(err)
		}
	}
	w.subscribe("requester", "*", byMail("requester@example.org"))
	w.say("requester", "quick 1.0")
	for i := range many {
		if n := len(w.posted(fmt.Sprint("room", i), "is released")); n != 1 {
			t.Fatalf("room %d was told %d times", i, n)
		}
	}
	if n := len(w.broadcast("1.0", "is released").Receipts); n != many+2 {
		t.Errorf("%d receipts", n)
	}
	w.clock.pass(500 * 24 * time.Hour)
	if n, err := w.e.SweepEnded(context.Background()); err != nil || n < 2*many {
		t.Errorf("%d records were forgotten, %v", n, err)
	}
	if err := w.e.FsckFull(context.Background(), func(p string) { t.Error(p) }); err != nil {
		t.Fatal(err)
	}
	if list, err := w.e.Broadcasts(context.Background(), w.run("1.0").ID, 10); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
	_ = box
}
