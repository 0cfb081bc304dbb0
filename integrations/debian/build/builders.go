package build

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"slipway/bot/errs"
)

// programs checks that everything that will be run is there, and learns the architecture.
func (j *job) programs() error {
	need := [][2]string{{"dpkg", "dpkg"}, {"dpkg-buildpackage", "dpkg-dev"}}
	switch j.q.With {
	case Debuild:
		need = append(need, [2]string{"debuild", "devscripts"})
	case Gbp:
		need = append(need, [2]string{"gbp", "git-buildpackage"})
	case Sbuild:
		need = append(need, [2]string{"sbuild", "sbuild"}, [2]string{"newuidmap", "uidmap"}, [2]string{"dpkg-source", "dpkg-dev"})
	}
	if j.q.With != Sbuild {
		need = append(need, [2]string{"dpkg-checkbuilddeps", "dpkg-dev"})
		if j.control.Source.Get("Rules-Requires-Root") != "no" {
			need = append(need, [2]string{"fakeroot", "fakeroot"})
		}
	}
	if j.quilt && j.q.Orig == "" {
		need = append(need, [2]string{"xz", "xz-utils"})
	}
	if j.q.Lintian {
		need = append(need, [2]string{"lintian", "lintian"})
	}
	var missing, packages []string
	for _, n := range need {
		if j.host.find(n[0]) == "" {
			missing = append(missing, n[0])
			if !slices.Contains(packages, n[1]) {
				packages = append(packages, n[1])
			}
		}
	}
	if len(missing) > 0 {
		return fail(errs.Unavailable, "Install them: apt-get install "+strings.Join(packages, " "),
			"this machine has no %s", strings.Join(missing, ", "))
	}
	out := &lines{max: 1000}
	if err := (command{who: j.who, dir: "/", path: j.host.find("dpkg"), args: []string{"--print-architecture"}, env: j.env(), stdout: out}).run(j.ctx); err != nil {
		return fail(errs.Unavailable, "Check that "+j.who.name+" can run programs here", "dpkg --print-architecture cannot be run as %s: %s", j.who.name, endedWith(err))
	}
	native := strings.TrimSpace(out.String())
	if j.arch = j.q.HostArch; j.arch == "" {
		j.arch = native
	}
	j.cross = j.arch != native
	if j.q.With == Sbuild {
		return j.ranges()
	}
	return nil
}

// ranges checks that the account may use a range of account numbers, which sbuild's chroots need.
func (j *job) ranges() error {
	for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return disk(file+" cannot be read", err)
		}
		ok := false
		for line := range strings.Lines(string(text)) {
			owner, _, _ := strings.Cut(line, ":")
			ok = ok || owner == j.who.name || owner == fmt.Sprint(j.who.uid)
		}
		if !ok {
			return fail(errs.Unavailable, "Give it one: usermod --add-subuids 200000-265535 --add-subgids 200000-265535 "+j.who.name,
				"the account %s has no range in %s, which sbuild needs", j.who.name, file)
		}
	}
	return nil
}

// env is all that a builder sees of ours.
func (j *job) env() []string {
	env := []string{"PATH=" + j.host.Path, "LANG=C.UTF-8", fmt.Sprintf("SOURCE_DATE_EPOCH=%d", j.epoch)}
	if j.base != "" {
		env = append(env, "HOME="+filepath.Join(j.base, "home"), "TMPDIR="+filepath.Join(j.base, "tmp"))
	}
	options := j.q.Options
	if j.cross && !slices.Contains(strings.Fields(options), "nocheck") {
		options = strings.TrimSpace(options + " nocheck") // tests for another processor cannot run
	}
	if options != "" {
		env = append(env, "DEB_BUILD_OPTIONS="+options)
	}
	if j.cross {
		env = append(env, "DEB_BUILD_PROFILES=cross nocheck")
	}
	if j.q.With == Gbp {
		env = append(env, "GBP_CONF_FILES=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
			"GIT_AUTHOR_NAME=Slipway", "GIT_AUTHOR_EMAIL=slipway@localhost", "GIT_COMMITTER_NAME=Slipway", "GIT_COMMITTER_EMAIL=slipway@localhost")
	}
	return env
}

// builder is the command line of dpkg-buildpackage, which debuild and gbp take too.
func (j *job) builder() []string {
	args := []string{"-us", "-uc"}
	if j.q.BinaryOnly {
		args = append(args, "-B")
	} else {
		args = append(args, "-F", "-sa")
	}
	if j.cross {
		args = append(args, "-a"+j.arch)
	}
	return args
}

