package metrics_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"

	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/server/metrics"
)

func get(t *testing.T, url, host string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// names are all that byred tells, beside what is told of any Go program.
var names = []string{
	"byred_acked_total", "byred_certificate_end_seconds", "byred_commit_seconds", "byred_commits_failed_total", "byred_connections",
	"byred_disk_free_bytes", "byred_disk_full", "byred_expired_total", "byred_handshake_total", "byred_info", "byred_keys_destroyed_total", "byred_live_total",
	"byred_oldest_waiting_seconds", "byred_shred_lag_seconds", "byred_signed_in", "byred_stored_total", "byred_unanswered", "byred_waiting", "byred_withdrawn_total",
}

// TestMetricsTellNobodyApart holds the set of names and labels: a label that
// tells persons apart can't come in unnoticed.
func TestMetricsTellNobodyApart(t *testing.T) {
	m, h := metrics.New(), &metrics.Health{}
	m.Committed(3*time.Millisecond, nil)
	m.Committed(time.Second, errors.New("disk"))
	m.Attach(metrics.Sources{
		Relay:    func() relay.Status { return relay.Status{Connections: 5, Live: 7, Waiting: 2} },
		DiskFree: func() uint64 { return 1 << 30 }, DiskFull: func() bool { return true },
		CertificateEnd: func() time.Time { return time.Unix(1_800_000_000, 0) }, Version: "test",
	})
	srv := httptest.NewServer(m.Handler(h))
	defer srv.Close()
	code, text := get(t, srv.URL+"/metrics", "")
	if code != http.StatusOK {
		t.Fatal(code, text)
	}
	families, err := new(expfmt.TextParser).TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var ours []string
	for name, family := range families {
		if !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			ours = append(ours, name)
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if !slices.Contains([]string{"version", "quantile"}, label.GetName()) {
					t.Errorf("%s has the label %s", name, label.GetName())
				}
			}
		}
	}
	slices.Sort(ours)
	if !slices.Equal(ours, names) {
		t.Errorf("told are %v, want %v", ours, names)
	}
	for name, want := range map[string]float64{
		"byred_connections": 5, "byred_waiting": 2, "byred_disk_full": 1, "byred_disk_free_bytes": 1 << 30, "byred_certificate_end_seconds": 1_800_000_000,
	} {
		if got := families[name].GetMetric()[0].GetGauge().GetValue(); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got := families["byred_live_total"].GetMetric()[0].GetCounter().GetValue(); got != 7 {
		t.Errorf("byred_live_total is %v", got)
	}
	if got := families["byred_commit_seconds"].GetMetric()[0].GetHistogram(); got.GetSampleCount() != 2 || got.GetSampleSum() != 1.003 {
		t.Errorf("byred_commit_seconds is %v", got)
	}
	if code, _ := get(t, srv.URL+"/metrics", "mallory.example"); code != http.StatusMisdirectedRequest {
		t.Errorf("another site's name: %d", code)
	}
	if code, _ := get(t, srv.URL+"/debug/pprof/", ""); code != http.StatusNotFound {
		t.Errorf("another page: %d", code)
	}
}

func TestProbes(t *testing.T) {
	m, h := metrics.New(), &metrics.Health{}
	srv := httptest.NewServer(m.Handler(h))
	defer srv.Close()
	full := false
	h.Watch(func() bool { return full })
	for _, step := range []struct {
		phase        metrics.Phase
		full         bool
		alive, ready int
		says         string
	}{
		{metrics.Starting, false, 200, 503, "starting"},
		{metrics.Serving, false, 200, 200, "ok"},
		{metrics.Serving, true, 200, 503, "the disk is full"},
		{metrics.Draining, false, 200, 503, "stopping"},
		{metrics.Broken, false, 503, 503, "the store can't write"},
		{metrics.Draining, false, 503, 503, "the store can't write"}, // a broken server that stops is broken
	} {
		h.Set(step.phase)
		full = step.full
		alive, _ := get(t, srv.URL+"/healthz", "")
		ready, says := get(t, srv.URL+"/readyz", "")
		if alive != step.alive || ready != step.ready || !strings.HasPrefix(says, step.says) {
			t.Errorf("%+v: %d, %d %q", step, alive, ready, says)
		}
	}
}
