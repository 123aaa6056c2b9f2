package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// shared is the binary of byred that all tests run.
var shared string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		made, err := buildServer(context.Background())
		if err != nil {
			_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
			return 1
		}
		defer func() { _ = os.RemoveAll(made.dir) }()
		shared = made.path
		return m.Run()
	}())
}

// keys returns the keys of the JSON object that a command line prints.
func keys(t *testing.T, args ...string) map[string]any {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), append(args, "-json", "-byred", shared), &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, &out)
	}
	for _, k := range []string{"workload", "commit", "cpus"} {
		if got[k] == nil {
			t.Errorf("there is no %q in %s", k, &out)
		}
	}
	return got
}

// positive fails the test unless each key has a number above 0.
func positive(t *testing.T, got map[string]any, names ...string) {
	t.Helper()
	for _, k := range names {
		if v, ok := got[k].(float64); !ok || v <= 0 {
			t.Errorf("%s is %v", k, got[k])
		}
	}
}

// The workloads run small: what is tested is that they run through, check what
// they measure, and name it as the command contract does. Their figures mean
// nothing.

func TestOnline(t *testing.T) {
	got := keys(t, "-w", "W1", "-n", "4", "-duration", "400ms")
	positive(t, got, "confirmed_per_s")
	for _, k := range []string{"one_way_ms", "at_500_per_s"} {
		times, ok := got[k].(map[string]any)
		if !ok {
			t.Fatalf("%s is %v", k, got[k])
		}
		positive(t, times, "p50", "p99")
	}
}

func TestBesideMosquitto(t *testing.T) {
	if _, err := findMosquitto(); err != nil {
		t.Skip("mosquitto is not installed (apt-get install mosquitto)")
	}
	got := keys(t, "-w", "W1", "-n", "4", "-duration", "400ms", "-beside", "mosquitto")
	positive(t, got, "confirmed_per_s", "times_mosquitto")
	theirs, ok := got["mosquitto"].(map[string]any)
	if !ok {
		t.Fatalf("mosquitto is %v", got["mosquitto"])
	}
	positive(t, theirs, "confirmed_per_s")
}

func TestStoreAndForward(t *testing.T) {
	got := keys(t, "-w", "W2", "-n", "1000")
	positive(t, got, "enqueue_per_s", "drain_per_s", "disk_bytes_per_message")
}

func TestIdle(t *testing.T) {
	got := keys(t, "-w", "W3", "-n", "40")
	positive(t, got, "connections", "kb_per_connection", "signins_per_s", "resumed_signins_per_s")
}

func TestKilled(t *testing.T) {
	got := keys(t, "-w", "W4", "-n", "150")
	positive(t, got, "answered")
	for _, k := range []string{"lost", "doubled"} {
		if v, ok := got[k].(float64); !ok || v != 0 {
			t.Errorf("%s is %v, want 0", k, got[k])
		}
	}
}

// TestAnotherServer measures a byred that runs already, whose accounts are made
// over the network.
func TestAnotherServer(t *testing.T) {
	there, _, err := serve(t.Context(), options{byred: shared}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := there.stop(); err != nil {
			t.Error(err)
		}
	}()
	got := keys(t, "-w", "W2", "-n", "100", "-addr", "https://"+there.host, "-ca", there.data+"/ca.pem")
	positive(t, got, "enqueue_per_s", "drain_per_s")
}

func TestOddCommandLines(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "-w names one of W1, W2, W3 and W4"},
		{"-w W9", "-w names one of"},
		{"-w W1 -beside ejabberd", "-beside knows mosquitto alone"},
		{"-w W2 -beside mosquitto", "-beside belongs to W1"},
		{"-w W4 -addr https://127.0.0.1:1", "leave -addr out"},
		{"-all -addr https://x", "leave -addr out"},
		{"-w W1 more", `there is no argument "more"`},
		{"-w W1 -n -1", "are above 0"},
		{"-w W1 -speed 7", "flag provided but not defined"},
	} {
		err := run(t.Context(), strings.Fields(c.args), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) || exitCode(err) != 2 {
			t.Errorf("bench %s: %v, want %q", c.args, err, c.want)
		}
	}
	err := run(t.Context(), []string{"-w", "W1", "-addr", "http://127.0.0.1:1"}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "https://host:port") || exitCode(err) != 1 {
		t.Errorf("a plain address: %v", err)
	}
}

// odd is a line that hands over what it is told, or nothing for ever.
type odd struct {
	events chan event
	gone   chan struct{}
}

func (o *odd) send([]byte)          {}
func (o *odd) confirm(event)        {}
func (o *odd) more() bool           { return false }
func (o *odd) flush() error         { return nil }
func (o *odd) deadline(t time.Time) {}
func (o *odd) close() {
	select {
	case <-o.gone:
	default:
		close(o.gone)
	}
}

func (o *odd) next() (event, error) {
	select {
	case e := <-o.events:
		return e, nil
	case <-o.gone:
		return event{}, errors.New("closed")
	}
}

// TestNothingWrongIsMeasured: a message that is doubled, missing or out of order
// ends a run.
func TestNothingWrongIsMeasured(t *testing.T) {
	numbered := func(n byte) event {
		b := make([]byte, stamp)
		b[7] = n
		return event{body: b}
	}
	for name, arrivals := range map[string][]event{
		"doubled": {numbered(1), numbered(1)},
		"missing": {numbered(1), numbered(3)},
		"swapped": {numbered(2), numbered(1)},
		"empty":   {{}},
	} {
		from, to := &odd{make(chan event, 9), make(chan struct{})}, &odd{make(chan event, 9), make(chan struct{})}
		for _, e := range arrivals {
			to.events <- e
		}
		p := newPattern([]*pair{{from: from, to: to, body: make([]byte, stamp)}}, 1)
		if err := p.run(t.Context(), nil, 20*time.Millisecond, &result{}); err == nil {
			t.Errorf("%s: it was measured", name)
		}
	}
}
