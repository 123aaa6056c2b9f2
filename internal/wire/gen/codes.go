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

var (
	integer = code{
		"$F $T",
		"n += lenUint($N, varint(m.$F))",
		"b = appendUint(b, $N, varint(m.$F))",
		"case $N<<3 | wireVarint:\n m.$F = $T(d.num)",
	}
	integers = code{
		"$F []$T",
		"n += lenPacked($N, m.$F)",
		"b = appendPacked(b, $N, m.$F)",
		"case $N<<3 | wireVarint:\n m.$F = append(m.$F, $T(d.num))\n" +
			"case $N<<3 | wireLength:\n m.$F = unpack(&d, m.$F)",
	}
	// oneCase is a case of a oneof; $F is the Go name of the oneof.
	oneCase = code{
		"",
		"case *$T:\n n += lenBody($N, v.EncodedLen())",
		"case *$T:\n b = v.Append(appendHead(b, $N, v.EncodedLen()))",
		`case $N<<3 | wireLength:
			v, ok := m.$F.(*$T)
			if !ok {
				v = new($T)
				m.$F = v
			}
			d.err = v.merge(d.part(), d.parts)`,
	}
)

// codes has the code of each kind: false for one value, true for a list.
var codes = map[bool]map[protoreflect.Kind]code{
	false: {
		protoreflect.Uint32Kind: integer,
		protoreflect.Uint64Kind: integer,
		protoreflect.Int64Kind:  integer,
		protoreflect.EnumKind:   integer,
		protoreflect.BoolKind: {
			"$F $T",
			"n += lenBool($N, m.$F)",
			"b = appendBool(b, $N, m.$F)",
			"case $N<<3 | wireVarint:\n m.$F = d.num != 0",
		},
		protoreflect.StringKind: {
			"$F $T",
			"n += lenText($N, m.$F)",
			"b = appendText(b, $N, m.$F)",
			"case $N<<3 | wireLength:\n m.$F = d.text()",
		},
		protoreflect.BytesKind: {
			"$F $T",
			"n += lenText($N, m.$F)",
			"b = appendText(b, $N, m.$F)",
			"case $N<<3 | wireLength:\n m.$F = d.raw",
		},
		protoreflect.MessageKind: {
			"$F *$T",
			"if m.$F != nil {\n n += lenBody($N, m.$F.EncodedLen())\n}",
			"if m.$F != nil {\n b = m.$F.Append(appendHead(b, $N, m.$F.EncodedLen()))\n}",
			`case $N<<3 | wireLength:
				if m.$F == nil {
					m.$F = new($T)
				}
				d.err = m.$F.merge(d.part(), d.parts)`,
		},
	},
	true: {
		protoreflect.Uint32Kind: integers,
		protoreflect.Uint64Kind: integers,
		protoreflect.Int64Kind:  integers,
		protoreflect.EnumKind:   integers,
		protoreflect.StringKind: {
			"$F []$T",
			"n += lenTexts($N, m.$F)",
			"b = appendTexts(b, $N, m.$F)",
			"case $N<<3 | wireLength:\n d.part()\n m.$F = append(m.$F, d.text())",
		},
		protoreflect.BytesKind: {
			"$F []$T",
			"n += lenTexts($N, m.$F)",
			"b = appendTexts(b, $N, m.$F)",
			"case $N<<3 | wireLength:\n m.$F = append(m.$F, d.part())",
		},
		protoreflect.MessageKind: {
			"$F []$T",
			"for i := range m.$F {\n n += lenBody($N, m.$F[i].EncodedLen())\n}",
			"for i := range m.$F {\n b = m.$F[i].Append(appendHead(b, $N, m.$F[i].EncodedLen()))\n}",
			`case $N<<3 | wireLength:
				m.$F = append(m.$F, $T{})
				d.err = m.$F[len(m.$F)-1].merge(d.part(), d.parts)`,
		},
	},
}

// codeOf returns the code of f with its number, name and type filled in.
func codeOf(f protoreflect.FieldDescriptor) code {
	c, name, typ := codes[f.IsList()][f.Kind()], camel(f.Name()), f.Kind().String()
	if o := f.ContainingOneof(); o != nil {
		c, name = oneCase, camel(o.Name())
	}
	switch {
	case f.Enum() != nil:
		typ = goName(f.Enum())
	case f.Message() != nil:
		typ = goName(f.Message())
	case f.Kind() == protoreflect.BytesKind:
		typ = "[]byte"
	}
	fill := strings.NewReplacer("$N", strconv.Itoa(int(f.Number())), "$F", name, "$T", typ).Replace
	return code{fill(c.member), fill(c.length), fill(c.append), fill(c.merge)}
}
