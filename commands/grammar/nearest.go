package grammar

import "slipway/bot/errs"

// nearest is the candidate closest to word, if there is one worth offering ([errs.Nearest]).
func nearest(word string, candidates []string) (string, bool) {
	best := errs.Nearest(word, candidates)
	return best, best != ""
}

// fold maps ASCII capitals to small letters and nothing else.
func fold(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
