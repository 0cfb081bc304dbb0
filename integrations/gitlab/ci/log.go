package ci

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// Bounds of a log.
const (
	tailBytes = 32 << 10  // of the end that is looked at
	tailLines = 30        // of it that are told, for one job
	lineRunes = 300       // of one line
	logMost   = 256 << 20 // read at most, to come to the end
)

// tail keeps the end of what is written to it. Beyond its bound it calls stop and takes no more.
type tail struct {
	buf  []byte
	n    int64
	stop func()
}

func (t *tail) Write(p []byte) (int, error) {
	if t.n += int64(len(p)); t.n > logMost {
		t.stop()
		return 0, fmt.Errorf("the log is longer than %d MB", logMost>>20)
	}
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*tailBytes {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-tailBytes:]...)
	}
	return len(p), nil
}

// end is what was written last, beginning with a whole line if there was more before.
func (t *tail) end() string {
	if t.n <= tailBytes {
		return string(t.buf)
	}
	text := string(t.buf[max(0, len(t.buf)-tailBytes):])
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		text = text[i+1:]
	}
	return text
}

// trace is the end of the log of a job as plain text; share says how many jobs share the room.
func (p project) trace(ctx context.Context, job, share int) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := p.c.API().NewRequest(http.MethodGet, fmt.Sprintf("projects/%d/jobs/%d/trace", p.pid, job), nil, []gogitlab.RequestOptionFunc{gogitlab.WithContext(gitlab.Streamed(ctx))})
	if err != nil {
		return "", errs.E(p.op, errs.Internal, err)
	}
	t := &tail{stop: cancel}
	resp, err := p.c.API().Do(req, t)
	if t.n > logMost {
		return "", p.fail(errs.Invalid, "look at its page", "it is longer than %d MB", logMost>>20)
	}
	if err != nil {
		return "", p.read(resp, err)
	}
	lines := strings.Split(plain(t.end()), "\n")
	text := strings.Join(lines[max(0, len(lines)-tailLines/share-2):], "\n")
	if most := toldBytes/share - 200; len(text) > most {
		text = text[len(text)-most:]
		if i := strings.IndexByte(text, '\n'); i >= 0 {
			text = text[i+1:]
		}
	}
	return strings.ToValidUTF8(text, ""), nil
}

var (
	// escapes are the control sequences of ECMA-48: CSI, the strings OSC, DCS, SOS, PM and APC, and the
	// short ones.
	escapes = regexp.MustCompile("(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]?|\x1b[\\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\\\)?|\x1b[ -/]*[0-~]?")
	// sections are the marks of collapsible parts (GitLab docs, "Custom collapsible sections").
	sections = regexp.MustCompile(`section_(?:start|end):[0-9]+:[A-Za-z0-9_.-]+(?:\[[^\]\r\n]*\])?\r?`)
	// stamps are what runners put before each line where they note the time: time, number of the
	// stream, O or E, and + where the line goes on from the one before.
	stamps = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z [0-9a-f]{2}[OE][+ ]`)
)

// plain is a log as plain text: without colours, marks and times, with what was overwritten on a line
// left out, and without characters that are not seen. Empty lines are left out.
func plain(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = sections.ReplaceAllString(escapes.ReplaceAllString(text, ""), "")
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, "\r")
		line = stamps.ReplaceAllString(line[strings.LastIndexByte(line, '\r')+1:], "")
		line = strings.Map(func(r rune) rune {
			switch {
			case r == '\t' || unicode.Is(unicode.Zs, r):
				return ' '
			case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r), r == '\u2028', r == '\u2029':
				return -1
			}
			return r
		}, line)
		if line = strings.TrimRight(line, " "); line == "" {
			continue
		}
		if utf8.RuneCountInString(line) > lineRunes {
			line = string([]rune(line)[:lineRunes-1]) + "…"
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// cut bounds a text at the end of a line.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	text = text[:most]
	if i := strings.LastIndexByte(text, '\n'); i > 0 {
		text = text[:i]
	}
	return strings.ToValidUTF8(text, "")
}
