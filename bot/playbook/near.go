package playbook

import (
	"sort"
	"strconv"
	"strings"
)

// near is the candidate that word was probably meant to be, or "". The distance counts letters
// that were added, lost, changed or swapped with a neighbour.
func near(word string, candidates []string) string {
	if len(word) > 64 {
		return ""
	}
	candidates = append([]string(nil), candidates...)
	sort.Strings(candidates)
	best, limit := "", max(1, (len(word)+2)/3)+1
	for _, c := range candidates {
		if len(c) > 96 || len(c)-len(word) >= limit || len(word)-len(c) >= limit {
			continue
		}
		d := distance(strings.ToLower(word), strings.ToLower(c))
		if d < limit || d == limit && best != "" && len(best) != len(word) && len(c) == len(word) { // a swap is likelier than a lost letter
			best, limit = c, d
		}
	}
	return best
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

func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
