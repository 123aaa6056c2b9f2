package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
)

// A run in which others took more than quiet of the processors (the machine's
// host among them) says nothing of the relay: it is left out and made again, as
// long as there are not more than restless times as many runs as rounds.
const (
	quiet    = 0.03
	restless = 4
)

// rounds runs every workload o.rounds times, or the one that o names, each with a
// byred of its own, W1 beside mosquitto in the same round, and prints medians as
// docs/bench.md has them.
func rounds(ctx context.Context, o options, out, progress io.Writer) error {
	runs := map[string][]*result{}
	order := []string{"W1", "W2", "W3", "W4"}
	if o.workload != "" {
		order = []string{o.workload}
	}
	left := map[string]int{}
	for i := range o.rounds {
		for _, w := range order {
			one := o
			one.workload, one.beside = w, ""
			if w == "W1" {
				one.beside = "mosquitto"
			}
			for len(runs[w]) == i {
				r, err := measure(ctx, one, nil)
				if err != nil {
					return err
				}
				fmt.Fprintf(progress, "round %d of %d\n", i+1, o.rounds)
				if err := writeTable(progress, r); err != nil {
					return err
				}
				if !r.quiet() {
					if left[w]++; left[w] > (restless-1)*o.rounds {
						return fmt.Errorf("others took more than %.0f %% of the processors in %d runs of %s: try again on a quiet machine", 100*quiet, left[w], w)
					}
					fmt.Fprintf(progress, "left out: others took more than %.0f %% of the processors\n", 100*quiet)
				} else {
					runs[w] = append(runs[w], r)
				}
				debug.FreeOSMemory() // so that no run pays for the one before it
			}
		}
	}
	fmt.Fprintf(out, "%s, %d CPUs, %s; medians of %d, slowest to fastest in brackets.\n", runs[order[0]][0].Commit, runtime.NumCPU(), runtime.Version(), o.rounds)
	for _, w := range order {
		fmt.Fprintf(out, "%s: %d more runs were left out, in which others took more than %.0f %% of the processors.\n", w, left[w], 100*quiet)
	}
	fmt.Fprint(out, "\n| | byre | mosquitto | target |\n|---|---|---|---|\n")
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

// quiet reports whether the machine was.
func (r *result) quiet() bool {
	return r.Elsewhere <= quiet && (r.Mosquitto == nil || r.Mosquitto.Elsewhere <= quiet)
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
