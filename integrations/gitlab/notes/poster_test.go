package notes

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	fake "slipway/test/fakes/gitlab"
)

func TestACardBeginsAThreadAndIsEditedInPlace(t *testing.T) {
	y := newYard(t)
	ref, gate := y.gate()
	if !discussionID.MatchString(ref.Message) || noteOf(gate) == 0 || gate.Place != ref.Place {
		t.Fatalf("got %+v and %+v", ref, gate)
	}
	c := live()
	c.Status = "10 of 14 steps"
	y.edit(ref, c)
	y.edit(ref, c)
	mine := y.mine()
	if len(mine) != 2 || mine[1].Discussion != mine[0].Discussion {
		t.Fatalf("got %+v", mine)
	}
	for _, want := range []string{"10 of 14 steps", "For @maria\\_s"} {
		if !strings.Contains(strings.ReplaceAll(mine[0].Body, "maria_s", `maria\_s`), want) {
			t.Errorf("%q is missing in %s", want, mine[0].Body)
		}
	}
	if !strings.Contains(mine[1].Body, "`@slipway-bot approve release/lava/2019.01 go --manifest sha256:9f86d081884c`") || !strings.Contains(mine[1].Body, "👍") {
		t.Errorf("the gate message says %s", mine[1].Body)
	}
}

func TestMessagesOnAMergeRequest(t *testing.T) {
	y := newYard(t)
	_, err := y.fake.CommitFiles(y.project, y.maria.ID, "master", "Begin", map[string]string{"README": "x\n"})
	y.ok(err)
	_, err = y.fake.CommitFiles(y.project, y.maria.ID, "berth", "Fix", map[string]string{"README": "y\n"})
	y.ok(err)
	m, err := y.fake.OpenMergeRequest(y.maria.ID, fake.MergeRequest{Item: fake.Item{Project: y.project, Title: "Fix"}, SourceBranch: "berth", TargetBranch: "master"})
	y.ok(err)
	y.at = fake.MergePlace(y.project, m.IID)
	_, gate := y.gate()
	y.award(y.chen, gate, "thumbsup")
	if got := y.votes(gate); got != "chen✅" {
		t.Errorf("got %s", got)
	}
}

func TestALostAnswerIsOneNote(t *testing.T) {
	for _, thread := range []bool{false, true} {
		y := newYard(t)
		to, path := y.room(), "/projects/*/issues/*/discussions"
		if thread {
			to.Thread = y.post("card-1", y.room(), live()).Message
			path += "/*/notes"
		}
		before := len(y.mine())
		y.fake.Fault(fake.Fault{Method: "POST", Path: path, Do: fake.BadGatewayAfter})
		_, err := y.poster.Post(y.Context(), "gate-1", to, gateMessage().Card())
		y.want(errs.Doubtful, err)
		ref, found, err := y.poster.Find(y.Context(), "gate-1", to)
		if y.ok(err); !found || len(y.mine()) != before+1 || !strings.Contains(y.says(ref), "gate go") {
			t.Fatalf("thread %v: found %v %+v, %d notes", thread, found, ref, len(y.mine()))
		}
		// No reaction counts before the seal holds the number of the note.
		id := y.mine()[before].ID
		_, err = y.fake.Award(y.maria.ID, id, "thumbsup")
		y.ok(err)
		_, err = y.poster.Reactions(y.Context(), ref)
		y.want(errs.Conflict, err, "written anew")
		y.edit(ref, gateMessage().Card())
		_, err = y.fake.Award(y.chen.ID, id, "thumbsup")
		y.ok(err)
		if got := y.votes(ref); got != "chen✅" {
			t.Errorf("thread %v: %s", thread, got)
		}
		if _, found, err := y.poster.Find(y.Context(), "gate-2", to); err != nil || found {
			t.Errorf("another key: %v %v", found, err)
		}
	}
}

func TestAFailureBeforeAnythingHappenedLeavesNothing(t *testing.T) {
	y := newYard(t)
	y.fake.Away()
	_, err := y.poster.Post(y.Context(), "card-1", y.room(), live())
	y.want(errs.Unavailable, err)
	y.ok(y.fake.Back())
	if _, found, err := y.poster.Find(y.Context(), "card-1", y.room()); err != nil || found {
		t.Errorf("found %v, %v", found, err)
	}
	y.fake.Fault(fake.Fault{Method: "POST", Path: "/projects/*/issues/*/discussions", Do: fake.TooMany, RetryAfter: 42 * time.Second})
	_, err = y.poster.Post(y.Context(), "card-1", y.room(), live())
	y.want(errs.Busy, err)
	_, err = y.poster.Post(y.Context(), "card-1", y.room(), live())
	y.want(errs.Busy, err)
	y.now = y.now.Add(43 * time.Second)
	y.post("card-1", y.room(), live())
	if n := len(y.mine()); n != 1 {
		t.Errorf("%d notes", n)
	}
}

