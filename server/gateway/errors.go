package main

import (
	"context"
	"net/http"
	"strconv"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
)

// errorDomain is the domain of every ErrorInfo.
const errorDomain = "tickwheel.dev"

// writeError answers with {"code", "message", "details"}, a google.rpc.Status, whoever found the
// error: the api's own pass unchanged, the gateway's get the same details.
func writeError(
	ctx context.Context, mux *runtime.ServeMux, marshaler runtime.Marshaler,
	w http.ResponseWriter, r *http.Request, err error,
) {
	s := withDetails(status.Convert(err), r)
	for _, detail := range s.Details() {
		if retry, ok := detail.(*errdetails.RetryInfo); ok {
			seconds := int64(retry.GetRetryDelay().AsDuration().Seconds() + 0.999)
			w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
		}
	}
	runtime.DefaultHTTPErrorHandler(ctx, mux, marshaler, w, r, s.Err())
}

func withDetails(s *status.Status, r *http.Request) *status.Status {
	if len(s.Details()) > 0 {
		return s
	}
	switch s.Code() {
	case codes.InvalidArgument:
		return invalid(s)
	case codes.NotFound, codes.Unimplemented:
		return info(status.New(s.Code(), "no such path or method: "+r.Method+" "+r.URL.Path),
			reasonMalformed)
	case codes.Unavailable:
		// The api itself adds details, so this is the way to it.
		return info(status.New(s.Code(), "the api does not answer"), "SERVER_STOPPING")
	default:
		return s
	}
}

// invalid explains a request that the gateway itself could not read.
func invalid(s *status.Status) *status.Status {
	cause, ok := parseMalformed(s.Message())
	if !ok {
		return info(s, reasonMalformed)
	}
	detailed := info(status.New(s.Code(), cause.text), cause.reason)
	if cause.field == "" {
		return detailed
	}
	return add(detailed, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
		{Field: cause.field, Description: cause.text},
	}})
}

func info(s *status.Status, reason string) *status.Status {
	return add(s, &errdetails.ErrorInfo{Reason: reason, Domain: errorDomain})
}

func add(s *status.Status, detail protoadapt.MessageV1) *status.Status {
	detailed, err := s.WithDetails(detail)
	if err != nil {
		// Only a status without error refuses details.
		return s
	}
	return detailed
}
