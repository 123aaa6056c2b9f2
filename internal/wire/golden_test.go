package wire

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

var update = flag.Bool("update", false, "write testdata/wire/head.txt anew")

const goldenDir = "../../testdata/wire"

// frame is one line of a golden file: a message kind with every field set.
type frame struct {
	name  string // the message, and the case that its oneof holds
	kind  kind
	bytes []byte
}

// frames makes one frame of each message kind, and of one with a oneof one for
// each case, from nothing but the schema.
func frames(t *testing.T) (out []frame) {
	t.Helper()
	for _, k := range kindsOf(t, byreKinds) {
		oneofs, n := k.desc.Oneofs(), 1
		for i := range oneofs.Len() {
			n = max(n, oneofs.Get(i).Fields().Len())
		}
		for pick := range n {
			name := k.name
			for i := range oneofs.Len() {
				cases := oneofs.Get(i).Fields()
				name += "/" + string(cases.Get(pick%cases.Len()).Name())
			}
			m := dynamicpb.NewMessage(k.desc)
			fill(m, fixed{top: k.desc, pick: pick})
			b, err := proto.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			got, err := judge(k, b)
			if err != nil || got == nil {
				t.Fatalf("%s: %v", name, err)
			}
			out = append(out, frame{name, k, got.Append(nil)})
		}
	}
	return out
}

// The bytes of a message that stands in a release never change unnoticed.
func TestGoldenFrames(t *testing.T) {
	var b strings.Builder
	b.WriteString("# One frame of each message kind, every field set. A change here changes the\n" +
		"# protocol: write it anew with  go test ./internal/wire -run Golden -update\n")
	for _, f := range frames(t) {
		b.WriteString(strings.TrimSpace(f.name+" "+hex.EncodeToString(f.bytes)) + "\n")
	}
	file := filepath.Join(goldenDir, "head.txt")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, got := lines(string(golden)), lines(b.String())
	for name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is in %s but no longer in the schema: if that is meant, run go test ./internal/wire -run Golden -update", name, file)
		}
	}
	for name, bytes := range got {
		if bytes != want[name] {
			t.Errorf("the bytes of %s changed; if the protocol is meant to change, run go test ./internal/wire -run Golden -update\n got %s\nwant %s", name, bytes, want[name])
		}
	}
}

// What a release wrote is read by every later one, and written the same. A
// release adds its copy of head.txt under its own name.
func TestGoldenFramesOfReleases(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range lines(string(content)) {
			kindName, _, _ := strings.Cut(name, "/")
			b, err := hex.DecodeString(text)
			if err != nil || messagesByreV1[kindName] == nil {
				t.Errorf("%s: %s is unknown: %v", file, name, err)
				continue
			}
			m := messagesByreV1[kindName]()
			if err := m.Parse(b); err != nil || hex.EncodeToString(m.Append(nil)) != text {
				t.Errorf("%s: %s is not what it was (error %v)", file, name, err)
			}
		}
	}
}

// lines reads a golden file: hex by name.
func lines(file string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(file) {
		if words := strings.Fields(line); len(words) > 0 && words[0] != "#" {
			out[words[0]] = strings.Join(words[1:], "") // nothing, if the message has no fields
		}
	}
	return out
}
