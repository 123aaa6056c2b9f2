package wire

import (
	"context"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// kind is one message type, as google's protobuf and as this package know it.
type kind struct {
	name string
	desc protoreflect.MessageDescriptor
	make func() Message
}

// dynamic parses b as google's protobuf does.
func (k kind) dynamic(b []byte) (*dynamicpb.Message, error) {
	m := dynamicpb.NewMessage(k.desc)
	return m, proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(b, m)
}

// byreKinds are the messages of proto/byre/v1; allKinds has the sample's too.
var byreKinds = sync.OnceValues(func() ([]kind, error) {
	return load("../../proto", "byre/v1", messagesByreV1)
})

var allKinds = sync.OnceValues(func() ([]kind, error) {
	byre, err := byreKinds()
	if err != nil {
		return nil, err
	}
	sample, err := load("gen/testdata", "sample", messagesSample)
	return append(slices.Clone(byre), sample...), err
})

// load compiles the schema anew: what the tests compare with comes from the
// .proto files and not from the generator.
func load(root, dir string, made map[string]func() Message) ([]kind, error) {
	names, err := filepath.Glob(filepath.Join(root, dir, "*.proto"))
	if err != nil {
		return nil, err
	}
	for i, n := range names {
		names[i] = path.Join(dir, filepath.Base(n))
	}
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{ImportPaths: []string{root}}}
	files, err := compiler.Compile(context.Background(), names...)
	if err != nil {
		return nil, err
	}
	var kinds []kind
	for _, name := range slices.Sorted(maps.Keys(made)) {
		for _, f := range files {
			if d, ok := f.FindDescriptorByName(protoreflect.FullName(name)).(protoreflect.MessageDescriptor); ok {
				kinds = append(kinds, kind{name: name, desc: d, make: made[name]})
			}
		}
	}
	return kinds, nil
}

func kindsOf(tb testing.TB, from func() ([]kind, error)) []kind {
	tb.Helper()
	kinds, err := from()
	if err != nil {
		tb.Fatal(err)
	}
	return kinds
}

// Every message of the schema has its type, every generated file its schema.
func TestTypesAndSchemaAgree(t *testing.T) {
	kinds := kindsOf(t, byreKinds)
	if len(kinds) != len(messagesByreV1) || len(kinds) < 30 {
		t.Errorf("the schema has %d messages, %d were generated", len(kinds), len(messagesByreV1))
	}
	for _, k := range kinds {
		members := k.desc.Oneofs().Len()
		for i := range k.desc.Fields().Len() {
			if k.desc.Fields().Get(i).ContainingOneof() == nil {
				members++
			}
		}
		if n := reflect.TypeOf(k.make()).Elem().NumField(); n != members {
			t.Errorf("%s has %d fields, its schema %d", k.name, n, members)
		}
	}
	generated, err := filepath.Glob("*.gen.go")
	if err != nil || len(generated) == 0 {
		t.Fatalf("no generated files: %v", err)
	}
	for _, g := range generated {
		source := filepath.Join("../../proto/byre/v1", strings.TrimSuffix(g, ".gen.go")+".proto")
		if _, err := os.Stat(source); err != nil {
			t.Errorf("%s is left over from a schema that is gone, delete it: %v", g, err)
		}
	}
}
