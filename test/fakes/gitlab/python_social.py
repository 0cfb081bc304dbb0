# The calls about people's work, made by Debian's python3-gitlab as it is.
import os

import gitlab

url, project_id, hook_url = os.environ["FAKE_URL"], int(os.environ["FAKE_PROJECT"]), os.environ["FAKE_HOOK"]
gl = gitlab.Gitlab(url, private_token=os.environ["FAKE_TOKEN"])
bob = gitlab.Gitlab(url, private_token=os.environ["FAKE_BOB"])
gl.auth()
p, bobs = gl.projects.get(project_id), bob.projects.get(project_id)


def refused(code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except gitlab.exceptions.GitlabError as e:
        assert e.response_code == code, (e.response_code, e.error_message)
        return e.error_message
    raise AssertionError("it was not refused")


# Milestones.
m = p.milestones.create({"title": "2026.08", "due_date": "2026-08-31"})
following = p.milestones.create({"title": "2026.09"})
assert "already been taken" in str(refused(400, p.milestones.create, {"title": "2026.08"}))
assert [x.id for x in p.milestones.list(title="2026.08", state="active")] == [m.id]

# Issues.
i = p.issues.create({"title": "Paint the berth", "description": "Red.", "labels": ["paint"], "milestone_id": m.id})
assert i.milestone["title"] == "2026.08" and i.labels == ["paint"] and i.state == "opened"
assert [x.iid for x in p.issues.list(state="opened", milestone="2026.08", iterator=True)] == [i.iid]
assert p.issues.list(search="berth", in_="title")[0].iid == i.iid
i.milestone_id, i.labels = following.id, ["paint", "later"]
i.save()
assert p.issues.get(i.iid).milestone["id"] == following.id
i.state_event = "close"
i.save()
assert p.issues.get(i.iid).state == "closed"

# Merge requests.
bobs.branches.create({"branch": "crane", "ref": "master"})
commit = {"branch": "crane", "commit_message": "A crane", "actions": [{"action": "create", "file_path": "crane", "content": "tall\n"}]}
head = bobs.commits.create(commit).id
mr = bobs.mergerequests.create({"source_branch": "crane", "target_branch": "master", "title": "Draft: A crane", "milestone_id": m.id})
refused(409, bobs.mergerequests.create, {"source_branch": "crane", "target_branch": "master", "title": "Twice"})
assert mr.sha == head and mr.draft and mr.detailed_merge_status == "draft_status"
assert [x.iid for x in m.merge_requests()] == [mr.iid]
assert [x.iid for x in following.issues()] == [i.iid]
mine = p.mergerequests.get(mr.iid)
refused(405, mine.merge)
mine.title = "A crane"
mine.save()
assert [x.iid for x in p.mergerequests.list(state="opened", source_branch="crane")] == [mr.iid]
mine.approve(sha=head)
assert [x["user"]["username"] for x in mine.approvals.get().approved_by] == ["ada"]
assert mine.approval_state.get().rules[0]["approved"]
mine.unapprove()
refused(404, mine.unapprove)

# Comments, threads and emoji.
n = mine.notes.create({"body": "Ready?"})
n.body = "Ready now?"
n.save()
assert [x.body for x in mine.notes.list(sort="asc", iterator=True) if not x.system] == ["Ready now?"]
d = bobs.mergerequests.get(mr.iid).discussions.create({"body": "Shall we?"})
assert len(d.id) == 40 and not d.individual_note
answer = mine.discussions.get(d.id).notes.create({"body": "Yes."})
assert [x["body"] for x in p.mergerequests.get(mr.iid).discussions.get(d.id).attributes["notes"]] == ["Shall we?", "Yes."]
answer.body = "Yes!"
answer.save()
refused(403, bobs.mergerequests.get(mr.iid).discussions.get(d.id).notes.get(answer.id).delete)
a = n.awardemojis.create({"name": "thumbsup"})
assert "already been taken" in str(refused(404, n.awardemojis.create, {"name": "thumbsup"}))
assert [(x.name, x.user["username"]) for x in n.awardemojis.list()] == [("thumbsup", "ada")]
refused(401, bobs.mergerequests.get(mr.iid).notes.get(n.id).awardemojis.delete, a.id)
n.awardemojis.delete(a.id)
assert i.awardemojis.create({"name": "tada"}).awardable_type == "Issue"
talk = i.discussions.create({"body": "Which red?"})
assert i.notes.get(talk.attributes["notes"][0]["id"]).body == "Which red?"
n.delete()
refused(404, mine.notes.get, n.id)
assert {x.action_name for x in p.events.list(action="commented", after="2026-08-02")} == {"commented on"}
assert p.events.list(action="commented", after="2026-08-03") == []

# Merging.
refused(409, mine.merge, sha="0" * 40)
mine.merge(sha=head, should_remove_source_branch=True)
done = p.mergerequests.get(mr.iid)
assert done.state == "merged" and done.merge_commit_sha == p.branches.get("master").commit["id"]
assert [x.name for x in p.branches.list()] == ["master"]
m.state_event = "close"
m.save()
assert p.milestones.get(m.id).state == "closed"

# Webhooks.
h = p.hooks.create({"url": hook_url, "token": "secret", "milestone_events": True, "emoji_events": True, "push_events": False})
assert h.milestone_events and h.emoji_events and not h.push_events and h.alert_status == "executable" and not hasattr(h, "token")
h.note_events = True
h.save()
assert [x.note_events for x in p.hooks.list()] == [True]
gl.http_post(f"/projects/{project_id}/hooks/{h.id}/test/milestone_events")
events = gl.http_list(f"/projects/{project_id}/hooks/{h.id}/events", iterator=True)
sent = list(events)
assert [(x["trigger"], x["response_status"]) for x in sent] == [("milestone_hooks", "200")]
assert sent[0]["request_headers"]["X-Gitlab-Token"] == "[REDACTED]"
again = gl.http_post(f"/projects/{project_id}/hooks/{h.id}/events/{sent[0]['id']}/resend")
assert again["response_status"] == 200
refused(403, bobs.hooks.list)
h.delete()
assert p.hooks.list() == []
print("served")
