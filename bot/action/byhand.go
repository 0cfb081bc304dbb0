package action

import (
	"fmt"
	"strings"
)

// ByHand says how a person does an action without Slipway, for a runbook: it writes commands of a
// POSIX shell into h. It is pure. Every value goes through [Hand.Word] or [Hand.Quote]; the rest
// of a command is the text of the program.
type ByHand func(h *Hand)

// Hand collects what a person does. Commands are run in order, in one shell with `set -eu`, and
// $here is the folder in which files and working copies are.
type Hand struct {
	In      Values // what is known of the inputs; a mark stands for what is not
	Out     Values // what the action gave; nil when it was not done
	Profile Values // of the project
	Marks   Marks

	Commands []string   // how it is done
	Results  []string   // what is run after them, and also where it turns out that it was done before
	Looks    []string   // how to see whether it was done; they change nothing
	Notes    []string   // what to know before, in words
	Once     string     // why it must not be done twice; "" when that is harmless
	Local    bool       // what it made is nowhere but with the bot: to go on, it is made again
	Files    []HandFile // what the commands read
	Sets     []string   // variables that the commands set
	Settled  []string   // variables that the results set

	step string
	outs map[string]string
}

// HandFile is a file that commands read, in the folder $here. It has a text or the digest of a
// kept body.
type HandFile struct {
	Name   string // a path below $here, of plain characters
	Text   string // may hold marks
	Digest string
	Size   int
}

// NewHand makes a hand for one performance, in the step at path. outs names the variables of the
// outputs.
func NewHand(path string, in, out, profile Values, outs map[string]string, m Marks) *Hand {
	return &Hand{In: in, Out: out, Profile: profile, Marks: m, step: plainName(strings.NewReplacer("[", ".", "]", "").Replace(path)), outs: outs}
}

// Known reports whether the whole input is known; an absent one is known to be absent.
func (h *Hand) Known(name string) bool { return !h.Marks.In(h.In[name]) }

// Text is an input of text, with its marks; "" when it is absent or of another kind.
func (h *Hand) Text(name string) string {
	s, _ := h.In[name].(string)
	return s
}

