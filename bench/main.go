// Command bench loads a relay over its real wire protocol and measures it:
//
//	W1  online relay: pairs of devices, a window of messages each
//	W2  store and forward: senders, devices that are away, and their return
//	W3  idle connections and sign-ins
//	W4  kill -9 right after an answer
//
// It checks while it measures: a message that is lost, doubled or out of order,
// or an outcome that is not the one the workload is about, is an error and no
// figure is printed. byred runs as a process of its own, on a data directory of
// its own, so that its CPU time and memory are told apart from the generator's.
// docs/bench.md has the figures, and says what each one means.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/byre-messenger/byre/bench/proc"
	"github.com/byre-messenger/byre/internal/clock"
)

// machine is the clock that everything here is measured by.
var machine clock.System

const helpText = `bench loads a relay and measures it.

  go run ./bench -w W1|W2|W3|W4 [-n N] [-duration 10s] [-json] [-addr URL -ca FILE]
  go run ./bench -all [-rounds 5] [-w W3]

It starts and stops a byred of its own unless -addr names one (W4 needs its own).
-n is the number of pairs (W1: 50), messages (W2: 50000, W4: 2000) or connections
(W3: 10000).

Example: go run ./bench -w W1 -beside mosquitto

`

// options are what the command line says.
type options struct {
	workload string
	n        int
	duration time.Duration
	json     bool
	addr, ca string
	beside   string
	byred    string
	all      bool
	rounds   int
	profile  string
}

func main() {
	// The generator shares the processors with the server: it takes memory rather
	// than time.
	debug.SetGCPercent(400)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		stop()
		os.Exit(exitCode(err))
	}
}

// errUsage says that the command line is wrong.
var errUsage = errors.New("see 'go run ./bench -h'")

func exitCode(err error) int {
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	return 1
}

// run is the command without the process around it.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parse(args, progress)
	if err != nil {
		return err
	}
	if o.byred == "" && o.addr == "" {
		made, err := buildServer(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(made.dir) }()
		o.byred = made.path
	}
	if o.all {
		return rounds(ctx, o, out, progress)
	}
	r, err := measure(ctx, o, progress)
	if err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(out).Encode(r)
	}
	return writeTable(out, r)
}

func parse(args []string, progress io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(progress)
	f.Usage = func() { fmt.Fprint(progress, helpText); f.PrintDefaults() }
	f.StringVar(&o.workload, "w", "", "workload: W1, W2, W3 or W4")
	f.IntVar(&o.n, "n", 0, "size of the workload (0: that of docs/bench.md)")
	f.DurationVar(&o.duration, "duration", 10*time.Second, "how long W1 measures")
	f.BoolVar(&o.json, "json", false, "print one JSON object instead of a table")
	f.StringVar(&o.addr, "addr", "", "https address of a byred that runs already, with open registration")
	f.StringVar(&o.ca, "ca", "", "ca.pem of that byred")
	f.StringVar(&o.beside, "beside", "", "W1: measure \"mosquitto\" too, with the same pattern")
	f.StringVar(&o.byred, "byred", "", "binary of byred (default: built from this tree)")
	f.BoolVar(&o.all, "all", false, "all workloads, or that of -w, -rounds times, and the table of docs/bench.md")
	f.IntVar(&o.rounds, "rounds", 5, "rounds of -all; figures are medians of those in which the machine was quiet")
	f.StringVar(&o.profile, "pprof", "", "write a CPU profile of the generator to this file")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, fmt.Errorf("%w (%w)", err, errUsage)
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("there is no argument %q: %w", f.Arg(0), errUsage)
	case o.all && o.addr != "":
		return o, fmt.Errorf("-all runs each workload on a byred of its own: leave -addr out (%w)", errUsage)
	case workloads[o.workload] == nil && (o.workload != "" || !o.all):
		return o, fmt.Errorf("-w names one of W1, W2, W3 and W4: %w", errUsage)
	case o.beside != "" && o.beside != "mosquitto":
		return o, fmt.Errorf("-beside knows mosquitto alone: %w", errUsage)
	case o.beside != "" && !o.all && o.workload != "W1":
		return o, fmt.Errorf("-beside belongs to W1: %w", errUsage)
	case o.addr != "" && o.workload == "W4":
		return o, fmt.Errorf("W4 kills the server, so it starts its own: leave -addr out (%w)", errUsage)
	case o.n < 0 || o.rounds < 1 || o.duration <= 0:
		return o, fmt.Errorf("-n, -rounds and -duration are above 0: %w", errUsage)
	}
	return o, nil
}

// workload measures one relay.
type workload func(ctx context.Context, o options, r *result) error

var workloads = map[string]workload{"W1": online, "W2": storeAndForward, "W3": idle, "W4": killed}

// measure runs one workload.
func measure(ctx context.Context, o options, progress io.Writer) (*result, error) {
	stop, err := proc.Profile(o.profile)
	if err != nil {
		return nil, err
	}
	defer stop()
	r := &result{Workload: o.workload, Commit: commit(ctx), CPUs: runtime.NumCPU(), progress: progress}
	if err := workloads[o.workload](ctx, o, r); err != nil {
		return nil, fmt.Errorf("%s: %w", o.workload, err)
	}
	return r, nil
}

// or returns n, or the workload's own size.
func or(n, usual int) int {
	if n == 0 {
		return usual
	}
	return n
}
