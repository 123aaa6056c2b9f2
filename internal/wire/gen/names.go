package main

import (
	"cmp"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// groups returns the fields of m by ascending number; neighbours that are cases
// of one oneof stand together.
func groups(m protoreflect.MessageDescriptor) (out [][]protoreflect.FieldDescriptor) {
	fields := make([]protoreflect.FieldDescriptor, m.Fields().Len())
	for i := range fields {
		fields[i] = m.Fields().Get(i)
	}
	slices.SortFunc(fields, func(a, b protoreflect.FieldDescriptor) int { return cmp.Compare(a.Number(), b.Number()) })
	for i, f := range fields {
		if o := f.ContainingOneof(); o != nil && i > 0 && fields[i-1].ContainingOneof() == o {
			out[len(out)-1] = append(out[len(out)-1], f)
		} else {
			out = append(out, []protoreflect.FieldDescriptor{f})
		}
	}
	return out
}

// doc turns the comments of d into Go comments.
func doc(d protoreflect.Descriptor) string {
	at := d.ParentFile().SourceLocations().ByDescriptor(d)
	text := strings.TrimRight(at.LeadingComments+at.TrailingComments, "\n ")
	if text == "" {
		return ""
	}
	return "//" + strings.ReplaceAll(text, "\n", "\n//") + "\n"
}

// camel turns look_up into LookUp.
func camel(name protoreflect.Name) (out string) {
	for word := range strings.SplitSeq(string(name), "_") {
		if word != "" {
			out += strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return out
}

// valueName turns OUTCOME_LIVE into OutcomeLive.
func valueName(v protoreflect.EnumValueDescriptor) string {
	return camel(protoreflect.Name(strings.ToLower(string(v.Name()))))
}

// word is what String says for OUTCOME_LIVE: all but the first word, "live".
func word(v protoreflect.EnumValueDescriptor) string {
	_, word, _ := strings.Cut(strings.ToLower(string(v.Name())), "_")
	return strings.ReplaceAll(word, "_", " ")
}
