package testnet_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// village is some people, one of them with two devices, to whom everything
// happens that may happen in sixty hours.
type village struct {
	t       *testing.T
	rnd     *rand.Rand
	net     *testnet.Net
	devices []*testnet.Person
	owner   map[*testnet.Person]string
	said    map[string]string // text -> "from to", of what Send has promised
	n       int
	diary   []string
}

func (v *village) note(format string, args ...any) {
	v.diary = append(v.diary, fmt.Sprintf(format, args...))
}

func (v *village) any() *testnet.Person { return v.devices[v.rnd.IntN(len(v.devices))] }

// up switches a device on that lost its power.
func (v *village) up(p *testnet.Person) {
	v.t.Helper()
	for p.Client == nil {
		if err := p.Open(); err != nil {
			v.note("%s comes up: %v", p.Name, err)
			if err := p.Crash(); err != nil {
				v.t.Fatalf("%s does not come up: %v", p.Name, err)
			}
		}
	}
}

func (v *village) restart(p *testnet.Person) {
	v.t.Helper()
	if err := p.Crash(); err != nil {
		v.t.Fatalf("%s does not come up: %v\n%s", p.Name, err, strings.Join(v.diary, "\n"))
	}
}

func (v *village) say(p *testnet.Person) {
	to := v.any()
	if v.owner[to] == v.owner[p] {
		return
	}
	v.n++
	text := fmt.Sprintf("%03d from %s to %s", v.n, p.Name, v.owner[to])
	_, err := p.Send(v.t.Context(), v.owner[to], text, client.SendOptions{})
	v.note("%s: %v", text, err)
	if err == nil {
		v.said[text] = v.owner[p] + " " + v.owner[to]
		return
	}
	v.restart(p)
}

// step lets one thing happen.
func (v *village) step() {
	v.t.Helper()
	p := v.any()
	v.up(p)
	switch v.rnd.IntN(14) {
	case 0, 1, 2, 3:
		v.say(p)
	case 4, 5, 6:
		ctx, cancel := context.WithTimeout(v.t.Context(), time.Minute)
		err := p.Sync(ctx)
		cancel()
		v.note("%s syncs: %v", p.Name, err)
	case 7:
		v.note("%s connects", p.Name)
		_ = p.Disconnect()
		p.Connect()
	case 8:
		v.note("%s disconnects: %v", p.Name, p.Disconnect())
	case 9:
		v.note("%s is cut", p.Name)
		p.Switch.Cut()
	case 10:
		v.note("%s loses power", p.Name)
		v.restart(p)
	case 11:
		k, f := 1+v.rnd.IntN(8), []storetest.Fault{storetest.FailBefore, storetest.FailAfter, storetest.CrashBefore, storetest.CrashAfter}[v.rnd.IntN(4)]
		v.note("%s's commit %d will fail (%d)", p.Name, k, f)
		p.Store.Plan(k, f)
	case 12:
		v.note("the server loses power")
		v.net.CrashServer()
	case 13:
		d := time.Duration(v.rnd.IntN(600)) * time.Minute
		v.note("%v pass", d)
		time.Sleep(d)
	}
	time.Sleep(time.Duration(v.rnd.IntN(2000)) * time.Millisecond)
	for _, p := range v.devices { // who lost power while connected comes up again
		if p.Client != nil && p.Stopped() {
			v.note("%s had stopped", p.Name)
			v.restart(p)
		}
	}
}

// rest lets everybody finish, and returns when nobody has anything to do.
func (v *village) rest() {
	v.t.Helper()
	for _, p := range v.devices {
		v.up(p)
		v.restart(p) // no fault is planned any more
	}
	for range 8 {
		for _, p := range v.devices {
			for range 4 {
				v.up(p)
				ctx, cancel := context.WithTimeout(v.t.Context(), 2*time.Minute)
				err := p.Sync(ctx)
				cancel()
				if err == nil {
					break
				}
				v.note("%s syncs at the end: %v", p.Name, err)
				v.restart(p)
			}
			if err := p.Retry(v.t.Context()); err != nil {
				v.restart(p)
			}
		}
		time.Sleep(2 * time.Minute)
	}
}

func (v *village) check() {
	v.t.Helper()
	for _, p := range v.devices {
		read := map[string]int{}
		last := map[ident.DeviceID]string{}
		rooms, err := p.Rooms(v.t.Context())
		if err != nil {
			v.t.Fatal(err)
		}
		for _, r := range rooms {
			list, err := p.History(v.t.Context(), r.ID.String(), time.Time{})
			if err != nil {
				v.t.Fatal(err)
			}
			clear(last)
			for _, m := range list {
				if m.Own {
					continue
				}
				read[m.Text]++
				if m.Text < last[m.Device] {
					v.t.Errorf("%s read %q after %q", p.Name, m.Text, last[m.Device])
				}
				last[m.Device] = m.Text
			}
		}
		for text, between := range v.said {
			sentHere := strings.Contains(text, "from "+p.Name+" ")
			want := 0
			if slices.Contains(strings.Fields(between), v.owner[p]) && !sentHere {
				want = 1
			}
			if read[text] != want {
				v.t.Errorf("%s read %q %d times, want %d", p.Name, text, read[text], want)
			}
		}
		for text, n := range read {
			if n != 1 {
				v.t.Errorf("%s read %q %d times", p.Name, text, n)
			}
		}
		if left, err := p.Outbox(v.t.Context()); err != nil || len(left) != 0 {
			v.t.Errorf("%s still waits for %+v, %v", p.Name, left, err)
		}
		for _, line := range heard(p.Took()) {
			if strings.HasPrefix(line, "expired") || strings.HasPrefix(line, "key changed") {
				v.t.Errorf("%s was told: %s", p.Name, line)
			}
		}
	}
	if s := v.net.Status(); s.Waiting != 0 {
		v.t.Errorf("the server still holds %+v", s)
	}
}

// Whatever happens to devices, lines and the server: what Send has promised is
// read exactly once on every device it is for, in order.
func TestSixtyHoursInTheVillage(t *testing.T) {
	seeds := 3
	if os.Getenv("BYRE_LONG") != "" {
		seeds = 200
	} else {
		t.Logf("%d seeds: set BYRE_LONG=1 for 200", seeds)
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { villageStory(t, uint64(seed)) })
	}
}

func villageStory(t *testing.T, seed uint64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New(t, testnet.Options{Suite: ciphersuite.X25519_AES128GCM_SHA256_Ed25519})
		defer n.Close()
		v := &village{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), net: n, owner: map[*testnet.Person]string{}, said: map[string]string{}}
		for _, name := range []string{"alice", "bob", "carol"} {
			p := n.Join(name)
			v.devices, v.owner[p] = append(v.devices, p), name
		}
		pc := v.devices[1].Adds("pc-of-bob")
		pc.Syncs()
		v.devices, v.owner[pc] = append(v.devices, pc), "bob"
		began := time.Now()
		for range 120 {
			if time.Since(began) > 60*time.Hour {
				break
			}
			v.step()
		}
		v.rest()
		v.check()
		for _, p := range slices.Clone(v.devices) {
			if err := p.Close(); err != nil && !errors.Is(err, client.ErrClosed) {
				t.Errorf("%s closes: %v", p.Name, err)
			}
		}
		if t.Failed() {
			t.Logf("seed %d:\n%s", seed, strings.Join(v.diary, "\n"))
		}
	})
}
