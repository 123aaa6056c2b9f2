package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// percentiles are of one direction, in milliseconds.
type percentiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// result is what one run measured; its keys are those of the command contract.
type result struct {
	Workload string `json:"workload"`
	Commit   string `json:"commit"`
	CPUs     int    `json:"cpus"`
	// Elsewhere is the share of all CPU time that other programs took meanwhile,
	// 0 to 1: above a few hundredths the figures are of a busy machine.
	Elsewhere float64 `json:"busy_elsewhere"`

	// W1.
	ConfirmedPerS  float64      `json:"confirmed_per_s,omitempty"`
	ServerCPU      float64      `json:"server_cpu_s_per_10k,omitempty"`
	GeneratorCPU   float64      `json:"generator_cpu_s_per_10k,omitempty"`
	OneWay         *percentiles `json:"one_way_ms,omitempty"`
	At500          *percentiles `json:"at_500_per_s,omitempty"`
	Mosquitto      *result      `json:"mosquitto,omitempty"`
	TimesMosquitto float64      `json:"times_mosquitto,omitempty"`

	// W2.
	EnqueuePerS    float64 `json:"enqueue_per_s,omitempty"`
	DrainPerS      float64 `json:"drain_per_s,omitempty"`
	DiskPerMessage float64 `json:"disk_bytes_per_message,omitempty"`
	EnqueueCPU     float64 `json:"enqueue_server_cpu_s_per_10k,omitempty"`
	DrainCPU       float64 `json:"drain_server_cpu_s_per_10k,omitempty"`

	// W3.
	Connections     int     `json:"connections,omitempty"`
	KBPerConnection float64 `json:"kb_per_connection,omitempty"`
	SignInsPerS     float64 `json:"signins_per_s,omitempty"`
	ResumedPerS     float64 `json:"resumed_signins_per_s,omitempty"`
	SignInCPU       float64 `json:"signin_server_cpu_ms,omitempty"`
	ResumedCPU      float64 `json:"resumed_server_cpu_ms,omitempty"`

	// W4; pointers, since 0 is what they should be.
	Answered int  `json:"answered,omitempty"`
	Lost     *int `json:"lost,omitempty"`
	Doubled  *int `json:"doubled,omitempty"`

	progress io.Writer
}

// tell writes a line for the person who waits.
func (r *result) tell(format string, args ...any) {
	if r.progress != nil {
		fmt.Fprintf(r.progress, r.Workload+": "+format+"\n", args...)
	}
}

// figure is one line of a table.
type figure struct {
	key    string
	what   string
	target string
	format string
	of     func(*result) (float64, bool)
}

func some(v float64) (float64, bool) { return v, v != 0 }

func in(p *percentiles, of func(percentiles) float64) (float64, bool) {
	if p == nil {
		return 0, false
	}
	return of(*p), true
}

func count(n *int) (float64, bool) {
	if n == nil {
		return 0, false
	}
	return float64(*n), true
}

func p50(p percentiles) float64 { return p.P50 }
func p99(p percentiles) float64 { return p.P99 }

