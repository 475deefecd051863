package main

import (
	"context"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"

	tickwheelv1 "tickwheel.dev/gen/go/tickwheel/v1"
	"tickwheel.dev/gen/openapi"
)

// newHandler serves everything: REST under /v1, the OpenAPI document, health, and the page at /.
func newHandler(ctx context.Context, conn *grpc.ClientConn) (http.Handler, error) {
	rest := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newStrictJSON()),
		runtime.WithErrorHandler(writeError),
		runtime.WithIncomingHeaderMatcher(passHeader),
	)
	for _, register := range []func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error{
		tickwheelv1.RegisterJobServiceHandler,
		tickwheelv1.RegisterClusterServiceHandler,
	} {
		if err := register(ctx, rest, conn); err != nil {
			return nil, fmt.Errorf("register REST handlers: %w", err)
		}
	}
	health := newHealth(conn)
	mux := http.NewServeMux()
	mux.Handle("/v1/", limitBody(rest))
	mux.HandleFunc("GET /openapi.json", serveOpenAPI)
	mux.HandleFunc("GET /healthz", serveHealthz)
	mux.HandleFunc("GET /readyz", health.serveReadyz)
	mux.Handle("GET /{$}", &indexPage{health: health})
	mux.Handle("/", rest)
	return mux, nil
}

// passHeader hands the W3C trace context on as it is, beside what grpc-gateway passes by itself.
func passHeader(name string) (string, bool) {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Traceparent", "Tracestate":
		return strings.ToLower(name), true
	default:
		return runtime.DefaultHeaderMatcher(name)
	}
}

// limitBody refuses bodies that the api would refuse anyway, before they are in memory.
func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxMessage)
		next.ServeHTTP(w, r)
	})
}

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openapi.Document)
}
