package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
)

// rounds runs every workload o.rounds times, each with a byred of its own, W1
// beside mosquitto in the same round, and prints medians as docs/bench.md has
// them.
func rounds(ctx context.Context, o options, out, progress io.Writer) error {
	runs := map[string][]*result{}
	order := []string{"W1", "W2", "W3", "W4"}
	for i := range o.rounds {
		for _, w := range order {
			one := o
			one.workload, one.beside = w, ""
			if w == "W1" {
				one.beside = "mosquitto"
			}
			r, err := measure(ctx, one, nil)
			if err != nil {
				return err
			}
			runs[w] = append(runs[w], r)
			fmt.Fprintf(progress, "round %d of %d\n", i+1, o.rounds)
			if err := writeTable(progress, r); err != nil {
				return err
			}
			debug.FreeOSMemory() // so that no run pays for the one before it
		}
	}
	fmt.Fprintf(out, "%s, %d CPUs, %s; medians of %d, slowest to fastest in brackets.\n\n| | byre | mosquitto | target |\n|---|---|---|---|\n",
		runs["W1"][0].Commit, runtime.NumCPU(), runtime.Version(), o.rounds)
	for _, w := range order {
		for _, f := range figures {
			mine := middle(f, runs[w])
			if mine == "" {
				continue
			}
			var theirs []*result
			for _, r := range runs[w] {
				if r.Mosquitto != nil {
					theirs = append(theirs, r.Mosquitto)
				}
			}
			fmt.Fprintf(out, "| %s: %s | %s | %s | %s |\n", w, f.what, mine, middle(f, theirs), f.target)
		}
	}
	return nil
}

// middle writes the median of a figure and its range, or nothing where it was
// not measured.
func middle(f figure, runs []*result) string {
	var v []float64
	for _, r := range runs {
		if x, ok := f.of(r); ok {
			v = append(v, x)
		}
	}
	if len(v) == 0 {
		return ""
	}
	return fmt.Sprintf(f.format+" ("+f.format+" to "+f.format+")", median(v), slices.Min(v), slices.Max(v))
}
