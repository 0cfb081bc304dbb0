package aptrepo

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"slipway/bot/errs"
)

func testRow(name, version string) row {
	text := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: amd64\nDescription: the example %s\n and more of it\nFilename: pool/%s_%s.deb\nSize: 1\nSHA256: %s\n\n",
		name, version, name, name, version, version)
	return row{name: name, version: version, arch: "amd64", sum: version, text: []byte(text)}
}

// whole is an index built at once.
func whole(have map[string][]string) []byte {
	var names []string
	for name := range have {
		names = append(names, name)
	}
	slices.Sort(names)
	var b []byte
	for _, name := range names {
		for _, v := range have[name] {
			b = append(b, testRow(name, v).text...)
		}
	}
	return b
}

func packWhole(t interface{ Fatal(...any) }, text []byte) []byte {
	var edits []edit
	if len(text) > 0 {
		edits = []edit{{0, 0, text}}
	}
	gz, err := gzipPieces(nil, nil, edits)
	if err != nil {
		t.Fatal(err)
	}
	return join(gz)
}

// boundaries are names that begin a member.
func boundaries(n int) (names []string) {
	for i := 0; len(names) < n; i++ {
		if name := fmt.Sprintf("edge%d", i); startsChunk([]byte(name)) {
			names = append(names, name)
		}
	}
	return names
}

// Splicing an index, plain and packed, gives the bytes of building it at once, whatever is added,
// removed or replaced, at the edges of members too.
func TestSpliceIsAFullBuild(t *testing.T) {
	edges := boundaries(12)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.SampledFrom(edges), rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("%s%c", rapid.SampledFrom(edges).Draw(t, "near"), 'a'+rune(rapid.IntRange(0, 3).Draw(t, "c")))
		}), rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("p%d", rapid.IntRange(0, 40).Draw(t, "n")) }))
		have := map[string][]string{}
		for _, n := range rapid.SliceOfDistinct(name, rapid.ID).Draw(t, "start") {
			have[n] = []string{"1"}
		}
		text := whole(have)
		gz := packWhole(t, text)
		r := rules{suite: "stable", versions: 2}
		for round := range rapid.IntRange(1, 4).Draw(t, "rounds") {
			want := map[string]*wish{}
			for _, n := range rapid.SliceOfDistinct(name, rapid.ID).Draw(t, "touched") {
				if rapid.Bool().Draw(t, "remove") {
					want[n] = &wish{remove: []string{""}}
					delete(have, n)
					continue
				}
				v := fmt.Sprint(round + 2)
				want[n] = &wish{add: []row{testRow(n, v)}}
				have[n] = append(have[n], v)
				have[n] = have[n][max(0, len(have[n])-2):]
			}
			edits, _, _, err := plan(index{"main", "amd64"}, text, want, r)
			if err != nil {
				t.Fatal(err)
			}
			pieces, err := gzipPieces(text, gz, edits)
			if err != nil {
				t.Fatal(err)
			}
			text, gz = join(splice(text, edits)), join(pieces)
			if !bytes.Equal(text, whole(have)) {
				t.Fatalf("the text differs: %q", text)
			}
			if !bytes.Equal(gz, packWhole(t, text)) {
				t.Fatal("the packed form differs")
			}
			if plain, err := unpack(Gzip, gz); err != nil || !bytes.Equal(plain, text) {
				t.Fatalf("unpacked it is %d bytes, want %d: %v", len(plain), len(text), err)
			}
		}
	})
}

func TestOneMoreChangesOneMember(t *testing.T) {
	have := map[string][]string{}
	for i := range 3000 {
		have[fmt.Sprintf("package-%04d", i)] = []string{"1.0"}
	}
	text := whole(have)
	gz := packWhole(t, text)
	before := members(gz)
	if len(before) < 10 {
		t.Fatalf("3000 packages make %d members", len(before))
	}
	edits, moves, more, err := plan(index{"main", "amd64"}, text, map[string]*wish{"package-1500a": {add: []row{testRow("package-1500a", "1.0")}}}, rules{versions: 1})
	if err != nil || more != 1 || len(moves) != 1 || len(edits) != 1 {
		t.Fatalf("%v %v %v %v", edits, moves, more, err)
	}
	pieces, err := gzipPieces(text, gz, edits)
	if err != nil {
		t.Fatal(err)
	}
	after, changed := members(join(pieces)), 0
	for _, m := range after {
		if !slices.ContainsFunc(before, func(b member) bool { return bytes.Equal(b.packed, m.packed) }) {
			changed++
		}
	}
	if changed > 2 || len(after) < len(before) {
		t.Errorf("%d of %d members changed", changed, len(after))
	}
}

func TestADamagedIndexIsNotSignedAgain(t *testing.T) {
	have := map[string][]string{}
	for i := range 500 {
		have[fmt.Sprintf("package-%04d", i)] = []string{"1.0"}
	}
	text := whole(have)
	gz := packWhole(t, text)
	damaged := bytes.Clone(text)
	damaged[bytes.Index(damaged, []byte("Filename: pool/"))+15] ^= 1
	if _, err := gzipPieces(damaged, gz, []edit{{len(text), len(text), testRow("zz", "1").text}}); !errs.Is(err, errs.Corrupt) {
		t.Errorf("got %v", err)
	}
	if _, err := search([]byte("no index\n\n"), "a"); !errs.Is(err, errs.Corrupt) {
		t.Errorf("got %v", err)
	}
}

func FuzzSearch(f *testing.F) {
	f.Add("a b c", "b")
	f.Add("aa ab b ba zz", "ab")
	f.Add("", "x")
	f.Fuzz(func(t *testing.T, list, name string) {
		names := strings.Fields(strings.ToValidUTF8(list, ""))
		slices.Sort(names)
		names = slices.Compact(names)
		var text []byte
		for _, n := range names {
			text = append(text, testRow(n, "1").text...)
		}
		at, err := search(text, name)
		if err != nil {
			t.Fatal(err)
		}
		i, _ := slices.BinarySearch(names, name)
		want := 0
		for _, n := range names[:i] {
			want += len(testRow(n, "1").text)
		}
		if at != want {
			t.Errorf("search(%q, %q) = %d, want %d", names, name, at, want)
		}
	})
}

func FuzzMembers(f *testing.F) {
	gz, err := gzipPieces(nil, nil, []edit{{0, 0, testRow("a", "1").text}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(join(gz))
	f.Add([]byte{0x1f, 0x8b, 8, 4})
	f.Fuzz(func(t *testing.T, gz []byte) {
		n := 0
		for _, m := range members(gz) {
			n += len(m.packed)
		}
		if n != 0 && n != len(gz) {
			t.Errorf("%d of %d bytes are members", n, len(gz))
		}
	})
}

func FuzzParseRelease(f *testing.F) {
	f.Add("Suite: s\nDate: Mon, 07 Jan 2019 13:00:00 UTC\nSHA256:\n " + strings.Repeat("a", 64) + " 3 main/binary-amd64/Packages\n")
	f.Add("Date: x\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRelease([]byte(text))
		if err != nil {
			return
		}
		for _, e := range r.entries {
			if !localPath(e.path) {
				t.Errorf("path %q", e.path)
			}
		}
	})
}