// figures are the lines of all tables, in their order.
var figures = []figure{
	{"confirmed_per_s", "confirmed messages per second", "", "%.0f", func(r *result) (float64, bool) { return some(r.ConfirmedPerS) }},
	{"server_cpu_s_per_10k", "server CPU seconds per 10,000", "at most 0.35", "%.3f", func(r *result) (float64, bool) { return some(r.ServerCPU) }},
	{"generator_cpu_s_per_10k", "generator CPU seconds per 10,000", "", "%.3f", func(r *result) (float64, bool) { return some(r.GeneratorCPU) }},
	{"one_way_ms.p50", "one way at saturation, p50 ms", "", "%.2f", func(r *result) (float64, bool) { return in(r.OneWay, p50) }},
	{"one_way_ms.p99", "one way at saturation, p99 ms", "", "%.2f", func(r *result) (float64, bool) { return in(r.OneWay, p99) }},
	{"at_500_per_s.p50", "one way at 500/s, p50 ms", "", "%.2f", func(r *result) (float64, bool) { return in(r.At500, p50) }},
	{"at_500_per_s.p99", "one way at 500/s, p99 ms", "", "%.2f", func(r *result) (float64, bool) { return in(r.At500, p99) }},
	{"times_mosquitto", "times mosquitto's rate", "at least 1.2", "%.2f", func(r *result) (float64, bool) { return some(r.TimesMosquitto) }},
	{"enqueue_per_s", "made durable per second", "at least 15,000", "%.0f", func(r *result) (float64, bool) { return some(r.EnqueuePerS) }},
	{"enqueue_server_cpu_s_per_10k", "server CPU seconds per 10,000 made durable", "", "%.3f", func(r *result) (float64, bool) { return some(r.EnqueueCPU) }},
	{"drain_per_s", "fetched and confirmed per second", "", "%.0f", func(r *result) (float64, bool) { return some(r.DrainPerS) }},
	{"drain_server_cpu_s_per_10k", "server CPU seconds per 10,000 fetched", "", "%.3f", func(r *result) (float64, bool) { return some(r.DrainCPU) }},
	{"disk_bytes_per_message", "bytes on disk per message", "", "%.0f", func(r *result) (float64, bool) { return some(r.DiskPerMessage) }},
	{"connections", "idle connections", "10,000", "%.0f", func(r *result) (float64, bool) { return some(float64(r.Connections)) }},
	{"kb_per_connection", "server memory per connection, KB", "at most 20", "%.1f", func(r *result) (float64, bool) { return some(r.KBPerConnection) }},
	{"signins_per_s", "sign-ins per second, full handshake", "at least 600", "%.0f", func(r *result) (float64, bool) { return some(r.SignInsPerS) }},
	{"signin_server_cpu_ms", "server CPU ms per sign-in", "", "%.2f", func(r *result) (float64, bool) { return some(r.SignInCPU) }},
	{"resumed_signins_per_s", "sign-ins per second, resumed TLS", "at least 1,200", "%.0f", func(r *result) (float64, bool) { return some(r.ResumedPerS) }},
	{"resumed_server_cpu_ms", "server CPU ms per resumed sign-in", "", "%.2f", func(r *result) (float64, bool) { return some(r.ResumedCPU) }},
	{"answered", "answered before the kill", "", "%.0f", func(r *result) (float64, bool) { return some(float64(r.Answered)) }},
	{"lost", "lost of them", "0", "%.0f", func(r *result) (float64, bool) { return count(r.Lost) }},
	{"doubled", "doubled", "0", "%.0f", func(r *result) (float64, bool) { return count(r.Doubled) }},
	{"busy_elsewhere", "share of the CPU that others took", "", "%.2f", func(r *result) (float64, bool) { return r.Elsewhere, true }},
}

// writeTable writes one run for people.
func writeTable(out io.Writer, r *result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\t%s, %d CPUs\n", r.Workload, r.Commit, r.CPUs)
	for _, f := range figures {
		if v, ok := f.of(r); ok {
			fmt.Fprintf(w, "%s\t"+f.format+"\n", f.what, v)
		}
		if r.Mosquitto == nil {
			continue
		}
		if v, ok := f.of(r.Mosquitto); ok {
			fmt.Fprintf(w, "  mosquitto\t"+f.format+"\n", v)
		}
	}
	return w.Flush()
}

// commit names the tree that is measured.
func commit(ctx context.Context) string {
	hash, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output()
	if err != nil || len(changed) > 0 {
		return strings.TrimSpace(string(hash)) + "+changes"
	}
	return strings.TrimSpace(string(hash))
}

// spread returns the percentiles of times in nanoseconds, which it sorts.
func spread(ns []int64) *percentiles {
	if len(ns) == 0 {
		return nil
	}
	slices.Sort(ns)
	at := func(q float64) float64 { return float64(ns[int(q*float64(len(ns)-1))]) / float64(time.Millisecond) }
	return &percentiles{P50: at(0.50), P99: at(0.99)}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}
