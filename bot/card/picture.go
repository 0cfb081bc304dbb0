package card

// Picture is a picture of the steps of a run and how each stands. The card names the run alone: a chat
// that shows pictures has it drawn, and any other shows Alt.
type Picture struct {
	Run string `json:"run"` // its id
	Alt string `json:"alt"` // what it shows, in words; may have several lines, of which the first tells the whole
}

func (p *Picture) count() int {
	if p == nil {
		return 0
	}
	return 1
}

func (p *Picture) mapped(f func(string) string) *Picture {
	if p == nil {
		return nil
	}
	return &Picture{p.Run, f(p.Alt)}
}
