package wire

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// same compares a generated struct with google's reading of the same bytes,
// field by field and by name: an encoder and a decoder that confuse two fields
// in the same way do not get past it.
func same(ours reflect.Value, theirs protoreflect.Message) error {
	fields := theirs.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if err := sameField(ours, theirs, f); err != nil {
			return fmt.Errorf("%s: %w", f.Name(), err)
		}
	}
	return nil
}

func sameField(ours reflect.Value, theirs protoreflect.Message, f protoreflect.FieldDescriptor) error {
	name := f.Name()
	if o := f.ContainingOneof(); o != nil {
		name = o.Name()
	}
	if _, ok := ours.Type().FieldByName(goField(name)); !ok {
		return errors.New("the struct has no such field: run make gen")
	}
	want := theirs.Get(f)
	if o := f.ContainingOneof(); o != nil {
		held := ours.FieldByName(goField(o.Name()))
		is := !held.IsNil() && held.Elem().Type().Elem().Name() == goField(f.Message().Name())
		switch {
		case is != theirs.Has(f):
			return fmt.Errorf("held: %t, want %t", is, theirs.Has(f))
		case is:
			return same(held.Elem().Elem(), want.Message())
		}
		return nil
	}
	got := ours.FieldByName(goField(f.Name()))
	switch {
	case f.IsList():
		if got.Len() != want.List().Len() {
			return fmt.Errorf("%d elements, want %d", got.Len(), want.List().Len())
		}
		for i := range got.Len() {
			if err := sameValue(got.Index(i), want.List().Get(i), f); err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
		}
		return nil
	case f.Message() != nil:
		if got.IsNil() == theirs.Has(f) {
			return fmt.Errorf("absent: %t, want %t", got.IsNil(), !theirs.Has(f))
		}
		if got.IsNil() {
			return nil
		}
		got = got.Elem()
	}
	return sameValue(got, want, f)
}

func sameValue(got reflect.Value, want protoreflect.Value, f protoreflect.FieldDescriptor) error {
	var equal bool
	switch f.Kind() { //nolint:exhaustive // the generator refuses the others
	case protoreflect.MessageKind:
		return same(got, want.Message())
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind:
		equal = got.Uint() == want.Uint()
	case protoreflect.Int64Kind:
		equal = got.Int() == want.Int()
	case protoreflect.EnumKind:
		equal = got.Int() == int64(want.Enum())
	case protoreflect.BoolKind:
		equal = got.Bool() == want.Bool()
	case protoreflect.StringKind:
		equal = got.String() == want.String()
	case protoreflect.BytesKind:
		equal = string(got.Bytes()) == string(want.Bytes())
	}
	if !equal {
		return fmt.Errorf("%v, want %v", got, want)
	}
	return nil
}

func goField(name protoreflect.Name) string {
	var s string
	for word := range strings.SplitSeq(string(name), "_") {
		s += strings.ToUpper(word[:1]) + word[1:]
	}
	return s
}
