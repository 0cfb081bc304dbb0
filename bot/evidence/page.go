package evidence

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"
	"time"
)

// lateSigning is how long after a commit its head may be signed without a word about it.
const lateSigning = time.Minute

// readme is README.txt of a bundle.
func readme(c Claim, key Fingerprint) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `Evidence of %s

This archive proves how a run of Slipway went: what was released, who approved which bytes, and when.

To check it, you need the program slipway and the fingerprint of the bot's log key. Get the fingerprint
by another way than this archive, for example from those who run the bot; it should be

    %s

    slipway verify FILE.tar --key %s

Nothing is fetched, and nothing is needed besides. Without the fingerprint, nothing proves who wrote this.

`, c.Name, key, key)
	b.WriteString(howChecked)
	return b.Bytes()
}

// howChecked is the format in words, for those who check without slipway.
const howChecked = `What is in it

  index.html       the run for readers
  run.json         the same for programs; it follows from the log
  log.jsonl        the log, one commit a line
  heads/           heads of the log, signed when a gate closed and at the end
  relied/          what commits relied on: persons, grants, freezes, messages shown
  cards/           gate messages as people saw them, by digest
  manifests/       what each gate put to people; they approve the SHA-256 of this text
  playbooks/       the playbooks that were pinned, as written and in the form that their digest is of
  closure.json     names and digests of these
  signatures/      signed texts that the run made
  picture.svg      the run as a picture, if there is one
  files/           bodies of released files, if they were asked for
  statement.json   an in-toto statement v1 with SLSA provenance v1, if something was released
  key.pem          the public log key
  sealed.json      the list of all other files with size and SHA-256, signed; always the last file

How to check it without slipway

1. The archive is POSIX ustar: mode 0644, owner 0, no names, one time for all files, sealed.json last.
   Any other way to write the same files is refused.
2. The fingerprint is the SHA-256 of the key's SubjectPublicKeyInfo:
       openssl pkey -pubin -in key.pem -outform DER | sha256sum
3. sealed.json, statement.json and heads/*.json are DSSE envelopes. The signature (Ed25519) is over
       "DSSEv1" SP length(type) SP type SP length(payload) SP payload
   with lengths in decimal bytes. The payload of sealed.json lists every file in the order of the archive.
4. The chain: SHA-256 over the 32 bytes of the link before it (zeros for the first commit), the text of
   "at", and for each event a line feed and the event's bytes as they stand in log.jsonl.
5. Each head holds the link of its commit, and the SHA-256 of the files in relied/ since the head before.
6. A gate passes by its rule: the votes are in the log, and who held which role then is in relied/.

JSON is written without spaces, with the fields in a fixed order, and ends with a line feed.
`

// page is index.html of a bundle: plain, without scripts, and nothing in it comes from elsewhere.
func page(c Claim, key Fingerprint) []byte {
	t := template.Must(template.New("page").Funcs(template.FuncMap{
		"at":    func(t time.Time) string { return t.UTC().Format(timeForm) },
		"join":  func(list []string) string { return strings.Join(list, ", ") },
		"value": func(v any) string { return string(canonical(v)) },
	}).Parse(pageText))
	var b bytes.Buffer
	if err := t.Execute(&b, struct {
		Claim
		Key Fingerprint
	}{c, key}); err != nil {
		return []byte("<!doctype html><title>Evidence</title><p>The page could not be written; run.json says the same.\n")
	}
	return b.Bytes()
}

const pageText = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Evidence of {{.Name}}</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8886; overflow-wrap: anywhere; }
th { font-weight: 600; white-space: nowrap; }
code { font-size: .9em; overflow-wrap: anywhere; }
</style>
<h1>Evidence of {{.Name}}</h1>
<p>This page is for reading. What proves it is the archive around it: <code>slipway verify FILE.tar --key {{.Key}}</code>, with a fingerprint that you know from elsewhere.</p>
<table>
<tr><th>Project<td>{{.Project}}
<tr><th>Run<td><code>{{.Run}}</code>
<tr><th>Asked for by<td>{{if .Requester}}{{.Requester}}{{else}}nobody; the role {{.Owner}} owns it{{end}}
<tr><th>Began<td>{{at .Began}}
<tr><th>{{if .Ended.IsZero}}State<td>{{.Status}}; it had not ended{{else}}Ended<td>{{at .Ended}}, {{.Outcome}}{{end}}
<tr><th>Log<td>{{.Commits}} commits, ending with <code>{{.Chain}}</code>
<tr><th>Playbook<td><code>{{.Playbook}}</code>
<tr><th>Inputs<td><code>{{value .Inputs}}</code>
</table>
<h2>What was released</h2>
{{if .Released}}<table>
{{range .Released}}<tr><th>{{.Name}}<td>{{range $k, $v := .Digest}}{{$k}} <code>{{$v}}</code> {{end}}
{{end}}</table>{{else}}<p>Nothing.</p>{{end}}
{{if .Signed}}<h2>Signatures</h2>
<table>
{{range .Signed}}<tr><th><a href="{{.File}}">{{.File}}</a><td>{{.What}}{{if .By}}, by the key <code>{{.By}}</code>{{end}}
{{end}}</table>{{end}}
<h2>Who approved what</h2>
{{range .Gates}}<h3>Gate {{.Step}}, manifest {{.Number}}: {{.Ended}}</h3>
<table>
<tr><th>Rule<td>{{.Rule}}
<tr><th>Manifest<td><a href="{{.File}}"><code>{{.Manifest}}</code></a>
<tr><th>Asked<td>{{at .Opened}}
{{if not .Closed.IsZero}}<tr><th>Closed<td>{{at .Closed}}
{{end}}{{range .Binds}}<tr><th>{{.Name}}<td><code>{{if .Value}}{{.Value}}{{else}}{{.Digest}}{{end}}</code>
{{end}}{{range .By}}<tr><th>{{.Kind}} by {{if .Name}}{{.Name}}{{else}}{{.Person}}{{end}}<td>{{at .At}}, as {{.Account}}{{if not .Linked.IsZero}} (linked {{at .Linked}}){{end}}{{if .Message}}, through <code>{{.Message}}</code>{{end}}{{if .Roles}}, as {{join .Roles}}{{end}}{{range .Grants}}{{if .For}}, standing in for {{.For}}{{end}}{{end}}{{if .Reason}}: {{.Reason}}{{end}}
{{end}}{{range .Refused}}<tr><th>Not counted<td>{{.}}
{{end}}{{range .Shown}}<tr><th>Shown<td>{{at .At}} as <code>{{.Message}}</code>
{{end}}</table>
{{else}}<p>No gate was reached.</p>
{{end}}{{if .Adopted}}<h2>Found done by others</h2>
<p>{{join .Adopted}}</p>
{{end}}</html>
`
