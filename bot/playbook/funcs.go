package playbook

import (
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"slipway/bot/version"
)

// celOptions are the functions of the language: the CEL standard library, optionals, text
// functions and a few of our own (see LANGUAGE.md).
func celOptions(t *celTypes) []cel.EnvOption {
	text := func(v ref.Val) string { s, _ := v.(types.String); return string(s) }
	compare := func(name string, f func(a, b string) bool) cel.EnvOption {
		return cel.Function(name, cel.Overload(name+"_string_string", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val { return types.Bool(f(text(a), text(b))) })))
	}
	return []cel.EnvOption{
		cel.CustomTypeProvider(t),
		cel.CustomTypeAdapter(t),
		cel.OptionalTypes(),
		ext.Strings(ext.StringsVersion(4)),
		cel.ParserRecursionLimit(120),
		cel.ParserExpressionSizeLimit(16 << 10),
		cel.ASTValidators(cel.ValidateHomogeneousAggregateLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
		compare("version_older", func(a, b string) bool { return version.Compare(a, b) < 0 }),
		compare("version_same", func(a, b string) bool { return version.Compare(a, b) == 0 }),
		cel.Function("lines", cel.Overload("lines_string", []*cel.Type{cel.StringType}, cel.ListType(cel.StringType),
			cel.UnaryBinding(func(v ref.Val) ref.Val { return types.NewStringList(types.DefaultTypeAdapter, splitLines(text(v))) }))),
		cel.Function("short", cel.Overload("short_string", []*cel.Type{cel.StringType}, cel.StringType,
			cel.UnaryBinding(func(v ref.Val) ref.Val {
				_, hex, found := strings.Cut(text(v), ":")
				if !found {
					hex = text(v)
				}
				return types.String(hex[:min(12, len(hex))])
			}))),
	}
}

// splitLines gives the lines of text without their ends; an end at the very end begins no line.
func splitLines(s string) []string {
	s = strings.TrimSuffix(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	if s == "" {
		return []string{}
	}
	return strings.Split(s, "\n")
}
