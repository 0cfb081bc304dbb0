package notes

import (
	"strings"
	"testing"
)

var sealSecret = []byte("0123456789abcdef0123456789abcdef")

const room = "4711/issues/12"

func TestASealHoldsTheText(t *testing.T) {
	m := marker{key: keyName("gate-1"), note: 77}
	body := m.sealed(sealSecret, room, "approve this\n\nand only this\n")
	if got, whole := unseal(sealSecret, room, 77, body); !whole || got != m {
		t.Fatalf("%+v %v: %s", got, whole, body)
	}
	if got, whole := unseal(sealSecret, room, 77, strings.ReplaceAll(body, "\n", "\r\n")+"\n"); !whole || got != m {
		t.Errorf("line ends of a browser: %+v %v", got, whole)
	}
	for what, other := range map[string]string{
		"another text":      strings.Replace(body, "only this", "all of it", 1),
		"text behind it":    body + "\nmore",
		"another key":       strings.Replace(body, "gate-1", "gate-2", 1),
		"another note":      strings.Replace(body, "note=77", "note=78", 1),
		"no note":           strings.Replace(body, " note=77", "", 1),
		"another beginning": strings.Replace(body, " -->", " after=0 -->", 1),
		"no marker":         "approve this",
		"nothing":           "",
	} {
		if _, whole := unseal(sealSecret, room, 77, other); whole {
			t.Errorf("%s: %q is taken for ours", what, other)
		}
	}
	for what, whole := range map[string]bool{
		"another note":   second(unseal(sealSecret, room, 78, body)),
		"another place":  second(unseal(sealSecret, "4711/issues/13", 77, body)),
		"another secret": second(unseal(append([]byte("x"), sealSecret...), room, 77, body)),
	} {
		if whole {
			t.Errorf("the seal holds for %s", what)
		}
	}
}

func second(_ marker, whole bool) bool { return whole }

func TestKeysStandInMarkersWhateverTheyAre(t *testing.T) {
	seen := map[string]bool{}
	for _, key := range []string{"card-1", "a--b", "-->", "x\ny", "", "reply-ü", strings.Repeat("k", 300), "a b", "run/2019.01", "-", "a-"} {
		name := keyName(key)
		body := marker{key: name}.sealed(sealSecret, room, "text")
		m, whole := unseal(sealSecret, room, 5, body)
		if !whole || m.key != name || seen[name] || strings.Count(body, "--") != 2 {
			t.Errorf("%q: %s %v", key, body, whole)
		}
		seen[name] = true
	}
}

func FuzzMarker(f *testing.F) {
	f.Add("text", 7)
	f.Add(marker{key: "k", note: 7, restored: true, after: 9}.sealed(sealSecret, room, "hello"), 7)
	f.Add("<!-- slipway k seal=00000000000000000000000000000000 note=7 after=? -->", 7)
	f.Fuzz(func(t *testing.T, body string, note int) {
		m, text, seal, ok := markerOf(body)
		if _, whole := unseal(sealSecret, room, note, body); whole && (!ok || m.note != 0 && m.note != note) {
			t.Fatal("a seal without a marker of its note")
		}
		if !ok {
			return
		}
		again, text2, _, ok := markerOf(m.sealed(sealSecret, room, text))
		if !ok || again != m || text2 != strings.TrimRight(text, "\n ") {
			t.Fatalf("%q: %+v became %+v (%s)", body, m, again, seal)
		}
	})
}
