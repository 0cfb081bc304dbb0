package debian

import "slipway/bot/action"

// packagesByHand checks packages with Debian's own programs.
func packagesByHand(h *action.Hand) {
	h.Run("dir=%s", h.Folder("files"))
	h.Note("All packages of the release must be there, of one version and with the right checksums.")
	h.Run(`ls -l "$dir"`)
	if h.Text("version") != "" {
		h.Run(`for changes in "$dir"/*.changes; do grep -xF -e %s "$changes"; dscverify --no-sig-check "$changes"; done`, h.Quote("Version: "+h.Text("version")))
	} else {
		h.Run(`for changes in "$dir"/*.changes; do grep '^Version:' "$changes"; dscverify --no-sig-check "$changes"; done`)
	}
	switch h.Text("lintian") {
	case "report":
		h.Run(`lintian "$dir"/*.changes || :`)
	case "gate":
		h.Run(`lintian --fail-on error "$dir"/*.changes`)
	}
	h.Set("files", `"$dir"`)
	h.Set("packages", `"$(for deb in "$dir"/*.deb; do dpkg-deb -f "$deb" Package; done | sort -u)"`)
	h.Set("version", h.Word("version"))
}
