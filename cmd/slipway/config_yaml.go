package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"slipway/bot/errs"
)

// readYAML decodes data, the content of the file at path, into raw. It is strict: an unknown or
// doubled key, a second document, and whatever makes a file say something else than it seems to
// (anchors, aliases, merges, tags) are errors with line and column.
func readYAML(path string, data []byte, raw *rawConfig) (err error) {
	defer func() {
		if p := recover(); p != nil { // a defect of the YAML library must not take the bot down
			err = badYAML(path, nil, "the file cannot be read as YAML", "check brackets, quotes and indentation")
		}
	}()
	if err := screenYAML(path, data); err != nil {
		return err
	}
	dec := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict(), yaml.DisallowUnknownField())
	switch err := dec.Decode(raw); {
	case errors.Is(err, io.EOF):
		return badYAML(path, nil, "the file is empty", "deploy/example/slipway.yaml shows a whole one")
	case err != nil:
		return explainYAML(path, err)
	}
	var more rawConfig
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return badYAML(path, nil, "a second document follows", "a file holds one configuration: remove the line ---")
	}
	return nil
}

// screenYAML looks at the words and signs before anything is built from them.
func screenYAML(path string, data []byte) error {
	for _, t := range lexer.Tokenize(string(data)) {
		what := ""
		switch t.Type {
		case token.AnchorType:
			what = "anchors (&name)"
		case token.AliasType:
			what = "aliases (*name)"
		case token.MergeKeyType:
			what = "merges (<<)"
		case token.TagType:
			what = "tags (!)"
		case token.DirectiveType:
			what = "directives (%)"
		}
		if what != "" {
			return badYAML(path, t, what+" are not part of the configuration", "write the value out, or put the text in quotes")
		}
	}
	return nil
}

// explainYAML turns the decoder's error into one line with the place and, for a mistyped key,
// the one that was probably meant.
func explainYAML(path string, err error) error {
	var found yaml.Error
	if !errors.As(err, &found) {
		return badYAML(path, nil, "the file cannot be read as YAML", "check brackets, quotes and indentation")
	}
	at := found.GetToken()
	value := ""
	if at != nil {
		value = at.Value
	}
	var wrong *yaml.TypeError
	var node *yaml.UnexpectedNodeTypeError
	var large *yaml.OverflowError
	var unknown *yaml.UnknownFieldError
	var double *yaml.DuplicateKeyError
	switch {
	case errors.As(err, &unknown):
		if near := errs.Nearest(value, configKeys(reflect.TypeFor[rawConfig]())); near != "" {
			return badYAML(path, at, fmt.Sprintf("there is no key %q here", value), fmt.Sprintf("did you mean %q?", near))
		}
		return badYAML(path, at, fmt.Sprintf("there is no key %q here", value), "remove it; deploy/example/slipway.yaml shows every key")
	case errors.As(err, &double):
		return badYAML(path, at, fmt.Sprintf("the key %q is there twice", value), "keep one of them")
	case errors.As(err, &wrong):
		return badYAML(path, at, fmt.Sprintf("%q is not %s", value, kindWords(wrong.DstType)), "deploy/example/slipway.yaml shows every key with a value")
	case errors.As(err, &large):
		return badYAML(path, at, fmt.Sprintf("%q is too large a number", value), "write a smaller one")
	case errors.As(err, &node):
		return badYAML(path, at, fmt.Sprintf("%q is not %s", value, nodeWords(node.Expected)), "deploy/example/slipway.yaml shows every key with a value")
	}
	text, _, _ := strings.Cut(found.GetMessage(), "\n")
	if strings.HasPrefix(text, "mapping key ") {
		return badYAML(path, at, fmt.Sprintf("the key %q is there twice", value), "keep one of them")
	}
	return badYAML(path, at, "this is not YAML: "+strings.TrimSpace(text), "check indentation, colons and quotes")
}

func badYAML(path string, at *token.Token, cause, hint string) error {
	where := path
	if at != nil && at.Position != nil {
		where = fmt.Sprintf("%s:%d:%d", path, at.Position.Line, at.Position.Column)
	}
	return errs.E("config", errs.Invalid, fmt.Errorf("%s: %s", where, cause)).Hint("%s", hint)
}

// kindWords is what a value of type t is to a person.
func kindWords(t reflect.Type) string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return "of the kind that belongs here"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.String:
		return "a text"
	case reflect.Slice:
		return "a list: [a, b]"
	}
	return "a group of keys: {key: value}"
}

// nodeWords is what a part of the file of type t is to a person.
func nodeWords(t ast.NodeType) string {
	switch t {
	case ast.SequenceType:
		return "a list: [a, b]"
	case ast.MappingType, ast.MappingValueType:
		return "a group of keys: {key: value}"
	}
	return "of the kind that belongs here"
}

// configKeys lists every key of the configuration, at any depth.
func configKeys(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.Map, reflect.Slice, reflect.Pointer:
		return configKeys(t.Elem())
	case reflect.Struct:
		var keys []string
		for f := range t.Fields() {
			keys = append(keys, f.Tag.Get("yaml"))
			keys = append(keys, configKeys(f.Type)...)
		}
		return keys
	}
	return nil
}
