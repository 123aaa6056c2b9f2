//go:build testhooks && linux

package script

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/vault/detective"
)

// shredLag is how long a forgotten key may live on the disk, and a little more.
const shredLag = 7 * time.Second

// ownDisk mounts an ext4 file system of its own at a directory of the town, on an
// image whose every block the test can read: also what no file holds any more.
// unmount gives the image; nil says that there is none, and why in the log.
func (n *town) ownDisk(name string) (unmount func() (image []byte)) {
	n.Helper()
	at, image := filepath.Join(n.dir, name), filepath.Join(n.dir, "image")
	if err := os.MkdirAll(at, 0o700); err != nil {
		n.Fatal(err)
	}
	without := func(why string, err error) func() []byte {
		n.Logf("the raw disk is not searched, only the files: %s (%v)", why, err)
		return nil
	}
	if os.Geteuid() != 0 {
		return without("only root can mount an image", nil)
	}
	run := func(args ...string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", args[0], err, out)
		}
		return nil
	}
	f, err := os.Create(image)
	if err == nil {
		err = f.Truncate(256 << 20)
		_ = f.Close()
	}
	if err != nil {
		n.Fatal(err)
	}
	if err := run("mkfs.ext4", "-q", "-F", image); err != nil {
		return without("no file system can be made", err)
	}
	if err := run("mount", "-o", "loop", image, at); err != nil {
		return without("an image can't be mounted here", err)
	}
	mounted := true
	leave := func() {
		if mounted {
			n.killAll() // nothing is unmounted that is in use
			if err := run("umount", at); err != nil {
				n.Errorf("unmount: %v", err)
			}
			mounted = false
		}
	}
	n.Cleanup(leave)
	if err := os.RemoveAll(filepath.Join(at, "lost+found")); err != nil {
		n.Fatal(err)
	}
	return func() []byte {
		leave()
		b, err := os.ReadFile(image)
		if err != nil {
			n.Fatal(err)
		}
		return b
	}
}

// vaultNow is what a thief of this moment has: the slots, and every key that
// follows from them and the checkpoints.
func (n *town) vaultNow() (slots [][]byte, keys *detective.Keys) {
	n.Helper()
	e := detective.Evidence{Far: 64, Steps: 1}
	for i := range 2 {
		slot, err := os.ReadFile(filepath.Join(n.dir, "data", "vault", fmt.Sprint("slot", i)))
		if err != nil {
			n.Fatal(err)
		}
		if bytes.HasPrefix(slot, []byte("byreslot")) { // docs/spec/seal.md, Vault
			e.Slots = append(e.Slots, detective.Slot{Generation: binary.BigEndian.Uint64(slot[16:]), Key: slot[24:56]})
			slots = append(slots, slot[24:56])
		}
		if sealed, err := os.ReadFile(filepath.Join(n.dir, "data", "checkpoints", fmt.Sprint("checkpoint", i))); err == nil {
			e.Checkpoints = append(e.Checkpoints, sealed)
		}
	}
	return slots, detective.Investigate(e)
}

