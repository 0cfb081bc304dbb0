package playbook

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a playbook file.
const (
	MaxSource = 1 << 20 // bytes
	maxDepth  = 40      // of nested maps and lists
	maxTokens = 40_000  // words and signs of YAML; the time to read a file grows with their square
	maxExprs  = 100     // in one template
)

type nodeKind uint8

const (
	scalarNode nodeKind = iota
	emptyNode           // a key without a value
	mapNode
	listNode
)

// node is a YAML value with its place. Scalars are the text of their source token: nothing is
// turned into a number, a bool or null before it is known what is wanted.
type node struct {
	kind    nodeKind
	text    string
	plain   bool // a scalar without quotes, on which true, false and numbers may be read
	style   byte // ' " | > or 0
	pos     Pos
	entries []entry
	items   []*node
	src     *source
}

type entry struct {
	key string
	pos Pos
	val *node
}

// source is the file, to find the place of a part of a scalar.
type source struct {
	file  string
	text  []byte
	lines []int // offset of each line
}

func newSource(file string, text []byte) *source {
	s := &source{file: file, text: text, lines: []int{0}}
	for i, c := range text {
		if c == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// offset of a position, by lines and runes.
func (s *source) offset(p Pos) int {
	if p.Line < 1 || p.Line > len(s.lines) {
		return len(s.text)
	}
	i := s.lines[p.Line-1]
	for c := 1; c < p.Col && i < len(s.text) && s.text[i] != '\n'; c++ {
		_, n := utf8.DecodeRune(s.text[i:])
		i += n
	}
	return i
}

// at is the position of an offset.
func (s *source) at(off int) Pos {
	lo, hi := 0, len(s.lines)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; s.lines[mid] <= off {
			lo = mid
		} else {
			hi = mid
		}
	}
	return Pos{File: s.file, Line: lo + 1, Col: utf8.RuneCount(s.text[s.lines[lo]:min(off, len(s.text))]) + 1}
}

// place is the position of byte off of the scalar's text. It walks text and source side by side,
// since quotes, escapes, indentation and folded lines make them differ.
func (n *node) place(off int) Pos {
	if n.src == nil {
		return n.pos
	}
	src, i, indent := n.src.text, n.src.offset(n.pos), 0
	switch n.style {
	case '"', '\'':
		i++
	case '|', '>':
		for i < len(src) && src[i] != '\n' {
			i++
		}
		for i < len(src) && src[i] == '\n' { // the first line with something on it sets the indent
			i++
			for indent = 0; i < len(src) && src[i] == ' '; i++ {
				indent++
			}
		}
	}
	for k, c := range n.text {
		if i >= len(src) {
			break
		}
		here, size := utf8.DecodeRune(src[i:])
		blank := here == ' ' || here == '\n' || here == '\t'
		if blank && here != c && c != ' ' && c != '\n' || n.style == '|' && here == '\n' && c != '\n' {
			i += blanks(src[i:])
			here, size = utf8.DecodeRune(src[min(i, len(src)-1):])
			blank = false
		}
		if k >= off {
			break
		}
		switch {
		case n.style == '"' && here == '\\' && i+1 < len(src):
			switch src[i+1] {
			case 'x':
				i += 4
			case 'u':
				i += 6
			case 'U':
				i += 10
			default:
				i += 2
			}
		case n.style == '\'' && c == '\'' && here == '\'':
			i += 2
		case n.style == '|' && c == '\n':
			i++
			for j := 0; j < indent && i < len(src) && src[i] == ' '; j++ {
				i++
			}
		case blank && (here != c || here == '\n') || blank && n.style != '|' && blanks(src[i:]) > 1 && bytes.IndexByte(src[i:i+blanks(src[i:])], '\n') >= 0:
			i += blanks(src[i:])
		default:
			i += size
		}
	}
	return n.src.at(min(i, len(src)))
}

// blanks counts the spaces, tabs and line ends that text begins with.
func blanks(text []byte) int { return len(text) - len(bytes.TrimLeft(text, " \t\n")) }

// readYAML turns the file into a tree, or reports why not. It refuses what makes a file say
// something else than it seems to: anchors, aliases, merges, tags, several documents, tabs.
func (r *reader) readYAML(text []byte) (root *node) {
	defer func() {
		if p := recover(); p != nil { // a defect of the YAML library must not take the bot down
			r.bad("yaml", Pos{File: r.file, Line: 1, Col: 1}, "the file cannot be read as YAML", "check brackets, quotes and indentation")
			root = nil
		}
	}()
	tokens := lexer.Tokenize(string(text))
	if len(tokens) > maxTokens {
		r.bad("yaml", r.tokenPos(tokens[maxTokens]), fmt.Sprintf("the file has more than %d words and signs", maxTokens), "split the playbook with call:")
		return nil
	}
	if !r.screen(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil
	}
	for i, doc := range file.Docs {
		if i > 0 {
			r.bad("yaml", r.tokenPos(doc.GetToken()), "a second document begins here", "a file holds one playbook; put the other in a file of its own")
			return nil
		}
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		r.bad("yaml", Pos{File: r.file, Line: 1, Col: 1}, "the file is empty", "begin with playbook: NAME")
		return nil
	}
	return r.tree(file.Docs[0].Body, Pos{File: r.file, Line: 1, Col: 1}, 0)
}

func (r *reader) syntax(err error) {
	var se *yaml.SyntaxError
	pos, text := Pos{File: r.file, Line: 1, Col: 1}, err.Error()
	if errors.As(err, &se) {
		pos, text = r.tokenPos(se.GetToken()), se.GetMessage()
	}
	r.bad("yaml", pos, "this is not YAML: "+strings.TrimSpace(firstLine(text)), "check indentation and colons; a text with ${, {, [ or : stands in quotes")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// screen looks at the tokens before anything is built from them: the depth of nesting is bounded
// here, so that a hostile file cannot exhaust the stack.
func (r *reader) screen(tokens token.Tokens) bool {
	flow, ok := 0, true
	var indents []int
	for _, t := range tokens {
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.AnchorType:
			r.bad("yaml", r.tokenPos(t), "anchors (&name) are not part of the language", "write the value out")
			ok = false
		case token.AliasType:
			r.bad("yaml", r.tokenPos(t), "aliases (*name) are not part of the language", "write the value out, or quote the text")
			ok = false
		case token.MergeKeyType:
			r.bad("yaml", r.tokenPos(t), "merges (<<) are not part of the language", "write the keys out")
			ok = false
		case token.TagType:
			r.bad("yaml", r.tokenPos(t), "tags (!) are not part of the language", "remove it, or quote the text")
			ok = false
		case token.DirectiveType:
			r.bad("yaml", r.tokenPos(t), "directives (%) are not part of the language", "remove it")
			ok = false
		case token.InvalidType:
			text := t.Error
			if text == "" {
				text = "this character cannot stand here"
			}
			r.bad("yaml", r.tokenPos(t), "this is not YAML: "+firstLine(text), "check indentation and colons; a text with ${, {, [ or : stands in quotes")
			return false
		}
		if t.Position != nil && flow == 0 {
			for len(indents) > 0 && indents[len(indents)-1] >= t.Position.Column {
				indents = indents[:len(indents)-1]
			}
			if t.Type == token.MappingValueType || t.Type == token.SequenceEntryType {
				indents = append(indents, t.Position.Column)
			}
		}
		if flow+len(indents) > maxDepth {
			r.bad("yaml", r.tokenPos(t), fmt.Sprintf("more than %d levels of nesting", maxDepth), "make the file flatter")
			return false
		}
	}
	return ok
}

func (r *reader) tokenPos(t *token.Token) Pos {
	if t == nil || t.Position == nil {
		return Pos{File: r.file, Line: 1, Col: 1}
	}
	return Pos{File: r.file, Line: max(1, t.Position.Line), Col: max(1, t.Position.Column)}
}

func (r *reader) tree(n ast.Node, at Pos, depth int) *node {
	if depth > maxDepth {
		r.bad("yaml", at, fmt.Sprintf("more than %d levels of nesting", maxDepth), "make the file flatter")
		return &node{kind: emptyNode, pos: at}
	}
	switch n := n.(type) {
	case nil:
		return &node{kind: emptyNode, pos: at}
	case *ast.MappingNode:
		out := &node{kind: mapNode, pos: at, src: r.src}
		seen := map[string]Pos{}
		for i, v := range n.Values {
			key := v.Key.GetToken()
			pos := r.tokenPos(key)
			if i == 0 && !n.IsFlowStyle {
				out.pos = pos
			} else if i == 0 {
				out.pos = r.tokenPos(n.Start)
			}
			name := key.Value
			if _, isScalar := v.Key.(ast.ScalarNode); !isScalar {
				r.bad("yaml", pos, "a key must be a plain word", "")
				continue
			}
			val := r.tree(v.Value, pos, depth+1)
			if first, dup := seen[name]; dup {
				r.bad("key", pos, fmt.Sprintf("the key %q stands here a second time; the first is at line %d", name, first.Line), "remove one of the two")
				continue
			}
			seen[name] = pos
			out.entries = append(out.entries, entry{key: name, pos: pos, val: val})
		}
		return out
	case *ast.MappingValueNode:
		return r.tree(ast.Mapping(n.GetToken(), false, n), at, depth)
	case *ast.SequenceNode:
		out := &node{kind: listNode, pos: r.tokenPos(n.Start), src: r.src}
		for _, v := range n.Values {
			out.items = append(out.items, r.tree(v, out.pos, depth+1))
		}
		return out
	case *ast.NullNode:
		tk := n.GetToken()
		if tk == nil || tk.Type == token.ImplicitNullType || tk.Value == "" {
			return &node{kind: emptyNode, pos: at}
		}
		return &node{text: tk.Value, plain: true, pos: r.tokenPos(tk), src: r.src}
	case *ast.StringNode:
		tk := n.GetToken()
		out := &node{text: tk.Value, pos: r.tokenPos(tk), src: r.src}
		switch tk.Type {
		case token.DoubleQuoteType:
			out.style = '"'
		case token.SingleQuoteType:
			out.style = '\''
		default:
			out.plain = true
		}
		return out
	case *ast.LiteralNode:
		out := &node{text: n.Value.Value, pos: r.tokenPos(n.Start), style: '|', src: r.src}
		if strings.HasPrefix(n.Start.Value, ">") {
			out.style = '>'
		}
		return out
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		tk := n.GetToken()
		return &node{text: tk.Value, plain: true, pos: r.tokenPos(tk), src: r.src}
	}
	r.bad("yaml", r.tokenPos(n.GetToken()), "this form of YAML is not part of the language", "write plain maps, lists and text")
	return &node{kind: emptyNode, pos: at}
}

// normal drops a byte order mark and makes all line ends \n.
func normal(src []byte) []byte {
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(src, []byte("\r"), []byte("\n"))
}

// tabs reports lines that are indented with tabs, which YAML forbids and editors hide.
func (r *reader) tabs(text []byte) {
	for i, line := range bytes.Split(text, []byte("\n")) {
		lead := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
		if t := bytes.IndexByte(lead, '\t'); t >= 0 && len(lead) < len(line) {
			r.bad("yaml", Pos{File: r.file, Line: i + 1, Col: t + 1}, "a tab in the indentation", "indent with spaces")
		}
	}
}
