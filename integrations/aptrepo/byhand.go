package aptrepo

import (
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// folder is the archive of an input when it lives in a folder of this host.
func (a *Actions) folder(h *action.Hand) (*Archive, Configured, bool) {
	name := h.Text("archive")
	if a.Archives == nil || name == "" || !h.Known("archive") {
		return nil, Configured{}, false
	}
	c, ok := a.Archives(name)
	if !ok {
		return nil, c, false
	}
	local, ok := c.Place.(*Archive)
	return local, c, ok
}

func elsewhere(h *action.Hand) {
	h.Note("The archive %s does not live in a folder of this host, so there are no commands for it here. Work on the host that serves it:", h.Text("archive"))
	h.Note("prepare the new state beside the one that clients read, sign it, and turn the link; with reprepro: reprepro --basedir DIR include SUITE FILE.changes")
}

// stageByHand makes the next state with the program of the bot, which needs no running bot for that.
func (a *Actions) stageByHand(h *action.Hand) {
	local, _, ok := a.folder(h)
	if !ok {
		elsewhere(h)
		return
	}
	h.Note("Clients see nothing of it yet.")
	var more []string
	add := func(flag, input string) {
		if h.In[input] != nil && h.Text(input) != "" {
			more = append(more, flag+"="+h.Word(input))
		}
	}
	add("--source", "source")
	add("--version", "version")
	add("--from", "from")
	if back, _ := h.In["backward"].(bool); back {
		more = append(more, "--backward")
	}
	files := ""
	if h.Text("kind") == "add" {
		files = " --files=" + h.Folder("files")
	}
	h.Note("The environment variable SLIPWAY_CONFIG names the configuration of the bot, unless it is ./slipway.yaml.")
	h.Run("generation=$(%s)", strings.Join(append(append([]string{"slipway archive stage --archive=" + h.Word("archive") + " --kind=" + h.Word("kind") + files}, more...), "--", h.List("suites")), " "))
	h.Run("for suite in %s; do", h.List("suites"))
	h.Run(`  mkdir -p "$here/release/$suite"`)
	h.Run(`  cp %s/generations/"$suite/$generation.staged/Release" "$here/release/$suite/Release"`, h.Quote(local.root))
	h.Run("done")
	h.Set("generation", `"$generation"`)
}

// publishByHand puts the signatures beside each Release and turns the links of the suites.
func (a *Actions) publishByHand(h *action.Hand) {
	local, c, ok := a.folder(h)
	h.Once = "Clients read what is published at once, and never go back to what is older by themselves. Each suite refuses to turn when it is not where it was."
	if !ok {
		elsewhere(h)
		return
	}
	root := h.Quote(local.root)
	generation := h.Word("generation")
	h.Note("A link that ends in %s has turned.", h.Text("generation"))
	h.Look("readlink %s/dists/*", root)
	h.Run("generation=%s", generation)
	current := map[string]string{}
	for _, g := range h.Records("current") {
		suite, _ := g["suite"].(string)
		current[suite], _ = g["generation"].(string)
	}
	known := h.Records("releases")
	signed := h.Known("signed") && known != nil
	for _, r := range known {
		suite, _ := r["suite"].(string)
		text, _ := r["text"].(string)
		h.Share("release/"+suite+"/Release", text)
		if signed {
			signed = a.signedByHand(h, c, suite, text)
		}
	}
	h.Run(`for release in "$here"/release/*/Release; do`)
	h.Run(`  suite=$(basename "$(dirname "$release")")`)
	h.Run(`  signed="$here/signed/$suite"`)
	if signed {
		h.Note("The signatures are there; only the archive is to be turned.")
	} else if len(c.Keys) > 1 || h.Known("signed") {
		users := ""
		for _, key := range c.Keys {
			users += " --local-user " + h.Quote(key+"!")
		}
		if len(c.Keys) > 1 {
			h.Note("The archive has several keys. All of them must sign one InRelease, which takes them in one place.")
		}
		h.Run(`  mkdir -p "$signed"`)
		h.Run(`  [ -e "$signed/InRelease" ] || gpg --armor --clearsign --digest-algo SHA512%s --output "$signed/InRelease" "$release"`, users)
		h.Run(`  [ -e "$signed/Release.gpg" ] || gpg --armor --detach-sign --digest-algo SHA512%s --output "$signed/Release.gpg" "$release"`, users)
	} else {
		name := "KEY"
		if len(c.Keys) == 1 {
			name = h.Quote(c.Keys[0])
		}
		h.Run(`  cp "$signed"/%s.InRelease "$signed/InRelease"`, name)
		h.Run(`  cp "$signed"/%s.gpg "$signed/Release.gpg"`, name)
	}
	h.Run(`  generations=%s/generations/"$suite"`, root)
	h.Run(`  new="$generations/$generation.staged"`)
	h.Run(`  [ -d "$new" ] || new="$generations/$generation"`)
	h.Run(`  cmp "$release" "$new/Release"`)
	h.Run(`  link=$(readlink %s/dists/"$suite" || :)`, root)
	h.Run(`  before=${link##*/}`)
	if len(current) > 0 {
		h.Run(`  case $suite in`)
		for _, r := range known {
			suite, _ := r["suite"].(string)
			h.Run("  %s) expected=%s ;;", h.Quote(suite), h.Quote(current[suite]))
		}
		h.Run(`  esac`)
		h.Run(`  [ "$before" != "$generation" ] || continue`)
		h.Run(`  test "$before" = "$expected"`)
	} else { // it was staged by hand: its own record tells where the suite was then
		h.Run(`  [ "$before" != "$generation" ] || continue`)
		h.Run(`  expected=$(sed -n 's/^{.*"parent":"\([^"]*\)".*$/\1/p' "$new/` + recordFile + `")`)
		h.Run(`  test "$before" = "$expected"`)
	}
	keyring := keyringByHand(h, c)
	h.Run(`  gpgv --keyring %s "$signed/InRelease" || exit 1`, keyring)
	h.Run(`  gpgv --keyring %s "$signed/Release.gpg" "$new/Release" || exit 1`, keyring)
	// A good signature may be that of another Release: the text of InRelease must be this one.
	h.Run(`  sed -e '1,/^$/d' -e '/^-----BEGIN PGP SIGNATURE-----$/,$d' -e 's/^- //' "$signed/InRelease" | cmp - "$new/Release" || exit 1`)
	h.Run(`  cp "$signed/Release.gpg" "$signed/InRelease" "$new/"`)
	h.Run(`  printf '{"at":"%%s","previous":"%%s"}' "$(date -u +%%Y-%%m-%%dT%%H:%%M:%%SZ)" "$before" > "$new/.published.json"`)
	h.Run(`  touch "$new/Release" "$new/Release.gpg" "$new/InRelease"`)
	h.Run(`  [ "$new" = "$generations/$generation" ] || mv -T "$new" "$generations/$generation"`)
	h.Run(`  sync`)
	h.Run(`  [ -z "$before" ] || touch "$generations/$before/.served"`)
	h.Run(`  mkdir -p %s/dists %s/tmp`, root, root)
	h.Run(`  ln -sfn "../generations/$suite/$generation" %s/tmp/"$suite.link"`, root)
	h.Run(`  mv -T %s/tmp/"$suite.link" %s/dists/"$suite"`, root, root)
	h.Run(`  sync`)
	h.Run(`done`)
	h.Result("generation", generation)
}

// signedByHand puts the signatures together that the signers gave for a suite. It is false when they
// are none: then they are made again.
func (a *Actions) signedByHand(h *action.Hand, c Configured, suite, text string) bool {
	var inline, detached [][]byte
	lists, _ := h.In["signed"].([]any)
	for _, list := range lists {
		signatures, _ := list.([]any)
		for _, s := range signatures {
			one, _ := s.(map[string]any)
			if one["suite"] != suite {
				continue
			}
			first, _ := one["inline"].(string)
			second, _ := one["detached"].(string)
			inline, detached = append(inline, []byte(first)), append(detached, []byte(second))
		}
	}
	if a.Signatures == nil || a.Now == nil {
		return false
	}
	inRelease, gpg, err := a.Signatures.Assemble([]byte(text), inline, detached, c.Keyring, c.Keys, a.Now())
	if err != nil {
		h.Note("The signatures of %s that are there are of no use: %s. They are made again, by hand.", suite, errs.Text(err))
		return false
	}
	h.Share("signed/"+suite+"/InRelease", string(inRelease))
	h.Share("signed/"+suite+"/Release.gpg", string(gpg))
	return true
}

// keyringByHand is a keyring that gpgv and apt read, made of the archive's certificates.
func keyringByHand(h *action.Hand, c Configured) string {
	armored := h.Share("keys.asc", string(c.Keyring))
	binary := h.Shared("keys.gpg")
	made := "[ -e " + binary + " ] || gpg --dearmor < " + armored + " > " + binary
	h.Commands = append([]string{made}, h.Commands...)
	return binary
}

// viewByHand looks with an apt that knows this archive alone.
func (a *Actions) viewByHand(h *action.Hand) {
	_, c, _ := a.folder(h)
	h.Note("It is done when apt offers %s as the candidate of every package, without a warning.", orNothing(h.Text("version")))
	if c.Address == "" {
		h.Look("apt-cache policy %s", h.List("packages"))
		return
	}
	keyring := h.Share("keys.asc", string(c.Keyring))
	var sources strings.Builder
	for _, name := range h.Texts("suites") {
		s, err := c.suite("archive.view", name)
		if err != nil {
			continue
		}
		sources.WriteString("deb [signed-by=KEYRING] " + c.Address + " " + name + " " + strings.Join(s.Components, " ") + "\n")
	}
	list := h.File("sources.list.in", sources.String())
	h.Run("mkdir -p %s %s", h.Path("lists/partial"), h.Path("cache/archives/partial"))
	h.Run(`sed "s|KEYRING|$here/keys.asc|" %s > %s`, list, h.Path("sources.list"))
	h.Run("test -s %s", keyring)
	h.Run(`touch %s`, h.Path("status"))
	options := "-o Dir::Etc::sourcelist=" + h.Path("sources.list") + " -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists=" + h.Path("lists") +
		" -o Dir::Cache=" + h.Path("cache") + " -o Dir::State::status=" + h.Path("status") + " -o APT::Sandbox::User="
	h.Look("apt-get %s update", options)
	h.Look("apt-cache %s policy %s", options, h.List("packages"))
}

func orNothing(version string) string {
	if version == "" {
		return "nothing"
	}
	return version
}

func (a *Actions) cleanByHand(h *action.Hand) {
	h.Note("It may wait: nothing depends on it.")
	h.Run("slipway archive clean --archive=%s", h.Word("archive"))
}
