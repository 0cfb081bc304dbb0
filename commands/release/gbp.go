package release

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// LogEntry is one commit as git.log@1 tells it.
type LogEntry struct {
	ID      string `cel:"id" json:"id" doc:"whole id of the commit"`
	Subject string `cel:"subject" json:"subject"`
	Author  string `cel:"author" json:"author" doc:"name, without the mail address"`
	Body    string `cel:"body" json:"body" doc:"what follows the subject"`
}

// gbpID is how many digits of a commit stand before its subject: gbp dch --id-length=9.
const gbpID = 9

// Of gbp.conf(5): meta-closes and meta-closes-bugnum with their defaults, and what dch takes for a
// line of thanks.
var (
	gbpCloses = regexp.MustCompile(`(?i)^(Closes|LP):\s+(?:bug|issue)?#?\s?\d+`)
	gbpNumber = regexp.MustCompile(`(?i)(?:bug|issue)?#?\s?\d+`)
	gbpThanks = regexp.MustCompile(`(?i)^thanks:\s+(.*)$`)
)

// gbpWidth is from where on gbp dch begins a new line for the bugs that a commit closes.
const gbpWidth = 76

// GbpItems are commits, oldest first, as gbp dch(1) writes them with --id-length=9: what one author did
// in a row stands under the author's name, each commit with nine digits of its id. Nothing is wrapped.
// In a message "Gbp-Dch: Ignore" leaves the commit out, "Gbp-Dch: Full" takes its body in, and
// "Closes:", "LP:" and "Thanks:" go to the end. When the releaser, by name, is the only author, there
// are no names.
func GbpItems(commits []LogEntry, releaser string) []Item {
	var items []Item
	last, names := "", 0
	for _, c := range commits {
		lines := gbpLines(c)
		if lines == nil {
			continue
		}
		author := OneLine(c.Author)
		if names == 0 || author != last {
			items = append(items, Item{Text: "[ " + author + " ]", Bare: true})
			last, names = author, names+1
		}
		items = append(items, Item{Text: lines[0], Lines: lines[1:]})
	}
	if names == 1 && last == OneLine(releaser) {
		items = items[1:]
	}
	return items
}

// gbpLines are the lines of one commit; none when it asks to be left out.
func gbpLines(c LogEntry) []string {
	lines := []string{OneLine("[" + c.ID[:min(gbpID, len(c.ID))] + "] " + c.Subject)}
	full, thanks := false, ""
	var rest, systems []string
	bugs := map[string][]string{}
	for line := range strings.Lines(c.Body) {
		line = strings.TrimRight(line, "\r\n")
		switch command, meant := gbpCommand(line); {
		case meant && command == "ignore":
			return nil
		case meant:
			full = full || command == "full"
		case gbpCloses.MatchString(line):
			system := gbpCloses.FindStringSubmatch(line)[1]
			if bugs[system] == nil {
				systems = append(systems, system)
			}
			for _, number := range gbpNumber.FindAllString(line, -1) {
				bugs[system] = append(bugs[system], strings.TrimSpace(number))
			}
		case gbpThanks.MatchString(line):
			thanks = gbpThanks.FindStringSubmatch(line)[1]
		default:
			rest = append(rest, line)
		}
	}
	for _, line := range rest {
		if line = OneLine(line); full && line != "" {
			lines = append(lines, line)
		}
	}
	if thanks = OneLine(thanks); thanks != "" {
		lines = append(lines, "Thanks to "+thanks)
	}
	for _, system := range systems {
		text := "(" + system + ": " + strings.Join(bugs[system], ", ") + ")"
		if n := len(lines) - 1; len([]rune(lines[n]))+len(text) < gbpWidth {
			lines[n] += " " + text
		} else {
			lines = append(lines, text)
		}
	}
	return gbpStop(lines)
}

// gbpCommand reads "Gbp-Dch: Ignore" and its like.
func gbpCommand(line string) (command string, meant bool) {
	for _, head := range []string{"Gbp-Dch: ", "Git-Dch: "} {
		if command, meant = strings.CutPrefix(line, head); meant {
			return strings.ToLower(strings.TrimSpace(command)), true
		}
	}
	return "", false
}

// gbpStop ends the first of several lines with a stop, unless it ends with a mark or the next goes on
// with it.
func gbpStop(lines []string) []string {
	if len(lines) < 2 || ends(lines[0]) || goesOn(lines[1]) {
		return lines
	}
	return append([]string{lines[0] + "."}, lines[1:]...)
}

func isMark(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsSpace(r) }

func ends(line string) bool {
	r, _ := utf8.DecodeLastRuneInString(line)
	return isMark(r)
}

func goesOn(line string) bool {
	r, _ := utf8.DecodeRuneInString(line)
	return isMark(r) || unicode.IsLower(r)
}
