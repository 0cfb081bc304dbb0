package raster

import (
	"fmt"
	"strconv"
	"strings"
)

// look is how an element is drawn: what is said of it, or of what it is in.
type look struct {
	fill, stroke string // "#rrggbb", or "none"
	width        float64
	round        bool // caps
	dash         []float64
	size         float64 // of text
	bold         bool
	anchor       string
}

// plainLook is that of an element of which nothing is said.
func plainLook() look {
	return look{fill: "#000000", stroke: "none", width: 1, size: 16, anchor: "start"}
}

// set takes one property. What says nothing about a picture that stands still is passed over; a value
// that is not understood is an error.
func (l *look) set(name, value string) error {
	var err error
	value = strings.TrimSpace(value)
	number := func() (v float64) {
		v, err = strconv.ParseFloat(strings.TrimSuffix(value, "px"), 64)
		return v
	}
	switch name {
	case "fill":
		l.fill, err = colour(value)
	case "stroke":
		l.stroke, err = colour(value)
	case "stroke-width":
		l.width = number()
	case "stroke-linecap":
		l.round = value == "round"
	case "stroke-dasharray":
		if l.dash = nil; value == "none" {
			break
		}
		for _, one := range strings.Fields(strings.ReplaceAll(value, ",", " ")) {
			v, bad := strconv.ParseFloat(one, 64)
			if bad != nil || !(v > 0.1) {
				return fmt.Errorf("the dashes %q cannot be drawn", value)
			}
			l.dash = append(l.dash, v)
		}
	case "font-size":
		l.size = number()
	case "font-weight":
		l.bold = number() >= 600
	case "text-anchor":
		l.anchor = value
	case "font-family", "stroke-linejoin", "animation", "text-decoration", "outline":
	default:
		return fmt.Errorf("the property %q is not known", name)
	}
	if err != nil {
		return fmt.Errorf("%s: %q cannot be drawn", name, value)
	}
	return nil
}

// colour makes all spellings of a colour one.
func colour(s string) (string, error) {
	hex := strings.TrimPrefix(s, "#")
	switch {
	case s == "none":
		return s, nil
	case hex == s || strings.Trim(strings.ToLower(hex), "0123456789abcdef") != "":
		return "", fmt.Errorf("%q is no colour", s)
	case len(hex) == 3:
		return "#" + string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]}), nil
	case len(hex) == 6:
		return s, nil
	}
	return "", fmt.Errorf("%q is no colour", s)
}

// rule is one rule of a style sheet: what it says of the elements that its selector names.
type rule struct {
	steps  []compound // the last is the element, those before it are around it
	weight int
	says   [][2]string
}

// compound is a selector of one element: its name, or "", and its classes.
type compound struct {
	name    string
	classes []string
}

// sheet reads a style sheet for a picture that stands still, in light colours: the rules for the dark,
// for motion, and for what somebody points at, are left out, and those for less motion hold.
func sheet(text string) ([]rule, error) {
	var out []rule
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		open := strings.IndexByte(text, '{')
		if open < 0 {
			return nil, fmt.Errorf("the style sheet ends within a rule")
		}
		head := strings.TrimSpace(text[:open])
		end, depth := open+1, 1
		for ; end < len(text) && depth > 0; end++ {
			switch text[end] {
			case '{':
				depth++
			case '}':
				depth--
			}
		}
		if depth > 0 {
			return nil, fmt.Errorf("the style sheet ends within a rule")
		}
		body := text[open+1 : end-1]
		text = text[end:]
		switch {
		case strings.HasPrefix(head, "@media") && strings.Contains(head, "reduced-motion"):
			inner, err := sheet(body)
			if err != nil {
				return nil, err
			}
			out = append(out, inner...)
		case strings.HasPrefix(head, "@"):
		default:
			for _, selector := range strings.Split(head, ",") {
				if r, ok := ruleOf(selector, body); ok {
					out = append(out, r)
				}
			}
		}
	}
	return out, nil
}

func ruleOf(selector, body string) (rule, bool) {
	if strings.ContainsAny(selector, ":[>+~*#") {
		return rule{}, false // of no still picture
	}
	var r rule
	for _, part := range strings.Fields(selector) {
		names := strings.Split(part, ".")
		r.steps = append(r.steps, compound{names[0], names[1:]})
		if r.weight += 10 * len(names[1:]); names[0] != "" {
			r.weight++
		}
	}
	for _, one := range strings.Split(body, ";") {
		if name, value, ok := strings.Cut(one, ":"); ok {
			r.says = append(r.says, [2]string{strings.TrimSpace(name), value})
		}
	}
	return r, len(r.steps) > 0
}

// fits reports whether the rule is about the last of a chain of elements, each in the one before it.
func (r rule) fits(chain []compound) bool {
	last := len(r.steps) - 1
	if !r.steps[last].of(chain[len(chain)-1]) {
		return false
	}
	at := len(chain) - 2
	for i := last - 1; i >= 0; i-- {
		for at >= 0 && !r.steps[i].of(chain[at]) {
			at--
		}
		if at < 0 {
			return false
		}
		at--
	}
	return true
}

// of reports whether c names an element.
func (c compound) of(element compound) bool {
	if c.name != "" && c.name != element.name {
		return false
	}
	for _, want := range c.classes {
		has := false
		for _, class := range element.classes {
			has = has || class == want
		}
		if !has {
			return false
		}
	}
	return true
}
