package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	tickwheelv1 "tickwheel.dev/gen/go/tickwheel/v1"
)

// jobs is an api that refuses all, each method in its way.
type jobs struct {
	tickwheelv1.UnimplementedJobServiceServer
}

func (jobs) GetJob(context.Context, *tickwheelv1.GetJobRequest) (*tickwheelv1.Job, error) {
	return nil, status.Error(codes.DeadlineExceeded, "too slow")
}

func (jobs) ListJobs(_ context.Context, r *tickwheelv1.ListJobsRequest) (*tickwheelv1.ListJobsResponse, error) {
	return &tickwheelv1.ListJobsResponse{NextPageToken: r.GetPageToken()}, nil
}

func (jobs) DeleteJob(context.Context, *tickwheelv1.DeleteJobRequest) (*emptypb.Empty, error) {
	return nil, status.Error(codes.ResourceExhausted, "message larger than max")
}

func (jobs) WatchRuns(
	r *tickwheelv1.WatchRunsRequest, stream grpc.ServerStreamingServer[tickwheelv1.WatchRunsResponse],
) error {
	if r.GetFilter() == "later" {
		if err := stream.Send(&tickwheelv1.WatchRunsResponse{ResumeToken: "t"}); err != nil {
			return err
		}
	}
	return status.Error(codes.Unavailable, "gone")
}

type answer struct {
	Code    int
	Message string
	Details []struct {
		Type            string `json:"@type"`
		Reason          string
		FieldViolations []struct{ Field string }
	}
}

// serveTo makes a handler in front of an api.
func serveTo(t *testing.T) http.Handler {
	t.Helper()
	return serveFrom(t, jobs{})
}

func serveFrom(t *testing.T, service tickwheelv1.JobServiceServer) http.Handler {
	t.Helper()
	return serveWithin(t, service, newRoom())
}

func serveWithin(t *testing.T, service tickwheelv1.JobServiceServer, room *room) http.Handler {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	api := grpc.NewServer()
	tickwheelv1.RegisterJobServiceServer(api, service)
	go func() { _ = api.Serve(listener) }()
	t.Cleanup(api.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	handler, err := newHandler(context.Background(), conn, room)
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func serve(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(serveTo(t))
	t.Cleanup(server.Close)
	return server.URL
}

func TestEveryErrorHasACodeAReasonAndTheField(t *testing.T) {
	url := serve(t)
	for name, c := range map[string]struct {
		method, path string
		http, code   int
		reason       tickwheelv1.ErrorReason
		field        string
	}{
		"unknown path":     {"GET", "/nope", 404, 5, tickwheelv1.ErrorReason_PATH_NOT_FOUND, ""},
		"unknown v1 path":  {"GET", "/v1/nope", 404, 5, tickwheelv1.ErrorReason_PATH_NOT_FOUND, ""},
		"wrong method":     {"PUT", "/v1/users/7/jobs", 405, 12, tickwheelv1.ErrorReason_METHOD_NOT_ALLOWED, ""},
		"a form is no GET": {"POST", "/v1/users/7/jobs/a", 405, 12, tickwheelv1.ErrorReason_METHOD_NOT_ALLOWED, ""},
		"unknown query":    {"GET", "/v1/users/7/jobs?nope=1", 400, 3, tickwheelv1.ErrorReason_UNKNOWN_FIELD, "nope"},
		"a path's field":   {"GET", "/v1/users/7/jobs?parent=users/8", 400, 3, tickwheelv1.ErrorReason_UNKNOWN_FIELD, "parent"},
		"query and body":   {"POST", "/v1/users/7/jobs/a:pause?reason=x", 400, 3, tickwheelv1.ErrorReason_UNKNOWN_FIELD, "reason"},
		"a query's type":   {"GET", "/v1/users/7/jobs?page_size=x", 400, 3, tickwheelv1.ErrorReason_FIELD_INVALID, "pageSize"},
		"query twice":      {"GET", "/v1/users/7/jobs?page_size=1&pageSize=2", 400, 3, tickwheelv1.ErrorReason_CONFLICTING_FIELDS, "pageSize"},
		"query not UTF-8":  {"GET", "/v1/users/7/jobs?page_token=%FF", 400, 3, tickwheelv1.ErrorReason_FIELD_INVALID, "pageToken"},
		"path not UTF-8":   {"GET", "/v1/users/%FF/jobs", 400, 3, tickwheelv1.ErrorReason_MALFORMED_REQUEST, ""},
		"no answer":        {"GET", "/v1/users/7/jobs/a", 504, 4, tickwheelv1.ErrorReason_DEADLINE_PASSED, ""},
		"too large":        {"DELETE", "/v1/users/7/jobs/a", 400, 3, tickwheelv1.ErrorReason_MALFORMED_REQUEST, ""},
		"not built":        {"GET", "/v1/cluster", 501, 12, tickwheelv1.ErrorReason_NOT_IMPLEMENTED, ""},
		"a stream":         {"GET", "/v1/users/7/jobs/a/runs:watch", 503, 14, tickwheelv1.ErrorReason_SERVER_STOPPING, ""},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequest(c.method, url+c.path, strings.NewReader(""))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			var got answer
			if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != c.http || got.Code != c.code || got.Message == "" {
				t.Errorf("got %d %+v", response.StatusCode, got)
			}
			if len(got.Details) == 0 || got.Details[0].Reason != c.reason.String() {
				t.Fatalf("got %+v, want %s", got, c.reason)
			}
			if c.field == "" {
				return
			}
			if len(got.Details) < 2 || got.Details[1].FieldViolations[0].Field != c.field {
				t.Errorf("got %+v, want the field %s", got, c.field)
			}
		})
	}
}

func TestAnErrorInsideOfAStreamHasDetailsToo(t *testing.T) {
	response, err := http.Get(serve(t) + "/v1/users/7/jobs/a/runs:watch?filter=later")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := json.NewDecoder(response.Body)
	var first, last struct {
		Result map[string]any
		Error  answer
	}
	if lines.Decode(&first) != nil || first.Result["resumeToken"] != "t" {
		t.Errorf("got %+v", first)
	}
	if lines.Decode(&last) != nil || len(last.Error.Details) == 0 {
		t.Errorf("got %+v", last)
	}
}

func TestQueryParametersHaveBothSpellings(t *testing.T) {
	url := serve(t)
	for _, key := range []string{"page_token", "pageToken"} {
		response, err := http.Get(url + "/v1/users/7/jobs?" + key + "=abc")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var got map[string]any
		if json.NewDecoder(response.Body).Decode(&got) != nil || got["nextPageToken"] != "abc" {
			t.Errorf("%s: got %v", key, got)
		}
	}
}
