// Package metrics is what an operator's monitoring may ask: counters in the text
// form of Prometheus, and whether the server is alive and ready. It tells sums
// over everybody; no name, account, device or address is in it, and no label
// tells persons apart.
package metrics

import (
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/server/config"
)

// Sources are where the numbers come from. They are asked at each scrape.
type Sources struct {
	Relay func() relay.Status
	// DiskFree is how many bytes are free where the data is, DiskFull whether
	// new envelopes are refused for want of room.
	DiskFree func() uint64
	DiskFull func() bool
	// CertificateEnd is when the present certificate runs out.
	CertificateEnd func() time.Time
	Version        string
}

// Metrics are a server's numbers. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	commits  prometheus.Histogram
	failed   prometheus.Counter
	shredded prometheus.Histogram
}

// New returns metrics without sources; those that need one come with Attach.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "byred_commit_seconds", Help: "How long a durable write took, its wait for others included.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15), // 0.5 ms to 8 s
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "byred_commits_failed_total", Help: "Durable writes that failed.",
		}),
	}
	m.shredded = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "byred_shred_lag_seconds", Help: "How long what was confirmed, expired or withdrawn could still be opened with what is on the disk.",
		Buckets: []float64{0.1, 0.5, 1, 2, 3, 4, 5, 5.5, 6, 8, 10, 15, 30, 60, 300, 3600},
	})
	m.registry.MustRegister(m.commits, m.failed, m.shredded,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Committed counts a durable write.
func (m *Metrics) Committed(took time.Duration, err error) {
	m.commits.Observe(took.Seconds())
	if err != nil {
		m.failed.Inc()
	}
}

// Shredded counts a checkpoint of the keys, with how long the first key that it
// destroyed had waited for it.
func (m *Metrics) Shredded(lag time.Duration) { m.shredded.Observe(lag.Seconds()) }

// Attach adds the numbers that sources give, once.
func (m *Metrics) Attach(s Sources) { m.registry.MustRegister(scrape{s}) }

// scrape reads all numbers of one moment at once.
type scrape struct{ s Sources }

// number is one of them.
type number struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(relay.Status, Sources) float64
}

func gauge(name, help string, of func(relay.Status, Sources) float64) number {
	return number{prometheus.NewDesc("byred_"+name, help, nil, nil), prometheus.GaugeValue, of}
}

func counter(name, help string, of func(relay.Status) uint64) number {
	value := func(r relay.Status, _ Sources) float64 { return float64(of(r)) }
	return number{prometheus.NewDesc("byred_"+name, help, nil, nil), prometheus.CounterValue, value}
}

var numbers = []number{
	gauge("connections", "Connections that are open.", func(r relay.Status, _ Sources) float64 { return float64(r.Connections) }),
	gauge("signed_in", "Connections with a session.", func(r relay.Status, _ Sources) float64 { return float64(r.SignedIn) }),
	gauge("waiting", "Envelopes that are stored.", func(r relay.Status, _ Sources) float64 { return float64(r.Waiting) }),
	gauge("oldest_waiting_seconds", "How long the oldest of them has waited.", func(r relay.Status, _ Sources) float64 { return float64(r.OldestWaitingSeconds) }),
	gauge("unanswered", "Envelopes in memory that are neither confirmed nor stored.", func(r relay.Status, _ Sources) float64 { return float64(r.Unanswered) }),
	counter("live_total", "Messages that were confirmed without ever being stored.", func(r relay.Status) uint64 { return r.Live }),
	counter("stored_total", "Messages that were stored.", func(r relay.Status) uint64 { return r.Stored }),
	counter("handshake_total", "Envelopes that change rooms, which are always stored.", func(r relay.Status) uint64 { return r.Handshake }),
	counter("acked_total", "Envelopes that their device confirmed.", func(r relay.Status) uint64 { return r.Acked }),
	counter("expired_total", "Envelopes that expired unread.", func(r relay.Status) uint64 { return r.Expired }),
	counter("withdrawn_total", "Envelopes that their sender took back.", func(r relay.Status) uint64 { return r.Withdrawn }),
	counter("keys_destroyed_total", "Keys of envelopes and commits that were forgotten.", func(r relay.Status) uint64 { return r.Destroyed }),
	gauge("disk_free_bytes", "Room on the disk of the data directory.", func(_ relay.Status, s Sources) float64 { return float64(s.DiskFree()) }),
	gauge("disk_full", "1 while new envelopes are refused for want of room.", func(_ relay.Status, s Sources) float64 {
		if s.DiskFull() {
			return 1
		}
		return 0
	}),
	gauge("certificate_end_seconds", "When the certificate runs out, in unix seconds; 0 if there is none.", func(_ relay.Status, s Sources) float64 {
		if end := s.CertificateEnd(); !end.IsZero() {
			return float64(end.Unix())
		}
		return 0
	}),
}

var info = prometheus.NewDesc("byred_info", "The version that runs.", []string{"version"}, nil)

// Describe implements [prometheus.Collector].
func (scrape) Describe(to chan<- *prometheus.Desc) {
	to <- info
	for _, n := range numbers {
		to <- n.desc
	}
}

// Collect implements [prometheus.Collector].
func (c scrape) Collect(to chan<- prometheus.Metric) {
	r := c.s.Relay()
	to <- prometheus.MustNewConstMetric(info, prometheus.GaugeValue, 1, c.s.Version)
	for _, n := range numbers {
		to <- prometheus.MustNewConstMetric(n.desc, n.kind, n.of(r, c.s))
	}
}

// Handler answers /metrics, /healthz and /readyz, to this machine alone: a name
// that leads here by DNS from another site is not served (DNS rebinding).
func (m *Metrics) Handler(h *Health) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, h.Alive()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { say(w, h.Ready()) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !config.Loopback(host) {
			http.Error(w, "these numbers are for this machine alone", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func say(w http.ResponseWriter, why string) {
	if why != "" {
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}
