package main

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// code is what a field adds to its struct and to the methods EncodedLen, Append
// and merge. $N is the field's number, $F its Go name, $T the Go type of one
// element.
type code struct{ member, length, append, merge string }

// helped is the code of fields that package wire has functions for.
func helped(typ, helper, merge string) code {
	return code{"$F " + typ, "n += len" + helper + "($N, m.$F)", "b = append" + helper + "(b, $N, m.$F)", merge}
}

var (
	integer  = helped("$T", "Integer", "case $N<<3 | wireVarint:\n m.$F = $T(d.num)")
	integers = helped("[]$T", "Integers", "case $N<<3 | wireVarint:\n m.$F = append(m.$F, $T(d.num))\n"+
		"case $N<<3 | wireLength:\n m.$F = unpack(&d, m.$F)")
)

// oneCase is the code of a case of a oneof; $F is the Go name of the oneof.
var oneCase = code{
	length: "case *$T:\n n += lenHead($N, v.EncodedLen())",
	append: "case *$T:\n b = v.Append(appendHead(b, $N, v.EncodedLen()))",
	merge: `case $N<<3 | wireLength:
		v, ok := m.$F.(*$T)
		if !ok {
			v = new($T)
			m.$F = v
		}
		d.err = v.merge(d.part(parts), parts)`,
}

// codes has the code of each kind of field: under true that of lists.
var codes = map[bool]map[protoreflect.Kind]code{
	false: {
		protoreflect.Uint32Kind: integer,
		protoreflect.Uint64Kind: integer,
		protoreflect.Int64Kind:  integer,
		protoreflect.EnumKind:   integer,
		protoreflect.BoolKind:   helped("bool", "Bool", "case $N<<3 | wireVarint:\n m.$F = d.num != 0"),
		protoreflect.StringKind: helped("string", "Text", "case $N<<3 | wireLength:\n m.$F = d.text()"),
		protoreflect.BytesKind:  helped("[]byte", "Text", "case $N<<3 | wireLength:\n m.$F = d.raw"),
		protoreflect.MessageKind: {
			member: "$F *$T",
			length: "if m.$F != nil {\n n += lenHead($N, m.$F.EncodedLen())\n}",
			append: "if m.$F != nil {\n b = m.$F.Append(appendHead(b, $N, m.$F.EncodedLen()))\n}",
			merge: `case $N<<3 | wireLength:
				if m.$F == nil {
					m.$F = new($T)
				}
				d.err = m.$F.merge(d.part(parts), parts)`,
		},
	},
	true: {
		protoreflect.Uint32Kind: integers,
		protoreflect.Uint64Kind: integers,
		protoreflect.Int64Kind:  integers,
		protoreflect.EnumKind:   integers,
		protoreflect.StringKind: helped("[]string", "Texts", "case $N<<3 | wireLength:\n d.part(parts)\n m.$F = append(m.$F, d.text())"),
		protoreflect.BytesKind:  helped("[][]byte", "Texts", "case $N<<3 | wireLength:\n m.$F = append(m.$F, d.part(parts))"),
		protoreflect.MessageKind: {
			member: "$F []$T",
			length: "for i := range m.$F {\n n += lenHead($N, m.$F[i].EncodedLen())\n}",
			append: "for i := range m.$F {\n b = m.$F[i].Append(appendHead(b, $N, m.$F[i].EncodedLen()))\n}",
			merge: `case $N<<3 | wireLength:
				m.$F = append(m.$F, $T{})
				d.err = m.$F[len(m.$F)-1].merge(d.part(parts), parts)`,
		},
	},
}

// codeOf returns the code of f with its number, name and type filled in.
func codeOf(f protoreflect.FieldDescriptor) code {
	c, name, typ := codes[f.IsList()][f.Kind()], camel(f.Name()), f.Kind().String()
	c.member = doc(f) + c.member
	if o := f.ContainingOneof(); o != nil {
		c, name = oneCase, camel(o.Name())
	}
	if f.Enum() != nil {
		typ = camel(f.Enum().Name())
	} else if f.Message() != nil {
		typ = camel(f.Message().Name())
	}
	fill := strings.NewReplacer("$N", strconv.Itoa(int(f.Number())), "$F", name, "$T", typ).Replace
	return code{fill(c.member), fill(c.length), fill(c.append), fill(c.merge)}
}
