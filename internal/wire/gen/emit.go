package main

import (
	"fmt"
	"path"
	"strings"

	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// generate returns the Go source below the package clause, by file name.
func generate(files linker.Files, suffix string) map[string]string {
	pkg := strings.ReplaceAll(string(files[0].Package()), ".", "_")
	var list strings.Builder
	list.WriteString("var messages" + camel(protoreflect.Name(pkg)) + " = map[string]func() Message{\n")
	sources := map[string]string{}
	for _, f := range files {
		var b strings.Builder
		b.WriteString("import \"fmt\"\n")
		if f.Messages().Len() > 0 {
			b.WriteString("import \"log/slog\"\n")
		}
		for i := range f.Enums().Len() {
			writeEnum(&b, f.Enums().Get(i))
		}
		for i := range f.Messages().Len() {
			m := f.Messages().Get(i)
			writeMessage(&b, m)
			fmt.Fprintf(&list, "%q: func() Message { return new(%s) },\n", m.FullName(), camel(m.Name()))
		}
		sources[strings.TrimSuffix(path.Base(f.Path()), ".proto")+suffix] = b.String()
	}
	sources["messages_"+pkg+".gen_test.go"] = list.String() + "}\n"
	return sources
}

func writeEnum(b *strings.Builder, e protoreflect.EnumDescriptor) {
	var consts, cases strings.Builder
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		fmt.Fprintf(&consts, "%s%s %s = %d\n", doc(v), valueName(v), camel(e.Name()), v.Number())
		fmt.Fprintf(&cases, "case %s:\nreturn %q\n", valueName(v), word(v))
	}
	fmt.Fprintf(b, `
%[1]stype %[2]s int32

// The values of %[2]s. Parse keeps values that it does not know.
const (
%[3]s)

// String returns the value's word, or its number if it is not known.
func (e %[2]s) String() string {
	switch e {
	%[4]s}
	return fmt.Sprintf("%[2]s(%%d)", int32(e))
}
`, doc(e), camel(e.Name()), consts.String(), cases.String())
}

func writeMessage(b *strings.Builder, m protoreflect.MessageDescriptor) {
	var all code
	var held strings.Builder // what the oneofs hold, for String
	for _, group := range groups(m) {
		o := group[0].ContainingOneof()
		if o != nil {
			name := camel(o.Name())
			writeOneof(b, camel(m.Name()), name, group)
			all.member += doc(o) + name + " " + camel(m.Name()) + name + "\n"
			all.length += "switch v := m." + name + ".(type) {\n"
			all.append += "switch v := m." + name + ".(type) {\n"
			held.WriteString(", m." + name)
		}
		for _, f := range group {
			c := codeOf(f)
			all.member += c.member + "\n"
			all.length += c.length + "\n"
			all.append += c.append + "\n"
			all.merge += c.merge + "\n"
		}
		if o != nil {
			all.length += "}\n"
			all.append += "}\n"
		}
	}
	fmt.Fprintf(b, `
%[1]stype %[2]s struct {
%[3]s}

// EncodedLen implements [Message].
func (m *%[2]s) EncodedLen() (n int) {
%[4]sreturn n
}

// Append implements [Message].
func (m *%[2]s) Append(b []byte) []byte {
%[5]sreturn b
}

// Parse implements [Message]: byte slices are views into b.
func (m *%[2]s) Parse(b []byte) error {
	*m = %[2]s{}
	parts, err := admit(b)
	if err == nil {
		err = m.merge(b, &parts)
	}
	if err != nil {
		*m = %[2]s{}
		return fmt.Errorf("parse %[2]s: %%w", err)
	}
	return nil
}

func (m *%[2]s) merge(b []byte, parts *int) error {
	d := decoder{rest: b}
	for d.next(parts) {
		switch d.tag {
		%[6]s}
	}
	return d.err
}

// String implements [Message]: it tells sizes, never contents.
func (m %[2]s) String() string { return describe("%[2]s", m.EncodedLen()%[7]s) }

// Format keeps every verb of fmt from the contents.
func (m %[2]s) Format(to fmt.State, _ rune) { format(to, m.String()) }

// LogValue keeps slog from the contents.
func (m %[2]s) LogValue() slog.Value { return slog.StringValue(m.String()) }
`, doc(m), camel(m.Name()), all.member, all.length, all.append, all.merge, held.String())
}

// writeOneof writes the sealed interface of a oneof and seals its cases.
func writeOneof(b *strings.Builder, in, name string, cases []protoreflect.FieldDescriptor) {
	list, seals := "", ""
	for _, f := range cases {
		list += ", *[" + camel(f.Message().Name()) + "]"
		seals += fmt.Sprintf("func (*%s) is%s() {}\n", camel(f.Message().Name()), in+name)
	}
	fmt.Fprintf(b, `
// %[1]s is what %[2]s of [%[3]s] can hold: %[4]s.
//
//sumtype:decl
type %[1]s interface {
	Message
	is%[1]s()
}

%[5]s`, in+name, name, in, list[2:], seals)
}
