//go:build testhooks && linux

package script

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/transport"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/group"
)

// dialer gives the transport the client's types.
type dialer struct{ transport.Dialer }

func (d dialer) Dial(ctx context.Context) (line.Conn, error) { return d.Dialer.Dial(ctx) }

// person is a device in this process, so that the test can look into its home.
type person struct {
	*client.Client
	store store.Store
}

func word() (secret.Bytes, error) { return secret.New([]byte("x")), nil }

func join(t *testing.T, c *chaos, name string) *person {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(c.dir, "data", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	p := &person{store: memstore.New()}
	p.Client, err = client.Register(t.Context(), client.Config{
		Store: p.store, Clock: clock.System{}, Passphrase: word, Cost: home.WeakCostForTests(),
		Server: client.Server{URL: c.url, CA: ca},
		Connect: func(s client.Server) (line.Transport, error) {
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(s.CA)
			return dialer{transport.Dialer{URL: s.URL, Roots: roots, Clock: clock.System{}}}, nil
		},
	}, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func (p *person) says(t *testing.T, to, text string) told.Message {
	t.Helper()
	m, err := p.Send(t.Context(), to, text, outbox.Options{})
	if err == nil {
		err = p.Sync(t.Context())
	}
	if err == nil {
		m, err = p.Message(t.Context(), m.ID)
	}
	if err != nil || !told.Confirmed(m) {
		t.Fatalf("%s: %+v, %v", text, m, err)
	}
	return m
}

// roomKeys are what a conversation's messages are and will be sealed under.
type roomKeys struct {
	epoch    uint64
	envelope [][]byte // the keys of the epoch's envelopes, and the group's id
	message  [][]byte // those of messages not read yet
}

// contentKeys returns the keys of the one conversation in a home.
func (p *person) contentKeys(t *testing.T) (keys roomKeys) {
	t.Helper()
	h, err := home.Open(t.Context(), p.store, home.Options{Passphrase: word})
	if err != nil {
		t.Fatal(err)
	}
	var me wire.DeviceRecord
	if ok, err := h.Get(t.Context(), h.Key(home.Device), &me); err != nil || !ok {
		t.Fatalf("the device's record: %v, %v", ok, err)
	}
	suite, err := ciphersuite.Lookup(ciphersuite.Default)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := suite.ParseSigningKey(secret.New(me.MlsSeed))
	if err != nil {
		t.Fatal(err)
	}
	states := map[home.Kind]map[uint64][]byte{home.EpochState: {}, home.Ratchet: {}}
	for kind, at := range states {
		for it, err := range h.All(t.Context(), kind) {
			if err != nil {
				t.Fatal(err)
			}
			at[it.N] = it.Record
		}
	}
	now := slices.Max(slices.Collect(maps.Keys(states[home.EpochState]))) // earlier ones were left
	g, err := group.Restore(secret.New(states[home.EpochState][now]), secret.New(states[home.Ratchet][now]), group.RestoreOptions{
		Signer: signer, Validator: func(group.Claim) error { return nil },
	})
	if err != nil {
		t.Fatalf("epoch %d: %v", now, err)
	}
	keys.epoch = now
	for _, context := range []string{"key", "check"} {
		k, err := g.Export("byre envelope", []byte(context), 32)
		if err != nil {
			t.Fatal(err)
		}
		keys.envelope = append(keys.envelope, bytes.Clone(k.Reveal()))
	}
	keys.envelope = append(keys.envelope, bytes.Clone(g.ID()))
	for m := range g.Members() {
		if m.Leaf == g.Self() {
			continue
		}
		more, err := g.ContentKeys(m.Leaf, 64)
		if err != nil {
			t.Fatal(err)
		}
		keys.message = append(keys.message, more...)
	}
	return keys
}

// TestTheServerNeverHoldsContent: no content, name of a room or content key is
// in byred's memory or files, and no name or id in its files.
func TestTheServerNeverHoldsContent(t *testing.T) {
	dir, err := os.MkdirTemp("", "byre") //nolint:usetesting // the control socket's path must stay short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := &chaos{T: t, dir: dir}
	t.Cleanup(c.killAll)
	c.serve()
	alice, bob := join(t, c, "alice-kanarienvogel"), join(t, c, "bob-kanarienvogel")
	alice.says(t, "bob-kanarienvogel", "first")
	if err := bob.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	bob.says(t, "alice-kanarienvogel", "second")

	// The keys of what follows, before it is said.
	before, content := bob.contentKeys(t), [][]byte(nil)
	for _, k := range []roomKeys{before, alice.contentKeys(t)} {
		content = append(append(content, k.envelope...), k.message...)
	}
	if len(content) < 100 {
		t.Fatalf("only %d content keys: the test looks for too little", len(content))
	}
	content = append(content, []byte("the canary sings at dawn"), []byte("카나리아가 노래한다"))
	m := alice.says(t, "bob-kanarienvogel", "the canary sings at dawn")
	content = append(content, m.ID[:], m.Room[:])
	if m.Devices[0].Outcome != told.Stored {
		t.Fatalf("the first canary was %s, want stored", m.Devices[0].Outcome)
	}
	atStored := readFiles(t, filepath.Join(dir, "data")) // while it waits there
	absentIn(t, "the files while a message waits", atStored, content)
	online, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- bob.Run(online) }()
	for range 100 { // until bob is connected
		if m = alice.says(t, "bob-kanarienvogel", "카나리아가 노래한다"); m.Devices[0].Outcome == told.Live {
			break
		}
	}
	if m.Devices[0].Outcome != told.Live {
		t.Fatalf("no canary went live: %s", m.Devices[0].Outcome)
	}
	persons := [][]byte{[]byte("kanarienvogel")}
	for _, p := range []*person{alice, bob} {
		me := p.Me()
		persons = append(persons, me.Account[:], me.Device[:])
	}
	root, err := os.ReadFile(filepath.Join(dir, "data", "vault", "root.key"))
	if err != nil {
		t.Fatal(err)
	}

	memory := readMemory(t, c.byred.Process.Pid)
	if len(search(memory, [][]byte{root})) == 0 {
		t.Error("the control: the server's own root key is not found in its memory, so the search does not work")
	}
	absentIn(t, "byred's memory", memory, content)

	files := readFiles(t, filepath.Join(dir, "data"))
	if len(search(files, [][]byte{root})) == 0 {
		t.Error("the control: root.key is not found in the files")
	}
	absentIn(t, "the running server's files", files, append(content, persons...))
	leave()
	if err := <-ended; err != nil {
		t.Errorf("bob: %v", err)
	}
	// The control of the keys: some of those looked for are now used up, so they
	// did seal what was said.
	after, used := bob.contentKeys(t), 0
	for _, k := range before.message {
		if !slices.ContainsFunc(after.message, func(left []byte) bool { return bytes.Equal(k, left) }) {
			used++
		}
	}
	if after.epoch != before.epoch || used < 2 || used >= len(before.message) {
		t.Errorf("%d of %d message keys were used, in epoch %d after %d: the test looked for others", used, len(before.message), after.epoch, before.epoch)
	}
	kill(c.byred, 15)
	absentIn(t, "the stopped server's files", readFiles(t, filepath.Join(dir, "data")), append(content, persons...))
}

// absentIn fails the test for each secret that is found.
func absentIn(t *testing.T, where string, hay []byte, secrets [][]byte) {
	t.Helper()
	for _, f := range search(hay, secrets) {
		t.Errorf("%s: %s", where, f)
	}
}

// search looks for secrets as they are and in the usual encodings, in one pass,
// and tells which it found.
func search(hay []byte, needles [][]byte) (found []string) {
	type form struct {
		text []byte
		name string
	}
	var starts [1 << 16]bool // by the first two bytes
	forms := map[[2]byte][]form{}
	add := func(name string, text []byte) {
		at := [2]byte(text)
		starts[int(at[0])<<8|int(at[1])] = true
		forms[at] = append(forms[at], form{text, name})
	}
	for i, n := range needles {
		add(fmt.Sprintf("secret %d of %d bytes", i, len(n)), n)
		add(fmt.Sprintf("secret %d in hex", i), []byte(hex.EncodeToString(n)))
		add(fmt.Sprintf("secret %d in base64", i), []byte(base64.RawStdEncoding.EncodeToString(n)))
		if len(n) == ident.AccountSize {
			add(fmt.Sprintf("secret %d as an id's text", i), []byte(ident.AccountID(n).String()))
		}
	}
	for i := range len(hay) - 1 {
		if !starts[int(hay[i])<<8|int(hay[i+1])] {
			continue
		}
		for _, f := range forms[[2]byte(hay[i:])] {
			if bytes.HasPrefix(hay[i:], f.text) {
				found = append(found, f.name)
			}
		}
	}
	return found
}

func readFiles(t *testing.T, dir string) (all []byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		all = append(append(all, path...), b...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// readMemory returns every readable and writable mapping of a process.
func readMemory(t *testing.T, pid int) (all []byte) {
	t.Helper()
	mappings, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mappings.Close() }()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Skipf("skipped: the memory of the server can't be read here: %v", err)
	}
	defer func() { _ = mem.Close() }()
	for lines := bufio.NewScanner(mappings); lines.Scan(); {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasPrefix(mode, "rw") || to-from > 1<<30 {
			continue
		}
		b := make([]byte, to-from)
		if n, _ := mem.ReadAt(b, from); n > 0 {
			all = append(all, b[:n]...)
		}
	}
	return all
}
