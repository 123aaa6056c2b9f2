package pebblestore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/store"
)

// TestKill ends a process that commits with kill -9, and reads what it was
// answered, on the machine's own file system.
func TestKill(t *testing.T) {
	if dir := os.Getenv("BYRE_TEST_KILL_DIR"); dir != "" {
		t.Fatal(commitUntilKilled(dir))
	}
	dir := t.TempDir()
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "BYRE_TEST_KILL_DIR="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		answered, until := 0, 300+37*round
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			text, ok := strings.CutPrefix(lines.Text(), "answered ")
			if !ok {
				t.Fatalf("the child says %q", lines.Text())
			}
			if answered, err = strconv.Atoi(text); err != nil {
				t.Fatal(err)
			}
			if n == until {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
			t.Fatalf("the child ended with %v", err)
		}
		s := mustOpen(t, dir, Options{})
		err = s.View(t.Context(), func(r store.Reader) error {
			a, _, err1 := r.Get([]byte("a"))
			z, _, err2 := r.Get([]byte("z"))
			n, err3 := strconv.Atoi(string(a))
			if n < answered || string(a) != string(z) {
				t.Errorf("%d was answered, the disk holds %s and %s", answered, a, z)
			}
			return errors.Join(err1, err2, err3)
		})
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// commitUntilKilled counts up from where the store in dir stands, every other
// time lazily, and says which counts are durable.
func commitUntilKilled(dir string) error {
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	n := 0
	err = s.View(context.Background(), func(r store.Reader) error {
		v, ok, err := r.Get([]byte("a"))
		if ok && err == nil {
			n, err = strconv.Atoi(string(v))
		}
		return err
	})
	for err == nil {
		n++
		b := store.Batch{Lazy: n%2 == 0}
		b.Set([]byte("a"), []byte(strconv.Itoa(n)))
		b.Set([]byte("z"), []byte(strconv.Itoa(n)))
		err = s.Commit(context.Background(), &b)
		if err == nil && !b.Lazy {
			_, err = fmt.Fprintf(os.Stdout, "answered %d\n", n)
		}
	}
	return err
}
