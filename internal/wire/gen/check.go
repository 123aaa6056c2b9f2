package main

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxDepth is how deep messages may nest. One that can contain itself is always
// deeper, so the decoder needs no limit of its own.
const maxDepth = 16

// checker collects what is wrong with a schema, so that one run tells all.
type checker struct {
	errs  []error
	taken map[string]protoreflect.FullName // Go name -> who has it
}

// check refuses schemas that use what the generator does not write.
func check(files linker.Files) error {
	c := checker{taken: map[string]protoreflect.FullName{}}
	for _, f := range files {
		c.refuseIf(f.Syntax() != protoreflect.Proto3, f, `begin the file with syntax = "proto3"`)
		c.refuseIf(f.Package() != files[0].Package(), f, "its package is not %s: one folder is one package", files[0].Package())
		for i := range f.Imports().Len() {
			in := f.Imports().Get(i).Path()
			c.refuseIf(path.Dir(in) != path.Dir(f.Path()), f, "it imports %s: import files of its own folder only", in)
		}
		c.refuseIf(f.Services().Len()+f.Extensions().Len() > 0, f, "services and extensions are not supported: write messages")
		for i := range f.Enums().Len() {
			c.enum(f.Enums().Get(i))
		}
		for i := range f.Messages().Len() {
			c.message(f.Messages().Get(i))
		}
	}
	return errors.Join(c.errs...)
}

// refuseIf notes a sentence about d: what is wrong and what to do.
func (c *checker) refuseIf(bad bool, d protoreflect.Descriptor, format string, args ...any) {
	if bad {
		line := d.ParentFile().SourceLocations().ByDescriptor(d).StartLine + 1
		c.errs = append(c.errs, fmt.Errorf("%s:%d: %s: "+format, append([]any{d.ParentFile().Path(), line, d.FullName()}, args...)...))
	}
}

func (c *checker) claim(d protoreflect.Descriptor, goName string) {
	other, taken := c.taken[goName]
	c.refuseIf(taken, d, "its Go name %s is that of %s too: rename one of them", goName, other)
	c.taken[goName] = d.FullName()
}

func (c *checker) enum(e protoreflect.EnumDescriptor) {
	c.claim(e, camel(e.Name()))
	c.refuseIf(doc(e) == "", e, "say in a comment above it what it means")
	seen := map[protoreflect.EnumNumber]bool{}
	prefix, _, _ := strings.Cut(string(e.Values().Get(0).Name()), "_")
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		c.claim(v, valueName(v))
		c.refuseIf(seen[v.Number()], v, "its number is taken: aliases are not supported")
		seen[v.Number()] = true
		c.refuseIf(!strings.HasPrefix(string(v.Name()), prefix+"_"), v, "begin it with %s_ like the others", prefix)
	}
}

func (c *checker) message(m protoreflect.MessageDescriptor) {
	c.claim(m, camel(m.Name()))
	c.refuseIf(doc(m) == "", m, "say in a comment above it what it means")
	c.refuseIf(deeper(m, maxDepth), m, "it can contain itself, or nests deeper than %d: make it flatter", maxDepth)
	c.refuseIf(m.Enums().Len() > 0, m, "it declares an enum inside: move that out of the message")
	for i := range m.Messages().Len() {
		c.refuseIf(!m.Messages().Get(i).IsMapEntry(), m, "it declares a message inside: move that out of the message")
	}
	names := []string{"Append", "EncodedLen", "Format", "LogValue", "Parse", "String"}
	var oneofs []protoreflect.Name
	for _, group := range groups(m) {
		f, o := group[0], group[0].ContainingOneof()
		name := camel(f.Name())
		if o != nil && !o.IsSynthetic() {
			name = camel(o.Name())
			c.claim(o, camel(m.Name())+name)
			c.refuseIf(slices.Contains(oneofs, o.Name()), f, "another field's number lies between the cases of %s: move it", o.Name())
			oneofs = append(oneofs, o.Name())
		}
		c.refuseIf(slices.Contains(names, name), f, "its Go name %s is taken in %s: rename it", name, m.Name())
		names = append(names, name)
		seen := map[protoreflect.Descriptor]bool{}
		for _, f := range group {
			c.field(f)
			c.refuseIf(len(group) > 1 && seen[f.Message()], f, "its message is another case already: give each case its own")
			seen[f.Message()] = f.Message() != nil
		}
	}
}

// deeper reports whether messages nest deeper than most below m.
func deeper(m protoreflect.MessageDescriptor, most int) bool {
	for i := range m.Fields().Len() {
		sub := m.Fields().Get(i).Message()
		if sub != nil && (most == 1 || deeper(sub, most-1)) {
			return true
		}
	}
	return false
}

func (c *checker) field(f protoreflect.FieldDescriptor) {
	_, ok := codes[f.IsList()][f.Kind()]
	c.refuseIf(f.IsMap(), f, "maps have no fixed order: repeat a message with a key and a value")
	c.refuseIf(!ok, f, "%s%s is not supported: use uint32, uint64, int64, bool (not repeated), string, bytes, an enum or a message",
		map[bool]string{true: "repeated "}[f.IsList()], f.Kind())
	c.refuseIf(f.ContainingOneof() != nil && f.Message() == nil && !f.HasOptionalKeyword(), f,
		"a case of a oneof must be a message: wrap the value in one")
	c.refuseIf(f.HasOptionalKeyword(), f, "optional is not supported: wrap it in a message if its absence means something")
	c.refuseIf(f.IsList() && !f.IsPacked() && codes[true][f.Kind()] == integers, f, "packed = false is not supported: leave it out")
}
