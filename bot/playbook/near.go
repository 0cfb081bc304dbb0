package playbook

import (
	"sort"
	"strconv"
	"strings"

	"slipway/bot/errs"
)

// near is the candidate that word was probably meant to be, or "". Of equals one as long as the
// word goes first: a swap is likelier than a lost letter.
func near(word string, candidates []string) string {
	candidates = append([]string(nil), candidates...)
	sort.Slice(candidates, func(i, j int) bool {
		a, b := candidates[i], candidates[j]
		if x, y := len(a) == len(word), len(b) == len(word); x != y {
			return x
		}
		return a < b
	})
	return errs.Nearest(word, candidates)
}

// didYouMean is a fix that names the nearest candidate, or else lists the candidates.
func didYouMean(word string, candidates []string) string {
	if c := near(word, candidates); c != "" {
		return "did you mean " + strconv.Quote(c) + "?"
	}
	return oneOf(candidates)
}

// oneOf lists candidates that are few enough to be read.
func oneOf(candidates []string) string {
	switch {
	case len(candidates) == 0:
		return ""
	case len(candidates) == 1:
		return "only " + strconv.Quote(candidates[0]) + " is known here"
	case len(candidates) > 24:
		return ""
	}
	list := append([]string(nil), candidates...)
	sort.Strings(list)
	return "known here: " + strings.Join(list, ", ")
}
