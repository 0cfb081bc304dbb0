# The calls of the core, made by Debian's python3-gitlab as it is.
import io
import os
import zipfile

import gitlab

url, token, project_id = os.environ["FAKE_URL"], os.environ["FAKE_TOKEN"], int(os.environ["FAKE_PROJECT"])
gl = gitlab.Gitlab(url, private_token=token)
gl.auth()
assert gl.user.username == "ada", gl.user
assert gitlab.Gitlab(url, oauth_token=token).version()[0] == gl.version()[0] != "unknown"
assert gl.http_get("/personal_access_tokens/self")["scopes"] == ["api"]
assert [u.username for u in gl.users.list(username="ada")] == ["ada"]


def refused(code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except gitlab.exceptions.GitlabError as e:
        assert e.response_code == code, (e.response_code, e.error_message)
        return e.error_message
    raise AssertionError("it was not refused")


# Projects: by id, by path, and by the path of before a rename.
p = gl.projects.get(project_id)
assert gl.projects.get("yard/harbour").id == gl.projects.get("yard/dock").id == project_id
assert [x.path for x in gl.projects.list(membership=True)] == ["harbour"]
assert p.members.get(gl.user.id).access_level == gitlab.const.AccessLevel.MAINTAINER
assert p.members_all.get(gl.user.id).id == gl.user.id
refused(404, gl.projects.get, "yard/nowhere")
refused(401, gitlab.Gitlab(url, private_token="glpat-wrong").projects.get, project_id)

# Commits, files and branches.
ci = "compile: {script: [make]}\nlint: {script: [x], allow_failure: true}\nship: {stage: deploy, script: [x], when: manual}\n"
actions = [{"action": a, "file_path": n, "content": t} for a, n, t in (("update", ".gitlab-ci.yml", ci), ("create", "doc/read.me", "a ship\n"))]
first = p.commits.create({"branch": "master", "start_branch": "dock", "commit_message": "Lay the keel\n\nOf oak.\n", "actions": actions})
assert first.title == "Lay the keel" and p.commits.get(first.id).stats["additions"] == 3
change = {"action": "update", "file_path": "doc/read.me", "content": "YSBiaWcgc2hpcAo=", "encoding": "base64"}
second = p.commits.create({"branch": "grow", "start_branch": "master", "commit_message": "Grow", "actions": [change]})
assert second.parent_ids == [first.id]
assert p.files.get("doc/read.me", ref="grow").decode() == b"a big ship\n"
assert p.files.raw("doc/read.me", ref="master") == b"a ship\n"
assert [x["path"] for x in p.repository_tree(path="doc", ref="grow")] == ["doc/read.me"]
assert [x["id"] for x in p.repository_compare("master", "grow")["commits"]] == [second.id]
assert p.repository_merge_base(["master", "grow"])["id"] == first.id
assert [x.id for x in p.commits.list(ref_name="grow", iterator=True)][:2] == [second.id, first.id]
assert "already exists" in refused(400, p.commits.create, {"branch": "grow", "commit_message": "No", "actions": actions})
assert p.branches.get("grow").commit["id"] == second.id and p.branches.get("master").protected
for n in range(25):
    p.branches.create({"branch": "quay/%02d" % n, "ref": "master"})
assert len(p.branches.list(search="quay/", iterator=True)) == 25 == len(p.branches.list(search="quay/", get_all=True))
p.branches.delete("quay/00")
refused(404, p.branches.get, "quay/00")

# Protected names.
p.protectedbranches.create({"name": "quay/*", "push_access_level": 40, "merge_access_level": 30})
refused(409, p.protectedbranches.create, {"name": "quay/*"})
assert p.protectedbranches.get("quay/*").push_access_levels[0]["access_level"] == 40 and p.branches.get("quay/01").protected
p.protectedbranches.delete("quay/*")
p.protectedtags.create({"name": "v*", "create_access_level": 40})
assert [t.name for t in p.protectedtags.list(get_all=True)] == ["v*"]

# Tags.
tag = p.tags.create({"tag_name": "v1/a", "ref": "master", "message": "The first"})
assert tag.message == "The first" and tag.target != first.id == tag.commit["id"] and tag.protected
assert p.tags.get("v1/a").target == tag.target
assert p.tags.create({"tag_name": "plain", "ref": "grow"}).target == second.id
assert "already exists" in refused(400, p.tags.create, {"tag_name": "plain", "ref": "master"})
p.tags.delete("plain")
assert [t.name for t in p.tags.list(get_all=True)] == ["v1/a"]

# Pipelines and jobs.
assert [x.ref for x in p.pipelines.list(sha=first.id, ref="master", source="push")] == ["master"]
made = p.pipelines.create({"ref": "master", "variables": [{"key": "SLIPWAY_KEY", "value": "k1"}]})
assert made.source == "api" and made.status == "pending"
assert gl.http_get(f"/projects/{p.id}/pipelines/latest", query_data={"ref": "master"})["id"] == made.id
assert [(v.key, v.value) for v in p.pipelines.get(made.id).variables.list()] == [("SLIPWAY_KEY", "k1")]
assert [x.id for x in p.pipelines.list(order_by="id", sort="desc", per_page=1, get_all=False)] == [made.id]
jobs = {j.name: j for j in made.jobs.list(include_retried=True)}
assert sorted(jobs) == ["compile", "lint", "ship"] and jobs["lint"].allow_failure
job = p.jobs.get(jobs["compile"].id)
refused(404, job.artifacts)
job.cancel()
assert p.jobs.get(job.id).status == "canceled" and made.cancel()["status"] == "canceled"
made.retry()
assert p.pipelines.get(made.id).status == "pending"
again = [j for j in made.jobs.list(scope=["pending"]) if j.name == "compile"][0]
assert again.id != job.id and len(made.jobs.list(include_retried=True)) > len(jobs)
refused(403, job.retry)
refused(400, p.jobs.get(again.id).play)

# A job that is done, of a pipeline that is: the test has finished it.
done = p.jobs.get(int(os.environ["FAKE_JOB"]))
assert done.trace() == b"make\nok\n" and done.artifacts_file["filename"] == "artifacts.zip"
with zipfile.ZipFile(io.BytesIO(done.artifacts())) as z:
    assert z.read("out/ship.deb") == b"a ship"
assert done.artifact("out/ship.deb") == b"a ship"
chunks = []
done.artifacts(streamed=True, action=chunks.append)
assert zipfile.is_zipfile(io.BytesIO(b"".join(chunks)))
assert p.artifacts.download("dock", "compile") == b"".join(chunks)
done.retry()

# Releases.
r = p.releases.create({"tag_name": "v1/a", "name": "One", "description": "The first", "assets": {"links": [{"name": "deb", "url": "https://deb.example/s"}]}})
refused(409, p.releases.create, {"tag_name": "v1/a", "name": "One", "description": "x"})
refused(422, p.releases.create, {"tag_name": "v9", "description": "x"})
p.releases.update("v1/a", {"description": "The very first"})
r = p.releases.get("v1/a")
assert r.description == "The very first" and r.commit["id"] == first.id
link = r.links.create({"name": "log", "url": "https://deb.example/log"})
refused(400, r.links.create, {"name": "log", "url": "https://deb.example/other"})
assert {x.name for x in r.links.list()} == {"deb", "log"}
link.delete()
assert [x.tag_name for x in p.releases.list()] == ["v1/a"]

# It waits where it is told to.
limited = gl.http_get("/version")
assert limited["version"]
print("served")
