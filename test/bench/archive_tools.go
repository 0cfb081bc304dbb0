package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// signingKey is a key of gpg in a home of its own, without a passphrase, its agent running.
type signingKey struct{ home, print string }

func newSigningKey(ctx context.Context) (*signingKey, error) {
	home, err := os.MkdirTemp("/tmp", "gpg") // the name of the agent's socket must be short
	if err != nil {
		return nil, err
	}
	k := &signingKey{home: home}
	made := k.command(ctx, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "Bench <bench@example.org>", "rsa3072", "sign", "0")
	if out, err := made.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("gpg makes no key: %s", out), k.close())
	}
	out, err := k.command(ctx, "gpg", "--batch", "--with-colons", "--list-keys").Output()
	if err != nil {
		return nil, errors.Join(err, k.close())
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Split(line, ":"); f[0] == "fpr" && len(f) > 9 {
			k.print = f[9]
		}
	}
	return k, nil
}

func (k *signingKey) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+k.home, "LC_ALL=C")
	return cmd
}

func (k *signingKey) close() error {
	_ = exec.Command("gpgconf", "--homedir", k.home, "--kill", "all").Run()
	return os.RemoveAll(k.home)
}

// spent is what a process and its children took.
type spent struct{ wall, cpu time.Duration }

func measured(cmd *exec.Cmd) (spent, error) {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return spent{}, fmt.Errorf("%w: %s", err, said.String())
	}
	return spent{time.Since(begin), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// ftparchive is apt-ftparchive without its cache, as scripts call it, with the checksums that
// reprepro writes and no more.
func (f *field) ftparchive(ctx context.Context) (spent, error) {
	const script = `set -e
mkdir -p dists/stable/main/binary-amd64
apt-ftparchive -o APT::FTPArchive::SHA512=false packages pool > dists/stable/main/binary-amd64/Packages
gzip -6nkf dists/stable/main/binary-amd64/Packages
cd dists/stable
apt-ftparchive -o APT::FTPArchive::SHA512=false -o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Codename=bookworm \
	-o APT::FTPArchive::Release::Architectures=amd64 -o APT::FTPArchive::Release::Components=main release . > ../Release
mv ../Release Release
gpg --batch --yes --quiet --armor -u "$1" -o Release.gpg --detach-sign Release
gpg --batch --yes --quiet -u "$1" -o InRelease --clearsign Release
`
	root := f.path("ftparchive")
	if err := errors.Join(os.RemoveAll(root), os.MkdirAll(root, 0o755), os.Symlink("../debs", filepath.Join(root, "pool"))); err != nil {
		return spent{}, err
	}
	cmd := f.key.command(ctx, "sh", "-c", script, "sh", f.key.print)
	cmd.Dir = root
	took, err := measured(cmd)
	if err != nil {
		return took, err
	}
	return took, f.holds("ftparchive/dists/stable", f.size)
}

func (f *field) newReprepro() error {
	conf := f.path("reprepro/conf")
	if err := errors.Join(os.RemoveAll(f.path("reprepro")), os.MkdirAll(conf, 0o755)); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(conf, "distributions"), []byte("Origin: Bench\nLabel: Bench\nSuite: stable\nCodename: bookworm\n"+
		"Architectures: amd64\nComponents: main\nDebIndices: Packages . .gz\nSignWith: "+f.key.print+"\n"), 0o644)
}

// reprepro adds packages; have is how many the archive then has, -1 for one more than before.
func (f *field) reprepro(ctx context.Context, debs []string, have int) (spent, error) {
	const dist = "reprepro/dists/bookworm"
	if have < 0 {
		before, err := f.count(dist)
		if err != nil {
			return spent{}, err
		}
		have = before + 1
	}
	// Names within the folder: 50,000 full ones are longer than a command line may be.
	args := []string{"-s", "-b", f.path("reprepro"), "includedeb", "bookworm"}
	for _, d := range debs {
		args = append(args, filepath.Base(d))
	}
	cmd := f.key.command(ctx, "reprepro", args...)
	cmd.Dir = filepath.Dir(debs[0])
	took, err := measured(cmd)
	if err != nil {
		return took, err
	}
	return took, f.holds(dist, have)
}

// holds checks what was published: as many packages in both forms, and signatures.
func (f *field) holds(dist string, want int) error {
	have, err := f.count(dist)
	if err != nil {
		return err
	}
	if have != want {
		return fmt.Errorf("%s has %s packages, want %d", dist, strconv.Itoa(have), want)
	}
	for _, name := range []string{"InRelease", "Release.gpg"} {
		if info, err := os.Stat(f.path(filepath.Join(dist, name))); err != nil || info.Size() == 0 {
			return fmt.Errorf("%s has no %s", dist, name)
		}
	}
	return nil
}

func (f *field) count(dist string) (int, error) {
	path := f.path(filepath.Join(dist, "main/binary-amd64/Packages"))
	plain, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	packed, err := os.Open(path + ".gz")
	if err != nil {
		return 0, err
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		return 0, err
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return 0, err
	}
	if !bytes.Equal(text, plain) {
		return 0, fmt.Errorf("%s and its .gz differ", path)
	}
	return bytes.Count(append([]byte("\n"), plain...), []byte("\nPackage: ")), nil
}
