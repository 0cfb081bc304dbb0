package errs

import "strings"

// Nearest is the candidate that word was most likely meant to be, or "" when none is close
// enough to be worth offering: about one slip in three letters. Capitals count as small letters.
// Of equals the first wins, so callers pass sorted lists.
func Nearest(word string, candidates []string) string {
	n := len([]rune(word))
	if n > 64 { // nobody mistypes that, and the work stays bounded
		return ""
	}
	best, limit := "", max(1, (n+2)/3)+1
	for _, c := range candidates {
		if m := len([]rune(c)); m > 128 || m-n >= limit || n-m >= limit {
			continue
		}
		if d := Distance(strings.ToLower(word), strings.ToLower(c)); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// Distance is the restricted Damerau-Levenshtein distance: how many single-rune insertions,
// deletions, replacements and swaps of neighbours turn a into b, no part changed twice.
func Distance(a, b string) int {
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