// Texts are the texts of a list; nil when not all of them are known.
func (h *Hand) Texts(name string) []string {
	if !h.Known(name) {
		return nil
	}
	list, _ := h.In[name].([]any)
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// Records are the objects of a list; nil when not all of them are known.
func (h *Hand) Records(name string) []Values {
	if !h.Known(name) {
		return nil
	}
	list, _ := h.In[name].([]any)
	var out []Values
	for _, e := range list {
		if v, ok := e.(map[string]any); ok {
			out = append(out, v)
		}
	}
	return out
}

// Word is an input as words of a shell: text as one word, a list of texts as several.
func (h *Hand) Word(name string) string {
	switch v := h.In[name].(type) {
	case nil:
		return "''"
	case string:
		return h.Quote(v)
	case []any:
		words := make([]string, len(v))
		for i, e := range v {
			words[i] = h.Quote(fmt.Sprint(e))
		}
		return strings.Join(words, " ")
	default:
		return h.Quote(fmt.Sprint(v))
	}
}

// Quote is text as one word of a shell; see [Marks.Word].
func (h *Hand) Quote(text string) string { return h.Marks.Word(text) }

// Run adds a command. What follows format is text of words made by [Hand.Word] and [Hand.Quote].
func (h *Hand) Run(format string, words ...any) {
	h.Commands = append(h.Commands, fmt.Sprintf(format, words...))
}

// Look adds a command that shows whether the action was done.
func (h *Hand) Look(format string, words ...any) {
	h.Looks = append(h.Looks, fmt.Sprintf(format, words...))
}

// Note adds a sentence.
func (h *Hand) Note(format string, args ...any) {
	h.Notes = append(h.Notes, fmt.Sprintf(format, args...))
}

// Set adds a command that keeps an output for the steps that read it. value is a word of a shell,
// such as "$(git rev-parse HEAD)" with its quotes.
func (h *Hand) Set(output, value string) {
	name := h.Name(output)
	h.Commands = append(h.Commands, name+"="+value)
	h.Sets = append(h.Sets, name)
}

// Result is [Hand.Set] for what holds however the action came to be done.
func (h *Hand) Result(output, value string) {
	h.Results = append(h.Results, h.Name(output)+"="+value)
	h.Settled = append(h.Settled, h.Name(output))
}

// Capture keeps what a command prints as an output, to the last byte: $( ) alone would take away the
// newlines at its end.
func (h *Hand) Capture(output, command string) {
	name := h.Name(output)
	h.Commands = append(h.Commands, name+"=$("+command+"; printf .)", name+"=${"+name+"%.}")
	h.Sets = append(h.Sets, name)
}

// Repository adds commands that bring a clone of a remote up to date, and is the word for its folder.
// All steps of a run share it.
func (h *Hand) Repository(remote string) string {
	digest := DigestOf([]byte(remote))
	dir := `"$here/git/` + digest[len("sha256:"):][:8] + `"`
	word := h.Quote(remote)
	h.Run("[ -d %s ] || git clone --quiet --no-checkout -- %s %s", dir, word, dir)
	h.Run("git -C %s fetch --quiet --tags origin", dir)
	return dir
}

// Folder is the word for a folder that holds the files of an input, which is a list of records with
// name, digest and size. When they are not known yet, the variable of the list names the folder.
func (h *Hand) Folder(name string) string {
	if !h.Known(name) {
		return h.Variable(name)
	}
	for _, f := range h.Records(name) {
		file, _ := f["name"].(string)
		digest, _ := f["digest"].(string)
		size, _ := f["size"].(int64)
		h.Kept(file, digest, int(size))
	}
	return `"$here/` + h.step + `"`
}

// Variable is the variable of an input that is not known yet, as a word; of a list or a record it is
// that of the whole.
func (h *Hand) Variable(name string) string {
	v, fields := h.In[name], ""
	for {
		switch x := v.(type) {
		case []any:
			if len(x) > 0 {
				v = x[0]
				continue
			}
		case map[string]any:
			for field, e := range x {
				if h.Marks.In(e) {
					v, fields = e, "_"+field+fields
					break
				}
			}
			continue
		case string:
			found := ""
			h.Marks.Fill(x, func(name string) string { found = name; return "" })
			return `"$` + strings.TrimSuffix(found, fields) + `"`
		}
		return "''"
	}
}

// List is an input that is a list of plain words, such as names of packages, as words of a shell; a
// variable that is not known yet holds them with spaces between.
func (h *Hand) List(name string) string {
	if h.Known(name) {
		return h.Word(name)
	}
	return strings.Trim(h.Variable(name), `"`)
}

// Shared is [Hand.Path] for a file that several steps know by its name.
func (h *Hand) Shared(name string) string { return `"$here/` + plainName(name) + `"` }

// Share is [Hand.File] for a file that several steps know by its name.
func (h *Hand) Share(name, text string) string {
	h.Files = append(h.Files, HandFile{Name: plainName(name), Text: text, Size: len(text)})
	return h.Shared(name)
}

// Name is the variable of an output.
func (h *Hand) Name(output string) string {
	if name := h.outs[output]; name != "" {
		return name
	}
	return "out_" + output
}

// Path is the word for a file in the step's own folder below $here. In name, what is no letter,
// digit or one of . _ + ~ : - / becomes an underscore.
func (h *Hand) Path(name string) string { return `"$here/` + h.step + "/" + plainName(name) + `"` }

// File puts a text into the file [Hand.Path] before the commands are run.
func (h *Hand) File(name, text string) string {
	h.Files = append(h.Files, HandFile{Name: h.step + "/" + plainName(name), Text: text, Size: len(text)})
	return h.Path(name)
}

// Kept is [Hand.File] for a body that is kept by its digest.
func (h *Hand) Kept(name, digest string, size int) string {
	h.Files = append(h.Files, HandFile{Name: h.step + "/" + plainName(name), Digest: digest, Size: size})
	return h.Path(name)
}

// plainName is a name that stays below its folder and needs no quotes beyond double ones.
func plainName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._+~:-/", r) {
			return r
		}
		return '_'
	}, name)
	parts := strings.Split(name, "/")
	for i, p := range parts {
		if p == "" || strings.Trim(p, ".") == "" {
			parts[i] = "_"
		}
	}
	return strings.Join(parts, "/")
}
