package datadir

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/durafile"
	"github.com/byre-messenger/byre/internal/secret"
)

// errCrash stands for the power going away.
var errCrash = errors.New("the power went")

// story is a step that leaves a file for each of its effects, and may crash
// before or after any of them.
func story(from int, effects []string, crashAt int, ran *[]string) Step {
	return Step{From: from, What: fmt.Sprintf("test step %d", from), Run: func(d *Dir) error {
		if d.Root.Len() != rootKeySize {
			return errors.New("the keys are not there")
		}
		for i, e := range effects {
			if crashAt == 2*i {
				return errCrash
			}
			*ran = append(*ran, e)
			if err := durafile.Write(d.Path(e), nil, 0o600); err != nil {
				return err
			}
			if crashAt == 2*i+1 {
				return errCrash
			}
		}
		return nil
	}}
}

func fresh(t *testing.T, format int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data")
	d, err := open(path, format, nil)
	if err == nil {
		err = d.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMigrationsGoForward takes a directory over three formats, with a crash at
// every moment of every step, and each time comes to the same end.
func TestMigrationsGoForward(t *testing.T) {
	one, two := []string{"a", "b"}, []string{"c", "d", "e"}
	for step, effects := range [][]string{one, two} {
		for crashAt := range 2 * len(effects) {
			path := fresh(t, 1)
			var ran []string
			at := [2]int{-1, -1}
			at[step] = crashAt
			steps := func(at [2]int) []Step { return []Step{story(1, one, at[0], &ran), story(2, two, at[1], &ran)} }
			if _, err := open(path, 3, steps(at)); !errors.Is(err, errCrash) {
				t.Fatalf("crash %d of step %d: %v", crashAt, step+1, err)
			}
			if n, err := ReadFormat(path); err != nil || n != step+1 {
				t.Errorf("crash %d of step %d leaves format %d, %v", crashAt, step+1, n, err)
			}
			d, err := open(path, 3, steps([2]int{-1, -1}))
			if err != nil {
				t.Fatalf("after crash %d of step %d: %v", crashAt, step+1, err)
			}
			for _, e := range slices.Concat(one, two) {
				if _, err := os.Stat(d.Path(e)); err != nil {
					t.Errorf("after crash %d of step %d: %v", crashAt, step+1, err)
				}
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			ran = nil
			d, err = open(path, 3, steps([2]int{-1, -1}))
			if err != nil || len(ran) > 0 {
				t.Fatalf("a step ran on a directory that has it: %v, %v", ran, err)
			}
			_ = d.Close()
		}
	}
}

func TestFormatsThatCantBeOpened(t *testing.T) {
	path := fresh(t, 3)
	if _, err := open(path, 2, nil); err == nil || !strings.Contains(err.Error(), "it has format 3 and this byred knows up to 2; install the newer byred again") {
		t.Errorf("a downgrade: %v", err)
	}
	if _, err := open(path, 5, []Step{{From: 4}}); err == nil || !strings.Contains(err.Error(), "use a byred in between first") {
		t.Errorf("a gap in the steps: %v", err)
	}
	// A refusal gives the directory free, and changes nothing.
	d, err := open(path, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
	for _, bad := range []string{"", "one", "0", "-1"} {
		if err := os.WriteFile(filepath.Join(path, formatFile), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := open(path, 3, nil); err == nil || !strings.Contains(err.Error(), "the file format is damaged; restore it from a backup") {
			t.Errorf("format %q: %v", bad, err)
		}
	}
}

// TestStepsAreInOrder holds the list to its promise: from format 1 on, each
// format has one step.
func TestStepsAreInOrder(t *testing.T) {
	for i, s := range steps {
		if s.From != i+1 || s.What == "" || s.Run == nil {
			t.Errorf("step %d: from %d, %q", i, s.From, s.What)
		}
	}
	if len(steps) != Format-1 {
		t.Errorf("%d steps lead to format %d", len(steps), Format)
	}
}

func TestARestoreNeedsAnEmptyDirectory(t *testing.T) {
	files := map[string][]byte{RootKeyName: make([]byte, 32), IdentityFile: make([]byte, 32)}
	if _, err := Restore(fresh(t, 1), files); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("over a server: %v", err)
	}
	path := t.TempDir()
	if _, err := Restore(path, map[string][]byte{RootKeyName: make([]byte, 32)}); !errors.Is(err, errKeys) {
		t.Errorf("without keys: %v", err)
	}
	for _, name := range []string{"../escape", restoring, ""} {
		odd := map[string][]byte{RootKeyName: files[RootKeyName], IdentityFile: files[IdentityFile], name: nil}
		if _, err := Restore(path, odd); err == nil || !strings.Contains(err.Error(), "odd name") {
			t.Errorf("a file %q: %v", name, err)
		}
	}
	// A restore that was cut off is never served, and can be given up.
	d, err := Restore(path, files)
	if err != nil {
		t.Fatal(err)
	}
	_ = d.Close() // as a crash does
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "a restore into it did not end; empty the directory and restore the backup again") {
		t.Errorf("half a restore: %v", err)
	}
	if _, err := Restore(path, files); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("a restore over half a restore: %v", err)
	}
	path = t.TempDir()
	if d, err = Restore(path, files); err != nil {
		t.Fatal(err)
	}
	if err := d.Abandon(); err != nil {
		t.Fatal(err)
	}
	if d, err = Restore(path, files); err != nil {
		t.Fatalf("after one that was given up: %v", err)
	}
	if err := d.Restored(); err != nil {
		t.Fatal(err)
	}
	if d, err = Open(path); err != nil || d.Root.Len() != 32 {
		t.Fatalf("the restored directory: %v", err)
	}
	_ = d.Close()
}

// TestACrashInARestore: whatever of B1, B2 or B5 is durable when the power goes,
// nobody opens the directory or restores over it, and emptied it takes the backup.
func TestACrashInARestore(t *testing.T) {
	files := map[string][]byte{RootKeyName: bytes.Repeat([]byte{1}, 32), IdentityFile: bytes.Repeat([]byte{2}, 32)}
	whole := t.TempDir()
	d, err := Restore(whole, files)
	if err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
	steps := []string{restoring, RootKeyFile, IdentityFile, formatFile}
	for _, there := range [][]string{nil, steps[:1], steps[:2], steps[:3], steps, {restoring, IdentityFile}, {restoring, formatFile}} {
		path := t.TempDir()
		if err := os.Mkdir(filepath.Join(path, vaultDir), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range there {
			b, err := os.ReadFile(filepath.Join(whole, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(path, name), b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(there) > 0 {
			if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "a restore into it did not end; empty the directory") {
				t.Errorf("with %v it opens: %v", there, err)
			}
			if _, err := Restore(path, files); !errors.Is(err, ErrNotEmpty) {
				t.Errorf("with %v a backup is restored over it: %v", there, err)
			}
		}
		if err := os.RemoveAll(path); err != nil { // as the sentence says
			t.Fatal(err)
		}
		d, err := Restore(path, files)
		if err == nil {
			err = d.Restored()
		}
		if err != nil {
			t.Fatalf("emptied after %v: %v", there, err)
		}
		if d, err = Open(path); err != nil || !d.Root.Equal(secret.New(bytes.Repeat([]byte{1}, 32))) {
			t.Fatalf("emptied after %v: %v", there, err)
		}
		_ = d.Close()
	}
}
