package main

import (
	"fmt"
	"go/format"
	"path"
	"strings"

	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// generate returns the Go files, by name.
func generate(files linker.Files, header, suffix string) (map[string][]byte, error) {
	pkg := strings.ReplaceAll(string(files[0].Package()), ".", "_")
	list := "\nvar messages" + camel(protoreflect.Name(pkg)) + " = map[string]func() Message{\n"
	sources := map[string]string{}
	for _, f := range files {
		var b strings.Builder
		if len(allMessages(f)) > 0 {
			b.WriteString("import (\n\"fmt\"\n\"log/slog\"\n)\n")
		} else {
			b.WriteString("import \"fmt\"\n")
		}
		for _, e := range allEnums(f) {
			writeEnum(&b, e)
		}
		for _, m := range allMessages(f) {
			writeMessage(&b, m)
			list += fmt.Sprintf("%q: func() Message { return new(%s) },\n", m.FullName(), goName(m))
		}
		sources[strings.TrimSuffix(path.Base(f.Path()), ".proto")+suffix] = b.String()
	}
	sources["messages_"+pkg+".gen_test.go"] = list + "}\n"
	out := map[string][]byte{}
	for name, src := range sources {
		formatted, err := format.Source([]byte(header + "\npackage wire\n\n" + src))
		if err != nil {
			return nil, fmt.Errorf("%s: the generator wrote bad Go: %w", name, err)
		}
		out[name] = formatted
	}
	return out, nil
}

func writeEnum(b *strings.Builder, e protoreflect.EnumDescriptor) {
	var consts, cases strings.Builder
	for i, word := range words(e) {
		v := e.Values().Get(i)
		fmt.Fprintf(&consts, "%s%s %s = %d\n", doc(v), valueName(v), goName(e), v.Number())
		fmt.Fprintf(&cases, "case %s:\nreturn %q\n", valueName(v), word)
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
`, doc(e), goName(e), consts.String(), cases.String())
}

func writeMessage(b *strings.Builder, m protoreflect.MessageDescriptor) {
	var all code
	held := "" // what the oneofs hold, for String
	for _, group := range groups(m) {
		o := group[0].ContainingOneof()
		if o != nil {
			name := camel(o.Name())
			writeOneof(b, goName(m), name, group)
			all.member += doc(o) + name + " " + goName(m) + name + "\n"
			all.length += "switch v := m." + name + ".(type) {\n"
			all.append += "switch v := m." + name + ".(type) {\n"
			held += ", m." + name
		}
		for _, f := range group {
			c := codeOf(f)
			if o == nil {
				all.member += doc(f) + c.member + "\n"
			}
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
	d := decoder{rest: b, parts: parts}
	for d.next() {
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
`, doc(m), goName(m), all.member, all.length, all.append, all.merge, held)
}

// writeOneof writes the sealed interface of a oneof and seals its cases.
func writeOneof(b *strings.Builder, in, name string, cases []protoreflect.FieldDescriptor) {
	var list []string
	seals := ""
	for _, f := range cases {
		list = append(list, "*["+goName(f.Message())+"]")
		seals += fmt.Sprintf("func (*%s) is%s() {}\n", goName(f.Message()), in+name)
	}
	fmt.Fprintf(b, `
// %[1]s is what %[2]s of [%[3]s] can hold: %[4]s.
//
//sumtype:decl
type %[1]s interface {
	Message
	is%[1]s()
}

%[5]s`, in+name, name, in, strings.Join(list, ", "), seals)
}
