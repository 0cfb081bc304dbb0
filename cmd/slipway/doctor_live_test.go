package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/finding"
)

// TestDoctorOfTheEngine makes every finding of a running bot appear, and not appear.
func TestDoctorOfTheEngine(t *testing.T) {
	now := time.Date(2019, 1, 31, 14, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	since := engine.Overdue{Action: "mail.announce@1", Run: "release/lava/2019.01", Since: ago(time.Hour), Last: "the server is away"}
	hidden := engine.Overdue{Action: "git.push_release@1", Since: ago(time.Hour), Last: "denied on /secret", Private: true}
	stuck := engine.Trouble{Run: "release/lava/2019.01", Step: "build", Since: ago(time.Hour)}
	doubt := engine.Trouble{Run: "release/lava/2019.01", Step: "push", Doubt: true, Since: ago(time.Hour)}
	secret, secrets := engine.Trouble{Private: true, Since: ago(time.Hour)}, engine.Trouble{Private: true, Doubt: true, Since: ago(time.Hour)}
	for name, c := range map[string]struct {
		found     []symptom
		what, fix string
	}{
		"engine.stopped: it works":       {stoppedBecause(nil), "", ""},
		"engine.stopped: it has":         {stoppedBecause(errors.New("the disk failed")), "the engine has stopped: the disk failed", ""},
		"engine.hangs: they turn":        {hanging(map[string]time.Time{"decode": ago(time.Minute), "timers": {}, "effects": ago(time.Hour)}, now), "", ""},
		"engine.hangs: one does not":     {hanging(map[string]time.Time{"decode": ago(time.Hour), "timers": now}, now), "the loop decode has not turned since 2019-01-31 13:00 UTC", ""},
		"inbox.behind: nothing waits":    {lateQueue(engine.Load{}, now), "", ""},
		"inbox.behind: for a moment":     {lateQueue(engine.Load{Queue: 3, Oldest: ago(time.Minute)}, now), "", ""},
		"inbox.behind: for an hour":      {lateQueue(engine.Load{Queue: 3, Oldest: ago(time.Hour)}, now), "3 deliveries are not read yet, the oldest since 2019-01-31 13:00 UTC", ""},
		"outbox.behind: nothing is due":  {lateOutbox(engine.Load{Outbox: 4}, now), "", ""},
		"outbox.behind: for a moment":    {lateOutbox(engine.Load{Longest: engine.Overdue{Action: "a", Since: ago(time.Minute)}}, now), "", ""},
		"outbox.behind: for an hour":     {lateOutbox(engine.Load{Longest: since}, now), "mail.announce@1 of release/lava/2019.01 should have been done since 2019-01-31 13:00 UTC; the last try: the server is away", ""},
		"outbox.behind: of a private":    {lateOutbox(engine.Load{Longest: hidden}, now), "git.push_release@1 of a private run should have been done since 2019-01-31 13:00 UTC", ""},
		"job.untaken: none":              {lateJobs(engine.Load{}, now), "", ""},
		"job.untaken: for a moment":      {lateJobs(engine.Load{Jobs: map[string]engine.Idle{"sign.tag": {Count: 1, Oldest: ago(time.Minute)}}}, now), "", ""},
		"job.untaken: since this night":  {lateJobs(engine.Load{Jobs: map[string]engine.Idle{"sign.tag": {Count: 1, Oldest: ago(3 * time.Hour)}}}, now), "1 job waits of the kind sign.tag for somebody to take them, the oldest since 2019-01-31 11:00 UTC", ""},
		"run.stuck: none":                {troubles([]engine.Trouble{doubt, secrets}, false), "", ""},
		"run.stuck: one":                 {troubles([]engine.Trouble{stuck, doubt}, false), "build of release/lava/2019.01 is stuck since 2019-01-31 13:00 UTC", "slipway why release/lava/2019.01"},
		"run.stuck: a private one":       {troubles([]engine.Trouble{secret}, false), "1 step of private runs is stuck", "their circles"},
		"effect.doubtful: none":          {troubles([]engine.Trouble{stuck, secret}, true), "", ""},
		"effect.doubtful: one":           {troubles([]engine.Trouble{stuck, doubt}, true), "nobody can tell whether push of release/lava/2019.01 happened", "doubt release/lava/2019.01 push happened, redo or failed"},
		"effect.doubtful: private ones":  {troubles([]engine.Trouble{secrets, secrets}, true), "2 effects of private runs are doubtful", "their circles"},
		"run.misfit: none":               {misfitting(nil), "", ""},
		"run.misfit: one":                {misfitting(map[string]string{"sha256:" + strings.Repeat("a", 64): "it names an action that is gone"}), "the playbook sha256:aaaaaaaaaaaa, with which live runs began, does not fit this program: it names an action that is gone", ""},
		"gate.absent: none":              {waitingForAbsent(nil), "", ""},
		"gate.absent: one":               {waitingForAbsent([]engine.AbsentGate{{Run: "1", Name: "release/lava/2019.01", Gate: "go", Why: "it cannot pass before somebody is back: eva is away until 2019-02-03"}}), "go of release/lava/2019.01: it cannot pass", "stand-in"},
		"gate.absent: of a private run":  {waitingForAbsent([]engine.AbsentGate{{Name: "a private run"}}), "a gate of a private run", "its circle"},
		"backup.failed: it did not":      {badBackup(backupStatus{Path: "/b/1"}), "", ""},
		"backup.failed: one is made now": {badBackup(backupStatus{Running: true, Error: "no room"}), "", ""},
		"backup.failed: it did":          {badBackup(backupStatus{Error: "no room"}), "the last backup failed: no room", ""},
	} {
		t.Run(name, func(t *testing.T) {
			expectSymptom(t, c.found, c.what, c.fix)
			if strings.Contains(name, "private") && len(c.found) > 0 && strings.Contains(c.found[0].what, "secret") {
				t.Errorf("a private run is told of: %s", c.found[0].what)
			}
		})
	}
	many := make([]engine.Trouble, 50)
	for i := range many {
		many[i] = stuck
	}
	if got := troubles(many, false); len(got) != toldMost+1 || got[toldMost].what != "and 30 more" {
		t.Errorf("fifty stuck steps are %d findings", len(got))
	}
}

// TestEveryCodeIsDocumentedAndTested keeps codes, their meanings and these tests together.
func TestEveryCodeIsDocumentedAndTested(t *testing.T) {
	tested := ""
	files, err := filepath.Glob("doctor*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "health_test.go", filepath.Join("testdata", "script", "check.txtar"), filepath.Join("..", "..", "test", "gitlab", "reopened_test.go")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tested += string(text)
	}
	r, err := finding.New((&patient{}).checks()...)
	if err != nil {
		t.Fatal(err)
	}
	docs := codeDocs()
	for _, c := range r.Checks() {
		if c.Code == finding.Late {
			continue
		}
		if docs[c.Code].meaning == "" || docs[c.Code].every == 0 {
			t.Errorf("nothing says what %s means", c.Code)
		}
		if !strings.Contains(tested, c.Code) {
			t.Errorf("nothing tests %s", c.Code)
		}
		delete(docs, c.Code)
	}
	for code := range docs {
		t.Errorf("%s is documented, and nothing finds it", code)
	}
}
