//go:build unix

package relay_test

import (
	"slices"
	"syscall"
	"testing"
	"time"
)

// BenchmarkSealing measures what durable sealed storing costs beside the same
// unsealed: 64 senders with 8 requests open each store envelopes of 1 KiB on
// Pebble, each commit synced. Sealed and unsealed rounds take turns on one store,
// in the order s u u s, so that what else the machine and the store do falls on
// both alike. One op is a turn of each; the figures are medians over all rounds,
// and the promise is the first: what is stored in a second, sealed by unsealed.
// Processor time counts the senders and the whole relay.
func BenchmarkSealing(b *testing.B) {
	const senders, window, each = 64, 8, 24
	w := onPebble(b, b.TempDir(), loose)
	defer w.stop()
	c := newCrowd(w, senders, (2*b.N+2)*each, false)
	round := func(sealed bool) (wall, cpu float64) {
		w.relay.Sealing(sealed)
		began, spent := time.Now(), processor(b)
		c.send(b, window, each)
		return time.Since(began).Seconds(), processor(b) - spent
	}
	round(true)
	round(false)
	var wall, cpu [2][]float64 // of sealed and unsealed rounds
	b.ResetTimer()
	for i := range b.N {
		for turn := range 2 {
			sealed := (i+turn)%2 == 0
			a, p := round(sealed)
			at := 1
			if sealed {
				at = 0
			}
			wall[at], cpu[at] = append(wall[at], a), append(cpu[at], p)
		}
	}
	b.StopTimer()
	const n = senders * each
	b.ReportMetric(median(wall[1])/median(wall[0]), "sealed/unsealed")
	b.ReportMetric(median(cpu[1])/median(cpu[0]), "cpu-unsealed/sealed")
	b.ReportMetric(n/median(wall[0]), "sealed/s")
	b.ReportMetric(n/median(wall[1]), "unsealed/s")
	b.ReportMetric(median(cpu[0])/n*1e6, "cpu-µs-sealed")
	b.ReportMetric(median(cpu[1])/n*1e6, "cpu-µs-unsealed")
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// processor is the processor time in seconds that this process has used.
func processor(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
