package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
)

// tracing makes a span of each request and of the call that it becomes, and pushes them to an OTLP
// receiver. Without one nothing is put in place, and trace contexts pass through as they are.
type tracing struct {
	provider *trace.TracerProvider
}

func startTracing(ctx context.Context, endpoint string, ratio float64) (*tracing, error) {
	if endpoint == "" {
		return &tracing{}, nil
	}
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(endpoint))
	if err != nil {
		return nil, fmt.Errorf("OTLP endpoint %q: %w", endpoint, err)
	}
	provider := trace.NewTracerProvider(
		trace.WithBatcher(exporter),
		trace.WithSampler(trace.ParentBased(trace.TraceIDRatioBased(ratio))),
		trace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "tickwheel-gateway"),
			attribute.String("service.namespace", "tickwheel"),
		)),
	)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		slog.Warn("telemetry failed", "error", err)
	}))
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	return &tracing{provider: provider}, nil
}

// dialOptions are what calls to the api need.
func (t *tracing) dialOptions() []grpc.DialOption {
	if t.provider == nil {
		return nil
	}
	return []grpc.DialOption{grpc.WithStatsHandler(otelgrpc.NewClientHandler())}
}

// around wraps the handler of all requests; health checks and documents have no spans.
func (t *tracing) around(handler http.Handler) http.Handler {
	if t.provider == nil {
		return handler
	}
	return otelhttp.NewHandler(handler, "REST",
		otelhttp.WithFilter(func(r *http.Request) bool {
			return strings.HasPrefix(r.URL.Path, "/v1/")
		}),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
			// Paths hold names, of which there is no end; the call's own span has its method.
			return r.Method
		}),
	)
}

func (t *tracing) stop(ctx context.Context) {
	if t.provider != nil {
		_ = t.provider.Shutdown(ctx)
	}
}
