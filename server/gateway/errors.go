package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	tickwheelv1 "tickwheel.dev/gen/go/tickwheel/v1"
)

// errorDomain is the domain of every ErrorInfo.
const errorDomain = "tickwheel.dev"

// retryDelay is how long a client should wait before it asks again when the api does not answer.
const retryDelay = time.Second

// writeError answers with {"code", "message", "details"}, a google.rpc.Status, whoever found the
// error: the api's own pass unchanged, the gateway's get the same details.
func writeError(
	ctx context.Context, mux *runtime.ServeMux, marshaler runtime.Marshaler,
	w http.ResponseWriter, r *http.Request, err error,
) {
	var routed *runtime.HTTPStatusError
	if errors.As(err, &routed) {
		err = routed.Err
	}
	s := withDetails(status.Convert(err))
	for _, detail := range s.Details() {
		if retry, ok := detail.(*errdetails.RetryInfo); ok {
			seconds := int64(retry.GetRetryDelay().AsDuration().Seconds() + 0.999)
			w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
		}
	}
	err = s.Err()
	if routed != nil {
		err = &runtime.HTTPStatusError{HTTPStatus: routed.HTTPStatus, Err: err}
	}
	runtime.DefaultHTTPErrorHandler(ctx, mux, marshaler, w, r, err)
}

// writeRoutingError answers a request that no method of the API takes.
func writeRoutingError(
	ctx context.Context, mux *runtime.ServeMux, marshaler runtime.Marshaler,
	w http.ResponseWriter, r *http.Request, code int,
) {
	var s *status.Status
	switch code {
	case http.StatusNotFound:
		s = info(status.New(codes.NotFound, "there is no such path: "+r.URL.Path),
			tickwheelv1.ErrorReason_PATH_NOT_FOUND)
	case http.StatusMethodNotAllowed:
		s = info(status.New(codes.Unimplemented, "this path is not for "+r.Method+": "+r.URL.Path),
			tickwheelv1.ErrorReason_METHOD_NOT_ALLOWED)
	default:
		s = info(status.New(codes.InvalidArgument, http.StatusText(code)),
			tickwheelv1.ErrorReason_MALFORMED_REQUEST)
	}
	writeError(ctx, mux, marshaler, w, r, &runtime.HTTPStatusError{HTTPStatus: code, Err: s.Err()})
}

// streamError gives errors inside of a stream the same details.
func streamError(_ context.Context, err error) *status.Status {
	return withDetails(status.Convert(err))
}

// withDetails completes an error that is not the api's own; those have their details.
func withDetails(s *status.Status) *status.Status {
	if len(s.Details()) > 0 {
		return s
	}
	switch s.Code() {
	case codes.InvalidArgument:
		return invalid(s)
	case codes.Unavailable:
		return add(
			info(status.New(s.Code(), "the api does not answer"),
				tickwheelv1.ErrorReason_SERVER_STOPPING),
			&errdetails.RetryInfo{RetryDelay: durationpb.New(retryDelay)})
	case codes.DeadlineExceeded:
		return info(s, tickwheelv1.ErrorReason_DEADLINE_PASSED)
	case codes.ResourceExhausted:
		// The api's own refusals have details, so it is the transport's: the message is too large,
		// which JSON of many small numbers becomes as protobuf.
		return info(status.Newf(codes.InvalidArgument,
			"the request is too large as a protobuf message, at most %d bytes: %s", maxMessage, s.Message()),
			tickwheelv1.ErrorReason_MALFORMED_REQUEST)
	case codes.Unimplemented:
		return info(s, tickwheelv1.ErrorReason_NOT_IMPLEMENTED)
	default:
		return info(s, tickwheelv1.ErrorReason_INTERNAL_DEFECT)
	}
}

// invalid explains a request that the gateway itself could not read.
func invalid(s *status.Status) *status.Status {
	cause, ok := parseMalformed(s.Message())
	if !ok {
		return info(s, tickwheelv1.ErrorReason_MALFORMED_REQUEST)
	}
	if cause.reason == reasonOverloaded {
		return overloaded()
	}
	detailed := info(status.New(s.Code(), cause.text), cause.reason)
	if cause.field == "" {
		return detailed
	}
	return add(detailed, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
		{Field: cause.field, Description: cause.text, Reason: cause.reason.String()},
	}})
}

func info(s *status.Status, reason tickwheelv1.ErrorReason) *status.Status {
	return add(s, &errdetails.ErrorInfo{Reason: reason.String(), Domain: errorDomain})
}

func add(s *status.Status, detail protoadapt.MessageV1) *status.Status {
	detailed, err := s.WithDetails(detail)
	if err != nil {
		// Only a status without error refuses details.
		return s
	}
	return detailed
}

// firstErrorPlain writes the error of a stream that has not begun as every other error is written:
// grpc-gateway puts it into {"error": …}, as it does with one that ends a stream.
type firstErrorPlain struct {
	http.ResponseWriter
	failed bool
}

func (w *firstErrorPlain) WriteHeader(code int) {
	w.failed = code >= http.StatusBadRequest
	w.ResponseWriter.WriteHeader(code)
}

func (w *firstErrorPlain) Write(data []byte) (int, error) {
	if inner, ok := strings.CutPrefix(string(data), `{"error":`); ok && w.failed {
		if _, err := w.ResponseWriter.Write([]byte(strings.TrimSuffix(inner, "}"))); err != nil {
			return 0, err
		}
		return len(data), nil
	}
	return w.ResponseWriter.Write(data)
}

// Unwrap lets http.ResponseController flush.
func (w *firstErrorPlain) Unwrap() http.ResponseWriter {
	return w.ResponseWriter
}
