package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// schemaOf writes a proto file and returns the -root and -dir to read it with.
func schemaOf(t *testing.T, files map[string]string) (root, dir string) {
	t.Helper()
	root = t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, "x", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root, "x"
}

const head = "syntax = \"proto3\";\npackage x;\n// M is a message.\n"

// What the wire does not need is refused with the place and a way out.
func TestRefusals(t *testing.T) {
	for _, c := range []struct{ name, proto, want string }{
		{"proto2", "syntax = \"proto2\";\npackage x;", `x/x.proto:1: x: begin the file with syntax = "proto3"`},
		{
			"float", head + "message M {\n float f = 1;\n}",
			"x/x.proto:5: x.M.f: float is not supported: use uint32, uint64, int64, bool (not repeated), string, bytes, an enum or a message",
		},
		{"int32", head + "message M {\n int32 f = 1;\n}", "int32 is not supported"},
		{"fixed64", head + "message M {\n fixed64 f = 1;\n}", "fixed64 is not supported"},
		{"repeated bool", head + "message M {\n repeated bool f = 1;\n}", "repeated bool is not supported"},
		{"map", head + "message M {\n map<string, bytes> f = 1;\n}", "x/x.proto:5: x.M.f: maps have no fixed order: repeat a message with a key and a value"},
		{"unpacked", head + "message M {\n repeated uint32 f = 1 [packed = false];\n}", "f: packed = false is not supported: leave it out"},
		{"optional", head + "message M {\n optional uint32 f = 1;\n}", "f: optional is not supported: wrap it in a message if its absence means something"},
		{"scalar in a oneof", head + "message M {\n oneof body {\n uint32 f = 1;\n}\n}", "f: a case of a oneof must be a message: wrap the value in one"},
		{
			"one message for two cases", head + "message M {\n oneof body {\n A a = 1;\n A b = 2;\n}\n}\n// A.\nmessage A {}",
			"b: its message is another case already: give each case its own",
		},
		{
			"a field among the cases", head + "message M {\n oneof body {\n A a = 1;\n B b = 3;\n}\n uint32 f = 2;\n}\n// A.\nmessage A {}\n// B.\nmessage B {}",
			"b: another field's number lies between the cases of body: move it",
		},
		{
			"a message in itself", head + "message M {\n A a = 1;\n}\n// A.\nmessage A {\n repeated M ms = 1;\n}",
			"x/x.proto:4: x.M: it can contain itself, or nests deeper than 16: make it flatter",
		},
		{"an enum inside", head + "message M {\n enum E {\n E_A = 0;\n}\n}", "M: it declares an enum inside: move that out of the message"},
		{"a message inside", head + "message M {\n message A {}\n}", "M: it declares a message inside: move that out of the message"},
		{"no comment", "syntax = \"proto3\";\npackage x;\nmessage M {}", "x/x.proto:3: x.M: say in a comment above it what it means"},
		{"no comment on an enum", "syntax = \"proto3\";\npackage x;\nenum E {\n E_A = 0;\n}", "E: say in a comment above it what it means"},
		{"the name of a method", head + "message M {\n bytes format = 1;\n}", "format: its Go name Format is taken in M: rename it"},
		{"two fields, one name", head + "message M {\n bytes a_b = 1;\n oneof aB {\n A a = 2;\n}\n}\n// A.\nmessage A {}", "M.a: its Go name AB is taken in M: rename it"},
		{
			"two types, one name", head + "message M {\n oneof body {\n A a = 1;\n}\n}\n// A.\nmessage A {}\n// MBody.\nmessage MBody {}",
			"MBody: its Go name MBody is that of x.M.body too: rename one of them",
		},
		{
			"an alias", "syntax = \"proto3\";\npackage x;\n// E.\nenum E {\n option allow_alias = true;\n E_A = 0;\n E_B = 0;\n}",
			"E_B: its number is taken: aliases are not supported",
		},
		{"a value without prefix", "syntax = \"proto3\";\npackage x;\n// E.\nenum E {\n E_A = 0;\n B = 1;\n}", "B: begin it with E_ like the others"},
		{"a service", head + "message M {}\nservice S {}", "services and extensions are not supported: write messages"},
		{
			"an import from elsewhere", "syntax = \"proto3\";\npackage x;\nimport \"google/protobuf/any.proto\";",
			"it imports google/protobuf/any.proto: import files of its own folder only",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			root, dir := schemaOf(t, map[string]string{"x.proto": c.proto})
			out := t.TempDir()
			err := run(root, dir, out, ".gen.go")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
			if left, _ := os.ReadDir(out); len(left) > 0 {
				t.Errorf("it wrote %v all the same", left)
			}
		})
	}
}

func TestOneRunTellsAll(t *testing.T) {
	root, dir := schemaOf(t, map[string]string{
		"a.proto": head + "message M {\n float f = 1;\n double g = 2;\n}",
		"b.proto": "syntax = \"proto3\";\npackage y;\nmessage N {}",
	})
	err := run(root, dir, t.TempDir(), ".gen.go")
	for _, want := range []string{"f: ", "g: ", "b.proto:1: y: its package is not x: one folder is one package", "N: say"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}

func TestFolderWithoutSchema(t *testing.T) {
	err := run(t.TempDir(), "nowhere", t.TempDir(), ".gen.go")
	if err == nil || !strings.Contains(err.Error(), "name the folder with -root and -dir") {
		t.Errorf("got %v", err)
	}
}

// What stands in the tree is what the schema says, and a second run says the same.
func TestGeneratedFilesAreUpToDate(t *testing.T) {
	for range 2 {
		out := t.TempDir()
		t.Chdir("..")
		if err := run("../../proto", "byre/v1", out, ".gen.go"); err != nil {
			t.Fatal(err)
		}
		if err := run("gen/testdata", "sample", out, ".gen_test.go"); err != nil {
			t.Fatal(err)
		}
		files, err := os.ReadDir(out)
		if err != nil || len(files) < 5 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, f := range files {
			want, err := os.ReadFile(filepath.Join(out, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is not what the schema says (error %v): run make gen", f.Name(), err)
			}
		}
		t.Chdir("gen")
	}
}

// Comments travel, a oneof is sealed and declared as a sum type.
func TestGeneratedShape(t *testing.T) {
	root, dir := schemaOf(t, map[string]string{"x.proto": head + `message M {
  // f is a field.
  uint32 f = 1; // and more of it.
  oneof body {
    A a = 2;
  }
}
// A has nothing.
message A {}
`})
	out := t.TempDir()
	if err := run(root, dir, out, ".gen.go"); err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(out, "x.gen.go"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), "x.gen.go", source, parser.ParseComments)
	if err != nil || !ast.IsGenerated(parsed) {
		t.Errorf("linters do not see that it is generated (error %v)", err)
	}
	for _, want := range []string{
		"// M is a message.\ntype M struct {\n\t// f is a field.\n\t// and more of it.\n\tF    uint32\n\tBody MBody\n}",
		"//\n//sumtype:decl\ntype MBody interface {\n\tMessage\n\tisMBody()\n}\n\nfunc (*A) isMBody() {}\n",
	} {
		if !strings.Contains(string(source), want) {
			t.Errorf("it does not say\n%s", want)
		}
	}
}
