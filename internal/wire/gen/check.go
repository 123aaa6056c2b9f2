package main

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxDepth is how deep messages may nest. A message that can contain itself is
// always deeper, so the decoder needs no limit of its own.
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
		c.refuseIf(f.Services().Len() > 0, f, "services are not supported: write messages for request and answer")
		c.refuseIf(f.Extensions().Len() > 0, f, "extensions are not supported: add fields")
		for _, e := range allEnums(f) {
			c.enum(e)
		}
		for _, m := range allMessages(f) {
			c.message(m)
		}
	}
	return errors.Join(c.errs...)
}

// refuseIf notes a sentence about d: what is wrong and what to do.
func (c *checker) refuseIf(bad bool, d protoreflect.Descriptor, format string, args ...any) {
	if !bad {
		return
	}
	where := d.ParentFile().Path()
	if at := d.ParentFile().SourceLocations().ByDescriptor(d); at.StartLine > 0 {
		where = fmt.Sprintf("%s:%d: %s", where, at.StartLine+1, d.Name())
	}
	c.errs = append(c.errs, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
}

func (c *checker) claim(d protoreflect.Descriptor, goName string) {
	other, taken := c.taken[goName]
	c.refuseIf(taken, d, "its Go name %s is that of %s too: rename one of them", goName, other)
	c.taken[goName] = d.FullName()
}

func (c *checker) enum(e protoreflect.EnumDescriptor) {
	c.claim(e, goName(e))
	c.refuseIf(doc(e) == "", e, "say in a comment above it what it means")
	seen := map[protoreflect.EnumNumber]bool{}
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		c.claim(v, valueName(v))
		c.refuseIf(seen[v.Number()], v, "its number is taken: aliases are not supported")
		seen[v.Number()] = true
	}
}

func (c *checker) message(m protoreflect.MessageDescriptor) {
	c.claim(m, goName(m))
	c.refuseIf(doc(m) == "", m, "say in a comment above it what it means")
	c.refuseIf(deeper(m, maxDepth), m, "it can contain itself or nests deeper than %d messages: make it flatter", maxDepth)
	names := []string{"Append", "EncodedLen", "Format", "LogValue", "Parse", "String"}
	oneofs := map[protoreflect.FullName]bool{}
	for _, group := range groups(m) {
		f := group[0]
		name := camel(f.Name())
		if o := realOneof(f); o != nil {
			c.refuseIf(oneofs[o.FullName()], f, "another field's number lies between the cases of %s: move that one", o.Name())
			oneofs[o.FullName()] = true
			c.claim(o, goName(m)+camel(o.Name()))
			c.cases(group, o)
			name = camel(o.Name())
		}
		c.refuseIf(slices.Contains(names, name), f, "its Go name %s is taken in %s: rename it", name, m.Name())
		names = append(names, name)
		for _, f := range group {
			c.field(f)
		}
	}
}

// deeper reports whether messages in m nest deeper than max.
func deeper(m protoreflect.MessageDescriptor, most int) bool {
	for i := range m.Fields().Len() {
		sub := m.Fields().Get(i).Message()
		if sub != nil && (most == 1 || deeper(sub, most-1)) {
			return true
		}
	}
	return false
}

func (c *checker) cases(fields []protoreflect.FieldDescriptor, o protoreflect.OneofDescriptor) {
	seen := map[protoreflect.FullName]bool{}
	for _, f := range fields {
		if f.Kind() != protoreflect.MessageKind {
			c.refuseIf(true, f, "a case of a oneof must be a message: wrap the value in one")
			continue
		}
		name := f.Message().FullName()
		c.refuseIf(seen[name], f, "%s is a case of %s already: give each case its own message", f.Message().Name(), o.Name())
		seen[name] = true
	}
}

func (c *checker) field(f protoreflect.FieldDescriptor) {
	if f.IsMap() {
		c.refuseIf(true, f, "maps have no fixed order: repeat a message with a key and a value")
		return
	}
	list := ""
	if f.IsList() {
		list = "repeated "
	}
	code, ok := codes[f.Cardinality() == protoreflect.Repeated][f.Kind()]
	c.refuseIf(!ok, f, "%s%s is not supported: use uint32, uint64, int64, bool (not repeated), string, bytes, "+
		"an enum or a message", list, f.Kind())
	c.refuseIf(f.HasOptionalKeyword(), f, "optional is not supported: wrap it in a message if its absence means something")
	c.refuseIf(f.IsList() && code == integers && !f.IsPacked(), f, "packed = false is not supported: leave it out")
}
