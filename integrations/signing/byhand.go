package signing

import (
	"strings"

	"slipway/bot/action"
)

// tagByHand is how the holder of the key signs a tag with gpg.
func tagByHand(h *action.Hand) {
	h.Once = "Two signatures make two different tags. Sign once, and push that one."
	if made := h.Text("made"); made != "" && h.Known("made") {
		h.Capture("object", "cat "+h.File("tag", made))
		return
	}
	h.Note("The holder of the release key %s does this, where the key is. What is signed was approved; read it.", h.Text("fingerprint"))
	payload := h.File("payload", h.Text("payload"))
	h.Run("cat %s", payload)
	if digest, ok := strings.CutPrefix(h.Text("digest"), "sha256:"); ok && h.Known("digest") {
		h.Run(`test "$(sha256sum < %s | cut -c1-64)" = %s`, payload, h.Quote(digest))
	}
	signature := h.Path("signature.asc")
	h.Run("rm -f %s", signature)
	h.Run("gpg --armor --detach-sign --digest-algo SHA512 --local-user %s --output %s %s", h.Quote(h.Text("fingerprint")+"!"), signature, payload)
	h.Run("gpg --verify %s %s", signature, payload)
	h.Capture("object", "cat "+payload+" "+signature)
	h.Capture("signature", "cat "+signature)
}

// releaseByHand is how the holder of an archive's key signs its Release files with gpg. The folder
// release has one folder for each suite, with the Release in it; signed gets the signatures.
func releaseByHand(h *action.Hand) {
	key := h.Text("fingerprint")
	h.Note("The holder of the archive's key %s does this, where the key is: copy the folder release there, and the folder signed back.", key)
	for _, r := range h.Records("releases") {
		suite, _ := r["suite"].(string)
		text, _ := r["text"].(string)
		digest, _ := r["digest"].(string)
		file := h.Share("release/"+suite+"/Release", text)
		h.Note("The Release of %s has the digest %s.", suite, digest)
		h.Run(`test "$(sha256sum < %s | cut -c1-64)" = %s`, file, h.Quote(strings.TrimPrefix(digest, "sha256:")))
	}
	user := h.Quote(key + "!")
	name := h.Quote(key)
	// The name of a suite may be a path, such as stable/updates, of characters that need no quotes.
	h.Run(`signing=$(cd "$here/release" && find . -type f -name Release | sed -e 's|^\./||' -e 's|/Release$||' | sort)`)
	h.Run(`test -n "$signing"`)
	h.Run(`for suite in $signing; do`)
	h.Run(`  release="$here/release/$suite/Release"`)
	h.Run(`  mkdir -p "$here/signed/$suite"`)
	h.Run(`  cat "$release"`)
	h.Run(`  rm -f "$here/signed/$suite/"%s.InRelease "$here/signed/$suite/"%s.gpg`, name, name)
	h.Run(`  gpg --armor --clearsign --digest-algo SHA512 --local-user %s --output "$here/signed/$suite/"%s.InRelease "$release"`, user, name)
	h.Run(`  gpg --armor --detach-sign --digest-algo SHA512 --local-user %s --output "$here/signed/$suite/"%s.gpg "$release"`, user, name)
	h.Run("done")
}
