package main

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what a monitoring system reads: numbers of the whole, never of one run, and no name
// of any run or person. They have a registry of their own and are gathered when they are asked for.
type metrics struct {
	h        *health
	registry *prometheus.Registry

	runs, effects, outboxAge, inbox, inboxAge, jobs, commits, batches, refused, file, fsync, streams, findings, turned, paused, backupAge *prometheus.Desc
}

// gatherTime bounds what gathering reads from the store.
const gatherTime = 5 * time.Second

func newMetrics(h *health) (*metrics, error) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("slipway_"+name, help, labels, nil)
	}
	m := &metrics{
		h: h, registry: prometheus.NewRegistry(),
		runs:      desc("runs", "Live runs by status.", "status"),
		effects:   desc("effects", "Effects that have not ended: waiting for their time, due, or doubtful.", "state"),
		outboxAge: desc("outbox_oldest_seconds", "How long ago the time of the oldest due effect came; 0 for none."),
		inbox:     desc("inbox_waiting", "Deliveries that are not read yet."),
		inboxAge:  desc("inbox_oldest_seconds", "Age of the oldest delivery that is not read yet; 0 for none."),
		jobs:      desc("jobs_waiting", "Jobs that nobody has taken, by kind.", "kind"),
		commits:   desc("commits_total", "Transactions written to the store since the start."),
		batches:   desc("commit_batches_total", "Batches in them; several share one transaction."),
		refused:   desc("commit_batches_refused_total", "Batches that a guard refused; they were decided again."),
		file:      desc("store_bytes", "Size of the file of records."),
		fsync:     desc("fsync_seconds", "Median time in which the disk kept a few kilobytes, when it was measured last."),
		streams:   desc("event_streams", "Pages that are open and follow what happens."),
		findings:  desc("findings", "Findings by code.", "code", "severity"),
		turned:    desc("loop_age_seconds", "Time since each loop of the engine last looked for work.", "loop"),
		paused:    desc("effects_paused", "1 while effects are paused."),
		backupAge: desc("backup_age_seconds", "Age of the newest backup."),
	}
	for _, c := range []prometheus.Collector{m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector()} {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 3, Timeout: 2 * gatherTime})
}

// Describe implements [prometheus.Collector].
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.runs, m.effects, m.outboxAge, m.inbox, m.inboxAge, m.jobs, m.commits, m.batches, m.refused, m.file,
		m.fsync, m.streams, m.findings, m.turned, m.paused, m.backupAge} {
		to <- d
	}
}

// Collect implements [prometheus.Collector]. What cannot be read now is left out.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), gatherTime)
	defer cancel()
	b, now := m.h.b, time.Now()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v int64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	age := func(since time.Time) float64 {
		if since.IsZero() {
			return 0
		}
		return max(0, now.Sub(since).Seconds())
	}
	if l, err := b.engine.Load(ctx); err == nil {
		for status, n := range l.Runs {
			gauge(m.runs, float64(n), status)
		}
		gauge(m.effects, float64(l.Outbox-l.Due), "waiting")
		gauge(m.effects, float64(l.Due), "due")
		gauge(m.outboxAge, age(l.Longest.Since))
		gauge(m.inbox, float64(l.Queue))
		gauge(m.inboxAge, age(l.Oldest))
		for kind, idle := range l.Jobs {
			gauge(m.jobs, float64(idle.Count), kind)
		}
	}
	if s, err := b.db.Stats(ctx); err == nil {
		counter(m.commits, s.Commits)
		counter(m.batches, s.Batches)
		counter(m.refused, s.Refused)
		gauge(m.file, float64(s.File))
	}
	if took := m.h.disk.last(); took > 0 {
		gauge(m.fsync, took.Seconds())
	}
	gauge(m.streams, float64(b.web.streams()))
	type label struct{ code, severity string }
	count := map[label]int{}
	doubtful := 0
	for _, f := range m.h.registry.Report().Findings {
		count[label{f.Code, string(f.Severity)}]++
		if f.Code == "effect.doubtful" {
			doubtful++
		}
	}
	gauge(m.effects, float64(doubtful), "doubtful")
	for l, n := range count {
		gauge(m.findings, float64(n), l.code, l.severity)
	}
	for loop, at := range b.engine.Turned() {
		gauge(m.turned, age(at), loop)
	}
	paused := 0.0
	if _, _, yes := b.engine.Paused(); yes {
		paused = 1
	}
	gauge(m.paused, paused)
	if last := backedUp(b.conf.State); !last.IsZero() {
		gauge(m.backupAge, age(last))
	}
}