// leave writes a file into the data directory, durably.
func (n *town) leave(name string, b []byte) {
	n.Helper()
	f, err := os.Create(filepath.Join(n.dir, "data", name))
	if err != nil {
		n.Fatal(err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		n.Fatal(err)
	}
}

// dead returns what followed from before and does not follow from after.
func dead(before, after map[string]bool) (gone [][]byte) {
	for k := range before {
		if !after[k] {
			gone = append(gone, []byte(k))
		}
	}
	return gone
}

func alive(of map[string]bool) (keys [][]byte) {
	for k := range of {
		keys = append(keys, []byte(k))
	}
	return keys
}

// TestTheDeadAreGone: bob confirms what waited for him. Then no key of it is in
// byred's memory or on its disk, free blocks included, nor is anything of what
// was written, or a name. What must be found is found.
func TestTheDeadAreGone(t *testing.T) {
	for where, found := range investigate(t, careful) {
		for _, f := range found {
			t.Errorf("%s: %s", where, f)
		}
	}
}

// TestTheSearchesSee: a server whose freed memory is never erased, that logs
// what it is given, and that replaces files instead of writing over them, does
// not pass the test above: each of its searches finds something.
func TestTheSearchesSee(t *testing.T) {
	found := investigate(t, careless)
	for _, where := range []string{inMemory, inFiles, inFreeSlots, inFreeText} {
		of, looked := found[where]
		switch {
		case !looked:
			t.Logf("%s: not searched here", where)
		case len(of) == 0:
			t.Errorf("%s: nobody noticed", where)
		default:
			t.Logf("%s: %d found", where, len(of))
		}
	}
}

// manner is how byred treats what is dead.
type manner bool

const (
	careful  manner = false
	careless manner = true // with bugs that the searches must see
)

// Where the dead are looked for.
const (
	inMemory    = "byred's memory"
	inFiles     = "the files"
	inFreeSlots = "keys on the raw disk"
	inFreeText  = "text on the raw disk"
)

// investigate lets people write and confirm, and returns what was found of the
// dead, by where it was looked for.
func investigate(t *testing.T, how manner) (found map[string][]string) {
	t.Helper()
	t.Parallel() // it mostly waits for checkpoints
	found = map[string][]string{}
	n := newTown(t)
	if how == careless {
		n.env = []string{"GOGC=off"} // nothing is freed, so nothing is erased
	} else {
		n.env = []string{"GOGC=5"} // what is to be erased is erased when it is freed
	}
	unmount := n.ownDisk("data")
	n.serve()
	n.register("alice-canary", "bob-canary", "carol-canary")
	must := func(who string, args ...string) {
		t.Helper()
		if ok, out, errs := n.says(who, args...); !ok {
			t.Fatalf("%s %v: %s%s", who, args, out, errs)
		}
	}
	markers := [][]byte{[]byte("alice-canary"), []byte("bob-canary"), []byte("carol-canary")}
	must("alice-canary", "send", "bob-canary", "first")
	must("bob-canary", "sync")
	for i := range 12 {
		words := fmt.Sprintf("the canary sings verse %d", i)
		must("alice-canary", "send", "bob-canary", words)
		markers = append(markers, []byte(words))
	}
	// Something is forgotten, so that a checkpoint has the chain of bob's mailbox.
	must("alice-canary", "send", "carol-canary", "hello")
	must("carol-canary", "sync")
	time.Sleep(shredLag)
	slotsBefore, before := n.vaultNow()
	if len(before.Chains) < 64 || len(before.Secrets) == 0 {
		t.Fatalf("%d chain keys and %d hours: bob's chain is not in the checkpoint", len(before.Chains), len(before.Secrets))
	}
	if how == careless {
		n.leave("slot", bytes.Join(slotsBefore, nil))
		if err := os.Remove(filepath.Join(n.dir, "data", "slot")); err != nil {
			t.Fatal(err)
		}
		n.leave("log", []byte("alice-canary wrote to bob-canary: the canary sings verse 3"))
	}
	for _, who := range []string{"bob-canary", "carol-canary", "alice-canary"} {
		must(who, "sync")
	}
	time.Sleep(shredLag)
	slotsAfter, after := n.vaultNow()

	gone := slices.Concat(dead(before.Keys, after.Keys), dead(before.Chains, after.Chains), dead(before.Sources, after.Sources))
	for _, k := range dead(before.Keys, after.Keys) {
		for _, s := range alive(before.Secrets) {
			gone = append(gone, detective.Record(k, s))
		}
	}
	if len(gone) < 30 {
		t.Fatalf("only %d keys died", len(gone))
	}
	oldSlots := slices.DeleteFunc(slotsBefore, func(k []byte) bool {
		return slices.ContainsFunc(slotsAfter, func(l []byte) bool { return bytes.Equal(k, l) })
	})
	if len(oldSlots) == 0 {
		t.Fatal("the slots did not change")
	}
	if secret.Erasing {
		// byred works a little, so that what it freed is collected.
		for range 8 {
			must("alice-canary", "send", "carol-canary", "more")
			must("carol-canary", "sync")
		}
		memory := readMemory(t, n.byred.Process.Pid)
		if len(search(memory, alive(after.Secrets))) == 0 {
			t.Error("the control: the secret of the hour is not found in byred's memory, so the search does not work")
		}
		found[inMemory] = search(memory, slices.Concat(gone, oldSlots))
	} else {
		t.Log("byred's memory is not searched: this build does not erase; build with GOEXPERIMENT=runtimesecret on linux on amd64 or arm64")
	}
	files := readFiles(t, filepath.Join(n.dir, "data"))
	if len(search(files, slotsAfter)) == 0 && !secret.Erasing {
		t.Error("the control: the key of the last checkpoint is not found in the files")
	}
	found[inFiles] = search(files, slices.Concat(gone, oldSlots, markers))
	kill(n.byred, 15)
	last, _ := n.vaultNow()
	if unmount == nil {
		return found
	}
	if how == careless {
		if err := os.Remove(filepath.Join(n.dir, "data", "log")); err != nil {
			t.Fatal(err)
		}
	}
	disk := unmount()
	if len(search(disk, last)) == 0 {
		t.Error("the control: the key of the last checkpoint is not found on the disk")
	}
	found[inFreeSlots] = search(disk, slices.Concat(gone, oldSlots, slotsAfter))
	found[inFreeText] = search(disk, markers)
	return found
}