func TestAnswersGoWhereTheyWereAsked(t *testing.T) {
	y := newYard(t)
	asked, err := y.fake.Comment(y.maria.ID, y.at, "slipway mine")
	y.ok(err)
	answer := card.Card{Key: "reply-1", Title: "Nothing waits for you.", Mentions: []string{"maria"}}
	to := y.room()
	to.Thread = fmt.Sprint(asked.ID) // the payload had no discussion
	ref := y.post("reply-1", to, answer)
	mine := y.mine()
	if len(mine) != 1 || mine[0].Discussion != asked.Discussion || !strings.HasPrefix(mine[0].Body, "@maria_s: Nothing waits for you.") {
		t.Fatalf("got %+v", mine)
	}
	if again, found, err := y.poster.Find(y.Context(), "reply-1", to); err != nil || !found || again.Message != ref.Message {
		t.Errorf("found %+v %v %v", again, found, err)
	}
	y.ok(y.fake.DeleteComment(y.maria.ID, asked.ID))
	to.Thread = "999999"
	y.post("reply-2", to, answer)
	if mine = y.mine(); len(mine) != 2 || mine[1].Discussion == asked.Discussion {
		t.Errorf("an answer to a comment that is gone: %+v", mine)
	}
}

func TestUserNamesAreReadWhenTheyAreWritten(t *testing.T) {
	y := newYard(t)
	y.fake.RenameUser(y.maria.ID, "maria.harbour")
	ref := y.post("card-1", y.room(), live())
	if got := y.says(ref); !strings.Contains(got, "For @maria.harbour, alan.") {
		t.Errorf("got %s", got)
	}
	y.fake.RenameUser(y.bot.ID, "slipway2")
	y.fake.BlockUser(y.maria.ID)
	y.now = y.now.Add(10 * time.Minute)
	gone := card.Card{Key: "k", Title: "x", State: card.Waiting, Mentions: []string{"maria", "chen"}}
	if got := y.says(y.post("k", y.room(), gone)); !strings.Contains(got, "For maria, @chen.") {
		t.Errorf("got %s", got)
	}
	_, gate := y.gate()
	if got := y.says(gate); !strings.Contains(got, "`@slipway2 approve") {
		t.Errorf("got %s", got)
	}
}

func TestPlacesThatAreGone(t *testing.T) {
	y := newYard(t)
	cardRef, gate := y.gate()
	in := y.room()
	in.Thread = cardRef.Message
	post := func(to Ref) error {
		_, err := y.poster.Post(y.Context(), "k", to, live())
		return err
	}
	y.want(errs.Gone, post(Ref{Place: fmt.Sprintf("%d/issues/999", y.project)}), "is gone")
	y.want(errs.Gone, post(Ref{Place: "nonsense"}))
	elsewhere := in
	elsewhere.Thread = strings.Repeat("ab", 20)
	y.want(errs.Gone, post(elsewhere), "thread")
	if _, found, err := y.poster.Find(y.Context(), "k", elsewhere); err != nil || found {
		t.Errorf("a thread that is gone: %v %v", found, err)
	}
	y.bend = bend{path: `GET .*/issues/[0-9]+`, from: `"moved_to_id":null`, to: `"moved_to_id":77`}
	y.want(errs.Gone, post(y.room()), "moved to another project", "rooms:")
	y.bend = bend{path: `POST .*/notes`, to: `{"message":"403 Forbidden"}`, code: 403}
	y.want(errs.Unavailable, post(in), "does not let the bot")
	y.bend = bend{path: `(POST .*/notes|GET .*/issues/[0-9]+)`, from: `"discussion_locked":null`, to: `"discussion_locked":true`}
	y.fake.AddMember(y.project, y.bot.ID, 0) // a private project is not seen any more, which is no reason to give up
	y.want(errs.Unavailable, post(in))
	y.want(errs.Unavailable, y.poster.Edit(y.Context(), gate, gateMessage().Card()))
	_, err := y.poster.Reactions(y.Context(), gate)
	y.want(errs.Unavailable, err)
	y.fake.AddMember(y.project, y.bot.ID, fake.Maintainer)
	y.bend = bend{}
	y.ok(y.fake.DeleteComment(y.maria.ID, noteOf(gate)))
	y.want(errs.Gone, y.poster.Edit(y.Context(), gate, gateMessage().Card()))
	_, err = y.poster.Reactions(y.Context(), gate)
	y.want(errs.Gone, err)
}

func TestLockedCommentsAreGone(t *testing.T) {
	y := newYard(t)
	in := y.room()
	in.Thread = y.post("card-1", y.room(), live()).Message
	y.bend = bend{path: `GET .*/issues/[0-9]+`, from: `"discussion_locked":null`, to: `"discussion_locked":true`}
	y.fake.ChangeProject(y.project, func(p *fake.Project) { p.Archived = true }) // then writing is answered with 403, too
	_, err := y.poster.Post(y.Context(), "k", in, live())
	y.want(errs.Gone, err, "locked", "unlock")
}

func TestATokenThatDoesNotWorkIsTriedAgain(t *testing.T) {
	y := newYard(t)
	_, gate := y.gate()
	y.fake.BlockUser(y.bot.ID)
	_, err := y.poster.Reactions(y.Context(), gate)
	y.want(errs.Unavailable, err, "token")
	y.now = y.now.Add(time.Hour)
	_, _, err = y.poster.Find(y.Context(), "k", y.room())
	y.want(errs.Unavailable, err, "token_file")
}
