package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

// requestDuration is the one metric of the gateway, and requestLabels what it has of labels: none
// has values that clients choose. Both as docs/observability.md lists them.
const (
	requestDuration    = "http.server.request.duration"
	requestDescription = "Requests that the gateway was sent, by route and status; a watch for as long as it lasts."
)

var requestLabels = []attribute.Key{"http.request.method", "http.route", "http.response.status_code"}

// pushEvery is how often metrics are pushed, as by the other parts.
const pushEvery = 10 * time.Second

// startMetrics begins to measure, to push and to serve, as far as that is asked for.
func (t *telemetry) startMetrics(
	ctx context.Context, s settings, instance string, about *resource.Resource,
) error {
	options := []metric.Option{metric.WithResource(about), metric.WithView(onlyRequests)}
	if s.otlpEndpoint != "" {
		exporter, err := otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpointURL(s.otlpEndpoint))
		if err != nil {
			return fmt.Errorf("the OTLP endpoint cannot be used: %w", err)
		}
		options = append(options, metric.WithReader(
			metric.NewPeriodicReader(exporter, metric.WithInterval(pushEvery))))
	}
	if s.metricsAddress != "" {
		listener, err := net.Listen("tcp", s.metricsAddress)
		switch {
		case err == nil:
			registry := prometheus.NewRegistry()
			registry.MustRegister(collectors.NewGoCollector(),
				collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
			reader, err := otelprometheus.New(otelprometheus.WithRegisterer(registry),
				otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
			if err != nil {
				return err
			}
			options = append(options, metric.WithReader(reader))
			t.scraped = &http.Server{Handler: pages(registry, s, instance), ReadHeaderTimeout: 10 * time.Second}
			go func() { _ = t.scraped.Serve(listener) }()
		case s.metricsRequired:
			return fmt.Errorf("cannot serve metrics on %s: %w", s.metricsAddress, err)
		default:
			slog.Warn("metrics are not served: their address is taken, and "+
				"TICKWHEEL_METRICS_ADDRESS names no other", "address", s.metricsAddress)
		}
	}
	if t.scraped != nil || s.otlpEndpoint != "" {
		t.meters = metric.NewMeterProvider(options...)
	}
	return nil
}

// onlyRequests keeps the one metric of all that libraries have.
func onlyRequests(of metric.Instrument) (metric.Stream, bool) {
	stream := metric.Stream{Name: of.Name, Description: of.Description, Unit: of.Unit}
	if of.Name != requestDuration {
		stream.Aggregation = metric.AggregationDrop{}
		return stream, true
	}
	stream.Description = requestDescription
	stream.AttributeFilter = attribute.NewAllowKeysFilter(requestLabels...)
	stream.Aggregation = metric.AggregationExplicitBucketHistogram{
		Boundaries: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
	}
	return stream, true
}

// pages are what is served beside the metrics: at /about what the process is and what it was told.
func pages(registry *prometheus.Registry, s settings, instance string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.HandleFunc("/about", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(map[string]any{
			"service": "tickwheel-gateway", "instance": instance, "version": version,
			"settings": s.visible(),
			"versions": map[string]string{"go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH},
		})
	})
	return mux
}
