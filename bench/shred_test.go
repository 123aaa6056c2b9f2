package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// shredTime is how long TestShredLag has messages stored and confirmed.
const shredTime = 75 * time.Second

// TestShredLag measures in real time, on the disk of the temporary directory, how
// long keys outlive what they sealed: messages are stored, fetched and confirmed
// without pause, and byred's own histogram tells how long the first key that each
// checkpoint destroyed had waited for it. 99 of 100 may take 6 seconds (R2).
func TestShredLag(t *testing.T) {
	if os.Getenv("BYRE_LONG") == "" {
		t.Skipf("skipped: it takes %v; set BYRE_LONG=1", shredTime)
	}
	metrics := freePort(t)
	to, devices := watched(t, storeSenders+killedAway, metrics)
	r := &result{Workload: "shred lag"}
	confirmed := 0
	for end := machine.Now().Add(shredTime); machine.Now().Before(end); {
		b := newBoxes(devices[storeSenders:])
		const n = 2_000
		if err := b.measureEnqueue(t.Context(), to, devices[:storeSenders], n, r); err != nil {
			t.Fatal(err)
		}
		if err := b.measureDrain(t.Context(), to, r); err != nil {
			t.Fatal(err)
		}
		confirmed += n
	}
	if err := machine.Sleep(t.Context(), 7*time.Second); err != nil { // for the last checkpoint
		t.Fatal(err)
	}
	lag := histogram(t, "http://"+metrics+"/metrics", "byred_shred_lag_seconds")
	t.Logf("%d messages; checkpoints that destroyed keys within n seconds: %v; of %v in all, %.2f s on average; others took %.2f of the processors",
		confirmed, lag.within, lag.count, lag.sum/lag.count, r.Elsewhere)
	if lag.count < 8 {
		t.Errorf("%v checkpoints: the test did not see what it measures", lag.count)
	}
	if lag.within[6] < 0.99*lag.count {
		t.Errorf("%v of %v were within 6 seconds", lag.within[6], lag.count)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// watched is a byred with n accounts whose metrics can be read.
func watched(t *testing.T, n int, metrics string) (*target, []*device) {
	t.Helper()
	data, err := os.MkdirTemp("", "byre-bench-data-*") //nolint:usetesting // the control socket's path must stay short
	if err != nil {
		t.Fatal(err)
	}
	to := &target{data: data, args: []string{shared, "serve", "--data", data, "--listen", "127.0.0.1:0", "--web", "off", "--metrics", metrics}}
	devices, err := seed(t.Context(), data, n)
	if err == nil {
		err = to.start(context.WithoutCancel(t.Context()))
	}
	if err != nil {
		t.Fatal(errors.Join(err, os.RemoveAll(data)))
	}
	t.Cleanup(func() {
		if err := to.stop(); err != nil {
			t.Error(err)
		}
	})
	return to, devices
}

// observed is a histogram of times.
type observed struct {
	within     map[float64]float64 // how many took at most so many seconds
	count, sum float64
}

// histogram reads one from a server's metrics.
func histogram(t *testing.T, url, name string) observed {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	o := observed{within: map[float64]float64{}}
	for lines := bufio.NewScanner(io.LimitReader(resp.Body, 1<<20)); lines.Scan(); {
		var at, v float64
		if _, err := fmt.Sscanf(lines.Text(), name+`_bucket{le="%f"} %f`, &at, &v); err == nil {
			o.within[at] = v
		}
		_, _ = fmt.Sscanf(lines.Text(), name+"_count %f", &o.count)
		_, _ = fmt.Sscanf(lines.Text(), name+"_sum %f", &o.sum)
	}
	return o
}
