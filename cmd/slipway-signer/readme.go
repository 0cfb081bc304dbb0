package main

import (
	"crypto/sha256"
	"fmt"
	"path"
	"strings"
)

// readme tells the holder of the key what to do with a folder, with every command as it is to be
// typed there. command is how the signature is handed in, words are what was shown at the fetch.
func readme(what wish, key, command, words string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "To be signed with the key %s: %s\n\n", key, what.name())
	b.WriteString("Nothing here is signed yet, and nothing of this program can sign it. Read what you are asked\n" +
		"to sign, check that it is what was shown when it was fetched, and sign it where your key is:\n" +
		"in this folder, or in a copy of it that you bring back. Sign these files only, unchanged.\n\n")
	for _, p := range parts(what) {
		fmt.Fprintf(&b, "  %x  %s\n", sha256.Sum256([]byte(p.text)), p.file)
	}
	b.WriteString("\nIn this folder:\n\n")
	for _, c := range commands(what, key) {
		fmt.Fprintf(&b, "  %s\n", c)
	}
	fmt.Fprintf(&b, "\nThen hand the signatures in, which checks them first:\n\n  %s\n", command)
	fmt.Fprintf(&b, "\nOr say that you do not sign, and why:\n\n  %s --refuse 'the reason, in words'\n", command)
	fmt.Fprintf(&b, "\nWhat was shown when it was fetched:\n%s", words)
	return b.String()
}

// commands are those of gpg, one for each file that is handed in.
func commands(what wish, key string) (list []string) {
	const detached = "gpg --armor --detach-sign --digest-algo SHA512 -u %s --output %s %s"
	for _, p := range parts(what) {
		if p.file == payloadFile {
			list = append(list, fmt.Sprintf(detached, key, payloadFile+".asc", payloadFile))
			continue
		}
		dir := path.Dir(p.file)
		list = append(list, fmt.Sprintf(detached, key, path.Join(dir, "Release.gpg"), p.file),
			fmt.Sprintf("gpg --clearsign --digest-algo SHA512 -u %s --output %s %s", key, path.Join(dir, "InRelease"), p.file))
	}
	return list
}

// quoted is s as one word of a shell.
func quoted(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./+:=@,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
