package main

import (
	"cmp"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// allEnums returns the enums of a file, those inside messages too.
func allEnums(f protoreflect.FileDescriptor) (all []protoreflect.EnumDescriptor) {
	for i := range f.Enums().Len() {
		all = append(all, f.Enums().Get(i))
	}
	for _, m := range allMessages(f) {
		for i := range m.Enums().Len() {
			all = append(all, m.Enums().Get(i))
		}
	}
	return all
}

// allMessages returns the messages of a file or message, however deep.
func allMessages(in interface {
	Messages() protoreflect.MessageDescriptors
}) (all []protoreflect.MessageDescriptor) {
	for i := range in.Messages().Len() {
		if m := in.Messages().Get(i); !m.IsMapEntry() {
			all = append(append(all, m), allMessages(m)...)
		}
	}
	return all
}

// groups returns the fields of m by ascending number; neighbours that are cases
// of one oneof stand together.
func groups(m protoreflect.MessageDescriptor) (out [][]protoreflect.FieldDescriptor) {
	fields := make([]protoreflect.FieldDescriptor, m.Fields().Len())
	for i := range fields {
		fields[i] = m.Fields().Get(i)
	}
	slices.SortFunc(fields, func(a, b protoreflect.FieldDescriptor) int { return cmp.Compare(a.Number(), b.Number()) })
	var last protoreflect.OneofDescriptor
	for _, f := range fields {
		o := realOneof(f)
		if o != nil && o == last {
			out[len(out)-1] = append(out[len(out)-1], f)
		} else {
			out = append(out, []protoreflect.FieldDescriptor{f})
		}
		last = o
	}
	return out
}

// realOneof is the oneof of f, or nil; an optional field is in none.
func realOneof(f protoreflect.FieldDescriptor) protoreflect.OneofDescriptor {
	if f.HasOptionalKeyword() {
		return nil
	}
	return f.ContainingOneof()
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

// goName is the name of a message or enum; one declared inside a message has
// that message's name in front.
func goName(d protoreflect.Descriptor) string {
	if outer, ok := d.Parent().(protoreflect.MessageDescriptor); ok {
		return goName(outer) + camel(d.Name())
	}
	return camel(d.Name())
}

// valueName turns OUTCOME_LIVE into OutcomeLive.
func valueName(v protoreflect.EnumValueDescriptor) string {
	return camel(protoreflect.Name(strings.ToLower(string(v.Name()))))
}

// words is what String says for each value of e: OUTCOME_LIVE is "live".
func words(e protoreflect.EnumDescriptor) []string {
	out := make([]string, e.Values().Len())
	for i := range out {
		out[i] = strings.ReplaceAll(strings.ToLower(string(e.Values().Get(i).Name())), "_", " ")
	}
	for {
		prefix, _, found := strings.Cut(out[0], " ")
		if !found || slices.ContainsFunc(out, func(w string) bool { return !strings.HasPrefix(w, prefix+" ") }) {
			return out
		}
		for i := range out {
			out[i] = out[i][len(prefix)+1:]
		}
	}
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
