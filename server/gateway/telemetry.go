package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc"
)

// version is given by whoever builds the program.
var version = "unknown"

// telemetry makes a span of each request and of the call that it becomes, pushed to an OTLP
// receiver, and measures requests, for that receiver and for Prometheus. What is not asked for is
// not put in place, and trace contexts pass through as they are.
type telemetry struct {
	tracers *trace.TracerProvider
	meters  *metric.MeterProvider
	scraped *http.Server
}

func startTelemetry(ctx context.Context, s settings) (*telemetry, error) {
	t := &telemetry{}
	if s.otlpEndpoint == "" && s.metricsAddress == "" {
		return t, nil
	}
	otel.SetLogger(logr.FromSlogHandler(discreetHandler{slog.Default().Handler()}))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		slog.Warn("telemetry failed", "error", err)
	}))
	id := instance()
	about := resource.NewSchemaless(
		attribute.String("service.name", "tickwheel-gateway"),
		attribute.String("service.namespace", "tickwheel"),
		attribute.String("service.instance.id", id),
		attribute.String("service.version", version),
	)
	if err := t.startMetrics(ctx, s, id, about); err != nil {
		return nil, err
	}
	if s.otlpEndpoint == "" {
		return t, nil
	}
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(s.otlpEndpoint))
	if err != nil {
		return nil, fmt.Errorf("the OTLP endpoint cannot be used: %w", err)
	}
	t.tracers = trace.NewTracerProvider(
		trace.WithBatcher(exporter),
		trace.WithSampler(trace.ParentBased(trace.TraceIDRatioBased(s.traceRatio))),
		trace.WithResource(about),
	)
	otel.SetTracerProvider(t.tracers)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	return t, nil
}

// instance tells one process from others, as those of the other parts do: `host-pid-random`.
func instance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	random := make([]byte, 4)
	_, _ = rand.Read(random)
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), hex.EncodeToString(random))
}

// dialOptions are what calls to the api need. The api measures them.
func (t *telemetry) dialOptions() []grpc.DialOption {
	if t.tracers == nil {
		return nil
	}
	return []grpc.DialOption{grpc.WithStatsHandler(otelgrpc.NewClientHandler(
		otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider())))}
}

// around wraps the handler of all requests; health checks and documents are not observed.
func (t *telemetry) around(handler http.Handler) http.Handler {
	if t.tracers == nil && t.meters == nil {
		return handler
	}
	options := []otelhttp.Option{
		otelhttp.WithFilter(func(r *http.Request) bool {
			return strings.HasPrefix(r.URL.Path, "/v1/")
		}),
	}
	if t.meters != nil {
		options = append(options, otelhttp.WithMeterProvider(t.meters))
	} else {
		options = append(options, otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()))
	}
	if t.tracers == nil {
		options = append(options, otelhttp.WithTracerProvider(tracenoop.NewTracerProvider()),
			otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator()))
	}
	return otelhttp.NewHandler(handler, "REST", options...)
}

// nameRoute tells what observes a request which of the api's paths it is, without the names in it,
// of which there is no end. The span of a request that is for none of them has its method's name.
func nameRoute(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		if pattern, ok := runtime.HTTPPattern(r.Context()); ok {
			route := attribute.String("http.route", pattern.String())
			if labeler, ok := otelhttp.LabelerFromContext(r.Context()); ok {
				labeler.Add(route)
			}
			span := oteltrace.SpanFromContext(r.Context())
			span.SetName(r.Method + " " + pattern.String())
			span.SetAttributes(route)
		}
		next(w, r, params)
	}
}

// lastPush is for how long what is left is pushed at the end.
const lastPush = time.Second

// stop pushes what is left, for a bounded time, however long requests have taken to end before.
func (t *telemetry) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), lastPush)
	defer cancel()
	if t.tracers != nil {
		_ = t.tracers.Shutdown(ctx)
	}
	if t.meters != nil {
		_ = t.meters.Shutdown(ctx)
	}
	if t.scraped != nil {
		_ = t.scraped.Close()
	}
}
