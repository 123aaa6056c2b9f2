package wire

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"
)

// source decides what fill puts into a message.
type source interface {
	// count is how many values a field gets; what is no list takes at most one.
	count(f protoreflect.FieldDescriptor) int
	// scalar is a value of any kind but a message.
	scalar(f protoreflect.FieldDescriptor) protoreflect.Value
}

// fill sets the fields of m; of the cases of a oneof the last one set stays.
func fill(m protoreflect.Message, from source) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		value := func() protoreflect.Value {
			if f.Message() == nil {
				return from.scalar(f)
			}
			sub := dynamicpb.NewMessage(f.Message())
			fill(sub, from)
			return protoreflect.ValueOfMessage(sub)
		}
		n := from.count(f)
		switch {
		case n > 0 && f.IsList():
			for range n {
				m.Mutable(f).List().Append(value())
			}
		case n > 0:
			m.Set(f, value())
		}
	}
}

// drawn fills from rapid.
type drawn struct{ t *rapid.T }

func (d drawn) count(f protoreflect.FieldDescriptor) int {
	return rapid.SampledFrom([]int{0, 1, 1, 2, 5}).Draw(d.t, "count of "+string(f.Name()))
}

func (d drawn) scalar(f protoreflect.FieldDescriptor) protoreflect.Value {
	name := string(f.Name())
	switch f.Kind() { //nolint:exhaustive // the generator refuses the others
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(rapid.Uint32().Draw(d.t, name))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(rapid.Uint64().Draw(d.t, name))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(rapid.Int64().Draw(d.t, name))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(rapid.Int32().Draw(d.t, name)))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(d.t, name))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(rapid.String().Draw(d.t, name))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(d.t, name))
	}
	panic("no value for a " + f.Kind().String())
}

// fixed fills every field with values that follow from the schema alone.
type fixed struct {
	top  protoreflect.MessageDescriptor
	pick int // which case top's oneofs hold; those of other messages hold the first
}

func (x fixed) count(f protoreflect.FieldDescriptor) int {
	if o := f.ContainingOneof(); o != nil {
		want := 0
		if f.ContainingMessage() == x.top {
			want = x.pick % o.Fields().Len()
		}
		if o.Fields().Get(want) != f {
			return 0
		}
		return 1
	}
	if f.IsList() {
		return 2
	}
	return 1
}

func (x fixed) scalar(f protoreflect.FieldDescriptor) protoreflect.Value {
	n := uint64(f.Number())
	switch f.Kind() { //nolint:exhaustive // the generator refuses the others
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(n) + 300)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(n + 1<<40)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(-int64(n))
	case protoreflect.EnumKind:
		values := f.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(values.Len() - 1).Number())
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(fmt.Sprintf("안녕 %s", f.Name()))
	case protoreflect.BytesKind:
		b := make([]byte, 16)
		for i := range b {
			b[i] = byte(n<<4) + byte(i)
		}
		return protoreflect.ValueOfBytes(b)
	}
	panic("no value for a " + f.Kind().String())
}
