package testnet_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/testnet/witness"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

const (
	// lasts bounds the time that passes: less than what waits may wait.
	lasts = 60 * time.Hour
	// mostAhead bounds how far a clock is off, either way, so that no two
	// differ by what keys are dated back.
	mostAhead = 8 * time.Hour
	// serverAhead bounds how far the server's clock goes ahead: with lasts it
	// stays below the retention time.
	serverAhead = 5 * time.Hour
)

// deed is something that happens, and how often, compared with the others.
type deed struct {
	weight int
	do     func(v *village, d *dweller)
}

// deeds are what may happen to a device that is on.
var deeds = []deed{
	{10, (*village).say},
	{8, func(v *village, d *dweller) { v.note("%s syncs: %v", d.Name, v.sync(d)) }},
	{3, func(v *village, _ *dweller) { v.rush() }},
	{3, (*village).listen},
	{3, func(v *village, d *dweller) {
		v.note("%s connects", d.Name)
		_ = d.Disconnect()
		d.Connect()
	}},
	{2, func(v *village, d *dweller) { v.note("%s disconnects: %v", d.Name, d.Disconnect()) }},
	{2, func(v *village, d *dweller) {
		v.note("%s is cut", d.Name)
		d.Switch.Cut()
	}},
	{2, func(v *village, d *dweller) {
		n, up, before := 1+v.rnd.IntN(12), v.rnd.IntN(2) == 0, v.rnd.IntN(2) == 0
		v.note("%s's line will break at frame %d (up %v, before %v)", d.Name, n, up, before)
		d.Switch.Break(up, n, before)
	}},
	{2, func(v *village, d *dweller) {
		up, slow := v.rnd.IntN(2) == 0, time.Duration(v.rnd.IntN(3)*v.rnd.IntN(1500))*time.Millisecond
		v.note("%s's line takes %v (up %v)", d.Name, slow, up)
		d.Switch.DelayWay(up, slow)
	}},
	{2, func(v *village, d *dweller) {
		v.note("%s loses power", d.Name)
		v.restart(d)
	}},
	{3, func(v *village, d *dweller) {
		k, f := 1+v.rnd.IntN(10), v.faults()
		v.note("%s's commit %d will fail (%d)", d.Name, k, f)
		d.Store.Plan(k, f)
	}},
	{1, func(v *village, d *dweller) {
		k := 1 + v.rnd.IntN(30)
		v.note("%s's read %d will fail", d.Name, k)
		d.Store.PlanView(k)
	}},
	{3, func(v *village, _ *dweller) {
		k, n, f := v.rnd.IntN(10), 1+v.rnd.IntN(6), v.faults()
		v.note("the server's commits %d to %d will fail (%d)", k+1, k+n, f)
		for i := range n {
			v.net.Store.Plan(k+i+1, f)
		}
	}},
	{1, func(v *village, _ *dweller) {
		k := 1 + v.rnd.IntN(30)
		v.note("the server's read %d will fail", k)
		v.net.Store.PlanView(k)
	}},
	{2, func(v *village, _ *dweller) {
		v.note("the server loses power")
		v.net.CrashServer()
	}},
	{1, func(v *village, _ *dweller) {
		v.note("the server goes down for a while")
		v.net.StopServer()
		v.pass(time.Duration(v.rnd.IntN(30)) * time.Minute)
		v.net.StartServer()
	}},
	{2, func(v *village, d *dweller) {
		to := time.Duration(v.rnd.Int64N(int64(2*mostAhead))) - mostAhead
		v.note("%s's clock jumps to %v ahead", d.Name, to)
		d.Clock.Set(to)
	}},
	{1, func(v *village, _ *dweller) {
		to := time.Duration(v.rnd.Int64N(int64(serverAhead)))
		v.note("the server's clock jumps to %v ahead", to)
		v.net.Clock.Set(to)
	}},
	{3, func(v *village, _ *dweller) {
		d := time.Duration(v.rnd.IntN(600)) * time.Minute
		v.note("%v pass", d)
		v.pass(d)
	}},
}

// pass lets time pass, as long as there is any left.
func (v *village) pass(d time.Duration) { time.Sleep(max(0, min(d, lasts-time.Since(v.began)))) }

// step lets one thing happen.
func (v *village) step() {
	sum := 0
	for _, x := range deeds {
		sum += x.weight
	}
	d, n := v.any(), v.rnd.IntN(sum)
	if !v.up(d) {
		return
	}
	for _, x := range deeds {
		if n -= x.weight; n < 0 {
			x.do(v, d)
			break
		}
	}
	v.pass(time.Duration(v.rnd.IntN(2000)) * time.Millisecond)
	v.look(d)
	v.heal()
}

// schedule plays the random schedule of a seed and returns what the witness
// finds, and the village. The seed repeats what is done, not what goroutines make of it.
func schedule(t *testing.T, seed uint64, o testnet.Options) (wrong []string, v *village) {
	t.Helper()
	v = &village{rnd: rand.New(rand.NewPCG(seed, 2)), names: map[ident.DeviceID]witness.Device{}}
	synctest.Test(t, func(t *testing.T) {
		v.t, v.net = t, testnet.New(t, o)
		defer v.net.Close()
		v.populate()
		for n := 25 + v.rnd.IntN(45); n > 0 && len(v.wrong) == 0; n-- {
			v.step()
		}
		v.rest()
		wrong = v.judge()
	})
	bad, undecided := v.net.Trace.Check()
	return slices.Concat(wrong, bad, undecided), v
}

// seeds are those that the tests play: 500, 10,000 with BYRE_LONG, those of
// BYRE_SEEDS ("from-to") if it is set.
func seeds(t *testing.T) (from, to uint64) {
	t.Helper()
	if s := os.Getenv("BYRE_SEEDS"); s != "" {
		if _, err := fmt.Sscanf(s, "%d-%d", &from, &to); err != nil {
			t.Fatalf("BYRE_SEEDS is like 17-18, the last is not played: %v", err)
		}
		return from, to
	}
	switch {
	case os.Getenv("BYRE_LONG") != "":
		return 0, 10_000
	case testing.Short():
		t.Log("20 schedules: without -short 500, with BYRE_LONG=1 10,000")
		return 0, 20
	}
	t.Log("500 schedules: with BYRE_LONG=1 10,000")
	return 0, 500
}

// Whatever happens to devices, homes, lines, clocks and the server: nothing that
// was confirmed is lost, nothing is read twice or out of its sender's order, no
// epoch has two winners, and no key package is given out twice.
func TestRandomFaultSchedules(t *testing.T) {
	t.Parallel()
	from, to := seeds(t)
	var appends, claims atomic.Int64
	// A witness who sees nothing finds nothing.
	t.Cleanup(func() {
		t.Logf("the witness saw %d entries for epoch logs and %d key packages given out", appends.Load(), claims.Load())
		if n := int64(to - from); n >= 20 && !t.Failed() && (appends.Load() < n/4 || claims.Load() < n) {
			t.Errorf("that is too little of %d schedules", n)
		}
	})
	for seed := from; seed < to; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			wrong, v := schedule(t, seed, testnet.Options{Suite: ciphersuite.X25519_AES128GCM_SHA256_Ed25519})
			won, given := v.net.Trace.Counts()
			appends.Add(int64(won))
			claims.Add(int64(given))
			if len(wrong) > 0 {
				t.Errorf("seed %d: BYRE_SEEDS=%d-%d repeats what was done\n%s\n%s", seed, seed, seed+1, strings.Join(wrong, "\n"), v.told())
			}
		})
	}
}
