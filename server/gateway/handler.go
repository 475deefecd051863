package main

import (
	"context"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"

	tickwheelv1 "tickwheel.dev/gen/go/tickwheel/v1"
	"tickwheel.dev/gen/openapi"
)

// newHandler serves everything: REST under /v1, the OpenAPI document, health, and the page at /.
func newHandler(ctx context.Context, conn *grpc.ClientConn, room *room) (http.Handler, error) {
	rest := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newStrictJSON()),
		runtime.SetQueryParameterParser(&strictQuery{}),
		runtime.WithErrorHandler(writeError),
		runtime.WithStreamErrorHandler(streamError),
		runtime.WithRoutingErrorHandler(writeRoutingError),
		// A POST is never taken for a GET, whatever its content type.
		runtime.WithDisablePathLengthFallback(),
		func(mux *runtime.ServeMux) {
			runtime.WithMiddlewares(func(next runtime.HandlerFunc) runtime.HandlerFunc {
				return nameRoute(refuseStrayQuery(mux, next))
			})(mux)
		},
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
	mux.Handle("/v1/", guard(rest, room))
	mux.HandleFunc("GET /openapi.json", serveOpenAPI)
	mux.HandleFunc("GET /healthz", serveHealthz)
	mux.HandleFunc("GET /readyz", health.serveReadyz)
	mux.Handle("GET /{$}", &indexPage{health: health})
	mux.Handle("/", guard(rest, room))
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

// guard refuses what the api could not be asked anyway: a path that is not UTF-8, and, before they
// are in memory, bodies over the largest message, and those for which there is no room just now.
func guard(rest *runtime.ServeMux, room *room) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse := func(err error) {
			_, marshaler := runtime.MarshalerForRequest(rest, r)
			writeError(r.Context(), rest, marshaler, w, r, err)
		}
		if !utf8.ValidString(r.URL.Path) {
			err := malformed{reason: reasonMalformed, text: "the path is not UTF-8"}
			refuse(err.status().Err())
			return
		}
		end, ok := room.body(w, r)
		if !ok {
			refuse(overloaded().Err())
			return
		}
		defer end()
		// The route is that of the api, which `nameRoute` tells, and not the one that led here.
		r.Pattern = ""
		r.Body = http.MaxBytesReader(w, r.Body, maxMessage)
		rest.ServeHTTP(&firstErrorPlain{ResponseWriter: &timedAnswer{w, room}}, r)
	})
}

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openapi.Document)
}