// steps are the programs of a build, each with its arguments and its folder.
func (j *job) steps() (steps []command) {
	add := func(dir, name string, args ...string) {
		steps = append(steps, command{who: j.who, dir: dir, path: j.host.find(name), args: args})
	}
	switch j.q.With {
	case Dpkg:
		add(j.tree, "dpkg-buildpackage", j.builder()...)
	case Debuild:
		keep := []string{"--no-conf"}
		for _, name := range []string{"TMPDIR", "SOURCE_DATE_EPOCH"} {
			keep = append(keep, "--preserve-envvar="+name)
		}
		add(j.tree, "debuild", append(append(keep, "--no-lintian"), j.builder()...)...)
	case Gbp:
		// A repository of one commit will do: gbp is to build, not to look for tags.
		git, err := exec.LookPath("git")
		if err != nil {
			git = "git"
		}
		for _, args := range [][]string{{"init", "--quiet", "--template=", "--initial-branch=build"}, {"add", "--all", "--force"}, {"commit", "--quiet", "--no-verify", "-m", "Build"}} {
			steps = append(steps, command{who: j.who, dir: j.tree, path: git, args: args})
		}
		add(j.tree, "gbp", "buildpackage", "--git-ignore-branch", "--git-ignore-new", "--git-no-create-orig", "--git-no-pristine-tar",
			"--git-no-hooks", "--git-no-pbuilder", "--git-no-overlay", "--git-no-submodules", "--git-no-sign-tags", "--git-no-purge",
			"--git-export-dir=", "--git-cleaner=/bin/true", "--git-notify=off",
			"--git-builder="+strings.Join(append([]string{"dpkg-buildpackage"}, j.builder()...), " "))
	case Sbuild:
		add(j.work, "dpkg-source", "-b", filepath.Base(j.tree))
		args := []string{"--chroot-mode=unshare", "--chroot=" + j.q.Chroot, "--dist=" + j.entry.Distributions[0], "--nolog", "--batch",
			"--no-run-lintian", "--no-run-autopkgtest", "--no-run-piuparts"}
		if j.q.BinaryOnly {
			args = append(args, "--arch-any", "--no-arch-all", "--no-source")
		} else {
			args = append(args, "--arch-any", "--arch-all", "--source", "--force-orig-source")
		}
		if j.cross {
			args = append(args, "--host="+j.arch)
		}
		add(j.made, "sbuild", append(args, filepath.Join(j.work, j.entry.Package+"_"+j.version.NoEpoch()+".dsc"))...)
	}
	return steps
}

// build runs the builder; its log goes into the target folder as it is written.
func (j *job) build() error {
	j.out.Log = fmt.Sprintf("%s_%s_%s.build", j.entry.Package, j.version.NoEpoch(), j.arch)
	j.log = filepath.Join(j.q.To, j.out.Log)
	_ = os.Remove(j.log)
	log, err := os.OpenFile(j.log, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return disk("the log cannot be written", err)
	}
	defer log.Close()
	out := io.MultiWriter(log, j.host.Log)
	fmt.Fprintf(out, "Building %s %s for %s from the commit %s with %s as %s\n", j.entry.Package, j.version, j.arch, j.commit, j.q.With, j.who.name)
	for _, step := range j.steps() {
		step.env, step.stdout, step.stderr = j.env(), out, out
		if err := step.run(j.ctx); err != nil {
			return j.judge(filepath.Base(step.path), err)
		}
	}
	return nil
}

// judge tells whose fault a builder's failure is. sbuild says it itself with its exit status; for
// the others only what is surely the machine's is its.
func (j *job) judge(program string, err error) error {
	said := fmt.Sprintf("%s %s", program, endedWith(err))
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fail(errs.Unavailable, "Check the installation of "+program, "%s cannot be run: %w", program, err)
	}
	status, _ := exit.Sys().(syscall.WaitStatus)
	free, freeErr := j.host.Free(j.work)
	j.tail()
	noRoom := slices.ContainsFunc(j.out.Tail, func(line string) bool { return strings.Contains(line, "No space left on device") })
	switch {
	case status.Signaled():
		return fail(errs.Unavailable, "Look for a lack of memory, then try again", "%s", said)
	case noRoom || freeErr == nil && free < 1<<20:
		return fail(errs.Full, "Make room on the disk of "+j.host.Temp, "the disk is full: %s", said)
	case program == "sbuild" && exit.ExitCode() == StatusGivenBack:
		return fail(errs.Unavailable, "Check the chroot and its package sources", "sbuild gives the package back")
	case program == "sbuild" && exit.ExitCode() != StatusAttempted:
		return fail(errs.Other, "Read the log "+j.out.Log, "%s", said)
	}
	return fail(errs.Failed, "Read the log "+j.out.Log+", mend the package and build it again", "the package does not build: %s", said)
}

// tail reads the last lines of the log.
func (j *job) tail() {
	if j.log == "" {
		return
	}
	f, err := os.Open(j.log)
	if err != nil {
		return
	}
	defer f.Close()
	const most = 16 << 10
	info, err := f.Stat()
	if err != nil {
		return
	}
	text, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-most), most))
	if err != nil {
		return
	}
	all := strings.Split(strings.TrimRight(strings.ToValidUTF8(string(text), "?"), "\n"), "\n")
	j.out.Tail = all[max(0, len(all)-20):]
}
